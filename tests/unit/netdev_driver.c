#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/netdev_driver.h"
#include "tests/unit/netdev_machine.h"
#include "tests/unit/netdev_memory.h"

struct drv drv;

#define HEADER	  12
#define EVENT_IDX (1ull << 29)

uint32_t cfg_read(uint16_t bdf, uint8_t off, uint8_t size)
{
	guest_out(0xcf8, 4, 0x80000000u | (uint32_t)bdf << 8 | (off & 0xfc));
	return guest_in((uint16_t)(0xcfc + (off & 3)), size);
}

void cfg_write(uint16_t bdf, uint8_t off, uint8_t size, uint32_t value)
{
	guest_out(0xcf8, 4, 0x80000000u | (uint32_t)bdf << 8 | (off & 0xfc));
	guest_out((uint16_t)(0xcfc + (off & 3)), size, value);
}

uint32_t bar_in(uint8_t off, uint8_t size)
{
	return guest_in((uint16_t)(drv.io + off), size);
}

void bar_out(uint8_t off, uint8_t size, uint32_t value)
{
	guest_out((uint16_t)(drv.io + off), size, value);
}

void drv_probe(uint16_t port)
{
	const uint16_t bdf = NIC_BDF_VALUE;
	uint8_t pos;
	unsigned found = 0;

	memset(&drv, 0, sizeof(drv));
	drv.rx_buffer = DRV_RX_BUFFER;
	assert_int_equal(cfg_read(bdf, 0, 4), 0x10411af4);
	assert_true(cfg_read(bdf, 6, 2) & 0x10);
	for (pos = (uint8_t)cfg_read(bdf, 0x34, 1); pos;
	     pos = (uint8_t)cfg_read(bdf, (uint8_t)(pos + 1), 1)) {
		uint8_t type = (uint8_t)cfg_read(bdf, (uint8_t)(pos + 3), 1);
		uint8_t off = (uint8_t)cfg_read(bdf, (uint8_t)(pos + 8), 4);

		assert_int_equal(cfg_read(bdf, pos, 1), 9);
		assert_true(++found < 10);
		drv.bar = type == 5 ? drv.bar : (uint8_t)cfg_read(bdf, (uint8_t)(pos + 4), 1);
		switch (type) {
		case 1:
			drv.common = off;
			assert_true(cfg_read(bdf, (uint8_t)(pos + 12), 4) >= 56);
			break;
		case 2:
			drv.notify = off;
			drv.notify_step = cfg_read(bdf, (uint8_t)(pos + 16), 4);
			break;
		case 3:
			drv.isr = off;
			break;
		case 4:
			drv.device = off;
			break;
		}
	}
	assert_int_equal(found, 5);
	cfg_write(bdf, 4, 2, 0);
	cfg_write(bdf, (uint8_t)(0x10 + 4 * drv.bar), 4, port | 1u);
	cfg_write(bdf, 4, 2, 7);
	drv.io = port;
}

static uint64_t offered(void)
{
	uint64_t f;

	bar_out(0, 4, 0);
	f = bar_in(4, 4);
	bar_out(0, 4, 1);
	return f | (uint64_t)bar_in(4, 4) << 32;
}

void drv_negotiate(uint64_t features)
{
	bar_out(20, 1, 0);
	assert_int_equal(bar_in(20, 1), 0);
	bar_out(20, 1, 1);
	bar_out(20, 1, 3);
	drv.features = offered() & features;
	bar_out(8, 4, 0);
	bar_out(12, 4, (uint32_t)drv.features);
	bar_out(8, 4, 1);
	bar_out(12, 4, (uint32_t)(drv.features >> 32));
	bar_out(20, 1, 0x0b);
	assert_int_equal(bar_in(20, 1), 0x0b);
}

void drv_setup_queues(void)
{
	assert_int_equal(bar_in(18, 2), 2);
	for (unsigned q = 0; q < 2; q++) {
		struct drv_queue *d = &drv.queue[q];

		*d = (struct drv_queue){0};
		d->desc = RAM_BASE + 0x10000 * (q + 1);
		d->avail = d->desc + 0x2000;
		d->used = d->desc + 0x3000;
		d->buffers = RAM_BASE + 0x100000 * (q + 1);
		memset(ram_at(d->desc), 0, 0x10000);
		bar_out(22, 2, q);
		assert_int_equal(bar_in(24, 2), DRV_SIZE);
		assert_int_equal(bar_in(28, 2), 0);
		bar_out(24, 2, DRV_SIZE);
		bar_out(32, 4, (uint32_t)d->desc);
		bar_out(36, 4, 0);
		bar_out(40, 4, (uint32_t)d->avail);
		bar_out(44, 4, 0);
		bar_out(48, 4, (uint32_t)d->used);
		bar_out(52, 4, 0);
		bar_out(28, 2, 1);
	}
}

void drv_ok(void)
{
	bar_out(20, 1, 0x0f);
}

static uint16_t *field(uint64_t base, unsigned i)
{
	return (uint16_t *)ram_at(base) + i;
}

