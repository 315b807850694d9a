/* Introspection in the main loop, over a fake core and a guest's kernel in a buffer: from the
 * anchor to hooks that are set, what is told when there is less, hits, a restart, another kernel.
 */
#include "tests/unit/sentry_core.h"

#include "hv/errno.h"
#include "ids/sentry/introspect_impl.h" /* its tables are looked at */
#include "tests/unit/fake_kernel.h"

static struct core core;
static struct sentry *sentry;
static struct fake *f;
static void *blocks[64];
static unsigned nblocks;
static char log_text[16384];
static struct abi_hook set[ABI_HOOKS];
static bool is_set[ABI_HOOKS];
static int64_t refuse;			    /* what the core says to a hook, 0: set */
static uint64_t direct_map, current_offset; /* of ABI_CALL_GUEST */
static uint32_t guest_calls;

static uint64_t op_tsc(void *ctx)
{
	(void)ctx;
	return core.tsc++;
}

static void *op_alloc(void *ctx, size_t size)
{
	(void)ctx;
	assert_true(nblocks < 64);
	return blocks[nblocks++] = calloc(1, size);
}

static uint64_t op_forget(void *ctx, uint64_t root, uint64_t *last)
{
	(void)ctx, (void)root;
	*last = 0;
	return 0;
}

static int64_t op_call(void *ctx, uint64_t number, uint64_t a, uint64_t b)
{
	(void)ctx;
	if (number == ABI_CALL_GUEST) {
		direct_map = a;
		current_offset = b;
		guest_calls++;
		return 0;
	}
	if (number != ABI_CALL_HOOK) {
		/* What integrity asks of the core; it goes without. */
		assert_true(number == ABI_CALL_CPU || number == ABI_CALL_GUARD ||
			    number == ABI_CALL_WATCH);
		return -ENOTSUP;
	}
	assert_true(a < ABI_HOOKS && b == 1);
	if (refuse)
		return refuse;
	set[a] = core.ctl->hook;
	is_set[a] = true;
	return 0;
}

static void op_log(void *ctx, const char *line)
{
	(void)ctx;
	strncat(log_text, line, sizeof(log_text) - strlen(log_text) - 2);
	strcat(log_text, "\n");
}

static void op_fatal(void *ctx, const char *why)
{
	(void)ctx;
	fail_msg("fatal: %s", why);
	abort();
}

static const struct sentry_ops ops = {
	.tsc = op_tsc,
	.alloc = op_alloc,
	.forget = op_forget,
	.call = op_call,
	.log = op_log,
	.fatal = op_fatal,
};

static void free_blocks(void)
{
	while (nblocks)
		free(blocks[--nblocks]);
}

/* The core's window shows this guest. */
static void show_guest(const struct fake_options *opt)
{
	if (f)
		fake_close(f);
	f = fake_open(opt);
	core.ctl->window = (uintptr_t)f->ram;
	core.ctl->window_size = FAKE_RAM;
	core.ctl->nram = 2;
	core.ctl->ram[0] = (struct abi_ram){0, FAKE_HOLE};
	core.ctl->ram[1] = (struct abi_ram){FAKE_HOLE + 0x10000, FAKE_RAM - FAKE_HOLE - 0x10000};
}

static void start(void)
{
	memset(is_set, 0, sizeof(is_set));
	assert_int_equal(sentry_init(sentry, &ops, core.shared), 0);
}

static int setup(void **state)
{
	(void)state;
	core_init(&core);
	sentry = calloc(1, sizeof(*sentry));
	log_text[0] = 0;
	refuse = 0;
	guest_calls = 0;
	show_guest(&(struct fake_options){0});
	start();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free_blocks();
	free(sentry);
	core_free(&core);
	fake_close(f);
	f = NULL;
	return 0;
}

/* Let the sentry work until it wants nothing for a while; the serial port takes everything. */
static void run_ms(uint64_t ms)
{
	uint64_t end = core.tsc + ms * core.ctl->tsc_khz;
	while (core.tsc < end) {
		uint64_t next = sentry_step(sentry);
		core_drain(&core, UINT32_MAX);
		core.tsc = next && next < end ? next > core.tsc ? next : core.tsc : end;
	}
}

static void anchor_cpu(uint32_t cpu, uint64_t flags)
{
	core_event(&core, ABI_EVENT_LSTAR, fake_lstar(f), f->boot_root,
		   cpu | flags | (f->opt.la57 ? ABI_LSTAR_LA57 : 0));
}

