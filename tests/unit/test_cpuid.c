/* The CPUID allow-list: what is hidden, what passes, what follows the guest's own state. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdbool.h>
#include <string.h>
#include <cmocka.h>

#include "hv/errno.h"
#include "arch/x86/cpu.h"
#include "arch/x86/cpuid_policy.h"
#include "arch/x86/vmx/control.h"

#define B(n) (1u << (n))

/* A processor that has everything: all bits are set, except where an enumeration has to end. */
struct everything {
	uint32_t max_basic, max_ext;
	uint32_t xsave_size; /* by XCR0 as it is now */
	uint32_t levels;     /* of leaf 0xb */
	uint32_t calls;
};

static void native(void *ctx, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *r)
{
	struct everything *cpu = ctx;

	cpu->calls++;
	*r = (struct cpuid_regs){~0u, ~0u, ~0u, ~0u};
	if (leaf == 0)
		r->eax = cpu->max_basic;
	else if (leaf == 0x80000000)
		r->eax = cpu->max_ext;
	else if (leaf == 4)
		*r = subleaf < 4 ? (struct cpuid_regs){0x1c004121 + subleaf, 0x01c0003f, 0x3f, 0}
				 : (struct cpuid_regs){0};
	else if (leaf == 7 && subleaf == 0)
		r->eax = 5;
	else if (leaf == 0xb || leaf == 0x1f)
		*r = subleaf < cpu->levels ? (struct cpuid_regs){subleaf * 3 + 1, 2,
								 (subleaf + 1) << 8 | subleaf, 0x15}
					   : (struct cpuid_regs){0, 0, subleaf & 0xff, 0x15};
	else if (leaf == 0xd && subleaf <= 1)
		r->ebx = cpu->xsave_size + subleaf;
	else if (leaf == 0xd)
		*r = (struct cpuid_regs){0x100, 576 + 0x100 * (subleaf - 2), 0, 0};
	else if (leaf == 0x17 || leaf == 0x18 || leaf == 0x1d)
		r->eax = 1;
}

static struct everything cpu;
static struct cpuid_policy policy;

static int setup(void **state)
{
	(void)state;
	cpu = (struct everything){0x2a, 0x80000021, 832, 2, 0};
	return cpuid_policy_init(&policy, 0, native, &cpu);
}

static struct cpuid_regs ask(uint32_t leaf, uint32_t subleaf, uint64_t cr4)
{
	struct cpuid_regs r = {1, 2, 3, 4};

	cpuid_guest(&policy, leaf, subleaf, cr4, &r);
	return r;
}

static bool zero(struct cpuid_regs r)
{
	return (r.eax | r.ebx | r.ecx | r.edx) == 0;
}

enum reg { EAX, EBX, ECX, EDX };

static uint32_t pick(struct cpuid_regs r, enum reg reg)
{
	return reg == EAX ? r.eax : reg == EBX ? r.ebx : reg == ECX ? r.ecx : r.edx;
}

struct bit {
	uint32_t leaf, subleaf;
	enum reg reg;
	uint32_t bit;
	const char *name;
};

