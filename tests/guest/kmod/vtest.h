/* vtest: a hostile kernel module, for tests/linux. Each insmod does one thing and tells what came
 * of it in lines `vtest: ...` of the kernel's log. Loading succeeds if the thing could be tried. */
#pragma once

#include <linux/types.h>

#define say(fmt, ...) pr_notice("vtest: " fmt "\n", ##__VA_ARGS__)

/* Instructions that a guest of Vigil must not have: each is told as the vector that it raised. */
int try_forbidden(void);

/* Reads (and writes, if asked) `size` bytes of physical memory at `base`: tells how much of each
 * 2 MiB piece reads as ones, and whether a write changed anything. */
int try_memory(u64 base, u64 size, bool writing);

/* Breaks the rules of a split virtqueue of eth0, as `variant` says, and tells the device's status.
 */
int try_rings(const char *variant);

/* What rootkits do, each in a file of its own: done at insmod, undone at rmmod, and to no process
 * but the one that the test names. See tests/guest/README.md. */
struct trick {
	const char *name;
	/* 0, or the negative errno with which the module does not load; nothing is changed then. */
	int (*start)(const char *variant, int pid);
	void (*undo)(void); /* NULL: it is over when start() returns */
};
extern const struct trick hide_trick, ftrace_trick, fops_trick, dispatch_trick, inline_trick,
	lstar_trick, idt_trick, remap_trick, cred_trick, code_trick, kprobe_trick, control_trick,
	corrupt_trick, see_trick;

/* The module out of the kernel's list of modules, and in it again. */
int conceal(void);
void reveal(void);
