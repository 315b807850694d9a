/* Instructions that kprobes have replaced, and what they were, by the kernel's table of kprobes.
 *
 * The table is the guest's; but what it says is only used to undo a change and then to compare with
 * a hash, so a lie explains nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ids/integrity/integrity_impl.h"

#define PROBED_MAX 1024u

struct probed {
	uint64_t tsc; /* of the last look at the table, 0: none */
	uint32_t count;
	bool incomplete; /* there are more */
	struct {
		uint64_t va;
		uint8_t opcode, tail[4];
		bool has_tail;
	} probe[PROBED_MAX];
};

/* Put back in `bytes`, the memory at `va`, what kprobes have replaced. True: something was. A look
 * at the table older than `ms` is done again, which may take a million instructions. */
bool probed_restore(struct probed *p, const struct integrity *in, uint64_t va, uint8_t *bytes,
		    uint32_t len, uint32_t ms);
