/* The guest's kernel found in its memory: image, symbols in every layout, modules, per-CPU
 * variables; and what a hostile one makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hv/errno.h"
#include "ids/guest/kernel_impl.h"
#include "tests/unit/fake_kernel.h"

#define BUDGET	   (32u << 10)
#define STEPS_MAX  4000
#define PAGES_STEP 3000 /* looks at guest memory in one step */

static struct fake *f;
static struct kernel *k;
static uint64_t lstar;
static void *block[4];
static uint32_t blocks;

static void *alloc(void *ctx, size_t size)
{
	(void)ctx;
	assert_true(blocks < 4);
	return block[blocks++] = test_calloc(1, size);
}

static void close_all(void)
{
	while (blocks)
		test_free(block[--blocks]);
	fake_close(f);
	f = NULL;
}

static void open_all(const struct fake_options *opt)
{
	f = fake_open(opt);
	lstar = fake_lstar(f);
	const struct kernel_ops ops = {.alloc = alloc, .mem = fake_gmem(f)};
	k = kernel_create(&ops);
	assert_non_null(k);
	assert_int_equal(kernel_state(k), KERNEL_NONE);
}

/* Anchor and search to the end; no step looks at more than its bound. */
static enum kernel_state find_with(uint32_t budget)
{
	kernel_anchor(k, lstar, f->boot_root | 0x801, f->opt.la57);
	for (uint32_t i = 0; i < STEPS_MAX * (BUDGET / budget); i++) {
		uint64_t before = f->pages;
		enum kernel_state state = kernel_step(k, budget);
		assert_true(f->pages - before <= PAGES_STEP);
		if (state != KERNEL_SEARCHING)
			return state;
	}
	fail_msg("the search does not end");
	return KERNEL_NONE;
}

static enum kernel_state find(void)
{
	return find_with(BUDGET);
}

static int setup(void **state)
{
	(void)state;
	open_all(&(struct fake_options){0});
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (f)
		close_all();
	return 0;
}

/* --- every layout --- */

static void all_symbols(void)
{
	char name[KERNEL_NAME_MAX];
	uint64_t offset;
	for (uint32_t i = 0; i < f->symbols; i++) {
		const struct fake_symbol *s = &f->symbol[i];
		assert_int_equal(kernel_symbol(k, s->name), s->address);
		if (s->type == 'A' || strlen(s->name) >= KERNEL_NAME_MAX)
			continue;
		if (s->address >= fake_address(f, "_end"))
			continue;
		assert_true(kernel_symbol_at(k, s->address, name, &offset));
		assert_int_equal(offset, 0);
		assert_int_equal(kernel_symbol(k, name), s->address);
		assert_true(kernel_symbol_at(k, s->address + 3, name, &offset));
		assert_int_equal(offset, 3);
	}
	assert_int_equal(kernel_symbol(k, "no_such_thing"), 0);
	assert_int_equal(kernel_symbol(k, ""), 0);
	assert_int_equal(kernel_symbol(k, "Tsys_init1"), 0);
	assert_false(kernel_symbol_at(k, f->base - 1, name, &offset));
	assert_false(kernel_symbol_at(k, fake_address(f, "_end"), name, &offset));
	assert_false(kernel_symbol_at(k, 0x340, name, &offset));
}

static void all_places(void)
{
	const struct kernel_image *image = kernel_image(k);
	assert_int_equal(image->base, f->base);
	assert_int_equal(image->text, f->base);
	assert_int_equal(image->text_end, f->function);
	assert_int_equal(image->end, fake_address(f, "_end"));
	assert_int_equal(image->phys, FAKE_IMAGE);
	assert_int_equal(image->direct_map, f->direct_map);
	assert_int_equal(image->vmemmap, 0xffffea0000000000);
	assert_int_equal(kernel_space(k)->root, f->root);
	assert_int_equal(kernel_space(k)->levels, f->opt.la57 ? 5 : 4);
	assert_string_equal(kernel_build_id(k), "000d1a2734414e5b6875828f9ca9b6c3d0ddeaf7");
	assert_int_equal(strncmp(kernel_banner(k), "Linux version 6.", 16), 0);
	assert_null(strchr(kernel_banner(k), '\n'));
	assert_int_equal(kernel_version(k), f->opt.old_layout ? 0x060105 : 0x060cff);
}

