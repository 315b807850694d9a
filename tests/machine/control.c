/* Control registers: every bit that can be written, every write that must fault, and address-space
 * switches; registers over exits. */
#include "tests/machine/machine.h"

#define B(n) (1ull << (n))

#define CR0_PE	  B(0)
#define CR0_MP	  B(1)
#define CR0_EM	  B(2)
#define CR0_TS	  B(3)
#define CR0_NE	  B(5)
#define CR0_WP	  B(16)
#define CR0_AM	  B(18)
#define CR0_NW	  B(29)
#define CR0_CD	  B(30)
#define CR0_PG	  B(31)
#define CR4_PAE	  B(5)
#define CR4_PGE	  B(7)
#define CR4_PCIDE B(17)

#define NO_FLUSH  B(63)
#define PCID_USER 0x800ull /* Linux' bit of the user half */
#define ROOTS	  8
#define MARK	  0x8000000000ull /* 512 GiB: mapped differently in each root */

/* --- CR0
 * ------------------------------------------------------------------------------------------------
 */

static void cr0_takes(const char *name, uint64_t value)
{
	uint64_t old = read_cr0(), now;
	uint32_t vector = try_cr0(value);

	now = read_cr0();
	try_cr0(old);
	check(vector == NO_FAULT && now == value, name, "vector %u: %lx, not %lx", vector, now,
	      value);
	check(read_cr0() == old, name, "not restored: %lx, not %lx", read_cr0(), old);
}

static void cr0_refuses(const char *name, uint64_t value)
{
	uint64_t old = read_cr0();
	uint32_t vector = try_cr0(value);

	check(vector == VECTOR_GP && last_fault.code == 0 && read_cr0() == old, name,
	      "vector %u: %lx is %lx", vector, old, read_cr0());
	try_cr0(old);
}

static void cr0_bits(void)
{
	uint64_t cr0 = read_cr0();

	CHECK_EQ("cr0-et-is-1", cr0 >> 4 & 1, 1);
	cr0_takes("cr0-mp", cr0 ^ CR0_MP);
	cr0_takes("cr0-em", cr0 ^ CR0_EM);
	cr0_takes("cr0-ts", cr0 ^ CR0_TS);
	cr0_takes("cr0-ne", cr0 ^ CR0_NE);
	cr0_takes("cr0-wp", cr0 ^ CR0_WP);
	cr0_takes("cr0-am", cr0 ^ CR0_AM);
	cr0_takes("cr0-cd", cr0 | CR0_CD);
	cr0_takes("cr0-cd-nw", cr0 | CR0_CD | CR0_NW);
	cr0_takes("cr0-cd-nw-no-ne", (cr0 | CR0_CD | CR0_NW | CR0_WP) & ~CR0_NE);
	cr0_refuses("cr0-nw-without-cd", (cr0 | CR0_NW) & ~CR0_CD);
	cr0_refuses("cr0-pg-without-pe", cr0 & ~CR0_PE);
	cr0_refuses("cr0-pg-off-in-64-bit-code", cr0 & ~CR0_PG);
	/* The bits that Vigil keeps a shadow of must not change with a write that faults. */
	cr0_refuses("cr0-pg-off-cd", (cr0 & ~CR0_PG) | CR0_CD);
	cr0_refuses("cr0-pe-pg-off-no-ne", (cr0 ^ CR0_NE) & ~(CR0_PG | CR0_PE));
	cr0_refuses("cr0-nw-no-ne", (cr0 | CR0_NW) ^ CR0_NE);
	cr0_refuses("cr0-bit-32", cr0 | B(32));
	cr0_refuses("cr0-bit-63", cr0 | B(63));
	cr0_refuses("cr0-bit-40-cd", cr0 | B(40) | CR0_CD);
	/* Reserved bits of the lower half are ignored (SDM vol. 2, MOV to control registers). */
	CHECK_EQ("cr0-reserved-low", try_cr0(cr0 | B(6) | B(17) | B(28)), NO_FAULT);
	CHECK_EQ("cr0-reserved-low-reads-0", read_cr0(), cr0);
	CHECK_EQ("cr0-reserved-low-cd", try_cr0(cr0 | B(6) | CR0_CD), NO_FAULT);
	CHECK_EQ("cr0-reserved-low-cd-reads", read_cr0(), cr0 | CR0_CD);
	try_cr0(cr0);
}

