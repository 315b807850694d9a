/* See procs.h. */
#include <string.h>

#include "hv/errno.h"
#include "ids/proc/procs_impl.h"

#define YOUNG_MS    1000 /* a process that ends before it is told in one line */
#define BRIEF_MS    1000 /* in this time so many of them have lines of their own */
#define BRIEF_LINES 12
#define WALK_SLICE  8 /* tasks of the first walk in one step: a path may cost 256 looks */
#define WALK_MAX    32768
#define WALK_MS	    2
#define TELL_SLICE  8 /* lines in one step */

static uint64_t ticks(const struct procs *p, uint64_t ms)
{
	return p->ops.tsc_hz / 1000 * ms;
}

/* --- the table
 * ------------------------------------------------------------------------------------- */

static uint32_t bucket_of(uint64_t va)
{
	return (uint32_t)((va >> 6) * 0x9e3779b97f4a7c15ull >> 52) & (PROCS_BUCKETS - 1);
}

static struct entry *find(const struct procs *p, uint64_t va)
{
	for (uint32_t i = p->bucket[bucket_of(va)]; i; i = p->entry[i - 1].next)
		if (p->entry[i - 1].proc.va == va)
			return &p->entry[i - 1];
	return NULL;
}

static struct entry *insert(struct procs *p, uint64_t va)
{
	uint32_t *bucket = &p->bucket[bucket_of(va)], index = p->free;

	if (!index)
		return NULL;
	struct entry *e = &p->entry[index - 1];
	p->free = e->next;
	memset(e, 0, sizeof(*e));
	e->used = true;
	e->proc.va = va;
	e->next = *bucket;
	*bucket = index;
	p->count++;
	return e;
}

static void take_out(struct procs *p, struct entry *e)
{
	uint32_t index = (uint32_t)(e - p->entry) + 1;
	uint32_t *at = &p->bucket[bucket_of(e->proc.va)];

	while (*at != index)
		at = &p->entry[*at - 1].next;
	*at = e->next;
	e->used = false;
	e->next = p->free;
	p->free = index;
	p->count--;
}

static void empty(struct procs *p)
{
	memset(p->bucket, 0, sizeof(p->bucket));
	p->free = 1;
	for (uint32_t i = 0; i < PROCS_MAX; i++) {
		p->entry[i].used = false;
		p->entry[i].next = i + 1 < PROCS_MAX ? i + 2 : 0;
	}
	p->count = p->young_prod = p->young_cons = 0;
	p->brief_count = p->brief_execs = p->brief_lines = 0;
}

/* --- what is known of a task
 * ------------------------------------------------------------------------ */

static bool is_thread(const struct entry *e)
{
	return e->proc.pid != e->proc.tgid;
}

static bool is_process(const struct entry *e)
{
	return !is_thread(e) && !(e->proc.flags & TASK_PF_KTHREAD);
}

/* Read the task again. One that is not the same any more, because it was released meanwhile,
 * changes nothing. */
static void look(struct procs *p, struct entry *e, enum task_depth depth)
{
	struct task t;

	if (task_read(p->k, e->proc.va, depth, &t))
		return;
	if (e->proc.pid && t.pid != e->proc.pid)
		return;
	e->proc.pid = t.pid;
	e->proc.tgid = t.tgid;
	e->proc.flags = t.flags;
	memcpy(e->proc.comm, t.comm, sizeof(t.comm));
	if (t.root)
		e->proc.root = t.root;
	if (depth < TASK_PLAIN)
		return;
	e->proc.uid = t.uid;
	e->ns_pid = t.ns_level ? t.ns_pid : 0;
	if (t.ppid)
		e->proc.ppid = t.ppid;
	if (t.exe[0])
		memcpy(e->proc.exe, t.exe, sizeof(t.exe));
}

/* A task that a hit names and that was not seen to start. */
static struct entry *known(struct procs *p, uint64_t va)
{
	struct entry *e = find(p, va);

