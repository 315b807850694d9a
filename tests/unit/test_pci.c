/* PCI interception: the virtual configuration space by ports and by ECAM, what passes through, and
 * the unit's decisions about cards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* The unit itself, for its static init function. */
#include "net/dev/net.c"

#include "hv/io.h"
#include "hv/machine.h"
#include "net/dev/path_state.h"
#include "net/dev/pci_config.h"
#include "net/dev/virtio_net.h"
#include "tests/unit/netdev_driver.h"
#include "tests/unit/netdev_machine.h"
#include "tests/unit/netdev_memory.h"

#define OTHER 0x0020 /* 00:04.0 */
#define NIC   NIC_BDF_VALUE
#define BAR2  0x18 /* ours: BAR 0 and 1 are the card's */
#define ECAM  0xe0000000ull

static char init_message[256];

int init_error(int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(init_message, sizeof(init_message), fmt, args);
	va_end(args);
	return err;
}

static int setup_group(void **state)
{
	(void)state;
	machine_reset();
	boot.necam = 1;
	boot.ecam[0] = (struct boot_ecam){.base = ECAM, .end_bus = 255};
	memset(phys_config[OTHER], 0x5a, 256);
	assert_int_equal(net_init(&boot), 0);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	cfg_write(NIC, 4, 2, 0);
	cfg_write(NIC, 0x10, 4, NIC_BAR0);
	cfg_write(NIC, 0x14, 4, NIC_IO);
	cfg_write(NIC, BAR2, 4, 0);
	cfg_write(NIC, 0x3c, 1, 0x0b);
	event_count = 0;
	return 0;
}

static void test_pass_through(void **state)
{
	(void)state;
	phys_reads = phys_writes = 0;
	assert_int_equal(cfg_read(OTHER, 0, 4), 0x5a5a5a5a);
	cfg_write(OTHER, 0x41, 1, 0x12);
	assert_int_equal(phys_config[OTHER][0x41], 0x12);
	assert_int_equal(cfg_read(OTHER, 0x41, 1), 0x12);
	assert_int_equal(cfg_read(OTHER, 0x42, 2), 0x5a5a);
	/* Another function of the same device, the next bus, an absent one. */
	assert_int_equal(cfg_read(NIC + 1, 0, 4), 0xffffffff);
	assert_int_equal(cfg_read(NIC + 0x100, 0, 4), 0xffffffff);
	/* Without the enable bit nothing is a configuration cycle. */
	guest_out(0xcf8, 4, (uint32_t)NIC << 8);
	assert_int_equal(guest_in(0xcfc, 4), 0xffffffff);
	assert_int_equal(phys_reads, 6);
	assert_int_equal(phys_writes, 1);
	/* The address register is never intercepted. */
	assert_int_equal(range_at(0xcf8), -1);
}

static void test_physical_unreached(void **state)
{
	uint8_t before[256];

	(void)state;
	memcpy(before, phys_config[NIC], 256);
	phys_reads = phys_writes = 0;
	for (unsigned off = 0; off < 256; off++)
		cfg_write(NIC, (uint8_t)off, 1, 0xff);
	for (unsigned off = 0; off < 256; off += 4) {
		cfg_read(NIC, (uint8_t)off, 4);
		cfg_write(NIC, (uint8_t)off, 4, 0xffffffff);
	}
	assert_memory_equal(phys_config[NIC], before, 256);
	assert_int_equal(phys_reads + phys_writes, 0);
	setup(NULL);
}

static void test_identity(void **state)
{
	(void)state;
	assert_int_equal(cfg_read(NIC, 0, 4), 0x10411af4);
	assert_int_equal(cfg_read(NIC, 8, 4), 0x02000001);
	assert_int_equal(cfg_read(NIC, 0x0e, 1), 0);
	assert_int_equal(cfg_read(NIC, 0x2c, 4), 0x10411af4);
	assert_int_equal(cfg_read(NIC, 0x3c, 2), 0x010b);
	assert_int_equal(cfg_read(NIC, 0x30, 4), 0); /* no ROM */
	cfg_write(NIC, 0, 4, 0);
	assert_int_equal(cfg_read(NIC, 0, 4), 0x10411af4);
	cfg_write(NIC, 0x3c, 2, 0x0205); /* line writable, pin not */
	assert_int_equal(cfg_read(NIC, 0x3c, 2), 0x0105);
	cfg_write(NIC, 0x3c, 1, 0x0b);
	/* Bytes and words within a register. */
	assert_int_equal(cfg_read(NIC, 1, 1), 0x1a);
	assert_int_equal(cfg_read(NIC, 2, 2), 0x1041);
	assert_int_equal(cfg_read(NIC, 3, 1), 0x10);
}

