/* The URI of a request, normalised as libhtp does for Suricata ("IDS" personality, no lower case,
 * parts before the path left out): the path decoded once, separators compressed, backslashes
 * turned, UTF-8 fitted into one octet, dot segments removed; the query decoded once. */
#include <string.h>

#include "ids/app/http_impl.h"
#include "ids/bytes.h"

#define REPLACEMENT '?' /* for what has no fit in one octet */

struct span {
	const uint8_t *at;
	size_t len;
};

/* What comes out of decoding is never longer than what went in. */
struct out {
	uint8_t *at;
	size_t len;
};

static bool hex(uint8_t c)
{
	return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'f');
}

static uint8_t hex_value(uint8_t c)
{
	return (uint8_t)(c <= '9' ? c - '0' : lower(c) - 'a' + 10);
}

static uint8_t hex_pair(const uint8_t *at)
{
	return (uint8_t)(hex_value(at[0]) << 4 | hex_value(at[1]));
}

/* A character in one octet: what is alike in ASCII. Fullwidth forms are U+FF01 to U+FF5E. */
static uint8_t best_fit(uint32_t c)
{
	if (c < 0x100)
		return (uint8_t)c;
	if (c >= 0xff01 && c <= 0xff5e)
		return (uint8_t)(c - 0xff01 + '!');
	switch (c) {
	case 0x2044: /* fraction slash */
	case 0x2215: /* division slash */
		return '/';
	case 0x2216: /* set minus */
		return '\\';
	default:
		return REPLACEMENT;
	}
}

/* One character at s[*at]; moves on. `wide`: %uXXXX is known. What is no encoding stays as it is.
 */
static uint8_t decode_one(struct span s, size_t *at, bool wide)
{
	const uint8_t *p = s.at + *at;
	size_t left = s.len - *at;

	if (*p == '%' && wide && left > 5 && lower(p[1]) == 'u' && hex(p[2]) && hex(p[3]) &&
	    hex(p[4]) && hex(p[5])) {
		*at += 6;
		return best_fit((uint32_t)hex_pair(p + 2) << 8 | hex_pair(p + 4));
	}
	if (*p == '%' && left > 2 && hex(p[1]) && hex(p[2])) {
		*at += 3;
		return hex_pair(p + 1);
	}
	*at += 1;
	return *p;
}

static size_t decode_path(uint8_t *out, struct span in)
{
	size_t n = 0;

	for (size_t at = 0; at < in.len;) {
		uint8_t c = decode_one(in, &at, true);

		if (c == '\\')
			c = '/';
		if (c != '/' || !n || out[n - 1] != '/')
			out[n++] = c;
	}
	return n;
}

/* Octets behind the first of a UTF-8 character, overlong ones included (they are how filters are
 * evaded); -1: cannot be a first one. */
static int utf8_more(uint8_t c)
{
	if (c < 0x80)
		return 0;
	if (c < 0xc0)
		return -1;
	if (c < 0xe0)
		return 1;
	if (c < 0xf0)
		return 2;
	return c < 0xf5 ? 3 : -1;
}

/* In place. An invalid sequence becomes one replacement; one cut off at the end is dropped. */
static size_t fit_utf8(uint8_t *s, size_t len)
{
	size_t n = 0;

	for (size_t at = 0; at < len;) {
		int more = utf8_more(s[at]);
		uint32_t c = more <= 0 ? s[at] : s[at] & (0x3fu >> more);
		size_t i = at + 1;

		for (int k = 0; k < more && i < len && (s[i] & 0xc0) == 0x80; k++)
			c = c << 6 | (s[i++] & 0x3f);
		if (more > 0 && i == len && i - at < (size_t)more + 1)
			break;
		if (more < 0 || i - at < (size_t)more + 1)
			s[n++] = REPLACEMENT;
		else
			s[n++] = best_fit(c);
		at = i;
	}
	return n;
}

static bool segment_is(const uint8_t *s, size_t at, size_t len, size_t dots)
{
	size_t i = 0;

	while (at + i < len && s[at + i] == '.')
		i++;
	return i == dots && (at + i == len || s[at + i] == '/');
}