static void per_cpu(void)
{
	uint64_t task = fake_task(f, 77, 0, 0, "me");
	uint64_t start = fake_address(f, "__per_cpu_start");
	int64_t inner =
		f->opt.old_layout || f->opt.plain ? 0 : fake_offset(f, "pcpu_hot", "current_task");
	fake_set(f, f->cpu[1] + 0x340 + (uint64_t)inner, task);
	assert_int_equal(kernel_current_offset(k), start + 0x340 + (uint64_t)inner);
	assert_int_equal(kernel_current(k, 1), task);
	assert_int_equal(kernel_current(k, 0), 0);
	assert_int_equal(kernel_current(k, 100000), 0);
	assert_int_equal(kernel_percpu(k, "runqueues", 1), f->cpu[1] + 0x400);
	assert_int_equal(kernel_percpu(k, "no_such_thing", 1), 0);
}

static void layouts(void **state)
{
	static const struct fake_options kinds[] = {
		{.one_byte = true, .offsets_first = true, .old_layout = true},
		{.offsets_first = true, .old_layout = true, .order = true, .slide = 100, .gap = 4},
		{.order = true, .slide = 3},
		{.slide = 200, .gap = 24},
		{.plain = true},
		{.la57 = true, .slide = 17},
	};
	teardown(state);
	for (uint32_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		open_all(&kinds[i]);
		assert_int_equal(find(), KERNEL_READY);
		assert_string_equal(kernel_reason(k), "");
		all_symbols();
		all_places();
		per_cpu();
		close_all();
	}
}

/* However small the steps are. */
static void small_steps(void **state)
{
	(void)state;
	assert_int_equal(find_with(256), KERNEL_READY);
	all_symbols();
	all_places();
}

/* Names of more than 127 tokens have lengths of two bytes; they are passed over rightly. */
static void long_names(void **state)
{
	char name[160];
	(void)state;
	memset(name, 0, sizeof(name));
	memset(name, 'Z', 140);
	assert_true(f->symbols < FAKE_KINDS);
	fake_add_symbol(f, name, 't', fake_address(f, "_etext"));
	name[126] = 0;
	fake_add_symbol(f, name, 't', fake_address(f, "_etext"));
	fake_kallsyms(f, f->kallsyms);
	assert_int_equal(find(), KERNEL_READY);
	assert_int_equal(kernel_symbol(k, name), fake_address(f, "_etext"));
	assert_int_equal(kernel_symbol(k, "do_exit"), fake_address(f, "do_exit"));
	assert_int_equal(kernel_symbol(k, "_end"), fake_address(f, "_end"));
}

/* Copied once: what the guest does to the tables later changes nothing. */
static void copied(void **state)
{
	(void)state;
	assert_int_equal(find(), KERNEL_READY);
	memset(fake_at(f, f->kallsyms, 0x1000), 0xaa, f->kallsyms_end - f->kallsyms);
	memset(fake_at(f, f->btf, 0x1000), 0xaa, f->btf_end - f->btf);
	all_symbols();
	assert_int_equal(kernel_offset(k, "task_struct", "comm"),
			 fake_offset(f, "task_struct", "comm"));
}

