/* Packets in packets: each kind of tunnel, a near miss of it, at every length, and nested. */
#include <stdlib.h>
#include <string.h>

#include "ids/packet/packet.h"
#include "tests/unit/ids_world.h"

static struct ids_stats stats;
static struct packet outer, inner;
static uint8_t *copy;

/* Decode a copy of exactly the frame's size, and what is in it; true: something was. */
static bool decode(const uint8_t *at, size_t len)
{
	free(copy);
	copy = malloc(len ? len : 1);
	memcpy(copy, at, len);
	memset(&stats, 0, sizeof(stats));
	packet_decode(&outer, copy, len, IDS_LINK_ETHERNET, true, &stats);
	return packet_decode_inner(&inner, &outer, true, &stats);
}

static bool decode_frame(const struct frame *f)
{
	return decode(f->at, f->len);
}

static bool has(const struct packet *p, const char *event)
{
	int number = packet_event_find(event, strlen(event));

	assert_true(number >= 0);
	return packet_event_has(&p->events, (unsigned)number);
}

/* The frames to be wrapped: without (ip) and with their Ethernet header. */
static struct frame in4, in6;

static int setup(void **state)
{
	(void)state;
	in4 = frame_udp("10.9.8.7", 777, "10.9.8.6", 53, "needle in 4", 11);
	in6 = frame_tcp("2001:db8::7", 888, "2001:db8::6", 80, TCP_ACK, "needle in 6", 11);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(copy);
	copy = NULL;
	return 0;
}

struct bytes {
	uint8_t at[1024];
	size_t len;
};

static struct bytes cat(const void *head, size_t n, const void *tail, size_t m)
{
	struct bytes b = {.len = n + m};

	assert_true(n + m <= sizeof(b.at));
	memcpy(b.at, head, n);
	memcpy(b.at + n, tail, m);
	return b;
}

#define IP4  (in4.at + 14), (in4.len - 14)
#define IP6  (in6.at + 14), (in6.len - 14)
#define ETH4 in4.at, in4.len

/* `proto` over IPv4, or IPv6. */
static struct frame over(bool v6, uint8_t proto, const void *data, size_t len)
{
	return v6 ? frame_ip("fd00::1", "fd00::2", proto, data, len)
		  : frame_ip("1.1.1.1", "2.2.2.2", proto, data, len);
}

static void check_inner(bool v6)
{
	assert_true(outer.tunnel);
	assert_int_equal(inner.depth, 1);
	assert_int_equal(inner.ip_version, v6 ? 6 : 4);
	assert_int_equal(inner.sp, v6 ? 888 : 777);
	assert_int_equal(inner.payload_len, 11);
	assert_memory_equal(inner.payload, v6 ? "needle in 6" : "needle in 4", 11);
	assert_false(inner.bad_checksum);
	assert_false(outer.invalid);
}

/* Decoded whole; cut anywhere: never (ASan), as then the outer IP header does not hold. */
static void check_tunnel(const struct frame *f, bool v6)
{
	assert_true(decode_frame(f));
	check_inner(v6);
	for (size_t len = 0; len < f->len; len++)
		assert_false(decode(f->at, len));
}

static void test_ip_in_ip(void **state)
{
	struct frame f;

	(void)state;
	for (int out6 = 0; out6 < 2; out6++) {
		f = over(out6, PROTO_IPIP, IP4);
		check_tunnel(&f, false);
		f = over(out6, PROTO_IPV6, IP6);
		check_tunnel(&f, true);
	}
	f = over(true, PROTO_IPIP, IP6);
	assert_false(decode_frame(&f));
	assert_true(has(&outer, "ipv6.ipv4_in_ipv6_wrong_version"));
	f = over(true, PROTO_IPV6, IP4);
	assert_false(decode_frame(&f));
	f = over(true, PROTO_IPV6, in6.at + 14, 39);
	assert_false(decode_frame(&f));
	assert_true(has(&outer, "ipv6.ipv6_in_ipv6_too_small"));
	f = over(true, PROTO_IPIP, in4.at + 14, 19);
	assert_false(decode_frame(&f));
	assert_true(has(&outer, "ipv6.ipv4_in_ipv6_too_small"));
	/* What is inside does not hold: the outer one is no tunnel. */
	f = over(false, PROTO_IPIP, in4.at + 14, in4.len - 15);
	assert_false(decode_frame(&f));
	assert_false(outer.tunnel);
}

