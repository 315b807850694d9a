/* The sentry's hypercalls: VMCALL with the number in RAX, arguments in RDI and RSI (hv/abi.h). Only
 * for the machine half of ids/sentry (hooks.c, main.c). The core keeps all other registers. */
#pragma once

#include <stdint.h>

#include "hv/abi.h"

static inline uint64_t hypercall2(uint64_t call, uint64_t a, uint64_t b, uint64_t *second)
{
	uint64_t rax = call, rdx = 0;
	__asm__ volatile("vmcall" : "+a"(rax), "+d"(rdx) : "D"(a), "S"(b) : "memory", "cc");
	if (second)
		*second = rdx;
	return rax;
}

static inline uint64_t hypercall(enum abi_call call, uint64_t arg, uint64_t *second)
{
	return hypercall2(call, arg, 0, second);
}

static inline uint64_t read_tsc(void)
{
	uint32_t low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}