/* Another kernel after it, and one that is none: nothing of the last one stays. */
static void anew(void **state)
{
	(void)state;
	assert_int_equal(find(), KERNEL_READY);
	memset(fake_at(f, f->tokens, 64), 0, 64);
	kernel_anchor(k, lstar, f->boot_root, false);
	assert_int_equal(kernel_state(k), KERNEL_SEARCHING);
	assert_int_equal(kernel_symbol(k, "do_exit"), 0);
	assert_int_equal(kernel_offset(k, "task_struct", "pid"), -ENOENT);
	assert_string_equal(kernel_banner(k), "");
	assert_int_equal(find(), KERNEL_UNKNOWN);
	assert_string_equal(kernel_reason(k), "no kallsyms in the kernel image");
	fake_kallsyms(f, f->kallsyms);
	assert_int_equal(find(), KERNEL_READY);
	all_symbols();
}

/* --- what is missing --- */

static void no_image(void **state)
{
	static const uint64_t values[] = {0, 0x401000, 0xffffffff81000000ull + (64ull << 21),
					  0x8000000000000000, UINT64_MAX};
	(void)state;
	for (uint32_t i = 0; i < 5; i++) {
		kernel_anchor(k, values[i], f->boot_root, false);
		assert_int_equal(kernel_step(k, BUDGET), KERNEL_UNKNOWN);
		assert_string_equal(kernel_reason(k),
				    "no kernel image around the system-call entry");
	}
	kernel_anchor(k, lstar, 0xfffffffff000, false);
	assert_int_equal(kernel_step(k, BUDGET), KERNEL_UNKNOWN);
	kernel_anchor(k, lstar, FAKE_HOLE, true);
	assert_int_equal(kernel_step(k, BUDGET), KERNEL_UNKNOWN);
	assert_int_equal(kernel_step(k, BUDGET), KERNEL_UNKNOWN); /* and stays so */
}

static void no_btf(void **state)
{
	teardown(state);
	open_all(&(struct fake_options){.no_btf = true});
	assert_int_equal(find(), KERNEL_SYMBOLS);
	assert_string_equal(kernel_reason(k), "no BTF in the kernel image");
	all_symbols();
	all_places();
	assert_int_equal(kernel_size(k, "task_struct"), 0);
}

/* --- hostile --- */

/* Whatever single table is damaged, the search ends in time and says why. */
static void damaged(void **state)
{
	uint64_t places[] = {f->kallsyms,	  f->names - 8,	       f->names,
			     f->names + 1000,	  f->markers,	       f->markers + 4,
			     f->tokens - 8,	  f->tokens,	       f->tokens + 600,
			     f->kallsyms_end - 8, f->kallsyms_end - 16};
	uint64_t values[] = {0, UINT64_MAX, 0x8080808080808080, 0x0100000001000000, 1};
	(void)state;
	for (uint32_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		for (uint32_t v = 0; v < 5; v++) {
			uint64_t keep = fake_get(f, places[i]);
			fake_set(f, places[i], values[v]);
			enum kernel_state end = find();
			assert_true(end == KERNEL_READY || *kernel_reason(k));
			for (uint32_t s = 0; s < f->symbols; s += 50)
				(void)kernel_symbol(k, f->symbol[s].name);
			fake_set(f, places[i], keep);
		}
	}
	assert_int_equal(find(), KERNEL_READY);
	all_symbols();
}

/* Everything looks like the beginning of what is searched for. */
static void decoys(void **state)
{
	uint8_t *text = fake_at(f, f->base, 0x100000);
	(void)state;
	for (uint32_t i = 0; i < 0x80000; i++) /* of the token table */
		text[0x80000 + i] = i & 1 ? 0 : (uint8_t)('a' + i / 2 % 26);
	assert_int_equal(find(), KERNEL_READY);
	all_symbols();
	/* Of the markers, with too few behind them, where the order of the names lies. */
	teardown(state);
	open_all(&(struct fake_options){.order = true});
	uint64_t first = f->markers + (f->symbols + 255) / 256 * 4 + 8;
	for (uint64_t va = (first + 7) & ~7ull; va + 8 < f->tokens; va += 8)
		fake_set(f, va, (600 + va % 100) << 32);
	assert_int_equal(find(), KERNEL_READY);
	all_symbols();
	/* And with enough: then the search is given up in time. */
	for (uint64_t va = (first + 7) & ~7ull; va + 24 < f->tokens; va += 24) {
		uint32_t words[6] = {0, 600, 1200, 1800, 2400, 3000};
		memcpy(fake_at(f, va, 24), words, 24);
	}
	assert_int_equal(find(), KERNEL_READY);
	all_symbols();
}

