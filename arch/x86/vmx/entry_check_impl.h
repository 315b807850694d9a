/* What the two halves of the VM-entry rule checker share. Private to entry_check*.c. */
#pragma once

#include <stdbool.h>
#include "arch/x86/cpu.h"
#include "arch/x86/vmx/entry_check.h"

struct check {
	const struct entry_check *in;
	char *out;
	size_t size;
	uint64_t control[CONTROL_WORDS];
	uint64_t event; /* VM-entry interruption information */
};

static inline uint64_t field(const struct check *c, enum vmcs_field f)
{
	return c->in->read(c->in->ctx, f);
}

/* Write the sentence; returns -EINVAL. */
int violated(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Print a value with %s %llx: `what` and the value come first in every sentence. */
#define HEX(value) ((unsigned long long)(value))

bool entry_canonical(const struct check *c, uint64_t addr);

/* Rules shared by host and guest: fixed bits of CR0 and CR4 (`exempt`: CR0 bits that are not held
 * against them), the PAT, EFER. */
int entry_check_cr(struct check *c, const char *who, uint64_t cr0, uint64_t cr4, uint64_t exempt);
int entry_check_pat(struct check *c, const char *who, uint64_t pat);

int entry_check_guest(struct check *c);
