/* The frame path: forwarding both ways, Vigil's own address (ARP, ping, DHCP), malformed frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hv/errno.h"
#include "net/stack/check.h"
#include "hv/own_mac.h"
#include "net/stack/stack.h"

#define SENT_MAX 64

static const uint8_t nic_mac[6] = {0xb0, 0xc4, 0x20, 0, 0, 1}; /* also the guest's */
static const uint8_t own_eth[6] = {0xb2, 0xc4, 0x20, 0, 0, 1};
static const uint8_t peer_mac[6] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55};
static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};

#define OWN_IP	 0x0a4d0009 /* 10.77.0.9 */
#define PEER_IP	 0x0a4d0001
#define GUEST_IP 0x0a4d0002

static struct {
	bool refuse; /* what inspect answers */
	bool no_buffer;
	unsigned inspected;
	enum abi_port from;
	uint32_t now;
	unsigned sent;
	struct {
		enum abi_port to;
		size_t len;
		uint8_t bytes[ABI_FRAME_SIZE];
	} out[SENT_MAX];
	char line[128];
} world;

static bool inspect(void *ctx, enum abi_port from, const uint8_t *frame, size_t len)
{
	(void)ctx;
	(void)frame;
	assert_true(len >= ABI_FRAME_MIN && len <= ABI_FRAME_MAX);
	world.inspected++;
	world.from = from;
	return !world.refuse;
}

static uint8_t *buffer(void *ctx)
{
	(void)ctx;
	return world.no_buffer || world.sent == SENT_MAX ? NULL : world.out[world.sent].bytes;
}

static void send_frame(void *ctx, enum abi_port to, uint8_t *bytes, size_t len)
{
	(void)ctx;
	assert_ptr_equal(bytes, world.out[world.sent].bytes);
	assert_true(len >= 60 && len <= ABI_FRAME_MAX);
	world.out[world.sent].to = to;
	world.out[world.sent++].len = len;
}

static uint32_t now_ms(void *ctx)
{
	(void)ctx;
	return world.now;
}

static uint32_t random32(void *ctx)
{
	(void)ctx;
	return 0x12345678;
}

static void log_text(void *ctx, const char *text)
{
	(void)ctx;
	strncpy(world.line, text, sizeof(world.line) - 1);
}

static void assert_hit(void *ctx, const char *text)
{
	(void)ctx;
	fail_msg("lwIP: %s", text);
	abort();
}

static const struct stack_ops ops = {
	.inspect = inspect,
	.buffer = buffer,
	.send = send_frame,
	.now_ms = now_ms,
	.random = random32,
	.log = log_text,
	.assert_failed = assert_hit,
};

static void start(enum config_address address)
{
	uint32_t now = world.now;
	struct stack_config config = {
		.address = (uint8_t)address,
		.prefix = 24,
		.addr = OWN_IP,
		.gateway = PEER_IP,
		.name = "vigil",
	};
	memcpy(config.mac, nic_mac, 6);
	memset(&world, 0, sizeof(world));
	world.now = now;
	assert_int_equal(stack_init(&ops, &config), 0);
}

/* --- frames
 * ------------------------------------------------------------------------------------------ */

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void ethernet(uint8_t *f, const uint8_t *to, const uint8_t *from, unsigned type)
{
	memcpy(f, to, 6);
	memcpy(f + 6, from, 6);
	put16(f + 12, type);
}

static size_t arp_request(uint8_t *f, const uint8_t *from, uint32_t from_ip, uint32_t target)
{
	memset(f, 0, 60);
	ethernet(f, broadcast, from, 0x0806);
	put16(f + 14, 1);
	put16(f + 16, 0x0800);
	f[18] = 6;
	f[19] = 4;
	put16(f + 20, 1);
	memcpy(f + 22, from, 6);
	put32(f + 28, from_ip);
	put32(f + 38, target);
	return 60;
}

