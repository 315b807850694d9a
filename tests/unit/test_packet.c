/* The frame decoder: what it finds, what it refuses, at every length; checksums. */
#include <stdlib.h>
#include <string.h>

#include "ids/packet/packet.h"
#include "tests/unit/packet_world.h"

static void test_udp(void **state)
{
	struct frame f = frame_udp("1.2.3.4", 1111, "5.6.7.8", 2222, "hello", 5);
	struct packet p;

	(void)state;
	assert_true(decode(&p, &f));
	assert_int_equal(p.ip_version, 4);
	assert_int_equal(p.proto, PROTO_UDP);
	assert_int_equal(p.sp, 1111);
	assert_int_equal(p.dp, 2222);
	assert_int_equal(p.payload_len, 5);
	assert_int_equal(p.ttl, 64);
	assert_memory_equal(p.src, "\1\2\3\4", 4);
	assert_false(p.bad_checksum);
	assert_int_equal(stats.udp, 1);
	/* Ethernet pads short frames: not payload. */
	f.len += 18;
	assert_true(decode(&p, &f));
	assert_int_equal(p.payload_len, 5);
}

static void test_tcp6(void **state)
{
	struct frame f = frame_tcp("2001:db8::1", 80, "2001:db8::2", 81, TCP_SYN | TCP_ACK, "x", 1);
	struct packet p;

	(void)state;
	assert_true(decode(&p, &f));
	assert_int_equal(p.ip_version, 6);
	assert_int_equal(p.tcp_flags, TCP_SYN | TCP_ACK);
	assert_int_equal(p.payload_len, 1);
	assert_false(p.bad_checksum);
}

/* Cut at every length: never a step outside (ASan), never a payload that was not there. */
static void test_every_length(void **state)
{
	struct frame f[] = {
		frame_udp("1.2.3.4", 1, "5.6.7.8", 2, "hello", 5),
		frame_tcp("1.2.3.4", 1, "5.6.7.8", 2, TCP_ACK, "hello", 5),
		frame_icmp("1.2.3.4", "5.6.7.8", 8, 0, "hello", 5),
		frame_tcp("::1", 1, "::2", 2, TCP_ACK, "hello", 5),
		frame_icmp("::1", "::2", 128, 0, "hello", 5),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(f) / sizeof(f[0]); i++) {
		struct packet p;

		for (size_t len = 0; len < f[i].len; len++) {
			assert_false(decode_bytes(&p, f[i].at, len, IDS_LINK_ETHERNET));
			assert_int_equal(stats.invalid, 1);
		}
		assert_true(decode(&p, &f[i]));
	}
}

/* Every octet changed to extremes: decoded or refused, never a step outside. */
static void test_every_octet(void **state)
{
	struct frame whole[] = {
		frame_udp("1.2.3.4", 1, "5.6.7.8", 2, "hello", 5),
		frame_tcp("::1", 1, "::2", 2, TCP_ACK, "hello", 5),
	};

	(void)state;
	for (size_t k = 0; k < 2; k++)
		for (size_t i = 12; i < whole[k].len; i++)
			for (unsigned v = 0; v < 256; v++) {
				struct frame f = whole[k];
				struct packet p;

				f.at[i] = (uint8_t)v;
				decode(&p, &f);
			}
}

static void test_bad_headers(void **state)
{
	struct frame f = frame_udp("1.2.3.4", 1, "5.6.7.8", 2, "hello", 5), g;
	struct packet p;

	(void)state;
	g = f;
	g.at[14] = 0x44; /* header length 16 */
	assert_false(decode(&p, &g));
	g = f;
	g.at[14] = 0x55; /* version 5 */
	assert_false(decode(&p, &g));
	g = f;
	g.at[17] = 0xff; /* total length beyond the frame */
	assert_false(decode(&p, &g));
	g = f;
	g.at[17] = 19; /* total length below the header's */
	assert_false(decode(&p, &g));
	/* A broken upper header: rules about addresses still see it. */
	g = f;
	g.at[14 + 20 + 5] = 7; /* UDP length below 8 */
	assert_true(decode(&p, &g));
	assert_false(p.has_ports);
	assert_null(p.payload);
	assert_int_equal(stats.invalid, 1);
	g.at[14 + 20 + 5] = 200; /* beyond the datagram */
	assert_true(decode(&p, &g));
	assert_false(p.has_ports);
}

static void test_ip_options(void **state)
{
	uint8_t data[32] = {0, 1, 0, 2, 0, 9, 0, 0, 'x'};
	struct frame f = frame_ip("1.2.3.4", "5.6.7.8", PROTO_UDP, data, 9);
	struct packet p;

	(void)state;
	/* Four octets of options between header and UDP. */
	memmove(f.at + 38, f.at + 34, 9);
	memset(f.at + 34, 1, 4);
	f.len += 4;
	f.at[14] = 0x46;
	f.at[17] = (uint8_t)(f.at[17] + 4);
	frame_fix_ip(&f);
	assert_true(decode(&p, &f));
	assert_true(p.has_ports);
	assert_int_equal(p.payload_len, 1);
	assert_int_equal(p.dp, 2);
}

