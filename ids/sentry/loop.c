/* See loop.h. */
#include "ids/sentry/loop.h"

#include <stdio.h>
#include <string.h>

#include "hv/errno.h"
#include "ids/sentry/introspect.h"
#include "ids/sentry/process.h"
#include "ids/sentry/report.h"
#ifdef VIGIL_TEST_HOOKS
#include "ids/sentry/testhooks.h"
#endif

#define LOST_MS	   1000 /* between two rounds of `lost` events */
#define DRAIN_MS   1000 /* lines wait: the core wakes us for them; this is for one that does not */
#define FULL_MS	   1	/* the core has not taken the replies yet */
#define SETTLE_MS  300	/* after a restart: the core may still send frames of the last life */
#define PUMP_EVERY 64	/* requests between two looks at the output */

static uint32_t acquire(const volatile uint32_t *index)
{
	return __atomic_load_n(index, __ATOMIC_ACQUIRE);
}

static void release(volatile uint32_t *index, uint32_t value)
{
	__atomic_store_n(index, value, __ATOMIC_RELEASE);
}

uint64_t sentry_now_ns(const struct sentry *s)
{
	return clock_ns(&s->clock, s->now);
}

uint64_t sentry_ns(const struct sentry *s, uint64_t tsc)
{
	return clock_ns(&s->clock, tsc);
}

static void update_now(struct sentry *s)
{
	s->now = s->ops.tsc(s->ops.ctx);
}

/* --- replies
 * ------------------------------------------------------------------------------------------ */

static uint32_t reply_room(struct sentry *s)
{
	return ABI_REPLIES - (s->rep_prod - acquire(&s->ctl->reply.cons));
}

static void post(struct sentry *s, struct abi_reply reply)
{
	s->reply[s->rep_prod % ABI_REPLIES] = reply;
	release(&s->ctl->reply.prod, ++s->rep_prod);
}

void sentry_reply(struct sentry *s, const struct abi_reply *reply)
{
	post(s, *reply);
}

/* --- net/stack's callbacks
 * ------------------------------------------------------------------------------ */

static bool stack_inspect(void *ctx, enum abi_port from, const uint8_t *frame, size_t len)
{
	struct sentry *s = ctx;
	enum ids_dir dir = from == ABI_PORT_GUEST ? IDS_FROM_GUEST : IDS_TO_GUEST;
	return ids_inspect(s->ids, frame, len, dir, sentry_now_ns(s)) == IDS_PASS;
}

static uint8_t *own_slot(struct sentry *s, uint32_t index)
{
	return s->frames + (size_t)(ABI_FRAME_SLOTS + index) * ABI_FRAME_SIZE;
}

static uint8_t *stack_buffer(void *ctx)
{
	struct sentry *s = ctx;
	/* One place of the ring stays free for the verdict on the frame in hand. */
	if (s->send_used == UINT32_MAX || reply_room(s) < 2 || s->now < s->send_from)
		return NULL;
	uint32_t index = (uint32_t)__builtin_ctz(~s->send_used);
	s->send_used |= 1u << index;
	return own_slot(s, index);
}

static void stack_send(void *ctx, enum abi_port to, uint8_t *buffer, size_t len)
{
	struct sentry *s = ctx;
	size_t slot = (size_t)(buffer - s->frames) / ABI_FRAME_SIZE;
	post(s, (struct abi_reply){
			.type = ABI_REP_SEND,
			.port = (uint8_t)to,
			.len = (uint16_t)len,
			.slot = (uint16_t)slot,
		});
}

static uint32_t stack_now_ms(void *ctx)
{
	struct sentry *s = ctx;
	return (uint32_t)(clock_span_ns(&s->clock, s->now) / 1000000);
}

/* xorshift64*: for DHCP's transaction numbers, nothing secret. */
static uint32_t stack_rand(void *ctx)
{
	struct sentry *s = ctx;
	s->random ^= s->random >> 12;
	s->random ^= s->random << 25;
	s->random ^= s->random >> 27;
	return (uint32_t)(s->random * 0x2545f4914f6cdd1dull >> 32);
}

static void stack_log(void *ctx, const char *text)
{
	struct sentry *s = ctx;
	s->ops.log(s->ops.ctx, text);
}

static void stack_fatal(void *ctx, const char *text)
{
	struct sentry *s = ctx;
	s->ops.fatal(s->ops.ctx, text);
}

/* --- other callbacks
 * ------------------------------------------------------------------------------------ */

static void emit(void *ctx, enum eve_class cls, const char *line, size_t len)
{
	struct sentry *s = ctx;
	channel_put(&s->channel, cls, line, len);
}

static bool admit(void *ctx, enum eve_class cls)
{
	struct sentry *s = ctx;
	return channel_admit(&s->channel, cls);
}

/* --- requests
 * ------------------------------------------------------------------------------------------- */

