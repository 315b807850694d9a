/* ids/integrity: what the kernel does to itself is silent, what others do is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "ids/integrity/integrity_impl.h"
#include "tests/unit/integrity_world.h"

static int open_world(void **state)
{
	(void)state;
	world_open();
	return 0;
}

static int running_world(void **state)
{
	(void)state;
	world_open();
	world_run_kernel();
	assert_int_equal(world->events, 0);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	world_close();
	return 0;
}

static const uint8_t int3 = 0xcc;

static void test_quiet(void **state)
{
	(void)state;
	world_pass(60000);
	assert_int_equal(world->events, 0);
	const struct integrity_stats s = integrity_stats(world->integrity);
	assert_int_equal(s.sites, FTRACE_SITES + 1);
	assert_true(s.passes > 10);
	assert_true(world->guards >= 2);
	assert_true(world->reads_most < 400);
}

/* --- text --- */

static void trampoline(uint64_t base)
{
	world_map(base, world_page(), WORLD_X);
	world_put(HEAP + 0x3000 + O_TRAMPOLINE, base);
	world_put(HEAP + 0x3000 + O_SIZE, 0x100);
	world_put(FTRACE_OPS_LIST, HEAP + 0x3000);
}

static void test_ftrace(void **state)
{
	(void)state;
	trampoline(MODULE_AREA + 0x100000);
	for (uint32_t i = 0; i < FTRACE_SITES; i++) {
		world_write_guarded(FTRACE_SITE(i), &int3, 1);
		world_pass(10);
		world_branch(FTRACE_SITE(i), 0xe8, i % 2 ? FTRACE_CALLER : MODULE_AREA + 0x100000);
	}
	world_pass(20000);
	assert_int_equal(world->events, 0);
	assert_true(integrity_stats(world->integrity).guard_hits == FTRACE_SITES);
}

static void test_ftrace_elsewhere(void **state)
{
	(void)state;
	world_module(0, "evil");
	const uint8_t before[5] = {0xcc};
	world_write_guarded(FTRACE_SITE(3), before, 1);
	world_branch(FTRACE_SITE(3), 0xe9, MODULE_AREA + 0x10);
	world_pass(400);
	assert_int_equal(world->events, 1);
	assert_true(world_says("\"what\":\"text\""));
	assert_true(world_says("\"expected\":\"0f1f440000\",\"found\":\"e9"));
	assert_true(world_says("leads to 0xffffffffc0000010"));
	assert_true(world_says("[evil]"));
	assert_true(world_says("\"address\":\"0xffffffff81000280\""));
	/* Once; and again when it was right in between. */
	world_pass(20000);
	assert_int_equal(world->events, 1);
	world_write(FTRACE_SITE(3), "\x0f\x1f\x44\0", 5);
	world_pass(5000);
	world_branch(FTRACE_SITE(3), 0xe9, MODULE_AREA + 0x10);
	world_pass(60000);
	assert_int_equal(world->events, 2);
}

/* A trampoline that is in no list is nobody's. */
static void test_ftrace_unlisted(void **state)
{
	(void)state;
	trampoline(MODULE_AREA + 0x100000);
	world_put(FTRACE_OPS_LIST, 0);
	world_branch(FTRACE_SITE(5), 0xe8, MODULE_AREA + 0x100000);
	world_pass(60000);
	assert_true(world->events >= 1);
}

static void test_int3_stays(void **state)
{
	(void)state;
	world_write_guarded(FTRACE_SITE(1), &int3, 1);
	world_pass(1500);
	assert_int_equal(world->events, 0);
	world_pass(4000);
	assert_int_equal(world->events, 1);
	assert_true(world_says("\"found\":\"cc1f440000\""));
}

static void test_jump_label(void **state)
{
	(void)state;
	world_write_guarded(JUMP_SITE, &int3, 1);
	world_branch(JUMP_SITE, 0xe9, JUMP_TARGET);
	world_pass(30000);
	assert_int_equal(world->events, 0);
	world_branch(JUMP_SITE, 0xe9, JUMP_TARGET + 1);
	world_pass(30000);
	assert_int_equal(world->events, 1);
}

