#include "ids/engine.h"

#include "hv/errno.h"
#include "ids/engine_impl.h"
#include "ids/packet/packet.h"

#define FLOW_ENTRIES_DEFAULT 4096
#define EXPIRE_EVERY	     64 /* packets: so many entries of the flow table are looked at */
#define EXPIRE_ENTRIES	     64
#define ALERTS_DEFAULT	     100 /* more than a serial port at 115,200 baud carries */
#define FLOW_ENTRIES_MAX     (1u << 20)

const char *ids_blob_reason(const void *blob, size_t len)
{
	struct blob b;

	return blob_open(&b, blob, len);
}

static int take_rules(struct ids *ids, const struct ids_ops *ops, const void *blob, size_t len)
{
	void *memory;

	if (!blob)
		return 0;
	if (blob_open(&ids->blob, blob, len))
		return -EBADMSG;
	memory = ops->alloc(ops->ctx, (size_t)matcher_size(&ids->blob));
	ids->limit = ops->alloc(ops->ctx,
				((size_t)ids->blob.count[BLOB_RULES] + 1) * sizeof(struct limit));
	if (!memory || !ids->limit)
		return -ENOMEM;
	if (!matcher_init(&ids->matcher, &ids->blob, memory, ids->config.seed, &ids->stats))
		return -EINVAL;
	ids->rules = true;
	return 0;
}

static int make_flows(struct ids *ids, const struct ids_ops *ops)
{
	uint32_t entries = ids->config.flow_entries;
	void *memory;

	if (entries > FLOW_ENTRIES_MAX)
		return -EINVAL;
	if (entries == 0)
		entries = FLOW_ENTRIES_DEFAULT;
	memory = ops->alloc(ops->ctx, (size_t)flow_table_size(entries));
	if (!memory)
		return -ENOMEM;
	flow_table_init(&ids->flows, memory, entries, ids->config.seed);
	ids->flows.midstream = ids->config.midstream;
	return 0;
}

static int make_defrag(struct ids *ids, const struct ids_ops *ops)
{
	struct defrag_config config = {.seed = ~ids->config.seed,
				       .pages = ids->config.defrag_pages,
				       .trackers = ids->config.defrag_trackers};
	void *memory = ops->alloc(ops->ctx, (size_t)defrag_size(&config));

	if (!memory)
		return -ENOMEM;
	defrag_init(&ids->defrag, memory, &config);
	return 0;
}

