/* Vigil's own memory, from inside the guest: reads give ones, writes go nowhere, code there is #UD,
 * and every instruction that touches it does its other half as ever. */
#include "tests/machine/machine.h"

#define ONES	 (~0ull)
#define HIGH_GPA (16ull << 30) /* no RAM, and below what is mapped eagerly or not */
#define PF_RSVD	 8

extern void stackless_stub(void);
extern volatile uint64_t stackless_count;

static uint8_t buffer[256] __attribute__((aligned(64)));

static uint64_t read64(uint64_t at)
{
	return *(volatile uint64_t *)at;
}

static void write64(uint64_t at, uint64_t v)
{
	*(volatile uint64_t *)at = v;
}

static bool all(const uint8_t *p, size_t n, uint8_t byte)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != byte)
			return false;
	return true;
}

/* One string instruction. */
#define STRING(text, from, to)                                                                     \
	do {                                                                                       \
		uint64_t from_ = (from), to_ = (to);                                               \
		__asm__ volatile(text : "+S"(from_), "+D"(to_) : : "memory", "cc");                \
	} while (0)

static void rep_movsb(void *to, const void *from, uint64_t n)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

/* --- plain accesses
 * ------------------------------------------------------------------------------------ */

static void reads(void)
{
	uint64_t b = block_base, wrong = 0;

	CHECK_EQ("read-8", *(volatile uint8_t *)b, 0xff);
	CHECK_EQ("read-16", *(volatile uint16_t *)(b + 2), 0xffff);
	CHECK_EQ("read-32", *(volatile uint32_t *)(b + 64), 0xffffffff);
	CHECK_EQ("read-64", read64(b + 0x1000), ONES);
	for (uint64_t a = b; a < b + block_size; a += PAGE)
		wrong += read64(a + (a >> 12) % 511 * 8) != ONES;
	CHECK_EQ("read-every-page", wrong, 0);
}

static void writes(void)
{
	uint64_t wrong = 0, v;

	for (uint64_t a = block_base; a < block_base + block_size; a += 16 * PAGE) {
		write64(a + 8, 0x1122334455667788);
		wrong += read64(a + 8) != ONES;
	}
	CHECK_EQ("write-goes-nowhere", wrong, 0);
	__asm__ volatile("lock incq (%0)" : : "r"(block_base) : "memory", "cc");
	CHECK_EQ("locked-increment", read64(block_base), ONES);
	v = 5;
	__asm__ volatile("xchgq %0, (%1)" : "+r"(v) : "r"(block_base) : "memory");
	CHECK_EQ("exchange-reads-ones", v, ONES);
	CHECK_EQ("exchange-stores-nothing", read64(block_base), ONES);
}

static void borders(void)
{
	uint64_t begin = block_base, end = block_base + block_size, old, near;

	memset(buffer, 0x55, sizeof(buffer));
	rep_movsb(buffer, (const void *)(begin - 32), 64);
	check(memcmp(buffer, (const void *)(begin - 32), 32) == 0 && all(buffer + 32, 32, 0xff) &&
		      buffer[64] == 0x55,
	      "rep-movs-into-the-block", "%x %x %x", buffer[31], buffer[32], buffer[64]);
	rep_movsb(buffer, (const void *)(end - 32), 64);
	check(all(buffer, 32, 0xff) && memcmp(buffer + 32, (const void *)end, 32) == 0,
	      "rep-movs-out-of-the-block", "%x %x", buffer[31], buffer[32]);

	old = read64(begin - 8);
	near = read64(begin - 4);
	CHECK_EQ("unaligned-read-low", near & 0xffffffff, old >> 32);
	CHECK_EQ("unaligned-read-high", near >> 32, 0xffffffff);
	write64(begin - 4, 0xaaaaaaaabbbbbbbb);
	CHECK_EQ("unaligned-write", read64(begin - 8), (old & 0xffffffff) | 0xbbbbbbbb00000000);
	CHECK_EQ("unaligned-write-hidden", read64(begin), ONES);
	write64(begin - 8, old);
	old = read64(end);
	near = read64(end - 4);
	CHECK_EQ("unaligned-read-at-end", near, old << 32 | 0xffffffff);
	write64(end - 4, 0xccccccccdddddddd);
	CHECK_EQ("unaligned-write-at-end", read64(end), (old & ~0xffffffffull) | 0xcccccccc);
	write64(end, old);
}

