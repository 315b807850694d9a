/* Changes of the user. */
#include "ids/policy/hook.h"

/* setuid, setreuid, setresuid, setfsuid: the caller's users are those of the old credentials. */
bool decode_setuid(const struct policy_layout *l, const struct probe_hit *hit,
		   struct policy_record *r)
{
	uint64_t value;

	record_caller(l, hit, r);
	r->gate = GATE_SETUID;
	record_member(l, r, FIELD_TO, hit->arg[0], MEMBER_CRED_EUID);
	record_member(l, r, FIELD_UID, hit->arg[1], MEMBER_CRED_UID);
	record_member(l, r, FIELD_EUID, hit->arg[1], MEMBER_CRED_EUID);
	if (layout_read(l, hit->arg[0], MEMBER_CRED_UID, &value))
		record_note(r, "to_uid", NULL, value);
	return true;
}

/* Whatever the reason: setuid and the like, exec, capset, keyctl. The word taken at the call is the
 * effective user and, above it, its group; 0 stands for what could not be read as well, which so
 * counts as root's. */
bool decode_creds(const struct policy_layout *l, const struct probe_hit *hit,
		  struct policy_record *r)
{
	const struct proc *p = l->procs ? procs_find(l->procs, hit->current) : NULL;
	uint32_t to = (uint32_t)hit->captured;

	/* By default only who becomes root is told (DEFAULT_TO_ROOT); nearly all that come here,
	 * with each exec, remain what they were. */
	if (!(l->asked & GATE_BIT(GATE_CREDS)) && (to || (p && !p->uid)))
		return false;
	r->gate = GATE_CREDS;
	record_number(r, FIELD_TO, to);
	return true;
}
