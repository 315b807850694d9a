/* The /proc of views_world.h: getdents as the kernel does it, and as rootkits change it. */
#include "tests/unit/views_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define FIRST_PID  258u
#define LAST_POS   (4u * 1024 * 1024 + FIRST_PID)
#define STACK_SIZE 0x4000u

/* One getdents call under way. */
struct fill {
	struct world_reader *r;
	uint8_t *buffer;
	uint32_t used;
	long last; /* offset of the last entry, -1: none */
	uint64_t pos;
};

static bool emit(struct fill *f, const char *name, uint64_t pos)
{
	uint32_t head = f->r->old ? 18 : 19;
	uint32_t len = (uint32_t)((head + strlen(name) + (f->r->old ? 2 : 1) + 7) & ~7ull);
	f->pos = pos;
	if (f->used + len > f->r->size)
		return false;
	uint8_t *e = f->buffer + f->used;
	uint16_t reclen = (uint16_t)len;
	if (f->last >= 0)
		memcpy(f->buffer + f->last + 8, &pos, 8);
	memcpy(e + 16, &reclen, 2);
	memset(e, 0x11, 8);
	strcpy((char *)e + head, name);
	for (uint64_t p = (uint64_t)(e - world->user) / 4096;
	     p <= (uint64_t)(e - world->user + len - 1) / 4096; p++)
		world->touched[p] = true;
	f->last = f->used;
	f->used += len;
	return true;
}

/* The processes from a number on; the kernel's own way through the table. */
static bool emit_pids(struct fill *f, uint64_t pos)
{
	for (uint32_t nr = (uint32_t)(pos - FIRST_PID); nr <= world->top; nr++) {
		char name[16];
		uint64_t pid, first;
		pid = world_get(world_pid_slot(nr));
		if (!pid || gspace_read(kernel_space(NULL), pid + PID_TASKS, &first, 8) || !first)
			continue;
		if (world_get32(first - T_LINKS + T_TGID) != nr)
			continue;
		if (world->filter == FILTER_SKIP && nr == world->filtered)
			continue;
		snprintf(name, sizeof(name), "%u", nr);
		if (!emit(f, name, nr + FIRST_PID))
			return false;
	}
	f->pos = LAST_POS;
	return true;
}

static void fill(struct fill *f, uint64_t pos)
{
	static const char *const names[] = {".", "..", "cpuinfo", "a-rather-long-name-of-a-file",
					    "meminfo"};
	f->pos = pos;
	for (; pos < 5; pos++)
		if (!emit(f, names[pos], pos))
			return;
	if (pos < 256)
		pos = 256;
	f->pos = pos;
	if (pos == 256 && !emit(f, "self", pos))
		return;
	pos += pos == 256;
	if (pos == 257 && !emit(f, "thread-self", pos))
		return;
	pos += pos == 257;
	if (pos < LAST_POS)
		emit_pids(f, pos);
}

/* What a rootkit's wrapper of getdents does with what the kernel wrote. */
static uint32_t filter(struct fill *f, char *want)
{
	uint32_t head = f->r->old ? 18 : 19, used = f->used, prev = 0;
	snprintf(want, 16, "%u", world->filtered);
	if (world->filter != FILTER_MERGE && world->filter != FILTER_MOVE)
		return used;
	for (uint32_t i = 0; i < used;) {
		uint16_t len, before;
		memcpy(&len, f->buffer + i + 16, 2);
		if (!strcmp((char *)f->buffer + i + head, want)) {
			if (world->filter == FILTER_MOVE || !i) {
				memmove(f->buffer + i, f->buffer + i + len, used - i - len);
				return used - len;
			}
			memcpy(&before, f->buffer + prev + 16, 2);
			before = (uint16_t)(before + len);
			memcpy(f->buffer + prev + 16, &before, 2);
			return used;
		}
		prev = i;
		i += len;
	}
	return used;
}

/* What the user makes of it. */
static void read_names(struct fill *f, const char *want)
{
	uint32_t head = f->r->old ? 18 : 19;
	for (long i = 0; i < f->r->got;) {
		uint16_t len;
		const char *name = (const char *)f->buffer + i + head;
		memcpy(&len, f->buffer + i + 16, 2);
		assert_true(len);
		if (name[0] >= '1' && name[0] <= '9') {
			f->r->names++;
			f->r->user_saw = f->r->user_saw || !strcmp(name, want);
		}
		i += len;
	}
}

void world_getdents(struct world_reader *r)
{
	uint64_t regs[21] = {0}, stack = world_get(r->task + T_STACK);
	uint64_t va = stack + STACK_SIZE - sizeof(regs);
	struct fill f = {.r = r, .buffer = world->user + (r->buffer - USER_BASE), .last = -1};
	char want[16];
	regs[14] = 3;	      /* di */
	regs[13] = r->buffer; /* si */
	regs[12] = r->size;   /* dx */
	regs[15] = r->old ? 78 : 217;
	regs[17] = 0x33;
	regs[20] = 0x2b;
	for (uint32_t i = 0; i < 21; i++)
		world_put(va + i * 8, regs[i]);
	struct probe_set set = views_probes(world->views);
	struct probe_hit hit = {.tsc = world->tsc,
				.now_ns = world->now_ns,
				.current = r->task,
				.arg = {r->on_stack ? r->file : va},
				.sync = set.probe[0].sync};
	set.probe[0].hit(set.ctx, &hit);
	assert_int_equal(hit.deny, 0);
	fill(&f, world_get(r->file + F_POS));
	if (f.last >= 0)
		memcpy(f.buffer + f.last + 8, &f.pos, 8);
	world_put(r->file + F_POS, f.pos);
	r->got = f.used;
	if (f.used)
		r->got = filter(&f, want);
	read_names(&f, want);
	world->tsc += 10000;
	world->now_ns += 10000;
}

void world_list(struct world_reader *r)
{
	world_put(r->file + F_POS, 0);
	r->names = 0;
	r->user_saw = false;
	do
		world_getdents(r);
	while (r->got > 0);
}

struct world_reader world_reader(uint64_t task, uint32_t size)
{
	static uint64_t place;
	struct world_reader r = {.task = task, .size = size};
	r.file = world_alloc(0x100);
	r.buffer = USER_BASE + (place++ % 12) * 0x10000 + 0x18;
	world_put(r.file + F_DENTRY, world->root_dentry);
	world_put(task + T_FILE, r.file);
	world_put(task + T_STACK, world_alloc(STACK_SIZE));
	world_put(task + T_CRED, world_alloc(0x40));
	return r;
}
