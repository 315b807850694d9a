/* Extended page tables: one editor for all changes, and the walker. Sections are SDM volume 3's. */
#include "arch/x86/ept.h"
#include "hv/errno.h"
#include "hv/log.h"

#define SLOTS	      512
#define LEVELS	      4
/* Set in every leaf we wrote; ignored by the processor (table 29-6). So 0 means never mapped, even
 * for an uncached page at address 0 that has lost its rights. */
#define MAPPED	      (1ull << 52)
/* Set in a view's own leaves, likewise ignored: they never look like an entry of the original. */
#define OWN	      (1ull << 53)
/* Table pages that on-demand mapping may take: 512 TiB in 1 GiB pages, 512 GiB without them. */
#define DEMAND_TABLES 512

/* A change of a range. */
struct edit {
	uint64_t gpa; /* where the range began, to work out frames */
	uint64_t hpa;
	uint64_t rights;
	uint64_t type;
	bool keep;	 /* only the rights change */
	bool same_frame; /* every page shows hpa itself */
	bool demand;	 /* table pages come from the budget */
	bool invalidate; /* out: INVEPT is needed */
};

static uint64_t span_of(uint32_t level)
{
	return 1ull << (12 + 9 * (level - 1));
}

static uint32_t index_of(uint64_t gpa, uint32_t level)
{
	return gpa >> (12 + 9 * (level - 1)) & (SLOTS - 1);
}

static uint64_t *table_of(const struct ept *ept, uint64_t entry)
{
	uint64_t phys = entry & EPT_FRAME;

	if (ept->ops.virt)
		return ept->ops.virt(ept->ops.ctx, phys);
	return (uint64_t *)(uintptr_t)phys;
}

/* 0: never mapped. A leaf without rights is absent for the processor and keeps its frame for us. */
static bool is_table(uint64_t entry, uint32_t level)
{
	return level > 1 && (entry & EPT_RIGHTS) && !(entry & EPT_LARGE);
}

static uint64_t new_table(struct ept *ept, struct edit *edit)
{
	uint64_t phys;

	if (edit->demand && ept->demand_left == 0)
		return 0;
	phys = ept->ops.alloc(ept->ops.ctx);
	if (!phys)
		return 0;
	if (edit->demand)
		ept->demand_left--;
	ept->tables++;
	return phys;
}

static bool within(const uint64_t *table, const uint64_t *slot)
{
	return (uintptr_t)slot - (uintptr_t)table < SLOTS * sizeof(*slot);
}

/* Other CPUs walk these tables: whole entries, and tables only after their contents. The views'
 * copies of the table follow where they were alike. */
static void put(struct ept *ept, uint64_t *slot, uint64_t entry)
{
	uint64_t old = *slot;

	__atomic_store_n(slot, entry, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < ept->clones; i++) {
		uint64_t *of = ept->clone[i].of;

		if (within(of, slot) && ept->clone[i].table[slot - of] == old)
			__atomic_store_n(&ept->clone[i].table[slot - of], entry, __ATOMIC_RELEASE);
	}
}

/* Bits 6:3 of an entry that points to a table have to be 0 (table 29-3; TRAPS 28). */
static void link_table(struct ept *ept, uint64_t *slot, uint64_t table)
{
	put(ept, slot, table | EPT_RWX);
}

/* Break a large page up into 512 of the next size, which translate alike. */
static int split(struct ept *ept, struct edit *edit, uint64_t *slot, uint32_t level)
{
	uint64_t old = *slot;
	uint64_t table = new_table(ept, edit);
	uint64_t entry = level == 2 ? old & ~EPT_LARGE : old;
	uint64_t *child;

	if (!table)
		return -ENOMEM;
	child = table_of(ept, table);
	for (uint32_t i = 0; i < SLOTS; i++)
		child[i] = entry + i * span_of(level - 1);
	link_table(ept, slot, table);
	if (level == 2)
		ept->split_2m++;
	else
		ept->split_1g++;
	/* The old translation stays right, but may live on beside the pieces. */
	if (old & EPT_RIGHTS)
		edit->invalidate = true;
	return 0;
}

