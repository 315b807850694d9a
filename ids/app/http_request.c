/* The requests of a connection, octet by octet. */
#include <string.h>

#include "ids/app/http_impl.h"

#define JUNK_PROBE                                                                                 \
	16 /* white space behind a request line without protocol: still HTTP/0.9 (libhtp) */
#define METHOD_MAX 17 /* longer than the longest known method */

typedef enum app_result (*step)(struct http_flow *f, struct http_side *s, struct http_cursor *c);

/* The cursor's octets up to and with the next LF go to `b`. 1: the LF was there; 0: more is needed;
 * negative: too long (-1), no memory (-2). */
static int take_line(struct http_flow *f, struct buf *b, struct http_cursor *c, uint32_t max)
{
	const uint8_t *lf = memchr(c->at, '\n', c->left);
	uint32_t n = lf ? (uint32_t)(lf + 1 - c->at) : c->left;

	if (n > max || b->len > max - n)
		return -1;
	if (!buf_add(http_pool(f), b, c->at, n, POOL_MAX))
		return -2;
	c->at += n;
	c->left -= n;
	return lf ? 1 : 0;
}

static enum app_result too_long(struct http_side *s, int why)
{
	if (why == -2)
		return APP_NO_MEMORY;
	http_event(s->tx, HTTP_EVENT_REQUEST_FIELD_TOO_LONG);
	http_tell(s->tx, true, APP_NOTHING);
	return APP_ERROR;
}

static enum app_result idle(struct http_flow *f, struct http_side *s, struct http_cursor *c)
{
	struct http_tx *old = s->tx;

	(void)c;
	s->tx = http_tx_new(f);
	http_tx_drop(f, old);
	if (!s->tx)
		return APP_NO_MEMORY;
	s->state = HTTP_START_LINE;
	return APP_OK;
}

static bool empty_line(const uint8_t *line, size_t len)
{
	return (len == 1 && (*line == '\n' || *line == '\r')) ||
	       (len == 2 && line[0] == '\r' && line[1] == '\n');
}

static enum app_result line_done(struct http_side *s)
{
	struct http_tx *tx = s->tx;
	struct http_msg *m = &tx->msg[APP_TO_SERVER];

	if (empty_line(s->acc.at, s->acc.len)) {
		s->acc.len = 0;
		return APP_OK;
	}
	m->line = s->acc;
	memset(&s->acc, 0, sizeof(s->acc));
	m->line.len = (uint32_t)http_chomp(m->line.at, m->line.len);
	http_request_line(tx);
	if (!http_uri(tx))
		return APP_NO_MEMORY;
	s->state = tx->old ? HTTP_PROTOCOL_PROBE : HTTP_HEADER_BLOCK;
	s->line_start = 0;
	http_tell(tx, true, APP_LINE);
	return APP_OK;
}

static enum app_result start_line(struct http_flow *f, struct http_side *s, struct http_cursor *c)
{
	int got = take_line(f, &s->acc, c, HTTP_FIELD_MAX);

	if (got < 0)
		return too_long(s, got);
	return got ? line_done(s) : APP_OK;
}

/* No protocol: HTTP/0.9, unless more than a little white space follows. */
static enum app_result protocol_probe(struct http_flow *f, struct http_side *s,
				      struct http_cursor *c)
{
	while (c->left && s->acc.len < JUNK_PROBE && http_space(*c->at)) {
		if (!buf_add(http_pool(f), &s->acc, c->at, 1, POOL_MAX))
			return APP_NO_MEMORY;
		c->at++;
		c->left--;
	}
	if (c->left) {
		s->tx->old = false;
		s->state = HTTP_HEADER_BLOCK;
	}
	return APP_OK;
}

static enum app_result finish(struct http_side *s)
{
	http_complete(s->tx, true);
	s->state = HTTP_FINALIZE;
	return APP_OK;
}

/* RFC 9112, 6.3, as libhtp reads it. */
static enum http_transfer transfer(struct http_tx *tx)
{
	const struct http_msg *m = &tx->msg[APP_TO_SERVER];
	struct app_view v;
	bool junk;

