/* Model-specific registers: those that don't exist, those that Vigil traps, those it must leave
 * alone. */
#include "tests/machine/machine.h"

#define MSR_TSC		    0x10
#define MSR_APIC_BASE	    0x1b
#define MSR_FEATURE_CONTROL 0x3a
#define MSR_BIOS_SIGN_ID    0x8b
#define MSR_BIOS_UPDT_TRIG  0x79
#define MSR_MTRRCAP	    0xfe
#define MSR_MTRR_PHYSBASE0  0x200
#define MSR_MTRR_FIX64K	    0x250
#define MSR_PAT		    0x277
#define MSR_MTRR_DEF_TYPE   0x2ff
#define MSR_XSS		    0xda0
#define MSR_EFER	    0xc0000080
#define MSR_STAR	    0xc0000081
#define MSR_LSTAR	    0xc0000082
#define MSR_FMASK	    0xc0000084
#define MSR_FS_BASE	    0xc0000100
#define MSR_GS_BASE	    0xc0000101
#define MSR_KERNEL_GS	    0xc0000102
#define MSR_TSC_AUX	    0xc0000103

#define EFER_SCE 1ull
#define EFER_LME (1ull << 8)
#define EFER_LMA (1ull << 10)
#define EFER_NXE (1ull << 11)

#define APIC_BASE_EXTD (1ull << 10)
#define APIC_BASE_EN   (1ull << 11)

/* --- what does not exist
 * ---------------------------------------------------------------------------- */

static void absent(uint32_t msr)
{
	uint64_t a = 0x1111111122222222, c = 0x3333333300000000 | msr, d = 0x4444444455555555;
	uint32_t vector = PROBE("rdmsr", OUTS("+a"(a), "+c"(c), "+d"(d)), );

	check(vector == VECTOR_GP && last_fault.code == 0, "absent-read", "MSR %x: vector %u", msr,
	      vector);
	check(a == 0x1111111122222222 && c == (0x3333333300000000 | msr) && d == 0x4444444455555555,
	      "absent-read-registers", "MSR %x: %lx %lx %lx", msr, a, c, d);
	vector = PROBE("wrmsr", OUTS("+a"(a), "+c"(c), "+d"(d)), );
	check(vector == VECTOR_GP && last_fault.code == 0, "absent-write", "MSR %x: vector %u", msr,
	      vector);
}