static void put_leaf(struct ept *ept, struct edit *edit, uint64_t *slot, uint32_t level,
		     uint64_t gpa)
{
	uint64_t old = *slot, entry;

	if (edit->keep)
		entry = (old & ~EPT_RIGHTS) | edit->rights;
	else
		entry = (edit->same_frame ? edit->hpa : edit->hpa + (gpa - edit->gpa)) | MAPPED |
			edit->type << EPT_TYPE_SHIFT | edit->rights | (level > 1 ? EPT_LARGE : 0);
	if (old == entry)
		return;
	put(ept, slot, entry);
	if ((old & EPT_RIGHTS) &&
	    ((old & ~entry & EPT_RIGHTS) || (old & ~EPT_RIGHTS) != (entry & ~EPT_RIGHTS)))
		edit->invalidate = true;
}

/* May the whole slot become one page? Tables are never given back: where there is one, it stays. */
static bool fits(const struct ept *ept, const struct edit *edit, uint64_t entry, uint32_t level,
		 uint64_t gpa)
{
	if (level == 1)
		return true;
	if (is_table(entry, level) || level > 3)
		return false;
	if (edit->keep)
		return true;
	if (edit->same_frame || (level == 3 && !(ept->cap & EPT_CAP_1G)))
		return false;
	return ((edit->hpa + (gpa - edit->gpa)) & (span_of(level) - 1)) == 0;
}

static int edit_table(struct ept *ept, struct edit *edit, uint64_t *table, uint32_t level,
		      uint64_t gpa, uint64_t end)
{
	uint64_t span = span_of(level);

	while (gpa < end) {
		uint64_t *slot = &table[index_of(gpa, level)];
		uint64_t start = gpa & ~(span - 1);
		uint64_t stop = end - start < span ? end : start + span;
		uint64_t entry = *slot;
		int ret = 0;

		if (edit->keep && entry == 0)
			return -ENOENT;
		if (gpa == start && stop == start + span && fits(ept, edit, entry, level, gpa)) {
			put_leaf(ept, edit, slot, level, gpa);
			gpa = stop;
			continue;
		}
		if (entry == 0) {
			uint64_t phys = new_table(ept, edit);

			if (!phys)
				return -ENOMEM;
			link_table(ept, slot, phys);
		} else if (!is_table(entry, level)) {
			ret = split(ept, edit, slot, level);
		}
		if (!ret)
			ret = edit_table(ept, edit, table_of(ept, *slot), level - 1, gpa, stop);
		if (ret)
			return ret;
		gpa = stop;
	}
	return 0;
}

/* Tell about the invalidation, whether or not all went well. */
static int finish(struct ept *ept, const struct edit *edit, int ret)
{
	if (edit->invalidate) {
		__atomic_add_fetch(&ept->generation, 1, __ATOMIC_SEQ_CST);
		if (ept->ops.invalidate)
			ept->ops.invalidate(ept->ops.ctx);
	}
	return ret;
}

static bool good_range(const struct ept *ept, uint64_t gpa, uint64_t size)
{
	return size > 0 && ((gpa | size) & (EPT_PAGE_4K - 1)) == 0 && gpa < ept->limit &&
	       size <= ept->limit - gpa;
}

static bool good_rights(const struct ept *ept, uint64_t rights)
{
	if (rights > EPT_RWX || ((rights & EPT_W) && !(rights & EPT_R)))
		return false;
	return rights != EPT_X || (ept->cap & EPT_CAP_EXEC_ONLY);
}

int ept_init(struct ept *ept, const struct ept_ops *ops, uint64_t cap, uint32_t phys_bits)
{
	*ept = (struct ept){.ops = *ops, .cap = cap, .demand_left = DEMAND_TABLES};
	ept->limit = 1ull << (phys_bits < 48 ? phys_bits : 48);
	ept->root = ops->alloc(ops->ctx);
	if (!ept->root)
		return -ENOMEM;
	ept->tables = 1;
	return 0;
}

uint64_t ept_pointer(const struct ept *ept)
{
	return ept->root | (uint64_t)(LEVELS - 1) << 3 | MEM_WB;
}

uint64_t ept_view_pointer(const struct ept *ept, uint32_t view)
{
	return ept->view[view] | (uint64_t)(LEVELS - 1) << 3 | MEM_WB;
}

/* A copy of the table at `phys` that follows it. 0: none left. */
static uint64_t clone_table(struct ept *ept, uint64_t phys)
{
	uint64_t copy = ept->clones < EPT_CLONES ? ept->ops.alloc(ept->ops.ctx) : 0;
	struct ept_clone *c = &ept->clone[ept->clones];

	if (!copy)
		return 0;
	*c = (struct ept_clone){table_of(ept, phys), table_of(ept, copy)};
	for (uint32_t i = 0; i < SLOTS; i++)
		c->table[i] = c->of[i];
	ept->clones++;
	ept->tables++;
	return copy;
}