	if (e || !va)
		return e;
	p->stats.unknown++;
	e = insert(p, va);
	if (e) {
		look(p, e, TASK_EXE);
		e->told = true; /* nobody saw it start: there is no line for that */
	}
	return e;
}

/* --- probes
 * ----------------------------------------------------------------------------------------- */

/* A process that is to be told in a second, if it lives so long. */
static void wait_for(struct procs *p, const struct entry *e)
{
	p->stats.forks++;
	if (p->young_prod - p->young_cons == PROCS_MAX)
		p->young_cons++; /* of those that were released long ago */
	p->young_tsc[p->young_prod % PROCS_MAX] = e->proc.start_tsc;
	p->young[p->young_prod++ % PROCS_MAX] = e->proc.va;
}

/* wake_up_new_task(p). Captured: its pid and tgid, which it may not have any more when we look. */
static void on_fork(void *ctx, struct probe_hit *hit)
{
	struct procs *p = ctx;
	struct entry *parent, *e = find(p, hit->arg[0]);

	if (!p->k || !hit->arg[0])
		return;
	if (e) /* released without our seeing it: its memory is used again */
		take_out(p, e);
	e = insert(p, hit->arg[0]);
	if (!e) {
		p->stats.folded++;
		bool thread = hit->captured && (uint32_t)hit->captured != hit->captured >> 32;
		p->stats.threads += thread;
		p->stats.forks += !thread;
		return;
	}
	e->proc.start_tsc = hit->tsc;
	e->fork_ns = hit->now_ns;
	e->cpu = hit->cpu;
	e->proc.pid = (int32_t)(uint32_t)hit->captured;
	e->proc.tgid = (int32_t)(hit->captured >> 32);
	parent = find(p, hit->current);
	if (parent) {
		e->proc.ppid = parent->proc.tgid;
		memcpy(e->proc.comm, parent->proc.comm, sizeof(e->proc.comm));
		memcpy(e->proc.exe, parent->proc.exe, sizeof(e->proc.exe));
		e->proc.uid = parent->proc.uid;
	}
	/* A child is what its parent is; the rest is read when it is told. */
	look(p, e, parent ? TASK_ROOT : TASK_PLAIN);
	if (is_thread(e)) {
		p->stats.threads++;
	} else if (e->proc.flags & TASK_PF_KTHREAD) {
		p->stats.kernel_threads++;
	} else {
		wait_for(p, e);
	}
}

/* security_bprm_committed_creds(bprm): the caller has become another program. */
static void on_exec(void *ctx, struct probe_hit *hit)
{
	struct procs *p = ctx;
	struct entry *e = p->k ? known(p, hit->current) : NULL;

	p->stats.execs++;
	if (!e)
		return;
	bool kernel = e->proc.flags & TASK_PF_KTHREAD;
	e->execs++;
	e->cpu = hit->cpu;
	look(p, e, TASK_EXE);
	if (kernel && !e->told && is_process(e)) { /* a helper that the kernel has started */
		p->stats.kernel_threads -= p->stats.kernel_threads > 0;
		e->proc.start_tsc = hit->tsc;
		wait_for(p, e);
	}
	if (e->told)
		procs_tell(p, e, PROCS_EXEC, hit->now_ns);
}

/* A process that has not lived long: does it get a line of its own? A serial port carries 40 a
 * second, and a guest may make thousands. */
static bool brief_line(struct procs *p, const struct entry *e, const struct probe_hit *hit)
{
	p->stats.brief++;
	if (hit->tsc - p->brief_window > ticks(p, BRIEF_MS)) {
		procs_tell_brief(p, hit->now_ns);
		p->brief_window = hit->tsc;
		p->brief_lines = 0;
	}
	if (p->brief_lines < BRIEF_LINES) {
		p->brief_lines++;
		return true;
	}
	if (!p->brief_count)
		p->brief_first_ns = e->fork_ns;
	p->brief_count++;
	p->brief_execs += e->execs;
	return false;
}

