/* One look at a few structures of the guest's: reads of members that lie near one another.
 *
 * The pages that it met are remembered, so that the second read of a page costs no walk through the
 * page tables, which is most of what a read costs. A glance is short: it is opened for one call and
 * forgotten at its end, so that what the guest maps anew is seen at the next. Pure. May call:
 * ids/guest.
 */
#pragma once

#include <stdint.h>

#include "ids/guest/kernel.h"

#define GLANCE_PAGES 8u /* a power of two */

struct glance {
	const struct kernel *kernel;
	struct {
		uint64_t va; /* page aligned; 1: none */
		const volatile void *page;
	} met[GLANCE_PAGES];
	/* The large page walked to last, as it maps the structures' neighbours: size 0: none. */
	uint64_t large, large_gpa, large_size;
};

void glance_open(struct glance *g, const struct kernel *k);

/* Copy from the kernel's address space; may cross pages. 0 or -EFAULT. */
int glance_read(struct glance *g, uint64_t va, void *dst, size_t len);

/* A member of the structure at `va`; names are constants (kernel_member). 0; -EFAULT: `va` is 0 or
 * unreadable, or this kernel has no such member. */
int glance_u64(struct glance *g, uint64_t va, const char *structure, const char *member,
	       uint64_t *value);
int glance_u32(struct glance *g, uint64_t va, const char *structure, const char *member,
	       uint32_t *value);
int glance_u16(struct glance *g, uint64_t va, const char *structure, const char *member,
	       uint16_t *value);
int glance_bytes(struct glance *g, uint64_t va, const char *structure, const char *member,
		 void *dst, size_t len);
