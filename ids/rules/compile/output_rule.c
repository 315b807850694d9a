/* A parsed rule as records of the blob. */
#include <stdlib.h>
#include <string.h>

#include "ids/bytes.h"
#include "ids/rules/compile/output.h"
#include "ids/rules/compile/passes.h"

/* Which argument says where in the strings its octets stand. */
static unsigned string_argument(const struct blob_op *op)
{
	return op->kind == OP_BITS_TEST || op->kind == OP_BITS_SET ? 2 : CONTENT_STRING;
}

/* Equal expressions have one index, so that they are compiled once. False: too many. */
static bool write_regex(struct output *o, struct rule_op *c)
{
	uint32_t options = c->op.kind == OP_PCRE ? c->op.arg[PCRE_OPTIONS] : 0, i;
	const uint8_t *strings = o->section[BLOB_STRINGS].at;

	for (i = 0; i < o->regex_count; i++)
		if (o->regex[i].text.size == c->len && o->regex[i].options == options &&
		    memcmp(strings + o->regex[i].text.offset, c->bytes, c->len) == 0)
			break;
	if (i == REGEX_MAX_INDEX)
		return false;
	if (i == o->regex_count) {
		o->regex = grow(o->regex, (i + 1) * sizeof(*o->regex));
		o->regex[o->regex_count++] =
			(struct output_regex){output_string(o, c->bytes, c->len), options};
	}
	c->op.arg[PCRE_STRING] = o->regex[i].text.offset;
	c->op.arg[PCRE_INDEX] = i;
	return true;
}

static bool write_op(struct output *o, struct rule_op *c, bool group)
{
	c->written = true;
	c->op.buffer = (uint8_t)(ops[c->op.kind].payload ? c->op.buffer : 0);
	if (group)
		c->op.buffer |= BLOB_OP_GROUP;
	if (has_pattern(&c->op)) {
		if (!write_regex(o, c))
			return false;
	} else if (c->bytes) {
		c->op.arg[string_argument(&c->op)] = output_string(o, c->bytes, c->len).offset;
	}
	bytes_add(&o->section[BLOB_OPS], &c->op, sizeof(c->op));
	return true;
}

/* All of the group that begins with the i-th. */
static bool write_group(struct output *o, struct rule *r, size_t i)
{
	const struct rule_op begin = r->op[i];
	bool first = true;

	for (; i < r->op_count; i++) {
		struct rule_op *c = &r->op[i];

		if (!ops[c->op.kind].payload || c->written || !rule_same_group(c, &begin))
			continue;
		if (!write_op(o, c, first))
			return false;
		first = false;
	}
	return true;
}

/* Counters may still say no; thresholds count only what matches. */
static unsigned lateness(const struct rule_op *o)
{
	return o->op.kind == OP_FLOWINT ? 0 : o->op.kind == OP_THRESHOLD ? 2 : 1;
}

/* Packet conditions first: they are cheap, and the matcher relies on it. Then the groups, each from
 * its first condition on; then what takes effect, thresholds behind all else. */
static bool write_ops(struct output *o, struct rule *r, struct blob_rule *to)
{
	to->op_first = output_elements(o, BLOB_OPS, sizeof(struct blob_op));
	to->op_count = (uint16_t)r->op_count;
	for (size_t i = 0; i < r->op_count; i++)
		if (ops[r->op[i].op.kind].packet)
			write_op(o, &r->op[i], false);
	for (size_t i = 0; i < r->op_count; i++)
		if (ops[r->op[i].op.kind].payload && !r->op[i].written && !write_group(o, r, i))
			return false;
	for (unsigned late = 0; late < 3; late++)
		for (size_t i = 0; i < r->op_count; i++)
			if (!r->op[i].written && lateness(&r->op[i]) == late)
				write_op(o, &r->op[i], false);
	return true;
}

/* Equal keys beside each other, otherwise in order: EVE shows one array for each key. */
static void write_meta(struct output *o, const struct rule *r, struct blob_rule *to)
{
	bool done[RULE_MAX_META] = {false};

	to->meta.first = output_elements(o, BLOB_META, sizeof(struct blob_meta));
	to->meta.count = (uint32_t)r->meta_count;
	for (size_t i = 0; i < r->meta_count; i++) {
		for (size_t k = i; k < r->meta_count; k++) {
			struct blob_meta m;

			if (done[k] || strcmp(r->meta[i].key, r->meta[k].key) != 0)
				continue;
			done[k] = true;
			m.key = output_string(o, r->meta[k].key, strlen(r->meta[k].key));
			m.value = output_string(o, r->meta[k].value, strlen(r->meta[k].value));
			bytes_add(&o->section[BLOB_META], &m, sizeof(m));
		}
	}
}

/* Nothing but addresses and ports, and how often it alerts. */
static bool header_alone(const struct rule *r)
{
	for (size_t i = 0; i < r->op_count; i++)
		if (r->op[i].op.kind != OP_THRESHOLD)
			return false;
	return !r->packets_only && !r->protos;
}

/* Suricata's order: who only sets bits, who sets and reads them, who only reads, who does neither;
 * likewise for counters, bits of hosts, and of pairs. */
static uint8_t order_of(bool sets, bool reads)
{
	return sets ? (reads ? 1 : 0) : reads ? 2 : 3;
}

