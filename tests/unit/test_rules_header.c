/* Rules on header fields, events and processes: each keyword with a match, a near miss, a malformed
 * one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ids/flow/stream_event.h"
#include "tests/unit/rule_bench.h"

#define ANY(proto, options) "alert " proto " any any -> any any (" options " sid:1;)"

static bool matches(const char *rule, const struct frame *f)
{
	struct bench *b = bench_open(rule);
	bool hit;

	bench_packet(b, f);
	bench_run_packet(b);
	hit = bench_hit(b, 1);
	bench_close(b);
	return hit;
}

static void check(const char *rule, const struct frame *attack, const struct frame *benign)
{
	if (!matches(rule, attack))
		fail_msg("%s does not match", rule);
	if (matches(rule, benign))
		fail_msg("%s matches what it should not", rule);
}

/* Offsets into a frame of the world: Ethernet 14, IPv4 20. */
#define IP  14
#define TCP (IP + 20)

static struct frame tcp(uint8_t flags)
{
	return frame_tcp("192.0.2.7", 4000, "10.0.0.1", 80, flags, "x", 1);
}

static struct frame with16(struct frame f, size_t at, uint16_t value)
{
	f.at[at] = (uint8_t)(value >> 8);
	f.at[at + 1] = (uint8_t)value;
	frame_fix_ip(&f);
	return f;
}

static struct frame with32(struct frame f, size_t at, uint32_t value)
{
	return with16(with16(f, at, (uint16_t)(value >> 16)), at + 2, (uint16_t)value);
}

static void test_flags(void **state)
{
	static const struct {
		const char *options;
		uint8_t attack, benign;
	} flags[] = {
		{"flags:S;", TCP_SYN, TCP_SYN | TCP_ACK},
		{"tcp.flags:SA;", TCP_SYN | TCP_ACK, TCP_SYN},
		{"flags:S+;", TCP_SYN | TCP_ACK, TCP_ACK},
		{"flags:+S;", TCP_SYN, TCP_ACK},
		{"flags:*SF;", TCP_FIN | TCP_ACK, TCP_ACK},
		{"flags:!S;", TCP_ACK, TCP_SYN | TCP_ACK},
		{"flags:0;", 0, TCP_ACK},
		{"flags:S,12;", TCP_SYN | TCP_ECN | TCP_CWR, TCP_SYN | TCP_ACK},
		{"flags:S,CE;", TCP_SYN | TCP_CWR, TCP_SYN | TCP_PSH},
		{"flags:SFPU;", TCP_SYN | TCP_FIN | TCP_PSH | TCP_URG, TCP_SYN | TCP_FIN},
		{"flags:R;", TCP_RST, TCP_RST | TCP_ACK},
	};
	char rule[128];

	(void)state;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct frame attack = tcp(flags[i].attack), benign = tcp(flags[i].benign);

		snprintf(rule, sizeof(rule), "alert tcp any any -> any any (%s sid:1;)",
			 flags[i].options);
		check(rule, &attack, &benign);
	}
}

static void test_tcp_numbers(void **state)
{
	struct frame seq = with32(tcp(TCP_ACK), TCP + 4, 0xfffffff0), base = tcp(TCP_ACK);
	struct frame ack = with32(tcp(TCP_ACK), TCP + 8, 77);
	struct frame window = with16(tcp(TCP_ACK), TCP + 14, 55808);
	struct frame udp = frame_udp("192.0.2.7", 1, "10.0.0.1", 2, "x", 1);

	(void)state;
	base = with32(with32(base, TCP + 4, 1), TCP + 8, 1);
	check(ANY("tcp", "seq:4294967280;"), &seq, &base);
	check(ANY("tcp", "ack:77;"), &ack, &base);
	check(ANY("tcp", "window:55808;"), &window, &base);
	check(ANY("tcp", "window:!55808;"), &base, &window);
	check(ANY("ip", "seq:>0;"), &seq, &udp);
}

static void test_mss(void **state)
{
	/* A SYN with an MSS option (RFC 9293, 3.7.1). */
	static const uint8_t option[] = {2, 4, 0x02, 0x00};
	struct frame small = frame_tcp("192.0.2.7", 4000, "10.0.0.1", 80, TCP_SYN, option, 4);
	struct frame none = frame_tcp("192.0.2.7", 4000, "10.0.0.1", 80, TCP_SYN, option, 4);

	(void)state;
	small.at[TCP + 12] = 0x60; /* the payload is an option */
	check(ANY("tcp", "tcp.mss:<536;"), &small, &none);
	check(ANY("tcp", "tcp.mss:512;"), &small, &none);
	assert_false(matches(ANY("tcp", "tcp.mss:513;"), &small));
}

