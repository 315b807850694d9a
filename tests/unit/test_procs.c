/* Tasks followed through their lives: lines for forks, execs and exits, many short ones in one, and
 * hits that come late, out of order, or of tasks that nobody has seen start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ids/proc/procs.h"
#include "tests/unit/fake_kernel.h"

#define HZ    1000000ull /* TSC: microseconds */
#define MS    (HZ / 1000)
#define START 1700000000000000000ull
#define LINES 64

static struct fake *f;
static struct kernel *k;
static struct procs *p;
static struct eve eve;
static uint64_t seq, tsc;
static void *block[8];
static uint32_t blocks;
static bool no_room;
static char line[LINES][EVE_LINE_MAX];
static uint32_t lines;
static uint64_t shell; /* a process that was there before */

static void *alloc(void *ctx, size_t size)
{
	(void)ctx;
	assert_true(blocks < 8);
	return block[blocks++] = test_calloc(1, size);
}

static void emit(void *ctx, enum eve_class cls, const char *text, size_t len)
{
	(void)ctx;
	assert_int_equal(cls, EVE_CLASS_PROCESS);
	assert_true(lines < LINES);
	memcpy(line[lines++], text, len + 1);
}

static bool admit(void *ctx, enum eve_class cls)
{
	(void)ctx, (void)cls;
	return !no_room;
}

static uint64_t now_ns(void)
{
	return START + tsc * 1000;
}

/* Let time pass; procs works when it wants to. */
static void pass(uint64_t us)
{
	uint64_t end = tsc + us;
	while (tsc < end) {
		uint64_t next = procs_step(p, tsc, now_ns());
		tsc = next > tsc && next < end ? next : end;
	}
	procs_step(p, tsc, now_ns());
}

