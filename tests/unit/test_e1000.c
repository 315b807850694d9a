/* The e1000 driver against a model of the card. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "hv/errno.h"
#include "hv/frames.h"
#include "hv/machine.h"
#include "net/dev/nic.h"
#include "tests/unit/netdev_machine.h"
#include "tests/unit/netdev_memory.h"

static const struct nic_driver *const nic = &e1000_driver;
static uint8_t mac[6];
static uint8_t frame[2048];

static void deliver(uint32_t slot, uint32_t len, enum abi_port to)
{
	(void)len;
	(void)to;
	frame_free(slot);
}

static void nothing(void)
{
}

static int setup(void **state)
{
	static const struct frame_ops ops = {deliver, nothing};

	(void)state;
	machine_reset();
	frames_register(&ops);
	for (unsigned i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 7);
	return 0;
}

static void start(void)
{
	assert_int_equal(nic->init(&boot.nic, mac), 0);
	nic->rx_enable(true);
}

static void test_probe(void **state)
{
	(void)state;
	assert_true(nic->probe(0x8086, 0x100e));
	assert_false(nic->probe(0x8086, 0x10d3));
	assert_false(nic->probe(0x1af4, 0x100e));
}

static void test_init(void **state)
{
	static const uint8_t expected[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

	(void)state;
	for (unsigned address = 0; address < 2; address++) {
		setup(NULL);
		nic_address = address; /* from RAL/RAH, or from the EEPROM */
		assert_int_equal(nic->init(&boot.nic, mac), 0);
		assert_memory_equal(mac, expected, 6);
		assert_int_equal(nic_reg[E1000_RAL / 4], 0x12005452);
		assert_int_equal(nic_reg[E1000_RAH / 4], 0x80005634);
		assert_int_equal(nic_reg[E1000_RCTL / 4] & E1000_RCTL_EN, 0);
		assert_int_equal(nic_reg[E1000_IMS / 4], 0);
		/* Memory decoding and DMA on, I/O decoding and INTx disable off. */
		assert_int_equal(pci_read(NIC_BDF_VALUE, 4, 2), 0x0006);
		assert_int_equal(slots_in_use(), E1000_RX_RING);
	}
}

static void test_init_fails(void **state)
{
	(void)state;
	nic_dead = true;
	assert_int_equal(nic->init(&boot.nic, mac), -ETIMEDOUT);
	setup(NULL);
	boot.nic.bar[0].size = 4096;
	assert_int_equal(nic->init(&boot.nic, mac), -ENODEV);
	setup(NULL);
	boot.nic.bar[0].base = 0;
	assert_int_equal(nic->init(&boot.nic, mac), -ENODEV);
	setup(NULL);
	boot.nic.device = 0x10d3;
	assert_int_equal(nic->init(&boot.nic, mac), -ENODEV);
	setup(NULL);
	slots_starve(10);
	assert_int_equal(nic->init(&boot.nic, mac), -ENOMEM);
}

static void test_receive(void **state)
{
	struct nic_frame out[64];

	(void)state;
	start();
	assert_int_equal(nic->rx(out, 64), 0);
	/* More than once round the ring. */
	for (unsigned round = 0; round < 30; round++) {
		for (unsigned i = 0; i < 20; i++) {
			frame[0] = (uint8_t)(round * 20 + i);
			assert_true(wire_receive(frame, 60 + i));
		}
		assert_int_equal(nic->rx(out, 64), 20);
		for (unsigned i = 0; i < 20; i++) {
			frame[0] = (uint8_t)(round * 20 + i);
			assert_int_equal(out[i].len, 60 + i);
			assert_memory_equal(frame_data(out[i].slot), frame, out[i].len);
			frame_free(out[i].slot);
		}
	}
	assert_int_equal(slots_in_use(), E1000_RX_RING);
}

static void test_ring_full(void **state)
{
	struct nic_frame out[64];
	unsigned got = 0, n;

	(void)state;
	start();
	for (unsigned i = 0; i < E1000_RX_RING - 1; i++)
		assert_true(wire_receive(frame, 100));
	assert_false(wire_receive(frame, 100));
	while ((n = nic->rx(out, 64)) != 0) {
		for (unsigned i = 0; i < n; i++)
			frame_free(out[i].slot);
		got += n;
	}
	assert_int_equal(got, E1000_RX_RING - 1);
	assert_true(wire_receive(frame, 100));
	assert_int_equal(nic->rx(out, 64), 1);
}

static void test_bad_frames(void **state)
{
	static const struct {
		uint16_t len;
		uint8_t status, errors;
	} bad[] = {
		{13, 3, 0},	{0, 3, 0},	{1519, 3, 0},
		{2049, 3, 0},	{0xffff, 3, 0}, {100, 3, 0x01}, /* CRC error */
		{100, 3, 0x80}, {2048, 1, 0},	{100, 3, 0},	/* a frame of two descriptors */
	};
	struct nic_frame out[64];

	(void)state;
	start();
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_true(wire_receive_raw(frame, 60, bad[i].len, bad[i].status, bad[i].errors));
	assert_true(wire_receive(frame, 61));
	assert_int_equal(nic->rx(out, 64), 1);
	assert_int_equal(out[0].len, 61);
	assert_int_equal(counter("net.nic_rx_errors"), sizeof(bad) / sizeof(bad[0]));
	/* Lengths no card can write are told, once. */
	assert_int_equal(event_count, 1);
	assert_int_equal(events[0].kind, ABI_EVENT_NET_FAULT);
	assert_int_equal(events[0].a, ABI_NET_NIC);
	assert_int_equal(events[0].c, 2049);
	assert_int_equal(slots_in_use(), E1000_RX_RING + 1);
}

