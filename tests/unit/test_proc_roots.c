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
	unsigned gone, lived;
	struct roots_about last, last_lived;
	/* What the core knows of every root. */
	uint64_t switches, switched;
	unsigned forgotten;
};

static const volatile uint64_t *page(void *ctx, uint64_t gpa)
{
	struct fixture *f = ctx;
	assert_int_equal(gpa % 4096, 0);
	return gpa / 4096 < PAGES ? f->guest[gpa / 4096] : NULL;
}

static uint64_t forget(void *ctx, uint64_t root, uint64_t *last_tsc)
{
	struct fixture *f = ctx;
	assert_int_equal(root % 4096, 0);
	f->forgotten++;
	*last_tsc = f->switched;
	return f->switches;
}

static void lived(void *ctx, const struct roots_about *about)
{
	struct fixture *f = ctx;
	f->lived++;
	f->last_lived = *about;
}

static void gone(void *ctx, const struct roots_about *about)
{
	struct fixture *f = ctx;
	f->gone++;
	f->last = *about;
}

/* A root that was switched to at `tsc` and is looked at at once. */
static enum roots_result seen(struct fixture *f, uint64_t root, uint64_t tsc, uint32_t cpu)
{
	return roots_seen(f->roots, root, tsc, tsc, cpu, false);
}