static int setup(void **state)
{
	const struct eve_config config = {
		.host = "test", .boot = "0", .seq = &seq, .emit = emit, .admit = admit};
	const struct procs_ops ops = {.alloc = alloc, .eve = &eve, .tsc_hz = HZ};
	(void)state;
	f = fake_open(&(struct fake_options){0});
	const struct kernel_ops kernel = {.alloc = alloc, .mem = fake_gmem(f)};
	k = kernel_create(&kernel);
	kernel_anchor(k, fake_lstar(f), f->boot_root, false);
	while (kernel_step(k, 1u << 20) == KERNEL_SEARCHING)
		;
	assert_int_equal(kernel_state(k), KERNEL_READY);
	eve_init(&eve, &config);
	p = procs_create(&ops);
	assert_non_null(p);
	shell = fake_task(f, 10, 0, 0, "sh");
	fake_exec(f, shell, "/bin/sh");
	fake_link(f, shell);
	tsc = 5 * HZ;
	lines = 0;
	no_room = false;
	procs_attach(p, k, now_ns());
	pass(100 * MS);
	assert_int_equal(lines, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	while (blocks)
		test_free(block[--blocks]);
	fake_close(f);
	return 0;
}

/* --- what happens in the guest --- */

static void hit(const char *symbol, uint64_t current, uint64_t arg, uint64_t captured)
{
	struct probe_set set = procs_probes(p);
	struct probe_hit h = {
		.tsc = tsc, .now_ns = now_ns(), .current = current, .captured = captured, .cpu = 1};
	h.arg[0] = arg;
	for (uint32_t i = 0; i < set.count; i++) {
		if (strcmp(set.probe[i].symbol, symbol) == 0) {
			set.probe[i].hit(set.ctx, &h);
			return;
		}
	}
	fail_msg("no probe of %s", symbol);
}

static uint64_t ids(uint64_t task)
{
	uint64_t both;
	memcpy(&both, fake_at(f, task + fake_offset(f, "task_struct", "pid"), 8), 8);
	return both;
}

static void forked(uint64_t task, uint64_t parent)
{
	hit("wake_up_new_task", parent, task, ids(task));
}

static uint64_t fork_one(uint32_t pid, uint64_t parent)
{
	uint64_t task = fake_task(f, pid, 0, parent, "sh");
	forked(task, parent);
	return task;
}

static void exec(uint64_t task, const char *path)
{
	fake_exec(f, task, path);
	hit("security_bprm_committed_creds", task, 0, 0);
}

static void exit_now(uint64_t task, uint64_t code)
{
	hit("do_exit", task, code, 0);
}

static void has(uint32_t n, const char *what)
{
	assert_true(n < lines);
	if (!strstr(line[n], what))
		fail_msg("%s is not in %s", what, line[n]);
}

static void has_not(uint32_t n, const char *what)
{
	assert_true(n < lines);
	if (strstr(line[n], what))
		fail_msg("%s is in %s", what, line[n]);
}

/* --- lives --- */

static void long_life(void **state)
{
	const struct procs_stats *s = procs_stats(p);
	(void)state;
	uint64_t task = fork_one(100, shell);
	pass(990 * MS);
	assert_int_equal(lines, 0);
	pass(20 * MS);
	assert_int_equal(lines, 1);
	has(0, "\"action\":\"fork\",\"pid\":100,\"tgid\":100,\"ppid\":10,");
	has(0, "\"uid\":0,\"comm\":\"sh\",\"exe\":\"/bin/sh\"");
	has(0, "\"cpu\":1,\"start\":\"2023-11-14T22:13:25.100000+0000\"");
	exec(task, "/usr/bin/sleep");
	assert_int_equal(lines, 2);
	has(1, "\"action\":\"exec\",\"pid\":100");
	has(1, "\"comm\":\"sleep\",\"exe\":\"/usr/bin/sleep\",\"cr3\":\"0x");
	fake_cred(f, task, 33);
	hit("commit_creds", task, 0, 0);
	exit_now(task, 0x0300 | 9);
	has(2, "\"action\":\"exit\",\"pid\":100");
	has(2, "\"uid\":33,");
	has(2, "\"code\":3,\"signal\":9");
	has_not(2, "short");
	exit_now(task, 0); /* not a second time */
	assert_int_equal(lines, 3);
	assert_non_null(procs_find(p, task));
	hit("release_task", shell, task, 0);
	assert_null(procs_find(p, task));
	assert_null(procs_find_pid(p, 100));
	pass(5 * HZ);
	assert_int_equal(lines, 3);
	assert_int_equal(s->forks, 1);
	assert_int_equal(s->execs, 1);
	assert_int_equal(s->exits, 1);
	assert_int_equal(s->brief, 0);
}

/* An exec before it is told: one line, as what it is by then. */
static void exec_soon(void **state)
{
	(void)state;
	uint64_t task = fork_one(100, shell);
	pass(10 * MS);
	exec(task, "/usr/bin/top");
	assert_int_equal(lines, 0);
	pass(HZ);
	assert_int_equal(lines, 1);
	has(0, "\"action\":\"exec\",\"pid\":100");
	has(0, "\"exe\":\"/usr/bin/top\"");
}

static void short_life(void **state)
{
	(void)state;
	uint64_t task = fork_one(100, shell);
	pass(2 * MS);
	exec(task, "/bin/true");
	exec(task, "/bin/false");
	pass(3 * MS);
	exit_now(task, 1 << 8);
	hit("release_task", shell, task, 0);
	pass(3 * HZ);
	assert_int_equal(lines, 1);
	has(0, "\"action\":\"exit\",\"pid\":100");
	has(0, "\"code\":1,\"short\":true,\"execs\":2,\"lived_us\":5000");
	assert_int_equal(procs_stats(p)->brief, 1);
}

/* In a second at most 12 short ones have lines of their own; the others are in one, and the sums
 * are right to the last. */
static void storm(void **state)
{
	uint32_t told = 0, count = 0, execs = 0;
	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		uint64_t task = fork_one(1000 + i, shell);
		if (i % 2)
			exec(task, "/bin/true");
		exit_now(task, 0);
		hit("release_task", shell, task, 0);
		pass(25 * MS); /* over two and a half seconds */
	}
	pass(3 * HZ);
	for (uint32_t i = 0; i < lines; i++) {
		const char *many = strstr(line[i], "\"count\":"),
			   *each = strstr(line[i], "\"execs\":");
		has(i, "\"action\":\"exit\"");
		has(i, "\"short\":true");
		assert_non_null(each);
		told += !many;
		count += many ? (uint32_t)atoi(many + 8) : 1;
		execs += (uint32_t)atoi(each + 8);
		if (many)
			assert_non_null(strstr(line[i], "\"start\":\""));
	}
	assert_int_equal(count, 100);
	assert_int_equal(execs, 50);
	assert_in_range(told, 24, 36);
	const struct procs_stats *s = procs_stats(p);
	assert_int_equal(s->forks, 100);
	assert_int_equal(s->exits, 100);
	assert_int_equal(s->brief, 100);
	assert_int_equal(s->untold, 0);
	assert_int_equal(procs_count(p), 1);
}