static void gre_ok(const void *header, size_t n, const void *data, size_t len, bool v6)
{
	struct bytes b = cat(header, n, data, len);
	struct frame f = over(false, PROTO_GRE, b.at, b.len);

	check_tunnel(&f, v6);
	f = over(true, PROTO_GRE, b.at, b.len);
	check_tunnel(&f, v6);
}

static void test_gre(void **state)
{
	static const uint8_t vlan[] = {0x00, 0x05, 0x08, 0x00};
	static const uint8_t span[] = {0x10, 0x00, 0x88, 0xbe, 0, 0, 0, 1,
				       0x10, 0x05, 0,	 0,    0, 0, 0, 0};
	struct bytes tagged = cat(vlan, 4, IP4);

	(void)state;
	gre_ok("\x00\x00\x08\x00", 4, IP4, false);
	gre_ok("\x00\x00\x86\xdd", 4, IP6, true);
	gre_ok("\x00\x00\x65\x58", 4, ETH4, false);
	gre_ok("\x20\x00\x08\x00"
	       "key!",
	       8, IP4, false);
	gre_ok("\x30\x00\x08\x00"
	       "key!seq!",
	       12, IP4, false);
	gre_ok("\xb0\x00\x08\x00"
	       "chk!key!seq!",
	       16, IP4, false);
	gre_ok("\x40\x00\x08\x00"
	       "chk!"
	       "\0\1\0\4addr\0\0\0\0",
	       20, IP4, false);
	gre_ok("\x00\x00\x88\x0b\x00\x21", 6, IP4, false);
	gre_ok("\x00\x00\x88\x0b\xff\x03\x00\x57", 8, IP6, true);
	gre_ok("\x00\x00\x88\x0b\x21", 5, IP4, false); /* compressed protocol field */
	gre_ok("\x30\x01\x88\x0b\x00\x40\x00\x01seq!\x00\x21", 14, IP4, false);
	gre_ok("\x30\x81\x88\x0b\x00\x40\x00\x01seq!ack!\x00\x21", 18, IP4, false);
	gre_ok("\x00\x00\x81\x00", 4, tagged.at, tagged.len, false);
	assert_int_equal(inner.vlan[0], 5);
	gre_ok("\x00\x00\x88\xbe", 4, ETH4, false); /* ERSPAN I */
	gre_ok(span, sizeof(span), ETH4, false);
	assert_int_equal(inner.tags, 1);
	assert_int_equal(inner.vlan[0], 5);
}

static const struct {
	const char *header, *event;
	uint8_t len;
} gre_bad[] = {
	{"\x00\x02\x08\x00", "gre.wrong_version", 4},
	{"\x01\x00\x08\x00", "gre.version0_recur", 4},
	{"\x00\x08\x08\x00", "gre.version0_flags", 4},
	{"\x00\x00\x08", "gre.pkt_too_small", 3},
	{"\xb0\x00\x08\x00 key!seq", "gre.version0_hdr_too_big", 12},
	{"\x40\x00\x08\x00 chk!\0\1\0\x09", "gre.version0_malformed_sre_hdr", 12},
	{"\xa0\x01\x88\x0b key", "gre.version1_chksum", 8},
	{"\x60\x01\x88\x0b key", "gre.version1_route", 8},
	{"\x28\x01\x88\x0b key", "gre.version1_ssr", 8},
	{"\x21\x01\x88\x0b key", "gre.version1_recur", 8},
	{"\x20\x09\x88\x0b key", "gre.version1_flags", 8},
	{"\x20\x01\x08\x00 key", "gre.version1_wrong_protocol", 8},
	{"\x10\x01\x88\x0b key", "gre.version1_no_key", 8},
	{"\x30\x01\x88\x0b key", "gre.version1_hdr_too_big", 8},
};

static void test_gre_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(gre_bad) / sizeof(gre_bad[0]); i++) {
		struct frame f = over(false, PROTO_GRE, gre_bad[i].header, gre_bad[i].len);

		assert_false(decode_frame(&f));
		if (!has(&outer, gre_bad[i].event))
			fail_msg("no %s", gre_bad[i].event);
		assert_int_equal(outer.reach, PACKET_IP);
	}
}

static struct frame udp_tunnel(uint16_t port, const struct bytes *b)
{
	return frame_udp("1.1.1.1", 1234, "2.2.2.2", port, b->at, b->len);
}

