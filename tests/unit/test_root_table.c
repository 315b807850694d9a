/* The table of page-table roots against a plain model. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hv/errno.h"
#include "hv/root_table.h"

static struct root_table *t;

static int setup(void **state)
{
	(void)state;
	t = calloc(1, sizeof(*t));
	return t ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(t);
	return 0;
}

/* Entries in use are as many as it says, and each is found by a walk from its home. */
static void check(void)
{
	uint32_t used = 0;

	for (uint32_t i = 0; i < ROOT_TABLE_SIZE; i++) {
		if (!t->slot[i].root)
			continue;
		used++;
		assert_ptr_equal(root_table_find(t, ROOT_OF(&t->slot[i])), &t->slot[i]);
	}
	assert_int_equal(used, t->used);
	assert_true(used <= ROOT_TABLE_LIMIT);
}

static void counting(void **state)
{
	struct root_entry evicted, gone, *e;

	(void)state;
	e = root_table_switch(t, 0x12345000, 100, &evicted);
	assert_int_equal(ROOT_OF(e), 0x12345000);
	assert_int_equal(e->switches, 1);
	assert_int_equal(evicted.root, 0);
	root_table_switch(t, 0x99999000, 150, &evicted);
	e = root_table_switch(t, 0x12345fff, 200, &evicted); /* bits 11:0 do not count */
	assert_int_equal(e->switches, 2);
	assert_int_equal(e->first_tsc, 100);
	assert_int_equal(e->last_tsc, 200);
	assert_int_equal(t->used, 2);
	/* Frame 0 is a root like another. */
	assert_null(root_table_find(t, 0));
	e = root_table_switch(t, 0, 300, &evicted);
	assert_int_equal(e->switches, 1);
	assert_ptr_equal(root_table_find(t, 0), e);

	assert_int_equal(root_table_remove(t, 0x12345000, &gone), 0);
	assert_int_equal(gone.switches, 2);
	assert_int_equal(gone.last_tsc, 200);
	assert_int_equal(root_table_remove(t, 0x12345000, &gone), -ENOENT);
	assert_int_equal(root_table_remove(t, 0x99999000, NULL), 0);
	assert_null(root_table_find(t, 0x99999000));
	/* Seen again it is new. */
	e = root_table_switch(t, 0x12345000, 400, &evicted);
	assert_int_equal(e->switches, 1);
	assert_int_equal(e->first_tsc, 400);
	check();
}

/* Insert and delete for long: no slot is lost, nothing left behind that lengthens probes. */
static void no_rot(void **state)
{
	static bool present[4096];
	struct root_entry evicted;
	uint32_t count = 0, seed = 7;

	(void)state;
	memset(present, 0, sizeof(present));
	for (uint32_t i = 0; i < 200000; i++) {
		uint32_t n;

		seed = seed * 1664525 + 1013904223;
		n = (seed >> 12) % 4096;
		if (present[n]) {
			assert_int_equal(root_table_remove(t, (uint64_t)n << 12, NULL), 0);
			present[n] = false;
			count--;
		} else if (count < ROOT_TABLE_LIMIT) {
			root_table_switch(t, (uint64_t)n << 12, i, &evicted);
			assert_int_equal(evicted.root, 0);
			present[n] = true;
			count++;
		}
		assert_int_equal(t->used, count);
	}
	for (uint32_t n = 0; n < 4096; n++)
		assert_int_equal(root_table_find(t, (uint64_t)n << 12) != NULL, present[n]);
	check();
	for (uint32_t n = 0; n < 4096; n++)
		if (present[n])
			assert_int_equal(root_table_remove(t, (uint64_t)n << 12, NULL), 0);
	for (uint32_t i = 0; i < ROOT_TABLE_SIZE; i++)
		assert_int_equal(t->slot[i].root, 0);
}

static void full(void **state)
{
	struct root_entry evicted;
	uint32_t old = 0;

	(void)state;
	for (uint64_t n = 0; n < ROOT_TABLE_LIMIT; n++) {
		root_table_switch(t, n << 13, n, &evicted);
		assert_int_equal(evicted.root, 0);
	}
	assert_int_equal(t->used, ROOT_TABLE_LIMIT);
	check();
	/* The next ones are recorded all the same; others give way, and are told. */
	for (uint64_t n = ROOT_TABLE_LIMIT; n < 3 * ROOT_TABLE_LIMIT; n++) {
		struct root_entry *e = root_table_switch(t, n << 13, n, &evicted);

		assert_int_equal(e->switches, 1);
		assert_int_equal(ROOT_OF(e), n << 13);
		assert_true(evicted.root != 0);
		assert_true(evicted.last_tsc < n);
		assert_null(root_table_find(t, ROOT_OF(&evicted)));
		if (n - evicted.last_tsc > ROOT_TABLE_LIMIT / 2)
			old++;
		assert_int_equal(t->used, ROOT_TABLE_LIMIT);
	}
	assert_int_equal(t->replaced, 2 * ROOT_TABLE_LIMIT);
	assert_true(old > ROOT_TABLE_LIMIT * 3 / 2); /* mostly long unused ones */
	check();
	/* One that is used all the time stays. */
	root_table_switch(t, 0xabcdef000, 1000000, &evicted);
	for (uint64_t n = 0; n < 10000; n++) {
		root_table_switch(t, 0x100000000 + (n << 13), 1000001 + n, &evicted);
		root_table_switch(t, 0xabcdef000, 1000001 + n, &evicted);
		assert_int_equal(evicted.root, 0);
	}
	assert_int_equal(root_table_find(t, 0xabcdef000)->switches, 10001);
}

/* Roots that all have the same home slot: a cluster that wraps around the end. */
static void one_cluster(void **state)
{
	uint64_t same[64], n = 1;
	struct root_entry evicted;
	uint32_t found = 0;

	(void)state;
	for (; found < 64; n++) {
		uint64_t hash = n * 0x9e3779b97f4a7c15ull >> (64 - ROOT_TABLE_BITS);

		if (hash == ROOT_TABLE_SIZE - 3)
			same[found++] = n << 12;
	}
	for (uint32_t i = 0; i < 64; i++)
		root_table_switch(t, same[i], i, &evicted);
	check();
	for (uint32_t i = 0; i < 64; i += 3) {
		assert_int_equal(root_table_remove(t, same[i], NULL), 0);
		check();
	}
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(root_table_find(t, same[i]) != NULL, i % 3 != 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(counting), TEST(no_rot), TEST(full),
					   TEST(one_cluster)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