static void test_ip_numbers(void **state)
{
	struct frame base = frame_udp("192.0.2.7", 1, "10.0.0.1", 2, "x", 1);
	struct frame id = with16(base, IP + 4, 31337), tos = base, bits = base;
	struct frame same = frame_udp("10.0.0.1", 1, "10.0.0.1", 2, "x", 1);
	struct frame same6 = frame_udp("::1", 1, "::1", 2, "x", 1);
	struct frame near6 = frame_udp("::1", 1, "::2", 2, "x", 1);

	(void)state;
	base = with16(base, IP + 4, 1);
	tos.at[IP + 1] = 0x12;
	frame_fix_ip(&tos);
	check(ANY("ip", "id:31337;"), &id, &base);
	check(ANY("ip", "tos:18;"), &tos, &base);
	check(ANY("ip", "tos:x12;"), &tos, &base);
	check(ANY("ip", "tos:!x12;"), &base, &tos);
	check(ANY("ip", "sameip;"), &same, &base);
	check(ANY("ip", "sameip;"), &same6, &near6);
	/* DF, MF, reserved (RFC 791, 3.1). */
	bits = with16(bits, IP + 6, 0x4000);
	base = with16(base, IP + 6, 0);
	check(ANY("ip", "fragbits:D;"), &bits, &base);
	check(ANY("ip", "fragbits:!D;"), &base, &bits);
	check(ANY("ip", "fragbits:*DM;"), &bits, &base);
	bits = with16(bits, IP + 6, 0x6000);
	check(ANY("ip", "fragbits:M+;"), &bits, &base);
	bits = with16(bits, IP + 6, 0x2003);
	check(ANY("ip", "fragoffset:3;"), &bits, &base);
	check(ANY("ip", "fragoffset:>2;"), &bits, &base);
}

static void test_ip_proto(void **state)
{
	struct frame igmp = frame_ip("1.1.1.1", "2.2.2.2", 2, "\x11\x64\xee\x9b\0\0\0\0", 8);
	struct frame gre = frame_ip("1.1.1.1", "2.2.2.2", 47, "\0\0\x08\0", 4);

	(void)state;
	check(ANY("ip", "ip_proto:2;"), &igmp, &gre);
	check(ANY("ip", "ip_proto:igmp;"), &igmp, &gre);
	check(ANY("ip", "ip_proto:GRE;"), &gre, &igmp);
	check(ANY("ip", "ip_proto:!igmp;"), &gre, &igmp);
	check(ANY("ip", "ip_proto:>46;"), &gre, &igmp);
}

static void test_options(void **state)
{
	static const struct {
		const char *name;
		uint8_t octets[4];
	} options[] = {
		{"rr", {7, 3, 4, 0}},  {"lsrr", {131, 3, 4, 0}}, {"ssrr", {137, 3, 4, 0}},
		{"nop", {1, 1, 1, 1}}, {"eol", {0, 0, 0, 0}},	 {"satid", {136, 4, 0, 1}},
		{"any", {1, 1, 1, 0}},
	};
	struct frame base = frame_udp("192.0.2.7", 1, "10.0.0.1", 2, "x", 1);
	char rule[128];

	(void)state;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		struct frame f = base;

		memmove(f.at + IP + 24, f.at + IP + 20, f.len - IP - 20);
		memcpy(f.at + IP + 20, options[i].octets, 4);
		f.len += 4;
		f.at[IP] = 0x46;
		f = with16(f, IP + 2, (uint16_t)(f.len - IP));
		snprintf(rule, sizeof(rule), "alert ip any any -> any any (ipopts:%s; sid:1;)",
			 options[i].name);
		check(rule, &f, &base);
	}
}

static void test_icmp(void **state)
{
	struct frame echo = frame_icmp("10.0.0.1", "10.0.0.2", 8, 0, "\0\0\0\0ping", 8);
	struct frame other = frame_icmp("10.0.0.1", "10.0.0.2", 8, 0, "\0\0\0\0ping", 8);
	struct frame big = frame_icmp("fe80::1", "fe80::2", 2, 0, "", 0), larger;

	(void)state;
	echo = with16(with16(echo, IP + 24, 666), IP + 26, 5);
	other = with16(with16(other, IP + 24, 667), IP + 26, 6);
	check(ANY("icmp", "icmp_id:666;"), &echo, &other);
	check(ANY("icmp", "icmp_id:\"666\";"), &echo, &other);
	check(ANY("icmp", "icmp_seq:5;"), &echo, &other);
	larger = big;
	big.at[14 + 40 + 6] = 0x04;
	big.at[14 + 40 + 7] = 0xff;
	larger.at[14 + 40 + 6] = 0x05;
	larger.at[14 + 40 + 7] = 0x00;
	check(ANY("icmpv6", "icmpv6.mtu:<1280;"), &big, &larger);
	assert_false(matches(ANY("icmp", "icmpv6.mtu:>0;"), &echo));
}

