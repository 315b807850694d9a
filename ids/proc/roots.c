/* See roots.h. */
#include "ids/proc/roots.h"

#define BUCKETS	    1024 /* a power of two */
#define KERNEL_HALF 256	 /* first entry of the upper half of the address space */
#define WATCHED	    4	 /* entries remembered of each half of a table */
#define EMPTY_LIMIT 2	 /* looks in a row at an empty user half until it is gone */

/* Present bit and frame of an entry; accessed, dirty and ignored bits change in use. */
#define ENTRY_SAME 0x000ffffffffff001ull

/* Entries of a table as they were when first seen. */
struct sample {
	uint8_t count; /* in use */
	uint16_t index[WATCHED];
	uint64_t entry[WATCHED];
};

struct root {
	uint64_t frame;
	uint64_t first_tsc;
	uint32_t cpu;
	uint16_t next; /* of its bucket, index + 1 */
	uint8_t empty; /* looks in a row that found the user half empty */
	struct sample kernel, user;
};

struct roots {
	struct roots_ops ops;
	uint32_t count, cursor;
	uint64_t unwatched;
	uint16_t bucket[BUCKETS];    /* index + 1 of the first root, 0: none */
	struct root root[ROOTS_MAX]; /* the first `count` are in use */
};

size_t roots_memory(void)
{
	return sizeof(struct roots);
}

struct roots *roots_init(void *memory, const struct roots_ops *ops)
{
	struct roots *r = memory;
	r->ops = *ops;
	return r;
}

uint32_t roots_count(const struct roots *r)
{
	return r->count;
}

uint64_t roots_unwatched(const struct roots *r)
{
	return r->unwatched;
}

/* Page numbers of roots are neighbours often: mix before taking the low bits. */
static uint16_t *bucket_of(struct roots *r, uint64_t frame)
{
	return &r->bucket[(frame >> 12) * 0x9e3779b97f4a7c15ull >> 32 & (BUCKETS - 1)];
}

/* The link that leads to a root; *link is 0 if it is not in the set. */
static uint16_t *find(struct roots *r, uint64_t frame)
{
	uint16_t *link = bucket_of(r, frame);
	while (*link && r->root[*link - 1].frame != frame)
		link = &r->root[*link - 1].next;
	return link;
}

/* Take present entries of [from, to), from the top: there lie the kernel's text, modules and
 * per-CPU areas, which all address spaces of a kernel have alike, and in the user's half the stack
 * and the libraries. They stay for the life of the table. */
static void take_sample(struct sample *sample, const volatile uint64_t *table, int from, int to)
{
	sample->count = 0;
	for (int i = to - 1; i >= from && sample->count < WATCHED; i--) {
		uint64_t entry = table[i];
		if (!(entry & 1))
			continue;
		sample->index[sample->count] = (uint16_t)i;
		sample->entry[sample->count++] = entry & ENTRY_SAME;
	}
}

/* How many entries of the sample are still there. */
static unsigned still_there(const struct sample *sample, const volatile uint64_t *table)
{
	unsigned same = 0;
	for (unsigned i = 0; i < sample->count; i++)
		same += (table[sample->index[i]] & ENTRY_SAME) == sample->entry[i];
	return same;
}

bool roots_seen(struct roots *r, uint64_t root, uint64_t tsc, uint32_t cpu)
{
	uint64_t frame = root & ROOTS_FRAME;
	uint16_t *link = find(r, frame);
	if (*link)
		return false;
	const volatile uint64_t *table = r->ops.page(r->ops.ctx, frame);
	if (!table || r->count == ROOTS_MAX) {
		r->unwatched++;
		return true;
	}
	struct root *new = &r->root[r->count];
	*new = (struct root){.frame = frame, .first_tsc = tsc, .cpu = cpu};
	take_sample(&new->kernel, table, KERNEL_HALF, ROOTS_ENTRIES);
	take_sample(&new->user, table, 0, KERNEL_HALF);
	*link = (uint16_t)++r->count;
	return true;
}

/* Does the page still look like the same table? */
static bool alive(struct root *root, const volatile uint64_t *table)
{
	struct sample now;
	if (still_there(&root->kernel, table) < root->kernel.count)
		return false;
	if (root->user.count && still_there(&root->user, table)) {
		root->empty = 0;
		return true;
	}
	take_sample(&now, table, 0, KERNEL_HALF);
	if (!root->user.count) {
		/* The kernel's own table never has a user half, and a new process none yet. */
		root->user = now;
		return true;
	}
	/* Nothing is left of it, and something else is there: another process got the page. */
	if (now.count)
		return false;
	return ++root->empty < EMPTY_LIMIT;
}

/* Take root[i] out; the last one moves to its place. */
static void take_out(struct roots *r, uint32_t i)
{
	uint16_t *link = find(r, r->root[i].frame);
	*link = r->root[i].next;
	uint32_t last = r->count - 1;
	if (i != last) {
		link = find(r, r->root[last].frame);
		r->root[i] = r->root[last];
		*link = (uint16_t)(i + 1);
	}
	r->count = last;
}

void roots_sweep(struct roots *r, uint32_t count)
{
	if (count > r->count)
		count = r->count;
	while (count-- > 0 && r->count > 0) {
		if (r->cursor >= r->count)
			r->cursor = 0;
		struct root *root = &r->root[r->cursor];
		const volatile uint64_t *table = r->ops.page(r->ops.ctx, root->frame);
		if (table && alive(root, table)) {
			r->cursor++;
			continue;
		}
		struct root gone = *root;
		take_out(r, r->cursor);
		r->ops.gone(r->ops.ctx, gone.frame, gone.first_tsc, gone.cpu);
	}
}
