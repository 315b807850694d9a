#include <string.h>

#include "ids/bytes.h"
#include "ids/rules/matcher.h"
#include "ids/rules/op.h"
#include "ids/rules/scratch.h"

struct run {
	struct matcher *m;
	const struct packet *p;
	const struct flow_ref *flow;
	struct matches *out;
	bool payload; /* the payload may be looked at */
	uint32_t class_bit;
};

uint64_t matcher_size(const struct blob *b)
{
	return ((uint64_t)b->count[BLOB_PATTERNS] + 1) * sizeof(uint32_t);
}

static enum blob_class class_of(const struct packet *p)
{
	switch (p->proto) {
	case PROTO_TCP:
		return BLOB_CLASS_TCP;
	case PROTO_UDP:
		return BLOB_CLASS_UDP;
	case PROTO_ICMP:
		return BLOB_CLASS_ICMP4;
	case PROTO_ICMPV6:
		return BLOB_CLASS_ICMP6;
	}
	return BLOB_CLASS_OTHER;
}

static bool in_set4(const struct blob *b, struct blob_list set, uint32_t addr)
{
	const struct blob_range4 *r = b->address4 + set.first;
	uint32_t low = 0, high = set.count;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (addr < r[mid].low)
			high = mid;
		else if (addr > r[mid].high)
			low = mid + 1;
		else
			return true;
	}
	return false;
}

static bool in_set6(const struct blob *b, struct blob_list set, const uint8_t addr[16])
{
	const struct blob_range6 *r = b->address6 + set.first;
	uint32_t low = 0, high = set.count;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (memcmp(addr, r[mid].low, 16) < 0)
			high = mid;
		else if (memcmp(addr, r[mid].high, 16) > 0)
			low = mid + 1;
		else
			return true;
	}
	return false;
}

static bool address_in(const struct blob *b, uint32_t set, const struct packet *p,
		       const uint8_t addr[16])
{
	if (set == BLOB_NONE)
		return true;
	if (p->ip_version == 4)
		return in_set4(b, b->address_set[set].v4, be32(addr));
	return in_set6(b, b->address_set[set].v6, addr);
}

static bool port_in(const struct blob *b, uint32_t set, const struct packet *p, uint16_t port)
{
	const struct blob_port_range *r;
	uint32_t low = 0, high;

	if (set == BLOB_NONE)
		return true;
	if (!p->has_ports)
		return false;
	r = b->port + b->port_set[set].ranges.first;
	high = b->port_set[set].ranges.count;
	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (port < r[mid].low)
			high = mid;
		else if (port > r[mid].high)
			low = mid + 1;
		else
			return true;
	}
	return false;
}

static bool ends_match(const struct blob *b, const struct blob_rule *r, const struct packet *p,
		       bool swap)
{
	return port_in(b, r->sport, p, swap ? p->dp : p->sp) &&
	       port_in(b, r->dport, p, swap ? p->sp : p->dp) &&
	       address_in(b, r->src, p, swap ? p->dst : p->src) &&
	       address_in(b, r->dst, p, swap ? p->src : p->dst);
}

static bool header_match(const struct run *run, const struct blob_rule *r)
{
	const struct blob *b = run->m->blob;
	const struct packet *p = run->p;

	if (!(r->classes & run->class_bit) || (r->ip_version && r->ip_version != p->ip_version))
		return false;
	if ((r->flags & BLOB_RULE_IP_ONLY) && run->flow->flow && !run->flow->first)
		return false;
	if ((r->flags & BLOB_RULE_PAYLOAD) && !run->payload)
		return false;
	return ends_match(b, r, p, false) ||
	       ((r->flags & BLOB_RULE_BOTH_WAYS) && ends_match(b, r, p, true));
}

/* Keep the matches sorted; the first ones win. */
static void add_match(struct run *run, uint32_t rule)
{
	struct matches *out = run->out;
	uint32_t at;

	if (out->count == IDS_ALERTS_PER_PACKET) {
		run->m->stats->alert_queue_overflow++;
		if (out->rule[out->count - 1] < rule)
			return;
		out->count--;
	}
	for (at = out->count++; at > 0 && out->rule[at - 1] > rule; at--)
		out->rule[at] = out->rule[at - 1];
	out->rule[at] = rule;
}

static void verify(struct run *run, uint32_t index)
{
	struct matcher *m = run->m;
	const struct blob_rule *r = &m->blob->rule[index];
	struct inspect in = {
		.blob = m->blob, .packet = run->p, .flow = run->flow, .scratch = m->scratch};

	if (!header_match(run, r))
		return;
	m->stats->candidates++;
	switch (inspect_rule(&in, r)) {
	case INSPECT_MATCH:
		add_match(run, index);
		break;
	case INSPECT_LIMIT:
		m->stats->inspection_limit++;
		break;
	case INSPECT_NO:
		break;
	}
}

static void on_pattern(void *ctx, uint32_t pattern)
{
	struct run *run = ctx;
	struct matcher *m = run->m;
	struct blob_list rules = m->blob->pattern[pattern];

	if (m->pattern_seen[pattern] == m->generation)
		return;
	m->pattern_seen[pattern] = m->generation;
	for (uint32_t i = 0; i < rules.count; i++)
		verify(run, m->blob->pattern_rule[rules.first + i]);
}

void matcher_run(struct matcher *m, const struct packet *p, const struct flow_ref *flow,
		 struct matches *out)
{
	enum blob_class class = class_of(p);
	struct blob_list always = m->blob->group[class];
	struct run run = {.m = m, .p = p, .flow = flow, .out = out, .class_bit = 1u << class};

	out->count = 0;
	scratch_refill(m->scratch);
	/* A segment that its receiver throws away says nothing about the stream (Suricata's stream
	 * engine leaves it out as well). */
	run.payload = p->payload_len && !(p->bad_checksum && p->proto == PROTO_TCP);
	for (uint32_t i = 0; i < always.count; i++)
		verify(&run, m->blob->group_rule[always.first + i]);
	if (!run.payload)
		return;
	if (++m->generation == 0) {
		memset(m->pattern_seen, 0, matcher_size(m->blob));
		m->generation = 1;
	}
	mpm_scan(&m->mpm, p->payload, p->payload_len, on_pattern, &run);
}
