/* What one process does to another: signals and ptrace. */
#include <string.h>

#include "ids/policy/hook.h"

#define PTRACE_MODE_ATTACH 0x02u /* include/linux/ptrace.h */

/* The process at the other end, into r->other. Later than the call it may be gone; then what was
 * followed of it is told. False: nothing is known of it. */
static bool of_target(const struct policy_layout *l, const struct probe_hit *hit, uint64_t va,
		      struct policy_record *r)
{
	const struct proc *p = l->procs && !hit->sync ? procs_find(l->procs, va) : NULL;
	struct task *t = &r->other;

	memset(t, 0, sizeof(*t));
	if (p) {
		t->va = p->va;
		t->pid = p->pid;
		t->tgid = p->tgid;
		t->uid = t->euid = p->uid;
		memcpy(t->comm, p->comm, sizeof(t->comm));
		t->comm[sizeof(t->comm) - 1] = 0;
	} else if (task_read(l->kernel, va, TASK_PLAIN, t)) {
		record_unknown(r, FIELD_TARGET);
		record_unknown(r, FIELD_TO);
		return false;
	}
	record_text(r, FIELD_TARGET, t->comm);
	record_number(r, FIELD_TO, t->uid);
	record_note(r, "target_pid", NULL, (uint32_t)t->tgid);
	return true;
}

/* Would the caller's own user be allowed to signal it (kernel/signal.c, kill_ok_by_cred)? */
static bool same_user(const struct policy_record *r)
{
	uint32_t users = FIELD_BIT(FIELD_UID) | FIELD_BIT(FIELD_EUID);

	if ((r->has & users) != users)
		return false;
	return r->number[FIELD_UID] == r->other.uid || r->number[FIELD_EUID] == r->other.uid;
}

static bool own_process(const struct policy_record *r, bool known)
{
	return known && r->has & FIELD_BIT(FIELD_PID) &&
	       r->number[FIELD_PID] == (uint64_t)(uint32_t)r->other.tgid;
}

bool decode_kill(const struct policy_layout *l, const struct probe_hit *hit,
		 struct policy_record *r)
{
	uint32_t signal = (uint32_t)hit->arg[2];
	bool known = of_target(l, hit, hit->arg[0], r);

	record_caller(l, hit, r);
	if (own_process(r, known))
		return false;
	record_number(r, FIELD_SIGNAL, signal);
	/* Signal 0 only asks whether there is such a process. */
	r->gate = signal && !(known && same_user(r)) ? GATE_KILL : GATE_SIGNAL;
	return true;
}

bool decode_ptrace(const struct policy_layout *l, const struct probe_hit *hit,
		   struct policy_record *r)
{
	/* Reading is what ps and top do with every process. Attaching is ptrace() itself, and also
	 * /proc/PID/mem, process_vm_writev() and pidfd_getfd(). */
	r->gate = hit->arg[1] & PTRACE_MODE_ATTACH ? GATE_PTRACE : GATE_PTRACE_READ;
	if (!(l->gates & GATE_BIT(r->gate)))
		return false;
	record_caller(l, hit, r);
	return !own_process(r, of_target(l, hit, hit->arg[0], r));
}

/* The caller wants its parent to trace it. */
bool decode_traceme(const struct policy_layout *l, const struct probe_hit *hit,
		    struct policy_record *r)
{
	of_target(l, hit, hit->arg[0], r);
	r->gate = GATE_TRACEME;
	return true;
}