/* The first write tells where, by whom, and what was there. */
static void test_plain_text(void **state)
{
	static const uint8_t patch[] = {0x90, 0x91, 0x92};
	uint8_t was[3];
	char text[64];
	(void)state;
	struct gspace_at at;
	assert_int_equal(gspace_translate(kernel_space(NULL), PLAIN, &at), 0);
	memcpy(was, world->memory + at.gpa, 3);
	world_write_guarded(PLAIN, patch, sizeof(patch));
	world_pass(300);
	assert_int_equal(world->events, 1);
	snprintf(text, sizeof(text), "\"expected\":\"%02x%02x%02x\",\"found\":\"909192\"", was[0],
		 was[1], was[2]);
	assert_true(world_says(text));
	assert_true(world_says("\"address\":\"0xffffffff81008123\""));
	assert_true(world_says("\"symbol\":\"plain_function+0x23\""));
	assert_true(world_says("written at 0xffffffff81004000"));
}

/* Without the event of the guard the sweep finds it, and a branch out of the image is pointed at.
 */
static void test_plain_text_swept(void **state)
{
	(void)state;
	world_module(0, "evil");
	world_branch(PLAIN, 0xe8, MODULE_AREA + 0x20);
	world_pass(60000);
	assert_int_equal(world->events, 1);
	assert_true(world_says("\"address\":\"0xffffffff81008123\""));
	assert_true(world_says("[evil]"));
}

/* A byte of every line is watched. */
static void test_each_line(void **state)
{
	(void)state;
	uint32_t lines = 0;
	for (uint64_t va = TEXT + 77; va < TEXT + 3 * 4096; va += 640, lines++) {
		struct gspace_at at;
		assert_int_equal(gspace_translate(kernel_space(NULL), va, &at), 0);
		world->memory[at.gpa] ^= 0x80;
		world_pass(30000);
		assert_int_equal(world->events, lines + 1);
	}
}

static void test_syscall_table(void **state)
{
	(void)state;
	world_module(0, "evil");
	world_put(SYS_CALLS + 7 * 8, MODULE_AREA + 0x40);
	world_pass(60000);
	assert_int_equal(world->events, 1);
	assert_true(world_says("\"what\":\"syscall_table\""));
	assert_true(world_says("\"symbol\":\"sys_call_table+0x38\""));
	assert_true(world_says("led to 0xffffffff81007070 "));
	assert_true(world_says("\"expected\":\"70700081ffffffff\",\"found\":\"400000c0ffffffff\""));
}

/* Text that is changed before init runs is compared with what it was before that. */
static void test_changed_while_booting(void **state)
{
	(void)state;
	world_pass(200);
	world_write(PLAIN, "\x90", 1);
	world_put(SYSTEM_STATE, 3);
	world_pass(5000);
	assert_int_equal(world->events, 1);
}

static void test_without_guards(void **state)
{
	(void)state;
	world->no_guards = true;
	world_run_kernel();
	world_write(PLAIN, "\x90", 1);
	world_pass(3000);
	assert_int_equal(world->events, 1);
}

/* --- responses --- */

static void test_undo(void **state)
{
	(void)state;
	struct gspace_at at;
	uint8_t was[4096];
	assert_int_equal(gspace_translate(kernel_space(NULL), PLAIN & ~0xfffull, &at), 0);
	memcpy(was, world->memory + at.gpa, sizeof(was));
	world->integrity->ops.response = INTEGRITY_UNDO;
	/* A site, a table's entry, and a first write. */
	world_branch(FTRACE_SITE(4), 0xe9, MODULE_AREA);
	world_pass(60000);
	assert_int_equal(world->restored, 1);
	assert_true(world_says("\"action\":\"undone\""));
	world_put(SYS_CALLS + 8, MODULE_AREA);
	world_pass(60000);
	assert_int_equal(world->restored, 2);
	world_write_guarded(PLAIN, "\x90\x91\x92", 3);
	world_pass(60000);
	assert_int_equal(world->restored, 3);
	assert_memory_equal(was, world->memory + at.gpa, sizeof(was));
	assert_int_equal(world->events, 3);
}

