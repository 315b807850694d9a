#include <string.h>

#include "hv/errno.h"
#include "ids/flow/pieces.h"

uint64_t piece_pool_size(uint32_t pages)
{
	return (uint64_t)pages * (sizeof(struct piece_page) + 2 * sizeof(struct piece));
}

void piece_pool_init(struct piece_pool *pool, void *memory, uint32_t pages)
{
	*pool = (struct piece_pool){.page = memory, .pages = pages, .pieces = pages * 2};
	pool->piece = (struct piece *)(void *)(pool->page + pages);
	pool->free_page = pages ? 0 : PIECES_NONE;
	pool->free_piece = pages ? 0 : PIECES_NONE;
	for (uint32_t i = 0; i < pool->pages; i++)
		pool->page[i].next = i + 1 < pool->pages ? i + 1 : PIECES_NONE;
	for (uint32_t i = 0; i < pool->pieces; i++)
		pool->piece[i].next = i + 1 < pool->pieces ? i + 1 : PIECES_NONE;
}

void pieces_init(struct pieces *w)
{
	*w = (struct pieces){PIECES_NONE, PIECES_NONE, PIECES_NONE, PIECES_NONE, 0, 0};
}

static void free_page(struct piece_pool *pool, uint32_t i)
{
	pool->page[i].next = pool->free_page;
	pool->free_page = i;
	pool->pages_used--;
}

static void free_piece(struct piece_pool *pool, uint32_t i)
{
	pool->piece[i].next = pool->free_piece;
	pool->free_piece = i;
	pool->pieces_used--;
}

/* Take the window's first page or piece away. */
static void drop_page(struct piece_pool *pool, struct pieces *w)
{
	uint32_t i = w->first_page;

	w->first_page = pool->page[i].next;
	if (w->first_page == PIECES_NONE)
		w->last_page = PIECES_NONE;
	w->pages--;
	free_page(pool, i);
}

static void drop_piece(struct piece_pool *pool, struct pieces *w)
{
	uint32_t i = w->first_piece;

	w->first_piece = pool->piece[i].next;
	if (w->first_piece == PIECES_NONE)
		w->last_piece = PIECES_NONE;
	w->pieces--;
	free_piece(pool, i);
}

void pieces_clear(struct piece_pool *pool, struct pieces *w)
{
	while (w->first_page != PIECES_NONE)
		drop_page(pool, w);
	while (w->first_piece != PIECES_NONE)
		drop_piece(pool, w);
}

/* The last page with a number of at most `number`; PIECES_NONE: none. */
static uint32_t page_before(const struct piece_pool *pool, const struct pieces *w, uint64_t number)
{
	uint32_t found = PIECES_NONE;

	if (w->last_page != PIECES_NONE && pool->page[w->last_page].number <= number)
		return w->last_page;
	for (uint32_t i = w->first_page; i != PIECES_NONE && pool->page[i].number <= number;
	     i = pool->page[i].next)
		found = i;
	return found;
}

/* A free page put into the list behind `before` (PIECES_NONE: in front). */
static uint32_t add_page(struct piece_pool *pool, struct pieces *w, uint32_t before,
			 uint64_t number)
{
	uint32_t i = pool->free_page;

	pool->free_page = pool->page[i].next;
	pool->pages_used++;
	pool->page[i].number = number;
	if (before == PIECES_NONE) {
		pool->page[i].next = w->first_page;
		w->first_page = i;
	} else {
		pool->page[i].next = pool->page[before].next;
		pool->page[before].next = i;
	}
	if (pool->page[i].next == PIECES_NONE)
		w->last_page = i;
	w->pages++;
	return i;
}

/* All pages for [at, end). Those made stay if a later one cannot be. */
static int add_pages(struct piece_pool *pool, struct pieces *w, uint64_t at, uint64_t end,
		     unsigned most)
{
	uint64_t last = (end - 1) / PIECES_PAGE;
	uint32_t before;

	for (uint64_t n = at / PIECES_PAGE; n <= last; n++) {
		before = page_before(pool, w, n);
		if (before != PIECES_NONE && pool->page[before].number == n)
			continue;
		if (w->pages >= most)
			return -ENOSPC;
		if (pool->free_page == PIECES_NONE)
			return -ENOMEM;
		add_page(pool, w, before, n);
	}
	return 0;
}

