/* CR3 targets: a model CPU executes a guest's MOVs to CR3, and every exit is counted. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdbool.h>
#include <string.h>
#include <cmocka.h>

#include "arch/x86/cpu.h"
#include "arch/x86/vmx/cr3_target.h"

#define NF CR3_NO_FLUSH

static struct {
	struct cr3_cpu cpu;
	struct cr3_pti pti;
	struct cr3_config cfg;
	bool pcide;
	uint32_t exits, switches, asked;
	bool pti_guest; /* what the pair callback finds */
	uint64_t asked_kernel, asked_user;
} m;

static bool pair(void *ctx, uint64_t kernel, uint64_t user)
{
	assert_ptr_equal(ctx, &m);
	m.asked++;
	m.asked_kernel = kernel;
	m.asked_user = user;
	return m.pti_guest;
}

static void begin(uint32_t targets, bool pcide, bool pti_guest)
{
	memset(&m, 0, sizeof(m));
	m.cfg = (struct cr3_config){targets, cr3_reserved(39, false), pair, &m};
	m.pcide = pcide;
	m.pti_guest = pti_guest;
}

static bool is_target(uint64_t operand)
{
	for (uint32_t i = 0; i < m.cpu.ntarget; i++)
		if (m.cpu.target[i] == operand)
			return true;
	return false;
}

/* The processor: a match passes; otherwise an exit, after which the instruction is tried again. */
static enum cr3_event mov_cr3(uint64_t operand)
{
	enum cr3_event event;

	if (is_target(operand))
		return CR3_SAME;
	m.exits++;
	event = cr3_write(&m.cpu, &m.pti, &m.cfg, operand, m.pcide);
	if (event == CR3_SWITCHED)
		m.switches++;
	assert_true(m.cpu.ntarget <= m.cfg.targets);
	if (event != CR3_FAULT && m.cfg.targets > 0)
		assert_true(is_target(operand)); /* or it would exit for ever */
	for (uint32_t i = 0; i < m.cpu.ntarget; i++)
		for (uint32_t k = 0; k < i; k++)
			assert_true(m.cpu.target[i] != m.cpu.target[k]);
	return event;
}

/* Linux with PTI: a process is its kernel root and a PCID; kernel entries and exits in between. */
struct process {
	uint64_t root;
	uint32_t pcid;
};

static uint64_t kernel_cr3(const struct process *p)
{
	return p->root | (m.pcide ? p->pcid : 0);
}

static uint64_t user_cr3(const struct process *p)
{
	return kernel_cr3(p) | 0x1000 | (m.pcide ? 0x800 : 0);
}

static void system_call(const struct process *p)
{
	mov_cr3(kernel_cr3(p) | (m.pcide ? NF : 0));
	mov_cr3(user_cr3(p) | (m.pcide ? NF : 0));
}

static const struct process a = {0x12340000, 1}, b = {0x56782000, 2};

static void pti_with_pcid(void **state)
{
	uint32_t exits;

	(void)state;
	begin(4, true, true);
	assert_int_equal(mov_cr3(kernel_cr3(&a)), CR3_SWITCHED);
	assert_int_equal(m.cpu.root, a.root);
	/* The first return to user mode shows the pair; it is no switch. */
	assert_int_equal(mov_cr3(user_cr3(&a) | NF), CR3_SAME);
	assert_int_equal(m.pti.folded, 1);
	assert_int_equal(m.asked_kernel, a.root);
	assert_int_equal(m.asked_user, a.root | 0x1000);
	assert_int_equal(m.cpu.root, a.root);
	exits = m.exits;
	for (int i = 0; i < 1000; i++)
		system_call(&a);
	assert_int_equal(m.exits, exits); /* 0 exits for each kernel entry */
	/* 100 switches, with system calls, flushing and not: one exit each. */
	m.switches = 0;
	for (int i = 0; i < 100; i++) {
		const struct process *p = i & 1 ? &a : &b;

		assert_int_equal(mov_cr3(kernel_cr3(p) | (i % 3 ? NF : 0)), CR3_SWITCHED);
		assert_int_equal(m.cpu.root, p->root);
		mov_cr3(user_cr3(p) | (i % 5 ? NF : 0));
		for (int k = 0; k < 10; k++)
			system_call(p);
		mov_cr3(kernel_cr3(p));
		mov_cr3(user_cr3(p));
	}
	assert_int_equal(m.switches, 100);
	assert_int_equal(m.exits, exits + 100);
}

