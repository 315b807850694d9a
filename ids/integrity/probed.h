/* Instructions that kprobes have replaced, and what they were, by the kernel's table of kprobes.
 *
 * The table is the guest's; but what it says is only used to undo a change and then to compare with
 * a hash, so a lie explains nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ids/integrity/integrity_impl.h"

#define PROBED_MAX   1024u
#define PROBED_SLOTS 8u

struct probed {
	uint64_t tsc; /* of the last look at the table, 0: none */
	uint32_t count;
	bool incomplete; /* there are more */
	/* How often an owner may still be looked for in this step; detours were passed over when it
	 * was used up. Pages of slots that were found a moment ago. */
	uint32_t walks_left;
	bool undecided;
	struct {
		uint64_t va, tsc;
	} slots[PROBED_SLOTS];
	uint32_t slots_at;
	struct {
		uint64_t va;
		uint8_t opcode, tail[4];
		bool has_tail;
	} probe[PROBED_MAX];
};

/* Put back in `bytes`, the memory at `va`, what kprobes have replaced. True: something was. A look
 * at the table older than `ms` is done again, which may take half a million instructions. */
bool probed_restore(struct probed *p, const struct integrity *in, uint64_t va, uint8_t *bytes,
		    uint32_t len, uint32_t ms);
