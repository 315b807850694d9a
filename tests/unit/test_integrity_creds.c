/* Credentials: what commit_creds and forks explain is quiet, what they don't is told. */
#include "tests/unit/integrity_stage.h"

enum { T_CRED = 0x10, T_FLAGS = 0x20, T_PID = 0x24, T_SIZE = 0x40 };
enum { C_UID = 4, C_EUID = 20, C_CAPS = 0x30, C_SIZE = 0x80 };
#define ALL_CAPS 0x1ffffffffffull

static uint64_t new_cred(uint32_t uid, uint32_t euid, uint64_t caps)
{
	uint64_t cred = stage_alloc(C_SIZE);
	stage_put32(cred + C_UID, uid);
	stage_put32(cred + C_EUID, euid);
	stage_put(cred + C_CAPS, caps);
	return cred;
}

static uint64_t new_task(uint32_t pid, uint64_t cred)
{
	uint64_t task = stage_alloc(T_SIZE);
	stage_put32(task + T_PID, pid);
	stage_put(task + T_CRED, cred);
	stage->proc[stage->procs++] = (struct proc){.va = task, .pid = (int32_t)pid};
	return task;
}

static void hit(const char *symbol, uint64_t current, uint64_t arg)
{
	const struct check *check = stage->run->check;
	struct probe_hit h = {.current = current, .arg = {arg}};
	for (uint32_t i = 0; i < check->probe_count; i++) {
		if (strcmp(check->probe[i].symbol, symbol) != 0)
			continue;
		check->probe[i].hit(stage->run, &h);
		return;
	}
	fail_msg("%s is not hooked", symbol);
}

static uint64_t root, user;

static int setup(void **state)
{
	(void)state;
	stage_open(&check_creds);
	stage_symbol("commit_creds", STAGE_IMAGE + 0x100);
	stage_offset("task_struct", "real_cred", T_CRED);
	stage_offset("task_struct", "flags", T_FLAGS);
	stage_offset("task_struct", "pid", T_PID);
	stage_offset("cred", "uid", C_UID);
	stage_offset("cred", "euid", C_EUID);
	stage_offset("cred", "cap_effective", C_CAPS);
	assert_null(stage_attach());
	root = new_task(1, new_cred(0, 0, ALL_CAPS));
	user = new_task(100, new_cred(1000, 1000, 0));
	stage_run(500);
	hit("commit_creds", root, stage_get(root + T_CRED));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stage_close();
	return 0;
}

static void assert_told(uint64_t task, const char *reason)
{
	stage_run(1000);
	assert_int_equal(stage->told, 1);
	assert_int_equal(stage->last.what, WHAT_CREDENTIALS);
	assert_int_equal(stage->last.task, task);
	assert_string_equal(stage->reason, reason);
	stage->told = 0;
	stage_run(1000); /* once */
	assert_int_equal(stage->told, 0);
}

static void test_in_place(void **state)
{
	(void)state;
	stage_put32(stage_get(user + T_CRED) + C_EUID, 0);
	assert_told(user, "changed in place");
	assert_string_equal(stage->expected, "uid 1000, euid 1000, capabilities 0x0");
	assert_string_equal(stage->found, "uid 1000, euid 0, capabilities 0x0");
	stage_put(stage_get(user + T_CRED) + C_CAPS, ALL_CAPS);
	assert_told(user, "changed in place");
}

static void test_replaced(void **state)
{
	(void)state;
	stage_put(user + T_CRED, stage_get(root + T_CRED)); /* init's own */
	assert_told(user, "replaced without commit_creds");
}

/* setuid and exec: the hit may come before, or after, the task has them. */
static void test_committed(void **state)
{
	uint64_t a = new_cred(1000, 0, ALL_CAPS), b = new_cred(0, 0, ALL_CAPS);
	(void)state;
	hit("commit_creds", user, a);
	stage_run(3000); /* it is preempted at the function's first instruction */
	stage_put(user + T_CRED, a);
	stage_run(1000);
	stage_put(user + T_CRED, b);
	stage_run(20);
	hit("commit_creds", user, b);
	stage_run(1000);
	assert_int_equal(stage->told, 0);
	/* What was committed is what holds. */
	stage_put(b + C_CAPS, 0);
	assert_told(user, "changed in place");
}

