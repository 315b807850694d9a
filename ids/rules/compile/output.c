#include <stdlib.h>
#include <string.h>

#include "hv/errno.h"
#include "ids/bytes.h"
#include "ids/rules/compile/output.h"
#include "ids/rules/compile/vars.h"

static struct blob_span add_string(struct output *o, const void *text, size_t len)
{
	struct blob_span s = {.size = (uint32_t)len};

	s.offset = (uint32_t)bytes_add(&o->section[BLOB_STRINGS], text, len);
	return s;
}

static uint32_t elements(const struct output *o, enum blob_section which, size_t size)
{
	return (uint32_t)(o->section[which].len / size);
}

/* --- sets ------------------------------------------------------------------------------------- */

static struct output_set *known_set(struct output_sets *sets, const char *text)
{
	for (size_t i = 0; i < sets->count; i++)
		if (strcmp(sets->at[i].text, text) == 0)
			return &sets->at[i];
	return NULL;
}

static struct output_set *new_set(struct output_sets *sets, const char *text)
{
	struct output_set *s;

	sets->at = grow(sets->at, (sets->count + 1) * sizeof(*sets->at));
	s = &sets->at[sets->count++];
	*s = (struct output_set){.text = copy_text(text, strlen(text))};
	return s;
}

static void put16(uint8_t out[16], u128 value)
{
	for (int i = 15; i >= 0; i--, value >>= 8)
		out[i] = (uint8_t)value;
}

static uint32_t write_addresses(struct output *o, const struct addresses *a)
{
	struct blob_address_set set = {
		.v4 = {elements(o, BLOB_ADDRESS4, sizeof(struct blob_range4)),
		       (uint32_t)a->v4.count},
		.v6 = {elements(o, BLOB_ADDRESS6, sizeof(struct blob_range6)),
		       (uint32_t)a->v6.count},
	};

	for (size_t i = 0; i < a->v4.count; i++) {
		struct blob_range4 r = {(uint32_t)a->v4.at[i].low, (uint32_t)a->v4.at[i].high};

		bytes_add(&o->section[BLOB_ADDRESS4], &r, sizeof(r));
	}
	for (size_t i = 0; i < a->v6.count; i++) {
		struct blob_range6 r;

		put16(r.low, a->v6.at[i].low);
		put16(r.high, a->v6.at[i].high);
		bytes_add(&o->section[BLOB_ADDRESS6], &r, sizeof(r));
	}
	bytes_add(&o->section[BLOB_ADDRESS_SETS], &set, sizeof(set));
	return elements(o, BLOB_ADDRESS_SETS, sizeof(set)) - 1;
}

static bool address_set(struct output *o, struct parse *p, const char *text, uint32_t *set)
{
	struct output_set *s = known_set(&o->addresses, text);

	if (!s) {
		struct addresses a = {0};
		bool ok = parse_addresses(p, text, &a);

		if (ok) {
			s = new_set(&o->addresses, text);
			s->set = strcmp(text, "any") == 0 ? BLOB_NONE : write_addresses(o, &a);
			s->negated = a.negated;
		}
		intervals_free(&a.v4);
		intervals_free(&a.v6);
		if (!ok)
			return false;
	}
	*set = s->set;
	p->rule->negated_address |= s->negated;
	return true;
}

static bool port_set(struct output *o, struct parse *p, const char *text, uint32_t *set)
{
	struct output_set *s = known_set(&o->ports, text);
	struct intervals ports = {0};

	if (s) {
		*set = s->set;
		return true;
	}
	if (!parse_ports(p, text, &ports)) {
		intervals_free(&ports);
		return false;
	}
	s = new_set(&o->ports, text);
	s->set = BLOB_NONE;
	if (strcmp(text, "any") != 0) {
		struct blob_port_set written = {
			{elements(o, BLOB_PORTS, sizeof(struct blob_port_range)),
			 (uint32_t)ports.count}};

		for (size_t i = 0; i < ports.count; i++) {
			struct blob_port_range r = {(uint16_t)ports.at[i].low,
						    (uint16_t)ports.at[i].high};

			bytes_add(&o->section[BLOB_PORTS], &r, sizeof(r));
		}
		bytes_add(&o->section[BLOB_PORT_SETS], &written, sizeof(written));
		s->set = elements(o, BLOB_PORT_SETS, sizeof(written)) - 1;
	}
	intervals_free(&ports);
	*set = s->set;
	return true;
}

static void free_sets(struct output_sets *sets)
{
	for (size_t i = 0; i < sets->count; i++)
		free(sets->at[i].text);
	free(sets->at);
	memset(sets, 0, sizeof(*sets));
}

