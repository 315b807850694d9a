/* The guest's modules, by the kernel's list (Linux: kernel/module/main.c). */
#include <string.h>

#include "hv/errno.h"
#include "ids/guest/kernel_impl.h"

#define MODULES_MAX  1024
#define SYMBOLS_MAX  16384
#define SYM_SIZE     24 /* Elf64_Sym: name (4), info, other, section (2), value (8), size (8) */
#define SYMBOLS_READ 64 /* at a time */
#define PARTS	     8

static void add_part(struct kernel_module *m, uint64_t base, uint64_t size)
{
	if (m->parts < PARTS && base && size && size < 1ull << 32) {
		m->part[m->parts].base = base;
		m->part[m->parts++].size = size;
	}
}

/* Until 6.3: two areas, code first in each. */
static void read_layout(const struct kernel *k, uint64_t va, const char *member,
			struct kernel_module *m)
{
	int64_t at = kernel_offset(k, "module", member);
	int64_t base = kernel_offset(k, "module_layout", "base"),
		size = kernel_offset(k, "module_layout", "size");
	uint64_t b;
	uint32_t s;

	if (at < 0 || base < 0 || size < 0 ||
	    gspace_u64(&k->space, va + (uint64_t)(at + base), &b) ||
	    gspace_u32(&k->space, va + (uint64_t)(at + size), &s))
		return;
	add_part(m, b, s);
}

static void read_parts(const struct kernel *k, uint64_t va, struct kernel_module *m)
{
	struct kernel_member mem;
	uint32_t each = kernel_size(k, "module_memory");
	int64_t base = kernel_offset(k, "module_memory", "base"),
		size = kernel_offset(k, "module_memory", "size");

	if (kernel_member(k, "module", "mem", &mem) || !each || base < 0 || size < 0) {
		read_layout(k, va, "core_layout", m);
		read_layout(k, va, "init_layout", m);
		return;
	}
	for (uint32_t i = 0; i < mem.size / each && i < PARTS; i++) {
		uint64_t at = va + mem.offset + (uint64_t)i * each, b;
		uint32_t s;
		if (gspace_u64(&k->space, at + (uint64_t)base, &b) ||
		    gspace_u32(&k->space, at + (uint64_t)size, &s))
			return;
		add_part(m, b, s);
	}
}

bool kernel_module_read(const struct kernel *k, uint64_t va, struct kernel_module *m)
{
	int64_t name = kernel_offset(k, "module", "name");

	memset(m, 0, sizeof(*m));
	m->va = va;
	if (name < 0 || gspace_string(&k->space, va + (uint64_t)name, m->name, sizeof(m->name)) < 0)
		return false;
	read_parts(k, va, m);
	return true;
}

bool kernel_module(const struct kernel *k, uint32_t index, struct kernel_module *module)
{
	uint64_t head = kernel_symbol(k, "modules"), node = head;
	int64_t list = kernel_offset(k, "module", "list");

	if (!head || list < 0 || index >= MODULES_MAX)
		return false;
	for (uint32_t i = 0; i <= index; i++)
		if (gspace_u64(&k->space, node, &node) || node == head || !node)
			return false;
	return kernel_module_read(k, node - (uint64_t)list, module);
}

/* The nearest symbol at or below `va` in the module's own table. */
static void nearest_symbol(const struct kernel *k, uint64_t module, uint64_t va,
			   char symbol[KERNEL_NAME_MAX], uint64_t *offset)
{
	int64_t at = kernel_offset(k, "module", "kallsyms");
	int64_t tab = kernel_offset(k, "mod_kallsyms", "symtab"),
		num = kernel_offset(k, "mod_kallsyms", "num_symtab");
	int64_t str = kernel_offset(k, "mod_kallsyms", "strtab");
	uint64_t table, symtab, strtab, best = 0, sym[SYMBOLS_READ][SYM_SIZE / 8];
	uint32_t count, name = 0;

	if (at < 0 || tab < 0 || num < 0 || str < 0 ||
	    gspace_u64(&k->space, module + (uint64_t)at, &table) ||
	    gspace_u64(&k->space, table + (uint64_t)tab, &symtab) ||
	    gspace_u32(&k->space, table + (uint64_t)num, &count) ||
	    gspace_u64(&k->space, table + (uint64_t)str, &strtab))
		return;
	for (uint32_t i = 1; i < count && i < SYMBOLS_MAX; i++) {
		uint32_t n = (i - 1) % SYMBOLS_READ;
		uint64_t left = (count < SYMBOLS_MAX ? count : SYMBOLS_MAX) - i;
		if (!n && gspace_read(&k->space, symtab + i * (uint64_t)SYM_SIZE, sym,
				      (left < SYMBOLS_READ ? left : SYMBOLS_READ) * SYM_SIZE))
			return;
		if (sym[n][1] <= va && sym[n][1] > best) {
			best = sym[n][1];
			name = (uint32_t)sym[n][0];
		}
	}
	if (best && gspace_string(&k->space, strtab + name, symbol, KERNEL_NAME_MAX) > 0)
		*offset = va - best;
}

bool kernel_module_next(const struct kernel *k, uint64_t *node, struct kernel_module *module)
{
	uint64_t head = kernel_symbol(k, "modules");
	int64_t list = kernel_offset(k, "module", "list");

	if (!head || list < 0 || gspace_u64(&k->space, *node ? *node : head, node) ||
	    *node == head || !*node)
		return false;
	return kernel_module_read(k, *node - (uint64_t)list, module);
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
	uint64_t head = kernel_symbol(k, "modules"), node = head;
	int64_t list = kernel_offset(k, "module", "list");

	for (uint32_t i = 0; head && list >= 0 && i < MODULES_MAX; i++) {
		if (gspace_u64(&k->space, node, &node) || node == head || !node ||
		    !kernel_module_read(k, node - (uint64_t)list, module))
			return false;
		if (part_holding(module, va))
			return true;
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
