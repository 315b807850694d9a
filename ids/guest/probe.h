/* Probes: what ids/ wants to know of calls inside of the guest's kernel.
 *
 * A part of ids/ (proc, policy, integrity, ...) has a const table of probes, one for each kernel
 * function that it watches; the sentry hooks those that this kernel has and calls `hit` for each
 * call of the function, on the order of a millisecond later (the guest has gone on), or, for a
 * probe that is `sync`, while the guest waits at the function's first instruction. Several tables
 * may name the same function: one hook, all are called, the first denial holds. May call: kernel.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ids/guest/kernel.h"

struct probe_hit {
	uint64_t tsc;
	uint64_t now_ns;   /* Unix time of the call */
	uint64_t current;  /* the task that called: address of its task_struct, 0: unknown */
	uint64_t arg[5];   /* of the function: RDI, RSI, RDX, RCX, R8 */
	uint64_t captured; /* the word asked for, as it was at the call; 0: none or unreadable */
	uint32_t cpu;
	bool sync; /* the guest waits: its memory is as it was at the call */
	int deny;  /* out, sync only: errno (1 to 4095) that the function returns; 0: it runs */
};

struct probe {
	const char *symbol; /* alternatives by '|': the first that the kernel has */
	void (*hit)(void *ctx, struct probe_hit *hit);
	bool sync;
	/* A word to read at the moment of the call: 8 bytes of the structure that an argument (0 to
	 * 4) or the current task (PROBE_CURRENT) points to; it must lie in the direct map, as
	 * slab and page memory do. NULL: none. One for each function. */
	uint8_t base;
	const char *structure, *member;
};

#define PROBE_CURRENT 5

struct probe_set {
	const struct probe *probe;
	uint32_t count;
	void *ctx;
};
