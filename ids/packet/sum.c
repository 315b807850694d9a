#include "ids/packet/decode.h"

/* Add with the carry brought round. */
static uint64_t add_round(uint64_t sum, uint64_t word)
{
	bool carry = __builtin_add_overflow(sum, word, &sum);

	return sum + carry;
}

static uint64_t add_word(uint64_t sum, const uint8_t *at)
{
	uint64_t word;

	__builtin_memcpy(&word, at, sizeof(word));
	return add_round(sum, word);
}

/* In memory order: the sum does not depend on the order of octets or the width of the words (RFC
 * 1071, section 2), but for a swap at the end. */
uint32_t packet_sum(const uint8_t *data, size_t len, uint32_t sum)
{
	uint64_t wide = 0, word = 0;
	size_t i = 0;

	for (; i + 32 <= len; i += 32) {
		wide = add_word(wide, data + i);
		wide = add_word(wide, data + i + 8);
		wide = add_word(wide, data + i + 16);
		wide = add_word(wide, data + i + 24);
	}
	for (; i + 8 <= len; i += 8)
		wide = add_word(wide, data + i);
	for (unsigned shift = 0; i < len; i++, shift += 8)
		word |= (uint64_t)data[i] << shift;
	wide = add_round(wide, word);
	wide = (wide & 0xffffffff) + (wide >> 32);
	wide = (wide & 0xffff) + (wide >> 16 & 0xffff) + (wide >> 32);
	wide = (wide & 0xffff) + (wide >> 16);
	wide = (wide & 0xffff) + (wide >> 16);
	wide = (uint64_t)__builtin_bswap16((uint16_t)wide) + sum;
	return (uint32_t)((wide & 0xffffffff) + (wide >> 32));
}

uint16_t packet_sum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}
