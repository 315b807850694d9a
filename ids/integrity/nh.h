/* NH, the universal hash of UMAC (Black, Halevi, Krawczyk, Krovetz, Rogaway 1999), with words of 64
 * bits, and a multilinear hash that makes 32 bits of its result. Who does not know the key finds
 * two texts of one hash no better than by chance, 1 in 2^32 for each try; and there is nothing to
 * try them on. Pure.
 */
#pragma once

#include <stdint.h>

#define NH_LINE 128 /* bytes hashed at a time */

struct nh_key {
	uint64_t word[NH_LINE / 8];
	uint64_t fold[4];
};

static inline uint64_t nh_random(uint64_t *seed) /* splitmix64 */
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static inline void nh_key(struct nh_key *key, uint64_t seed)
{
	uint64_t *words = (uint64_t *)key;

	for (uint32_t i = 0; i < sizeof(*key) / 8; i++)
		words[i] = nh_random(&seed);
}

static inline uint32_t nh_line(const struct nh_key *key, const uint64_t line[NH_LINE / 8])
{
	unsigned __int128 sum = 0;
	uint64_t low, high;

	for (uint32_t i = 0; i < NH_LINE / 8; i += 2)
		sum += (unsigned __int128)(line[i] + key->word[i]) *
		       (line[i + 1] + key->word[i + 1]);
	low = (uint64_t)sum;
	high = (uint64_t)(sum >> 64);
	return (uint32_t)((key->fold[0] * (uint32_t)low + key->fold[1] * (low >> 32) +
			   key->fold[2] * (uint32_t)high + key->fold[3] * (high >> 32)) >>
			  32);
}
