/* See mem.h. */
#include "ids/guest/mem.h"

#include <string.h>

#include "hv/errno.h"

#define PRESENT	   1ull
#define WRITE	   2ull
#define USER	   4ull
#define LARGE	   0x80ull
#define NO_EXECUTE (1ull << 63)
#define FRAME	   0x000ffffffffff000ull

/* Whole words where both sides are aligned: a pointer or a counter is read in one access. */
static void copy(uint8_t *dst, const volatile uint8_t *src, size_t len)
{
	while (len >= 8 && !(((uintptr_t)dst | (uintptr_t)src) & 7)) {
		*(uint64_t *)(void *)dst = *(const volatile uint64_t *)(const volatile void *)src;
		dst += 8;
		src += 8;
		len -= 8;
	}
	if (len == 8 && !((uintptr_t)src & 7)) {
		uint64_t word = *(const volatile uint64_t *)(const volatile void *)src;
		memcpy(dst, &word, 8);
		return;
	}
	if (len == 4 && !((uintptr_t)src & 3)) {
		uint32_t word = *(const volatile uint32_t *)(const volatile void *)src;
		memcpy(dst, &word, 4);
		return;
	}
	if (len == 2 && !((uintptr_t)src & 1)) {
		uint16_t word = *(const volatile uint16_t *)(const volatile void *)src;
		memcpy(dst, &word, 2);
		return;
	}
	for (size_t i = 0; i < len; i++)
		dst[i] = src[i];
}

int gmem_read(const struct gmem *mem, uint64_t gpa, void *dst, size_t len)
{
	uint8_t *out = dst;

	while (len > 0) {
		size_t off = gpa & (GMEM_PAGE - 1);
		size_t n = len < GMEM_PAGE - off ? len : GMEM_PAGE - off;
		const volatile uint8_t *page = mem->page(mem->ctx, gpa - off);
		if (!page)
			return -EFAULT;
		copy(out, page + off, n);
		out += n;
		gpa += n;
		len -= n;
	}
	return 0;
}

int gspace_translate(const struct gspace *space, uint64_t va, struct gspace_at *at)
{
	uint32_t top = 12 + 9 * space->levels - 1; /* the highest bit that is translated */
	uint64_t sign = va >> top;
	uint64_t table = space->root;

	if (sign != 0 && sign != ~0ull >> top)
		return -EFAULT;
	*at = (struct gspace_at){.write = true, .user = true, .exec = true};
	for (uint32_t level = space->levels;; level--) {
		uint32_t shift = 12 + 9 * (level - 1);
		uint64_t entry, span = 1ull << shift;
		if (gmem_read(space->mem, (table & FRAME) + (va >> shift & 511) * 8, &entry, 8))
			return -EFAULT;
		if (!(entry & PRESENT) || (entry & LARGE && level > 3))
			return -EFAULT;
		at->write &= (entry & WRITE) != 0;
		at->user &= (entry & USER) != 0;
		at->exec &= !(entry & NO_EXECUTE);
		if (level == 1 || entry & LARGE) {
			at->size = span;
			at->gpa = (entry & FRAME & ~(span - 1)) | (va & (span - 1));
			return 0;
		}
		table = entry;
	}
}

int gspace_read(const struct gspace *space, uint64_t va, void *dst, size_t len)
{
	uint8_t *out = dst;

	while (len > 0) {
		struct gspace_at at;
		size_t off = va & (GMEM_PAGE - 1);
		size_t n = len < GMEM_PAGE - off ? len : GMEM_PAGE - off;
		if (gspace_translate(space, va, &at) || gmem_read(space->mem, at.gpa, out, n))
			return -EFAULT;
		out += n;
		va += n;
		len -= n;
	}
	return 0;
}

int gspace_string(const struct gspace *space, uint64_t va, char *dst, size_t size)
{
	size_t len = 0;

	if (!size)
		return -EFAULT;
	dst[0] = 0;
	while (len < size - 1) {
		size_t off = va & (GMEM_PAGE - 1);
		size_t n = size - 1 - len < GMEM_PAGE - off ? size - 1 - len : GMEM_PAGE - off;
		if (n > 64)
			n = 64;
		if (gspace_read(space, va, dst + len, n)) {
			dst[len] = 0;
			return len ? (int)len : -EFAULT;
		}
		const char *end = memchr(dst + len, 0, n);
		if (end)
			return (int)(end - dst);
		len += n;
		va += n;
	}
	dst[len] = 0;
	return (int)len;
}
