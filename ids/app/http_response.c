/* The responses of a connection, octet by octet: bodies, and what stands between messages. */
#include <string.h>

#include "ids/app/http_impl.h"

typedef enum app_result (*step)(struct http_flow *f, struct http_side *s, struct http_cursor *c);

/* The oldest transaction whose response has not begun; there may be none. */
static struct http_tx *next_tx(struct http_flow *f)
{
	for (struct app_tx *tx = f->flow->first; tx; tx = tx->next)
		if (!((struct http_tx *)tx)->answered)
			return (struct http_tx *)tx;
	return NULL;
}

static enum app_result idle(struct http_flow *f, struct http_side *s, struct http_cursor *c)
{
	struct http_tx *tx = next_tx(f), *old = s->tx;

	(void)c;
	if (!tx) {
		tx = http_tx_new(f);
		if (!tx)
			return APP_NO_MEMORY;
		http_event(tx, HTTP_EVENT_UNABLE_TO_MATCH_RESPONSE_TO_REQUEST);
		tx->unseen = true;
		tx->tx.progress[APP_TO_SERVER] = APP_COMPLETE;
	}
	s->tx = tx;
	http_tx_drop(f, old);
	tx->answered = true;
	http_request_settle(f, tx);
	s->state = tx->old ? HTTP_BODY_CLOSE : HTTP_START_LINE;
	return APP_OK;
}

static enum app_result body(struct http_flow *f, struct http_side *s, struct http_cursor *c)
{
	uint32_t n = s->state == HTTP_BODY_CLOSE || c->left < s->left ? c->left : (uint32_t)s->left;

	(void)f;
	http_body(s->tx, false, c->at, n);
	c->at += n;
	c->left -= n;
	if (s->state == HTTP_BODY_CLOSE)
		return APP_OK;
	s->left -= n;
	if (s->left)
		return APP_OK;
	if (s->state == HTTP_BODY_LENGTH)
		http_response_finish(s);
	else
		s->state = HTTP_CHUNK_END;
	return APP_OK;
}

/* Not chunked after all: these octets and all that come are the body, as browsers take it. */
static enum app_result not_chunked(struct http_side *s)
{
	http_event(s->tx, HTTP_EVENT_INVALID_RESPONSE_CHUNK_LEN);
	s->state = HTTP_BODY_CLOSE;
	http_body(s->tx, false, s->acc.at, s->acc.len);
	s->acc.len = 0;
	return APP_OK;
}

