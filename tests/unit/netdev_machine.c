#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hv/counter.h"
#include "hv/errno.h"
#include "hv/io.h"
#include "hv/log.h"
#include "hv/machine.h"
#include "hv/timer.h"
#include "tests/unit/netdev_machine.h"
#include "tests/unit/netdev_memory.h"

struct boot_info boot;

/* --- ports ------------------------------------------------------------------------------------ */

static struct {
	uint16_t base;
	uint32_t count;
	bool on;
	io_handler *handler;
	void *ctx;
} ranges[IO_RANGES];
static int range_count;
unsigned port_exits;
uint32_t cf8;
uint8_t phys_config[65536][256];
unsigned phys_reads, phys_writes;

static bool overlaps(int id, uint32_t base, uint32_t count)
{
	for (int i = 0; i < range_count; i++)
		if (i != id && ranges[i].on && base < ranges[i].base + ranges[i].count &&
		    ranges[i].base < base + count)
			return true;
	return false;
}

int io_register(uint16_t base, uint32_t count, io_handler *handler, void *ctx)
{
	if (range_count == IO_RANGES)
		return -ENOSPC;
	if (base + count > 0x10000)
		return -EINVAL;
	if (overlaps(-1, base, count))
		return -EEXIST;
	ranges[range_count].base = base;
	ranges[range_count].count = count;
	ranges[range_count].on = true;
	ranges[range_count].handler = handler;
	ranges[range_count].ctx = ctx;
	return range_count++;
}

int io_move(int id, uint16_t base, bool enable)
{
	assert_in_range(id, 0, range_count - 1);
	ranges[id].on = false;
	if (!enable)
		return 0;
	if (base + ranges[id].count > 0x10000)
		return -EINVAL;
	if (overlaps(id, base, ranges[id].count))
		return -EEXIST;
	ranges[id].base = base;
	ranges[id].on = true;
	return 0;
}

int range_at(uint16_t port)
{
	for (int i = 0; i < range_count; i++)
		if (ranges[i].on && port >= ranges[i].base &&
		    port < ranges[i].base + ranges[i].count)
			return ranges[i].base;
	return -1;
}

static bool handled(uint16_t port, uint8_t size, bool write, uint32_t *value)
{
	for (int i = 0; i < range_count; i++)
		if (ranges[i].on && port >= ranges[i].base &&
		    port + size <= ranges[i].base + ranges[i].count) {
			struct io_access a = {port, size, write, write ? *value : 0xdeadbeef};

			port_exits++;
			ranges[i].handler(ranges[i].ctx, &a);
			*value = a.value;
			return true;
		}
	return false;
}

static uint8_t *config_at(uint16_t port)
{
	static uint8_t none[256];

	if (!(cf8 & 0x80000000))
		return memset(none, 0xff, sizeof(none));
	return &phys_config[(cf8 >> 8) & 0xffff][(cf8 & 0xfc) + (port & 3)];
}

uint32_t io_in(uint16_t port, uint8_t size)
{
	uint32_t v = ~0u;

	if (port == 0xcf8 && size == 4)
		return cf8;
	if (port >= 0xcfc && port < 0xd00) {
		phys_reads++;
		v = 0;
		memcpy(&v, config_at(port), size);
	}
	return v;
}

void io_out(uint16_t port, uint8_t size, uint32_t value)
{
	if (port == 0xcf8 && size == 4)
		cf8 = value;
	if (port >= 0xcfc && port < 0xd00) {
		phys_writes++;
		memcpy(config_at(port), &value, size);
	}
}

uint32_t guest_in(uint16_t port, uint8_t size)
{
	uint32_t value = 0;

	if (!handled(port, size, false, &value))
		value = io_in(port, size);
	return size == 4 ? value : value & ((1u << (8 * size)) - 1);
}

void guest_out(uint16_t port, uint8_t size, uint32_t value)
{
	if (!handled(port, size, true, &value))
		io_out(port, size, value);
}

uint32_t pci_read(uint16_t bdf, uint16_t off, uint8_t size)
{
	uint32_t v = 0;

	memcpy(&v, &phys_config[bdf][off], size);
	return v;
}

void pci_write(uint16_t bdf, uint16_t off, uint8_t size, uint32_t value)
{
	memcpy(&phys_config[bdf][off], &value, size);
}

/* --- memory ----------------------------------------------------------------------------------- */

