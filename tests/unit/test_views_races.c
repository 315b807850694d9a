/* What comes and goes while the views are compared: nothing of it is hidden. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/views_world.h"

#define OLD 40u

static uint64_t old[OLD], lister;
static uint32_t seed;

static uint32_t dice(uint32_t sides)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % sides;
}

static int setup(void **state)
{
	(void)state;
	world_open();
	for (uint32_t i = 0; i < OLD; i++)
		old[i] = world_fork(i + 1);
	lister = world_fork(99);
	world_run(600);
	seed = 1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(world->hidden, 0);
	assert_int_equal(views_stats(world->views).hidden, 0);
	world_close();
	return 0;
}

/* --- a fork storm --------------------------------------------------------------------------------
 */

#define STORM 64u

static struct {
	uint64_t task[STORM];
	uint8_t stage[STORM]; /* 0: none, 1: lives, 2: a zombie, 3: released, procs is not told yet
			       */
	uint32_t next, forks, list_every;
	struct world_reader reader[3];
	uint8_t reading[3];
} storm;

/* Each step is one that happens between two slices; procs hears of it late, and of some things
 * only after the next. */
static void storm_step(struct world *w)
{
	for (uint32_t n = dice(12); n; n--) {
		uint32_t i = dice(STORM);
		uint64_t task = storm.task[i];
		uint32_t pid = 300 + storm.next % 700; /* numbers are used again */
		switch (storm.stage[i]) {
		case 0:
			storm.next++;
			storm.task[i] = task = world_fork_quietly(pid);
			storm.forks++;
			storm.stage[i] = 1;
			if (dice(4))
				world_proc_add(task);
			break;
		case 1:
			if (!world_proc(task)) {
				world_proc_add(task);
				break;
			}
			if (dice(3))
				world_ran(task);
			if (dice(8))
				break;
			world_put32(task + T_FLAGS, TASK_PF_EXITING);
			world_put32(task + T_EXIT, 32);
			storm.stage[i] = 2;
			break;
		case 2:
			if (dice(2))
				world_proc(task)->exit_tsc = w->tsc;
			world_put32(task + T_EXIT, 16);
			world_unlink(task);
			world_pid_remove(world_get32(task + T_PID));
			storm.stage[i] = 3;
			break;
		default:
			world_proc_remove(task);
			/* Its memory is used again for anything, now and then. */
			for (uint32_t at = 0; !dice(3) && at < T_SIZE; at += 8)
				world_put(task + at, dice(2) ? ~0ull : WORLD_KERNEL + dice(4096));
			storm.stage[i] = 0;
		}
	}
	for (int i = 0; i < 3; i++) {
		struct world_reader *r = &storm.reader[i];
		if (dice(3))
			continue;
		if (!storm.reading[i])
			world_put(r->file + F_POS, 0);
		world_getdents(r);
		storm.reading[i] = r->got > 0;
	}
}

static void fork_storm(void **state)
{
	(void)state;
	memset(&storm, 0, sizeof(storm));
	uint32_t size[3] = {32768, 512, 96};
	for (int i = 0; i < 3; i++)
		storm.reader[i] = world_reader(old[i], size[i]);
	world->between = storm_step;
	world_run(20000);
	world->between = NULL;
	struct views_stats s = views_stats(world->views);
	assert_true(storm.forks > 2000);
	assert_true(s.walks > 60 && s.sweeps > 60 && s.listings > 50);
	/* And in the storm one is found all the same. */
	world->between = storm_step;
	world_unlink(old[20]);
	world_run(1500);
	assert_int_equal(world->hidden, 1);
	assert_non_null(strstr(world->last, "\"pid\":21,"));
	world_link(old[20]);
	world_run(1500);
	world->between = NULL;
	assert_int_equal(world->unhidden, 1);
	assert_int_equal(world->hidden, 1);
	world->hidden = 0;
}

/* --- exec by a thread that is not the leader
 * ------------------------------------------------------ */

/* Linux: fs/exec.c, de_thread(): the numbers are exchanged, the new leader takes the old one's
 * place in the list, and its start time; the old one is released. */
static void exec_by_thread(uint64_t leader, uint64_t thread)
{
	uint32_t pid = world_get32(leader + T_PID), tid = world_get32(thread + T_PID);
	uint64_t own = leader + T_TASKS, new = thread + T_TASKS;
	world_put32(leader + T_FLAGS, TASK_PF_EXITING);
	world_put(thread + T_START, world_get(leader + T_START));
	world_put32(leader + T_PID, tid);
	world_put32(thread + T_PID, pid);
	world_pid_remove(pid);
	world_pid_add(pid, thread);
	world_pid_remove(tid);
	world_put(new, world_get(own));
	world_put(new + 8, world_get(own + 8));
	world_put(world_get(new + 8), new);
	world_put(world_get(new) + 8, new);
	world_put(own + 8, 0xdead000000000122);
	world_put(thread + T_LEADER, thread);
	world_put32(leader + T_EXIT, 16);
}