static uint64_t smsw(void)
{
	uint64_t v;

	__asm__ volatile("smsw %0" : "=r"(v));
	return v;
}

static void machine_status_word(void)
{
	uint64_t cr0 = read_cr0();

	CHECK_EQ("smsw", smsw() & 0xffff, cr0 & 0xffff);
	try_cr0(cr0 & ~CR0_NE);
	CHECK_EQ("smsw-no-ne", smsw() & 0xffff, (cr0 & ~CR0_NE) & 0xffff);
	__asm__ volatile("lmsw %w0" : : "r"(CR0_EM | CR0_TS));
	/* LMSW can't clear PE, and leaves the rest alone. */
	CHECK_EQ("lmsw", read_cr0(), (cr0 & ~(CR0_NE | CR0_MP)) | CR0_EM | CR0_TS | CR0_PE);
	CHECK_EQ("ts-device-not-available", PROBE("fnop", , ), VECTOR_NM);
	__asm__ volatile("clts");
	CHECK_EQ("clts", read_cr0() & CR0_TS, 0);
	try_cr0(cr0 & ~(CR0_EM | CR0_TS));
	CHECK_EQ("fpu-works", PROBE("fnop", , ), NO_FAULT);
	try_cr0(cr0);
	CHECK_EQ("cr0-restored", read_cr0(), cr0);
}

static void write_protection(void)
{
	static uint8_t page[4096] __attribute__((aligned(4096)));
	uint64_t cr0 = read_cr0();

	map_page((uint64_t)page, (uint64_t)page | PTE_P);
	try_cr3(read_cr3());
	try_cr0(cr0 | CR0_WP);
	CHECK_EQ("wp-on", PROBE("movb $1, (%0)", , INS("r"(page))), VECTOR_PF);
	try_cr0(cr0 & ~CR0_WP);
	CHECK_EQ("wp-off", PROBE("movb $1, (%0)", , INS("r"(page))), NO_FAULT);
	map_page((uint64_t)page, (uint64_t)page | PTE_P | PTE_W);
	try_cr3(read_cr3());
	try_cr0(cr0);
}

/* --- CR4
 * ------------------------------------------------------------------------------------------------
 */

static void cr4_takes(const char *name, uint64_t bit, bool have)
{
	uint64_t old = read_cr4(), now;
	uint32_t vector = try_cr4(old ^ bit);

	now = read_cr4();
	if (have)
		check(vector == NO_FAULT && now == (old ^ bit), name, "vector %u: %lx", vector,
		      now);
	else
		check(vector == VECTOR_GP && now == old, name, "absent, vector %u: %lx", vector,
		      now);
	try_cr4(old);
	check(read_cr4() == old, name, "not restored: %lx, not %lx", read_cr4(), old);
}

