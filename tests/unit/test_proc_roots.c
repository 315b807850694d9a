/* Address spaces by page-table root, over a fake guest memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ids/proc/roots.h"

#define PAGES	5000
#define PRESENT 0x63ull

struct fixture {
	uint64_t (*guest)[ROOTS_ENTRIES];
	void *memory;
	struct roots *roots;
	unsigned gone;
	uint64_t last_gone, last_first;
	uint32_t last_cpu;
};

static const volatile uint64_t *page(void *ctx, uint64_t gpa)
{
	struct fixture *f = ctx;
	assert_int_equal(gpa % 4096, 0);
	return gpa / 4096 < PAGES ? f->guest[gpa / 4096] : NULL;
}

static void gone(void *ctx, uint64_t root, uint64_t first_tsc, uint32_t cpu)
{
	struct fixture *f = ctx;
	f->gone++;
	f->last_gone = root;
	f->last_first = first_tsc;
	f->last_cpu = cpu;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct roots_ops ops = {.ctx = f, .page = page, .gone = gone};
	assert_non_null(f);
	f->guest = calloc(PAGES, sizeof(*f->guest));
	f->memory = calloc(1, roots_memory());
	f->roots = roots_init(f->memory, &ops);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	free(f->guest);
	free(f->memory);
	free(f);
	return 0;
}

/* As a Linux process: kernel half alike in all, user half with a stack and a program. */
static void make_process(struct fixture *f, unsigned n)
{
	uint64_t *table = f->guest[n];
	for (unsigned i = 400; i < 512; i += 3)
		table[i] = (uint64_t)i << 20 | PRESENT;
	table[511] = 0x12345000 | PRESENT;
	table[255] = (uint64_t)n << 12 | PRESENT;
	table[170] = (uint64_t)n << 13 | PRESENT;
}

static void test_seen_once(void **state)
{
	struct fixture *f = *state;
	make_process(f, 7);
	assert_true(roots_seen(f->roots, 0x7000, 11, 1));
	/* PCID and no-flush bits do not make another one. */
	assert_false(roots_seen(f->roots, 0x7005, 12, 0));
	assert_false(roots_seen(f->roots, 0x8000000000007001ull, 13, 0));
	assert_int_equal(roots_count(f->roots), 1);
	roots_sweep(f->roots, 100);
	assert_int_equal(f->gone, 0);
}

/* The kernel's table and a process that has not begun have no user half: they stay. */
static void test_no_user_half(void **state)
{
	struct fixture *f = *state;
	make_process(f, 3);
	f->guest[3][255] = f->guest[3][170] = 0;
	assert_true(roots_seen(f->roots, 0x3000, 1, 0));
	for (int i = 0; i < 10; i++)
		roots_sweep(f->roots, 8);
	assert_int_equal(f->gone, 0);
	/* It begins, then ends: the second look in a row at an empty half counts. */
	f->guest[3][100] = 0x9000 | PRESENT;
	roots_sweep(f->roots, 8);
	f->guest[3][100] = 0;
	roots_sweep(f->roots, 1);
	assert_int_equal(f->gone, 0);
	f->guest[3][100] = 0x9000 | PRESENT;
	roots_sweep(f->roots, 1);
	f->guest[3][100] = 0;
	roots_sweep(f->roots, 1);
	assert_int_equal(f->gone, 0);
	roots_sweep(f->roots, 1);
	assert_int_equal(f->gone, 1);
	assert_int_equal(f->last_gone, 0x3000);
	assert_int_equal(roots_count(f->roots), 0);
}

/* The page is used for something else, or for the table of another kernel half. */
static void test_page_reused(void **state)
{
	struct fixture *f = *state;
	make_process(f, 4);
	make_process(f, 5);
	assert_true(roots_seen(f->roots, 0x4000, 44, 2));
	assert_true(roots_seen(f->roots, 0x5000, 55, 3));
	/* Accessed and dirty bits, and new kernel mappings, mean nothing. */
	f->guest[4][511] ^= 0x60;
	f->guest[4][401] = PRESENT;
	roots_sweep(f->roots, 2);
	assert_int_equal(f->gone, 0);
	memset(f->guest[4], 0xaa, 4096);
	roots_sweep(f->roots, 2);
	assert_int_equal(f->gone, 1);
	assert_int_equal(f->last_gone, 0x4000);
	assert_int_equal(f->last_first, 44);
	assert_int_equal(f->last_cpu, 2);
	f->guest[5][511] = 0x777000 | PRESENT;
	roots_sweep(f->roots, 2);
	assert_int_equal(f->gone, 2);
	/* The page can be a root again. */
	make_process(f, 5);
	assert_true(roots_seen(f->roots, 0x5000, 66, 0));
	roots_sweep(f->roots, 2);
	assert_int_equal(f->gone, 2);
}

