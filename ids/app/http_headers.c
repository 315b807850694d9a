/* The header block as a whole: lines unfolded, split into names and values, repeated ones joined,
 * and written out as Suricata's rules see them. */
#include <string.h>

#include "ids/app/http_impl.h"
#include "ids/bytes.h"

#define NONE UINT16_MAX

/* One header line. */
struct entry {
	uint32_t name_at, value_at, value_len; /* in `lines` */
	uint16_t name_len, hash;
	uint16_t next, last; /* same name: the next one; of the first: the last */
	bool first;
};

struct builder {
	struct http_tx *tx;
	struct http_msg *m;
	struct pool *pool;
	bool to_server;
	struct buf lines;   /* unfolded, chomped, one behind another */
	struct buf entries; /* struct entry each */
	uint32_t count, repeats;
	bool ok; /* memory was there */
};

static void event(struct builder *b, unsigned request, unsigned response)
{
	http_event(b->tx, b->to_server ? request : response);
}

static struct entry *entry_at(const struct builder *b, uint32_t i)
{
	return (struct entry *)(void *)b->entries.at + i;
}

static uint16_t hash(const uint8_t *at, size_t len)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		h = (h ^ lower(at[i])) * 16777619u;
	return (uint16_t)(h ^ h >> 16);
}

