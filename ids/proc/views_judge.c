/* Judgement of a round and of a listing: who had to be there, and was not. See views.c. */
#include "ids/proc/views_impl.h"

#include "hv/errno.h"

/* Linux: include/linux/sched.h */
#define EXIT_DEAD   16u
#define EXIT_ZOMBIE 32u

/* Work of a look, in some tens of instructions. */
#define WORK_THERE  1u
#define WORK_ABSENT 32u

#define BELIEVE_EXIT_MS 2000u  /* a task that runs so long after it said that it exits, does not */
#define FORGET_LEFT_MS	1000u  /* without anybody who knows it: one that exits */
#define FORGET_MS	10000u /* and one that only running could tell of */

static const uint8_t enough[VIEWS] = {
	[VIEW_TASKLIST] = VIEWS_WALKS,
	[VIEW_PIDTABLE] = VIEWS_WALKS,
	[VIEW_PROC] = VIEWS_LISTINGS,
};

/* What a group that was missed is, by its leader's task_struct and by procs. */
enum life {
	LIVES,	 /* it had to be there */
	LEAVING, /* it exits, or nobody but memory that may be stale knows of it */
	GONE,	 /* this is no leader of that group any more */
};

struct leader {
	uint32_t pid, tgid, flags, exit_state;
	uint64_t start;
};

static bool read_leader(const struct views *v, uint64_t va, struct leader *l)
{
	const struct gspace *space = kernel_space(v->k);
	return !gspace_u32(space, va + v->task.pid, &l->pid) &&
	       !gspace_u32(space, va + v->task.tgid, &l->tgid) &&
	       !gspace_u32(space, va + v->task.flags, &l->flags) &&
	       !gspace_u32(space, va + v->task.exit_state, &l->exit_state) &&
	       !gspace_u64(space, va + v->task.start, &l->start);
}

/* Is this the task_struct of the leader that we knew? One that gives its number away, to a thread
 * that execs, exits just then, and memory that is used again has begun at another time; a number
 * that changes else was changed by somebody who hides it. */
static bool is_same(const struct group *group, const struct leader *l, bool exits)
{
	if (l->pid == group->tgid && l->tgid == group->tgid)
		return l->exit_state != EXIT_DEAD;
	return group->start && l->start == group->start && !exits;
}

/* It says that it exits. A leader that has exited before its threads stays in all views, as a
 * zombie, until the last of them is gone. And the word of a task that goes on running for seconds,
 * and whose do_exit() nobody has seen, is not believed. */
static bool lives_on(const struct views *v, const struct group *group, const struct leader *l,
		     bool exit_seen)
{
	if (l->exit_state == EXIT_ZOMBIE && group->thread == v->round)
		return true;
	return !exit_seen && group->ran_tsc > group->exiting_tsc + views_ms(v, BELIEVE_EXIT_MS);
}

/* `after`: somebody must have known it later than that. */
static enum life life_of(const struct views *v, struct group *group, uint64_t after)
{
	struct leader l;
	const struct proc *p = procs_find(v->procs, group->va);
	bool exit_seen = p && p->exit_tsc;
	if (!read_leader(v, group->va, &l))
		return GONE;
	bool exits = (l.flags & TASK_PF_EXITING) || l.exit_state || exit_seen;
	if (!is_same(group, &l, exits))
		return GONE;
	if (exits) {
		if (!group->exiting_tsc)
			group->exiting_tsc = v->tsc;
		if (!lives_on(v, group, &l, exit_seen))
			return LEAVING;
	} else {
		group->exiting_tsc = 0;
	}
	bool known = (p && !p->exit_tsc && p->tgid == (int32_t)group->tgid) ||
		     group->thread == v->round || group->known_tsc > after;
	return known ? LIVES : LEAVING;
}

static void present(struct views *v, struct group *group, enum view view)
{
	v->stats.comparisons++;
	group->missed[view] = 0;
	if (group->back[view] < UINT8_MAX)
		group->back[view]++;
}

static void absent(struct views *v, struct group *group, enum view view)
{
	v->stats.comparisons++;
	v->stats.absences++;
	v->missing = true;
	group->back[view] = 0;
	if (group->missed[view] < UINT8_MAX)
		group->missed[view]++;
}