static void do_frame(struct sentry *s, const struct abi_request *r)
{
	enum abi_verdict verdict = ABI_VERDICT_DROP;
	if (r->slot >= ABI_FRAME_SLOTS) {
		s->bad_requests++;
		return;
	}
	if (r->port < ABI_PORTS && r->len <= ABI_FRAME_SIZE) {
		const uint8_t *frame = s->frames + (size_t)r->slot * ABI_FRAME_SIZE;
#ifdef VIGIL_TEST_HOOKS
		test_hook(s, r, frame);
#endif
		verdict = stack_input((enum abi_port)r->port, frame, r->len);
	}
	post(s, (struct abi_reply){
			.type = ABI_REP_VERDICT,
			.verdict = (uint8_t)verdict,
			.slot = (uint16_t)r->slot,
		});
}

static void do_sent(struct sentry *s, const struct abi_request *r)
{
	uint32_t index = r->slot - ABI_FRAME_SLOTS;
	if (index < ABI_SEND_SLOTS && (s->send_used & 1u << index))
		s->send_used &= ~(1u << index);
	else if (index >= ABI_SEND_SLOTS || !s->ctl->restarts) /* else one of the last life's */
		s->bad_requests++;
}

static void do_request(struct sentry *s, const struct abi_request *r)
{
	switch (r->type) {
	case ABI_REQ_NONE: /* taken back by the core at a restart */
		break;
	case ABI_REQ_FRAME:
		do_frame(s, r);
		break;
	case ABI_REQ_SENT:
		do_sent(s, r);
		break;
	case ABI_REQ_EVENT:
		if (r->port == ABI_EVENT_ROOT_SEEN)
			process_root(s, r);
		else if (!introspect_event(s, r))
			report_event(s, r);
		break;
	case ABI_REQ_HOOK:
		introspect_hit(s, r);
		break;
	default:
		s->bad_requests++;
	}
}

static void pump(struct sentry *s)
{
	struct channel_output out = {
		.bytes = s->output,
		.size = ABI_OUTPUT,
		.prod = s->out_prod,
		.cons = acquire(&s->ctl->output.cons),
	};
	if (out.prod - out.cons > ABI_OUTPUT)
		s->ops.fatal(s->ops.ctx, "output ring indices");
	if (channel_pump(&s->channel, &out)) {
		s->out_prod = out.prod;
		release(&s->ctl->output.prod, out.prod);
	}
	report_lost_out(s);
	/* Half of the ring keeps the serial port busy for a third of a second. */
	uint32_t limit = channel_limit(&s->channel, ABI_OUTPUT);
	s->ctl->output_low = limit == ABI_OUTPUT      ? 0
			     : limit < ABI_OUTPUT / 2 ? limit + 1
						      : ABI_OUTPUT / 2;
}

/* All requests there are. False if it had to stop because the replies have no room. */
static bool drain(struct sentry *s)
{
	for (uint32_t done = 1;; done++) {
		uint32_t filled = acquire(&s->ctl->request.prod) - s->req_cons;
		if (!filled)
			return true;
		if (filled > ABI_REQUESTS)
			s->ops.fatal(s->ops.ctx, "request ring indices");
		if (!reply_room(s))
			return false;
		struct abi_request r = s->request[s->req_cons % ABI_REQUESTS];
		/* Taken before it is worked on: a request that kills us is not met again. */
		release(&s->ctl->request.cons, ++s->req_cons);
		update_now(s);
		do_request(s, &r);
		if (done % PUMP_EVERY == 0)
			pump(s);
	}
}

/* --- timers
 * --------------------------------------------------------------------------------------------- */

static bool lost_untold(const struct sentry *s)
{
	return memcmp(s->ctl->events_lost, s->told, sizeof(s->told)) != 0;
}

static void timers(struct sentry *s)
{
	process_timers(s);
	introspect_step(s);
	s->ctl->events_lost[SENTRY_LOST_LONG] += s->eve.overflow - s->overflow;
	s->overflow = s->eve.overflow;
	if (s->now >= s->next_lost && lost_untold(s)) {
		report_lost(s);
		s->next_lost = s->now + clock_ticks(&s->clock, LOST_MS);
	}
	stack_timers();
}

static void earlier(uint64_t *deadline, uint64_t tsc)
{
	if (!*deadline || tsc < *deadline)
		*deadline = tsc;
}

static uint64_t next_work(struct sentry *s, bool drained)
{
	uint64_t deadline = process_deadline(s);
	uint64_t look = introspect_deadline(s);
	if (look)
		earlier(&deadline, look);
	uint32_t stack_ms = stack_sleep_ms();
	if (stack_ms != UINT32_MAX)
		earlier(&deadline, s->now + clock_ticks(&s->clock, stack_ms ? stack_ms : 1));
	if (!channel_empty(&s->channel))
		earlier(&deadline, s->now + clock_ticks(&s->clock, DRAIN_MS));
	if (lost_untold(s))
		earlier(&deadline, s->next_lost);
	if (!drained)
		earlier(&deadline, s->now + clock_ticks(&s->clock, FULL_MS));
	return deadline;
}

