/* Table of the guest's page-table roots: how often each was switched to, and when.
 *
 * Fixed size, open addressing with linear probing; deleting shifts the cluster back, so there are
 * no tombstones and probes stay short. The caller holds the table's lock. Pure; exit context,
 * bounded.
 *
 * Full table (3/4 of the slots): the entry that was switched to longest ago among the next
 * ROOT_TABLE_WINDOW slots gives way, because a new process must always be seen; it is handed out
 * and counted.
 */
#pragma once

#include <stdint.h>

#define ROOT_TABLE_BITS	  11
#define ROOT_TABLE_SIZE	  (1u << ROOT_TABLE_BITS)   /* slots; 64 KiB of memory */
#define ROOT_TABLE_LIMIT  (ROOT_TABLE_SIZE / 4 * 3) /* entries at most */
#define ROOT_TABLE_WINDOW 32			    /* slots looked at for one to replace */

struct root_entry {
	uint64_t root;	   /* page aligned; bit 0 is set in a slot that is in use (ROOT_OF) */
	uint64_t switches; /* to it; 1: it was just seen for the first time */
	uint64_t first_tsc;
	uint64_t last_tsc; /* of the last switch to it */
};

#define ROOT_OF(entry) ((entry)->root & ~0xfffull)

/* Zero-initialized. */
struct root_table {
	uint32_t used;
	uint64_t replaced; /* entries that gave way in a full table */
	struct root_entry slot[ROOT_TABLE_SIZE];
};

/* Count a switch to `root` at `tsc`; makes an entry when there is none. The entry (its `switches`
 * is 1 when it is new) is valid until the next call on the table. When a full table made one give
 * way, *evicted is that one; otherwise evicted->root is 0. Bits 11:0 of `root` are ignored. */
struct root_entry *root_table_switch(struct root_table *table, uint64_t root, uint64_t tsc,
				     struct root_entry *evicted);

/* The entry of `root`, or NULL. */
struct root_entry *root_table_find(struct root_table *table, uint64_t root);

/* Take `root` out; its last state goes to *gone (may be NULL). 0, or -ENOENT. */
int root_table_remove(struct root_table *table, uint64_t root, struct root_entry *gone);
