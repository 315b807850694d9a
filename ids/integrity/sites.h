/* The places of kernel text that the kernel itself patches while it runs, and what may stand there.
 *
 * Learned once, from the kernel's own tables, before the first user instruction: ftrace's records,
 * jump labels, static calls and their trampolines, and the branches of ftrace's own code. Their
 * bytes are left out of the hashes of text (sites_mask) and looked at one by one (sites_check).
 * Probes of instructions may be anywhere and are not here: see probes.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ids/integrity/integrity_impl.h"

#define SITES_TEXT_MAX (20u << 20) /* bytes of text */
#define SITES_PAGES    (SITES_TEXT_MAX / GMEM_PAGE)
#define SITES_MAX      77824u
#define SITE_LONGEST   6u
#define SITES_KNOWN    16u
#define SITES_WALKS    1u /* look-ups of owners in a step */

/* Packed: there are tens of thousands. */
struct __attribute__((packed)) site {
	uint16_t where; /* offset in its page << 4 | enum site_type */
	int32_t to;	/* a jump label's target, from the text's begin; a tail's length */
};

struct sites {
	uint64_t text, text_end; /* virtual, page aligned */
	uint32_t count;
	uint32_t first[SITES_PAGES + 1]; /* of each page; [pages]: the end */
	struct site site[SITES_MAX];
	/* The build: twice through all tables, to count and to place. */
	bool placing, failed;
	uint32_t source, at;
	uint64_t node;
	uint32_t record;    /* of the group at `node`, 0: it is done */
	uint64_t caller[3]; /* ftrace_caller, ftrace_regs_caller, __fentry__ */
	/* Targets whose owners were looked for a moment ago; and how many more may be, in this
	 * step.
	 */
	struct {
		uint64_t va, tsc;
		uint8_t owner;
	} known[SITES_KNOWN];
	uint32_t known_at, walks_left;
	bool undecided; /* sites were passed over, since nothing may be looked for any more */
};

/* Begin for this kernel. False: there is more text than room. */
bool sites_begin(struct sites *s, const struct integrity *in);

/* Some work, about 100,000 instructions. 1: more; 0: done; -1: there are more sites than room, or a
 * table that can't be understood. */
int sites_build(struct sites *s, const struct integrity *in);

/* A site that holds none of its forms. */
struct site_fault {
	uint64_t va;
	uint32_t size;
	bool passing;	      /* an INT3, as while text is being patched */
	const char *expected; /* hex, NULL: several */
	uint64_t target;      /* where it leads, 0: it is no branch */
};

/* Check the sites of a page (its index in text), `bytes`: its content and SITE_LONGEST more, from
 * number *next on (begin with 0). True: a fault; call again for the next. */
bool sites_check(struct sites *s, const struct integrity *in, uint32_t page, const uint8_t *bytes,
		 uint32_t *next, struct site_fault *fault);

/* Make all bytes of sites zero in the page's content. */
void sites_mask(const struct sites *s, uint32_t page, uint8_t *bytes);
