/* Two CPUs: INIT and SIPI in every state an AP can be in, and both at work at once. */
#include "tests/machine/machine.h"

#define B(n) (1ull << (n))

#define APIC	 0xfee00000ull
#define APIC_ID	 0x20
#define APIC_SVR 0xf0
#define ICR_LOW	 0x300
#define ICR_HIGH 0x310
#define PENDING	 0x1000u

#define IPI_NMI	   0x4400u
#define IPI_INIT   0x4500u
#define IPI_SIPI   0x4600u
#define ALL_OTHERS 0xc0000u

#define MSR_APIC_BASE  0x1b
#define APIC_BASE_BSP  (1ull << 8)
#define APIC_BASE_EXTD (1ull << 10)
#define MSR_X2_ICR     0x830
#define MSR_X2_ID      0x802

/* The trampoline (smp_start.S), copied to low_base, and what it stores at its end. */
extern const uint8_t trampoline[], trampoline_end[];
struct trampoline_data {
	uint32_t stay;	 /* 1: count and stay in real mode */
	uint32_t starts; /* how often it has run */
	uint32_t eax, edx, flags, cr0, cr3, cr4, cs, ds, sp, efer;
	uint32_t root, jump32, sel32, jump64, sel64;
	uint16_t gdt_limit;
	uint32_t gdt_base;
	uint16_t pad;
	uint64_t entry, stack;
	uint32_t stage; /* how far it came */
} __attribute__((packed));
#define DATA ((volatile struct trampoline_data *)(low_base + 0x800))

extern uint32_t trampoline_32_offset, trampoline_64_offset;

enum { IDLE, PAUSE, MWAIT, HALT, HIDDEN, SWITCH, READ_HIDDEN, X2APIC, PROBES };

static uint8_t ap_stack[16384] __attribute__((aligned(16)));
static volatile uint32_t command, command_done, ap_alive;
static volatile uint64_t ap_apic_base, ap_cpuid_1, ap_cpuid_b, ap_work, ap_wrong, ap_nmis, bsp_nmis;
static uint32_t ap_id, bsp_id;
static uint64_t ap_roots[8][512] __attribute__((aligned(8192)));
static bool x2;

/* --- the AP
 * --------------------------------------------------------------------------------------------- */

static void switch_work(uint64_t (*roots)[512], volatile uint64_t *work, volatile uint64_t *wrong)
{
	for (uint32_t i = 0; i < 2000; i++) {
		uint64_t root = (uint64_t)roots[i * 5 % 8];
		struct cpuid r;

		__asm__ volatile("movq %0, %%cr3" : : "r"(root) : "memory");
		r = cpuid(0x80000000, 0);
		*wrong += read_cr3() != root || !(r.eax >> 31);
		(*work)++;
	}
	__asm__ volatile("movq %0, %%cr3" : : "r"(page_root) : "memory");
}

static void hidden_work(volatile uint64_t *work)
{
	for (uint64_t i = 0; i < 2000; i++) {
		*(volatile uint64_t *)(block_base + i % 32 * PAGE) = i;
		(*work)++;
	}
}

static void hidden_reads(volatile uint64_t *work, volatile uint64_t *wrong)
{
	for (uint64_t i = 0; i < 2000; i++) {
		*wrong += *(volatile uint64_t *)(block_base + i % 32 * PAGE) != ~0ull;
		(*work)++;
	}
}

static uint64_t read_msr(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return lo | (uint64_t)hi << 32;
}

static void write_msr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
}