/* The exit of a task for which there is no room: counted if it is a process. */
static void count_exit(struct procs *p, uint64_t va)
{
	struct task t;

	if (va && !task_read(p->k, va, TASK_IDS, &t) && t.pid == t.tgid &&
	    !(t.flags & TASK_PF_KTHREAD))
		p->stats.exits++;
}

/* do_exit(code). */
static void on_exit(void *ctx, struct probe_hit *hit)
{
	struct procs *p = ctx;
	struct entry *e = p->k ? known(p, hit->current) : NULL;

	if (p->k && !e)
		count_exit(p, hit->current);
	if (!e || e->proc.exit_tsc)
		return;
	e->proc.exit_tsc = hit->tsc;
	e->exit_ns = hit->now_ns;
	e->cpu = hit->cpu;
	e->code = (uint32_t)hit->arg[0];
	if (!is_process(e))
		return;
	p->stats.exits++;
	if (e->told || brief_line(p, e, hit)) {
		look(p, e, TASK_PLAIN);
		procs_tell(p, e, PROCS_EXIT, hit->now_ns);
	}
	e->told = true;
}

/* release_task(p): it is in no list of the kernel's any more. */
static void on_release(void *ctx, struct probe_hit *hit)
{
	struct procs *p = ctx;
	struct entry *e = find(p, hit->arg[0]);

	if (e)
		take_out(p, e);
}

/* commit_creds(new): the caller's users change. */
static void on_creds(void *ctx, struct probe_hit *hit)
{
	struct procs *p = ctx;
	struct entry *e = p->k ? find(p, hit->current) : NULL;

	uint32_t euid;

	if (e)
		(void)task_read_users(p->k, e->proc.va, &e->proc.uid, &euid);
}

static const struct probe probes[] = {
	{.symbol = "wake_up_new_task",
	 .hit = on_fork,
	 .base = 0,
	 .structure = "task_struct",
	 .member = "pid"},
	{.symbol = "security_bprm_committed_creds", .hit = on_exec},
	{.symbol = "do_exit", .hit = on_exit},
	{.symbol = "release_task", .hit = on_release},
	{.symbol = "commit_creds", .hit = on_creds},
};

struct probe_set procs_probes(struct procs *p)
{
	return (struct probe_set){probes, sizeof(probes) / sizeof(probes[0]), p};
}

void procs_ran(struct procs *p, uint64_t task_va, uint64_t tsc)
{
	struct entry *e = find(p, task_va);

	if (e)
		e->proc.ran_tsc = tsc;
}

/* --- the first walk, and lines that have waited
 * ------------------------------------------------------- */

static bool next_task(struct procs *p)
{
	return p->walk_next && p->walk_next != p->walk_head && p->walked++ < WALK_MAX;
}

/* Tasks older than the probes: the leaders in the kernel's list. */
static void walk(struct procs *p)
{
	int64_t at = kernel_offset(p->k, "task_struct", "tasks");

	for (uint32_t i = 0; i < WALK_SLICE && next_task(p); i++) {
		uint64_t va = p->walk_next - (uint64_t)at;
		if (!find(p, va)) {
			struct entry *e = insert(p, va);
			if (e) {
				look(p, e, TASK_EXE);
				e->told = true;
			}
			p->stats.folded += !e;
		}
		if (gspace_u64(kernel_space(p->k), p->walk_next, &p->walk_next))
			p->walk_next = 0;
	}
	if (p->walk_next == p->walk_head || p->walked >= WALK_MAX)
		p->walk_next = 0;
}