static void pti_without_pcid(void **state)
{
	uint32_t exits;

	(void)state;
	begin(4, false, true);
	mov_cr3(kernel_cr3(&a));
	assert_int_equal(mov_cr3(user_cr3(&a)), CR3_SAME);
	exits = m.exits;
	for (int i = 0; i < 100; i++) {
		const struct process *p = i & 1 ? &a : &b;

		assert_int_equal(mov_cr3(kernel_cr3(p)), CR3_SWITCHED);
		mov_cr3(user_cr3(p));
		for (int k = 0; k < 10; k++)
			system_call(p);
	}
	assert_int_equal(m.exits, exits + 100);
	assert_int_equal(m.cpu.ntarget, 2);
}

/* Without PTI every real switch exits, and nothing else: not a reload, nor a no-flush reload. */
static void no_pti(void **state)
{
	(void)state;
	begin(4, true, false);
	assert_int_equal(mov_cr3(kernel_cr3(&a)), CR3_SWITCHED);
	assert_int_equal(m.cpu.ntarget, 2);
	for (int i = 0; i < 10; i++) {
		mov_cr3(kernel_cr3(&a));
		mov_cr3(kernel_cr3(&a) | NF);
	}
	assert_int_equal(m.exits, 1);
	for (int i = 0; i < 100; i++)
		assert_int_equal(mov_cr3(kernel_cr3(i & 1 ? &a : &b) | NF), CR3_SWITCHED);
	assert_int_equal(m.exits, 101);
	assert_int_equal(m.switches, 101);
	/* The same space under another PCID exits, and is no switch. */
	assert_int_equal(mov_cr3(a.root | 5), CR3_SAME);
	assert_int_equal(m.cpu.root, a.root);
	assert_int_equal(m.asked, 0);
	begin(4, false, false);
	mov_cr3(a.root);
	assert_int_equal(m.cpu.ntarget, 1);
	assert_int_equal(m.cpu.target[0], a.root);
}

/* Roots that lie side by side by chance are not folded without a look at the tables. */
static void neighbours(void **state)
{
	uint64_t odd = a.root | 0x1000;

	(void)state;
	begin(4, false, false);
	mov_cr3(a.root);
	assert_int_equal(mov_cr3(odd), CR3_SWITCHED);
	assert_int_equal(m.cpu.root, odd);
	assert_int_equal(m.asked, 1);
	assert_int_equal(mov_cr3(a.root), CR3_SWITCHED);
	/* Asked at the 1st, 2nd, 4th, 8th ... candidate only. */
	for (int i = 0; i < 1000; i++)
		mov_cr3(i & 1 ? a.root : odd);
	assert_int_equal(m.exits, 1003);
	assert_int_equal(m.switches, 1003);
	assert_int_equal(m.asked, 10);
	assert_int_equal(m.pti.folded, 0);
	/* With PCIDs both bits have to differ, from clear to set. */
	begin(4, true, true);
	mov_cr3(a.root | 1);
	mov_cr3((a.root | 1) ^ 0x1000);
	mov_cr3(a.root | 1);
	mov_cr3((a.root | 1) ^ 0x800);
	mov_cr3(b.root | 0x800);
	mov_cr3(b.root | 0x1000);
	assert_int_equal(m.asked, 0);
	/* It is found in the other direction, too. */
	mov_cr3(a.root | 0x1801);
	assert_int_equal(mov_cr3(a.root | 1 | NF), CR3_SAME);
	assert_int_equal(m.pti.folded, 1);
	assert_int_equal(m.cpu.root, a.root);
}

/* Fewer targets than values: more exits, the same switches. */
static void few_targets(void **state)
{
	(void)state;
	for (uint32_t targets = 0; targets <= 4; targets++) {
		begin(targets, true, true);
		mov_cr3(kernel_cr3(&a));
		mov_cr3(user_cr3(&a) | NF);
		m.switches = m.exits = 0;
		for (int i = 0; i < 50; i++) {
			const struct process *p = i & 1 ? &a : &b;

			mov_cr3(kernel_cr3(p) | NF);
			mov_cr3(user_cr3(p) | NF);
			system_call(p);
			assert_int_equal(m.cpu.root, p->root);
		}
		assert_int_equal(m.switches, 50);
		assert_int_equal(m.exits, targets == 0 ? 200 : targets == 1 ? 200 : 50);
		if (targets == 0)
			assert_int_equal(m.cpu.ntarget, 0);
	}
	/* A CPU that announces more than the VMCS has fields for. */
	begin(256, true, true);
	mov_cr3(kernel_cr3(&a));
	mov_cr3(user_cr3(&a) | NF);
	assert_int_equal(m.cpu.ntarget, CR3_TARGETS_MAX);
}

