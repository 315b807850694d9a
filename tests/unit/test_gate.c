/* Decisions on hooked calls: which answer belongs to which call, and what happens without one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hv/hook.c"

#define KERNEL 0xffffffff81000000ull

static struct boot_info facts = {.ncpu = 2};
static struct abi_ctl ctl;
static struct abi_request asked; /* the last request with a ticket */
static uint32_t requests;
static uint64_t now;
static bool full;		/* of requests that nobody waits for */
static struct abi_reply answer; /* of the sentry in its next stay; type 0: none */

/* --- what the gates call ------------------------------------------------------------------------
 */

const struct boot_info *boot_facts(void)
{
	return &facts;
}

struct abi_ctl *sentry_ctl(void)
{
	return &ctl;
}

int sentry_request(const struct abi_request *request, uint32_t reserve)
{
	if (full && reserve > ABI_SLOTS)
		return -ENOSPC;
	asked = *request;
	requests++;
	return 0;
}

int event_request(const struct abi_request *request)
{
	return sentry_request(request, ABI_SLOTS + 1);
}

void event_post(enum abi_event kind, uint64_t a, uint64_t b, uint64_t c)
{
	(void)kind, (void)a, (void)b, (void)c;
}

void sentry_work(void)
{
	if (answer.type)
		assert_true(hook_reply(&answer));
	answer.type = 0;
}

void sentry_wake(uint64_t tsc)
{
	(void)tsc;
}

uint64_t time_now(void)
{
	return now;
}

uint64_t time_us(uint64_t us)
{
	return us;
}

bool gm_valid(uint64_t gpa, uint64_t len)
{
	return gpa >= 4096 && gpa < 1 << 20 && len <= (1 << 20) - gpa;
}

void log_at(uint32_t level, const char *fmt, ...)
{
	(void)level, (void)fmt;
}

void *pages_alloc(uint32_t count)
{
	return calloc(count, 4096);
}

int counter_register(const char *name, const uint64_t *value)
{
	(void)name, (void)value;
	return 0;
}

static uint64_t restored;

int arch_restore(uint64_t gpa, const uint8_t *bytes, uint32_t len)
{
	(void)bytes;
	restored = gpa;
	return len <= ABI_GUARD_BYTES ? 0 : -EINVAL;
}

int arch_guard(uint64_t gpa, uint64_t size, bool on)
{
	(void)gpa, (void)on;
	return size ? 0 : -EINVAL;
}

int arch_hook_set(uint32_t id, const struct abi_hook *hook)
{
	(void)hook;
	return (int)id;
}

int arch_hook_clear(uint32_t id)
{
	return (int)id;
}

void arch_freeze(void)
{
}

void arch_guest_kernel(uint64_t base, uint64_t offset)
{
	(void)base, (void)offset;
}

void arch_watch(uint32_t watched, uint32_t pinned, uint64_t value)
{
	(void)watched, (void)pinned, (void)value;
}

/* ------------------------------------------------------------------------------------------------
 */

static int setup(void **state)
{
	(void)state;
	if (!gates && gate_unit(&facts))
		return -1;
	memset(gates, 0, 4096);
	requests = 0;
	full = false;
	answer.type = 0;
	undecided = denied = 0;
	return 0;
}

static struct hook_hit hit_of(uint32_t cpu, uint64_t task)
{
	return (struct hook_hit){
		.id = 3, .cpu = cpu, .wait = true, .current = task, .rsp = task + 0x3f00};
}

static struct abi_reply reply_to(uint32_t ticket, uint16_t err)
{
	return (struct abi_reply){.type = ABI_REP_DECIDE,
				  .verdict = err ? ABI_VERDICT_DROP : ABI_VERDICT_PASS,
				  .len = err,
				  .ticket = ticket,
				  .value = KERNEL};
}

static void decided(void **state)
{
	struct hook_hit hit = hit_of(0, 0x1000);
	struct abi_reply reply;
	uint64_t to = 0;

	(void)state;
	assert_int_equal(upcall_hook(&hit, &to), HOOK_WAIT);
	assert_int_equal(upcall_hook(&hit, &to), HOOK_WAIT);
	assert_int_equal(requests, 1);
	answer = reply_to(asked.ticket, 13);
	assert_int_equal(upcall_hook(&hit, &to), HOOK_DENY);
	assert_int_equal(hit.err, -13);
	assert_int_equal(to, KERNEL);
	/* An answer is used once; what comes too late, or lies, finds nobody. */
	reply = reply_to(asked.ticket, 0);
	assert_true(hook_reply(&reply));
	assert_int_equal(upcall_hook(&hit, &to), HOOK_WAIT);
	reply = reply_to(asked.ticket, ABI_ERRNO_MAX + 1);
	assert_false(hook_reply(&reply));
	reply = reply_to(asked.ticket, 1);
	reply.value = 0x1000;
	assert_false(hook_reply(&reply));
	answer = reply_to(asked.ticket, 0);
	assert_int_equal(upcall_hook(&hit, &to), HOOK_GO);
	assert_int_equal(denied, 1);
	assert_int_equal(undecided, 0);
}

