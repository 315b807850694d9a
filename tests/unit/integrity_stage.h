/* A guest's kernel of the simplest kind for the tests of single checks of ids/integrity: memory
 * with what the test puts there, symbols and offsets that it names. It stands in for ids/guest,
 * ids/proc and for what integrity_impl.h gives to a check; what a check tells is kept.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "hv/errno.h"
#include "ids/integrity/integrity_impl.h"

#define STAGE_IMAGE                                                                                \
	0xffffffff81000000ull /* the kernel's image, 1 MiB; physically from 16 MiB on              \
			       */
#define STAGE_HEAP    0xffff888000000000ull /* 1 MiB more */
#define STAGE_MODULES 0xffffffffc0000000ull /* code of modules, 64 KiB */
#define STAGE_ALIAS   0xfffffe0000000000ull /* 64 KiB: what stage.alias says, read-only */
#define STAGE_ROOT    0x1000ull		    /* page tables of the kernel */
#define STAGE_MOVED   0x3000ull /* the same addresses as this kernel's, in other memory */
#define STAGE_OTHER   0x2000ull /* of another kernel: nothing of this one is mapped */

struct stage {
	uint8_t image[1 << 20], heap[1 << 20], modules[1 << 16];
	uint64_t used;	    /* of the heap */
	uint64_t alias;	    /* virtual address of what is at STAGE_ALIAS */
	uint64_t read_only; /* a page of the image's that is, 0: none */
	struct integrity in;
	struct check_run *run;
	struct abi_cpu cpu;	 /* what ABI_CALL_CPU gives */
	uint64_t watched, lstar; /* of ABI_CALL_WATCH */
	struct kernel_module module[4];
	uint32_t modules_listed;
	struct proc proc[16];
	uint32_t procs;
	/* Told. */
	uint32_t told;
	struct finding last;
	char expected[200], found[200], reason[200], symbol[200];
	char log[200];
	uint64_t reads;
};

extern struct stage *stage;

/* Begin with one check, not yet attached. */
void stage_open(const struct check *check);
void stage_close(void);
void stage_symbol(const char *name, uint64_t va);
void stage_offset(const char *structure, const char *member, int64_t offset);
void stage_enum(const char *name, int64_t value);
/* Attach; why it can't be, NULL: it can. */
const char *stage_attach(void);
/* Time passes, and the check is stepped when it is due. */
void stage_run(uint32_t ms);

uint64_t stage_alloc(uint64_t size); /* in the heap */
void *stage_at(uint64_t va, size_t len);
void stage_put(uint64_t va, uint64_t value);
void stage_put32(uint64_t va, uint32_t value);
uint64_t stage_get(uint64_t va);
void stage_module(uint32_t nr, const char *name, uint64_t base, uint64_t size);
