#include "ids/rules/candidates.h"

uint64_t candidates_size(uint32_t rules)
{
	uint64_t words = (uint64_t)rules / 64 + 1;

	return (words + words / 64 + 1) * sizeof(uint64_t);
}

void candidates_init(struct candidates *c, void *memory, uint32_t rules)
{
	c->word_count = rules / 64 + 1;
	c->upper_count = c->word_count / 64 + 1;
	c->rules = memory;
	c->words = c->rules + c->word_count;
}

bool candidates_next(struct candidates *c, uint32_t *rule)
{
	for (uint32_t i = 0; i < c->upper_count; i++) {
		uint32_t word, bit;

		if (!c->words[i])
			continue;
		word = i * 64 + (uint32_t)__builtin_ctzll(c->words[i]);
		bit = (uint32_t)__builtin_ctzll(c->rules[word]);
		c->rules[word] &= c->rules[word] - 1;
		if (!c->rules[word])
			c->words[i] &= c->words[i] - 1;
		*rule = word * 64 + bit;
		return true;
	}
	return false;
}
