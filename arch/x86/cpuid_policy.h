/* What CPUID tells the guest: an allow-list of what Vigil knows how to virtualize.
 *
 * The answers are worked out once per CPU (they differ between the cores of hybrid parts, and CPUID
 * itself is slow, and an exit of its own when nested), so that an exit is a table look-up; only
 * what depends on the guest's CR4, XCR0 and XSS is filled in at the exit. Leaves and feature bits
 * that the list does not know read as 0, the hypervisor range 0x40000000 to 0x400000ff too, and the
 * hypervisor-present bit is clear: the guest behaves as on the bare machine, and the paravirtual
 * interfaces of a hypervisor below do not leak into it.
 *
 * Pure: native CPUID is injected. Exit context on the CPU that owns the policy; no blocking.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "arch/x86/cpu.h"

/* Executes CPUID. */
typedef void cpuid_native(void *ctx, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out);

#define CPUID_POLICY_BASIC  0x28 /* basic leaves with a row */
#define CPUID_POLICY_EXT    9	 /* extended leaves 0x80000000 to 0x80000008 */
#define CPUID_POLICY_VALUES 160	 /* answers kept, all leaves and subleaves together */

/* Flags of a row; those above these two need cpuid_guest. */
#define CPUID_ROW_SUBLEAVES 1 /* ECX selects; otherwise it is ignored */
#define CPUID_ROW_CONTROL4  2 /* shows bits of CR4 */

struct cpuid_row {
	uint8_t first; /* in value[] */
	uint8_t count; /* subleaves kept; 0: the leaf reads as zero */
	uint8_t flags;
	uint8_t pad;
};

/* One CPU's answers; about 3 KiB. */
struct cpuid_policy {
	struct cpuid_row row[CPUID_POLICY_BASIC + CPUID_POLICY_EXT];
	struct cpuid_regs value[CPUID_POLICY_VALUES];
	uint32_t used;
	cpuid_native *native;
	void *ctx;
};

/* Work out all answers of the CPU it runs on. `hide`: FEATURE_* bits (vmx/control.h) whose
 * secondary control is not on. Call on each CPU before its launch, and again when the guest has
 * written IA32_MISC_ENABLE or IA32_APIC_BASE (CPUID shows some of their bits). -E2BIG: a leaf has
 * more subleaves than there is room for; those beyond read as zero. */
int cpuid_policy_init(struct cpuid_policy *policy, uint32_t hide, cpuid_native *native, void *ctx);

/* The guest's CPUID of (leaf, subleaf) with its CR4 as it is (real bits, not the shadow). All four
 * are to be written to RAX, RBX, RCX, RDX zero-extended (TRAPS 43). About 40 instructions. */
void cpuid_guest(const struct cpuid_policy *policy, uint32_t leaf, uint32_t subleaf, uint64_t cr4,
		 struct cpuid_regs *out);

/* The answer as far as it is known ahead, NULL when cpuid_guest has to work it out. In line: Linux
 * runs 55 CPUIDs in every exec of a static program. The caller adds cpuid_cr4_bits to ECX. */
static inline const struct cpuid_regs *cpuid_plain(const struct cpuid_policy *policy, uint32_t leaf,
						   uint32_t subleaf)
{
	struct cpuid_row row;

	if (__builtin_expect(leaf >= CPUID_POLICY_BASIC, 0))
		return NULL;
	row = policy->row[leaf];
	if (!(row.flags & ~(uint32_t)CPUID_ROW_CONTROL4) && row.count)
		return &policy->value[row.first];
	if (row.flags > (CPUID_ROW_SUBLEAVES | CPUID_ROW_CONTROL4) || subleaf >= row.count)
		return NULL;
	return &policy->value[row.first + subleaf];
}

/* Bits of ECX that mirror CR4: OSXSAVE in leaf 1, OSPKE in leaf 7 (SDM volume 2, CPUID). */
static inline uint32_t cpuid_cr4_bits(uint32_t leaf, uint32_t subleaf, uint64_t cr4)
{
	if (leaf == 1)
		return (uint32_t)(cr4 >> 18 & 1) << 27;
	return leaf == 7 && !subleaf ? (uint32_t)(cr4 >> 22 & 1) << 4 : 0;
}

/* FEATURE_* bits (vmx/control.h) that native CPUID shows. */
uint32_t cpuid_features(cpuid_native *native, void *ctx);

/* CR4 bits the guest may set, where the CPU has them: those of the features above, VME to UMIP
 * among them. All others are reserved for it (#GP), those that this list does not know yet as well.
 */
#define CPUID_CR4_ALLOWED                                                                          \
	(0xfffull | CR4_FSGSBASE | CR4_PCIDE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP | CR4_PKE |       \
	 CR4_LASS | CR4_LAM_SUP)

/* XCR0 components the guest may enable (those of them that the CPU has), and XSS: none. */
#define CPUID_XCR0_ALLOWED (XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512 | XCR0_PKRU)
#define CPUID_XSS_ALLOWED  0ull
