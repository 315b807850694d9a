/* The walk over the task list: all of it, while it changes, and never without an end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ids/proc/tasklist.h"
#include "tests/unit/views_world.h"

#define TASKS 300u

static struct tasklist list;
static uint64_t task[TASKS];
static bool seen[200000];
static uint32_t met_count;

static void met(void *ctx, const struct tasklist_task *t)
{
	(void)ctx;
	met_count++;
	if (t->pid >= 0 && t->pid < 200000)
		seen[t->pid] = true;
}

static int setup(void **state)
{
	(void)state;
	world_open();
	for (uint32_t i = 0; i < TASKS; i++)
		task[i] = world_fork_quietly(i + 1);
	assert_int_equal(tasklist_init(&list, NULL), 0);
	memset(seen, 0, sizeof(seen));
	met_count = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_close();
	return 0;
}

static enum tasklist_result walk(uint32_t slice)
{
	enum tasklist_result result;
	uint32_t steps = 0;
	tasklist_begin(&list);
	while ((result = tasklist_step(&list, slice, met, NULL)) == TASKLIST_MORE)
		assert_true(steps++ < 200000);
	return result;
}

static void whole(void **state)
{
	(void)state;
	for (uint32_t slice = 1; slice < 400; slice += 57) {
		met_count = 0;
		assert_int_equal(walk(slice), TASKLIST_END);
		assert_int_equal(met_count, TASKS);
	}
	assert_int_equal(tasklist_before(&list, task[7]), task[6]);
	assert_int_equal(tasklist_before(&list, task[0]), world->init);
	world_unlink(task[7]);
	assert_int_equal(tasklist_before(&list, task[7]), 0);
	assert_int_equal(tasklist_before(&list, 0x1234), 0);
}

/* Between the slices elements go, also those where the walk stands, and their memory is used for
 * other things; every task that stays is met. */
static void changing(void **state)
{
	(void)state;
	srand(7);
	for (uint32_t round = 0; round < 60; round++) {
		enum tasklist_result result = TASKLIST_MORE;
		bool gone[TASKS] = {false};
		memset(seen, 0, sizeof(seen));
		tasklist_begin(&list);
		for (uint32_t i = 0; result == TASKLIST_MORE; i++) {
			result = tasklist_step(&list, 24, met, NULL);
			for (uint32_t n = 0; n < 4; n++) {
				uint32_t t = (uint32_t)rand() % TASKS;
				if (n == 0 && list.at.at != list.head)
					t = world_get32(list.at.at - T_TASKS + T_PID) - 1;
				if (t >= TASKS || gone[t])
					continue;
				gone[t] = true;
				world_unlink(task[t]);
				world_put32(task[t] + T_EXIT, 16);
				if (rand() % 2)
					for (uint32_t at = 0; at < T_SIZE; at += 8)
						world_put(task[t] + at, (uint64_t)rand() * 8);
			}
		}
		assert_int_equal(result, TASKLIST_END);
		for (uint32_t t = 0; t < TASKS; t++) {
			if (!gone[t])
				assert_true(seen[t + 1]);
			else
				task[t] = world_fork_quietly(t + 1);
		}
	}
}

/* Every way to make a list without an end. */
static void loops(void **state)
{
	(void)state;
	for (uint32_t from = 0; from < TASKS; from += 23) {
		for (uint32_t to = 0; to <= from; to += 17) {
			uint64_t keep = world_get(task[from] + T_TASKS);
			world_put(task[from] + T_TASKS, task[to] + T_TASKS);
			met_count = 0;
			assert_int_equal(walk(64), TASKLIST_BROKEN);
			assert_true(met_count < 100 * TASKS);
			world_put(task[from] + T_TASKS, keep);
		}
	}
	assert_int_equal(walk(64), TASKLIST_END);
}

static void wild(void **state)
{
	static const uint64_t pointers[] = {0,
					    8,
					    0xdead000000000100,
					    ~0ull,
					    ~7ull,
					    WORLD_KERNEL + WORLD_ARENA - 8,
					    WORLD_KERNEL + 3};
	(void)state;
	for (uint32_t i = 0; i < 7; i++) {
		for (uint32_t at = 0; at < TASKS; at += 99) {
			uint64_t keep = world_get(task[at] + T_TASKS);
			world_put(task[at] + T_TASKS, pointers[i]);
			met_count = 0;
			assert_int_equal(walk(64), TASKLIST_BROKEN);
			assert_true(met_count < 100 * TASKS);
			world_put(task[at] + T_TASKS, keep);
		}
	}
	/* An empty list, and one whose head leads nowhere. */
	uint64_t head = world->init + T_TASKS;
	world_put(head, head);
	assert_int_equal(walk(64), TASKLIST_END);
	world_put(head, 8);
	assert_int_equal(walk(64), TASKLIST_BROKEN);
	/* No alarm comes from that. */
	world_run(3000);
	assert_int_equal(world->hidden, 0);
	assert_true(views_stats(world->views).walks_broken > 5);
}

/* A hundred thousand elements: the walk ends, and says nothing. */
static void endless(void **state)
{
	(void)state;
	for (uint32_t i = TASKS; i < TASKLIST_MAX + 100; i++) {
		uint64_t t = world_alloc(T_SIZE);
		world_put32(t + T_PID, i);
		world_put32(t + T_TGID, i);
		world_link(t);
	}
	assert_int_equal(walk(64), TASKLIST_BROKEN);
	assert_true(met_count <= TASKLIST_MAX);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(whole), TEST(changing), TEST(loops), TEST(wild), TEST(endless),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