static void test_headers(void **state)
{
	struct frame f = frame_udp("192.0.2.7", 1, "10.0.0.1", 2, "x", 1);
	struct frame t = tcp(TCP_SYN | TCP_ACK), s = tcp(TCP_SYN);
	struct frame u = frame_udp("::1", 1, "::2", 2, "x", 1);

	(void)state;
	check(ANY("ip", "ipv4.hdr; content:\"|11|\"; offset:9; depth:1;"), &f, &t);
	check(ANY("ip", "ipv6.hdr; content:\"|60|\"; startswith;"), &u, &f);
	check(ANY("ip", "udp.hdr; content:\"|00 01 00 02|\"; startswith;"), &f, &t);
	check(ANY("tcp", "tcp.hdr; content:\"|12|\"; offset:13; depth:1;"), &t, &s);
	/* The header, not what it carries. */
	assert_false(matches(ANY("ip", "udp.hdr; content:\"x\";"), &f));
}

static void test_decode_event(void **state)
{
	struct frame f = frame_udp("192.0.2.7", 1, "10.0.0.1", 2, "x", 1), cut = f;
	const char *rule = ANY("pkthdr", "decode-event:ipv4.trunc_pkt;");

	(void)state;
	cut.len = IP + 22; /* less than its IP header says */
	check(rule, &cut, &f);
	check(ANY("pkthdr", "decode-event:decoder.ipv4.trunc_pkt;"), &cut, &f);
	/* Without a sound IP header only such rules are looked at. */
	assert_false(matches(ANY("ip", "ttl:<255;"), &cut));
	assert_true(matches(ANY("ip", "ttl:<255;"), &f));
}

static void test_stream(void **state)
{
	struct frame f = tcp(TCP_ACK);
	struct bench *b = bench_open(
		ANY("tcp", "stream-event:pkt_invalid_ack;") "\n"
							    "alert tcp any any -> any any "
							    "(stream_size:server,<,10; sid:2;)\n"
							    "alert tcp any any -> any any "
							    "(stream_size:client,=,7; sid:3;)\n"
							    "alert tcp any any -> any any "
							    "(stream_size:both,>,6; sid:4;)\n"
							    "alert tcp any any -> any any "
							    "(stream_size:either,>,6; sid:5;)");

	(void)state;
	bench_packet(b, &f);
	bench_run_packet(b);
	assert_int_equal(b->out.count, 0); /* nothing is known of the stream */
	b->has_event = true;
	b->event_kind = RULE_EVENT_STREAM;
	b->event = STREAM_EVENT_PKT_INVALID_ACK;
	bench_number(b, RULE_STREAM_CLIENT, 7);
	bench_number(b, RULE_STREAM_SERVER, 6);
	bench_run_packet(b);
	assert_true(bench_hit(b, 1) && bench_hit(b, 2) && bench_hit(b, 3) && bench_hit(b, 5));
	assert_int_equal(b->out.count, 4);
	b->event = STREAM_EVENT_PKT_BROKEN_ACK;
	bench_number(b, RULE_STREAM_CLIENT, 8);
	bench_number(b, RULE_STREAM_SERVER, 10);
	bench_run_packet(b);
	assert_true(bench_hit(b, 4) && bench_hit(b, 5));
	assert_int_equal(b->out.count, 2);
	bench_close(b);
}

static void test_process(void **state)
{
	struct bench *b = bench_open(
		"alert tcp any any -> any any (process.name; content:\"nc\"; startswith; endswith; "
		"sid:1;)\n"
		"alert tcp any any -> any any (process.path; content:\"/tmp/\"; startswith; "
		"sid:2;)\n"
		"alert tcp any any -> any any (process.uid:0; sid:3;)\n"
		"alert tcp any any -> any any (process.uid:>999; sid:4;)\n"
		"alert tcp any any -> any any (process.hidden; sid:5;)\n"
		"alert tcp any any -> any any (process.unknown; sid:6;)");
	struct frame f = tcp(TCP_ACK);

	(void)state;
	bench_packet(b, &f);
	bench_run_packet(b);
	assert_true(b->out.count == 1 && bench_hit(b, 6));
	b->look.process = &b->process;
	bench_run_packet(b);
	assert_int_equal(b->out.count, 0); /* known, but nothing of it */
	b->process = (struct rule_process){
		.name = {(const uint8_t *)"nc", 2},
		.path = {(const uint8_t *)"/tmp/nc", 7},
		.has_uid = true,
		.uid = 0,
		.hidden = true,
	};
	bench_run_packet(b);
	assert_true(bench_hit(b, 1) && bench_hit(b, 2) && bench_hit(b, 3) && bench_hit(b, 5));
	assert_int_equal(b->out.count, 4);
	b->process.name = (struct app_view){(const uint8_t *)"ncat", 4};
	b->process.path = (struct app_view){(const uint8_t *)"/usr/tmp/", 9};
	b->process.uid = 1000;
	b->process.hidden = false;
	bench_run_packet(b);
	assert_true(b->out.count == 1 && bench_hit(b, 4));
	bench_close(b);
}