/* --- late and out of order --- */

/* The task is freed, and its memory used for something else, before the hits are looked at. */
static void freed(void **state)
{
	(void)state;
	uint64_t task = fake_task(f, 100, 0, shell, "sh"), both = ids(task);
	uint8_t *memory = fake_at(f, task, fake_size(f, "task_struct"));
	memset(memory, 0x5a, fake_size(f, "task_struct"));
	hit("wake_up_new_task", shell, task, both);
	hit("security_bprm_committed_creds", task, 0, 0);
	hit("do_exit", task, 0, 0);
	assert_int_equal(lines, 1);
	has(0, "\"pid\":100,\"tgid\":100,\"ppid\":10,\"uid\":0,\"comm\":\"sh\"");
	assert_int_equal(procs_stats(p)->exits, 1);
	hit("release_task", shell, task, 0);
	/* Its page is gone altogether. */
	uint64_t nowhere = f->direct_map + FAKE_HOLE + 64;
	hit("wake_up_new_task", shell, nowhere, both);
	hit("do_exit", nowhere, 0, 0);
	assert_int_equal(lines, 2);
	has(1, "\"pid\":100");
	hit("do_exit", 0x1234, 0, 0); /* and one of which nothing can be known */
	hit("security_bprm_committed_creds", 0, 0, 0);
	hit("wake_up_new_task", shell, 0, 0);
	hit("release_task", shell, 0, 0);
	assert_int_equal(procs_stats(p)->forks, 2);
}

/* Its struct is used for the next process, and the release was not seen. */
static void used_again(void **state)
{
	(void)state;
	uint64_t task = fork_one(100, shell);
	exit_now(task, 0);
	fake_put(f, task, "task_struct", "pid", 101);
	fake_put(f, task, "task_struct", "tgid", 101);
	forked(task, shell);
	assert_int_equal(procs_find(p, task)->pid, 101);
	assert_int_equal(procs_find(p, task)->exit_tsc, 0);
	assert_int_equal(procs_count(p), 2);
	pass(1100 * MS);
	assert_int_equal(lines, 2);
	has(0, "\"action\":\"exit\",\"pid\":100");
	has(1, "\"action\":\"fork\",\"pid\":101");
	/* A late look at the first finds the second: what was known stays. */
	fake_put(f, task, "task_struct", "pid", 102);
	hit("commit_creds", task, 0, 0);
	assert_int_equal(procs_find(p, task)->pid, 101);
}

static void out_of_order(void **state)
{
	(void)state;
	/* Release before exit: the exit is of an unknown one, told with what can be read. */
	uint64_t task = fork_one(100, shell);
	hit("release_task", shell, task, 0);
	exit_now(task, 0);
	assert_int_equal(lines, 1);
	has(0, "\"action\":\"exit\",\"pid\":100");
	assert_int_equal(procs_stats(p)->unknown, 1);
	/* Exec and exit of one that was never seen to start. */
	uint64_t other = fake_task(f, 200, 0, shell, "odd");
	exec(other, "/bin/odd");
	has(1, "\"action\":\"exec\",\"pid\":200");
	has_not(1, "\"start\"");
	exit_now(other, 0);
	has(2, "\"action\":\"exit\",\"pid\":200");
	has_not(2, "short");
	assert_int_equal(procs_stats(p)->unknown, 2);
	assert_int_equal(procs_stats(p)->exits, 2);
}