	tx->content_length = -1;
	if (http_find(m, "transfer-encoding", &v)) {
		if (!http_has_token(v, "chunked")) {
			http_event(tx, HTTP_EVENT_INVALID_TRANSFER_ENCODING_VALUE_IN_REQUEST);
			return HTTP_INVALID;
		}
		if (m->version < 11)
			http_event(tx, HTTP_EVENT_INVALID_TRANSFER_ENCODING_VALUE_IN_REQUEST);
		return HTTP_CHUNKED;
	}
	if (!http_find(m, "content-length", &v))
		return HTTP_NO_BODY;
	tx->content_length = http_content_length(v.at, v.len, &junk);
	if (tx->content_length < 0) {
		http_event(tx, HTTP_EVENT_INVALID_CONTENT_LENGTH_FIELD_IN_REQUEST);
		return HTTP_INVALID;
	}
	return tx->content_length ? HTTP_LENGTH : HTTP_NO_BODY;
}

/* Suricata tells of what is none of these; the credentials themselves are not looked at. */
static void authorization(struct http_tx *tx)
{
	static const char *const known[] = {"basic", "digest", "bearer"};
	struct app_view v, word;

	if (!http_find(&tx->msg[APP_TO_SERVER], "authorization", &v))
		return;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		word = (struct app_view){v.at, (uint32_t)strlen(known[i])};
		if (v.len >= word.len && http_same(word, known[i]))
			return;
	}
	http_event(tx, HTTP_EVENT_REQUEST_AUTH_UNRECOGNIZED);
}

static enum app_result headers_done(struct http_side *s)
{
	struct http_tx *tx = s->tx;
	enum http_transfer how;

	if (!http_headers(tx, true) || !http_host(tx) || !http_body_begin(tx, true))
		return APP_NO_MEMORY;
	authorization(tx);
	how = transfer(tx);
	http_tell(tx, true, APP_HEADERS);
	s->line_start = 0;
	if (tx->method == HTTP_CONNECT) {
		s->state = HTTP_CONNECT_WAIT;
		return APP_OK;
	}
	s->left = how == HTTP_LENGTH ? (uint64_t)tx->content_length : 0;
	switch (how) {
	case HTTP_INVALID:
		return APP_ERROR;
	case HTTP_CHUNKED:
		s->state = HTTP_CHUNK_LINE;
		return APP_OK;
	case HTTP_LENGTH:
		s->state = HTTP_BODY_LENGTH;
		return APP_OK;
	default:
		return finish(s);
	}
}

static enum app_result header_block(struct http_flow *f, struct http_side *s, struct http_cursor *c)
{
	struct buf *raw = &s->tx->msg[APP_TO_SERVER].raw;
	uint32_t max = s->line_start + HTTP_FIELD_MAX;
	int got = take_line(f, raw, c, max < HTTP_HEAD_MAX ? max : HTTP_HEAD_MAX);

	if (got < 0)
		return too_long(s, got);
	if (!got)
		return APP_OK;
	if (empty_line(raw->at + s->line_start, raw->len - s->line_start))
		return headers_done(s);
	s->line_start = raw->len;
	return APP_OK;
}

/* What comes behind a CONNECT means nothing until it is answered. */
static enum app_result connect_wait(struct http_flow *f, struct http_side *s, struct http_cursor *c)
{
	if (!buf_add(http_pool(f), &s->acc, c->at, c->left, HTTP_HELD_MAX))
		return APP_STOP;
	c->left = 0;
	return APP_OK;
}

static enum app_result body(struct http_flow *f, struct http_side *s, struct http_cursor *c)
{
	uint32_t n = c->left < s->left ? c->left : (uint32_t)s->left;

	(void)f;
	http_body(s->tx, true, c->at, n);
	c->at += n;
	c->left -= n;
	s->left -= n;
	if (s->left)
		return APP_OK;
	if (s->state == HTTP_BODY_LENGTH)
		return finish(s);
	s->state = HTTP_CHUNK_END;
	return APP_OK;
}