uint64_t sentry_step(struct sentry *s)
{
	bool drained = drain(s);
	update_now(s);
	timers(s);
	pump(s);
	return next_work(s, drained);
}

/* --- start
 * ---------------------------------------------------------------------------------------------- */

/* Numbered events that neither left nor were counted as lost went down with the last sentry. */
static void account_restart(struct abi_ctl *ctl)
{
	uint64_t known = ctl->events_sent;
	for (unsigned i = 0; i <= SENTRY_LOST_RESTART; i++)
		known += ctl->events_lost[i];
	if (ctl->restarts && ctl->seq > known)
		ctl->events_lost[SENTRY_LOST_RESTART] += ctl->seq - known;
}

static int start_ids(struct sentry *s)
{
	const struct ids_ops ops = {.ctx = s->ops.ctx, .alloc = s->ops.alloc};
	const struct ids_config config = {
		.link = IDS_LINK_ETHERNET,
		.ips = true,
		.in_iface = "vigil0",
		.seed = s->random,
		.midstream = true, /* connections outlive a restart of ours */
		.flow_entries = 2048,
		.conversations = 64,
		.stream_pages = 160,
		.app_memory = 384u << 10,
		.defrag_pages = 64,
		.defrag_trackers = 128,
	};
	const void *blob = s->ctl->rules_size ? (const void *)(uintptr_t)s->ctl->rules : NULL;
	int err = ids_create(&s->ids, &ops, &s->eve, &config, blob, s->ctl->rules_size);
	if (err != -EBADMSG)
		return err;
	const char *reason = ids_blob_reason(blob, s->ctl->rules_size);
	if (!s->ctl->restarts)
		report_rules(s, reason ? reason : "refused");
	return ids_create(&s->ids, &ops, &s->eve, &config, NULL, 0);
}

static int start_stack(struct sentry *s)
{
	const struct abi_ctl *ctl = s->ctl;
	const struct stack_ops ops = {
		.ctx = s,
		.inspect = stack_inspect,
		.buffer = stack_buffer,
		.send = stack_send,
		.now_ms = stack_now_ms,
		.random = stack_rand,
		.log = stack_log,
		.assert_failed = stack_fatal,
	};
	struct stack_config config = {
		.address = ctl->nic_present ? ctl->config.address : ADDRESS_NONE,
		.prefix = ctl->config.addr_prefix,
		.addr = ctl->config.addr,
		.gateway = ctl->config.gateway,
		.name = s->host,
	};
	memcpy(config.mac, ctl->mac, sizeof(config.mac));
	return stack_init(&ops, &config);
}

static int start_events(struct sentry *s)
{
	struct abi_ctl *ctl = s->ctl;
	memcpy(s->host, ctl->config.name, sizeof(s->host));
	s->host[sizeof(s->host) - 1] = 0;
	snprintf(s->boot, sizeof(s->boot), "%016llx", (unsigned long long)ctl->boot_id);

	void *memory = s->ops.alloc(s->ops.ctx, channel_memory());
	if (!memory)
		return -ENOMEM;
	account_restart(ctl);
	memcpy(s->told, ctl->events_told, sizeof(s->told));
	channel_init(&s->channel, memory, &ctl->events_sent, ctl->events_lost);
	const struct eve_config config = {.host = s->host,
					  .boot = s->boot,
					  .seq = &ctl->seq,
					  .ctx = s,
					  .emit = emit,
					  .admit = admit};
	eve_init(&s->eve, &config);
	return 0;
}

int sentry_init(struct sentry *s, const struct sentry_ops *ops, void *shared)
{
	struct abi_ctl *ctl = shared;
	uint8_t *base = shared;

	if (ctl->magic != ABI_MAGIC || ctl->version != ABI_VERSION || ctl->tsc_khz == 0)
		return -EPROTO;
	memset(s, 0, sizeof(*s));
	s->ops = *ops;
	s->ctl = ctl;
	s->request = (struct abi_request *)(base + ABI_OFF_REQ);
	s->reply = (struct abi_reply *)(base + ABI_OFF_REP);
	s->output = base + ABI_OFF_OUT;
	s->frames = base + ABI_OFF_FRAMES;
	s->req_cons = ctl->request.cons;
	s->rep_prod = ctl->reply.prod;
	s->out_prod = ctl->output.prod;
	s->clock = (struct clock){ctl->tsc_khz * 1000, ctl->wall_ns, ctl->wall_tsc};
	update_now(s);
	s->start_ns = sentry_now_ns(s);
	s->random = (ctl->boot_id ^ s->now) | 1;
	if (ctl->restarts)
		s->send_from = s->now + clock_ticks(&s->clock, SETTLE_MS);

	int err = start_events(s);
	if (!err)
		err = process_init(s);
	if (!err)
		err = introspect_init(s);
	if (!err)
		err = start_ids(s);
	if (!err)
		err = start_stack(s);
	return err;
}
