/* ClientHello and ServerHello (RFC 5246, 7.4.1; RFC 8446, 4.1), and JA3 over them. */
#include <string.h>

#include "ids/digest.h"
#include "ids/app/tls_impl.h"
#include "ids/bytes.h"

#define EXT_SERVER_NAME 0  /* RFC 6066, 3 */
#define EXT_GROUPS	10 /* RFC 8422, 5.1.1 */
#define EXT_POINTS	11 /* RFC 8422, 5.1.2 */
#define EXT_VERSIONS	43 /* RFC 8446, 4.2.1 */
#define NAME_MAX_LEN	255

struct reader {
	const uint8_t *at;
	uint32_t left;
};

struct hello {
	struct app_flow *flow;
	struct tls_tx *tx;
	bool to_server, no_memory;
	struct buf ja3;	   /* up to the extensions, then all */
	struct buf groups; /* the parts behind the extensions */
	struct buf points;
	uint32_t names; /* server_name extensions */
};

/* `n` octets; false: not there. */
static bool get(struct reader *r, uint32_t n, struct reader *out)
{
	if (n > r->left)
		return false;
	*out = (struct reader){r->at, n};
	r->at += n;
	r->left -= n;
	return true;
}

/* A vector with a length of `size` octets before it (RFC 8446, 3.4). */
static bool vector(struct reader *r, unsigned size, struct reader *out)
{
	struct reader len;

	if (!get(r, size, &len))
		return false;
	return get(r, size == 1 ? len.at[0] : be16(len.at), out);
}

/* Values that clients make up to keep servers tolerant (RFC 8701): not part of a fingerprint. */
static bool grease(uint16_t v)
{
	return (v & 0x0f0f) == 0x0a0a && v >> 8 == (v & 0xff);
}

static void put(struct hello *h, struct buf *b, const char *text, size_t len)
{
	if (!buf_add(&h->flow->app->pool, b, text, len, TLS_JA3_MAX) && b->len + len <= TLS_JA3_MAX)
		h->no_memory = true;
}

