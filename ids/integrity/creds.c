/* Credentials: who became root without asking.
 *
 * A struct cred does not change once it is in use: whoever gets other users or capabilities gets
 * another one, by commit_creds() (setuid, exec, setns, ...) or as a new task. So each task has the
 * credentials of its start or of its last commit_creds(), which are read when the hit comes and
 * compared in a sweep over all tasks. What counts is real_cred: override_creds(), which overlayfs
 * and nfsd use all the time, replaces only `cred`, for a while. Hits come about a millisecond late,
 * so a difference must be met twice with no hit between.
 */
#include <stdio.h>
#include <string.h>

#include "ids/integrity/integrity_impl.h"

#define SETS	  512u /* of the table, a power of two */
#define WAYS	  6u   /* tasks in each */
#define SLICE	  64   /* tasks in a step */
#define SLICE_MS  5
#define PERIOD_MS 200  /* between two sweeps */
#define CRED_MAX  256u /* bytes from the first to the last member */
#define LOOKS	  3
#define LOOKS_MS  60
#define ORPHANS	  64u /* commits of which the task is not known */
#define EXITED	  (TASK_PF_EXITING | TASK_PF_KTHREAD)

struct rights {
	uint64_t cred; /* address of the struct cred */
	uint64_t caps; /* effective */
	uint32_t uid, euid;
};

/* What a task has to have: what it had, or what it was about to commit at the last hit. */
struct known {
	uint64_t task; /* 0: free */
	uint32_t seen; /* when it was looked at last: creds.sweep */
	int32_t pid;
	bool doubted;		    /* it had others at the last look */
	struct rights rights, next; /* next.cred 0: nothing */
};

struct creds {
	uint32_t real_cred, flags, pid; /* offsets in struct task_struct */
	uint32_t uid, euid, caps;	/* in struct cred */
	uint32_t first, bytes;		/* what of a struct cred holds them */
	uint32_t cursor, sweep;		/* of the sweep, and its number */
	bool heard; /* commit_creds is hooked: it was hit once. Else no change can be judged */
	uint64_t orphan[ORPHANS]; /* struct creds committed */
	uint32_t orphans;
};

/* --- reading ----------------------------------------------------------------------------------
 */

static bool read_rights(const struct check_run *run, uint64_t cred, struct rights *r)
{
	const struct gspace *space = kernel_space(run->in->k);
	const struct creds *st = run->state;
	uint8_t bytes[CRED_MAX];

	r->cred = cred;
	if (!cred || gspace_read(space, cred + st->first, bytes, st->bytes))
		return false;
	memcpy(&r->uid, bytes + (st->uid - st->first), sizeof(r->uid));
	memcpy(&r->euid, bytes + (st->euid - st->first), sizeof(r->euid));
	memcpy(&r->caps, bytes + (st->caps - st->first), sizeof(r->caps));
	return true;
}

static bool read_task(const struct check_run *run, uint64_t task, int32_t *pid, uint32_t *flags,
		      struct rights *r)
{
	const struct gspace *space = kernel_space(run->in->k);
	const struct creds *st = run->state;
	uint64_t cred, again;
	uint32_t nr;

	if (gspace_u32(space, task + st->pid, &nr) || gspace_u32(space, task + st->flags, flags) ||
	    gspace_u64(space, task + st->real_cred, &cred) || !read_rights(run, cred, r) ||
	    gspace_u64(space, task + st->real_cred, &again))
		return false;
	*pid = (int32_t)nr;
	return again == cred;
}

/* --- the table --------------------------------------------------------------------------------
 */

static struct known *set_of(const struct check_run *run, uint64_t task)
{
	struct known *table = run->memory;

	return &table[((task >> 6) * 0x9e3779b97f4a7c15ull >> 48 & (SETS - 1)) * WAYS];
}

static struct known *find(const struct check_run *run, uint64_t task)
{
	struct known *set = set_of(run, task);

