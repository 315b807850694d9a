/* MTRR resolution: the SDM's worked example, and register contents as firmware leaves them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdbool.h>
#include <string.h>
#include <cmocka.h>

#include "arch/x86/mtrr.h"

#define MIB	 0x100000ull
#define GIB	 0x40000000ull
#define WB_FIXED 0x0606060606060606ull
#define WP_FIXED 0x0505050505050505ull

/* A machine's registers, as `rdmsr` sees them. */
struct registers {
	uint32_t phys_bits;
	uint64_t cap, def_type;
	uint64_t fixed[MTRR_FIXED_COUNT];
	struct mtrr_pair var[10];
};

static uint64_t rdmsr(void *ctx, uint32_t msr)
{
	static const uint16_t fixed[] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
					 0x26b, 0x26c, 0x26d, 0x26e, 0x26f};
	const struct registers *r = ctx;

	if (msr == 0xfe)
		return r->cap;
	if (msr == 0x2ff)
		return r->def_type;
	for (uint32_t i = 0; i < MTRR_FIXED_COUNT; i++)
		if (msr == fixed[i])
			return r->fixed[i];
	assert_in_range(msr, 0x200, 0x200 + 2 * (r->cap & 0xff) - 1);
	return msr & 1 ? r->var[(msr - 0x200) / 2].mask : r->var[(msr - 0x200) / 2].base;
}

static struct mtrr_state capture(const struct registers *r)
{
	struct mtrr_state m;

	mtrr_capture(&m, r->phys_bits, rdmsr, (void *)(uintptr_t)r);
	return m;
}

struct expected {
	uint64_t end;
	enum memory_type type;
};

/* The map as a list of uniform ranges; each must be found whole, from its first page and from its
 * middle, and mtrr_type must agree at both ends. */
static void check_map(const struct mtrr_state *m, const struct expected *map, size_t n)
{
	uint64_t start = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t limit = map[n - 1].end;
		uint64_t middle = start + ((map[i].end - start) / 2 & ~0xfffull);
		enum memory_type type;

		assert_int_equal(mtrr_type(m, start), map[i].type);
		assert_int_equal(mtrr_type(m, map[i].end - 1), map[i].type);
		assert_int_equal(mtrr_uniform(m, start, limit, &type), map[i].end);
		assert_int_equal(type, map[i].type);
		assert_int_equal(mtrr_uniform(m, middle, limit, &type), map[i].end);
		assert_int_equal(mtrr_uniform(m, start, start + 0x1000, &type), start + 0x1000);
		start = map[i].end;
	}
}
#define CHECK(m, map) check_map(&(m), map, sizeof(map) / sizeof((map)[0]))

/* SDM volume 3, 12.11.3.1: 100 MiB with holes, 36 address bits. */
static const struct registers worked_example = {
	.phys_bits = 36,
	.cap = 0x508,
	.def_type = 0x800, /* uncached, fixed ranges off */
	.var = {{0x000000006, 0xffc000800},
		{0x004000006, 0xffe000800},
		{0x006000006, 0xfffc00800},
		{0x004000000, 0xfffc00800},
		{0x000f00000, 0xffff00800},
		{0x0a0000001, 0xfff800800}},
};

static void sdm_example(void **state)
{
	static const struct expected map[] = {
		{15 * MIB, MEM_WB},  {16 * MIB, MEM_UC},   {64 * MIB, MEM_WB},	 {68 * MIB, MEM_UC},
		{100 * MIB, MEM_WB}, {0xa0000000, MEM_UC}, {0xa0800000, MEM_WC}, {64 * GIB, MEM_UC},
	};
	struct mtrr_state m = capture(&worked_example);

	(void)state;
	assert_int_equal(m.nvar, 8);
	CHECK(m, map);
}

/* OVMF on QEMU q35 and on Bochs' i440FX: write-back by default, fixed ranges for the first MiB, one
 * variable range for the hole below 4 GiB. */
static const struct registers ovmf = {
	.phys_bits = 40,
	.cap = 0x508,
	.def_type = 0xc06,
	.fixed = {WB_FIXED, WB_FIXED, 0, WP_FIXED, WP_FIXED, WP_FIXED, WP_FIXED, WP_FIXED, WP_FIXED,
		  WP_FIXED, WP_FIXED},
	.var = {{0x80000000, 0xff80000800}},
};

