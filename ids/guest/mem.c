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

/* Words at any address. On an x86 one within a page is read in one access, whatever its address. */
typedef uint64_t word64 __attribute__((may_alias, aligned(1)));
typedef uint32_t word32 __attribute__((may_alias, aligned(1)));
typedef uint16_t word16 __attribute__((may_alias, aligned(1)));

/* Whole words as far as they go. Nothing is left to the compiler's own ideas of how to copy: the
 * source changes. */
void gmem_copy(uint8_t *dst, const volatile uint8_t *src, size_t len)
{
	for (; len >= 32; len -= 32, dst += 32, src += 32) {
		uint64_t a = *(const volatile word64 *)src, b = *(const volatile word64 *)(src + 8),
			 c = *(const volatile word64 *)(src + 16),
			 d = *(const volatile word64 *)(src + 24);
		*(word64 *)dst = a;
		*(word64 *)(dst + 8) = b;
		*(word64 *)(dst + 16) = c;
		*(word64 *)(dst + 24) = d;
	}
	for (; len >= 8; len -= 8, dst += 8, src += 8)
		*(word64 *)dst = *(const volatile word64 *)src;
	if (len & 4) {
		*(word32 *)dst = *(const volatile word32 *)src;
		dst += 4;
		src += 4;
	}
	if (len & 2) {
		*(word16 *)dst = *(const volatile word16 *)src;
		dst += 2;
		src += 2;
	}
	if (len & 1)
		*dst = *src;
}

int gmem_read(const struct gmem *mem, uint64_t gpa, void *dst, size_t len)
{
	uint8_t *out = dst;

	while (len > 0) {
		size_t off = gpa & (GMEM_PAGE - 1);
		size_t n = len < GMEM_PAGE - off ? len : GMEM_PAGE - off;
		const volatile uint8_t *page = gmem_page(mem, gpa - off);
		if (!page)
			return -EFAULT;
		gmem_copy(out, page + off, n);
		out += n;
		gpa += n;
		len -= n;
	}
	return 0;
}

int gspace_translate(const struct gspace *space, uint64_t va, struct gspace_at *at)
{
	const struct gmem *mem = space->mem;
	uint32_t top = 12 + 9 * space->levels - 1; /* the highest bit that is translated */
	uint64_t sign = va >> top;
	uint64_t table = space->root;

	if (sign != 0 && sign != ~0ull >> top)
		return -EFAULT;
	*at = (struct gspace_at){.write = true, .user = true, .exec = true};
	for (uint32_t level = space->levels;; level--) {
		uint32_t shift = 12 + 9 * (level - 1);
		uint64_t entry, span = 1ull << shift;
		const volatile uint64_t *page = gmem_page(mem, table & FRAME);
		if (!page)
			return -EFAULT;
		entry = page[va >> shift & 511];
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
	const struct gmem *mem = space->mem;
	uint8_t *out = dst;

	while (len > 0) {
		struct gspace_at at;
		size_t off = va & (GMEM_PAGE - 1);
		size_t n = len < GMEM_PAGE - off ? len : GMEM_PAGE - off;
		const volatile uint8_t *page;
		if (gspace_translate(space, va, &at) || !(page = gmem_page(mem, at.gpa - off)))
			return -EFAULT;
		gmem_copy(out, page + off, n);
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
