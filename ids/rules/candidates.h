/* The rules to be verified, as a set that is walked in the order of evaluation.
 *
 * For the matcher. A bit per rule, and a bit per word of them that has any: adding is O(1), walking
 * costs little more than there are members, and it empties the set. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct candidates {
	uint64_t *rules, *words; /* words: bit i: rules[i] is not 0 */
	uint32_t word_count, upper_count;
};

/* Octets of memory for that many rules. */
uint64_t candidates_size(uint32_t rules);
/* `memory`: candidates_size() zeroed octets, 8-byte aligned. */
void candidates_init(struct candidates *c, void *memory, uint32_t rules);

static inline void candidates_add(struct candidates *c, uint32_t rule)
{
	c->rules[rule / 64] |= 1ull << rule % 64;
	c->words[rule / 4096] |= 1ull << rule / 64 % 64;
}

/* Take out the smallest; false: empty. */
bool candidates_next(struct candidates *c, uint32_t *rule);
