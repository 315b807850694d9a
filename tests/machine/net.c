/* The network card from the guest's side: configuration space, the virtio-net device in the card's
 * place, and drivers that break the rules of its rings, one after the other. */
#include "tests/machine/machine.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define ENABLE	       0x80000000u
#define COM2	       0x2f8
#define COMMAND	       0x04
#define BAR0	       0x10
#define CAPABILITIES   0x34

#define PORTS  0xd000u /* where the test puts the virtio registers */
#define COMMON 0x00    /* offsets that the capabilities must confirm */
#define NOTIFY 0x40
#define ISR    0x50
#define DEVICE 0x60

#define ACKNOWLEDGE 1
#define DRIVER	    2
#define DRIVER_OK   4
#define FEATURES_OK 8
#define NEEDS_RESET 0x40

#define F_MTU	    (1ull << 3)
#define F_MAC	    (1ull << 5)
#define F_STATUS    (1ull << 16)
#define F_EVENT_IDX (1ull << 29)
#define F_VERSION_1 (1ull << 32)

#define NEXT	 1
#define WRITE	 2
#define INDIRECT 4

#define SIZE   16 /* entries of the test's queues */
#define HEADER 12
#define RX     0
#define TX     1

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct queue {
	struct desc desc[SIZE];
	uint16_t avail_flags;
	volatile uint16_t avail_index;
	uint16_t avail[SIZE], used_event;
	uint8_t pad[4096 - 16 * SIZE - 6 - 2 * SIZE];
	volatile uint16_t used_flags, used_index;
	struct {
		uint32_t id, len;
	} used[SIZE];
	uint16_t avail_event;
	uint8_t pad2[4096 - 6 - 8 * SIZE];
} __attribute__((aligned(4096)));

static uint32_t device; /* CONFIG_ADDRESS of the card's function */
static uint32_t bar_register;
static struct queue queues[2];
static uint8_t frame[4096] __attribute__((aligned(64)));
static uint32_t faults; /* that the device must have told */

/* --- configuration space
 * ------------------------------------------------------------------------------ */

static void select(uint32_t where, uint32_t off)
{
	out32(CONFIG_ADDRESS, where | (off & 0xfc));
}

static uint32_t read_config(uint32_t where, uint32_t off)
{
	select(where, off);
	return in32(CONFIG_DATA);
}

static void write_config(uint32_t where, uint32_t off, uint32_t v)
{
	select(where, off);
	out32(CONFIG_DATA, v);
}

static bool find_card(void)
{
	for (uint32_t i = 0; i < 32 * 8; i++) {
		if (read_config(ENABLE | i << 8, 0) == 0x10411af4) {
			device = ENABLE | i << 8;
			return true;
		}
		if (read_config(ENABLE | i << 8, 0) == 0x100e8086)
			check(false, "card-hidden", "the physical card is at %x", i);
	}
	return false;
}

static void config_widths(void)
{
	uint32_t id = read_config(device, 0);

	CHECK_EQ("config-byte-0", in8(CONFIG_DATA), id & 0xff);
	CHECK_EQ("config-byte-1", in8(CONFIG_DATA + 1), id >> 8 & 0xff);
	CHECK_EQ("config-byte-2", in8(CONFIG_DATA + 2), id >> 16 & 0xff);
	CHECK_EQ("config-byte-3", in8(CONFIG_DATA + 3), id >> 24);
	CHECK_EQ("config-word-0", in16(CONFIG_DATA), id & 0xffff);
	CHECK_EQ("config-word-2", in16(CONFIG_DATA + 2), id >> 16);
	/* Across registers: no answer is defined; nothing may happen. */
	in16(CONFIG_DATA + 1);
	in16(CONFIG_DATA + 3);
	in32(CONFIG_DATA + 1);
	in32(CONFIG_DATA + 2);
	in32(CONFIG_DATA - 2);
	CHECK_EQ("config-address-kept", in32(CONFIG_ADDRESS), device);
	CHECK_EQ("config-id-read-only",
		 (write_config(device, 0, 0x12345678), read_config(device, 0)), id);
	select(device, 0x3c);
	out8(CONFIG_DATA, 0x5a);
	CHECK_EQ("config-byte-write", in8(CONFIG_DATA), 0x5a);
	out16(CONFIG_DATA, 0x1234);
	CHECK_EQ("config-word-write-masks", in8(CONFIG_DATA),
		 0x34); /* the pin above is read-only */
	/* Without the enable bit it is no configuration access. */
	select(device & ~ENABLE, 0x3c);
	out8(CONFIG_DATA, 0x77);
	select(device, 0x3c);
	CHECK_EQ("config-not-enabled", in8(CONFIG_DATA), 0x34);
	/* Other functions of the same device number are not there. */
	CHECK_EQ("config-function-1", read_config(device | 1 << 8, 0), 0xffffffff);
	CHECK_EQ("config-host-bridge", read_config(ENABLE, 0), 0x12378086);
	CHECK_EQ("config-host-bridge-byte", in8(CONFIG_DATA + 2), 0x37);
	CHECK_EQ("config-other-bus", read_config(device | 1 << 16, 0), 0xffffffff);
}

