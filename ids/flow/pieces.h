/* Octets that come in pieces, out of order and overlapping: a window over a long row of octets.
 *
 * For defrag and stream. A pool owns all memory: pages of PIECES_PAGE octets, and records of the
 * pieces. A window (`struct pieces`) holds a list of the pages that its data needs, and a list of
 * pieces in order of their start, which says what is there and lets the overlap policy compare old
 * and new as they came. Work for a piece is linear in its octets and the window's pieces, of which
 * there are at most PIECES_MAX: beyond it those that touch become one. Pure; memory only from the
 * caller.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ids/flow/overlap.h"

#define PIECES_PAGE 2048
#define PIECES_MAX  64
#define PIECES_NONE UINT32_MAX

struct piece_page {
	uint64_t number; /* of the first octet, in pages */
	uint32_t next;
	uint8_t data[PIECES_PAGE];
};

struct piece {
	uint64_t start, end;
	uint32_t next;
};

struct piece_pool {
	struct piece_page *page;
	struct piece *piece;
	uint32_t pages, pieces;		  /* in all */
	uint32_t free_page, free_piece;	  /* lists */
	uint32_t pages_used, pieces_used; /* now */
};

struct pieces {
	uint32_t first_page, last_page;
	uint32_t first_piece, last_piece;
	uint16_t pages, pieces;
};

/* Octets of memory for a pool with so many pages, and twice as many pieces. */
uint64_t piece_pool_size(uint32_t pages);
/* `memory` is zeroed and aligned to 16. */
void piece_pool_init(struct piece_pool *pool, void *memory, uint32_t pages);

void pieces_init(struct pieces *w);

/* Give all back. */
void pieces_clear(struct piece_pool *pool, struct pieces *w);

struct piece_data {
	uint64_t at; /* place of the first octet */
	const uint8_t *data;
	uint32_t len;
	uint32_t skip; /* so many of the first octets lie before what was trimmed, and are left out
			*/
};

/* Write a piece. `most`: the pages this window may hold. Sets *overlap if any of it was there
 * before, *different if with other octets. 0; -ENOMEM: the pool is empty; -ENOSPC: the window has
 * its share; -E2BIG: too many pieces with holes between them. Unless 0, nothing is written. */
int pieces_write(struct piece_pool *pool, struct pieces *w, overlap_rule rule,
		 const struct piece_data *new, unsigned most, bool *overlap, bool *different);

/* End of the octets that follow each other from `at` on (`at`: there are none). */
uint64_t pieces_end(const struct piece_pool *pool, const struct pieces *w, uint64_t at);

/* First octet that is there at or behind `at`; UINT64_MAX: none. */
uint64_t pieces_next(const struct piece_pool *pool, const struct pieces *w, uint64_t at);

/* Octets at `at`, all of one page, at most to `end`; *len of them. They must be there. */
const uint8_t *pieces_read(const struct piece_pool *pool, const struct pieces *w, uint64_t at,
			   uint64_t end, uint32_t *len);

/* Forget what lies before `to`; nothing before it is asked for or written from now on. */
void pieces_trim(struct piece_pool *pool, struct pieces *w, uint64_t to);
