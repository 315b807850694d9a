/* The engine as a whole: verdicts and the order of actions, flows, limits, events; each detection
 * with an attack and something harmless that looks like it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ids/packet/packet.h"
#include "tests/unit/ids_world.h"

#define CLIENT "192.0.2.7"
#define SERVER "10.0.0.1"

static void test_drop(void **state)
{
	struct world *w =
		world_open("drop udp any any -> any 53 (msg:\"bad\"; content:\"evil\"; sid:1;)");
	struct frame f;

	(void)state;
	assert_int_equal(world_say(w, "good", 4), IDS_PASS);
	assert_int_equal(w->lines, 0);
	assert_int_equal(world_say(w, "evil", 4), IDS_DROP);
	assert_int_equal(world_events(w, "alert", "\"action\":\"blocked\""), 1);
	assert_int_equal(world_events(w, "drop", "\"reason\":\"rules\""), 1);
	assert_int_equal(world_events(w, "drop",
				      "\"drop\":{\"len\":32,\"tos\":0,\"ttl\":64,\"ipid\":0,"
				      "\"udplen\":12,"),
			 1);
	assert_int_equal(ids_stats(w->ids)->blocked, 1);
	assert_int_equal(ids_stats(w->ids)->accepted, 1);
	f = frame_tcp("::1", 1, "::2", 53, TCP_ACK, "evil", 4);
	assert_int_equal(world_send(w, &f), IDS_PASS); /* another protocol */
	world_close(w);
}

static void test_not_inline(void **state)
{
	struct ids_config config = {.link = IDS_LINK_ETHERNET, .ips = false};
	struct world *w = world_open_config(
		"drop udp any any -> any 53 (msg:\"bad\"; content:\"evil\"; sid:1;)", config);

	(void)state;
	assert_int_equal(world_say(w, "evil", 4), IDS_PASS);
	assert_int_equal(world_events(w, "alert", "\"action\":\"allowed\""), 1);
	assert_int_equal(world_events(w, "drop", NULL), 0);
	world_close(w);
}

static void test_action_order(void **state)
{
	struct world *w =
		world_open("alert udp any any -> any any (content:\"a\"; priority:1; sid:1;)\n"
			   "drop udp any any -> any any (content:\"b\"; priority:9; sid:2;)\n"
			   "pass udp any any -> any any (content:\"c\"; priority:9; sid:3;)");

	(void)state;
	assert_int_equal(world_say(w, "a", 1), IDS_PASS);
	assert_int_equal(w->lines, 1);
	world_forget(w);
	/* drop goes before alert, but does not silence it */
	assert_int_equal(world_say(w, "ab", 2), IDS_DROP);
	assert_int_equal(w->lines, 3);
	assert_non_null(strstr(w->line[0], "\"signature_id\":2,"));
	assert_non_null(strstr(w->line[1], "\"signature_id\":1,"));
	assert_non_null(strstr(w->line[1], "\"action\":\"allowed\""));
	assert_non_null(strstr(w->line[2], "\"event_type\":\"drop\""));
	world_forget(w);
	/* pass goes before all */
	assert_int_equal(world_say(w, "abc", 3), IDS_PASS);
	assert_int_equal(w->lines, 0);
	world_close(w);
}

static void test_alert_fields(void **state)
{
	struct ids_config config = {.link = IDS_LINK_ETHERNET, .ips = true, .in_iface = "vigil0"};
	struct world *w = world_open_config(
		"alert udp any any -> any any (msg:\"m\"; content:\"a\"; sid:1;)", config);
	struct frame f = frame_udp("2001:db8::7", 4000, "2001:db8::1", 53, "a", 1);

	(void)state;
	world_say(w, "a", 1);
	assert_non_null(strstr(w->line[0], "{\"timestamp\":\"2023-11-14T22:13:20.000000+0000\","
					   "\"event_type\":\"alert\",\"seq\":1,\"host\":\"test\","
					   "\"boot\":\"b00t\",\"flow_id\":"));
	assert_non_null(strstr(w->line[0],
			       ",\"in_iface\":\"vigil0\",\"src_ip\":\"192.0.2.7\","
			       "\"src_port\":4000,\"dest_ip\":\"10.0.0.1\",\"dest_port\":53,"
			       "\"proto\":\"UDP\",\"community_id\":\"1:"));
	assert_non_null(strstr(w->line[0], "\",\"direction\":\"to_server\",\"alert\":{"));
	world_send(w, &f);
	assert_non_null(
		strstr(w->line[1], "\"src_ip\":\"2001:0db8:0000:0000:0000:0000:0000:0007\""));
	world_close(w);
}