static void cr4_bits(void)
{
	struct cpuid one = cpuid(1, 0), seven = cpuid(7, 0);

	cr4_takes("cr4-vme", B(0), one.edx & B(1));
	cr4_takes("cr4-pvi", B(1), one.edx & B(1));
	cr4_takes("cr4-tsd", B(2), one.edx & B(4));
	cr4_takes("cr4-de", B(3), one.edx & B(2));
	cr4_takes("cr4-pse", B(4), true);
	cr4_takes("cr4-pae", CR4_PAE, false); /* it can't be cleared in long mode */
	cr4_takes("cr4-mce", B(6), true);
	cr4_takes("cr4-pge", CR4_PGE, true);
	cr4_takes("cr4-pce", B(8), true);
	cr4_takes("cr4-osfxsr", B(9), true);
	cr4_takes("cr4-osxmmexcpt", B(10), true);
	cr4_takes("cr4-umip", B(11), seven.ecx & B(2));
	cr4_takes("cr4-la57", B(12), false);
	cr4_takes("cr4-vmxe", B(13), false);
	cr4_takes("cr4-smxe", B(14), false);
	cr4_takes("cr4-bit-15", B(15), false);
	cr4_takes("cr4-fsgsbase", B(16), seven.ebx & B(0));
	cr4_takes("cr4-pcide", CR4_PCIDE, one.ecx & B(17));
	cr4_takes("cr4-osxsave", B(18), one.ecx & B(26));
	cr4_takes("cr4-kl", B(19), false);
	cr4_takes("cr4-smep", B(20), seven.ebx & B(7));
	cr4_takes("cr4-smap", B(21), seven.ebx & B(20));
	cr4_takes("cr4-pke", B(22), seven.ecx & B(3));
	cr4_takes("cr4-cet", B(23), false);
	cr4_takes("cr4-pks", B(24), false);
	cr4_takes("cr4-uintr", B(25), false);
	cr4_takes("cr4-bit-26", B(26), false);
	cr4_takes("cr4-lass", B(27), cpuid(7, 1).eax & B(6));
	cr4_takes("cr4-lam-sup", B(28), cpuid(7, 1).eax & B(26));
	for (uint32_t bit = 29; bit < 64; bit++) /* FRED is 32 */
		cr4_takes("cr4-unknown-bit", B(bit), false);
	cr4_takes("cr4-vmxe-with-osxsave", B(13) | B(18), false);
}

/* --- CR3
 * ------------------------------------------------------------------------------------------------
 */

/* Pairs begin at 8 KiB; the firmware loads an image at any page. */
static uint64_t root_pages[ROOTS + 1][512] __attribute__((aligned(4096)));
static uint64_t (*roots)[512];
static uint64_t mark_pdpt[ROOTS][512] __attribute__((aligned(4096)));
static uint64_t mark_pd[ROOTS][512] __attribute__((aligned(4096)));
static uint64_t mark_pt[ROOTS][512] __attribute__((aligned(4096)));
static uint64_t marks[ROOTS][512] __attribute__((aligned(4096)));

static void make_roots(void)
{
	roots = root_pages + ((uint64_t)root_pages / 4096 & 1);
	for (uint64_t i = 0; i < ROOTS; i++) {
		memcpy(roots[i], page_root, sizeof(roots[i]));
		roots[i][1] = (uint64_t)mark_pdpt[i] | PTE_P | PTE_W;
		mark_pdpt[i][0] = (uint64_t)mark_pd[i] | PTE_P | PTE_W;
		mark_pd[i][0] = (uint64_t)mark_pt[i] | PTE_P | PTE_W;
		mark_pt[i][0] = (uint64_t)marks[i] | PTE_P | PTE_W;
		marks[i][0] = i;
	}
}

static uint64_t mark(void)
{
	return *(volatile uint64_t *)MARK;
}

/* 200 switches in an irregular order; pcid: each root has one, and bit 63 is set every other time.
 */
static void switching(const char *name, bool pcid)
{
	uint64_t wrong = 0, state = 12345;

	for (uint32_t i = 0; i < 200; i++) {
		uint64_t n, operand;

		state = state * 6364136223846793005ull + 1442695040888963407ull;
		n = state >> 40 & (ROOTS - 1);
		operand = (uint64_t)roots[n] | (pcid ? n + 1 : 0);
		__asm__ volatile("movq %0, %%cr3"
				 :
				 : "r"(operand | (pcid && i & 1 ? NO_FLUSH : 0))
				 : "memory");
		wrong += mark() != n || read_cr3() != operand;
	}
	CHECK_EQ(name, wrong, 0);
}

/* A write without bit 63 takes a changed mapping in, also when the operand is a CR3 target already.
 */
static void flushing(void)
{
	uint64_t wrong = 0;

	for (uint64_t i = 0; i < 20; i++) {
		try_cr3((uint64_t)roots[0]);
		wrong += mark() != i % ROOTS;
		mark_pt[0][0] = (uint64_t)marks[(i + 1) % ROOTS] | PTE_P | PTE_W;
	}
	CHECK_EQ("cr3-flushes", wrong, 0);
	mark_pt[0][0] = (uint64_t)marks[0] | PTE_P | PTE_W;
	try_cr3((uint64_t)roots[0]);
}