static void test_reject(void **state)
{
	struct bench *b = bench_open("rejectboth tcp any any -> any any (flags:A; sid:1;)\n"
				     "alert tcp any any -> any any (flags:A; sid:2;)\n"
				     "drop tcp any any -> any any (flags:A; sid:3;)\n"
				     "rejectdst tcp any any -> any any (flags:A; sid:4;)\n"
				     "reject tcp any any -> any any (flags:A; sid:5;)\n"
				     "pass tcp any any -> any any (flags:A; sid:6;)");
	static const uint32_t order[] = {6, 3, 1, 4, 5, 2};
	static const uint8_t whom[] = {0, 0, BLOB_REJECT_BOTH, BLOB_REJECT_DST, BLOB_REJECT_SRC, 0};

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(b->blob.rule[i].sid, order[i]);
		assert_int_equal(b->blob.rule[i].reject, whom[i]);
	}
	bench_close(b);
}

static const struct {
	const char *rule, *why;
} refused[] = {
	{ANY("tcp", "flags:X;"), "no flag"},
	{ANY("tcp", "flags:,12;"), "no flags"},
	{ANY("tcp", "flags:+S*;"), "two of"},
	{ANY("tcp", "flags:S,+;"), "no flag"},
	{ANY("tcp", "flags:S; flags:A;"), "twice"},
	{ANY("tcp", "seq:4294967296;"), "bad number"},
	{ANY("tcp", "ack:;"), "needs a value"},
	{ANY("tcp", "window:65536;"), "bad number"},
	{ANY("tcp", "tcp.mss:x;"), "bad number"},
	{ANY("ip", "id:65536;"), "bad number"},
	{ANY("ip", "tos:x100;"), "bad number"},
	{ANY("ip", "tos:256;"), "bad number"},
	{ANY("ip", "fragbits:Z;"), "no flag"},
	{ANY("ip", "fragoffset:8192;"), "bad number"},
	{ANY("ip", "ipopts:none;"), "unknown option"},
	{ANY("ip", "ip_proto:nothing;"), "bad number"},
	{ANY("ip", "sameip:1;"), "no value"},
	{ANY("icmp", "icmp_id:65536;"), "bad number"},
	{ANY("icmp", "icmp_seq:a;"), "bad number"},
	{ANY("icmpv6", "icmpv6.mtu:a;"), "bad number"},
	{ANY("pkthdr", "decode-event:ipv4.nothing;"), "unknown"},
	{ANY("tcp", "stream-event:nothing;"), "unknown"},
	{ANY("tcp", "stream_size:server,10;"), "must be"},
	{ANY("tcp", "stream_size:nobody,<,10;"), "unknown side"},
	{ANY("tcp", "stream_size:server,?,10;"), "bad number"},
	{ANY("tcp", "process.uid:root;"), "bad number"},
	{ANY("tcp", "process.hidden:1;"), "no value"},
	{ANY("tcp", "process.unknown:1;"), "no value"},
	{ANY("tcp", "process.name:x;"), "no value"},
	{ANY("tcp", "prefilter;"), "without a condition"},
	{ANY("tcp", "target:me;"), "not src_ip"},
	{ANY("tcp-stream", "flags:S; content:\"a\";"), "streams alone"},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		world_refused(refused[i].rule, refused[i].why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags),	     cmocka_unit_test(test_tcp_numbers),
		cmocka_unit_test(test_mss),	     cmocka_unit_test(test_ip_numbers),
		cmocka_unit_test(test_ip_proto),     cmocka_unit_test(test_options),
		cmocka_unit_test(test_icmp),	     cmocka_unit_test(test_headers),
		cmocka_unit_test(test_decode_event), cmocka_unit_test(test_stream),
		cmocka_unit_test(test_process),	     cmocka_unit_test(test_reject),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
