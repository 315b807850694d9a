/* The accessor to the guest's memory: bytes, page tables, strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hv/errno.h"
#include "tests/unit/fake_kernel.h"

static struct fake *f;
static struct gmem mem;

static int setup(void **state)
{
	(void)state;
	f = fake_open(&(struct fake_options){0});
	mem = fake_gmem(f);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_close(f);
	return 0;
}

/* Every place in a page, every length about the sizes of words, into memory of exactly that size.
 */
static void reads(void **state)
{
	uint64_t at = FAKE_HOLE - 0x4000;
	(void)state;
	for (uint32_t i = 0; i < 0x4000; i++)
		f->ram[at + i] = (uint8_t)(i * 7 + i / 256);
	for (size_t len = 0; len < 40; len++) {
		for (uint32_t off = 0; off < 24; off++) {
			for (uint32_t shift = 0; shift < 8; shift++) {
				uint8_t *to = malloc(len + shift);
				assert_int_equal(gmem_read(&mem, at + off, to + shift, len), 0);
				assert_memory_equal(to + shift, f->ram + at + off, len);
				free(to);
			}
		}
	}
	for (uint32_t off = 0; off < 0x2000; off += 61) {
		uint8_t *to = malloc(0x1000 + off % 64);
		assert_int_equal(gmem_read(&mem, at + off, to, 0x1000 + off % 64), 0);
		assert_memory_equal(to, f->ram + at + off, 0x1000 + off % 64);
		free(to);
	}
}

static void no_ram(void **state)
{
	uint8_t to[64];
	(void)state;
	assert_int_equal(gmem_read(&mem, FAKE_HOLE - 64, to, 64), 0);
	assert_int_equal(gmem_read(&mem, FAKE_HOLE - 63, to, 64), -EFAULT);
	assert_int_equal(gmem_read(&mem, FAKE_HOLE, to, 1), -EFAULT);
	assert_int_equal(gmem_read(&mem, FAKE_RAM - 1, to, 1), 0);
	assert_int_equal(gmem_read(&mem, FAKE_RAM - 1, to, 2), -EFAULT);
	assert_int_equal(gmem_read(&mem, UINT64_MAX, to, 2), -EFAULT);
	assert_int_equal(gmem_read(&mem, UINT64_MAX - 4095, to, 1), -EFAULT);
	assert_int_equal(gmem_read(&mem, UINT64_MAX, to, 0), 0);
}

/* --- page tables --- */

static void translate(void **state)
{
	struct gspace space = {&mem, fake_table(f), 4};
	struct gspace_at at;
	uint64_t data = 0x123000;
	(void)state;
	fake_map(f, space.root, 0x7f0000001000, data, 1, FAKE_PRESENT | FAKE_USER);
	fake_map(f, space.root, 0x7f0000200000, 0x600000 | 1 << 12, 2, FAKE_PRESENT | FAKE_NX);
	fake_map(f, space.root, 0xffff800040000000, 0x40000000 | 1 << 12, 3,
		 FAKE_PRESENT | FAKE_WRITE);

	assert_int_equal(gspace_translate(&space, 0x7f0000001abc, &at), 0);
	assert_int_equal(at.gpa, data + 0xabc);
	assert_int_equal(at.size, 4096);
	assert_true(at.user && at.exec && !at.write);
	/* A large page's bit 12 (its PAT) is no part of the address. */
	assert_int_equal(gspace_translate(&space, 0x7f00003fffff, &at), 0);
	assert_int_equal(at.gpa, 0x7fffff);
	assert_int_equal(at.size, 0x200000);
	assert_true(!at.user && !at.exec && !at.write);
	assert_int_equal(gspace_translate(&space, 0xffff80007ffffff0, &at), 0);
	assert_int_equal(at.gpa, 0x7ffffff0);
	assert_int_equal(at.size, 0x40000000);
	assert_true(!at.user && at.exec && at.write);

	assert_int_equal(gspace_translate(&space, 0x7f0000000000, &at), -EFAULT);
	assert_int_equal(gspace_translate(&space, 0, &at), -EFAULT);
	/* Not canonical, though its low bits are mapped. */
	assert_int_equal(gspace_translate(&space, 0x1007f0000001000, &at), -EFAULT);
	assert_int_equal(gspace_translate(&space, 0x8000007f00001000, &at), -EFAULT);
	assert_int_equal(gspace_translate(&space, 0x0000800040000000, &at), -EFAULT);
	assert_int_equal(gspace_translate(&space, 0xffff000040000000, &at), -EFAULT);
}

