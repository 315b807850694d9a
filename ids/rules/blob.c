#include <string.h>

#include "ids/rules/blob.h"
#include "ids/rules/mpm.h"
#include "ids/rules/op.h"

/* The records are the file format: no padding may creep in. */
_Static_assert(sizeof(struct blob_rule) == 80, "size of a rule");
_Static_assert(sizeof(struct blob_op) == 32, "size of an operation");
_Static_assert(sizeof(struct blob_state) == 20, "size of a state");
_Static_assert(sizeof(struct blob_header) == 16 + 8 * BLOB_SECTIONS, "size of the header");
_Static_assert(sizeof(struct blob_mpm) == 12, "size of an automaton");
_Static_assert(sizeof(struct blob_meta) == 16 && sizeof(struct blob_address_set) == 16 &&
		       sizeof(struct blob_range4) == 8 && sizeof(struct blob_range6) == 32 &&
		       sizeof(struct blob_port_set) == 8 && sizeof(struct blob_port_range) == 4,
	       "sizes of the sets");
_Static_assert(sizeof(struct blob_policy) == 32 && sizeof(struct blob_policy_line) == 32 &&
		       sizeof(struct blob_policy_cond) == 8 &&
		       sizeof(union blob_policy_value) == 32,
	       "sizes of the policy");

static const uint8_t element_size[BLOB_SECTIONS] = {
	[BLOB_RULES] = sizeof(struct blob_rule),
	[BLOB_OPS] = sizeof(struct blob_op),
	[BLOB_STRINGS] = 1,
	[BLOB_META] = sizeof(struct blob_meta),
	[BLOB_ADDRESS_SETS] = sizeof(struct blob_address_set),
	[BLOB_ADDRESS4] = sizeof(struct blob_range4),
	[BLOB_ADDRESS6] = sizeof(struct blob_range6),
	[BLOB_PORT_SETS] = sizeof(struct blob_port_set),
	[BLOB_PORTS] = sizeof(struct blob_port_range),
	[BLOB_GROUPS] = sizeof(struct blob_list),
	[BLOB_GROUP_RULES] = sizeof(uint32_t),
	[BLOB_MPM] = sizeof(struct blob_mpm),
	[BLOB_MPM_ROOT] = sizeof(uint32_t),
	[BLOB_MPM_STATES] = sizeof(struct blob_state),
	[BLOB_MPM_EDGES] = sizeof(uint32_t),
	[BLOB_PATTERNS] = sizeof(struct blob_list),
	[BLOB_PATTERN_RULES] = sizeof(uint32_t),
	[BLOB_POLICY] = sizeof(struct blob_policy),
	[BLOB_POLICY_LINES] = sizeof(struct blob_policy_line),
	[BLOB_POLICY_CONDITIONS] = sizeof(struct blob_policy_cond),
	[BLOB_POLICY_OPERANDS] = sizeof(union blob_policy_value),
};

static const void *section(struct blob *b, const uint8_t *data, enum blob_section which)
{
	const struct blob_span *s = &((const struct blob_header *)data)->section[which];

	b->count[which] = s->size / element_size[which];
	return data + s->offset;
}

static void set_views(struct blob *b, const uint8_t *data)
{
	b->rule = section(b, data, BLOB_RULES);
	b->op = section(b, data, BLOB_OPS);
	b->string = section(b, data, BLOB_STRINGS);
	b->meta = section(b, data, BLOB_META);
	b->address_set = section(b, data, BLOB_ADDRESS_SETS);
	b->address4 = section(b, data, BLOB_ADDRESS4);
	b->address6 = section(b, data, BLOB_ADDRESS6);
	b->port_set = section(b, data, BLOB_PORT_SETS);
	b->port = section(b, data, BLOB_PORTS);
	b->group = section(b, data, BLOB_GROUPS);
	b->group_rule = section(b, data, BLOB_GROUP_RULES);
	b->mpm = section(b, data, BLOB_MPM);
	b->mpm_root = section(b, data, BLOB_MPM_ROOT);
	b->state = section(b, data, BLOB_MPM_STATES);
	b->edge = section(b, data, BLOB_MPM_EDGES);
	b->pattern = section(b, data, BLOB_PATTERNS);
	b->pattern_rule = section(b, data, BLOB_PATTERN_RULES);
	b->policy = section(b, data, BLOB_POLICY);
	b->policy_line = section(b, data, BLOB_POLICY_LINES);
	b->policy_cond = section(b, data, BLOB_POLICY_CONDITIONS);
	b->policy_value = section(b, data, BLOB_POLICY_OPERANDS);
}