/* The next sequence numbers of server and client. */
static uint32_t next[2];

static void begin(void)
{
	next[0] = 5000;
	next[1] = 1000;
}

static void tcp(struct world *w, bool from_client, uint8_t flags, const char *text,
		enum ids_verdict want)
{
	struct frame f = from_client
				 ? frame_tcp(CLIENT, 4000, SERVER, 80, flags, text, strlen(text))
				 : frame_tcp(SERVER, 80, CLIENT, 4000, flags, text, strlen(text));

	frame_set_place(&f, next[from_client], flags & TCP_ACK ? next[!from_client] : 0);
	next[from_client] += (uint32_t)strlen(text) + (flags & (TCP_SYN | TCP_FIN) ? 1 : 0);
	assert_int_equal(world_send(w, &f), want);
}

static void handshake(struct world *w)
{
	begin();
	tcp(w, true, TCP_SYN, "", IDS_PASS);
	tcp(w, false, TCP_SYN | TCP_ACK, "", IDS_PASS);
	tcp(w, true, TCP_ACK, "", IDS_PASS);
}

static void test_flow_keyword(void **state)
{
	static const char rules[] =
		"alert tcp any any -> any any (content:\"GET\"; flow:established,to_server; "
		"sid:1;)\n"
		"alert tcp any any -> any any (content:\"GET\"; flow:established,to_client; "
		"sid:2;)\n"
		"alert tcp any any -> any any (content:\"GET\"; flow:not_established; sid:3;)\n"
		"alert tcp any any -> any any (content:\"GET\"; flow:stateless; sid:4;)\n"
		"alert tcp any any -> any any (content:\"GET\"; flow:from_server; sid:5;)\n"
		"alert udp any any -> any any (content:\"GET\"; flow:established; sid:6;)";
	struct world *w = world_open(rules);
	struct frame f;

	(void)state;
	/* Data without a handshake. */
	begin();
	tcp(w, true, TCP_PSH | TCP_ACK, "GET", IDS_PASS);
	assert_int_equal(world_alerts(w, 1), 0);
	assert_int_equal(world_alerts(w, 3), 1);
	assert_int_equal(world_alerts(w, 4), 1);
	world_close(w);
	w = world_open(rules);
	handshake(w);
	tcp(w, true, TCP_PSH | TCP_ACK, "GET", IDS_PASS);
	assert_int_equal(world_alerts(w, 1), 1);
	assert_int_equal(world_alerts(w, 2), 0);
	tcp(w, false, TCP_PSH | TCP_ACK, "GET", IDS_PASS);
	assert_int_equal(world_alerts(w, 1), 1);
	assert_int_equal(world_alerts(w, 2), 1);
	assert_int_equal(world_alerts(w, 3), 0);
	assert_int_equal(world_alerts(w, 4), 2);
	assert_int_equal(world_alerts(w, 5), 1);
	/* UDP is established when it was answered. */
	world_say(w, "GET", 3);
	assert_int_equal(world_alerts(w, 6), 0);
	f = frame_udp(SERVER, 53, CLIENT, 4000, "GET", 3);
	world_send(w, &f);
	assert_int_equal(world_alerts(w, 6), 1);
	world_close(w);
}

