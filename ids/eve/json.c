#include "ids/eve/json.h"

static void put(struct json *j, char c)
{
	/* One octet stays free for the terminator. */
	if (j->error || j->len + 1 >= j->size) {
		j->error = true;
		return;
	}
	j->buf[j->len++] = c;
}

static void puts_raw(struct json *j, const char *s)
{
	while (*s)
		put(j, *s++);
}

/* What stands for itself in a JSON string and is one octet of UTF-8. */
static bool plain(uint8_t c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

#define ONES 0x0101010101010101ull
#define HIGH (0x80 * ONES)

/* The high bit of an octet that is zero, and perhaps of higher ones. */
static uint64_t zero_octet(uint64_t eight)
{
	return (eight - ONES) & ~eight & HIGH;
}

/* plain() for eight octets at once. */
static bool all_plain(uint64_t eight)
{
	uint64_t control = (eight - 0x20 * ONES) & ~eight;

	return !((eight | control) & HIGH) &&
	       !(zero_octet(eight ^ 0x7f * ONES) | zero_octet(eight ^ '"' * ONES) |
		 zero_octet(eight ^ '\\' * ONES));
}

/* Copy plain octets from s up to the first other one, to `len`, or to the end of the room. Nearly
 * all of an event passes here. Number of octets taken. */
static size_t put_plain(struct json *j, const uint8_t *s, size_t len)
{
	char *to = j->buf + j->len;
	size_t room = j->len + 1 < j->size ? j->size - 1 - j->len : 0, n = 0;

	if (j->error)
		return 0;
	if (len > room)
		len = room;
	for (uint64_t eight; n + 8 <= len; n += 8) {
		__builtin_memcpy(&eight, s + n, 8);
		if (!all_plain(eight))
			break;
		__builtin_memcpy(to + n, &eight, 8);
	}
	for (; n < len && plain(s[n]); n++)
		to[n] = (char)s[n];
	j->len += n;
	return n;
}

static void open_level(struct json *j, char open, char close)
{
	if (j->depth == JSON_MAX_DEPTH) {
		j->error = true;
		return;
	}
	put(j, open);
	j->close[j->depth] = close;
	j->comma[j->depth] = false;
	j->depth++;
}

void json_begin(struct json *j, char *buf, size_t size)
{
	j->buf = buf;
	j->size = size;
	j->len = 0;
	j->depth = 0;
	j->error = size == 0;
	open_level(j, '{', '}');
}

static void close_level(struct json *j)
{
	j->depth--;
	put(j, j->close[j->depth]);
}

void json_close(struct json *j)
{
	/* The outermost object is json_end's. */
	if (j->depth < 2) {
		j->error = true;
		return;
	}
	close_level(j);
}

long json_end(struct json *j)
{
	if (j->depth != 1)
		j->error = true;
	else
		close_level(j);
	if (j->error)
		return -1;
	j->buf[j->len] = '\0';
	return (long)j->len;
}

static const char hex_digit[] = "0123456789abcdef";

static void put_escape(struct json *j, uint8_t c)
{
	puts_raw(j, "\\u00");
	put(j, hex_digit[c >> 4]);
	put(j, hex_digit[c & 15]);
}

/* Length of the well-formed UTF-8 sequence at s (RFC 3629, section 4), 0 if there is none. */
static unsigned utf8_length(const uint8_t *s, size_t left)
{
	uint8_t c = s[0], low = 0x80, high = 0xbf;
	unsigned need;

	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf)
		need = 2;
	else if (c >= 0xe0 && c <= 0xef)
		need = 3;
	else if (c >= 0xf0 && c <= 0xf4)
		need = 4;
	else
		return 0;
	if (left < need)
		return 0;
	/* No overlong forms, no surrogates, nothing above U+10FFFF. */
	if (c == 0xe0)
		low = 0xa0;
	else if (c == 0xed)
		high = 0x9f;
	else if (c == 0xf0)
		low = 0x90;
	else if (c == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (unsigned i = 2; i < need; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return need;
}

static void put_string(struct json *j, const uint8_t *s, size_t len)
{
	put(j, '"');
	for (size_t i = put_plain(j, s, len); i < len && !j->error;
	     i += put_plain(j, s + i, len - i)) {
		uint8_t c = s[i];
		unsigned n = utf8_length(s + i, len - i);

		if (n == 0) {
			puts_raw(j, "\xef\xbf\xbd"); /* U+FFFD */
			i++;
			continue;
		}
		if (c == '"' || c == '\\') {
			put(j, '\\');
			put(j, (char)c);
		} else if (c == '\n') {
			puts_raw(j, "\\n");
		} else if (c == '\t') {
			puts_raw(j, "\\t");
		} else if (c == '\r') {
			puts_raw(j, "\\r");
		} else if (c < 0x20 || c == 0x7f) {
			put_escape(j, c);
		} else {
			for (unsigned k = 0; k < n; k++)
				put(j, (char)s[i + k]);
		}
		i += n;
	}
	put(j, '"');
}

static size_t length(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

static bool has_room(const struct json *j, size_t len)
{
	return j->len + len < j->size; /* the terminator's octet stays free */
}

/* Comma and key. In an array the key must be absent, in an object present. */
static void member(struct json *j, const char *key)
{
	unsigned level = j->depth - 1;
	size_t len, start;

	if (j->error || j->depth == 0 || (key == NULL) != (j->close[level] == ']')) {
		j->error = true;
		return;
	}
	if (j->comma[level])
		put(j, ',');
	j->comma[level] = true;
	if (!key)
		return;
	len = length(key);
	start = j->len;
	if (has_room(j, len + 3)) {
		j->buf[j->len++] = '"';
		if (put_plain(j, (const uint8_t *)key, len) == len) {
			j->buf[j->len++] = '"';
			j->buf[j->len++] = ':';
			return;
		}
		j->len = start; /* no common key */
	}
	put_string(j, (const uint8_t *)key, len);
	put(j, ':');
}

void json_object(struct json *j, const char *key)
{
	member(j, key);
	open_level(j, '{', '}');
}

void json_array(struct json *j, const char *key)
{
	member(j, key);
	open_level(j, '[', ']');
}

void json_strn(struct json *j, const char *key, const void *value, size_t len)
{
	member(j, key);
	put_string(j, value, len);
}

void json_str(struct json *j, const char *key, const char *value)
{
	if (value) {
		json_strn(j, key, value, length(value));
		return;
	}
	member(j, key);
	puts_raw(j, "null");
}

static void put_u64(struct json *j, uint64_t value)
{
	char digits[20];
	unsigned n = 0;

	do
		digits[n++] = (char)('0' + value % 10);
	while ((value /= 10) != 0);
	if (!has_room(j, n)) {
		j->error = true;
		return;
	}
	while (n)
		j->buf[j->len++] = digits[--n];
}

void json_u64(struct json *j, const char *key, uint64_t value)
{
	member(j, key);
	put_u64(j, value);
}

void json_i64(struct json *j, const char *key, int64_t value)
{
	member(j, key);
	if (value < 0)
		put(j, '-');
	put_u64(j, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void json_hex(struct json *j, const char *key, uint64_t value)
{
	unsigned shift = 60;

	member(j, key);
	puts_raw(j, "\"0x");
	while (shift && !(value >> shift))
		shift -= 4;
	for (;; shift -= 4) {
		put(j, hex_digit[value >> shift & 15]);
		if (shift == 0)
			break;
	}
	put(j, '"');
}

void json_bool(struct json *j, const char *key, bool value)
{
	member(j, key);
	puts_raw(j, value ? "true" : "false");
}