static void long_instructions(void)
{
	uint64_t old[4], end = block_base + block_size, at = block_base + 0xffe;

	/* Both operands inside, in different pages. */
	STRING("movsq", block_base + 0x3ff8, block_base + 0x8000);
	CHECK_EQ("movs-inside", read64(block_base + 0x8000), ONES);
	STRING("cmpsq", block_base + 0x3ff8, block_base + 0x8000);
	/* Both operands across page borders inside: four pages. */
	STRING("movsq", block_base + 0x3ffc, block_base + 0x8ffc);
	CHECK_EQ("movs-inside-crossing", read64(block_base + 0x8ffc), ONES);
	rep_movsb((void *)(block_base + 0x10000), (const void *)(block_base + 0x20000), 0x3000);
	CHECK_EQ("rep-movs-inside", read64(block_base + 0x12ff8), ONES);

	for (uint64_t i = 0; i < 4; i++)
		old[i] = read64(end + 8 * i);
	__asm__ volatile("fxsave (%0)" : : "r"(end - 256) : "memory");
	CHECK_EQ("fxsave-across", read64(end - 8), ONES);
	for (uint64_t i = 0; i < 4; i++)
		write64(end + 8 * i, old[i]);
	for (int i = 0; i < 4; i++)
		__asm__ volatile("outsb" : "+S"(at) : "d"(0x80) : "memory");
	CHECK_EQ("outs-from-the-block", read64(block_base + 0xff8), ONES);
}

/* --- code, stacks, page tables
 * -------------------------------------------------------------------------- */

static void execution(void)
{
	/* All ones: GRP5 with an undefined operation (SDM vol. 2, table A-6). */
	CHECK_EQ("execute", PROBE("call *%0", , INS("r"(block_base + 0x2000))), VECTOR_UD);
	CHECK_EQ("execute-rip", last_fault.rip, block_base + 0x2000);
	CHECK_EQ("execute-last-byte", PROBE("call *%0", , INS("r"(block_base + 0x2fff))),
		 VECTOR_UD);
	CHECK_EQ("execute-begin", PROBE("jmp *%0", , INS("r"(block_base))), VECTOR_UD);
	/* An instruction that begins before the block and ends in it: MOV $imm64, %rax */
	{
		uint64_t at = block_base - 4, old = read64(at - 4);
		uint32_t vector;
		uint64_t rax = 0;

		write64(at - 4, (old & 0xffffffff) | 0x2211b84800000000);
		vector = PROBE("jmp *%1", OUTS("=a"(rax)), INS("r"(at)));
		write64(at - 4, old);
		CHECK_EQ("execute-across", vector, VECTOR_UD);
		CHECK_EQ("execute-across-rip", last_fault.rip, block_base + 6);
		CHECK_EQ("execute-across-value", rax, 0xffffffffffff2211);
	}
}

static void stack(void)
{
	uint64_t popped, before;

	__asm__ volatile("movq %%rsp, %%r15\n\tmovq %1, %%rsp\n\tpushq $1\n\tpushq $2\n\tpopq "
			 "%0\n\tmovq %%r15, %%rsp"
			 : "=r"(popped)
			 : "r"(block_base + 0x5008)
			 : "r15", "memory");
	CHECK_EQ("stack-pop", popped, ONES);
	gate_set(VECTOR_PF, stackless_stub, 0); /* a frame there can't be read back */
	before = stackless_count;
	PROBE("movq %0, %%rsp\n\tret", , INS("r"(block_base + 0x5000)));
	CHECK_EQ("return-to-nowhere", stackless_count - before, 1);
	gate_reset(VECTOR_PF);
}

