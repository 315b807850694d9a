/* See integrity_world.h. */
#include "tests/unit/integrity_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hv/errno.h"
#include "ids/integrity/integrity_impl.h"
#include "ids/proc/task.h"

struct world *world;
static struct gmem memory;
static struct gspace space;
static struct kernel_image image;

/* --- ids/guest/kernel --------------------------------------------------------------------------
 */

static const struct {
	const char *name;
	uint64_t va;
} symbols[] = {
	{"system_state", SYSTEM_STATE},
	{"modules", MODULES},
	{"ftrace_pages_start", DATA + 0x20},
	{"ftrace_ops_list", FTRACE_OPS_LIST},
	{"bpf_kallsyms", BPF_KSYMS},
	{"kprobe_optinsn_slots", INSN_SLOTS},
	{"kprobe_table", KPROBES},
	{"aggr_pre_handler", TEXT + 0x4f00},
	{"ftrace_caller", FTRACE_CALLER},
	{"__start___jump_table", RODATA + 0x100},
	{"__stop___jump_table", RODATA + 0x110},
	{"sys_call_table", SYS_CALLS},
	{"plain_function", PLAIN & ~0xffull},
};

uint64_t kernel_symbol(const struct kernel *k, const char *name)
{
	(void)k;
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
		if (!strcmp(symbols[i].name, name))
			return symbols[i].va;
	return 0;
}

bool kernel_symbol_at(const struct kernel *k, uint64_t va, char name[KERNEL_NAME_MAX],
		      uint64_t *offset)
{
	uint64_t best = 0;

	(void)k;
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		if (symbols[i].va > va || symbols[i].va < best)
			continue;
		best = symbols[i].va;
		snprintf(name, KERNEL_NAME_MAX, "%s", symbols[i].name);
		*offset = va - best;
	}
	return best && va < DATA + DATA_PAGES * 4096;
}

static const struct {
	const char *structure, *path;
	uint32_t offset, size;
} members[] = {
	{"module", "list", M_LIST, 16},
	{"module", "state", M_STATE, 4},
	{"ftrace_page", "next", 0, 8},
	{"ftrace_page", "records", 8, 8},
	{"ftrace_page", "index", 16, 4},
	{"dyn_ftrace", "ip", 0, 8},
	{"kprobe", "hlist", 0, 16},
	{"kprobe", "addr", K_ADDR, 8},
	{"kprobe", "pre_handler", K_HANDLER, 8},
	{"kprobe", "flags", K_FLAGS, 4},
	{"kprobe", "opcode", K_OPCODE, 1},
	{"optimized_kprobe", "kp", 0, K_SIZE},
	{"optimized_kprobe", "optinsn", K_COPIED, 16},
	{"arch_optimized_insn", "copied_insn", 0, 4},
	{"ftrace_ops", "next", O_NEXT, 8},
	{"ftrace_ops", "trampoline", O_TRAMPOLINE, 8},
	{"ftrace_ops", "trampoline_size", O_SIZE, 8},
	{"bpf_ksym", "start", B_START, 8},
	{"bpf_ksym", "end", B_END, 8},
	{"bpf_ksym", "lnode", B_NODE, 16},
	{"kprobe_insn_cache", "pages", 0, 16},
	{"kprobe_insn_page", "list", I_LIST, 16},
	{"kprobe_insn_page", "insns", I_INSNS, 8},
};

int kernel_member(const struct kernel *k, const char *structure, const char *path,
		  struct kernel_member *member)
{
	(void)k;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (strcmp(members[i].structure, structure) || strcmp(members[i].path, path))
			continue;
		*member = (struct kernel_member){.offset = members[i].offset,
						 .size = members[i].size};
		return 0;
	}
	return -ENOENT;
}

int64_t kernel_offset(const struct kernel *k, const char *structure, const char *path)
{
	struct kernel_member m;

	return kernel_member(k, structure, path, &m) ? -ENOENT : (int64_t)m.offset;
}

uint32_t kernel_size(const struct kernel *k, const char *structure)
{
	(void)k;
	return !strcmp(structure, "dyn_ftrace") ? 16 : !strcmp(structure, "kprobe") ? K_SIZE : 0;
}

