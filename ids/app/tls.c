/* TLS records and handshake messages, and the buffers of a handshake. */
#include <string.h>

#include "ids/app/tls_impl.h"
#include "ids/bytes.h"

enum { /* RFC 5246, 6.2.1; RFC 6520, 3 */
       RECORD_CHANGE_CIPHER = 20,
       RECORD_ALERT = 21,
       RECORD_HANDSHAKE = 22,
       RECORD_DATA = 23,
       RECORD_HEARTBEAT = 24,
};

enum { /* RFC 5246, 7.4 */
       MESSAGE_CLIENT_HELLO = 1,
       MESSAGE_SERVER_HELLO = 2,
       MESSAGE_CERTIFICATE = 11,
};

#define TLS_1_3 0x0304

struct cursor {
	const uint8_t *at;
	uint32_t left;
};

static void *tls_open(struct app_flow *flow)
{
	struct tls_flow *f = pool_zero(&flow->app->pool, sizeof(*f));

	if (!f)
		return NULL;
	f->tx = (struct tls_tx *)app_tx_new(flow, APP_TLS, sizeof(*f->tx));
	if (!f->tx) {
		pool_give(&flow->app->pool, f);
		return NULL;
	}
	return f;
}

static void tls_close(struct app_flow *flow)
{
	struct tls_flow *f = flow->state;

	buf_drop(&flow->app->pool, &f->side[0].message);
	buf_drop(&flow->app->pool, &f->side[1].message);
	pool_give(&flow->app->pool, f);
}

static enum app_result refuse(struct app_flow *flow, struct tls_flow *f, bool to_server,
			      unsigned event)
{
	tls_event(f->tx, event);
	app_tx_tell(flow, &f->tx->tx, to_server, APP_NOTHING);
	return APP_ERROR;
}

/* A direction goes on encrypted: nothing more can be read of it. */
static enum app_result encrypted(struct app_flow *flow, struct tls_flow *f, bool to_server)
{
	f->side[to_server].encrypted = true;
	buf_drop(&flow->app->pool, &f->side[to_server].message);
	if (f->tx->tx.progress[to_server] != APP_COMPLETE)
		app_tx_tell(flow, &f->tx->tx, to_server, APP_COMPLETE);
	return f->side[0].encrypted && f->side[1].encrypted ? APP_STOP : APP_OK;
}

static enum app_result message(struct app_flow *flow, struct tls_flow *f, bool to_server)
{
	struct tls_side *s = &f->side[to_server];
	struct buf m = s->message;
	enum app_result r = APP_OK;

	memset(&s->message, 0, sizeof(s->message));
	switch (s->message_head[0]) {
	case MESSAGE_CLIENT_HELLO:
	case MESSAGE_SERVER_HELLO:
		r = tls_hello(flow, f->tx, to_server, m.at, m.len);
		/* From here on a server of TLS 1.3 encrypts (RFC 8446, 2). */
		if (r == APP_OK && !to_server && f->tx->version == TLS_1_3)
			r = encrypted(flow, f, to_server);
		break;
	default:
		r = tls_certificate(flow, f->tx, m.at, m.len);
		break;
	}
	buf_drop(&flow->app->pool, &m);
	s->message_head_len = 0;
	return r;
}

/* The header of a handshake message is there: is it looked into? */
static bool wanted(const struct tls_flow *f, bool to_server, uint32_t len)
{
	switch (f->side[to_server].message_head[0]) {
	case MESSAGE_CLIENT_HELLO:
		return to_server && len && len <= TLS_MESSAGE_MAX;
	case MESSAGE_SERVER_HELLO:
		return !to_server && len && len <= TLS_MESSAGE_MAX;
	case MESSAGE_CERTIFICATE:
		return !to_server && len && len <= TLS_MESSAGE_MAX;
	default:
		return false;
	}
}

static uint32_t message_len(const struct tls_side *s)
{
	return (uint32_t)s->message_head[1] << 16 | be16(s->message_head + 2);
}

/* Handshake messages go over the borders of records. */
static enum app_result handshake(struct app_flow *flow, struct tls_flow *f, bool to_server,
				 struct cursor c)
{
	struct tls_side *s = &f->side[to_server];
	enum app_result r = APP_OK;

	while (c.left && r == APP_OK && !s->encrypted) {
		uint32_t len, n;

		if (s->message_head_len < 4) {
			s->message_head[s->message_head_len++] = *c.at++;
			c.left--;
			if (s->message_head_len < 4)
				continue;
			len = message_len(s);
			s->message_left = len;
			if (len > TLS_MESSAGE_MAX && s->message_head[0] == MESSAGE_CERTIFICATE)
				tls_event(f->tx, TLS_EVENT_CERTIFICATE_INVALID_LENGTH);
			if (!len)
				s->message_head_len = 0;
			continue;
		}
		len = message_len(s);
		n = c.left < s->message_left ? c.left : s->message_left;
		if (wanted(f, to_server, len) &&
		    !buf_add(&flow->app->pool, &s->message, c.at, n, TLS_MESSAGE_MAX))
			return APP_NO_MEMORY;
		c.at += n;
		c.left -= n;
		s->message_left -= n;
		if (s->message_left)
			break;
		if (wanted(f, to_server, len))
			r = message(flow, f, to_server);
		s->message_head_len = 0;
	}
	return r;
}