/* Looks at which nothing is due to be told. */
static bool sweep(struct fixture *f, uint32_t count)
{
	return roots_sweep(f->roots, count, 1000, 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct roots_ops ops = {
		.ctx = f, .page = page, .forget = forget, .lived = lived, .gone = gone};
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
	assert_int_equal(ROOTS_NEW, seen(f, 0x7000, 11, 1));
	/* PCID and no-flush bits do not make another one. */
	assert_int_equal(ROOTS_OLD, seen(f, 0x7005, 12, 0));
	assert_int_equal(ROOTS_OLD, seen(f, 0x8000000000007001ull, 13, 0));
	assert_int_equal(roots_count(f->roots), 1);
	sweep(f, 100);
	assert_int_equal(f->gone, 0);
}

/* The kernel's table and a process that has not begun have no user half: they stay, if they are
 * switched to again. */
static void test_no_user_half(void **state)
{
	struct fixture *f = *state;
	make_process(f, 3);
	f->guest[3][255] = f->guest[3][170] = 0;
	assert_int_equal(ROOTS_NEW, seen(f, 0x3000, 1, 0));
	f->switches = 1;
	for (uint64_t now = 10; now < 20; now++) {
		f->switched = now; /* after the look before */
		assert_false(roots_sweep(f->roots, 8, now, 0));
	}
	assert_int_equal(f->gone, 0);
	assert_int_equal(roots_count(f->roots), 1);
	/* It is not doubted for ever. */
	assert_in_range(f->forgotten, 2, 6);
	f->switches = 7 - f->forgotten;
	assert_false(roots_sweep(f->roots, 8, 1000, 1));
	assert_int_equal(f->lived, 1);
	/* It begins, then ends. */
	f->guest[3][100] = 0x9000 | PRESENT;
	sweep(f, 8);
	assert_int_equal(f->gone, 0);
	f->guest[3][100] = 0;
	sweep(f, 1);
	assert_int_equal(f->gone, 1);
	assert_int_equal(f->last.root, 0x3000);
	assert_int_equal(f->last.switches, 7); /* those that the core forgot first count too */
	assert_true(f->last.told);
	assert_int_equal(roots_count(f->roots), 0);
}

/* The page is used for something else, or for the table of another kernel half. */
static void test_page_reused(void **state)
{
	struct fixture *f = *state;
	make_process(f, 4);
	make_process(f, 5);
	assert_int_equal(ROOTS_NEW, seen(f, 0x4000, 44, 2));
	assert_int_equal(ROOTS_NEW, seen(f, 0x5000, 55, 3));
	/* Accessed and dirty bits, and new kernel mappings, mean nothing. */
	f->guest[4][511] ^= 0x60;
	f->guest[4][401] = PRESENT;
	sweep(f, 2);
	assert_int_equal(f->gone, 0);
	memset(f->guest[4], 0xaa, 4096);
	sweep(f, 2);
	assert_int_equal(f->gone, 1);
	assert_int_equal(f->last.root, 0x4000);
	assert_int_equal(f->last.first_tsc, 44);
	assert_int_equal(f->last.cpu, 2);
	f->guest[5][511] = 0x777000 | PRESENT;
	sweep(f, 2);
	assert_int_equal(f->gone, 2);
	/* The page can be a root again. */
	make_process(f, 5);
	assert_int_equal(ROOTS_NEW, seen(f, 0x5000, 66, 0));
	sweep(f, 2);
	assert_int_equal(f->gone, 2);
}

/* The same kernel gives the page to its next process: none of the user's entries is left. */
static void test_page_given_on(void **state)
{
	struct fixture *f = *state;
	make_process(f, 6);
	assert_int_equal(ROOTS_NEW, seen(f, 0x6000, 1, 0));
	/* Mappings come and go, one of the first ones stays. */
	f->guest[6][170] = 0;
	f->guest[6][20] = 0x888000 | PRESENT;
	for (int i = 0; i < 4; i++)
		sweep(f, 8);
	assert_int_equal(f->gone, 0);
	f->guest[6][255] = 0x999000 | PRESENT;
	sweep(f, 8);
	assert_int_equal(f->gone, 1);
	/* The next one is told when it runs. */
	assert_int_equal(ROOTS_NEW, seen(f, 0x6000, 2, 0));
	sweep(f, 8);
	assert_int_equal(f->gone, 1);
}

static void test_outside_window(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(ROOTS_UNWATCHED, seen(f, (uint64_t)PAGES << 12, 1, 0));
	assert_int_equal(ROOTS_UNWATCHED, seen(f, 0x000ffffffffff000ull, 1, 0));
	assert_int_equal(roots_count(f->roots), 0);
	assert_int_equal(roots_unwatched(f->roots), 2);
	sweep(f, 64);
}

/* As many as fit, all gone again in any order; the set stays consistent. */
static void test_many(void **state)
{
	struct fixture *f = *state;
	for (unsigned i = 0; i < ROOTS_MAX; i++) {
		make_process(f, i);
		assert_int_equal(ROOTS_NEW, seen(f, (uint64_t)i << 12, i + 1, 0));
	}
	assert_int_equal(roots_count(f->roots), ROOTS_MAX);
	assert_int_equal(ROOTS_UNWATCHED, seen(f, (uint64_t)ROOTS_MAX << 12, 1, 0));
	assert_int_equal(roots_unwatched(f->roots), 1);
	for (unsigned i = 0; i < ROOTS_MAX; i++)
		assert_int_equal(ROOTS_OLD, seen(f, (uint64_t)i << 12, 1, 0));

	for (unsigned i = 0; i < ROOTS_MAX; i += 2)
		memset(f->guest[i], 0, 4096);
	for (int i = 0; i < 2 * ROOTS_MAX / 64; i++)
		sweep(f, 64);
	assert_int_equal(f->gone, ROOTS_MAX / 2);
	assert_int_equal(roots_count(f->roots), ROOTS_MAX / 2);
	for (unsigned i = 0; i < ROOTS_MAX; i++) {
		make_process(f, i);
		assert_int_equal(seen(f, (uint64_t)i << 12, 1, 0), i % 2 ? ROOTS_OLD : ROOTS_NEW);
	}
	assert_int_equal(roots_count(f->roots), ROOTS_MAX);
}

/* A slice looks at no more than it is told, and in turn. */
static void test_slices(void **state)
{
	struct fixture *f = *state;
	for (unsigned i = 0; i < 100; i++) {
		make_process(f, i);
		seen(f, (uint64_t)i << 12, 1, 0);
		memset(f->guest[i], 0, 4096);
	}
	for (unsigned i = 1; i <= 10; i++) {
		sweep(f, 10);
		assert_int_equal(f->gone, 10 * i);
	}
	sweep(f, 10);
	assert_int_equal(f->gone, 100);
}

/* Told once it has lived long enough; gone sooner, it is told as one that was not. */
static void test_lived(void **state)
{
	struct fixture *f = *state;
	make_process(f, 8);
	make_process(f, 9);
	make_process(f, 10);
	assert_int_equal(ROOTS_NEW, seen(f, 0x8000, 100, 1));
	assert_int_equal(ROOTS_NEW, seen(f, 0x9000, 200, 0));
	assert_int_equal(ROOTS_NEW, roots_seen(f->roots, 0xa000, 50, 300, 0, true));
	assert_false(roots_sweep(f->roots, 8, 1000, 99));
	assert_int_equal(f->lived, 0);
	assert_false(roots_sweep(f->roots, 8, 1000, 100));
	assert_int_equal(f->lived, 1);
	assert_int_equal(f->last_lived.root, 0x8000);
	assert_int_equal(f->last_lived.first_tsc, 100);
	assert_int_equal(f->last_lived.cpu, 1);
	assert_int_equal(f->forgotten, 0);
	/* The second ends before it is due; the first is told once only; the third never. */
	memset(f->guest[9], 0, 4096);
	f->switches = 5;
	f->switched = 222;
	assert_true(roots_sweep(f->roots, 8, 1000, 500));
	assert_int_equal(f->lived, 1);
	assert_int_equal(f->gone, 1);
	assert_int_equal(f->last.root, 0x9000);
	assert_false(f->last.told);
	assert_int_equal(f->last.switches, 5);
	assert_int_equal(f->last.last_tsc, 222);
	memset(f->guest[10], 0, 4096);
	assert_true(roots_sweep(f->roots, 8, 1000, 500));
	assert_true(f->last.told);
	assert_false(roots_sweep(f->roots, 8, 1000, 500));
	assert_int_equal(f->lived, 1);
	assert_int_equal(roots_count(f->roots), 1);
}

/* Exited before the first look: an empty user half and no switch since. */
static void test_gone_before_the_look(void **state)
{
	struct fixture *f = *state;
	make_process(f, 11);
	make_process(f, 12);
	make_process(f, 13);
	f->guest[11][255] = f->guest[11][170] = 0;
	f->switches = 2;
	f->switched = 120;
	assert_int_equal(ROOTS_NEW, roots_seen(f->roots, 0xb000, 100, 150, 0, false));
	/* What is no table of this kernel's any more, but data. */
	assert_int_equal(ROOTS_NEW, roots_seen(f->roots, 0xc000, 101, 150, 0, false));
	memset(f->guest[13], 0x77, 4096);
	assert_int_equal(ROOTS_NEW, roots_seen(f->roots, 0xd000, 102, 150, 0, false));
	assert_false(roots_sweep(f->roots, 8, 200, 99));
	assert_int_equal(f->gone, 0);
	assert_true(roots_sweep(f->roots, 8, 250, 102));
	assert_int_equal(f->gone, 2);
	assert_false(f->last.told);
	assert_int_equal(f->last.switches, 2);
	assert_int_equal(f->last.last_tsc, 120);
	assert_int_equal(f->lived, 1);
	assert_int_equal(f->last_lived.root, 0xc000);
	assert_int_equal(f->forgotten, 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_seen_once),     T(test_no_user_half),   T(test_page_reused),
		T(test_page_given_on), T(test_outside_window), T(test_many),
		T(test_slices),	       T(test_lived),	       T(test_gone_before_the_look),
	};
	return cmocka_run_group_tests_name("proc_roots", tests, NULL, NULL);
}
