// SPDX-License-Identifier: GPL-2.0
/* A kprobe that does nothing: at the beginning of a function (by ftrace), or variant=inside, at its
 * next instruction (by INT3, and by a jump once it is optimised). With conceal=1 its handler lies
 * in no module that the kernel admits. */
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/string.h>

#include "vtest.h"

static int on_hit(struct kprobe *probe, struct pt_regs *regs)
{
	return 0;
}

static struct kprobe probe = {.symbol_name = "do_sys_openat2", .pre_handler = on_hit};

static int start(const char *variant, int pid)
{
	if (!strcmp(variant, "inside"))
		probe.offset = 5;
	return register_kprobe(&probe);
}

static void undo(void)
{
	unregister_kprobe(&probe);
}

const struct trick kprobe_trick = {"kprobe", start, undo};