static void header(void)
{
	uint32_t seen = 0, at, n = 0, window = 0;

	CHECK_EQ("class", read_config(device, 8) >> 8, 0x020000);
	CHECK_EQ("capability-list", read_config(device, COMMAND) >> 20 & 1, 1);
	at = read_config(device, CAPABILITIES) & 0xff;
	for (; at && n < 16; n++) {
		uint32_t first = read_config(device, at), bar = read_config(device, at + 4) & 0xff;
		uint32_t type = first >> 24, off = read_config(device, at + 8);
		static const uint32_t offsets[] = {0, COMMON, NOTIFY, ISR, DEVICE};

		CHECK_EQ("capability-vendor", first & 0xff, 9);
		seen |= 1u << type;
		if (type >= 1 && type <= 4)
			CHECK_EQ("capability-offset", off, offsets[type]);
		if (type == 5)
			window = at;
		else
			bar_register = BAR0 + 4 * bar;
		at = first >> 8 & 0xff;
	}
	CHECK_EQ("capabilities", seen, 0x3e);
	/* Status through the window in configuration space (virtio 1.2, 4.1.4.9): queue count. */
	write_config(device, window + 4, (bar_register - BAR0) / 4);
	write_config(device, window + 8, COMMON + 18);
	write_config(device, window + 12, 2);
	CHECK_EQ("config-window", read_config(device, window + 16) & 0xffff, 2);
	write_config(device, window + 8, 0xfffffff0);
	read_config(device, window + 16);
	write_config(device, window + 12, 0xffffffff);
	read_config(device, window + 16);
	write_config(device, window + 16, 0xffffffff);
}

static void bars(void)
{
	for (uint32_t reg = BAR0; reg < BAR0 + 24; reg += 4) {
		uint32_t old = read_config(device, reg), mask, size;

		write_config(device, reg, 0xffffffff);
		mask = read_config(device, reg);
		write_config(device, reg, old);
		CHECK_EQ("bar-restored", read_config(device, reg), old);
		if (!mask)
			continue;
		size = ~(mask & ~(mask & 1 ? 3u : 15u)) + 1;
		check(size && !(size & (size - 1)), "bar-size", "BAR at %x: %x", reg, mask);
		if (reg == bar_register)
			CHECK_EQ("bar-virtio", mask, 0xffffff81);
		else if (mask & 1)
			CHECK_EQ("card-ports-dead", in32((uint16_t)(old & ~3u)), 0xffffffff);
		else
			CHECK_EQ("card-registers-hidden",
				 *(volatile uint32_t *)(uint64_t)(old & ~15u), 0xffffffff);
	}
}

static void alert_port(void)
{
	uint32_t all = 0xff;

	for (uint16_t i = 0; i < 8; i++)
		if (i != 5)
			all &= in8((uint16_t)(COM2 + i));
	CHECK_EQ("com2-reads-ones", all, 0xff);
	CHECK_EQ("com2-line-status", in8(COM2 + 5), 0x60); /* idle: nobody shall wait for it */
	out8(COM2 + 7, 0x5a);				   /* the scratch register */
	CHECK_EQ("com2-no-scratch", in8(COM2 + 7), 0xff);
	CHECK_EQ("com2-word", in16(COM2 + 2), 0xffff);
	CHECK_EQ("com2-dword", in32(COM2 + 4), 0xffffffff);
	CHECK_EQ("com2-before", in16(COM2 - 1) >> 8, 0xff);
	/* String instructions on ports of Vigil's are refused. */
	CHECK_EQ("com2-ins", PROBE("insb", , INS("d"(COM2 + 5), "D"(frame))), VECTOR_GP);
	CHECK_EQ("com2-rep-outs", PROBE("rep outsb", , INS("d"(COM2), "S"(frame), "c"(5))),
		 VECTOR_GP);
	out16(COM2 + 2, 0x0707);
	out32(COM2, 0xffffffff);
}

