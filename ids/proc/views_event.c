/* The events of hidden processes: told once for each change. */
#include <string.h>

#include "ids/proc/views_impl.h"

static bool is_there(uint8_t missing, enum view view)
{
	return !(missing >> view & 1);
}

static void put_views(struct json *j, const struct group *group, uint8_t missing)
{
	json_object(j, "views");
	/* It began under Vigil's eyes or was seen on a CPU. */
	json_bool(j, "ran", group->ran_tsc || group->started);
	json_bool(j, "tasklist", is_there(missing, VIEW_TASKLIST));
	json_bool(j, "pidtable", is_there(missing, VIEW_PIDTABLE));
	if (group->missed[VIEW_PROC] || group->back[VIEW_PROC])
		json_bool(j, "proc", is_there(missing, VIEW_PROC));
	json_close(j);
}

/* False: there was no room for the event; it will be tried again. */
static bool put_event(struct views *v, const struct group *group, uint8_t missing, uint64_t now_ns)
{
	struct task task = {0};
	struct eve *eve = v->ops.eve;
	/* Of the class of alerts: a storm of processes must not drown it. */
	if (!eve_admit(eve, EVE_CLASS_URGENT))
		return false;
	(void)task_read(v->k, group->va, TASK_EXE, &task);
	struct json *j = eve_begin(eve, "process", now_ns);
	json_object(j, "process");
	json_str(j, "action", missing ? "hidden" : "unhidden");
	json_u64(j, "pid", group->tgid);
	json_u64(j, "tgid", group->tgid);
	json_i64(j, "ppid", task.ppid);
	json_u64(j, "uid", task.uid);
	json_strn(j, "comm", task.comm, strnlen(task.comm, sizeof(task.comm)));
	json_strn(j, "exe", task.exe, strnlen(task.exe, sizeof(task.exe)));
	json_hex(j, "cr3", task.root);
	put_views(j, group, missing);
	json_array(j, "flows");
	if (v->ops.flows)
		v->ops.flows(v->k, group->va, j);
	json_close(j);
	json_close(j);
	return eve_end(eve, EVE_CLASS_URGENT);
}

/* Others read it in procs' own record. */
static void mark_proc(struct views *v, const struct group *group)
{
	uint32_t cursor = 0;
	for (struct proc *p; (p = procs_next(v->procs, &cursor));)
		if (p->va == group->va)
			p->hidden = group->told;
}

void views_tell(struct views *v, struct group *group, uint64_t now_ns)
{
	uint8_t missing = views_missing(group);
	uint8_t told = group->told & (uint8_t)~views_back(group);
	/* Nothing new: what misses it was told, and none of those has it again. */
	if (!(missing & ~group->told) && told == group->told)
		return;
	told |= missing;
	/* One view beyond doubt makes a single absence in another one credible. */
	for (int i = 0; told && i < VIEWS; i++)
		if (group->missed[i])
			told |= (uint8_t)(1u << i);
	if (!put_event(v, group, told, now_ns))
		return;
	v->stats.told += told != 0;
	v->stats.untold += told == 0;
	v->stats.hidden -= group->told != 0;
	v->stats.hidden += told != 0;
	group->told = told;
	mark_proc(v, group);
}

void views_forget(struct views *v, struct group *group)
{
	v->stats.hidden -= group->told != 0;
	groups_remove(&v->groups, group);
}
