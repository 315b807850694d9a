/* EPT builder and editor: translations, page sizes, splits, and an INVEPT for each right removed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hv/errno.h"
#include "arch/x86/ept.h"

#define MIB	  0x100000ull
#define GIB	  0x40000000ull
#define CAP_ALL	  (EPT_CAP_EXEC_ONLY | EPT_CAP_WALK_4 | EPT_CAP_WB | EPT_CAP_2M | EPT_CAP_1G)
#define CAP_NO_1G (CAP_ALL & ~EPT_CAP_1G)

/* A pool of table pages at made-up physical addresses. */
#define POOL_BASE  0x77000000ull
#define POOL_PAGES 3000
static uint64_t (*pool)[512];
static uint32_t pool_used, pool_limit;
static uint32_t invalidations;
static uint64_t last_generation;

static uint64_t pool_alloc(void *ctx)
{
	(void)ctx;
	if (pool_used == pool_limit)
		return 0;
	return POOL_BASE + 0x1000ull * pool_used++;
}

static uint64_t *pool_virt(void *ctx, uint64_t phys)
{
	uint64_t page = (phys - POOL_BASE) / 0x1000;

	(void)ctx;
	assert_true(phys >= POOL_BASE && page < pool_used);
	return pool[page];
}

static void count_invalidation(void *ctx)
{
	(void)ctx;
	invalidations++;
}

static const struct ept_ops ops = {pool_alloc, pool_virt, count_invalidation, NULL};

static int setup(void **state)
{
	(void)state;
	pool = calloc(POOL_PAGES, sizeof(*pool));
	pool_used = 0;
	pool_limit = POOL_PAGES;
	invalidations = 0;
	last_generation = 0;
	return pool ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(pool);
	return 0;
}

/* How many INVEPTs were asked for since the last question; the generation says the same. */
static uint32_t invalidated(struct ept *ept)
{
	uint32_t n = invalidations;

	assert_int_equal(ept->generation - last_generation, n);
	last_generation = ept->generation;
	invalidations = 0;
	return n;
}

/* No entry of the tree is misconfigured, no table is linked twice. */
static void check_tree(const struct ept *ept, uint64_t phys, uint32_t level, uint8_t *seen)
{
	const uint64_t *table = pool_virt(NULL, phys);

	assert_int_equal(seen[(phys - POOL_BASE) / 0x1000]++, 0);
	for (uint32_t i = 0; i < 512; i++) {
		const char *wrong = ept_misconfigured(table[i], level, ept->cap, 52);

		if (wrong)
			fail_msg("level %u entry %llx: %s", level, (unsigned long long)table[i],
				 wrong);
		assert_false(table[i] & EPT_IPAT);
		assert_false(level == 1 && (table[i] & EPT_LARGE));
		if (level > 1 && (table[i] & EPT_RIGHTS) && !(table[i] & EPT_LARGE)) {
			assert_int_equal(table[i] & 0x78, 0); /* bits 6:3 */
			check_tree(ept, table[i] & EPT_FRAME, level - 1, seen);
		}
	}
}

static void check(const struct ept *ept)
{
	uint8_t seen[POOL_PAGES] = {0};

	check_tree(ept, ept->root, 4, seen);
	assert_int_equal(ept->tables, pool_used);
}

static void expect(const struct ept *ept, uint64_t gpa, uint64_t hpa, uint32_t rights,
		   enum memory_type type, uint64_t page_size)
{
	struct ept_walk w;

	ept_lookup(ept, gpa, &w);
	assert_true(w.mapped);
	assert_int_equal(w.hpa, hpa);
	assert_int_equal(w.rights, rights);
	assert_int_equal(w.type, type);
	assert_int_equal(w.page_size, page_size);
}

static void expect_absent(const struct ept *ept, uint64_t gpa)
{
	struct ept_walk w;

	ept_lookup(ept, gpa, &w);
	assert_false(w.mapped);
}

/* OVMF's registers: WB, hole from 2 GiB uncached, fixed ranges. */
static struct mtrr_state ovmf(void)
{
	struct mtrr_state m = {.cap = 0x508, .def_type = 0xc06, .nvar = 1, .phys_bits = 40};

	m.fixed[0] = m.fixed[1] = 0x0606060606060606;
	for (int i = 3; i < MTRR_FIXED_COUNT; i++)
		m.fixed[i] = 0x0505050505050505;
	m.var[0] = (struct mtrr_pair){0x80000000, 0xff80000800};
	return m;
}