/* CR3 from every register, RSP too. */
static void operands(void)
{
#define FROM(reg)                                                                                  \
	CHECK_EQ("cr3-from-" #reg,                                                                 \
		 PROBE("xchgq %0, %%" #reg "\n\tmovq %%" #reg ", %%cr3\n\txchgq %0, %%" #reg, ,    \
		       INS("r"(roots[i]))) == NO_FAULT &&                                          \
			 read_cr3() == (uint64_t)roots[i],                                         \
		 1);                                                                               \
	i = (i + 1) % ROOTS
	uint64_t i = 1;

	FROM(rsp);
	FROM(rbp);
	FROM(rax);
	FROM(rcx);
	FROM(rdx);
	FROM(rbx);
	FROM(rsi);
	FROM(rdi);
	FROM(r8);
	FROM(r9);
	FROM(r10);
	FROM(r11);
	FROM(r12);
	FROM(r13);
	FROM(r14);
	FROM(r15);
}

static void cr3_refuses(const char *name, uint64_t value)
{
	uint64_t old = read_cr3();
	uint32_t vector = try_cr3(value);

	check(vector == VECTOR_GP && last_fault.code == 0 && read_cr3() == old, name,
	      "vector %u: %lx is %lx", vector, old, read_cr3());
}

static void cr3_faults(void)
{
	uint64_t root = (uint64_t)roots[0];
	uint32_t bits = cpuid(0x80000008, 0).eax & 0xff;

	cr3_refuses("cr3-no-flush-without-pcide", root | NO_FLUSH);
	cr3_refuses("cr3-beyond-maxphyaddr", root | 1ull << bits);
	cr3_refuses("cr3-bit-52", root | B(52));
	cr3_refuses("cr3-bit-61", root | B(61));
	cr3_refuses("cr3-bit-62", root | B(62));
}

static void pcids(void)
{
	uint64_t cr4 = read_cr4();

	if (!(cpuid(1, 0).ecx & B(17)))
		return;
	try_cr3((uint64_t)roots[0] | 8); /* PWT, which is a PCID's bit */
	CHECK_EQ("pcide-with-low-bits", try_cr4(cr4 | CR4_PCIDE), VECTOR_GP);
	try_cr3((uint64_t)roots[0]);
	CHECK_EQ("pcide", try_cr4(cr4 | CR4_PCIDE), NO_FAULT);
	CHECK_EQ("pcide-cr3-no-flush", try_cr3((uint64_t)roots[1] | 5 | NO_FLUSH), NO_FAULT);
	CHECK_EQ("pcide-cr3-reads", read_cr3(), (uint64_t)roots[1] | 5);
	cr3_refuses("pcide-cr3-bit-62", (uint64_t)roots[0] | B(62));
	cr0_refuses("pcide-pg-off", read_cr0() & ~CR0_PG);
	switching("cr3-switching-pcid", true);
	try_cr3((uint64_t)roots[0]);
	CHECK_EQ("pcide-off", try_cr4(cr4), NO_FAULT);
}

/* A kernel root and its user half (Linux' page-table isolation): beyond the first few writes the
 * change between the two is the processor's own. */
static void page_table_isolation(void)
{
	uint64_t cr4 = read_cr4(), kernel = (uint64_t)roots[2], user = (uint64_t)roots[3], before,
		 each;

	if (!(cpuid(1, 0).ecx & B(17)))
		return;
	mark_pt[3][0] = mark_pt[2][0];
	roots[3][1] = roots[2][1];
	try_cr4(cr4 | CR4_PCIDE);
	kernel |= 7 | NO_FLUSH;
	user |= 7 | PCID_USER | NO_FLUSH;
	for (int i = 0; i < 64; i++)
		__asm__ volatile("movq %0, %%cr3\n\tmovq %1, %%cr3"
				 :
				 : "r"(user), "r"(kernel)
				 : "memory");
	before = rdtsc();
	for (int i = 0; i < 1000; i++)
		__asm__ volatile("movq %0, %%cr3\n\tmovq %1, %%cr3"
				 :
				 : "r"(user), "r"(kernel)
				 : "memory");
	each = (rdtsc() - before) / 2000;
	/* The TSC counts instructions in this emulator, and an exit takes over 50. */
	check(each < 15, "pti-without-exits", "%lu instructions for each write", each);
	try_cr3((uint64_t)roots[0]);
	try_cr4(cr4);
}

