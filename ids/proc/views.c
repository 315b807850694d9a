/* See views.h.
 *
 * How many absences. What a round or a listing can wrongly miss: a task that comes or goes while
 * one looks (excluded: it must be known from before the look began, and must still be alive after
 * it, when late hits have come in and by its own task_struct), a tree or list that is restructured
 * just then, a task_struct that is freed and used again. Each of these lasts microseconds, so that
 * two looks 100 ms apart do not meet the same one; a guest with 2,000 forks a second meets one of
 * them in perhaps one look of a thousand. Three in a row of the same group are then an accident of
 * one in 10^9, which at ten looks a second is years. Listings are fewer and their conditions are
 * stricter, so two. Time to tell: at most 250 ms until a round begins that knows the process, two
 * more rounds of 100 ms, and the slices: under half a second.
 */
#include "ids/proc/views.h"

#include <string.h>

#include "ids/proc/views_impl.h"

/* Work of a slice: some 30 to 100 thousand instructions. */
#define SLICE_PROCS 512u  /* tasks of procs */
#define SLICE_WALK  64u	  /* elements of the task list */
#define SLICE_SWEEP 4u	  /* nodes of the PID table */
#define SLICE_JUDGE 1024u /* see views_judge.c */

#define SWEEP_MAX 65536u /* entries; a longer table is no use, numbers are looked up one by one */

static void hit_readdir(void *ctx, struct probe_hit *hit)
{
	struct views *v = ctx;
	if (v->attached)
		readers_hit(&v->readers, hit);
}

/* Each getdents on a /proc root, old or new, 64 or 32 bits, comes through proc_root_readdir, and
 * no read of any other directory does: it costs others nothing. Where it can't be hooked, the
 * handler serves as well, at an exit for every directory read. */
static const struct probe probes[] = {
	{.symbol = "proc_root_readdir|__x64_sys_getdents64", .hit = hit_readdir, .sync = true},
};

struct views *views_create(const struct views_ops *ops)
{
	struct views *v = ops->alloc(ops->ctx, sizeof(*v));
	if (!v)
		return NULL;
	v->ops = *ops;
	if (groups_init(&v->groups, ops->alloc, ops->ctx) ||
	    readers_init(&v->readers, &v->groups, ops->alloc, ops->ctx))
		return NULL;
	return v;
}

struct probe_set views_probes(struct views *v)
{
	return (struct probe_set){
		.probe = probes, .count = sizeof(probes) / sizeof(probes[0]), .ctx = v};
}

/* The words of a task_struct that are read here. */
static bool find_task(struct views *v)
{
	int64_t pid = kernel_offset(v->k, "task_struct", "pid");
	int64_t tgid = kernel_offset(v->k, "task_struct", "tgid");
	int64_t flags = kernel_offset(v->k, "task_struct", "flags");
	int64_t exit_state = kernel_offset(v->k, "task_struct", "exit_state");
	int64_t start = kernel_offset(v->k, "task_struct", "start_boottime");
	v->task.pid = (uint32_t)pid;
	v->task.tgid = (uint32_t)tgid;
	v->task.flags = (uint32_t)flags;
	v->task.exit_state = (uint32_t)exit_state;
	v->task.start = (uint32_t)start;
	return pid >= 0 && tgid >= 0 && flags >= 0 && exit_state >= 0 && start >= 0;
}

void views_attach(struct views *v, const struct kernel *k, struct procs *procs)
{
	v->k = k;
	v->procs = procs;
	groups_clear(&v->groups);
	v->unknowns = 0;
	v->judged = NULL;
	v->phase = PHASE_IDLE;
	v->next_tsc = 0;
	v->round = 0;
	v->attached = find_task(v);
	v->stats.hidden = 0;
	v->stats.tasklist = v->attached && !tasklist_init(&v->tasklist, k);
	v->stats.pidtable = v->attached && !pidtable_init(&v->pidtable, k);
	v->stats.proc = v->attached && !readers_attach(&v->readers, k);
}

struct views_stats views_stats(const struct views *v)
{
	struct views_stats s = v->stats;
	s.listings_dropped = v->readers.dropped;
	s.listings_unlike = v->readers.unlike;
	s.folded = v->groups.folded;
	s.groups = v->groups.count;
	return s;
}

void views_ran(struct views *v, uint64_t task_va, uint64_t tsc)
{
	if (!v->attached || !task_va || procs_find(v->procs, task_va))
		return;
	for (uint32_t i = 0; i < v->unknowns; i++)
		if (v->unknown[i].va == task_va)
			return;
	if (v->unknowns < UNKNOWN_MAX) {
		v->unknown[v->unknowns].va = task_va;
		v->unknown[v->unknowns++].tsc = tsc;
	}
}

/* When the task began, 0: unreadable. */
static uint64_t start_of(const struct views *v, uint64_t va)
{
	uint64_t start;
	return gspace_u64(kernel_space(v->k), va + v->task.start, &start) ? 0 : start;
}