/* The local APIC over the card's registers: the core would talk to the APIC there. */
static void apic_over_card(void)
{
	uint64_t apic = rdmsr(0x1b), card = 0;

	for (uint32_t reg = BAR0; reg < BAR0 + 24 && !card; reg += 4) {
		uint32_t bar = read_config(device, reg);

		card = bar & 1 ? 0 : bar & ~15u;
	}
	check(card != 0, "card-has-registers", "no memory BAR");
	CHECK_EQ("apic-over-card", try_wrmsr(0x1b, card | (apic & 0xfff)), VECTOR_GP);
	CHECK_EQ("apic-over-card-end", try_wrmsr(0x1b, (card + 0x1f000) | (apic & 0xfff)),
		 VECTOR_GP);
	CHECK_EQ("apic-stays", rdmsr(0x1b), apic);
}

/* --- the device's registers
 * -------------------------------------------------------------------------- */

static uint16_t base = PORTS;

static void place(uint32_t where)
{
	write_config(device, bar_register, where | 1);
	base = (uint16_t)where;
}

static uint8_t status(void)
{
	return in8((uint16_t)(base + COMMON + 20));
}

static void set_status(uint8_t v)
{
	out8((uint16_t)(base + COMMON + 20), v);
}

static uint32_t accept(uint64_t features)
{
	set_status(0);
	set_status(ACKNOWLEDGE);
	set_status(ACKNOWLEDGE | DRIVER);
	for (uint32_t i = 0; i < 2; i++) {
		out32((uint16_t)(base + 8), i);
		out32((uint16_t)(base + 12), (uint32_t)(features >> 32 * i));
	}
	set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK);
	return status();
}

static void set_address(uint16_t off, uint64_t v)
{
	out32((uint16_t)(base + off), (uint32_t)v);
	out32((uint16_t)(base + off + 4), (uint32_t)(v >> 32));
}

static void set_queue(uint16_t n, uint64_t desc, uint64_t avail, uint64_t used)
{
	out16((uint16_t)(base + 22), n);
	out16((uint16_t)(base + 24), SIZE);
	set_address(32, desc);
	set_address(40, avail);
	set_address(48, used);
	out16((uint16_t)(base + 28), 1);
}

static void set_own_queue(uint16_t n)
{
	struct queue *q = &queues[n];

	memset(q, 0, sizeof(*q));
	set_queue(n, (uint64_t)q->desc, (uint64_t)&q->avail_flags, (uint64_t)&q->used_flags);
}