static void test_midstream(void **state)
{
	static const char rules[] =
		"alert tcp any any -> any any (content:\"x\"; flow:established,to_client; sid:1;)\n"
		"alert tcp any any -> any any (content:\"x\"; flow:established,to_server; sid:2;)";
	struct ids_config config = {.link = IDS_LINK_ETHERNET, .ips = true, .midstream = true};
	struct world *w = world_open_config(rules, config);

	(void)state;
	/* The first packet met comes from port 80: its sender is the server. */
	begin();
	tcp(w, false, TCP_ACK, "x", IDS_PASS);
	tcp(w, false, TCP_ACK, "x", IDS_PASS);
	assert_int_equal(world_alerts(w, 1), 1);
	tcp(w, true, TCP_ACK, "x", IDS_PASS);
	assert_int_equal(world_alerts(w, 2), 1);
	world_close(w);
	w = world_open_config(rules, config);
	tcp(w, true, TCP_ACK, "x", IDS_PASS);
	tcp(w, true, TCP_ACK, "x", IDS_PASS);
	assert_int_equal(world_alerts(w, 2), 1);
	world_close(w);
	/* Without the setting such a flow is never established. */
	w = world_open(rules);
	tcp(w, true, TCP_ACK, "x", IDS_PASS);
	tcp(w, true, TCP_ACK, "x", IDS_PASS);
	assert_int_equal(w->lines, 0);
	world_close(w);
}

static void test_ip_only(void **state)
{
	/* Of addresses alone: once per direction of a flow. */
	struct world *w = world_open("alert ip any any -> any any (sid:1;)\n"
				     "alert ip !1.1.1.1 any -> any any (sid:2;)");

	(void)state;
	handshake(w);
	tcp(w, true, TCP_PSH | TCP_ACK, "x", IDS_PASS);
	assert_int_equal(world_alerts(w, 1), 2);
	assert_int_equal(world_alerts(w, 2), 4); /* with a negation: each packet (Suricata) */
	world_close(w);
}

static void test_flow_drop(void **state)
{
	struct world *w = world_open("drop tcp any any -> " SERVER " 80 (msg:\"no\"; sid:1;)");

	(void)state;
	begin();
	tcp(w, true, TCP_SYN, "", IDS_DROP);
	assert_int_equal(world_alerts(w, 1), 1);
	/* The rest of the flow goes the same way, told as what it is. */
	tcp(w, true, TCP_SYN, "", IDS_DROP);
	tcp(w, false, TCP_SYN | TCP_ACK, "", IDS_DROP);
	assert_int_equal(world_alerts(w, 1), 1);
	assert_int_equal(world_events(w, "drop", "\"reason\":\"rules\""), 1);
	assert_int_equal(world_events(w, "drop", "\"reason\":\"flow drop\""), 2);
	world_close(w);
}

static void test_flow_pass(void **state)
{
	struct world *w = world_open("pass tcp any any -> " SERVER " 80 (sid:1;)\n"
				     "drop tcp any any -> any any (content:\"evil\"; sid:2;)");
	struct frame other = frame_tcp(CLIENT, 4000, SERVER, 81, TCP_ACK, "evil", 4);

	(void)state;
	handshake(w);
	tcp(w, true, TCP_PSH | TCP_ACK, "evil", IDS_PASS);
	assert_int_equal(w->lines, 0);
	assert_int_equal(world_send(w, &other), IDS_DROP);
	world_close(w);
}

static void test_stream_drop(void **state)
{
	/* Content in an established stream: a stream with a hole in it cannot go on either. */
	struct world *w = world_open("drop tcp any any -> any any (content:\"evil\"; sid:1;)");

	(void)state;
	handshake(w);
	tcp(w, true, TCP_PSH | TCP_ACK, "evil", IDS_DROP);
	tcp(w, true, TCP_PSH | TCP_ACK, "good", IDS_DROP);
	world_close(w);
	/* A datagram stands for itself. */
	w = world_open("drop udp any any -> any any (content:\"evil\"; sid:1;)");
	assert_int_equal(world_say(w, "evil", 4), IDS_DROP);
	assert_int_equal(world_say(w, "good", 4), IDS_PASS);
	world_close(w);
}