static uint32_t hook_of(const char *symbol)
{
	const struct introspect *in = sentry->introspect;
	for (uint32_t i = 0; i < in->nhook; i++)
		if (strcmp(in->hook[i].symbol, symbol) == 0)
			return i;
	fail_msg("nobody watches %s", symbol);
	return 0;
}

static void logged(const char *what)
{
	if (!strstr(log_text, what))
		fail_msg("%s is not in the log:\n%s", what, log_text);
}

/* --- the table --- */

/* No probe is lost: each function has room for those who watch it. */
static void room(void **state)
{
	struct introspect *in = sentry->introspect;
	uint32_t probes = 0, users = 0;
	(void)state;
	introspect_build_hooks(in);
	for (uint32_t i = 0; i < in->nset; i++)
		probes += in->set[i].count;
	for (uint32_t i = 0; i < in->nhook; i++) {
		users += in->hook[i].users;
		/* Of those that want a word read, one for each function. */
		uint32_t words = 0;
		for (uint32_t k = 0; k < in->hook[i].users; k++)
			words += in->hook[i].user[k].probe->structure != NULL;
		assert_true(words <= 1);
	}
	assert_true(in->nset >= 3 && in->nset <= SETS);
	assert_true(probes > 10);
	assert_int_equal(users, probes);
}

/* --- to ready --- */

static void ready(void **state)
{
	const struct procs_stats *p;
	(void)state;
	assert_int_equal(introspect_since(sentry), 0);
	anchor_cpu(0, 0);
	run_ms(1000);
	logged("introspection: ready; Linux version 6.12.300-test (gcc) #1 SMP; build id 000d1a27");
	logged("is not watched: this kernel has no such function");
	assert_true(core_told(&core, "\"action\":\"introspection\",\"state\":\"ready\",\"kernel\":"
				     "\"Linux version 6.12.300-test"));
	assert_null(strstr(core.text, "\"reason\""));
	assert_true(introspect_since(sentry) > 0);
	assert_int_equal(direct_map, f->direct_map);
	assert_int_equal(current_offset, 0x340 + fake_offset(f, "pcpu_hot", "current_task"));
	/* Without and with ENDBR64; with a word to read. */
	uint32_t fork = hook_of("wake_up_new_task"),
		 exec = hook_of("security_bprm_committed_creds");
	uint64_t va = fake_address(f, "wake_up_new_task");
	assert_true(is_set[fork] && is_set[exec]);
	assert_int_equal(set[fork].va, va);
	assert_int_equal(set[fork].gpa, va - f->base + FAKE_IMAGE);
	assert_true(set[fork].flags & ABI_HOOK_CAPTURE);
	assert_int_equal(set[fork].base, 0);
	assert_int_equal(set[fork].offset, fake_offset(f, "task_struct", "pid"));
	va = fake_address(f, "security_bprm_committed_creds") + 4;
	assert_int_equal(set[exec].va, va);
	assert_int_equal(set[exec].gpa, va - f->base + FAKE_IMAGE);
	assert_false(set[exec].flags & ABI_HOOK_CAPTURE);
	p = procs_stats(sentry->introspect->procs);
	assert_int_equal(p->forks, 0);
	/* Other CPUs write the same value as they come up: no new search. */
	log_text[0] = 0;
	anchor_cpu(1, 0);
	run_ms(1000);
	assert_string_equal(log_text, "");
	assert_int_equal(guest_calls, 2); /* off and on */
}

/* The guest makes NOPs of its ftrace sites after the anchor; until then nothing can be hooked. */
static void sites_later(void **state)
{
	(void)state;
	show_guest(&(struct fake_options){.no_sites = true});
	anchor_cpu(0, 0);
	run_ms(2000);
	assert_int_equal(sentry->introspect->phase, PHASE_SITES);
	assert_null(strstr(core.text, "introspection"));
	assert_int_equal(introspect_since(sentry), 0);
	fake_make_sites(f);
	run_ms(200);
	assert_int_equal(sentry->introspect->phase, PHASE_READY);
	logged("introspection: ready; ");
	assert_true(is_set[hook_of("do_exit")]);
}

/* ... or never: then it says so, and does without. */
static void no_sites(void **state)
{
	(void)state;
	show_guest(&(struct fake_options){.no_sites = true});
	anchor_cpu(0, 0);
	run_ms(13000);
	logged("introspection: ready: no function can be hooked; ");
	logged("do_exit is not watched: no ftrace site at its entry");
	assert_true(
		core_told(&core, "\"state\":\"ready\",\"reason\":\"no function can be hooked\""));
	assert_int_equal(introspect_since(sentry), 0);
}

