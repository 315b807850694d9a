/* Whose is this executable address? By the kernel's own lists: modules, BPF programs and
 * trampolines, trampolines of ftrace, slots of kprobes, thunks.
 *
 * The lists lie in the guest's hands: who adds himself to one is visible there, to the checks of
 * that list.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ids/integrity/integrity_impl.h"

enum owner {
	OWNER_NONE,
	OWNER_KERNEL, /* text of the image */
	OWNER_INIT,   /* init text of the image; its memory is freed later */
	OWNER_MODULE,
	OWNER_BPF,    /* a program, a trampoline, a dispatcher, or a pack of them */
	OWNER_FTRACE, /* a trampoline of an ftrace_ops */
	OWNER_KPROBE, /* slots of instructions, optimized probes' detours */
	OWNER_THUNK,  /* for indirect jumps of a module */
	OWNER_UNSURE, /* the lists are too long to be gone through at once */
};

struct owner_range {
	uint64_t base, end; /* virtual; empty: nothing was found at this place of the list */
	enum owner owner;
};

/* Where an enumeration stands. Begin with zero. */
struct owner_cursor {
	uint32_t stage, part, steps;
	uint64_t node, mark; /* mark: an earlier one, to find a cycle */
	struct kernel_module module;
};

/* A kernel is known: resolve where its lists are. */
void owner_attach(struct integrity *in);

/* The next range, some 500 to 3,000 instructions. False: that was all. Every list is bounded, and
 * a broken one ends. A range may come twice. */
bool owner_next(const struct integrity *in, struct owner_cursor *cursor, struct owner_range *range);

/* The first range that holds `va`: for a text address at once, else up to two million instructions,
 * so once in a step. */
enum owner owner_of(const struct integrity *in, uint64_t va);
