// SPDX-License-Identifier: GPL-2.0
/* See divert.h. */
#include "divert.h"

#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/string.h>

static void *replacement;
static void **original;

static void notrace on_call(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
			    struct ftrace_regs *fregs)
{
	struct pt_regs *regs = ftrace_get_regs(fregs);

	if (regs) {
		*original = (void *)(ip + MCOUNT_INSN_SIZE);
		regs->ip = (unsigned long)replacement;
	}
}

static struct ftrace_ops ops = {
	.func = on_call,
	.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_RECURSION | FTRACE_OPS_FL_IPMODIFY,
};

int divert(const char *symbol, void *instead, void **real)
{
	char name[64];
	int err;

	strscpy(name, symbol, sizeof(name));
	replacement = instead;
	original = real;
	err = ftrace_set_filter(&ops, name, strlen(name), 1);
	return err ? err : register_ftrace_function(&ops);
}

void undivert(void)
{
	unregister_ftrace_function(&ops);
}
