/* The processors' check: LSTAR and the others, the tables, and which kernel a write belongs to. */
#include "tests/unit/integrity_stage.h"

#define ENTRY  (STAGE_IMAGE + 0x1080)
#define COMPAT (STAGE_IMAGE + 0x1200)
#define SYSENT (STAGE_IMAGE + 0x1300)
#define IDT    (STAGE_IMAGE + 0x90000)
#define GDT    (STAGE_IMAGE + 0x94000)
#define STATE  (STAGE_IMAGE + 0x92000)
#define BANNER (STAGE_IMAGE + 0x93000)
#define ROGUE  (STAGE_MODULES + 0x100)
#define RIP    (STAGE_MODULES + 0x200)
#define CR0    0x80050033ull
#define CR4    0x3706b0ull

static void put_gate(uint32_t nr, uint64_t handler)
{
	stage_put(IDT + nr * 16, (handler & 0xffff) | 0x10ull << 16 | 0x8eull << 40 |
					 (handler >> 16 & 0xffff) << 48);
	stage_put(IDT + nr * 16 + 8, handler >> 32);
}

static int setup(void **state)
{
	(void)state;
	stage_open(&check_cpu);
	stage_symbol("entry_SYSCALL_64", ENTRY);
	stage_symbol("entry_SYSCALL_compat", COMPAT);
	stage_symbol("entry_SYSENTER_compat", SYSENT);
	stage_symbol("idt_table", IDT);
	stage_symbol("gdt_page", GDT);
	stage_symbol("system_state", STATE);
	stage_symbol("linux_banner", BANNER);
	strcpy(stage_at(BANNER, 64), "Linux version 6.1.0-test");
	stage_put32(STATE, 3);
	for (uint32_t i = 0; i < 256; i++)
		put_gate(i, STAGE_IMAGE + 0x2000 + i * 16);
	for (uint32_t cpu = 0; cpu < 2; cpu++) {
		stage_put(GDT + cpu * 0x1000 + 16, 0x00af9b000000ffff);
		stage_put(GDT + cpu * 0x1000 + 64, 0x00008b0000004087); /* the TSS, busy */
	}
	stage->alias = IDT;
	stage->read_only = IDT;
	stage->cpu = (struct abi_cpu){
		.idt_limit = 4095,
		.gdt_limit = 127,
		.idt_base = STAGE_ALIAS,
		.gdt_base = GDT,
		.cr0 = CR0,
		.cr3 = STAGE_ROOT | 5,
		.cr4 = CR4,
		.efer = 0xd01,
		.lstar = ENTRY,
		.cstar = COMPAT,
		.sysenter_eip = SYSENT,
		.star = 0x23001000000000,
		.fmask = 0x47700,
	};
	assert_null(stage_attach());
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stage_close();
	return 0;
}

static void assert_told(enum integrity_what what, const char *reason, uint64_t address)
{
	assert_int_equal(stage->told, 1);
	assert_int_equal(stage->last.what, what);
	if (!strstr(stage->reason, reason))
		fail_msg("\"%s\" is not in \"%s\"", reason, stage->reason);
	assert_int_equal(stage->last.address, address);
	stage->told = 0;
}

static void test_quiet(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 20; i++) {
		stage->cpu.index = i & 1;
		stage->cpu.gdt_base = GDT + (i & 1) * 0x1000;
		stage_run(60);
	}
	assert_int_equal(stage->told, 0);
	assert_int_equal((uint32_t)stage->watched, PIN_ALL);
	assert_int_equal(stage->watched >> 32, 0);
	assert_int_equal(stage->lstar, ENTRY);
}

static void test_registers(void **state)
{
	static const struct {
		size_t at;
		uint64_t value;
		enum integrity_what what;
		const char *reason;
		uint64_t address;
	} cases[] = {
		{offsetof(struct abi_cpu, lstar), ROGUE, WHAT_LSTAR, "IA32_LSTAR", ROGUE},
		{offsetof(struct abi_cpu, cstar), ROGUE, WHAT_LSTAR, "IA32_CSTAR", ROGUE},
		{offsetof(struct abi_cpu, sysenter_eip), ROGUE, WHAT_LSTAR, "SYSENTER_EIP", ROGUE},
		{offsetof(struct abi_cpu, star), 5, WHAT_LSTAR, "IA32_STAR", 0},
		{offsetof(struct abi_cpu, fmask), 0, WHAT_LSTAR, "IA32_FMASK", 0},
		{offsetof(struct abi_cpu, cr0), CR0 & ~(1ull << 16), WHAT_CONTROL_REGISTER,
		 "CR0.WP", 0},
		{offsetof(struct abi_cpu, cr4), CR4 & ~(1ull << 20), WHAT_CONTROL_REGISTER, "CR4",
		 0},
		{offsetof(struct abi_cpu, efer), 0x501, WHAT_CONTROL_REGISTER, "EFER", 0},
		{offsetof(struct abi_cpu, idt_base), STAGE_HEAP, WHAT_IDT, "IDTR", STAGE_HEAP},
		{offsetof(struct abi_cpu, gdt_base), STAGE_HEAP, WHAT_GDT, "GDTR", STAGE_HEAP},
	};
	(void)state;
	stage_run(1000);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t *reg = (uint64_t *)(void *)((uint8_t *)&stage->cpu + cases[i].at);
		uint64_t old = *reg;
		*reg = cases[i].value;
		stage_run(60); /* one look proves nothing: the CPU may be coming up */
		assert_int_equal(stage->told, 0);
		stage_run(400);
		assert_told(cases[i].what, cases[i].reason, cases[i].address);
		stage_run(1000); /* once */
		assert_int_equal(stage->told, 0);
		*reg = old;
		stage_run(1000);
		assert_int_equal(stage->told, 0);
		*reg = cases[i].value; /* and again */
		stage_run(1000);
		assert_told(cases[i].what, cases[i].reason, cases[i].address);
		*reg = old;
		stage_run(1000);
	}
}

