/* See roots.h. */
#include "ids/proc/roots.h"

#define BUCKETS	    1024 /* a power of two */
#define KERNEL_HALF 256	 /* first entry of the upper half of the address space */
#define WATCHED	    4	 /* entries remembered of each half of a table */
#define DOUBT_LIMIT 4	 /* looks in a row at a root in doubt that is in use all the same */

/* Present bit and frame of an entry; accessed, dirty and ignored bits change in use. */
#define ENTRY_SAME 0x000ffffffffff001ull

/* No entry looks like this, because ENTRY_SAME is never all ones. */
#define ENTRY_NONE (~0ull)

/* Entries of a table as they were when first seen. The first of an empty sample is ENTRY_NONE. */
struct sample {
	uint64_t entry[WATCHED];
	uint16_t index[WATCHED];
	uint8_t count; /* in use */
};

struct root {
	const volatile uint64_t *table;
	struct sample kernel, user;
	uint64_t frame;
	uint64_t first_tsc; /* first switch to it */
	uint64_t look_tsc;  /* of the last look, if it is in doubt */
	uint64_t switches;  /* that the core has forgotten */
	uint32_t cpu;
	uint16_t next; /* of its bucket, index + 1 */
	uint8_t doubt; /* it may have been gone before the first look: looks since, 0: no doubt */
	bool told;
};

struct roots {
	struct roots_ops ops;
	uint32_t count, cursor;
	uint64_t unwatched;
	struct sample like;	     /* the kernel half of the last new root */
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

/* Any present entry among eight? */
static bool any_of_eight(const volatile uint64_t *e)
{
	return (e[0] | e[1] | e[2] | e[3] | e[4] | e[5] | e[6] | e[7]) & 1;
}

/* Take present entries of [from, to), from the top: there lie the kernel's text, modules and
 * per-CPU areas, which all address spaces of a kernel have alike, and in the user's half the stack
 * and the libraries. They stay for the life of the table. Both bounds are multiples of 8. */
static void take_sample(struct sample *sample, const volatile uint64_t *table, int from, int to)
{
	sample->count = 0;
	sample->index[0] = (uint16_t)from;
	sample->entry[0] = ENTRY_NONE;
	for (int group = to - 8; group >= from && sample->count < WATCHED; group -= 8) {
		if (!any_of_eight(table + group))
			continue;
		for (int i = group + 7; i >= group && sample->count < WATCHED; i--) {
			uint64_t entry = table[i];
			if (!(entry & 1))
				continue;
			sample->index[sample->count] = (uint16_t)i;
			sample->entry[sample->count++] = entry & ENTRY_SAME;
		}
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

static void look_first(struct roots *r, struct root *root)
{
	take_sample(&root->kernel, root->table, KERNEL_HALF, ROOTS_ENTRIES);
	take_sample(&root->user, root->table, 0, KERNEL_HALF);
	/* A process has a user half before it is first switched to; an exited one has none any
	 * more, or its page holds something that is not alike other tables. */
	root->doubt = !root->user.count || (r->like.count && !still_there(&r->like, root->table));
	r->like = root->kernel;
}

enum roots_result roots_seen(struct roots *r, uint64_t value, uint64_t first_tsc, uint64_t now,
			     uint32_t cpu, bool told)
{
	uint64_t frame = value & ROOTS_FRAME;
	uint16_t *link = find(r, frame);
	if (*link)
		return ROOTS_OLD;
	const volatile uint64_t *table = r->ops.page(r->ops.ctx, frame);
	if (!table || r->count == ROOTS_MAX) {
		r->unwatched++;
		return ROOTS_UNWATCHED;
	}
	struct root *root = &r->root[r->count];
	*root = (struct root){
		.table = table,
		.frame = frame,
		.first_tsc = first_tsc,
		.look_tsc = now,
		.cpu = cpu,
		.told = told,
	};
	look_first(r, root);
	*link = (uint16_t)++r->count;
	return ROOTS_NEW;
}

/* One entry of each half, as nearly always. */
static bool unchanged(const struct root *root)
{
	const struct sample *k = &root->kernel, *u = &root->user;
	return (root->table[k->index[0]] & ENTRY_SAME) == k->entry[0] &&
	       (root->table[u->index[0]] & ENTRY_SAME) == u->entry[0];
}

/* Does the page still look like the same table? */
static bool alive(struct root *root)
{
	struct sample now;
	if (still_there(&root->kernel, root->table) < root->kernel.count)
		return false;
	/* A user half of which nothing is left: it has exited. If something else is there, another
	 * process has got the page already. */
	if (root->user.count)
		return still_there(&root->user, root->table);
	/* The kernel's own table never has a user half, and a new process of a guest that is no
	 * Linux perhaps none yet. */
	take_sample(&now, root->table, 0, KERNEL_HALF);
	root->user = now;
	if (now.count)
		root->doubt = 0;
	return true;
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

static void forget(struct roots *r, struct root *root, uint64_t *last_tsc)
{
	*last_tsc = 0;
	root->switches += r->ops.forget(r->ops.ctx, root->frame, last_tsc);
}

/* Root[i] is gone. `last_tsc`: of the last switch to it. */
static void end(struct roots *r, uint32_t i, uint64_t last_tsc)
{
	const struct root *root = &r->root[i];
	const struct roots_about about = {
		.root = root->frame,
		.first_tsc = root->first_tsc,
		.last_tsc = last_tsc,
		.switches = root->switches,
		.cpu = root->cpu,
		.told = root->told,
	};
	take_out(r, i);
	r->ops.gone(r->ops.ctx, &about);
}

/* Root[i] looks as if it were gone: it is, if nobody has switched to it since the last look. */
static bool in_use(struct roots *r, uint32_t i, uint64_t now)
{
	struct root *root = &r->root[i];
	uint64_t last_tsc;
	/* The first look may have been a moment ago. */
	if (root->doubt++ == 1)
		return true;
	forget(r, root, &last_tsc);
	if (last_tsc <= root->look_tsc) {
		end(r, i, last_tsc);
		return false;
	}
	root->look_tsc = now;
	if (root->doubt > DOUBT_LIMIT)
		root->doubt = 0; /* the kernel's own, or that of another kernel */
	return true;
}

static void settle(struct roots *r, struct root *root)
{
	root->told = true;
	const struct roots_about about = {
		.root = root->frame, .first_tsc = root->first_tsc, .cpu = root->cpu, .told = true};
	r->ops.lived(r->ops.ctx, &about);
}

/* Look at root[i]. False: it is gone. */
static bool look(struct roots *r, uint32_t i, uint64_t now, uint64_t settled)
{
	struct root *root = &r->root[i];
	if (!unchanged(root) && !alive(root)) {
		uint64_t last_tsc;
		forget(r, root, &last_tsc);
		end(r, i, last_tsc);
		return false;
	}
	if (root->doubt && !in_use(r, i, now))
		return false;
	if (!root->told && root->first_tsc <= settled)
		settle(r, root);
	return true;
}

bool roots_sweep(struct roots *r, uint32_t count, uint64_t now, uint64_t settled)
{
	uint32_t before = r->count;
	if (count > r->count)
		count = r->count;
	while (count-- > 0 && r->count > 0) {
		if (r->cursor >= r->count)
			r->cursor = 0;
		if (look(r, r->cursor, now, settled))
			r->cursor++; /* else the last one is there now */
	}
	return r->count < before;
}
