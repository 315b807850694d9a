/* Shared by views*.c alone. */
#pragma once

#include "ids/proc/groups.h"
#include "ids/proc/pidtable.h"
#include "ids/proc/readers.h"
#include "ids/proc/tasklist.h"
#include "ids/proc/views.h"

#define UNKNOWN_MAX 16u /* tasks that ran, to be looked at; more come again */

enum views_phase { PHASE_IDLE, PHASE_KNOWN, PHASE_WALK, PHASE_SWEEP, PHASE_SETTLE, PHASE_JUDGE };

struct views {
	struct views_ops ops;
	const struct kernel *k;
	struct procs *procs;
	struct groups groups;
	struct readers readers;
	struct tasklist tasklist;
	struct pidtable pidtable;
	struct views_stats stats;
	struct {
		uint32_t pid, tgid, flags, exit_state, start; /* offsets in struct task_struct */
	} task;
	bool attached;

	enum views_phase phase;
	uint32_t round;
	uint64_t next_tsc;     /* when the phase goes on */
	uint64_t begin_tsc;    /* of the round */
	uint64_t seen_tsc;     /* of the walks: groups known before must be met */
	uint64_t tsc;	       /* of this step */
	uint32_t cursor;       /* of the phase: in procs, or in groups */
	uint32_t nr;	       /* in the PID table */
	uint32_t swept;	       /* entries of this sweep */
	bool walked;	       /* the walk came to its end */
	bool missing;	       /* something was missed in this round */
	struct reader *judged; /* the listing that is being compared, NULL: none */
	uint32_t judge_cursor;

	uint32_t unknowns;
	struct {
		uint64_t va, tsc;
	} unknown[UNKNOWN_MAX];
};

static inline uint64_t views_ms(const struct views *v, uint64_t ms)
{
	return v->ops.tsc_hz / 1000 * ms;
}

/* --- views_judge.c --- */

/* Judge groups of the round (from v->cursor on) or of a listing, for about so much work. True: all
 * are. */
bool views_judge_round(struct views *v, uint32_t work, uint64_t now_ns);
bool views_judge_listing(struct views *v, uint32_t work, uint64_t now_ns);

/* Views that have missed a group often enough, and that have had it again often enough: bits. */
uint8_t views_missing(const struct group *group);
uint8_t views_back(const struct group *group);

/* --- views_event.c --- */

/* What became of a group after a look at it: tell what has changed. */
void views_tell(struct views *v, struct group *group, uint64_t now_ns);
/* A group is gone, or forgotten. */
void views_forget(struct views *v, struct group *group);
