/* Status line and header block of a response. Odd line ends are taken as browsers take them. */
#include <string.h>

#include "ids/app/http_impl.h"

static enum app_result too_long(struct http_side *s)
{
	http_event(s->tx, HTTP_EVENT_RESPONSE_FIELD_TOO_LONG);
	http_tell(s->tx, false, APP_NOTHING);
	return APP_ERROR;
}

/* Take one octet into `b`. */
enum app_result http_response_take(struct http_flow *f, struct http_side *s, struct buf *b,
				   struct http_cursor *c, uint32_t max)
{
	if (b->len >= max)
		return too_long(s);
	if (b->len < b->cap)
		b->at[b->len++] = *c->at;
	else if (!buf_add(http_pool(f), b, c->at, 1, POOL_MAX))
		return APP_NO_MEMORY;
	c->at++;
	c->left--;
	return APP_OK;
}

void http_response_finish(struct http_side *s)
{
	http_complete(s->tx, false);
	s->state = HTTP_FINALIZE;
}

bool http_response_empty_line(const struct buf *b, uint32_t from)
{
	const uint8_t *line = b->at + from;
	uint32_t len = b->len - from;

	return (len == 1 && (*line == '\n' || *line == '\r')) ||
	       (len == 2 && line[0] == '\r' && line[1] == '\n');
}

static enum app_result status_line(struct http_side *s)
{
	struct http_msg *m = http_response_msg(s);

	m->line = s->acc;
	memset(&s->acc, 0, sizeof(s->acc));
	m->line.len = (uint32_t)http_chomp(m->line.at, m->line.len);
	http_response_line(s->tx);
	s->state = HTTP_HEADER_BLOCK;
	s->line_start = 0;
	s->lone = s->lfcr = false;
	if (s->tx->status != 100) /* a 100 may be forgotten yet */
		http_tell(s->tx, false, APP_LINE);
	return APP_OK;
}

/* `acc` is a line. What does not look like a status line is body, unless the next line begins with
 * H. */
enum app_result http_response_line_done(struct http_side *s)
{
	if (http_response_empty_line(&s->acc, 0)) {
		s->acc.len = 0;
		return APP_OK;
	}
	if (http_looks_like_status(s->acc.at, s->acc.len))
		return status_line(s);
	s->state = HTTP_LINE_NEXT;
	return APP_OK;
}

/* Ends with LF, or with a CR that no LF follows. */
enum app_result http_response_start_line(struct http_flow *f, struct http_side *s,
					 struct http_cursor *c)
{
	enum app_result r;

	while (c->left) {
		bool cr = s->acc.len && s->acc.at[s->acc.len - 1] == '\r';

		if (cr && *c->at != '\n')
			return http_response_line_done(s);
		r = http_response_take(f, s, &s->acc, c, HTTP_FIELD_MAX);
		if (r != APP_OK)
			return r;
		if (c->at[-1] == '\n')
			return http_response_line_done(s);
	}
	return APP_OK;
}

/* A line that is no status line, and then *c->at. */
enum app_result http_response_line_next(struct http_flow *f, struct http_side *s,
					struct http_cursor *c)
{
	size_t len = http_chomp(s->acc.at, s->acc.len);

	(void)f;
	if (len > 2 && !(c && *c->at == 'H'))
		http_body(s->tx, false, s->acc.at, s->acc.len);
	s->acc.len = 0;
	s->state = HTTP_START_LINE;
	return APP_OK;
}

/* 100 Continue: forgotten, the next status line counts (RFC 9110, 15.2.1). */
static bool continues(struct http_flow *f, struct http_side *s, bool chunked, int64_t length)
{
	struct http_msg *m = http_response_msg(s);

	if (s->tx->status != 100 || chunked || length > 0)
		return false;
	if (s->tx->seen_100)
		http_event(s->tx, HTTP_EVENT_100_CONTINUE_ALREADY_SEEN);
	s->tx->seen_100 = true;
	m->headers_done = false;
	m->header_part.set = false;
	m->raw.len = m->text.len = m->fields.len = m->names.len = m->header.len = 0;
	buf_drop(http_pool(f), &m->header);
	buf_drop(http_pool(f), &m->line);
	memset(&m->first, 0, sizeof(m->first));
	memset(&m->second, 0, sizeof(m->second));
	memset(&m->third, 0, sizeof(m->third));
	s->state = HTTP_START_LINE;
	return true;
}

static enum http_transfer coded(struct http_tx *tx, bool te, struct app_view t, bool cl,
				int64_t length)
{
	const struct http_msg *m = &tx->msg[APP_TO_CLIENT];
	struct app_view type;

	if (te && http_contains(t, "chunked")) {
		if (!http_same(t, "chunked"))
			http_event(tx, HTTP_EVENT_RESPONSE_ABNORMAL_TRANSFER_ENCODING);
		if (m->version < 11)
			http_event(tx, HTTP_EVENT_RESPONSE_CHUNKED_OLD_PROTO);
		return HTTP_CHUNKED;
	}
	if (cl) {
		if (length < 0)
			http_event(tx, HTTP_EVENT_INVALID_CONTENT_LENGTH_FIELD_IN_RESPONSE);
		return length < 0 ? HTTP_INVALID : length ? HTTP_LENGTH : HTTP_NO_BODY;
	}
	if (http_find(m, "content-type", &type) && http_contains(type, "multipart/byteranges")) {
		http_event(tx, HTTP_EVENT_RESPONSE_MULTIPART_BYTERANGES);
		return HTTP_INVALID;
	}
	return HTTP_UNTIL_CLOSE;
}

