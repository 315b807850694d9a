/* BTF read for what is wanted: nested structures without names, bit fields, arrays, enumerations;
 * and what lies, loops or nests without end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hv/errno.h"
#include "ids/guest/kernel.h"
#include "ids/guest/wanted.h"
#include "tests/unit/fake_kernel.h"

#define BUDGET	  (32u << 10)
#define STEPS_MAX 4000
#define PAGES_MAX 16000 /* looks at guest memory in one step */

enum { INT = 1, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, ENUM64 = 19 };

static struct fake *f;
static struct kernel *k;
static void *block[4];
static uint32_t blocks;
static struct fake_btf *b;
static uint32_t number; /* type of 4 bytes */

static void *alloc(void *ctx, size_t size)
{
	(void)ctx;
	assert_true(blocks < 4);
	return block[blocks++] = test_calloc(1, size);
}

static void open_with(const struct fake_options *opt)
{
	f = fake_open(opt);
	const struct kernel_ops ops = {.alloc = alloc, .mem = fake_gmem(f)};
	k = kernel_create(&ops);
	assert_non_null(k);
}

static int setup(void **state)
{
	(void)state;
	open_with(&(struct fake_options){0});
	b = &f->blob;
	fake_btf_begin(b);
	number = fake_btf_type(b, "int", INT << 24, 4);
	fake_btf_word(b, 32);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	while (blocks)
		test_free(block[--blocks]);
	fake_close(f);
	return 0;
}

static enum kernel_state find(void)
{
	kernel_anchor(k, fake_lstar(f), f->boot_root, false);
	for (uint32_t i = 0; i < STEPS_MAX; i++) {
		uint64_t before = f->pages;
		enum kernel_state state = kernel_step(k, BUDGET);
		assert_true(f->pages - before <= PAGES_MAX);
		if (state != KERNEL_SEARCHING)
			return state;
	}
	fail_msg("the search does not end");
	return KERNEL_NONE;
}

/* The blob by hand, in the place of the fake's own. */
static enum kernel_state read_blob(void)
{
	fake_btf_place(f);
	return find();
}

static void field(const char *name, uint32_t type, uint32_t offset)
{
	fake_btf_word(b, fake_btf_name(b, name));
	fake_btf_word(b, type);
	fake_btf_word(b, offset);
}

/* So that the kernel counts as known. */
static void add_task(void)
{
	fake_btf_type(b, "task_struct", STRUCT << 24 | 1, 100);
	field("pid", number, 32);
}

static void at(const char *structure, const char *path, uint32_t offset, uint32_t size,
	       uint32_t bit, uint32_t bits)
{
	struct kernel_member m = {0};
	assert_int_equal(kernel_member(k, structure, path, &m), 0);
	assert_int_equal(m.offset, offset);
	assert_int_equal(m.size, size);
	assert_int_equal(m.bit, bit);
	assert_int_equal(m.bits, bits);
	assert_int_equal(kernel_offset(k, structure, path), offset);
}

static bool is_wanted(const char *structure, const char *path)
{
	for (uint32_t i = 0; i < wanted_structure_count; i++) {
		if (strcmp(wanted_structures[i].name, structure) != 0)
			continue;
		const char *m = wanted_structures[i].members;
		size_t len = strlen(path);
		for (; *m; m += strcspn(m, " "), m += *m == ' ')
			if (strcspn(m, " ") == len && memcmp(m, path, len) == 0)
				return true;
	}
	return false;
}

/* Every member of the fake's structures, in four layouts. */
static void all_members(void **state)
{
	uint32_t known = 0;
	for (uint32_t i = 0; i < 4; i++) {
		teardown(state);
		open_with(&(struct fake_options){.old_layout = i % 2, .gap = i * 4});
		assert_int_equal(find(), KERNEL_READY);
		for (uint32_t n = 0; n < f->members; n++) {
			const struct fake_member *m = &f->member[n];
			if (is_wanted(m->structure, m->path)) {
				at(m->structure, m->path, m->offset, m->size, m->bit, m->bits);
				known++;
			} else if (kernel_size(k, m->structure) && !*m->path) {
				assert_int_equal(kernel_size(k, m->structure), m->size);
			}
		}
		uint32_t inner = fake_offset(f, "qstr", "name");
		at("dentry", "d_name.name", fake_offset(f, "dentry", "d_name") + inner, 8, 0, 0);
		assert_int_equal(kernel_offset(k, "task_struct", "bits"), -ENOENT);
		assert_int_equal(kernel_offset(k, "no_struct", "pid"), -ENOENT);
		assert_int_equal(kernel_offset(k, "vm_area_struct", "vm_start"), -ENOENT);
	}
	assert_true(known > 400);
}