/* Decoys wherever the tables might be, and no tables: given up, and soon. */
static void only_decoys(void **state)
{
	uint32_t words[6] = {0, 600, 1200, 1800, 2400, 3000};
	(void)state;
	fake_set(f, f->markers, UINT64_MAX);
	for (uint32_t at = 0; at + 24 <= 0x80000; at += 24)
		memcpy(fake_at(f, f->base + 0x70000 + at, 24), words, 24);
	assert_int_equal(find(), KERNEL_UNKNOWN);
	assert_string_equal(kernel_reason(k), "kallsyms in a layout that is not known");
}

/* Nothing is read across the end of the image, where something else may lie. */
static void image_end(void **state)
{
	uint64_t word;
	(void)state;
	assert_int_equal(find(), KERNEL_READY);
	assert_int_equal(k->image.end, f->base + FAKE_SIZE);
	assert_int_equal(image_read(k, k->image.end - 8, &word, 8), 0);
	assert_int_equal(image_read(k, k->image.end - 7, &word, 8), -EFAULT);
	assert_int_equal(image_read(k, k->image.end, &word, 1), -EFAULT);
	assert_int_equal(image_read(k, k->image.end, &word, 0), 0);
	assert_int_equal(image_read(k, k->image.base - 1, &word, 1), -EFAULT);
	assert_int_equal(image_read(k, UINT64_MAX - 3, &word, 8), -EFAULT);
}

static void one_name(void **state)
{
	uint32_t taken = 0;
	(void)state;
	/* All names are the same: all of them hash to one place, and most are left out. */
	teardown(state);
	open_all(&(struct fake_options){0});
	for (uint32_t i = 0; i < f->symbols; i++)
		strcpy(f->symbol[i].name, "aa");
	fake_kallsyms(f, f->kallsyms);
	(void)find();
	for (uint32_t i = 0; i < k->sym.slots; i++)
		taken += k->sym.index[i] != 0;
	assert_in_range(taken, 1, 64);
	uint64_t va = kernel_symbol(k, "aa");
	assert_true((va >= f->symbol[0].address && va <= f->symbol[f->symbols - 1].address));
}

/* --- modules --- */

