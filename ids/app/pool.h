/* Memory of the application layer: blocks of a power of two from one region (a buddy allocator),
 * and octet strings that grow in them.
 *
 * For ids/app. The region comes from the caller once. Taking and giving back cost at most
 * POOL_ORDERS steps; nothing is taken beyond the region, so a flood of flows costs others their
 * inspection and never the machine its memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_BLOCK  256u			      /* the smallest block */
#define POOL_ORDERS 10				      /* sizes 256 << 0 ... 256 << 9 */
#define POOL_MAX    (POOL_BLOCK << (POOL_ORDERS - 1)) /* 131,072: the largest */

struct pool_free {
	struct pool_free *next, *prev;
};

struct pool {
	uint8_t *base; /* of the blocks */
	uint8_t *map; /* of each block: order of the piece that begins there, and whether it is free
		       */
	uint32_t blocks;
	struct pool_free *free[POOL_ORDERS];
	uint64_t used;	   /* octets given out */
	uint64_t failures; /* requests that found nothing */
};

/* Octets of memory that a pool with `blocks` blocks needs. */
uint64_t pool_size(uint32_t blocks);
/* `memory`: pool_size(blocks) octets, aligned to 16. */
void pool_init(struct pool *p, void *memory, uint32_t blocks);

/* A block of at least `size` octets (1 to POOL_MAX), aligned to 16, content undefined; NULL: none.
 */
void *pool_take(struct pool *p, size_t size);
/* Zeroed. */
void *pool_zero(struct pool *p, size_t size);
/* `at`: from pool_take, or NULL. */
void pool_give(struct pool *p, void *at);

/* A string that grows; all zero is an empty one. */
struct buf {
	uint8_t *at;
	uint32_t len, cap;
};

/* Room for `more` octets behind what is there; false: `max` (at most POOL_MAX) would be exceeded,
 * or no memory. The string may move. */
bool buf_room(struct pool *p, struct buf *b, size_t more, uint32_t max);
/* Append; false as above, then nothing is appended. */
bool buf_add(struct pool *p, struct buf *b, const void *data, size_t len, uint32_t max);
/* Give it back; an empty string is left. */
void buf_drop(struct pool *p, struct buf *b);