/* --- over exits
 * --------------------------------------------------------------------------------------- */

static void general_registers(void)
{
	uint64_t bad;

	__asm__ volatile(
		"movq $0x5555, %%r8\n\tmovq $0x6666, %%r9\n\tmovq $0x7777, %%r10\n\t"
		"movq $0x8888, %%r11\n\tmovq $0x9999, %%r12\n\tmovq $0xaaaa, %%r13\n\t"
		"movq $0xbbbb, %%r14\n\tmovq $0xcccc, %%r15\n\tmovq $0x1234, %%rsi\n\t"
		"movq $0x4321, %%rdi\n\tpushq %%rbp\n\tmovq $0x7654, %%rbp\n\t"
		"pushq $0xed7\n\tpopfq\n\tcpuid\n\tmovw $0x2fd, %%dx\n\tinb %%dx, %%al\n\t"
		"pushfq\n\tpopq %%rax\n\txorl %%ecx, %%ecx\n\t"
		"xorq $0xed7, %%rax\n\torq %%rax, %%rcx\n\t"
		"xorq $0x5555, %%r8\n\torq %%r8, %%rcx\n\txorq $0x6666, %%r9\n\torq %%r9, %%rcx\n\t"
		"xorq $0x7777, %%r10\n\torq %%r10, %%rcx\n\txorq $0x8888, %%r11\n\torq %%r11, "
		"%%rcx\n\t"
		"xorq $0x9999, %%r12\n\torq %%r12, %%rcx\n\txorq $0xaaaa, %%r13\n\torq %%r13, "
		"%%rcx\n\t"
		"xorq $0xbbbb, %%r14\n\torq %%r14, %%rcx\n\txorq $0xcccc, %%r15\n\torq %%r15, "
		"%%rcx\n\t"
		"xorq $0x1234, %%rsi\n\torq %%rsi, %%rcx\n\txorq $0x4321, %%rdi\n\torq %%rdi, "
		"%%rcx\n\t"
		"xorq $0x7654, %%rbp\n\torq %%rbp, %%rcx\n\tpopq %%rbp\n\tcld"
		: "=c"(bad)
		:
		: "rax", "rbx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
		  "r15", "memory", "cc");
	CHECK_EQ("registers-and-flags-over-exits", bad, 0);
}

static void set_xcr0(uint64_t value)
{
	__asm__ volatile("xsetbv" : : "a"((uint32_t)value), "c"(0), "d"(0));
}

static uint64_t xgetbv(void)
{
	uint32_t lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return lo | (uint64_t)hi << 32;
}

/* New address spaces are told to the sentry, which uses SSE and AVX: the guest's must survive, with
 * whatever XCR0 it has. */