int ept_view_map(struct ept *ept, uint32_t view, uint64_t gpa, uint64_t size, uint64_t hpa,
		 uint32_t rights)
{
	uint32_t last = size == EPT_PAGE_2M ? 2 : 1;
	struct ept_walk walk;
	uint64_t *table;

	ept_lookup(ept, gpa, &walk);
	if (!walk.mapped || !rights || !good_rights(ept, rights) || (gpa | hpa) & (size - 1) ||
	    size != span_of(last) || walk.level > last)
		return -EINVAL;
	if (!ept->view[view])
		ept->view[view] = clone_table(ept, ept->root);
	if (!ept->view[view])
		return -ENOMEM;
	table = table_of(ept, ept->view[view]);
	for (uint32_t level = LEVELS; level > last; level--) {
		uint64_t *slot = &table[index_of(gpa, level)];

		if (!is_table(*slot, level))
			return -EINVAL; /* the view has a larger page of its own there */
		if (*slot == walk.entry[level]) {
			uint64_t copy = clone_table(ept, *slot);

			if (!copy)
				return -ENOMEM;
			__atomic_store_n(slot, copy | EPT_RWX, __ATOMIC_RELEASE);
		}
		table = table_of(ept, *slot);
	}
	__atomic_store_n(&table[index_of(gpa, last)],
			 hpa | OWN | MAPPED | (uint64_t)walk.type << EPT_TYPE_SHIFT | rights |
				 (last > 1 ? EPT_LARGE : 0),
			 __ATOMIC_RELEASE);
	return 0;
}

static int apply(struct ept *ept, struct edit *edit, uint64_t size)
{
	return edit_table(ept, edit, table_of(ept, ept->root), LEVELS, edit->gpa, edit->gpa + size);
}

int ept_map(struct ept *ept, uint64_t gpa, uint64_t size, uint64_t hpa, uint32_t rights,
	    enum memory_type type)
{
	struct edit edit = {.gpa = gpa, .hpa = hpa, .rights = rights, .type = type};

	if (!good_range(ept, gpa, size) || !rights || !good_rights(ept, rights) ||
	    !memory_type_valid(type) || !good_range(ept, hpa, size))
		return -EINVAL;
	return finish(ept, &edit, apply(ept, &edit, size));
}

static int identity(struct ept *ept, const struct mtrr_state *mtrr, uint64_t gpa, uint64_t size,
		    struct edit *edit)
{
	uint64_t end = gpa + size;
	int ret = 0;

	while (gpa < end && !ret) {
		enum memory_type type;
		uint64_t stop = mtrr_uniform(mtrr, gpa, end, &type);

		edit->gpa = edit->hpa = gpa;
		edit->type = type;
		ret = apply(ept, edit, stop - gpa);
		gpa = stop;
	}
	return ret;
}

int ept_identity(struct ept *ept, const struct mtrr_state *mtrr, uint64_t gpa, uint64_t size)
{
	struct edit edit = {.rights = EPT_RWX};

	if (!good_range(ept, gpa, size))
		return -EINVAL;
	return finish(ept, &edit, identity(ept, mtrr, gpa, size, &edit));
}

int ept_protect(struct ept *ept, uint64_t gpa, uint64_t size, uint32_t rights)
{
	struct edit edit = {.gpa = gpa, .rights = rights, .keep = true};

	if (!good_range(ept, gpa, size) || !good_rights(ept, rights))
		return -EINVAL;
	return finish(ept, &edit, apply(ept, &edit, size));
}

int ept_hide(struct ept *ept, uint64_t gpa, uint64_t size, uint64_t dummy)
{
	struct edit edit = {
		.gpa = gpa, .hpa = dummy, .rights = EPT_R, .type = MEM_WB, .same_frame = true};

	if (!good_range(ept, gpa, size) || !good_range(ept, dummy, EPT_PAGE_4K))
		return -EINVAL;
	return finish(ept, &edit, apply(ept, &edit, size));
}

