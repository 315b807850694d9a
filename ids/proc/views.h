/* Hidden processes: what ran, the kernel's task list, its PID table and what a user is told of
 * /proc, compared with one another all the time.
 *
 * For the sentry. Rounds, in slices: take over what procs knows, walk the task list, go through the
 * PID table, wait until what happened meanwhile is known, judge. Every thread group that any of
 * them knows and that lived through all of it must be in all of them. One absence proves nothing:
 *
 *   task list  VIEWS_WALKS walks in a row that did not meet it, at least VIEWS_PERIOD apart
 *   PID table  as many rounds in which neither the sweep nor a look-up of its number found it
 *   /proc      VIEWS_LISTINGS complete listings in a row, one begun after the other's end
 *
 * and as many presences make it seen again. See views.c for why so many. Tells `process` events
 * `hidden` and `unhidden`. Pure, memory from ops->alloc at creation, bounded. May call: ids/guest,
 * ids/proc, ids/eve.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ids/eve/eve.h"
#include "ids/guest/probe.h"
#include "ids/proc/procs.h"

#define VIEWS_WALKS	3
#define VIEWS_LISTINGS	2
#define VIEWS_PERIOD_MS 100 /* of rounds while something is missing */
#define VIEWS_CALM_MS	250 /* of rounds else */
#define VIEWS_SETTLE_MS 20  /* until hits of what has happened have come */
#define VIEWS_SLICE_MS	1   /* between slices */

struct views;
struct views_ops {
	void *ctx;
	void *(*alloc)(void *ctx, size_t size); /* zeroed, aligned; never given back */
	struct eve *eve;
	uint64_t tsc_hz;
	/* Write the flows of a task as elements of the array now open (socket_put_flows). */
	void (*flows)(const struct kernel *k, uint64_t task_va, struct json *j);
};

struct views_stats {
	uint64_t rounds;
	uint64_t walks, walks_broken, walks_back; /* of the task list; times sent back in them */
	uint64_t sweeps, sweeps_broken;		  /* of the PID table */
	uint64_t listings;			  /* complete ones, compared */
	uint64_t listings_dropped;		  /* interrupted, changed, or given up */
	uint64_t listings_unlike;		  /* calls on /proc of others, or with hidepid */
	uint64_t comparisons;			  /* of a group with a view */
	uint64_t absences;			  /* of those: it was not there */
	uint64_t unknown;			  /* tasks that ran and that procs does not know */
	uint64_t folded;			  /* groups that there was no room for */
	uint64_t told, untold;			  /* events hidden, and unhidden */
	uint32_t groups, hidden;		  /* now */
	bool tasklist, pidtable, proc;		  /* views that this kernel allows */
};

/* NULL: no memory. */
struct views *views_create(const struct views_ops *ops);
/* A kernel is known (again): forget everything. */
void views_attach(struct views *v, const struct kernel *k, struct procs *procs);
/* The probes to hook; valid for ever. */
struct probe_set views_probes(struct views *v);
/* A CPU ran this task at `tsc`: to be called beside procs_ran. A look-up when procs knows it. */
void views_ran(struct views *v, uint64_t task_va, uint64_t tsc);
/* Due work, bounded: a slice of a round and one of a listing. Returns the TSC of the next, 0:
 * nothing to do, no kernel is known. */
uint64_t views_step(struct views *v, uint64_t tsc, uint64_t now_ns);
struct views_stats views_stats(const struct views *v);
