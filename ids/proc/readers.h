/* Who reads /proc, and what it was told: one listing for each open directory that is being read.
 *
 * For ids/proc/views: called (synchronously) at each read of a /proc root, when the call before has
 * left its entries in the reader's memory. A listing is complete when it began at position 0, came
 * to the end, was read by one task in order, and every batch could be followed; only such a one of
 * the initial PID namespace, which hides nothing from its reader, says anything. Pure; memory from
 * a callback. May call: ids/guest, ids/proc/{task,listing}.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ids/guest/probe.h"
#include "ids/proc/groups.h"

#define READERS 8u /* listings at a time; the oldest gives way */

enum reader_state { READER_FREE, READER_READING, READER_COMPLETE };

struct reader {
	enum reader_state state;
	uint8_t format;
	uint64_t task, file;
	uint64_t begin_tsc, end_tsc;
	uint64_t last_tsc; /* of its latest call */
	/* The latest call: where it began and where it puts what it finds. */
	uint64_t pos, buffer, size;
	uint32_t told;			 /* processes, with those that no other view knows */
	uint8_t present[GROUPS_MAX / 8]; /* bit: the group of this index was told */
};

struct readers {
	const struct kernel *k;
	struct groups *groups;
	uint8_t *bytes; /* for parsing */
	struct reader reader[READERS];
	/* Where things lie, see readers.c; known: all of them are. */
	uint32_t offset[16];
	uint64_t pid_ns; /* address of the initial one */
	bool known;
	/* Counted. */
	uint64_t calls; /* reads of a /proc root */
	uint64_t begun, complete;
	uint64_t dropped; /* begun and not completed, or not to be followed */
	uint64_t unlike;  /* calls on other procfs mounts: another namespace, or things hidden */
};

/* -ENOMEM. The struct must be zeroed. */
int readers_init(struct readers *r, struct groups *groups, void *(*alloc)(void *ctx, size_t size),
		 void *ctx);
/* A kernel is known (again). -ENOENT: what is needed of it is not. */
int readers_attach(struct readers *r, const struct kernel *k);

/* The hit of the probe on proc_root_readdir() or on a getdents64 handler. */
void readers_hit(struct readers *r, const struct probe_hit *hit);

/* Was the group told in this listing? */
static inline bool reader_told(const struct reader *reader, uint32_t group)
{
	return reader->present[group / 8] >> (group % 8) & 1;
}