/* Does the task say that it leads this group? */
static bool leads(const struct views *v, uint64_t va, uint32_t tgid)
{
	uint32_t own, group;
	return !gspace_u32(kernel_space(v->k), va + v->task.pid, &own) && own == tgid &&
	       !gspace_u32(kernel_space(v->k), va + v->task.tgid, &group) && group == tgid;
}

/* The group with this leader, made if it is new. NULL: no room. Memory that is used again for
 * another task has begun at another time; else its number was forged, and it is still the same. */
static struct group *group_at(struct views *v, uint64_t va, uint32_t tgid)
{
	struct group *group = groups_find(&v->groups, va);
	if (group && group->tgid == tgid)
		return group;
	uint64_t start = start_of(v, va);
	if (group && start && group->start == start)
		return group;
	if (group)
		views_forget(v, group);
	group = groups_add(&v->groups, va, tgid, v->tsc);
	/* What procs knows may be long gone: then it is nobody's start. */
	if (group && leads(v, va, tgid))
		group->start = start;
	return group;
}

/* The group of a task's leader, by the task's own word; the leader must agree. */
static struct group *group_of_task(struct views *v, const struct task *task)
{
	struct task leader;
	if (task->tgid <= 0)
		return NULL;
	if (task->pid == task->tgid)
		return group_at(v, task->va, (uint32_t)task->tgid);
	struct group *group = groups_of(&v->groups, (uint32_t)task->tgid, NULL);
	if (group)
		return group;
	if (task_read(v->k, task->leader, TASK_IDS, &leader) || leader.pid != task->tgid ||
	    leader.tgid != task->tgid)
		return NULL;
	return group_at(v, task->leader, (uint32_t)task->tgid);
}

/* Tasks that ran and that procs does not know: started before Vigil looked, or not by fork. */
static void take_unknown(struct views *v)
{
	for (uint32_t i = 0; i < v->unknowns; i++) {
		struct task task;
		/* The probes' hits may have come meanwhile. */
		if (procs_find(v->procs, v->unknown[i].va) ||
		    task_read(v->k, v->unknown[i].va, TASK_IDS, &task) ||
		    (task.flags & TASK_PF_IDLE))
			continue;
		struct group *group = group_of_task(v, &task);
		if (!group)
			continue;
		v->stats.unknown++;
		group->known_tsc = v->tsc;
		if (group->ran_tsc < v->unknown[i].tsc)
			group->ran_tsc = v->unknown[i].tsc;
	}
	v->unknowns = 0;
}

/* A task that procs knows. */
static void take_known(struct views *v, struct proc *p)
{
	struct group *group;
	if (p->exit_tsc || p->tgid <= 0)
		return;
	if (p->pid == p->tgid) {
		group = group_at(v, p->va, (uint32_t)p->tgid);
	} else {
		struct task task;
		group = groups_of(&v->groups, (uint32_t)p->tgid, NULL);
		if (!group && !task_read(v->k, p->va, TASK_IDS, &task) && task.tgid == p->tgid)
			group = group_of_task(v, &task);
		if (group)
			group->thread = v->round;
	}
	if (!group)
		return;
	group->known_tsc = v->tsc;
	group->started = group->started || p->start_tsc;
	if (group->ran_tsc < p->ran_tsc)
		group->ran_tsc = p->ran_tsc;
	if (p->pid == p->tgid)
		p->hidden = group->told;
}

static void met(struct views *v, enum view view, uint64_t va, uint32_t tgid)
{
	struct group *group = group_at(v, va, tgid);
	if (!group)
		return;
	group->met[view] = v->round;
	group->known_tsc = v->tsc;
}

static void met_in_list(void *ctx, const struct tasklist_task *task)
{
	/* A leader that gives its number to the thread that execs has another for a moment. */
	if (task->pid == task->tgid && task->tgid > 0)
		met(ctx, VIEW_TASKLIST, task->va, (uint32_t)task->tgid);
}

static void met_in_table(struct views *v, const struct pidtable_entry *entry)
{
	uint64_t va;
	uint32_t tgid;
	/* None: it is being made, or it is held by somebody who remembers the number. */
	if (pidtable_task(&v->pidtable, entry->pid, &va))
		return;
	struct group *group = groups_find(&v->groups, va);
	if (group && group->tgid == entry->nr) {
		group->met[VIEW_PIDTABLE] = v->round;
		group->known_tsc = v->tsc;
	} else if (!gspace_u32(kernel_space(v->k), va + v->task.tgid, &tgid) && tgid == entry->nr) {
		met(v, VIEW_PIDTABLE, va, tgid); /* a leader, not a thread */
	}
}

/* --- the phases: each returns when it is to go on, as milliseconds from now --------------------
 */