/* Of two commits before a look the second counts. */
static void test_two_commits(void **state)
{
	uint64_t a = new_cred(0, 0, ALL_CAPS), b = new_cred(0, 0, ALL_CAPS - 1);
	(void)state;
	hit("commit_creds", user, a);
	hit("commit_creds", user, b);
	stage_put(user + T_CRED, b);
	stage_run(1000);
	assert_int_equal(stage->told, 0);
}

/* Another's commit explains nothing: a stolen token. */
static void test_commit_of_another(void **state)
{
	uint64_t a = new_cred(0, 0, ALL_CAPS);
	(void)state;
	hit("commit_creds", root, a);
	stage_put(user + T_CRED, a);
	assert_told(user, "replaced without commit_creds");
}

static void test_commit_of_unknown(void **state)
{
	uint64_t a = new_cred(0, 0, ALL_CAPS);
	(void)state;
	hit("commit_creds", 0, a);
	stage_put(user + T_CRED, a);
	stage_run(1000);
	assert_int_equal(stage->told, 0);
}

/* A new task in a dead one's memory. */
static void test_fork(void **state)
{
	(void)state;
	stage_put32(user + T_PID, 200);
	stage_put(user + T_CRED, new_cred(0, 0, ALL_CAPS));
	hit("wake_up_new_task", root, user);
	stage_run(1000);
	stage_put32(user + T_PID, 300); /* its start was not seen */
	stage_put(user + T_CRED, new_cred(0, 0, 5));
	stage_run(1000);
	assert_int_equal(stage->told, 0);
}

/* Right away after the fork, before any sweep has met it. */
static void test_fresh(void **state)
{
	uint64_t task = new_task(101, new_cred(1000, 1000, 0));
	(void)state;
	hit("wake_up_new_task", root, task);
	stage_put32(stage_get(task + T_CRED) + C_UID, 0);
	assert_told(task, "changed in place");
}

static void test_harmless(void **state)
{
	(void)state;
	stage_put(root + T_CRED, new_cred(33, 33, 0)); /* less than before */
	stage_put32(user + T_FLAGS, TASK_PF_EXITING);  /* it is being torn down */
	stage_put32(stage_get(user + T_CRED) + C_UID, 0);
	stage_run(1000);
	assert_int_equal(stage->told, 0);
}

/* Without the hook on commit_creds nothing explains a change: none is told. */
static void test_without_hooks(void **state)
{
	(void)state;
	assert_null(stage_attach());
	stage_run(500);
	stage_put(user + T_CRED, new_cred(0, 0, ALL_CAPS));
	stage_run(1000);
	assert_int_equal(stage->told, 0);
	hit("commit_creds", root, stage_get(root + T_CRED));
	stage_put(stage_get(user + T_CRED) + C_CAPS, 1);
	assert_told(user, "changed in place");
}

/* A difference that is gone at the next look was a torn read. */
static void test_torn(void **state)
{
	uint64_t cred = stage_get(user + T_CRED);
	(void)state;
	for (uint32_t i = 0; i < 20; i++) {
		stage_put32(cred + C_UID, i & 1 ? 1000 : 0);
		stage_run(100);
	}
	assert_int_equal(stage->told, 0);
}

/* Hits were lost: what is found then is taken for right, once. */
static void test_lost(void **state)
{
	(void)state;
	stage_put(user + T_CRED, new_cred(0, 0, ALL_CAPS));
	integrity_lost(&stage->in);
	stage_run(1000);
	assert_int_equal(stage->told, 0);
	stage_put(stage_get(user + T_CRED) + C_CAPS, 1);
	assert_told(user, "changed in place");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_in_place),
		T(test_replaced),
		T(test_committed),
		T(test_two_commits),
		T(test_commit_of_another),
		T(test_commit_of_unknown),
		T(test_fork),
		T(test_fresh),
		T(test_harmless),
		T(test_torn),
		T(test_without_hooks),
		T(test_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
