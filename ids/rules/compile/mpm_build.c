#include <stdlib.h>
#include <string.h>

#include "ids/rules/compile/mpm_build.h"

/* A trie with sibling lists, sorted by octet; numbered breadth first afterwards. */
struct node {
	uint32_t child, sibling; /* 0: none */
	uint32_t pattern, fail, dict, number;
	uint16_t depth;
	uint8_t octet;
};

struct trie {
	struct node *node;
	uint32_t count, room;
	uint32_t *order; /* breadth first */
};

static uint32_t new_node(struct trie *t, uint8_t octet, uint16_t depth)
{
	if (t->count == t->room) {
		t->room = t->room ? t->room * 2 : 1024;
		t->node = grow(t->node, t->room * sizeof(*t->node));
	}
	t->node[t->count] = (struct node){.pattern = BLOB_NONE, .octet = octet, .depth = depth};
	return t->count++;
}

static uint32_t child_of(const struct trie *t, uint32_t at, uint8_t octet)
{
	uint32_t c = t->node[at].child;

	while (c && t->node[c].octet < octet)
		c = t->node[c].sibling;
	return c && t->node[c].octet == octet ? c : 0;
}

static uint32_t make_child(struct trie *t, uint32_t at, uint8_t octet)
{
	uint32_t before = 0, c = t->node[at].child, fresh;

	while (c && t->node[c].octet < octet) {
		before = c;
		c = t->node[c].sibling;
	}
	if (c && t->node[c].octet == octet)
		return c;
	fresh = new_node(t, octet, (uint16_t)(t->node[at].depth + 1));
	t->node[fresh].sibling = c;
	if (before)
		t->node[before].sibling = fresh;
	else
		t->node[at].child = fresh;
	return fresh;
}

static void insert(struct trie *t, const struct mpm_pattern *p)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < p->len; i++)
		at = make_child(t, at, p->text[i]);
	t->node[at].pattern = p->number;
}

/* The state for the longest proper suffix of `at` + `octet`. */
static uint32_t fail_of(const struct trie *t, uint32_t at, uint8_t octet)
{
	while (at) {
		uint32_t next;

		at = t->node[at].fail;
		next = child_of(t, at, octet);
		if (next)
			return next;
	}
	return 0;
}

static void link_states(struct trie *t)
{
	uint32_t done = 0, known = 1;

	t->order = grow(NULL, t->count * sizeof(*t->order));
	t->order[0] = 0;
	for (; done < known; done++) {
		uint32_t at = t->order[done];

		t->node[at].number = done;
		for (uint32_t c = t->node[at].child; c; c = t->node[c].sibling) {
			struct node *n = &t->node[c];
			const struct node *f;

			n->fail = fail_of(t, at, n->octet);
			f = &t->node[n->fail];
			n->dict = f->pattern != BLOB_NONE ? n->fail : f->dict;
			t->order[known++] = c;
		}
	}
}

static void write_state(const struct trie *t, const struct node *n, struct bytes *states,
			struct bytes *edges)
{
	struct blob_state s = {
		.fail = t->node[n->fail].number,
		.edge_first = (uint32_t)(edges->len / sizeof(uint32_t)),
		.depth = n->depth,
		.pattern = n->pattern,
		.dict = t->node[n->dict].number,
	};

	/* The root's edges are the table of BLOB_MPM_ROOT. */
	for (uint32_t c = n->depth ? n->child : 0; c; c = t->node[c].sibling) {
		uint32_t edge = t->node[c].number << 8 | t->node[c].octet;

		bytes_add(edges, &edge, sizeof(edge));
		s.edge_count++;
	}
	bytes_add(states, &s, sizeof(s));
}

void mpm_build(const struct mpm_pattern *patterns, uint32_t count, struct bytes *root,
	       struct bytes *states, struct bytes *edges)
{
	struct trie t = {0};

	if (count == 0)
		return;
	new_node(&t, 0, 0);
	for (uint32_t i = 0; i < count; i++)
		insert(&t, &patterns[i]);
	link_states(&t);
	for (unsigned octet = 0; octet < 256; octet++) {
		uint32_t next = t.node[child_of(&t, 0, (uint8_t)octet)].number;

		bytes_add(root, &next, sizeof(next));
	}
	for (uint32_t i = 0; i < t.count; i++)
		write_state(&t, &t.node[t.order[i]], states, edges);
	free(t.node);
	free(t.order);
}
