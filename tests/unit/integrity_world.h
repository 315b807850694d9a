/* A guest's kernel of the simplest kind for the tests of ids/integrity: an image with page tables,
 * the lists of what it patches, modules. It stands in for ids/guest/kernel and ids/proc, whose
 * interfaces it implements; ids/guest/mem is the real one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ids/integrity/integrity.h"

#define WORLD_HZ     1000000000ull
#define WORLD_MEMORY (8u << 20)
#define TEXT	     0xffffffff81000000ull
#define TEXT_PAGES   16u
#define RODATA	     0xffffffff81200000ull
#define RODATA_PAGES 8u
#define DATA	     0xffffffff81400000ull
#define DATA_PAGES   16u
#define MODULE_AREA  0xffffffffc0000000ull
#define PHYS	     0x200000ull /* of TEXT; the rest follows as far away as virtually */

/* Places in the image. */
#define FTRACE_SITE(i)	(TEXT + 0x100 + 0x80ull * (i)) /* 64 of them */
#define FTRACE_SITES	64u
#define FTRACE_CALLER	(TEXT + 0x5000)
#define JUMP_SITE	(TEXT + 0x6010)
#define JUMP_TARGET	(TEXT + 0x6080)
#define PLAIN		(TEXT + 0x8123) /* text that nobody patches */
#define SYS_CALLS	(RODATA + 0x1000)
#define SYS_CALL_COUNT	32u
#define SYSTEM_STATE	DATA
#define MODULES		(DATA + 0x10)
#define FTRACE_OPS_LIST (DATA + 0x30)
#define BPF_KSYMS	(DATA + 0x40)
#define INSN_SLOTS	(DATA + 0x60)
#define KPROBES		(DATA + 0x400)	/* the table */
#define HEAP		(DATA + 0x1000) /* for structures of a test */

/* Offsets of the world's structures. */
enum {
	M_LIST = 0x08,
	M_STATE = 0x18,
	M_NAME = 0x20,
	M_BASE = 0x40,
	M_SIZE = 0x48,
	K_ADDR = 0x10,
	K_HANDLER = 0x18,
	K_FLAGS = 0x20,
	K_OPCODE = 0x24,
	K_SIZE = 0x30,
	K_COPIED = 0x40,
	O_NEXT = 0x08,
	O_TRAMPOLINE = 0x10,
	O_SIZE = 0x18,
	B_START = 0x00,
	B_END = 0x08,
	B_NODE = 0x10,
	I_LIST = 0x00,
	I_INSNS = 0x10,
};

struct world {
	uint8_t *memory;
	uint64_t tables; /* next free page for page tables */
	uint64_t pages;	 /* next free page for modules */
	uint64_t tsc;
	uint64_t reads, reads_most; /* pages asked for; in one step */
	struct integrity *integrity;
	struct eve eve;
	uint64_t seq;
	uint32_t events;
	char last[EVE_LINE_MAX];
	uint32_t guards; /* calls that close a range */
	bool no_guards;
	uint8_t bytes[ABI_GUARD_BYTES];
	uint32_t restored, frozen;
	struct probe_set probes;
};

extern struct world *world;

/* A kernel that has booted as far as SYSTEM_SCHEDULING; and one that runs and is known. */
void world_open(void);
void world_run_kernel(void);
void world_close(void);

/* Time passes. */
void world_pass(uint32_t ms);

void world_write(uint64_t va, const void *bytes, size_t len);
void world_put(uint64_t va, uint64_t value);
/* The same with the event of the guard before it. */
void world_write_guarded(uint64_t va, const void *bytes, size_t len);
/* An instruction of five bytes, CALL (0xe8) or JMP (0xe9), to `target`. */
void world_branch(uint64_t va, uint8_t opcode, uint64_t target);

/* Map a page; bit 1 of `rights`: writable, bit 0: executable. Returns its frame. */
#define WORLD_X 1u
#define WORLD_W 2u
void world_map(uint64_t va, uint64_t gpa, uint32_t rights);
void world_unmap(uint64_t va);
uint64_t world_page(void); /* a frame nobody uses */

/* A module of one page at MODULE_AREA + n pages, listed. Returns its struct module. */
uint64_t world_module(uint32_t n, const char *name);
void world_unlist(uint64_t module);

/* The last event holds this text. */
bool world_says(const char *text);