static void nobody_answers(void **state)
{
	struct hook_hit hit = hit_of(1, 0x1000);
	uint64_t to;

	(void)state;
	assert_int_equal(upcall_hook(&hit, &to), HOOK_WAIT);
	now += WAIT_US - 1;
	assert_int_equal(upcall_hook(&hit, &to), HOOK_WAIT);
	now++;
	assert_int_equal(upcall_hook(&hit, &to), HOOK_GO);
	assert_int_equal(undecided, 1);
}

/* A task that waits is moved to another CPU. What was decided for that call must not decide its
 * next one, on the CPU where it began to wait. */
static void moved(void **state)
{
	struct hook_hit first = hit_of(0, 0x1000), second = hit_of(1, 0x1000);
	struct abi_reply reply;
	uint64_t to;

	(void)state;
	assert_int_equal(upcall_hook(&first, &to), HOOK_WAIT);
	reply = reply_to(asked.ticket, 0);
	assert_true(hook_reply(&reply));
	answer = reply_to(asked.ticket + 1, 0);
	assert_int_equal(upcall_hook(&second, &to), HOOK_GO);
	assert_int_equal(requests, 2);
	assert_int_equal(upcall_hook(&first, &to), HOOK_WAIT);
	assert_int_equal(requests, 3);
}

/* Another task meanwhile, and then the first again: both are asked for. */
static void switched(void **state)
{
	struct hook_hit one = hit_of(0, 0x1000), other = hit_of(0, 0x9000);
	uint64_t to;

	(void)state;
	assert_int_equal(upcall_hook(&one, &to), HOOK_WAIT);
	assert_int_equal(upcall_hook(&other, &to), HOOK_WAIT);
	answer = reply_to(asked.ticket, 1);
	assert_int_equal(upcall_hook(&other, &to), HOOK_DENY);
	assert_int_equal(upcall_hook(&one, &to), HOOK_WAIT);
	assert_int_equal(requests, 3);
}

/* A flood of hits that nobody waits for leaves room for one that does. */
static void flooded(void **state)
{
	struct hook_hit hit = hit_of(0, 0x1000);
	uint64_t to;

	(void)state;
	full = true;
	hit.wait = false;
	assert_int_equal(upcall_hook(&hit, &to), HOOK_GO);
	assert_int_equal(requests, 0);
	hit.wait = true;
	assert_int_equal(upcall_hook(&hit, &to), HOOK_WAIT);
	assert_int_equal(requests, 1);
	assert_int_equal(undecided, 0);
}

static void calls(void **state)
{
	(void)state;
	assert_int_equal(hook_call(ABI_CALL_HOOK, ABI_HOOKS, 1), -EINVAL);
	assert_int_equal(hook_call(ABI_CALL_HOOK, 5, 1), 5);
	assert_int_equal(hook_call(ABI_CALL_GUARD, 0x10000, 0x2000), 0);
	assert_int_equal(hook_call(ABI_CALL_GUARD, 0x10000, ~0xfffull), -EFAULT);
	assert_int_equal(hook_call(ABI_CALL_GUARD, 0, 0x1000), -EFAULT);
	assert_int_equal(hook_call(ABI_CALL_RESTORE, 0x10000, 0), -EINVAL);
	assert_int_equal(hook_call(ABI_CALL_RESTORE, 0x10000, ABI_GUARD_BYTES + 1), -EINVAL);
	assert_int_equal(hook_call(ABI_CALL_RESTORE, (1 << 20) - 1, 2), -EINVAL);
	assert_int_equal(restored, 0);
	assert_int_equal(hook_call(ABI_CALL_RESTORE, 0x10000, ABI_GUARD_BYTES), 0);
	assert_int_equal(restored, 0x10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(decided, setup),
		cmocka_unit_test_setup(nobody_answers, setup),
		cmocka_unit_test_setup(moved, setup),
		cmocka_unit_test_setup(switched, setup),
		cmocka_unit_test_setup(flooded, setup),
		cmocka_unit_test_setup(calls, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
