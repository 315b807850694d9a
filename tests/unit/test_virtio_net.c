/* The virtual card as a driver meets it: negotiation, both directions, and every broken ring. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "hv/errno.h"
#include "net/dev/path.h"
#include "net/dev/path_state.h"
#include "net/dev/pci.h"
#include "tests/unit/netdev_driver.h"
#include "tests/unit/netdev_machine.h"
#include "tests/unit/netdev_memory.h"

#define ALL  ~0ull
#define PORT 0xd000

static uint8_t frame[2048];
static struct drv probed; /* as after drv_probe: the PCI side is set up once */

static int setup_group(void **state)
{
	(void)state;
	machine_reset();
	for (unsigned i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 11 + 3);
	return 0;
}

/* A fresh device behind the same PCI function. */
static int setup(void **state)
{
	static bool present;
	uint8_t mac[6];
	struct boot_nic facts;

	(void)state;
	if (!present) {
		assert_int_equal(pci_present(&boot), 0);
		drv_probe(PORT);
		probed = drv;
		present = true;
	}
	/* Only the machine's dynamic parts: ports and pages stay. */
	machine_restart();
	facts = boot.nic;
	assert_int_equal(e1000_driver.init(&facts, mac), 0);
	memset(&net, 0, sizeof(net));
	memset(&net_count, 0, sizeof(net_count));
	assert_int_equal(path_init(&e1000_driver, &intr_intx, mac, false), 0);
	drv = probed;
	return 0;
}

/* Slots that somebody has beside the receive ring; the card's sent ones are looked at first. */
static unsigned slots_taken(void)
{
	net.nic->tx_room();
	return slots_in_use() - E1000_RX_RING;
}

static void start(void)
{
	drv_start(ALL);
	drv_irq();
}

static void test_identity(void **state)
{
	static const uint8_t mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

	(void)state;
	for (uint8_t i = 0; i < 6; i++)
		assert_int_equal(bar_in((uint8_t)(drv.device + i), 1), mac[i]);
	assert_int_equal(bar_in((uint8_t)(drv.device + 6), 2), 1); /* link up */
	assert_int_equal(bar_in((uint8_t)(drv.device + 10), 2), 1500);
	assert_int_equal(bar_in(16, 2), 0xffff); /* no MSI-X */
	bar_out(22, 2, 2);
	assert_int_equal(bar_in(24, 2), 0); /* a third queue does not exist */
	bar_out(24, 2, 16);
	bar_out(28, 2, 1);
	bar_out(32, 4, 0x1000);
	assert_int_equal(bar_in(32, 4), 0);
	/* Holes of the BAR. */
	assert_int_equal(bar_in(0x38, 4), 0);
	assert_int_equal(bar_in(0x7c, 4), 0);
	bar_out(0x7c, 4, ~0u);
	/* Wrong widths are ignored. */
	bar_out(20, 4, 0x0f0f0f0f);
	assert_int_equal(bar_in(20, 1), 0);
}

static void test_negotiation(void **state)
{
	(void)state;
	drv_negotiate(ALL);
	assert_true(drv.features == VNET_FEATURES);
	/* Fixed now. */
	bar_out(8, 4, 0);
	bar_out(12, 4, 0);
	assert_int_equal(bar_in(12, 4), (uint32_t)VNET_FEATURES);
	bar_out(8, 4, 7);
	assert_int_equal(bar_in(12, 4), 0);

	/* A feature that was not offered; a driver of before 1.0. */
	bar_out(20, 1, 0);
	bar_out(20, 1, 3);
	bar_out(8, 4, 0);
	bar_out(12, 4, 1u << 28);
	bar_out(8, 4, 1);
	bar_out(12, 4, 1);
	bar_out(20, 1, 0x0b);
	assert_int_equal(bar_in(20, 1), 3);
	bar_out(8, 4, 0);
	bar_out(12, 4, 0);
	bar_out(8, 4, 1);
	bar_out(12, 4, 0);
	bar_out(20, 1, 0x0b);
	assert_int_equal(bar_in(20, 1), 3);
	/* And no DRIVER_OK without FEATURES_OK. */
	bar_out(20, 1, 0x07);
	assert_int_equal(bar_in(20, 1), 3);
	assert_false(vnet_active(&net.dev));
}

