/* Small helpers on text and memory for the rule compiler. Host only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* realloc and strndup that abort when memory is out: a compiler has no better answer. */
void *grow(void *old, size_t size);
char *copy_text(const char *text, size_t len);

/* Cut white space off both ends, in place; returns the new start. */
char *trim(char *text);

/* A whole text as a number; false if it is anything else or exceeds `max`. */
bool parse_u64(const char *text, uint64_t max, uint64_t *value);
bool parse_i64(const char *text, int64_t low, int64_t high, int64_t *value);

/* A growing run of bytes. */
struct bytes {
	uint8_t *at;
	size_t len, room;
};

/* Append; returns the offset where the data begins. */
size_t bytes_add(struct bytes *b, const void *data, size_t len);