static bool same(const uint8_t *a, const uint8_t *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

static struct entry *find_first(const struct builder *b, const struct entry *e)
{
	const uint8_t *lines = b->lines.at;

	for (uint32_t i = 0; i < b->count; i++) {
		struct entry *f = entry_at(b, i);

		if (f->first && f->hash == e->hash && f->name_len == e->name_len &&
		    same(lines + f->name_at, lines + e->name_at, e->name_len))
			return f;
	}
	return NULL;
}

/* RFC 9110, 5.6.2. */
static bool token(const uint8_t *at, size_t len)
{
	static const char separators[] = "()<>@,;:\\\"/[]?={} \t";

	for (size_t i = 0; i < len; i++)
		if (at[i] <= 32 || at[i] >= 127 || strchr(separators, at[i]))
			return false;
	return true;
}

/* Name and value of the line at `from`. A line without colon is a value without name. */
static void split(struct builder *b, struct entry *e, uint32_t from, uint32_t len)
{
	const uint8_t *s = b->lines.at + from;
	uint32_t colon = 0, name, value = 0, end = len;
	bool missing;

	while (colon < len && s[colon] != ':' && (s[colon] || !b->to_server))
		colon++;
	missing = colon == len || s[colon] != ':';
	name = missing ? 0 : colon;
	if (missing)
		event(b, HTTP_EVENT_REQUEST_FIELD_MISSING_COLON,
		      HTTP_EVENT_RESPONSE_FIELD_MISSING_COLON);
	else if (!colon)
		event(b, HTTP_EVENT_REQUEST_HEADER_INVALID, HTTP_EVENT_RESPONSE_HEADER_INVALID);
	while (name && (http_lws(s[name - 1]) || (!b->to_server && http_space(s[name - 1])))) {
		name--;
		event(b, HTTP_EVENT_REQUEST_HEADER_INVALID, HTTP_EVENT_RESPONSE_HEADER_INVALID);
	}
	if (!missing)
		value = colon + 1;
	if (!missing || !b->to_server) {
		while (value < len && http_lws(s[value]))
			value++;
		while (end > value + 1 && http_lws(s[end - 1]))
			end--;
	}
	if (!token(s, name))
		event(b, HTTP_EVENT_REQUEST_HEADER_INVALID, HTTP_EVENT_RESPONSE_HEADER_INVALID);
	e->name_at = from;
	e->name_len = (uint16_t)name;
	e->value_at = from + value;
	e->value_len = end - value;
	e->hash = hash(s, name);
	e->next = e->last = NONE;
}

/* A repeated Content-Length is not joined: the first one stands. */
static bool repeated_length(struct builder *b, const struct entry *f, const struct entry *e)
{
	const uint8_t *s = b->lines.at;
	bool junk;
	int64_t first, second;

	if (f->name_len != 14 || !same(s + f->name_at, (const uint8_t *)"content-length", 14))
		return false;
	first = http_content_length(s + f->value_at, f->value_len, &junk);
	second = http_content_length(s + e->value_at, e->value_len, &junk);
	if (first < 0 || second < 0 || first != second)
		event(b, HTTP_EVENT_DUPLICATE_CONTENT_LENGTH_FIELD_IN_REQUEST,
		      HTTP_EVENT_DUPLICATE_CONTENT_LENGTH_FIELD_IN_RESPONSE);
	return true;
}

static void take(struct builder *b, uint32_t from, uint32_t len)
{
	struct entry e = {.first = true}, *f;

	if (b->count >= HTTP_FIELDS_MAX) {
		event(b, HTTP_EVENT_REQUEST_TOO_MANY_HEADERS, HTTP_EVENT_RESPONSE_TOO_MANY_HEADERS);
		return;
	}
	split(b, &e, from, len);
	f = find_first(b, &e);
	if (f) {
		/* The second one is free, the others are counted over all headers. */
		if (f->last != NONE && b->repeats++ >= HTTP_REPEATS) {
			event(b, HTTP_EVENT_REQUEST_HEADER_REPETITION,
			      HTTP_EVENT_RESPONSE_HEADER_REPETITION);
			return;
		}
		e.first = false;
		if (repeated_length(b, f, &e)) {
			f->last = f->last == NONE ? (uint16_t)(f - entry_at(b, 0)) : f->last;
			return;
		}
		if (f->last == NONE || entry_at(b, f->last) == f)
			f->next = (uint16_t)b->count;
		else
			entry_at(b, f->last)->next = (uint16_t)b->count;
		f->last = (uint16_t)b->count;
	}
	b->ok &= buf_add(b->pool, &b->entries, &e, sizeof(e), POOL_MAX);
	b->count += b->ok;
}

/* A line of the block from *at on, its end not counted; moves behind it. A response's may end with
 * a CR alone, or LF CR. */
static uint32_t next_line(const struct builder *b, uint32_t *at)
{
	const uint8_t *s = b->m->raw.at;
	uint32_t from = *at, i = from, end = b->m->raw.len;

	for (; i < end && s[i] != '\n'; i++)
		if (s[i] == '\r' && !b->to_server && i + 1 < end && s[i + 1] != '\n' &&
		    s[i + 1] != '\r' && i > from)
			break;
	*at = i < end ? i + 1 : i;
	if (!b->to_server && i < end && s[i] == '\n' && *at < end && s[*at] == '\r' &&
	    !(*at + 1 < end && s[*at + 1] == '\n'))
		++*at;
	return (uint32_t)http_chomp(s + from, i - from);
}

static bool has_colon(const uint8_t *s, size_t len)
{
	return memchr(s, ':', len);
}

/* Lines of the block; folded ones (RFC 9112, 5.2) go behind the one before. */
static void unfold(struct builder *b)
{
	const uint8_t *s = b->m->raw.at;
	uint32_t open_at = 0, open_len = 0;
	bool open = false;

	b->ok &= buf_room(b->pool, &b->lines, 1, POOL_MAX); /* so that it is never NULL */
	for (uint32_t at = 0; at < b->m->raw.len && b->ok;) {
		uint32_t from = at, len = next_line(b, &at);
		bool folded = len && (http_lws(s[from]) || !s[from]);

		if (!len) { /* the last line; any other is CRs alone, which libhtp takes as folded
			     */
			if (!open && at < b->m->raw.len && !b->to_server)
				event(b, 0, HTTP_EVENT_INVALID_RESPONSE_FIELD_FOLDING);
			continue;
		}
		if (folded && open && !b->to_server && b->m->version == 11 &&
		    has_colon(s + from, len) && has_colon(b->lines.at + open_at, open_len)) {
			/* Browsers take it as a header of its own. */
			event(b, 0, HTTP_EVENT_INVALID_RESPONSE_FIELD_FOLDING);
			from++, len--;
			folded = false;
		} else if (folded && !open) {
			event(b, HTTP_EVENT_INVALID_REQUEST_FIELD_FOLDING,
			      HTTP_EVENT_INVALID_RESPONSE_FIELD_FOLDING);
			while (len && (http_lws(s[from]) || !s[from]))
				from++, len--;
			folded = false;
		}
		if (!folded) {
			if (open)
				take(b, open_at, open_len);
			open = true;
			open_at = b->lines.len;
			open_len = 0;
		}
		b->ok &= buf_add(b->pool, &b->lines, s + from, len, POOL_MAX);
		open_len = b->lines.len - open_at;
	}
	if (open && b->ok)
		take(b, open_at, open_len);
}

static void put(struct builder *b, struct buf *to, const void *data, size_t len)
{
	b->ok &= buf_add(b->pool, to, data, len, POOL_MAX);
}

/* The value with those of the same name, joined. */
static void put_value(struct builder *b, struct buf *to, const struct entry *e)
{
	for (;;) {
		put(b, to, b->lines.at + e->value_at, e->value_len);
		if (e->next == NONE)
			return;
		e = entry_at(b, e->next);
		put(b, to, ", ", 2);
	}
}

static void write_out(struct builder *b)
{
	struct http_msg *m = b->m;
	struct http_field f;

	put(b, &m->text, m->line.at, m->line.len);
	put(b, &m->text, "\r\n", 2);
	m->header_part.at = m->text.len;
	for (uint32_t i = 0; i < b->count && b->ok; i++) {
		const struct entry *e = entry_at(b, i);

		if (!e->first)
			continue;
		put(b, &m->names, "\r\n", m->names.len ? 0 : 2);
		put(b, &m->names, b->lines.at + e->name_at, e->name_len);
		put(b, &m->names, "\r\n", 2);
		f = (struct http_field){.name_at = m->text.len,
					.name_len = e->name_len,
					.repeated = e->last != NONE};
		put(b, &m->text, b->lines.at + e->name_at, e->name_len);
		put(b, &m->text, ": ", 2);
		f.value_at = m->text.len;
		put_value(b, &m->text, e);
		f.value_len = m->text.len - f.value_at;
		put(b, &m->text, "\r\n", 2);
		put(b, &m->fields, &f, sizeof(f));
	}
	m->header_part.len = m->text.len - m->header_part.at;
	m->header_part.set = true;
	if (m->names.len) {
		put(b, &m->names, "\r\n", 2);
		put(b, &m->text, "\r\n", 2);
	}
}

/* http.header leaves cookies out: then it is a string of its own. */
static void without_cookies(struct builder *b)
{
	struct http_msg *m = b->m;
	struct app_view v;
	const struct http_field *cookie = http_find(m, b->to_server ? "cookie" : "set-cookie", &v);
	uint32_t end = m->header_part.at + m->header_part.len, behind;

	if (!cookie)
		return;
	behind = cookie->value_at + cookie->value_len + 2;
	m->header_part.set = false;
	put(b, &m->header, m->text.at + m->header_part.at, cookie->name_at - m->header_part.at);
	put(b, &m->header, m->text.at + behind, end - behind);
}

bool http_headers(struct http_tx *tx, bool to_server)
{
	struct builder b = {.tx = tx,
			    .m = &tx->msg[to_server],
			    .pool = http_pool(tx->flow),
			    .to_server = to_server,
			    .ok = true};

	unfold(&b);
	if (b.ok)
		write_out(&b);
	if (b.ok)
		without_cookies(&b);
	buf_drop(b.pool, &b.lines);
	buf_drop(b.pool, &b.entries);
	b.m->headers_done = b.ok;
	return b.ok;
}

const struct http_field *http_find(const struct http_msg *m, const char *name,
				   struct app_view *value)
{
	const struct http_field *f = (const struct http_field *)(const void *)m->fields.at;
	size_t len = strlen(name);

	for (uint32_t i = 0; i < m->fields.len / sizeof(*f); i++) {
		if (f[i].name_len != len ||
		    !same(m->text.at + f[i].name_at, (const uint8_t *)name, len))
			continue;
		*value = (struct app_view){m->text.at + f[i].value_at, f[i].value_len};
		return &f[i];
	}
	return NULL;
}

/* `word` at v.at[i], NULs in the value passed over, as browsers do; where it ends, or UINT32_MAX.
 */
static uint32_t match_at(struct app_view v, uint32_t i, const char *word)
{
	for (; *word; i++) {
		if (i == v.len)
			return UINT32_MAX;
		if (!v.at[i])
			continue;
		if (lower(v.at[i]) != (uint8_t)*word++)
			return UINT32_MAX;
	}
	return i;
}

bool http_same(struct app_view v, const char *word)
{
	uint32_t end = match_at(v, 0, word);

	while (end < v.len && !v.at[end])
		end++;
	return end == v.len;
}

bool http_contains(struct app_view v, const char *word)
{
	for (uint32_t i = 0; i < v.len; i++)
		if (v.at[i] && match_at(v, i, word) != UINT32_MAX)
			return true;
	return false;
}

bool http_has_token(struct app_view v, const char *word)
{
	uint32_t at = 0, end;

	for (; at <= v.len; at = end + 1) {
		struct app_view t;

		for (end = at; end < v.len && v.at[end] != ','; end++)
			;
		t = (struct app_view){v.at + at, end - at};
		for (; t.len && http_space(*t.at); t.len--)
			t.at++;
		for (; t.len && http_space(t.at[t.len - 1]); t.len--)
			;
		if (t.len == strlen(word) && same(t.at, (const uint8_t *)word, t.len))
			return true;
	}
	return false;
}
