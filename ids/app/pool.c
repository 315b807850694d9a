#include <string.h>

#include "ids/app/pool.h"

#define MAP_FREE  0x80 /* the piece that begins here is free */
#define MAP_INNER 0x7f /* no piece begins here */

static uint64_t map_size(uint32_t blocks)
{
	return ((uint64_t)blocks + 15) & ~(uint64_t)15;
}

uint64_t pool_size(uint32_t blocks)
{
	return map_size(blocks) + (uint64_t)blocks * POOL_BLOCK;
}

static struct pool_free *at_block(const struct pool *p, uint32_t block)
{
	return (struct pool_free *)(void *)(p->base + (size_t)block * POOL_BLOCK);
}

static uint32_t block_of(const struct pool *p, const void *at)
{
	return (uint32_t)((size_t)((const uint8_t *)at - p->base) / POOL_BLOCK);
}

static void link_free(struct pool *p, uint32_t block, unsigned order)
{
	struct pool_free *f = at_block(p, block);

	f->prev = NULL;
	f->next = p->free[order];
	if (f->next)
		f->next->prev = f;
	p->free[order] = f;
	p->map[block] = (uint8_t)(MAP_FREE | order);
}

static void unlink_free(struct pool *p, uint32_t block, unsigned order)
{
	struct pool_free *f = at_block(p, block);

	if (f->prev)
		f->prev->next = f->next;
	else
		p->free[order] = f->next;
	if (f->next)
		f->next->prev = f->prev;
	p->map[block] = MAP_INNER;
}

void pool_init(struct pool *p, void *memory, uint32_t blocks)
{
	uint32_t block = 0;

	memset(p, 0, sizeof(*p));
	p->map = memory;
	p->base = p->map + map_size(blocks);
	p->blocks = blocks;
	memset(p->map, MAP_INNER, blocks);
	/* The largest pieces that are aligned and fit; the rest in smaller ones. */
	for (unsigned order = POOL_ORDERS; order-- > 0;)
		for (; blocks - block >= 1u << order; block += 1u << order)
			link_free(p, block, order);
}

void *pool_take(struct pool *p, size_t size)
{
	unsigned want = 0, order;
	uint32_t block;

	if (!size || size > POOL_MAX)
		return NULL;
	while ((POOL_BLOCK << want) < size)
		want++;
	for (order = want; order < POOL_ORDERS && !p->free[order]; order++)
		;
	if (order == POOL_ORDERS) {
		p->failures++;
		return NULL;
	}
	block = block_of(p, p->free[order]);
	unlink_free(p, block, order);
	while (order > want) {
		order--;
		link_free(p, block + (1u << order), order);
	}
	p->map[block] = (uint8_t)want;
	p->used += POOL_BLOCK << want;
	return at_block(p, block);
}

void *pool_zero(struct pool *p, size_t size)
{
	void *at = pool_take(p, size);

	if (at)
		memset(at, 0, size);
	return at;
}

void pool_give(struct pool *p, void *at)
{
	uint32_t block, buddy;
	unsigned order;

	if (!at)
		return;
	block = block_of(p, at);
	order = p->map[block];
	p->map[block] = MAP_INNER;
	p->used -= POOL_BLOCK << order;
	for (; order + 1 < POOL_ORDERS; order++) {
		buddy = block ^ 1u << order;
		if (buddy >= p->blocks || p->map[buddy] != (MAP_FREE | order))
			break;
		unlink_free(p, buddy, order);
		block &= ~(1u << order);
	}
	link_free(p, block, order);
}

bool buf_room(struct pool *p, struct buf *b, size_t more, uint32_t max)
{
	uint32_t cap = b->cap ? b->cap : POOL_BLOCK;
	uint8_t *at;

	if (max > POOL_MAX)
		max = POOL_MAX;
	if (b->len > max || more > max - b->len)
		return false;
	if (b->at && more <= b->cap - b->len)
		return true;
	while (cap < b->len + more)
		cap *= 2;
	at = pool_take(p, cap);
	if (!at)
		return false;
	if (b->len)
		memcpy(at, b->at, b->len);
	pool_give(p, b->at);
	b->at = at;
	b->cap = cap;
	return true;
}

bool buf_add(struct pool *p, struct buf *b, const void *data, size_t len, uint32_t max)
{
	if (!len)
		return true;
	if (!buf_room(p, b, len, max))
		return false;
	memcpy(b->at + b->len, data, len);
	b->len += (uint32_t)len;
	return true;
}

void buf_drop(struct pool *p, struct buf *b)
{
	pool_give(p, b->at);
	memset(b, 0, sizeof(*b));
}