/* What stood there at an earlier write is not what has to stand there. */
static void test_undo_not_sure(void **state)
{
	(void)state;
	world->integrity->ops.response = INTEGRITY_UNDO;
	world_write(PLAIN, "\x90", 1);
	world_write_guarded(PLAIN, "\x91", 1);
	world_pass(60000);
	assert_int_equal(world->restored, 0);
	assert_int_equal(world->events, 1);
	assert_true(world_says("\"action\":\"alert\""));
}

static void test_freeze(void **state)
{
	(void)state;
	world->integrity->ops.response = INTEGRITY_FREEZE;
	world_pass(10000);
	assert_int_equal(world->frozen, 0);
	world_branch(FTRACE_SITE(4), 0xe9, MODULE_AREA);
	world_pass(60000);
	assert_int_equal(world->frozen, 1);
	assert_true(world_says("\"action\":\"frozen\""));
}

/* --- kprobes --- */

static uint64_t kprobe(uint64_t va, bool optimized)
{
	uint64_t p = HEAP + 0x4000;
	struct gspace_at at;

	assert_int_equal(gspace_translate(kernel_space(NULL), va, &at), 0);
	world_put(p, 0);
	world_put(p + K_ADDR, va);
	world_put(p + K_HANDLER, optimized ? TEXT + 0x4f00 : TEXT + 0x4e00);
	world_put(p + K_FLAGS, 0);
	world_write(p + K_OPCODE, world->memory + at.gpa, 1);
	world_write(p + K_COPIED, world->memory + at.gpa + 1, 4);
	world_put(KPROBES + 5 * 8, p);
	return p;
}

static void test_kprobe(void **state)
{
	(void)state;
	kprobe(PLAIN, false);
	world_write_guarded(PLAIN, &int3, 1);
	world_pass(60000);
	assert_int_equal(world->events, 0);
	/* Not in the table any more, but still there. */
	world_put(KPROBES + 5 * 8, 0);
	world_pass(60000);
	assert_int_equal(world->events, 1);
}

static void test_kprobe_lies(void **state)
{
	(void)state;
	uint64_t p = kprobe(PLAIN, false);
	const uint8_t other = 0x12;
	world_write(p + K_OPCODE, &other, 1);
	world_write_guarded(PLAIN, &int3, 1);
	world_pass(60000);
	assert_int_equal(world->events, 1);
}

static void test_kprobe_optimized(void **state)
{
	(void)state;
	uint64_t slots = HEAP + 0x5000, page = MODULE_AREA + 0x200000;
	world_map(page, world_page(), WORLD_X);
	world_put(slots + I_LIST, INSN_SLOTS);
	world_put(slots + I_INSNS, page);
	world_put(INSN_SLOTS, slots + I_LIST);
	kprobe(PLAIN, true);
	world_write_guarded(PLAIN, &int3, 1);
	world_branch(PLAIN, 0xe9, page + 0x80);
	world_pass(60000);
	assert_int_equal(world->events, 0);
	world_branch(PLAIN, 0xe9, MODULE_AREA + 0x300000);
	world_pass(60000);
	assert_int_equal(world->events, 1);
}

/* --- page tables --- */

static void test_remapped(void **state)
{
	(void)state;
	uint64_t frame = world_page();
	memcpy(world->memory + frame, world->memory + PHYS + 0x3000, 4096);
	world_map(TEXT + 0x3000, frame, WORLD_X);
	world_pass(5000);
	assert_int_equal(world->events, 1);
	assert_true(world_says("\"what\":\"page_table\""));
	assert_true(world_says("another frame"));
	assert_true(world_says("\"expected\":\"rx 0x203000\""));
}

static void test_rights(void **state)
{
	(void)state;
	world_map(RODATA, PHYS + (RODATA - TEXT), WORLD_W);
	world_pass(5000);
	assert_int_equal(world->events, 1);
	assert_true(world_says("\"found\":\"rw 0x400000\""));
	world_map(TEXT + 0x2000, PHYS + 0x2000, 0);
	world_pass(5000);
	assert_int_equal(world->events, 2);
	assert_true(world_says("\"expected\":\"rx 0x202000\",\"found\":\"r 0x202000\""));
}