static const char *check_header(const void *data, size_t len)
{
	const struct blob_header *h = data;

	if (len < sizeof(*h) || len > BLOB_MAX_SIZE)
		return "rules file has no room for its header";
	if ((uintptr_t)data & 7)
		return "rules file is not aligned in memory";
	if (h->magic != BLOB_MAGIC)
		return "not a rules file made by vigilc";
	if (h->version != BLOB_VERSION)
		return "rules file of another version of vigilc";
	if (h->size != len)
		return "rules file cut off or with a tail";
	if (h->crc != blob_crc(data, len))
		return "rules file damaged (checksum)";
	for (unsigned i = 0; i < BLOB_SECTIONS; i++) {
		const struct blob_span *s = &h->section[i];

		if (s->offset & 7 || s->offset > len || s->size > len - s->offset ||
		    s->size % element_size[i])
			return "section out of bounds";
	}
	return NULL;
}

static bool in_list(const struct blob *b, struct blob_list l, enum blob_section which)
{
	return l.first <= b->count[which] && l.count <= b->count[which] - l.first;
}

static bool in_strings(const struct blob *b, struct blob_span s)
{
	return s.offset <= b->count[BLOB_STRINGS] && s.size <= b->count[BLOB_STRINGS] - s.offset;
}

static bool known_set(const struct blob *b, uint32_t set, enum blob_section which)
{
	return set == BLOB_NONE || set < b->count[which];
}

/* The three parts of a rule's operations; each may be empty. */
enum part { PART_PACKET, PART_BUFFER, PART_EFFECT };

static enum part part_of(const struct blob_op *op)
{
	return ops[op->kind].payload  ? PART_BUFFER
	       : ops[op->kind].effect ? PART_EFFECT
				      : PART_PACKET;
}

/* A rule looks into a transaction's buffers only where there is a transaction. */
static const char *check_buffer(const struct blob_rule *r, const struct blob_op *op, bool first)
{
	uint8_t buffer = op->buffer & (uint8_t)~BLOB_OP_GROUP;

	if (first && !(op->buffer & BLOB_OP_GROUP))
		return "operation on a buffer outside of a group";
	if (buffer == APP_PAYLOAD && !(r->flags & (BLOB_RULE_PAYLOAD | BLOB_RULE_TX)))
		return "payload operations in a rule without payload";
	if (!(app_buffers[buffer].flags & APP_BUFFER_PACKET) && !(r->buffers >> buffer & 1))
		return "operation on a buffer that the rule does not name";
	return NULL;
}

static const char *check_ops(const struct blob *b, const struct blob_rule *r)
{
	enum part part = PART_PACKET;

	if (r->op_count > BLOB_MAX_OPS ||
	    !in_list(b, (struct blob_list){r->op_first, r->op_count}, BLOB_OPS))
		return "rule's operations out of range";
	for (uint32_t i = 0; i < r->op_count; i++) {
		const struct blob_op *op = &b->op[r->op_first + i];
		const char *why = NULL;
		bool first;

		if (op->kind >= OP_KINDS || (op->buffer & ~BLOB_OP_GROUP) >= APP_BUFFERS)
			return "unknown operation";
		if (part_of(op) < part)
			return "operations of a rule out of order";
		first = part_of(op) != part;
		part = part_of(op);
		if (part == PART_BUFFER)
			why = check_buffer(r, op, first);
		if (!why)
			why = ops[op->kind].check(b, op);
		if (why)
			return why;
	}
	return NULL;
}