static void lam_bits(void **state)
{
	uint64_t lam = CR3_LAM_U57;

	(void)state;
	begin(4, true, true);
	assert_int_equal(mov_cr3(a.root | lam), CR3_FAULT);
	m.cfg.reserved = cr3_reserved(39, true);
	assert_int_equal(mov_cr3(a.root | 1 | lam), CR3_SWITCHED);
	assert_int_equal(m.cpu.root, a.root); /* the bits are no part of the identity */
	assert_int_equal(mov_cr3(a.root | 0x1801 | lam | NF), CR3_SAME);
	assert_int_equal(m.exits, 3);
	assert_int_equal(mov_cr3(a.root | 1 | lam | NF), CR3_SAME);
	assert_int_equal(m.exits, 3);
	assert_true(is_target(a.root | 0x1801 | lam));
}

static void faults(void **state)
{
	struct cr3_cpu before;

	(void)state;
	assert_int_equal(cr3_reserved(39, false), 0x7fffff8000000000);
	assert_int_equal(cr3_reserved(46, true), 0x1fffc00000000000);
	begin(4, true, false);
	mov_cr3(kernel_cr3(&a));
	before = m.cpu;
	assert_int_equal(mov_cr3(1ull << 39), CR3_FAULT);
	assert_int_equal(mov_cr3(1ull << 62 | b.root), CR3_FAULT);
	assert_memory_equal(&before, &m.cpu, sizeof(before));
	m.pcide = false; /* then bit 63 is reserved */
	assert_int_equal(cr3_write(&m.cpu, &m.pti, &m.cfg, b.root | NF, false), CR3_FAULT);
	assert_memory_equal(&before, &m.cpu, sizeof(before));
}

static void emulation(void **state)
{
	bool flush;

	(void)state;
	assert_int_equal(cr3_emulate(0x12345801 | NF, true, &flush), 0x12345801);
	assert_false(flush);
	assert_int_equal(cr3_emulate(0x12345801, true, &flush), 0x12345801);
	assert_true(flush);
	assert_int_equal(cr3_emulate(0x12345000, false, &flush), 0x12345000);
	assert_true(flush);
}

static void reset(void **state)
{
	(void)state;
	begin(4, true, true);
	mov_cr3(kernel_cr3(&a));
	mov_cr3(user_cr3(&a));
	cr3_reset(&m.cpu, NULL);
	assert_int_equal(m.pti.folded, 1);
	assert_int_equal(mov_cr3(user_cr3(&a)), CR3_SWITCHED);
	assert_int_equal(m.cpu.root, a.root);
	cr3_reset(&m.cpu, &m.pti);
	assert_int_equal(m.pti.folded, 0);
	assert_int_equal(m.cpu.ntarget, 0);
	/* A new kernel without PTI: odd roots are roots of their own again. */
	assert_int_equal(mov_cr3(user_cr3(&a)), CR3_SWITCHED);
	assert_int_equal(m.cpu.root, a.root | 0x1000);
}

static void pairs(void **state)
{
	uint64_t kernel[256] = {0}, user[256] = {0};

	(void)state;
	assert_false(cr3_pti_pair(kernel, user)); /* nothing to see yet */
	kernel[0] = 0x8000000012345067;
	user[0] = 0x0000000012345067;
	kernel[255] = 0x8000000022222067;
	user[255] = 0x0000000022222047; /* not accessed there */
	assert_true(cr3_pti_pair(kernel, user));
	user[255] = 0x22223067;
	assert_false(cr3_pti_pair(kernel, user));
	user[255] = 0;
	assert_false(cr3_pti_pair(kernel, user));
	kernel[255] = 0x8000000022222066; /* not present on either side */
	assert_true(cr3_pti_pair(kernel, user));
	user[7] = 0x33333067; /* only in the user half */
	assert_false(cr3_pti_pair(kernel, user));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pti_with_pcid), cmocka_unit_test(pti_without_pcid),
		cmocka_unit_test(no_pti),	 cmocka_unit_test(neighbours),
		cmocka_unit_test(few_targets),	 cmocka_unit_test(lam_bits),
		cmocka_unit_test(faults),	 cmocka_unit_test(emulation),
		cmocka_unit_test(reset),	 cmocka_unit_test(pairs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
