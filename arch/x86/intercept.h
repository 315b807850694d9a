/* Which ports and MSRs of the guest exit. One I/O bitmap pair and one MSR bitmap for all CPUs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Make accesses to [base, base + count) exit, or not. At init, or in exit context (a change takes
 * effect with the next access on any CPU). The range has been checked. */
void arch_intercept_ports(uint16_t base, uint32_t count, bool on);