	for (uint32_t i = 0; i < WAYS; i++)
		if (set[i].task == task)
			return &set[i];
	return NULL;
}

/* Take what a task has for right. The table may be full of others: the one longest not seen goes.
 */
static void take(const struct check_run *run, uint64_t task, int32_t pid, const struct rights *r)
{
	struct known *set = set_of(run, task), *to = find(run, task);
	const struct creds *st = run->state;

	for (uint32_t i = 0; i < WAYS && !to; i++)
		if (!set[i].task)
			to = &set[i];
	if (!to) {
		to = &set[0];
		for (uint32_t i = 1; i < WAYS; i++)
			if (set[i].seen < to->seen)
				to = &set[i];
	}
	*to = (struct known){.task = task, .seen = st->sweep, .pid = pid, .rights = *r};
	integrity_innocent(run->in, WHAT_CREDENTIALS, task);
}

/* --- hits -------------------------------------------------------------------------------------
 */

static bool at_work(const struct check_run *run)
{
	return run->in->k && run->next;
}

/* wake_up_new_task(p): it has its creator's rights, or those of its own namespace. */
static void on_fork(void *ctx, struct probe_hit *hit)
{
	const struct check_run *run = ctx;
	struct rights r;
	uint32_t flags;
	int32_t pid;

	if (at_work(run) && read_task(run, hit->arg[0], &pid, &flags, &r))
		take(run, hit->arg[0], pid, &r);
}

/* commit_creds(new). */
static void on_commit(void *ctx, struct probe_hit *hit)
{
	const struct check_run *run = ctx;
	struct creds *st = run->state;
	struct known *k = at_work(run) ? find(run, hit->current) : NULL;
	struct rights r;

	if (!at_work(run))
		return;
	st->heard = true;
	if (!hit->current)
		st->orphan[st->orphans++ % ORPHANS] = hit->arg[0];
	if (!k || !read_rights(run, hit->arg[0], &r))
		return;
	/* The one before is done: the task has gone on from there. */
	if (k->next.cred)
		k->rights = k->next;
	k->next = r;
	integrity_innocent(run->in, WHAT_CREDENTIALS, k->task);
}

static const struct probe probes[] = {
	{.symbol = "wake_up_new_task", .hit = on_fork},
	{.symbol = "commit_creds", .hit = on_commit},
};

/* --- the sweep --------------------------------------------------------------------------------
 */

static const char *describe(char text[INTEGRITY_TEXT], const struct rights *r)
{
	snprintf(text, INTEGRITY_TEXT, "uid %u, euid %u, capabilities 0x%llx", (unsigned)r->uid,
		 (unsigned)r->euid, (unsigned long long)r->caps);
	return text;
}

static bool became_more(const struct rights *was, const struct rights *is)
{
	return (!is->uid && was->uid) || (!is->euid && was->euid) || is->caps & ~was->caps;
}

/* Why these rights are none that the task can have come to; NULL: they are. */
static const char *wrong(const struct creds *st, const struct rights *was, const struct rights *is)
{
	if (is->cred == was->cred)
		return is->uid != was->uid || is->euid != was->euid || is->caps != was->caps
			       ? "changed in place"
			       : NULL;
	for (uint32_t i = 0; i < ORPHANS; i++)
		if (st->orphan[i] == is->cred)
			return NULL;
	return became_more(was, is) ? "replaced without commit_creds" : NULL;
}

/* It has what it is known to have, as nearly all do: two reads of memory, not six. */
static bool unchanged(const struct check_run *run, struct known *k)
{
	const struct creds *st = run->state;
	struct rights r;
	uint64_t cred;

	if (!k || k->next.cred || k->doubted ||
	    gspace_u64(kernel_space(run->in->k), k->task + st->real_cred, &cred) ||
	    cred != k->rights.cred || !read_rights(run, cred, &r) || r.uid != k->rights.uid ||
	    r.euid != k->rights.euid || r.caps != k->rights.caps)
		return false;
	k->seen = st->sweep;
	return true;
}

