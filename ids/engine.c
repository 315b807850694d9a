#include "ids/engine.h"

#include "hv/errno.h"
#include "ids/eve/alert.h"
#include "ids/flow/defrag.h"
#include "ids/flow/flow.h"
#include "ids/packet/packet.h"
#include "ids/rules/matcher.h"

#define FLOW_ENTRIES_DEFAULT 4096
#define ALERTS_DEFAULT	     100 /* more than a serial port at 115,200 baud carries */
#define FLOW_ENTRIES_MAX     (1u << 20)
#define SECOND		     1000000000ull

/* Events written in the second `second`. */
struct limit {
	uint64_t second;
	uint32_t alerts, drops;
};

struct ids {
	struct ids_config config;
	struct eve *eve;
	struct ids_stats stats;
	struct blob blob;
	struct matcher matcher;
	struct flow_table flows;
	struct defrag defrag;
	struct limit *limit;	 /* per rule */
	struct limit flow_limit; /* drop events of flows dropped before */
	bool rules;
};

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
	matcher_init(&ids->matcher, &ids->blob, memory, ids->config.seed, &ids->stats);
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
	struct defrag_config config = {.seed = ~ids->config.seed};
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

/* May one more event be written in this second? */
static bool within_limit(struct ids *ids, struct limit *l, uint32_t *count, uint64_t now_ns)
{
	if (l->second != now_ns / SECOND) {
		l->second = now_ns / SECOND;
		l->alerts = 0;
		l->drops = 0;
	}
	if (*count >= ids->config.alerts_per_rule) {
		ids->stats.alerts_suppressed++;
		return false;
	}
	++*count;
	return true;
}

static void tell_alert(struct ids *ids, const struct eve_packet *ep, uint32_t index, bool blocked)
{
	struct limit *l = &ids->limit[index];

	if (!within_limit(ids, l, &l->alerts, ep->now_ns))
		return;
	if (eve_alert(ids->eve, ep, &ids->blob, &ids->blob.rule[index], blocked))
		ids->stats.alerts++;
	else
		ids->stats.eve_overflow++;
}

static void tell_drop(struct ids *ids, const struct eve_packet *ep, const struct blob_rule *rule)
{
	struct limit *l = rule ? &ids->limit[rule - ids->blob.rule] : &ids->flow_limit;

	if (!within_limit(ids, l, &l->drops, ep->now_ns))
		return;
	if (!eve_drop(ids->eve, ep, &ids->blob, rule))
		ids->stats.eve_overflow++;
}

/* Pass and drop hold for the rest of the flow when the rule speaks about the flow as a whole: only
 * of addresses and ports, or of an established stream's content (Suricata's action scope). */
static bool holds_for_flow(const struct blob_rule *r, const struct flow_ref *ref)
{
	return ref->flow && ((r->flags & (BLOB_RULE_IP_ONLY | BLOB_RULE_FLOW)) ||
			     ((r->flags & BLOB_RULE_STREAM) && ref->established));
}

/* The rules that matched, strongest first: what becomes of the frame? */
static enum ids_verdict act(struct ids *ids, const struct eve_packet *ep, const struct matches *m)
{
	const struct blob_rule *dropped_by = NULL;

	for (uint32_t i = 0; i < m->count; i++) {
		const struct blob_rule *r = &ids->blob.rule[m->rule[i]];
		bool drop = (r->action == BLOB_DROP || r->action == BLOB_REJECT) && ids->config.ips;

		if (r->action == BLOB_PASS) {
			if (holds_for_flow(r, ep->flow))
				ep->flow->flow->action = FLOW_PASS;
			break;
		}
		if (drop && !dropped_by) {
			dropped_by = r;
			if (holds_for_flow(r, ep->flow))
				ep->flow->flow->action = FLOW_DROP;
		}
		if (!(r->flags & BLOB_RULE_NOALERT) && !m->silent[i])
			tell_alert(ids, ep, m->rule[i], drop);
	}
	if (!dropped_by)
		return IDS_PASS;
	tell_drop(ids, ep, dropped_by);
	return IDS_DROP;
}

/* The rules on the packet, and on its payload as a piece of a stream by itself. */
static void match(struct ids *ids, const struct packet *p, const struct flow_ref *ref,
		  uint64_t now_ns, struct matches *m)
{
	struct look look = {.packet = p, .flow = ref, .now_ns = now_ns};
	struct matcher_stream stream = {0};

	m->count = 0;
	matcher_packet(&ids->matcher, &look, m);
	if (p->proto != PROTO_TCP || p->bad_checksum || !p->payload_len)
		return;
	look.window = (struct app_view){p->payload, p->payload_len};
	matcher_stream(&ids->matcher, &look, p->payload_len, &stream, m);
}

static enum ids_verdict inspect_packet(struct ids *ids, const struct packet *p, uint64_t now_ns)
{
	struct flow_ref ref = {0};
	struct matches m;
	struct eve_packet ep = {
		.config = &ids->config, .packet = p, .flow = &ref, .now_ns = now_ns};

	if (p->reach == PACKET_LINK && !packet_event_any(&p->events))
		return IDS_PASS;
	if (p->reach != PACKET_LINK)
		ref = flow_update(&ids->flows, p, now_ns, &ids->stats);
	if (ref.flow && ref.flow->action == FLOW_DROP) {
		tell_drop(ids, &ep, NULL);
		return IDS_DROP;
	}
	if (!ids->rules || (ref.flow && ref.flow->action == FLOW_PASS))
		return IDS_PASS;
	match(ids, p, &ref, now_ns, &m);
	return act(ids, &ep, &m);
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
	if (verdict == IDS_DROP)
		ids->stats.blocked++;
	else
		ids->stats.accepted++;
	return verdict;
}
