/* Hooks on functions of the guest's kernel, and memory of the guest guarded against its writes.
 *
 * For hv/. A hooked page is shown to the guest's fetches as a copy in which the first bytes of each
 * site are a VMCALL, and to its reads and writes as it is; see arch/x86/vmx/hook.c. Exit context on
 * any CPU, sealed machine; none blocks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/abi.h"

/* Set hook `id` (again: change it), or remove it. What is asked may be anything. 0; -EINVAL: no
 * such hook, or no ftrace site there; -EFAULT: not the guest's memory; -ENOTSUP: no execute-only
 * EPT, or memory that is not mapped in 2 MiB pages; -ENOSPC: too many pages, -ENOMEM. Takes effect
 * on each CPU with its next entry. */
int arch_hook_set(uint32_t id, const struct abi_hook *hook);
int arch_hook_clear(uint32_t id);

/* Guard [gpa, gpa + size), less than 1 GiB, against writes, or no longer; page granular. The first
 * write opens the 2 MiB around it and is told (upcall_guard_write); guarding again closes it. The
 * caller has checked that it is RAM. 0, -EINVAL, -EFAULT, -ENOSPC, -ENOMEM. */
int arch_guard(uint64_t gpa, uint64_t size, bool on);

/* Give guarded memory bytes that it had before, at most ABI_GUARD_BYTES, aligned words at once. 0;
 * -EINVAL: it is not guarded. */
int arch_restore(uint64_t gpa, const uint8_t *bytes, uint32_t len);

/* No CPU executes the guest any more, for good; timers and the sentry go on. */
void arch_freeze(void);

/* Where the guest's kernel has its direct map, and at which offset from its GS base the pointer to
 * the current task; from then on samples are taken. `direct_map` 0: no longer. */
void arch_guest_kernel(uint64_t direct_map, uint64_t current_offset);

/* Registers of the guest's (PIN_*) to watch: upcall_control; and, of those, to keep as they are:
 * bits stay set, and IA32_LSTAR takes no value but `lstar`. Takes effect at once. */
void arch_watch(uint32_t watched, uint32_t pinned, uint64_t lstar);
