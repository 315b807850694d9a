/* Hidden processes: each technique is found, and told once with the views that miss it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/views_world.h"

static uint64_t task[16], lister;

/* A guest with a few processes, settled. */
static int setup(void **state)
{
	(void)state;
	world_open();
	for (uint32_t i = 0; i < 16; i++)
		task[i] = world_fork(i < 8 ? i + 1 : 400 + i * 100);
	lister = world_fork(3000);
	world_run(1000);
	assert_int_equal(world->hidden, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_close();
	return 0;
}

/* What the last event says of the views. */
static void assert_views(const char *views)
{
	if (!strstr(world->last, views))
		fail_msg("no %s in %s", views, world->last);
}

static uint64_t list(uint32_t size)
{
	struct world_reader r = world_reader(lister, size);
	world_list(&r);
	assert_int_equal(r.user_saw, world->filter == FILTER_NONE && world->filtered);
	world_run(50);
	return r.names;
}

static void innocent(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		list(32768);
	world_run(5000);
	struct views_stats s = views_stats(world->views);
	assert_int_equal(world->hidden, 0);
	assert_int_equal(s.listings, 5);
	assert_int_equal(s.absences, 0);
	assert_int_equal(s.groups, 17);
	assert_true(s.walks >= 20 && s.sweeps >= 20 && !s.walks_broken && !s.sweeps_broken);
	assert_true(s.tasklist && s.pidtable && s.proc);
}

static void unlinked(void **state)
{
	(void)state;
	world_ran(task[10]);
	world_unlink(task[10]);
	uint64_t begin = world->tsc;
	while (!world->hidden && world->tsc < begin + 2 * WORLD_HZ)
		world_run(10);
	assert_int_equal(world->hidden, 1);
	assert_true(world->tsc - begin < WORLD_HZ * 6 / 10);
	assert_views("\"action\":\"hidden\",\"pid\":1400,\"tgid\":1400,\"ppid\":1,\"uid\":33,"
		     "\"comm\":\"sleep\",\"exe\":\"/tmp/\\\"evil\\\"\",\"cr3\":\"0x5000\","
		     "\"views\":{\"ran\":true,\"tasklist\":false,\"pidtable\":true},\"flows\":[]");
	/* Once. */
	world_run(5000);
	assert_int_equal(world->hidden, 1);
	assert_int_equal(views_stats(world->views).hidden, 1);
	assert_int_equal(world_proc(task[10])->hidden, 1 << VIEW_TASKLIST);
	/* And back again. */
	world_link(task[10]);
	world_run(1000);
	assert_int_equal(world->hidden, 1);
	assert_int_equal(world->unhidden, 1);
	assert_views("\"action\":\"unhidden\"");
	assert_views("\"tasklist\":true");
	assert_int_equal(views_stats(world->views).hidden, 0);
	assert_int_equal(world_proc(task[10])->hidden, 0);
}

/* With the neighbours' way back left wrong, the walk must not be stopped by it. */
static void unlinked_crookedly(void **state)
{
	(void)state;
	for (int i = 8; i < 14; i += 2) {
		uint64_t own = task[i] + T_TASKS;
		world_put(world_get(own + 8), world_get(own));
		world_put(own, own);
		world_put(own + 8, own);
	}
	world_run(1000);
	assert_int_equal(world->hidden, 3);
	assert_int_equal(views_stats(world->views).walks_broken, 0);
}

static void out_of_the_table(void **state)
{
	(void)state;
	world_pid_remove(1400);
	world_run(1000);
	assert_int_equal(world->hidden, 1);
	assert_views("\"tasklist\":true,\"pidtable\":false}");
}

/* The number leads to another's task. */
static void table_forged(void **state)
{
	(void)state;
	world_pid_remove(1400);
	world_pid_add(1400, task[3]);
	world_run(1000);
	assert_int_equal(world->hidden, 1);
	assert_views("\"pid\":1400");
	assert_views("\"pidtable\":false}");
}

static void from_all(void **state)
{
	(void)state;
	world->filtered = 1400;
	world->filter = FILTER_SKIP;
	world_unlink(task[10]);
	world_pid_remove(1400);
	list(32768);
	list(32768);
	world_run(1000);
	assert_true(world->hidden >= 1 && world->hidden <= 2);
	assert_views("\"tasklist\":false,\"pidtable\":false,\"proc\":false}");
	/* It ends: nothing is told, nothing is hidden. */
	uint32_t told = world->hidden;
	world_exit(task[10]);
	world_run(100);
	world_proc_remove(task[10]);
	world_run(3000);
	assert_int_equal(world->hidden, told);
	assert_int_equal(world->unhidden, 0);
	assert_int_equal(views_stats(world->views).hidden, 0);
}

static void filtered(enum world_filter filter, uint32_t size, bool old, bool on_stack)
{
	struct world_reader r = world_reader(lister, size);
	r.old = old;
	r.on_stack = on_stack;
	world->filter = filter;
	world->filtered = 1400;
	world_list(&r);
	world_run(200);
	assert_false(r.user_saw);
	assert_int_equal(world->hidden, 0); /* one is no proof */
	world_list(&r);
	world_run(200);
	assert_int_equal(world->hidden, 1);
	assert_views("\"tasklist\":true,\"pidtable\":true,\"proc\":false}");
	world_list(&r);
	world_run(200);
	assert_int_equal(world->hidden, 1);
	world->filter = FILTER_NONE;
	world_list(&r);
	world_run(200);
	assert_true(r.user_saw);
	assert_int_equal(world->unhidden, 0);
	world_list(&r);
	world_run(200);
	assert_int_equal(world->unhidden, 1);
}

static void never_emitted(void **state)
{
	(void)state;
	filtered(FILTER_SKIP, 32768, false, false);
}

static void never_emitted_to_small_buffers(void **state)
{
	(void)state;
	filtered(FILTER_SKIP, 64, false, true);
}

static void merged(void **state)
{
	(void)state;
	filtered(FILTER_MERGE, 32768, false, true);
}

static void merged_old_call(void **state)
{
	(void)state;
	filtered(FILTER_MERGE, 32768, true, false);
}

static void moved(void **state)
{
	(void)state;
	filtered(FILTER_MOVE, 32768, false, false);
}

static void moved_in_batches(void **state)
{
	(void)state;
	filtered(FILTER_MOVE, 120, false, false);
}

/* The last of the batch was merged into the one before: stale bytes follow. */
static void merged_last(void **state)
{
	(void)state;
	uint64_t evil = world_fork(4000);
	world_run(500);
	struct world_reader r = world_reader(lister, 32768);
	world_list(&r); /* leaves its entry in the buffer, too */
	world->filter = FILTER_MERGE;
	world->filtered = 4000;
	for (int i = 0; i < 3; i++) {
		memset(world->user, i ? 0xee : 0, sizeof(world->user));
		world_list(&r);
		assert_false(r.user_saw);
		world_run(100);
	}
	assert_int_equal(world->hidden, 1);
	assert_views("\"pid\":4000");
	assert_non_null(world_proc(evil));
}

/* No fork made it and no list has it, but it runs. */
static void unknown_that_runs(void **state)
{
	(void)state;
	uint64_t evil = world_fork_quietly(2222);
	world_unlink(evil);
	world_pid_remove(2222);
	for (int i = 0; i < 40 && !world->hidden; i++) {
		world_ran(evil);
		world_run(20);
	}
	assert_int_equal(world->hidden, 1);
	assert_views("\"pid\":2222");
	assert_views("{\"ran\":true,\"tasklist\":false,\"pidtable\":false}");
	assert_true(views_stats(world->views).unknown > 0);
}

/* Nor is it known to procs, but in the table. */
static void only_in_the_table(void **state)
{
	(void)state;
	world_unlink(world_fork_quietly(2222));
	world_run(1000);
	assert_int_equal(world->hidden, 1);
	assert_views("{\"ran\":false,\"tasklist\":false,\"pidtable\":true}");
}

/* Its numbers are changed, its exit is pretended. */
static void numbers_forged(void **state)
{
	(void)state;
	world_unlink(task[10]);
	world_pid_remove(1400);
	world_put32(task[10] + T_PID, 0);
	world_run(1000);
	assert_int_equal(world->hidden, 1);
	assert_views("\"pid\":1400");
}

static void exit_pretended(void **state)
{
	(void)state;
	world_unlink(task[10]);
	world_put32(task[10] + T_FLAGS, TASK_PF_EXITING);
	for (int i = 0; i < 40; i++) {
		world_ran(task[10]);
		world_run(100);
	}
	assert_int_equal(world->hidden, 1);
}

/* An idle task runs all the time, and is in no list. */
static void idle_tasks(void **state)
{
	(void)state;
	uint64_t idle = world_alloc(T_SIZE);
	world_put32(idle + T_FLAGS, TASK_PF_IDLE);
	for (int i = 0; i < 50; i++) {
		world_ran(idle);
		world_ran(world->init);
		world_ran(0);
		world_ran(12345);
		world_run(20);
	}
	assert_int_equal(world->hidden, 0);
	assert_int_equal(views_stats(world->views).groups, 17);
}

/* No room for the event: it is told later. */
static void told_when_there_is_room(void **state)
{
	(void)state;
	world->room = 0;
	world_unlink(task[10]);
	world_run(1000);
	assert_int_equal(world->hidden, 0);
	world->room = 100;
	world_run(200);
	assert_int_equal(world->hidden, 1);
}

/* A new kernel: nothing of the old one is left. */
static void attached_again(void **state)
{
	(void)state;
	world_unlink(task[10]);
	world_run(1000);
	assert_int_equal(world->hidden, 1);
	world_link(task[10]);
	views_attach(world->views, NULL, NULL);
	assert_int_equal(views_stats(world->views).hidden, 0);
	assert_int_equal(views_stats(world->views).groups, 0);
	world_run(1000);
	assert_int_equal(world->hidden, 1);
	assert_int_equal(views_stats(world->views).groups, 17);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(innocent),
		TEST(unlinked),
		TEST(unlinked_crookedly),
		TEST(out_of_the_table),
		TEST(table_forged),
		TEST(from_all),
		TEST(never_emitted),
		TEST(never_emitted_to_small_buffers),
		TEST(merged),
		TEST(merged_old_call),
		TEST(merged_last),
		TEST(moved),
		TEST(moved_in_batches),
		TEST(unknown_that_runs),
		TEST(only_in_the_table),
		TEST(numbers_forged),
		TEST(exit_pretended),
		TEST(idle_tasks),
		TEST(told_when_there_is_room),
		TEST(attached_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