void output_forget_sets(struct output *o)
{
	free_sets(&o->addresses);
	free_sets(&o->ports);
}

/* --- hash tables --------------------------------------------------------------------------------
 */

static uint64_t hash(const void *data, size_t len)
{
	const uint8_t *at = data;
	uint64_t h = len;

	for (size_t i = 0; i < len; i++)
		h = mix64(h ^ at[i]) + 1;
	return h;
}

static uint64_t pattern_key(const struct output *o, uint32_t i)
{
	return hash(o->pattern[i].text, o->pattern[i].len);
}

static uint64_t sid_key(const struct output *o, uint32_t i)
{
	return mix64((uint64_t)o->rule[i].rule.gid << 32 | o->rule[i].rule.sid);
}

/* Make the table at least twice as large as what it holds. */
static void fit(struct output *o, uint32_t **table, size_t *slots, size_t count,
		uint64_t (*key)(const struct output *o, uint32_t i))
{
	if (*slots && count * 2 < *slots)
		return;
	*slots = *slots ? *slots * 2 : 1024;
	free(*table);
	*table = grow(NULL, *slots * sizeof(**table));
	memset(*table, 0, *slots * sizeof(**table));
	for (uint32_t i = 0; i < count; i++) {
		size_t at = key(o, i) & (*slots - 1);

		while ((*table)[at])
			at = (at + 1) & (*slots - 1);
		(*table)[at] = i + 1;
	}
}

static uint32_t add_pattern(struct output *o, const struct mpm_pattern *p)
{
	size_t at;

	fit(o, &o->pattern_hash, &o->pattern_slots, o->pattern_count, pattern_key);
	at = hash(p->text, p->len) & (o->pattern_slots - 1);
	for (; o->pattern_hash[at]; at = (at + 1) & (o->pattern_slots - 1)) {
		const struct mpm_pattern *known = &o->pattern[o->pattern_hash[at] - 1];

		if (known->len == p->len && memcmp(known->text, p->text, p->len) == 0)
			return o->pattern_hash[at] - 1;
	}
	o->pattern_hash[at] = o->pattern_count + 1;
	o->pattern = grow(o->pattern, (o->pattern_count + 1) * sizeof(*o->pattern));
	o->pattern[o->pattern_count] = *p;
	return o->pattern_count++;
}

/* The slot of this gid and sid: free, or the one that holds it. */
static uint32_t *sid_slot(struct output *o, uint32_t gid, uint32_t sid)
{
	size_t at;

	fit(o, &o->sid_hash, &o->sid_slots, o->count, sid_key);
	at = mix64((uint64_t)gid << 32 | sid) & (o->sid_slots - 1);
	while (o->sid_hash[at]) {
		const struct blob_rule *r = &o->rule[o->sid_hash[at] - 1].rule;

		if (r->gid == gid && r->sid == sid)
			break;
		at = (at + 1) & (o->sid_slots - 1);
	}
	return &o->sid_hash[at];
}

/* --- rules
 * ---------------------------------------------------------------------------------------- */

/* The content for the automaton: the one that fast_pattern names, else the longest; NULL: none. */
static const struct rule_op *fast_content(const struct rule *r)
{
	const struct rule_op *best = NULL;

	for (size_t i = 0; i < r->op_count; i++) {
		const struct rule_op *c = &r->op[i];

		if (c->op.kind != OP_CONTENT || (c->op.flags & CONTENT_F_NEGATED) || c->transformed)
			continue;
		if (c->fast)
			return c;
		if (!best || c->op.arg[CONTENT_LENGTH] > best->op.arg[CONTENT_LENGTH])
			best = c;
	}
	return best;
}

static uint32_t fast_pattern(struct output *o, const struct rule *r)
{
	const struct rule_op *c = fast_content(r);
	struct mpm_pattern p = {0};

	if (!c)
		return BLOB_NONE;
	p.len = c->fast_len ? c->fast_len : c->op.arg[CONTENT_LENGTH];
	if (p.len > BLOB_MAX_PATTERN)
		p.len = BLOB_MAX_PATTERN;
	for (uint32_t i = 0; i < p.len; i++)
		p.text[i] = lower(c->bytes[c->fast_from + i]);
	return add_pattern(o, &p);
}