/* Pieces that touch become one. */
static void join(struct piece_pool *pool, struct pieces *w)
{
	uint32_t i = w->first_piece;

	while (i != PIECES_NONE && pool->piece[i].next != PIECES_NONE) {
		struct piece *a = &pool->piece[i];
		uint32_t next = a->next;

		if (pool->piece[next].start > a->end) {
			i = next;
			continue;
		}
		if (pool->piece[next].end > a->end)
			a->end = pool->piece[next].end;
		a->next = pool->piece[next].next;
		if (a->next == PIECES_NONE)
			w->last_piece = i;
		w->pieces--;
		free_piece(pool, next);
	}
}

/* Room for one more piece? */
static int piece_room(struct piece_pool *pool, struct pieces *w)
{
	if (w->pieces >= PIECES_MAX || pool->free_piece == PIECES_NONE)
		join(pool, w);
	if (w->pieces >= PIECES_MAX)
		return -E2BIG;
	return pool->free_piece == PIECES_NONE ? -ENOMEM : 0;
}

/* Note [start, end), behind pieces of the same start. An exact repetition is none. */
static void add_piece(struct piece_pool *pool, struct pieces *w, uint64_t start, uint64_t end)
{
	uint32_t before = PIECES_NONE, i;

	if (w->last_piece != PIECES_NONE && pool->piece[w->last_piece].start < start)
		before = w->last_piece;
	else
		for (i = w->first_piece; i != PIECES_NONE && pool->piece[i].start <= start;
		     i = pool->piece[i].next) {
			if (pool->piece[i].start == start && pool->piece[i].end == end)
				return;
			before = i;
		}
	i = pool->free_piece;
	pool->free_piece = pool->piece[i].next;
	pool->pieces_used++;
	pool->piece[i].start = start;
	pool->piece[i].end = end;
	if (before == PIECES_NONE) {
		pool->piece[i].next = w->first_piece;
		w->first_piece = i;
	} else {
		pool->piece[i].next = pool->piece[before].next;
		pool->piece[before].next = i;
	}
	if (pool->piece[i].next == PIECES_NONE)
		w->last_piece = i;
	w->pieces++;
}

/* Copy into the pages, which are there. */
static void put(struct piece_pool *pool, struct pieces *w, uint64_t at, const uint8_t *data,
		uint64_t len)
{
	uint32_t i = page_before(pool, w, at / PIECES_PAGE);

	while (len) {
		uint64_t in = at % PIECES_PAGE, n = PIECES_PAGE - in;

		if (n > len)
			n = len;
		memcpy(pool->page[i].data + in, data, (size_t)n);
		at += n;
		data += n;
		len -= n;
		i = pool->page[i].next;
	}
}

/* Do octets that are there, [at, at + len), differ from these? */
static bool differ(const struct piece_pool *pool, const struct pieces *w, uint64_t at,
		   const uint8_t *data, uint64_t len)
{
	uint32_t i = page_before(pool, w, at / PIECES_PAGE);

	while (len) {
		uint64_t in = at % PIECES_PAGE, n = PIECES_PAGE - in;

		if (n > len)
			n = len;
		if (memcmp(pool->page[i].data + in, data, (size_t)n) != 0)
			return true;
		at += n;
		data += n;
		len -= n;
		i = pool->page[i].next;
	}
	return false;
}

