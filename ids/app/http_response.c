/* The responses of a connection, octet by octet. Odd line ends are taken as browsers take them. */
#include <string.h>

#include "ids/app/http_impl.h"

typedef enum app_result (*step)(struct http_flow *f, struct http_side *s, struct http_cursor *c);

static struct http_msg *msg(const struct http_side *s)
{
	return &s->tx->msg[APP_TO_CLIENT];
}

static enum app_result too_long(struct http_side *s)
{
	http_event(s->tx, HTTP_EVENT_RESPONSE_FIELD_TOO_LONG);
	http_tell(s->tx, false, APP_NOTHING);
	return APP_ERROR;
}

/* Take one octet into `b`. */
static enum app_result take(struct http_flow *f, struct http_side *s, struct buf *b,
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

static void finish(struct http_side *s)
{
	http_complete(s->tx, false);
	s->state = HTTP_FINALIZE;
}

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

static bool empty_line(const struct buf *b, uint32_t from)
{
	const uint8_t *line = b->at + from;
	uint32_t len = b->len - from;

	return (len == 1 && (*line == '\n' || *line == '\r')) ||
	       (len == 2 && line[0] == '\r' && line[1] == '\n');
}

static enum app_result status_line(struct http_side *s)
{
	struct http_msg *m = msg(s);

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
static enum app_result line_done(struct http_side *s)
{
	if (empty_line(&s->acc, 0)) {
		s->acc.len = 0;
		return APP_OK;
	}
	if (http_looks_like_status(s->acc.at, s->acc.len))
		return status_line(s);
	s->state = HTTP_LINE_NEXT;
	return APP_OK;
}

/* Ends with LF, or with a CR that no LF follows. */
static enum app_result start_line(struct http_flow *f, struct http_side *s, struct http_cursor *c)
{
	enum app_result r;

	while (c->left) {
		bool cr = s->acc.len && s->acc.at[s->acc.len - 1] == '\r';

		if (cr && *c->at != '\n')
			return line_done(s);
		r = take(f, s, &s->acc, c, HTTP_FIELD_MAX);
		if (r != APP_OK)
			return r;
		if (c->at[-1] == '\n')
			return line_done(s);
	}
	return APP_OK;
}

/* A line that is no status line, and then *c->at. */
static enum app_result line_next(struct http_flow *f, struct http_side *s, struct http_cursor *c)
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
	struct http_msg *m = msg(s);

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
	te = http_find(msg(s), "transfer-encoding", &t);
	cl = http_find(msg(s), "content-length", &v);
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
		finish(s);
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
		if (empty_line(raw, s->line_start)) {
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

static enum app_result header_block(struct http_flow *f, struct http_side *s, struct http_cursor *c)
{
	struct buf *raw = &msg(s)->raw;
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
		r = take(f, s, raw, c, max < HTTP_HEAD_MAX ? max : HTTP_HEAD_MAX);
		if (r != APP_OK)
			return r;
		if (block_ends(s, raw))
			return headers_done(f, s);
	}
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
		finish(s);
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
		r = take(f, s, &s->acc, c, HTTP_FIELD_MAX);
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
		r = take(f, s, &s->acc, c, HTTP_FIELD_MAX);
		if (r != APP_OK)
			return r;
		if (c->at[-1] != '\n')
			continue;
		last = empty_line(&s->acc, 0);
		s->acc.len = 0;
		if (last) {
			finish(s);
			return APP_OK;
		}
	}
	return APP_OK;
}

/* Between responses: "HTTP" begins the next one, anything else still belongs to the body. */
static enum app_result finalize(struct http_flow *f, struct http_side *s, struct http_cursor *c)
{
	while (c->left) {
		enum app_result r = take(f, s, &s->acc, c, HTTP_FIELD_MAX);
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

static enum app_result junk(struct http_flow *f, struct http_side *s, struct http_cursor *c)
{
	const uint8_t *lf = memchr(c->at, '\n', c->left);
	uint32_t n = lf ? (uint32_t)(lf + 1 - c->at) : c->left;

	(void)f;
	http_body(s->tx, false, c->at, n);
	c->at += n;
	c->left -= n;
	if (lf)
		s->state = HTTP_FINALIZE;
	return APP_OK;
}

static enum app_result ignore(struct http_flow *f, struct http_side *s, struct http_cursor *c)
{
	(void)f;
	(void)s;
	c->left = 0;
	return APP_OK;
}

static const step steps[] = {
	[HTTP_IDLE] = idle,
	[HTTP_START_LINE] = start_line,
	[HTTP_LINE_NEXT] = line_next,
	[HTTP_HEADER_BLOCK] = header_block,
	[HTTP_BODY_LENGTH] = body,
	[HTTP_BODY_CLOSE] = body,
	[HTTP_CHUNK_LINE] = chunk_line,
	[HTTP_CHUNK_DATA] = body,
	[HTTP_CHUNK_END] = chunk_end,
	[HTTP_TRAILER] = trailer,
	[HTTP_FINALIZE] = finalize,
	[HTTP_JUNK] = junk,
	[HTTP_IGNORE] = ignore,
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
		line_done(s);
	if (s->state == HTTP_LINE_NEXT)
		line_next(f, s, NULL);
	if (s->state == HTTP_HEADER_BLOCK && !msg(s)->headers_done && msg(s)->raw.len)
		http_headers(s->tx, false);
	if (s->state != HTTP_FINALIZE && s->state != HTTP_JUNK)
		finish(s);
	s->state = HTTP_IGNORE;
}