static void identity(void **state)
{
	struct mtrr_state m = ovmf();
	struct ept ept;

	(void)state;
	assert_int_equal(ept_init(&ept, &ops, CAP_ALL, 40), 0);
	assert_int_equal(ept_pointer(&ept), POOL_BASE | 3 << 3 | 6);
	assert_int_equal(ept_identity(&ept, &m, 0, 16 * GIB), 0);
	/* PML4, PDPT, page directory of the first GiB, page table of the first 2 MiB. */
	assert_int_equal(ept.tables, 4);
	assert_int_equal(ept.split_2m + ept.split_1g, 0);
	expect(&ept, 0x1234, 0x1234, EPT_RWX, MEM_WB, EPT_PAGE_4K);
	expect(&ept, 0xa0000, 0xa0000, EPT_RWX, MEM_UC, EPT_PAGE_4K);
	expect(&ept, 0xfffff, 0xfffff, EPT_RWX, MEM_WP, EPT_PAGE_4K);
	expect(&ept, 0x1fffff, 0x1fffff, EPT_RWX, MEM_WB, EPT_PAGE_4K);
	expect(&ept, 0x200000, 0x200000, EPT_RWX, MEM_WB, EPT_PAGE_2M);
	expect(&ept, GIB + 5, GIB + 5, EPT_RWX, MEM_WB, EPT_PAGE_1G);
	expect(&ept, 0xfee00300, 0xfee00300, EPT_RWX, MEM_UC, EPT_PAGE_1G);
	expect(&ept, 16 * GIB - 1, 16 * GIB - 1, EPT_RWX, MEM_WB, EPT_PAGE_1G);
	expect_absent(&ept, 16 * GIB);
	for (uint64_t gpa = 0; gpa < 4 * MIB; gpa += 0x1000) {
		struct ept_walk w;

		ept_lookup(&ept, gpa, &w);
		assert_int_equal(w.type, mtrr_type(&m, gpa));
	}
	check(&ept);
	/* Only absent things were made present. */
	assert_int_equal(invalidated(&ept), 0);
}

static void identity_without_1g(void **state)
{
	struct mtrr_state m = ovmf();
	struct ept ept;

	(void)state;
	assert_int_equal(ept_init(&ept, &ops, CAP_NO_1G, 40), 0);
	assert_int_equal(ept_identity(&ept, &m, 0, 4 * GIB), 0);
	assert_int_equal(ept.tables, 2 + 4 + 1);
	expect(&ept, 3 * GIB, 3 * GIB, EPT_RWX, MEM_UC, EPT_PAGE_2M);
	check(&ept);
}

static void split_keeps_neighbours(void **state)
{
	struct ept ept;

	(void)state;
	ept_init(&ept, &ops, CAP_ALL, 40);
	assert_int_equal(ept_map(&ept, 0, 4 * GIB, 0, EPT_RWX, MEM_WB), 0);
	assert_int_equal(ept.tables, 2);
	assert_int_equal(ept_protect(&ept, GIB + 4 * MIB + 0x3000, 0x1000, EPT_R), 0);
	assert_int_equal(ept.tables, 4);
	assert_int_equal(ept.split_1g, 1);
	assert_int_equal(ept.split_2m, 1);
	expect(&ept, GIB + 4 * MIB + 0x3008, GIB + 4 * MIB + 0x3008, EPT_R, MEM_WB, EPT_PAGE_4K);
	expect(&ept, GIB + 4 * MIB + 0x2000, GIB + 4 * MIB + 0x2000, EPT_RWX, MEM_WB, EPT_PAGE_4K);
	expect(&ept, GIB + 4 * MIB + 0x4000, GIB + 4 * MIB + 0x4000, EPT_RWX, MEM_WB, EPT_PAGE_4K);
	expect(&ept, GIB + 6 * MIB, GIB + 6 * MIB, EPT_RWX, MEM_WB, EPT_PAGE_2M);
	expect(&ept, GIB, GIB, EPT_RWX, MEM_WB, EPT_PAGE_2M);
	expect(&ept, 2 * GIB, 2 * GIB, EPT_RWX, MEM_WB, EPT_PAGE_1G);
	assert_int_equal(invalidated(&ept), 1);
	check(&ept);
}

