/* BPF programs: those that can falsify are told, wherever the call stands; others are listed. */
#include "tests/unit/integrity_stage.h"

#include <stdio.h>

#define IDR   (STAGE_IMAGE + 0x90000)
#define BASE  (STAGE_IMAGE + 0x60000)
#define WRITE (STAGE_IMAGE + 0x20000)
#define OVER  (STAGE_IMAGE + 0x70000)
#define READ  (STAGE_IMAGE + 0x20100)

enum { P_TYPE = 4, P_ATTACH = 8, P_LEN = 12, P_FUNC = 0x30, P_AUX = 0x38, P_INSNS = 0x48 };
enum { A_NAME = 0x10, A_TARGET = 0x20, A_USER = 0x28 };
enum { TYPE_TRACING = 26, TYPE_XDP = 6, TYPE_SOCKET = 1, MODIFY = 26 };

static uint64_t node; /* of the tree: programs 0 to 63 */

static int setup(void **state)
{
	(void)state;
	stage_open(&check_bpf);
	stage_symbol("prog_idr", IDR);
	stage_symbol("__bpf_call_base", BASE);
	stage_symbol("bpf_probe_write_user", WRITE);
	stage_symbol("bpf_override_return", OVER);
	stage_offset("idr", "idr_rt.xa_head", 8);
	stage_offset("xa_node", "shift", 0);
	stage_offset("xa_node", "slots", 40);
	stage_offset("bpf_prog", "type", P_TYPE);
	stage_offset("bpf_prog", "expected_attach_type", P_ATTACH);
	stage_offset("bpf_prog", "len", P_LEN);
	stage_offset("bpf_prog", "bpf_func", P_FUNC);
	stage_offset("bpf_prog", "aux", P_AUX);
	stage_offset("bpf_prog", "insnsi", P_INSNS);
	stage_offset("bpf_prog_aux", "name", A_NAME);
	stage_offset("bpf_prog_aux", "attach_func_name", A_TARGET);
	stage_offset("bpf_prog_aux", "user", A_USER);
	stage_offset("user_struct", "uid", 0);
	stage_enum("BPF_PROG_TYPE_TRACING", TYPE_TRACING);
	stage_enum("BPF_PROG_TYPE_XDP", TYPE_XDP);
	stage_enum("BPF_MODIFY_RETURN", MODIFY);
	node = stage_alloc(40 + 64 * 8);
	stage_put(IDR + 8, node + 2);
	assert_null(stage_attach());
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stage_close();
	return 0;
}

/* A program of `len` instructions, number `at` of which calls a helper. */
static uint64_t load(uint32_t id, uint32_t type, uint32_t len, uint32_t at, uint64_t helper)
{
	uint64_t prog = stage_alloc(P_INSNS + len * 8ull), aux = stage_alloc(64);
	char name[16];
	for (uint32_t i = 0; i < len; i++)
		stage_put(prog + P_INSNS + i * 8, 0xb7);
	if (helper)
		stage_put(prog + P_INSNS + at * 8, 0x85 | (helper - BASE) << 32);
	snprintf(name, sizeof(name), "prog%u", id);
	strcpy(stage_at(aux + A_NAME, 16), name);
	stage_put(aux + A_USER, stage_alloc(8));
	stage_put32(stage_get(aux + A_USER), 7);
	stage_put32(prog + P_TYPE, type);
	stage_put32(prog + P_LEN, len);
	stage_put(prog + P_AUX, aux);
	stage_put(prog + P_FUNC, STAGE_MODULES + id);
	stage_put(node + 40 + id * 8, prog);
	return prog;
}

static void assert_told(const char *name, const char *does)
{
	stage_run(2000);
	assert_int_equal(stage->told, 1);
	assert_int_equal(stage->last.what, WHAT_BPF);
	assert_string_equal(stage->symbol, name);
	assert_string_equal(stage->found, does);
	stage->told = 0;
	stage_run(2000); /* once */
	assert_int_equal(stage->told, 0);
}

static void test_reader(void **state)
{
	(void)state;
	load(1, TYPE_TRACING, 10, 5, READ);
	stage_run(1000);
	assert_string_equal(stage->log, "integrity: bpf program 1 \"prog1\", tracing, of uid 7");
	stage->log[0] = 0;
	load(2, TYPE_SOCKET, 10, 5, READ);
	stage_run(1000);
	assert_string_equal(stage->log, "");
	assert_int_equal(stage->told, 0);
}

static void test_writer(void **state)
{
	(void)state;
	load(1, TYPE_TRACING, 10, 5, READ);
	load(3, TYPE_TRACING, 10, 0, WRITE);
	assert_told("prog3", "bpf_probe_write_user");
	assert_string_equal(stage->reason,
			    "program 3 of uid 7, tracing: it can falsify what users see");
	/* At the end of one that takes several slices, of a kind that is not listed. */
	load(63, TYPE_SOCKET, 20000, 19999, OVER);
	assert_told("prog63", "bpf_override_return");
}

/* A call of another program has the same number, perhaps; its source register tells. */
static void test_other_calls(void **state)
{
	uint64_t prog = load(4, TYPE_TRACING, 3, 1, WRITE);
	(void)state;
	stage_put(prog + P_INSNS + 8, stage_get(prog + P_INSNS + 8) | 0x1000);
	stage_run(1000);
	assert_int_equal(stage->told, 0);
}

/* The number is given to another program. */
static void test_number_again(void **state)
{
	(void)state;
	load(5, TYPE_XDP, 3, 1, READ);
	stage_run(1000);
	load(5, TYPE_XDP, 3, 1, WRITE);
	assert_told("prog5", "bpf_probe_write_user");
}

static void test_modify_return(void **state)
{
	uint64_t prog = load(6, TYPE_TRACING, 3, 1, READ), name = stage_alloc(32);
	(void)state;
	stage_put32(prog + P_ATTACH, MODIFY);
	stage_put(stage_get(prog + P_AUX) + A_TARGET, name);
	strcpy(stage_at(name, 32), "hid_bpf_tail_call");
	stage_run(1000);
	assert_int_equal(stage->told, 0);
	prog = load(7, TYPE_TRACING, 3, 1, READ);
	stage_put32(prog + P_ATTACH, MODIFY);
	stage_put(stage_get(prog + P_AUX) + A_TARGET, name);
	strcpy(stage_at(name, 32), "__x64_sys_getdents64");
	assert_told("prog7", "modify_return of a system call");
}

static void test_hostile(void **state)
{
	uint64_t prog = load(8, TYPE_TRACING, 3, 1, READ);
	(void)state;
	stage_put32(prog + P_LEN, 0xffffffff); /* runs out of memory */
	stage_put(prog + P_AUX, 0x1234);
	stage_put(node + 40 + 9 * 8, 0x5678);	 /* no program */
	stage_put(node + 40 + 10 * 8, node + 2); /* a loop in the tree */
	stage_run(2000);
	assert_int_equal(stage->told, 0);
	stage_put(node + 40 + 10 * 8, 0);
	load(11, TYPE_TRACING, 3, 1, WRITE);
	assert_told("prog11", "bpf_probe_write_user");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_reader),	      T(test_writer),	     T(test_other_calls),
		T(test_number_again), T(test_modify_return), T(test_hostile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