static bool hex_digit(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static enum app_result chunk_line(struct http_flow *f, struct http_side *s, struct http_cursor *c)
{
	enum app_result r;
	bool extension;
	int64_t n;

	while (c->left) {
		if (!s->acc.len)
			s->line_start = 0; /* white space before the first digit */
		s->line_start += s->line_start == s->acc.len && http_space(*c->at);
		r = http_response_take(f, s, &s->acc, c, HTTP_FIELD_MAX);
		if (r != APP_OK)
			return r;
		if (c->at[-1] != '\n') {
			/* 8 octets in, and the first that counts is no digit. */
			if (s->acc.len >= 8 && s->line_start < s->acc.len &&
			    !http_space(c->at[-1]) && !hex_digit(s->acc.at[s->line_start]))
				return not_chunked(s);
			continue;
		}
		n = http_chunk_length(s->acc.at, s->acc.len, &extension);
		if (n == -2) { /* an empty line */
			s->acc.len = 0;
			continue;
		}
		if (extension)
			http_event(s->tx, HTTP_EVENT_REQUEST_CHUNK_EXTENSION);
		if (n < 0)
			return not_chunked(s);
		s->acc.len = 0;
		s->left = (uint64_t)n;
		s->state = n ? HTTP_CHUNK_DATA : HTTP_TRAILER;
		return APP_OK;
	}
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
	enum app_result r;
	bool last;

	while (c->left) {
		r = http_response_take(f, s, &s->acc, c, HTTP_FIELD_MAX);
		if (r != APP_OK)
			return r;
		if (c->at[-1] != '\n')
			continue;
		last = http_response_empty_line(&s->acc, 0);
		s->acc.len = 0;
		if (last) {
			http_response_finish(s);
			return APP_OK;
		}
	}
	return APP_OK;
}

/* Between responses: "HTTP" begins the next one, anything else still belongs to the body. */
static enum app_result finalize(struct http_flow *f, struct http_side *s, struct http_cursor *c)
{
	while (c->left) {
		enum app_result r = http_response_take(f, s, &s->acc, c, HTTP_FIELD_MAX);
		uint32_t at = 0;

		if (r != APP_OK)
			return r;
		while (at < s->acc.len && (http_space(s->acc.at[at]) || !s->acc.at[at]))
			at++;
		if (s->acc.len - at >= 4 && http_looks_like_status(s->acc.at, s->acc.len)) {
			s->state = HTTP_IDLE;
			return APP_OK;
		}
		/* Told as soon as it cannot be; a line of white space is told by its end. */
		if (c->at[-1] == '\n' || s->acc.len - at >= 4 || s->acc.len > 64) {
			s->state = HTTP_JUNK;
			return APP_OK;
		}
	}
	return APP_OK;
}

static const step steps[] = {
	[HTTP_IDLE] = idle,
	[HTTP_START_LINE] = http_response_start_line,
	[HTTP_LINE_NEXT] = http_response_line_next,
	[HTTP_HEADER_BLOCK] = http_response_header_block,
	[HTTP_BODY_LENGTH] = body,
	[HTTP_BODY_CLOSE] = body,
	[HTTP_CHUNK_LINE] = chunk_line,
	[HTTP_CHUNK_DATA] = body,
	[HTTP_CHUNK_END] = chunk_end,
	[HTTP_TRAILER] = trailer,
	[HTTP_FINALIZE] = finalize,
	[HTTP_JUNK] = http_junk,
	[HTTP_IGNORE] = http_ignore,
};

/* Octets kept to see what they are go through the machine. */
static enum app_result again(struct http_flow *f, struct http_side *s)
{
	struct buf held = s->acc;
	struct http_cursor c = {held.at, held.len};
	enum app_result r = APP_OK;

	memset(&s->acc, 0, sizeof(s->acc));
	while (r == APP_OK && c.left)
		r = steps[s->state](f, s, &c);
	buf_drop(http_pool(f), &held);
	return r;
}

/* CR and LF that stand behind a header block ended by LF CR. */
static void skip(struct http_side *s, struct http_cursor *c)
{
	while (s->skip && c->left) {
		if (*c->at != (s->skip == 1 ? '\r' : '\n')) {
			s->skip = 0;
			return;
		}
		s->skip = s->skip == 1 ? 2 : 0;
		c->at++;
		c->left--;
	}
}

enum app_result http_response(struct http_flow *f, struct http_cursor *c)
{
	struct http_side *s = &f->side[APP_TO_CLIENT];
	enum app_result r = APP_OK;

	while (r == APP_OK && c->left) {
		uint8_t before = s->state;

		if (s->skip) {
			skip(s, c);
			continue;
		}
		r = steps[before](f, s, c);
		if (r == APP_OK && before == HTTP_FINALIZE && s->state != before)
			r = again(f, s);
	}
	return r;
}

void http_response_eof(struct http_flow *f)
{
	struct http_side *s = &f->side[APP_TO_CLIENT];

	if (!s->tx || s->state == HTTP_IDLE || s->state == HTTP_IGNORE)
		return;
	if (s->state == HTTP_FINALIZE && s->acc.len) {
		s->state = HTTP_JUNK;
		again(f, s);
	}
	if (s->state == HTTP_START_LINE && s->acc.len)
		http_response_line_done(s);
	if (s->state == HTTP_LINE_NEXT)
		http_response_line_next(f, s, NULL);
	if (s->state == HTTP_HEADER_BLOCK && !http_response_msg(s)->headers_done &&
	    http_response_msg(s)->raw.len)
		http_headers(s->tx, false);
	if (s->state != HTTP_FINALIZE && s->state != HTTP_JUNK)
		http_response_finish(s);
	s->state = HTTP_IGNORE;
}
