/* See glance.h. */
#include "ids/guest/glance.h"

#include "hv/errno.h"

#define NO_PAGE 1ull

void glance_open(struct glance *g, const struct kernel *k)
{
	g->kernel = k;
	g->large_size = 0;
	for (uint32_t i = 0; i < GLANCE_PAGES; i++)
		g->met[i].va = NO_PAGE;
}

/* Where a page (aligned) lies. False: nowhere. */
static bool translate(struct glance *g, uint64_t va, uint64_t *gpa)
{
	struct gspace_at at;

	if (va - g->large < g->large_size) {
		*gpa = g->large_gpa + (va - g->large);
		return true;
	}
	if (gspace_translate(kernel_space(g->kernel), va, &at))
		return false;
	*gpa = at.gpa;
	if (at.size > GMEM_PAGE) {
		g->large = va & ~(at.size - 1);
		g->large_gpa = at.gpa & ~(at.size - 1);
		g->large_size = at.size;
	}
	return true;
}

/* The page at `va` (aligned), NULL: none. */
static const volatile uint8_t *find_page(struct glance *g, uint64_t va)
{
	uint32_t i = va / GMEM_PAGE % GLANCE_PAGES;
	uint64_t gpa;

	if (g->met[i].va == va)
		return g->met[i].page;
	if (!translate(g, va, &gpa))
		return NULL;
	const volatile void *page = gmem_page(kernel_space(g->kernel)->mem, gpa);
	if (page) {
		g->met[i].va = va;
		g->met[i].page = page;
	}
	return page;
}

int glance_read(struct glance *g, uint64_t va, void *dst, size_t len)
{
	uint8_t *out = dst;

	while (len > 0) {
		size_t off = va & (GMEM_PAGE - 1);
		size_t n = len < GMEM_PAGE - off ? len : GMEM_PAGE - off;
		const volatile uint8_t *page = find_page(g, va - off);
		if (!page)
			return -EFAULT;
		gmem_copy(out, page + off, n);
		out += n;
		va += n;
		len -= n;
	}
	return 0;
}

int glance_bytes(struct glance *g, uint64_t va, const char *structure, const char *member,
		 void *dst, size_t len)
{
	int64_t at = kernel_offset(g->kernel, structure, member);

	if (!va || at < 0)
		return -EFAULT;
	return glance_read(g, va + (uint64_t)at, dst, len);
}

int glance_u64(struct glance *g, uint64_t va, const char *structure, const char *member,
	       uint64_t *value)
{
	return glance_bytes(g, va, structure, member, value, sizeof(*value));
}

int glance_u32(struct glance *g, uint64_t va, const char *structure, const char *member,
	       uint32_t *value)
{
	return glance_bytes(g, va, structure, member, value, sizeof(*value));
}

int glance_u16(struct glance *g, uint64_t va, const char *structure, const char *member,
	       uint16_t *value)
{
	return glance_bytes(g, va, structure, member, value, sizeof(*value));
}
