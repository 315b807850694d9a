/* Named 64-bit counters that every `stats` event tells ("group.name"; see struct abi_counter).
 *
 * A part defines `static uint64_t frames;` and registers it once at init. Increments are plain adds
 * on memory of the core; the values are copied to the sentry at the stats interval.
 */
#pragma once

#include <stdint.h>

/* -ENOSPC when ABI_COUNTERS are in use; `name` is at most 39 characters and lives for ever. */
int counter_register(const char *name, const uint64_t *value);