int kernel_enum(const struct kernel *k, const char *enumerator, int64_t *value)
{
	(void)k;
	if (!strcmp(enumerator, "SYSTEM_SCHEDULING"))
		*value = 1;
	else if (!strcmp(enumerator, "SYSTEM_RUNNING"))
		*value = 3;
	else if (!strcmp(enumerator, "MODULE_STATE_LIVE"))
		*value = 0;
	else
		return -ENOENT;
	return 0;
}

const struct gspace *kernel_space(const struct kernel *k)
{
	(void)k;
	return &space;
}

const struct kernel_image *kernel_image(const struct kernel *k)
{
	(void)k;
	return &image;
}

bool kernel_module_read(const struct kernel *k, uint64_t va, struct kernel_module *m)
{
	uint64_t part[2];

	(void)k;
	memset(m, 0, sizeof(*m));
	m->va = va;
	if (gspace_read(&space, va + M_BASE, part, sizeof(part)) ||
	    gspace_string(&space, va + M_NAME, m->name, sizeof(m->name)) < 0)
		return false;
	m->parts = part[1] != 0;
	m->part[0].base = part[0];
	m->part[0].size = part[1];
	return true;
}

bool kernel_module_at(const struct kernel *k, uint64_t va, struct kernel_module *m,
		      char symbol[KERNEL_NAME_MAX], uint64_t *offset)
{
	uint64_t node = MODULES;

	symbol[0] = 0;
	for (uint32_t i = 0; i < 100; i++) {
		if (gspace_u64(&space, node, &node) || node == MODULES || !node ||
		    !kernel_module_read(k, node - M_LIST, m))
			return false;
		*offset = va - m->part[0].base;
		if (*offset < m->part[0].size)
			return true;
	}
	return false;
}

/* --- ids/proc: nobody ---------------------------------------------------------------------------
 */

struct proc *procs_next(struct procs *p, uint32_t *cursor)
{
	(void)p;
	(void)cursor;
	return NULL;
}

void procs_put(const struct procs *p, struct json *j, uint64_t task_va)
{
	(void)p;
	(void)j;
	(void)task_va;
}

int task_read(const struct kernel *k, uint64_t va, enum task_depth depth, struct task *task)
{
	(void)k;
	(void)va;
	(void)depth;
	(void)task;
	return -EFAULT;
}

/* The checks that have tests of their own. */
static const char *absent(struct check_run *run)
{
	(void)run;
	return "it is not part of this test";
}

const struct check check_cpu = {.name = "cpu", .attach = absent};
const struct check check_creds = {.name = "creds", .attach = absent};
const struct check check_patchers = {.name = "patchers", .attach = absent};
const struct check check_bpf = {.name = "bpf", .attach = absent};

/* --- memory -------------------------------------------------------------------------------------
 */

static const volatile void *page_at(void *ctx, uint64_t gpa)
{
	(void)ctx;
	world->reads++;
	return gpa % 4096 == 0 && gpa < WORLD_MEMORY ? world->memory + gpa : NULL;
}

static uint64_t *entry_of(uint64_t va, uint32_t to_level)
{
	uint64_t table = space.root;

	for (uint32_t level = 4;; level--) {
		uint64_t *e = (uint64_t *)(void *)(world->memory + table) +
			      (va >> (12 + 9 * (level - 1)) & 511);
		if (level == to_level)
			return e;
		if (!*e) {
			*e = world->tables | 3;
			world->tables += 4096;
			assert_true(world->tables <= PHYS);
		}
		table = *e & 0xfffffffff000ull;
	}
}

void world_map(uint64_t va, uint64_t gpa, uint32_t rights)
{
	*entry_of(va, 1) =
		gpa | 1 | (rights & WORLD_W ? 2 : 0) | (rights & WORLD_X ? 0 : 1ull << 63);
}

void world_unmap(uint64_t va)
{
	*entry_of(va, 1) = 0;
}

uint64_t world_page(void)
{
	uint64_t page = world->pages;

	world->pages += 4096;
	assert_true(world->pages <= WORLD_MEMORY);
	return page;
}

