/* Conversations: the octets of a flow, in order, to the application layer and to the rules. */
#include <string.h>

#include "hv/errno.h"
#include "ids/engine_impl.h"

#define CONVS_DEFAULT 128u
#define STREAM_PAGES  512u
#define APP_MEMORY    (1u << 20)
#define BODY_DEFAULT  (32u << 10)

static struct flow_ref ref_of(struct flow *f, bool to_server)
{
	return (struct flow_ref){.flow = f, .to_server = to_server, .established = true};
}

/* --- packets that are made up --------------------------------------------------------------------
 */

/* As one of this flow without any octets would look. */
static void make_up(struct packet *p, const struct flow *f, bool to_server)
{
	const struct flow_key *k = &f->key;

	*p = (struct packet){.reach = PACKET_UPPER,
			     .ip_version = k->ip_version,
			     .proto = k->proto,
			     .has_ports = true,
			     .sp = to_server ? k->cp : k->sp,
			     .dp = to_server ? k->sp : k->cp};
	memcpy(p->src, to_server ? k->client : k->server, 16);
	memcpy(p->dst, to_server ? k->server : k->client, 16);
	for (unsigned i = 0; i < 2 && k->vlan[i]; i++)
		p->vlan[p->tags++] = k->vlan[i];
	if (p->proto == PROTO_TCP)
		p->tcp_flags = TCP_ACK;
}

struct turn conv_turn_for(const struct ids *ids, struct flow *f, bool to_server,
			  struct packet *other)
{
	struct turn t = *ids->turn;

	if (t.ref.flow != f || t.ref.to_server != to_server || t.made_up) {
		make_up(other, f, to_server);
		t.packet = other;
		t.made_up = true;
		t.ref = ref_of(f, to_server);
	}
	return t;
}

/* --- the conversations --------------------------------------------------------------------------
 */

static void unlink_conv(struct ids *ids, struct conv *c)
{
	*(c->older ? &c->older->newer : &ids->oldest) = c->newer;
	*(c->newer ? &c->newer->older : &ids->newest) = c->older;
	c->older = c->newer = NULL;
}

static void link_newest(struct ids *ids, struct conv *c)
{
	c->older = ids->newest;
	*(c->older ? &c->older->newer : &ids->oldest) = c;
	ids->newest = c;
}

static void open_conv(struct ids *ids, struct conv *c, struct flow *f)
{
	c->flow = f;
	c->older = c->newer = NULL;
	for (unsigned d = 0; d < 2; d++) {
		c->side[d].rules = (struct matcher_stream){0};
		c->side[d].at = 0;
		c->side[d].len = 0;
		c->side[d].held_count = 0;
	}
	c->app = app_open(ids->app, c, f->key.proto == PROTO_TCP, f->key.cp, f->key.sp);
	f->conv = c;
}

static void note_app(struct conv *c);

/* Its last transactions are told by app_close(). */
static void close_conv(struct conv *c)
{
	struct app_flow *app = c->app;

	note_app(c);
	c->app = NULL;
	app_close(app);
	c->flow->conv = NULL;
	c->flow = NULL;
}

static void give_back(struct ids *ids, struct conv *c)
{
	unlink_conv(ids, c);
	c->newer = ids->free_conv;
	ids->free_conv = c;
}

static void finish(struct ids *ids, struct flow *f, bool over);

/* The flow's, made if there is none. NULL: it was given up before. */
static struct conv *conv_of(struct ids *ids, struct flow *f)
{
	struct conv *c = f->conv;

	if (c) {
		unlink_conv(ids, c);
		link_newest(ids, c);
		return c;
	}
	if (f->unheard)
		return NULL;
	if (!ids->free_conv) {
		struct flow *old = ids->oldest->flow;

		ids->stats.conversations_evicted++;
		old->unheard = true;
		finish(ids, old, false);
	}
	c = ids->free_conv;
	ids->free_conv = c->newer;
	open_conv(ids, c, f);
	link_newest(ids, c);
	return c;
}

enum app_proto conv_proto(const struct flow *flow)
{
	const struct conv *c = flow ? flow->conv : NULL;

