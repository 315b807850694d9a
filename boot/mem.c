/* memcpy and its kin for vigil.efi. String instructions: short, and fast on every CPU
 * with EPT; by words, because Bochs counts every repetition as an instruction. */
#include "boot/mem.h"

#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	size_t words = n / 8, rest = n % 8;
	void *d = to;

	__asm__ volatile("rep movsq" : "+D"(d), "+S"(from), "+c"(words)::"memory");
	__asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(rest)::"memory");
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	uint8_t *d = to;
	const uint8_t *s = from;

	if ((uintptr_t)to - (uintptr_t)from >= n)
		return memcpy(to, from, n);
	while (n--)
		*(volatile uint8_t *)(d + n) = s[n];
	return to;
}

void *memset(void *to, int c, size_t n)
{
	uint64_t pattern = 0x0101010101010101u * (uint8_t)c;
	size_t words = n / 8, rest = n % 8;
	void *d = to;

	__asm__ volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(pattern) : "memory");
	__asm__ volatile("rep stosb" : "+D"(d), "+c"(rest) : "a"(pattern) : "memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x < *y ? -1 : 1;
	return 0;
}
