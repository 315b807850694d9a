/* When the guest is interrupted and when Vigil polls: floods, load, request and response. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "net/dev/path.h"
#include "net/dev/path_state.h"
#include "net/dev/pci.h"
#include "tests/unit/netdev_driver.h"
#include "tests/unit/netdev_machine.h"
#include "tests/unit/netdev_memory.h"

#define ALL  ~0ull
#define PORT 0xd000

static uint8_t frame[2048];
static struct drv probed;

static int setup_group(void **state)
{
	(void)state;
	machine_reset();
	assert_int_equal(pci_present(&boot), 0);
	drv_probe(PORT);
	probed = drv;
	return 0;
}

static void begin(bool own_address)
{
	uint8_t mac[6];

	machine_restart();
	assert_int_equal(e1000_driver.init(&boot.nic, mac), 0);
	memset(&net, 0, sizeof(net));
	memset(&net_count, 0, sizeof(net_count));
	assert_int_equal(path_init(&e1000_driver, &intr_intx, mac, own_address), 0);
	drv = probed;
}

static int setup(void **state)
{
	(void)state;
	begin(false);
	return 0;
}

static void start(void)
{
	drv_start(ALL);
	drv_irq();
}

/* Exits for the card since the last call, timer included. */
static unsigned exits(void)
{
	static uint64_t before;
	uint64_t total = counter("net.exits_isr") + counter("net.exits_notify") + timer_fires;
	unsigned n = (unsigned)(total - before);

	before = total;
	return n;
}

/* Frames whose first byte is 0xbb are blocked. */
static bool block_bb(const uint8_t *f, uint32_t len, enum abi_port from)
{
	(void)len;
	return from == ABI_PORT_GUEST || f[0] != 0xbb;
}

static void test_quiet(void **state)
{
	(void)state;
	start();
	exits();
	advance_us(10000000, drv_irq);
	assert_int_equal(exits(), 0); /* an idle card costs nothing */
	assert_int_equal(net.intr.mode, INTR_LINE);
}

static void test_no_driver_no_interrupt(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		wire_receive(frame, 100);
		assert_false(nic_line());
		advance_us(1000, drv_irq);
	}
	start();
	wire_receive(frame, 100);
	assert_true(nic_line());
	drv_irq();
	bar_out(20, 1, 0); /* the driver goes */
	assert_false(nic_line());
	for (unsigned i = 0; i < 300; i++) {
		wire_receive(frame, 100);
		assert_false(nic_line());
		advance_us(1000, drv_irq);
	}
	exits();
	advance_us(1000000, drv_irq);
	assert_int_equal(exits(), 0);
}

/* Vigil's own address wants frames while no driver is there, and never interrupts. */
static void test_own_address(void **state)
{
	(void)state;
	begin(true);
	for (unsigned i = 0; i < 100; i++) {
		assert_true(wire_receive(frame, 100));
		advance_us(20000, drv_irq);
		assert_false(nic_line());
		assert_int_equal(counter("net.wire_rx"), i + 1);
	}
	assert_int_equal(counter("net.rx_dropped_no_guest"), 100);
	/* A reply of the sentry's leaves at once. */
	start();
	wire_receive(frame, 100);
	drv_irq();
	assert_int_equal(drv.received, 1);
}

static void flood(unsigned n, uint32_t len, unsigned us)
{
	verdict = block_bb;
	frame[0] = 0xbb;
	for (unsigned i = 0; i < n; i++) {
		wire_receive(frame, len);
		advance_us(us, drv_irq);
	}
	frame[0] = 0;
}

static void test_flood(void **state)
{
	static const unsigned gap[] = {1000, 100, 30000};

	(void)state;
	for (unsigned g = 0; g < 3; g++) {
		begin(false);
		start();
		flood(g == 2 ? 20000 : 120000, 60, gap[g]);
		assert_int_equal(drv.received, 0);
		assert_false(drv.line_disabled);
		/* Interrupts in vain are few, whatever the number of frames. */
		if (g < 2)
			assert_in_range(drv.empty, 1, 200);
		assert_true(drv.unhandled < 1000);
		/* The network still works, both ways. */
		wire_receive(frame, 100);
		advance_us(20000, drv_irq);
		assert_int_equal(drv.received, 1);
		drv_send(frame, 100);
		advance_us(2000, drv_irq);
		assert_int_equal(sent_count, 1);
	}
}

