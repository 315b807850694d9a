/* MSR and I/O bitmaps, against the layout of SDM 25.6.9 and 25.6.4. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdbool.h>
#include <string.h>
#include <cmocka.h>

#include "hv/errno.h"
#include "arch/x86/msr.h"
#include "arch/x86/vmx/bitmap.h"

static uint8_t map[IO_BITMAP_SIZE];

static uint32_t bits_set(const uint8_t *bytes, size_t n)
{
	uint32_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += (uint32_t)__builtin_popcount(bytes[i]);
	return count;
}

static int clear(void **state)
{
	(void)state;
	memset(map, 0, sizeof(map));
	return 0;
}

/* What the processor makes of the bitmaps (SDM 26.1.3): does any of these accesses exit? */
static bool msr_exits(uint32_t msr, uint32_t access)
{
	uint32_t bit = msr & 0x1fff;

	if (msr > 0x1fff && (msr < 0xc0000000 || msr > 0xc0001fff))
		return true;
	bit += msr > 0x1fff ? 8 * 1024 : 0;
	return ((access & MSR_READ) && (map[bit / 8] >> bit % 8 & 1)) ||
	       ((access & MSR_WRITE) && (map[2048 + bit / 8] >> bit % 8 & 1));
}

static bool io_exits(uint32_t port, uint32_t size)
{
	for (uint32_t p = port; p < port + size; p++)
		if (p > 0xffff || (map[p / 8] >> p % 8 & 1))
			return true;
	return false;
}

static void layout(void **state)
{
	(void)state;
	assert_int_equal(msr_bitmap_set(map, 0x1b, MSR_WRITE, true), 0);
	assert_int_equal(map[2048 + 0x1b / 8], 1 << (0x1b % 8));
	assert_int_equal(msr_bitmap_set(map, MSR_LSTAR, MSR_WRITE, true), 0);
	assert_int_equal(map[3072 + 0x82 / 8], 1 << (0x82 % 8));
	assert_int_equal(msr_bitmap_set(map, MSR_EFER, MSR_READ, true), 0);
	assert_int_equal(map[1024 + 0x80 / 8], 1 << (0x80 % 8));
	assert_int_equal(msr_bitmap_set(map, 0x1fff, MSR_READ, true), 0);
	assert_int_equal(map[1023], 0x80);
	assert_int_equal(msr_bitmap_set(map, 0xc0001fff, MSR_READ | MSR_WRITE, true), 0);
	assert_int_equal(map[2047], 0x80);
	assert_int_equal(map[4095], 0x80);
	assert_int_equal(bits_set(map, MSR_BITMAP_SIZE), 6);
}

static void set_and_clear(void **state)
{
	(void)state;
	msr_bitmap_set(map, MSR_EFER, MSR_READ | MSR_WRITE, true);
	assert_true(msr_exits(MSR_EFER, MSR_READ));
	assert_true(msr_exits(MSR_EFER, MSR_WRITE));
	assert_false(msr_exits(MSR_STAR, MSR_READ | MSR_WRITE));
	msr_bitmap_set(map, MSR_EFER, MSR_READ, false);
	assert_false(msr_exits(MSR_EFER, MSR_READ));
	assert_true(msr_exits(MSR_EFER, MSR_WRITE));
	msr_bitmap_set(map, MSR_EFER, MSR_WRITE, false);
	assert_int_equal(bits_set(map, MSR_BITMAP_SIZE), 0);
}

static void out_of_range(void **state)
{
	static const uint32_t outside[] = {0x2000, 0x40000000, 0xbfffffff, 0xc0002000, 0xffffffff};

	(void)state;
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		assert_int_equal(msr_bitmap_set(map, outside[i], MSR_READ | MSR_WRITE, true),
				 -EINVAL);
		assert_true(msr_exits(outside[i], MSR_READ));
	}
	assert_int_equal(bits_set(map, MSR_BITMAP_SIZE), 0);
}

static void ranges(void **state)
{
	(void)state;
	assert_int_equal(msr_bitmap_set_range(map, MSR_VMX_BASIC, 0x20, MSR_READ | MSR_WRITE, true),
			 0);
	assert_int_equal(bits_set(map, MSR_BITMAP_SIZE), 0x40);
	assert_false(msr_exits(0x47f, MSR_READ));
	assert_true(msr_exits(0x480, MSR_READ));
	assert_true(msr_exits(0x49f, MSR_WRITE));
	assert_false(msr_exits(0x4a0, MSR_READ));
	/* All or none: neither beyond a range nor from the low one into the high one. */
	clear(NULL);
	assert_int_equal(msr_bitmap_set_range(map, 0x1ff0, 0x11, MSR_READ, true), -EINVAL);
	assert_int_equal(msr_bitmap_set_range(map, 0xc0001fff, 2, MSR_READ, true), -EINVAL);
	assert_int_equal(msr_bitmap_set_range(map, 0x10, 0xffffffff, MSR_READ, true), -EINVAL);
	assert_int_equal(msr_bitmap_set_range(map, 0x2000, 1, MSR_READ, true), -EINVAL);
	assert_int_equal(bits_set(map, MSR_BITMAP_SIZE), 0);
	assert_int_equal(msr_bitmap_set_range(map, 0xc0001fff, 1, MSR_READ, true), 0);
	assert_int_equal(msr_bitmap_set_range(map, 0, 0x2000, MSR_READ, true), 0);
	assert_int_equal(bits_set(map, MSR_BITMAP_SIZE), 0x2001);
}

static void io(void **state)
{
	(void)state;
	assert_int_equal(io_bitmap_set(map, 0xcf8, 8, true), 0);
	assert_int_equal(map[0xcf8 / 8], 0xff);
	assert_true(io_exits(0xcf8, 4));
	assert_true(io_exits(0xcf6, 4)); /* reaches in from below */
	assert_false(io_exits(0xcf6, 2));
	assert_true(io_exits(0xcff, 1));
	assert_false(io_exits(0xd00, 4));
	assert_int_equal(io_bitmap_set(map, 0xcf8, 4, false), 0);
	assert_false(io_exits(0xcf8, 4));
	assert_true(io_exits(0xcfc, 1));
	/* Bitmap B is the second page. */
	assert_int_equal(io_bitmap_set(map, 0x8000, 1, true), 0);
	assert_int_equal(map[4096], 1);
	/* The end of the port space. */
	assert_int_equal(io_bitmap_set(map, 0xffff, 1, true), 0);
	assert_int_equal(map[8191], 0x80);
	assert_int_equal(io_bitmap_set(map, 0xffff, 2, true), -EINVAL);
	assert_int_equal(io_bitmap_set(map, 0x10000, 1, true), -EINVAL);
	assert_int_equal(io_bitmap_set(map, 0, 0xffffffff, true), -EINVAL);
	assert_true(io_exits(0xfffe, 4)); /* wraps */
	assert_int_equal(io_bitmap_set(map, 0, 0x10000, true), 0);
	assert_int_equal(bits_set(map, IO_BITMAP_SIZE), 0x10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(layout, clear),
		cmocka_unit_test_setup(set_and_clear, clear),
		cmocka_unit_test_setup(out_of_range, clear),
		cmocka_unit_test_setup(ranges, clear),
		cmocka_unit_test_setup(io, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
