/* Between procs.c and procs_event.c. */
#pragma once

#include "ids/proc/procs.h"

#define PROCS_BUCKETS 4096 /* a power of two */

struct entry {
	struct proc proc;
	bool used;
	bool told;	/* by a line: as forked, exec'd or seen */
	uint32_t next;	/* in its bucket, or in the free list: index + 1, 0: none */
	uint32_t execs; /* since it started */
	uint32_t code;	/* of its exit */
	uint32_t cpu;	/* of the last of its calls that was seen */
	int32_t ns_pid;
	uint64_t fork_ns, exit_ns; /* Unix; 0: unknown */
};

struct procs {
	struct procs_ops ops;
	const struct kernel *k;
	struct procs_stats stats;
	uint32_t count, free; /* free: index + 1 */
	uint32_t bucket[PROCS_BUCKETS];
	struct entry *entry; /* [PROCS_MAX] */
	/* Started and not told yet, in order: they have a second to live for it. */
	uint64_t young[PROCS_MAX];
	uint64_t young_tsc[PROCS_MAX];
	uint32_t young_prod, young_cons;
	/* The first walk. */
	uint64_t walk_next, walk_head;
	uint32_t walked;
	uint64_t now_ns; /* of the last step */
	/* Short-lived processes of which only numbers are told. */
	uint64_t brief_window; /* TSC */
	uint32_t brief_lines;  /* in this window */
	uint32_t brief_count, brief_execs;
	uint64_t brief_first_ns;
};

enum procs_action { PROCS_FORK, PROCS_EXEC, PROCS_EXIT };

/* One line about the short-lived processes that have none of their own. */
void procs_tell_brief(struct procs *p, uint64_t now_ns);

/* A line about a process. True if it was written; else it is counted as lost. */
bool procs_tell(struct procs *p, const struct entry *e, enum procs_action action, uint64_t now_ns);