static unsigned checksum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (unsigned)p[i] << 8 | p[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static size_t ipv4(uint8_t *f, unsigned proto, uint32_t from, uint32_t to, size_t payload)
{
	memset(f + 14, 0, 20);
	f[14] = 0x45;
	put16(f + 16, 20 + (unsigned)payload);
	f[22] = 64;
	f[23] = (uint8_t)proto;
	put32(f + 26, from);
	put32(f + 30, to);
	put16(f + 24, checksum(f + 14, 20));
	return 34 + payload;
}

static size_t ping(uint8_t *f, const uint8_t *to_mac, const uint8_t *from_mac, uint32_t from,
		   uint32_t to)
{
	memset(f, 'p', ABI_FRAME_SIZE);
	ethernet(f, to_mac, from_mac, 0x0800);
	size_t len = ipv4(f, 1, from, to, 64);
	memset(f + 34, 0, 8);
	f[34] = 8; /* echo request */
	put16(f + 38, 0x4242);
	put16(f + 36, checksum(f + 34, 64));
	return len;
}

/* --- forwarding
 * ---------------------------------------------------------------------------------------- */

static void test_forward(void **state)
{
	(void)state;
	uint8_t f[ABI_FRAME_SIZE];
	start(ADDRESS_NONE);
	size_t len = ping(f, peer_mac, nic_mac, GUEST_IP, PEER_IP);
	assert_int_equal(stack_input(ABI_PORT_GUEST, f, len), ABI_VERDICT_PASS);
	assert_int_equal(world.from, ABI_PORT_GUEST);
	len = ping(f, nic_mac, peer_mac, PEER_IP, GUEST_IP);
	assert_int_equal(stack_input(ABI_PORT_WIRE, f, len), ABI_VERDICT_PASS);
	assert_int_equal(world.from, ABI_PORT_WIRE);
	assert_int_equal(world.inspected, 2);
	world.refuse = true;
	assert_int_equal(stack_input(ABI_PORT_WIRE, f, len), ABI_VERDICT_DROP);
	assert_int_equal(stack_input(ABI_PORT_GUEST, f, len), ABI_VERDICT_DROP);
	assert_int_equal(stack_stats()->forwarded[ABI_PORT_GUEST], 1);
	assert_int_equal(stack_stats()->forwarded[ABI_PORT_WIRE], 1);
	assert_int_equal(stack_stats()->dropped[ABI_PORT_GUEST], 1);
	assert_int_equal(stack_stats()->dropped[ABI_PORT_WIRE], 1);
	assert_int_equal(world.sent, 0);
	assert_int_equal(stack_sleep_ms(), UINT32_MAX);
}

/* Lengths at and beyond the limits; every EtherType passes. */
static void test_lengths(void **state)
{
	(void)state;
	uint8_t f[ABI_FRAME_SIZE];
	memset(f, 0x5a, sizeof(f));
	start(ADDRESS_FIXED);
	for (size_t len = 0; len <= ABI_FRAME_SIZE; len++) {
		/* Exactly as long as it says, for the sanitizer. */
		uint8_t *copy = malloc(len + !len);
		memcpy(copy, f, len);
		bool fits = len >= ABI_FRAME_MIN && len <= ABI_FRAME_MAX;
		assert_int_equal(stack_input(ABI_PORT_WIRE, copy, len),
				 fits ? ABI_VERDICT_PASS : ABI_VERDICT_DROP);
		free(copy);
	}
	assert_int_equal(stack_input(ABI_PORTS, f, 60), ABI_VERDICT_DROP);
}

/* --- own address
 * --------------------------------------------------------------------------------------- */

static void test_own_mac(void **state)
{
	(void)state;
	uint8_t own[6], again[6];
	own_mac(own, nic_mac);
	assert_memory_equal(own, own_eth, 6);
	/* A NIC that is locally administered already (as QEMU's): still another one, still unicast.
	 */
	own_mac(again, own);
	assert_memory_not_equal(again, own, 6);
	assert_int_equal(again[0] & 3, 2);
}

static void ask_arp(enum abi_port from, const uint8_t *mac, uint32_t ip)
{
	uint8_t f[ABI_FRAME_SIZE];
	unsigned before = world.sent;
	size_t len = arp_request(f, mac, ip, OWN_IP);
	/* A broadcast goes on as well. */
	assert_int_equal(stack_input(from, f, len), ABI_VERDICT_PASS);
	assert_int_equal(world.sent, before + 1);
	const uint8_t *reply = world.out[before].bytes;
	assert_int_equal(world.out[before].to, from);
	assert_memory_equal(reply, mac, 6);
	assert_memory_equal(reply + 6, own_eth, 6);
	assert_int_equal(reply[21], 2);
	assert_memory_equal(reply + 22, own_eth, 6);
	assert_int_equal(get32(reply + 28), OWN_IP);
}

static void ask_ping(enum abi_port from, const uint8_t *mac, uint32_t ip)
{
	uint8_t f[ABI_FRAME_SIZE];
	unsigned before = world.sent;
	size_t len = ping(f, own_eth, mac, ip, OWN_IP);
	/* For Vigil alone: it goes no further. */
	assert_int_equal(stack_input(from, f, len), ABI_VERDICT_DROP);
	assert_int_equal(world.sent, before + 1);
	const uint8_t *reply = world.out[before].bytes;
	assert_int_equal(world.out[before].to, from);
	assert_int_equal(world.out[before].len, len);
	assert_memory_equal(reply, mac, 6);
	assert_int_equal(get32(reply + 26), OWN_IP);
	assert_int_equal(get32(reply + 30), ip);
	assert_int_equal(reply[34], 0); /* echo reply */
	assert_int_equal(checksum(reply + 14, 20), 0);
	assert_int_equal(checksum(reply + 34, 64), 0);
	assert_memory_equal(reply + 42, f + 42, 56);
}

static void test_own_address(void **state)
{
	(void)state;
	start(ADDRESS_FIXED);
	assert_int_equal(stack_address(), OWN_IP);
	assert_string_equal(world.line, "own address 10.77.0.9");
	/* The gratuitous ARP told both sides. */
	assert_int_equal(world.sent, 2);
	assert_int_not_equal(world.out[0].to, world.out[1].to);
	world.sent = 0;
	ask_arp(ABI_PORT_WIRE, peer_mac, PEER_IP);
	ask_arp(ABI_PORT_GUEST, nic_mac, GUEST_IP);
	ask_ping(ABI_PORT_WIRE, peer_mac, PEER_IP);
	ask_ping(ABI_PORT_GUEST, nic_mac, GUEST_IP);
	assert_true(stack_sleep_ms() <= 1000);

	/* What the inspection refuses does not reach it. */
	uint8_t f[ABI_FRAME_SIZE];
	size_t len = ping(f, own_eth, peer_mac, PEER_IP, OWN_IP);
	world.refuse = true;
	world.sent = 0;
	assert_int_equal(stack_input(ABI_PORT_WIRE, f, len), ABI_VERDICT_DROP);
	assert_int_equal(world.sent, 0);
	world.refuse = false;

	/* No room for the answer: dropped and counted. */
	world.no_buffer = true;
	assert_int_equal(stack_input(ABI_PORT_WIRE, f, len), ABI_VERDICT_DROP);
	assert_true(stack_stats()->no_memory >= 1);
}

/* lwIP must not run out of memory by what it is sent. */
static void test_no_leak(void **state)
{
	(void)state;
	uint8_t f[ABI_FRAME_SIZE];
	start(ADDRESS_FIXED);
	for (unsigned i = 0; i < 2000; i++) {
		world.sent = 0;
		world.now += 10;
		ask_arp(ABI_PORT_WIRE, peer_mac, PEER_IP);
		ask_ping(ABI_PORT_WIRE, peer_mac, PEER_IP);
		/* From ever new stations, which must be asked for by ARP first. */
		uint8_t mac[6] = {2, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i};
		size_t len = ping(f, own_eth, mac, PEER_IP + 20 + i % 200, OWN_IP);
		stack_input(ABI_PORT_WIRE, f, len);
		stack_timers();
	}
	assert_int_equal(stack_stats()->no_memory, 0);
}

static void test_spoofed(void **state)
{
	(void)state;
	uint8_t f[ABI_FRAME_SIZE];
	start(ADDRESS_FIXED);
	size_t len = ping(f, peer_mac, own_eth, OWN_IP, PEER_IP);
	assert_int_equal(stack_input(ABI_PORT_GUEST, f, len), ABI_VERDICT_DROP);
	assert_int_equal(stack_stats()->spoofed, 1);
	/* Nor may the guest say that it has the gateway's IP address: no answer, no entry. */
	world.sent = 0;
	stack_input(ABI_PORT_GUEST, f, arp_request(f, nic_mac, PEER_IP, OWN_IP));
	stack_input(ABI_PORT_GUEST, f, arp_request(f, nic_mac, OWN_IP, OWN_IP));
	assert_int_equal(world.sent, 0);
	assert_int_equal(stack_stats()->spoofed, 3);
	/* Without an address of its own Vigil has no MAC address either. */
	start(ADDRESS_NONE);
	assert_int_equal(stack_input(ABI_PORT_GUEST, f, len), ABI_VERDICT_PASS);
}

static void test_malformed(void **state)
{
	(void)state;
	uint8_t f[ABI_FRAME_SIZE], arp[ABI_FRAME_SIZE];
	start(ADDRESS_FIXED);
	world.sent = 0;
	size_t whole = arp_request(arp, peer_mac, PEER_IP, OWN_IP);
	/* Cut off anywhere within the 28 bytes: no answer, no read behind the end. */
	for (size_t len = ABI_FRAME_MIN; len < 42; len++) {
		uint8_t *copy = malloc(len);
		memcpy(copy, arp, len);
		stack_input(ABI_PORT_WIRE, copy, len);
		free(copy);
	}
	assert_int_equal(world.sent, 0);
	assert_int_equal(stack_stats()->malformed, 42 - ABI_FRAME_MIN);
	/* Other hardware type, protocol, address lengths. */
	for (unsigned at = 14; at < 20; at++) {
		memcpy(f, arp, whole);
		f[at] ^= 0x7f;
		stack_input(ABI_PORT_WIRE, f, whole);
	}
	assert_int_equal(world.sent, 0);
	/* Every header byte of a ping in every value: no answer but to what is whole. */
	for (unsigned at = 14; at < 36; at++) {
		for (unsigned v = 0; v < 256; v++) {
			size_t len = ping(f, own_eth, peer_mac, PEER_IP, OWN_IP);
			if (f[at] == v)
				continue;
			uint8_t *copy = malloc(len);
			memcpy(copy, f, len);
			copy[at] = (uint8_t)v;
			assert_int_equal(stack_input(ABI_PORT_WIRE, copy, len), ABI_VERDICT_DROP);
			free(copy);
		}
	}
	assert_int_equal(world.sent, 0);
	ask_arp(ABI_PORT_WIRE, peer_mac, PEER_IP);
	ask_ping(ABI_PORT_WIRE, peer_mac, PEER_IP);
}

static void test_frame_ok(void **state)
{
	(void)state;
	uint8_t f[ABI_FRAME_SIZE];
	size_t len = ping(f, own_eth, peer_mac, PEER_IP, OWN_IP);
	assert_true(stack_frame_ok(f, len));
	assert_false(stack_frame_ok(f, len - 1)); /* shorter than its total length */
	put16(f + 20, 0x2000);			  /* more fragments */
	assert_false(stack_frame_ok(f, len));
	put16(f + 20, 0x4000); /* don't fragment */
	assert_true(stack_frame_ok(f, len));
	f[14] = 0x44;
	assert_false(stack_frame_ok(f, len));
	f[14] = 0x65;
	assert_false(stack_frame_ok(f, len));
	f[14] = 0x45;
	f[23] = 6; /* TCP: nobody listens */
	assert_false(stack_frame_ok(f, len));
	f[23] = 17;
	put16(f + 38, 64);
	assert_true(stack_frame_ok(f, len));
	put16(f + 38, 65);
	assert_false(stack_frame_ok(f, len));
	put16(f + 38, 7);
	assert_false(stack_frame_ok(f, len));
}

/* --- DHCP
 * ---------------------------------------------------------------------------------------------- */

static size_t dhcp_reply(uint8_t *f, const uint8_t *discover, unsigned type)
{
	static const uint8_t tail[] = {54, 4,	10,  77,  0, 1, 51, 4,	0,  0, 14, 16, 1,
				       4,  255, 255, 255, 0, 3, 4,  10, 77, 0, 1,  255};
	memset(f, 0, ABI_FRAME_SIZE);
	ethernet(f, own_eth, peer_mac, 0x0800);
	uint8_t *b = f + 42;
	b[0] = 2;
	b[1] = 1;
	b[2] = 6;
	memcpy(b + 4, discover + 42 + 4, 4); /* transaction */
	put32(b + 16, OWN_IP + 1);
	memcpy(b + 28, own_eth, 6);
	put32(b + 236, 0x63825363);
	b[240] = 53;
	b[241] = 1;
	b[242] = (uint8_t)type;
	memcpy(b + 243, tail, sizeof(tail));
	size_t payload = 8 + 300;
	put16(f + 34, 67);
	put16(f + 36, 68);
	put16(f + 38, (unsigned)payload);
	return ipv4(f, 17, PEER_IP, OWN_IP + 1, payload);
}

/* The last DHCP message sent, which must go to the wire only. */
static const uint8_t *sent_dhcp(void)
{
	const uint8_t *found = NULL;
	for (unsigned i = 0; i < world.sent; i++) {
		const uint8_t *f = world.out[i].bytes;
		if (f[12] == 8 && f[13] == 0 && f[23] == 17) {
			assert_int_equal(world.out[i].to, ABI_PORT_WIRE);
			found = f;
		}
	}
	return found;
}

static void test_dhcp(void **state)
{
	(void)state;
	static uint8_t f[ABI_FRAME_SIZE], discover[ABI_FRAME_SIZE];
	start(ADDRESS_DHCP);
	assert_int_equal(stack_address(), 0);
	const uint8_t *sent = sent_dhcp();
	assert_non_null(sent);
	memcpy(discover, sent, sizeof(discover));
	assert_memory_equal(sent, broadcast, 6);

	/* The guest may not hand Vigil an address. */
	size_t len = dhcp_reply(f, discover, 2);
	world.sent = 0;
	stack_input(ABI_PORT_GUEST, f, len);
	assert_null(sent_dhcp());
	/* The wire may: offer, request, acknowledge, probe, bound. */
	stack_input(ABI_PORT_WIRE, f, len);
	sent = sent_dhcp();
	assert_non_null(sent);
	memcpy(discover, sent, sizeof(discover));
	len = dhcp_reply(f, discover, 5);
	stack_input(ABI_PORT_WIRE, f, len);
	for (int i = 0; i < 40 && !stack_address(); i++) {
		world.sent = 0;
		world.now += stack_sleep_ms();
		stack_timers();
	}
	assert_int_equal(stack_address(), OWN_IP + 1);
	assert_string_equal(world.line, "own address 10.77.0.10");
}

static void test_bad_config(void **state)
{
	(void)state;
	struct stack_config config = {.address = ADDRESS_DHCP + 1};
	assert_int_equal(stack_init(&ops, &config), -EINVAL);
	config.address = ADDRESS_FIXED;
	config.prefix = 33;
	assert_int_equal(stack_init(&ops, &config), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forward),	  cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_own_mac),	  cmocka_unit_test(test_own_address),
		cmocka_unit_test(test_no_leak),	  cmocka_unit_test(test_spoofed),
		cmocka_unit_test(test_malformed), cmocka_unit_test(test_frame_ok),
		cmocka_unit_test(test_dhcp),	  cmocka_unit_test(test_bad_config),
	};
	return cmocka_run_group_tests_name("stack", tests, NULL, NULL);
}
