/* What exit handlers report to hv/. Some files here still call hv's services directly (events,
 * channel, timers, guest memory, reset): those belong here too.
 *
 * Exit context on the calling CPU, no lock held, none blocks. Implemented in hv/.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/io_dispatch.h"

/* A switch to the address space `root` on CPU `cpu`. */
void upcall_root_switch(uint64_t root, uint32_t cpu);

/* The guest touched Vigil's memory: `writes` and `reads` since the last call, at `gpa` last. */
void upcall_hidden_access(uint64_t gpa, uint64_t rip, bool write);

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

/* The guest wrote to guarded memory, which is open now. */
void upcall_guard_write(uint64_t gpa, uint64_t rip, uint32_t cpu);

/* What a CPU ran at a random moment. */
void upcall_sample(uint64_t current, uint64_t cr3, uint32_t cpu, bool user);

/* The guest wrote IA32_LSTAR. */
void upcall_lstar(uint64_t value, uint64_t cr3, uint32_t cpu, bool la57);

/* Run due timers; returns the next deadline (TSC) or 0. */
uint64_t timers_run(uint64_t now);

/* The other direction for hv's statistics: bring the counters of exits and NMIs up to date. */
void arch_publish_counters(void);
