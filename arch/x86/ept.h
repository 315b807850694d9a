/* Extended page tables: builder, editor and walker (SDM 29.3).
 *
 * Pure: pages come from an injected allocator, which in the core returns pages whose physical
 * address is their virtual one. A struct ept serves for the guest (identity) and for the sentry
 * (anything). Edits are made with the caller's lock held; other CPUs may use the tables meanwhile:
 * each entry is written once, whole, and a new table is filled before it is linked.
 *
 * Invalidation: an operation that took a right away, changed a frame, a memory type or the size of
 * a present mapping adds one to `generation` and calls ops->invalidate, once, after its last write.
 * One that only made absent things present or added rights does neither. (EPT entries that are
 * absent are never cached, and a violation itself drops what the CPU had cached for the address:
 * SDM 29.4.3.)
 *
 * Accessed and dirty flags are not used. iTLB multi-hit (CVE-2018-12207; IA32_ARCH_CAPABILITIES
 * IF_PSCHANGE_MC_NO clear): large pages are executable here all the same; on such a CPU a hostile
 * guest kernel can stop the machine. Splitting on fetch would need 8 MiB of tables for 4 GiB of
 * code.
 *
 * Views are further roots over the same memory, for pages that shall look different to a CPU that
 * uses them. A view shares all tables with the first root except those on the way to such a page,
 * and those follow every edit of the originals.
 *
 * All functions: init or exit context, no blocking, bounded by the range they are given.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "arch/x86/mtrr.h"

#define EPT_R	1u
#define EPT_W	2u
#define EPT_X	4u
#define EPT_RWX 7u

/* Entry format (SDM tables 29-1 to 29-6). */
#define EPT_RIGHTS     0x7ull
#define EPT_TYPE_SHIFT 3
#define EPT_TYPE       0x38ull
#define EPT_IPAT       0x40ull /* never set: the guest's PAT goes on working (TRAPS 35) */
#define EPT_LARGE      0x80ull
#define EPT_FRAME      0x000ffffffffff000ull

#define EPT_PAGE_4K 0x1000ull
#define EPT_PAGE_2M 0x200000ull
#define EPT_PAGE_1G 0x40000000ull

struct ept_ops {
	/* Physical address of a zeroed 4 KiB page, 0: none left. */
	uint64_t (*alloc)(void *ctx);
	/* Where a table page of `phys` is mapped. NULL: at its physical address. */
	uint64_t *(*virt)(void *ctx, uint64_t phys);
	/* INVEPT is needed on every CPU that uses these tables, before what was changed is relied
	 * on. May be NULL (then `generation` tells). */
	void (*invalidate)(void *ctx);
	void *ctx;
};

#define EPT_VIEWS  2
#define EPT_CLONES 64

/* A view's own copy of a table. */
struct ept_clone {
	uint64_t *of, *table;
};

struct ept {
	struct ept_ops ops;
	uint64_t root;	     /* physical address of the PML4 */
	uint64_t cap;	     /* IA32_VMX_EPT_VPID_CAP */
	uint64_t limit;	     /* bytes that can be mapped: 1 << min(MAXPHYADDR, 48) */
	uint64_t generation; /* compare before VM entry; INVEPT when it has moved */
	uint32_t tables;     /* pages in use, the root included */
	uint32_t split_2m;   /* large pages broken up since the start */
	uint32_t split_1g;
	uint32_t on_demand;	  /* ranges mapped by ept_demand */
	uint32_t demand_left;	  /* table pages that ept_demand may still take */
	uint64_t view[EPT_VIEWS]; /* physical address of each view's PML4, 0: not made yet */
	struct ept_clone clone[EPT_CLONES];
	uint32_t clones;
};

/* An empty tree. `cap`: IA32_VMX_EPT_VPID_CAP, `phys_bits`: MAXPHYADDR. -ENOMEM without a page. */
int ept_init(struct ept *ept, const struct ept_ops *ops, uint64_t cap, uint32_t phys_bits);

