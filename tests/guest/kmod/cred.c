// SPDX-License-Identifier: GPL-2.0
/* A process made root's without the kernel's commit_creds(): its credentials are overwritten, or
 * (variant=pointer) it gets those of the first process. */
#include <linux/cred.h>
#include <linux/kernel.h>
#include <linux/pid.h>
#include <linux/sched/task.h>
#include <linux/string.h>

#include "kernel.h"
#include "vtest.h"

static struct task_struct *task;
static const struct cred *cred, *real_cred;
static kuid_t uid, euid, suid, fsuid;
static bool by_pointer;

static void set_ids(kuid_t u, kuid_t e, kuid_t s, kuid_t f)
{
	struct cred *c = (struct cred *)cred;

	c->uid = u;
	c->euid = e;
	c->suid = s;
	c->fsuid = f;
}

static void set_pointers(const struct cred *c, const struct cred *r)
{
	rcu_assign_pointer(task->real_cred, r);
	rcu_assign_pointer(task->cred, c);
}

static int start(const char *variant, int pid)
{
	const struct cred *root = (const struct cred *)lookup("init_cred");
	struct pid *number = find_get_pid(pid);

	task = number ? get_pid_task(number, PIDTYPE_TGID) : NULL;
	put_pid(number);
	if (!task || !root) {
		if (task)
			put_task_struct(task);
		return -ESRCH;
	}
	cred = rcu_access_pointer(task->cred);
	real_cred = rcu_access_pointer(task->real_cred);
	uid = cred->uid;
	euid = cred->euid;
	suid = cred->suid;
	fsuid = cred->fsuid;
	by_pointer = !strcmp(variant, "pointer");
	if (by_pointer)
		set_pointers(root, root);
	else
		set_ids(GLOBAL_ROOT_UID, GLOBAL_ROOT_UID, GLOBAL_ROOT_UID, GLOBAL_ROOT_UID);
	return 0;
}

static void undo(void)
{
	if (by_pointer)
		set_pointers(cred, real_cred);
	else
		set_ids(uid, euid, suid, fsuid);
	put_task_struct(task);
}

const struct trick cred_trick = {"cred", start, undo};