static void test_rights_for_a_moment(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 200; i++) {
		world_map(TEXT + 0x2000, PHYS + 0x2000, WORLD_X | WORLD_W);
		world_pass(60);
		world_map(TEXT + 0x2000, PHYS + 0x2000, WORLD_X);
		world_pass(173);
	}
	assert_int_equal(world->events, 0);
}

/* --- executable memory --- */

static void test_code(void **state)
{
	(void)state;
	uint64_t va = 0xffffc90000123000ull, frame = world_page();
	memcpy(world->memory + frame, "\x31\xc0\xc3", 3);
	world_map(va, frame, WORLD_X);
	world_map(va + 4096, world_page(), WORLD_X);
	world_pass(1000);
	assert_int_equal(world->events, 0);
	world_pass(4000);
	assert_int_equal(world->events, 1);
	assert_true(world_says("\"what\":\"code\""));
	assert_true(world_says("\"address\":\"0xffffc90000123000\""));
	assert_true(world_says("\"found\":\"31c0c30000"));
}

static void test_code_of_bpf(void **state)
{
	(void)state;
	uint64_t ksym = HEAP + 0x6000, va = MODULE_AREA + 0x400000;
	world_put(ksym + B_START, va + 0x40);
	world_put(ksym + B_END, va + 0x800);
	world_put(ksym + B_NODE, BPF_KSYMS);
	world_put(BPF_KSYMS, ksym + B_NODE);
	world_map(va, world_page(), WORLD_X);
	world_pass(20000);
	assert_int_equal(world->events, 0);
	world_put(BPF_KSYMS, BPF_KSYMS);
	world_pass(20000);
	assert_int_equal(world->events, 1);
}

static void test_code_of_the_start(void **state)
{
	(void)state;
	world_map(MODULE_AREA + 0x500000, world_page(), WORLD_X);
	world_run_kernel();
	world_pass(20000);
	assert_int_equal(world->events, 0);
}

static void test_data_is_no_code(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 64; i++)
		world_map(0xffffc90000200000ull + i * 4096, world_page(), WORLD_W);
	world_pass(20000);
	assert_int_equal(world->events, 0);
}

/* --- modules --- */

static void test_module_comes_and_goes(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 50; i++) {
		uint64_t module = world_module(i % 4, "honest");
		world_pass(100 + i * 37);
		world_put(module + M_STATE, 2);
		world_unlist(module);
		world_pass(i * 20); /* RCU's grace */
		world_unmap(MODULE_AREA + i % 4 * 4096);
	}
	world_pass(10000);
	assert_int_equal(world->events, 0);
	assert_int_equal(integrity_stats(world->integrity).modules, 0);
}

static void test_module_hides(void **state)
{
	(void)state;
	uint64_t module = world_module(0, "evil");
	world_pass(2000);
	world_unlist(module);
	world_pass(4000);
	assert_int_equal(world->events, 1);
	assert_true(world_says("\"what\":\"module\""));
	assert_true(world_says("\"module\":\"evil\""));
	assert_true(world_says("vanished"));
	world_pass(20000);
	assert_int_equal(world->events, 1);
}

/* It takes itself off in its init function, before anybody looked. */
static void test_module_hides_at_once(void **state)
{
	(void)state;
	uint64_t module = world_module(0, "evil");
	struct probe_hit hit = {.tsc = world->tsc, .arg = {module}};
	world->probes.probe[0].hit(world->probes.ctx, &hit);
	world_unlist(module);
	world_pass(5000);
	assert_int_equal(world->events, 1);
	assert_true(world_says("never came into the list"));
	assert_true(world_says("\"module\":\"evil\""));
}

static void test_module_says_it_goes(void **state)
{
	(void)state;
	uint64_t module = world_module(0, "evil");
	world_pass(2000);
	world_put(module + M_STATE, 2);
	world_unlist(module);
	world_pass(20000);
	assert_int_equal(world->events, 0);
	world_pass(20000);
	assert_int_equal(world->events, 1);
}