/* Another kernel's page tables are loaded: kexec has left, or the CPU is only starting. */
static void test_elsewhere(void **state)
{
	(void)state;
	stage_run(1000);
	stage->cpu.cr3 = STAGE_OTHER;
	stage->cpu.lstar = ROGUE;
	stage->cpu.idt_base = 0;
	stage->cpu.cr0 = 0x11;
	stage_run(2000);
	assert_int_equal(stage->told, 0);
}

static void test_gates(void **state)
{
	(void)state;
	stage_run(500);
	put_gate(0x80, ROGUE);
	stage_run(100);
	assert_told(WHAT_IDT, "gate 128", IDT + 0x800);
	assert_string_equal(stage->found, "0xffffffffc0000100");
	stage_run(1000);
	assert_int_equal(stage->told, 0);
	put_gate(0x80, STAGE_IMAGE + 0x2800);
	stage_run(200);
	put_gate(0x80, ROGUE);
	stage_run(200);
	assert_told(WHAT_IDT, "gate 128", IDT + 0x800);
}

/* While the kernel still writes the table nothing is told; what is no kernel's then is. */
static void test_gates_at_first(void **state)
{
	(void)state;
	stage->read_only = 0;
	put_gate(14, ROGUE);
	stage_run(500);
	put_gate(33, STAGE_IMAGE + 0x5000);
	stage_run(500);
	assert_int_equal(stage->told, 0);
	stage->read_only = IDT;
	stage_run(100);
	assert_told(WHAT_IDT, "not the kernel's", IDT + 14 * 16);
}

static void test_gdt(void **state)
{
	(void)state;
	stage_run(1000);
	stage_put(GDT + 64, 0x0000890000004087);     /* the TSS is not busy */
	stage_put(GDT + 12 * 8, 0x00cff3000000ffff); /* a thread's segment */
	stage_put(GDT + 10 * 8, 0x0000820000001fff); /* an LDT */
	stage_run(1000);
	assert_int_equal(stage->told, 0);
	stage_put(GDT + 13 * 8, 0xffffec00001081ab); /* a call gate for users, as a thread's */
	stage_run(1000);
	assert_told(WHAT_GDT, "entry", GDT + 13 * 8);
	stage_put(GDT + 13 * 8, 0);
	stage_run(500);
	stage_put(GDT + 14 * 8, 0x00af9b000000ffff); /* the kernel's code */
	stage_run(1000);
	assert_told(WHAT_GDT, "entry", GDT + 14 * 8);
	stage_put(GDT + 14 * 8, 0);
	stage_run(500);
	stage_put(GDT + 16, 0x00affb000000ffff); /* the kernel's code for users */
	stage_run(1000);
	assert_told(WHAT_GDT, "entry", GDT + 16);
}

/* --- writes of LSTAR --- */

static bool write(uint64_t value, uint64_t cr3, uint32_t cpu, bool refused)
{
	const struct lstar_write w = {value, cr3, cpu, refused};
	return integrity_lstar(&stage->in, &w, stage->in.tsc, stage->in.tsc * 1000);
}

static void test_lstar_of_this_kernel(void **state)
{
	(void)state;
	stage_run(500);
	assert_false(write(ENTRY, STAGE_ROOT, 0, false)); /* it woke, or came up again */
	assert_false(write(ENTRY, STAGE_ROOT, 1, false));
	assert_int_equal(stage->told, 0);
	assert_false(write(ROGUE, STAGE_ROOT, 0, false));
	assert_int_equal(stage->last.action, ACTION_ALERT);
	assert_told(WHAT_LSTAR, "written", ROGUE);
	assert_string_equal(stage->expected, "0xffffffff81001080");
	/* A look need not tell it again. */
	stage->cpu.lstar = ROGUE;
	stage_run(1000);
	assert_int_equal(stage->told, 0);
	stage->cpu.lstar = ENTRY;
	stage_run(500);
	assert_false(write(ROGUE, STAGE_ROOT, 1, true));
	assert_int_equal(stage->last.action, ACTION_UNDONE);
	assert_told(WHAT_LSTAR, "written", ROGUE);
}

