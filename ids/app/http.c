/* HTTP/1.x of one connection: both directions, their transactions, and the buffers rules look into.
 */
#include <string.h>

#include "ids/app/http_impl.h"

/* Requests that nobody answers (or whose answers are not seen) go, the oldest first. */
static void make_room(struct http_flow *f)
{
	struct http_tx *old = (struct http_tx *)f->flow->first;

	while (old && (old == f->side[0].tx || old == f->side[1].tx))
		old = (struct http_tx *)old->tx.next;
	if (!old)
		return;
	for (unsigned dir = 2; dir-- > 0;)
		if (old->tx.progress[dir] != APP_COMPLETE)
			http_tell(old, dir == APP_TO_SERVER, APP_COMPLETE);
	app_tx_free(f->flow, &old->tx);
}

struct http_tx *http_tx_new(struct http_flow *f)
{
	const struct app_config *config = &f->flow->app->config;
	struct http_tx *tx;

	if (f->flow->open_txs >= APP_TXS_MAX)
		make_room(f);
	tx = (struct http_tx *)app_tx_new(f->flow, APP_HTTP, sizeof(*tx));
	if (!tx)
		return NULL;
	tx->flow = f;
	tx->port = tx->uri_port = -1;
	tx->content_length = -1;
	for (unsigned i = 0; i < 2; i++)
		tx->msg[i].tx = tx;
	tx->msg[APP_TO_SERVER].body_max = config->request_body;
	tx->msg[APP_TO_CLIENT].body_max = config->response_body;
	return tx;
}

void http_tx_drop(struct http_flow *f, struct http_tx *tx)
{
	if (!tx || tx->tx.progress[0] != APP_COMPLETE || tx->tx.progress[1] != APP_COMPLETE ||
	    f->side[0].tx == tx || f->side[1].tx == tx)
		return;
	app_tx_free(f->flow, &tx->tx);
}

void http_complete(struct http_tx *tx, bool to_server)
{
	struct http_msg *m = &tx->msg[to_server];

	http_body_end(tx, to_server);
	http_tell(tx, to_server, APP_COMPLETE);
	if (m->body.len > HTTP_TAIL_MAX) {
		buf_drop(http_pool(tx->flow), &m->body);
		m->body_gone = true;
	}
}

static void *http_open(struct app_flow *flow)
{
	struct http_flow *f = pool_zero(&flow->app->pool, sizeof(*f));

	if (f)
		f->flow = flow;
	return f;
}

static void http_close(struct app_flow *flow)
{
	struct http_flow *f = flow->state;

	buf_drop(&flow->app->pool, &f->side[0].acc);
	buf_drop(&flow->app->pool, &f->side[1].acc);
	pool_give(&flow->app->pool, f);
}

static enum app_result http_data(struct app_flow *flow, bool to_server, const uint8_t *data,
				 uint32_t len)
{
	struct http_cursor c = {data, len};

	enum app_result r =
		to_server ? http_request(flow->state, &c) : http_response(flow->state, &c);

	flow->left = c.left;
	return r;
}

/* Only octets of a body may be missing; what is coded cannot go on. */
static enum app_result http_gap(struct app_flow *flow, bool to_server, uint32_t len)
{
	struct http_flow *f = flow->state;
	struct http_side *s = &f->side[to_server];
	struct http_msg *m;

	if (s->state == HTTP_IGNORE)
		return APP_OK;
	if (s->state != HTTP_BODY_CLOSE && !(s->state == HTTP_BODY_LENGTH && s->left >= len))
		return APP_LOST;
	m = &s->tx->msg[to_server];
	m->wire_len += len;
	if (m->decode) {
		decode_close(m->decode);
		m->decode = NULL;
		m->body_gone = true;
	}
	if (s->state == HTTP_BODY_CLOSE)
		return APP_OK;
	s->left -= len;
	if (!s->left) {
		http_complete(s->tx, to_server);
		s->state = HTTP_FINALIZE;
	}
	return APP_OK;
}

static void http_eof(struct app_flow *flow, bool to_server)
{
	if (to_server)
		http_request_eof(flow->state);
	else
		http_response_eof(flow->state);
}

static void http_free_tx(struct pool *pool, struct app_tx *app)
{
	struct http_tx *tx = (struct http_tx *)app;

	for (unsigned i = 0; i < 2; i++) {
		struct http_msg *m = &tx->msg[i];
		struct buf *all[] = {&m->line,	&m->raw,    &m->text, &m->fields,
				     &m->names, &m->header, &m->body};

		if (m->decode)
			decode_close(m->decode);
		for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++)
			buf_drop(pool, all[k]);
	}
	buf_drop(pool, &tx->uri);
}

const struct app_parser http_parser = {
	.open = http_open,
	.close = http_close,
	.data = http_data,
	.gap = http_gap,
	.eof = http_eof,
	.buffer = http_buffer,
	.free_tx = http_free_tx,
};

enum app_result http_junk(struct http_flow *f, struct http_side *s, struct http_cursor *c)
{
	const uint8_t *lf = memchr(c->at, '\n', c->left);
	uint32_t n = lf ? (uint32_t)(lf + 1 - c->at) : c->left;

	http_body(s->tx, s == &f->side[APP_TO_SERVER], c->at, n);
	c->at += n;
	c->left -= n;
	if (lf)
		s->state = HTTP_FINALIZE;
	return APP_OK;
}

enum app_result http_ignore(struct http_flow *f, struct http_side *s, struct http_cursor *c)
{
	(void)f;
	(void)s;
	c->left = 0;
	return APP_OK;
}
