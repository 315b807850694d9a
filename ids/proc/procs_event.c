/* `process` lines of the tasks that are followed, and the object that other events carry. */
#include <string.h>

#include "ids/proc/procs_impl.h"

static void put_identity(struct json *j, const struct proc *proc, int32_t ns_pid)
{
	json_i64(j, "pid", proc->pid);
	json_i64(j, "tgid", proc->tgid);
	json_i64(j, "ppid", proc->ppid);
	if (ns_pid)
		json_i64(j, "ns_pid", ns_pid);
	json_u64(j, "uid", proc->uid);
	json_strn(j, "comm", proc->comm, strnlen(proc->comm, sizeof(proc->comm)));
	if (proc->exe[0])
		json_strn(j, "exe", proc->exe, strnlen(proc->exe, sizeof(proc->exe)));
	if (proc->root)
		json_hex(j, "cr3", proc->root);
	if (proc->flags & TASK_PF_KTHREAD)
		json_bool(j, "kthread", true);
	else if (proc->flags & (TASK_PF_IO_WORKER | TASK_PF_USER_WORKER))
		json_bool(j, "io_worker", true);
}

static void put_time(struct procs *p, struct json *j, const char *key, uint64_t ns)
{
	char stamp[EVE_TIME_SIZE];

	if (!ns)
		return;
	eve_clock_time(&p->ops.eve->clock, stamp, ns);
	json_str(j, key, stamp);
}

bool procs_tell(struct procs *p, const struct entry *e, enum procs_action action, uint64_t now_ns)
{
	static const char *const names[] = {"fork", "exec", "exit"};
	struct eve *eve = p->ops.eve;

	if (!eve_admit(eve, EVE_CLASS_PROCESS)) {
		p->stats.untold++;
		return false;
	}
	struct json *j = eve_begin(eve, "process", now_ns);
	json_object(j, "process");
	json_str(j, "action", names[action]);
	put_identity(j, &e->proc, e->ns_pid);
	json_u64(j, "cpu", e->cpu);
	put_time(p, j, "start", e->fork_ns);
	if (action == PROCS_EXIT) {
		json_u64(j, "code", e->code >> 8 & 0xff);
		if (e->code & 0x7f)
			json_u64(j, "signal", e->code & 0x7f);
		if (!e->told) { /* one line for all of its life */
			json_bool(j, "short", true);
			json_u64(j, "execs", e->execs);
			if (e->fork_ns && e->exit_ns >= e->fork_ns)
				json_u64(j, "lived_us", (e->exit_ns - e->fork_ns) / 1000);
		}
	}
	json_close(j);
	if (eve_end(eve, EVE_CLASS_PROCESS))
		return true;
	p->stats.untold++;
	return false;
}

void procs_tell_brief(struct procs *p, uint64_t now_ns)
{
	struct eve *eve = p->ops.eve;

	if (!p->brief_count)
		return;
	if (eve_admit(eve, EVE_CLASS_PROCESS)) {
		struct json *j = eve_begin(eve, "process", now_ns);
		json_object(j, "process");
		json_str(j, "action", "exit");
		json_bool(j, "short", true);
		json_u64(j, "count", p->brief_count);
		json_u64(j, "execs", p->brief_execs);
		put_time(p, j, "start", p->brief_first_ns);
		json_close(j);
		p->stats.untold += !eve_end(eve, EVE_CLASS_PROCESS);
	} else {
		p->stats.untold++;
	}
	p->brief_count = p->brief_execs = 0;
}

void procs_put(const struct procs *p, struct json *j, uint64_t task_va)
{
	const struct proc *proc = procs_find(p, task_va);
	struct task t;

	json_object(j, "process");
	if (proc) {
		put_identity(j, proc, 0);
	} else if (p->k && task_va && !task_read(p->k, task_va, TASK_EXE, &t)) {
		struct proc read = {.va = task_va,
				    .root = t.root,
				    .pid = t.pid,
				    .tgid = t.tgid,
				    .ppid = t.ppid,
				    .uid = t.uid,
				    .flags = t.flags};
		memcpy(read.comm, t.comm, sizeof(read.comm));
		memcpy(read.exe, t.exe, sizeof(read.exe));
		put_identity(j, &read, 0);
	}
	json_close(j);
}
