/* What the decoder says of headers: fields, options, and the events of what is odd in them. */
#include <stdlib.h>
#include <string.h>

#include "ids/packet/packet.h"
#include "tests/unit/packet_world.h"

static struct frame with_extensions(const uint8_t *ext, size_t len, uint8_t first)
{
	uint8_t data[512];
	static const uint8_t udp[] = {0, 1, 0, 2, 0, 9, 0, 0, 'x'};

	memcpy(data, ext, len);
	memcpy(data + len, udp, sizeof(udp));
	return frame_ip("::1", "::2", first, data, len + sizeof(udp));
}

/* RFC 793 and the options of RFC 7323, 2018, 7413, 2385. */
static void test_tcp_fields(void **state)
{
	static const uint8_t tcp[] = {
		0,    80,   0x12, 0x34, 1, 2, 3,    4,	  5, 6, 7, 8,
		0xf0, 0xff, 0x40, 0x00, 0, 0, 0x00, 0x11,	      /* 60 octets, all flags */
		2,    4,    0x05, 0xb4,				      /* MSS 1460 */
		1,    3,    3,	  7,				      /* window scale 7 */
		4,    2,    8,	  10,	0, 0, 0,    9,	  0, 0, 0, 8, /* SACK permitted, times */
		5,    10,   1,	  1,	1, 1, 2,    2,	  2, 2,	      /* one SACK block */
		34,   2,    1,	  1,	1, 1, 1,    1,	  0, 0,
	};
	struct frame f = frame_ip("1.2.3.4", "5.6.7.8", PROTO_TCP, tcp, sizeof(tcp));
	struct packet p;

	(void)state;
	assert_int_equal(sizeof(tcp), 60);
	assert_true(decode(&p, &f));
	assert_int_equal(p.tcp.seq, 0x01020304);
	assert_int_equal(p.tcp.ack, 0x05060708);
	assert_int_equal(p.tcp.window, 0x4000);
	assert_int_equal(p.tcp.urgent, 0x11);
	assert_int_equal(p.tcp.header_len, 60);
	assert_int_equal(p.tcp_flags, 0xff);
	assert_true(p.tcp.has_mss && p.tcp.has_wscale && p.tcp.sack_ok && p.tcp.has_ts);
	assert_int_equal(p.tcp.mss, 1460);
	assert_int_equal(p.tcp.wscale, 7);
	assert_int_equal(p.tcp.ts_value, 9);
	assert_int_equal(p.tcp.ts_echo, 8);
	assert_int_equal(p.tcp.sack_blocks, 1);
	assert_true(p.tcp.fast_open);
	assert_false(p.tcp.signature);
	assert_int_equal(p.l4_header_len, 60);
	assert_int_equal(p.payload_len, 0);
	assert_false(p.invalid);
	assert_false(has(&p, "tcp.opt_duplicate"));
	f.at[34 + 20 + 4] = 2; /* the scale becomes a second MSS, too short */
	f.at[34 + 20 + 5] = 2;
	f.at[34 + 20 + 6] = 1;
	f.at[34 + 20 + 7] = 1;
	assert_true(decode(&p, &f));
	assert_true(has(&p, "tcp.opt_invalid_len"));
	assert_false(p.invalid);
	f.at[34 + 20 + 5] = 200; /* leads outside */
	assert_true(decode(&p, &f));
	assert_true(has(&p, "tcp.opt_invalid_len") && p.invalid);
	assert_true(p.has_ports);
}

