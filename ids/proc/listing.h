/* What a user of the guest is told of its processes: the entries that a call of getdents left in
 * the reader's buffer (Linux: fs/readdir.c), parsed after whoever may have changed them.
 *
 * For ids/proc/readers. How much of the buffer the call filled is not known; the order of the
 * positions tells. The kernel writes into each entry the position of the next, and into the last
 * one the position at which the next call will begin, which its struct file holds. What lies behind
 * are stale bytes of earlier, longer batches. Pure; calls only its callbacks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Positions in a listing of /proc (Linux: fs/proc/base.c): the process with number n is at
 * n + TGID_OFFSET; after the last one the position is LISTING_END. */
#define LISTING_PID 258u
#define LISTING_END (4u * 1024 * 1024 + LISTING_PID) /* PID_MAX_LIMIT + TGID_OFFSET */

#define LISTING_BYTES_MAX (256u << 10) /* of one batch; some 8,000 processes */
#define LISTING_BUFFER	  4096u

enum listing_format {
	LISTING_DIRENT64, /* struct linux_dirent64 */
	LISTING_DIRENT,	  /* struct linux_dirent, of the older call, 64-bit */
};

struct listing {
	enum listing_format format;
	uint64_t from, to; /* positions before and after the call */
	uint64_t size;	   /* of the buffer */
	void *ctx;
	/* Copy bytes of the buffer. 0, or an error: they can't be read. At most up to the end of a
	 * page is asked for, or less than 32 bytes. */
	int (*read)(void *ctx, uint64_t offset, void *dst, size_t len);
	/* A process is told. */
	void (*told)(void *ctx, uint32_t pid);
	uint64_t page;	/* the buffer's address, for its page boundaries */
	uint8_t *bytes; /* [LISTING_BUFFER], for parsing */
};

/* Parse a batch. True: all of it was seen, and what was not told was not there. False: the entries
 * don't lead from `from` to `to`: the buffer was changed since, or the file's position. (An entry
 * longer than its name needs, with nothing sensible behind, is a filter's work, which cut off the
 * end: that is a batch that was seen.) */
bool listing_parse(const struct listing *l);
