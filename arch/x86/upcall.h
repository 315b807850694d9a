/* All that arch/x86 asks of the parts above it. Beside these it calls only hv's small services
 * (error numbers, locks, log, panic, counters, pages, units) and what was registered with it; what
 * it is asked for stands in its own headers and in hv/machine.h.
 *
 * Implemented in hv/. Exit context on the calling CPU, no lock held, none blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "arch/x86/io_access.h"
#include "hv/abi.h"

/* All CPUs are launched; the OS loader is next. */
void upcall_sealed(void);

/* A hook on a function of the guest's kernel was hit. */
struct hook_hit {
	uint32_t id, cpu;
	bool wait;	 /* the hook asks for a decision */
	uint64_t arg[5]; /* RDI, RSI, RDX, RCX, R8 */
	uint64_t rsp;
	uint64_t current;  /* task, 0: unknown */
	uint64_t captured; /* word that the hook asks for, 0: none or unreadable */
	int32_t err;	   /* out, for HOOK_DENY: negative errno */
};

enum hook_next {
	HOOK_GO,   /* the function runs */
	HOOK_WAIT, /* no decision yet: have the guest hit it again */
	HOOK_DENY, /* it returns hit->err to `*to`, an address of the kernel's */
};
enum hook_next upcall_hook(struct hook_hit *hit, uint64_t *to);

/* A hooked site holds these bytes, neither NOP, CALL nor breakpoint. */
void upcall_hook_odd(uint32_t id, uint64_t bytes, uint32_t cpu);

/* The guest writes to guarded memory, which is open now. `before`: what stood around `gpa`. */
void upcall_guard_write(uint64_t gpa, uint64_t rip, uint64_t current, uint32_t cpu,
			const uint64_t before[ABI_GUARD_BYTES / 8]);

/* What a CPU ran at a random moment. */
void upcall_sample(uint64_t current, uint64_t cr3, uint32_t cpu, bool user);

/* The guest wrote IA32_LSTAR; refused: in vain. */
void upcall_lstar(uint64_t value, uint64_t cr3, uint32_t cpu, bool la57, bool refused);

/* The guest's code at `rip` cleared watched bits of a control register; refused: not all of them.
 */
void upcall_control(enum abi_control reg, uint64_t old, uint64_t now, uint64_t rip, uint32_t cpu,
		    bool refused);

/* Run due timers; returns the next deadline (TSC) or 0. */
uint64_t upcall_timers(uint64_t now);

/* Carry out one access to ports that were intercepted (arch_intercept_ports). */
void upcall_io(struct io_access *access);

/* A switch to the address space `root` on CPU `cpu`. */
void upcall_root_switch(uint64_t root, uint32_t cpu);

/* The guest touched Vigil's memory at `gpa`. */
void upcall_hidden_access(uint64_t gpa, uint64_t rip, bool write);

/* The guest did what ends in a `hypervisor` event; `detail` as for ABI_EVENT_GUEST_FAULT. */
void upcall_guest_fault(enum abi_guest_fault what, uint64_t rip, uint64_t detail);

/* Copy from the guest's RAM. -EFAULT: not wholly its own; nothing has been copied. */
int upcall_guest_read(uint64_t gpa, void *dst, size_t len);

/* The guest has come to its end: tell, drain the channel, reset the platform. */
__attribute__((noreturn)) void upcall_guest_ended(const char *why);

/* Ask the sentry which rule the failed VM entry of `record` broke (struct entry_record). True: a
 * sentence of printable characters is in `text`. The sentry's last act: it is not entered again. */
bool upcall_explain(const void *record, size_t size, char *text, size_t room);