static void test_ip_fields(void **state)
{
	struct frame f = frame_udp("1.2.3.4", 1, "5.6.7.8", 2, "x", 1);
	struct packet p;

	(void)state;
	f.at[15] = 0xb8;
	f.at[18] = 0x12;
	f.at[19] = 0x34;
	f.at[20] = 0xc0; /* reserved, don't fragment */
	frame_fix_ip(&f);
	assert_true(decode(&p, &f));
	assert_int_equal(p.tos, 0xb8);
	assert_int_equal(p.ip_id, 0x1234);
	assert_int_equal(p.ip_flags, IP_RESERVED | IP_DONT);
	assert_int_equal(p.ip_header_len, 20);
	assert_int_equal(p.ip_total, 29);
	assert_int_equal(p.ip_options, 0);
	assert_int_equal(p.reach, PACKET_UPPER);
	f.at[23]++;
	frame_fix_ip(&f);
	f.at[24] ^= 1;
	assert_true(decode(&p, &f));
	assert_true(p.bad_ip_checksum && p.bad_checksum);
	f = frame_udp("::1", 1, "::2", 2, "x", 1);
	f.at[14] = 0x6a;
	f.at[15] = 0xbc;
	f.at[16] = 0xde;
	f.at[17] = 0xf0;
	assert_true(decode(&p, &f));
	assert_int_equal(p.tos, 0xab);
	assert_int_equal(p.flow_label, 0xcdef0);
	assert_int_equal(p.ip_header_len, 40);
}

static void test_icmp_fields(void **state)
{
	struct frame f = frame_icmp("1.2.3.4", "5.6.7.8", 8, 0, "hello", 5);
	struct packet p;

	(void)state;
	f.at[34 + 4] = 0x12;
	f.at[34 + 5] = 0x34;
	f.at[34 + 7] = 9;
	assert_true(decode(&p, &f));
	assert_true(p.has_icmp_id);
	assert_int_equal(p.icmp_id, 0x1234);
	assert_int_equal(p.icmp_seq, 9);
	f.at[34] = 3; /* unreachable: it quotes a packet instead */
	assert_true(decode(&p, &f));
	assert_false(p.has_icmp_id);
	assert_true(has(&p, "icmpv4.ipv4_trunc_pkt"));
	f = frame_icmp("::1", "::2", 128, 0, "hello", 5);
	f.at[54 + 5] = 7;
	assert_true(decode(&p, &f));
	assert_true(p.has_icmp_id);
	assert_int_equal(p.icmp_id, 7);
	assert_int_equal(p.payload_len, 5);
	f = frame_icmp("::1", "::2", 135, 0, "hello", 5);
	assert_true(decode(&p, &f)); /* its body begins behind the checksum */
	assert_false(p.has_icmp_id);
	assert_int_equal(p.payload_len, 9);
}

/* An IPv4 header with these options, and what comes of them. */
static const struct {
	const char *options, *event; /* eight octets */
	uint16_t bits;
} ip_options[] = {
	{"\x07\x07\x04\0\0\0\0", NULL, IPOPT_RR | IPOPT_EOL},
	{"\x07\x07\x05\0\0\0\0", "ipv4.opt_malformed", IPOPT_EOL},
	{"\x83\x07\x04\0\0\0\0", NULL, IPOPT_LSRR | IPOPT_EOL},
	{"\x89\x07\x04\0\0\0\0", NULL, IPOPT_SSRR | IPOPT_EOL},
	{"\x89\x02\x01\x01\x01\x01\x01\x01", "ipv4.opt_invalid_len", IPOPT_NOP},
	{"\x44\x08\x05\0\0\0\0\0", NULL, IPOPT_TS},
	{"\x44\x08\x06\0\0\0\0\0", "ipv4.opt_malformed", 0},
	{"\x88\x04\0\1\1\1\1\1", NULL, IPOPT_SATID | IPOPT_NOP},
	{"\x88\x05\0\1\1\1\1\1", "ipv4.opt_invalid_len", IPOPT_NOP},
	{"\x82\x03\0\x85\x03\0\1\1", NULL, IPOPT_SEC | IPOPT_ESEC | IPOPT_NOP},
	{"\x94\x04\0\0\x94\x04\0\0", "ipv4.opt_duplicate", IPOPT_RTRALT},
	{"\x77\x08\0\0\0\0\0\0", "ipv4.opt_invalid", 0},
	{"\1\1\1\1\1\1\1\x07", "ipv4.opt_eol_required", IPOPT_NOP},
	{"\x19\x08\0\0\0\0\0\0", NULL, IPOPT_QS},
};