static void five_levels(void **state)
{
	struct gspace space = {&mem, 0, 5};
	struct gspace_at at;
	(void)state;
	f->opt.la57 = true;
	space.root = fake_table(f);
	fake_map(f, space.root, 0xff11000000005000, 0x42000, 1, FAKE_PRESENT);
	assert_int_equal(gspace_translate(&space, 0xff11000000005008, &at), 0);
	assert_int_equal(at.gpa, 0x42008);
	assert_int_equal(gspace_translate(&space, 0xfe11000000005008, &at), -EFAULT);
	assert_int_equal(gspace_translate(&space, 0x0011000000005008, &at), -EFAULT);
}

/* Tables in themselves, outside of RAM, and large pages where there can be none. */
static void hostile_tables(void **state)
{
	struct gspace space = {&mem, fake_table(f), 4};
	struct gspace_at at;
	uint64_t bad[] = {FAKE_HOLE | 1, 0x000ffffffffff001, 0x81, 0xffffffffffffffff};
	uint64_t self = space.root | FAKE_PRESENT, before;
	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		memcpy(f->ram + space.root, &bad[i], 8);
		assert_int_equal(gspace_translate(&space, 0, &at), -EFAULT);
	}
	memcpy(f->ram + space.root, &self, 8);
	before = f->pages;
	assert_int_equal(gspace_translate(&space, 0, &at), 0);
	assert_int_equal(at.gpa, space.root);
	assert_int_equal(f->pages - before, 4);
	space.root = UINT64_MAX;
	assert_int_equal(gspace_translate(&space, 0, &at), -EFAULT);
}

static void space_reads(void **state)
{
	struct gspace space = {&mem, fake_table(f), 4};
	uint8_t to[8192];
	uint64_t word;
	uint32_t half;
	(void)state;
	/* Two pages that follow each other, in RAM the other way round; then nothing. */
	fake_map(f, space.root, 0x10000, 0x31000, 1, FAKE_PRESENT);
	fake_map(f, space.root, 0x11000, 0x30000, 1, FAKE_PRESENT);
	memset(f->ram + 0x31000, 1, 4096);
	memset(f->ram + 0x30000, 2, 4096);
	assert_int_equal(gspace_read(&space, 0x10000, to, 8192), 0);
	assert_true(to[0] == 1 && to[4095] == 1 && to[4096] == 2 && to[8191] == 2);
	assert_int_equal(gspace_u64(&space, 0x10ffc, &word), 0);
	assert_int_equal(word, 0x0202020201010101);
	assert_int_equal(gspace_u32(&space, 0x11ffc, &half), 0);
	assert_int_equal(gspace_u32(&space, 0x11ffd, &half), -EFAULT);
	assert_int_equal(gspace_read(&space, 0x0fff8, to, 16), -EFAULT);
	/* The end of the address space is no way around it. */
	fake_map(f, space.root, 0xfffffffffffff000, 0x30000, 1, FAKE_PRESENT);
	fake_map(f, space.root, 0, 0x30000, 1, FAKE_PRESENT);
	assert_int_equal(gspace_u64(&space, 0xfffffffffffffff8, &word), 0);
	assert_int_equal(gspace_read(&space, 0xfffffffffffffff8, to, 8), 0);
}

static void strings(void **state)
{
	struct gspace space = {&mem, fake_table(f), 4};
	char to[300];
	(void)state;
	fake_map(f, space.root, 0x10000, 0x30000, 1, FAKE_PRESENT);
	memset(f->ram + 0x30000, 'x', 4096);
	strcpy((char *)f->ram + 0x30000 + 100, "hello");
	assert_int_equal(gspace_string(&space, 0x10000 + 100, to, sizeof(to)), 5);
	assert_string_equal(to, "hello");
	assert_int_equal(gspace_string(&space, 0x10000 + 100, to, 6), 5);
	assert_int_equal(gspace_string(&space, 0x10000 + 100, to, 5), 4);
	assert_string_equal(to, "hell");
	assert_int_equal(gspace_string(&space, 0x10000 + 100, to, 1), 0);
	assert_string_equal(to, "");
	assert_int_equal(gspace_string(&space, 0x10000, to, 0), -EFAULT);
	/* Longer than a piece, and into nothing. */
	assert_int_equal(gspace_string(&space, 0x10000, to, sizeof(to)), 105);
	assert_int_equal(gspace_string(&space, 0x11000 - 200, to, sizeof(to)), 200);
	assert_true(to[199] == 'x' && to[200] == 0);
	assert_int_equal(gspace_string(&space, 0x11000 - 3, to, sizeof(to)), 3);
	assert_int_equal(gspace_string(&space, 0x11000, to, sizeof(to)), -EFAULT);
	assert_string_equal(to, "");
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(reads),	      TEST(no_ram),	 TEST(translate), TEST(five_levels),
		TEST(hostile_tables), TEST(space_reads), TEST(strings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