static void test_flow_end(void **state)
{
	struct world *w = world_open("alert tcp any any -> any any (sid:1;)");

	(void)state;
	handshake(w);
	assert_int_equal(ids_stats(w->ids)->flows, 1);
	tcp(w, false, TCP_RST, "", IDS_PASS);
	tcp(w, true, TCP_SYN, "", IDS_PASS); /* the same ports again: a new flow */
	assert_int_equal(ids_stats(w->ids)->flows, 2);
	w->now_ns +=
		61ull * 1000000000; /* idle for longer than a flow that is not established may */
	tcp(w, true, TCP_ACK, "", IDS_PASS);
	assert_int_equal(ids_stats(w->ids)->flows, 3);
	assert_int_equal(world_alerts(w, 1), 4);
	world_close(w);
}

static void test_flow_flood(void **state)
{
	/* More flows than fit: old ones give way, counted; memory does not grow. */
	struct ids_config config = {.link = IDS_LINK_ETHERNET, .ips = true, .flow_entries = 64};
	struct world *w =
		world_open_config("alert udp any any -> any 54 (content:\"z\"; sid:1;)", config);

	(void)state;
	for (uint16_t i = 0; i < 1000; i++) {
		struct frame f = frame_udp(CLIENT, i, SERVER, 53, "x", 1);

		world_send(w, &f);
	}
	assert_int_equal(ids_stats(w->ids)->flows, 1000);
	assert_in_range(ids_stats(w->ids)->flows_evicted, 1000 - 64, 1000);
	world_close(w);
}

static void test_checksum(void **state)
{
	static const char rules[] = "alert tcp any any -> any any (content:\"evil\"; sid:1;)\n"
				    "alert udp any any -> any any (content:\"evil\"; sid:2;)";
	struct ids_config config = {.link = IDS_LINK_ETHERNET, .skip_checksums = true};
	struct frame bad = frame_tcp(CLIENT, 1, SERVER, 2, TCP_ACK, "evil", 4);
	struct frame udp = frame_udp(CLIENT, 1, SERVER, 2, "evil", 4);
	struct world *w = world_open(rules);

	(void)state;
	bad.at[14 + 20 + 16] ^= 1;
	udp.at[14 + 20 + 6] ^= 1;
	/* No part of a stream, but looked at by itself (as Suricata does). */
	world_send(w, &bad);
	assert_int_equal(world_alerts(w, 1), 1);
	world_send(w, &udp);
	assert_int_equal(world_alerts(w, 2), 1);
	assert_int_equal(ids_stats(w->ids)->bad_checksum, 2);
	world_close(w);
	w = world_open_config(rules, config);
	world_send(w, &bad);
	assert_int_equal(world_alerts(w, 1), 1);
	assert_int_equal(ids_stats(w->ids)->bad_checksum, 0);
	world_close(w);
}

static void test_flood(void **state)
{
	struct ids_config config = {.link = IDS_LINK_ETHERNET, .ips = true, .alerts_per_rule = 5};
	struct world *w = world_open_config("drop udp any any -> any any (content:\"x\"; sid:1;)\n"
					    "alert udp any any -> any any (content:\"y\"; sid:2;)",
					    config);
	char want[64];

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(world_say(w, "x", 1), IDS_DROP); /* the verdict is not limited */
	assert_int_equal(world_alerts(w, 1), 5 + 0);
	assert_int_equal(world_events(w, "drop", NULL), 5);
	assert_int_equal(ids_stats(w->ids)->alerts_suppressed, 95 * 2);
	world_say(w, "y", 1); /* another rule has its own allowance */
	assert_int_equal(world_alerts(w, 2), 1);
	w->now_ns += 1000000000; /* and the next second a new one */
	world_say(w, "x", 1);
	assert_int_equal(world_alerts(w, 1), 6);
	/* What was held back is told. */
	ids_event_stats(w->ids, w->now_ns - 7000000000ull, w->now_ns);
	snprintf(want, sizeof(want), "\"alerts_suppressed\":%u", 95 * 2);
	assert_int_equal(world_events(w, "stats", want), 1);
	assert_int_equal(
		world_events(w, "stats", "\"stats\":{\"uptime\":7,\"decoder\":{\"pkts\":102,"), 1);
	world_close(w);
}

