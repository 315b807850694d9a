/* The multi-pattern matcher: which of the rules' fast patterns occur in some octets?
 *
 * For the matcher. The one place that knows the algorithm (Aho-Corasick with failure links over
 * lower-cased octets: bounded work per octet, compact; a bitmap of the octet pairs that patterns
 * begin with skips most of a payload). Another one replaces mpm.c, mpm_build.c and the BLOB_MPM_*
 * sections. There is an automaton for each kind of thing looked at and direction: so a scan meets
 * only patterns that could matter there.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ids/rules/blob.h"

struct mpm {
	const struct blob *blob;
	uint8_t *pairs; /* MPM_PAIRS octets per automaton; bit [first << 8 | second]: some pattern
			 * begins so */
	/* The automaton + 1 by look, direction and `of` (as in blob_mpm); 0: none. */
	uint8_t automaton[BLOB_LOOKS][2][APP_BUFFERS];
};

#define MPM_PAIRS 8192
#define MPM_NONE  UINT32_MAX /* no automaton for that: nothing to scan */

/* NULL, or why the automata's tables are refused. For blob_open, after the section bounds. */
const char *mpm_check(const struct blob *b);

/* Octets of memory for mpm_init. `b` is checked, here and in the following. */
uint64_t mpm_size(const struct blob *b);
/* Make ready; `memory`: mpm_size() zeroed bytes that live as long. */
void mpm_init(struct mpm *m, const struct blob *b, void *memory);

/* The automaton for that, or MPM_NONE. `of` as in struct blob_mpm. */
uint32_t mpm_automaton(const struct mpm *m, enum blob_look look, unsigned direction, unsigned of);

/* Call `hit` for each occurrence of each pattern, as often as it occurs; `end` is the number of
 * octets of `data` up to the pattern's end. */
typedef void (*mpm_hit)(void *ctx, uint32_t pattern, size_t end);
/* Scan on from `state` (0: from the beginning; any value is safe) and return the state behind the
 * last octet, so that the octets may come in pieces. */
uint32_t mpm_scan(const struct mpm *m, uint32_t automaton, uint32_t state, const uint8_t *data,
		  size_t len, mpm_hit hit, void *ctx);