/* --- kinds of tasks --- */

static void threads(void **state)
{
	(void)state;
	uint64_t leader = fork_one(100, shell);
	uint64_t thread = fake_task(f, 101, leader, shell, "worker");
	forked(thread, leader);
	pass(2 * HZ);
	assert_int_equal(lines, 1); /* of the leader only */
	exit_now(thread, 0);
	hit("release_task", leader, thread, 0);
	assert_int_equal(lines, 1);
	assert_int_equal(procs_stats(p)->threads, 1);
	assert_int_equal(procs_stats(p)->forks, 1);
	assert_int_equal(procs_stats(p)->exits, 0);
	assert_int_equal(procs_find(p, leader)->pid, 100);
}

static void kernel_threads(void **state)
{
	(void)state;
	uint64_t task = fake_task(f, 50, 0, 0, "kworker/0:1");
	fake_put(f, task, "task_struct", "flags", FAKE_KTHREAD);
	forked(task, shell);
	pass(2 * HZ);
	exit_now(task, 0);
	assert_int_equal(lines, 0);
	assert_int_equal(procs_stats(p)->kernel_threads, 1);
	assert_int_equal(procs_stats(p)->forks, 0);
	assert_int_equal(procs_stats(p)->exits, 0);
	assert_true(procs_find(p, task)->flags & TASK_PF_KTHREAD);
}

/* A thread of the kernel's that becomes a program is a process from then on: told in a second, and
 * its exit is no short one. */
static void helper(void **state)
{
	(void)state;
	uint64_t task = fake_task(f, 51, 0, 0, "kworker/u4:2");
	fake_put(f, task, "task_struct", "flags", FAKE_KTHREAD);
	forked(task, 0);
	fake_put(f, task, "task_struct", "flags", 0);
	exec(task, "/sbin/modprobe");
	pass(1100 * MS);
	assert_int_equal(lines, 1);
	has(0, "\"action\":\"exec\",\"pid\":51");
	has(0, "\"exe\":\"/sbin/modprobe\"");
	exit_now(task, 0);
	assert_int_equal(lines, 2);
	has_not(1, "short");
	assert_int_equal(procs_stats(p)->forks, 1);
	assert_int_equal(procs_stats(p)->kernel_threads, 0);
	assert_int_equal(procs_stats(p)->exits, 1);
}

static void io_workers(void **state)
{
	(void)state;
	uint64_t task = fake_task(f, 100, 0, shell, "iou-wrk-100");
	fake_put(f, task, "task_struct", "flags", TASK_PF_IO_WORKER);
	forked(task, shell);
	pass(1100 * MS);
	has(0, "\"io_worker\":true");
}

static void namespaces(void **state)
{
	(void)state;
	uint64_t task = fake_task(f, 300, 0, shell, "init");
	fake_ns_pid(f, task, 2, 1);
	forked(task, shell);
	pass(1100 * MS);
	has(0, "\"pid\":300,\"tgid\":300,\"ppid\":10,\"ns_pid\":1,");
}

/* --- bounds --- */

