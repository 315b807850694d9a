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
	uint64_t cap; /* MTRRcap; 0: the CPU has no MTRRs (all memory is then uncached) */
	uint64_t def_type;
	uint64_t fixed[MTRR_FIXED_COUNT]; /* FIX64K, FIX16K_0, FIX16K_1, FIX4K_0..7 */
	struct mtrr_pair var[MTRR_VARIABLE_MAX];
	uint32_t nvar;
	struct mtrr_pair smrr; /* 0: none */
	uint32_t phys_bits;    /* MAXPHYADDR */
};

/* Read all registers. `has_mtrr`: CPUID.1:EDX[12]. `phys_bits`: CPUID 0x80000008 EAX[7:0], 32
 * to 52. `read_smrr`: read the SMRR pair when MTRRcap announces it (it can be written in SMM only,
 * and some processors want IA32_FEATURE_CONTROL to enable it: the caller's reader should survive a
 * fault). */
void mtrr_capture(struct mtrr_state *mtrr, bool has_mtrr, uint32_t phys_bits, bool read_smrr,
		  msr_reader *rdmsr, void *ctx);

/* The memory type of the page that holds `addr`: fixed ranges below 1 MiB when enabled, then the
 * variable ranges (UC wins, WT over WB, other mixtures: UC), then the default; UC when MTRRs are
 * disabled; UC in the SMRR range, which is no RAM outside of SMM (TRAPS 25). */
enum memory_type mtrr_type(const struct mtrr_state *mtrr, uint64_t addr);

/* The end of a range of one memory type that begins at `addr` (rounded down to a page), at most
 * `limit` (above addr, page aligned), and that type. The largest such range, except with masks that
 * are not contiguous, where the answer may stop short of a change (it is never too long). */
uint64_t mtrr_uniform(const struct mtrr_state *mtrr, uint64_t addr, uint64_t limit,
		      enum memory_type *type);
