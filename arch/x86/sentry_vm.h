/* The sentry's virtual machine: address space, VMCS of each CPU, entry and exit.
 *
 * For hv/sentry.c. One sentry, entered by one CPU at a time (the caller's lock); each CPU has a
 * VMCS for it, and the registers travel in core memory. May call: ept, paging of arch/x86;
 * pages_alloc.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "arch/x86/vcpu.h"
#include "hv/abi.h"

enum sentry_rights { SENTRY_RX, SENTRY_RO, SENTRY_RW };

/* Map [va, va + size) of the sentry's space to our pages at `phys`. Page granular, at init.
 * 0 or -ENOMEM. */
int sentry_vm_map(uint64_t va, uint64_t phys, uint64_t size, enum sentry_rights rights);

/* Map guest memory read-only at `va` + its physical address: these pieces, ascending. At init.
 * Returns the window's size, or negative; pieces that end beyond it are not shown. */
int64_t sentry_vm_window(uint64_t va, const struct abi_ram *ram, uint32_t count);

/* Fill the current VMCS, which is this CPU's for the sentry. At the launch. 0 or -EIO. */
int sentry_vmcs_init(struct vcpu *v);

/* Fresh registers: the next entry begins at `rip` with `rsp` and what hv/abi.h says. */
void sentry_vm_reset(uint64_t rip, uint64_t rsp, enum abi_start start);

enum sentry_exit {
	SENTRY_EXIT_CALL,      /* a hypercall: sentry_vm_call */
	SENTRY_EXIT_TIMER,     /* the stay's time is up */
	SENTRY_EXIT_INTERRUPT, /* an interrupt, NMI or INIT waits for the guest */
	SENTRY_EXIT_FAULT,     /* it did what it must not: sentry_fault */
};

struct sentry_fault {
	uint32_t kind;	 /* enum abi_sentry_fault */
	uint64_t rip;	 /* sentry-virtual */
	uint64_t detail; /* as for ABI_EVENT_SENTRY_RESTART */
};

/* Begin a stay on this CPU: the sentry's VMCS becomes current, the extended state is switched.
 * Every begin is paired with an end, with only sentry_vm_enter and sentry_vm_call* between them.
 * `hold`: which of the guest's interrupts do not end this stay. Those that it has disabled
 * (RFLAGS.IF) wait either way. */
enum sentry_hold { SENTRY_HOLD_NONE, SENTRY_HOLD_DISABLED, SENTRY_HOLD_ALL };
void sentry_vm_begin(enum sentry_hold hold);
void sentry_vm_end(void);

/* Run until the next exit, at most until `deadline` (TSC). `fault` is filled for a fault. */
enum sentry_exit sentry_vm_enter(uint64_t deadline, struct sentry_fault *fault);

struct sentry_call {
	uint64_t number, arg[2];
};

/* The hypercall that ended the last entry; and its results. The sentry goes on behind it. */
void sentry_vm_call(struct sentry_call *call);
void sentry_vm_return(uint64_t rax, uint64_t rdx);

/* Between begin and end: what the guest has in the registers of this CPU. */
void sentry_vm_guest(struct abi_cpu *cpu);