static void full(void **state)
{
	static uint64_t task[PROCS_MAX + 50];
	uint32_t room = PROCS_MAX - procs_count(p);
	(void)state;
	for (uint32_t i = 0; i < room + 50; i++) {
		task[i] = f->direct_map + FAKE_IMAGE + i * 64; /* nothing can be read of them */
		hit("wake_up_new_task", shell, task[i], (1000ull + i) << 32 | (1000 + i));
	}
	assert_int_equal(procs_count(p), PROCS_MAX);
	assert_int_equal(procs_stats(p)->forks, room + 50);
	assert_int_equal(procs_stats(p)->folded, 50);
	/* One that found no room lives and dies: counted all the same, folded only once. */
	uint64_t real = fake_task(f, 77, 0, shell, "sh");
	forked(real, shell);
	exec(real, "/bin/true");
	exit_now(real, 0);
	assert_int_equal(procs_stats(p)->execs, 1);
	assert_int_equal(procs_stats(p)->exits, 1);
	assert_int_equal(procs_stats(p)->folded, 51);
	uint64_t thread = fake_task(f, 78, real, shell, "sh");
	forked(thread, real);
	exit_now(thread, 0);
	assert_int_equal(procs_stats(p)->threads, 1);
	assert_int_equal(procs_stats(p)->exits, 1);
	/* Room again. */
	hit("release_task", shell, task[0], 0);
	assert_int_equal(procs_count(p), PROCS_MAX - 1);
	fork_one(79, shell);
	assert_non_null(procs_find_pid(p, 79));
	for (uint32_t i = 1; i < room; i++)
		hit("release_task", shell, task[i], 0);
	assert_int_equal(procs_count(p), 2);
}

static void no_room_for_lines(void **state)
{
	(void)state;
	no_room = true;
	uint64_t task = fork_one(100, shell);
	pass(1100 * MS);
	exec(task, "/bin/true");
	exit_now(task, 0);
	assert_int_equal(lines, 0);
	assert_int_equal(procs_stats(p)->untold, 3);
}

/* --- the first walk --- */

static void first_walk(void **state)
{
	uint32_t cursor = 0, seen = 0;
	(void)state;
	for (uint32_t i = 0; i < 200; i++) {
		uint64_t task = fake_task(f, 400 + i, 0, shell, "old");
		fake_link(f, task);
		if (i == 7)
			fake_exec(f, task, "/usr/sbin//data/daemon");
	}
	procs_attach(p, k, now_ns());
	assert_int_equal(procs_count(p), 0);
	pass(100 * MS);
	assert_int_equal(procs_count(p), 201);
	assert_int_equal(lines, 0);
	const struct proc *daemon = procs_find_pid(p, 407);
	assert_non_null(daemon);
	assert_string_equal(daemon->exe, "/usr/sbin/data/daemon");
	assert_string_equal(daemon->comm, "daemon");
	assert_int_equal(daemon->ppid, 10);
	assert_ptr_equal(procs_find_root(p, daemon->root), daemon);
	assert_true(daemon->root && daemon->root % 4096 == 0);
	while (procs_next(p, &cursor))
		seen++;
	assert_int_equal(seen, 201);
	procs_ran(p, daemon->va, 12345);
	assert_int_equal(daemon->ran_tsc, 12345);
	procs_ran(p, 0x1234, 12345);
}

/* Lists that go in circles or nowhere end, each step a slice. */
static void hostile_list(void **state)
{
	uint32_t tasks = fake_offset(f, "task_struct", "tasks");
	uint64_t node = shell + tasks;
	uint64_t bad[] = {node, 0, 1, 0xdead000000000100, f->direct_map + FAKE_HOLE, UINT64_MAX};
	(void)state;
	for (uint32_t i = 0; i < 6; i++) {
		fake_set(f, node, bad[i]);
		procs_attach(p, k, now_ns());
		for (uint32_t n = 0; n < 5000; n++) {
			uint64_t before = f->pages;
			tsc += 2 * MS;
			uint64_t next = procs_step(p, tsc, now_ns());
			assert_true(f->pages - before < 4000);
			if (!next)
				break;
		}
		assert_int_equal(procs_step(p, tsc, now_ns()), 0);
		assert_true(procs_count(p) <= 2);
		assert_non_null(procs_find_pid(p, 10));
	}
}