static void set_order(const struct rule *r, uint8_t order[4])
{
	bool sets[4] = {false}, reads[4] = {false};

	for (size_t i = 0; i < r->op_count; i++) {
		const struct blob_op *op = &r->op[i].op;
		unsigned of = op->arg[0] == SCOPE_FLOW ? 0 : op->arg[0] == SCOPE_PAIR ? 3 : 2;

		if (op->kind == OP_BITS_SET)
			sets[of] = true;
		else if (op->kind == OP_BITS_TEST)
			reads[of] = true;
		else if (op->kind == OP_FLOWINT && op->arg[1] <= FLOWINT_SUB)
			sets[1] = true;
		else if (op->kind == OP_FLOWINT)
			reads[1] = true;
	}
	for (unsigned i = 0; i < 4; i++)
		order[i] = order_of(sets[i], reads[i]);
}

static uint16_t rule_flags(const struct rule *r)
{
	uint16_t flags = passes_flags(r);

	if (r->both_ways)
		flags |= BLOB_RULE_BOTH_WAYS;
	if (r->noalert)
		flags |= BLOB_RULE_NOALERT;
	for (size_t i = 0; i < r->op_count; i++)
		if (r->op[i].op.kind == OP_EVENT && r->op[i].op.arg[0] == RULE_EVENT_DECODE)
			flags |= BLOB_RULE_DECODE;
	/* Nothing but addresses and ports: Suricata's IP-only rules, and those like them. */
	if (header_alone(r))
		flags |= r->negated_address ? BLOB_RULE_FLOW : BLOB_RULE_IP_ONLY;
	return flags;
}

static bool fast_pattern(const struct rule *r, struct output_rule *out)
{
	const struct rule_op *c = passes_fast_content(r);
	struct mpm_pattern *p = &out->fast;
	uint32_t from;

	if (!c)
		return false;
	passes_fast_part(c, &from, &p->len);
	if (p->len > BLOB_MAX_PATTERN)
		p->len = BLOB_MAX_PATTERN;
	for (uint32_t i = 0; i < p->len; i++)
		p->text[i] = lower(c->bytes[from + i]);
	out->fast_buffer = c->op.buffer;
	return true;
}

static bool write_rule(struct output *o, struct parse *p, struct output_rule *out)
{
	struct rule *r = p->rule;
	struct blob_rule *to = &out->rule;
	const char *msg = r->msg ? r->msg : "";
	const char *category = r->class ? r->class->description : "";

	if (!output_address_set(o, p, r->src, &to->src) ||
	    !output_address_set(o, p, r->dst, &to->dst) ||
	    !output_port_set(o, p, r->sport, &to->sport) ||
	    !output_port_set(o, p, r->dport, &to->dport))
		return false;
	to->sid = r->sid;
	to->gid = r->gid;
	to->rev = r->rev;
	to->action = (uint8_t)r->action;
	to->classes = r->classes;
	to->ip_version = r->ip_version;
	to->priority = r->priority;
	to->flags = rule_flags(r);
	to->buffers = passes_buffers(r);
	to->protos = r->protos;
	to->reject = r->reject;
	to->msg = output_string(o, msg, strlen(msg));
	to->category = output_string(o, category, strlen(category));
	if (!fast_pattern(r, out))
		to->flags |= BLOB_RULE_ALWAYS;
	set_order(r, out->order);
	if (!write_ops(o, r, to))
		return refuse(p, "too many regular expressions");
	write_meta(o, r, to);
	return true;
}

static uint64_t sid_key(const struct output *o, uint32_t i)
{
	return mix64((uint64_t)o->rule[i].rule.gid << 32 | o->rule[i].rule.sid);
}

/* Make the table at least twice as large as what it holds. */
static void fit(struct output *o)
{
	if (o->sid_slots && o->count * 2 < o->sid_slots)
		return;
	o->sid_slots = o->sid_slots ? o->sid_slots * 2 : 1024;
	free(o->sid_hash);
	o->sid_hash = grow(NULL, o->sid_slots * sizeof(*o->sid_hash));
	memset(o->sid_hash, 0, o->sid_slots * sizeof(*o->sid_hash));
	for (uint32_t i = 0; i < o->count; i++) {
		size_t at = sid_key(o, i) & (o->sid_slots - 1);

		while (o->sid_hash[at])
			at = (at + 1) & (o->sid_slots - 1);
		o->sid_hash[at] = i + 1;
	}
}

/* The slot of this gid and sid: free, or the one that holds it. */
static uint32_t *sid_slot(struct output *o, uint32_t gid, uint32_t sid)
{
	size_t at;

	fit(o);
	at = mix64((uint64_t)gid << 32 | sid) & (o->sid_slots - 1);
	while (o->sid_hash[at]) {
		const struct blob_rule *r = &o->rule[o->sid_hash[at] - 1].rule;

		if (r->gid == gid && r->sid == sid)
			break;
		at = (at + 1) & (o->sid_slots - 1);
	}
	return &o->sid_hash[at];
}

bool output_rule(struct output *o, struct parse *p)
{
	struct output_rule out = {.number = (uint32_t)o->count};
	uint32_t *slot = sid_slot(o, p->rule->gid, p->rule->sid), index = *slot;

	if (index && o->rule[index - 1].rule.rev >= p->rule->rev)
		return refuse(p, "duplicate sid");
	if (!write_rule(o, p, &out))
		return false;
	if (index) {
		/* A later revision takes the place of the earlier one. */
		out.number = o->rule[index - 1].number;
		o->rule[index - 1] = out;
		return true;
	}
	*slot = (uint32_t)o->count + 1;
	if ((o->count & (o->count - 1)) == 0)
		o->rule = grow(o->rule, (o->count ? o->count * 2 : 1) * sizeof(*o->rule));
	o->rule[o->count++] = out;
	return true;
}