void drv_desc(unsigned q, unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	uint8_t *d = ram_at(drv.queue[q].desc + 16 * i);

	memcpy(d, &addr, 8);
	memcpy(d + 8, &len, 4);
	memcpy(d + 12, &flags, 2);
	memcpy(d + 14, &next, 2);
}

static bool kick(unsigned q)
{
	struct drv_queue *d = &drv.queue[q];
	uint16_t old = d->kicked_idx, new = d->avail_idx;
	bool wanted;

	d->kicked_idx = new;
	if (drv.features & EVENT_IDX) {
		uint16_t event = *field(d->used, 2 + 4 * DRV_SIZE);

		wanted = (uint16_t)(new - event - 1) < (uint16_t)(new - old);
	} else {
		wanted = !(*field(d->used, 0) & 1);
	}
	if (wanted) {
		drv.kicks++;
		bar_out((uint8_t)(drv.notify + q * drv.notify_step), 2, q);
	}
	return wanted;
}

static void add(unsigned q, uint16_t head)
{
	struct drv_queue *d = &drv.queue[q];

	*field(d->avail, 2 + d->avail_idx % DRV_SIZE) = head;
	*field(d->avail, 1) = ++d->avail_idx;
}

bool drv_offer(unsigned q, uint16_t head)
{
	add(q, head);
	return kick(q);
}

void drv_fill_rx(void)
{
	struct drv_queue *d = &drv.queue[0];

	for (uint16_t i = 0; i < DRV_SIZE; i++) {
		drv_desc(0, i, d->buffers + 2048ull * i, drv.rx_buffer, 2, 0);
		add(0, i);
	}
	kick(0);
}

void drv_start(uint64_t features)
{
	drv_negotiate(features);
	drv_setup_queues();
	drv_ok();
	drv_fill_rx();
}

uint16_t drv_tx_room(void)
{
	return (uint16_t)(DRV_SIZE - drv.queue[1].in_use);
}

bool drv_send(const void *frame, uint32_t len)
{
	struct drv_queue *d = &drv.queue[1];
	uint16_t slot = d->avail_idx % DRV_SIZE;
	uint16_t outstanding;

	assert_true(drv_tx_room() > 0);
	d->in_use++;
	memset(ram_at(d->buffers + 2048ull * slot), 0, HEADER);
	memcpy(ram_at(d->buffers + 2048ull * slot + HEADER), frame, len);
	drv_desc(1, slot, d->buffers + 2048ull * slot, HEADER + len, 0, 0);
	add(1, slot);
	/* An interrupt when three quarters of what is outstanding have been sent. */
	outstanding = (uint16_t)((d->avail_idx - d->used_idx) * 3 / 4);
	*field(d->avail, 2 + DRV_SIZE) = (uint16_t)(d->used_idx + outstanding);
	return kick(1);
}

static void take_rx(void)
{
	struct drv_queue *d = &drv.queue[0];

	while (d->used_idx != *field(d->used, 1)) {
		uint32_t entry[2];

		memcpy(entry, ram_at(d->used + 4 + 8ull * (d->used_idx % DRV_SIZE)), 8);
		d->used_idx++;
		assert_true(entry[0] < DRV_SIZE);
		assert_in_range(entry[1], HEADER + 14, drv.rx_buffer);
		/* num_buffers is 1, all else 0 */
		assert_int_equal(*field(d->buffers + 2048ull * entry[0], 5), 1);
		assert_int_equal(*field(d->buffers + 2048ull * entry[0], 0), 0);
		drv.last_len = entry[1] - HEADER;
		memcpy(drv.last, ram_at(d->buffers + 2048ull * entry[0] + HEADER), drv.last_len);
		drv.received++;
		drv.received_bytes += drv.last_len;
		add(0, (uint16_t)entry[0]);
		if (drv.on_frame)
			drv.on_frame(drv.last, drv.last_len);
	}
	*field(d->avail, 2 + DRV_SIZE) = d->used_idx;
	kick(0);
}

void drv_poll(void)
{
	struct drv_queue *d = &drv.queue[1];
	uint16_t used = *field(d->used, 1);

	d->in_use = (uint16_t)(d->in_use - (uint16_t)(used - d->used_idx));
	d->used_idx = used;
	*field(d->avail, 2 + DRV_SIZE) = d->used_idx;
	take_rx();
}

/* Linux' note_interrupt: 99,900 of 100,000 unhandled, those more than 0.1 s apart not counted. */
static void account(bool handled)
{
	if (!handled) {
		if (now - drv.last_unhandled > 100000 * TICKS_PER_US)
			drv.unhandled = 1;
		else
			drv.unhandled++;
		drv.last_unhandled = now;
	}
	if (++drv.irq_count < 100000)
		return;
	if (drv.unhandled > 99900)
		drv.line_disabled = true;
	drv.irq_count = 0;
	drv.unhandled = 0;
}

void drv_irq(void)
{
	for (unsigned n = 0; nic_line() && !drv.masked && !drv.line_disabled; n++) {
		uint8_t isr = (uint8_t)bar_in(drv.isr, 1);

		assert_true(n < 1000); /* a line that never drops */
		drv.irqs++;
		account(isr);
		if (!isr)
			drv.empty++;
		if (isr & 2)
			drv.config_changes++;
		if (isr & 1)
			drv_poll();
	}
}