/* The object in other events: of one that is followed, of one that is not, of none. */
static void objects(void **state)
{
	(void)state;
	uint64_t task = fake_task(f, 500, 0, shell, "quiet");
	fake_exec(f, task, "/opt/quiet");
	uint64_t of[] = {shell, task, 0x1234, 0};
	for (uint32_t i = 0; i < 4; i++) {
		struct json *j = eve_begin(&eve, "process", now_ns());
		procs_put(p, j, of[i]);
		eve_end(&eve, EVE_CLASS_PROCESS);
	}
	has(0, "\"process\":{\"pid\":10,\"tgid\":10,");
	has(1, "\"process\":{\"pid\":500,\"tgid\":500,\"ppid\":10,\"uid\":0,\"comm\":\"quiet\","
	       "\"exe\":\"/opt/quiet\"");
	has(2, "\"process\":{}");
	has(3, "\"process\":{}");
}

/* --- paths, files --- */

/* Two mounts, each mounted at the root of the other: there is no way up, and no name on it. */
static void mount_loop(void **state)
{
	char path[TASK_EXE_MAX];
	uint32_t inner = fake_offset(f, "mount", "mnt"), where = fake_offset(f, "file", "f_path");
	uint64_t file = fake_file(f, "/a//b"), before = f->pages;
	uint64_t low = fake_get(f, file + where + fake_offset(f, "path", "mnt")) - inner;
	uint64_t high = fake_get(f, low + fake_offset(f, "mount", "mnt_parent"));
	(void)state;
	fake_put(f, high, "mount", "mnt_parent", low);
	fake_put(f, low, "mount", "mnt_parent", high);
	for (uint32_t i = 0; i < 2; i++) {
		uint64_t root = fake_get(f, (i ? low : high) + inner +
						    fake_offset(f, "vfsmount", "mnt_root"));
		fake_put(f, i ? high : low, "mount", "mnt_mountpoint", root);
	}
	assert_int_equal(task_file_path(k, file, path, sizeof(path)), 2);
	assert_string_equal(path, "/b");
	assert_true(f->pages - before < 8000);
}

static void paths(void **state)
{
	char path[TASK_EXE_MAX], deep[600] = "";
	(void)state;
	uint64_t file = fake_file(f, "/srv//www/index.html");
	fake_open_file(f, shell, 3, file);
	assert_int_equal(task_file(k, shell, 3), file);
	assert_int_equal(task_file(k, shell, 4), 0);
	assert_int_equal(task_file(k, shell, 64), 0);
	assert_int_equal(task_file(k, 0x1234, 3), 0);
	assert_int_equal(task_file_path(k, file, path, sizeof(path)), 19);
	assert_string_equal(path, "/srv/www/index.html");
	/* What has no room is left out at its beginning; and deeper than anybody looks. */
	assert_true(task_file_path(k, file, path, 12) >= 0);
	assert_string_equal(path, "/index.html");
	for (uint32_t i = 0; i < 140; i++)
		strcat(deep, "/d");
	uint64_t file_deep = fake_file(f, deep), before = f->pages;
	assert_true(task_file_path(k, file_deep, path, sizeof(path)) > 200);
	assert_true(f->pages - before < 3000); /* a tenth of a million instructions */
	assert_int_equal(task_file_path(k, fake_file(f, "/"), path, sizeof(path)), 1);
	assert_string_equal(path, "/");
	assert_int_equal(task_file_path(k, 0, path, sizeof(path)), -14);
	assert_int_equal(task_file_path(k, 0x1234, path, sizeof(path)), -14);
	assert_string_equal(path, "");
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(long_life),      TEST(exec_soon),
		TEST(short_life),     TEST(storm),
		TEST(freed),	      TEST(used_again),
		TEST(out_of_order),   TEST(threads),
		TEST(kernel_threads), TEST(helper),
		TEST(io_workers),     TEST(namespaces),
		TEST(full),	      TEST(no_room_for_lines),
		TEST(first_walk),     TEST(hostile_list),
		TEST(objects),	      TEST(paths),
		TEST(mount_loop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
