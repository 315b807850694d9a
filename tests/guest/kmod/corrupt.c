// SPDX-License-Identifier: GPL-2.0
/* A kernel that breaks its own lists where Vigil reads them, for half a second each, and mends
 * them. Only for test guests: what the kernel itself does with those lists meanwhile is up to the
 * script.
 */
#include <linux/cred.h>
#include <linux/delay.h>
#include <linux/idr.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "vtest.h"

#define BROKEN_MS 500

/* A pointer with another value for a while. The place must not be written by others meanwhile. */
static void lie(void *place, unsigned long value)
{
	unsigned long *word = place, keep = *word;

	WRITE_ONCE(*word, value);
	msleep(BROKEN_MS);
	WRITE_ONCE(*word, keep);
}

/* The process `pid` must sleep, and one made after it too, so that neither list end moves. */
static int break_tasks(int pid, bool loop)
{
	struct pid *number = find_get_pid(pid);
	struct task_struct *task = number ? get_pid_task(number, PIDTYPE_TGID) : NULL;

	put_pid(number);
	if (!task)
		return -ESRCH;
	lie(&task->tasks.next, loop ? (unsigned long)&task->tasks : 0xdead4ead00000100);
	put_task_struct(task);
	return 0;
}

/* A free slot of the PID table's top node leads back to that node. */
static int break_pidtable(void)
{
	unsigned long head = (unsigned long)init_pid_ns.idr.idr_rt.xa_head;
	struct xa_node *top = (struct xa_node *)(head & ~3ul);

	if (!xa_is_node((void *)head) || !top->shift)
		return -ENOENT;
	for (int i = XA_CHUNK_SIZE - 1; i > 0; i--) {
		if (top->slots[i])
			continue;
		lie(&top->slots[i], (unsigned long)top | 2);
		return 0;
	}
	return -ENOSPC;
}

/* The caller's own name, without an end and with what a JSON reader stumbles on; credentials are
 * committed so that Vigil looks. */
static int break_name(void)
{
	struct cred *cred;

	for (unsigned int i = 0; i < sizeof(current->comm); i++)
		current->comm[i] = "\"\\\n\x01\xff{}<"[i % 8];
	cred = prepare_creds();
	if (!cred)
		return -ENOMEM;
	commit_creds(cred);
	msleep(BROKEN_MS);
	strscpy(current->comm, "insmod", sizeof(current->comm));
	return 0;
}

/* Broken and mended at insmod; for some variants `pid` is a sleeping process that is not the
 * newest.
 */
static int start(const char *variant, int pid)
{
	int err = -EINVAL;

	if (!strcmp(variant, "modules")) { /* the list goes in a circle at this module */
		lie(&THIS_MODULE->list.next, (unsigned long)&THIS_MODULE->list);
		err = 0;
	} else if (!strcmp(variant, "module_wild")) {
		lie(&THIS_MODULE->list.next, 0x4141414141414141);
		err = 0;
	} else if (!strcmp(variant, "module_name")) {
		char keep[MODULE_NAME_LEN];

		memcpy(keep, THIS_MODULE->name, sizeof(keep));
		memset(THIS_MODULE->name, '"', sizeof(keep));
		msleep(BROKEN_MS);
		memcpy(THIS_MODULE->name, keep, sizeof(keep));
		err = 0;
	} else if (!strcmp(variant, "tasks")) {
		err = break_tasks(pid, true);
	} else if (!strcmp(variant, "tasks_wild")) {
		err = break_tasks(pid, false);
	} else if (!strcmp(variant, "pidtable")) {
		err = break_pidtable();
	} else if (!strcmp(variant, "name")) {
		err = break_name();
	}
	say("%s: broken and mended, status %d", variant, err);
	return err;
}

const struct trick corrupt_trick = {"corrupt", start, NULL};