/* Each row changes one page whose state is known; `flush` says whether INVEPT must be asked for. */
static void invept_for_each_right_removed(void **state)
{
	static const struct {
		const char *what;
		uint64_t hpa;
		uint32_t rights;
		enum memory_type type;
		uint32_t flush;
	} rows[] = {
		{"map what was absent", 0x5000, EPT_R, MEM_WB, 0},
		{"the same again", 0x5000, EPT_R, MEM_WB, 0},
		{"add W", 0x5000, EPT_R | EPT_W, MEM_WB, 0},
		{"add X", 0x5000, EPT_RWX, MEM_WB, 0},
		{"remove X", 0x5000, EPT_R | EPT_W, MEM_WB, 1},
		{"remove W", 0x5000, EPT_R, MEM_WB, 1},
		{"add X", 0x5000, EPT_R | EPT_X, MEM_WB, 0},
		{"remove R: execute-only", 0x5000, EPT_X, MEM_WB, 1},
		{"X to R: one removed, one added", 0x5000, EPT_R, MEM_WB, 1},
		{"other frame", 0x6000, EPT_R, MEM_WB, 1},
		{"other frame and more rights", 0x5000, EPT_RWX, MEM_WB, 1},
		{"other memory type", 0x5000, EPT_RWX, MEM_UC, 1},
	};
	struct ept ept;

	(void)state;
	ept_init(&ept, &ops, CAP_ALL, 40);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t before = ept.generation;

		assert_int_equal(
			ept_map(&ept, 0x7000, 0x1000, rows[i].hpa, rows[i].rights, rows[i].type),
			0);
		if (invalidated(&ept) != rows[i].flush)
			fail_msg("%s: wrong number of invalidations", rows[i].what);
		assert_int_equal(ept.generation - before, rows[i].flush);
		expect(&ept, 0x7000, rows[i].hpa, rows[i].rights, rows[i].type, EPT_PAGE_4K);
	}
	/* The same by ept_protect: for each pair of right sets. */
	for (uint32_t from = 0; from <= EPT_RWX; from++)
		for (uint32_t to = 0; to <= EPT_RWX; to++) {
			bool good = !((to & EPT_W) && !(to & EPT_R));

			if ((from & EPT_W) && !(from & EPT_R))
				continue;
			assert_int_equal(ept_protect(&ept, 0x7000, 0x1000, from), 0);
			invalidated(&ept);
			assert_int_equal(ept_protect(&ept, 0x7000, 0x1000, to), good ? 0 : -EINVAL);
			assert_int_equal(invalidated(&ept), good && (from & ~to) ? 1 : 0);
		}
	/* A range: one for all of it. */
	assert_int_equal(ept_map(&ept, 0, 64 * MIB, 0, EPT_RWX, MEM_WB), 0);
	invalidated(&ept);
	assert_int_equal(ept_protect(&ept, MIB, 32 * MIB, EPT_R), 0);
	assert_int_equal(invalidated(&ept), 1);
	assert_int_equal(ept_protect(&ept, MIB, 32 * MIB, EPT_RWX), 0);
	assert_int_equal(invalidated(&ept), 0);
	assert_int_equal(ept_hide(&ept, 2 * MIB, MIB, 0x9000), 0);
	assert_int_equal(invalidated(&ept), 1);
	check(&ept);
}

static void rights_come_back(void **state)
{
	struct ept ept;

	(void)state;
	ept_init(&ept, &ops, CAP_ALL, 40);
	/* The page at 0, uncached, has nothing but rights in its entry; taken away it is still
	 * known. */
	assert_int_equal(ept_map(&ept, 0, 0x1000, 0, EPT_RWX, MEM_UC), 0);
	assert_int_equal(ept_protect(&ept, 0, 0x1000, 0), 0);
	expect_absent(&ept, 0);
	assert_int_equal(ept_protect(&ept, 0, 0x1000, EPT_R | EPT_W), 0);
	expect(&ept, 0, 0, EPT_R | EPT_W, MEM_UC, EPT_PAGE_4K);
	/* A large page without rights, of which a part comes back. */
	assert_int_equal(ept_map(&ept, 2 * MIB, 2 * MIB, 6 * MIB, EPT_RWX, MEM_WB), 0);
	assert_int_equal(ept_protect(&ept, 2 * MIB, 2 * MIB, 0), 0);
	invalidated(&ept);
	assert_int_equal(ept_protect(&ept, 3 * MIB, 0x1000, EPT_R), 0);
	assert_int_equal(invalidated(&ept), 0); /* split, but nothing of it was present */
	expect(&ept, 3 * MIB, 7 * MIB, EPT_R, MEM_WB, EPT_PAGE_4K);
	expect_absent(&ept, 3 * MIB + 0x1000);
	/* Never mapped is something else. */
	assert_int_equal(ept_protect(&ept, 3 * GIB, 0x1000, EPT_R), -ENOENT);
	check(&ept);
}

static void hidden_block(void **state)
{
	struct mtrr_state m = ovmf();
	uint64_t block = 64 * MIB, size = 16 * MIB;
	struct ept ept;

	(void)state;
	ept_init(&ept, &ops, CAP_ALL, 40);
	assert_int_equal(ept_identity(&ept, &m, 0, 4 * GIB), 0);
	assert_int_equal(ept_hide(&ept, block, size, 0x9000), 0);
	for (uint64_t gpa = block; gpa < block + size; gpa += 0x1000)
		expect(&ept, gpa, 0x9000, EPT_R, MEM_WB, EPT_PAGE_4K);
	expect(&ept, block - 1, block - 1, EPT_RWX, MEM_WB, EPT_PAGE_2M);
	expect(&ept, block + size, block + size, EPT_RWX, MEM_WB, EPT_PAGE_2M);
	assert_int_equal(ept.split_2m, 8);
	assert_int_equal(invalidated(&ept), 1);
	check(&ept);
}