void world_write(uint64_t va, const void *bytes, size_t len)
{
	struct gspace_at at;

	assert_int_equal(gspace_translate(&space, va, &at), 0);
	memcpy(world->memory + at.gpa, bytes, len);
}

void world_put(uint64_t va, uint64_t value)
{
	world_write(va, &value, 8);
}

void world_write_guarded(uint64_t va, const void *bytes, size_t len)
{
	struct integrity_write w = {.rip = TEXT + 0x4000, .task = 1};
	struct gspace_at at;

	assert_int_equal(gspace_translate(&space, va, &at), 0);
	w.gpa = at.gpa;
	memcpy(w.before, world->memory + (at.gpa & ~31ull), 32);
	integrity_guard(world->integrity, &w, world->tsc);
	world_write(va, bytes, len);
}

void world_branch(uint64_t va, uint8_t opcode, uint64_t target)
{
	uint8_t insn[5] = {opcode};
	int32_t rel = (int32_t)(target - va - 5);

	memcpy(insn + 1, &rel, 4);
	world_write(va, insn, 5);
}

/* --- the kernel ---------------------------------------------------------------------------------
 */

static void empty_list(uint64_t va)
{
	world_put(va, va);
	world_put(va + 8, va);
}

static void fill(uint64_t va, uint32_t pages, uint64_t seed)
{
	for (uint64_t i = 0; i < pages * 512ull; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		world_put(va + i * 8, seed >> 7 & 0x7f7f7f7f7f7f7f7full); /* no branches */
	}
}

static void build_kernel(void)
{
	static const uint8_t nop5[] = {0x0f, 0x1f, 0x44, 0x00, 0x00};
	uint64_t page = HEAP + 0x2000, records = HEAP + 0x2100;

	for (uint32_t i = 0; i < TEXT_PAGES; i++)
		world_map(TEXT + i * 4096ull, PHYS + i * 4096ull, WORLD_X);
	for (uint32_t i = 0; i < RODATA_PAGES; i++)
		world_map(RODATA + i * 4096ull, PHYS + (RODATA - TEXT) + i * 4096ull, 0);
	for (uint32_t i = 0; i < DATA_PAGES; i++)
		world_map(DATA + i * 4096ull, PHYS + (DATA - TEXT) + i * 4096ull, WORLD_W);
	fill(TEXT, TEXT_PAGES, 1);
	fill(RODATA, RODATA_PAGES, 2);
	empty_list(MODULES);
	empty_list(BPF_KSYMS);
	empty_list(INSN_SLOTS);
	world_put(DATA + 0x20, page);
	world_put(page, 0);
	world_put(page + 8, records);
	world_put(page + 16, FTRACE_SITES);
	for (uint32_t i = 0; i < FTRACE_SITES; i++) {
		world_write(FTRACE_SITE(i), nop5, 5);
		world_put(records + i * 16ull, FTRACE_SITE(i));
	}
	world_write(JUMP_SITE, nop5, 5);
	const int32_t entry[4] = {(int32_t)(JUMP_SITE - (RODATA + 0x100)),
				  (int32_t)(JUMP_TARGET - (RODATA + 0x104)), 0, 0};
	world_write(RODATA + 0x100, entry, sizeof(entry));
	for (uint32_t i = 0; i <= SYS_CALL_COUNT; i++)
		world_put(SYS_CALLS + i * 8ull, i < SYS_CALL_COUNT ? TEXT + 0x7000 + i * 16ull : 0);
	world_put(SYSTEM_STATE, 1);
}

static void emit(void *ctx, enum eve_class cls, const char *line, size_t len)
{
	(void)ctx;
	assert_int_equal(cls, EVE_CLASS_ALERT);
	assert_true(len < sizeof(world->last));
	memcpy(world->last, line, len + 1);
	world->events++;
}

static void *take(void *ctx, size_t size)
{
	(void)ctx;
	return calloc(1, size);
}

