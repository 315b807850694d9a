/* Address spaces by their page-table root (CR3) alone, for any guest: told when first seen, watched
 * through the guest-memory window, told again when gone.
 *
 * For the sentry. Best effort, as Antfarm: a root counts as gone when its page no longer looks like
 * the top-level table of the same address space. A guest that frees a root and takes the same page
 * for new processes between two looks is seen as having one, so numbers are lower bounds.
 * Guest memory changes under our eyes and may hold anything: every word is read once, nothing in it
 * is followed. Pure; needs one callback for memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROOTS_MAX     4096 /* address spaces watched at a time; more are told but not watched */
#define ROOTS_ENTRIES 512  /* of a top-level table (SDM vol. 3A, 4.5, PML4 and PML5) */

/* The page of the table in a CR3 value, without PCID and flags. */
#define ROOTS_FRAME 0x000ffffffffff000ull

struct roots_ops {
	void *ctx;
	/* The guest's page at `gpa` (4 KiB aligned), ROOTS_ENTRIES words; NULL if it is not in the
	 * window. */
	const volatile uint64_t *(*page)(void *ctx, uint64_t gpa);
	/* The address space is gone: `first_tsc` and `cpu` as given to roots_seen(). */
	void (*gone)(void *ctx, uint64_t root, uint64_t first_tsc, uint32_t cpu);
};

struct roots; /* the set of watched roots */

/* Bytes of memory for roots_init(), which must be zeroed and 8-byte aligned. */
size_t roots_memory(void);
struct roots *roots_init(void *memory, const struct roots_ops *ops);

/* A root came into use. Low 12 bits (PCID, flags) are ignored. True if it was not in the set: then
 * it is now, unless the set is full or the page is outside the window. */
bool roots_seen(struct roots *roots, uint64_t root, uint64_t tsc, uint32_t cpu);

/* Look at the next `count` roots, in turn; calls gone() for each that is, after removing it. Reads
 * at most 264 words of the guest's for each. */
void roots_sweep(struct roots *roots, uint32_t count);

/* Roots watched now. */
uint32_t roots_count(const struct roots *roots);

/* Roots that were told but could not be watched. */
uint64_t roots_unwatched(const struct roots *roots);