static void on_demand(void **state)
{
	struct mtrr_state m = ovmf();
	uint32_t tables;
	struct ept ept;

	(void)state;
	m.phys_bits = 46;
	m.var[0].mask |= 0x3f0000000000;
	ept_init(&ept, &ops, CAP_ALL, 46);
	assert_int_equal(ept_identity(&ept, &m, 0, 4 * GIB + 2 * MIB), 0);
	/* A BAR far above, first seen now. */
	assert_int_equal(ept_demand(&ept, &m, 0x200012345678), 0);
	expect(&ept, 0x200012345678, 0x200012345678, EPT_RWX, MEM_WB, EPT_PAGE_1G);
	/* Beside what is mapped: only the gap is filled. */
	assert_int_equal(ept_demand(&ept, &m, 4 * GIB + 2 * MIB), 0);
	expect(&ept, 4 * GIB + 2 * MIB, 4 * GIB + 2 * MIB, EPT_RWX, MEM_WB, EPT_PAGE_2M);
	expect_absent(&ept, 4 * GIB + 4 * MIB);
	assert_int_equal(ept.on_demand, 2);
	/* What is mapped, or was and has lost its rights, is not brought back this way. */
	assert_int_equal(ept_demand(&ept, &m, 0x1000), -EEXIST);
	assert_int_equal(ept_protect(&ept, 0x1000, 0x1000, 0), 0);
	assert_int_equal(ept_demand(&ept, &m, 0x1000), -EEXIST);
	assert_int_equal(ept_demand(&ept, &m, 1ull << 46), -EINVAL);
	assert_int_equal(ept_demand(&ept, &m, UINT64_MAX), -EINVAL);
	invalidated(&ept);

	/* A guest that touches everything uses up the budget, not the pool. */
	ept.demand_left = 10;
	tables = ept.tables;
	for (uint64_t gpa = 0x100000000000; gpa < 0x108000000000; gpa += GIB)
		assert_int_equal(ept_demand(&ept, &m, gpa), 0); /* one PDPT for all 512 */
	assert_int_equal(ept.tables, tables + 1);
	for (uint64_t i = 1; i < 10; i++)
		assert_int_equal(ept_demand(&ept, &m, 0x100000000000 + (i << 39)), 0);
	assert_int_equal(ept_demand(&ept, &m, 0x100000000000 + (10ull << 39)), -ENOMEM);
	assert_int_equal(ept.tables, tables + 10);
	assert_int_equal(invalidated(&ept), 0);
	check(&ept);
}

static void out_of_pages(void **state)
{
	struct ept ept;

	(void)state;
	ept_init(&ept, &ops, CAP_ALL, 40);
	assert_int_equal(ept_map(&ept, 0, 4 * GIB, 0, EPT_RWX, MEM_WB), 0);
	pool_limit = pool_used + 1;
	/* The GiB can be split, the 2 MiB page can't: nothing is lost. */
	assert_int_equal(ept_protect(&ept, 0x1000, 0x1000, EPT_R), -ENOMEM);
	expect(&ept, 0x1000, 0x1000, EPT_RWX, MEM_WB, EPT_PAGE_2M);
	assert_int_equal(invalidated(&ept), 1); /* of the split that was done */
	assert_int_equal(ept_map(&ept, 8 * GIB, 0x1000, 0, EPT_R, MEM_WB), -ENOMEM);
	expect_absent(&ept, 8 * GIB);
	check(&ept);
	pool_limit = pool_used;
	assert_int_equal(ept_init(&ept, &ops, CAP_ALL, 40), -ENOMEM);
}

