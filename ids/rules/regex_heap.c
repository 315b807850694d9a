#include <stdbool.h>

#include "ids/rules/regex_heap.h"

/* The head of a piece, followed by its octets; pieces cover the block without a gap. */
struct regex_piece {
	uint32_t size;	 /* with this head; a multiple of 16 */
	uint32_t before; /* size of the piece before this one, 0: this is the first */
	bool used;
	uint8_t pad[7];
};

_Static_assert(sizeof(struct regex_piece) == 16, "keeps the alignment");
#define HEAD sizeof(struct regex_piece)

static struct regex_piece *next_piece(const struct regex_heap *h, struct regex_piece *p)
{
	uint8_t *at = (uint8_t *)p + p->size;

	return at == h->end ? NULL : (struct regex_piece *)(void *)at;
}

void regex_heap_init(struct regex_heap *h, void *memory, size_t size)
{
	size &= ~(size_t)15;
	if (size > UINT32_MAX - 15)
		size = UINT32_MAX - 15;
	h->first = h->rover = memory;
	h->end = (uint8_t *)memory + size;
	h->used = 0;
	*h->first = (struct regex_piece){.size = (uint32_t)size};
}

/* Take `need` octets of the free piece `p`; what is left becomes a piece, if it can hold one. */
static void *take(struct regex_heap *h, struct regex_piece *p, uint32_t need)
{
	uint32_t rest = p->size - need;

	if (rest >= 2 * HEAD) {
		struct regex_piece *after = next_piece(h, p), *left;

		p->size = need;
		left = next_piece(h, p);
		*left = (struct regex_piece){.size = rest, .before = need};
		if (after)
			after->before = rest;
	}
	p->used = true;
	h->used += p->size;
	h->rover = p;
	return (uint8_t *)p + HEAD;
}

void *regex_heap_alloc(struct regex_heap *h, size_t size)
{
	struct regex_piece *p = h->rover;
	uint32_t need;

	if (size > (size_t)(h->end - (uint8_t *)h->first))
		return NULL;
	need = (uint32_t)((size + HEAD + 15) & ~(size_t)15);
	do {
		if (!p->used && p->size >= need)
			return take(h, p, need);
		p = next_piece(h, p);
		if (!p)
			p = h->first;
	} while (p != h->rover);
	return NULL;
}

/* Make `p` and the free piece behind it one. */
static void join(struct regex_heap *h, struct regex_piece *p)
{
	struct regex_piece *gone = next_piece(h, p), *after;

	if (h->rover == gone)
		h->rover = p;
	p->size += gone->size;
	after = next_piece(h, p);
	if (after)
		after->before = p->size;
}

void regex_heap_free(struct regex_heap *h, void *at)
{
	struct regex_piece *p, *after;

	if (!at)
		return;
	p = (struct regex_piece *)(void *)((uint8_t *)at - HEAD);
	p->used = false;
	h->used -= p->size;
	after = next_piece(h, p);
	if (after && !after->used)
		join(h, p);
	if (p->before) {
		struct regex_piece *before =
			(struct regex_piece *)(void *)((uint8_t *)p - p->before);

		if (!before->used)
			join(h, before);
	}
}
