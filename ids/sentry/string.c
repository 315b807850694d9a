/* memcpy and its kin for the sentry, in place of newlib's: those of its x86-64 port use
 * non-temporal stores from 256 bytes on (a frame would leave the cache it is about to be read
 * from), the portable ones copy unaligned memory byte by byte. SSE2, which every x86-64 has. */
#include <emmintrin.h>
#include <stdint.h>
#include <string.h>

/* Words at any address, whatever they are part of. */
typedef uint64_t word64 __attribute__((may_alias, aligned(1)));
typedef uint32_t word32 __attribute__((may_alias, aligned(1)));

#define WIDE 16 /* bytes of an SSE register */

static inline __m128i load(const void *p)
{
	return _mm_loadu_si128(p);
}

static inline void store(void *p, __m128i value)
{
	_mm_storeu_si128(p, value);
}

/* The loops below are what the compiler would turn into calls of these very functions. */
#ifdef __clang__
#define NO_CALL
#else
#define NO_CALL __attribute__((optimize("no-tree-loop-distribute-patterns")))
#endif

NO_CALL void *memcpy(void *restrict to, const void *restrict from, size_t len)
{
	unsigned char *t = to;
	const unsigned char *f = from;

	if (len >= WIDE) {
		/* The last piece may overlap the one before it. */
		__m128i last = load(f + len - WIDE);
		for (size_t i = 0; i + WIDE <= len; i += WIDE)
			store(t + i, load(f + i));
		store(t + len - WIDE, last);
		return to;
	}
	/* Two overlapping pieces of half the size or more. */
	if (len >= 8) {
		uint64_t last = *(const word64 *)(f + len - 8);
		*(word64 *)t = *(const word64 *)f;
		*(word64 *)(t + len - 8) = last;
	} else if (len >= 4) {
		uint32_t last = *(const word32 *)(f + len - 4);
		*(word32 *)t = *(const word32 *)f;
		*(word32 *)(t + len - 4) = last;
	} else if (len) {
		unsigned char last = f[len - 1], middle = f[len / 2];
		t[0] = f[0];
		t[len / 2] = middle;
		t[len - 1] = last;
	}
	return to;
}

NO_CALL void *memmove(void *to, const void *from, size_t len)
{
	unsigned char *t = to;
	const unsigned char *f = from;

	/* Forward is safe unless `to` lies inside [from, from + len). */
	if ((size_t)(t - f) >= len) {
		size_t i = 0;
		for (; i + WIDE <= len; i += WIDE)
			store(t + i, load(f + i));
		for (; i < len; i++) {
			__asm__ volatile("" : : : "memory");
			t[i] = f[i];
		}
		return to;
	}
	while (len >= WIDE) {
		len -= WIDE;
		store(t + len, load(f + len));
	}
	while (len > 0) {
		__asm__ volatile("" : : : "memory");
		len--;
		t[len] = f[len];
	}
	return to;
}

NO_CALL void *memset(void *to, int value, size_t len)
{
	unsigned char *t = to;
	__m128i wide = _mm_set1_epi8((char)value);

	if (len >= WIDE) {
		for (size_t i = 0; i + WIDE <= len; i += WIDE)
			store(t + i, wide);
		store(t + len - WIDE, wide);
		return to;
	}
	for (size_t i = 0; i < len; i++) {
		__asm__ volatile("" : : : "memory");
		t[i] = (unsigned char)value;
	}
	return to;
}
