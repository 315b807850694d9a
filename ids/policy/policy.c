#include "ids/policy/policy.h"

#include <string.h>

#include "ids/policy/internal.h"

/* include/linux/socket.h, include/uapi/linux/bpf.h */
#define LINUX_AF_INET	    2
#define LINUX_AF_INET6	    10
#define LINUX_BPF_PROG_LOAD 5

/* --- what is asked for ------------------------------------------------------------------------ */

/* Gates that are told without a line. */
static uint64_t told_gates(const struct policy *p)
{
	uint64_t told = p->watch;

	for (unsigned g = 0; g < GATES; g++)
		if (policy_gates[g].told != DEFAULT_OFF && !(p->off & GATE_BIT(g)))
			told |= GATE_BIT(g);
	return told;
}

static uint64_t line_gates(const struct policy *p, bool denying)
{
	uint64_t gates = 0;

	for (uint32_t i = 0; i < p->blob->count[BLOB_POLICY_LINES]; i++)
		if (!denying || p->blob->policy_line[i].action == POLICY_DENY)
			gates |= p->blob->policy_line[i].gates;
	return gates;
}

/* Fields that lines of these gates match. */
static uint32_t line_fields(const struct policy *p, uint64_t gates)
{
	uint32_t fields = 0;

	for (uint32_t i = 0; i < p->blob->count[BLOB_POLICY_LINES]; i++) {
		const struct blob_policy_line *line = &p->blob->policy_line[i];

		for (uint32_t c = 0; line->gates & gates && c < line->conds; c++)
			fields |= FIELD_BIT(p->blob->policy_cond[line->cond_first + c].field);
	}
	return fields;
}

/* --- hits ------------------------------------------------------------------------------------- */

/* Unknown counts as what would be told. */
static bool is_not(const struct policy_record *r, enum policy_field f, uint64_t value)
{
	return !(r->has & FIELD_BIT(f)) || r->number[f] != value;
}

static bool told_by_default(const struct policy *p, const struct policy_record *r)
{
	uint64_t bit = GATE_BIT(r->gate);

	if (p->watch & bit)
		return true;
	if (p->off & bit)
		return false;
	switch (policy_gates[r->gate].told) {
	case DEFAULT_TOLD:
		return true;
	case DEFAULT_INET:
		return !is_not(r, FIELD_FAMILY, LINUX_AF_INET) ||
		       !is_not(r, FIELD_FAMILY, LINUX_AF_INET6) ||
		       r->unknown & FIELD_BIT(FIELD_FAMILY);
	case DEFAULT_CODE:
		return !is_not(r, FIELD_CMD, LINUX_BPF_PROG_LOAD) || is_not(r, FIELD_EUID, 0);
	case DEFAULT_TO_ROOT:
		return (!(r->has & FIELD_BIT(FIELD_TO)) || !r->number[FIELD_TO]) &&
		       is_not(r, FIELD_UID, 0);
	default:
		return false;
	}
}

static void decide(struct policy *p, struct probe_hit *hit)
{
	const struct policy_record *r = &p->record;
	const struct blob_policy_line *line;
	uint32_t err = 0;
	bool unread;

	line = match_first(p->blob, r, &unread);
	if (line ? line->action == POLICY_ALLOW : !told_by_default(p, r))
		return;
	/* A call that went on already can only be told. */
	if (line && line->action == POLICY_DENY && hit->sync) {
		err = line->err;
		if (!hit->deny)
			hit->deny = (int)err;
		p->stats.denied++;
	}
	p->stats.unread += unread;
	policy_tell(p, hit, line, err, unread);
}

/* The buffers behind keep what they held: nothing points to them yet. */
static void fresh(struct policy_record *r)
{
	memset(r, 0, offsetof(struct policy_record, caller));
	r->caller.va = r->leader.va = r->other.va = 0;
	r->other.uid = r->other.euid = 0;
	r->other.tgid = 0;
}

static void on_hit(struct policy *p, enum policy_hook_id id, struct probe_hit *hit)
{
	struct policy_record *r = &p->record;

	if (!p->on[id])
		return;
	p->stats.hits++;
	fresh(r);
	if (!policy_hooks[id].decode(&p->layout, hit, r) || !(p->layout.gates & GATE_BIT(r->gate)))
		return;
	record_caller(&p->layout, hit, r);
	decide(p, hit);
}

/* A probe's function is not told which probe it serves: one for each. */
/* clang-format off */
#define HITS(H) \
	H(BPRM_CHECK) H(CONNECT) H(SENDMSG) H(BIND) H(LISTEN) H(ACCEPT) H(SOCKET) H(KILL) H(PTRACE) \
	H(TRACEME) H(READ_FILE) H(LOAD_DATA) H(BPF) H(SETUID) H(CREDS) H(MOUNT) H(MOVE_MOUNT) \
	H(MPROTECT) H(MMAP) H(UNLINK) H(SYSCALL64) H(SYSCALL32)