struct hidden_range hidden[8];
unsigned hidden_count;
uint64_t shadow_phys;
void *shadow_page;
static void (*shadow_written)(void *ctx);
static void *shadow_ctx;
static uint8_t page_pool[16][4096] __attribute__((aligned(4096)));
static uint32_t pages_used;

void *pages_alloc(uint32_t count)
{
	void *p = page_pool[pages_used];

	if (pages_used + count > 16)
		return NULL;
	pages_used += count;
	return memset(p, 0, 4096ul * count);
}

int guest_hide(uint64_t phys, uint64_t size)
{
	hidden[hidden_count].phys = phys;
	hidden[hidden_count++].size = size;
	return 0;
}

int guest_shadow_page(uint64_t phys, void *shadow, void (*written)(void *ctx), void *ctx)
{
	shadow_phys = phys;
	shadow_page = shadow;
	shadow_written = written;
	shadow_ctx = ctx;
	return 0;
}

void shadow_guest_write(uint32_t off, uint8_t size, uint32_t value)
{
	memcpy((uint8_t *)shadow_page + off, &value, size);
	shadow_written(shadow_ctx);
}

const struct boot_info *boot_facts(void)
{
	return &boot;
}

/* --- log, counters ---------------------------------------------------------------------------- */

void log_at(enum config_log_level level, const char *fmt, ...)
{
	va_list args;

	(void)level;
	if (!getenv("VERBOSE"))
		return;
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

static struct {
	const char *name;
	const uint64_t *value;
} registered[ABI_COUNTERS];
static unsigned registered_count;

int counter_register(const char *name, const uint64_t *value)
{
	assert_true(strlen(name) < sizeof(((struct abi_counter *)0)->name));
	if (registered_count == ABI_COUNTERS)
		return -ENOSPC;
	registered[registered_count].name = name;
	registered[registered_count++].value = value;
	return 0;
}

uint64_t counter(const char *name)
{
	for (unsigned i = 0; i < registered_count; i++)
		if (!strcmp(registered[i].name, name))
			return *registered[i].value;
	fail_msg("no counter %s", name);
	return 0;
}

/* --- time ------------------------------------------------------------------------------------- */

uint64_t now;
unsigned timer_fires;
static struct hv_timer *timers[HV_TIMERS];
static unsigned timer_count;

uint64_t time_now(void)
{
	return now++; /* so that loops with a limit of time end */
}

uint64_t time_us(uint64_t us)
{
	return us * TICKS_PER_US;
}

int timer_register(struct hv_timer *timer)
{
	if (timer_count == HV_TIMERS)
		return -ENOSPC;
	timers[timer_count++] = timer;
	return 0;
}

void timer_arm(struct hv_timer *timer, uint64_t deadline)
{
	timer->deadline = deadline;
}

void timer_cancel(struct hv_timer *timer)
{
	timer->deadline = 0;
}

void advance_us(uint64_t us, void (*after)(void))
{
	uint64_t end = now + us * TICKS_PER_US;

	for (;;) {
		struct hv_timer *next = NULL;

		if (after)
			after();
		for (unsigned i = 0; i < timer_count; i++)
			if (timers[i]->deadline && (!next || timers[i]->deadline < next->deadline))
				next = timers[i];
		if (!next || next->deadline > end)
			break;
		if (next->deadline > now)
			now = next->deadline;
		next->deadline = 0;
		timer_fires++;
		next->fn(next);
	}
	if (now < end)
		now = end;
}

/* --- frames ----------------------------------------------------------------------------------- */

enum slot_state { SLOT_FREE, SLOT_OWNED, SLOT_SUBMITTED, SLOT_HELD };
static uint8_t slot_data[ABI_SLOTS][ABI_FRAME_SIZE];
static enum slot_state slot_state[ABI_SLOTS];
static const struct frame_ops *ops;
static struct {
	uint32_t slot, len;
	enum abi_port from;
} queue[ABI_FRAME_SLOTS];
static unsigned queued;
bool (*verdict)(const uint8_t *frame, uint32_t len, enum abi_port from);
bool sentry_busy, sentry_dead;
unsigned frames_decided;

uint8_t told_mac[6];

void frames_nic(const uint8_t mac[6])
{
	memcpy(told_mac, mac, 6);
}

void frames_register(const struct frame_ops *o)
{
	ops = o;
}

int frame_alloc(void)
{
	for (int i = 0; i < ABI_FRAME_SLOTS; i++)
		if (slot_state[i] == SLOT_FREE) {
			slot_state[i] = SLOT_OWNED;
			return i;
		}
	return -ENOMEM;
}

void frame_free(uint32_t slot)
{
	assert_true(slot < ABI_SLOTS);
	assert_int_equal(slot_state[slot], SLOT_OWNED);
	slot_state[slot] = SLOT_FREE;
}

uint8_t *frame_data(uint32_t slot)
{
	assert_true(slot < ABI_SLOTS);
	return slot_data[slot];
}

uint64_t frame_phys(uint32_t slot)
{
	return (uint64_t)(uintptr_t)frame_data(slot);
}

static void decide(uint32_t slot, uint32_t len, enum abi_port from)
{
	frames_decided++;
	slot_state[slot] = SLOT_OWNED;
	if (sentry_dead || !verdict || verdict(slot_data[slot], len, from))
		ops->deliver(slot, len, from == ABI_PORT_GUEST ? ABI_PORT_WIRE : ABI_PORT_GUEST);
	else
		frame_free(slot);
}

void frame_submit(uint32_t slot, uint32_t len, enum abi_port from)
{
	assert_int_equal(slot_state[slot], SLOT_OWNED);
	assert_in_range(len, ABI_FRAME_MIN, ABI_FRAME_MAX);
	slot_state[slot] = SLOT_SUBMITTED;
	if (sentry_dead) {
		decide(slot, len, from);
		ops->flush();
		return;
	}
	queue[queued].slot = slot;
	queue[queued].len = len;
	queue[queued++].from = from;
}

void frames_run(void)
{
	unsigned n = queued;

	if (sentry_busy || !n)
		return;
	for (unsigned i = 0; i < n; i++)
		decide(queue[i].slot, queue[i].len, queue[i].from);
	queued = 0;
	ops->flush();
}

uint32_t frames_pending(void)
{
	return queued;
}

unsigned slots_in_use(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ABI_SLOTS; i++)
		n += slot_state[i] != SLOT_FREE && slot_state[i] != SLOT_HELD;
	return n;
}