int ids_create(struct ids **out, const struct ids_ops *ops, struct eve *eve,
	       const struct ids_config *config, const void *blob, size_t len)
{
	struct ids *ids;
	int err;

	if (!eve || !config)
		return -EINVAL;
	ids = ops->alloc(ops->ctx, sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	ids->config = *config;
	if (config->alerts_per_rule == 0)
		ids->config.alerts_per_rule = ALERTS_DEFAULT;
	ids->eve = eve;
	err = take_rules(ids, ops, blob, len);
	if (!err)
		err = make_flows(ids, ops);
	if (!err)
		err = make_defrag(ids, ops);
	if (!err)
		err = conv_create(ids, ops);
	if (err)
		return err;
	*out = ids;
	return 0;
}

const struct blob *ids_blob(const struct ids *ids)
{
	return ids->rules ? &ids->blob : NULL;
}

uint32_t ids_rule_count(const struct ids *ids)
{
	return ids->rules ? ids->blob.count[BLOB_RULES] : 0;
}

const struct ids_stats *ids_stats(const struct ids *ids)
{
	return &ids->stats;
}

void ids_event_stats(struct ids *ids, uint64_t start_ns, uint64_t now_ns)
{
	if (!eve_stats(ids->eve, &ids->stats, start_ns, now_ns))
		ids->stats.eve_overflow++;
}

/* The rules on the packet, and on a payload that is no part of a stream by itself. */
static void match(struct ids *ids, struct turn *turn)
{
	const struct packet *p = turn->packet;
	struct rule_source source = conv_source(turn);
	/* Of a flow that was given up for others each segment is looked at by itself. */
	bool in_stream = turn->stream.taken && !turn->ref.flow->unheard;
	struct look look = {.packet = p,
			    .flow = &turn->ref,
			    .source = &source,
			    .now_ns = turn->now_ns,
			    .proto = conv_proto(turn->ref.flow),
			    .said = conv_said(turn->ref.flow, turn->ref.to_server),
			    .detected = turn->detected,
			    .in_stream = in_stream};
	struct matcher_stream stream = {0};

	matcher_packet(&ids->matcher, &look, &turn->matches);
	if (p->proto != PROTO_TCP || !p->payload_len || in_stream)
		return;
	look.window = (struct app_view){p->payload, p->payload_len};
	matcher_stream(&ids->matcher, &look, p->payload_len, &stream, &turn->matches);
}

static enum ids_verdict inspect_packet(struct ids *ids, const struct packet *p, uint64_t now_ns)
{
	struct turn turn = {.packet = p, .now_ns = now_ns};
	struct flow *f;

	if (p->reach == PACKET_LINK && !packet_event_any(&p->events))
		return IDS_PASS;
	if (p->reach != PACKET_LINK)
		turn.ref = flow_update(&ids->flows, p, now_ns, &ids->stats);
	f = turn.ref.flow;
	if (f && f->action == FLOW_DROP) {
		engine_tell_drop(ids, &turn, NULL, "flow drop");
		return IDS_DROP;
	}
	if (f && f->action == FLOW_PASS)
		return IDS_PASS;
	if (f)
		conv_packet(ids, &turn);
	if (ids->rules) {
		match(ids, &turn);
		engine_act(ids, &turn, &turn.matches, false, &turn.verdict);
	}
	return turn.verdict;
}

/* The packet that comes out of this one: a tunnel's content, or the datagram that a fragment
 * completes. Before `p` is inspected, as it may bring events to it. */
static bool next_packet(struct ids *ids, struct packet *p, struct packet *next, uint64_t now_ns)
{
	bool sums = !ids->config.skip_checksums, found;
	const uint8_t *ip;
	size_t len;

	if (!p->fragment) {
		if (p->ip_version == 4 && p->proto == PROTO_IPIP && !ids->config.ipip)
			return false;
		found = packet_decode_inner(next, p, sums, &ids->stats);
		ids->stats.tunnels += found;
		return found;
	}
	found = defrag_take(&ids->defrag, p, now_ns, &ip, &len) &&
		packet_decode_rebuilt(next, p, ip, len, sums, &ids->stats);
	ids->stats.rebuilt = ids->defrag.stats.rebuilt;
	ids->stats.defrag_timeouts = ids->defrag.stats.timeouts;
	ids->stats.defrag_full = ids->defrag.stats.ignored + ids->defrag.stats.evicted;
	return found;
}

/* One verdict for all the packets in a frame. There are at most PACKET_MAX_LAYERS. */
static enum ids_verdict inspect(struct ids *ids, const uint8_t *frame, size_t len, uint64_t now_ns)
{
	struct packet p[2];
	enum ids_verdict verdict = IDS_PASS;
	bool more = packet_decode(&p[0], frame, len, ids->config.link, !ids->config.skip_checksums,
				  &ids->stats);

	for (unsigned i = 0; more; i = !i) {
		more = next_packet(ids, &p[i], &p[!i], now_ns);
		if (inspect_packet(ids, &p[i], now_ns) == IDS_DROP)
			verdict = IDS_DROP;
	}
	return verdict;
}

enum ids_verdict ids_inspect(struct ids *ids, const uint8_t *frame, size_t len, enum ids_dir dir,
			     uint64_t now_ns)
{
	enum ids_verdict verdict;

	/* Where a frame came from does not change what a rule says about it: rules name addresses,
	 * and flows know their client. */
	(void)dir;
	verdict = inspect(ids, frame, len, now_ns);
	if (ids->stats.pkts % EXPIRE_EVERY == 0)
		flow_table_expire(&ids->flows, now_ns, EXPIRE_ENTRIES);
	if (verdict == IDS_DROP)
		ids->stats.blocked++;
	else
		ids->stats.accepted++;
	return verdict;
}

void ids_flush(struct ids *ids)
{
	flow_table_end(&ids->flows);
}