static enum app_result chunk_line(struct http_flow *f, struct http_side *s, struct http_cursor *c)
{
	int got = take_line(f, &s->acc, c, HTTP_FIELD_MAX);
	bool extension;
	int64_t n;

	if (got < 0)
		return too_long(s, got);
	if (!got)
		return APP_OK;
	n = http_chunk_length(s->acc.at, s->acc.len, &extension);
	s->acc.len = 0;
	if (extension)
		http_event(s->tx, HTTP_EVENT_REQUEST_CHUNK_EXTENSION);
	if (n < 0) {
		http_event(s->tx, HTTP_EVENT_INVALID_REQUEST_CHUNK_LEN);
		http_tell(s->tx, true, APP_BODY);
		return APP_ERROR;
	}
	s->left = (uint64_t)n;
	s->state = n ? HTTP_CHUNK_DATA : HTTP_TRAILER;
	return APP_OK;
}

static enum app_result chunk_end(struct http_flow *f, struct http_side *s, struct http_cursor *c)
{
	const uint8_t *lf = memchr(c->at, '\n', c->left);
	uint32_t n = lf ? (uint32_t)(lf + 1 - c->at) : c->left;

	(void)f;
	c->at += n;
	c->left -= n;
	if (lf)
		s->state = HTTP_CHUNK_LINE;
	return APP_OK;
}

/* Trailer fields are passed over. */
static enum app_result trailer(struct http_flow *f, struct http_side *s, struct http_cursor *c)
{
	int got = take_line(f, &s->acc, c, HTTP_FIELD_MAX);
	bool last;

	if (got < 0)
		return too_long(s, got);
	if (!got)
		return APP_OK;
	last = empty_line(s->acc.at, s->acc.len);
	s->acc.len = 0;
	return last ? finish(s) : APP_OK;
}

/* The first word in `acc` is complete, or longer than any method; `n`: its length. */
static bool first_word(const struct buf *acc, const uint8_t **word, size_t *n)
{
	size_t at = 0, end;

	while (at < acc->len && http_space(acc->at[at]))
		at++;
	for (end = at; end < acc->len && !http_space(acc->at[end]); end++)
		;
	*word = acc->at + at;
	*n = end - at;
	return end < acc->len || *n >= METHOD_MAX;
}

/* Something else is in the tunnel of a CONNECT. */
static enum app_result tunnel(struct http_flow *f, struct http_side *s)
{
	f->flow->carry = s->acc;
	f->flow->carry_to_server = true;
	memset(&s->acc, 0, sizeof(s->acc));
	return APP_CHANGE;
}

/* Between requests: a known method begins the next one, white space is passed over, and anything
 * else still belongs to the body of the last. Behind a CONNECT it is a tunnel. */
static enum app_result finalize(struct http_flow *f, struct http_side *s, struct http_cursor *c)
{
	const uint8_t *word;
	size_t n;

	while (c->left) {
		if (!buf_add(http_pool(f), &s->acc, c->at, 1, POOL_MAX))
			return APP_NO_MEMORY;
		c->at++;
		c->left--;
		if (first_word(&s->acc, &word, &n)) {
			if (http_method(word, n) != HTTP_OTHER) {
				if (s->state == HTTP_CONNECT_PROBE)
					f->side[APP_TO_CLIENT].state = HTTP_IDLE;
				s->state = HTTP_IDLE;
			} else if (s->state == HTTP_CONNECT_PROBE) {
				return tunnel(f, s);
			} else {
				http_event(s->tx, HTTP_EVENT_REQUEST_BODY_UNEXPECTED);
				s->state = HTTP_JUNK;
			}
			return APP_OK;
		}
		if (!n && (c->at[-1] == '\n' || s->acc.len >= METHOD_MAX))
			s->acc.len = 0;
	}
	return APP_OK;
}

