/* What the processor looks like: CPUID, MSRs, XSETBV, instructions that CPUID shows or hides. */
#include "tests/machine/machine.h"

#define B(n) (1u << (n))

/* --- CPUID
 * ------------------------------------------------------------------------------------------- */

static void hidden_features(void)
{
	struct cpuid r = cpuid(1, 0);

	CHECK_EQ("cpuid-1-no-vmx-smx-hypervisor", r.ecx & (B(5) | B(6) | B(31)), 0);
	CHECK_EQ("cpuid-1-no-debug-store", (r.ecx & B(2)) | (r.edx & B(21)), 0);
	r = cpuid(7, 0);
	CHECK_EQ("cpuid-7-no-sgx-mpx-pt", r.ebx & (B(2) | B(14) | B(25)), 0);
	CHECK_EQ("cpuid-7-no-cet-la57-kl-pks", r.ecx & (B(7) | B(16) | B(23) | B(30) | B(31)), 0);
	CHECK_EQ("cpuid-7-no-uintr-pconfig-ibt", r.edx & (B(5) | B(18) | B(20)), 0);
	r = cpuid(7, 1);
	CHECK_EQ("cpuid-7-1-no-fred-lkgs", r.eax & (B(17) | B(18)), 0);
	if (cpuid(0, 0).eax >= 0x14) {
		r = cpuid(0x14, 0);
		CHECK_EQ("cpuid-14-pt", r.eax | r.ebx | r.ecx | r.edx, 0);
	}
	if (cpuid(0, 0).eax >= 0x12) {
		r = cpuid(0x12, 0);
		CHECK_EQ("cpuid-12-sgx", r.eax | r.ebx | r.ecx | r.edx, 0);
	}
	CHECK_EQ("cpuid-svm", cpuid(0x80000001, 0).ecx & B(2), 0);
	r = (struct cpuid){0};
	for (uint32_t leaf = 0x40000000; leaf <= 0x400000ff; leaf++) {
		struct cpuid s = cpuid(leaf, 0);

		r.eax |= s.eax | s.ebx | s.ecx | s.edx;
	}
	CHECK_EQ("cpuid-hypervisor-range", r.eax, 0);
}

static void cpuid_registers(void)
{
	uint64_t a = 0xffffffff00000001, b = ~0ull, c = 0xffffffff00000000, d = ~0ull;

	__asm__ volatile("cpuid" : "+a"(a), "+b"(b), "+c"(c), "+d"(d));
	CHECK_EQ("cpuid-upper-halves", (a | b | c | d) >> 32, 0);
	CHECK_EQ("cpuid-ignores-upper-rax", a, cpuid(1, 0).eax);
}

static void cpuid_control4(void)
{
	uint64_t cr4 = read_cr4();

	try_cr4(cr4 | B(18));
	CHECK_EQ("cpuid-osxsave-on", cpuid(1, 0).ecx >> 27 & 1, 1);
	try_cr4(cr4 & ~(uint64_t)B(18));
	CHECK_EQ("cpuid-osxsave-off", cpuid(1, 0).ecx >> 27 & 1, 0);
	if (cpuid(7, 0).ecx & B(3)) {
		try_cr4(cr4 | B(22));
		CHECK_EQ("cpuid-ospke-on", cpuid(7, 0).ecx >> 4 & 1, 1);
		try_cr4(cr4 & ~(uint64_t)B(22));
		CHECK_EQ("cpuid-ospke-off", cpuid(7, 0).ecx >> 4 & 1, 0);
	}
	try_cr4(cr4);
}

static void cpuid_subleaves(void)
{
	struct cpuid r = cpuid(4, 100);

	CHECK_EQ("cpuid-4-beyond", r.eax & 0x1f, 0);
	r = cpuid(7, 100);
	CHECK_EQ("cpuid-7-beyond", r.eax | r.ebx | r.ecx | r.edx, 0);
	if (cpuid(0, 0).eax >= 0xb) {
		r = cpuid(0xb, 77);
		CHECK_EQ("cpuid-b-beyond", r.eax | r.ebx, 0);
		CHECK_EQ("cpuid-b-echoes-ecx", r.ecx, 77);
		CHECK_EQ("cpuid-b-apic-id", r.edx, *(volatile uint32_t *)0xfee00020 >> 24);
	}
	r = cpuid(0xd, 63);
	CHECK_EQ("cpuid-d-beyond", r.eax | r.ebx | r.ecx | r.edx, 0);
	CHECK_EQ("cpuid-1-apic-id", cpuid(1, 0).ebx >> 24, *(volatile uint32_t *)0xfee00020 >> 24);
	/* Leaves that don't take ECX give the same for all of them. */
	CHECK_EQ("cpuid-1-ignores-ecx", cpuid(1, 5).eax, cpuid(1, 0).eax);
}

/* --- XSETBV
 * -------------------------------------------------------------------------------------------- */