static void extended_registers(const char *name, uint64_t xcr0)
{
	static const uint64_t pattern[4] = {0x1122334455667788, 0x99aabbccddeeff00,
					    0x0f1e2d3c4b5a6978, 0x8796a5b4c3d2e1f0};
	static uint64_t fresh[64][512] __attribute__((aligned(4096)));
	static uint32_t used;
	uint64_t got[4] = {0}, last[4] = {0}, mxcsr = 0, until;

	set_xcr0(xcr0);
	__asm__ volatile("movups %0, %%xmm0\n\tmovups %0, %%xmm15"
			 :
			 : "m"(*(const uint8_t(*)[16])pattern));
	if (xcr0 & 4)
		__asm__ volatile("vmovups %0, %%ymm0\n\tvmovups %0, %%ymm15" : : "m"(pattern));
	__asm__ volatile("fninit\n\tfldpi");
	for (int i = 0; i < 16; i++, used++) {
		memcpy(fresh[used], page_root, sizeof(fresh[0]));
		try_cr3((uint64_t)fresh[used]);
		until = rdtsc() + 100000;
		while (rdtsc() < until)
			cpuid(0, 0);
	}
	if (xcr0 & 4)
		__asm__ volatile("vmovups %%ymm0, %0\n\tvmovups %%ymm15, %1"
				 : "=m"(got), "=m"(last));
	else
		__asm__ volatile("movups %%xmm0, %0\n\tmovups %%xmm15, %1"
				 : "=m"(*(uint8_t(*)[16])got), "=m"(*(uint8_t(*)[16])last));
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	check(memcmp(got, pattern, xcr0 & 4 ? 32 : 16) == 0 &&
		      memcmp(last, pattern, xcr0 & 4 ? 32 : 16) == 0,
	      name, "%lx %lx %lx %lx", got[0], got[1], got[2], got[3]);
	CHECK_EQ("mxcsr-over-stays", mxcsr, 0x1f80);
	CHECK_EQ("xcr0-over-stays", xgetbv(), xcr0);
	__asm__ volatile("fstpt %0" : "=m"(*(uint8_t(*)[10])got));
	CHECK_EQ("x87-over-stays", got[0], 0xc90fdaa22168c235); /* pi */
	try_cr3((uint64_t)page_root);
}

static void states(void)
{
	uint64_t cr0 = read_cr0(), cr4 = read_cr4();

	try_cr0(cr0 & ~(CR0_EM | CR0_TS));
	try_cr4(cr4 | B(9) | B(10) | B(18));
	extended_registers("sse-with-xcr0-1", 1);
	extended_registers("sse-with-xcr0-3", 3);
	if (cpuid(1, 0).ecx & B(28))
		extended_registers("avx-with-xcr0-7", 7);
	/* With TS set the guest's state is still the guest's. */
	try_cr0(cr0 | CR0_TS);
	set_xcr0(3);
	CHECK_EQ("ts-over-exits", (cpuid(0, 0), PROBE("fnop", , )), VECTOR_NM);
	try_cr0(cr0);
	try_cr4(cr4);
}

/* (What a breakpoint does can't be seen here: the emulator overlooks stores to pages in its TLB.)
 */
static void debug_registers(void)
{
	uint64_t dr7 = 0x400 | 0x00090002 /* G0, write, 8 bytes */, now;

	__asm__ volatile("movq %0, %%dr1\n\tmovq %1, %%dr7" : : "r"(0x1234567ull), "r"(dr7));
	for (int i = 0; i < 5; i++)
		cpuid(0, 0);
	__asm__ volatile("movq %%dr7, %0" : "=r"(now));
	CHECK_EQ("dr7-over-exits", now, dr7);
	__asm__ volatile("movq %%dr1, %0" : "=r"(now));
	CHECK_EQ("dr1-over-exits", now, 0x1234567);
	__asm__ volatile("movq %0, %%dr7" : : "r"(0x400ull));
}

static void cr8(void)
{
	uint64_t now;

	__asm__ volatile("movq %1, %%cr8\n\tcpuid\n\tmovq %%cr8, %0"
			 : "=r"(now)
			 : "r"(9ull)
			 : "rax", "rbx", "rcx", "rdx");
	CHECK_EQ("cr8", now, 9);
	CHECK_EQ("cr8-reserved", PROBE("movq %0, %%cr8", , INS("r"(16ull))), VECTOR_GP);
	__asm__ volatile("movq %0, %%cr8" : : "r"(0ull));
}

void test_main(void)
{
	cr0_bits();
	machine_status_word();
	write_protection();
	cr4_bits();
	make_roots();
	try_cr3((uint64_t)roots[0]);
	switching("cr3-switching", false);
	flushing();
	operands();
	cr3_faults();
	pcids();
	page_table_isolation();
	try_cr3((uint64_t)page_root);
	general_registers();
	states();
	debug_registers();
	cr8();
}