static void arguments(void **state)
{
	struct mtrr_state m = ovmf();
	struct ept ept;

	(void)state;
	ept_init(&ept, &ops, CAP_ALL & ~EPT_CAP_EXEC_ONLY, 36);
	assert_int_equal(ept_map(&ept, 0x800, 0x1000, 0, EPT_R, MEM_WB), -EINVAL);
	assert_int_equal(ept_map(&ept, 0, 0x1800, 0, EPT_R, MEM_WB), -EINVAL);
	assert_int_equal(ept_map(&ept, 0, 0x1000, 0x10, EPT_R, MEM_WB), -EINVAL);
	assert_int_equal(ept_map(&ept, 0, 0, 0, EPT_R, MEM_WB), -EINVAL);
	assert_int_equal(ept_map(&ept, 0, 0x1000, 0, 0, MEM_WB), -EINVAL);
	assert_int_equal(ept_map(&ept, 0, 0x1000, 0, 8, MEM_WB), -EINVAL);
	assert_int_equal(ept_map(&ept, 0, 0x1000, 0, EPT_W, MEM_WB), -EINVAL);
	assert_int_equal(ept_map(&ept, 0, 0x1000, 0, EPT_W | EPT_X, MEM_WB), -EINVAL);
	assert_int_equal(ept_map(&ept, 0, 0x1000, 0, EPT_X, MEM_WB), -EINVAL);
	assert_int_equal(ept_map(&ept, 0, 0x1000, 0, EPT_R, (enum memory_type)2), -EINVAL);
	assert_int_equal(ept_map(&ept, 0, 0x1000, 0, EPT_R, (enum memory_type)7), -EINVAL);
	assert_int_equal(ept_map(&ept, 1ull << 36, 0x1000, 0, EPT_R, MEM_WB), -EINVAL);
	assert_int_equal(ept_map(&ept, 0, (1ull << 36) + 0x1000, 0, EPT_R, MEM_WB), -EINVAL);
	assert_int_equal(ept_map(&ept, 0, 0x1000, 1ull << 36, EPT_R, MEM_WB), -EINVAL);
	assert_int_equal(ept_map(&ept, 0x1000, 0xfffffffffffff000, 0, EPT_R, MEM_WB), -EINVAL);
	assert_int_equal(ept_protect(&ept, 0, 0x1000, EPT_X), -EINVAL);
	assert_int_equal(ept_hide(&ept, 0, 0x1000, 0x123), -EINVAL);
	assert_int_equal(ept_identity(&ept, &m, 1ull << 36, 0x1000), -EINVAL);
	assert_int_equal(ept.tables, 1);
	/* 52 address bits: 4 levels map 48. */
	ept_init(&ept, &ops, CAP_ALL, 52);
	assert_int_equal(ept.limit, 1ull << 48);
	expect_absent(&ept, 1ull << 50);
}

/* The sentry's tree: own pages with rights of their own, guest memory as a read-only window without
 * Vigil's block. */
static void sentry_tree(void **state)
{
	uint64_t window = 1ull << 40;
	struct ept_walk w;
	struct ept ept;

	(void)state;
	ept_init(&ept, &ops, CAP_ALL, 46);
	assert_int_equal(ept_map(&ept, 0x1000, 0x3000, 0x40001000, EPT_R | EPT_X, MEM_WB), 0);
	assert_int_equal(ept_map(&ept, 0x4000, 0x1000, 0x40004000, EPT_R, MEM_WB), 0);
	assert_int_equal(ept_map(&ept, 0x5000, 0x8000, 0x40008000, EPT_R | EPT_W, MEM_WB), 0);
	assert_int_equal(ept_map(&ept, window, GIB, 0, EPT_R, MEM_WB), 0);
	assert_int_equal(ept_map(&ept, window + GIB + 32 * MIB, GIB, GIB + 32 * MIB, EPT_R, MEM_WB),
			 0);
	expect(&ept, 0x3fff, 0x40003fff, EPT_R | EPT_X, MEM_WB, EPT_PAGE_4K);
	expect(&ept, 0x5000, 0x40008000, EPT_R | EPT_W, MEM_WB, EPT_PAGE_4K);
	expect(&ept, window + 12345, 12345, EPT_R, MEM_WB, EPT_PAGE_1G);
	expect_absent(&ept, window + GIB);
	expect_absent(&ept, window + GIB + 32 * MIB - 1);
	expect(&ept, window + GIB + 32 * MIB, GIB + 32 * MIB, EPT_R, MEM_WB, EPT_PAGE_2M);
	for (uint64_t gpa = 0; gpa < 0x10000; gpa += 0x1000) {
		ept_lookup(&ept, gpa, &w);
		assert_int_not_equal(w.rights & (EPT_W | EPT_X), EPT_W | EPT_X);
	}
	check(&ept);
	assert_int_equal(invalidated(&ept), 0);
}

/* A frame that is not aligned like its address can't be one large page. */
static void unaligned_frames(void **state)
{
	struct ept ept;

	(void)state;
	ept_init(&ept, &ops, CAP_ALL, 40);
	assert_int_equal(ept_map(&ept, 0, 4 * MIB, 0x1000, EPT_RWX, MEM_WB), 0);
	expect(&ept, 2 * MIB, 2 * MIB + 0x1000, EPT_RWX, MEM_WB, EPT_PAGE_4K);
	assert_int_equal(ept_map(&ept, GIB, GIB, 2 * MIB, EPT_RWX, MEM_WB), 0);
	expect(&ept, GIB + 5, 2 * MIB + 5, EPT_RWX, MEM_WB, EPT_PAGE_2M);
	check(&ept);
}

