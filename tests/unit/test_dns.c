/* DNS over both transports: names, records, events, malformed messages. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include "ids/app/dns.h"
#include "tests/unit/app_world.h"

#define WWW                                                                                        \
	"\x03www\x07"                                                                              \
	"example\x03org"

struct octets {
	uint8_t at[70000];
	size_t len;
};

static struct octets msg;
static struct app_world world, other;

static void put(const void *at, size_t len)
{
	assert_true(msg.len + len <= sizeof(msg.at));
	memcpy(msg.at + msg.len, at, len);
	msg.len += len;
}
#define PUT(s) put(s, sizeof(s) - 1)

static void put16(unsigned v)
{
	uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};

	put(b, 2);
}

static void header(unsigned id, unsigned flags, unsigned questions, unsigned answers,
		   unsigned authorities)
{
	msg.len = 0;
	put16(id);
	put16(flags);
	put16(questions);
	put16(answers);
	put16(authorities);
	put16(0);
}

/* A record with the first question's name. */
static void record(unsigned type, const void *data, size_t len)
{
	PUT("\xc0\x0c");
	put16(type);
	put16(1);
	PUT("\x00\x00\x0e\x10");
	put16((unsigned)len);
	put(data, len);
}
#define RECORD(type, data) record(type, data, sizeof(data) - 1)

static void query(void)
{
	header(7, 0x0100, 1, 0, 0);
	PUT(WWW "\0\0\1\0\1");
}

static void open_udp(void)
{
	app_world_open(&world, NULL, false, 40000, 53);
}

static void send_udp(bool to_server)
{
	app_world_datagram(&world, to_server, msg.at, msg.len);
}

static void expect(unsigned tx, const char *name)
{
	const struct kept *k = &world.tx[tx].buffer[1][APP_DNS_QUERY];

	assert_true(k->there);
	assert_string_equal((const char *)k->at, name);
}

static bool has_event(unsigned tx, const char *name)
{
	int e = app_event_find(name);

	assert_true(e >= 0 && e / APP_EVENTS_MAX == APP_DNS);
	return world.tx[tx].events >> (e % APP_EVENTS_MAX) & 1;
}

static void look(struct app_world *w, struct app_tx *tx, bool to_server)
{
	void (*check)(const struct app_tx *) = *(void (**)(const struct app_tx *))w->look_ctx;

	if (!to_server)
		check(tx);
}

static void test_query(void **state)
{
	(void)state;
	open_udp();
	header(7, 0x0100, 2, 0, 0);
	PUT(WWW "\0\0\1\0\1\x01"
		"b\xc0\x10\0\x1c\0\1");
	send_udp(true);
	app_world_end(&world);
	assert_int_equal(world.proto, APP_DNS);
	assert_int_equal(world.txs, 1);
	assert_int_equal(world.tx[0].events, 0);
	assert_int_equal(world.tx[0].progress[1], APP_COMPLETE);
	expect(0, "www.example.org");
	assert_string_equal((const char *)world.tx[0].second[APP_DNS_QUERY].at, "b.example.org");
	app_world_close(&world);
}

static void equal(struct app_view v, const char *want)
{
	assert_int_equal(v.len, strlen(want));
	assert_memory_equal(v.at, want, v.len);
}

static unsigned checked;

static void check_answers(const struct app_tx *tx)
{
	static const char *const data[] = {
		"\1\2\3\4",	   "example.org",     "txt",	       "more", "mx.example.org",
		"srv.example.org", "www.example.org", "ns.example.org"};
	struct dns_record r;
	struct dns_question q;
	struct dns_info info;

	dns_tx_info(tx, &info);
	assert_int_equal(info.id, 7);
	assert_true(info.response);
	assert_int_equal(info.rcode, 3);
	assert_string_equal(dns_rcode_name(info.rcode), "NXDOMAIN");
	assert_int_equal(info.records, 8);
	assert_true(dns_tx_question(tx, 0, &q));
	assert_string_equal(dns_type_name(q.type), "A");
	equal(q.name, "www.example.org");
	assert_false(dns_tx_question(tx, 1, &q));
	for (unsigned i = 0; i < 8; i++) {
		assert_true(dns_tx_record(tx, i, &r));
		equal(r.name, "www.example.org");
		equal(r.data, data[i]);
		assert_int_equal(r.ttl, 3600);
		assert_int_equal(r.section, i < 7 ? DNS_ANSWER : DNS_AUTHORITY);
	}
	assert_false(dns_tx_record(tx, 8, &r));
	dns_tx_record(tx, 4, &r);
	assert_int_equal(r.number[0], 10);
	dns_tx_record(tx, 5, &r);
	assert_int_equal(r.number[2], 5060);
	dns_tx_record(tx, 6, &r);
	equal(r.mailbox, "root.example.org");
	assert_int_equal(r.number[4], 5);
	checked++;
}