static void test_mac_told(void **state)
{
	static const uint8_t mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

	(void)state;
	assert_memory_equal(told_mac, mac, 6);
}

static void test_unaligned(void **state)
{
	(void)state;
	guest_out(0xcf8, 4, 0x80000000u | (uint32_t)NIC << 8 | 4);
	assert_int_equal(guest_in(0xcfd, 2), 0xffff);
	guest_out(0xcfd, 2, 0x0404);
	assert_int_equal(cfg_read(NIC, 4, 2), 0);
}

static void test_physical_bars_are_inert(void **state)
{
	(void)state;
	assert_int_equal(cfg_read(NIC, 0x10, 4), NIC_BAR0);
	assert_int_equal(cfg_read(NIC, 0x14, 4), NIC_IO | 1);
	cfg_write(NIC, 0x10, 4, 0xffffffff);
	assert_int_equal(cfg_read(NIC, 0x10, 4), ~(E1000_BAR_SIZE - 1u));
	cfg_write(NIC, 0x14, 4, 0xffffffff);
	assert_int_equal(cfg_read(NIC, 0x14, 4), 0xffffffc1);
	/* Moved virtually; the card stays. */
	cfg_write(NIC, 0x10, 4, 0xc0000000);
	assert_int_equal(cfg_read(NIC, 0x10, 4), 0xc0000000);
	assert_int_equal(hidden_count, 1);
	assert_int_equal(hidden[0].phys, NIC_BAR0);
	assert_int_equal(hidden[0].size, E1000_BAR_SIZE);
	assert_int_equal(guest_in(NIC_IO, 4), 0xffffffff);
	assert_int_equal(guest_in(NIC_IO + 63, 1), 0xff);
	guest_out(NIC_IO, 4, 0);
	cfg_write(NIC, 0x10, 4, NIC_BAR0);
	cfg_write(NIC, 0x14, 4, NIC_IO);
}

static void test_virtio_bar(void **state)
{
	(void)state;
	assert_int_equal(cfg_read(NIC, BAR2, 4), 1); /* not assigned */
	cfg_write(NIC, 4, 2, 1);
	assert_int_equal(range_at(0xd000), -1);
	/* The size, with decoding on. */
	cfg_write(NIC, BAR2, 4, 0xffffffff);
	assert_int_equal(cfg_read(NIC, BAR2, 4), 0xffffff81);
	assert_int_equal(range_at(0xff80), -1);
	cfg_write(NIC, BAR2, 4, 0xd001);
	assert_int_equal(range_at(0xd000), 0xd000);
	assert_int_equal(range_at(0xd07f), 0xd000);
	assert_int_equal(range_at(0xd080), -1);
	assert_int_equal(guest_in(0xd000 + 18, 2), 2); /* the device's number of queues */
	/* The size again: nothing moves. */
	cfg_write(NIC, BAR2, 4, 0xffffffff);
	assert_int_equal(range_at(0xd000), 0xd000);
	cfg_write(NIC, BAR2, 4, 0xd001);
	assert_int_equal(range_at(0xd000), 0xd000);
	/* Decoding off and on. */
	cfg_write(NIC, 4, 2, 0);
	assert_int_equal(range_at(0xd000), -1);
	cfg_write(NIC, 4, 1, 1);
	assert_int_equal(range_at(0xd000), 0xd000);
	/* Moved; in two halves. */
	cfg_write(NIC, BAR2, 4, 0xe080);
	assert_int_equal(range_at(0xd000), -1);
	assert_int_equal(range_at(0xe080), 0xe080);
	cfg_write(NIC, BAR2, 2, 0xd000);
	assert_int_equal(range_at(0xd000), 0xd000);
	/* Beyond the ports. */
	cfg_write(NIC, BAR2 + 2, 2, 1);
	assert_int_equal(range_at(0xd000), -1);
	cfg_write(NIC, BAR2 + 2, 2, 0);
	/* Over something of Vigil's: refused, the device is not reachable until moved again. */
	cfg_write(NIC, BAR2, 4, 0x0c80);
	assert_int_equal(range_at(0xcfc), 0xcfc);
	assert_int_equal(range_at(0xc80), -1);
	assert_int_equal(cfg_read(OTHER, 0, 4), 0x5a5a5a5a);
	cfg_write(NIC, BAR2, 4, 0xd000);
	assert_int_equal(range_at(0xd000), 0xd000);
}

