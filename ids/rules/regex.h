/* Regular expressions (PCRE2), in memory given once, with a bound on every search.
 *
 * For pcre, pcrexform and the rule compiler, which tries patterns with the same library and the
 * same limits. Patterns come as text (of the checked blob) and are compiled when they are first
 * needed, or ahead; the compiled ones live in a cache of fixed size, which throws out the one that
 * was used longest ago. A search allocates nothing. Single-threaded, one struct regex per engine.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Options of a pattern: part of the blob format, append only. */
#define REGEX_CASELESS	0x0001 /* i */
#define REGEX_MULTILINE 0x0002 /* m */
#define REGEX_DOTALL	0x0004 /* s */
#define REGEX_EXTENDED	0x0008 /* x */
#define REGEX_ANCHORED	0x0010 /* A */
#define REGEX_DOLLAR	0x0020 /* E: $ only at the very end */
#define REGEX_UNGREEDY	0x0040 /* G */
#define REGEX_NO_GROUPS 0x0080 /* (...) as (?:...): nothing refers to what they hold */
#define REGEX_OPTIONS	0x00ff

#define REGEX_MAX_PATTERN 4096 /* octets of a pattern */
#define REGEX_MAX_INDEX	  65536

/* Of one start of a match: backtracking, and its depth. Suricata's defaults (pcre.match-limit,
 * pcre.match-limit-recursion). */
#define REGEX_MATCH_LIMIT 3500
#define REGEX_DEPTH_LIMIT 1500
#define REGEX_FRAMES	  (192u << 10) /* octets for backtracking: 1,500 frames with few groups */

/* Of all searches between two calls of regex_refill, in units of regex_work.h. */
#define REGEX_WORK_LIMIT	1000000u
#define REGEX_WORK_SEARCH	50u		    /* for beginning a search */
#define REGEX_WORK_COMPILE(len) (500u + 16 * (len)) /* what was not in the cache */

struct regex_pattern {
	const uint8_t *text;
	uint32_t len;
	uint32_t options; /* REGEX_* */
};

/* Part of the subject: [from, to). */
struct regex_span {
	uint32_t from, to;
};
#define REGEX_UNSET UINT32_MAX /* a group that took no part in the match: from and to */

enum regex_result {
	REGEX_NO,
	REGEX_MATCH,
	REGEX_LIMIT, /* not decided: a limit was reached, or the pattern can't be compiled */
};

struct regex_stats {
	uint64_t searches, limits;     /* limits: searches that ended as REGEX_LIMIT */
	uint64_t compiled, thrown_out; /* of the cache */
};

struct regex;

/* Octets of memory for `patterns` patterns with a cache of `cache` octets. */
size_t regex_size(uint32_t patterns, size_t cache);

/* `memory`: regex_size() zeroed octets aligned to 16 that live as long. Indices of patterns are
 * below `patterns`. NULL: `cache` is too small (less than 4096). */
struct regex *regex_init(void *memory, uint32_t patterns, size_t cache);

/* Compile ahead, if there is room without throwing out another. False: no room, or refused by
 * PCRE2 (then *error, unless it is NULL, is its error number and *at the place in the pattern;
 * else 0). */
bool regex_prepare(struct regex *r, uint32_t index, const struct regex_pattern *p, int *error,
		   size_t *at);

/* A new packet or transaction: work is counted anew. */
void regex_refill(struct regex *r);

/* Search data[0..len) from `from` (<= len) on; what lies before it is seen by lookbehind. `begin`:
 * data is the begin of what is searched, otherwise ^ does not hold there. `index` always with the
 * same pattern. On REGEX_MATCH span[0] is the match, span[1] the first group. */
enum regex_result regex_search(struct regex *r, uint32_t index, const struct regex_pattern *p,
			       const uint8_t *data, uint32_t len, uint32_t from, bool begin,
			       struct regex_span span[2]);

const struct regex_stats *regex_stats(const struct regex *r);

/* Octets of the cache in use. */
size_t regex_used(const struct regex *r);

/* PCRE2's sentence for an error number of regex_prepare. For the rule compiler. */
void regex_message(int error, char *out, size_t size);
