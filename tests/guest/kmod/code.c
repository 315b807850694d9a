// SPDX-License-Identifier: GPL-2.0
/* Executable memory of the kernel that belongs to no module, function or list: where a rootkit
 * leaves its code to unload the module that brought it. */
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "kernel.h"
#include "vtest.h"

static int (*change[2])(unsigned long at, int pages);
static void *page;

static int start(const char *variant, int pid)
{
	static const u8 code[] = {0x31, 0xc0, 0xc3}; /* xor %eax, %eax; ret */
	int (*set_ro)(unsigned long at, int pages) = (void *)lookup("set_memory_ro");
	int (*set_x)(unsigned long at, int pages) = (void *)lookup("set_memory_x");

	change[0] = (void *)lookup("set_memory_nx");
	change[1] = (void *)lookup("set_memory_rw");
	page = set_ro && set_x && change[0] && change[1] ? vmalloc(PAGE_SIZE) : NULL;
	if (!page)
		return -ENOMEM;
	memset(page, 0xcc, PAGE_SIZE);
	memcpy(page, code, sizeof(code));
	set_ro((unsigned long)page, 1);
	set_x((unsigned long)page, 1);
	say("code: at %px, says %d", page, ((int (*)(void))page)());
	return 0;
}

static void undo(void)
{
	change[0]((unsigned long)page, 1);
	change[1]((unsigned long)page, 1);
	vfree(page);
}

const struct trick code_trick = {"code", start, undo};