static const char *check_looks(const struct blob_rule *r)
{
	const uint16_t looks = BLOB_RULE_PACKET | BLOB_RULE_STREAM | BLOB_RULE_TX;

	if (!(r->flags & looks) ||
	    ((r->flags & BLOB_RULE_TX) && (r->flags & looks) != BLOB_RULE_TX))
		return "rule that is looked at nowhere, or everywhere";
	if (!(r->flags & BLOB_RULE_TX) && r->buffers)
		return "rule with buffers of a transaction that it does not look at";
	if (r->buffers >> (APP_BUFFERS - 1) > 1 || r->protos >> (APP_PROTOS - 1) > 1)
		return "rule with unknown buffers or protocols";
	if (r->reject > BLOB_REJECT_BOTH || (r->reject != 0) != (r->action == BLOB_REJECT))
		return "rule that rejects nobody";
	for (size_t i = 0; i < sizeof(r->zero); i++)
		if (r->zero[i])
			return "rule with something in its padding";
	return NULL;
}

static const char *check_rule(const struct blob *b, const struct blob_rule *r)
{
	if (r->action >= BLOB_ACTIONS || r->classes >> BLOB_CLASSES ||
	    r->flags & ~BLOB_RULE_FLAGS ||
	    (r->ip_version && r->ip_version != 4 && r->ip_version != 6))
		return "rule with unknown action, protocol or flag";
	if (!known_set(b, r->src, BLOB_ADDRESS_SETS) || !known_set(b, r->dst, BLOB_ADDRESS_SETS) ||
	    !known_set(b, r->sport, BLOB_PORT_SETS) || !known_set(b, r->dport, BLOB_PORT_SETS))
		return "rule with an unknown address or port set";
	if (!in_strings(b, r->msg) || !in_strings(b, r->category) ||
	    !in_list(b, r->meta, BLOB_META))
		return "rule's texts out of range";
	if (check_looks(r))
		return check_looks(r);
	return check_ops(b, r);
}

static const char *check_sets(const struct blob *b)
{
	for (uint32_t i = 0; i < b->count[BLOB_ADDRESS_SETS]; i++)
		if (!in_list(b, b->address_set[i].v4, BLOB_ADDRESS4) ||
		    !in_list(b, b->address_set[i].v6, BLOB_ADDRESS6))
			return "address set out of range";
	for (uint32_t i = 0; i < b->count[BLOB_PORT_SETS]; i++)
		if (!in_list(b, b->port_set[i].ranges, BLOB_PORTS))
			return "port set out of range";
	for (uint32_t i = 0; i < b->count[BLOB_META]; i++)
		if (!in_strings(b, b->meta[i].key) || !in_strings(b, b->meta[i].value))
			return "metadata out of range";
	return NULL;
}

static const char *check_rule_lists(const struct blob *b)
{
	if (b->count[BLOB_GROUPS] != BLOB_GROUP_COUNT)
		return "wrong number of lists of rules";
	for (uint32_t i = 0; i < BLOB_GROUP_COUNT; i++)
		if (!in_list(b, b->group[i], BLOB_GROUP_RULES))
			return "list of rules out of range";
	for (uint32_t i = 0; i < b->count[BLOB_PATTERNS]; i++)
		if (!in_list(b, b->pattern[i], BLOB_PATTERN_RULES))
			return "pattern's rules out of range";
	for (uint32_t i = 0; i < b->count[BLOB_GROUP_RULES]; i++)
		if (b->group_rule[i] >= b->count[BLOB_RULES])
			return "unknown rule in a list";
	for (uint32_t i = 0; i < b->count[BLOB_PATTERN_RULES]; i++)
		if (b->pattern_rule[i] >= b->count[BLOB_RULES])
			return "unknown rule of a pattern";
	return NULL;
}

const char *blob_open(struct blob *b, const void *data, size_t len)
{
	const char *why = check_header(data, len);

	if (why)
		return why;
	memset(b, 0, sizeof(*b));
	set_views(b, data);
	for (uint32_t i = 0; i < b->count[BLOB_RULES]; i++) {
		why = check_rule(b, &b->rule[i]);
		if (why)
			return why;
	}
	why = check_sets(b);
	if (!why)
		why = check_rule_lists(b);
	if (!why)
		why = mpm_check(b);
	if (!why)
		why = policy_check(b);
	return why;
}
