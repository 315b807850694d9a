/* Events around instructions that exit: single steps, interrupt shadows, NMIs. */
#include "tests/machine/machine.h"

#define TF     0x100ull
#define IF     0x200ull
#define DR6_BS (1u << 14)

#define APIC	   0xfee00000ull
#define APIC_ID	   0x20
#define APIC_EOI   0xb0
#define APIC_SVR   0xf0
#define ICR_LOW	   0x300
#define ICR_HIGH   0x310
#define IPI_NMI	   0x4400 /* assert, NMI, physical */
#define IPI_FIXED  0x4000
#define SELF	   0x40000
#define VECTOR_IPI 0x40u

extern void nested_nmi_stub(void);
extern volatile uint64_t nested_depth, nested_worst, nested_count;

static volatile uint32_t *apic_reg(uint32_t off)
{
	return (volatile uint32_t *)(APIC + off);
}

static void send(uint32_t command)
{
	*apic_reg(ICR_HIGH) = *apic_reg(APIC_ID);
	*apic_reg(ICR_LOW) = command;
}

/* --- single steps
 * ------------------------------------------------------------------------------------- */

#define STEPS 16
static uint64_t step_rip[STEPS], step_dr6;
static uint32_t steps;

static bool on_debug(struct frame *f)
{
	uint64_t dr6;

	__asm__ volatile("movq %%dr6, %0" : "=r"(dr6));
	__asm__ volatile("movq %0, %%dr6" : : "r"(0xffff0ff0ull));
	if (steps < STEPS)
		step_rip[steps] = f->rip;
	step_dr6 = dr6;
	steps++;
	return true;
}

/* One instruction with TF, then a NOP: a #DB behind each. RAX and RDX begin with a and d; operands
 * are numbered from 4. */
#define STEP(name, a, d, text, ...)                                                                \
	do {                                                                                       \
		uint64_t first, next, rax = (a), rdx = (d);                                        \
		steps = 0;                                                                         \
		__asm__ volatile("leaq 2f(%%rip), %0\n\tleaq 3f(%%rip), %1\n\t"                    \
				 "pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\t" text                 \
				 "\n2:\tnop\n3:\tnop\n\t"                                          \
				 "pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq"                        \
				 : "=&r"(first), "=&r"(next), "+a"(rax), "+d"(rdx)                 \
				 : __VA_ARGS__                                                     \
				 : "rbx", "rcx", "memory", "cc");                                  \
		check(steps >= 3 && step_rip[0] == first && step_rip[1] == next, name,             \
		      "%u steps, %lx %lx, not %lx %lx", steps, step_rip[0], step_rip[1], first,    \
		      next);                                                                       \
		check(step_dr6 &DR6_BS, name, "DR6 %lx", step_dr6);                                \
	} while (0)

static void single_steps(void)
{
	handlers[VECTOR_DB] = on_debug;
	STEP("step-nop", 0, 0, "nop");
	STEP("step-cpuid", 1, 0, "cpuid");
	STEP("step-in", 0, 0x2fd, "inb %%dx, %%al");
	STEP("step-out", 0, 0x2ff, "outb %%al, %%dx");
	STEP("step-pci", 0, 0xcfc, "inl %%dx, %%eax");
	STEP("step-read-hidden", 0, 0, "movb (%4), %%al", "r"(block_base));
	STEP("step-write-hidden", 0, 0, "movb %%al, (%4)", "r"(block_base));
	STEP("step-cr3", 0, 0, "movq %4, %%cr3", "r"(read_cr3()));
	STEP("step-cr3-again", 0, 0, "movq %4, %%cr3", "r"(read_cr3() | 0x10));
	STEP("step-cr0", 0, 0, "movq %4, %%cr0", "r"(read_cr0() ^ 0x20));
	STEP("step-cr0-back", 0, 0, "movq %4, %%cr0", "r"(read_cr0() ^ 0x20));
	STEP("step-wbinvd", 0, 0, "wbinvd");
	{
		/* An instruction that faults gives no step: the handler's frame has TF, the handler
		 * has not. */
		uint32_t vector;

		steps = 0;
		vector = PROBE("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tvmcall", , );
		CHECK_EQ("step-fault-vector", vector, VECTOR_UD);
		__asm__ volatile("pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq" : : : "memory", "cc");
		check(step_rip[0] != last_fault.rip, "step-fault-no-debug-first", "%lx",
		      step_rip[0]);
	}
	/* MOV SS holds a step back for one instruction, also when that one exits. */
	steps = 0;
	{
		uint64_t after, ss = SEL_DATA;

		__asm__ volatile("leaq 2f(%%rip), %0\n\tpushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\t"
				 "movl %k1, %%ss\n\tinb %%dx, %%al\n2:\tnop\n\t"
				 "pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq"
				 : "=&r"(after)
				 : "r"(ss), "d"(0x2fd)
				 : "rax", "memory", "cc");
		check(steps >= 1 && step_rip[0] == after, "step-behind-mov-ss",
		      "%u steps, %lx not %lx", steps, step_rip[0], after);
	}
	handlers[VECTOR_DB] = NULL;
}

