/* Who calls. */
#include <string.h>

#include "ids/policy/record.h"

/* Names change within the call's millisecond when it is an exec; what is followed of the process
 * changes only with the hits, in their order. */
static void of_followed(const struct policy_layout *l, struct policy_record *r)
{
	const struct proc *p = l->procs ? procs_find(l->procs, r->leader.va) : NULL;

	if (!p)
		return;
	if (p->comm[0])
		memcpy(r->leader.comm, p->comm, sizeof(p->comm));
	if (p->exe[0])
		memcpy(r->caller.exe, p->exe, sizeof(p->exe));
	r->leader.comm[sizeof(r->leader.comm) - 1] = 0;
	r->caller.exe[sizeof(r->caller.exe) - 1] = 0;
	record_number(r, FIELD_UID, p->uid);
}

/* The name of the process, which is its first thread's: io_uring's workers and other threads have
 * names of their own. */
static bool read_leader(const struct policy_layout *l, struct policy_record *r)
{
	if (r->caller.leader == r->caller.va || !r->caller.leader) {
		r->leader = r->caller;
		return true;
	}
	return task_read(l->kernel, r->caller.leader, TASK_PLAIN, &r->leader) == 0;
}

static void read_parent(const struct policy_layout *l, struct policy_record *r)
{
	if (task_read(l->kernel, r->leader.parent, TASK_PLAIN, &r->other) == 0) {
		memcpy(r->parent, r->other.comm, sizeof(r->parent));
		r->parent[sizeof(r->parent) - 1] = 0;
		record_text(r, FIELD_PARENT, r->parent);
	}
}

void record_caller(const struct policy_layout *l, const struct probe_hit *hit,
		   struct policy_record *r)
{
	bool exe = l->fields & FIELD_BIT(FIELD_EXE);
	struct task *t = &r->caller;

	if (r->called)
		return;
	r->called = true;
	r->unknown |= FIELDS_CALLER;
	if (!hit->current || task_read(l->kernel, hit->current, exe ? TASK_EXE : TASK_PLAIN, t))
		return;
	record_number(r, FIELD_UID, t->uid);
	record_number(r, FIELD_EUID, t->euid);
	record_number(r, FIELD_PID, (uint32_t)t->tgid);
	if (t->flags & TASK_PF_IO_WORKER)
		r->number[FIELD_FLAGS] |= FLAG_URING;
	if (!read_leader(l, r))
		return;
	if (!hit->sync)
		of_followed(l, r);
	record_text(r, FIELD_COMM, r->leader.comm);
	/* Only a kernel thread has none. */
	if (exe && (t->exe[0] || !t->mm) && strlen(t->exe) < sizeof(t->exe) - 1)
		record_text(r, FIELD_EXE, t->exe);
	if (l->fields & FIELD_BIT(FIELD_PARENT))
		read_parent(l, r);
}
