/* Patchers: callbacks that belong to nobody, and modules that change where functions go on. */
#include "tests/unit/integrity_stage.h"

#include <stdio.h>

#define LIST	 (STAGE_IMAGE + 0x90000)
#define LIST_END (STAGE_IMAGE + 0x90100)
#define TABLE	 (STAGE_IMAGE + 0x91000)
#define RETPROBE (STAGE_IMAGE + 0x3000)
#define CALLBACK (STAGE_IMAGE + 0x4000)
#define TARGET	 (STAGE_IMAGE + 0x5000)
#define MODULE	 (STAGE_MODULES + 0x1000)
#define HIDDEN	 (STAGE_MODULES + 0x8000)
#define IPMODIFY (1u << 12)

enum { O_FUNC = 0, O_NEXT = 8, O_FLAGS = 16, O_HASH = 24, O_SIZE = 64 };
enum { K_HLIST = 0, K_LIST = 16, K_ADDR = 40, K_PRE = 48, K_POST = 56, K_SIZE = 128 };
enum { R_KP = 0, R_HANDLER = 96, R_ENTRY = 104 };

static int setup(void **state)
{
	(void)state;
	stage_open(&check_patchers);
	stage_symbol("ftrace_ops_list", LIST);
	stage_symbol("ftrace_list_end", LIST_END);
	stage_symbol("kprobe_table", TABLE);
	stage_symbol("pre_handler_kretprobe", RETPROBE);
	stage_symbol("filldir64", TARGET);
	stage_offset("ftrace_ops", "func", O_FUNC);
	stage_offset("ftrace_ops", "next", O_NEXT);
	stage_offset("ftrace_ops", "flags", O_FLAGS);
	stage_offset("ftrace_ops", "func_hash", O_HASH);
	stage_offset("ftrace_ops_hash", "filter_hash", 8);
	stage_offset("ftrace_hash", "size_bits", 0);
	stage_offset("ftrace_hash", "buckets", 8);
	stage_offset("ftrace_func_entry", "ip", 16);
	stage_offset("kprobe", "hlist", K_HLIST);
	stage_offset("kprobe", "list", K_LIST);
	stage_offset("kprobe", "addr", K_ADDR);
	stage_offset("kprobe", "pre_handler", K_PRE);
	stage_offset("kprobe", "post_handler", K_POST);
	stage_offset("kretprobe", "kp", R_KP);
	stage_offset("kretprobe", "handler", R_HANDLER);
	stage_offset("kretprobe", "entry_handler", R_ENTRY);
	stage_put(LIST, LIST_END);
	stage_module(0, "nice", MODULE, 0x1000);
	assert_null(stage_attach());
	stage_run(500);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stage_close();
	return 0;
}

static uint64_t add_ops(uint64_t func, uint32_t flags)
{
	uint64_t ops = stage_alloc(O_SIZE);
	stage_put(ops + O_FUNC, func);
	stage_put(ops + O_FLAGS, flags);
	stage_put(ops + O_NEXT, stage_get(LIST));
	stage_put(LIST, ops);
	return ops;
}

static void filter(uint64_t ops, uint64_t ip)
{
	uint64_t hashes = stage_alloc(16), hash = stage_alloc(32), table = stage_alloc(32),
		 entry = stage_alloc(32);
	stage_put(ops + O_HASH, hashes);
	stage_put(hashes + 8, hash);
	stage_put(hash, 2);
	stage_put(hash + 8, table);
	stage_put(table + 24, entry);
	stage_put(entry + 16, ip);
}

static uint64_t new_probe(uint64_t pre, uint64_t post)
{
	uint64_t probe = stage_alloc(K_SIZE);
	stage_put(probe + K_LIST, probe + K_LIST);
	stage_put(probe + K_ADDR, TARGET);
	stage_put(probe + K_PRE, pre);
	stage_put(probe + K_POST, post);
	return probe;
}

static uint64_t add_probe(uint32_t head, uint64_t pre, uint64_t post)
{
	uint64_t probe = new_probe(pre, post);
	stage_put(probe + K_HLIST, stage_get(TABLE + head * 8));
	stage_put(TABLE + head * 8, probe + K_HLIST);
	return probe;
}

static void assert_told(enum integrity_what what, uint64_t address, const char *reason)
{
	stage_run(1000);
	assert_in_range(stage->told, 1, 20); /* integrity_tell() tells it once */
	assert_int_equal(stage->last.what, what);
	assert_int_equal(stage->last.address, address);
	if (!strstr(stage->reason, reason))
		fail_msg("\"%s\" is not in \"%s\"", reason, stage->reason);
	stage->told = 0;
}

static void assert_quiet(void)
{
	stage_run(2000);
	assert_int_equal(stage->told, 0);
}

static void test_benign(void **state)
{
	(void)state;
	add_ops(CALLBACK, 0);
	add_ops(CALLBACK, IPMODIFY); /* live patching, kprobes, BPF */
	add_ops(MODULE + 0x10, 0);   /* a module that traces */
	add_probe(3, CALLBACK, 0);
	add_probe(3, MODULE + 0x20, MODULE + 0x30);
	uint64_t ret = add_probe(63, RETPROBE, 0);
	stage_put(ret + R_HANDLER, MODULE + 0x40);
	assert_quiet();
}