/* A driver that does everything right. */
static bool bring_up(uint64_t features)
{
	if (accept(features) != (ACKNOWLEDGE | DRIVER | FEATURES_OK))
		return false;
	set_own_queue(RX);
	set_own_queue(TX);
	set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
	return status() == (ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

static void kick(void)
{
	out16((uint16_t)(base + NOTIFY + 4), TX);
}

static void offer(uint16_t head)
{
	struct queue *q = &queues[TX];

	q->avail[q->avail_index % SIZE] = head;
	__asm__ volatile("" : : : "memory");
	q->avail_index++;
}

static void describe(uint16_t n, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	queues[TX].desc[n] = (struct desc){addr, len, flags, next};
}

/* A frame that nobody minds: an Ethernet frame of an unknown type. */
static void make_frame(void)
{
	static const uint8_t start[14] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52,
					  0x54, 0,    0x12, 0x34, 0x56, 0x88, 0xb5};

	memset(frame, 0, sizeof(frame));
	memcpy(frame + HEADER, start, sizeof(start));
}

static bool used_reaches(uint16_t index)
{
	uint64_t until = rdtsc() + 20000000;

	while (queues[TX].used_index != index && rdtsc() < until)
		;
	return queues[TX].used_index == index;
}

/* Up again, and frames go through: what follows each offence. */
static void works(const char *name)
{
	bool up = bring_up(F_VERSION_1 | F_MAC);

	for (uint16_t i = 0; i < 3; i++) {
		describe(i, (uint64_t)frame, HEADER + 60, 0, 0);
		offer(i);
	}
	kick();
	check(up && used_reaches(3) && !(status() & NEEDS_RESET), name, "status %x, %u sent",
	      status(), queues[TX].used_index);
}

static void registers(void)
{
	static const uint8_t mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
	uint64_t offered = 0;
	uint32_t wrong = 0;

	place(PORTS);
	select(device, COMMAND);
	out16(CONFIG_DATA, 5); /* I/O and bus master */
	CHECK_EQ("number-of-queues", in16((uint16_t)(base + 18)), 2);
	for (uint32_t i = 0; i < 2; i++) {
		out32(base, i);
		offered |= (uint64_t)in32((uint16_t)(base + 4)) << 32 * i;
	}
	CHECK_EQ("offers", offered & (F_VERSION_1 | F_MAC | F_STATUS | F_EVENT_IDX | F_MTU),
		 F_VERSION_1 | F_MAC | F_STATUS | F_EVENT_IDX | F_MTU);
	for (uint16_t i = 0; i < 6; i++)
		wrong += in8((uint16_t)(base + DEVICE + i)) != mac[i];
	CHECK_EQ("mac", wrong, 0);
	CHECK_EQ("refuses-legacy", accept(F_MAC) & FEATURES_OK, 0);
	CHECK_EQ("refuses-unknown-feature", accept(F_VERSION_1 | 1ull << 50) & FEATURES_OK, 0);
	CHECK_EQ("accepts", accept(F_VERSION_1 | F_MAC), ACKNOWLEDGE | DRIVER | FEATURES_OK);
	out16((uint16_t)(base + 22), TX);
	out16((uint16_t)(base + 24), 0);
	CHECK_EQ("queue-size-0", in16((uint16_t)(base + 24)) != 0, 1);
	out16((uint16_t)(base + 24), 3);
	CHECK_EQ("queue-size-3", in16((uint16_t)(base + 24)) != 3, 1);
	out16((uint16_t)(base + 24), 0x8000);
	CHECK_EQ("queue-size-32768", in16((uint16_t)(base + 24)) != 0x8000, 1);
	out16((uint16_t)(base + 22), 77);
	CHECK_EQ("queue-77", in16((uint16_t)(base + 24)), 0);
	set_status(0);
	CHECK_EQ("reset", status(), 0);
	/* Every register in every width, in its place and across others. */
	for (uint16_t i = 0; i < 128; i++) {
		in8((uint16_t)(base + i));
		in16((uint16_t)(base + i));
		in32((uint16_t)(base + i));
		if (i >= 20 && i < 24)
			continue;
		out8((uint16_t)(base + i), 0);
		out16((uint16_t)(base + i), 0);
		out32((uint16_t)(base + i), 0);
	}
	works("works-after-all-widths");
}

static void moving(void)
{
	place(PORTS + 0x100);
	CHECK_EQ("moved", in16((uint16_t)(base + 18)), 2);
	CHECK_EQ("old-place-empty", in16(PORTS + 18), 0xffff);
	/* Over ports that Vigil watches already: refused, both go on as before. */
	place(0xc80);
	CHECK_EQ("over-config-ports", read_config(device, 0), 0x10411af4);
	place(0x280);
	CHECK_EQ("over-com2", in8(COM2 + 7), 0xff);
	place(PORTS);
	CHECK_EQ("back", in16((uint16_t)(base + 18)), 2);
	works("works-after-moving");
}

/* --- offences
 * -------------------------------------------------------------------------------------------- */

static void told(const char *name)
{
	check(status() & NEEDS_RESET, name, "status %x", status());
	faults++;
	kick(); /* a second one is no second fault */
	CHECK_EQ("reset-recovers", (set_status(0), status()), 0);
	works(name);
}

/* One offence in a chain that begins with descriptor 0. */
#define CHAIN(name, features, ...)                                                                 \
	do {                                                                                       \
		check(bring_up(F_VERSION_1 | F_MAC | (features)), name, "not up: %x", status());   \
		__VA_ARGS__;                                                                       \
		offer(0);                                                                          \
		kick();                                                                            \
		told(name);                                                                        \
	} while (0)

static void chains(void)
{
	uint64_t at = (uint64_t)frame;

	CHAIN("chain-loop", 0, (describe(0, at, 20, NEXT, 1), describe(1, at, 20, NEXT, 0)));
	CHAIN("chain-to-itself", 0, describe(0, at, 20, NEXT, 0));
	CHAIN("chain-next-beyond", 0, describe(0, at, 20, NEXT, SIZE));
	CHAIN("chain-next-max", 0, describe(0, at, 20, NEXT, 0xffff));
	CHAIN("chain-writable", 0, describe(0, at, 100, WRITE, 0));
	CHAIN("chain-writable-second", 0,
	      (describe(0, at, 12, NEXT, 1), describe(1, at, 60, WRITE, 0)));
	CHAIN("chain-indirect", 0, describe(0, at, 64, INDIRECT, 0));
	CHAIN("chain-empty", 0, describe(0, at, 0, 0, 0));
	CHAIN("chain-header-only", 0, describe(0, at, HEADER, 0, 0));
	CHAIN("chain-short", 0, describe(0, at, HEADER + 13, 0, 0));
	CHAIN("chain-huge", F_MTU, describe(0, at, 0xffffffff, 0, 0));
	CHAIN("chain-too-long", F_MTU, describe(0, at, HEADER + 1600, 0, 0));
	CHAIN("buffer-in-the-block", 0, describe(0, block_base + 0x1000, 100, 0, 0));
	CHAIN("buffer-into-the-block", 0, describe(0, block_base - 40, 100, 0, 0));
	CHAIN("buffer-out-of-the-block", 0, describe(0, block_base + block_size - 40, 100, 0, 0));
	CHAIN("buffer-beyond-memory", 0, describe(0, 1ull << 40, 100, 0, 0));
	CHAIN("buffer-wraps", 0, describe(0, ~0ull - 20, 100, 0, 0));
	CHAIN("buffer-in-a-device", 0, describe(0, 0xfee00000, 100, 0, 0));
}

static void heads(void)
{
	check(bring_up(F_VERSION_1), "head-beyond", "not up");
	offer(SIZE);
	kick();
	told("head-beyond");
	check(bring_up(F_VERSION_1), "index-jumps", "not up");
	queues[TX].avail_index = SIZE + 1;
	kick();
	told("index-jumps");
	check(bring_up(F_VERSION_1), "index-backwards", "not up");
	queues[TX].avail_index = 0xffff;
	kick();
	told("index-backwards");
}

static void rings(void)
{
	static const struct {
		uint64_t desc, avail, used;
		bool block;
		const char *name;
	} bad[] = {
		{0, ~0ull, ~0ull, true, "desc-in-the-block"},
		{~0ull, 0x1000, ~0ull, true, "avail-in-the-block"},
		{~0ull, ~0ull, 0x2000, true, "used-in-the-block"},
		{1ull << 45, ~0ull, ~0ull, false, "desc-beyond-memory"},
		{~0ull - 15, ~0ull, ~0ull, false, "desc-wraps"},
		{8, ~0ull, ~0ull, false, "desc-misaligned"},
		{~0ull, 0x80001, ~0ull, false, "avail-misaligned"},
		{~0ull, ~0ull, 0x80002, false, "used-misaligned"},
	};
	struct queue *q = &queues[TX];

	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t more = bad[i].block ? block_base : 0;

		accept(F_VERSION_1 | F_MAC);
		set_own_queue(RX);
		memset(q, 0, sizeof(*q));
		set_queue(TX, bad[i].desc == ~0ull ? (uint64_t)q->desc : bad[i].desc + more,
			  bad[i].avail == ~0ull ? (uint64_t)&q->avail_flags : bad[i].avail + more,
			  bad[i].used == ~0ull ? (uint64_t)&q->used_flags : bad[i].used + more);
		told(bad[i].name);
	}
}

