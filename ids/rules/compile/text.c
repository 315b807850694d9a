#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ids/rules/compile/text.h"

void *grow(void *old, size_t size)
{
	void *new = realloc(old, size ? size : 1);

	if (!new) {
		fputs("vigilc: out of memory\n", stderr);
		abort();
	}
	return new;
}

char *copy_text(const char *text, size_t len)
{
	char *copy = grow(NULL, len + 1);

	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *trim(char *text)
{
	size_t len;

	while (isspace((unsigned char)*text))
		text++;
	len = strlen(text);
	while (len && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	return text;
}

bool parse_u64(const char *text, uint64_t max, uint64_t *value)
{
	uint64_t v = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		unsigned digit = (unsigned)(*text - '0');

		if (digit > 9 || v > (max - (digit > max ? max : digit)) / 10)
			return false;
		v = v * 10 + digit;
	}
	*value = v;
	return v <= max;
}

bool parse_i64(const char *text, int64_t low, int64_t high, int64_t *value)
{
	bool minus = *text == '-';
	uint64_t v;

	if (!parse_u64(text + (minus || *text == '+'), INT64_MAX, &v))
		return false;
	*value = minus ? -(int64_t)v : (int64_t)v;
	return *value >= low && *value <= high;
}

size_t bytes_add(struct bytes *b, const void *data, size_t len)
{
	size_t at = b->len;

	if (len == 0)
		return at;
	if (b->len + len > b->room) {
		b->room = (b->len + len) * 2;
		b->at = grow(b->at, b->room);
	}
	memcpy(b->at + b->len, data, len);
	b->len += len;
	return at;
}