	if (!flow)
		return APP_UNKNOWN;
	return c && c->app ? app_flow_proto(c->app) : (enum app_proto)flow->app_proto;
}

enum app_proto conv_said(const struct flow *flow, bool to_server)
{
	return flow ? (enum app_proto)flow->app_said[to_server] : APP_UNKNOWN;
}

/* --- what rules ask ------------------------------------------------------------------------------
 */

static bool turn_number(void *ctx, enum rule_number which, uint32_t *value)
{
	const struct turn *t = ctx;
	const struct stream_half *half;

	if (t->packet->proto != PROTO_TCP ||
	    (which != RULE_STREAM_CLIENT && which != RULE_STREAM_SERVER))
		return false;
	half = &t->ref.flow->tcp.half[which == RULE_STREAM_SERVER];
	*value = half->next_seq - half->isn;
	return true;
}

static bool turn_event(void *ctx, enum rule_event kind, uint32_t event)
{
	const struct turn *t = ctx;

	if (kind == RULE_EVENT_STREAM)
		return stream_event_has(&t->stream.events, event);
	return kind == RULE_EVENT_APP && event < APP_EVENTS_MAX && t->app_events >> event & 1;
}

struct rule_source conv_source(struct turn *turn)
{
	return (struct rule_source){
		.ctx = turn, .number = turn->ref.flow ? turn_number : NULL, .event = turn_event};
}

/* --- matches that wait for a packet --------------------------------------------------------------
 */

static void tell_held(struct ids *ids, struct conv *c, const struct turn *turn)
{
	struct conv_side *s = &c->side[turn->ref.to_server];
	struct matches m = {.count = 1};
	uint32_t count = s->held_count;

	s->held_count = 0;
	for (uint32_t i = 0; i < count; i++) {
		m.rule[0] = s->held[i];
		m.silent[0] = s->held_silent[i];
		engine_act(ids, turn, &m, s->held_tx[i], &ids->turn->verdict);
	}
}

void conv_act_or_hold(struct ids *ids, struct conv *c, const struct turn *turn,
		      const struct matches *m, bool tx)
{
	struct conv_side *s = &c->side[turn->ref.to_server];

	if (!turn->made_up || ids->turn->made_up) {
		engine_act(ids, turn, m, tx, &ids->turn->verdict);
		return;
	}
	for (uint32_t i = 0; i < m->count; i++) {
		if (s->held_count == CONV_HELD)
			tell_held(ids, c, turn);
		s->held[s->held_count] = m->rule[i];
		s->held_silent[s->held_count] = m->silent[i];
		s->held_tx[s->held_count++] = tx;
	}
}

/* --- streams ------------------------------------------------------------------------------------
 */

/* The octets behind the window's; what leaves it at its beginning is not looked at again. */
static void append(struct conv_side *s, const uint8_t *data, uint32_t len)
{
	if (s->len + len > CONV_WINDOW) {
		uint32_t out = s->len + len - CONV_WINDOW;

		memmove(s->window, s->window + out, s->len - out);
		s->len -= out;
		s->at += out;
	}
	memcpy(s->window + s->len, data, len);
	s->len += len;
}

static void match_stream(struct ids *ids, struct conv *c, bool to_server, uint32_t fresh)
{
	struct conv_side *s = &c->side[to_server];
	struct packet other;
	struct turn turn = conv_turn_for(ids, c->flow, to_server, &other);
	struct matches m = {.count = 0};
	/* With the packet that brought them, so that a rule tells once of both. */
	bool own = !turn.made_up;
	struct rule_source source = conv_source(ids->turn);
	struct look look = {.packet = turn.packet,
			    .flow = &turn.ref,
			    .source = &source,
			    .now_ns = turn.now_ns,
			    .proto = conv_proto(c->flow),
			    .window = {s->window, s->len},
			    .window_at = s->at};

	if (!ids->rules || c->flow->action == FLOW_PASS)
		return;
	matcher_stream(&ids->matcher, &look, fresh, &s->rules, own ? &ids->turn->matches : &m);
	if (!own)
		conv_act_or_hold(ids, c, &turn, &m, false);
}

