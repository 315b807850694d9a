/* Request and status lines, and the numbers of chunks and lengths. */
#include <string.h>

#include "ids/app/http_impl.h"
#include "ids/bytes.h"

size_t http_chomp(const uint8_t *line, size_t len)
{
	while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		len--;
	return len;
}

/* Exactly so spelled: a method is case-sensitive (RFC 9110, 9.1). */
enum http_method http_method(const uint8_t *at, size_t len)
{
	static const struct {
		const char *name;
		enum http_method method;
	} known[] = {
		{"GET", HTTP_GET},
		{"HEAD", HTTP_HEAD},
		{"POST", HTTP_POST},
		{"PUT", HTTP_PUT},
		{"CONNECT", HTTP_CONNECT},
		{"DELETE", HTTP_KNOWN},
		{"OPTIONS", HTTP_KNOWN},
		{"TRACE", HTTP_KNOWN},
		{"PATCH", HTTP_KNOWN},
		{"PROPFIND", HTTP_KNOWN},
		{"PROPPATCH", HTTP_KNOWN},
		{"MKCOL", HTTP_KNOWN},
		{"COPY", HTTP_KNOWN},
		{"MOVE", HTTP_KNOWN},
		{"LOCK", HTTP_KNOWN},
		{"UNLOCK", HTTP_KNOWN},
		{"VERSION-CONTROL", HTTP_KNOWN},
		{"CHECKOUT", HTTP_KNOWN},
		{"UNCHECKOUT", HTTP_KNOWN},
		{"CHECKIN", HTTP_KNOWN},
		{"UPDATE", HTTP_KNOWN},
		{"LABEL", HTTP_KNOWN},
		{"REPORT", HTTP_KNOWN},
		{"MKWORKSPACE", HTTP_KNOWN},
		{"MKACTIVITY", HTTP_KNOWN},
		{"BASELINE-CONTROL", HTTP_KNOWN},
		{"MERGE", HTTP_KNOWN},
		{"INVALID", HTTP_KNOWN},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i].name) == len && !memcmp(at, known[i].name, len))
			return known[i].method;
	return HTTP_OTHER;
}

/* Never NULL. */
static const uint8_t *text_of(const struct buf *b)
{
	return b->len ? b->at : (const uint8_t *)"";
}

static struct http_part part(size_t from, size_t to)
{
	return (struct http_part){(uint32_t)from, (uint32_t)(to - from), true};
}

static uint8_t version(const uint8_t *at, size_t len)
{
	if (len != 8 || memcmp(at, "HTTP/", 5) || at[6] != '.')
		return 0;
	if (at[5] == '0' && at[7] == '9')
		return 9;
	if (at[5] == '1' && at[7] == '0')
		return 10;
	return at[5] == '1' && at[7] == '1' ? 11 : 0;
}

static size_t skip_space(const uint8_t *s, size_t at, size_t len)
{
	while (at < len && http_space(s[at]))
		at++;
	return at;
}

static size_t skip_word(const uint8_t *s, size_t at, size_t len)
{
	while (at < len && !http_space(s[at]))
		at++;
	return at;
}

/* The end of the URI that begins at `start`: the last space, so that a URI may hold some; another
 * white space only where there is no space at all. `len`: none, no protocol follows. */
static size_t uri_end(struct http_tx *tx, const uint8_t *s, size_t start, size_t len)
{
	size_t last = len, end;
	bool odd = false;

	while (last > start && http_space(s[last - 1]))
		last--;
	for (end = last; end > start && s[end - 1] != ' '; end--)
		odd |= http_space(s[end - 1]);
	if (end == start && odd) {
		for (end = last; end > start && !http_space(s[end - 1]); end--)
			;
		http_event(tx, HTTP_EVENT_URI_DELIM_NON_COMPLIANT);
		return end - 1;
	}
	if (end == start)
		return len;
	end--;
	for (size_t i = start; i < end; i++)
		if (s[i] != ' ' && http_space(s[i])) {
			http_event(tx, HTTP_EVENT_URI_DELIM_NON_COMPLIANT);
			break;
		}
	return end;
}

