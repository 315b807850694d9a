/* Memory types from MTRRs. Sections are those of SDM volume 3. */
#include "arch/x86/mtrr.h"

#define PAGE	  0x1000ull
#define ONE_MIB	  0x100000ull
#define NO_CHANGE UINT64_MAX

/* With masks that are not contiguous the type may alternate by the page. */
#define UNIFORM_STEPS 4096

void mtrr_capture(struct mtrr_state *mtrr, uint32_t phys_bits, msr_reader *rdmsr, void *ctx)
{
	static const uint16_t fixed_msr[MTRR_FIXED_COUNT] = {
		MSR_MTRR_FIX64K,      MSR_MTRR_FIX16K_0,    MSR_MTRR_FIX16K_1,
		MSR_MTRR_FIX4K_0,     MSR_MTRR_FIX4K_0 + 1, MSR_MTRR_FIX4K_0 + 2,
		MSR_MTRR_FIX4K_0 + 3, MSR_MTRR_FIX4K_0 + 4, MSR_MTRR_FIX4K_0 + 5,
		MSR_MTRR_FIX4K_0 + 6, MSR_MTRR_FIX4K_0 + 7,
	};

	*mtrr = (struct mtrr_state){.phys_bits = phys_bits};
	mtrr->cap = rdmsr(ctx, MSR_MTRRCAP);
	mtrr->def_type = rdmsr(ctx, MSR_MTRR_DEF_TYPE);
	if (mtrr->cap & MTRRCAP_FIXED)
		for (uint32_t i = 0; i < MTRR_FIXED_COUNT; i++)
			mtrr->fixed[i] = rdmsr(ctx, fixed_msr[i]);
	mtrr->nvar = (uint32_t)(mtrr->cap & MTRRCAP_COUNT);
	for (uint32_t i = 0; i < mtrr->nvar; i++) {
		mtrr->var[i].base = rdmsr(ctx, MSR_MTRR_PHYSBASE0 + 2 * i);
		mtrr->var[i].mask = rdmsr(ctx, MSR_MTRR_PHYSMASK0 + 2 * i);
	}
}

/* The compared address bits of a pair. */
static uint64_t mask_of(const struct mtrr_state *mtrr, const struct mtrr_pair *pair)
{
	return pair->mask & ((1ull << mtrr->phys_bits) - 1) & ~(PAGE - 1);
}

/* SDM 12.11.3: an address is in the range when it agrees with the base in the mask's bits. */
static bool covers(const struct mtrr_state *mtrr, const struct mtrr_pair *pair, uint64_t addr)
{
	uint64_t mask = mask_of(mtrr, pair);

	return (pair->mask & MTRR_MASK_VALID) && (addr & mask) == (pair->base & mask);
}

static bool fixed_enabled(const struct mtrr_state *mtrr)
{
	return (mtrr->cap & MTRRCAP_FIXED) && (mtrr->def_type & MTRR_DEF_FIXED);
}

/* Table 12-9: 8 ranges of 64 KiB, 16 of 16 KiB, 64 of 4 KiB; a register holds 8 types. */
static uint8_t fixed_type(const struct mtrr_state *mtrr, uint64_t addr, uint64_t *size)
{
	static const struct {
		uint32_t base, shift, reg;
	} parts[] = {{0xc0000, 12, 3}, {0x80000, 14, 1}, {0, 16, 0}};
	uint32_t i = 0;
	uint64_t slot;

	while (addr < parts[i].base)
		i++;
	*size = 1ull << parts[i].shift;
	slot = (addr - parts[i].base) >> parts[i].shift;
	return (uint8_t)(mtrr->fixed[parts[i].reg + slot / 8] >> slot % 8 * 8);
}

/* Reserved encodings count as uncached, the one type that is always safe. */
static enum memory_type checked(uint64_t type)
{
	return memory_type_valid(type & 0xff) ? (enum memory_type)(type & 0xff) : MEM_UC;
}

/* 12.11.4.1: what two overlapping variable ranges make. */
static enum memory_type combine(enum memory_type a, enum memory_type b)
{
	if (a == b)
		return a;
	if ((a == MEM_WT && b == MEM_WB) || (a == MEM_WB && b == MEM_WT))
		return MEM_WT;
	return MEM_UC;
}

enum memory_type mtrr_type(const struct mtrr_state *mtrr, uint64_t addr)
{
	enum memory_type type = MEM_UC;
	bool found = false;
	uint64_t size;

	if (!(mtrr->def_type & MTRR_DEF_ENABLE))
		return MEM_UC;
	if (addr < ONE_MIB && fixed_enabled(mtrr))
		return checked(fixed_type(mtrr, addr, &size));
	for (uint32_t i = 0; i < mtrr->nvar; i++) {
		enum memory_type t = checked(mtrr->var[i].base);

		if (!covers(mtrr, &mtrr->var[i], addr))
			continue;
		type = found ? combine(type, t) : t;
		found = true;
	}
	return found ? type : checked(mtrr->def_type & MTRR_DEF_TYPE_TYPE);
}

/* The next address above `addr` at which a range may begin or end. */
static uint64_t pair_change(const struct mtrr_state *mtrr, const struct mtrr_pair *pair,
			    uint64_t addr)
{
	uint64_t mask = mask_of(mtrr, pair);
	uint64_t size = mask & -mask;
	uint64_t start = pair->base & mask;

	if (!(pair->mask & MTRR_MASK_VALID) || mask == 0)
		return NO_CHANGE;
	/* Not contiguous: the range repeats, so every block of its granule may differ. */
	if (mask + size != 1ull << mtrr->phys_bits)
		return (addr | (size - 1)) + 1;
	if (addr < start)
		return start;
	return addr < start + size ? start + size : NO_CHANGE;
}

static uint64_t next_change(const struct mtrr_state *mtrr, uint64_t addr)
{
	uint64_t next = NO_CHANGE, size, at;

	if (!(mtrr->def_type & MTRR_DEF_ENABLE))
		return next;
	if (addr < ONE_MIB && fixed_enabled(mtrr)) {
		fixed_type(mtrr, addr, &size);
		at = (addr | (size - 1)) + 1;
		next = at < next ? at : next;
	}
	for (uint32_t i = 0; i < mtrr->nvar; i++) {
		at = pair_change(mtrr, &mtrr->var[i], addr);
		next = at < next ? at : next;
	}
	return next;
}

uint64_t mtrr_uniform(const struct mtrr_state *mtrr, uint64_t addr, uint64_t limit,
		      enum memory_type *type)
{
	uint64_t end = addr & ~(PAGE - 1);

	*type = mtrr_type(mtrr, end);
	for (uint32_t i = 0; i < UNIFORM_STEPS; i++) {
		end = next_change(mtrr, end);
		if (end >= limit)
			return limit;
		if (mtrr_type(mtrr, end) != *type)
			return end;
	}
	return end;
}