static void test_answers(void **state)
{
	void (*check)(const struct app_tx *) = check_answers;

	(void)state;
	open_udp();
	world.look = look;
	world.look_ctx = &check;
	query();
	send_udp(true);
	header(7, 0x8183, 1, 6, 1);
	PUT(WWW "\0\0\1\0\1");
	RECORD(DNS_A, "\1\2\3\4");
	RECORD(DNS_CNAME, "\xc0\x10");
	RECORD(DNS_TXT, "\3txt\4more");
	RECORD(DNS_MX, "\0\x0a\2mx\xc0\x10");
	RECORD(DNS_SRV, "\0\1\0\2\x13\xc4\3srv\xc0\x10");
	RECORD(DNS_SOA, "\xc0\x0c\4root\xc0\x10\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5");
	RECORD(DNS_NS, "\2ns\xc0\x10");
	checked = 0;
	send_udp(false);
	assert_int_equal(checked, 1);
	app_world_end(&world);
	assert_int_equal(world.txs, 2);
	app_world_close(&world);
}

static void test_flags(void **state)
{
	(void)state;
	open_udp();
	header(7, 0x0140 | 7 << 11, 1, 0, 0);
	PUT(WWW "\0\0\1\0\1");
	send_udp(true);
	assert_true(has_event(0, "dns.z_flag_set"));
	assert_true(has_event(0, "dns.invalid_opcode"));
	/* An answer in the wrong direction, then a question in the wrong one. */
	header(7, 0x8000, 1, 0, 0);
	PUT(WWW "\0\0\1\0\1");
	send_udp(true);
	assert_true(has_event(0, "dns.not_a_request"));
	assert_int_equal(app_flow_tx_count(world.flow), 1);
	query();
	send_udp(false);
	assert_true(has_event(0, "dns.not_a_response"));
	assert_int_equal(app_flow_tx_count(world.flow), 2);
	app_world_close(&world);
}

static void test_reversed(void **state)
{
	(void)state;
	app_world_open(&world, NULL, false, 53, 40000);
	header(7, 0x8180, 1, 0, 0);
	PUT(WWW "\0\0\1\0\1");
	send_udp(true); /* the first packet seen is the server's */
	assert_true(app_flow_reversed(world.flow));
	query();
	send_udp(false);
	app_world_end(&world);
	assert_int_equal(world.txs, 2);
	assert_int_equal(world.tx[0].progress[0], APP_COMPLETE);
	assert_int_equal(world.tx[0].events, 0);
	expect(1, "www.example.org");
	app_world_close(&world);
}