static void test_default_limit(void **state)
{
	struct world *w = world_open("alert udp any any -> any any (content:\"x\"; sid:1;)");

	(void)state;
	for (unsigned i = 0; i < 150; i++)
		world_say(w, "x", 1);
	assert_int_equal(world_alerts(w, 1), 100);
	assert_int_equal(ids_stats(w->ids)->alerts_suppressed, 50);
	world_close(w);
}

static void test_no_rules(void **state)
{
	struct world *w = world_open(NULL);

	(void)state;
	assert_int_equal(ids_rule_count(w->ids), 0);
	assert_int_equal(world_say(w, "evil", 4), IDS_PASS);
	assert_int_equal(ids_stats(w->ids)->pkts, 1);
	ids_event_stats(w->ids, 0, w->now_ns);
	assert_int_equal(world_events(w, "stats", "\"accepted\":1"), 1);
	world_close(w);
}

static void test_hostile_message(void **state)
{
	/* Rule text is data: what it holds cannot break the line. */
	struct world *w =
		world_open("alert udp any any -> any any (msg:\"a\xff\x01\t{}]\"; content:\"x\"; "
			   "metadata:k\xfe v\"w; sid:1;)");

	(void)state;
	world_say(w, "x", 1);
	assert_non_null(strstr(w->line[0], "\"signature\":\"a\xef\xbf\xbd\\u0001\\t{}]\""));
	assert_non_null(strstr(w->line[0], "\"metadata\":{\"k\xef\xbf\xbd\":[\"v\\\"w\"]}"));
	world_close(w);
}

static void test_slammer(void **state)
{
	/* The reference attack of the design, and a query of the same service and size. */
	struct world *w = world_open("drop udp $EXTERNAL_NET any -> $HOME_NET 1434 (msg:\"worm\"; "
				     "dsize:376; content:\"|04|\"; "
				     "depth:1; content:\"|81 f1 03 01 04 9b|\"; content:\"sock\"; "
				     "content:\"send\"; sid:1;)");
	uint8_t worm[376] = {4}, query[376] = {4};
	struct frame attack, benign, outward;

	(void)state;
	memset(worm + 1, 1, 96);
	memcpy(worm + 110, "\x81\xf1\x03\x01\x04\x9b", 6);
	memcpy(worm + 200, "sockfsend", 9);
	memcpy(query + 200, "sock and send", 13);
	attack = frame_udp("198.51.100.9", 2000, "10.0.0.9", 1434, worm, sizeof(worm));
	benign = frame_udp("198.51.100.9", 2001, "10.0.0.9", 1434, query, sizeof(query));
	outward = frame_udp("10.0.0.9", 2000, "198.51.100.9", 1434, worm, sizeof(worm));
	assert_int_equal(world_send(w, &attack), IDS_DROP);
	assert_int_equal(world_send(w, &benign), IDS_PASS);
	assert_int_equal(world_send(w, &outward), IDS_PASS);
	assert_int_equal(world_alerts(w, 1), 1);
	world_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_not_inline),
		cmocka_unit_test(test_action_order),
		cmocka_unit_test(test_alert_fields),
		cmocka_unit_test(test_flow_keyword),
		cmocka_unit_test(test_midstream),
		cmocka_unit_test(test_ip_only),
		cmocka_unit_test(test_flow_drop),
		cmocka_unit_test(test_flow_pass),
		cmocka_unit_test(test_stream_drop),
		cmocka_unit_test(test_flow_end),
		cmocka_unit_test(test_flow_flood),
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_no_rules),
		cmocka_unit_test(test_default_limit),
		cmocka_unit_test(test_hostile_message),
		cmocka_unit_test(test_slammer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