static uint64_t max64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Overlaps with what is there, each octet compared once. */
static bool compare(const struct piece_pool *pool, const struct pieces *w,
		    const struct piece_data *new, bool *overlap)
{
	uint64_t from = new->at + new->skip, end = new->at + new->len;

	for (uint32_t i = w->first_piece; i != PIECES_NONE; i = pool->piece[i].next) {
		const struct piece *p = &pool->piece[i];
		uint64_t start = max64(from, p->start), stop = min64(end, p->end);

		if (p->start >= end)
			break;
		if (start >= stop)
			continue;
		*overlap = true;
		if (differ(pool, w, start, new->data + (start - new->at), stop - start))
			return true;
		from = stop;
	}
	return false;
}

/* Write what no older piece keeps: between and behind those that win. */
static void write_where_new(struct piece_pool *pool, struct pieces *w, overlap_rule rule,
			    const struct piece_data *new)
{
	uint64_t from = new->at + new->skip, end = new->at + new->len;

	for (uint32_t i = w->first_piece; i != PIECES_NONE; i = pool->piece[i].next) {
		const struct piece *p = &pool->piece[i];

		if (p->start >= end)
			break;
		if (p->end <= from || overlap_new_wins(rule, new->at, end, p->start, p->end))
			continue;
		if (p->start > from)
			put(pool, w, from, new->data + (from - new->at), p->start - from);
		from = p->end;
	}
	if (from < end)
		put(pool, w, from, new->data + (from - new->at), end - from);
}

int pieces_write(struct piece_pool *pool, struct pieces *w, overlap_rule rule,
		 const struct piece_data *new, unsigned most, bool *overlap, bool *different)
{
	bool over = false;
	int err;

	if (new->skip >= new->len)
		return 0;
	if (compare(pool, w, new, &over))
		*different = true;
	*overlap |= over;
	err = piece_room(pool, w);
	if (!err)
		err = add_pages(pool, w, new->at + new->skip, new->at + new->len, most);
	if (err)
		return err;
	write_where_new(pool, w, rule, new);
	add_piece(pool, w, new->at, new->at + new->len);
	return 0;
}

uint64_t pieces_end(const struct piece_pool *pool, const struct pieces *w, uint64_t at)
{
	uint64_t end = at;

	for (uint32_t i = w->first_piece; i != PIECES_NONE && pool->piece[i].start <= end;
	     i = pool->piece[i].next)
		end = max64(end, pool->piece[i].end);
	return end;
}

uint64_t pieces_next(const struct piece_pool *pool, const struct pieces *w, uint64_t at)
{
	for (uint32_t i = w->first_piece; i != PIECES_NONE; i = pool->piece[i].next)
		if (pool->piece[i].end > at)
			return max64(at, pool->piece[i].start);
	return UINT64_MAX;
}

const uint8_t *pieces_read(const struct piece_pool *pool, const struct pieces *w, uint64_t at,
			   uint64_t end, uint32_t *len)
{
	uint32_t i = page_before(pool, w, at / PIECES_PAGE);
	uint64_t in = at % PIECES_PAGE;

	*len = (uint32_t)min64(end - at, PIECES_PAGE - in);
	return pool->page[i].data + in;
}

void pieces_trim(struct piece_pool *pool, struct pieces *w, uint64_t to)
{
	uint32_t i;

	while (w->first_page != PIECES_NONE &&
	       (pool->page[w->first_page].number + 1) * PIECES_PAGE <= to)
		drop_page(pool, w);
	while (w->first_piece != PIECES_NONE && pool->piece[w->first_piece].end <= to)
		drop_piece(pool, w);
	/* A long piece may hide short ones that are over: they are few, and go now. */
	for (i = w->first_piece; i != PIECES_NONE && pool->piece[i].next != PIECES_NONE;) {
		uint32_t next = pool->piece[i].next;

		if (pool->piece[next].start >= to)
			break;
		if (pool->piece[next].end > to) {
			i = next;
			continue;
		}
		pool->piece[i].next = pool->piece[next].next;
		if (pool->piece[i].next == PIECES_NONE)
			w->last_piece = i;
		w->pieces--;
		free_piece(pool, next);
	}
	if (w->first_piece == PIECES_NONE)
		while (w->first_page != PIECES_NONE)
			drop_page(pool, w);
}