/* RFC 6520: more payload claimed than sent is how memory was leaked (CVE-2014-0160). */
static enum app_result heartbeat(struct app_flow *flow, struct tls_flow *f, bool to_server,
				 struct cursor c)
{
	struct tls_side *s = &f->side[to_server];
	uint32_t payload;

	while (c.left && s->seen < 3) {
		s->beat[s->seen++] = *c.at++;
		c.left--;
	}
	if (s->left || s->encrypted)
		return APP_OK;
	if (s->seen < 3 || s->beat[0] < 1 || s->beat[0] > 2)
		return refuse(flow, f, to_server, TLS_EVENT_INVALID_HEARTBEAT_MESSAGE);
	if (f->beat_out && !f->beat_by[to_server]) { /* the answer */
		f->beat_out = false;
		return APP_OK;
	}
	if (f->beat_out)
		return refuse(flow, f, to_server, TLS_EVENT_INVALID_HEARTBEAT_MESSAGE);
	f->beat_out = true;
	f->beat_by[to_server] = true;
	f->beat_by[!to_server] = false;
	payload = be16(s->beat + 1);
	if (payload + 3 > s->record_len)
		return refuse(flow, f, to_server, TLS_EVENT_OVERFLOW_HEARTBEAT_MESSAGE);
	if (s->record_len - payload - 3 < 16) /* padding, RFC 6520, 4 */
		return refuse(flow, f, to_server, TLS_EVENT_INVALID_HEARTBEAT_MESSAGE);
	return APP_OK;
}

/* A part of a record's content. */
static enum app_result content(struct app_flow *flow, struct tls_flow *f, bool to_server,
			       struct cursor c)
{
	struct tls_side *s = &f->side[to_server];

	if (s->ssl2)
		return APP_OK;
	switch (s->type) {
	case RECORD_CHANGE_CIPHER:
	case RECORD_DATA:
		return s->encrypted ? APP_OK : encrypted(flow, f, to_server);
	case RECORD_HANDSHAKE:
		return s->encrypted ? APP_OK : handshake(flow, f, to_server, c);
	case RECORD_HEARTBEAT:
		return heartbeat(flow, f, to_server, c);
	default:
		return APP_OK;
	}
}

/* The five octets before a record. */
static enum app_result record(struct app_flow *flow, struct tls_flow *f, bool to_server)
{
	struct tls_side *s = &f->side[to_server];
	const uint8_t *h = s->head;

	/* SSL 2's hello, from a client that also knows later versions (RFC 5246, E.2). */
	if (to_server && !s->started && h[0] & 0x80) {
		uint16_t len = be16(h) & 0x7fff;

		if (len < 3 + 6)
			return refuse(flow, f, to_server, TLS_EVENT_INVALID_SSLV2_HEADER);
		s->ssl2 = true;
		s->left = (uint16_t)(len - 3);
		f->tx->version = be16(h + 3);
		f->tx->hello[to_server] = true;
		app_tx_tell(flow, &f->tx->tx, to_server, APP_LINE);
		return APP_OK;
	}
	s->type = h[0];
	s->left = s->record_len = be16(h + 3);
	s->seen = 0;
	s->ssl2 = false;
	if (h[1] != 3 || h[2] > 4)
		return refuse(flow, f, to_server, TLS_EVENT_INVALID_RECORD_VERSION);
	if (s->type < RECORD_CHANGE_CIPHER || s->type > RECORD_HEARTBEAT)
		return refuse(flow, f, to_server, TLS_EVENT_INVALID_RECORD_TYPE);
	if (!s->left || s->left > TLS_RECORD_MAX)
		return refuse(flow, f, to_server, TLS_EVENT_INVALID_RECORD_LENGTH);
	return APP_OK;
}

static enum app_result tls_data(struct app_flow *flow, bool to_server, const uint8_t *data,
				uint32_t len)
{
	struct tls_flow *f = flow->state;
	struct tls_side *s = &f->side[to_server];
	struct cursor c = {data, len};
	enum app_result r = APP_OK;

	while (c.left && r == APP_OK) {
		uint32_t n;

		if (s->head_len < 5) {
			s->head[s->head_len++] = *c.at++;
			c.left--;
			if (s->head_len < 5)
				continue;
			r = record(flow, f, to_server);
			s->started = true;
			continue;
		}
		n = c.left < s->left ? c.left : s->left;
		s->left = (uint16_t)(s->left - n);
		r = content(flow, f, to_server, (struct cursor){c.at, n});
		c.at += n;
		c.left -= n;
		if (!s->left)
			s->head_len = 0;
	}
	return r;
}