static void test_names(void **state)
{
	(void)state;
	/* A pointer to itself, and two that point at each other. */
	open_udp();
	query();
	send_udp(true);
	header(8, 0x0100, 1, 0, 0);
	PUT("\xc0\x0c\0\1\0\1");
	send_udp(true);
	assert_int_equal(app_flow_tx_count(world.flow), 2);
	assert_true(has_event(0, "dns.malformed_data"));
	app_world_close(&world);
	open_udp();
	header(8, 0x0100, 1, 0, 0);
	PUT("\1a\xc0\x0c\0\1\0\1");
	send_udp(true);
	app_world_end(&world);
	assert_true(has_event(0, "dns.too_many_labels"));
	app_world_close(&world);
	/* Longer than is kept: 20 labels of 63. */
	open_udp();
	header(8, 0x0100, 1, 0, 0);
	for (unsigned i = 0; i < 20; i++) {
		uint8_t label[64];

		memset(label, 'a', 64);
		label[0] = 63;
		put(label, 64);
	}
	PUT("\0\0\1\0\1");
	send_udp(true);
	app_world_end(&world);
	assert_true(has_event(0, "dns.name_too_long"));
	assert_int_equal(world.tx[0].buffer[1][APP_DNS_QUERY].len, DNS_NAME_MAX);
	app_world_close(&world);
	/* The root. */
	open_udp();
	header(8, 0x0100, 1, 0, 0);
	PUT("\0\0\1\0\1");
	send_udp(true);
	app_world_end(&world);
	expect(0, "");
	app_world_close(&world);
}

static void test_not_dns(void **state)
{
	(void)state;
	open_udp();
	app_world_datagram(&world, true, "hello, world", 12);
	app_world_end(&world);
	assert_int_equal(world.proto, APP_FAILED);
	app_world_close(&world);
	/* Another port. */
	app_world_open(&world, NULL, false, 40000, 54);
	query();
	send_udp(true);
	app_world_end(&world);
	assert_int_equal(world.proto, APP_FAILED);
	app_world_close(&world);
	/* Later rubbish harms nobody. */
	open_udp();
	query();
	send_udp(true);
	app_world_datagram(&world, false, "x", 1);
	app_world_datagram(&world, false, NULL, 0);
	query();
	send_udp(true);
	app_world_end(&world);
	assert_int_equal(world.txs, 2);
	app_world_close(&world);
}

/* Each message cut short at every place. */
static void test_cut_short(void **state)
{
	size_t whole;

	(void)state;
	header(7, 0x8180, 1, 2, 0);
	PUT(WWW "\0\0\1\0\1");
	RECORD(DNS_SOA, "\xc0\x0c\4root\xc0\x10\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5");
	RECORD(DNS_TXT, "\3txt\4more");
	whole = msg.len;
	for (size_t n = 0; n <= whole; n++) {
		open_udp();
		app_world_datagram(&world, false, msg.at, n);
		app_world_end(&world);
		/* (Told only if it held.) */
		assert_int_equal(world.tx[0].there, n == whole);
		app_world_close(&world);
	}
}

static void tcp(struct app_world *w, const struct octets *o, size_t step, size_t first)
{
	app_world_open(w, NULL, true, 40000, 53);
	for (size_t at = 0; at < o->len;) {
		size_t n = !at && first ? first : step;

		n = n && n < o->len - at ? n : o->len - at;
		app_world_data(w, true, o->at + at, n, 0);
		at += n;
	}
	app_world_end(w);
}

static void test_tcp(void **state)
{
	static struct octets stream;

	(void)state;
	query();
	stream.len = 0;
	for (unsigned i = 0; i < 3; i++) {
		stream.at[stream.len++] = 0;
		stream.at[stream.len++] = (uint8_t)msg.len;
		memcpy(stream.at + stream.len, msg.at, msg.len);
		stream.len += msg.len;
		if (i == 1) { /* an empty one is passed over */
			stream.at[stream.len++] = 0;
			stream.at[stream.len++] = 0;
		}
	}
	tcp(&world, &stream, 0, 0);
	assert_int_equal(world.proto, APP_DNS);
	assert_int_equal(world.txs, 3);
	expect(2, "www.example.org");
	for (size_t i = 0; i < stream.len; i++) {
		const char *why;

		tcp(&other, &stream, i ? 0 : 1, i);
		why = app_world_differs(&world, &other);
		app_world_close(&other);
		if (why)
			fail_msg("cut at %zu: %s", i, why);
	}
	app_world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_query),	  cmocka_unit_test(test_answers),
		cmocka_unit_test(test_flags),	  cmocka_unit_test(test_reversed),
		cmocka_unit_test(test_names),	  cmocka_unit_test(test_not_dns),
		cmocka_unit_test(test_cut_short), cmocka_unit_test(test_tcp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