/* A flood, and the guest's own traffic in between. */
static void test_flood_with_traffic(void **state)
{
	unsigned good = 0;

	(void)state;
	start();
	verdict = block_bb;
	for (unsigned i = 0; i < 200000; i++) {
		frame[0] = i % 50 ? 0xbb : 0;
		good += frame[0] == 0;
		assert_true(wire_receive(frame, 60));
		if (i % 50 == 25)
			drv_send(frame, 60);
		advance_us(500, drv_irq);
	}
	advance_us(20000, drv_irq);
	assert_int_equal(drv.received, good);
	assert_int_equal(sent_count, good);
	assert_false(drv.line_disabled);
	assert_true(drv.empty < 500);
	/* Quiet again: the line is the card's again, and idle costs nothing. */
	advance_us(1000000, drv_irq);
	assert_int_equal(net.intr.mode, INTR_LINE);
	exits();
	advance_us(1000000, drv_irq);
	assert_int_equal(exits(), 0);
}

static unsigned acks;

/* A TCP receiver: an acknowledgement for every second frame. */
static void acknowledge(const uint8_t *f, uint32_t len)
{
	static const uint8_t ack[66];
	static unsigned n;

	(void)f;
	(void)len;
	if (++n % 2 == 0 && drv_tx_room()) {
		drv_send(ack, sizeof(ack));
		acks++;
	}
}

/* 10 MB at the rate of Bochs' card, and of a fast one. */
static void test_bulk_receive(void **state)
{
	static const struct {
		unsigned us;
		double most;
	} rate[] = {{1000, 0.3}, {100, 0.1}, {12, 0.1}};

	(void)state;
	for (unsigned r = 0; r < 3; r++) {
		double per_frame;
		unsigned n = 7000;

		begin(false);
		start();
		drv.on_frame = acknowledge;
		acks = 0;
		exits();
		for (unsigned i = 0; i < n; i++) {
			memcpy(frame + 14, &i, 4);
			assert_true(wire_receive(frame, 1514));
			advance_us(rate[r].us, drv_irq);
		}
		advance_us(20000, drv_irq);
		assert_int_equal(drv.received, n);
		assert_int_equal(sent_count, acks);
		per_frame = exits() / (double)(n + acks);
		print_message("receive, a frame each %u us: %.3f exits per frame\n", rate[r].us,
			      per_frame);
		assert_true(per_frame < rate[r].most);
		assert_true(drv.empty < 100);
		advance_us(1000000, drv_irq);
		assert_int_equal(net.intr.mode, INTR_LINE);
	}
}

/* A transfer that stalls now and then, as TCP does after a loss, is polled again soon. */
static void test_bulk_with_stalls(void **state)
{
	unsigned n = 7000;
	double per_frame;

	(void)state;
	start();
	drv.on_frame = acknowledge;
	acks = 0;
	exits();
	for (unsigned i = 0; i < n; i++) {
		assert_true(wire_receive(frame, 1514));
		advance_us(i % 200 == 0 ? 30000 : 1000, drv_irq);
	}
	advance_us(20000, drv_irq);
	assert_int_equal(drv.received, n);
	per_frame = exits() / (double)(n + acks);
	print_message("receive with stalls: %.3f exits per frame\n", per_frame);
	assert_true(per_frame < 0.3);
}

/* 10 MB out: the driver keeps its ring as full as it can; the peer acknowledges every second
 * frame. */