static uint64_t begin_round(struct views *v)
{
	v->round++;
	v->stats.rounds++;
	v->begin_tsc = v->tsc;
	v->missing = false;
	v->cursor = 0;
	v->phase = PHASE_KNOWN;
	return 0;
}

static uint64_t go_through_known(struct views *v)
{
	for (uint32_t i = 0; i < SLICE_PROCS; i++) {
		struct proc *p = procs_next(v->procs, &v->cursor);
		if (!p) {
			tasklist_begin(&v->tasklist);
			v->walked = false;
			v->seen_tsc = v->tsc;
			v->phase = PHASE_WALK;
			return VIEWS_SLICE_MS;
		}
		take_known(v, p);
	}
	return VIEWS_SLICE_MS;
}

static uint64_t walk(struct views *v)
{
	enum tasklist_result result = TASKLIST_BROKEN;
	if (v->stats.tasklist)
		result = tasklist_step(&v->tasklist, SLICE_WALK, met_in_list, v);
	if (result == TASKLIST_MORE)
		return VIEWS_SLICE_MS;
	v->walked = result == TASKLIST_END;
	v->stats.walks += v->walked;
	v->stats.walks_broken += v->stats.tasklist && !v->walked;
	v->stats.walks_back += v->tasklist.back;
	v->nr = 1;
	v->swept = 0;
	v->phase = PHASE_SWEEP;
	return VIEWS_SLICE_MS;
}

static uint64_t sweep(struct views *v)
{
	struct pidtable_entry entry[PIDTABLE_SLOTS];
	int count = 0;
	for (uint32_t i = 0; i < SLICE_SWEEP && v->stats.pidtable && v->nr < PIDTABLE_END; i++) {
		count = pidtable_next(&v->pidtable, &v->nr, entry);
		v->swept += count > 0 ? (uint32_t)count : 1;
		if (count < 0 || v->swept > SWEEP_MAX)
			break;
		for (int j = 0; j < count; j++)
			met_in_table(v, &entry[j]);
	}
	bool broken = count < 0 || v->swept > SWEEP_MAX;
	if (v->stats.pidtable && v->nr < PIDTABLE_END && !broken)
		return VIEWS_SLICE_MS;
	v->stats.sweeps += v->stats.pidtable && !broken;
	v->stats.sweeps_broken += broken;
	v->phase = PHASE_SETTLE;
	return VIEWS_SETTLE_MS;
}

/* Take over what has become known while the guest was walked: who has exited since. */
static uint64_t settle(struct views *v)
{
	v->cursor = 0;
	v->phase = PHASE_JUDGE;
	return 0;
}

static uint64_t judge(struct views *v, uint64_t now_ns)
{
	if (!views_judge_round(v, SLICE_JUDGE, now_ns))
		return VIEWS_SLICE_MS;
	uint64_t period = views_ms(v, v->missing ? VIEWS_PERIOD_MS : VIEWS_CALM_MS);
	uint64_t spent = v->tsc - v->begin_tsc;
	v->phase = PHASE_IDLE;
	return spent < period ? (period - spent) / views_ms(v, 1) : VIEWS_SLICE_MS;
}

static uint64_t go_on(struct views *v, uint64_t now_ns)
{
	switch (v->phase) {
	case PHASE_IDLE:
		return begin_round(v);
	case PHASE_KNOWN:
		return go_through_known(v);
	case PHASE_WALK:
		return walk(v);
	case PHASE_SWEEP:
		return sweep(v);
	case PHASE_SETTLE:
		return settle(v);
	default:
		return judge(v, now_ns);
	}
}

/* A complete listing that has settled. */
static struct reader *next_listing(struct views *v)
{
	for (uint32_t i = 0; i < READERS; i++) {
		struct reader *reader = &v->readers.reader[i];
		if (reader->state == READER_COMPLETE &&
		    v->tsc >= reader->end_tsc + views_ms(v, VIEWS_SETTLE_MS))
			return reader;
	}
	return NULL;
}

static void compare_listing(struct views *v, uint64_t now_ns)
{
	if (!v->judged) {
		v->judged = next_listing(v);
		v->judge_cursor = 0;
	}
	if (v->judged && views_judge_listing(v, SLICE_JUDGE, now_ns)) {
		v->judged->state = READER_FREE;
		v->judged = NULL;
		v->stats.listings++;
	}
}

uint64_t views_step(struct views *v, uint64_t tsc, uint64_t now_ns)
{
	if (!v->attached)
		return 0;
	v->tsc = tsc;
	take_unknown(v);
	compare_listing(v, now_ns);
	if (tsc >= v->next_tsc)
		v->next_tsc = tsc + views_ms(v, go_on(v, now_ns));
	uint64_t next = v->judged ? tsc + views_ms(v, VIEWS_SLICE_MS) : v->next_tsc;
	return next < v->next_tsc ? next : v->next_tsc;
}