static void firmware_of_qemu(void **state)
{
	static const struct expected map[] = {
		{0xa0000, MEM_WB}, {0xc0000, MEM_UC}, {MIB, MEM_WP},
		{2 * GIB, MEM_WB}, {4 * GIB, MEM_UC}, {1024 * GIB, MEM_WB},
	};
	struct mtrr_state m = capture(&ovmf);

	(void)state;
	CHECK(m, map);
}

/* A desktop of 8 GiB, hole from 3.5 GiB, as old firmware sets it up: everything write-back from 0
 * on, uncached laid over it, and a write-combining frame buffer. */
static void desktop(void **state)
{
	static const struct registers r = {
		.phys_bits = 36,
		.cap = 0x50a,
		.def_type = 0xc00,
		.fixed = {WB_FIXED, WB_FIXED, 0, WP_FIXED, WP_FIXED, 0, 0, 0, 0, WP_FIXED,
			  WP_FIXED},
		.var = {{0x000000006, 0xe00000800},
			{0x200000006, 0xfe0000800},
			{0x0e0000000, 0xfe0000800},
			{0x0d0000001, 0xff0000800}},
	};
	/* The frame buffer lies in the write-back range: WC with WB is a mixture the SDM leaves
	 * undefined, taken as uncached. */
	static const struct expected map[] = {
		{0xa0000, MEM_WB}, {0xc0000, MEM_UC},	  {0xd0000, MEM_WP},
		{0xf0000, MEM_UC}, {MIB, MEM_WP},	  {0xd0000000, MEM_WB},
		{4 * GIB, MEM_UC}, {0x220000000, MEM_WB}, {64 * GIB, MEM_UC},
	};
	struct mtrr_state m = capture(&r);

	(void)state;
	CHECK(m, map);
}

/* A server: write-back by default over 46 bits, uncached from 2 to 4 GiB and for the MMIO above
 * memory. */
static void server(void **state)
{
	static const struct registers r = {
		.phys_bits = 46,
		.cap = 0xd0a,
		.def_type = 0xc06,
		.fixed = {WB_FIXED, WB_FIXED, 0, WP_FIXED, WP_FIXED, WP_FIXED, WP_FIXED, WP_FIXED,
			  WP_FIXED, WP_FIXED, WP_FIXED},
		.var = {{0x80000000, 0x3fff80000800},
			{0x380000000000, 0x3f8000000800},
			{0x50000000, 0x3ffff0000000}}, /* not valid */
	};
	static const struct expected map[] = {
		{0xa0000, MEM_WB},	  {0xc0000, MEM_UC},	    {MIB, MEM_WP},
		{2 * GIB, MEM_WB},	  {4 * GIB, MEM_UC},	    {0x380000000000, MEM_WB},
		{0x388000000000, MEM_UC}, {0x400000000000, MEM_WB},
	};
	struct mtrr_state m = capture(&r);

	(void)state;
	CHECK(m, map);
}

static void precedence(void **state)
{
	static const struct {
		uint8_t a, b, result;
	} pairs[] = {
		{MEM_UC, MEM_WB, MEM_UC}, {MEM_WB, MEM_UC, MEM_UC}, {MEM_WT, MEM_WB, MEM_WT},
		{MEM_WB, MEM_WT, MEM_WT}, {MEM_WB, MEM_WB, MEM_WB}, {MEM_UC, MEM_WC, MEM_UC},
		{MEM_WC, MEM_WC, MEM_WC}, {MEM_WC, MEM_WB, MEM_UC}, {MEM_WP, MEM_WT, MEM_UC},
	};
	struct mtrr_state m = {.cap = 0x502, .def_type = 0x806, .nvar = 2, .phys_bits = 36};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		m.var[0] = (struct mtrr_pair){GIB | pairs[i].a, 0xfc0000800};
		m.var[1] = (struct mtrr_pair){GIB | pairs[i].b, 0xfc0000800};
		assert_int_equal(mtrr_type(&m, GIB), pairs[i].result);
		assert_int_equal(mtrr_type(&m, 2 * GIB), MEM_WB);
	}
}

