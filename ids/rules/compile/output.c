#include <stdlib.h>
#include <string.h>

#include "hv/errno.h"
#include "ids/rules/compile/output.h"

struct blob_span output_string(struct output *o, const void *text, size_t len)
{
	struct blob_span s = {.size = (uint32_t)len};

	s.offset = (uint32_t)bytes_add(&o->section[BLOB_STRINGS], text, len);
	return s;
}

uint32_t output_elements(const struct output *o, enum blob_section which, size_t size)
{
	return (uint32_t)(o->section[which].len / size);
}

static int in_order(const void *a, const void *b)
{
	const struct output_rule *x = a, *y = b;
	int order;

	if (x->rule.action != y->rule.action)
		return x->rule.action < y->rule.action ? -1 : 1;
	order = memcmp(x->order, y->order, sizeof(x->order));
	if (order)
		return order;
	if (x->rule.priority != y->rule.priority)
		return x->rule.priority < y->rule.priority ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* Does the rule, which has no fast pattern, belong to the list? */
static bool in_group(const struct blob_rule *r, unsigned group)
{
	if (!(r->flags & BLOB_RULE_ALWAYS))
		return false;
	if (group < BLOB_GROUP_STREAM)
		return r->flags & BLOB_RULE_PACKET && r->classes >> group & 1;
	if (group == BLOB_GROUP_STREAM)
		return r->flags & BLOB_RULE_STREAM;
	return r->flags & BLOB_RULE_TX && (!r->protos || r->protos >> (group - BLOB_GROUP_TX) & 1);
}

static void write_groups(struct output *o)
{
	for (unsigned group = 0; group < BLOB_GROUP_COUNT; group++) {
		struct blob_list l = {output_elements(o, BLOB_GROUP_RULES, sizeof(uint32_t)), 0};

		for (uint32_t i = 0; i < o->count; i++) {
			if (!in_group(&o->rule[i].rule, group))
				continue;
			bytes_add(&o->section[BLOB_GROUP_RULES], &i, sizeof(i));
			l.count++;
		}
		bytes_add(&o->section[BLOB_GROUPS], &l, sizeof(l));
	}
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
	output_automata(o);
	totals->patterns = output_elements(o, BLOB_PATTERNS, sizeof(struct blob_list));
	totals->states = output_elements(o, BLOB_MPM_STATES, sizeof(struct blob_state));
	return assemble(o, blob, len);
}

void output_free(struct output *o)
{
	for (unsigned i = 0; i < BLOB_SECTIONS; i++)
		free(o->section[i].at);
	output_forget_sets(o);
	free(o->rule);
	free(o->sid_hash);
	free(o->regex);
}
