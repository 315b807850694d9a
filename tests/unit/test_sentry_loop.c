/* The sentry's main loop over a fake core: rings that wrap and fill, verdicts, own frames, events,
 * losses, restarts. The whole engine and lwIP run behind it. */
#include "tests/unit/sentry_core.h"

#include "hv/errno.h"
#include "ids/sentry/loop.h"
#include "tests/unit/ids_world.h"

static struct core core;
static struct sentry *sentry;
static void *blocks[64];
static unsigned nblocks;
static char log_text[256];
static uint64_t forgotten;

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
	(void)ctx;
	forgotten = root;
	*last = core.tsc - 5;
	return 77;
}

static int64_t op_call(void *ctx, uint64_t number, uint64_t a, uint64_t b)
{
	(void)ctx, (void)number, (void)a, (void)b;
	return -ENOTSUP;
}

static void op_log(void *ctx, const char *line)
{
	(void)ctx;
	strncpy(log_text, line, sizeof(log_text) - 1);
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

static int setup(void **state)
{
	(void)state;
	core_init(&core);
	sentry = calloc(1, sizeof(*sentry));
	log_text[0] = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free_blocks();
	free(sentry);
	core_free(&core);
	return 0;
}

static void start(void)
{
	assert_int_equal(sentry_init(sentry, &ops, core.shared), 0);
}

/* A restart as the core makes it: fresh memory, the shared area stays. */
static void restart(void)
{
	free_blocks();
	core.ctl->restarts++;
	start();
}

/* Rounds with the serial port taking everything, until nothing comes any more. */
static void settle(void)
{
	do {
		sentry_step(sentry);
	} while (core_drain(&core, UINT32_MAX));
}

static void sleep_ms(unsigned ms)
{
	core.tsc += (uint64_t)ms * core.ctl->tsc_khz;
}

/* --- contract
 * ------------------------------------------------------------------------------------------ */

static void test_contract(void **state)
{
	(void)state;
	core.ctl->magic++;
	assert_int_equal(sentry_init(sentry, &ops, core.shared), -EPROTO);
	core.ctl->magic--;
	core.ctl->version++;
	assert_int_equal(sentry_init(sentry, &ops, core.shared), -EPROTO);
	core.ctl->version--;
	core.ctl->tsc_khz = 0;
	assert_int_equal(sentry_init(sentry, &ops, core.shared), -EPROTO);
}

static void *no_memory(void *ctx, size_t size)
{
	(void)ctx;
	(void)size;
	return NULL;
}

static void test_no_memory(void **state)
{
	(void)state;
	struct sentry_ops poor = ops;
	poor.alloc = no_memory;
	assert_int_equal(sentry_init(sentry, &poor, core.shared), -ENOMEM);
}

/* --- rings
 * --------------------------------------------------------------------------------------------- */

static void test_frames(void **state)
{
	(void)state;
	uint8_t frame[100] = {0x02, 1, 2, 3, 4, 5, 0x02, 9, 9, 9, 9, 9, 0x08, 0x00, 0x45};
	struct abi_reply reply;
	start();
	assert_int_equal(sentry_step(sentry), 0); /* nothing to do, ever */
	uint32_t next = 0, answered = 0;
	for (unsigned round = 0; round < 100; round++) {
		unsigned batch = round * 7 % 300;
		for (unsigned i = 0; i < batch; i++, next++)
			assert_true(core_frame(&core, (enum abi_port)(next % 2),
					       next % ABI_FRAME_SLOTS, frame, sizeof(frame)));
		sentry_step(sentry);
		while (core_reply(&core, &reply)) {
			assert_int_equal(reply.type, ABI_REP_VERDICT);
			assert_int_equal(reply.verdict, ABI_VERDICT_PASS);
			assert_int_equal(reply.slot, answered % ABI_FRAME_SLOTS);
			answered++;
		}
		assert_int_equal(answered, next);
	}
	assert_true(next > 10000);
	assert_int_equal(stack_stats()->forwarded[0] + stack_stats()->forwarded[1], next);
}

/* The core does not take replies: no more requests are taken than can be answered. */
static void test_full_replies(void **state)
{
	(void)state;
	uint8_t frame[60] = {0};
	struct abi_reply reply;
	unsigned pushed = 0, answered = 0;
	start();
	while (pushed < ABI_REPLIES)
		assert_true(
			core_frame(&core, ABI_PORT_WIRE, pushed++ % ABI_FRAME_SLOTS, frame, 60));
	sentry_step(sentry);
	while (core_push(&core, (struct abi_request){.type = ABI_REQ_FRAME, .len = 60}))
		pushed++;
	uint64_t deadline = sentry_step(sentry);
	assert_int_equal(core.ctl->request.prod - core.ctl->request.cons, pushed - ABI_REPLIES);
	/* It asks to be entered again soon. */
	assert_true(deadline > core.tsc - 100 && deadline < core.tsc + 2 * core.ctl->tsc_khz);
	for (int i = 0; i < 10; i++)
		assert_true(core_reply(&core, &reply));
	sentry_step(sentry);
	assert_int_equal(core.ctl->request.prod - core.ctl->request.cons,
			 pushed - ABI_REPLIES - 10);
	answered = 10;
	for (int i = 0; i < 3; i++) {
		while (core_reply(&core, &reply))
			answered++;
		sentry_step(sentry);
	}
	assert_int_equal(answered, pushed);
}

static void test_bad_requests(void **state)
{
	(void)state;
	struct abi_reply reply;
	start();
	core_push(&core, (struct abi_request){.type = 99});
	core_push(&core,
		  (struct abi_request){.type = ABI_REQ_FRAME, .len = 60, .slot = ABI_FRAME_SLOTS});
	core_push(&core, (struct abi_request){.type = ABI_REQ_SENT, .slot = 3});
	core_push(&core, (struct abi_request){.type = ABI_REQ_SENT, .slot = ABI_SLOTS - 1});
	core_push(&core, (struct abi_request){.type = ABI_REQ_EVENT, .port = 200});
	core_push(&core, (struct abi_request){.type = ABI_REQ_FRAME, .len = 3000, .slot = 1});
	core_push(&core,
		  (struct abi_request){.type = ABI_REQ_FRAME, .port = 7, .len = 60, .slot = 2});
	core_push(&core, (struct abi_request){.type = ABI_REQ_FRAME, .len = 5, .slot = 3});
	sentry_step(sentry);
	assert_int_equal(sentry->bad_requests, 5);
	/* Frames that have a slot get their verdict, whatever they are. */
	for (uint32_t slot = 1; slot <= 3; slot++) {
		assert_true(core_reply(&core, &reply));
		assert_int_equal(reply.slot, slot);
		assert_int_equal(reply.verdict, ABI_VERDICT_DROP);
	}
	assert_false(core_reply(&core, &reply));
}

/* --- own frames
 * ---------------------------------------------------------------------------------------- */

static void test_own_slots(void **state)
{
	(void)state;
	static const uint8_t own_mac[6] = {0xb2, 0xc4, 0x20, 0, 0, 1};
	uint8_t frame[128];
	struct abi_reply reply;
	bool used[ABI_SEND_SLOTS] = {false};
	unsigned sent = 0, verdicts = 0;
	core.ctl->config.address = ADDRESS_FIXED;
	core.ctl->config.addr = 0x0a4d0009;
	core.ctl->config.addr_prefix = 24;
	start();
	assert_string_equal(log_text, "own address 10.77.0.9");
	assert_true(sentry_step(sentry) > 0); /* lwIP has timers */

	/* More pings than slots, none of them told as sent. lwIP asks both sides who 10.77.0.1 is.
	 */
	size_t len = core_ping(frame, own_mac);
	for (uint32_t i = 0; i < 64; i++) {
		assert_true(core_frame(&core, ABI_PORT_WIRE, i, frame, len));
		sentry_step(sentry);
		sleep_ms(1100);
		sentry_step(sentry);
	}
	while (core_reply(&core, &reply)) {
		if (reply.type == ABI_REP_VERDICT) {
			assert_int_equal(reply.verdict, ABI_VERDICT_DROP);
			verdicts++;
			continue;
		}
		assert_int_equal(reply.type, ABI_REP_SEND);
		assert_in_range(reply.slot, ABI_FRAME_SLOTS, ABI_SLOTS - 1);
		assert_false(used[reply.slot - ABI_FRAME_SLOTS]);
		used[reply.slot - ABI_FRAME_SLOTS] = true;
		assert_in_range(reply.len, 60, ABI_FRAME_MAX);
		assert_in_range(reply.port, 0, ABI_PORTS - 1);
		assert_memory_equal(core_slot(&core, reply.slot) + 6, own_mac, 6);
		sent++;
	}
	assert_int_equal(verdicts, 64);
	assert_int_equal(sent, ABI_SEND_SLOTS);
	assert_true(stack_stats()->no_memory > 0);

	/* Slots come back. */
	for (uint32_t i = 0; i < ABI_SEND_SLOTS; i++)
		core_push(&core,
			  (struct abi_request){.type = ABI_REQ_SENT, .slot = ABI_FRAME_SLOTS + i});
	for (uint32_t i = 0; i < 8; i++) {
		assert_true(core_frame(&core, ABI_PORT_WIRE, i, frame, len));
		sentry_step(sentry);
		sleep_ms(1100);
		sentry_step(sentry);
	}
	assert_int_equal(sentry->bad_requests, 0);
	for (sent = 0; core_reply(&core, &reply);)
		sent += reply.type == ABI_REP_SEND;
	assert_true(sent > 0);

	/* A restart does not know which slots are still on their way: it waits, then takes any. */
	restart();
	core_push(&core, (struct abi_request){.type = ABI_REQ_SENT, .slot = ABI_FRAME_SLOTS + 1});
	core_push(&core, (struct abi_request){.type = ABI_REQ_NONE});
	core_frame(&core, ABI_PORT_WIRE, 1, frame, len);
	sentry_step(sentry);
	assert_true(core_reply(&core, &reply));
	assert_int_equal(reply.type, ABI_REP_VERDICT);
	assert_false(core_reply(&core, &reply));
	for (uint32_t i = 0; i < 8; i++) {
		sleep_ms(1100);
		core_frame(&core, ABI_PORT_WIRE, 1, frame, len);
		sentry_step(sentry);
	}
	for (sent = 0; core_reply(&core, &reply);)
		sent += reply.type == ABI_REP_SEND;
	assert_true(sent > 0);
	assert_int_equal(sentry->bad_requests, 0);
}

/* --- events
 * -------------------------------------------------------------------------------------------- */

static void test_events(void **state)
{
	(void)state;
	start();
	core_event(&core, ABI_EVENT_START, core.tsc, 0, 0);
	core_event(&core, ABI_EVENT_READY, core.tsc, 0, 0);
	core_event(&core, ABI_EVENT_HIDDEN_ACCESS, 0x1000, 0xffffffff81000000, 3ull << 32 | 5);
	core_event(&core, ABI_EVENT_NET_FAULT, ABI_NET_CHAIN_LOOP, 1, 2);
	core_event(&core, ABI_EVENT_SENTRY_RESTART, ABI_SENTRY_HANG, 0x1234, 99);
	core_event(&core, ABI_EVENT_GUEST_FAULT, ABI_GUEST_MCE, 7, 8);
	core_event(&core, ABI_EVENT_GUEST_FAULT, 1ull << 40, 7, 8);
	core_event(&core, ABI_EVENT_LOST, 12, 0, 0);
	settle();
	assert_true(core_told(&core, "\"event_type\":\"hypervisor\",\"seq\":1,\"host\":\"unit\","
				     "\"boot\":\"0123456789abcdef\""));
	assert_true(core_told(&core, "\"action\":\"start\",\"version\":\"" VIGIL_VERSION "\","
				     "\"platform\":\"Test CPU \\\"quoted\\\"\",\"cpus\":2"));
	assert_true(core_told(&core, "\"controls\":[\"ept\",\"vpid\",\"unrestricted_guest\"]"));
	assert_true(core_told(&core, "\"action\":\"ready\",\"cpus\":2"));
	assert_true(core_told(
		&core, "\"action\":\"fault\",\"what\":\"memory\",\"reason\":\"hidden_access\","
		       "\"address\":\"0x1000\",\"rip\":\"0xffffffff81000000\","
		       "\"reads\":5,\"writes\":3"));
	assert_true(
		core_told(&core, "\"what\":\"net\",\"reason\":\"chain_loop\",\"queue\":\"0x1\""));
	assert_true(core_told(&core, "\"what\":\"sentry\",\"reason\":\"hang\",\"rip\":\"0x1234\","
				     "\"detail\":\"0x63\",\"restarts\":0"));
	assert_true(core_told(&core, "\"what\":\"guest\",\"reason\":\"machine_check\""));
	assert_true(core_told(&core, "\"what\":\"guest\",\"reason\":\"unknown\""));
	assert_true(core_told(&core, "\"action\":\"lost\",\"class\":\"any\",\"count\":12,"
				     "\"reason\":\"core_queue_full\""));
	assert_int_equal(core_count(&core, "\n"), 8);
	assert_int_equal(core.ctl->seq, 8);
	assert_int_equal(core.ctl->events_sent, 8);
}

static void counter(const char *name, uint64_t value)
{
	struct abi_counter *c = &core.ctl->counter[core.ctl->ncounter++];
	memset(c->name, 'x', sizeof(c->name)); /* may be unterminated */
	memcpy(c->name, name, strlen(name) < 40 ? strlen(name) + 1 : 40);
	c->value = value;
}

static void test_stats(void **state)
{
	(void)state;
	start();
	counter("exits.cpuid", 5);
	counter("net.rx_frames", 9);
	counter("exits.msr_read", 7);
	counter("alone", 1);
	counter("net.a_name_as_long_as_a_name_can_be_of_40", 2);
	core_event(&core, ABI_EVENT_STATS, 0, 0, 0);
	settle();
	assert_true(core_told(
		&core, "\"action\":\"stats\",\"exits\":{\"cpuid\":5,\"msr_read\":7},"
		       "\"net\":{\"rx_frames\":9,\"a_name_as_long_as_a_name_can_be_of_4\":2},"
		       "\"core\":{\"alone\":1},\"stack\":{"));
	assert_true(core_told(&core, "\"event_type\":\"stats\""));
	assert_int_equal(core_count(&core, "\n"), 2);
}

static void test_all_counters(void **state)
{
	(void)state;
	char name[41];
	start();
	for (unsigned i = 0; i < ABI_COUNTERS; i++) {
		snprintf(name, sizeof(name), "group_%u.a_long_counter_name_%03u", i % 9, i);
		counter(name, UINT64_MAX);
	}
	core.ctl->ncounter = 5000; /* more than there are */
	core_event(&core, ABI_EVENT_STATS, 0, 0, 0);
	settle();
	assert_true(core_told(&core, "a_long_counter_name_127"));
}

/* An event longer than a line may be leaves a hole, which is told. */
static void test_long_event(void **state)
{
	(void)state;
	char name[41];
	start();
	for (unsigned i = 0; i < ABI_COUNTERS; i++) {
		snprintf(name, sizeof(name), "g%u.%034u", i, i);
		counter(name, UINT64_MAX);
	}
	core_event(&core, ABI_EVENT_STATS, 0, 0, 0);
	settle();
	sleep_ms(1100);
	settle();
	assert_true(core_told(&core, "\"class\":\"any\",\"count\":1,\"reason\":\"line_too_long\""));
	assert_int_equal(core.ctl->seq, core.ctl->events_sent + 1);
}

static void test_broken_rules(void **state)
{
	(void)state;
	static const uint64_t junk[64] = {0x1234};
	core.ctl->rules = (uintptr_t)junk;
	core.ctl->rules_size = sizeof(junk);
	start();
	settle();
	assert_true(core_told(&core, "\"action\":\"fault\",\"what\":\"rules\",\"reason\":\""));
	uint8_t frame[60] = {0};
	struct abi_reply reply;
	core_frame(&core, ABI_PORT_WIRE, 0, frame, 60);
	sentry_step(sentry);
	assert_true(core_reply(&core, &reply));
	/* A restart does not tell it a second time. */
	core_forget_text(&core);
	restart();
	settle();
	assert_int_equal(core_count(&core, "rules"), 0);
}

/* With rules: verdicts and events, both ways, and again after a restart. */
static void test_rules(void **state)
{
	(void)state;
	static const struct {
		const char *payload;
		enum abi_verdict verdict;
	} cases[] = {{"harmless", ABI_VERDICT_PASS},
		     {"see ATTACK", ABI_VERDICT_DROP},
		     {"see odd", ABI_VERDICT_PASS}};
	struct abi_reply reply;
	size_t len;
	void *blob = world_compile(
		"drop udp any any -> any any (msg:\"bad\"; content:\"ATTACK\"; sid:1;)\n"
		"alert udp any any -> any any (msg:\"odd\"; content:\"odd\"; sid:2;)\n",
		&len);
	core.ctl->rules = (uintptr_t)blob;
	core.ctl->rules_size = len;
	start();
	for (unsigned i = 0; i < 6; i++) {
		struct frame f = frame_udp("10.77.0.1", (uint16_t)(1000 + i), "10.77.0.2", 53,
					   cases[i % 3].payload, strlen(cases[i % 3].payload));
		core_frame(&core, i < 3 ? ABI_PORT_WIRE : ABI_PORT_GUEST, i, f.at, f.len);
		sentry_step(sentry);
		assert_true(core_reply(&core, &reply));
		assert_int_equal(reply.verdict, cases[i % 3].verdict);
		if (i == 2)
			restart();
	}
	settle();
	assert_int_equal(core_count(&core, "\"event_type\":\"alert\""), 4);
	assert_int_equal(core_count(&core, "\"event_type\":\"drop\""), 2);
	assert_int_equal(core_count(&core, "\"action\":\"blocked\""), 4);
	assert_int_equal(core_count(&core, "\"action\":\"allowed\""), 2);
	free(blob);
}

/* --- address spaces
 * -------------------------------------------------------------------------------------- */

static void make_table(unsigned page)
{
	core.window[page * 512 + 511] = 0x1000063;
	core.window[page * 512 + 255] = 0x2000067 + page * 4096;
}

/* Rounds, each when the last one asked for it, for `ms`. */
static unsigned run_for(unsigned ms)
{
	uint64_t end = core.tsc + (uint64_t)ms * core.ctl->tsc_khz;
	unsigned rounds = 0;
	for (;;) {
		uint64_t deadline = sentry_step(sentry);
		core_drain(&core, UINT32_MAX);
		rounds++;
		assert_true(!deadline || deadline > core.tsc - 1000);
		if (!deadline || deadline >= end)
			break;
		core.tsc = deadline > core.tsc ? deadline : core.tsc;
	}
	core.tsc = end;
	return rounds;
}

static void test_roots(void **state)
{
	(void)state;
	start();
	make_table(5);
	make_table(6);
	core_event(&core, ABI_EVENT_ROOT_SEEN, 0x5000, core.tsc, 1);
	core_event(&core, ABI_EVENT_ROOT_SEEN, 0x5fff, core.tsc, 0);
	core_event(&core, ABI_EVENT_ROOT_SEEN, 1ull << 45, core.tsc, 1); /* no RAM */
	core_event(&core, ABI_EVENT_ROOT_SEEN, 31 * 4096, core.tsc, ABI_ROOT_KNOWN | 1);
	uint64_t deadline = sentry_step(sentry);
	core_drain(&core, UINT32_MAX);
	/* Who can't be watched is told at once, the other when it has lived for a second. */
	assert_int_equal(core_count(&core, "\"action\":\"seen\""), 1);
	assert_int_equal(roots_count(sentry->roots), 1);
	assert_int_equal(roots_unwatched(sentry->roots), 2);
	assert_true(deadline > core.tsc && deadline <= core.tsc + 100 * core.ctl->tsc_khz);
	run_for(900);
	assert_int_equal(core_count(&core, "\"action\":\"seen\""), 1);
	run_for(300);
	assert_int_equal(core_count(&core, "\"action\":\"seen\""), 2);
	assert_true(core_told(&core, "\"action\":\"seen\",\"cr3\":\"0x5000\",\"cpu\":1,"
				     "\"start\":\"2026-"));
	/* Nothing happens for a while: it looks twice a second. */
	run_for(1000);
	assert_in_range(run_for(10000), 18, 26);

	core.window[5 * 512 + 255] = 0;
	run_for(1500);
	assert_int_equal(core_count(&core, "\"action\":\"gone\""), 1);
	assert_true(core_told(&core, "\"action\":\"gone\",\"cr3\":\"0x5000\",\"cpu\":1"));
	assert_true(core_told(&core, "\"switches\":77"));
	assert_int_equal(core_count(&core, "short"), 0);
	assert_int_equal(forgotten, 0x5000);
	assert_int_equal(sentry_step(sentry), 0); /* nothing is left to look at */
}

/* A process shorter than a second is one line, whenever in its life it was looked at. */
static void test_short(void **state)
{
	(void)state;
	start();
	make_table(5);
	make_table(6);
	core.window[6 * 512 + 255] = 0; /* gone before the first look */
	core_event(&core, ABI_EVENT_ROOT_SEEN, 0x5000, core.tsc - 1000, 1);
	core_event(&core, ABI_EVENT_ROOT_SEEN, 0x6000, core.tsc - 1000, 1);
	run_for(300);
	assert_int_equal(core_count(&core, "\n"), 0);
	core.window[5 * 512 + 255] = 0;
	run_for(300);
	assert_int_equal(core_count(&core, "\n"), 1);
	assert_true(core_told(&core, "\"action\":\"gone\",\"cr3\":\"0x5000\",\"cpu\":1,"
				     "\"start\":\"2026-"));
	assert_true(core_told(&core, ",\"short\":true}}"));
	/* op_forget says that 0x6000 was switched to just now: it is the kernel's own table. */
	run_for(1000);
	assert_int_equal(core_count(&core, "\n"), 2);
	assert_true(core_told(&core, "\"action\":\"seen\",\"cr3\":\"0x6000\""));
	assert_int_equal(core.ctl->seq, 2);
}

/* A new life of the sentry tells no address space again, but those whose turn had not come. */
static void test_roots_restart(void **state)
{
	(void)state;
	uint64_t first = core.tsc, second;
	start();
	make_table(5);
	make_table(6);
	core_event(&core, ABI_EVENT_ROOT_SEEN, 0x5000, first, 0);
	run_for(1500);
	second = core.tsc;
	core_event(&core, ABI_EVENT_ROOT_SEEN, 0x6000, second, 0);
	run_for(200);
	assert_int_equal(core_count(&core, "\"action\":\"seen\""), 1);
	restart();
	core_event(&core, ABI_EVENT_ROOT_SEEN, 0x5000, first, ABI_ROOT_KNOWN);
	core_event(&core, ABI_EVENT_ROOT_SEEN, 0x6000, second, ABI_ROOT_KNOWN);
	run_for(1500);
	assert_int_equal(core_count(&core, "\"action\":\"seen\""), 2);
	assert_true(core_told(&core, "\"action\":\"seen\",\"cr3\":\"0x6000\""));
}

/* --- losses and restarts
 * ---------------------------------------------------------------------------------- */

/* Sum of the counts that `lost` lines tell. */
static uint64_t told_lost(void)
{
	uint64_t sum = 0;
	for (const char *at = core.text; (at = strstr(at, "\"action\":\"lost\"")); at++)
		sum += strtoull(strstr(at, "\"count\":") + 8, NULL, 10);
	return sum;
}

static void check_seq(void)
{
	/* Each number once, holes only where a line was lost. */
	static bool seen[200000];
	uint64_t lines = 0, highest = 0;
	memset(seen, 0, sizeof(seen));
	for (const char *at = core.text; (at = strstr(at, "\"seq\":")); at++) {
		uint64_t seq = strtoull(at + 6, NULL, 10);
		assert_true(seq > 0 && seq < 200000);
		assert_false(seen[seq]);
		seen[seq] = true;
		lines++;
		highest = seq > highest ? seq : highest;
	}
	assert_int_equal(lines, core_count(&core, "\n"));
	assert_int_equal(lines, core.ctl->events_sent);
	assert_int_equal(lines + told_lost(), core.ctl->seq);
	assert_int_equal(highest, core.ctl->seq);
}

static void flood(unsigned count)
{
	static uint64_t root = 0x100000000;
	while (count--) {
		while (!core_event(&core, ABI_EVENT_ROOT_SEEN, root, core.tsc, 0))
			sentry_step(sentry);
		root += 4096;
	}
}

static void settle_all(void)
{
	for (int i = 0; i < 10; i++) {
		settle();
		sleep_ms(1100);
	}
}

static void test_flood(void **state)
{
	(void)state;
	start();
	flood(5000); /* far more than the queue of the class holds */
	uint64_t deadline = sentry_step(sentry);
	assert_true(core.ctl->events_lost[EVE_CLASS_PROCESS] > 1000);
	assert_true(deadline > 0 && deadline <= core.tsc + 1000 * core.ctl->tsc_khz);
	/* It wants to be entered when half of the ring is free, and can then go on. */
	assert_int_equal(core.ctl->output_low, ABI_OUTPUT / 2);
	/* A line of another class overtakes. */
	core_event(&core, ABI_EVENT_READY, 0, 0, 0);
	sentry_step(sentry);
	core_drain(&core, ABI_OUTPUT / 2);
	sentry_step(sentry);
	core_drain(&core, ABI_OUTPUT);
	assert_true(core_told(&core, "\"action\":\"ready\""));
	settle_all();
	assert_true(core_told(&core, "\"class\":\"process\""));
	assert_int_equal(core.ctl->output_low, 0);
	check_seq();
}

/* What has no room is not written, only numbered and counted. */
static void test_not_written(void **state)
{
	(void)state;
	start();
	flood(2000);
	sentry_step(sentry);
	uint64_t lost = core.ctl->events_lost[EVE_CLASS_PROCESS], seq = core.ctl->seq;
	assert_true(lost > 100);
	memset(sentry->eve.line, '#', sizeof(sentry->eve.line));
	flood(50);
	sentry_step(sentry);
	assert_int_equal(core.ctl->seq, seq + 50);
	assert_int_equal(core.ctl->events_lost[EVE_CLASS_PROCESS], lost + 50);
	assert_int_equal(sentry->eve.line[0], '#');
	settle_all();
	check_seq();
}

static void test_restart(void **state)
{
	(void)state;
	start();
	core_event(&core, ABI_EVENT_START, 0, 0, 0);
	flood(5000);
	sentry_step(sentry);
	core_drain(&core, 3000);
	uint64_t seq = core.ctl->seq;
	restart(); /* with hundreds of lines in its queues */
	core_event(&core, ABI_EVENT_SENTRY_RESTART, ABI_SENTRY_EXCEPTION, 0x10, 6ull << 32);
	settle_all();
	assert_true(core_told(&core, "\"reason\":\"sentry_restart\""));
	assert_true(core_told(&core, "\"what\":\"sentry\",\"reason\":\"exception\""));
	assert_true(core.ctl->seq > seq);
	check_seq();
	/* Nothing was lost this time, and nothing is told again. */
	uint64_t told = told_lost();
	restart();
	settle_all();
	assert_int_equal(told_lost(), told);
	assert_int_equal(core_count(&core, "\"action\":\"start\""), 1);
	check_seq();
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_contract),     T(test_no_memory),    T(test_frames),
		T(test_full_replies), T(test_bad_requests), T(test_own_slots),
		T(test_events),	      T(test_stats),	    T(test_all_counters),
		T(test_long_event),   T(test_broken_rules), T(test_rules),
		T(test_roots),	      T(test_short),	    T(test_roots_restart),
		T(test_not_written),  T(test_flood),	    T(test_restart),
	};
	return cmocka_run_group_tests_name("sentry_loop", tests, NULL, NULL);
}
