/* Which protocol the first octets of a TCP connection's direction are, by Suricata's patterns. */
#include <string.h>

#include "ids/app/app_impl.h"
#include "ids/app/dns.h"
#include "ids/bytes.h"

#define DNS_PORT 53

static const char *const methods[] = {
	"GET",
	"PUT",
	"POST",
	"HEAD",
	"TRACE",
	"OPTIONS",
	"CONNECT",
	"DELETE",
	"PATCH",
	"PROPFIND",
	"PROPPATCH",
	"MKCOL",
	"COPY",
	"MOVE",
	"LOCK",
	"UNLOCK",
	"CHECKOUT",
	"UNCHECKOUT",
	"CHECKIN",
	"UPDATE",
	"LABEL",
	"REPORT",
	"MKWORKSPACE",
	"MKACTIVITY",
	"MERGE",
	"INVALID",
	"VERSION-CONTROL",
	"BASELINE-CONTROL",
};

enum fit { NO, MAYBE, YES };

/* `word` in any case at the start, then, if `space`, a space or tab. */
static enum fit word_fits(const uint8_t *data, uint32_t len, const char *word, bool space)
{
	uint32_t i = 0;

	for (; word[i]; i++) {
		if (i == len)
			return MAYBE;
		if (lower(data[i]) != lower((uint8_t)word[i]))
			return NO;
	}
	if (!space)
		return YES;
	if (i == len)
		return MAYBE;
	return data[i] == ' ' || data[i] == '\t' ? YES : NO;
}

static enum fit http_fits(const uint8_t *data, uint32_t len, bool to_server)
{
	static const char *const versions[] = {"HTTP/0.9", "HTTP/1.0", "HTTP/1.1"};
	const char *const *words = to_server ? methods : versions;
	size_t count = to_server ? sizeof(methods) / sizeof(methods[0])
				 : sizeof(versions) / sizeof(versions[0]);
	enum fit best = NO;

	for (size_t i = 0; i < count; i++) {
		enum fit f = word_fits(data, len, words[i], to_server);

		if (f > best)
			best = f;
	}
	return best;
}

/* A TLS record header (RFC 8446, 5.1) of SSL 3.0 to TLS 1.2's number, of the types that may come
 * first; from a client also an SSL 2 hello that asks for one of these versions, or for SSL 2
 * itself. */
static enum fit tls_fits(const uint8_t *data, uint32_t len, bool to_server)
{
	uint8_t type = data[0];
	bool record = type == 0x16 || (!to_server && (type == 0x15 || type == 0x17));
	enum fit best = NO;

	if (record || (to_server && type == 0x01)) {
		best = MAYBE;
		if (len > 1 && data[1] != 3)
			best = NO;
		else if (len > 2)
			best = data[2] <= 3 ? YES : NO;
	}
	/* SSL 2: two octets of length, client hello, version 0.2 or 3.0 to 3.3. */
	if (to_server && best == NO && data[0] & 0x80) {
		best = MAYBE;
		if (len > 2 && data[2] != 1)
			best = NO;
		else if (len > 3 && data[3] != 0 && data[3] != 3)
			best = NO;
		else if (len > 4)
			best = (data[3] ? data[4] <= 3 : data[4] == 2) ? YES : NO;
	}
	return best;
}

/* A message behind its length. A short one is looked at whole, of a longer one the header; how much
 * of it has come yet must not matter. */
static enum fit dns_fits(const uint8_t *data, uint32_t len)
{
	uint32_t whole, want;

	if (len < 2)
		return MAYBE;
	whole = be16(data);
	want = whole + 2 < APP_PROBE ? whole + 2 : APP_PROBE;
	if (len < want)
		return MAYBE;
	return dns_probe(data + 2, want - 2, whole) ? YES : NO;
}

enum app_proto detect_tcp(const uint8_t *data, uint32_t len, bool to_server, const uint16_t port[2],
			  bool more)
{
	bool dns_port = port[0] == DNS_PORT || port[1] == DNS_PORT;
	enum fit http, tls, dns;

	if (!len)
		return more ? APP_UNKNOWN : APP_FAILED;
	http = http_fits(data, len, to_server);
	tls = tls_fits(data, len, to_server);
	dns = NO;
	if (dns_port && http != YES && tls != YES)
		dns = dns_fits(data, len);
	if (dns == YES)
		return APP_DNS;
	if (http == YES)
		return APP_HTTP;
	if (tls == YES)
		return APP_TLS;
	return more && (http == MAYBE || tls == MAYBE || dns == MAYBE) ? APP_UNKNOWN : APP_FAILED;
}
