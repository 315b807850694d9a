/* The multi-pattern matcher: which of the rules' fast patterns occur in a payload?
 *
 * For the matcher. The one place that knows the algorithm (Aho-Corasick with failure links over
 * lower-cased octets: bounded work per octet, compact); another one replaces mpm.c, mpm_build.c and
 * the BLOB_MPM_* sections.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ids/rules/blob.h"

/* NULL, or why the automaton's tables are refused. For blob_open, after the section bounds. */
const char *mpm_check(const struct blob *b);

/* Call `hit` for each occurrence of each pattern, as often as it occurs. */
typedef void (*mpm_hit)(void *ctx, uint32_t pattern);
void mpm_scan(const struct blob *b, const uint8_t *data, size_t len, mpm_hit hit, void *ctx);
