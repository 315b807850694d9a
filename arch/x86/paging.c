#include <stdbool.h>
#include "arch/x86/paging.h"
#include "arch/x86/insn.h"
#include "hv/machine.h"
#include "hv/errno.h"
#include "hv/unit.h"

/* Page-table entry bits (SDM vol. 3, 4.5). */
#define PTE_P	 (1ull << 0)
#define PTE_W	 (1ull << 1)
#define PTE_WT	 (1ull << 3)
#define PTE_CD	 (1ull << 4)
#define PTE_A	 (1ull << 5)
#define PTE_D	 (1ull << 6)
#define PTE_PS	 (1ull << 7)
#define PTE_NX	 (1ull << 63)
#define PTE_ADDR 0x000ffffffffff000ull

static uint64_t *root;
static bool have_1g;

static const uint64_t rights_bits[] = {
	[PAGING_RW] = PTE_P | PTE_W | PTE_NX | PTE_A | PTE_D,
	[PAGING_RO] = PTE_P | PTE_NX | PTE_A | PTE_D,
	[PAGING_RX] = PTE_P | PTE_A | PTE_D,
	[PAGING_UNCACHED] = PTE_P | PTE_W | PTE_NX | PTE_A | PTE_D | PTE_CD | PTE_WT,
};

static uint64_t level_size(int level)
{
	return 1ull << (12 + 9 * (level - 1));
}

/* The table below `entry`, made or split as needed. */
static uint64_t *table_below(uint64_t *entry, int level)
{
	uint64_t old = *entry;
	uint64_t *table;

	if ((old & PTE_P) && !(old & PTE_PS))
		return (uint64_t *)(old & PTE_ADDR);
	table = pages_alloc(1);
	if (!table)
		return NULL;
	if (old & PTE_P) {
		uint64_t step = level_size(level - 1);
		uint64_t keep = old & ~(level - 1 == 1 ? PTE_PS : 0);

		for (uint64_t i = 0; i < 512; i++)
			table[i] = keep + i * step;
	}
	*entry = (uint64_t)table | PTE_P | PTE_W | PTE_A;
	return table;
}

static int set_range(uint64_t base, uint64_t size, uint64_t bits)
{
	uint64_t end = base + size;

	while (base < end) {
		uint64_t *table = root;
		int level = 4;

		for (;;) {
			uint64_t *entry = &table[base >> (12 + 9 * (level - 1)) & 511];
			uint64_t span = level_size(level);
			bool whole = !(base & (span - 1)) && end - base >= span;

			if (level == 1 || (whole && (level == 2 || (level == 3 && have_1g)))) {
				if (level > 1 && (*entry & PTE_P) && !(*entry & PTE_PS))
					goto deeper; /* keep the finer table */
				*entry = bits ? (base | bits | (level > 1 ? PTE_PS : 0)) : 0;
				base += span;
				break;
			}
		deeper:
			table = table_below(entry, level);
			if (!table)
				return -ENOMEM;
			level--;
		}
	}
	return 0;
}

int paging_map(uint64_t base, uint64_t size, enum paging_rights rights)
{
	return set_range(base, size, rights_bits[rights]);
}

int paging_unmap(uint64_t base, uint64_t size)
{
	return set_range(base, size, 0);
}

uint64_t paging_root(void)
{
	return (uint64_t)root;
}

static int build_map(const struct boot_info *info)
{
	int err = 0;

	have_1g = cpuid(0x80000001, 0).edx >> 26 & 1;
	root = pages_alloc(1);
	if (!root)
		return -ENOMEM;
	/* One piece up to 4 GiB (device registers among it are uncached by the MTRRs), RAM above.
	 */
	err = err ?: paging_map(0, 1ull << 32, PAGING_RW);
	for (uint32_t i = 0; i < info->nregion && !err; i++) {
		const struct boot_region *r = &info->region[i];
		uint64_t base = r->base & ~(level_size(2) - 1);
		uint64_t end = (r->base + r->size + level_size(2) - 1) & ~(level_size(2) - 1);

		if (base < 1ull << 32)
			base = 1ull << 32;
		if (r->kind == REGION_RAM && end > base)
			err = paging_map(base, end - base, PAGING_RW);
	}
	err = err ?: paging_unmap(0, 4096); /* a NULL pointer of ours faults */
	/* The block in small pages now, so that guard pages need no further table. */
	for (uint64_t a = info->block_base; a < info->block_base + info->block_size && !err;
	     a += 4096)
		err = paging_map(a, 4096, PAGING_RW);
	err = err ?: paging_map(info->core_base, info->core_text_size, PAGING_RX);
	return err
		       ?: paging_map(info->core_base + info->core_text_size, info->core_rodata_size,
				     PAGING_RO);
}

static int paging_unit(struct boot_info *info)
{
	if (build_map(info))
		return init_error(-ENOMEM, "no memory for the host's page tables");
	return 0;
}

UNIT(11, paging, paging_unit);