static void window(uint8_t bar, uint32_t off, uint32_t len)
{
	cfg_write(NIC, 0x84 + 4, 1, bar);
	cfg_write(NIC, 0x84 + 8, 4, off);
	cfg_write(NIC, 0x84 + 12, 4, len);
}

static void test_window(void **state)
{
	(void)state;
	assert_int_equal(cfg_read(NIC, 0x84, 1), 9);
	assert_int_equal(cfg_read(NIC, 0x87, 1), 5);
	/* Works without the BAR. */
	window(2, 18, 2);
	assert_int_equal(cfg_read(NIC, 0x94, 2), 2);
	window(2, VNET_DEVICE, 4);
	assert_int_equal(cfg_read(NIC, 0x94, 4), 0x12005452);
	window(2, VNET_DEVICE + 3, 1);
	assert_int_equal(cfg_read(NIC, 0x94, 1), 0x12);
	window(2, 20, 1);
	cfg_write(NIC, 0x94, 1, 1);
	assert_int_equal(net.dev.status, 1);
	window(2, 0, 4);
	cfg_write(NIC, 0x94, 4, 1);
	window(2, 4, 4);
	assert_int_equal(cfg_read(NIC, 0x94, 4), 1); /* VERSION_1 in the upper half */
	window(2, 20, 1);
	cfg_write(NIC, 0x94, 1, 0);
	assert_int_equal(net.dev.status, 0);
	/* The ISR register's side effects too: counted as its read. */
	window(2, VNET_ISR, 1);
	cfg_read(NIC, 0x94, 1);
	assert_int_equal(counter("net.exits_isr"), 1);
}

static void test_window_invalid(void **state)
{
	static const struct {
		uint8_t bar;
		uint32_t off, len;
	} bad[] = {
		{0, 20, 1},  {5, 20, 1},  {255, 20, 1},		{2, 20, 0},	     {2, 20, 3},
		{2, 20, 8},  {2, 21, 2},  {2, 22, 4},		{2, 128, 1},	     {2, 126, 4},
		{2, ~0u, 1}, {2, ~3u, 4}, {2, 20, 0x80000001u}, {2, 0x10000014u, 1},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		window(bad[i].bar, bad[i].off, bad[i].len);
		cfg_write(NIC, 0x94, 4, 0x01010101);
		assert_int_equal(net.dev.status, 0);
		assert_int_equal(net.dev.queue_select, 0);
		assert_int_equal(cfg_read(NIC, 0x94, 4), 0x01010101); /* plain storage then */
	}
	/* Fields that say what the structure is stay. */
	cfg_write(NIC, 0x84, 4, 0);
	assert_int_equal(cfg_read(NIC, 0x84, 4), 0x05140009);
}

static void test_intx_disable(void **state)
{
	(void)state;
	cfg_write(NIC, BAR2, 4, 0xd000);
	drv_probe(0xd000);
	drv_start(~0ull);
	assert_true(nic_reg[E1000_IMS / 4]);
	cfg_write(NIC, 4, 2, 0x0407);
	assert_int_equal(nic_reg[E1000_IMS / 4], 0);
	/* Not the physical bit: Vigil needs the line again. */
	assert_int_equal(phys_config[NIC][5] & 4, 0);
	cfg_write(NIC, 4, 2, 0x0007);
	assert_true(nic_reg[E1000_IMS / 4]);
	bar_out(20, 1, 0);
	assert_int_equal(nic_reg[E1000_IMS / 4], 0);
}

static void test_interrupt_status(void **state)
{
	(void)state;
	cfg_write(NIC, BAR2, 4, 0xd000);
	drv_probe(0xd000);
	drv_start(~0ull);
	assert_int_equal(cfg_read(NIC, 6, 2), 0x10);
	sentry_busy = true;
	wire_receive(phys_config[OTHER], 60);
	bar_in(drv.isr, 1);
	sentry_busy = false;
	frames_run();
	assert_int_equal(cfg_read(NIC, 6, 2), 0x18);
	assert_int_equal(cfg_read(NIC, 4, 4) >> 16, 0x18);
	assert_true(nic_line());
	drv_irq();
	assert_int_equal(cfg_read(NIC, 6, 2), 0x10);
	cfg_write(NIC, 6, 2, 0xffff);
	assert_int_equal(cfg_read(NIC, 6, 2), 0x10);
	bar_out(20, 1, 0);
}