static void refused(void **state)
{
	(void)state;
	refuse = -ENOTSUP;
	anchor_cpu(0, 0);
	run_ms(1000);
	logged("do_exit is not watched: the core refused the hook");
	assert_true(core_told(&core, "\"reason\":\"no hooks: execute-only EPT or 2 MiB pages are "
				     "missing\""));
	assert_true(core_told(&core, "\"hooks\":0"));
	assert_int_equal(introspect_since(sentry), 0);
}

/* --- fallback --- */

static void no_btf(void **state)
{
	(void)state;
	show_guest(&(struct fake_options){.no_btf = true});
	anchor_cpu(0, 0);
	run_ms(1000);
	logged("introspection: fallback: no BTF in the kernel image; Linux version 6.12.300-test");
	assert_true(core_told(&core, "\"state\":\"fallback\",\"reason\":\"no BTF"));
	assert_int_equal(sentry->introspect->phase, PHASE_NONE);
	assert_int_equal(direct_map, 0);
	assert_int_equal(introspect_deadline(sentry), 0);
}

static void no_linux(void **state)
{
	(void)state;
	core_event(&core, ABI_EVENT_LSTAR, 0x1234, f->boot_root, 0);
	run_ms(100);
	logged("introspection: fallback: no kernel image around the system-call entry");
	/* And a Linux after it. */
	anchor_cpu(0, 0);
	run_ms(1000);
	logged("introspection: ready");
}

/* --- hits --- */

static struct abi_request a_hit(const char *symbol, uint64_t arg, uint64_t current)
{
	struct abi_request r = {.type = ABI_REQ_HOOK,
				.slot = hook_of(symbol),
				.len = 1,
				.a = core.tsc,
				.b = current};
	r.arg[0] = arg;
	return r;
}

static void hits(void **state)
{
	struct introspect *in = sentry->introspect;
	(void)state;
	anchor_cpu(0, 0);
	run_ms(1000);
	core_forget_text(&core);
	uint64_t task = fake_task(f, 100, 0, 0, "sh");
	fake_exec(f, task, "/bin/sh");
	struct abi_request r = a_hit("wake_up_new_task", task, f->init_task);
	r.c = 100ull << 32 | 100;
	core_push(&core, r);
	run_ms(1500);
	assert_true(core_told(&core, "\"action\":\"fork\",\"pid\":100,"));
	assert_true(core_told(&core, "\"exe\":\"/bin/sh\""));
	assert_int_equal(in->hits, 1);
	assert_true(introspect_knows(sentry, procs_find_pid(in->procs, 100)->root));
	/* Of hooks that are not set, or do not exist: counted, no more. */
	r.slot = ABI_HOOKS - 1;
	core_push(&core, r);
	r.slot = UINT32_MAX;
	core_push(&core, r);
	run_ms(10);
	assert_int_equal(in->unknown_hits, 2);
	/* A sample: the task ran. */
	core_event(&core, ABI_EVENT_SAMPLE, task, 0, ABI_SAMPLE_USER);
	run_ms(1);
	assert_true(procs_find(in->procs, task)->ran_tsc >= core.tsc - 3 * core.ctl->tsc_khz);
	assert_int_equal(in->samples, 1);
	core_push(&core, a_hit("do_exit", 0, task));
	run_ms(100);
	assert_true(core_told(&core, "\"action\":\"exit\",\"pid\":100,"));
	assert_int_equal(sentry->bad_requests, 0);
}

/* Whoever waits gets an answer, whatever the hit is. */
static void answers(void **state)
{
	struct abi_reply reply;
	(void)state;
	struct abi_request r = {.type = ABI_REQ_HOOK, .port = 1, .slot = 3, .ticket = 77};
	core_push(&core, r); /* before there is a kernel */
	run_ms(1);
	assert_true(core_reply(&core, &reply));
	assert_int_equal(reply.type, ABI_REP_DECIDE);
	assert_int_equal(reply.ticket, 77);
	assert_int_equal(reply.verdict, ABI_VERDICT_PASS);
	anchor_cpu(0, 0);
	run_ms(1000);
	r = a_hit("security_bprm_check", 0xdead, 0xbeef);
	r.port = 1;
	r.ticket = 78;
	r.rsp = 0x1234;
	core_push(&core, r);
	run_ms(1);
	assert_true(core_reply(&core, &reply));
	assert_int_equal(reply.ticket, 78);
	assert_int_equal(reply.verdict, ABI_VERDICT_PASS);
	assert_false(core_reply(&core, &reply));
}