void http_request_line(struct http_tx *tx)
{
	struct http_msg *m = &tx->msg[APP_TO_SERVER];
	const uint8_t *s = text_of(&m->line);
	size_t len = m->line.len, at = skip_space(s, 0, len), end;

	if (at)
		http_event(tx, HTTP_EVENT_REQUEST_LINE_LEADING_WHITESPACE);
	end = skip_word(s, at, len);
	m->first = part(at, end);
	tx->method = (uint8_t)http_method(s + at, end - at);
	at = skip_space(s, end, len);
	for (size_t i = end; i < at; i++)
		if (s[i] != ' ')
			http_event(tx, HTTP_EVENT_METHOD_DELIM_NON_COMPLIANT);
	m->version = 9;
	tx->old = true;
	if (at == len)
		return;
	end = uri_end(tx, s, at, len);
	m->second = part(at, end);
	at = skip_space(s, end, len);
	if (at == len)
		return;
	tx->old = false;
	m->third = part(at, len);
	m->version = version(s + at, len - at);
}

void http_response_line(struct http_tx *tx)
{
	struct http_msg *m = &tx->msg[APP_TO_CLIENT];
	const uint8_t *s = text_of(&m->line);
	size_t len = m->line.len, at = skip_space(s, 0, len), end = skip_word(s, at, len);
	int64_t status = -1;

	memset(&m->second, 0, sizeof(m->second));
	memset(&m->third, 0, sizeof(m->third));
	m->first = part(at, end);
	m->version = version(s + at, end - at);
	at = skip_space(s, end, len);
	if (at < len) {
		end = skip_word(s, at, len);
		m->second = part(at, end);
		status = http_number(s + at, end - at);
		at = skip_space(s, end, len);
		if (at < len)
			m->third = part(at, len);
	}
	if (!m->version)
		http_event(tx, HTTP_EVENT_RESPONSE_INVALID_PROTOCOL);
	tx->status = status >= 100 && status <= 999 ? (uint16_t)status : 0;
	if (!tx->status)
		http_event(tx, HTTP_EVENT_RESPONSE_INVALID_STATUS);
}

/* As browsers see it: "http" in any case, behind white space and NUL. */
bool http_looks_like_status(const uint8_t *line, size_t len)
{
	size_t at = 0;

	while (at < len && (http_space(line[at]) || !line[at]))
		at++;
	return len - at >= 4 && lower(line[at]) == 'h' && lower(line[at + 1]) == 't' &&
	       lower(line[at + 2]) == 't' && lower(line[at + 3]) == 'p';
}

static int digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

/* Digits from the start; `used`: how many. -1: none, or too large. */
static int64_t number(const uint8_t *at, size_t len, int base, size_t *used)
{
	int64_t n = 0;
	size_t i;

	for (i = 0; i < len && digit(at[i]) < base; i++) {
		if (n > (INT64_MAX - 15) / 16)
			return -1;
		n = n * base + digit(at[i]);
	}
	*used = i;
	return i ? n : -1;
}

int64_t http_number(const uint8_t *at, size_t len)
{
	size_t used;
	int64_t n;

	while (len && http_lws(*at))
		at++, len--;
	n = number(at, len, 10, &used);
	if (n < 0)
		return -1;
	for (size_t i = used; i < len; i++)
		if (!http_lws(at[i]))
			return -1;
	return n;
}

/* -1: not a number; -2: an empty line. What stands behind the digits is passed over. */
int64_t http_chunk_length(const uint8_t *line, size_t len, bool *extension)
{
	size_t used;
	int64_t n;

	*extension = false;
	while (len && http_space(*line))
		line++, len--;
	if (!len)
		return -2;
	n = number(line, len, 16, &used);
	if (n < 0)
		return -1;
	*extension = memchr(line + used, ';', len - used);
	return n > INT32_MAX ? -1 : n;
}

/* The first number in it; `junk`: there is more than that. */
int64_t http_content_length(const uint8_t *value, size_t len, bool *junk)
{
	size_t at = 0, used;
	int64_t n;

	*junk = false;
	for (; at < len && (value[at] < '0' || value[at] > '9'); at++)
		*junk |= !http_lws(value[at]);
	n = number(value + at, len - at, 10, &used);
	if (n >= 0)
		*junk |= at + used < len;
	return n;
}