static uint32_t shadow(uint32_t off)
{
	return ((uint32_t *)shadow_page)[off / 4];
}

static void test_ecam(void **state)
{
	(void)state;
	assert_int_equal(shadow_phys, ECAM + ((uint64_t)NIC << 12));
	assert_int_equal(shadow(0), 0x10411af4);
	assert_int_equal(shadow(0x34) & 0xff, 0x40);
	assert_int_equal(shadow(0x100), 0);
	/* Sizing and programming. */
	shadow_guest_write(BAR2, 4, 0xffffffff);
	assert_int_equal(shadow(BAR2), 0xffffff81);
	shadow_guest_write(BAR2, 4, 0xd100);
	assert_int_equal(shadow(BAR2), 0xd101);
	shadow_guest_write(4, 2, 3);
	assert_int_equal(range_at(0xd100), 0xd100);
	assert_int_equal(cfg_read(NIC, BAR2, 4), 0xd101); /* the ports show the same */
	shadow_guest_write(4, 1, 0);
	assert_int_equal(range_at(0xd100), -1);
	/* What is read-only shows again. */
	shadow_guest_write(0, 4, 0);
	assert_int_equal(shadow(0), 0x10411af4);
	shadow_guest_write(0x3d, 1, 4);
	assert_int_equal(shadow(0x3c), 0x010b);
	/* And a write by ports shows in the page. */
	cfg_write(NIC, 0x3c, 1, 5);
	assert_int_equal(shadow(0x3c), 0x0105);
	cfg_write(NIC, 0x3c, 1, 0x0b);
}

/* Pure: cards with other sets of BARs. */
static void ignore_bar(uint16_t base, bool enable)
{
	(void)base;
	(void)enable;
}

static void ignore_intx(bool disabled)
{
	(void)disabled;
}

static void test_bar_numbers(void **state)
{
	static const struct pci_config_ops ops = {ignore_bar, ignore_intx};
	struct boot_nic facts = {0};
	struct pci_config c;

	(void)state;
	assert_int_equal(pci_config_init(&c, &facts, 0, 0, 1, &ops), 0);
	assert_int_equal(c.bar, 0);
	/* 64-bit memory in 0 and 1, I/O in 2. */
	facts.bar[0].base = 0x2080000000ull;
	facts.bar[0].size = 0x20000;
	facts.bar[0].is_64 = facts.bar[0].prefetchable = 1;
	facts.bar[2].base = 0x3000;
	facts.bar[2].size = 32;
	facts.bar[2].is_io = 1;
	assert_int_equal(pci_config_init(&c, &facts, 0x80, 0, 1, &ops), 0);
	assert_int_equal(c.bar, 3);
	assert_int_equal(pci_config_read(&c, 0x0e, 1), 0x80);
	assert_int_equal(pci_config_read(&c, 0x10, 4), 0x8000000c);
	assert_int_equal(pci_config_read(&c, 0x14, 4), 0x20);
	pci_config_write(&c, 0x10, 4, ~0u);
	pci_config_write(&c, 0x14, 4, ~0u);
	assert_int_equal(pci_config_read(&c, 0x10, 4), 0xfffe000c);
	assert_int_equal(pci_config_read(&c, 0x14, 4), 0xffffffff);
	for (unsigned i = 0; i < 6; i++)
		facts.bar[i].size = 4096;
	facts.bar[0].is_64 = 0;
	assert_int_equal(pci_config_init(&c, &facts, 0, 0, 1, &ops), -ENOSPC);
}

/* Decisions of the unit: each in a process of its own, because interception is set up once. */
static void in_child(void (*fn)(void))
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                    \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static void no_card(void)
{
	boot.nic.present = 0;
	CHECK(net_init(&boot) == 0);
	CHECK(range_at(0xcfc) == -1);
	CHECK(hidden_count == 0);
}

static void vanished(void)
{
	CHECK(net_init(&boot) == 0);
	CHECK(cfg_read(NIC, 0, 4) == 0xffffffff);
	CHECK(cfg_read(NIC, 0x3c, 1) == 0xff);
	cfg_write(NIC, 4, 2, 7);
	CHECK(pci_read(NIC, 4, 2) == 0); /* no DMA */
	CHECK(hidden_count == 1);
	CHECK(guest_in(NIC_IO, 4) == 0xffffffff);
	CHECK(shadow(0) == 0xffffffff && shadow(0xffc) == 0xffffffff);
	shadow_guest_write(0, 4, 1);
	CHECK(shadow(0) == 0xffffffff);
	memset(phys_config[OTHER], 0x5a, 256);
	CHECK(cfg_read(OTHER, 0, 4) == 0x5a5a5a5a);
}

