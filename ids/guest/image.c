/* The kernel image: found through the page tables from one address in it. */
#include <string.h>

#include "hv/errno.h"
#include "ids/guest/kernel_impl.h"

/* All of the image lies in the 1 GiB that the kernel maps it in (Linux:
 * Documentation/arch/x86/x86_64/mm.rst, "kernel text mapping"). */
#define REGION	0x40000000ull
#define PMD	0x200000ull
#define PRESENT 1ull
#define LARGE	0x80ull
#define FRAME	0x000ffffffffff000ull

int image_read(const struct kernel *k, uint64_t va, void *dst, size_t len)
{
	if (va < k->image.base || va > k->image.end || len > k->image.end - va)
		return -EFAULT;
	return gmem_read(&k->ops.mem, va + k->image.delta, dst, len);
}

/* The table that maps the 1 GiB around `va`, entry by entry 2 MiB. 0: none. */
static uint64_t middle_table(const struct gspace *space, uint64_t va)
{
	uint64_t table = space->root;

	for (uint32_t level = space->levels; level > 2; level--) {
		uint64_t entry;
		uint32_t index = va >> (12 + 9 * (level - 1)) & 511;
		if (gmem_read(space->mem, (table & FRAME) + index * 8, &entry, 8) ||
		    !(entry & PRESENT) || entry & LARGE)
			return 0;
		table = entry;
	}
	return table & FRAME;
}

/* Does the entry map any page of the 2 MiB at `va` at the distance `delta`? */
static bool maps_image(const struct gspace *space, uint64_t entry, uint64_t va, uint64_t delta)
{
	uint64_t pages[512];

	if (!(entry & PRESENT))
		return false;
	if (entry & LARGE)
		return (entry & FRAME & ~(PMD - 1)) == va + delta;
	if (gmem_read(space->mem, entry & FRAME, pages, sizeof(pages)))
		return false;
	for (uint32_t i = 0; i < 512; i++)
		if (pages[i] & PRESENT && (pages[i] & FRAME) == va + delta + i * GMEM_PAGE)
			return true;
	return false;
}

int image_find(struct kernel *k)
{
	uint64_t region = k->lstar & ~(REGION - 1), entries[512];
	struct gspace_at at;
	uint64_t table;

	if (k->lstar >> 63 == 0 || gspace_translate(&k->boot, k->lstar, &at))
		return -ENOENT;
	k->image = (struct image){.delta = at.gpa - k->lstar};
	table = middle_table(&k->boot, k->lstar);
	if (!table || gmem_read(k->boot.mem, table, entries, sizeof(entries)))
		return -ENOENT;
	for (uint32_t i = 0; i < 512; i++) {
		uint64_t va = region + i * PMD;
		if (!maps_image(&k->boot, entries[i], va, k->image.delta))
			continue;
		if (!k->image.base)
			k->image.base = va;
		k->image.end = va + PMD;
	}
	return k->image.base ? 0 : -ENOENT;
}