void ap_main(void);
void ap_main(void)
{
	static uint8_t line[64] __attribute__((aligned(64)));

	DATA->stage = 4;
	load_tables();
	DATA->stage = 5;
	ap_apic_base = read_msr(MSR_APIC_BASE);
	ap_cpuid_1 = cpuid(1, 0).ebx >> 24;
	ap_cpuid_b = cpuid(0xb, 0).edx;
	ap_alive++;
	for (;;) {
		uint32_t now = command;

		if (now == command_done || now == IDLE) {
			__asm__ volatile("pause");
			continue;
		}
		command_done = now;
		switch (now) {
		case PAUSE:
			for (;;)
				;
		case MWAIT: /* with interrupts off, as firmware parks its APs */
			for (;;)
				__asm__ volatile("monitor\n\txorl %%eax, %%eax\n\tmwait"
						 :
						 : "a"(line), "c"(0), "d"(0)
						 : "memory");
		case HALT:
			for (;;)
				__asm__ volatile("cli; hlt");
		case HIDDEN:
			for (;;)
				hidden_work(&ap_work);
		case SWITCH:
			switch_work(ap_roots, &ap_work, (volatile uint64_t *)&ap_wrong);
			break;
		case READ_HIDDEN:
			hidden_reads(&ap_work, (volatile uint64_t *)&ap_wrong);
			break;
		case X2APIC:
			write_msr(MSR_APIC_BASE, read_msr(MSR_APIC_BASE) | APIC_BASE_EXTD);
			break;
		default:
			break;
		}
		command_done = IDLE;
		command = IDLE;
	}
}

static bool on_nmi(struct frame *f)
{
	(void)f;
	if (cpuid(1, 0).ebx >> 24 == bsp_id)
		bsp_nmis++;
	else
		ap_nmis++;
	return true;
}

/* --- the BSP
 * --------------------------------------------------------------------------------------------- */

static void delay(uint64_t ticks)
{
	uint64_t until = rdtsc() + ticks;

	while (rdtsc() < until)
		;
}

static void ipi(uint32_t to, uint32_t what)
{
	if (x2) {
		wrmsr(MSR_X2_ICR, (uint64_t)to << 32 | what);
		return;
	}
	*(volatile uint32_t *)(APIC + ICR_HIGH) = to << 24;
	*(volatile uint32_t *)(APIC + ICR_LOW) = what;
	for (int i = 0; i < 100000 && *(volatile uint32_t *)(APIC + ICR_LOW) & PENDING; i++)
		;
}

#define VECTOR_PAGE ((uint32_t)(low_base >> 12))

static void fill_data(void)
{
	volatile struct trampoline_data *d = DATA;

	memcpy((void *)low_base, trampoline, (size_t)(trampoline_end - trampoline));
	d->stay = 0;
	d->root = (uint32_t)(uint64_t)page_root;
	d->jump32 = (uint32_t)low_base + trampoline_32_offset;
	d->sel32 = SEL_CODE32;
	d->jump64 = (uint32_t)low_base + trampoline_64_offset;
	d->sel64 = SEL_CODE64;
	d->gdt_limit = sizeof(gdt) - 1;
	d->gdt_base = (uint32_t)(uint64_t)gdt;
	d->entry = (uint64_t)ap_main;
	d->stack = (uint64_t)ap_stack + sizeof(ap_stack) - 8;
}

/* Two peculiarities of the emulator: an INIT that comes in VMX root mode is forgotten (a processor
 * keeps it), and one that comes in the wait-for-SIPI state is kept (a processor drops it). So, for
 * an AP that is nearly always in Vigil, try until one hits, and no more. */
static bool insist_on_init(void)
{
	for (uint64_t i = 0; i < 3000; i++) {
		uint64_t before;

		ipi(ap_id, IPI_INIT);
		delay(3000 + i % 17 * 100);
		before = ap_work;
		delay(20000);
		if (ap_work == before)
			return true;
	}
	return false;
}

/* SIPI to an AP that waits for it; true: it came up (once). */
static bool start(uint32_t to, uint32_t flags)
{
	uint32_t alive = ap_alive, starts = DATA->starts;

	command = command_done = IDLE;
	DATA->stage = 0;
	ipi(to, IPI_SIPI | flags | VECTOR_PAGE);
	for (int i = 0; i < 200 && ap_alive == alive; i++)
		delay(50000);
	if (ap_alive != alive + 1)
		note("AP: started %u times, then stage %u, work %lu", DATA->starts - starts,
		     DATA->stage, ap_work);
	return ap_alive == alive + 1 && DATA->starts == starts + 1;
}

