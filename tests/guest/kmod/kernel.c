// SPDX-License-Identifier: GPL-2.0
/* See kernel.h. */
#include "kernel.h"

#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/stop_machine.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

/* It is not exported; where a kprobe would be set on it tells. */
unsigned long lookup(const char *symbol)
{
	static unsigned long (*by_name)(const char *name);
	struct kprobe probe = {.symbol_name = "kallsyms_lookup_name"};

	if (!by_name && register_kprobe(&probe) == 0) {
		by_name = (void *)probe.addr;
		unregister_kprobe(&probe);
	}
	return by_name ? by_name(symbol) : 0;
}

struct copy {
	void *to;
	const void *from;
	size_t count;
};

static int copy_alone(void *data)
{
	struct copy *copy = data;

	memcpy(copy->to, copy->from, copy->count);
	return 0;
}

int poke(void *where, const void *bytes, size_t count)
{
	struct page *pages[2] = {virt_to_page(where), virt_to_page((char *)where + count - 1)};
	char *map = vmap(pages, 2, VM_MAP, PAGE_KERNEL);
	struct copy copy = {map + offset_in_page(where), bytes, count};

	if (!map)
		return -ENOMEM;
	stop_machine(copy_alone, &copy, NULL);
	vunmap(map);
	return 0;
}

u8 *entry_nop(const char *symbol)
{
	static const u8 nop[5] = {0x0f, 0x1f, 0x44, 0x00, 0x00};
	u8 *site = (u8 *)lookup(symbol);

	if (site && !memcmp(site, nop, sizeof(nop)))
		return site;
	/* Behind endbr64. */
	return site && !memcmp(site + 4, nop, sizeof(nop)) ? site + 4 : NULL;
}

void make_jump(u8 jump[5], const u8 *site, const void *target)
{
	s32 distance = (s32)((const u8 *)target - (site + 5));

	jump[0] = 0xe9;
	memcpy(jump + 1, &distance, sizeof(distance));
}
