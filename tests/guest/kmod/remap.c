// SPDX-License-Identifier: GPL-2.0
/* The page of filldir64() is mapped to another frame, a copy with a jump in it, to leave a process
 * out of listings: the kernel's own text stays as it was, for whoever looks at its frames. */
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <asm/pgtable.h>
#include <asm/tlbflush.h>

#include "kernel.h"
#include "vtest.h"

static u64 *slot, old; /* the entry that was changed */
static u64 *table;     /* in place of a large page; NULL: the text was mapped by small ones */
static u8 *copy;

/* Global entries too. */
static void flush(void *unused)
{
	unsigned long cr4 = __read_cr4();

	asm volatile("mov %0, %%cr4" : : "r"(cr4 & ~X86_CR4_PGE) : "memory");
	asm volatile("mov %0, %%cr4" : : "r"(cr4) : "memory");
}

static void map(u64 value)
{
	WRITE_ONCE(*slot, value);
	on_each_cpu(flush, NULL, 1);
}

/* A table of small pages that maps what the large page does, but for one. */
static u64 split(u64 large, unsigned long page, u64 frame)
{
	u64 flags = large & (PTE_FLAGS_MASK & ~(u64)(_PAGE_PSE | _PAGE_PAT_LARGE));
	u64 base = large & PTE_PFN_MASK & PMD_MASK;

	for (unsigned long i = 0; i < PTRS_PER_PTE; i++)
		table[i] = (i == pte_index(page) ? frame : base + i * PAGE_SIZE) | flags;
	return __pa(table) | _KERNPG_TABLE_NOENC;
}

static int start(const char *variant, int pid)
{
	u8 *site = entry_nop("filldir64");
	unsigned long page = (unsigned long)site & PAGE_MASK;
	unsigned int level;
	u64 new;

	if (!site)
		return -EBUSY;
	slot = (u64 *)lookup_address(page, &level);
	if (!slot || level > PG_LEVEL_2M)
		return -ENOENT;
	copy = (u8 *)__get_free_page(GFP_KERNEL);
	table = level == PG_LEVEL_2M ? (u64 *)__get_free_page(GFP_KERNEL) : NULL;
	if (!copy || (level == PG_LEVEL_2M && !table)) {
		free_page((unsigned long)copy);
		return -ENOMEM;
	}
	filter_pid(pid);
	real_filldir = (filldir_fn *)(site + 5);
	memcpy(copy, (void *)page, PAGE_SIZE);
	make_jump(copy + offset_in_page(site), site, filter_entry);
	old = *slot;
	new = table ? split(old, page, __pa(copy)) : (old & ~PTE_PFN_MASK) | __pa(copy);
	say("remap: %lx to frame %lx, level %u", page, __pa(copy), level);
	map(new);
	return 0;
}

static void undo(void)
{
	map(old);
	free_page((unsigned long)table);
	free_page((unsigned long)copy);
}

const struct trick remap_trick = {"remap", start, undo};