static uint64_t swap_leader, swap_thread;
static uint32_t swap_at;

static void swap(struct world *w)
{
	(void)w;
	if (swap_at && !--swap_at) {
		exec_by_thread(swap_leader, swap_thread);
		if (dice(2))
			world_proc(swap_leader)->exit_tsc = w->tsc;
	}
}

static void threads_exec(void **state)
{
	(void)state;
	for (uint32_t i = 1; i < 30; i++) {
		swap_leader = world_fork(1000 + i * 10);
		swap_thread = world_thread(swap_leader, 1001 + i * 10);
		world_run(300 + i);
		swap_at = i;
		world->between = swap;
		world_run(300);
		/* Now procs has heard of it; or has not, and still has both as they were. */
		if (i % 3) {
			struct proc *p = world_proc(swap_thread);
			p->pid = p->tgid;
			world_proc_remove(swap_leader);
		}
		world_ran(swap_thread);
		world_run(1000);
		world->between = NULL;
		world_release(swap_thread);
	}
}

/* --- others
 * ---------------------------------------------------------------------------------------- */

/* The leader has exited, its threads run on; then they go, too. */
static void leader_exits_first(void **state)
{
	(void)state;
	uint64_t leader = world_fork(500), thread = world_thread(leader, 501);
	struct world_reader r = world_reader(lister, 1024);
	world_run(500);
	world_exit(leader);
	for (int i = 0; i < 20; i++) {
		world_list(&r);
		world_ran(thread);
		world_run(200);
	}
	assert_int_equal(world->hidden, 0);
	/* Such a group can be hidden. */
	world_unlink(leader);
	world_run(1000);
	assert_int_equal(world->hidden, 1);
	world_link(leader);
	world_run(1000);
	assert_int_equal(world->unhidden, 1);
	world->hidden = 0;
	/* Released, and procs hears of nothing for a while. */
	world_put32(thread + T_FLAGS, TASK_PF_EXITING);
	world_put32(thread + T_EXIT, 16);
	world_pid_remove(501);
	world_put32(leader + T_EXIT, 16);
	world_unlink(leader);
	world_pid_remove(500);
	world_run(3000);
}

/* Many threads, of which only the leader is in the list and in listings. */
static void threads(void **state)
{
	struct world_reader r = world_reader(lister, 4096);
	(void)state;
	for (uint32_t i = 0; i < 300; i++)
		world_ran(world_thread(old[i % OLD], 1000 + i));
	for (int i = 0; i < 5; i++) {
		world_list(&r);
		world_run(500);
	}
	assert_int_equal(views_stats(world->views).groups, OLD + 1);
}

/* Tasks that procs does not know, of both kinds, that run. */
static void unknown_to_procs(void **state)
{
	(void)state;
	uint64_t leader = world_fork_quietly(700), thread = world_thread(leader, 701);
	world_proc_remove(thread);
	for (int i = 0; i < 50; i++) {
		world_ran(leader);
		world_ran(thread);
		world_run(40);
	}
	struct views_stats s = views_stats(world->views);
	assert_true(s.unknown > 10);
	assert_int_equal(s.groups, OLD + 2);
	/* They end, and nobody tells. */
	world_exit(leader);
	world_release(leader);
	world_run(12000);
	assert_int_equal(views_stats(world->views).groups, OLD + 1);
}

/* The end of a process was lost: procs has it for ever. */
static void exits_lost(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 20; i++) {
		uint64_t task = world_fork(800 + i);
		world_run(100 + i * 7);
		struct proc p = *world_proc(task);
		world_exit(task);
		world_release(task);
		if (i % 3 == 1) /* its memory is another's */
			world_put32(task + T_PID, 3), world_put32(task + T_TGID, 3),
				world_put(task + T_START, 77), world_put32(task + T_FLAGS, 0),
				world_put32(task + T_EXIT, 0);
		p.exit_tsc = 0;
		world->proc[world->procs++] = p;
	}
	world_run(3000);
}

/* More processes than there is room for. */
static void too_many(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < GROUPS_MAX + 200; i++)
		world_fork_quietly(1000 + i);
	world_run(3000);
	struct views_stats s = views_stats(world->views);
	assert_int_equal(s.groups, GROUPS_MAX);
	assert_true(s.folded > 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(fork_storm),	TEST(threads_exec), TEST(leader_exits_first), TEST(threads),
		TEST(unknown_to_procs), TEST(exits_lost),   TEST(too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