static void test_bulk_send(void **state)
{
	static const unsigned burst[] = {44, 10, 2};

	(void)state;
	for (unsigned b = 0; b < 3; b++) {
		unsigned n = 0, acked = 0;
		double per_frame;

		begin(false);
		start();
		exits();
		while (n < 7000) {
			for (unsigned i = 0; i < burst[b] && drv_tx_room(); i++) {
				memcpy(frame + 14, &n, 4);
				drv_send(frame, 1514);
				n++;
			}
			for (; acked < sent_count / 2; acked++)
				wire_receive(frame, 66);
			advance_us(burst[b] * 12, drv_irq);
		}
		advance_us(50000, drv_irq);
		drv_poll();
		assert_int_equal(sent_count, n);
		assert_int_equal(drv_tx_room(), DRV_SIZE);
		assert_int_equal(counter("net.tx_dropped_ring_full"), 0);
		per_frame = exits() / (double)(n + acked);
		print_message("send, bursts of %u: %.3f exits per frame\n", burst[b], per_frame);
		assert_true(per_frame < 0.1);
	}
}

/* A window of datagrams under way, each answered by a peer on a busy machine: it begins with a
 * burst that says nothing of the rate that follows, and the answers pause now and then. */
static void test_window(void **state)
{
	static const unsigned pauses[] = {0, 6, 12}; /* ms in every 40 */
	const unsigned window = 48, n = 7000;

	(void)state;
	for (unsigned p = 0; p < 3; p++) {
		unsigned next = 0, acked = 0;
		double per_frame;

		begin(false);
		start();
		exits();
		for (unsigned ms = 0; acked < n; ms++) {
			for (; next < n && next < acked + window && drv_tx_room(); next++)
				drv_send(frame, 1442);
			advance_us(1000, drv_irq);
			if (acked < sent_count && ms % 40 >= pauses[p]) {
				assert_true(wire_receive(frame, 60));
				acked++;
			}
			drv_poll();
		}
		per_frame = exits() / (2.0 * n);
		print_message(
			"send, window of %u, pauses of %u ms: %.3f exits per frame, %u switches\n",
			window, pauses[p], per_frame, (unsigned)counter("net.mode_switches"));
		assert_true(per_frame < 0.2);
		/* Quiet: the line is the card's again. */
		advance_us(1000000, drv_irq);
		assert_int_equal(net.intr.mode, INTR_LINE);
	}
}

/* Request and response: polling for load must not add its interval to each round. */
static void test_request_response(void **state)
{
	static const uint32_t size[] = {100, 1400};

	(void)state;
	for (unsigned s = 0; s < 2; s++) {
		uint64_t begun, spent;
		unsigned n = 2000;

		begin(false);
		start();
		begun = now;
		exits();
		for (unsigned i = 0; i < n; i++) {
			unsigned before = sent_count;

			drv_send(frame, size[s]);
			for (unsigned t = 0; sent_count == before; t++) {
				assert_true(t < 2000);
				advance_us(10, drv_irq);
			}
			advance_us(100, drv_irq);
			assert_true(wire_receive(frame, size[s]));
			for (unsigned t = 0; drv.received == i; t++) {
				assert_true(t < 2000);
				advance_us(10, drv_irq);
			}
		}
		spent = (now - begun) / TICKS_PER_US / n;
		print_message(
			"request and response of %u bytes: %u us each, %.2f exits per frame\n",
			size[s], (unsigned)spent, exits() / (2.0 * n));
		assert_true(spent < 200);
	}
}

/* The same while a transfer is still being polled for: the polls must end soon. */
static void test_request_after_bulk(void **state)
{
	uint64_t begun;

	(void)state;
	start();
	for (unsigned i = 0; i < 500; i++) {
		assert_true(wire_receive(frame, 1514));
		advance_us(100, drv_irq);
	}
	assert_int_equal(net.intr.mode, INTR_POLL);
	begun = now;
	for (unsigned i = 0; i < 500; i++) {
		unsigned before = sent_count;

		drv_send(frame, 1400);
		for (unsigned t = 0; sent_count == before; t++) {
			assert_true(t < 2000);
			advance_us(10, drv_irq);
		}
		assert_true(wire_receive(frame, 1400));
		advance_us(100, drv_irq);
	}
	print_message("requests after a transfer: %u us each\n",
		      (unsigned)((now - begun) / TICKS_PER_US / 500));
	assert_true(now - begun < 500 * 300 * TICKS_PER_US);
}

