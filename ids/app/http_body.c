/* Bodies: content codings taken off, kept up to the limit, bombs noticed. */
#include <string.h>

#include "ids/app/http_impl.h"
#include "ids/bytes.h"

/* Decoded octets. False: no more is wanted. */
static bool keep(void *ctx, const uint8_t *data, size_t len)
{
	struct http_msg *m = ctx;
	struct http_tx *tx = m->tx;

	m->plain_len += len;
	if (!m->body_gone && m->body.len < m->body_max) {
		size_t room = m->body_max - m->body.len, want = len < room ? len : room;

		/* Without memory the body ends here: no hole may be in what rules look into. */
		if (!buf_add(http_pool(tx->flow), &m->body, data, want, m->body_max)) {
			m->body_gone = true;
			tx->flow->flow->app->stats.short_bodies++;
		}
	}
	if (!m->decode || m->plain_len <= HTTP_BOMB)
		return true;
	/* Enough was seen: it is a bomb, or only large. */
	if (m->plain_len > HTTP_BOMB_RATIO * m->wire_len)
		http_event(tx, HTTP_EVENT_COMPRESSION_BOMB);
	return false;
}

static enum coding one_coding(struct app_view v)
{
	if (http_same(v, "gzip") || http_same(v, "x-gzip"))
		return CODING_GZIP;
	return http_same(v, "deflate") || http_same(v, "x-deflate") ? CODING_DEFLATE : CODING_NONE;
}

/* One word of a list; what only contains the name of a coding counts as it, with an event. */
static enum coding loose_coding(struct http_tx *tx, struct app_view v)
{
	enum coding c = one_coding(v);

	if (c != CODING_NONE)
		return c;
	if (http_contains(v, "gzip"))
		c = CODING_GZIP;
	else if (http_contains(v, "deflate"))
		c = CODING_DEFLATE;
	else if (http_same(v, "inflate") || http_same(v, "none") || http_same(v, "lzma"))
		return CODING_NONE;
	http_event(tx, HTTP_EVENT_ABNORMAL_CE_HEADER);
	return c;
}

/* The codings of a list, as far as the limit goes. */
static unsigned list(struct http_tx *tx, struct app_view v, enum coding *out)
{
	unsigned max = tx->flow->flow->app->config.decode_layers, words = 0, n = 0;
	uint32_t at = 0;

	while (at < v.len) {
		struct app_view word;
		uint32_t from;

		while (at < v.len && (v.at[at] == ',' || v.at[at] == ' '))
			at++;
		for (from = at; at < v.len && v.at[at] != ',' && v.at[at] != ' '; at++)
			;
		if (from == at)
			break;
		if (++words > max) {
			http_event(tx, HTTP_EVENT_TOO_MANY_ENCODING_LAYERS);
			break;
		}
		word = (struct app_view){v.at + from, at - from};
		out[n] = loose_coding(tx, word);
		n += out[n] != CODING_NONE && n + 1 < DECODE_LAYERS + 1;
	}
	return n;
}

bool http_body_begin(struct http_tx *tx, bool to_server)
{
	struct http_msg *m = &tx->msg[to_server];
	enum coding codings[DECODE_LAYERS + 1];
	struct app_view v;
	unsigned n = 0;

	if (!http_find(m, "content-encoding", &v))
		return true;
	codings[0] = one_coding(v);
	if (codings[0] != CODING_NONE)
		n = 1;
	else if (!to_server)
		n = list(tx, v, codings);
	if (!n)
		return true;
	if (n > DECODE_LAYERS)
		n = DECODE_LAYERS;
	m->decode = decode_open(http_pool(tx->flow), codings, n, keep, m);
	return m->decode;
}

void http_body(struct http_tx *tx, bool to_server, const uint8_t *data, uint32_t len)
{
	struct http_msg *m = &tx->msg[to_server];
	uint32_t before = m->body.len;

	m->wire_len += len;
	if (!m->decode)
		keep(m, data, len);
	else if (!decode_feed(m->decode, data, len))
		http_event(tx, HTTP_EVENT_GZIP_DECOMPRESSION_FAILED);
	/* What comes in place of a status line is body, too, and the line may still come. */
	if (m->body.len > before)
		http_tell(tx, to_server, m->headers_done || tx->old ? APP_BODY : APP_NOTHING);
}

void http_body_end(struct http_tx *tx, bool to_server)
{
	struct http_msg *m = &tx->msg[to_server];

	if (!m->decode)
		return;
	if (!decode_finish(m->decode))
		http_event(tx, HTTP_EVENT_GZIP_DECOMPRESSION_FAILED);
	decode_close(m->decode);
	m->decode = NULL;
}