/* --- interrupt shadows
 * ------------------------------------------------------------------------------- */

static volatile uint32_t interrupts;
static volatile uint64_t interrupt_rip;

static bool on_ipi(struct frame *f)
{
	interrupts++;
	interrupt_rip = f->rip;
	*apic_reg(APIC_EOI) = 0;
	return true;
}

/* STI lets exactly one more instruction through before an interrupt that waits; an exit is one. */
static void shadows(void)
{
	uint64_t first, second;

	*apic_reg(APIC_SVR) = 0x1ff;
	handlers[VECTOR_IPI] = on_ipi;
	send(IPI_FIXED | SELF | VECTOR_IPI);
	for (volatile int i = 0; i < 1000; i++)
		;
	CHECK_EQ("cli-holds", interrupts, 0);
	__asm__ volatile("leaq 1f(%%rip), %0\n\tsti\n\tcpuid\n1:\tnop\n\tnop\n\tcli"
			 : "=&S"(first)
			 :
			 : "rax", "rbx", "rcx", "rdx", "memory");
	CHECK_EQ("sti-cpuid-interrupt", interrupts, 1);
	CHECK_EQ("sti-cpuid-rip", interrupt_rip, first);
	interrupts = 0;
	send(IPI_FIXED | SELF | VECTOR_IPI);
	for (volatile int i = 0; i < 1000; i++)
		;
	__asm__ volatile("leaq 1f(%%rip), %0\n\tsti\n\tinb %%dx, %%al\n1:\tnop\n\tnop\n\tcli"
			 : "=&S"(first)
			 : "d"(0x2fd)
			 : "rax", "memory");
	CHECK_EQ("sti-in-interrupt", interrupts, 1);
	CHECK_EQ("sti-in-rip", interrupt_rip, first);
	interrupts = 0;
	send(IPI_FIXED | SELF | VECTOR_IPI);
	for (volatile int i = 0; i < 1000; i++)
		;
	/* STI; a read of the block (which is stepped by Vigil); the interrupt comes behind it. */
	__asm__ volatile("leaq 1f(%%rip), %0\n\tsti\n\tmovb (%1), %%al\n1:\tnop\n\tnop\n\tcli"
			 : "=&S"(first)
			 : "r"(block_base)
			 : "rax", "memory");
	CHECK_EQ("sti-hidden-interrupt", interrupts, 1);
	CHECK_EQ("sti-hidden-rip", interrupt_rip, first);
	interrupts = 0;
	send(IPI_FIXED | SELF | VECTOR_IPI);
	/* The same with a CR3 write that exits and is executed again. */
	for (volatile int i = 0; i < 1000; i++)
		;
	__asm__ volatile("leaq 1f(%%rip), %0\n\tsti\n\tmovq %1, %%cr3\n1:\tnop\n\tnop\n\tcli"
			 : "=&S"(second)
			 : "r"(read_cr3() | 8)
			 : "memory");
	CHECK_EQ("sti-cr3-interrupt", interrupts, 1);
	CHECK_EQ("sti-cr3-rip", interrupt_rip, second);
	try_cr3((uint64_t)page_root);
	/* STI; HLT with an interrupt that waits: it wakes. */
	interrupts = 0;
	send(IPI_FIXED | SELF | VECTOR_IPI);
	__asm__ volatile("sti\n\thlt\n\tcli" : : : "memory");
	CHECK_EQ("sti-hlt", interrupts, 1);
	handlers[VECTOR_IPI] = NULL;
}

/* --- NMIs
 * ------------------------------------------------------------------------------------------------
 */

static volatile uint32_t nmis;

static bool on_nmi(struct frame *f)
{
	(void)f;
	nmis++;
	return true;
}

static void wait_nmis(uint32_t n)
{
	for (volatile uint32_t i = 0; nmis < n && i < 100000; i++)
		;
}

