/* memmove for vigil.efi; the others are the core's (arch/x86/string.c). */
#include "boot/mem.h"

#include <stdint.h>

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