static void test_queue_setup(void **state)
{
	static const uint16_t sizes[] = {0, 3, 255, 257, 512, 0xffff};

	(void)state;
	drv_negotiate(ALL);
	bar_out(22, 2, 1);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		bar_out(24, 2, sizes[i]);
		assert_int_equal(bar_in(24, 2), 256);
	}
	bar_out(24, 2, 64);
	assert_int_equal(bar_in(24, 2), 64);
	assert_int_equal(bar_in(30, 2), 1); /* notify offset */
	drv_negotiate(ALL);
	drv_setup_queues();
	/* Enabled queues keep what they have. */
	bar_out(24, 2, 64);
	assert_int_equal(bar_in(24, 2), 256);
	bar_out(32, 4, 0);
	assert_int_equal(bar_in(32, 4), (uint32_t)drv.queue[1].desc);
	bar_out(28, 2, 0);
	assert_int_equal(bar_in(28, 2), 1);
	drv_ok();
	assert_true(vnet_active(&net.dev));
	/* Reset clears all. */
	bar_out(20, 1, 0);
	bar_out(22, 2, 1);
	assert_int_equal(bar_in(28, 2), 0);
	assert_int_equal(bar_in(32, 4), 0);
}

static void test_rings_outside_of_memory(void **state)
{
	(void)state;
	drv_negotiate(ALL);
	bar_out(22, 2, 0);
	bar_out(32, 4, 0xfee00000);
	bar_out(28, 2, 1);
	assert_int_equal(bar_in(20, 1), 0x4b);
	assert_int_equal(bar_in(28, 2), 0);
	assert_int_equal(event_count, 1);
	assert_int_equal(events[0].a, ABI_NET_RING_ADDRESS);
	/* Out of order until reset. */
	drv_ok();
	assert_false(vnet_active(&net.dev));
	start();
	assert_true(vnet_active(&net.dev));
}

static void test_transmit(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < 1000; i++) {
		uint32_t len = 14 + i % 1505;

		frame[0] = (uint8_t)i;
		drv_send(frame, len);
		advance_us(20000, drv_irq);
		assert_int_equal(sent_count, i + 1);
		assert_int_equal(sent[i % 256].len, len);
		assert_memory_equal(sent[i % 256].data, frame, len);
	}
	advance_us(5000, drv_irq);
	assert_int_equal(drv_tx_room(), DRV_SIZE);
	assert_int_equal(counter("net.tx_frames"), 1000);
	assert_int_equal(slots_taken(), 0);
	assert_int_equal(event_count, 0);
}

static void test_receive(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < 1000; i++) {
		uint32_t len = 60 + i % 1459;

		frame[0] = (uint8_t)i;
		assert_true(wire_receive(frame, len));
		drv_irq();
		advance_us(20000, drv_irq);
		assert_int_equal(drv.received, i + 1);
		assert_int_equal(drv.last_len, len);
		assert_memory_equal(drv.last, frame, len);
	}
	assert_int_equal(drv.empty, 0);
	assert_int_equal(slots_taken(), 0);
	assert_int_equal(event_count, 0);
}

/* A driver that does not know the event index, and reads and writes as OVMF's does. */
static void test_without_event_index(void **state)
{
	(void)state;
	drv_start(VNET_F_VERSION_1 | VNET_F_MAC);
	for (unsigned i = 0; i < 300; i++) {
		assert_true(wire_receive(frame, 100));
		drv_irq();
		drv_send(frame, 200);
		advance_us(20000, drv_irq);
		assert_int_equal(drv.received, i + 1);
		assert_int_equal(sent_count, i + 1);
	}
}

/* Header and frame in descriptors of their own, the frame in pieces. */
static void test_scattered(void **state)
{
	uint64_t data = RAM_BASE + 0x300000;

	(void)state;
	start();
	memcpy(ram_at(data + 12), frame, 1000);
	drv_desc(1, 0, data, 5, 1, 1);
	drv_desc(1, 1, data + 5, 7 + 3, 1, 2);
	drv_desc(1, 2, data + 15, 0, 1, 3);
	drv_desc(1, 3, data + 15, 997, 0, 0);
	assert_true(drv_offer(1, 0));
	assert_int_equal(sent_count, 1);
	assert_int_equal(sent[0].len, 1000);
	assert_memory_equal(sent[0].data, frame, 1000);
}

