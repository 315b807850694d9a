/* Address spaces by their page-table root (CR3) alone, for any guest: noticed when first switched
 * to, watched through the guest-memory window, told when they have lived for a while or are gone.
 *
 * For the sentry. Best effort, as Antfarm: a root counts as gone when its page no longer looks like
 * the top-level table of the same address space. A guest that frees a root and takes the same page
 * for new processes between two looks is seen as having one, so numbers are lower bounds. Roots
 * come in batches, so a process may have exited before the first look at its table; that shows as
 * an empty user half, or as something that is no table of this kernel's, and no switch to it since.
 * Guest memory changes under our eyes and may hold anything: every word is read once, nothing in it
 * is followed. Pure; needs callbacks for memory and for the core's record of switches.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROOTS_MAX     4096 /* address spaces watched at a time; more are told but not watched */
#define ROOTS_ENTRIES 512  /* of a top-level table (SDM vol. 3A, 4.5, PML4 and PML5) */

/* The page of the table in a CR3 value, without PCID and flags. */
#define ROOTS_FRAME 0x000ffffffffff000ull

/* What is known of a root. Times are TSC values. */
struct roots_about {
	uint64_t root;	    /* page aligned */
	uint64_t first_tsc; /* as given to roots_seen() */
	uint64_t last_tsc;  /* of the last switch to it, 0: unknown; only for gone() */
	uint64_t switches;  /* to it; only for gone() */
	uint32_t cpu;	    /* as given to roots_seen() */
	bool told;	    /* lived() was called, or roots_seen() was told so */
};

struct roots_ops {
	void *ctx;
	/* The guest's page at `gpa` (4 KiB aligned), ROOTS_ENTRIES words, valid for ever; NULL if
	 * it is not in the window. */
	const volatile uint64_t *(*page)(void *ctx, uint64_t gpa);
	/* Have the core forget a root: returns the switches to it since it was last forgotten, and
	 * when the last one was (0: none). The next switch makes it a new one for the core. */
	uint64_t (*forget)(void *ctx, uint64_t root, uint64_t *last_tsc);
	/* The address space has lived long enough to be told, and lives on. Once for each. */
	void (*lived)(void *ctx, const struct roots_about *about);
	/* The address space is gone; the core has forgotten it. */
	void (*gone)(void *ctx, const struct roots_about *about);
};

struct roots; /* the set of watched roots */

/* Bytes of memory for roots_init(), which must be zeroed and 8-byte aligned. */
size_t roots_memory(void);
struct roots *roots_init(void *memory, const struct roots_ops *ops);

enum roots_result {
	ROOTS_OLD,	 /* it was in the set already */
	ROOTS_NEW,	 /* it is in the set now */
	ROOTS_UNWATCHED, /* the set is full or the page is outside the window */
};

/* A root came into use at `first_tsc`, on `cpu`; `now` is the time of this look. Low 12 bits (PCID,
 * flags) are ignored. `told`: lived() shall not be called for it. */
enum roots_result roots_seen(struct roots *roots, uint64_t root, uint64_t first_tsc, uint64_t now,
			     uint32_t cpu, bool told);

/* Look at the next `count` roots, in turn, at time `now`: calls gone() for each that is, after
 * removing it, and lived() for each of those not told that came into use at `settled` or before.
 * Some ten instructions for one that has not changed, 264 words read at most for one that has.
 * True if some are gone, so that another look should follow soon. */
bool roots_sweep(struct roots *roots, uint32_t count, uint64_t now, uint64_t settled);

/* Roots watched now. */
uint32_t roots_count(const struct roots *roots);

/* Roots that were told but could not be watched. */
uint64_t roots_unwatched(const struct roots *roots);