/* --- a hostile kernel --- */

/* Lists of any length: a look-up of an owner goes through all of them. */
static void test_long_lists(void **state)
{
	(void)state;
	uint64_t chain = MODULE_AREA + 0x80000, nodes = 64 * 64;
	for (uint64_t i = 0; i < 64; i++)
		world_map(chain + i * 4096, world_page(), WORLD_W);
	for (uint64_t i = 0; i < nodes; i++)
		for (uint64_t word = 0; word < 8; word++)
			world_put(chain + i * 64 + word * 8,
				  i + 1 < nodes ? chain + (i + 1) * 64 : 0);
	world_put(BPF_KSYMS, chain);
	world_put(INSN_SLOTS, chain + 64);
	world_put(FTRACE_OPS_LIST, chain + 128);
	world_branch(FTRACE_SITE(2), 0xe8, MODULE_AREA);
	for (uint64_t i = 0; i < 8; i++)
		world_map(MODULE_AREA + 0x10000 + i * 0x2000, world_page(), WORLD_X);
	world_pass(10000);
	assert_true(world->reads_most < 60000);
}

static void test_lists_without_end(void **state)
{
	(void)state;
	uint64_t a = HEAP + 0x7000;
	/* Loops that do not come back to the head, and wild pointers. */
	world_put(a, a);
	world_put(a + O_NEXT, a);
	world_put(MODULES, a);
	world_put(BPF_KSYMS, a);
	world_put(INSN_SLOTS, a);
	world_put(FTRACE_OPS_LIST, a);
	for (uint32_t i = 0; i < 64; i++)
		world_put(KPROBES + i * 8ull, i % 2 ? a : 0xdeadbeef00000000ull + i);
	world_branch(FTRACE_SITE(2), 0xe8, MODULE_AREA);
	world_write(PLAIN, &int3, 1);
	world_pass(30000);
	/* A read of a page table's entry is one; a step is bounded to some hundred thousands. */
	assert_true(world->reads_most < 200000);
	assert_true(world->events >= 1);
}

static void test_flood(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < FTRACE_SITES; i++)
		world_branch(FTRACE_SITE(i), 0xe9, MODULE_AREA + 0x1000 * i);
	world_pass(60000);
	const struct integrity_stats s = integrity_stats(world->integrity);
	assert_int_equal(s.found, FTRACE_SITES);
	assert_int_equal(world->events + s.held, FTRACE_SITES);
}

int main(void)
{
#define RUNNING(test) cmocka_unit_test_setup_teardown(test, running_world, close_world)
#define BOOTING(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)
	const struct CMUnitTest tests[] = {
		RUNNING(test_quiet),
		RUNNING(test_ftrace),
		RUNNING(test_ftrace_elsewhere),
		RUNNING(test_ftrace_unlisted),
		RUNNING(test_int3_stays),
		RUNNING(test_jump_label),
		RUNNING(test_plain_text),
		RUNNING(test_plain_text_swept),
		RUNNING(test_each_line),
		RUNNING(test_syscall_table),
		BOOTING(test_changed_while_booting),
		BOOTING(test_without_guards),
		RUNNING(test_undo),
		RUNNING(test_undo_not_sure),
		RUNNING(test_freeze),
		RUNNING(test_kprobe),
		RUNNING(test_kprobe_lies),
		RUNNING(test_kprobe_optimized),
		RUNNING(test_remapped),
		RUNNING(test_rights),
		RUNNING(test_rights_for_a_moment),
		RUNNING(test_code),
		RUNNING(test_code_of_bpf),
		BOOTING(test_code_of_the_start),
		RUNNING(test_data_is_no_code),
		RUNNING(test_module_comes_and_goes),
		RUNNING(test_module_hides),
		RUNNING(test_module_hides_at_once),
		RUNNING(test_module_says_it_goes),
		RUNNING(test_long_lists),
		RUNNING(test_lists_without_end),
		RUNNING(test_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