static void test_fragments(void **state)
{
	struct frame f = frame_udp("1.2.3.4", 1, "5.6.7.8", 2, "0123456789abcdef", 16);
	struct packet p;

	(void)state;
	f.at[20] = 0x20; /* more fragments: a piece of data, with no header before it */
	f.at[14 + 20 + 5] = 100;
	frame_fix_ip(&f);
	assert_true(decode(&p, &f));
	assert_true(p.fragment && !p.later_fragment);
	assert_false(p.has_ports);
	assert_int_equal(p.ip_flags, IP_MORE);
	assert_int_equal(p.frag_offset, 0);
	assert_int_equal(p.frag_len, 24);
	assert_false(p.bad_checksum);
	f.at[20] = 0x00;
	f.at[21] = 5; /* a later piece: no ports, whatever it holds */
	frame_fix_ip(&f);
	assert_true(decode(&p, &f));
	assert_true(p.fragment && p.later_fragment);
	assert_int_equal(p.frag_offset, 40);
	assert_int_equal(p.reach, PACKET_IP);
	assert_false(p.has_ports);
	assert_null(p.payload);
	assert_int_equal(stats.fragments, 1);
}

static struct frame with_extensions(const uint8_t *ext, size_t len, uint8_t first)
{
	uint8_t data[512];
	static const uint8_t udp[] = {0, 1, 0, 2, 0, 9, 0, 0, 'x'};

	memcpy(data, ext, len);
	memcpy(data + len, udp, sizeof(udp));
	return frame_ip("::1", "::2", first, data, len + sizeof(udp));
}

static void test_ipv6_extensions(void **state)
{
	/* Hop-by-hop (8), destination options (16), atomic fragment, then UDP. */
	static const uint8_t chain[] = {
		60, 0, 1, 4, 0, 0, 0, 0, 44, 1, 1, 12, 0, 0, 0, 0,
		0,  0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 0,  1, 2, 3, 4,
	};
	static const uint8_t later[] = {17, 0, 0, 8, 1, 2, 3, 4};
	uint8_t many[8 * 50] = {0};
	struct frame f = with_extensions(chain, sizeof(chain), 0);
	struct packet p;

	(void)state;
	assert_true(decode(&p, &f));
	assert_int_equal(p.proto, PROTO_UDP);
	assert_true(p.has_ports);
	assert_false(p.fragment);
	f = with_extensions(later, sizeof(later), 44);
	assert_true(decode(&p, &f));
	assert_true(p.later_fragment);
	assert_false(p.has_ports);
	/* A length that leads outside; a long chain, as receivers take it. */
	f = with_extensions(chain, sizeof(chain), 0);
	f.at[14 + 40 + 1] = 200;
	assert_true(decode(&p, &f));
	assert_true(has(&p, "ipv6.trunc_exthdr"));
	assert_int_equal(p.reach, PACKET_IP);
	for (size_t i = 0; i < sizeof(many); i += 8)
		many[i] = 60;
	many[sizeof(many) - 8] = 17;
	f = with_extensions(many, sizeof(many), 60);
	assert_true(decode(&p, &f));
	assert_true(p.has_ports);
	assert_true(has(&p, "ipv6.exthdr_dupl_dh"));
}

static struct frame tagged(const struct frame *f, unsigned tags, uint16_t type)
{
	struct frame t = *f;

	memcpy(t.at + 12 + 4 * tags, f->at + 12, f->len - 12);
	for (unsigned i = 0; i < tags; i++) {
		t.at[12 + 4 * i] = (uint8_t)(type >> 8);
		t.at[13 + 4 * i] = (uint8_t)type;
		t.at[14 + 4 * i] = 0xa0; /* priority bits are no part of the number */
		t.at[15 + 4 * i] = (uint8_t)(10 + i);
	}
	t.len += 4 * tags;
	return t;
}

static void test_vlan(void **state)
{
	struct frame plain = frame_udp("1.2.3.4", 1, "5.6.7.8", 2, "x", 1);
	struct frame f = tagged(&plain, 2, 0x88a8);
	struct packet p;

	(void)state;
	assert_true(decode(&p, &f));
	assert_int_equal(p.tags, 2);
	assert_int_equal(p.vlan[0], 10);
	assert_int_equal(p.vlan[1], 11);
	assert_int_equal(stats.vlan, 1);
	assert_int_equal(stats.vlan_qinq, 1);
	f = tagged(&plain, PACKET_MAX_TAGS, 0x8100);
	assert_true(decode(&p, &f));
	f = tagged(&plain, PACKET_MAX_TAGS + 1, 0x8100);
	assert_false(decode(&p, &f));
	assert_true(has(&p, "vlan.too_many_layers"));
	assert_false(p.invalid);
}