static int64_t call(void *ctx, uint64_t number, uint64_t a, uint64_t b)
{
	(void)ctx;
	if (number == ABI_CALL_RESTORE) {
		assert_true(b && b <= ABI_GUARD_BYTES && a + b <= WORLD_MEMORY);
		memcpy(world->memory + a, world->bytes, b);
		world->restored++;
		return 0;
	}
	if (number == ABI_CALL_FREEZE) {
		world->frozen++;
		return 0;
	}
	assert_int_equal(number, ABI_CALL_GUARD);
	world->guards++;
	return world->no_guards ? -ENOSPC : 0;
}

static void say(void *ctx, const char *line)
{
	(void)ctx;
	(void)line;
}

void world_pass(uint32_t ms)
{
	uint64_t end = world->tsc + ms * (WORLD_HZ / 1000);

	for (;;) {
		uint64_t reads = world->reads;
		uint64_t next = integrity_step(world->integrity, world->tsc, world->tsc);
		if (world->reads - reads > world->reads_most)
			world->reads_most = world->reads - reads;
		if (!next || next >= end)
			break;
		/* An overdue one is stepped a little later. */
		world->tsc = next > world->tsc ? next : world->tsc + 1000;
	}
	world->tsc = end;
}

void world_open(void)
{
	static struct eve_config config;

	world = calloc(1, sizeof(*world));
	world->memory = calloc(1, WORLD_MEMORY);
	world->tables = 0x2000;
	world->pages = 0x700000;
	world->tsc = 1000000;
	memory = (struct gmem){NULL, page_at};
	space = (struct gspace){.mem = &memory, .root = 0x1000, .levels = 4};
	image = (struct kernel_image){
		.text = TEXT,
		.text_end = TEXT + TEXT_PAGES * 4096 - 100,
		.rodata = RODATA,
		.rodata_end = RODATA + RODATA_PAGES * 4096,
		.base = TEXT,
		.end = DATA + DATA_PAGES * 4096,
		.phys = PHYS,
	};
	build_kernel();
	config =
		(struct eve_config){.host = "world", .boot = "0", .seq = &world->seq, .emit = emit};
	eve_init(&world->eve, &config);
	const struct integrity_ops ops = {
		.alloc = take,
		.eve = &world->eve,
		.tsc_hz = WORLD_HZ,
		.key = 0x1234567,
		.ncpu = 1,
		.mem = memory,
		.bytes = world->bytes,
		.call = call,
		.log = say,
	};
	world->integrity = integrity_create(&ops);
	assert_non_null(world->integrity);
	assert_true(integrity_probes(world->integrity, 0, &world->probes));
	integrity_attach(world->integrity, (const struct kernel *)world, NULL, world->tsc);
}

void world_run_kernel(void)
{
	world_pass(200);
	world_put(SYSTEM_STATE, 3);
	world_pass(3000);
	assert_int_equal(integrity_stats(world->integrity).text_pages, TEXT_PAGES + RODATA_PAGES);
}

void world_close(void)
{
	for (uint32_t i = 0; i < world->integrity->runs; i++) {
		free(world->integrity->run[i].state);
		free(world->integrity->run[i].memory);
	}
	free(world->integrity);
	free(world->memory);
	free(world);
}

uint64_t world_module(uint32_t n, const char *name)
{
	uint64_t va = HEAP + n * 0x80ull, base = MODULE_AREA + n * 4096ull, next;

	world_map(base, world_page(), WORLD_X);
	world_write(va + M_NAME, name, strlen(name) + 1);
	world_put(va + M_BASE, base);
	world_put(va + M_SIZE, 4096);
	world_put(va + M_STATE, 0);
	assert_int_equal(gspace_u64(&space, MODULES, &next), 0);
	world_put(va + M_LIST, next);
	world_put(va + M_LIST + 8, MODULES);
	world_put(next + 8, va + M_LIST);
	world_put(MODULES, va + M_LIST);
	return va;
}

void world_unlist(uint64_t module)
{
	uint64_t next, prev;

	assert_int_equal(gspace_u64(&space, module + M_LIST, &next), 0);
	assert_int_equal(gspace_u64(&space, module + M_LIST + 8, &prev), 0);
	world_put(prev, next);
	world_put(next + 8, prev);
}

bool world_says(const char *text)
{
	return strstr(world->last, text) != NULL;
}