static void hidden_features(void **state)
{
	static const struct bit hidden[] = {
		{1, 0, ECX, 5, "VMX"},
		{1, 0, ECX, 6, "SMX"},
		{1, 0, ECX, 31, "hypervisor"},
		{1, 0, ECX, 2, "DTES64"},
		{1, 0, EDX, 21, "DS"},
		{6, 0, EAX, 19, "HFI"},
		{6, 0, EAX, 23, "ITD"},
		{6, 0, EDX, 0, "HFI capabilities"},
		{6, 0, ECX, 8, "ITD classes"},
		{7, 0, EBX, 2, "SGX"},
		{7, 0, EBX, 14, "MPX"},
		{7, 0, EBX, 25, "PT"},
		{7, 0, ECX, 7, "CET_SS"},
		{7, 0, ECX, 13, "TME"},
		{7, 0, ECX, 16, "LA57"},
		{7, 0, ECX, 23, "KL"},
		{7, 0, ECX, 29, "ENQCMD"},
		{7, 0, ECX, 30, "SGX_LC"},
		{7, 0, ECX, 31, "PKS"},
		{7, 0, EDX, 1, "SGX_KEYS"},
		{7, 0, EDX, 5, "UINTR"},
		{7, 0, EDX, 18, "PCONFIG"},
		{7, 0, EDX, 19, "ARCH_LBR"},
		{7, 0, EDX, 20, "CET_IBT"},
		{7, 1, EAX, 8, "ARCH_PERFMON_EXT"},
		{7, 1, EAX, 17, "FRED"},
		{7, 1, EAX, 18, "LKGS"},
		{7, 1, EAX, 19, "WRMSRNS"},
		{7, 1, EAX, 22, "HRESET"},
		{7, 1, EAX, 27, "MSRLIST"},
		{7, 1, EDX, 13, "UTMR"},
		{7, 1, EDX, 15, "USER_MSR"},
		{7, 1, EDX, 18, "CET_SSS"},
		{7, 1, EDX, 21, "APX"},
		{0xd, 0, EAX, 3, "BNDREGS"},
		{0xd, 0, EAX, 19, "APX state"},
		{0xd, 0, EAX, 18, "AMX tiles"},
		{0xd, 1, EAX, 4, "XFD"},
		{7, 0, EDX, 24, "AMX-TILE"},
		{0xd, 1, ECX, 8, "PT state"},
		{0xd, 1, ECX, 11, "CET state"},
		{0xd, 1, ECX, 14, "UINTR state"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		if (pick(ask(hidden[i].leaf, hidden[i].subleaf, ~0ull), hidden[i].reg) >>
			    hidden[i].bit &
		    1)
			fail_msg("%s is shown", hidden[i].name);
}

static void passed_features(void **state)
{
	static const struct bit passed[] = {
		{1, 0, ECX, 0, "SSE3"},
		{1, 0, ECX, 3, "MONITOR"},
		{1, 0, ECX, 9, "SSSE3"},
		{1, 0, ECX, 17, "PCID"},
		{1, 0, ECX, 21, "X2APIC"},
		{1, 0, ECX, 24, "TSC_DEADLINE"},
		{1, 0, ECX, 26, "XSAVE"},
		{1, 0, ECX, 28, "AVX"},
		{1, 0, ECX, 30, "RDRAND"},
		{1, 0, EDX, 0, "FPU"},
		{1, 0, EDX, 9, "APIC"},
		{1, 0, EDX, 12, "MTRR"},
		{1, 0, EDX, 26, "SSE2"},
		{1, 0, EDX, 31, "PBE"},
		{6, 0, EAX, 2, "ARAT"},
		{6, 0, EAX, 7, "HWP"},
		{6, 0, ECX, 0, "APERFMPERF"},
		{7, 0, EBX, 0, "FSGSBASE"},
		{7, 0, EBX, 5, "AVX2"},
		{7, 0, EBX, 10, "INVPCID"},
		{7, 0, EBX, 16, "AVX512F"},
		{7, 0, EBX, 20, "SMAP"},
		{7, 0, EBX, 31, "AVX512VL"},
		{7, 0, ECX, 2, "UMIP"},
		{7, 0, ECX, 3, "PKU"},
		{7, 0, ECX, 5, "WAITPKG"},
		{7, 0, ECX, 22, "RDPID"},
		{7, 0, EDX, 4, "FSRM"},
		{7, 0, EDX, 15, "HYBRID"},
		{7, 0, EDX, 26, "IBRS"},
		{7, 0, EDX, 29, "ARCH_CAPABILITIES"},
		{7, 1, EAX, 4, "AVX-VNNI"},
		{7, 1, EAX, 26, "LAM"},
		{7, 2, EDX, 4, "BHI_CTRL"},
		{0xd, 0, EAX, 2, "AVX state"},
		{0xd, 0, EAX, 9, "PKRU"},
		{0xd, 1, EAX, 3, "XSAVES"},
		{0x80000001, 0, EDX, 29, "LM"},
		{0x80000001, 0, EDX, 20, "NX"},
		{0x80000001, 0, EDX, 27, "RDTSCP"},
		{0x80000001, 0, ECX, 5, "LZCNT"},
		{0x80000007, 0, EDX, 8, "invariant TSC"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		if (!(pick(ask(passed[i].leaf, passed[i].subleaf, 0), passed[i].reg) >>
			      passed[i].bit &
		      1))
			fail_msg("%s is hidden", passed[i].name);
	/* Values that are no feature bits pass whole. */
	assert_int_equal(ask(1, 0, 0).eax, ~0u);
	assert_int_equal(ask(1, 0, 0).ebx, ~0u);
	assert_int_equal(ask(0xa, 0, 0).eax, ~0u);
	assert_int_equal(ask(0x80000008, 0, 0).eax, ~0u);
	assert_int_equal(ask(0x80000003, 0, 0).ecx, ~0u);
}

/* TRAPS 18: these two mirror the guest's CR4, not the host's. */
static void control_register_bits(void **state)
{
	(void)state;
	assert_false(ask(1, 0, 0).ecx & CPUID_1_ECX_OSXSAVE);
	assert_true(ask(1, 0, CR4_OSXSAVE).ecx & CPUID_1_ECX_OSXSAVE);
	assert_false(ask(7, 0, CR4_OSXSAVE).ecx & CPUID_7_ECX_OSPKE);
	assert_true(ask(7, 0, CR4_PKE).ecx & CPUID_7_ECX_OSPKE);
	assert_int_equal(ask(7, 1, CR4_PKE).ecx, 0);
}

/* TRAPS 36. */
static void features_without_control(void **state)
{
	static const struct {
		uint32_t feature;
		struct bit bit;
	} rows[] = {
		{FEATURE_RDTSCP, {0x80000001, 0, EDX, 27, "RDTSCP"}},
		{FEATURE_RDTSCP, {7, 0, ECX, 22, "RDPID"}},
		{FEATURE_INVPCID, {7, 0, EBX, 10, "INVPCID"}},
		{FEATURE_XSAVES, {0xd, 1, EAX, 3, "XSAVES"}},
		{FEATURE_WAITPKG, {7, 0, ECX, 5, "WAITPKG"}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (uint32_t hide = 0; hide < 32; hide++) {
			const struct bit *bit = &rows[i].bit;
			bool shown;

			assert_int_equal(cpuid_policy_init(&policy, hide, native, &cpu), 0);
			shown = pick(ask(bit->leaf, bit->subleaf, 0), bit->reg) >> bit->bit & 1;
			assert_int_equal(shown, !(hide & rows[i].feature));
		}
	assert_int_equal(cpuid_features(native, &cpu), FEATURE_RDTSCP | FEATURE_INVPCID |
							       FEATURE_XSAVES | FEATURE_WAITPKG |
							       FEATURE_SGX);
	/* An old processor: leaf 7 and 0xd do not exist and must not be believed. */
	cpu.max_basic = 5;
	assert_int_equal(cpuid_features(native, &cpu), FEATURE_RDTSCP);
}

static void unknown_leaves(void **state)
{
	static const uint32_t zeros[] = {
		0x08,	    0x0e,	0x11,	    0x12,	0x14,	    0x19,	0x1b,
		0x1c,	    0x20,	0x21,	    0x23,	0x25,	    0x27,	0x28,
		0x2a,	    0x1000,	0x40000000, 0x40000001, 0x40000010, 0x400000ff, 0x7fffffff,
		0x80000009, 0x8000000a, 0x8000001f, 0xc0000000, 0xffffffff,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(zeros) / sizeof(zeros[0]); i++)
		for (uint32_t subleaf = 0; subleaf < 3; subleaf++)
			if (!zero(ask(zeros[i], subleaf, ~0ull)))
				fail_msg("leaf %x is shown", zeros[i]);
	/* The maxima tell where the list ends; the vendor string passes. */
	assert_int_equal(ask(0, 0, 0).eax, 0x24);
	assert_int_equal(ask(0, 0, 0).ebx, ~0u);
	assert_int_equal(ask(0x80000000, 0, 0).eax, 0x80000008);
	assert_int_equal(ask(7, 0, 0).eax, 2);
	/* A smaller processor keeps its own, and what it lacks is zero. */
	cpu.max_basic = 0xb;
	cpu.max_ext = 0x80000004;
	assert_int_equal(cpuid_policy_init(&policy, 0, native, &cpu), 0);
	assert_int_equal(ask(0, 0, 0).eax, 0xb);
	assert_int_equal(ask(0x80000000, 0, 0).eax, 0x80000004);
	assert_true(zero(ask(0xd, 0, 0)));
	assert_true(zero(ask(0x80000008, 0, 0)));
}

static void subleaves(void **state)
{
	(void)state;
	/* Leaves without subleaves ignore ECX. */
	assert_int_equal(ask(1, 77, 0).eax, ~0u);
	/* Caches: four, and the end. */
	assert_int_equal(ask(4, 3, 0).eax, 0x1c004124);
	assert_true(zero(ask(4, 4, 0)));
	assert_true(zero(ask(4, 0xffffffff, 0)));
	assert_true(zero(ask(7, 3, 0)));
	assert_true(zero(ask(0xd, 19, 0)));
	assert_true(zero(ask(0xd, 63, 0)));
	/* Topology: beyond the last level ECX is echoed and EDX goes on being the APIC ID. */
	assert_int_equal(ask(0xb, 1, 0).ecx, 2 << 8 | 1);
	assert_int_equal(ask(0xb, 1, 0).edx, 0x15);
	assert_int_equal(ask(0xb, 2, 0).ecx, 2);
	assert_int_equal(ask(0xb, 0x1234, 0).ecx, 0x34);
	assert_int_equal(ask(0xb, 0x1234, 0).edx, 0x15);
	assert_int_equal(ask(0x1f, 9, 0).ecx, 9);
	/* A leaf with more levels than there is room for is cut, and told. */
	cpu.levels = 20;
	assert_int_equal(cpuid_policy_init(&policy, 0, native, &cpu), -E2BIG);
	assert_int_equal(ask(0xb, 7, 0).eax, 22);
	assert_false(zero(ask(0x80000008, 0, 0)));
}

static void extended_state(void **state)
{
	uint32_t calls;

	(void)state;
	/* The size for what is enabled now is asked of the processor each time. */
	assert_int_equal(ask(0xd, 0, 0).ebx, 832);
	cpu.xsave_size = 2696;
	assert_int_equal(ask(0xd, 0, 0).ebx, 2696);
	assert_int_equal(ask(0xd, 1, 0).ebx, 2697);
	/* The size of all: up to the last component that is left (9: PKRU). */
	assert_int_equal(ask(0xd, 0, 0).ecx, 576 + 0x100 * 7 + 0x100);
	assert_int_equal(ask(0xd, 0, 0).eax, CPUID_XCR0_ALLOWED);
	assert_int_equal(ask(0xd, 0, 0).edx, 0);
	assert_int_equal(ask(0xd, 1, 0).ecx, 0);
	for (uint32_t n = 2; n < 64; n++)
		assert_int_equal(zero(ask(0xd, n, 0)), !(CPUID_XCR0_ALLOWED >> n & 1));
	/* All else comes from the table: an exit executes no CPUID. */
	calls = cpu.calls;
	ask(0, 0, 0);
	ask(1, 0, 0);
	ask(4, 1, 0);
	ask(7, 0, 0);
	ask(0xd, 2, 0);
	ask(0x80000001, 0, 0);
	assert_int_equal(cpu.calls, calls);
}

static void any_input(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (uint32_t i = 0; i < 200000; i++) {
		uint32_t leaf, subleaf;

		seed = seed * 1664525 + 1013904223;
		leaf = (i & 3) == 0 ? seed : (i & 1 ? 0x80000000 : 0) + (seed >> 24) % 0x40;
		seed = seed * 1664525 + 1013904223;
		subleaf = i & 4 ? seed : seed >> 26;
		if (leaf > 0x24 && (leaf < 0x80000000 || leaf > 0x80000008))
			assert_true(zero(ask(leaf, subleaf, seed)));
		else
			ask(leaf, subleaf, seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(hidden_features, setup),
		cmocka_unit_test_setup(passed_features, setup),
		cmocka_unit_test_setup(control_register_bits, setup),
		cmocka_unit_test_setup(features_without_control, setup),
		cmocka_unit_test_setup(unknown_leaves, setup),
		cmocka_unit_test_setup(subleaves, setup),
		cmocka_unit_test_setup(extended_state, setup),
		cmocka_unit_test_setup(any_input, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