static void test_other_links(void **state)
{
	struct frame f = frame_udp("1.2.3.4", 1, "5.6.7.8", 2, "x", 1);
	uint8_t null4[100] = {2, 0, 0, 0}, sll[100] = {0}, odd[100] = {7, 0, 0, 0};
	size_t ip = f.len - 14;
	struct packet p;

	(void)state;
	assert_true(decode_bytes(&p, f.at + 14, ip, IDS_LINK_RAW));
	assert_true(decode_bytes(&p, f.at + 14, ip, IDS_LINK_IPV4));
	memcpy(null4 + 4, f.at + 14, ip);
	assert_true(decode_bytes(&p, null4, 4 + ip, IDS_LINK_NULL));
	memcpy(odd + 4, f.at + 14, ip);
	assert_false(decode_bytes(&p, odd, 4 + ip, IDS_LINK_NULL));
	sll[14] = 8;
	memcpy(sll + 16, f.at + 14, ip);
	assert_true(decode_bytes(&p, sll, 16 + ip, IDS_LINK_LINUX_SLL));
	assert_false(decode_bytes(&p, f.at, f.len, (enum ids_link)9999));
	f.at[12] = 8;
	f.at[13] = 6;
	assert_false(decode(&p, &f));
	assert_int_equal(stats.arp, 1);
	assert_int_equal(stats.invalid, 0);
}

static void test_checksums(void **state)
{
	struct frame good[] = {
		frame_udp("1.2.3.4", 1, "5.6.7.8", 2, "hello", 5),
		frame_tcp("1.2.3.4", 1, "5.6.7.8", 2, TCP_ACK, "hello", 5),
		frame_icmp("1.2.3.4", "5.6.7.8", 8, 0, "hello", 5),
		frame_udp("::1", 1, "::2", 2, "hello", 5),
		frame_tcp("::1", 1, "::2", 2, TCP_ACK, "hello", 5),
		frame_icmp("::1", "::2", 128, 0, "hello", 5),
	};
	struct packet p;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(decode(&p, &good[i]));
		assert_false(p.bad_checksum);
		good[i].at[good[i].len - 1] ^= 1;
		assert_true(decode(&p, &good[i]));
		assert_true(p.bad_checksum);
		assert_int_equal(stats.bad_checksum, 1);
	}
	/* The IPv4 header's own. */
	good[0] = frame_udp("1.2.3.4", 1, "5.6.7.8", 2, "hello", 5);
	good[0].at[14 + 8]--;
	assert_true(decode(&p, &good[0]));
	assert_true(p.bad_checksum);
	/* UDP without one. */
	good[0] = frame_udp("1.2.3.4", 1, "5.6.7.8", 2, "hello", 5);
	good[0].at[14 + 20 + 6] = good[0].at[14 + 20 + 7] = 0;
	assert_true(decode(&p, &good[0]));
	assert_false(p.bad_checksum);
}

static void test_nsh(void **state)
{
	struct frame f = frame_udp("1.2.3.4", 1, "5.6.7.8", 2, "x", 1);
	static const uint8_t nsh[8] = {0x00, 0x02, 0x02, 0x01};
	struct packet p;

	(void)state;
	memmove(f.at + 22, f.at + 14, f.len - 14);
	memcpy(f.at + 14, nsh, sizeof(nsh));
	f.at[12] = 0x89;
	f.at[13] = 0x4f;
	f.len += 8;
	assert_true(decode(&p, &f));
	assert_true(p.has_ports);
	f.at[15] = 0x3f; /* header longer than the frame */
	assert_false(decode(&p, &f));
	f.at[15] = 0x01; /* shorter than its own minimum */
	assert_false(decode(&p, &f));
}

/* As RFC 1071 defines it, 16 bits at a time. */
static uint16_t plain_sum(const uint8_t *data, size_t len, uint32_t start)
{
	uint64_t sum = start;

	for (size_t k = 0; k < len; k++)
		sum += k % 2 ? data[k] : (uint32_t)data[k] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void test_sum(void **state)
{
	static const uint8_t example[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	static const uint32_t starts[] = {0, 1, 0xffff, 0x10000, UINT32_MAX};
	uint8_t data[200];

	(void)state;
	/* RFC 1071, section 3. */
	assert_int_equal(plain_sum(NULL, 0, packet_sum(example, 8, 0)), 0xddf2);
	for (unsigned kind = 0; kind < 3; kind++) {
		for (size_t k = 0; k < sizeof(data); k++)
			data[k] = kind == 0 ? 0xff : kind == 1 ? 0 : (uint8_t)(k * 89 + 200);
		for (size_t len = 0; len < 180; len++) {
			for (size_t at = 0; at < 9; at++) {
				uint32_t start = starts[(len + at) % 5];
				uint32_t sum = packet_sum(data + at, len, start);
				assert_int_equal(plain_sum(NULL, 0, sum),
						 plain_sum(data + at, len, start));
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_udp),	     cmocka_unit_test(test_tcp6),
		cmocka_unit_test(test_every_length), cmocka_unit_test(test_every_octet),
		cmocka_unit_test(test_bad_headers),  cmocka_unit_test(test_ip_options),
		cmocka_unit_test(test_fragments),    cmocka_unit_test(test_ipv6_extensions),
		cmocka_unit_test(test_vlan),	     cmocka_unit_test(test_other_links),
		cmocka_unit_test(test_checksums),    cmocka_unit_test(test_sum),
		cmocka_unit_test(test_nsh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
