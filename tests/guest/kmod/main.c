// SPDX-License-Identifier: GPL-2.0
/* See vtest.h. insmod vtest.ko do=forbidden | do=read base=B size=S | do=write ... | do=rings
 * variant=V | do=hide variant=V pid=P, until rmmod | do=corrupt variant=V [pid=P] */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/string.h>

#include "vtest.h"

static char *what = "";
static char *variant = "";
static unsigned long base, size;
static int pid;

module_param_named(do, what, charp, 0);
module_param(variant, charp, 0);
module_param(base, ulong, 0);
module_param(size, ulong, 0);
module_param(pid, int, 0);

static int __init vtest_init(void)
{
	if (!strcmp(what, "forbidden"))
		return try_forbidden();
	if (!strcmp(what, "read") || !strcmp(what, "write"))
		return try_memory(base, size, what[0] == 'w');
	if (!strcmp(what, "rings"))
		return try_rings(variant);
	if (!strcmp(what, "hide"))
		return try_hide(variant, pid);
	if (!strcmp(what, "corrupt"))
		return try_corrupt(variant, pid);
	return -EINVAL;
}

static void __exit vtest_exit(void)
{
	undo_hide();
}

module_init(vtest_init);
module_exit(vtest_exit);
MODULE_DESCRIPTION("Vigil's tests: what a hostile kernel might try");
MODULE_LICENSE("GPL");