static uint32_t try_xsetbv(uint32_t index, uint64_t value)
{
	return PROBE("xsetbv", ,
		     INS("c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))));
}

static uint64_t xgetbv(uint32_t index)
{
	uint32_t lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(index));
	return lo | (uint64_t)hi << 32;
}

static void bad_xcr0(void)
{
	static const struct {
		uint32_t index;
		uint64_t value;
		const char *name;
	} bad[] = {
		{1, 1, "xsetbv-index-1"},
		{0xffffffff, 1, "xsetbv-index-max"},
		{0, 0, "xsetbv-without-x87"},
		{0, 2, "xsetbv-sse-without-x87"},
		{0, 5, "xsetbv-avx-without-sse"},
		{0, 1 | B(8), "xsetbv-pt-is-xss"},
		{0, 7 | B(3), "xsetbv-half-of-mpx"},
		{0, 7 | B(5), "xsetbv-third-of-avx512"},
		{0, 3 | B(5) | B(6) | B(7), "xsetbv-avx512-without-avx"},
		{0, 7 | B(17), "xsetbv-half-of-amx"},
		{0, 7 | 1ull << 40, "xsetbv-reserved-40"},
		{0, 7 | 1ull << 63, "xsetbv-reserved-63"},
		{0, ~0ull, "xsetbv-all-ones"},
	};
	uint64_t old = xgetbv(0);

	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_EQ(bad[i].name, try_xsetbv(bad[i].index, bad[i].value), VECTOR_GP);
		if (xgetbv(0) != old)
			CHECK_EQ(bad[i].name, xgetbv(0), old);
	}
}

static void extended_state(void)
{
	uint64_t cr4 = read_cr4(), all = cpuid(0xd, 0).eax | (uint64_t)cpuid(0xd, 0).edx << 32;

	if (!(cpuid(1, 0).ecx & B(26)))
		return;
	try_cr4(cr4 & ~(uint64_t)B(18));
	CHECK_EQ("xsetbv-without-osxsave", try_xsetbv(0, 1), VECTOR_UD);
	CHECK_EQ("xgetbv-without-osxsave", PROBE("xgetbv", , INS("c"(0)), "rax", "rdx"), VECTOR_UD);
	try_cr4(cr4 | B(18));
	CHECK_EQ("xsetbv-1", try_xsetbv(0, 1), NO_FAULT);
	CHECK_EQ("xgetbv-1", xgetbv(0), 1);
	bad_xcr0();
	CHECK_EQ("cpuid-d-size-x87", cpuid(0xd, 0).ebx, 576);
	CHECK_EQ("xsetbv-3", try_xsetbv(0, 3), NO_FAULT);
	CHECK_EQ("cpuid-d-size-sse", cpuid(0xd, 0).ebx, 576);
	if (all & 4) {
		CHECK_EQ("xsetbv-7", try_xsetbv(0, 7), NO_FAULT);
		CHECK_EQ("xgetbv-7", xgetbv(0), 7);
		CHECK_EQ("cpuid-d-size-avx", cpuid(0xd, 0).ebx, 832); /* SDM vol. 1, 13.4 */
		/* Bits 63:32 of RCX are ignored. */
		CHECK_EQ("xsetbv-wide-rcx",
			 PROBE("xsetbv", , INS("c"(0xdeadull << 32), "a"(7), "d"(0))), NO_FAULT);
	}
	CHECK_EQ("xsetbv-all", try_xsetbv(0, all), NO_FAULT);
	CHECK_EQ("xgetbv-all", xgetbv(0), all);
	CHECK_EQ("cpuid-d-size-all", cpuid(0xd, 0).ebx, cpuid(0xd, 0).ecx);
	try_xsetbv(0, all & 7);
}

/* --- instructions
 * ------------------------------------------------------------------------------------ */

static uint8_t area[8192] __attribute__((aligned(64)));