/* As in the core: no translation of table addresses. */
static uint64_t host_page(void *ctx)
{
	void **pages = ctx;
	void *page = aligned_alloc(0x1000, 0x1000);

	assert_non_null(page);
	memset(page, 0, 0x1000);
	while (*pages)
		pages++;
	*pages = page;
	return (uint64_t)(uintptr_t)page;
}

static void identity_of_tables(void **state)
{
	void *pages[16] = {0};
	struct ept_ops plain = {.alloc = host_page, .ctx = pages};
	struct ept ept;

	(void)state;
	assert_int_equal(ept_init(&ept, &plain, CAP_ALL, 40), 0);
	assert_int_equal(ept_map(&ept, 0, GIB, 0, EPT_RWX, MEM_WB), 0);
	assert_int_equal(ept_protect(&ept, 0x5000, 0x1000, EPT_R), 0);
	expect(&ept, 0x5000, 0x5000, EPT_R, MEM_WB, EPT_PAGE_4K);
	expect(&ept, 0x6000, 0x6000, EPT_RWX, MEM_WB, EPT_PAGE_4K);
	assert_int_equal(ept.generation, 1); /* without a callback */
	assert_int_equal(ept.tables, 4);
	for (int i = 0; pages[i]; i++)
		free(pages[i]);
}

