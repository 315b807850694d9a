/* The multi-pattern matcher: which of the rules' fast patterns occur in a payload?
 *
 * For the matcher. The one place that knows the algorithm (Aho-Corasick with failure links over
 * lower-cased octets: bounded work per octet, compact; a bitmap of the octet pairs that patterns
 * begin with skips most of a payload). Another one replaces mpm.c, mpm_build.c and the BLOB_MPM_*
 * sections.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ids/rules/blob.h"

struct mpm {
	const struct blob *blob;
	uint8_t *pairs; /* bit [first << 8 | second]: some pattern begins so */
};

#define MPM_MEMORY 8192 /* bytes for mpm_init */

/* NULL, or why the automaton's tables are refused. For blob_open, after the section bounds. */
const char *mpm_check(const struct blob *b);

/* Make ready; `memory`: MPM_MEMORY zeroed bytes that live as long. `b` is checked. */
void mpm_init(struct mpm *m, const struct blob *b, void *memory);

/* Call `hit` for each occurrence of each pattern, as often as it occurs. */
typedef void (*mpm_hit)(void *ctx, uint32_t pattern);
void mpm_scan(const struct mpm *m, const uint8_t *data, size_t len, mpm_hit hit, void *ctx);