static void test_ip_option_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ip_options) / sizeof(ip_options[0]); i++) {
		uint8_t data[8 + 9] = {0};
		struct frame f;
		struct packet p;

		memcpy(data, ip_options[i].options, 8);
		memcpy(data + 8, "\0\1\0\2\0\x09\0\0x", 9);
		f = frame_ip("1.2.3.4", "5.6.7.8", PROTO_UDP, data, sizeof(data));
		f.at[14] = 0x47;
		frame_fix_ip(&f);
		assert_true(decode(&p, &f));
		assert_int_equal(p.ip_options, ip_options[i].bits | IPOPT_ANY);
		assert_int_equal(p.ip_header_len, 28);
		assert_int_equal(packet_event_any(&p.events), ip_options[i].event != NULL);
		if (ip_options[i].event && !has(&p, ip_options[i].event))
			fail_msg("%zu: no %s", i, ip_options[i].event);
		/* A length that leads outside. */
		f.at[35] = 200;
		if (f.at[34] != 1)
			assert_false(decode(&p, &f));
	}
}

static void test_cipso(void **state)
{
	static const uint8_t good[12] = {134, 12, 0, 0, 0, 1, 1, 6, 0, 5, 6, 7};
	uint8_t data[12 + 9] = {0};
	struct frame f;
	struct packet p;

	(void)state;
	memcpy(data, good, 12);
	memcpy(data + 12, "\0\1\0\2\0\x09\0\0x", 9);
	f = frame_ip("1.2.3.4", "5.6.7.8", PROTO_UDP, data, sizeof(data));
	f.at[14] = 0x48;
	frame_fix_ip(&f);
	assert_true(decode(&p, &f));
	assert_true(p.ip_options & IPOPT_CIPSO);
	assert_true(has(&p, "ipv4.opt_pad_required"));
	f.at[34 + 7] = 7; /* the tag is longer than the option */
	assert_true(decode(&p, &f));
	assert_true(has(&p, "ipv4.opt_malformed"));
	assert_false(p.ip_options & IPOPT_CIPSO);
}

/* What is wrong with a header by one octet, at a place of an IPv4 or IPv6 frame. */
static const struct {
	char kind; /* u, t, i: UDP, TCP, ICMP over IPv4; U, T, I over IPv6 */
	uint8_t at, value;
	bool holds; /* IP does */
	const char *event;
} broken[] = {
	{'u', 14, 0x35, false, "ipv4.wrong_ip_version"},
	{'u', 14, 0x44, false, "ipv4.hlen_too_small"},
	{'u', 17, 19, false, "ipv4.iplen_smaller_than_hlen"},
	{'u', 17, 34, false, "ipv4.trunc_pkt"},
	{'u', 23, 58, true, "ipv4.icmpv6"},
	{'u', 39, 7, true, "udp.len_invalid"},
	{'u', 39, 99, true, "udp.pkt_too_small"},
	{'t', 46, 0x40, true, "tcp.invalid_optlen"},
	{'t', 46, 0xf0, true, "tcp.hlen_too_small"},
	{'i', 34, 99, true, "icmpv4.unknown_type"},
	{'i', 35, 1, true, "icmpv4.unknown_code"},
	{'U', 14, 0x40, false, "ipv6.wrong_ip_version"},
	{'U', 19, 99, false, "ipv6.trunc_pkt"},
	{'U', 20, 1, true, "ipv6.icmpv4"},
	{'U', 20, 200, true, "ipv6.unknown_next_header"},
	{'U', 20, 59, true, "ipv6.data_after_none_header"},
	{'U', 59, 7, true, "udp.len_invalid"},
	{'T', 66, 0xf0, true, "tcp.hlen_too_small"},
	{'I', 54, 5, true, "icmpv6.unassigned_type"},
	{'I', 54, 100, true, "icmpv6.experimentation_type"},
	{'I', 54, 127, true, "icmpv6.unknown_type"},
	{'I', 55, 1, true, "icmpv6.unknown_code"},
	{'I', 54, 130, true, "icmpv6.mld_message_with_invalid_hl"},
	{'I', 54, 1, true, "icmpv6.ipv6_trunc_pkt"},
};

