/* The thread groups that the views are compared for: the union of what all of them know.
 *
 * For ids/proc/views alone. A group is known by the address of its leader's task_struct and by its
 * tgid; an exec by another thread than the leader makes it a new one. Bounded: GROUPS_MAX, those
 * beyond are counted. Pure. May call: ids/guest.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ids/guest/kernel.h"

#define GROUPS_MAX 4096u /* as PROCS_MAX */

/* The views that can miss a group. (The first of the design, what ran, misses nothing that matters:
 * a sleeper does not run.) */
enum view { VIEW_TASKLIST, VIEW_PIDTABLE, VIEW_PROC, VIEWS };

struct group {
	uint64_t va;	      /* of the leader's task_struct, 0: this one is free */
	uint64_t since;	      /* TSC when it was first known */
	uint64_t start;	      /* start_boottime of its leader then: who it is, beside the numbers */
	uint64_t ran_tsc;     /* last known run of any of its tasks, 0: none */
	uint64_t exiting_tsc; /* since when its leader says that it exits, 0: it does not */
	uint64_t known_tsc;   /* when anybody last knew it */
	uint64_t listed_tsc;  /* end of the last listing that it was compared with */
	uint32_t tgid;
	uint32_t thread; /* round in which procs last knew a living task of it beside the leader */
	uint32_t met[2]; /* round in which it was last met, by view: task list, PID table */
	uint8_t missed[VIEWS], back[VIEWS]; /* looks in a row without and with it, up to 255 */
	uint8_t told;			    /* views that it was told to be hidden from: bits */
	bool started;			    /* procs saw it begin */
	uint16_t by_va, by_tgid;	    /* next with the same hash, index + 1 */
};

struct groups {
	struct group *group; /* [GROUPS_MAX] */
	uint32_t used;	     /* those from here on were never in use */
	uint32_t count;
	uint32_t free;	 /* index + 1 of a free one, linked by by_va */
	uint64_t folded; /* groups that there was no room for */
	uint16_t va_bucket[1024], tgid_bucket[1024];
};

/* -ENOMEM if the callback has none. The struct must be zeroed. */
int groups_init(struct groups *g, void *(*alloc)(void *ctx, size_t size), void *ctx);
void groups_clear(struct groups *g);

struct group *groups_find(struct groups *g, uint64_t va);
/* One at an address that has none yet. NULL: no room. */
struct group *groups_add(struct groups *g, uint64_t va, uint32_t tgid, uint64_t tsc);
/* Those with this tgid: start with NULL. */
struct group *groups_of(struct groups *g, uint32_t tgid, const struct group *after);
void groups_remove(struct groups *g, struct group *group);

static inline uint32_t groups_index(const struct groups *g, const struct group *group)
{
	return (uint32_t)(group - g->group);
}
