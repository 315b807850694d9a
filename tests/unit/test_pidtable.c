/* The PID table: what the kernel's own tree holds is found, and a broken one ends the look. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hv/errno.h"
#include "ids/proc/pidtable.h"
#include "tests/unit/views_world.h"

static struct pidtable table;

static int setup(void **state)
{
	(void)state;
	world_open();
	assert_int_equal(pidtable_init(&table, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_close();
	return 0;
}

/* All entries of a sweep: how many, and the sum of their numbers; a negative error. */
static int sweep(uint64_t *sum)
{
	struct pidtable_entry entry[PIDTABLE_SLOTS];
	uint32_t nr = 1, all = 0;
	*sum = 0;
	for (uint32_t calls = 0; nr < PIDTABLE_END; calls++) {
		uint32_t before = nr;
		int count = pidtable_next(&table, &nr, entry);
		if (count < 0)
			return count;
		assert_true(nr > before && calls < 70000);
		for (int i = 0; i < count; i++) {
			assert_true(entry[i].nr >= before && entry[i].nr < nr);
			*sum += entry[i].nr;
		}
		all += (uint32_t)count;
	}
	return (int)all;
}

static void empty(void **state)
{
	uint64_t pid, sum;
	(void)state;
	assert_int_equal(pidtable_find(&table, 1, &pid), -ENOENT);
	assert_int_equal(sweep(&sum), 0);
}

static void found(void **state)
{
	static const uint32_t numbers[] = {1,	   2,	   63,	    64,	     65,
					   127,	   128,	   4095,    4096,    4097,
					   262143, 262144, 4194303, 1000000, 300000};
	uint64_t pid, task, sum, all = 0;
	(void)state;
	for (uint32_t i = 0; i < 15; i++) {
		world_pid_add(numbers[i], world_alloc(T_SIZE));
		all += numbers[i];
		for (uint32_t j = 0; j <= i; j++) {
			assert_int_equal(pidtable_find(&table, numbers[j], &pid), 0);
			assert_int_equal(pidtable_task(&table, pid, &task), 0);
		}
		assert_int_equal(sweep(&sum), i + 1);
		assert_int_equal(sum, all);
	}
	assert_int_equal(pidtable_find(&table, 3, &pid), -ENOENT);
	assert_int_equal(pidtable_find(&table, 262145, &pid), -ENOENT);
	assert_int_equal(pidtable_find(&table, UINT32_MAX, &pid), -ENOENT);
	world_pid_remove(4096);
	assert_int_equal(pidtable_find(&table, 4096, &pid), -ENOENT);
	assert_int_equal(sweep(&sum), 14);
	/* One without a task: it is being made, or only remembered. */
	world_pid_add(77, 0);
	assert_int_equal(pidtable_find(&table, 77, &pid), 0);
	assert_int_equal(pidtable_task(&table, pid, &task), -ENOENT);
	assert_int_equal(pidtable_task(&table, 8, &task), -EFAULT);
}

/* Entries that mean: nothing here, or not now. */
static void marks(void **state)
{
	static const uint64_t entries[] = {1, 3, 0x402, 0x406, 2, 0xffe, 4094};
	uint64_t pid, sum, head;
	(void)state;
	world_fork(100);
	world_fork(5000);
	head = world_get(world->ns + NS_HEAD);
	uint64_t top = head - 2 + NODE_SLOTS;
	uint64_t leaf = world_get(world_get(top) - 2 + NODE_SLOTS + 8) - 2 + NODE_SLOTS;
	for (uint32_t i = 0; i < 7; i++) {
		world_put(leaf + 36 * 8, entries[i]); /* of 100 */
		assert_int_equal(pidtable_find(&table, 100, &pid), -ENOENT);
		assert_int_equal(sweep(&sum), 1);
		uint64_t keep = world_get(top);
		world_put(top, entries[i]);
		assert_int_equal(pidtable_find(&table, 100, &pid), -ENOENT);
		assert_int_equal(sweep(&sum), 1);
		world_put(top, keep);
		world_put(world->ns + NS_HEAD, entries[i]);
		assert_int_equal(pidtable_find(&table, 100, &pid), -ENOENT);
		assert_int_equal(sweep(&sum), 0);
		world_put(world->ns + NS_HEAD, head);
	}
}

/* Trees that go in circles, or nowhere. */
static void hostile(void **state)
{
	uint64_t pid, sum;
	(void)state;
	world_fork(100);
	world_fork(5000);
	uint64_t head = world_get(world->ns + NS_HEAD);
	uint64_t top = head - 2 + NODE_SLOTS;
	uint64_t below = world_get(top);
	uint64_t bad[] = {head, WORLD_KERNEL + WORLD_ARENA - 6, 0x8000000000000002,
			  0xfffffffffffffffe};
	for (uint32_t i = 0; i < 4; i++) {
		world_put(top, bad[i]);
		assert_int_equal(pidtable_find(&table, 100, &pid), -EFAULT);
		assert_int_equal(sweep(&sum), -EFAULT);
	}
	world_put(top, below);
	for (uint32_t shift = 0; shift < 256; shift++) {
		world_put32(head - 2, shift);
		if (shift == 12)
			continue;
		(void)pidtable_find(&table, 5000, &pid);
		assert_true(sweep(&sum) <= 64);
	}
	world_put32(head - 2, 12);
	assert_int_equal(sweep(&sum), 2);
	/* The table broken: no alarm from it, and none from the rest. */
	world_run(1000);
	world_put(world->ns + NS_HEAD, bad[2]);
	world_run(3000);
	struct views_stats s = views_stats(world->views);
	assert_int_equal(world->hidden, 0);
	assert_true(s.sweeps_broken > 5);
	/* The list is still looked at. */
	world_unlink(world->proc[0].va);
	world_run(1000);
	assert_int_equal(world->hidden, 1);
}

/* A table of a million is not gone through for ever. */
static void endless(void **state)
{
	(void)state;
	world_fork(1);
	world_fork(300000);
	uint64_t leaf = world_alloc(NODE_SIZE), node = world_alloc(NODE_SIZE);
	uint64_t high = world_alloc(NODE_SIZE), top = world_alloc(NODE_SIZE);
	uint64_t pid = world_alloc(PID_SIZE);
	world_put(pid + PID_TASKS, world->proc[0].va + T_LINKS);
	world_put32(node, 6);
	world_put32(high, 12);
	world_put32(top, 18);
	for (uint32_t i = 0; i < 64; i++) {
		world_put(leaf + NODE_SLOTS + i * 8, pid);
		world_put(node + NODE_SLOTS + i * 8, leaf + 2);
		world_put(high + NODE_SLOTS + i * 8, node + 2);
		world_put(top + NODE_SLOTS + i * 8, high + 2);
	}
	world_put(world->ns + NS_HEAD, top + 2);
	world_run(3000);
	assert_true(views_stats(world->views).sweeps_broken > 0);
	assert_true(views_stats(world->views).walks > 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(empty), TEST(found), TEST(marks), TEST(hostile), TEST(endless),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