static const step steps[] = {
	[HTTP_IDLE] = idle,
	[HTTP_START_LINE] = start_line,
	[HTTP_PROTOCOL_PROBE] = protocol_probe,
	[HTTP_HEADER_BLOCK] = header_block,
	[HTTP_CONNECT_WAIT] = connect_wait,
	[HTTP_CONNECT_PROBE] = finalize,
	[HTTP_BODY_LENGTH] = body,
	[HTTP_CHUNK_LINE] = chunk_line,
	[HTTP_CHUNK_DATA] = body,
	[HTTP_CHUNK_END] = chunk_end,
	[HTTP_TRAILER] = trailer,
	[HTTP_FINALIZE] = finalize,
	[HTTP_JUNK] = http_junk,
	[HTTP_IGNORE] = http_ignore,
};

/* Octets that were kept to see what they are go through the machine. */
static enum app_result again(struct http_flow *f, struct http_side *s)
{
	struct buf held = s->acc;
	struct http_cursor c = {held.at, held.len};
	enum app_result r = APP_OK;

	memset(&s->acc, 0, sizeof(s->acc));
	while (r == APP_OK && c.left)
		r = steps[s->state](f, s, &c);
	if (r == APP_CHANGE) { /* what is left of these octets belongs to it, too */
		if (!buf_add(http_pool(f), &f->flow->carry, c.at, c.left, POOL_MAX))
			r = APP_NO_MEMORY;
	}
	buf_drop(http_pool(f), &held);
	return r;
}

/* One of the states that keep octets was left. */
static bool was_probe(uint8_t before, uint8_t now)
{
	return before != now && (before == HTTP_FINALIZE || before == HTTP_CONNECT_PROBE ||
				 before == HTTP_PROTOCOL_PROBE);
}

enum app_result http_request(struct http_flow *f, struct http_cursor *c)
{
	struct http_side *s = &f->side[APP_TO_SERVER];
	enum app_result r = APP_OK;

	while (r == APP_OK && c->left) {
		uint8_t before = s->state;

		r = steps[before](f, s, c);
		if (r == APP_OK && s->acc.len && was_probe(before, s->state))
			r = again(f, s);
	}
	return r;
}

enum app_result http_request_answered(struct http_flow *f, struct http_tx *tx)
{
	struct http_side *s = &f->side[APP_TO_SERVER];

	struct app_view expect;

	if (s->tx != tx)
		return APP_OK;
	/* Refused before the body was sent, as the client asked for: it will not come. */
	if (tx->status >= 400 && tx->status <= 499 && s->state == HTTP_BODY_LENGTH &&
	    s->left == (uint64_t)tx->content_length &&
	    http_find(&tx->msg[APP_TO_SERVER], "expect", &expect) &&
	    http_same(expect, "100-continue"))
		finish(s);
	if (s->state != HTTP_CONNECT_WAIT)
		return APP_OK;
	finish(s);
	if (tx->status >= 200 && tx->status <= 299)
		s->state = HTTP_CONNECT_PROBE;
	return s->acc.len ? again(f, s) : APP_OK;
}

void http_request_settle(struct http_flow *f, struct http_tx *tx)
{
	struct http_side *s = &f->side[APP_TO_SERVER];

	if (s->tx != tx)
		return;
	if (s->state == HTTP_PROTOCOL_PROBE) {
		s->acc.len = 0;
		finish(s);
	} else if (s->state == HTTP_START_LINE) {
		http_event(tx, HTTP_EVENT_REQUEST_LINE_INCOMPLETE);
	}
}

void http_request_eof(struct http_flow *f)
{
	struct http_side *s = &f->side[APP_TO_SERVER];
	struct http_msg *m;

	if (!s->tx || s->state == HTTP_IDLE)
		return;
	m = &s->tx->msg[APP_TO_SERVER];
	if (s->state == HTTP_FINALIZE && s->acc.len) { /* a word that was not finished */
		http_event(s->tx, HTTP_EVENT_REQUEST_BODY_UNEXPECTED);
		s->state = HTTP_JUNK;
		again(f, s);
	}
	if (s->state == HTTP_START_LINE && s->acc.len && line_done(s) != APP_OK)
		return;
	if (s->state == HTTP_HEADER_BLOCK && !m->headers_done && m->raw.len)
		headers_done(s);
	if (s->state != HTTP_FINALIZE && s->state != HTTP_JUNK)
		finish(s);
	s->state = HTTP_IGNORE;
}
