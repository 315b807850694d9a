/* See groups.h. */
#include "ids/proc/groups.h"

#include <string.h>

#include "hv/errno.h"
#include "ids/bytes.h"

#define BUCKETS 1024u

int groups_init(struct groups *g, void *(*alloc)(void *ctx, size_t size), void *ctx)
{
	g->group = alloc(ctx, GROUPS_MAX * sizeof(*g->group));
	return g->group ? 0 : -ENOMEM;
}

void groups_clear(struct groups *g)
{
	memset(g->group, 0, g->used * sizeof(*g->group));
	memset(g->va_bucket, 0, sizeof(g->va_bucket));
	memset(g->tgid_bucket, 0, sizeof(g->tgid_bucket));
	g->used = g->count = g->free = 0;
}

/* Both addresses and numbers come from the guest, but a guest that makes all of them collide only
 * makes the search longer, and that by GROUPS_MAX at most. */
static uint16_t *va_bucket(struct groups *g, uint64_t va)
{
	return &g->va_bucket[mix64(va) % BUCKETS];
}

static uint16_t *tgid_bucket(struct groups *g, uint32_t tgid)
{
	return &g->tgid_bucket[tgid % BUCKETS];
}

struct group *groups_find(struct groups *g, uint64_t va)
{
	uint16_t i = *va_bucket(g, va);
	while (i && g->group[i - 1].va != va)
		i = g->group[i - 1].by_va;
	return i ? &g->group[i - 1] : NULL;
}

struct group *groups_of(struct groups *g, uint32_t tgid, const struct group *after)
{
	uint16_t i = after ? after->by_tgid : *tgid_bucket(g, tgid);
	while (i && g->group[i - 1].tgid != tgid)
		i = g->group[i - 1].by_tgid;
	return i ? &g->group[i - 1] : NULL;
}

static struct group *take(struct groups *g)
{
	struct group *group;
	if (g->free) {
		group = &g->group[g->free - 1];
		g->free = group->by_va;
	} else if (g->used < GROUPS_MAX) {
		group = &g->group[g->used++];
	} else {
		g->folded++;
		return NULL;
	}
	g->count++;
	return group;
}

struct group *groups_add(struct groups *g, uint64_t va, uint32_t tgid, uint64_t tsc)
{
	struct group *group = take(g);
	if (!group)
		return NULL;
	uint16_t *by_va = va_bucket(g, va), *by_tgid = tgid_bucket(g, tgid);
	*group = (struct group){.va = va,
				.tgid = tgid,
				.since = tsc,
				.known_tsc = tsc,
				.by_va = *by_va,
				.by_tgid = *by_tgid};
	*by_va = *by_tgid = (uint16_t)(groups_index(g, group) + 1);
	return group;
}

void groups_remove(struct groups *g, struct group *group)
{
	uint16_t i = (uint16_t)(groups_index(g, group) + 1);
	uint16_t *link = va_bucket(g, group->va);
	while (*link != i)
		link = &g->group[*link - 1].by_va;
	*link = group->by_va;
	link = tgid_bucket(g, group->tgid);
	while (*link != i)
		link = &g->group[*link - 1].by_tgid;
	*link = group->by_tgid;
	*group = (struct group){.by_va = (uint16_t)g->free};
	g->free = i;
	g->count--;
}