/* Equal expressions have one index, so that they are compiled once. False: too many. */
static bool write_regex(struct output *o, struct rule_op *c)
{
	uint32_t len = c->op.arg[PCRE_LENGTH];
	uint32_t options = c->op.kind == OP_PCRE ? c->op.arg[PCRE_OPTIONS] : 0;
	const uint8_t *strings = o->section[BLOB_STRINGS].at;
	uint32_t i;

	for (i = 0; i < o->regex_count; i++)
		if (o->regex[i].text.size == len && o->regex[i].options == options &&
		    memcmp(strings + o->regex[i].text.offset, c->bytes, len) == 0)
			break;
	if (i == REGEX_MAX_INDEX)
		return false;
	if (i == o->regex_count) {
		o->regex = grow(o->regex, (i + 1) * sizeof(*o->regex));
		o->regex[o->regex_count++] =
			(struct output_regex){add_string(o, c->bytes, len), options};
	}
	c->op.arg[PCRE_STRING] = o->regex[i].text.offset;
	c->op.arg[PCRE_INDEX] = i;
	return true;
}

static bool write_bytes(struct output *o, struct rule_op *c)
{
	if (has_pattern(&c->op))
		return write_regex(o, c);
	if (c->bytes)
		c->op.arg[CONTENT_STRING] =
			add_string(o, c->bytes, c->op.arg[CONTENT_LENGTH]).offset;
	return true;
}

static bool write_ops(struct output *o, struct rule *r, struct blob_rule *to)
{
	to->op_first = elements(o, BLOB_OPS, sizeof(struct blob_op));
	to->op_count = (uint16_t)r->op_count;
	/* Packet conditions first: they are cheap, and the matcher relies on it. */
	for (int payload = 0; payload < 2; payload++) {
		for (size_t i = 0; i < r->op_count; i++) {
			struct rule_op *c = &r->op[i];

			if ((ops[c->op.kind].payload != NULL) != payload)
				continue;
			if (!write_bytes(o, c))
				return false;
			bytes_add(&o->section[BLOB_OPS], &c->op, sizeof(c->op));
		}
	}
	return true;
}

/* Equal keys beside each other, otherwise in order: EVE shows one array for each key. */
static void write_meta(struct output *o, const struct rule *r, struct blob_rule *to)
{
	bool done[RULE_MAX_META] = {false};

	to->meta.first = elements(o, BLOB_META, sizeof(struct blob_meta));
	to->meta.count = (uint32_t)r->meta_count;
	for (size_t i = 0; i < r->meta_count; i++) {
		for (size_t k = i; k < r->meta_count; k++) {
			struct blob_meta m;

			if (done[k] || strcmp(r->meta[i].key, r->meta[k].key) != 0)
				continue;
			done[k] = true;
			m.key = add_string(o, r->meta[k].key, strlen(r->meta[k].key));
			m.value = add_string(o, r->meta[k].value, strlen(r->meta[k].value));
			bytes_add(&o->section[BLOB_META], &m, sizeof(m));
		}
	}
}

static uint16_t rule_flags(const struct rule *r)
{
	bool payload = false;
	uint16_t flags = 0;

	for (size_t i = 0; i < r->op_count; i++)
		payload |= ops[r->op[i].op.kind].payload != NULL;
	if (r->both_ways)
		flags |= BLOB_RULE_BOTH_WAYS;
	if (r->noalert)
		flags |= BLOB_RULE_NOALERT;
	if (payload)
		flags |= BLOB_RULE_PAYLOAD;
	if (payload && !r->packets_only && r->classes & 1u << BLOB_CLASS_TCP)
		flags |= BLOB_RULE_STREAM;
	/* Nothing but addresses and ports: Suricata's IP-only rules, and those like them. */
	if (r->op_count == 0 && !r->packets_only)
		flags |= r->negated_address ? BLOB_RULE_FLOW : BLOB_RULE_IP_ONLY;
	return flags;
}