static void test_no_slots(void **state)
{
	struct nic_frame out[64];

	(void)state;
	start();
	slots_starve(2);
	for (unsigned i = 0; i < 5; i++)
		assert_true(wire_receive(frame, 100));
	assert_int_equal(nic->rx(out, 64), 2);
	assert_int_equal(counter("net.nic_rx_no_slot"), 3);
	/* The ring has lost nothing. */
	slots_starve(ABI_FRAME_SLOTS);
	for (unsigned i = 0; i < E1000_RX_RING - 1; i++)
		assert_true(wire_receive(frame, 100));
}

static void test_send(void **state)
{
	(void)state;
	start();
	for (unsigned round = 0; round < 10; round++) {
		for (unsigned i = 0; i < 50; i++) {
			int slot = frame_alloc();

			assert_true(slot >= 0);
			memcpy(frame_data((uint32_t)slot), frame, 100);
			assert_int_equal(nic->tx((uint32_t)slot, 60 + i), 0);
		}
		assert_int_equal(sent_count,
				 round * 50); /* the card knows nothing before the flush */
		nic->tx_flush();
		assert_int_equal(sent_count, round * 50 + 50);
		assert_int_equal(sent[(sent_count - 1) % 256].len, 60 + 49);
		assert_memory_equal(sent[(sent_count - 1) % 256].data, frame, 100);
		assert_int_equal(nic->tx_room(), E1000_TX_RING - 1);
		assert_int_equal(slots_in_use(), E1000_RX_RING);
	}
}

static void test_send_full(void **state)
{
	(void)state;
	start();
	nic_stuck = true;
	for (unsigned i = 0; i < E1000_TX_RING - 1; i++)
		assert_int_equal(nic->tx((uint32_t)frame_alloc(), 60), 0);
	nic->tx_flush();
	assert_int_equal(nic->tx(0, 60), -ENOSPC);
	assert_int_equal(nic->tx_room(), 0);
	nic_stuck = false;
	mmio_write32(mmio_map(NIC_BAR0, E1000_BAR_SIZE), E1000_TDT, nic_reg[E1000_TDT / 4]);
	assert_int_equal(nic->tx((uint32_t)frame_alloc(), 60), 0);
}

/* Descriptors that were filled and not told to the card still carry an old DD. */
static void test_reap_not_told(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < E1000_TX_RING + 10; i++) {
		assert_int_equal(nic->tx((uint32_t)frame_alloc(), 60), 0);
		nic->tx_room();
		if (i % 3 == 0)
			nic->tx_flush();
	}
	nic->tx_flush();
	assert_int_equal(nic->tx_room(), E1000_TX_RING - 1);
	assert_int_equal(sent_count, E1000_TX_RING + 10);
}

static void test_interrupts(void **state)
{
	(void)state;
	start();
	nic->irq_allow(true, true);
	assert_false(nic_line());
	wire_receive(frame, 60);
	assert_true(nic_line());
	assert_int_equal(nic->irq_ack(), NIC_IRQ_OURS);
	assert_false(nic_line());
	/* What it sends does not interrupt. */
	assert_int_equal(nic->tx((uint32_t)frame_alloc(), 60), 0);
	nic->tx_flush();
	assert_false(nic_line());
	assert_int_equal(nic->irq_ack(), 0);
	/* Masked: only our own. */
	nic->irq_allow(false, true);
	wire_receive(frame, 60);
	assert_false(nic_line());
	nic->irq_raise();
	assert_true(nic_line());
	assert_int_equal(nic->irq_ack(), NIC_IRQ_OURS);
	nic->irq_allow(true, true);
	nic_cause(E1000_INT_LSC);
	assert_int_equal(nic->irq_ack(), NIC_IRQ_OURS | NIC_IRQ_LINK);
	nic->irq_allow(false, false);
	nic->irq_raise();
	assert_false(nic_line());
	/* A card that is gone. */
	nic_reg[E1000_ICR / 4] = ~0u;
	assert_int_equal(nic->irq_ack(), 0);
	assert_true(nic->link());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_probe, setup),
		cmocka_unit_test_setup(test_init, setup),
		cmocka_unit_test_setup(test_init_fails, setup),
		cmocka_unit_test_setup(test_receive, setup),
		cmocka_unit_test_setup(test_ring_full, setup),
		cmocka_unit_test_setup(test_bad_frames, setup),
		cmocka_unit_test_setup(test_no_slots, setup),
		cmocka_unit_test_setup(test_send, setup),
		cmocka_unit_test_setup(test_send_full, setup),
		cmocka_unit_test_setup(test_reap_not_told, setup),
		cmocka_unit_test_setup(test_interrupts, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