static void enumerators(void **state)
{
	int64_t value;
	(void)state;
	fake_btf_structures(f);
	fake_btf_place(f);
	assert_int_equal(find(), KERNEL_READY);
	assert_int_equal(kernel_enum(k, "PIDTYPE_TGID", &value), 0);
	assert_int_equal(value, 1);
	assert_int_equal(kernel_enum(k, "MOD_TEXT", &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(kernel_enum(k, "HIDEPID_INVISIBLE", &value), 0);
	assert_true(value == 0x300000002);
	assert_int_equal(kernel_enum(k, "HIDEPID_NO_ACCESS", &value), -ENOENT);
	assert_int_equal(kernel_enum(k, "MOD_INVALID", &value), -ENOENT); /* not a wanted one */
	assert_int_equal(kernel_enum(k, "", &value), -ENOENT);
}

/* Values that are negative, or only look so. */
static void signs(void **state)
{
	int64_t value;
	(void)state;
	add_task();
	fake_btf_type(b, "pid_type", (uint32_t)ENUM << 24 | 1u << 31 | 1, 4);
	fake_btf_word(b, fake_btf_name(b, "PIDTYPE_SID"));
	fake_btf_word(b, 0xfffffffe);
	fake_btf_type(b, "module_state", (uint32_t)ENUM << 24 | 1, 4);
	fake_btf_word(b, fake_btf_name(b, "MODULE_STATE_LIVE"));
	fake_btf_word(b, 0xfffffffe);
	assert_int_equal(read_blob(), KERNEL_READY);
	assert_int_equal(kernel_enum(k, "PIDTYPE_SID", &value), 0);
	assert_true(value == -2);
	assert_int_equal(kernel_enum(k, "MODULE_STATE_LIVE", &value), 0);
	assert_true(value == 0xfffffffe);
}

/* A union in a structure in a union, none with a name; a bit field in the innermost; arrays. */
static void nesting(void **state)
{
	(void)state;
	uint32_t pointer = fake_btf_type(b, "", PTR << 24, 0);
	uint32_t row = fake_btf_type(b, "", ARRAY << 24, 0);
	fake_btf_word(b, pointer);
	fake_btf_word(b, number);
	fake_btf_word(b, 5);
	uint32_t rows = fake_btf_type(b, "", ARRAY << 24, 0);
	fake_btf_word(b, row);
	fake_btf_word(b, number);
	fake_btf_word(b, 3);
	uint32_t inner = fake_btf_type(b, "", (uint32_t)STRUCT << 24 | 1u << 31 | 3, 8);
	field("other", number, 0);
	field("flags", number, 33 | 5u << 24);
	field("data", number, 40);
	uint32_t middle = fake_btf_type(b, "", UNION << 24 | 2, 8);
	field("odd", pointer, 0);
	field("", inner, 0);
	uint32_t alias =
		fake_btf_type(b, "alias", TYPEDEF << 24, fake_btf_type(b, "", CONST << 24, middle));
	fake_btf_type(b, "ftrace_ops", STRUCT << 24 | 3, 400);
	field("", alias, 64);
	field("func", rows, 128);
	field("next", alias, 2048);
	/* One before it that has the name and no members: only told of. */
	fake_btf_type(b, "list_head", STRUCT << 24, 0);
	fake_btf_type(b, "list_head", FWD << 24, 0);
	fake_btf_type(b, "list_head", STRUCT << 24 | 1, 16);
	field("prev", pointer, 64);
	fake_btf_type(b, "list_head", STRUCT << 24 | 1, 99); /* a later one counts no more */
	field("prev", pointer, 512);
	add_task();
	assert_int_equal(read_blob(), KERNEL_READY);
	at("ftrace_ops", "flags", 12, 4, 97, 5);
	at("ftrace_ops", "func", 16, 3 * 5 * 8, 0, 0);
	at("ftrace_ops", "next", 256, 8, 0, 0);
	assert_int_equal(kernel_size(k, "ftrace_ops"), 400);
	at("list_head", "prev", 8, 8, 0, 0);
	assert_int_equal(kernel_size(k, "list_head"), 16);
	at("task_struct", "pid", 4, 4, 0, 0);
}

static void without_tasks(void **state)
{
	(void)state;
	assert_int_equal(read_blob(), KERNEL_SYMBOLS);
	assert_string_equal(kernel_reason(k), "BTF does not describe tasks");
	assert_int_equal(kernel_symbol(k, "do_exit"), fake_address(f, "do_exit"));
}

/* The strings end with the name that is wanted. */
static void last_name(void **state)
{
	(void)state;
	add_task();
	fake_btf_type(b, "cred", STRUCT << 24 | 1, 8);
	field("uid", number, 32);
	fake_btf_type(b, "path", STRUCT << 24 | 1, 8);
	fake_btf_word(b, 1);
	fake_btf_word(b, number);
	fake_btf_word(b, 0);
	assert_int_equal(read_blob(), KERNEL_READY);
	assert_int_equal(kernel_size(k, "path"), 8);
}

/* --- hostile --- */

static void headers(void **state)
{
	static const uint32_t bad[][6] = {
		{0x0001eb9e, 24, 0, 100, 100, 100},    {0x0002eb9f, 24, 0, 100, 100, 100},
		{0x0001eb9f, 23, 0, 100, 100, 100},    {0x0001eb9f, UINT32_MAX, 0, 1, 1, 1},
		{0x0001eb9f, 24, UINT32_MAX, 8, 0, 8}, {0x0001eb9f, 24, 0, UINT32_MAX, 0, 8},
		{0x0001eb9f, 24, 0, 8, UINT32_MAX, 8}, {0x0001eb9f, 24, 0, 8, 8, UINT32_MAX},
	};
	(void)state;
	add_task();
	fake_btf_place(f);
	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy(fake_at(f, f->btf, 24), bad[i], 24);
		assert_int_equal(find(), KERNEL_SYMBOLS);
		assert_string_equal(kernel_reason(k), "no BTF in the kernel image");
	}
	assert_int_equal(read_blob(), KERNEL_READY);
}

/* Types cut off at any place: what lies before is known, the rest is not. */
static void cut_off(void **state)
{
	(void)state;
	fake_btf_structures(f);
	uint32_t whole = b->types_size;
	for (uint32_t size = 0; size < whole; size += 331) {
		b->types_size = size;
		fake_btf_place(f);
		(void)find();
	}
	b->types_size = whole;
	assert_int_equal(read_blob(), KERNEL_READY);
	/* Strings likewise. */
	whole = b->strings_size;
	for (uint32_t size = 0; size < whole; size += 97) {
		b->strings_size = size;
		fake_btf_place(f);
		(void)find();
	}
}

/* Types that refer to themselves or nowhere. */
static void loops(void **state)
{
	struct kernel_member m;
	(void)state;
	add_task();
	uint32_t self = fake_btf_type(b, "self", TYPEDEF << 24, b->id);
	uint32_t far = fake_btf_type(b, "far", TYPEDEF << 24, UINT32_MAX);
	uint32_t array = fake_btf_type(b, "", ARRAY << 24, 0);
	fake_btf_word(b, array);
	fake_btf_word(b, number);
	fake_btf_word(b, 1000000);
	fake_btf_type(b, "cred", STRUCT << 24 | 6, 64);
	field("uid", self, 0);
	field("gid", far, 32);
	field("euid", array, 64);
	field("", self, 0);
	field("", far, 0);
	field("suid", 0, 96);
	assert_int_equal(read_blob(), KERNEL_READY);
	at("cred", "uid", 0, 0, 0, 0); /* it is there, but what it is can't be told */
	at("cred", "gid", 4, 0, 0, 0);
	at("cred", "euid", 8, 0, 0, 0);
	at("cred", "suid", 12, 0, 0, 0);
	assert_int_equal(kernel_member(k, "cred", "fsuid", &m), -ENOENT);
}

/* A structure of many nested ones, each of which holds itself: twelve levels deep, without a bound
 * that is 4000 to the power of 12 looks. */
static void endless(void **state)
{
	struct kernel_member m;
	(void)state;
	add_task();
	uint32_t self = b->id;
	fake_btf_type(b, "file", STRUCT << 24 | 4000, 64);
	for (uint32_t i = 0; i < 4000; i++)
		field("", self, 0);
	assert_int_equal(read_blob(), KERNEL_READY);
	assert_int_equal(kernel_size(k, "file"), 64);
	assert_int_equal(kernel_member(k, "file", "f_path", &m), -ENOENT);
	at("task_struct", "pid", 4, 4, 0, 0);
}

/* As many enumerators as there can be, all of a wanted name. */
static void many_enumerators(void **state)
{
	(void)state;
	add_task();
	for (uint32_t i = 0; i < 5; i++) {
		fake_btf_type(b, "pid_type", ENUM << 24 | 1000, 4);
		for (uint32_t n = 0; n < 1000; n++) {
			fake_btf_word(b, 1);
			fake_btf_word(b, n);
		}
	}
	assert_int_equal(read_blob(), KERNEL_READY);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(all_members), TEST(enumerators),	   TEST(signs),
		TEST(nesting),	   TEST(without_tasks),	   TEST(last_name),
		TEST(headers),	   TEST(cut_off),	   TEST(loops),
		TEST(endless),	   TEST(many_enumerators),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