static void deny(void *ctx, struct probe_hit *hit)
{
	(void)ctx;
	hit->deny = hit->sync ? 13 : 0;
}

/* A denial goes back with the errno and the place to return to; where that can't be read, the
 * function runs. */
static void denial(void **state)
{
	static const struct probe probe = {
		.symbol = "security_bprm_check", .hit = deny, .sync = true};
	struct introspect *in = sentry->introspect;
	struct abi_reply reply;
	(void)state;
	in->set[in->nset++] = (struct probe_set){&probe, 1, NULL};
	anchor_cpu(0, 0);
	run_ms(1000);
	assert_true(set[hook_of("security_bprm_check")].flags & ABI_HOOK_SYNC);
	uint64_t stack = fake_alloc(f, 64);
	fake_set(f, stack, 0xffffffff81234567);
	struct abi_request r = a_hit("security_bprm_check", 0, 0);
	r.port = 1;
	r.ticket = 5;
	r.rsp = stack;
	core_push(&core, r);
	run_ms(1);
	assert_true(core_reply(&core, &reply));
	assert_int_equal(reply.verdict, ABI_VERDICT_DROP);
	assert_int_equal(reply.len, 13);
	assert_true(reply.value == 0xffffffff81234567);
	r.rsp = 0x1000;
	core_push(&core, r);
	run_ms(1);
	assert_true(core_reply(&core, &reply));
	assert_int_equal(reply.verdict, ABI_VERDICT_PASS);
}

/* --- again --- */

/* A restarted sentry is told the anchor again and finds everything anew; hits of its last life that
 * come before that are nobody's. */
static void restart(void **state)
{
	(void)state;
	anchor_cpu(0, 0);
	run_ms(1000);
	struct abi_request old = a_hit("wake_up_new_task", fake_task(f, 9, 0, 0, "x"), 0);
	free_blocks();
	core.ctl->restarts++;
	core_forget_text(&core);
	start();
	anchor_cpu(0, ABI_LSTAR_AGAIN);
	core_push(&core, old);
	run_ms(1000);
	assert_int_equal(sentry->introspect->unknown_hits, 1);
	assert_true(core_told(&core, "\"state\":\"ready\""));
	assert_true(is_set[hook_of("do_exit")]);
	assert_true(introspect_since(sentry) > 0);
}

/* Another kernel in place of the first, in the middle of a search too. */
static void another_kernel(void **state)
{
	struct introspect *in = sentry->introspect;
	(void)state;
	anchor_cpu(0, 0);
	run_ms(1000);
	uint64_t task = fake_task(f, 100, 0, 0, "sh");
	struct abi_request r = a_hit("wake_up_new_task", task, 0);
	r.c = 100ull << 32 | 100;
	core_push(&core, r);
	run_ms(10);
	assert_non_null(procs_find_pid(in->procs, 100));
	show_guest(&(struct fake_options){.slide = 9, .old_layout = true, .offsets_first = true});
	memset(is_set, 0, sizeof(is_set));
	core_forget_text(&core);
	anchor_cpu(0, 0);
	run_ms(5);
	assert_int_equal(in->phase, PHASE_SEARCH);
	assert_int_equal(direct_map, 0); /* no samples or captures meanwhile */
	assert_int_equal(introspect_since(sentry), 0);
	core_push(&core, r); /* its hooks are of the old kernel: nothing is believed of them */
	anchor_cpu(0, 0);
	run_ms(1000);
	assert_true(core_told(&core, "\"state\":\"ready\",\"kernel\":\"Linux version 6.1.5-test"));
	assert_int_equal(set[hook_of("wake_up_new_task")].va, fake_address(f, "wake_up_new_task"));
	assert_int_equal(current_offset, 0x340);
	assert_null(procs_find_pid(in->procs, 100));
	assert_int_equal(procs_stats(in->procs)->forks, 0);
}

/* Five levels of page tables, per-CPU variables at kernel addresses. */
static void newest(void **state)
{
	(void)state;
	show_guest(&(struct fake_options){.la57 = true, .plain = true});
	anchor_cpu(0, 0);
	run_ms(1000);
	assert_true(core_told(&core, "\"state\":\"ready\""));
	assert_int_equal(direct_map, f->direct_map);
	assert_true(current_offset == fake_address(f, "current_task"));
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(room),    TEST(ready),  TEST(sites_later), TEST(no_sites),
		TEST(refused), TEST(no_btf), TEST(no_linux),	TEST(hits),
		TEST(answers), TEST(denial), TEST(restart),	TEST(another_kernel),
		TEST(newest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