/* Break a rule on the transmit queue: one event, NEEDS_RESET, a configuration interrupt; after a
 * reset all works. */
static void expect_fault(enum abi_net_fault code, unsigned queue)
{
	unsigned changes = drv.config_changes;

	assert_int_equal(event_count, 1);
	assert_int_equal(events[0].kind, ABI_EVENT_NET_FAULT);
	assert_int_equal(events[0].a, code);
	assert_int_equal(events[0].b, queue);
	assert_int_equal(bar_in(20, 1), 0x4f);
	drv_irq();
	assert_int_equal(drv.config_changes, changes + 1);
	/* Nothing more, whatever is done. */
	for (unsigned i = 0; i < 100; i++) {
		bar_out((uint8_t)(drv.notify + 4), 2, 1);
		wire_receive(frame, 100);
		advance_us(3000, drv_irq);
	}
	assert_int_equal(event_count, 1);
	assert_int_equal(counter("net.faults"), 1);
	assert_int_equal(sent_count, 0);
	assert_int_equal(slots_taken(), 0);
	/* Back to life. */
	start();
	drv_send(frame, 100);
	assert_int_equal(sent_count, 1);
	event_count = 0;
	setup(NULL);
	start();
}

static void test_broken_tx(void **state)
{
	uint64_t data = RAM_BASE + 0x300000;

	(void)state;
	start();
	drv_desc(1, 0, data, 100, 1, 0); /* a loop */
	drv_offer(1, 0);
	expect_fault(ABI_NET_CHAIN_LOOP, 1);

	drv_offer(1, DRV_SIZE);
	expect_fault(ABI_NET_RING_INDEX, 1);

	drv.queue[1].avail_idx = 1000; /* the next one */
	drv_desc(1, 0, data, 100, 0, 0);
	drv_offer(1, 0);
	expect_fault(ABI_NET_RING_INDEX, 1);

	drv_desc(1, 0, data, 100, 2, 0); /* device-writable */
	drv_offer(1, 0);
	expect_fault(ABI_NET_CHAIN_FLAGS, 1);

	drv_desc(1, 0, data, 96, 4, 0); /* indirect */
	drv_offer(1, 0);
	expect_fault(ABI_NET_CHAIN_FLAGS, 1);

	drv_desc(1, 0, 0x1000, 100, 0, 0); /* not memory (Vigil's, say) */
	drv_offer(1, 0);
	expect_fault(ABI_NET_RING_ADDRESS, 1);

	drv_desc(1, 0, data, 12 + 13, 0, 0);
	drv_offer(1, 0);
	expect_fault(ABI_NET_LENGTH, 1);

	drv_desc(1, 0, data, 0, 0, 0);
	drv_offer(1, 0);
	expect_fault(ABI_NET_LENGTH, 1);

	drv_desc(1, 0, data, 0xffffffff, 0, 0);
	drv_offer(1, 0);
	expect_fault(ABI_NET_LENGTH, 1);

	drv_desc(1, 0, data, 12 + 1523, 0, 0); /* with an MTU of 1,500 agreed */
	drv_offer(1, 0);
	expect_fault(ABI_NET_LENGTH, 1);
}

static void test_broken_rx(void **state)
{
	(void)state;
	start();
	drv_desc(0, 0, drv.queue[0].buffers, 1600, 0, 0); /* device-readable */
	wire_receive(frame, 100);
	nic_line();
	bar_in(drv.isr, 1);
	assert_int_equal(event_count, 1);
	assert_int_equal(events[0].a, ABI_NET_CHAIN_FLAGS);
	assert_int_equal(events[0].b, 0);
	assert_int_equal(bar_in(20, 1), 0x4f);

	setup(NULL);
	event_count = 0;
	start();
	drv_desc(0, 0, RAM_BASE + RAM_SIZE - 20, 1600, 2, 0);
	wire_receive(frame, 100);
	bar_in(drv.isr, 1);
	assert_int_equal(events[0].a, ABI_NET_RING_ADDRESS);
	assert_int_equal(event_count, 1);
	assert_int_equal(slots_taken(), 0);
}