#define WORKS_IF(name, have, text, ins, ...)                                                       \
	CHECK_EQ(name, PROBE(text, , INS(ins), ##__VA_ARGS__), (have) ? NO_FAULT : VECTOR_UD)

static void instructions(void)
{
	struct cpuid one = cpuid(1, 0), seven = cpuid(7, 0), ext = cpuid(0x80000001, 0);
	struct cpuid d1 = cpuid(0xd, 1);
	static const uint64_t descriptor[2];
	uint64_t cr4 = read_cr4();

	try_cr4(cr4 | B(18));
	WORKS_IF("rdtscp", ext.edx & B(27), "rdtscp", , "rax", "rdx", "rcx");
	WORKS_IF("rdrand", one.ecx & B(30), "rdrand %%rax", , "rax");
	WORKS_IF("rdseed", seven.ebx & B(18), "rdseed %%rax", , "rax");
	WORKS_IF("rdpid", seven.ecx & B(22), "rdpid %%rax", , "rax");
	WORKS_IF("popcnt", one.ecx & B(23), "popcnt %%rax, %%rax", , "rax");
	WORKS_IF("invpcid", seven.ebx & B(10), "invpcid (%0), %1", INS("r"(descriptor), "r"(2ull)));
	WORKS_IF("xsaveopt", d1.eax & B(0), "xsaveopt (%0)", INS("r"(area), "a"(3), "d"(0)));
	WORKS_IF("xsavec", d1.eax & B(1), "xsavec (%0)", INS("r"(area), "a"(3), "d"(0)));
	CHECK_EQ("xgetbv-in-use", PROBE("xgetbv", , INS("c"(1)), "rax", "rdx"),
		 d1.eax & B(2) ? NO_FAULT : VECTOR_GP);
	WORKS_IF("xsaves", d1.eax & B(3), "xsaves (%0)", INS("r"(area), "a"(3), "d"(0)));
	WORKS_IF("xrstors", d1.eax & B(3), "xrstors (%0)", INS("r"(area), "a"(3), "d"(0)));
	WORKS_IF("tpause", seven.ecx & B(5), ".byte 0x66, 0x0f, 0xae, 0xf1", INS("a"(0), "d"(0)),
		 "rcx");
	WORKS_IF("umonitor", seven.ecx & B(5), ".byte 0xf3, 0x0f, 0xae, 0xf0", INS("a"(area)));
	WORKS_IF("monitor", one.ecx & B(3), "monitor", INS("a"(area), "c"(0), "d"(0)));
	/* A write between the two makes MWAIT fall through. */
	WORKS_IF("mwait", one.ecx & B(3), "monitor\n\tincb (%%rax)\n\tmovl $0, %%eax\n\tmwait",
		 INS("a"(area), "c"(0), "d"(0)));
	WORKS_IF("clac", seven.ebx & B(20), "clac", );
	WORKS_IF("rdpkru", 0, "rdpkru", INS("c"(0)), "rax", "rdx"); /* #UD while CR4.PKE is 0 */
	WORKS_IF("endbr64", 1, "endbr64", );
	WORKS_IF("rdsspq", 1, "rdsspq %%rax", , "rax"); /* a NOP without CET */
	WORKS_IF("ptwrite", 0, ".byte 0xf3, 0x0f, 0xae, 0xe0", );
	try_cr4(cr4);
}

/* Refused in ring 0 as on a processor that lacks them: CPUID hides them all. */
static void refused_instructions(void)
{
	static uint64_t operand[2] __attribute__((aligned(16)));

#define REFUSED(name, text, ...)                                                                   \
	CHECK_EQ("ud-" name, PROBE(text, , INS("D"(operand), ##__VA_ARGS__)), VECTOR_UD)
	REFUSED("vmxon", "vmxon (%%rdi)");
	REFUSED("vmcall", "vmcall");
	REFUSED("vmcall-stop", "vmcall",
		"a"(0x76696769736c7374)); /* the core's own, of before the seal */
	REFUSED("vmcall-seal", "vmcall", "a"(0x766967697365616c));
	REFUSED("vmlaunch", "vmlaunch");
	REFUSED("vmresume", "vmresume");
	REFUSED("vmclear", "vmclear (%%rdi)");
	REFUSED("vmptrld", "vmptrld (%%rdi)");
	REFUSED("vmptrst", "vmptrst (%%rdi)");
	REFUSED("vmread", "vmread %%rax, (%%rdi)");
	REFUSED("vmwrite", "vmwrite (%%rdi), %%rax");
	REFUSED("vmxoff", "vmxoff");
	REFUSED("invept", "invept (%%rdi), %%rax");
	REFUSED("invvpid", "invvpid (%%rdi), %%rax");
	REFUSED("vmfunc", "vmfunc", "a"(0), "c"(0));
	REFUSED("getsec", "getsec", "a"(0));
	REFUSED("encls", ".byte 0x0f, 0x01, 0xcf", "a"(0));
	REFUSED("enclu", ".byte 0x0f, 0x01, 0xd7", "a"(0));
	REFUSED("enclv", ".byte 0x0f, 0x01, 0xc0", "a"(0));
	REFUSED("pconfig", ".byte 0x0f, 0x01, 0xc5", "a"(0));
	REFUSED("rsm", "rsm");
	REFUSED("vmrun", "vmrun", "a"(operand));
	REFUSED("stgi", "stgi");
	REFUSED("loadiwkey", ".byte 0xf3, 0x0f, 0x38, 0xdc, 0xc0");
	REFUSED("hreset", ".byte 0xf3, 0x0f, 0x3a, 0xf0, 0xc0, 0x00", "a"(0));
	REFUSED("seamcall", ".byte 0x66, 0x0f, 0x01, 0xcf", "a"(0));
	REFUSED("tdcall", ".byte 0x66, 0x0f, 0x01, 0xcc", "a"(0));
	REFUSED("eretu", ".byte 0xf3, 0x0f, 0x01, 0xca", "a"(0));
	REFUSED("uiret", ".byte 0xf3, 0x0f, 0x01, 0xec", "a"(0));
	CHECK_EQ("operand-untouched", operand[0] | operand[1], 0);
}

void test_main(void)
{
	hidden_features();
	cpuid_registers();
	cpuid_control4();
	cpuid_subleaves();
	extended_state();
	instructions();
	refused_instructions();
}