/* INIT and SIPI. */
static bool restart(uint32_t to, uint32_t flags)
{
	ipi(to, IPI_INIT | flags);
	delay(500000); /* 10 ms */
	return start(to, flags);
}

/* Let the AP begin something it does not come back from (or wait until it is done). */
static bool order(uint32_t what, bool wait)
{
	command = what;
	for (int i = 0; i < 400; i++) {
		if (wait ? command == IDLE : command_done == what)
			return true;
		delay(50000);
	}
	return false;
}

static void first_start(void)
{
	volatile struct trampoline_data *d = DATA;

	/* From the firmware's own waiting loop. */
	check(restart(0, ALL_OTHERS), "start-from-firmware", "starts %u, alive %u", d->starts,
	      ap_alive);
	/* SDM vol. 3, table 10-1, INIT; the SIPI's segment. */
	CHECK_EQ("init-cr0", d->cr0, 0x60000010);
	CHECK_EQ("init-cr3", d->cr3, 0);
	CHECK_EQ("init-cr4", d->cr4, 0);
	CHECK_EQ("init-efer", d->efer, 0);
	CHECK_EQ("init-flags", d->flags, 2);
	CHECK_EQ("init-eax", d->eax, 0);
	CHECK_EQ("init-edx", d->edx & 0xfffffff, cpuid(1, 0).eax & 0xfffffff);
	CHECK_EQ("init-sp", d->sp, 0);
	CHECK_EQ("init-ds", d->ds, 0);
	CHECK_EQ("sipi-cs", d->cs, VECTOR_PAGE << 8);
	CHECK_EQ("ap-not-bsp", ap_apic_base & APIC_BASE_BSP, 0);
	CHECK_EQ("ap-cpuid-1-id", ap_cpuid_1, ap_id);
	CHECK_EQ("ap-cpuid-b-id", ap_cpuid_b, ap_id);
}

static void restarts(void)
{
	volatile struct trampoline_data *d = DATA;
	uint32_t starts;

	check(restart(ap_id, 0), "restart-from-polling", "starts %u", d->starts);
	check(order(MWAIT, false), "ap-mwaits", "no answer");
	delay(100000);
	check(restart(ap_id, 0), "restart-from-mwait", "starts %u", d->starts);
	check(order(HALT, false), "ap-halts", "no answer");
	delay(100000);
	check(restart(ap_id, 0), "restart-from-halt", "starts %u", d->starts);
	check(order(PAUSE, false), "ap-loops", "no answer");
	check(restart(0, ALL_OTHERS), "restart-from-loop", "starts %u", d->starts);
	check(order(HIDDEN, false), "ap-in-hidden-memory", "no answer");
	delay(200000);
	check(ap_work > 10, "ap-writes-hidden", "%lu", ap_work);
	check(insist_on_init(), "init-in-hidden", "no INIT took effect");
	check(start(ap_id, 0), "restart-from-hidden", "starts %u", d->starts);

	/* A SIPI to a running CPU, and a second one, are ignored. */
	starts = d->starts;
	ipi(ap_id, IPI_SIPI | VECTOR_PAGE);
	delay(500000);
	CHECK_EQ("sipi-while-running", d->starts, starts);
	check(order(PROBES, true), "ap-still-answers", "no answer");

	/* In wait-for-SIPI nothing runs. */
	ipi(ap_id, IPI_INIT);
	delay(200000);
	command = PROBES;
	delay(500000);
	CHECK_EQ("waits-for-sipi", command, PROBES);
	check(start(ap_id, 0), "start-from-waiting", "starts %u", d->starts);

	/* In real mode, and from there. */
	d->stay = 1;
	starts = d->starts;
	ipi(ap_id, IPI_INIT);
	delay(500000);
	ipi(ap_id, IPI_SIPI | VECTOR_PAGE);
	delay(500000);
	CHECK_EQ("stays-in-real-mode", d->starts, starts + 1);
	ipi(ap_id, IPI_INIT);
	delay(500000);
	d->stay = 0;
	check(start(ap_id, 0), "restart-from-real-mode", "starts %u", d->starts);
}

