/* The guest's tasks as Vigil follows them: every one from the call that starts it to the one that
 * releases it, whatever the guest's own lists say.
 *
 * Fed by probes on the kernel's lifecycle functions (procs_probes) and, for tasks older than those,
 * by a first walk of the task list. Tells `process` events (fork, exec, exit). For the sentry;
 * pure, memory from ops->alloc at creation, bounded. May call: ids/guest, ids/proc/task, ids/eve.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ids/eve/eve.h"
#include "ids/guest/probe.h"
#include "ids/proc/task.h"

#define PROCS_MAX 4096 /* tasks followed at a time; more are counted and told as folded */

/* A task that is followed. Read only for others; valid until it is released. */
struct proc {
	uint64_t va; /* of its task_struct */
	uint64_t root;
	uint64_t start_tsc; /* when the probe saw it start, 0: older than Vigil's look */
	uint64_t ran_tsc;   /* last seen running: a hit or a sample; 0: never */
	int32_t pid, tgid, ppid;
	uint32_t uid;
	uint32_t flags;	   /* PF_*, as last read */
	uint64_t exit_tsc; /* do_exit was called; 0: it lives */
	char comm[TASK_COMM_MAX];
	char exe[TASK_EXE_MAX];
	uint8_t hidden;	   /* for ids/proc/views: which views miss it (told) */
	uint8_t missed[4]; /* for ids/proc/views: observations in a row without it, by view */
};

struct procs;
struct procs_ops {
	void *ctx;
	void *(*alloc)(void *ctx, size_t size);
	struct eve *eve;
	uint64_t tsc_hz;
};

/* What was seen since the kernel is known. Processes, unless it says tasks. */
struct procs_stats {
	uint64_t forks, execs, exits; /* each one the guest made, whether told or not */
	uint64_t threads;	      /* tasks that were started as threads */
	uint64_t kernel_threads;
	uint64_t brief;	  /* processes told in one line, or with others in one: they lived less
			   * than a second */
	uint64_t untold;  /* lines that found no room, and are counted as lost */
	uint64_t folded;  /* tasks that found no room in the table */
	uint64_t unknown; /* hits of tasks that were not followed before */
};

/* NULL: no memory. */
struct procs *procs_create(const struct procs_ops *ops);
/* A kernel is known (again): forget all tasks, walk its list in slices. */
void procs_attach(struct procs *p, const struct kernel *k, uint64_t now_ns);
/* The probes to hook; valid for ever. */
struct probe_set procs_probes(struct procs *p);
/* A CPU ran this task at `tsc`: a sample, or a hit of any probe. */
void procs_ran(struct procs *p, uint64_t task_va, uint64_t tsc);
/* Due work (short-lived processes folded into one line, the first walk), bounded. Returns the TSC
 * of the next, 0: none. */
uint64_t procs_step(struct procs *p, uint64_t tsc, uint64_t now_ns);

const struct proc *procs_find(const struct procs *p, uint64_t task_va);
const struct proc *procs_find_pid(const struct procs *p, int32_t pid);
/* All, in no order: start with *cursor = 0; NULL: no more. A task that comes or goes meanwhile may
 * be missed or not. */
struct proc *procs_next(struct procs *p, uint32_t *cursor);
const struct proc *procs_each(const struct procs *p, uint32_t *cursor);
uint32_t procs_count(const struct procs *p);
const struct procs_stats *procs_stats(const struct procs *p);
/* A process that has this page-table root (physical, page aligned). NULL: none is known. */
const struct proc *procs_find_root(const struct procs *p, uint64_t root);

/* The `process` object of any event: what is known of a task now. */
void procs_put(const struct procs *p, struct json *j, uint64_t task_va);