/* Dot segments out (RFC 3986, 5.2.4), in place. */
static size_t remove_dots(uint8_t *s, size_t len)
{
	size_t at = 0, n = 0;

	while (at < len) {
		size_t slash = s[at] == '/', dots;

		for (dots = 2; dots && !segment_is(s, at + slash, len, dots); dots--)
			;
		if (!dots) {
			do {
				s[n++] = s[at++];
			} while (at < len && s[at] != '/');
			continue;
		}
		at += slash + dots;
		if (!slash) { /* leading "./" or "../": gone with its separator */
			at += at < len;
			continue;
		}
		if (dots == 2) {
			while (n && s[n - 1] != '/')
				n--;
			n -= n > 0;
		}
		if (at == len) { /* what ended with a segment ends with a separator */
			s[n++] = '/';
		}
	}
	return n;
}

static struct span find(struct span s, const char *any, size_t from)
{
	size_t i = from;

	while (i < s.len && !(s.at[i] && strchr(any, s.at[i])))
		i++;
	return (struct span){s.at + i, s.len - i};
}

static void port(struct http_tx *tx, const uint8_t *at, size_t len, int32_t *out)
{
	int64_t n = http_number(at, len);

	*out = n > 0 && n < 65536 ? (int32_t)n : -1;
	if (*out < 0)
		http_event(tx, HTTP_EVENT_REQUEST_URI_HOST_INVALID);
}

/* Authority: [user[:password]@]host[:port]. */
static void authority(struct http_tx *tx, struct span s, const uint8_t *line)
{
	const uint8_t *at = memchr(s.at, '@', s.len), *end, *colon;

	if (at) {
		s.len -= (size_t)(at + 1 - s.at);
		s.at = at + 1;
	}
	end = s.at + s.len;
	colon = s.len && *s.at == '[' ? memchr(s.at, ']', s.len) : s.at;
	colon = colon ? memchr(colon, ':', (size_t)(end - colon)) : NULL;
	tx->uri_host = (struct http_part){(uint32_t)(s.at - line),
					  (uint32_t)((colon ? colon : end) - s.at), true};
	if (colon)
		port(tx, colon + 1, (size_t)(end - colon - 1), &tx->uri_port);
}

/* The scheme and authority of an absolute URI; returns what follows. */
static struct span absolute(struct http_tx *tx, struct span s, const uint8_t *line)
{
	struct span rest, colon = find(s, ":", 0);

	if (!s.len || *s.at == '/' || !colon.len)
		return s;
	rest = (struct span){colon.at + 1, colon.len - 1};
	if (rest.len > 2 && rest.at[0] == '/' && rest.at[1] == '/' && rest.at[2] != '/') {
		struct span end = find(rest, "?/#", 2);

		authority(tx, (struct span){rest.at + 2, (size_t)(end.at - rest.at) - 2}, line);
		return end;
	}
	return rest;
}

static void decode_into(struct out *o, struct span s, bool wide)
{
	for (size_t at = 0; at < s.len;)
		o->at[o->len++] = decode_one(s, &at, wide);
}

bool http_uri(struct http_tx *tx)
{
	const struct http_msg *m = &tx->msg[APP_TO_SERVER];
	struct span s, query, fragment;
	struct out o;

	tx->port = tx->uri_port = -1;
	if (!m->second.set)
		return true;
	s = (struct span){m->line.at + m->second.at, m->second.len};
	while (s.len && s.at[s.len - 1] == ' ')
		s.len--;
	if (tx->method == HTTP_CONNECT) {
		authority(tx, s, m->line.at);
		return true;
	}
	/* One octet more, so that there is a string even for nothing. */
	if (!buf_room(http_pool(tx->flow), &tx->uri, s.len + 1, POOL_MAX))
		return false;
	s = absolute(tx, s, m->line.at);
	query = find(s, "?#", 0);
	fragment = find(query, "#", 0);
	o.at = tx->uri.at;
	o.len = decode_path(o.at, (struct span){s.at, s.len - query.len});
	o.len = remove_dots(o.at, fit_utf8(o.at, o.len));
	if (query.len > fragment.len) {
		o.at[o.len++] = '?';
		decode_into(&o, (struct span){query.at + 1, query.len - fragment.len - 1}, false);
	}
	if (fragment.len) {
		o.at[o.len++] = '#';
		decode_into(&o, (struct span){fragment.at + 1, fragment.len - 1}, true);
	}
	tx->uri.len = (uint32_t)o.len;
	tx->uri_part = (struct http_part){0, (uint32_t)o.len, true};
	return true;
}

