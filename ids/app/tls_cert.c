/* The Certificate message of a server up to TLS 1.2 (RFC 5246, 7.4.2). */
#include <string.h>

#include "ids/app/tls_impl.h"
#include "ids/app/x509.h"
#include "ids/bytes.h"
#include "ids/digest.h"

static uint32_t be24(const uint8_t *p)
{
	return (uint32_t)p[0] << 16 | be16(p + 1);
}

/* Octets in hexadecimal, parted by colons. */
static bool put_hex(struct app_flow *flow, struct tls_tx *tx, struct tls_part *part,
		    const uint8_t *at, uint32_t len, const char *digits)
{
	part->at = tx->text.len;
	for (uint32_t i = 0; i < len; i++) {
		char text[3] = {digits[at[i] >> 4], digits[at[i] & 15], ':'};

		if (!buf_add(&flow->app->pool, &tx->text, text, i + 1 < len ? 3 : 2, POOL_MAX))
			return false;
	}
	part->len = tx->text.len - part->at;
	part->set = part->len > 0;
	return true;
}

static void put_name(struct app_flow *flow, struct tls_tx *tx, struct tls_part *part,
		     struct app_view name, unsigned fault)
{
	part->at = tx->text.len;
	part->set = x509_name(&flow->app->pool, &tx->text, name, tx->text.len + TLS_NAME_MAX);
	part->len = tx->text.len - part->at;
	if (!part->set)
		tls_event(tx, fault);
}

/* What rules look into is that of the server's own, the first. */
static bool first_cert(struct app_flow *flow, struct tls_tx *tx, const uint8_t *der, uint32_t len)
{
	static const unsigned events[] = {
		[X509_LENGTH] = TLS_EVENT_CERTIFICATE_INVALID_LENGTH,
		[X509_DER] = TLS_EVENT_CERTIFICATE_INVALID_DER,
		[X509_VERSION] = TLS_EVENT_CERTIFICATE_INVALID_VERSION,
		[X509_SERIAL] = TLS_EVENT_CERTIFICATE_INVALID_SERIAL,
		[X509_ALGORITHM] = TLS_EVENT_CERTIFICATE_INVALID_ALGORITHMIDENTIFIER,
		[X509_NAME] = TLS_EVENT_CERTIFICATE_INVALID_X509NAME,
		[X509_DATE] = TLS_EVENT_CERTIFICATE_INVALID_DATE,
	};
	struct x509 x;
	enum x509_fault fault = x509_parse(&x, der, len);
	uint8_t digest[20];

	if (fault != X509_GOOD) {
		tls_event(tx, events[fault]);
		return true;
	}
	put_name(flow, tx, &tx->subject, x.subject, TLS_EVENT_CERTIFICATE_INVALID_SUBJECT);
	put_name(flow, tx, &tx->issuer, x.issuer, TLS_EVENT_CERTIFICATE_INVALID_ISSUER);
	tx->not_before = x.not_before;
	tx->not_after = x.not_after;
	tx->has_cert = true;
	digest_sha1(digest, der, len);
	/* RFC 5280, 4.1.2.2: a serial number has at most 20 octets; longer ones are cut. */
	return put_hex(flow, tx, &tx->serial, x.serial.at, x.serial.len < 64 ? x.serial.len : 64,
		       "0123456789ABCDEF") &&
	       put_hex(flow, tx, &tx->fingerprint, digest, 20, "0123456789abcdef");
}

enum app_result tls_certificate(struct app_flow *flow, struct tls_tx *tx, const uint8_t *body,
				uint32_t len)
{
	struct buf *certs = &tx->certs;

	if (certs->len) /* of a renegotiation */
		return APP_OK;
	if (len < 3 || be24(body) > len - 3) {
		tls_event(tx, TLS_EVENT_INVALID_CERTIFICATE);
		return APP_OK;
	}
	len = be24(body);
	body += 3;
	while (len) {
		uint32_t n = len < 3 ? UINT32_MAX : be24(body);

		if (n > len - 3) {
			tls_event(tx, TLS_EVENT_INVALID_CERTIFICATE);
			break;
		}
		body += 3;
		len -= 3;
		if (n && tx->cert_count < TLS_CERTS_MAX) {
			tx->cert[tx->cert_count] = (struct tls_part){certs->len, n, true};
			if (!buf_add(&flow->app->pool, certs, body, n, TLS_MESSAGE_MAX) ||
			    (!tx->cert_count && !first_cert(flow, tx, body, n)))
				return APP_NO_MEMORY;
			tx->cert_count++;
		}
		body += n;
		len -= n;
	}
	app_tx_tell(flow, &tx->tx, false, APP_HEADERS);
	return APP_OK;
}