/* Encrypted records may be missing: then nothing of them was wanted. */
static enum app_result tls_gap(struct app_flow *flow, bool to_server, uint32_t len)
{
	struct tls_side *s = &((struct tls_flow *)flow->state)->side[to_server];

	if (!s->encrypted || len > s->left)
		return APP_LOST;
	s->left = (uint16_t)(s->left - len);
	if (!s->left)
		s->head_len = 0;
	return APP_OK;
}

static void tls_eof(struct app_flow *flow, bool to_server)
{
	struct tls_flow *f = flow->state;

	if (f->tx->tx.progress[to_server] != APP_COMPLETE)
		app_tx_tell(flow, &f->tx->tx, to_server, APP_COMPLETE);
}

static bool part(const struct tls_tx *tx, struct tls_part p, struct app_view *v)
{
	if (p.set)
		*v = (struct app_view){p.len ? tx->text.at + p.at : (const uint8_t *)"", p.len};
	return p.set;
}

static bool fixed(const struct tls_tx *tx, bool to_server, bool there, const uint8_t *at,
		  struct app_view *v)
{
	if (!there || !tx->hello[to_server])
		return false;
	*v = (struct app_view){at, 32};
	return true;
}

static bool tls_buffer(const struct app_tx *app, enum app_buffer which, bool to_server,
		       uint32_t index, struct app_view *v)
{
	const struct tls_tx *tx = (const struct tls_tx *)app;

	switch (which) {
	case APP_TLS_SNI:
		return part(tx, tx->sni, v);
	case APP_TLS_CERT_SUBJECT:
		return part(tx, tx->subject, v);
	case APP_TLS_CERT_ISSUER:
		return part(tx, tx->issuer, v);
	case APP_TLS_CERT_SERIAL:
		return part(tx, tx->serial, v);
	case APP_TLS_CERT_FINGERPRINT:
		return part(tx, tx->fingerprint, v);
	case APP_TLS_CERTS:
		if (index >= tx->cert_count)
			return false;
		*v = (struct app_view){tx->certs.at + tx->cert[index].at, tx->cert[index].len};
		return true;
	case APP_TLS_RANDOM:
		return fixed(tx, to_server, tx->ja3[to_server].set, tx->random[to_server], v);
	case APP_JA3_HASH:
	case APP_JA3S_HASH:
		return fixed(tx, to_server, tx->ja3[to_server].set, tx->hash[to_server], v);
	case APP_JA3_STRING:
	case APP_JA3S_STRING:
		return part(tx, tx->ja3[to_server], v);
	default:
		return false;
	}
}

static void tls_free_tx(struct pool *pool, struct app_tx *app)
{
	struct tls_tx *tx = (struct tls_tx *)app;

	buf_drop(pool, &tx->text);
	buf_drop(pool, &tx->certs);
}

const struct app_parser tls_parser = {
	.open = tls_open,
	.close = tls_close,
	.data = tls_data,
	.gap = tls_gap,
	.eof = tls_eof,
	.buffer = tls_buffer,
	.free_tx = tls_free_tx,
	.client_first = true,
};

static const char *version_name(uint16_t version)
{
	switch (version) {
	case 0x0002:
		return "SSLv2";
	case 0x0300:
		return "SSLv3";
	case 0x0301:
		return "TLS 1.0";
	case 0x0302:
		return "TLS 1.1";
	case 0x0303:
		return "TLS 1.2";
	case TLS_1_3:
		return "TLS 1.3";
	default:
		return "UNDETERMINED";
	}
}

void tls_tx_info(const struct app_tx *app, struct tls_info *info)
{
	const struct tls_tx *tx = (const struct tls_tx *)app;

	memset(info, 0, sizeof(*info));
	info->version = tx->version;
	info->version_name = version_name(tx->version);
	info->has_cert = tx->has_cert;
	info->not_before = tx->not_before;
	info->not_after = tx->not_after;
	part(tx, tx->sni, &info->sni);
	part(tx, tx->subject, &info->subject);
	part(tx, tx->issuer, &info->issuer);
	part(tx, tx->serial, &info->serial);
	part(tx, tx->fingerprint, &info->fingerprint);
	part(tx, tx->ja3[APP_TO_SERVER], &info->ja3_string);
	part(tx, tx->ja3[APP_TO_CLIENT], &info->ja3s_string);
	fixed(tx, true, tx->ja3[APP_TO_SERVER].set, tx->hash[APP_TO_SERVER], &info->ja3_hash);
	fixed(tx, false, tx->ja3[APP_TO_CLIENT].set, tx->hash[APP_TO_CLIENT], &info->ja3s_hash);
	info->resumed = tx->tx.progress[APP_TO_CLIENT] == APP_COMPLETE && !tx->has_cert;
}