/* A decimal number; `first`: no "-" before it. */
static void put_value(struct hello *h, struct buf *b, uint16_t v, bool first)
{
	char text[6];
	size_t i = sizeof(text);

	do {
		text[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	if (!first)
		text[--i] = '-';
	put(h, b, text + i, sizeof(text) - i);
}

static void put_list(struct hello *h, struct buf *b, struct reader r, unsigned size)
{
	bool first = true;

	for (; r.left >= size; r.at += size, r.left -= size) {
		uint16_t v = size == 1 ? r.at[0] : be16(r.at);

		if (size == 2 && grease(v))
			continue;
		put_value(h, b, v, first);
		first = false;
	}
}

static void server_name(struct hello *h, struct reader r)
{
	struct tls_tx *tx = h->tx;
	struct reader list, name;

	if (!r.left) /* a server may say that it took it */
		return;
	if (!vector(&r, 2, &list) || !list.left) {
		tls_event(tx, TLS_EVENT_HANDSHAKE_INVALID_LENGTH);
		return;
	}
	if (list.at[0]) { /* host_name is the only type */
		tls_event(tx, TLS_EVENT_INVALID_SNI_TYPE);
		return;
	}
	list.at++;
	list.left--;
	if (!vector(&list, 2, &name) || name.left > NAME_MAX_LEN) {
		tls_event(tx, TLS_EVENT_INVALID_SNI_LENGTH);
		return;
	}
	if (h->names++) {
		tls_event(tx, TLS_EVENT_MULTIPLE_SNI_EXTENSIONS);
		return;
	}
	tx->sni = (struct tls_part){tx->text.len, name.left, true};
	h->no_memory |= !buf_add(&h->flow->app->pool, &tx->text, name.at, name.left, POOL_MAX);
}

static void extension(struct hello *h, uint16_t type, struct reader body)
{
	struct reader list;

	switch (type) {
	case EXT_SERVER_NAME:
		if (h->to_server)
			server_name(h, body);
		break;
	case EXT_GROUPS:
		if (vector(&body, 2, &list))
			put_list(h, &h->groups, list, 2);
		break;
	case EXT_POINTS:
		if (vector(&body, 1, &list))
			put_list(h, &h->points, list, 1);
		break;
	case EXT_VERSIONS:
		if (!h->to_server && body.left == 2)
			h->tx->version = be16(body.at);
		break;
	default:
		break;
	}
}

static bool extensions(struct hello *h, struct reader r)
{
	struct reader all, head, body;
	bool first = true;

	if (!r.left)
		return true;
	if (!vector(&r, 2, &all))
		return false;
	while (all.left) {
		uint16_t type;

		if (!get(&all, 2, &head) || !vector(&all, 2, &body))
			return false;
		type = be16(head.at);
		if (!grease(type)) {
			put_value(h, &h->ja3, type, first);
			first = false;
		}
		extension(h, type, body);
	}
	return true;
}

static bool body(struct hello *h, struct reader r)
{
	struct reader version, random, session, ciphers, compression;

	if (!get(&r, 2, &version) || !get(&r, 32, &random))
		return false;
	memcpy(h->tx->random[h->to_server], random.at, 32);
	if (!h->to_server || !h->tx->version)
		h->tx->version = be16(version.at);
	put_value(h, &h->ja3, be16(version.at), true);
	put(h, &h->ja3, ",", 1);
	if (!vector(&r, 1, &session))
		return false;
	if (h->to_server ? !vector(&r, 2, &ciphers) || !vector(&r, 1, &compression)
			 : !get(&r, 2, &ciphers) || !get(&r, 1, &compression))
		return false;
	put_list(h, &h->ja3, ciphers, 2);
	put(h, &h->ja3, ",", 1);
	return extensions(h, r);
}

/* JA3: version, ciphers, extensions, and of a client groups and point formats; its MD5. */
static void fingerprint(struct hello *h)
{
	static const char hex[] = "0123456789abcdef";
	struct tls_tx *tx = h->tx;
	uint8_t digest[16];

	if (h->to_server) {
		put(h, &h->ja3, ",", 1);
		put(h, &h->ja3, (const char *)h->groups.at, h->groups.len);
		put(h, &h->ja3, ",", 1);
		put(h, &h->ja3, (const char *)h->points.at, h->points.len);
	}
	tx->ja3[h->to_server] = (struct tls_part){tx->text.len, h->ja3.len, true};
	h->no_memory |= !buf_add(&h->flow->app->pool, &tx->text, h->ja3.at, h->ja3.len, POOL_MAX);
	digest_md5(digest, h->ja3.at, h->ja3.len);
	for (unsigned i = 0; i < 16; i++) {
		tx->hash[h->to_server][2 * i] = (uint8_t)hex[digest[i] >> 4];
		tx->hash[h->to_server][2 * i + 1] = (uint8_t)hex[digest[i] & 15];
	}
}

enum app_result tls_hello(struct app_flow *flow, struct tls_tx *tx, bool to_server,
			  const uint8_t *at, uint32_t len)
{
	struct hello h = {.flow = flow, .tx = tx, .to_server = to_server};
	bool good;

	if (tx->hello[to_server]) /* again, after a HelloRetryRequest or to renegotiate */
		return APP_OK;
	good = body(&h, (struct reader){at, len});
	if (!good)
		tls_event(tx, TLS_EVENT_HANDSHAKE_INVALID_LENGTH);
	else
		fingerprint(&h);
	buf_drop(&flow->app->pool, &h.ja3);
	buf_drop(&flow->app->pool, &h.groups);
	buf_drop(&flow->app->pool, &h.points);
	if (h.no_memory)
		return APP_NO_MEMORY;
	tx->hello[to_server] = good;
	app_tx_tell(flow, &tx->tx, to_server, good ? APP_LINE : APP_NOTHING);
	return good ? APP_OK : APP_ERROR;
}