void slots_starve(unsigned keep)
{
	for (unsigned i = 0; i < ABI_FRAME_SLOTS; i++) {
		if (slot_state[i] == SLOT_HELD)
			slot_state[i] = SLOT_FREE;
		if (slot_state[i] == SLOT_FREE) {
			if (keep)
				keep--;
			else
				slot_state[i] = SLOT_HELD;
		}
	}
}

/* --- the 82540EM ------------------------------------------------------------------------------ */

static const uint8_t nic_mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
struct sent_frame sent[256];
unsigned sent_count;
uint32_t nic_reg[0x20000 / 4];
bool nic_dead, nic_stuck, nic_address;
unsigned mmio_count;
static uint8_t bar0;

#define REG(r) nic_reg[(r) / 4]

volatile void *mmio_map(uint64_t phys, uint64_t size)
{
	assert_int_equal(phys, NIC_BAR0);
	assert_int_equal(size, E1000_BAR_SIZE);
	return &bar0;
}

bool nic_line(void)
{
	return REG(E1000_ICR) & REG(E1000_IMS);
}

void nic_cause(uint32_t cause)
{
	REG(E1000_ICR) |= cause;
}

static void transmit(void)
{
	struct e1000_tx_desc *ring =
		(void *)(uintptr_t)(REG(E1000_TDBAL) | (uint64_t)REG(E1000_TDBAH) << 32);
	uint32_t n = REG(E1000_TDLEN) / 16;

	if (nic_stuck || !(REG(E1000_TCTL) & E1000_TCTL_EN))
		return;
	while (REG(E1000_TDH) != REG(E1000_TDT)) {
		struct e1000_tx_desc *d = &ring[REG(E1000_TDH)];
		struct sent_frame *f = &sent[sent_count++ % 256];

		assert_true(REG(E1000_TDT) < n);
		assert_int_equal(d->cmd, E1000_TXD_EOP | E1000_TXD_IFCS | E1000_TXD_RS);
		f->len = d->length;
		memcpy(f->data, (void *)(uintptr_t)d->addr, d->length);
		d->status |= E1000_TXD_DD;
		REG(E1000_TDH) = (REG(E1000_TDH) + 1) % n;
	}
	nic_cause(1u | 2u); /* TXDW, TXQE */
}

