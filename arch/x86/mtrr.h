/* Memory types of physical addresses as the MTRRs have them (SDM 12.11).
 *
 * Pure: the registers are captured once, by a callback, before the launch; the guest's later writes
 * do not retype EPT. Any context, no blocking.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"

#define MTRR_VARIABLE_MAX 255 /* MTRRcap.VCNT is 8 bits wide */
#define MTRR_FIXED_COUNT  11

struct mtrr_pair {
	uint64_t base, mask; /* PHYSBASEn and PHYSMASKn as read */
};

struct mtrr_state {
	uint64_t cap; /* MTRRcap */
	uint64_t def_type;
	uint64_t fixed[MTRR_FIXED_COUNT]; /* FIX64K, FIX16K_0, FIX16K_1, FIX4K_0..7 */
	struct mtrr_pair var[MTRR_VARIABLE_MAX];
	uint32_t nvar;
	uint32_t phys_bits; /* MAXPHYADDR */
};

/* Read all registers of a CPU that has them. `phys_bits`: CPUID 0x80000008 EAX[7:0], 32 to 52. The
 * SMRR pair is left out: reading it may fault, and SMM's memory (TRAPS 25) is no RAM in the
 * firmware's map. */
void mtrr_capture(struct mtrr_state *mtrr, uint32_t phys_bits, msr_reader *rdmsr, void *ctx);

/* The memory type of the page that holds `addr`: fixed ranges below 1 MiB when enabled, then the
 * variable ranges (UC wins, WT over WB, other mixtures: UC), then the default; UC when MTRRs are
 * disabled. */
enum memory_type mtrr_type(const struct mtrr_state *mtrr, uint64_t addr);

/* The end of a range of one memory type that begins at `addr` (rounded down to a page), at most
 * `limit` (above addr, page aligned), and that type. The largest such range, except with masks that
 * are not contiguous, where the answer may stop short of a change (it is never too long). */
uint64_t mtrr_uniform(const struct mtrr_state *mtrr, uint64_t addr, uint64_t limit,
		      enum memory_type *type);