static void test_lstar_of_another_kernel(void **state)
{
	(void)state;
	stage_run(500);
	/* kexec with another base; its second CPU comes up. */
	assert_true(write(STAGE_IMAGE + 0x20001080, STAGE_OTHER, 0, false));
	assert_false(write(STAGE_IMAGE + 0x20001080, STAGE_OTHER, 1, false));
	/* The same base, another place. */
	assert_true(write(ENTRY + 0x40, STAGE_MOVED, 0, false));
	assert_true(write(ENTRY, STAGE_MOVED, 0, false));
	/* The same base and place, another kernel. */
	strcpy(stage_at(BANNER, 64), "Linux version 6.12.0-test");
	assert_true(write(ENTRY + 0x40, STAGE_ROOT, 0, false));
	strcpy(stage_at(BANNER, 64), "Linux version 6.1.0-test");
	/* The very same kernel, from its beginning. */
	stage_put32(STATE, 0);
	assert_true(write(ENTRY, STAGE_ROOT, 0, false));
	assert_false(write(ENTRY, STAGE_ROOT, 1, false));
	assert_int_equal(stage->told, 0);
	/* Which excuses no other value. */
	assert_false(write(ROGUE, STAGE_ROOT, 0, false));
	assert_int_equal(stage->told, 1);
}

/* No kernel is known, or not such a one. */
static void test_lstar_unknown(void **state)
{
	(void)state;
	stage->in.k = NULL;
	assert_true(write(ENTRY, STAGE_ROOT, 0, false));
	assert_false(write(ENTRY, STAGE_ROOT, 1, false));
}

/* --- bits cleared --- */

static void clear(uint64_t rip, uint64_t flags)
{
	integrity_control(&stage->in, rip, CR0 << 32 | (CR0 & ~0x10000ull), flags, stage->in.tsc,
			  stage->in.tsc * 1000);
}

static void test_cleared(void **state)
{
	(void)state;
	stage_run(1000);
	clear(RIP, 1);
	assert_int_equal(stage->last.action, ACTION_ALERT);
	assert_told(WHAT_CONTROL_REGISTER, "CR0.WP cleared on CPU 1", RIP);
	assert_string_equal(stage->expected, "0x80050033");
	clear(RIP, ABI_CONTROL_REFUSED);
	assert_int_equal(stage->last.action, ACTION_UNDONE);
	assert_told(WHAT_CONTROL_REGISTER, "CR0.WP cleared on CPU 0", RIP);
	/* It is told: a look that finds it so adds nothing, until it was set and is cleared again.
	 */
	stage->cpu.cr0 &= ~0x10000ull;
	stage_run(1000);
	assert_int_equal(stage->told, 0);
	stage->cpu.cr0 |= 0x10000;
	stage_run(1000);
	stage->cpu.cr0 &= ~0x10000ull;
	stage_run(1000);
	assert_told(WHAT_CONTROL_REGISTER, "CR0.WP of CPU 0", 0);
}

static void test_cleared_by_kexec(void **state)
{
	(void)state;
	stage_run(1000);
	clear(0x1234000, 0);
	stage->cpu.cr3 = STAGE_OTHER;
	stage_run(10000);
	assert_int_equal(stage->told, 0);
}

/* A CPU that is never seen again is no proof of it. */
static void test_cleared_on_a_lost_cpu(void **state)
{
	(void)state;
	stage_run(1000);
	clear(0x1234000, 1);
	stage_run(5000); /* this one may be stopped in the kernel */
	assert_int_equal(stage->told, 0);
	stage->cpu.cpl = 3;
	stage_run(200);
	assert_told(WHAT_CONTROL_REGISTER, "CR0.WP cleared on CPU 1", 0x1234000);
}

/* Code in low memory that comes back has only played kexec. */
static void test_cleared_in_low_memory(void **state)
{
	(void)state;
	stage_run(1000);
	clear(0x1234000, 0);
	assert_true(stage->in.leaving); /* the other checks rest */
	stage_run(1000);
	assert_int_equal(stage->told, 0);
	stage_run(2000);
	assert_told(WHAT_CONTROL_REGISTER, "CR0.WP cleared on CPU 0", 0x1234000);
	assert_false(stage->in.leaving);
	clear(0x1234000, 0);
	assert_false(stage->in.leaving);
	assert_told(WHAT_CONTROL_REGISTER, "CR0.WP cleared on CPU 0", 0x1234000);
}

static void test_pinned(void **state)
{
	(void)state;
	stage->in.ops.pin = PIN_WP | PIN_LSTAR;
	assert_null(stage_attach());
	assert_int_equal(stage->watched >> 32, PIN_WP | PIN_LSTAR);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_quiet),
		T(test_registers),
		T(test_elsewhere),
		T(test_gates),
		T(test_gates_at_first),
		T(test_gdt),
		T(test_lstar_of_this_kernel),
		T(test_lstar_of_another_kernel),
		T(test_lstar_unknown),
		T(test_cleared),
		T(test_cleared_by_kexec),
		T(test_cleared_in_low_memory),
		T(test_cleared_on_a_lost_cpu),
		T(test_pinned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
