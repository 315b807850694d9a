/* See fake_kernel.h: memory, page tables and the image. */
#include "tests/unit/fake_kernel.h"

#include <stdio.h>
#include <string.h>

#define PAGE	 4096ull
#define PMD	 0x200000ull
#define FRAME	 0x000ffffffffff000ull
#define TABLES	 0x10000ull  /* physical: page tables, up to the hole */
#define HEAP	 0xa00000ull /* physical: all that is allocated */
#define TEXT	 0ull	     /* places in the image */
#define NOTES	 0xff000ull
#define RODATA	 0x100000ull
#define BTF	 0x180000ull
#define BTF_SIZE 0x10000ull
#define DATA	 0x200000ull
#define ENTRIES	 512

/* --- memory
 * --------------------------------------------------------------------------------------- */

static const volatile void *page(void *ctx, uint64_t gpa)
{
	struct fake *f = ctx;

	f->pages++;
	FAKE_CHECK(gpa % PAGE == 0);
	if (gpa > FAKE_RAM - PAGE || (gpa >= FAKE_HOLE && gpa < FAKE_HOLE + 0x10000))
		return NULL;
	return f->ram + gpa;
}

struct gmem fake_gmem(struct fake *f)
{
	return (struct gmem){f, page};
}

uint8_t *fake_at(struct fake *f, uint64_t va, size_t len)
{
	uint64_t gpa = va - f->direct_map;

	if (va - f->base < FAKE_SIZE)
		gpa = va - f->base + FAKE_IMAGE;
	FAKE_CHECK(gpa <= FAKE_RAM - len);
	return f->ram + gpa;
}

uint64_t fake_get(struct fake *f, uint64_t va)
{
	uint64_t value;

	memcpy(&value, fake_at(f, va, 8), 8);
	return value;
}

void fake_set(struct fake *f, uint64_t va, uint64_t value)
{
	memcpy(fake_at(f, va, 8), &value, 8);
}

void fake_set32(struct fake *f, uint64_t va, uint32_t value)
{
	memcpy(fake_at(f, va, 4), &value, 4);
}

uint64_t fake_alloc(struct fake *f, size_t size)
{
	uint64_t gpa = f->used;

	f->used = (f->used + size + 63) & ~63ull;
	FAKE_CHECK(f->used <= FAKE_RAM);
	memset(f->ram + gpa, 0, size);
	return f->direct_map + gpa;
}

uint64_t fake_string(struct fake *f, const char *text)
{
	size_t len = strlen(text) + 1;
	uint64_t va = fake_alloc(f, len);

	memcpy(fake_at(f, va, len), text, len);
	return va;
}

uint64_t fake_table(struct fake *f)
{
	uint64_t gpa = f->tables;

	f->tables += PAGE;
	FAKE_CHECK(f->tables <= FAKE_HOLE);
	memset(f->ram + gpa, 0, PAGE);
	return gpa;
}

void fake_map(struct fake *f, uint64_t root, uint64_t va, uint64_t gpa, uint32_t level,
	      uint64_t flags)
{
	uint64_t table = root, entry;

	for (uint32_t at = f->opt.la57 ? 5 : 4; at > level; at--) {
		uint8_t *slot = f->ram + table + (va >> (12 + 9 * (at - 1)) & 511) * 8;
		memcpy(&entry, slot, 8);
		if (!entry) {
			entry = fake_table(f) | FAKE_PRESENT | FAKE_WRITE | FAKE_USER;
			memcpy(slot, &entry, 8);
		}
		table = entry & FRAME;
	}
	entry = gpa | flags | (level > 1 ? FAKE_LARGE : 0);
	memcpy(f->ram + table + (va >> (12 + 9 * (level - 1)) & 511) * 8, &entry, 8);
}

/* --- symbols
 * -------------------------------------------------------------------------------------- */

void fake_add_symbol(struct fake *f, const char *name, char type, uint64_t address)
{
	struct fake_symbol *s = &f->symbol[f->symbols];

	FAKE_CHECK(f->symbols < FAKE_KINDS && strlen(name) < sizeof(s->name));
	f->symbols++;
	s->type = type;
	s->address = address;
	strcpy(s->name, name);
}

uint64_t fake_address(const struct fake *f, const char *name)
{
	for (uint32_t i = 0; i < f->symbols; i++)
		if (strcmp(f->symbol[i].name, name) == 0)
			return f->symbol[i].address;
	fprintf(stderr, "no symbol %s\n", name);
	abort();
}

