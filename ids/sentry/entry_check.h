/* Names the rule that a failed VM entry violated (SDM chapter 27, VM entries).
 *
 * Pure: VMCS fields are read by a callback. Fields that the CPU lacks are not read: a field that
 * depends on a control is read only when that control is on. In the sentry, over what the core has
 * copied (explain.h), and on the host.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "arch/x86/vmx/control.h"
#include "arch/x86/vmx/vmcs.h"

struct entry_check {
	uint64_t (*read)(void *ctx, enum vmcs_field field);
	void *ctx;
	const struct vmx_caps *caps;
	uint32_t phys_bits; /* MAXPHYADDR */
};

/* Check controls, host state and guest state, in that order. Returns -EINVAL with a
 * sentence about the first violated rule, naming field and value, in `out` ("guest CS access rights
 * 0xe09b: L and D/B both set in IA-32e mode"); 0 when no violated rule was found (then `out` is
 * empty; `size` > 0). */
int entry_check(const struct entry_check *check, char *out, size_t size);

/* Text of a VM-instruction error number (SDM 31.4). Never NULL. */
const char *vm_instruction_error(uint32_t number);