static void test_long_frames(void **state)
{
	static uint8_t big[1600];

	(void)state;
	/* Two VLAN tags: dropped, no offence. */
	start();
	drv_send(big, 1522);
	assert_int_equal(counter("net.tx_dropped_too_long"), 1);
	assert_int_equal(event_count, 0);
	/* No MTU agreed: dropped, no offence. */
	drv_start(ALL & ~VNET_F_MTU);
	drv_send(big, 1590);
	assert_int_equal(counter("net.tx_dropped_too_long"), 2);
	drv_send(big, 1518);
	assert_int_equal(sent_count, 1);
	assert_int_equal(event_count, 0);
	assert_int_equal(slots_taken(), 0);
}

static void test_rx_without_buffers(void **state)
{
	(void)state;
	drv_negotiate(ALL);
	drv_setup_queues();
	drv_ok();
	wire_receive(frame, 100);
	drv_irq();
	assert_int_equal(counter("net.rx_dropped_ring_full"), 1);
	drv_fill_rx();
	wire_receive(frame, 100);
	drv_irq();
	assert_int_equal(drv.received, 1);
}

static void test_rx_short_buffers(void **state)
{
	(void)state;
	drv.rx_buffer = 12 + 500;
	start();
	wire_receive(frame, 501);
	drv_irq();
	assert_int_equal(counter("net.rx_dropped_short_buffer"), 1);
	wire_receive(frame, 500);
	drv_irq();
	assert_int_equal(drv.received, 1);
	assert_int_equal(drv.last_len, 500);
	assert_int_equal(event_count, 0);
}

/* A ring full of the longest chains: what one exit does is bounded. */
static void test_bounded_work(void **state)
{
	unsigned fetched = 0;

	(void)state;
	start();
	memset(ram_fetches, 0, sizeof(ram_fetches));
	for (uint16_t i = 0; i < DRV_SIZE; i++)
		drv_desc(1, i, RAM_BASE + 0x300000, i + 1 < DRV_SIZE ? 1 : 100, i + 1 < DRV_SIZE,
			 (uint16_t)(i + 1));
	for (uint16_t i = 0; i < DRV_SIZE; i++)
		*(uint16_t *)ram_at(drv.queue[1].avail + 4 + 2ull * i) = 0;
	drv.queue[1].avail_idx = DRV_SIZE;
	*(uint16_t *)ram_at(drv.queue[1].avail + 2) = DRV_SIZE;
	bar_out((uint8_t)(drv.notify + 4), 2, 1);
	for (unsigned i = 0; i < DRV_SIZE; i++)
		fetched += ram_fetches[drv.queue[1].desc - RAM_BASE + 16 * i];
	assert_in_range(fetched, 1, 512 + DRV_SIZE);
	/* The timer goes on with the rest. */
	advance_us(100000, drv_irq);
	assert_int_equal(sent_count, DRV_SIZE);
}

/* The sentry does not come to decide: the guest's frames stay in its ring. */
static void test_backpressure(void **state)
{
	unsigned n = 0;

	(void)state;
	start();
	sentry_busy = true;
	while (drv_tx_room()) {
		drv_send(frame, 100);
		n++;
		advance_us(10, drv_irq);
	}
	advance_us(50000, drv_irq);
	drv_poll(); /* the last few are returned without an interrupt */
	while (drv_tx_room()) {
		drv_send(frame, 100);
		n++;
	}
	/* No more taken than the card could send. */
	assert_int_equal(frames_pending(), E1000_TX_RING - 1);
	assert_int_equal(n, DRV_SIZE + E1000_TX_RING - 1);
	/* Nor does the wire take all slots. */
	for (unsigned i = 0; i < 1000; i++) {
		wire_receive(frame, 100);
		advance_us(100, drv_irq);
	}
	assert_in_range(frames_pending(), 190, 200);
	sentry_busy = false;
	advance_us(100000, drv_irq);
	assert_int_equal(sent_count, n);
	assert_int_equal(counter("net.tx_dropped_ring_full"), 0);
	assert_int_equal(drv_tx_room(), DRV_SIZE);
	assert_int_equal(slots_taken(), 0);
}