static void test_vxlan(void **state)
{
	struct bytes b = cat("\x08\0\0\0\0\0\x07\0", 8, ETH4);
	struct frame f = udp_tunnel(4789, &b);

	(void)state;
	check_tunnel(&f, false);
	f = udp_tunnel(4788, &b); /* another port */
	assert_false(decode_frame(&f));
	b.at[0] = 0; /* no network identifier */
	f = udp_tunnel(4789, &b);
	assert_false(decode_frame(&f));
	b.at[0] = 8;
	b.at[8 + 12] = 0x77;
	f = udp_tunnel(4789, &b);
	assert_false(decode_frame(&f));
	assert_true(has(&outer, "vxlan.unknown_payload_type"));
}

static void test_geneve(void **state)
{
	struct bytes b = cat("\0\0\x65\x58\0\0\x07\0", 8, ETH4);
	struct frame f = udp_tunnel(6081, &b);

	(void)state;
	check_tunnel(&f, false);
	b = cat("\x02\0\x08\0\0\0\x07\0\0\0\0\1opti", 16, IP4);
	f = udp_tunnel(6081, &b);
	check_tunnel(&f, false);
	b.at[11] = 2; /* an option longer than all of them */
	f = udp_tunnel(6081, &b);
	assert_false(decode_frame(&f));
	b = cat("\0\0\x77\x77\0\0\x07\0", 8, IP4);
	f = udp_tunnel(6081, &b);
	assert_false(decode_frame(&f));
	assert_true(has(&outer, "geneve.unknown_payload_type"));
}

static void test_teredo(void **state)
{
	struct bytes b = cat("", 0, IP6);
	struct frame f = udp_tunnel(3544, &b);

	(void)state;
	check_tunnel(&f, true);
	f = udp_tunnel(9999, &b); /* on any port, as Suricata */
	check_tunnel(&f, true);
	b = cat("\0\0\x12\x34\x01\x02\x03\x04", 8, IP6);
	f = udp_tunnel(3544, &b);
	check_tunnel(&f, true);
	b.at[1] = 1; /* no origin indication */
	f = udp_tunnel(3544, &b);
	assert_false(decode_frame(&f));
	b = cat("", 0, IP6);
	b.at[7] = 0; /* hop limit 0 */
	f = udp_tunnel(3544, &b);
	assert_false(decode_frame(&f));
	b = cat(in6.at + 14, in6.len - 14, "+", 1); /* an octet too many */
	f = udp_tunnel(3544, &b);
	assert_false(decode_frame(&f));
	b = cat("", 0, IP6);
	b.at[40 + 12] = 0xf0; /* TCP header longer than all: something is wrong, so it is none */
	f = udp_tunnel(3544, &b);
	assert_false(decode_frame(&f));
	assert_false(outer.tunnel);
	assert_int_equal(outer.payload_len, in6.len - 14);
}

/* On the link, before IP: the same packet. */
static struct frame link(uint16_t type, const void *header, size_t n, const void *data, size_t len)
{
	struct frame f = in4;
	struct bytes b = cat(header, n, data, len);

	f.at[12] = (uint8_t)(type >> 8);
	f.at[13] = (uint8_t)type;
	memcpy(f.at + 14, b.at, b.len);
	f.len = 14 + b.len;
	return f;
}

static void check_link(const struct frame *f, bool v6)
{
	assert_false(decode_frame(f));
	assert_false(outer.invalid);
	assert_int_equal(outer.sp, v6 ? 888 : 777);
	assert_int_equal(outer.payload_len, 11);
	for (size_t len = 0; len < f->len; len++) {
		decode(f->at, len);
		assert_int_equal(outer.reach, PACKET_LINK);
	}
}

static void test_mpls(void **state)
{
	struct frame f = link(0x8847, "\x00\x01\x00\x40\x00\x02\x01\x40", 8, IP4);

	(void)state;
	check_link(&f, false);
	f = link(0x8848, "\x00\x00\x21\x40", 4, IP6); /* explicit null for IPv6 */
	check_link(&f, true);
	f = link(0x8847, "\x00\x02\x01\x40\0\0\0\0", 8, ETH4); /* pseudowire */
	check_link(&f, false);
	f = link(0x8847, "\x00\x00\x11\x40", 4, IP4);
	assert_false(decode_frame(&f));
	assert_true(has(&outer, "mpls.bad_label_router_alert"));
	f = link(0x8847, "\x00\x00\x31\x40", 4, IP4);
	assert_false(decode_frame(&f));
	assert_true(has(&outer, "mpls.bad_label_implicit_null"));
	f = link(0x8847, "\x00\x00\x51\x40", 4, IP4);
	assert_false(decode_frame(&f));
	assert_true(has(&outer, "mpls.bad_label_reserved"));
	f = link(0x8847, "\x00\x02\x01\x40\x77\0\0\0", 8, IP4);
	assert_false(decode_frame(&f));
	assert_true(has(&outer, "mpls.unknown_payload_type"));
	f = link(0x8847, "\x00\x02\x00\x40\x77", 5, "", 0);
	assert_false(decode_frame(&f));
	assert_true(has(&outer, "mpls.header_too_small"));
}