/* clang-format on */

#define H(name)                                                                                    \
	static void hit_##name(void *ctx, struct probe_hit *hit)                                   \
	{                                                                                          \
		on_hit(ctx, HOOK_##name, hit);                                                     \
	}
HITS(H)
#undef H

static void (*const hits[HOOKS])(void *ctx, struct probe_hit *hit) = {
#define H(name) [HOOK_##name] = hit_##name,
	HITS(H)
#undef H
};

/* --- life ------------------------------------------------------------------------------------- */

static void build_probes(struct policy *p)
{
	uint64_t denied = line_gates(p, true);

	for (unsigned h = 0; h < HOOKS; h++) {
		const struct policy_hook *hook = &policy_hooks[h];

		if (!(hook->gates & p->layout.gates))
			continue;
		p->probe[p->probes++] = (struct probe){
			.symbol = hook->symbol,
			.hit = hits[h],
			.sync = hook->fleeting || hook->gates & denied ||
				hook->held & line_fields(p, hook->gates),
			.base = hook->base,
			.structure = hook->structure,
			.member = hook->member,
		};
	}
}

struct policy *policy_create(const struct policy_ops *ops, const struct blob *blob)
{
	struct policy *p = ops->alloc(ops->ctx, sizeof(*p));
	uint32_t lines = blob ? blob->count[BLOB_POLICY_LINES] : 0;

	if (!p)
		return NULL;
	p->ops = *ops;
	p->blob = blob ? blob : &p->none;
	p->limit = ops->alloc(ops->ctx, (lines + GATES) * sizeof(*p->limit));
	if (!p->limit)
		return NULL;
	if (p->blob->count[BLOB_POLICY]) {
		p->off = p->blob->policy->off;
		p->watch = p->blob->policy->watch;
	}
	p->layout.asked = line_gates(p, false) | p->watch;
	p->layout.gates = told_gates(p) | p->layout.asked;
	p->layout.fields = line_fields(p, GATES_ALL);
	build_probes(p);
	return p;
}

struct probe_set policy_probes(struct policy *p)
{
	return (struct probe_set){.probe = p->probe, .count = p->probes, .ctx = p};
}

/* --- attaching -------------------------------------------------------------------------------- */

static void say(struct policy *p, const char *text)
{
	size_t used = strlen(p->reason);

	strncat(p->reason, text, sizeof(p->reason) - 1 - used);
}

/* Name the gates that lines ask for and no working hook serves. Defaults that a kernel lacks are no
 * news. */
static void name_missing(struct policy *p)
{
	uint64_t wanted = line_gates(p, false) | p->watch, lost = 0;
	bool first = true;

	for (unsigned h = 0; h < HOOKS; h++)
		if (!p->on[h] && h != HOOK_SYSCALL32) /* many kernels are built without */
			lost |= policy_hooks[h].gates;
	for (unsigned g = 0; g < GATES; g++) {
		if (!(wanted & lost & GATE_BIT(g)))
			continue;
		say(p, first ? "policy does not hold on this kernel for: " : ", ");
		say(p, policy_gates[g].name);
		first = false;
	}
}

void policy_attach(struct policy *p, const struct kernel *k, const struct procs *procs)
{
	bool ready = kernel_state(k) == KERNEL_READY;

	p->reason[0] = 0;
	memset(p->on, 0, sizeof(p->on));
	if (!ready) {
		if (p->blob->count[BLOB_POLICY_LINES])
			say(p, "policy does not hold: the kernel's structures are not known");
		return;
	}
	layout_attach(&p->layout, k, procs);
	for (unsigned h = 0; h < HOOKS; h++)
		p->on[h] = !(policy_hooks[h].needs & p->layout.missing) &&
			   kernel_symbol(k, policy_hooks[h].symbol);
	name_missing(p);
}

void policy_unhooked(struct policy *p, const char *symbol)
{
	for (unsigned h = 0; h < HOOKS; h++)
		if (strcmp(policy_hooks[h].symbol, symbol) == 0) {
			p->on[h] = false;
			p->reason[0] = 0;
			name_missing(p);
		}
}

const char *policy_reason(const struct policy *p)
{
	return p->reason;
}

const struct policy_stats *policy_stats(const struct policy *p)
{
	return &p->stats;
}

uint32_t policy_lines(const struct policy *p)
{
	return p->blob->count[BLOB_POLICY_LINES];
}