static void function(struct fake *f, const char *name, bool endbr)
{
	static const uint8_t start[] = {0xf3, 0x0f, 0x1e, 0xfa}, call[] = {0xe8, 1, 2, 3, 4};
	uint64_t va = f->function;

	f->function += 64;
	memset(fake_at(f, va, 64), 0xcc, 64);
	memcpy(fake_at(f, va, 4), start, endbr ? 4 : 0);
	memcpy(fake_at(f, va + (endbr ? 4 : 0), 5), call, 5);
	fake_add_symbol(f, name, 'T', va);
}

static uint64_t variable(struct fake *f, const char *name, size_t size)
{
	uint64_t va = f->data;

	f->data = (f->data + size + 63) & ~63ull;
	fake_add_symbol(f, name, 'D', va);
	return va;
}

void fake_make_sites(struct fake *f)
{
	static const uint8_t nop[] = {0x0f, 0x1f, 0x44, 0x00, 0x00};

	for (uint64_t va = f->base; va < f->function; va += 64) {
		uint8_t *code = fake_at(f, va, 64);
		code += code[0] == 0xf3 ? 4 : 0;
		if (code[0] == 0xe8)
			memcpy(code, nop, sizeof(nop));
	}
}

/* What the parts of ids/ watch, and enough others. */
static void functions(struct fake *f)
{
	static const char *const watched[] = {"wake_up_new_task",
					      "security_bprm_committed_creds",
					      "do_exit",
					      "release_task",
					      "commit_creds",
					      "proc_root_readdir",
					      "security_bprm_check",
					      "security_socket_connect",
					      "entry_SYSCALL_64"};
	char name[64];

	for (uint32_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
		function(f, watched[i], i % 2);
	for (uint32_t i = 0; i < 1200; i++) {
		snprintf(name, sizeof(name), "%s_%s%u%s", i % 3 ? "sys" : "vfs",
			 i % 7 ? "init" : "Get.part", i, i % 5 ? "" : "_security_task");
		function(f, name, i % 2);
	}
}

/* --- the image
 * ------------------------------------------------------------------------------------ */

static void notes(struct fake *f)
{
	static const uint32_t head[] = {4, 2, 1, 4, 20, 3};
	uint8_t *at = fake_at(f, f->base + NOTES, 64);

	memset(at, 0, 64);
	memcpy(at, head, 12); /* another note first: "GNU", 2 bytes, type 1 */
	memcpy(at + 12, "GNU", 4);
	memcpy(at + 20, head + 3, 12);
	memcpy(at + 32, "GNU", 4);
	for (uint8_t i = 0; i < 20; i++)
		at[36 + i] = (uint8_t)(i * 13);
	fake_add_symbol(f, "__start_notes", 'R', f->base + NOTES);
	fake_add_symbol(f, "__stop_notes", 'R', f->base + NOTES + 56);
}

static void banner(struct fake *f)
{
	static const char text[] = "Linux version 6.12.300-test (gcc) #1 SMP\n";
	static const char old[] = "Linux version 6.1.5-test (gcc) #1 SMP\n";
	const char *which = f->opt.old_layout ? old : text;

	memcpy(fake_at(f, f->base + RODATA, 64), which, strlen(which) + 1);
	fake_add_symbol(f, "linux_banner", 'D', f->base + RODATA);
}

static void per_cpu(struct fake *f)
{
	uint64_t table = variable(f, "__per_cpu_offset", FAKE_CPUS * 8);

	uint64_t start = f->opt.plain ? f->base + FAKE_SIZE - 0x100000 : 0;
	bool own = f->opt.old_layout || f->opt.plain;

	for (uint32_t i = 0; i < FAKE_CPUS; i++) {
		f->cpu[i] = fake_alloc(f, 0x1000);
		fake_set(f, table + i * 8, f->cpu[i] - start);
	}
	fake_add_symbol(f, "__per_cpu_start", 'A', start);
	fake_add_symbol(f, own ? "current_task" : "pcpu_hot", 'A', start + 0x340);
	fake_add_symbol(f, "runqueues", 'A', start + 0x400);
}

static int by_address(const void *a, const void *b)
{
	const struct fake_symbol *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static void symbols(struct fake *f)
{
	uint64_t at;

	f->function = f->base;
	functions(f);
	at = variable(f, "page_offset_base", 8);
	fake_set(f, at, f->direct_map);
	fake_set(f, variable(f, "vmemmap_base", 8), 0xffffea0000000000);
	at = variable(f, "modules", 16);
	fake_set(f, at, at);
	fake_set(f, at + 8, at);
	f->data = (f->data + PAGE - 1) & ~(PAGE - 1);
	f->root = variable(f, "init_top_pgt", PAGE) - f->base + FAKE_IMAGE;
	f->init_task = variable(f, "init_task", fake_size(f, "task_struct"));
	f->init_ns = variable(f, "init_pid_ns", fake_size(f, "pid_namespace"));
	per_cpu(f);
	banner(f);
	notes(f);
	fake_add_symbol(f, "_text", 'T', f->base + TEXT);
	fake_add_symbol(f, "_stext", 'T', f->base + TEXT);
	fake_add_symbol(f, "_etext", 'T', f->function);
	fake_add_symbol(f, "__start_rodata", 'R', f->base + RODATA);
	fake_add_symbol(f, "__end_rodata", 'R', f->base + DATA);
	fake_add_symbol(f, "_end", 'B', f->base + FAKE_SIZE - 0x1000);
	if (!f->opt.no_btf) {
		fake_add_symbol(f, "__start_BTF", 'R', f->btf);
		fake_add_symbol(f, "__stop_BTF", 'R', f->btf_end);
	}
	qsort(f->symbol, f->symbols, sizeof(f->symbol[0]), by_address);
}

/* The image: its first half in one large page, the other in small ones, the last of which are
 * gone. The direct map: all of RAM. */
static void map_all(struct fake *f)
{
	uint64_t flags = FAKE_PRESENT | FAKE_WRITE;

	f->boot_root = fake_table(f);
	for (uint32_t i = 0; i < 2; i++) {
		uint64_t root = i ? f->root : f->boot_root;
		fake_map(f, root, f->base, FAKE_IMAGE, 2, FAKE_PRESENT);
		for (uint64_t off = PMD; off < FAKE_SIZE - 0x1000; off += PAGE)
			fake_map(f, root, f->base + off, FAKE_IMAGE + off, 1, flags | FAKE_NX);
		/* Something else in the same GiB, at another distance. */
		fake_map(f, root, f->base + 3 * FAKE_SIZE, 0, 2, flags);
	}
	for (uint64_t gpa = 0; gpa < FAKE_RAM; gpa += PMD)
		fake_map(f, f->root, f->direct_map + gpa, gpa, 2, flags | FAKE_NX);
}

struct fake *fake_open(const struct fake_options *opt)
{
	struct fake *f = calloc(1, sizeof(*f));

	FAKE_CHECK(f && (f->ram = aligned_alloc(PAGE, FAKE_RAM)));
	memset(f->ram, 0, FAKE_RAM);
	f->opt = *opt;
	f->base = FAKE_BASE + opt->slide * PMD;
	f->direct_map = (opt->la57 ? 0xff11000000000000 : 0xffff888000000000) +
			(uint64_t)opt->slide * 0x40000000;
	f->tables = TABLES;
	f->used = HEAP;
	f->data = f->base + DATA;
	fake_btf_structures(f);
	f->btf = f->base + BTF;
	f->btf_end = f->btf + BTF_SIZE;
	symbols(f);
	map_all(f);
	fake_kallsyms(f, f->base + RODATA + 0x1040);
	FAKE_CHECK(f->kallsyms_end <= f->btf && f->data < f->base + FAKE_SIZE - PMD / 2);
	if (!opt->no_btf)
		fake_btf_place(f);
	uint64_t tasks = f->init_task + fake_offset(f, "task_struct", "tasks");
	fake_set(f, tasks, tasks);
	fake_set(f, tasks + 8, tasks);
	memcpy(fake_at(f, f->init_task + fake_offset(f, "task_struct", "comm"), 10), "swapper/0",
	       10);
	fake_put(f, f->init_task, "task_struct", "flags", FAKE_KTHREAD);
	if (!opt->no_sites)
		fake_make_sites(f);
	return f;
}

void fake_close(struct fake *f)
{
	free(f->ram);
	free(f);
}

uint64_t fake_lstar(const struct fake *f)
{
	return fake_address(f, "entry_SYSCALL_64");
}
