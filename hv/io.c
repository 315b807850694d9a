#include <stddef.h>
#include "arch/x86/insn.h"
#include "arch/x86/intercept.h"
#include "arch/x86/upcall.h"
#include "hv/errno.h"
#include "hv/io.h"
#include "hv/lock.h"

struct range {
	uint16_t base;
	uint16_t count; /* 0: not intercepted now */
	uint16_t size;	/* its count when it is; at most 0x8000 */
	io_handler *handler;
	void *ctx;
};

static struct range ranges[IO_RANGES];
static uint32_t used;
static struct spinlock lock; /* guards changes; readers see `count` set last, and cleared first */

static bool free_for(int id, uint16_t base, uint32_t count)
{
	for (uint32_t i = 0; i < used; i++) {
		const struct range *r = &ranges[i];

		if ((int)i != id && base < r->base + r->count && r->base < base + count)
			return false;
	}
	return true;
}

int io_register(uint16_t base, uint32_t count, io_handler *handler, void *ctx)
{
	struct range *r = &ranges[used];

	if (used >= IO_RANGES)
		return -ENOSPC;
	if (!count || count > 0x8000 || base + count > 0x10000)
		return -EINVAL;
	if (!free_for(-1, base, count))
		return -EEXIST;
	*r = (struct range){base, (uint16_t)count, (uint16_t)count, handler, ctx};
	arch_intercept_ports(base, count, true);
	return (int)used++;
}

int io_move(int id, uint16_t base, bool enable)
{
	struct range *r = &ranges[id];
	int err = 0;

	spin_lock(&lock);
	if (r->count) {
		__atomic_store_n(&r->count, 0, __ATOMIC_RELEASE);
		arch_intercept_ports(r->base, r->size, false);
	}
	if (enable && base + r->size > 0x10000)
		err = -EINVAL;
	else if (enable && !free_for(id, base, r->size))
		err = -EEXIST;
	if (enable && !err) {
		r->base = base;
		__atomic_store_n(&r->count, r->size, __ATOMIC_RELEASE);
		arch_intercept_ports(base, r->size, true);
	}
	spin_unlock(&lock);
	return err;
}

static bool holds(const struct range *r, uint16_t port, uint32_t size)
{
	return (uint16_t)(port - r->base) + size <= r->count;
}

static const struct range *find(uint16_t port, uint32_t size)
{
	for (uint32_t i = 0; i < used; i++)
		if (holds(&ranges[i], port, size))
			return &ranges[i];
	return NULL;
}

/* An access that no range holds whole: byte by byte, to the handlers or to the machine. */
__attribute__((noinline)) static void split(struct io_access *access)
{
	uint32_t value = access->write ? access->value : 0;

	for (uint8_t i = 0; i < access->size; i++) {
		struct io_access byte = {.port = (uint16_t)(access->port + i),
					 .size = 1,
					 .write = access->write,
					 .value = value >> 8 * i & 0xff};
		const struct range *r = find(byte.port, 1);

		if (r)
			r->handler(r->ctx, &byte);
		else if (byte.write)
			out8(byte.port, (uint8_t)byte.value);
		else
			byte.value = in8(byte.port);
		if (!access->write)
			value |= (byte.value & 0xff) << 8 * i;
	}
	access->value = value;
}

static const struct range *last = ranges; /* of the access before: a hint */

__attribute__((noinline)) static void dispatch_unhinted(struct io_access *access)
{
	const struct range *r = find(access->port, access->size);

	if (r) {
		__atomic_store_n(&last, r, __ATOMIC_RELAXED);
		r->handler(r->ctx, access);
	} else {
		split(access);
	}
}

void upcall_io(struct io_access *access)
{
	const struct range *r = __atomic_load_n(&last, __ATOMIC_RELAXED);

	if (__builtin_expect(holds(r, access->port, access->size), 1))
		r->handler(r->ctx, access);
	else
		dispatch_unhinted(access);
}
