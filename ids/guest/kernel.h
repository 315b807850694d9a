/* The guest's Linux kernel, known from outside: where its image lies, its symbols, the layout of
 * its structures. No profile, no agent: everything comes from the running image itself.
 *
 * Life: kernel_anchor() with the value that the guest wrote to IA32_LSTAR and the page-table root
 * of that moment (early in its boot; again after a kexec or a reboot), then kernel_step() until it
 * says that it is done; each step is bounded. The tables are searched only in the image, once, and
 * what is needed is copied, before the first user instruction has run: nothing that a process or a
 * rootkit does later changes it. Afterwards the queries below answer from the copy.
 *
 * For the sentry and the host alike. One thread. Memory comes from ops->alloc, KERNEL_MEMORY_MAX at
 * most, is taken at kernel_create and kept over anchors. May call: ids/guest/mem.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ids/guest/mem.h"

#define KERNEL_MEMORY_MAX (5u << 20)
#define KERNEL_NAME_MAX                                                                            \
	128 /* bytes of a symbol's name, with the final 0 (KSYM_NAME_LEN of 6.0)                   \
	     */

struct kernel;

struct kernel_ops {
	void *ctx;
	void *(*alloc)(void *ctx, size_t size); /* zeroed, 16-byte aligned, never given back */
	struct gmem mem;
};

enum kernel_state {
	KERNEL_NONE,	  /* no anchor yet */
	KERNEL_SEARCHING, /* kernel_step() has work */
	KERNEL_READY,	  /* symbols and structures are known */
	KERNEL_SYMBOLS,	  /* symbols, but no BTF: no structures (kernel_reason says why) */
	KERNEL_UNKNOWN,	  /* not such a Linux: kernel_reason says what is missing */
};

/* NULL: no memory. */
struct kernel *kernel_create(const struct kernel_ops *ops);

/* Begin anew with this image. `lstar`: the value written, `cr3`: the root then (PCID and flags are
 * ignored), `la57`: 5-level paging was on. */
void kernel_anchor(struct kernel *k, uint64_t lstar, uint64_t cr3, bool la57);

/* Some work: at most about `budget` bytes of guest memory are looked at (256 KiB: some 0.1 ms). */
enum kernel_state kernel_step(struct kernel *k, uint32_t budget);
enum kernel_state kernel_state(const struct kernel *k);
const char *kernel_reason(const struct kernel *k); /* "" when nothing is wrong */

/* --- identity -------------------------------------------------------------------------------- */

/* "Linux version ..." and the build id in hex; "" if not found. Valid till the next anchor. */
const char *kernel_banner(const struct kernel *k);
const char *kernel_build_id(const struct kernel *k);
/* major << 16 | minor << 8 | patch (255 at most), from the banner; 0: unknown. */
uint32_t kernel_version(const struct kernel *k);

/* The kernel's own page tables (swapper_pg_dir), whatever root is loaded. */
const struct gspace *kernel_space(const struct kernel *k);

struct kernel_image {
	uint64_t text, text_end;     /* virtual: _stext to _etext */
	uint64_t rodata, rodata_end; /* virtual: __start_rodata to __end_rodata */
	uint64_t base, end;	     /* virtual: _text to _end */
	uint64_t phys;		     /* of `base`; the image is physically contiguous */
	uint64_t direct_map;	     /* page_offset_base: physical address 0 in the direct map */
	uint64_t vmemmap;	     /* vmemmap_base, 0: unknown */
};
const struct kernel_image *kernel_image(const struct kernel *k);

/* --- symbols --------------------------------------------------------------------------------- */

/* Address of a symbol of the kernel image (of several of that name any), 0: there is none. Those
 * whose names begin with __pfx_, __ksymtab_, __func__ or __UNIQUE_ID_ may not be found. */
uint64_t kernel_symbol(const struct kernel *k, const char *name);

/* The symbol that holds `va`, with the offset in it. False: outside of the image. */
bool kernel_symbol_at(const struct kernel *k, uint64_t va, char name[KERNEL_NAME_MAX],
		      uint64_t *offset);

/* A module of the guest's list (struct module). Read anew at each call, so hostile. */
struct kernel_module {
	uint64_t va;   /* of its struct module */
	char name[56]; /* MODULE_NAME_LEN */
	/* Its memory: text, then what else is known (data, read-only data, init), size 0: none. */
	struct {
		uint64_t base, size;
	} part[8];
	uint32_t parts;
};
/* Walk the kernel's module list: `index` 0, 1, ... False: the end, or it can't be read. Loops and
 * wild pointers end it; at most 1,024. */
bool kernel_module(const struct kernel *k, uint32_t index, struct kernel_module *module);
/* The one whose struct module lies at `va`, listed or not. False: its name can't be read. */
bool kernel_module_read(const struct kernel *k, uint64_t va, struct kernel_module *module);
/* The same in pieces: *node is 0 at first, and the caller's to keep. The list may change meanwhile;
 * the caller bounds the walk. */
bool kernel_module_next(const struct kernel *k, uint64_t *node, struct kernel_module *module);
/* The module that holds `va`. */
bool kernel_module_holding(const struct kernel *k, uint64_t va, struct kernel_module *module);
/* The same, and the nearest symbol below if its own table can be read. */
bool kernel_module_at(const struct kernel *k, uint64_t va, struct kernel_module *module,
		      char symbol[KERNEL_NAME_MAX], uint64_t *offset);

/* --- structures ------------------------------------------------------------------------------ */

/* Where a member lies. For a bit field `bits` is not 0 and `bit` the offset in bits of the whole
 * structure; else `offset` and `size` are bytes. */
struct kernel_member {
	uint32_t offset, size;
	uint32_t bit, bits;
};
/* `structure` and all names below are constants: their addresses are remembered.
 * `path`: a member, also one of a nested anonymous structure or union, or several joined by dots
 * ("mm.pgd", "sk.__sk_common.skc_daddr" step into embedded structures, not through pointers).
 * What can be asked is what the table of wanted members (wanted.h) lists: it is resolved at
 * the anchor, and the rest of BTF is not kept. 0; -ENOENT: this kernel has none. */
int kernel_member(const struct kernel *k, const char *structure, const char *path,
		  struct kernel_member *member);
/* Offset of such a member, -ENOENT (negative) if there is none. */
int64_t kernel_offset(const struct kernel *k, const char *structure, const char *path);
/* Size of a listed structure in bytes, 0: none. */
uint32_t kernel_size(const struct kernel *k, const char *structure);
/* Value of a listed enumerator ("PIDTYPE_TGID"). 0 or -ENOENT. */
int kernel_enum(const struct kernel *k, const char *enumerator, int64_t *value);

/* --- per-CPU variables ----------------------------------------------------------------------- */

/* Address of CPU `cpu`'s copy of a per-CPU variable ("runqueues", "current_task"), through
 * __per_cpu_offset; 0: none. */
uint64_t kernel_percpu(const struct kernel *k, const char *variable, uint32_t cpu);
/* What to add to a CPU's GS base to come to the pointer to its current task: current_task up to 6.1
 * and from 6.15 (where it is a kernel address, and so negative), pcpu_hot.current_task in between.
 * -ENOENT: unknown. */
int64_t kernel_current_offset(const struct kernel *k);
/* The task that CPU `cpu` runs, as its area says. 0: can't be read. */
uint64_t kernel_current(const struct kernel *k, uint32_t cpu);
