/* A bounded JSON writer: one object into one caller's buffer, never truncated JSON.
 *
 * For ids/eve and everybody who adds fields to an event. Calls nothing. Every call after an
 * overflow or a misuse (nesting too deep, end without begin) is ignored and json_end() tells.
 * Strings: any bytes; control characters, quotes and backslashes are escaped, every byte that is
 * not part of well-formed UTF-8 (RFC 3629) becomes U+FFFD.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_MAX_DEPTH 16

struct json {
	char *buf;
	size_t size, len;
	unsigned depth;
	bool error;
	char close[JSON_MAX_DEPTH]; /* what ends each open level: '}' or ']' */
	bool comma[JSON_MAX_DEPTH]; /* that level has a member already */
};

/* Start an object in buf. */
void json_begin(struct json *j, char *buf, size_t size);
/* Close the outermost object, terminate with NUL. Length without NUL, or -1 on any error before. */
long json_end(struct json *j);

/* Members. `key` is NULL inside arrays. */
void json_object(struct json *j, const char *key); /* open; close with json_close */
void json_array(struct json *j, const char *key);  /* open; close with json_close */
void json_close(struct json *j);
void json_str(struct json *j, const char *key, const char *value); /* NULL value: null */
void json_strn(struct json *j, const char *key, const void *value, size_t len);
void json_u64(struct json *j, const char *key, uint64_t value);
void json_i64(struct json *j, const char *key, int64_t value);
void json_hex(struct json *j, const char *key, uint64_t value); /* string "0x1f" */
void json_bool(struct json *j, const char *key, bool value);