static void modules(void **state)
{
	struct kernel_module m;
	char name[KERNEL_NAME_MAX];
	uint64_t offset;
	(void)state;
	for (int old = 0; old < 2; old++) {
		teardown(state);
		open_all(&(struct fake_options){.old_layout = old, .offsets_first = old});
		assert_int_equal(find(), KERNEL_READY);
		assert_false(kernel_module(k, 0, &m));
		uint64_t one = fake_module(f, "first", 0xffffffffc0000000, 0x2000);
		uint64_t two = fake_module(f, "second", 0xffffffffc0010000, 0x3000);
		assert_true(kernel_module(k, 0, &m));
		assert_int_equal(m.va, one);
		assert_string_equal(m.name, "first");
		assert_int_equal(m.parts, 1);
		assert_int_equal(m.part[0].base, 0xffffffffc0000000);
		assert_int_equal(m.part[0].size, 0x2000);
		assert_true(kernel_module(k, 1, &m));
		assert_string_equal(m.name, "second");
		assert_false(kernel_module(k, 2, &m));
		assert_false(kernel_module(k, UINT32_MAX, &m));
		assert_false(kernel_module_at(k, 0xffffffffc0002000, &m, name, &offset));
		/* Its own symbols. */
		uint64_t symtab = fake_alloc(f, 24 * 400), strings = fake_alloc(f, 64);
		memcpy(fake_at(f, strings, 16), "\0init\0work\0", 11);
		for (uint32_t i = 1; i < 400; i++) {
			fake_set(f, symtab + i * 24, i % 2 ? 1 : 6);
			fake_set(f, symtab + i * 24 + 8, 0xffffffffc0010000 + i * 16);
		}
		uint64_t table = fake_alloc(f, fake_size(f, "mod_kallsyms"));
		fake_put(f, table, "mod_kallsyms", "symtab", symtab);
		fake_put(f, table, "mod_kallsyms", "num_symtab", 400);
		fake_put(f, table, "mod_kallsyms", "strtab", strings);
		fake_put(f, two, "module", "kallsyms", table);
		assert_true(
			kernel_module_at(k, 0xffffffffc0010000 + 300 * 16 + 5, &m, name, &offset));
		assert_int_equal(m.va, two);
		assert_string_equal(name, "work");
		assert_int_equal(offset, 5);
		assert_true(kernel_module_at(k, 0xffffffffc0010000 + 399 * 16, &m, name, &offset));
		assert_string_equal(name, "init");
		/* Without a table of symbols only the place in it is known. */
		assert_true(kernel_module_at(k, 0xffffffffc0001ff0, &m, name, &offset));
		assert_string_equal(name, "");
		assert_int_equal(offset, 0x1ff0);
		/* A table that lies about its length, and one that is nowhere. */
		fake_put(f, table, "mod_kallsyms", "num_symtab", UINT32_MAX);
		uint64_t before = f->pages;
		assert_true(kernel_module_at(k, 0xffffffffc0010040, &m, name, &offset));
		assert_true(f->pages - before < 100000);
		fake_put(f, table, "mod_kallsyms", "symtab", 0x1234);
		assert_true(kernel_module_at(k, 0xffffffffc0010040, &m, name, &offset));
		assert_int_equal(m.va, two);
	}
}

static void module_loops(void **state)
{
	struct kernel_module m;
	char name[KERNEL_NAME_MAX];
	uint64_t offset, before, head = fake_address(f, "modules");
	(void)state;
	assert_int_equal(find(), KERNEL_READY);
	uint64_t va = fake_module(f, "first", 0xffffffffc0000000, 0x2000);
	uint64_t node = va + fake_offset(f, "module", "list");
	uint64_t bad[] = {node, 0, 0xdead000000000100, f->direct_map + FAKE_RAM - 4,
			  f->direct_map + FAKE_HOLE};
	for (uint32_t i = 0; i < 5; i++) {
		fake_set(f, node, bad[i]);
		before = f->pages;
		assert_true(kernel_module(k, 0, &m));
		for (uint32_t n = 1; n < 1100; n += 100)
			(void)kernel_module(k, n, &m);
		assert_false(kernel_module(k, 1024, &m));
		assert_true(f->pages - before < 50000);
		before = f->pages;
		assert_false(kernel_module_at(k, 0xffffffffc0100000, &m, name, &offset));
		assert_true(f->pages - before < 12000); /* a million instructions or less */
	}
	fake_set(f, node, head);
	/* A name without an end. */
	memset(fake_at(f, va + fake_offset(f, "module", "name"), 56), 'n', 56);
	assert_true(kernel_module(k, 0, &m));
	assert_int_equal(strlen(m.name), 55);
	/* Parts of absurd size are none. */
	const char *inner = "module_memory";
	fake_put(f, va + fake_offset(f, "module", "mem"), inner, "base", 0);
	assert_true(kernel_module(k, 0, &m));
	assert_int_equal(m.parts, 0);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(layouts), TEST(small_steps),  TEST(long_names),  TEST(copied),
		TEST(anew),    TEST(no_image),	   TEST(no_btf),      TEST(damaged),
		TEST(decoys),  TEST(one_name),	   TEST(only_decoys), TEST(image_end),
		TEST(modules), TEST(module_loops),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