static void storm(const char *name, void (*work)(uint32_t i))
{
	uint32_t lost = 0;

	nmis = 0;
	for (uint32_t i = 0; i < 300; i++) {
		uint32_t before = nmis;

		send(IPI_NMI);
		work(i);
		wait_nmis(before + 1);
		lost += nmis != before + 1;
	}
	check(lost == 0 && nmis == 300, name, "%u NMIs of 300, %u not one by one", nmis, lost);
}

static void work_nothing(uint32_t i)
{
	(void)i;
}

static void work_cpuid(uint32_t i)
{
	cpuid(i % 16, 0);
}

static void work_io(uint32_t i)
{
	in8((uint16_t)(0x2f8 + i % 8));
}

static void work_cr3(uint32_t i)
{
	static uint64_t roots[8][512] __attribute__((aligned(8192)));

	memcpy(roots[i % 8], page_root, sizeof(roots[0]));
	try_cr3((uint64_t)roots[i % 8]);
	try_cr3((uint64_t)page_root);
}

static void work_hidden(uint32_t i)
{
	*(volatile uint64_t *)(block_base + i % 64 * PAGE) = i;
}

static void work_fault(uint32_t i)
{
	(void)i;
	PROBE("vmcall", , );
}

static void work_shadow(uint32_t i)
{
	(void)i;
	__asm__ volatile("movl %0, %%ss\n\tcpuid"
			 :
			 : "r"(SEL_DATA)
			 : "rax", "rbx", "rcx", "rdx", "memory");
	__asm__ volatile("sti\n\tinb %%dx, %%al\n\tcli" : : "d"(0x2fd) : "rax", "memory");
}

/* The NMI handler exits, sends itself another NMI, and exits again: that one comes after its IRET,
 * not before, and once. */
static void nested(void)
{
	uint64_t before;

	gate_set(VECTOR_NMI, nested_nmi_stub, 0);
	before = nested_count;
	send(IPI_NMI);
	for (volatile uint32_t i = 0; nested_count - before < 2 && i < 100000; i++)
		;
	for (volatile uint32_t i = 0; i < 20000; i++)
		;
	CHECK_EQ("nmi-in-nmi-handler-count", nested_count - before, 2);
	CHECK_EQ("nmi-in-nmi-handler-depth", nested_worst, 1);
	gate_reset(VECTOR_NMI);
}

/* Many at once while blocked are one (SDM 6.7.1). */
static bool on_nmi_slow(struct frame *f)
{
	(void)f;
	if (nmis++ == 0) {
		for (int i = 0; i < 10; i++) {
			send(IPI_NMI);
			cpuid(0, 0);
		}
	}
	return true;
}

static void merged(void)
{
	handlers[VECTOR_NMI] = on_nmi_slow;
	nmis = 0;
	send(IPI_NMI);
	for (volatile uint32_t i = 0; i < 50000; i++)
		;
	check(nmis == 2, "nmis-merge", "%u", nmis);
}

/* A fault inside of the NMI handler and its IRET end the blocking, as on the bare processor. */
static bool on_nmi_fault(struct frame *f)
{
	(void)f;
	nmis++;
	__asm__ volatile("int3");
	return true;
}

static bool on_breakpoint(struct frame *f)
{
	(void)f;
	return true;
}

static void blocking_ends(void)
{
	handlers[VECTOR_NMI] = on_nmi_fault;
	handlers[VECTOR_BP] = on_breakpoint;
	nmis = 0;
	for (uint32_t i = 0; i < 50; i++) {
		send(IPI_NMI);
		wait_nmis(i + 1);
	}
	CHECK_EQ("nmi-with-breakpoint", nmis, 50);
	handlers[VECTOR_BP] = NULL;
}

static void nmi_tests(void)
{
	handlers[VECTOR_NMI] = on_nmi;
	storm("nmi-nothing", work_nothing);
	storm("nmi-cpuid", work_cpuid);
	storm("nmi-io", work_io);
	storm("nmi-cr3", work_cr3);
	storm("nmi-hidden", work_hidden);
	storm("nmi-fault", work_fault);
	storm("nmi-shadow", work_shadow);
	nested();
	merged();
	blocking_ends();
	/* And it still comes after all that. */
	handlers[VECTOR_NMI] = on_nmi;
	nmis = 0;
	send(IPI_NMI);
	wait_nmis(1);
	CHECK_EQ("nmi-last", nmis, 1);
	/* HLT: an NMI wakes. */
	send(IPI_NMI);
	wait_nmis(2);
	CHECK_EQ("nmi-again", nmis, 2);
	handlers[VECTOR_NMI] = NULL;
}

void test_main(void)
{
	single_steps();
	shadows();
	nmi_tests();
}
