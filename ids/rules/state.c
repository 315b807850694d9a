#include "ids/rules/state.h"

#include <string.h>

#include "ids/bytes.h"
#include "ids/rules/op.h"

#define ENTRIES	   (STATE_SETS * STATE_WAYS)
#define STATE_SETS 1024u /* of each table; a power of two */

_Static_assert(sizeof(struct state_entry) == 40, "size of an entry");
_Static_assert(sizeof(struct state_key) == 48, "a key has no padding");

uint64_t state_size(const struct blob *b)
{
	for (uint32_t i = 0; i < b->count[BLOB_OPS]; i++)
		if (b->op[i].kind < OP_KINDS && ops[b->op[i].kind].remembers)
			return (uint64_t)STATE_TABLES * ENTRIES * sizeof(struct state_entry);
	return 0;
}

void state_init(struct rule_state *s, void *memory, uint64_t seed, struct ids_stats *stats)
{
	*s = (struct rule_state){.seed = seed, .stats = stats};
	for (unsigned i = 0; i < STATE_TABLES; i++)
		s->table[i] = (struct state_entry *)memory + (size_t)i * ENTRIES;
}

static uint64_t hash_key(const struct state_key *key, uint64_t seed)
{
	uint64_t words[sizeof(*key) / sizeof(uint64_t)], h = mix64(seed + 1);

	memcpy(words, key, sizeof(*key));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		h = mix64(h ^ words[i]) + (seed >> 9);
	return h;
}

struct state_entry *state_find(struct rule_state *s, enum state_table table,
			       const struct state_key *key, uint64_t now_ns)
{
	uint64_t h = hash_key(key, s->seed), check = hash_key(key, ~s->seed);
	struct state_entry *set = s->table[table] + (h % STATE_SETS) * STATE_WAYS;

	for (unsigned i = 0; i < STATE_WAYS; i++)
		if (set[i].until_ns > now_ns && set[i].key == h && set[i].check_key == check)
			return &set[i];
	return NULL;
}

struct state_entry *state_make(struct rule_state *s, enum state_table table,
			       const struct state_key *key, uint64_t now_ns, uint64_t until_ns)
{
	uint64_t h = hash_key(key, s->seed), check = hash_key(key, ~s->seed);
	struct state_entry *set = s->table[table] + (h % STATE_SETS) * STATE_WAYS;
	struct state_entry *e = state_find(s, table, key, now_ns);

	if (e)
		return e;
	e = set;
	for (unsigned i = 1; i < STATE_WAYS; i++)
		if (set[i].until_ns < e->until_ns)
			e = &set[i];
	if (e->until_ns > now_ns)
		s->stats->state_evicted++;
	*e = (struct state_entry){
		.key = h, .check_key = check, .begin_ns = now_ns, .until_ns = until_ns};
	return e;
}
