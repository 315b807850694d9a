/* Which loader is next: the order of paths to try, and whether a path is the loader itself.
 *
 * Pure logic: compiled for vigil.efi and for the host.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "hv/config.h"

struct next_path {
	const char *path;
	bool with_args; /* give it next_args as its command line */
};

/* The `i`-th path to try, false past the end. A configured `next` is the only one. Of the known
 * paths only the kernel gets next_args: shim takes a command line for a loader's name. */
bool paths_next(const struct vigil_config *cfg, unsigned i, struct next_path *out);

/* Whether two paths name one file on a FAT volume: letters' case, repeated and missing first
 * separators count nothing. `a` is UTF-16 of at most `a_len` characters, or shorter with a final 0.
 */
bool paths_same(const unsigned short *a, size_t a_len, const char *b);