static void absent_msrs(void)
{
	static const uint32_t list[] = {
		0x1234,	    0x1fff,	0xc0000200, 0xc0001fff, /* within the bitmap's ranges */
		0x2000,	    0x40000000, 0x40000001, 0x40000073,
		0x4b564d00, 0x4b564d05, /* outside */
		0xbfffffff, 0xc0002000, 0xc0010000, 0xc0010015,
		0xc0010117, 0xffffffff,
	};
	static const uint32_t hidden[] = {
		0x480, 0x481, 0x484, 0x48a,  0x48b, 0x48c, 0x491, /* VMX */
		0x8c,  0x9b,  0x560, 0x570,  0x580, 0x600, 0x6a0,  0x6a2,      0x6a8,
		0x6e1, 0x981, 0x985, 0x17d0, 0x1c4, 0x3f1, 0x14ce, 0xc0010114,
	};

	for (uint32_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		absent(list[i]);
	for (uint32_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		absent(hidden[i]);
}

/* Every register of the bitmap's ranges can be asked for: an answer or #GP, nothing else. */
static void sweep(void)
{
	uint32_t answers = 0, faults = 0;

	for (uint32_t i = 0; i < 0x4000; i++) {
		uint64_t value;
		uint32_t vector = try_rdmsr(i < 0x2000 ? i : 0xc0000000 + i - 0x2000, &value);

		answers += vector == NO_FAULT;
		faults += vector == VECTOR_GP;
	}
	CHECK_EQ("sweep", answers + faults, 0x4000);
	check(answers > 20, "sweep-answers", "%u", answers);
}

/* --- registers that can be written and read back
 * ------------------------------------------------------ */

static void reads_back(const char *name, uint32_t msr, uint64_t value)
{
	uint64_t old, now = 0;
	uint32_t vector = try_rdmsr(msr, &old);

	if (vector == NO_FAULT)
		vector = try_wrmsr(msr, value);
	if (vector == NO_FAULT)
		vector = try_rdmsr(msr, &now);
	check(vector == NO_FAULT && now == value, name, "vector %u, %lx", vector, now);
	try_wrmsr(msr, old);
	try_rdmsr(msr, &now);
	check(now == old, name, "not restored: %lx", now);
}

static void refuses(const char *name, uint32_t msr, uint64_t value)
{
	uint64_t old = rdmsr(msr), now;
	uint32_t vector = try_wrmsr(msr, value);

	now = rdmsr(msr);
	check(vector == VECTOR_GP && now == old, name, "vector %u, %lx is %lx", vector, old, now);
}

static void own_registers(void)
{
	reads_back("star", MSR_STAR, 0x0013000800000000);
	reads_back("lstar", MSR_LSTAR, 0xffff800012345678);
	reads_back("fmask", MSR_FMASK, 0x47700);
	reads_back("fs-base", MSR_FS_BASE, 0xffff888000001000);
	reads_back("gs-base", MSR_GS_BASE, 0x00007fffffffe000);
	reads_back("kernel-gs-base", MSR_KERNEL_GS, 0x1234567000);
	if (cpuid(0x80000001, 0).edx >> 27 & 1)
		reads_back("tsc-aux", MSR_TSC_AUX, 0x1234);
	reads_back("sysenter-eip", 0x176, 0xffffffff81001000);
	refuses("lstar-not-canonical", MSR_LSTAR, 0x8000000000000000);
	refuses("fs-base-not-canonical", MSR_FS_BASE, 0x0000800000000000);
	reads_back("pat", MSR_PAT, 0x0606060601040500);
	refuses("pat-type-2", MSR_PAT, 0x0606060606060602);
	refuses("pat-type-8", MSR_PAT, 0x0806060606060606);
}

/* What is in a base register survives exits. */
static void bases_over_exits(void)
{
	uint64_t gs = rdmsr(MSR_GS_BASE);

	wrmsr(MSR_GS_BASE, 0xffff888012340000);
	wrmsr(MSR_KERNEL_GS, 0xffff888056780000);
	for (int i = 0; i < 10; i++)
		cpuid(0, 0);
	CHECK_EQ("gs-base-over-exits", rdmsr(MSR_GS_BASE), 0xffff888012340000);
	__asm__ volatile("swapgs");
	cpuid(0, 0);
	CHECK_EQ("swapgs-gs", rdmsr(MSR_GS_BASE), 0xffff888056780000);
	CHECK_EQ("swapgs-kernel", rdmsr(MSR_KERNEL_GS), 0xffff888012340000);
	__asm__ volatile("swapgs");
	wrmsr(MSR_GS_BASE, gs);
}

static void tsc(void)
{
	uint64_t last = rdtsc(), first = last;
	uint32_t back = 0;

	for (int i = 0; i < 2000; i++) {
		uint64_t now;

		if (i % 3 == 0)
			cpuid(0, 0);
		now = i % 2 ? rdtsc() : rdmsr(MSR_TSC);
		back += now < last;
		last = now;
	}
	CHECK_EQ("tsc-monotonic", back, 0);
	check(last > first, "tsc-runs", "%lx %lx", first, last);
}

/* --- what Vigil traps
 * ------------------------------------------------------------------------------------ */

static void feature_control(void)
{
	CHECK_EQ("feature-control", rdmsr(MSR_FEATURE_CONTROL),
		 1); /* locked, everything off (SDM 24.7) */
	refuses("feature-control-write", MSR_FEATURE_CONTROL, 5);
	refuses("feature-control-rewrite", MSR_FEATURE_CONTROL, 1);
}

static void efer(void)
{
	uint64_t old = rdmsr(MSR_EFER);

	refuses("efer-reserved-1", MSR_EFER, old | 2);
	refuses("efer-svme", MSR_EFER, old | 1ull << 12);
	refuses("efer-ffxsr", MSR_EFER, old | 1ull << 14);
	refuses("efer-reserved-63", MSR_EFER, old | 1ull << 63);
	refuses("efer-lme-off", MSR_EFER, old & ~EFER_LME);
	reads_back("efer-sce", MSR_EFER, old ^ EFER_SCE);
	reads_back("efer-nxe", MSR_EFER, old ^ EFER_NXE);
	/* LMA is read-only: writes to it are ignored (SDM vol. 4, table 2-2). */
	CHECK_EQ("efer-lma-write", try_wrmsr(MSR_EFER, old & ~EFER_LMA), NO_FAULT);
	CHECK_EQ("efer-lma-kept", rdmsr(MSR_EFER), old);
}

/* NX has an effect exactly while EFER.NXE is set. */
static void no_execute(void)
{
	static uint8_t code[4096] __attribute__((aligned(4096))) = {0xc3}; /* RET */
	uint64_t old = rdmsr(MSR_EFER);

	wrmsr(MSR_EFER, old | EFER_NXE);
	map_page((uint64_t)code, (uint64_t)code | PTE_P | PTE_W | 1ull << 63);
	try_cr3(read_cr3());
	CHECK_EQ("nx-page-fault", PROBE("call *%0", , INS("r"(code))), VECTOR_PF);
	wrmsr(MSR_EFER, old & ~EFER_NXE);
	try_cr3(read_cr3());
	/* The bit is reserved then (SDM 4.5.4). */
	CHECK_EQ("nx-reserved", PROBE("movb (%0), %%al", , INS("r"(code)), "rax"), VECTOR_PF);
	CHECK_EQ("nx-reserved-code", last_fault.code & 8, 8);
	map_page((uint64_t)code, (uint64_t)code | PTE_P | PTE_W);
	try_cr3(read_cr3());
	CHECK_EQ("nx-off-executes", PROBE("call *%0", , INS("r"(code))), NO_FAULT);
	wrmsr(MSR_EFER, old);
}

static void mtrrs(void)
{
	uint64_t cap = rdmsr(MSR_MTRRCAP), def = rdmsr(MSR_MTRR_DEF_TYPE), value;
	uint32_t count = cap & 0xff;
	volatile uint64_t *memory = (volatile uint64_t *)low_base;

	refuses("mtrrcap-read-only", MSR_MTRRCAP, cap);
	reads_back("mtrr-physbase", MSR_MTRR_PHYSBASE0 + 2 * (count - 1), 0x80000000 | 6);
	reads_back("mtrr-physmask", MSR_MTRR_PHYSBASE0 + 2 * count - 1, 0xf80000800);
	reads_back("mtrr-fixed", MSR_MTRR_FIX64K, 0x0606060606060505);
	reads_back("mtrr-fixed-4k", 0x26f, 0x0001040506050400);
	absent(MSR_MTRR_PHYSBASE0 + 2 * count);
	/* SDM 12.11.2: reserved bits and types are refused. */
	refuses("mtrr-def-type-2", MSR_MTRR_DEF_TYPE, (def & ~0xffull) | 2);
	refuses("mtrr-def-type-7", MSR_MTRR_DEF_TYPE, (def & ~0xffull) | 7);
	refuses("mtrr-def-reserved-8", MSR_MTRR_DEF_TYPE, def | 1 << 8);
	refuses("mtrr-def-reserved-12", MSR_MTRR_DEF_TYPE, def | 1 << 12);
	refuses("mtrr-physbase-type", MSR_MTRR_PHYSBASE0, 0x80000003);
	refuses("mtrr-physbase-reserved", MSR_MTRR_PHYSBASE0, 0x80000106);
	refuses("mtrr-physbase-beyond", MSR_MTRR_PHYSBASE0, 1ull << 62 | 6);
	refuses("mtrr-physmask-reserved", MSR_MTRR_PHYSBASE0 + 1, 0xf80000801);
	refuses("mtrr-physmask-beyond", MSR_MTRR_PHYSBASE0 + 1, 1ull << 62 | 0x800);
	refuses("mtrr-fixed-type", MSR_MTRR_FIX64K, 0x0606060606060607);

	/* All memory uncached and the MTRRs off, as Linux does while it writes them: it works, and
	 * Vigil with it. */
	CHECK_EQ("mtrrs-off", try_wrmsr(MSR_MTRR_DEF_TYPE, 0), NO_FAULT);
	*memory = 0x123456789abcdef;
	cpuid(0, 0);
	CHECK_EQ("mtrrs-off-memory", *memory, 0x123456789abcdef);
	CHECK_EQ("mtrrs-off-read", rdmsr(MSR_MTRR_DEF_TYPE), 0);
	wrmsr(MSR_MTRR_DEF_TYPE, def);
	try_rdmsr(MSR_MTRR_DEF_TYPE, &value);
	CHECK_EQ("mtrrs-on", value, def);
}

static void microcode(void)
{
	uint64_t before = rdmsr(MSR_BIOS_SIGN_ID);

	CHECK_EQ("microcode-trigger", try_wrmsr(MSR_BIOS_UPDT_TRIG, low_base), NO_FAULT);
	cpuid(1, 0);
	CHECK_EQ("microcode-same", rdmsr(MSR_BIOS_SIGN_ID), before);
}

static void xss(void)
{
	uint64_t value;

	if (!(cpuid(0xd, 1).eax >> 3 & 1)) {
		absent(MSR_XSS);
		return;
	}
	CHECK_EQ("xss-read", try_rdmsr(MSR_XSS, &value), NO_FAULT);
	CHECK_EQ("xss-zero", value, 0);
	CHECK_EQ("xss-write-0", try_wrmsr(MSR_XSS, 0), NO_FAULT);
	refuses("xss-pt", MSR_XSS, 1 << 8);
	refuses("xss-cet", MSR_XSS, 3 << 11);
	refuses("xss-all", MSR_XSS, ~0ull);
}

/* --- the local APIC's place and mode
 * ------------------------------------------------------------------- */

static uint32_t apic_id_at(uint64_t base)
{
	return *(volatile uint32_t *)(base + 0x20) >> 24;
}

static void apic_base(void)
{
	uint64_t old = rdmsr(MSR_APIC_BASE), flags = old & 0xfff, other = 0xfed80000;
	uint32_t id = apic_id_at(old & ~0xfffull);

	refuses("apic-base-block", MSR_APIC_BASE, block_base | flags);
	refuses("apic-base-block-end", MSR_APIC_BASE, (block_base + block_size - PAGE) | flags);
	refuses("apic-base-reserved", MSR_APIC_BASE, old | 1);
	refuses("apic-base-beyond", MSR_APIC_BASE, old | 1ull << 62);
	CHECK_EQ("apic-base-same", try_wrmsr(MSR_APIC_BASE, old), NO_FAULT);
	CHECK_EQ("apic-base-moves", try_wrmsr(MSR_APIC_BASE, other | flags), NO_FAULT);
	CHECK_EQ("apic-base-reads-back", rdmsr(MSR_APIC_BASE), other | flags);
	CHECK_EQ("apic-there", apic_id_at(other), id);
	wrmsr(MSR_APIC_BASE, old);
	CHECK_EQ("apic-back", apic_id_at(old & ~0xfffull), id);
}

static void apic_modes(void)
{
	uint64_t old = rdmsr(MSR_APIC_BASE), value;
	uint32_t id = apic_id_at(old & ~0xfffull);

	/* SDM 11.12.5: which changes are allowed */
	refuses("apic-x2-disabled", MSR_APIC_BASE, (old & ~APIC_BASE_EN) | APIC_BASE_EXTD);
	if (!(cpuid(1, 0).ecx >> 21 & 1)) {
		refuses("apic-x2-absent", MSR_APIC_BASE, old | APIC_BASE_EXTD);
		return;
	}
	absent(0x802);
	CHECK_EQ("apic-to-x2", try_wrmsr(MSR_APIC_BASE, old | APIC_BASE_EXTD), NO_FAULT);
	CHECK_EQ("apic-x2-id", try_rdmsr(0x802, &value), NO_FAULT);
	CHECK_EQ("apic-x2-id-value", value, id);
	refuses("apic-x2-to-x", MSR_APIC_BASE, old);
	CHECK_EQ("apic-off", try_wrmsr(MSR_APIC_BASE, old & ~APIC_BASE_EN), NO_FAULT);
	/* SDM 11.4.3: CPUID shows that it is off. (It may stay so until the reset.) */
	CHECK_EQ("apic-off-cpuid", cpuid(1, 0).edx >> 9 & 1, 0);
}

void test_main(void)
{
	absent_msrs();
	sweep();
	own_registers();
	bases_over_exits();
	tsc();
	feature_control();
	efer();
	no_execute();
	mtrrs();
	microcode();
	xss();
	apic_base();
	apic_modes();
}
