// SPDX-License-Identifier: GPL-2.0
/* See vtest.h. insmod vtest.ko do=forbidden | do=read base=B size=S | do=write ... | do=rings
 * variant=V | do=TRICK [variant=V] [pid=P] [conceal=1], until rmmod | do=nothing.
 * A concealed module is found by rmmod only after `echo 1 > /sys/module/vtest/parameters/undo`. */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/string.h>

#include "vtest.h"

static char *what = "";
static char *variant = "";
static unsigned long base, size;
static int pid;
static bool concealed;

module_param_named(do, what, charp, 0);
module_param(variant, charp, 0);
module_param(base, ulong, 0);
module_param(size, ulong, 0);
module_param(pid, int, 0);
module_param_named(conceal, concealed, bool, 0);

static const struct trick *const tricks[] = {
	&hide_trick,   &ftrace_trick,  &fops_trick,    &dispatch_trick, &inline_trick,
	&lstar_trick,  &idt_trick,     &remap_trick,   &cred_trick,	&code_trick,
	&kprobe_trick, &control_trick, &corrupt_trick, &see_trick,
};
static const struct trick *done;

static void undo_all(void)
{
	if (done && done->undo)
		done->undo();
	done = NULL;
	if (concealed)
		reveal();
	concealed = false;
}

static int set_undo(const char *value, const struct kernel_param *param)
{
	undo_all();
	return 0;
}

static const struct kernel_param_ops undo_ops = {.set = set_undo};
module_param_cb(undo, &undo_ops, NULL, 0200);

static int try_trick(const struct trick *trick)
{
	int err = trick ? trick->start(variant, pid) : 0;

	if (err)
		return err;
	done = trick;
	err = concealed ? conceal() : 0;
	if (err) {
		concealed = false;
		undo_all();
	}
	return err;
}

static int __init vtest_init(void)
{
	if (!strcmp(what, "forbidden"))
		return try_forbidden();
	if (!strcmp(what, "read") || !strcmp(what, "write"))
		return try_memory(base, size, what[0] == 'w');
	if (!strcmp(what, "rings"))
		return try_rings(variant);
	if (!strcmp(what, "nothing"))
		return try_trick(NULL);
	for (size_t i = 0; i < ARRAY_SIZE(tricks); i++)
		if (!strcmp(what, tricks[i]->name))
			return try_trick(tricks[i]);
	return -EINVAL;
}

static void __exit vtest_exit(void)
{
	undo_all();
}

module_init(vtest_init);
module_exit(vtest_exit);
MODULE_DESCRIPTION("Vigil's tests: what a hostile kernel might try");
MODULE_LICENSE("GPL");
