/* The memory functions a freestanding compiler may call, for vigil.efi; the C library's on the
 * host. */
#pragma once

#ifdef VIGIL_HOST
#include <string.h>
#else
#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
#endif