static void look(const struct check_run *run, uint64_t task)
{
	const struct creds *st = run->state;
	struct integrity *in = run->in;
	struct known *k = find(run, task);
	char was[INTEGRITY_TEXT], is[INTEGRITY_TEXT];
	struct rights r;
	uint32_t flags;
	int32_t pid;

	if (unchanged(run, k) || !read_task(run, task, &pid, &flags, &r) || flags & EXITED)
		return;
	/* Older than the probes, or its start was lost; or there are none. */
	if (!k || k->pid != pid || !st->heard) {
		take(run, task, pid, &r);
		return;
	}
	k->seen = st->sweep;
	if (k->next.cred == r.cred) {
		k->rights = k->next;
		k->next.cred = 0;
	}
	const char *reason = wrong(st, &k->rights, &r);
	if (!reason) {
		k->rights = r;
		k->doubted = false;
		integrity_innocent(in, WHAT_CREDENTIALS, task);
		return;
	}
	k->doubted = true;
	if (!integrity_suspect(in, WHAT_CREDENTIALS, task, r.cred ^ r.caps ^ r.euid, LOOKS,
			       LOOKS_MS))
		return;
	const struct finding f = {
		.what = WHAT_CREDENTIALS,
		.check = run->check->name,
		.reason = reason,
		.address = r.cred,
		.symbol = "",
		.module = "",
		.expected = describe(was, &k->rights),
		.found = describe(is, &r),
		.task = task,
	};
	integrity_clear(in, WHAT_CREDENTIALS, r.cred); /* others may have been given the same */
	integrity_tell(in, &f);
	take(run, task, pid, &r);
}

void integrity_lost(struct integrity *in)
{
	for (uint32_t i = 0; in->k && i < in->runs; i++)
		if (in->run[i].check == &check_creds)
			memset(in->run[i].memory, 0, SETS * WAYS * sizeof(struct known));
}

static uint64_t step(struct check_run *run)
{
	struct creds *st = run->state;
	const struct proc *p = NULL;

	for (uint32_t i = 0; i < SLICE; i++) {
		p = procs_each(run->in->procs, &st->cursor);
		if (!p)
			break;
		look(run, p->va);
	}
	if (p)
		return SLICE_MS;
	st->cursor = 0;
	st->sweep++;
	return PERIOD_MS;
}

static const char *attach(struct check_run *run)
{
	struct creds *st = run->state;
	bool ok = true;

	st->real_cred = integrity_offset(run->in->k, "task_struct", "real_cred", &ok);
	st->flags = integrity_offset(run->in->k, "task_struct", "flags", &ok);
	st->pid = integrity_offset(run->in->k, "task_struct", "pid", &ok);
	st->uid = integrity_offset(run->in->k, "cred", "uid", &ok);
	st->euid = integrity_offset(run->in->k, "cred", "euid", &ok);
	st->caps = integrity_offset(run->in->k, "cred", "cap_effective", &ok);
	memset(run->memory, 0, SETS * WAYS * sizeof(struct known));
	if (!run->in->procs || !kernel_symbol(run->in->k, "commit_creds"))
		return "its tasks are not followed";
	st->first = st->uid < st->euid ? st->uid : st->euid;
	st->first = st->caps < st->first ? st->caps : st->first;
	st->bytes = st->uid > st->euid ? st->uid + 4 : st->euid + 4;
	st->bytes = (st->caps + 8 > st->bytes ? st->caps + 8 : st->bytes) - st->first;
	return ok && st->bytes <= CRED_MAX ? NULL : "the layout of its tasks is not known";
}

const struct check check_creds = {
	.name = "creds",
	.size = sizeof(struct creds),
	.memory = SETS * WAYS * sizeof(struct known),
	.attach = attach,
	.step = step,
	.probe = probes,
	.probe_count = sizeof(probes) / sizeof(probes[0]),
};