static void together(void)
{
	static uint64_t roots[8][512] __attribute__((aligned(8192)));
	static volatile uint64_t work, wrong;
	uint64_t sent = 0, seen;

	for (int i = 0; i < 8; i++) {
		memcpy(roots[i], page_root, sizeof(roots[0]));
		memcpy(ap_roots[i], page_root, sizeof(roots[0]));
	}
	ap_work = 0;
	ap_wrong = 0;
	command = SWITCH;
	switch_work(roots, &work, &wrong);
	check(order(SWITCH, true), "both-switch-end", "no answer");
	CHECK_EQ("both-switch-bsp", wrong, 0);
	CHECK_EQ("both-switch-ap", ap_wrong, 0);
	check(ap_work >= 2000 && work == 2000, "both-switch-work", "%lu %lu", ap_work, work);

	command = READ_HIDDEN;
	hidden_reads(&work, &wrong);
	check(order(READ_HIDDEN, true), "both-read-hidden-end", "no answer");
	CHECK_EQ("both-read-hidden", wrong + ap_wrong, 0);
	command = HIDDEN;
	hidden_work(&work);
	check(insist_on_init(), "init-in-both-hidden", "no INIT took effect");
	check(start(ap_id, 0), "restart-from-both-hidden", "no answer");
	CHECK_EQ("hidden-after-both", *(volatile uint64_t *)block_base, ~0ull);

	/* NMIs to the AP while it switches: each is taken by it, once. */
	handlers[VECTOR_NMI] = on_nmi;
	ap_nmis = bsp_nmis = 0;
	command = SWITCH;
	for (; sent < 200; sent++) {
		seen = ap_nmis;
		ipi(ap_id, IPI_NMI);
		for (int i = 0; i < 2000 && ap_nmis == seen; i++)
			delay(500);
		if (command == IDLE)
			command = SWITCH;
	}
	order(SWITCH, true);
	CHECK_EQ("nmis-to-ap", ap_nmis, sent);
	CHECK_EQ("nmis-not-to-bsp", bsp_nmis, 0);
}

static void in_x2apic_mode(void)
{
	if (!(cpuid(1, 0).ecx & B(21)))
		return;
	check(order(X2APIC, true), "ap-to-x2apic", "no answer");
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_EXTD);
	x2 = true;
	CHECK_EQ("x2-id", rdmsr(MSR_X2_ID), bsp_id);
	check(restart(ap_id, 0), "x2-restart", "starts %u", DATA->starts);
	/* INIT leaves the APIC's mode alone (SDM 11.12.5.1). */
	CHECK_EQ("x2-after-init", ap_apic_base & APIC_BASE_EXTD, APIC_BASE_EXTD);
	check(order(MWAIT, false), "x2-mwait", "no answer");
	check(restart(0, ALL_OTHERS), "x2-restart-all", "starts %u", DATA->starts);
	ap_nmis = 0;
	wrmsr(MSR_X2_ICR, (uint64_t)ap_id << 32 | IPI_NMI);
	delay(100000);
	CHECK_EQ("x2-nmi", ap_nmis, 1);
}

void test_main(void)
{
	bsp_id = *(volatile uint32_t *)(APIC + APIC_ID) >> 24;
	ap_id = 1;
	*(volatile uint32_t *)(APIC + APIC_SVR) = 0x1ff;
	fill_data();
	CHECK_EQ("bsp", rdmsr(MSR_APIC_BASE) & APIC_BASE_BSP, APIC_BASE_BSP);
	first_start();
	restarts();
	together();
	in_x2apic_mode();
}