int ept_demand(struct ept *ept, const struct mtrr_state *mtrr, uint64_t gpa)
{
	struct edit edit = {.rights = EPT_RWX, .demand = true};
	struct ept_walk walk;
	uint64_t size;
	int ret;

	if (gpa >= ept->limit)
		return -EINVAL;
	ept_lookup(ept, gpa, &walk);
	if (walk.entry[walk.level] != 0)
		return -EEXIST;
	size = walk.level >= 3 ? EPT_PAGE_1G : span_of(walk.level);
	ret = identity(ept, mtrr, gpa & ~(size - 1), size, &edit);
	if (!ret)
		ept->on_demand++;
	return finish(ept, &edit, ret);
}

void ept_lookup(const struct ept *ept, uint64_t gpa, struct ept_walk *walk)
{
	uint64_t entry = ept->root | EPT_RWX;
	uint64_t rights = EPT_RWX;

	*walk = (struct ept_walk){.level = LEVELS + 1};
	if (gpa >= ept->limit) {
		walk->level = LEVELS;
		return;
	}
	do {
		const uint64_t *table = table_of(ept, entry);

		walk->level--;
		entry = table[index_of(gpa, walk->level)];
		walk->entry[walk->level] = entry;
		rights &= entry;
	} while (is_table(entry, walk->level));
	if (!(entry & EPT_RIGHTS))
		return;
	walk->mapped = true;
	walk->page_size = span_of(walk->level);
	walk->rights = (uint32_t)(rights & EPT_RIGHTS);
	walk->type = (enum memory_type)((entry & EPT_TYPE) >> EPT_TYPE_SHIFT);
	walk->hpa = (entry & EPT_FRAME & ~(walk->page_size - 1)) | (gpa & (walk->page_size - 1));
}

const char *ept_misconfigured(uint64_t entry, uint32_t level, uint64_t cap, uint32_t phys_bits)
{
	bool leaf = level == 1 || (level < LEVELS && (entry & EPT_LARGE));
	uint64_t low = leaf ? (span_of(level) - 1) & EPT_FRAME : 0;

	bool reserved = entry & (EPT_TYPE | EPT_IPAT | (level == LEVELS ? EPT_LARGE : 0));
	const struct {
		bool broken;
		const char *why;
	} rules[] = {
		{(entry & EPT_W) && !(entry & EPT_R), "writable and not readable"},
		{(entry & EPT_RIGHTS) == EPT_X && !(cap & EPT_CAP_EXEC_ONLY),
		 "execute-only, which the CPU lacks"},
		{entry & EPT_FRAME & ~((1ull << phys_bits) - 1), "address beyond MAXPHYADDR"},
		{entry & low, "large page not aligned"},
		{!leaf && reserved, "reserved bits set in an entry for a table"},
		{leaf && level == 3 && !(cap & EPT_CAP_1G), "1 GiB page, which the CPU lacks"},
		{leaf && level == 2 && !(cap & EPT_CAP_2M), "2 MiB page, which the CPU lacks"},
		{leaf && !memory_type_valid((entry & EPT_TYPE) >> EPT_TYPE_SHIFT),
		 "reserved memory type"},
	};

	for (uint32_t i = 0; (entry & EPT_RIGHTS) && i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].broken)
			return rules[i].why;
	return NULL;
}

size_t ept_describe(const struct ept *ept, uint64_t gpa, char *out, size_t size)
{
	static const char *const level_name[LEVELS + 1] = {"", "PTE", "PDE", "PDPTE", "PML4E"};
	const char *wrong = NULL;
	struct ept_walk walk;
	size_t len;

	ept_lookup(ept, gpa, &walk);
	len = format_text(out, size, "gpa 0x%llx:", (unsigned long long)gpa);
	for (uint32_t level = LEVELS; level >= walk.level; level--) {
		len += format_text(out + len, size - len, " %s 0x%llx", level_name[level],
				   (unsigned long long)walk.entry[level]);
		wrong = ept_misconfigured(walk.entry[level], level, ept->cap,
					  (uint32_t)__builtin_ctzll(ept->limit));
		if (wrong)
			return len + format_text(out + len, size - len, " (%s)", wrong);
	}
	if (!walk.mapped)
		return len + format_text(out + len, size - len, " (not mapped)");
	return len + format_text(out + len, size - len, " -> 0x%llx %s%s%s type %u",
				 (unsigned long long)walk.hpa, walk.rights & EPT_R ? "r" : "-",
				 walk.rights & EPT_W ? "w" : "-", walk.rights & EPT_X ? "x" : "-",
				 (unsigned int)walk.type);
}