/* The card is stuck: dropped frames are counted, nothing hangs, the guest's ring stays full. */
static void test_stuck_card(void **state)
{
	(void)state;
	start();
	nic_stuck = true;
	while (drv_tx_room())
		drv_send(frame, 100);
	advance_us(50000, drv_irq);
	assert_int_equal(sent_count, 0);
	nic_stuck = false;
	advance_us(1000, drv_irq);
	while (drv_tx_room())
		drv_send(frame, 100);
	advance_us(50000, drv_irq);
	assert_true(event_count == 0);
}

static void test_no_slots(void **state)
{
	(void)state;
	start();
	slots_starve(0);
	drv_send(frame, 100);
	advance_us(5000, drv_irq);
	assert_int_equal(sent_count, 0);
	slots_starve(ABI_FRAME_SLOTS);
	advance_us(5000, drv_irq);
	assert_int_equal(sent_count, 1);
}

/* While the sentry is dead frames are delivered from inside of frame_submit: no lock is held. */
static void test_dead_sentry(void **state)
{
	(void)state;
	start();
	sentry_dead = true;
	drv_send(frame, 100);
	wire_receive(frame, 100);
	drv_irq();
	assert_int_equal(sent_count, 1);
	assert_int_equal(drv.received, 1);
}

static bool odd_length(const uint8_t *f, uint32_t len, enum abi_port from)
{
	(void)f;
	(void)from;
	return len % 2;
}

static void test_verdicts(void **state)
{
	(void)state;
	start();
	verdict = odd_length;
	for (uint32_t i = 0; i < 100; i++) {
		drv_send(frame, 100 + i);
		wire_receive(frame, 100 + i);
		advance_us(5000, drv_irq);
	}
	assert_int_equal(sent_count, 50);
	assert_int_equal(drv.received, 50);
	assert_int_equal(drv_tx_room(), DRV_SIZE);
	assert_int_equal(slots_taken(), 0);
}

static void test_link(void **state)
{
	(void)state;
	start();
	nic_reg[E1000_STATUS / 4] = 0;
	nic_cause(E1000_INT_LSC);
	drv_irq();
	assert_int_equal(drv.config_changes, 1);
	assert_int_equal(bar_in((uint8_t)(drv.device + 6), 2), 0);
	assert_int_equal(bar_in(21, 1), 1); /* generation */
	nic_reg[E1000_STATUS / 4] = E1000_STATUS_LU;
	nic_cause(E1000_INT_LSC);
	drv_irq();
	assert_int_equal(drv.config_changes, 2);
	assert_int_equal(bar_in((uint8_t)(drv.device + 6), 2), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_identity, setup),
		cmocka_unit_test_setup(test_negotiation, setup),
		cmocka_unit_test_setup(test_queue_setup, setup),
		cmocka_unit_test_setup(test_rings_outside_of_memory, setup),
		cmocka_unit_test_setup(test_transmit, setup),
		cmocka_unit_test_setup(test_receive, setup),
		cmocka_unit_test_setup(test_without_event_index, setup),
		cmocka_unit_test_setup(test_scattered, setup),
		cmocka_unit_test_setup(test_broken_tx, setup),
		cmocka_unit_test_setup(test_broken_rx, setup),
		cmocka_unit_test_setup(test_long_frames, setup),
		cmocka_unit_test_setup(test_rx_without_buffers, setup),
		cmocka_unit_test_setup(test_rx_short_buffers, setup),
		cmocka_unit_test_setup(test_bounded_work, setup),
		cmocka_unit_test_setup(test_backpressure, setup),
		cmocka_unit_test_setup(test_stuck_card, setup),
		cmocka_unit_test_setup(test_no_slots, setup),
		cmocka_unit_test_setup(test_dead_sentry, setup),
		cmocka_unit_test_setup(test_verdicts, setup),
		cmocka_unit_test_setup(test_link, setup),
	};

	return cmocka_run_group_tests(tests, setup_group, NULL);
}
