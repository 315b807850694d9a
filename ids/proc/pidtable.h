/* The kernel's PID table: the IDR of the initial PID namespace, an xarray (Linux: lib/xarray.c,
 * kernel/pid.c), which holds a struct pid for each task of every namespace.
 *
 * For ids/proc/views. Stateless: each call reads the guest anew, at most as many nodes as the tree
 * can have levels; a tree that is restructured meanwhile may make an entry look absent, so that one
 * absence proves nothing. Pure. May call: ids/guest.
 */
#pragma once

#include <stdint.h>

#include "ids/guest/kernel.h"

#define PIDTABLE_SLOTS 64u		      /* of a node */
#define PIDTABLE_END   (4u * 1024 * 1024 + 1) /* PIDs are below PID_MAX_LIMIT */

struct pidtable {
	const struct gspace *space;
	uint64_t head;	       /* address of the tree's root entry */
	uint32_t shift, slots; /* offsets in struct xa_node */
	uint32_t tasks;	       /* in struct pid */
	uint32_t link;	       /* of pid_links[PIDTYPE_PID] in struct task_struct */
};

struct pidtable_entry {
	uint32_t nr;
	uint64_t pid; /* address of its struct pid */
};

/* 0; -ENOENT: this kernel has no such table. */
int pidtable_init(struct pidtable *t, const struct kernel *k);

/* The struct pid of a number. 0; -ENOENT: there is none; -EFAULT: the tree is broken. */
int pidtable_find(const struct pidtable *t, uint32_t nr, uint64_t *pid);

/* The task to which a struct pid belongs. 0; -ENOENT: none (any more); -EFAULT. */
int pidtable_task(const struct pidtable *t, uint64_t pid, uint64_t *task);

/* The entries of the next node from number *nr on; *nr becomes where to go on, PIDTABLE_END after
 * the last. Returns how many there are, which may be none long before the end; -EFAULT: the tree is
 * broken. */
int pidtable_next(const struct pidtable *t, uint32_t *nr,
		  struct pidtable_entry entry[PIDTABLE_SLOTS]);
