/* A small Linux in a buffer, for the tests and fuzz targets of ids/guest and what stands on it:
 * RAM, page tables, an image with text, kallsyms and BTF, and tasks whose structures lie as that
 * BTF says. It knows by itself where things are, so that tests can compare.
 *
 * Stands on nothing of ids/guest but the header of its accessor. Aborts where it is used wrongly.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ids/guest/mem.h"

#define FAKE_RAM     (16u << 20) /* bytes, from physical 0 on, but for the hole */
#define FAKE_HOLE    0xa0000ull	 /* 64 KiB that are no RAM */
#define FAKE_IMAGE   0x400000ull /* physical address of the image */
#define FAKE_SIZE    0x400000ull /* of the image */
#define FAKE_BASE    0xffffffff81000000ull
#define FAKE_KINDS   1400 /* symbols */
#define FAKE_CPUS    2
#define FAKE_BTF_MAX (256u << 10)

#define FAKE_CHECK(ok)                                                                             \
	do {                                                                                       \
		if (!(ok))                                                                         \
			abort();                                                                   \
	} while (0)

/* Which kernel: all false is like 6.12. */
struct fake_options {
	bool one_byte;	    /* lengths of names in one byte only (until 6.0) */
	bool offsets_first; /* offsets before the names (until 6.3) */
	bool order;	    /* the order of the names behind the markers (6.2) */
	bool plain;	    /* no absolute per-CPU symbols (from 6.15) */
	bool old_layout;    /* structures as in 6.1 */
	bool no_btf;
	bool la57;
	bool no_sites;	/* ftrace sites are calls still: see fake_make_sites() */
	uint32_t slide; /* KASLR, in pieces of 2 MiB */
	uint32_t gap;	/* bytes between members: structures lie elsewhere */
};

struct fake_symbol {
	char name[160];
	char type;
	uint64_t address;
};

/* Where a member lies, as the fake knows it. */
struct fake_member {
	char structure[32], path[64];
	uint32_t offset, size;
	uint32_t bit, bits; /* bits: 0 for none */
};

/* BTF while it is written. */
struct fake_btf {
	uint8_t types[FAKE_BTF_MAX], strings[FAKE_BTF_MAX];
	uint32_t types_size, strings_size, id; /* id: of the next type */
};

struct fake {
	struct fake_options opt;
	uint8_t *ram;
	uint64_t base;		  /* virtual, of the image */
	uint64_t direct_map;	  /* virtual, of physical 0 */
	uint64_t boot_root, root; /* physical: tables at the anchor, and init_top_pgt */
	uint64_t tables, used;	  /* next free page for tables, next free byte for all else */
	uint64_t pages;		  /* calls of the gmem's callback */
	struct fake_symbol symbol[FAKE_KINDS];
	uint32_t symbols;
	uint64_t kallsyms, kallsyms_end; /* virtual: from the first table to the last */
	uint64_t markers, names, tokens; /* virtual */
	uint64_t btf, btf_end;
	struct fake_btf blob;
	struct fake_member member[1024];
	uint32_t members;
	uint64_t function; /* place of the next function */
	uint64_t data;	   /* of the next variable */
	uint64_t init_task, init_ns;
	uint64_t cpu[FAKE_CPUS]; /* per-CPU areas; the current task lies at 0x340 of them */
};

struct fake *fake_open(const struct fake_options *opt);
void fake_close(struct fake *f);
struct gmem fake_gmem(struct fake *f);

/* Value of LSTAR at the anchor. */
uint64_t fake_lstar(const struct fake *f);
/* Address of a symbol. Aborts: there is none. */
uint64_t fake_address(const struct fake *f, const char *name);
/* The function has its ftrace site (`endbr`: behind an ENDBR64) only from now on. */
void fake_make_sites(struct fake *f);

/* --- memory --- */

/* The bytes at a virtual address of the direct map or the image. */
uint8_t *fake_at(struct fake *f, uint64_t va, size_t len);
uint64_t fake_get(struct fake *f, uint64_t va);
void fake_set(struct fake *f, uint64_t va, uint64_t value);
void fake_set32(struct fake *f, uint64_t va, uint32_t value);
/* Zeroed memory in the direct map, 64-byte aligned. */
uint64_t fake_alloc(struct fake *f, size_t size);
uint64_t fake_string(struct fake *f, const char *text);
/* Map a page of 4 KiB, 2 MiB or 1 GiB (`level` 1 to 3) in the tables at `root`; `flags` as in the
 * entry. */
void fake_map(struct fake *f, uint64_t root, uint64_t va, uint64_t gpa, uint32_t level,
	      uint64_t flags);
uint64_t fake_table(struct fake *f); /* a new page for tables; physical */

#define FAKE_PRESENT 1ull
#define FAKE_WRITE   2ull
#define FAKE_USER    4ull
#define FAKE_LARGE   0x80ull
#define FAKE_NX	     (1ull << 63)

/* --- structures --- */

/* Offset of a member as the fake laid it out; "task_struct", "pid". Aborts: there is none. */
uint32_t fake_offset(const struct fake *f, const char *structure, const char *path);
uint32_t fake_size(const struct fake *f, const char *structure);
/* Write a member of 1, 2, 4 or 8 bytes. */
void fake_put(struct fake *f, uint64_t va, const char *structure, const char *path, uint64_t value);

/* BTF by hand. Each adds a type and returns its number. `info`: kind << 24 | vlen, with bit 31. */
uint32_t fake_btf_type(struct fake_btf *b, const char *name, uint32_t info, uint32_t size);
void fake_btf_word(struct fake_btf *b, uint32_t word); /* behind the type added last */
uint32_t fake_btf_name(struct fake_btf *b, const char *name);
void fake_btf_begin(struct fake_btf *b);
/* All of the table of structures; fills f->member. */
void fake_btf_structures(struct fake *f);
/* Put the blob into the image, in place of what was there. */
void fake_btf_place(struct fake *f);

/* --- for the builder --- */
void fake_add_symbol(struct fake *f, const char *name, char type, uint64_t address);
void fake_kallsyms(struct fake *f, uint64_t va); /* write the tables at `va` */

/* --- tasks --- */

#define FAKE_KTHREAD 0x00200000u

/* A task in no list. `leader` 0: a process of its own. */
uint64_t fake_task(struct fake *f, uint32_t pid, uint64_t leader, uint64_t parent,
		   const char *comm);
/* It runs this file: gets an mm with a page-table root, and comm and exe_file. */
void fake_exec(struct fake *f, uint64_t task, const char *path);
void fake_cred(struct fake *f, uint64_t task, uint32_t uid);
/* Its number in a namespace of depth `level`. */
void fake_ns_pid(struct fake *f, uint64_t task, uint32_t level, uint32_t nr);
/* A file of this path, opened as `fd` of the task. Returns the struct file. */
uint64_t fake_file(struct fake *f, const char *path);
void fake_open_file(struct fake *f, uint64_t task, uint32_t fd, uint64_t file);
void fake_link(struct fake *f, uint64_t task); /* into the task list */
void fake_unlink(struct fake *f, uint64_t task);
/* A module in the list. Returns its struct module. */
uint64_t fake_module(struct fake *f, const char *name, uint64_t text, uint32_t size);
