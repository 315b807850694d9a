/* The guest's modules, by the kernel's list (Linux: kernel/module/main.c). */
#include <string.h>

#include "hv/errno.h"
#include "ids/guest/kernel_impl.h"

#define MODULES_MAX 1024
#define SYMBOLS_MAX 16384
#define SYM_SIZE    24	/* Elf64_Sym: name (4), info, other, section (2), value (8), size (8) */
#define SYMS_PIECE  170 /* of them read at a time: a page */
#define PARTS	    8
#define ENTRY_MAX   256 /* bytes of an entry that tells of one part */

static void add_part(struct kernel_module *m, uint64_t base, uint64_t size)
{
	if (m->parts < PARTS && base && size && size < 1ull << 32) {
		m->part[m->parts].base = base;
		m->part[m->parts++].size = size;
	}
}

/* From 6.4 on: one array. Before: two areas, code first in each. */
void module_learn(struct kernel *k)
{
	struct module_places *l = &k->modules;
	static const char *const layouts[] = {"core_layout", "init_layout"};
	struct kernel_member mem;
	bool old = kernel_member(k, "module", "mem", &mem) != 0;
	const char *entry = old ? "module_layout" : "module_memory";
	int64_t base = kernel_offset(k, entry, "base"), size = kernel_offset(k, entry, "size");

	memset(l, 0, sizeof(*l));
	l->name = kernel_offset(k, "module", "name");
	l->list = kernel_offset(k, "module", "list");
	l->each = kernel_size(k, entry);
	if (l->name < 0 || l->list < 0)
		return;
	l->head = kernel_symbol(k, "modules");
	if (base < 0 || size < 0 || l->each > ENTRY_MAX || (uint64_t)base + 8 > l->each ||
	    (uint64_t)size + 4 > l->each)
		return; /* names only */
	l->base = (uint32_t)base;
	l->size = (uint32_t)size;
	if (!old) {
		l->at[l->areas++] = mem.offset;
		l->sizes = mem.size < PARTS * l->each ? mem.size : PARTS * l->each;
		return;
	}
	l->sizes = l->each;
	for (uint32_t i = 0; i < 2; i++) {
		int64_t at = kernel_offset(k, "module", layouts[i]);
		if (at >= 0)
			l->at[l->areas++] = (uint32_t)at;
	}
}

static void read_parts(const struct kernel *k, const struct module_places *l,
		       struct kernel_module *m)
{
	uint8_t area[PARTS * ENTRY_MAX];

	for (uint32_t i = 0; i < l->areas; i++) {
		if (gspace_read(&k->space, m->va + l->at[i], area, l->sizes))
			continue;
		for (uint32_t off = 0; off + l->each <= l->sizes; off += l->each) {
			uint64_t base;
			uint32_t size;
			memcpy(&base, area + off + l->base, 8);
			memcpy(&size, area + off + l->size, 4);
			add_part(m, base, size);
		}
	}
}

static bool read_name(const struct kernel *k, const struct module_places *l,
		      struct kernel_module *m)
{
	return gspace_string(&k->space, m->va + (uint64_t)l->name, m->name, sizeof(m->name)) >= 0;
}

bool kernel_module_read(const struct kernel *k, uint64_t va, struct kernel_module *module)
{
	const struct module_places *l = &k->modules;

	memset(module, 0, sizeof(*module));
	module->va = va;
	if (!l->head || !read_name(k, l, module))
		return false;
	read_parts(k, l, module);
	return true;
}

bool kernel_module(const struct kernel *k, uint32_t index, struct kernel_module *module)
{
	uint64_t head = k->modules.head, node = head;

	if (!head || index >= MODULES_MAX)
		return false;
	for (uint32_t i = 0; i <= index; i++)
		if (gspace_u64(&k->space, node, &node) || node == head || !node)
			return false;
	return kernel_module_read(k, node - (uint64_t)k->modules.list, module);
}

/* The nearest symbol at or below `va` in the module's own table. */
static void nearest_symbol(const struct kernel *k, uint64_t module, uint64_t va,
			   char symbol[KERNEL_NAME_MAX], uint64_t *offset)
{
	int64_t at = kernel_offset(k, "module", "kallsyms");
	int64_t tab = kernel_offset(k, "mod_kallsyms", "symtab"),
		num = kernel_offset(k, "mod_kallsyms", "num_symtab");
	int64_t str = kernel_offset(k, "mod_kallsyms", "strtab");
	uint64_t table, symtab, strtab, best = 0, sym[SYMS_PIECE][SYM_SIZE / 8];
	uint32_t count, name = 0;

	if (at < 0 || tab < 0 || num < 0 || str < 0 ||
	    gspace_u64(&k->space, module + (uint64_t)at, &table) ||
	    gspace_u64(&k->space, table + (uint64_t)tab, &symtab) ||
	    gspace_u32(&k->space, table + (uint64_t)num, &count) ||
	    gspace_u64(&k->space, table + (uint64_t)str, &strtab))
		return;
	if (count > SYMBOLS_MAX)
		count = SYMBOLS_MAX;
	for (uint32_t i = 1; i < count; i += SYMS_PIECE) { /* the first is none */
		uint32_t n = count - i < SYMS_PIECE ? count - i : SYMS_PIECE;
		if (gspace_read(&k->space, symtab + i * (uint64_t)SYM_SIZE, sym, n * SYM_SIZE))
			return;
		for (uint32_t s = 0; s < n; s++) {
			if (sym[s][1] <= va && sym[s][1] > best) {
				best = sym[s][1];
				name = (uint32_t)sym[s][0];
			}
		}
	}
	if (best && gspace_string(&k->space, strtab + name, symbol, KERNEL_NAME_MAX) > 0)
		*offset = va - best;
}

bool kernel_module_next(const struct kernel *k, uint64_t *node, struct kernel_module *module)
{
	uint64_t head = k->modules.head;

	if (!head || gspace_u64(&k->space, *node ? *node : head, node) || *node == head || !*node)
		return false;
	return kernel_module_read(k, *node - (uint64_t)k->modules.list, module);
}

/* The part of the module that holds `va`; NULL: none. */
static const uint64_t *part_holding(const struct kernel_module *module, uint64_t va)
{
	for (uint32_t p = 0; p < module->parts; p++)
		if (va - module->part[p].base < module->part[p].size)
			return &module->part[p].base;
	return NULL;
}

bool kernel_module_holding(const struct kernel *k, uint64_t va, struct kernel_module *module)
{
	const struct module_places *l = &k->modules;
	uint64_t head = l->head, node = head;

	if (!head)
		return false;
	for (uint32_t i = 0; i < MODULES_MAX; i++) {
		if (gspace_u64(&k->space, node, &node) || node == head || !node)
			return false;
		memset(module, 0, sizeof(*module));
		module->va = node - (uint64_t)l->list;
		read_parts(k, l, module);
		if (part_holding(module, va))
			return read_name(k, l, module);
	}
	return false;
}

bool kernel_module_at(const struct kernel *k, uint64_t va, struct kernel_module *module,
		      char symbol[KERNEL_NAME_MAX], uint64_t *offset)
{
	symbol[0] = 0;
	*offset = 0;
	if (!kernel_module_holding(k, va, module))
		return false;
	*offset = va - *part_holding(module, va);
	nearest_symbol(k, module->va, va, symbol, offset);
	return true;
}