/* The headers are complete: is there a body, and how long is it? RFC 9112, 6.3. */
static enum app_result headers_done(struct http_flow *f, struct http_side *s)
{
	static const uint8_t states[] = {
		[HTTP_NO_BODY] = HTTP_FINALIZE,
		[HTTP_LENGTH] = HTTP_BODY_LENGTH,
		[HTTP_CHUNKED] = HTTP_CHUNK_LINE,
		[HTTP_UNTIL_CLOSE] = HTTP_BODY_CLOSE,
	};
	struct http_tx *tx = s->tx;
	struct app_view t = {NULL, 0}, v = {NULL, 0};
	enum http_transfer how;
	enum app_result r;
	bool te, cl, junk, tunnel;
	int64_t length = -1;

	if (!http_headers(tx, false))
		return APP_NO_MEMORY;
	te = http_find(http_response_msg(s), "transfer-encoding", &t);
	cl = http_find(http_response_msg(s), "content-length", &v);
	if (cl)
		length = http_content_length(v.at, v.len, &junk);
	if (continues(f, s, te, length))
		return APP_OK;
	if (!http_body_begin(tx, false))
		return APP_NO_MEMORY;
	tunnel = tx->method == HTTP_CONNECT && tx->status >= 200 && tx->status <= 299;
	if (tunnel || tx->method == HTTP_HEAD ||
	    (((tx->status >= 100 && tx->status <= 199) || tx->status == 204 || tx->status == 304) &&
	     !te && !cl))
		how = HTTP_NO_BODY;
	else
		how = coded(tx, te, t, cl, length);
	http_tell(tx, false, APP_HEADERS);
	s->left = how == HTTP_LENGTH ? (uint64_t)length : 0;
	if (how == HTTP_INVALID)
		return APP_ERROR;
	s->state = states[how];
	if (how == HTTP_NO_BODY)
		http_response_finish(s);
	if (tunnel)
		s->state = HTTP_IGNORE; /* until the client's side has told what is in it */
	r = http_request_answered(f, tx);
	/* 101: what follows is another protocol (RFC 9110, 15.2.2). */
	return tx->status == 101 && how == HTTP_NO_BODY && !te && !cl ? APP_STOP : r;
}

/* An octet of the header block is in: does it end a line, and is it the last? */
static bool block_ends(struct http_side *s, struct buf *raw)
{
	uint8_t c = raw->at[raw->len - 1];
	uint32_t len = raw->len - s->line_start;
	bool was_lone = s->lone;

	s->lone = false;
	if (c == '\n') {
		if (http_response_empty_line(raw, s->line_start)) {
			s->skip = s->lfcr;
			return true;
		}
		if (len == 2 && http_lws(raw->at[s->line_start])) {
			s->lone = true; /* told by the next octet */
			return false;
		}
		s->line_start = raw->len;
		s->lfcr = false;
		return false;
	}
	if (was_lone &&
	    c == '\r') /* not the last: the line ended with LF CR, or the empty one comes */
		s->line_start = raw->len - 1, len = 1;
	if (len >= 2 && raw->at[raw->len - 2] == '\r' && s->line_start && len == 2 &&
	    raw->at[s->line_start - 1] == '\n') {
		/* LF CR and no LF behind: both ended the line before. */
		s->line_start = raw->len - 1;
		s->lfcr = c == '\r';
	} else if (len > 2 && raw->at[raw->len - 2] == '\r' && c != '\r') {
		s->line_start = raw->len - 1; /* a CR alone ended the line */
		s->lfcr = false;
	} else if (c != '\r') {
		s->lfcr = false;
	}
	return false;
}

enum app_result http_response_header_block(struct http_flow *f, struct http_side *s,
					   struct http_cursor *c)
{
	struct buf *raw = &http_response_msg(s)->raw;
	enum app_result r;

	while (c->left) {
		uint32_t max = s->line_start + HTTP_FIELD_MAX;

		/* A line of one white space was the last if neither LF nor CR follows. */
		if (s->lone && *c->at != '\n' && *c->at != '\r') {
			raw->len = s->line_start;
			return headers_done(f, s);
		}
		if (s->lone && *c->at == '\n') {
			s->lone = false;
			s->line_start = raw->len;
		}
		r = http_response_take(f, s, raw, c, max < HTTP_HEAD_MAX ? max : HTTP_HEAD_MAX);
		if (r != APP_OK)
			return r;
		if (block_ends(s, raw))
			return headers_done(f, s);
	}
	return APP_OK;
}