/* The same kernel gives the page to its next process: none of the user's entries is left. */
static void test_page_given_on(void **state)
{
	struct fixture *f = *state;
	make_process(f, 6);
	assert_true(roots_seen(f->roots, 0x6000, 1, 0));
	/* Mappings come and go, one of the first ones stays. */
	f->guest[6][170] = 0;
	f->guest[6][20] = 0x888000 | PRESENT;
	for (int i = 0; i < 4; i++)
		roots_sweep(f->roots, 8);
	assert_int_equal(f->gone, 0);
	f->guest[6][255] = 0x999000 | PRESENT;
	roots_sweep(f->roots, 8);
	assert_int_equal(f->gone, 1);
	/* The next one is told when it runs. */
	assert_true(roots_seen(f->roots, 0x6000, 2, 0));
	roots_sweep(f->roots, 8);
	assert_int_equal(f->gone, 1);
}

static void test_outside_window(void **state)
{
	struct fixture *f = *state;
	assert_true(roots_seen(f->roots, (uint64_t)PAGES << 12, 1, 0));
	assert_true(roots_seen(f->roots, 0x000ffffffffff000ull, 1, 0));
	assert_int_equal(roots_count(f->roots), 0);
	assert_int_equal(roots_unwatched(f->roots), 2);
	roots_sweep(f->roots, 64);
}

/* As many as fit, all gone again in any order; the set stays consistent. */
static void test_many(void **state)
{
	struct fixture *f = *state;
	for (unsigned i = 0; i < ROOTS_MAX; i++) {
		make_process(f, i);
		assert_true(roots_seen(f->roots, (uint64_t)i << 12, i, 0));
	}
	assert_int_equal(roots_count(f->roots), ROOTS_MAX);
	assert_true(roots_seen(f->roots, (uint64_t)ROOTS_MAX << 12, 0, 0));
	assert_int_equal(roots_unwatched(f->roots), 1);
	for (unsigned i = 0; i < ROOTS_MAX; i++)
		assert_false(roots_seen(f->roots, (uint64_t)i << 12, 0, 0));

	for (unsigned i = 0; i < ROOTS_MAX; i += 2)
		memset(f->guest[i], 0, 4096);
	for (int i = 0; i < 2 * ROOTS_MAX / 64; i++)
		roots_sweep(f->roots, 64);
	assert_int_equal(f->gone, ROOTS_MAX / 2);
	assert_int_equal(roots_count(f->roots), ROOTS_MAX / 2);
	for (unsigned i = 0; i < ROOTS_MAX; i++) {
		make_process(f, i);
		assert_int_equal(roots_seen(f->roots, (uint64_t)i << 12, 0, 0), i % 2 == 0);
	}
	assert_int_equal(roots_count(f->roots), ROOTS_MAX);
}

/* A slice looks at no more than it is told, and in turn. */
static void test_slices(void **state)
{
	struct fixture *f = *state;
	for (unsigned i = 0; i < 100; i++) {
		make_process(f, i);
		roots_seen(f->roots, (uint64_t)i << 12, 0, 0);
		memset(f->guest[i], 0, 4096);
	}
	for (unsigned i = 1; i <= 10; i++) {
		roots_sweep(f->roots, 10);
		assert_int_equal(f->gone, 10 * i);
	}
	roots_sweep(f->roots, 10);
	assert_int_equal(f->gone, 100);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_seen_once),	   T(test_no_user_half),   T(test_page_reused),
	    T(test_page_given_on), T(test_outside_window), T(test_many),
	    T(test_slices),
	};
	return cmocka_run_group_tests_name("proc_roots", tests, NULL, NULL);
}