/* Event deliveries whose stack is at `where`, where pushes go nowhere: each happens once. */
static void deliveries(const char *name, uint64_t where)
{
	static const uint32_t vectors[] = {VECTOR_NMI, VECTOR_UD, VECTOR_GP, VECTOR_PF,
					   0x40,       0x80,	  VECTOR_BP};
	volatile uint32_t *apic = (volatile uint32_t *)0xfee00000;
	uint64_t before;

	for (uint32_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		gate_set(vectors[i], stackless_stub, 0);
#define DELIVERED(what, text, ...)                                                                 \
	before = stackless_count;                                                                  \
	PROBE("movq %0, %%rsp\n\t" text, , INS("r"(where), ##__VA_ARGS__));                        \
	check(stackless_count == before + 1, name, "%s delivered %lu times", what,                 \
	      stackless_count - before)
	DELIVERED("INT", "int $0x80");
	DELIVERED("INT3", "int3");
	DELIVERED("#UD", "ud2");
	DELIVERED("#GP", "movl $0xffff, %%eax\n\tmovl %%eax, %%ds", "a"(0));
	DELIVERED("#PF", "movq (%1), %%rax", "a"(HIGH_GPA)); /* not mapped by the page tables */
	apic[0xf0 / 4] = 0x1ff;
	/* An interrupt of the local APIC to itself, fixed vector 0x40. */
	apic[0x310 / 4] = 0;
	DELIVERED("interrupt",
		  "movl $0x44040, (%1)\n\tsti\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\tud2",
		  "a"(&apic[0x300 / 4]));
	__asm__ volatile("cli");
	apic[0xb0 / 4] = 0;
	for (uint32_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		gate_reset(vectors[i]);
}

static void page_tables(void)
{
	uint64_t *pde = pd_entry(3ull << 30), old = *pde;
	uint64_t at = 3ull << 30;

	*pde = (block_base + 0x7000) | PTE_P | PTE_W; /* a page table of all ones */
	try_cr3(read_cr3());
	CHECK_EQ("page-table-inside", PROBE("movq (%0), %%rax", , INS("r"(at)), "rax"), VECTOR_PF);
	CHECK_EQ("page-table-reserved-bits", last_fault.code & PF_RSVD, PF_RSVD);
	CHECK_EQ("page-table-address", last_fault.cr2, at);
	*pde = old;
	try_cr3(read_cr3());
}

/* --- faults in between
 * -------------------------------------------------------------------------------- */

static void fault_in_between(void)
{
	static uint8_t absent[4096] __attribute__((aligned(4096)));
	uint64_t wrong = 0;

	map_page((uint64_t)absent, 0);
	try_cr3(read_cr3());
	/* The hidden half is opened, then the other half faults. */
	CHECK_EQ("fault-after-read", PROBE("movsq", , INS("S"(block_base), "D"(absent))),
		 VECTOR_PF);
	CHECK_EQ("fault-before-write", PROBE("movsq", , INS("S"(absent), "D"(block_base))),
		 VECTOR_PF);
	CHECK_EQ("fault-closes", read64(block_base), ONES);
	map_page((uint64_t)absent, (uint64_t)absent | PTE_P | PTE_W);
	try_cr3(read_cr3());
	/* Faults and openings by turns. */
	for (uint64_t i = 0; i < 50; i++) {
		PROBE("movq %0, (%0)\n\tud2", , INS("r"(block_base + 0x1000 * i)));
		wrong += read64(block_base + 0x1000 * i) != ONES;
	}
	CHECK_EQ("write-then-fault", wrong, 0);
}

/* --- where nothing is
 * ---------------------------------------------------------------------------------- */

static uint64_t far_pdpt[512] __attribute__((aligned(4096)));
static uint64_t far_pd[512] __attribute__((aligned(4096)));

/* 2 MiB at 512 GiB (virtual): the physical address `gpa`. */
static uint64_t window(uint64_t gpa)
{
	page_root[1] = (uint64_t)far_pdpt | PTE_P | PTE_W;
	far_pdpt[0] = (uint64_t)far_pd | PTE_P | PTE_W;
	far_pd[0] = (gpa & ~0x1fffffull) | PTE_P | PTE_W | PTE_PS;
	try_cr3(read_cr3());
	return (1ull << 39) + (gpa & 0x1fffff);
}

static void empty_bus(void)
{
	uint32_t bits = cpuid(0x80000008, 0).eax & 0xff;
	uint64_t last = (1ull << bits) - 0x200000;
	static const uint64_t places[] = {HIGH_GPA, 63ull << 30, 1ull << 37};

	for (uint32_t i = 0; i < 3; i++) {
		uint64_t at = window(places[i]);

		PROBE("movq (%0), %%rax", , INS("r"(at)), "rax");
		check(last_fault.vector == NO_FAULT, "empty-bus-read", "%lx: vector %u", places[i],
		      last_fault.vector);
		PROBE("movq %0, (%0)", , INS("r"(at + 8)));
		check(last_fault.vector == NO_FAULT, "empty-bus-write", "%lx: vector %u", places[i],
		      last_fault.vector);
	}
	if (bits > 39) {
		uint64_t at = window(last);

		CHECK_EQ("empty-bus-last", PROBE("movq (%0), %%rax", , INS("r"(at)), "rax"),
			 NO_FAULT);
	}
	deliveries("delivery-on-empty-bus", window(HIGH_GPA + (4ull << 30)) + 0x8000);
}

/* So many places with nothing in them that no hypervisor has tables for all: it survives, and what
 * is hidden stays hidden. */
static void scattered(void)
{
	uint32_t bits = cpuid(0x80000008, 0).eax & 0xff, wrong = 0;
	uint64_t places = 3000, step = (1ull << (bits - 1)) / places & ~0x1fffffull;

	for (uint64_t i = 1; i < places; i++) {
		uint64_t at = window(i * step + (1ull << (bits - 1)) - (4ull << 30));

		wrong += PROBE("movq (%0), %%rax", , INS("r"(at)), "rax") != NO_FAULT;
	}
	CHECK_EQ("scattered-reads", wrong, 0);
}

void test_main(void)
{
	uint64_t saved[2], end = block_base + block_size;

	reads();
	writes();
	borders();
	long_instructions();
	execution();
	stack();
	page_tables();
	fault_in_between();
	deliveries("delivery-in-the-block", block_base + 0x9008);
	saved[0] = read64(end);
	saved[1] = read64(end + 8);
	deliveries("delivery-across-the-end", end + 0x10);
	write64(end, saved[0]);
	write64(end + 8, saved[1]);
	empty_bus();
	scattered();
	reads();
	CHECK_EQ("still-hidden", read64(block_base + 0x9000), ONES);
}