static void switched_off(void **state)
{
	struct mtrr_state m = capture(&ovmf);
	enum memory_type type;

	(void)state;
	m.def_type = 0x406; /* E clear: all uncached */
	assert_int_equal(mtrr_type(&m, 0), MEM_UC);
	assert_int_equal(mtrr_uniform(&m, 0, 1ull << 40, &type), 1ull << 40);
	assert_int_equal(type, MEM_UC);
	m.def_type = 0x806; /* FE clear: fixed ranges do not count */
	assert_int_equal(mtrr_type(&m, 0xa0000), MEM_WB);
	assert_int_equal(mtrr_uniform(&m, 0, 1ull << 40, &type), 2 * GIB);
	m.def_type = 0xc07; /* a reserved default */
	assert_int_equal(mtrr_type(&m, 8 * GIB), MEM_UC);
}

/* All 255 pairs there can be. */
static void capacity(void **state)
{
	struct mtrr_state m = {.cap = 0x5ff, .def_type = 0x800, .nvar = 255, .phys_bits = 46};
	enum memory_type type;

	(void)state;
	for (uint32_t i = 0; i < 255; i++)
		m.var[i] = (struct mtrr_pair){(2 * i + 1) * GIB | MEM_WB, 0x3fffc0000800};
	assert_int_equal(mtrr_type(&m, 509 * GIB), MEM_WB);
	assert_int_equal(mtrr_type(&m, 508 * GIB), MEM_UC);
	assert_int_equal(mtrr_uniform(&m, 509 * GIB, 1ull << 46, &type), 510 * GIB);
	assert_int_equal(mtrr_uniform(&m, 510 * GIB, 1ull << 46, &type), 1ull << 46);
}

/* A mask with a hole (12.11.3: allowed, "discontinuous"): pages of two kinds alternate. */
static void mask_with_hole(void **state)
{
	struct mtrr_state m = {.cap = 1, .def_type = 0x806, .nvar = 1, .phys_bits = 36};
	uint64_t addr = 0;

	(void)state;
	m.var[0] = (struct mtrr_pair){0x00200000, 0xf00200800}; /* odd 2 MiB blocks below 4 GiB */
	assert_int_equal(mtrr_type(&m, 0), MEM_WB);
	assert_int_equal(mtrr_type(&m, 2 * MIB), MEM_UC);
	assert_int_equal(mtrr_type(&m, 6 * MIB), MEM_UC);
	assert_int_equal(mtrr_type(&m, 4 * GIB + 2 * MIB), MEM_WB);
	while (addr < 8 * GIB) {
		enum memory_type type, at;
		uint64_t end = mtrr_uniform(&m, addr, 8 * GIB, &type);

		assert_true(end > addr);
		for (at = type; addr < end; addr += 2 * MIB, at = mtrr_type(&m, addr - 1))
			assert_int_equal(at, type);
		assert_int_equal(addr, end);
	}
	/* Alternating by the page over the whole space: bounded work, never too long an answer. */
	m.var[0].mask = 0x1800;
	m.var[0].base = 0x1000;
	for (addr = 0; addr < MIB; addr += 0x1000) {
		enum memory_type type;

		assert_int_equal(mtrr_uniform(&m, addr, 8 * GIB, &type), addr + 0x1000);
		assert_int_equal(type, addr & 0x1000 ? MEM_UC : MEM_WB);
	}
	/* Alternating, but alike: it is uniform all along, and the answer stops somewhere. */
	m.var[0].base = 0x1000 | MEM_WB;
	{
		enum memory_type type;
		uint64_t end = mtrr_uniform(&m, 0, 8 * GIB, &type);

		assert_in_range(end, MIB, 8 * GIB - 1);
		assert_int_equal(end & 0xfff, 0);
		assert_int_equal(type, MEM_WB);
	}
	/* An empty mask matches everything. */
	m.var[0].mask = 0x800;
	m.var[0].base = MEM_WT;
	assert_int_equal(mtrr_type(&m, 5 * GIB), MEM_WT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sdm_example), cmocka_unit_test(firmware_of_qemu),
		cmocka_unit_test(desktop),     cmocka_unit_test(server),
		cmocka_unit_test(precedence),  cmocka_unit_test(switched_off),
		cmocka_unit_test(capacity),    cmocka_unit_test(mask_with_hole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