static void tell_young(struct procs *p, uint64_t tsc, uint64_t now_ns)
{
	for (uint32_t i = 0; i < TELL_SLICE && p->young_cons != p->young_prod; i++) {
		uint32_t at = p->young_cons % PROCS_MAX;
		if (tsc - p->young_tsc[at] < ticks(p, YOUNG_MS))
			return;
		struct entry *e = find(p, p->young[at]);
		p->young_cons++;
		if (!e || e->told || e->proc.start_tsc != p->young_tsc[at])
			continue;
		look(p, e, TASK_EXE);
		e->told = true;
		procs_tell(p, e, e->execs ? PROCS_EXEC : PROCS_FORK, now_ns);
	}
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a && a < b ? a : b;
}

uint64_t procs_step(struct procs *p, uint64_t tsc, uint64_t now_ns)
{
	uint64_t next = 0;

	p->now_ns = now_ns;
	if (!p->k)
		return 0;
	if (p->walk_next)
		walk(p);
	tell_young(p, tsc, now_ns);
	if (p->brief_count && tsc - p->brief_window > ticks(p, BRIEF_MS))
		procs_tell_brief(p, now_ns);
	if (p->brief_count)
		next = p->brief_window + ticks(p, BRIEF_MS) + 1;
	if (p->young_cons != p->young_prod)
		next = earlier(next, p->young_tsc[p->young_cons % PROCS_MAX] + ticks(p, YOUNG_MS));
	if (p->walk_next || (next && next <= tsc))
		next = tsc + ticks(p, WALK_MS);
	return next;
}

void procs_attach(struct procs *p, const struct kernel *k, uint64_t now_ns)
{
	int64_t at = kernel_offset(k, "task_struct", "tasks");
	uint64_t init = kernel_symbol(k, "init_task");

	empty(p);
	memset(&p->stats, 0, sizeof(p->stats));
	p->k = k;
	p->now_ns = now_ns;
	p->walked = 0;
	p->walk_next = p->walk_head = 0;
	if (!init || at < 0)
		return;
	p->walk_head = init + (uint64_t)at;
	if (gspace_u64(kernel_space(k), p->walk_head, &p->walk_next))
		p->walk_next = 0;
}

struct procs *procs_create(const struct procs_ops *ops)
{
	struct procs *p = ops->alloc(ops->ctx, sizeof(*p));

	if (!p)
		return NULL;
	p->ops = *ops;
	p->entry = ops->alloc(ops->ctx, PROCS_MAX * sizeof(*p->entry));
	if (!p->entry)
		return NULL;
	empty(p);
	return p;
}

/* --- queries
 * ----------------------------------------------------------------------------------------- */

const struct proc *procs_find(const struct procs *p, uint64_t task_va)
{
	const struct entry *e = find(p, task_va);
	return e ? &e->proc : NULL;
}

const struct proc *procs_find_pid(const struct procs *p, int32_t pid)
{
	for (uint32_t i = 0; i < PROCS_MAX; i++)
		if (p->entry[i].used && p->entry[i].proc.pid == pid)
			return &p->entry[i].proc;
	return NULL;
}

const struct proc *procs_find_root(const struct procs *p, uint64_t root)
{
	for (uint32_t i = 0; i < PROCS_MAX; i++)
		if (p->entry[i].used && p->entry[i].proc.root == root)
			return &p->entry[i].proc;
	return NULL;
}

struct proc *procs_next(struct procs *p, uint32_t *cursor)
{
	while (*cursor < PROCS_MAX) {
		struct entry *e = &p->entry[(*cursor)++];
		if (e->used)
			return &e->proc;
	}
	return NULL;
}

const struct proc *procs_each(const struct procs *p, uint32_t *cursor)
{
	while (*cursor < PROCS_MAX) {
		const struct entry *e = &p->entry[(*cursor)++];
		if (e->used)
			return &e->proc;
	}
	return NULL;
}

uint32_t procs_count(const struct procs *p)
{
	return p->count;
}

const struct procs_stats *procs_stats(const struct procs *p)
{
	return &p->stats;
}