static void misconfigurations(void **state)
{
	static const struct {
		uint64_t entry;
		uint32_t level;
		uint64_t cap;
		const char *wrong;
	} rows[] = {
		{0, 1, CAP_ALL, NULL},
		{0x1000 | EPT_LARGE, 2, CAP_ALL, NULL}, /* absent: nothing counts */
		{0x1037, 1, CAP_ALL, NULL},
		{0x1032, 1, CAP_ALL, "writable and not readable"},
		{0x1036, 1, CAP_ALL, "writable and not readable"},
		{0x1034, 1, CAP_ALL, NULL},
		{0x1034, 1, 0, "execute-only, which the CPU lacks"},
		{0x1017, 1, CAP_ALL, "reserved memory type"},
		{0x103f, 1, CAP_ALL, "reserved memory type"},
		{0x10000001037, 1, CAP_ALL, "address beyond MAXPHYADDR"},
		{0x200007, 4, CAP_ALL, NULL},
		{0x200087, 4, CAP_ALL, "reserved bits set in an entry for a table"},
		{0x200037, 3, CAP_ALL, "reserved bits set in an entry for a table"},
		{0x201047, 2, CAP_ALL, "reserved bits set in an entry for a table"},
		{0x2010b7, 2, CAP_ALL, "large page not aligned"},
		{0x2000b7, 3, CAP_ALL, "large page not aligned"},
		{0x400000b7, 3, CAP_ALL, NULL},
		{0x400000b7, 3, CAP_NO_1G, "1 GiB page, which the CPU lacks"},
		{0x2000b7, 2, 0, "2 MiB page, which the CPU lacks"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *wrong =
			ept_misconfigured(rows[i].entry, rows[i].level, rows[i].cap, 40);

		if (!rows[i].wrong)
			assert_null(wrong);
		else
			assert_string_equal(wrong, rows[i].wrong);
	}
}

static void description(void **state)
{
	struct ept_walk w;
	struct ept ept;
	char text[240];

	(void)state;
	ept_init(&ept, &ops, CAP_ALL, 40);
	ept_map(&ept, 0x3000, 0x1000, 0x9000, EPT_R, MEM_WB);
	ept_describe(&ept, 0x3010, text, sizeof(text));
	assert_string_equal(text,
			    "gpa 0x3010: PML4E 0x77001007 PDPTE 0x77002007 PDE 0x77003007 PTE "
			    "0x10000000009031 -> 0x9010 r-- type 6");
	ept_describe(&ept, GIB, text, sizeof(text));
	assert_string_equal(text, "gpa 0x40000000: PML4E 0x77001007 PDPTE 0x0 (not mapped)");
	ept_describe(&ept, 1ull << 52, text, sizeof(text));
	assert_string_equal(text, "gpa 0x10000000000000: PML4E 0x0 (not mapped)");
	/* An entry that something broke. */
	pool[3][3] = 0x9032;
	ept_describe(&ept, 0x3010, text, sizeof(text));
	assert_non_null(strstr(text, "PTE 0x9032 (writable and not readable)"));
	assert_int_equal(ept_describe(&ept, 0x3010, text, 10), 9);
	assert_int_equal(strlen(text), 9);
	ept_lookup(&ept, 0x3010, &w);
	assert_int_equal(w.level, 1);
}

/* Random edits of 32 MiB against a flat model, page by page. */
#define MODEL_PAGES 8192
struct model {
	bool known;
	uint64_t hpa;
	uint32_t rights;
	enum memory_type type;
};

/* What a CPU sees that uses a view. */
static void view_lookup(const struct ept *ept, uint32_t view, uint64_t gpa, struct ept_walk *walk)
{
	struct ept other = *ept;

	other.root = ept->view[view];
	ept_lookup(&other, gpa, walk);
}

/* A hooked page: three faces, while the first root goes on being edited around it. */
static void views(void **state)
{
	const uint64_t region = 64 * MIB, page = region + 0x5000, copy = 0x123000;
	struct ept ept;
	struct ept_walk w;

	(void)state;
	assert_int_equal(ept_init(&ept, &ops, CAP_ALL, 40), 0);
	assert_int_equal(ept_map(&ept, 0, GIB, 0, EPT_RWX, MEM_WB), 0);
	assert_int_equal(ept_protect(&ept, region, 2 * MIB, EPT_RWX), 0); /* 2 MiB pages */
	/* A page of 4 KiB that the first root does not have, and nonsense. */
	assert_int_equal(ept_view_map(&ept, 0, page, 0x1000, page, EPT_R), -EINVAL);
	assert_int_equal(ept_view_map(&ept, 0, 2 * GIB, 0x1000, page, EPT_R), -EINVAL);
	assert_int_equal(ept_view_map(&ept, 0, page, 0x1000, page, 0), -EINVAL);
	assert_int_equal(ept_view_map(&ept, 0, page, 0x1000, page, EPT_W), -EINVAL);
	assert_int_equal(ept_view_map(&ept, 0, region, 0x3000, region, EPT_R), -EINVAL);
	assert_int_equal(ept_view_map(&ept, 0, region + 0x1000, 2 * MIB, region, EPT_R), -EINVAL);

	assert_int_equal(ept_view_map(&ept, 1, region, 2 * MIB, region, EPT_RWX), 0);
	assert_int_equal(ept_protect(&ept, page, 0x1000, EPT_RWX), 0); /* split */
	assert_int_equal(ept_view_map(&ept, 0, page, 0x1000, page, EPT_R), 0);
	assert_int_equal(ept_map(&ept, page, 0x1000, copy, EPT_X, MEM_WB), 0);
	expect(&ept, page, copy, EPT_X, MEM_WB, 0x1000);
	view_lookup(&ept, 0, page, &w);
	assert_true(w.mapped && w.hpa == page && w.rights == EPT_R && w.page_size == 0x1000);
	view_lookup(&ept, 1, page, &w);
	assert_true(w.mapped && w.hpa == page && w.rights == EPT_RWX && w.page_size == 2 * MIB);
	/* A smaller page than the view's own. */
	assert_int_equal(ept_view_map(&ept, 1, page, 0x1000, page, EPT_R), -EINVAL);

	/* Neighbours and far pages are edited: the views follow, their own pages stay. */
	assert_int_equal(ept_protect(&ept, page + 0x1000, 0x1000, 0), 0);
	assert_int_equal(ept_map(&ept, 512 * MIB, 0x1000, copy, EPT_R, MEM_UC), 0);
	assert_int_equal(ept_map(&ept, 8 * GIB, GIB, 8 * GIB, EPT_RWX, MEM_UC), 0);
	assert_int_equal(ept_map(&ept, page, 0x1000, page, EPT_RWX, MEM_WB), 0);
	view_lookup(&ept, 0, page + 0x1000, &w);
	assert_false(w.mapped);
	view_lookup(&ept, 0, page, &w);
	assert_true(w.mapped && w.hpa == page && w.rights == EPT_R);
	for (uint32_t view = 0; view < 2; view++) {
		view_lookup(&ept, view, 512 * MIB, &w);
		assert_true(w.mapped && w.hpa == copy && w.type == MEM_UC);
		view_lookup(&ept, view, 8 * GIB + 5, &w);
		assert_true(w.mapped && w.hpa == 8 * GIB + 5);
		assert_int_equal(ept_view_pointer(&ept, view) & 0xfff, 0x1e);
	}
	check(&ept);
	/* No page left for a copy of the table. */
	pool_limit = pool_used;
	assert_int_equal(ept_view_map(&ept, 0, 512 * MIB, 0x1000, copy, EPT_R), -ENOMEM);
	view_lookup(&ept, 0, 512 * MIB, &w);
	assert_true(w.mapped && w.hpa == copy && w.rights == EPT_R);
}

static void random_tree(uint32_t seed)
{
	static const uint32_t rights_of[] = {EPT_R, EPT_R | EPT_W, EPT_R | EPT_X, EPT_RWX, EPT_X};
	static const enum memory_type type_of[] = {MEM_WB, MEM_UC, MEM_WC, MEM_WT, MEM_WP};
	static struct model model[MODEL_PAGES], own[EPT_VIEWS][MODEL_PAGES];
	struct ept ept;

	memset(model, 0, sizeof(model));
	memset(own, 0, sizeof(own));
	assert_int_equal(ept_init(&ept, &ops, CAP_ALL, 40), 0);
	for (int round = 0; round < 24; round++) {
		uint32_t r[6], splits = ept.split_2m + ept.split_1g;
		bool flush = false, known = true;
		uint64_t first, count, hpa;
		uint32_t rights, op;
		enum memory_type type;
		int ret;

		for (int i = 0; i < 6; i++)
			r[i] = (seed = seed * 1664525 + 1013904223) >> 8;
		first = r[0] % MODEL_PAGES;
		count = r[1] % 4 ? r[1] % 700 + 1 : r[1] % 4096 + 1;
		if (round == 0) {
			first = 0;
			count = MODEL_PAGES;
		} else if (r[1] % 3 == 0) { /* whole large pages */
			first &= ~511ull;
			count = (count + 511) & ~511ull;
		}
		if (count > MODEL_PAGES - first)
			count = MODEL_PAGES - first;
		hpa = r[2] % 2 || round == 0 ? first * 0x1000 : (r[2] % 0x8000) * 0x1000ull;
		rights = rights_of[r[3] % 5];
		type = type_of[r[4] % 5];
		op = round == 0 ? 0 : r[5] % 4;
		if (op == 3 && r[3] % 6 == 0)
			rights = 0;
		for (uint64_t p = first; p < first + count; p++) {
			struct model new = {true, hpa + (p - first) * 0x1000, rights, type};
			struct model *old = &model[p];

			known = known && old->known;
			if (op == 2)
				new = (struct model){true, hpa, EPT_R, MEM_WB};
			if (op == 3)
				new = (struct model){true, old->hpa, rights, old->type};
			if (old->rights && ((old->rights & ~new.rights) || old->hpa != new.hpa ||
					    old->type != new.type))
				flush = true;
			*old = new;
		}
		assert_true(known || round == 0);
		if (op == 2)
			ret = ept_hide(&ept, first * 0x1000, count * 0x1000, hpa);
		else if (op == 3)
			ret = ept_protect(&ept, first * 0x1000, count * 0x1000, rights);
		else
			ret = ept_map(&ept, first * 0x1000, count * 0x1000, hpa, rights, type);
		assert_int_equal(ret, 0);
		if (flush)
			assert_int_equal(invalidated(&ept), 1);
		else if (splits == ept.split_2m + ept.split_1g)
			assert_int_equal(invalidated(&ept), 0);
		else
			assert_in_range(invalidated(&ept), 0, 1);
		for (uint64_t p = 0; p < MODEL_PAGES; p++) {
			struct ept_walk w;

			ept_lookup(&ept, p * 0x1000, &w);
			assert_int_equal(w.mapped, model[p].rights != 0);
			if (w.mapped && (w.hpa != model[p].hpa || w.rights != model[p].rights ||
					 w.type != model[p].type))
				fail_msg("round %d page %llx", round, (unsigned long long)p);
			for (uint32_t view = 0; view < EPT_VIEWS && ept.view[view]; view++) {
				const struct model *m =
					own[view][p].known ? &own[view][p] : &model[p];

				view_lookup(&ept, view, p * 0x1000, &w);
				if (w.mapped != (m->rights != 0) ||
				    (w.mapped && (w.hpa != m->hpa || w.rights != m->rights ||
						  w.type != m->type)))
					fail_msg("round %d view %u page %llx", round, view,
						 (unsigned long long)p);
			}
		}
		/* One more page that a view shows in its own way. */
		for (uint64_t p = r[0] % MODEL_PAGES; p < MODEL_PAGES; p++) {
			uint32_t view = r[2] % EPT_VIEWS;
			struct ept_walk w;

			ept_lookup(&ept, p * 0x1000, &w);
			if (!w.mapped || w.page_size != 0x1000)
				continue;
			assert_int_equal(ept_view_map(&ept, view, p * 0x1000, 0x1000, r[4] << 12,
						      EPT_R | EPT_X),
					 0);
			own[view][p] =
				(struct model){true, (uint64_t)(r[4] << 12), EPT_R | EPT_X, w.type};
			break;
		}
	}
	if (!ept.view[0] && !ept.view[1])
		check(&ept);
	assert_true(ept.split_2m > 0);
}

static void random_edits(void **state)
{
	for (uint32_t seed = 1; seed <= 60; seed++) {
		random_tree(seed * 7919);
		teardown(state);
		setup(state);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(identity),
		TEST(identity_without_1g),
		TEST(split_keeps_neighbours),
		TEST(invept_for_each_right_removed),
		TEST(rights_come_back),
		TEST(hidden_block),
		TEST(on_demand),
		TEST(out_of_pages),
		TEST(arguments),
		TEST(sentry_tree),
		TEST(unaligned_frames),
		TEST(identity_of_tables),
		TEST(misconfigurations),
		TEST(description),
		TEST(views),
		TEST(random_edits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
