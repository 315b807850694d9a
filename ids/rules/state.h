/* What rules remember from one packet to the next: bits and counters of flows, hosts and pairs of
 * hosts (flowbits, flowint, hostbits, xbits), thresholds, tags.
 *
 * For the matcher and op_state.c. Three tables of fixed size, of small entries that end by
 * themselves: a full set gives up the entry that would end first (counted), so a flood cannot grow
 * them. Keys are hashed with a random seed, so that nobody outside can aim at a set. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ids/engine.h"
#include "ids/packet/packet.h"

struct blob;

#define STATE_WAYS 8

struct state_entry {
	uint64_t key, check_key; /* two hashes of the same, so that others cannot be taken for it */
	uint64_t begin_ns, until_ns; /* until 0: free */
	uint32_t value, count;
};

enum state_table { STATE_FLOWS, STATE_HOSTS, STATE_THRESHOLDS, STATE_TABLES };

struct rule_state {
	struct state_entry *table[STATE_TABLES];
	uint64_t seed;
	struct ids_stats *stats;
};

/* What the state is about. */
enum state_kind {
	STATE_FLOWBITS,
	STATE_FLOWINT,
	STATE_HOSTBITS,
	STATE_PAIRBITS,
	STATE_THRESHOLD,
	STATE_TAG,
};

/* Whom: part of the key. */
struct state_key {
	uint32_t kind, name;
	uint64_t flow; /* id, or 0 */
	uint8_t a[16], b[16];
};

/* Does the blob have rules that remember? Octets of memory for state_init: 0 if not. */
uint64_t state_size(const struct blob *b);
/* `memory`: state_size() zeroed octets, 8-byte aligned. */
void state_init(struct rule_state *s, void *memory, uint64_t seed, struct ids_stats *stats);

/* The entry, or NULL if there is none at `now_ns`. */
struct state_entry *state_find(struct rule_state *s, enum state_table table,
			       const struct state_key *key, uint64_t now_ns);
/* The same, made (all zero but begin_ns and until_ns) if there is none. */
struct state_entry *state_make(struct rule_state *s, enum state_table table,
			       const struct state_key *key, uint64_t now_ns, uint64_t until_ns);

#define STATE_SECOND 1000000000ull