/* What is known of the flow's protocol now. */
static void note_app(struct conv *c)
{
	for (int d = 0; c->app && d < 2; d++) {
		uint8_t said = (uint8_t)app_flow_proto_of(c->app, d);
		if (said != APP_UNKNOWN && said != c->flow->app_said[d])
			c->flow->app_found[d] = true;
		c->flow->app_said[d] = said;
	}
	if (c->app)
		c->flow->app_proto = (uint8_t)app_flow_proto(c->app);
}

/* If nothing of the application layer is to be had (any more), that is the end of it. */
static void check_app(struct conv *c)
{
	struct app_flow *app = c->app;

	note_app(c);
	if (!app || !app_flow_finished(app))
		return;
	c->app = NULL;
	app_close(app);
}

static void to_app(struct ids *ids, struct conv *c, bool to_server, const uint8_t *data,
		   uint32_t len, unsigned flags)
{
	static const uint8_t none[1];

	if (!c->app)
		return;
	app_data(c->app, to_server, data ? data : none, len, flags, ids->turn->now_ns);
	ids->turn->app_events |= app_flow_events(c->app);
	check_app(c);
}

static void skip_gap(struct ids *ids, struct conv *c, bool to_server, uint64_t offset)
{
	struct conv_side *s = &c->side[to_server];
	uint64_t expected = s->at + s->len;

	if (offset > expected)
		to_app(ids, c, to_server, NULL,
		       offset - expected > UINT32_MAX ? UINT32_MAX : (uint32_t)(offset - expected),
		       APP_GAP);
	s->rules = (struct matcher_stream){0};
	s->at = offset;
	s->len = 0;
}

/* The streams' callback. */
static void on_stream(void *ctx, struct flow *f, bool to_server, const uint8_t *data, uint32_t len,
		      uint64_t offset, unsigned flags)
{
	struct ids *ids = ctx;
	struct conv *c = len || f->conv ? conv_of(ids, f) : NULL;

	if (!c)
		return;
	struct conv_side *s = &c->side[to_server];
	if (flags & STREAM_GAP || offset != s->at + s->len)
		skip_gap(ids, c, to_server, offset);
	while (len) {
		uint32_t n = len < CONV_SLICE ? len : CONV_SLICE;
		append(s, data, n);
		to_app(ids, c, to_server, data, n, 0);
		match_stream(ids, c, to_server, n);
		data += n;
		len -= n;
	}
	if (flags & STREAM_END) {
		to_app(ids, c, to_server, NULL, 0, APP_EOF);
		match_stream(ids, c, to_server, 0);
	}
}

/* --- packets ------------------------------------------------------------------------------------
 */

static void take_segment(struct ids *ids, struct turn *turn)
{
	stream_take(&ids->streams, turn->ref.flow, turn->packet, turn->ref.to_server, turn->now_ns,
		    &turn->stream);
	/* Another thing than was delivered, or what could not be kept until its turn: the target
	 * must not get what was not looked at. */
	if ((turn->stream.different || turn->stream.no_room) && ids->config.ips) {
		ids->stats.segments_dropped++;
		engine_tell_drop(ids, turn, NULL, "stream error");
		turn->verdict = IDS_DROP;
	}
}

/* Each datagram speaks for itself: it has a conversation for as long as it is looked at, and takes
 * none from the connections. */
static void take_datagram(struct ids *ids, struct turn *turn)
{
	struct flow *f = turn->ref.flow;
	const struct packet *p = turn->packet;
	struct conv *c = &ids->datagram;

	if (!p->payload_len || f->heard)
		return;
	open_conv(ids, c, f);
	if (!c->app) {
		f->conv = NULL;
		return;
	}
	app_datagram(c->app, turn->ref.to_server, p->payload, p->payload_len, turn->now_ns);
	turn->app_events |= app_flow_events(c->app);
	f->heard = app_flow_finished(c->app); /* none of ours */
	close_conv(c);
}