/* Whatever stands in the rings: after a reset the device works. */
static void random_rings(void)
{
	uint64_t state = 88172645463325252ull;
	uint32_t stuck = 0;

#define RANDOM() (state ^= state << 13, state ^= state >> 7, state ^= state << 17)
	for (uint32_t round = 0; round < 300; round++) {
		bring_up(F_VERSION_1 | F_MAC | (round & 1 ? F_EVENT_IDX : 0) |
			 (round & 2 ? F_MTU : 0));
		for (uint16_t i = 0; i < SIZE; i++) {
			uint64_t r = RANDOM();

			describe(i,
				 r & 7	 ? (uint64_t)frame
				 : r & 8 ? block_base + (r >> 40)
					 : r,
				 (uint32_t)(r >> 20) & (r & 0x10 ? 0x7f : 0xffff),
				 (uint16_t)(r >> 50) & (r & 0x60 ? 1 : 7),
				 (uint16_t)(r >> 8) % (SIZE + 1));
			queues[TX].avail[i] = (uint16_t)(RANDOM() % (r & 0x80 ? SIZE : SIZE + 2));
		}
		queues[TX].avail_index = (uint16_t)(RANDOM() % (SIZE + 2));
		kick();
		set_status(0);
		stuck += status() != 0;
	}
	CHECK_EQ("random-rings", stuck, 0);
	works("works-after-random-rings");
}

void test_main(void)
{
	check(find_card(), "card-present", "no 1af4:1041");
	if (!device)
		return;
	make_frame();
	config_widths();
	header();
	bars();
	alert_port();
	apic_over_card();
	registers();
	moving();
	chains();
	heads();
	rings();
	note("faults %u", faults);
	random_rings();
}