static struct frame broken_base(char kind)
{
	switch (kind) {
	case 'u':
		return frame_udp("1.2.3.4", 1, "5.6.7.8", 2, "hello", 5);
	case 't':
		return frame_tcp("1.2.3.4", 1, "5.6.7.8", 2, TCP_ACK, "hello", 5);
	case 'i':
		return frame_icmp("1.2.3.4", "5.6.7.8", 8, 0, "hello", 5);
	case 'U':
		return frame_udp("::1", 1, "::2", 2, "hello", 5);
	case 'T':
		return frame_tcp("::1", 1, "::2", 2, TCP_ACK, "hello", 5);
	}
	return frame_icmp("::1", "::2", 128, 0, "hello", 5);
}

static void test_events(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct frame f = broken_base(broken[i].kind);
		struct packet p;

		assert_true(decode(&p, &f));
		assert_false(packet_event_any(&p.events));
		assert_int_equal(p.reach, PACKET_UPPER);
		f.at[broken[i].at] = broken[i].value;
		assert_int_equal(decode(&p, &f), broken[i].holds);
		if (!has(&p, broken[i].event))
			fail_msg("no %s", broken[i].event);
	}
}

/* IPv6 extension headers, an event for each way to be odd. */
static const struct {
	uint8_t first, len;
	const char *headers, *event;
} extensions[] = {
	{43, 16, "\x2b\0\2\0\0\0\0\0\x11\0\2\0\0\0\0\0", "ipv6.exthdr_dupl_rh"},
	{43, 8, "\x11\0\0\0\0\0\0\0", "ipv6.rh_type_0"},
	{0, 16, "\0\0\5\2\0\0\1\0\x11\0\5\2\0\0\1\0", "ipv6.exthdr_dupl_hh"},
	{0, 8, "\x11\0\1\4\0\0\0\0", "ipv6.hopopts_only_padding"},
	{60, 8, "\x11\0\1\4\0\0\0\0", "ipv6.dstopts_only_padding"},
	{0, 8, "\x11\0\x77\4\0\0\0\0", "ipv6.hopopts_unknown_opt"},
	{60, 8, "\x11\0\x77\4\0\0\0\0", "ipv6.dstopts_unknown_opt"},
	{60, 8, "\x11\0\5\2\0\0\1\1", "ipv6.exthdr_invalid_optlen"},
	{60, 8, "\x11\0\5\1\0\1\1\0", "ipv6.exthdr_invalid_optlen"},
	{60, 8, "\x11\0\5\2\0\0\1\0", "ipv6.zero_len_padn"},
	{51, 24, "\x33\1\0\0\0\0\0\0\0\0\0\0\x11\1\0\0\0\0\0\0\0\0\0\0", "ipv6.exthdr_dupl_ah"},
	{51, 12, "\x11\1\0\1\0\0\0\0\0\0\0\0", "ipv6.exthdr_ah_res_not_null"},
	{44, 8, "\x11\0\0\0\0\0\0\1", "ipv6.exthdr_useless_fh"},
	{44, 8, "\x11\1\0\0\0\0\0\1", "ipv6.fh_non_zero_reserved_field"},
	{44, 16, "\x2c\0\0\0\0\0\0\1\x11\0\0\0\0\0\0\1", "ipv6.exthdr_dupl_fh"},
};

static void test_extension_events(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
		struct frame f = with_extensions((const uint8_t *)extensions[i].headers,
						 extensions[i].len, extensions[i].first);
		struct packet p;

		assert_true(decode(&p, &f));
		if (!has(&p, extensions[i].event))
			fail_msg("%zu: no %s", i, extensions[i].event);
		assert_true(p.has_ports);
		assert_int_equal(p.ip_header_len, 40u + extensions[i].len);
	}
}

static void test_event_names(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PACKET_EVENT_COUNT; i++) {
		const char *name = packet_event_name(i);

		assert_int_equal(packet_event_find(name, strlen(name)), i);
		assert_int_equal(packet_event_find(name, strlen(name) - 1), -1);
	}
	assert_null(packet_event_name(PACKET_EVENT_COUNT));
	assert_int_equal(packet_event_find("", 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_fields),
		cmocka_unit_test(test_ip_fields),
		cmocka_unit_test(test_icmp_fields),
		cmocka_unit_test(test_ip_option_table),
		cmocka_unit_test(test_cipso),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_extension_events),
		cmocka_unit_test(test_event_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