void conv_packet(struct ids *ids, struct turn *turn)
{
	bool *found = &turn->ref.flow->app_found[turn->ref.to_server];

	ids->turn = turn;
	turn->detected = *found;
	*found = false;
	if (turn->ref.flow->conv)
		tell_held(ids, turn->ref.flow->conv, turn);
	if (turn->packet->proto == PROTO_TCP && turn->packet->has_ports)
		take_segment(ids, turn);
	else if (turn->packet->proto == PROTO_UDP && turn->packet->has_ports)
		take_datagram(ids, turn);
	ids->turn = NULL;
	/* Its memory is better used for others. Otherwise what is held is told with what comes. */
	if (turn->ref.flow->conv && ids->config.ips && stream_closed(&turn->ref.flow->tcp))
		finish(ids, turn->ref.flow, true);
}

/* The conversation of a flow ends: what waits in it is told. `over`: so does the flow, and what
 * waits in its streams is delivered before. */
static void finish(struct ids *ids, struct flow *f, bool over)
{
	struct packet p;
	struct turn turn = {
		.packet = &p, .ref = ref_of(f, true), .now_ns = f->last_ns, .made_up = true};
	struct turn *outer = ids->turn;
	struct conv *c;

	make_up(&p, f, true);
	ids->turn = &turn;
	if (over && f->key.proto == PROTO_TCP)
		stream_end(&ids->streams, f);
	c = f->conv;
	for (int to_server = 0; c && to_server < 2; to_server++) {
		turn.ref.to_server = to_server;
		make_up(&p, f, to_server);
		tell_held(ids, c, &turn);
	}
	if (c) {
		close_conv(c);
		give_back(ids, c);
	}
	ids->turn = outer;
}

void conv_end(void *ctx, struct flow *f)
{
	finish(ctx, f, true);
}

/* --- creation ------------------------------------------------------------------------------------
 */

static void *take(const struct ids_ops *ops, uint64_t size)
{
	return size ? ops->alloc(ops->ctx, (size_t)size) : NULL;
}

static int create_streams(struct ids *ids, const struct ids_ops *ops)
{
	struct stream_config config;
	void *memory;

	stream_defaults(&config);
	config.in_line = ids->config.ips || ids->config.stream_inline;
	config.midstream = ids->config.midstream;
	config.async = ids->config.async;
	config.pages = ids->config.stream_pages ? ids->config.stream_pages : STREAM_PAGES;
	config.deliver = on_stream;
	config.ctx = ids;
	memory = take(ops, stream_size(&config));
	if (!memory)
		return -ENOMEM;
	stream_init(&ids->streams, memory, &config);
	ids->flows.streams = &ids->streams;
	ids->flows.midstream = config.midstream || config.async;
	ids->flows.ended = conv_end;
	ids->flows.ctx = ids;
	return 0;
}

static int create_app(struct ids *ids, const struct ids_ops *ops, uint32_t convs)
{
	struct app_config config = {
		.flows = convs,
		.memory = ids->config.app_memory ? ids->config.app_memory : APP_MEMORY,
		.request_body = ids->config.body_limit ? ids->config.body_limit : BODY_DEFAULT,
		.response_body = ids->config.body_limit ? ids->config.body_limit : BODY_DEFAULT,
		.ctx = ids,
		.tx = conv_on_tx,
	};
	void *memory = take(ops, app_size(&config));

	ids->app = memory ? app_create(memory, &config) : NULL;
	return ids->app ? 0 : -ENOMEM;
}

int conv_create(struct ids *ids, const struct ids_ops *ops)
{
	uint32_t convs = ids->config.conversations ? ids->config.conversations : CONVS_DEFAULT;
	int err = create_streams(ids, ops);

	err = err ?: create_app(ids, ops, convs);
	err = err ?: conv_create_tx(ids, ops, convs);
	if (err)
		return err;
	ids->conv = take(ops, (uint64_t)convs * sizeof(*ids->conv));
	if (!ids->conv)
		return -ENOMEM;
	for (uint32_t i = 0; i < convs; i++) {
		ids->conv[i].newer = ids->free_conv;
		ids->free_conv = &ids->conv[i];
	}
	return 0;
}