/* The guest has its interrupts off for long: frames are not lost before the ring is full. */
static void test_masked_guest(void **state)
{
	(void)state;
	start();
	drv.masked = true;
	for (unsigned i = 0; i < 200; i++) {
		assert_true(wire_receive(frame, 100));
		advance_us(1000, drv_irq);
	}
	drv.masked = false;
	advance_us(20000, drv_irq);
	assert_int_equal(drv.received, 200);
}

/* A device on the same line interrupts: that is not an interrupt in vain. */
static void test_shared_line(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(bar_in(drv.isr, 1), 0);
		advance_us(100, drv_irq);
	}
	assert_int_equal(net.intr.mode, INTR_LINE);
	assert_int_equal(counter("net.irq_empty"), 0);
}

/* The sentry decides later: the guest learns of it by an interrupt of its own. */
static void test_late_verdict(void **state)
{
	(void)state;
	start();
	sentry_busy = true;
	wire_receive(frame, 100);
	drv_irq();
	assert_int_equal(drv.received, 0);
	sentry_busy = false;
	frames_run();
	assert_true(nic_line());
	drv_irq();
	assert_int_equal(drv.received, 1);
	/* While polling as well. */
	flood(100, 60, 1000);
	assert_int_equal(net.intr.mode, INTR_POLL);
	sentry_busy = true;
	wire_receive(frame, 100);
	advance_us(2000, drv_irq);
	sentry_busy = false;
	frames_run();
	drv_irq();
	assert_int_equal(drv.received, 2);
}

/* Going back to the line does not lose an interrupt that is up, nor a frame of that moment. */
static void test_switch_back(void **state)
{
	(void)state;
	start();
	flood(100, 60, 1000);
	assert_int_equal(net.intr.mode, INTR_POLL);
	drv.masked = true;
	wire_receive(frame, 100);
	advance_us(2000, drv_irq);
	assert_true(nic_line());
	advance_us(2000000, drv_irq);
	assert_int_equal(net.intr.mode, INTR_LINE);
	assert_true(nic_line());
	drv.masked = false;
	drv_irq();
	assert_int_equal(drv.received, 1);
	assert_false(nic_line());
	/* And sending notifies again. */
	assert_true(drv_send(frame, 100));
	assert_int_equal(sent_count, 1);
}

static void test_intx_disabled(void **state)
{
	(void)state;
	start();
	cfg_write(NIC_BDF_VALUE, 4, 2, 0x0407);
	for (unsigned i = 0; i < 100; i++) {
		wire_receive(frame, 100);
		advance_us(2000, drv_irq);
		assert_false(nic_line());
	}
	drv_poll(); /* a guest that polls finds its frames */
	assert_int_equal(drv.received, 100);
	drv_send(frame, 100);
	advance_us(20000, drv_irq);
	assert_int_equal(sent_count, 1);
	cfg_write(NIC_BDF_VALUE, 4, 2, 0x0007);
	advance_us(1000000, drv_irq);
	wire_receive(frame, 100);
	advance_us(1000000, drv_irq);
	assert_int_equal(drv.received, 101);
	assert_int_equal(net.intr.mode, INTR_LINE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_quiet, setup),
		cmocka_unit_test_setup(test_no_driver_no_interrupt, setup),
		cmocka_unit_test_setup(test_own_address, setup),
		cmocka_unit_test_setup(test_flood, setup),
		cmocka_unit_test_setup(test_flood_with_traffic, setup),
		cmocka_unit_test_setup(test_bulk_receive, setup),
		cmocka_unit_test_setup(test_bulk_with_stalls, setup),
		cmocka_unit_test_setup(test_bulk_send, setup),
		cmocka_unit_test_setup(test_window, setup),
		cmocka_unit_test_setup(test_request_response, setup),
		cmocka_unit_test_setup(test_request_after_bulk, setup),
		cmocka_unit_test_setup(test_masked_guest, setup),
		cmocka_unit_test_setup(test_shared_line, setup),
		cmocka_unit_test_setup(test_late_verdict, setup),
		cmocka_unit_test_setup(test_switch_back, setup),
		cmocka_unit_test_setup(test_intx_disabled, setup),
	};

	return cmocka_run_group_tests(tests, setup_group, NULL);
}
