/* Transforms: what rules may do to a buffer before they look into it. Pure functions.
 *
 * For OP_TRANSFORM and the rule compiler (names). All but pcrexform, which needs a compiled
 * pattern, are in the table.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers are part of the blob format: append only. Names are Suricata's. */
enum transform_kind {
	TRANSFORM_DOTPREFIX,
	TRANSFORM_TO_LOWERCASE,
	TRANSFORM_TO_UPPERCASE,
	TRANSFORM_STRIP_WHITESPACE,
	TRANSFORM_COMPRESS_WHITESPACE,
	TRANSFORM_URL_DECODE,
	TRANSFORM_XOR,
	TRANSFORM_TO_MD5,
	TRANSFORM_TO_SHA1,
	TRANSFORM_TO_SHA256,
	TRANSFORM_HEADER_LOWERCASE,
	TRANSFORM_STRIP_PSEUDO_HEADERS,
	TRANSFORM_PCREXFORM,
	TRANSFORMS
};

#define TRANSFORM_MAX_ARGUMENT 4096 /* octets; a key for xor, a pattern for pcrexform */

/* Octets that the output of `len` octets of input may have. */
#define TRANSFORM_ROOM(len) ((len) < 31 ? 32u : (len) + 1u)

struct transform_argument {
	const uint8_t *at;
	uint32_t len;
};

struct transform {
	const char *name;
	bool argument; /* needs one, of at least one octet */
	/* Write TRANSFORM_ROOM(len) octets at most to `out`, which does not overlap `data`; returns
	 * how many. `len` > 0 (Suricata: nothing becomes of an empty buffer). Time linear in `len`.
	 */
	uint32_t (*run)(const uint8_t *data, uint32_t len, const struct transform_argument *arg,
			uint8_t *out);
};

/* `run` of TRANSFORM_PCREXFORM is NULL. */
extern const struct transform transforms[TRANSFORMS];