static void test_pppoe(void **state)
{
	struct frame f = link(0x8864, "\x11\0\0\1\0\x29\0\x21", 8, IP4);

	(void)state;
	check_link(&f, false);
	f = link(0x8864, "\x11\0\0\1\0\x29\0\x57", 8, IP6);
	check_link(&f, true);
	f = link(0x8864, "\x11\0\0\1\0\x29\0\x2b", 8, IP6);
	assert_false(decode_frame(&f));
	assert_true(has(&outer, "ppp.unsup_proto"));
	f = link(0x8864, "\x11\0\0\1\0\x29\0\x22", 8, IP6);
	assert_false(decode_frame(&f));
	assert_true(has(&outer, "ppp.wrong_type"));
	f = link(0x8863, "\x11\x09\0\0\0\4\1\1\0\0", 10, "", 0);
	assert_false(decode_frame(&f));
	assert_false(outer.invalid);
	f = link(0x8863, "\x11\x09\0\0\0\5\1\1\0\0", 10, "", 0);
	assert_false(decode_frame(&f));
	assert_true(has(&outer, "pppoe.malformed_tags"));
	f = link(0x8863, "\x11\x08\0\0\0\4\1\1\0\0", 10, "", 0);
	assert_false(decode_frame(&f));
	assert_true(has(&outer, "pppoe.wrong_code"));
}

/* Tunnels in tunnels: to a bound, and what stops there says so. */
static void test_nested(void **state)
{
	struct bytes b = cat("", 0, IP4);
	unsigned depth = 0;
	struct frame f;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		f = over(false, PROTO_IPIP, b.at, b.len);
		b = cat("", 0, f.at + 14, f.len - 14);
	}
	assert_true(decode_frame(&f));
	while (inner.inner != INNER_NONE) {
		outer = inner;
		assert_true(packet_decode_inner(&inner, &outer, true, &stats));
		assert_true(++depth < PACKET_MAX_LAYERS);
	}
	assert_true(has(&inner, "too_many_layers"));
	assert_int_equal(inner.proto, PROTO_IPIP);
}

/* The engine looks into both. */
static void test_engine(void **state)
{
	struct world *w = world_open("alert ip 1.1.1.1 any -> any any (sid:1;)\n"
				     "drop udp any any -> any 53 (content:\"needle\"; sid:2;)\n"
				     "alert tcp any any -> any 80 (content:\"needle\"; sid:3;)\n");
	struct bytes b = cat("\0\0\x08\0", 4, IP4);
	struct frame f = over(false, PROTO_GRE, b.at, b.len);

	(void)state;
	assert_int_equal(world_send(w, &f), IDS_DROP);
	assert_int_equal(world_alerts(w, 1), 1);
	assert_int_equal(world_alerts(w, 2), 1);
	f = over(false, PROTO_IPV6, IP6);
	assert_int_equal(world_send(w, &f), IDS_PASS);
	assert_int_equal(world_alerts(w, 3), 1);
	assert_int_equal(ids_stats(w->ids)->tunnels, 2);
	/* IPv4 in IPv4 is looked into when configured. */
	f = over(false, PROTO_IPIP, IP4);
	assert_int_equal(world_send(w, &f), IDS_PASS);
	world_close(w);
	w = world_open_config(
		"drop udp any any -> any 53 (content:\"needle\"; sid:2;)",
		(struct ids_config){.link = IDS_LINK_ETHERNET, .ips = true, .ipip = true});
	assert_int_equal(world_send(w, &f), IDS_DROP);
	world_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ip_in_ip), cmocka_unit_test(test_gre),
		cmocka_unit_test(test_gre_bad),	 cmocka_unit_test(test_vxlan),
		cmocka_unit_test(test_geneve),	 cmocka_unit_test(test_teredo),
		cmocka_unit_test(test_mpls),	 cmocka_unit_test(test_pppoe),
		cmocka_unit_test(test_nested),	 cmocka_unit_test(test_engine),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
