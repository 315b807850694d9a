/* The automata: which rules' fast patterns go into which, and the rules of each pattern. */
#include <stdlib.h>
#include <string.h>

#include "ids/rules/compile/output.h"

/* A rule's pattern in an automaton. */
struct use {
	uint32_t automaton; /* key, see below */
	uint32_t rule;
	const struct mpm_pattern *text;
};

struct uses {
	struct use *at;
	size_t count, room;
};

#define KEY(look, of, direction) ((uint32_t)(look) << 16 | (uint32_t)(of) << 8 | (direction))

static void add(struct uses *u, const struct output_rule *r, uint32_t rule, enum blob_look look,
		unsigned of)
{
	for (unsigned direction = BLOB_TO_SERVER; direction <= BLOB_TO_CLIENT; direction++) {
		uint16_t other =
			direction == BLOB_TO_SERVER ? BLOB_RULE_TO_CLIENT : BLOB_RULE_TO_SERVER;

		if (r->rule.flags & other)
			continue;
		if (u->count == u->room) {
			u->room = u->room ? u->room * 2 : 1024;
			u->at = grow(u->at, u->room * sizeof(*u->at));
		}
		u->at[u->count++] = (struct use){KEY(look, of, direction), rule, &r->fast};
	}
}

static void collect(struct output *o, struct uses *u)
{
	for (uint32_t i = 0; i < o->count; i++) {
		const struct output_rule *r = &o->rule[i];

		if (r->rule.flags & BLOB_RULE_ALWAYS)
			continue;
		if (r->rule.flags & BLOB_RULE_TX)
			add(u, r, i, BLOB_LOOK_TX, r->fast_buffer);
		if (r->rule.flags & BLOB_RULE_STREAM)
			add(u, r, i, BLOB_LOOK_STREAM, 0);
		for (unsigned class = 0; class < BLOB_CLASSES; class ++)
			if (r->rule.flags & BLOB_RULE_PACKET && r->rule.classes >> class & 1)
				add(u, r, i, BLOB_LOOK_PACKET, class);
	}
}

static int same_text(const struct use *a, const struct use *b)
{
	if (a->text->len != b->text->len)
		return a->text->len < b->text->len ? -1 : 1;
	return memcmp(a->text->text, b->text->text, a->text->len);
}

/* By automaton, text, rule. */
static int by_pattern(const void *a, const void *b)
{
	const struct use *x = a, *y = b;
	int order;

	if (x->automaton != y->automaton)
		return x->automaton < y->automaton ? -1 : 1;
	order = same_text(x, y);
	if (order)
		return order;
	return x->rule < y->rule ? -1 : x->rule > y->rule;
}

/* The automaton of u[from, to), whose patterns are numbered on from what the blob has. */
static void write_automaton(struct output *o, const struct use *u, size_t count)
{
	struct mpm_pattern *pattern = grow(NULL, count * sizeof(*pattern));
	uint32_t patterns = 0;
	struct blob_mpm head = {
		.look = (uint8_t)(u->automaton >> 16),
		.of = (uint8_t)(u->automaton >> 8),
		.direction = (uint8_t)u->automaton,
		.state_first = output_elements(o, BLOB_MPM_STATES, sizeof(struct blob_state)),
	};

	for (size_t i = 0; i < count;) {
		struct blob_list l = {output_elements(o, BLOB_PATTERN_RULES, sizeof(uint32_t)), 0};
		size_t first = i;

		for (; i < count && same_text(&u[first], &u[i]) == 0; i++, l.count++)
			bytes_add(&o->section[BLOB_PATTERN_RULES], &u[i].rule, sizeof(uint32_t));
		pattern[patterns] = *u[first].text;
		pattern[patterns++].number =
			output_elements(o, BLOB_PATTERNS, sizeof(struct blob_list));
		bytes_add(&o->section[BLOB_PATTERNS], &l, sizeof(l));
	}
	mpm_build(pattern, patterns, &o->section[BLOB_MPM_ROOT], &o->section[BLOB_MPM_STATES],
		  &o->section[BLOB_MPM_EDGES]);
	head.state_count =
		output_elements(o, BLOB_MPM_STATES, sizeof(struct blob_state)) - head.state_first;
	bytes_add(&o->section[BLOB_MPM], &head, sizeof(head));
	free(pattern);
}

void output_automata(struct output *o)
{
	struct uses u = {0};

	collect(o, &u);
	if (u.count)
		qsort(u.at, u.count, sizeof(*u.at), by_pattern);
	for (size_t i = 0; i < u.count;) {
		size_t first = i;

		while (i < u.count && u.at[i].automaton == u.at[first].automaton)
			i++;
		write_automaton(o, &u.at[first], i - first);
	}
	free(u.at);
}
