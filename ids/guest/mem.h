/* The one accessor to the guest's memory, for all of ids/.
 *
 * The guest runs on while it is read and may hold anything: every word is read once into the
 * caller's memory, every address is translated and checked here, nothing is assumed to be where it
 * was a moment ago. Pure; the pages come from a callback (the window on the guest in the sentry, a
 * dump or a model in tests and fuzzers). May call: nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GMEM_PAGE 4096u

struct gmem {
	void *ctx;
	/* The guest's page at `gpa` (4 KiB aligned), readable for ever, or NULL: no RAM there. */
	const volatile void *(*page)(void *ctx, uint64_t gpa);
};

/* The page at `gpa` (aligned) for who looks at words here and there: each is read once into a
 * variable, as everywhere. NULL: no RAM. */
static inline const volatile void *gmem_page(const struct gmem *mem, uint64_t gpa)
{
	return mem->page(mem->ctx, gpa);
}

/* Copy from a page of the guest's: a pointer or a counter is read in one access, and each byte
 * once. */
void gmem_copy(uint8_t *dst, const volatile uint8_t *src, size_t len);

/* Copy from guest-physical memory; may cross pages. 0, or -EFAULT with nothing promised of `dst`.
 * Words of 2, 4 and 8 bytes that are aligned are read whole; each byte is read once. */
int gmem_read(const struct gmem *mem, uint64_t gpa, void *dst, size_t len);

/* A tree of page tables (SDM volume 3A, 4.5). `levels` 4 or 5. */
struct gspace {
	const struct gmem *mem;
	uint64_t root; /* physical address of the top table: CR3 without PCID and flags */
	uint32_t levels;
};

/* What a translation found. */
struct gspace_at {
	uint64_t gpa;
	uint64_t size;		/* bytes of the page that maps it: 4 KiB, 2 MiB or 1 GiB */
	bool write, user, exec; /* rights of all levels together */
};

/* Translate `va`. 0; -EFAULT: not canonical, not present, or a table outside of RAM. */
int gspace_translate(const struct gspace *space, uint64_t va, struct gspace_at *at);

/* Copy from guest-virtual memory; may cross pages. 0 or -EFAULT. */
int gspace_read(const struct gspace *space, uint64_t va, void *dst, size_t len);

/* Copy a string of at most size - 1 characters; always ends `dst` with 0. Returns its length, or
 * -EFAULT when not even its first byte can be read. A string that runs into an unreadable page
 * ends there. */
int gspace_string(const struct gspace *space, uint64_t va, char *dst, size_t size);

static inline int gspace_u64(const struct gspace *space, uint64_t va, uint64_t *value)
{
	return gspace_read(space, va, value, sizeof(*value));
}

static inline int gspace_u32(const struct gspace *space, uint64_t va, uint32_t *value)
{
	return gspace_read(space, va, value, sizeof(*value));
}