static void test_hidden_callback(void **state)
{
	(void)state;
	add_ops(CALLBACK, 0);
	uint64_t ops = add_ops(HIDDEN, 0);
	char text[64];
	add_ops(CALLBACK, 0);
	assert_told(WHAT_FTRACE, HIDDEN, "neither");
	assert_string_equal(stage->symbol, "?");
	snprintf(text, sizeof(text), "ftrace_ops at 0x%llx", (unsigned long long)ops);
	assert_string_equal(stage->found, text);
}

/* One look is no proof: a module that is being unloaded. */
static void test_once(void **state)
{
	(void)state;
	uint64_t ops = add_ops(HIDDEN, 0);
	for (uint32_t i = 0; i < 10; i++) {
		stage_run(320);
		stage_put(ops + O_FUNC, i & 1 ? HIDDEN : CALLBACK);
	}
	assert_int_equal(stage->told, 0);
}

/* Several of nobody's: the first does not hide the others. */
static void test_two_hidden(void **state)
{
	(void)state;
	(void)add_ops(HIDDEN + 8, 0);
	assert_told(WHAT_FTRACE, HIDDEN + 8, "neither");
	(void)add_ops(HIDDEN, 0);
	assert_told(WHAT_FTRACE, HIDDEN, "neither");
}

/* Names of what is told are dear to find: one finding in a pass. */
static void test_many_modifiers(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 8; i++)
		(void)add_ops(MODULE + 0x10 + i * 8, IPMODIFY);
	stage_run(1000);
	assert_in_range(stage->told, 1, 4);
}

static void test_modifier(void **state)
{
	(void)state;
	filter(add_ops(MODULE + 0x10, IPMODIFY), TARGET);
	assert_told(WHAT_FTRACE, MODULE + 0x10, "a module changes where filldir64 goes on");
	assert_string_equal(stage->symbol, "");
	stage->modules_listed = 0; /* now it hides */
	stage_run(2000);	   /* the modules are read again */
	assert_told(WHAT_FTRACE, MODULE + 0x10, "neither");
}

/* The module is loaded again where it was, and changes another function. */
static void test_other_target(void **state)
{
	(void)state;
	uint64_t ops = add_ops(MODULE + 0x10, IPMODIFY);
	filter(ops, TARGET);
	assert_told(WHAT_FTRACE, MODULE + 0x10, "a module changes where filldir64 goes on");
	assert_quiet();
	stage_symbol("other_function", TARGET + 0x40);
	filter(ops, TARGET + 0x40);
	assert_told(WHAT_FTRACE, MODULE + 0x10, "other_function goes on");
}

static void test_hidden_probes(void **state)
{
	(void)state;
	uint64_t probe = add_probe(0, HIDDEN, 0);
	assert_told(WHAT_KPROBE, HIDDEN, "the handler of filldir64");
	stage_put(probe + K_PRE, CALLBACK);
	assert_quiet();
	stage_put(probe + K_POST, HIDDEN + 8);
	assert_told(WHAT_KPROBE, HIDDEN + 8, "neither");
	stage_put(probe + K_POST, 0);
	/* One of several on one place. */
	uint64_t other = new_probe(HIDDEN + 16, 0);
	stage_put(probe + K_LIST, other + K_LIST);
	stage_put(other + K_LIST, probe + K_LIST);
	assert_told(WHAT_KPROBE, HIDDEN + 16, "neither");
	stage_put(other + K_PRE, RETPROBE);
	stage_put(other + R_HANDLER, HIDDEN + 24);
	assert_told(WHAT_KPROBE, HIDDEN + 24, "neither");
	stage_put(other + R_HANDLER, CALLBACK);
	assert_quiet();
}

/* Lists without an end and wild pointers cost a bounded number of reads. */
static void test_hostile(void **state)
{
	(void)state;
	uint64_t ops = add_ops(CALLBACK, 0), probe = add_probe(5, CALLBACK, 0),
		 other = new_probe(CALLBACK, 0);
	stage_put(ops + O_NEXT, ops);
	stage_put(probe + K_HLIST, probe + K_HLIST);
	stage_put(probe + K_LIST, other + K_LIST);
	stage_put(other + K_LIST, other + K_LIST);
	for (uint32_t i = 0; i < 200; i++) {
		stage->reads = 0;
		stage_run(1);
		assert_in_range(stage->reads, 0, 2000);
	}
	assert_int_equal(stage->told, 0);
	/* What lies behind it is found all the same. */
	add_probe(6, HIDDEN, 0);
	assert_told(WHAT_KPROBE, HIDDEN, "neither");
	stage_put(TABLE + 6 * 8, 0);
	stage_put(LIST, 0x1234);
	stage_put(TABLE, 0xdead000000000100);
	stage_run(1000);
	assert_int_equal(stage->told, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_benign),	    T(test_hidden_callback), T(test_once),
		T(test_two_hidden), T(test_many_modifiers),  T(test_other_target),
		T(test_modifier),   T(test_hidden_probes),   T(test_hostile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