static bool write_rule(struct output *o, struct parse *p, struct output_rule *out)
{
	struct rule *r = p->rule;
	struct blob_rule *to = &out->rule;
	const char *msg = r->msg ? r->msg : "";
	const char *category = r->class ? r->class->description : "";

	if (!address_set(o, p, r->src, &to->src) || !address_set(o, p, r->dst, &to->dst) ||
	    !port_set(o, p, r->sport, &to->sport) || !port_set(o, p, r->dport, &to->dport))
		return false;
	to->sid = r->sid;
	to->gid = r->gid;
	to->rev = r->rev;
	to->action = (uint8_t)r->action;
	to->classes = r->classes;
	to->ip_version = r->ip_version;
	to->priority = r->priority;
	to->flags = rule_flags(r);
	to->msg = add_string(o, msg, strlen(msg));
	to->category = add_string(o, category, strlen(category));
	if (!write_ops(o, r, to))
		return refuse(p, "too many regular expressions");
	write_meta(o, r, to);
	out->pattern = fast_pattern(o, r);
	return true;
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

/* --- the blob
 * ------------------------------------------------------------------------------------- */

static int in_order(const void *a, const void *b)
{
	const struct output_rule *x = a, *y = b;

	if (x->rule.action != y->rule.action)
		return x->rule.action < y->rule.action ? -1 : 1;
	if (x->rule.priority != y->rule.priority)
		return x->rule.priority < y->rule.priority ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* The rules of each protocol class that have no fast pattern. */
static void write_groups(struct output *o)
{
	for (unsigned class = 0; class < BLOB_CLASSES; class ++) {
		struct blob_list l = {elements(o, BLOB_GROUP_RULES, sizeof(uint32_t)), 0};

		for (uint32_t i = 0; i < o->count; i++) {
			if (o->rule[i].pattern != BLOB_NONE ||
			    !(o->rule[i].rule.classes & 1u << class))
				continue;
			bytes_add(&o->section[BLOB_GROUP_RULES], &i, sizeof(i));
			l.count++;
		}
		bytes_add(&o->section[BLOB_GROUPS], &l, sizeof(l));
	}
}

/* The rules of each pattern: counted, placed, filled in. */
static void write_patterns(struct output *o)
{
	struct blob_list *l = grow(NULL, (o->pattern_count + 1) * sizeof(*l));
	uint32_t *member = grow(NULL, (o->count + 1) * sizeof(*member)), total = 0;

	memset(l, 0, (o->pattern_count + 1) * sizeof(*l));
	for (size_t i = 0; i < o->count; i++)
		if (o->rule[i].pattern != BLOB_NONE)
			l[o->rule[i].pattern].count++;
	for (uint32_t i = 0; i < o->pattern_count; i++) {
		l[i].first = total;
		total += l[i].count;
		l[i].count = 0;
	}
	for (uint32_t i = 0; i < o->count; i++) {
		struct blob_list *of;

		if (o->rule[i].pattern == BLOB_NONE)
			continue;
		of = &l[o->rule[i].pattern];
		member[of->first + of->count++] = i;
	}
	bytes_add(&o->section[BLOB_PATTERNS], l, o->pattern_count * sizeof(*l));
	bytes_add(&o->section[BLOB_PATTERN_RULES], member, total * sizeof(*member));
	free(l);
	free(member);
}

static int assemble(struct output *o, void **blob, size_t *len)
{
	struct blob_header h = {.magic = BLOB_MAGIC, .version = BLOB_VERSION};
	size_t size = (sizeof(h) + 7) & ~(size_t)7;
	uint8_t *data;

	for (unsigned i = 0; i < BLOB_SECTIONS; i++) {
		h.section[i] = (struct blob_span){(uint32_t)size, (uint32_t)o->section[i].len};
		size += (o->section[i].len + 7) & ~(size_t)7;
		if (size > BLOB_MAX_SIZE)
			return -E2BIG;
	}
	h.size = (uint32_t)size;
	data = grow(NULL, size);
	memset(data, 0, size);
	memcpy(data, &h, sizeof(h));
	for (unsigned i = 0; i < BLOB_SECTIONS; i++)
		if (o->section[i].len)
			memcpy(data + h.section[i].offset, o->section[i].at, o->section[i].len);
	((struct blob_header *)data)->crc = blob_crc(data, size);
	*blob = data;
	*len = size;
	return 0;
}

int output_blob(struct output *o, void **blob, size_t *len, struct compile_totals *totals)
{
	if (o->count)
		qsort(o->rule, o->count, sizeof(*o->rule), in_order);
	for (size_t i = 0; i < o->count; i++)
		bytes_add(&o->section[BLOB_RULES], &o->rule[i].rule, sizeof(o->rule[i].rule));
	write_groups(o);
	write_patterns(o);
	mpm_build(o->pattern, o->pattern_count, &o->section[BLOB_MPM_ROOT],
		  &o->section[BLOB_MPM_STATES], &o->section[BLOB_MPM_EDGES]);
	totals->patterns = o->pattern_count;
	totals->states = elements(o, BLOB_MPM_STATES, sizeof(struct blob_state));
	return assemble(o, blob, len);
}

void output_free(struct output *o)
{
	for (unsigned i = 0; i < BLOB_SECTIONS; i++)
		free(o->section[i].at);
	output_forget_sets(o);
	free(o->rule);
	free(o->pattern);
	free(o->pattern_hash);
	free(o->sid_hash);
	free(o->regex);
}
