/* A walk over the kernel's task list (init_task.tasks: the leaders of all thread groups) in slices,
 * with the list changing underneath.
 *
 * For ids/proc/views. The list is only ever added to at its end, and a walk that goes on after a
 * pause does so from an element that it has met and that is still linked; so a task that is in the
 * list from before the walk began until after it ended is met. An element that was left in between
 * sends the walk back to an earlier one, thus tasks may be met twice. Loops, wild pointers and
 * lists without an end make it `broken`: it says nothing then. Pure. May call: ids/guest.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ids/guest/kernel.h"

#define TASKLIST_MAX   65536u /* elements of one walk, then it is broken */
#define TASKLIST_MARKS 8u     /* elements remembered to go on from */

/* An element that was met. */
struct tasklist_mark {
	uint64_t at;
	int32_t pid;
};

struct tasklist {
	const struct gspace *space;
	uint64_t head;	/* &init_task.tasks */
	uint32_t tasks; /* offsets in struct task_struct */
	uint32_t pid, tgid, exit_state;
	/* The walk. */
	struct tasklist_mark at;		   /* met last, or the head */
	struct tasklist_mark mark[TASKLIST_MARKS]; /* met before: sparse, the latest last */
	uint32_t marks;
	uint32_t met;	    /* elements, those met again too */
	uint64_t trap;	    /* Brent: an element met; to meet it again is a loop */
	uint32_t trap_next; /* when the trap is moved */
	uint32_t back;	    /* times that it was sent back */
};

struct tasklist_task {
	uint64_t va;
	int32_t pid, tgid;
};

enum tasklist_result { TASKLIST_MORE, TASKLIST_END, TASKLIST_BROKEN };

/* 0; -ENOENT: this kernel's list is not known. */
int tasklist_init(struct tasklist *w, const struct kernel *k);
void tasklist_begin(struct tasklist *w);
/* Go on by `count` elements at most: met() is called for each task. */
enum tasklist_result tasklist_step(struct tasklist *w, uint32_t count,
				   void (*met)(void *ctx, const struct tasklist_task *task),
				   void *ctx);

/* The task before this one in the list, by its own word, if that one leads on to it; 0: it is not
 * linked. */
uint64_t tasklist_before(const struct tasklist *w, uint64_t task);