/* It was not met, but is it linked? The task before it was met and leads to it. */
static bool in_list(struct views *v, const struct group *group)
{
	uint64_t before = tasklist_before(&v->tasklist, group->va);
	const struct group *met = before ? groups_find(&v->groups, before) : NULL;
	return (met && met->met[VIEW_TASKLIST] == v->round) ||
	       (before && before + v->tasklist.tasks == v->tasklist.head);
}

/* 0; -ENOENT: its number leads to nobody or to another; -EFAULT: no word on that. */
static int in_table(const struct views *v, const struct group *group)
{
	uint64_t pid, va;
	int err = pidtable_find(&v->pidtable, group->tgid, &pid);
	if (!err)
		err = pidtable_task(&v->pidtable, pid, &va);
	if (!err && va != group->va)
		err = -ENOENT;
	return err;
}

static bool forget_if_left(struct views *v, struct group *group)
{
	uint64_t limit = group->exiting_tsc ? FORGET_LEFT_MS : FORGET_MS;
	if (v->tsc < group->known_tsc + views_ms(v, limit))
		return false;
	views_forget(v, group);
	return true;
}

/* True: it is still here. */
static bool judge_missing(struct views *v, struct group *group, bool no_list, bool no_table)
{
	switch (life_of(v, group, v->seen_tsc)) {
	case GONE:
		views_forget(v, group);
		return false;
	case LEAVING:
		return !forget_if_left(v, group);
	case LIVES:
		break;
	}
	if (no_list && in_list(v, group))
		present(v, group, VIEW_TASKLIST);
	else if (no_list)
		absent(v, group, VIEW_TASKLIST);
	if (no_table) {
		int err = in_table(v, group);
		if (!err)
			present(v, group, VIEW_PIDTABLE);
		else if (err == -ENOENT)
			absent(v, group, VIEW_PIDTABLE);
	}
	return true;
}

static uint32_t judge_group(struct views *v, struct group *group, uint64_t now_ns)
{
	uint32_t work = WORK_THERE;
	if (!group->va || group->since > v->seen_tsc)
		return work;
	bool no_list = v->walked && group->met[VIEW_TASKLIST] != v->round;
	bool no_table = v->stats.pidtable && group->met[VIEW_PIDTABLE] != v->round;
	if (v->walked && !no_list)
		present(v, group, VIEW_TASKLIST);
	if (v->stats.pidtable && !no_table)
		present(v, group, VIEW_PIDTABLE);
	if (no_list || no_table) {
		work += WORK_ABSENT;
		if (!judge_missing(v, group, no_list, no_table))
			return work;
	}
	views_tell(v, group, now_ns);
	return work;
}

bool views_judge_round(struct views *v, uint32_t work, uint64_t now_ns)
{
	for (uint32_t done = 0; v->cursor < v->groups.used; v->cursor++) {
		if (done >= work)
			return false;
		done += judge_group(v, &v->groups.group[v->cursor], now_ns);
	}
	return true;
}

static uint32_t compare(struct views *v, struct group *group, uint64_t now_ns)
{
	const struct reader *reader = v->judged;
	/* Known before it began; and compared with none that ran at the same time. */
	if (!group->va || group->since >= reader->begin_tsc ||
	    group->listed_tsc > reader->begin_tsc)
		return WORK_THERE;
	if (reader_told(reader, groups_index(&v->groups, group)))
		present(v, group, VIEW_PROC);
	else if (life_of(v, group, reader->end_tsc) == LIVES)
		absent(v, group, VIEW_PROC);
	else
		return WORK_ABSENT;
	group->listed_tsc = reader->end_tsc;
	views_tell(v, group, now_ns);
	return group->missed[VIEW_PROC] ? WORK_ABSENT : WORK_THERE;
}

bool views_judge_listing(struct views *v, uint32_t work, uint64_t now_ns)
{
	for (uint32_t done = 0; v->judge_cursor < v->groups.used; v->judge_cursor++) {
		if (done >= work)
			return false;
		done += compare(v, &v->groups.group[v->judge_cursor], now_ns);
	}
	return true;
}

/* --- what follows from it ------------------------------------------------------------------- */

/* Bits of the views that miss a group beyond doubt, and of those that have it again. */
static uint8_t views_at(const uint8_t looks[VIEWS])
{
	uint8_t bits = 0;
	for (int i = 0; i < VIEWS; i++)
		if (looks[i] >= enough[i])
			bits |= (uint8_t)(1u << i);
	return bits;
}

uint8_t views_missing(const struct group *group)
{
	return views_at(group->missed);
}

uint8_t views_back(const struct group *group)
{
	return views_at(group->back);
}