/* The EPT pointer: 4 levels, write-back tables, no accessed/dirty flags (SDM 25.6.11). */
uint64_t ept_pointer(const struct ept *ept);

/* The same of a view that has pages of its own. */
uint64_t ept_view_pointer(const struct ept *ept, uint32_t view);

/* Show the page at `gpa` of `size` bytes (4 KiB, or 2 MiB) in `view` as `hpa` with `rights`, in the
 * memory type that it has at the first root. A 4 KiB page must be one there too. The view is made
 * at its first page. Invalidation is the caller's business (ops->invalidate), unless nobody has
 * used the view yet. 0; -EINVAL: the first root maps no such page there; -ENOMEM. */
int ept_view_map(struct ept *ept, uint32_t view, uint64_t gpa, uint64_t size, uint64_t hpa,
		 uint32_t rights);

/* Map [gpa, gpa + size) to [hpa, hpa + size) with `rights` and `type`, in the largest pages
 * allowed. What was mapped there is replaced; large pages that reach beyond the range are split.
 * All page aligned, size > 0, both within ept->limit, rights not empty, W not without R, X alone
 * only where the CPU has it: -EINVAL otherwise. -ENOMEM: part of the range may have been done. */
int ept_map(struct ept *ept, uint64_t gpa, uint64_t size, uint64_t hpa, uint32_t rights,
	    enum memory_type type);

/* Map [gpa, gpa + size) to itself, RWX, with the MTRRs' types. As ept_map. */
int ept_identity(struct ept *ept, const struct mtrr_state *mtrr, uint64_t gpa, uint64_t size);

/* Set the rights of a range whose frames stay. `rights` 0 makes it absent (the frames are kept, so
 * that rights can come back). -ENOENT when part of it was never mapped (what was mapped before that
 * part is done), else as ept_map. */
int ept_protect(struct ept *ept, uint64_t gpa, uint64_t size, uint32_t rights);

/* Hide a range: every 4 KiB page of it shows the frame `dummy`, read-only, write-back. As ept_map.
 */
int ept_hide(struct ept *ept, uint64_t gpa, uint64_t size, uint64_t dummy);

/* At an EPT violation on an address that was never mapped (above all that the memory map and the
 * BARs had at the launch): map the aligned 1 GiB around it (in parts where neighbours are mapped)
 * to itself. 0: mapped, resume. -EEXIST: something is mapped there, the violation is about rights.
 * -EINVAL: above ept->limit. -ENOMEM: the budget for this (demand_left) is used up, so treat it as
 * an empty bus (reads give ones): a hostile guest that touches all of a 46-bit space cannot drain
 * the pool. Never needs an INVEPT.
 *
 * Why on demand: mapping 2^46 bytes at once takes 65,536 entries even in 1 GiB pages, and 128 MiB
 * of tables without them. */
int ept_demand(struct ept *ept, const struct mtrr_state *mtrr, uint64_t gpa);

/* What the tables say about an address. */
struct ept_walk {
	uint64_t entry[5]; /* by level: entry[4] of the PML4 ... entry[1] of the page table */
	uint32_t level;	   /* where the walk ended: 4 to 1 */
	bool mapped;	   /* present with some right */
	uint64_t hpa;	   /* of the address itself, when mapped */
	uint32_t rights;   /* common to all levels */
	enum memory_type type;
	uint64_t page_size; /* of the mapping, when mapped */
};
void ept_lookup(const struct ept *ept, uint64_t gpa, struct ept_walk *walk);

/* One line about a walk, with every level's entry and the first misconfiguration found, for a
 * report. Returns its length; always 0-terminated when size > 0. */
size_t ept_describe(const struct ept *ept, uint64_t gpa, char *out, size_t size);

/* What is wrong with an entry at `level` (4: PML4 ... 1: page table) on a CPU with `cap` and a
 * physical-address width of `phys_bits`; NULL: nothing (SDM 29.3.3.1). */
const char *ept_misconfigured(uint64_t entry, uint32_t level, uint64_t cap, uint32_t phys_bits);