static bool label_char(uint8_t c)
{
	return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '_';
}

/* An IPv6 address in brackets, by its characters; or labels of 1 to 63 parted by single dots. */
static bool host_valid(const uint8_t *s, size_t len)
{
	size_t label = 0;

	if (!len || len > 255)
		return false;
	if (*s == '[') {
		if (len < 4 || len > 47 || s[len - 1] != ']')
			return false;
		for (size_t i = 1; i < len - 1; i++)
			if (!hex(s[i]) && s[i] != ':' && s[i] != '.')
				return false;
		return true;
	}
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '.') {
			if (!label)
				return false;
			label = 0;
		} else if (!label_char(s[i]) || ++label > 63) {
			return false;
		}
	}
	return true;
}

/* Host and port of a Host header; false: it has none. */
static bool host_header(struct http_tx *tx, struct app_view v, struct span *host)
{
	const uint8_t *at = v.at, *end = v.at + v.len, *stop;
	int64_t n;

	while (at < end && http_space(*at))
		at++;
	while (end > at && http_space(end[-1]))
		end--;
	stop = at < end && *at == '[' ? memchr(at, ']', (size_t)(end - at)) : at;
	if (at == end || !stop) {
		http_event(tx, HTTP_EVENT_REQUEST_HEADER_HOST_INVALID);
		return false;
	}
	stop = *at == '[' ? stop + 1 : memchr(at, ':', (size_t)(end - at));
	if (!stop)
		stop = end;
	*host = (struct span){at, (size_t)(stop - at)};
	while (host->len && http_space(host->at[host->len - 1]))
		host->len--;
	if (stop < end) {
		n = *stop == ':' ? http_number(stop + 1, (size_t)(end - stop - 1)) : -1;
		tx->port = n > 0 && n < 65536 ? (int32_t)n : -1;
		if (tx->port < 0)
			http_event(tx, HTTP_EVENT_REQUEST_HEADER_HOST_INVALID);
	}
	if (!host_valid(host->at, host->len))
		http_event(tx, HTTP_EVENT_REQUEST_HEADER_HOST_INVALID);
	return true;
}

static bool same_host(struct span a, struct span b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (lower(a.at[i]) != lower(b.at[i]))
			return false;
	return true;
}

/* Lower case, without dots at its end, behind the URI. */
static bool keep_host(struct http_tx *tx, struct span host)
{
	uint32_t at = tx->uri.len;

	while (host.len && host.at[host.len - 1] == '.')
		host.len--;
	if (!buf_add(http_pool(tx->flow), &tx->uri, host.at, host.len, POOL_MAX))
		return false;
	for (uint32_t i = at; i < tx->uri.len; i++)
		tx->uri.at[i] = lower(tx->uri.at[i]);
	tx->host_part = (struct http_part){at, tx->uri.len - at, true};
	return true;
}

bool http_host(struct http_tx *tx)
{
	const struct http_msg *m = &tx->msg[APP_TO_SERVER];
	struct span uri = {NULL, 0}, header = {NULL, 0};
	struct app_view v;
	bool has = false;

	if (tx->uri_host.set) {
		uri = (struct span){m->line.at + tx->uri_host.at, tx->uri_host.len};
		if (!host_valid(uri.at, uri.len))
			http_event(tx, HTTP_EVENT_REQUEST_URI_HOST_INVALID);
	}
	if (http_find(m, "host", &v)) {
		has = host_header(tx, v, &header);
		if (tx->uri_host.set &&
		    (!has || !same_host(uri, header) ||
		     (tx->uri_port > 0 && tx->port > 0 && tx->uri_port != tx->port)))
			http_event(tx, HTTP_EVENT_HOST_HEADER_AMBIGUOUS);
	} else if (m->version == 11) {
		http_event(tx, HTTP_EVENT_MISSING_HOST_HEADER);
	}
	if (tx->uri_host.set) {
		tx->port = tx->uri_port;
		return keep_host(tx, uri);
	}
	return !has || keep_host(tx, header);
}