uint32_t mmio_read32(volatile void *base, uint32_t off)
{
	uint32_t v = nic_reg[off / 4];

	assert_ptr_equal(base, &bar0);
	mmio_count++;
	if (off == E1000_ICR)
		REG(E1000_ICR) = 0;
	if (off == E1000_EERD && (v & 1)) {
		unsigned word = (v >> 8) & 0xff;

		assert_true(word < 3);
		v = (uint32_t)nic_mac[2 * word] << 16 | (uint32_t)nic_mac[2 * word + 1] << 24 |
		    1u << 4;
	}
	return v;
}

void mmio_write32(volatile void *base, uint32_t off, uint32_t value)
{
	assert_ptr_equal(base, &bar0);
	mmio_count++;
	switch (off) {
	case E1000_ICS:
		nic_cause(value);
		break;
	case E1000_IMS:
		REG(E1000_IMS) |= value;
		break;
	case E1000_IMC:
		REG(E1000_IMS) &= ~value;
		break;
	case E1000_CTRL:
		if ((value & E1000_CTRL_RST) && !nic_dead) {
			memset(nic_reg, 0, sizeof(nic_reg));
			REG(E1000_STATUS) = E1000_STATUS_LU;
			if (nic_address) {
				memcpy(&REG(E1000_RAL), nic_mac, 4);
				REG(E1000_RAH) =
					nic_mac[4] | (uint32_t)nic_mac[5] << 8 | E1000_RAH_AV;
			}
			value &= ~E1000_CTRL_RST;
		}
		REG(E1000_CTRL) = value;
		break;
	case E1000_TDT:
		assert_true(value < E1000_TX_RING);
		REG(E1000_TDT) = value;
		transmit();
		break;
	default:
		nic_reg[off / 4] = value;
	}
}

bool wire_receive_raw(const void *frame, uint32_t copy, uint16_t len, uint8_t status,
		      uint8_t errors)
{
	struct e1000_rx_desc *ring =
		(void *)(uintptr_t)(REG(E1000_RDBAL) | (uint64_t)REG(E1000_RDBAH) << 32);
	uint32_t n = REG(E1000_RDLEN) / 16;
	struct e1000_rx_desc *d;

	if (!(REG(E1000_RCTL) & E1000_RCTL_EN))
		return false;
	if (REG(E1000_RDH) == REG(E1000_RDT)) {
		nic_cause(E1000_INT_RXO);
		return false;
	}
	d = &ring[REG(E1000_RDH)];
	assert_int_equal(d->status, 0);
	memcpy((void *)(uintptr_t)d->addr, frame, copy);
	d->length = len;
	d->errors = errors;
	d->status = status;
	REG(E1000_RDH) = (REG(E1000_RDH) + 1) % n;
	nic_cause(E1000_INT_RXT0);
	return true;
}

bool wire_receive(const void *frame, uint32_t len)
{
	return wire_receive_raw(frame, len, (uint16_t)len, E1000_RXD_DD | E1000_RXD_EOP, 0);
}

void machine_restart(void)
{
	ram_reset();
	pages_used = 0;
	registered_count = 0;
	timer_count = timer_fires = 0;
	memset(slot_state, 0, sizeof(slot_state));
	queued = 0;
	verdict = NULL;
	sentry_busy = sentry_dead = false;
	frames_decided = 0;
	memset(told_mac, 0, sizeof(told_mac));
	sent_count = 0;
	memset(nic_reg, 0, sizeof(nic_reg));
	nic_dead = nic_stuck = false;
	nic_address = true;
	mmio_count = 0;
}

void machine_reset(void)
{
	machine_restart();
	memset(ranges, 0, sizeof(ranges));
	range_count = 0;
	port_exits = phys_reads = phys_writes = 0;
	cf8 = 0;
	hidden_count = 0;
	shadow_page = NULL;

	memset(phys_config, 0xff, sizeof(phys_config));
	memset(phys_config[NIC_BDF_VALUE], 0, 256);
	pci_write(NIC_BDF_VALUE, 0, 4, 0x100e8086);
	pci_write(NIC_BDF_VALUE, 4, 2, 0x0403);
	pci_write(NIC_BDF_VALUE, 0x3c, 2, 0x010b); /* INTA#, line 11 */
	boot = (struct boot_info){0};
	boot.nic.present = 1;
	boot.nic.bdf = NIC_BDF_VALUE;
	boot.nic.vendor = 0x8086;
	boot.nic.device = 0x100e;
	boot.nic.bar[0].base = NIC_BAR0;
	boot.nic.bar[0].size = E1000_BAR_SIZE;
	boot.nic.bar[1].base = NIC_IO;
	boot.nic.bar[1].size = 64;
	boot.nic.bar[1].is_io = 1;
}