static void unknown_card(void)
{
	boot.nic.device = 0x10d3;
	boot.config.nic = NIC_AUTO;
	vanished();
}

static void dead_card(void)
{
	nic_dead = true;
	boot.config.nic = NIC_AUTO;
	vanished();
}

static void named_card(void)
{
	nic_dead = true;
	boot.config.nic = NIC_BDF;
	CHECK(net_init(&boot) == -ENODEV);
	CHECK(strstr(init_message, "00:03.0") && strstr(init_message, "8086:100e"));
}

static void other_segment(void)
{
	boot.nic.segment = 1;
	boot.config.nic = NIC_BDF;
	CHECK(net_init(&boot) == -ENODEV);
}

/* Several CPUs: the address register is kept here, so that another CPU's write to it between look
 * and access leads nowhere. */
static void several_cpus(void)
{
	boot.ncpu = 2;
	CHECK(net_init(&boot) == 0);
	CHECK(range_at(0xcf8) == 0xcf8);
	memset(phys_config[OTHER], 0x5a, 256);
	memset(phys_config[NIC], 0xa5, 256);
	/* The machine's own register is somebody's else's: on the card's physical space. */
	io_out(0xcf8, 4, 0x80000000u | (uint32_t)NIC << 8);
	guest_out(0xcf8, 4, 0x80000000u | (uint32_t)OTHER << 8 | 8);
	CHECK(guest_in(0xcf8, 4) == (0x80000000u | (uint32_t)OTHER << 8 | 8));
	CHECK(guest_in(0xcfc, 4) == 0x5a5a5a5a);
	guest_out(0xcfe, 2, 0x1234);
	CHECK(phys_config[OTHER][10] == 0x34 && phys_config[OTHER][11] == 0x12);
	CHECK(phys_config[NIC][10] == 0xa5);
	CHECK(cfg_read(NIC, 0, 4) == 0x10411af4);
	guest_out(0xcf8, 4, (uint32_t)OTHER << 8); /* not enabled */
	CHECK(guest_in(0xcfc, 4) == 0xffffffff);
}

/* The BARs leave no number free: found after the card was started. */
static void no_free_bar(void)
{
	for (unsigned i = 2; i < 6; i++) {
		boot.nic.bar[i].base = 0xfe000000 + 0x10000 * i;
		boot.nic.bar[i].size = 0x4000;
	}
	boot.config.nic = NIC_AUTO;
	CHECK(net_init(&boot) == 0);
	CHECK(cfg_read(NIC, 0, 4) == 0xffffffff);
	CHECK(pci_read(NIC, 4, 2) == 0);
	CHECK(hidden_count == 5);
}

static void (*scenario)(void);

static void run_scenario(void)
{
	scenario();
}

static void test_decisions(void **state)
{
	static void (*const all[])(void) = {no_card,	   unknown_card, dead_card,  named_card,
					    other_segment, several_cpus, no_free_bar};

	(void)state;
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		machine_reset();
		boot.necam = 1;
		boot.ecam[0] = (struct boot_ecam){.base = ECAM, .end_bus = 255};
		scenario = all[i];
		in_child(run_scenario);
	}
}

int main(void)
{
	const struct CMUnitTest decisions[] = {cmocka_unit_test(test_decisions)};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_pass_through, setup),
		cmocka_unit_test_setup(test_physical_unreached, setup),
		cmocka_unit_test_setup(test_identity, setup),
		cmocka_unit_test_setup(test_mac_told, setup),
		cmocka_unit_test_setup(test_unaligned, setup),
		cmocka_unit_test_setup(test_physical_bars_are_inert, setup),
		cmocka_unit_test_setup(test_virtio_bar, setup),
		cmocka_unit_test_setup(test_window, setup),
		cmocka_unit_test_setup(test_window_invalid, setup),
		cmocka_unit_test_setup(test_intx_disable, setup),
		cmocka_unit_test_setup(test_interrupt_status, setup),
		cmocka_unit_test_setup(test_ecam, setup),
		cmocka_unit_test(test_bar_numbers),
	};
	int failed = cmocka_run_group_tests(decisions, NULL, NULL);

	return failed + cmocka_run_group_tests(tests, setup_group, NULL);
}
