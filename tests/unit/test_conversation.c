/* What is said in a flow, from frames to alerts: patterns however a stream is cut, transactions of
 * HTTP, DNS and TLS, what a second version of the octets does, and what happens when there is no
 * room. */
#include <stdio.h>
#include <string.h>

#include "ids/packet/packet.h"
#include "tests/unit/ids_world.h"

#define CLIENT "192.0.2.7"
#define SERVER "10.0.0.1"

static uint32_t next[2]; /* sequence numbers of server and client */
static uint16_t port;

static enum ids_verdict place(struct world *w, bool from_client, uint8_t flags, uint32_t seq,
			      const void *data, size_t len)
{
	struct frame f = from_client ? frame_tcp(CLIENT, port, SERVER, 80, flags, data, len)
				     : frame_tcp(SERVER, 80, CLIENT, port, flags, data, len);

	frame_set_place(&f, seq, flags & TCP_ACK ? next[!from_client] : 0);
	return world_send(w, &f);
}

static enum ids_verdict say(struct world *w, bool from_client, const char *data, size_t len)
{
	enum ids_verdict v = place(w, from_client, TCP_ACK | TCP_PSH, next[from_client], data, len);

	next[from_client] += (uint32_t)len;
	return v;
}

static enum ids_verdict text(struct world *w, bool from_client, const char *data)
{
	return say(w, from_client, data, strlen(data));
}

static void acknowledge(struct world *w, bool from_client)
{
	place(w, from_client, TCP_ACK, next[from_client], "", 0);
}

static void connect(struct world *w)
{
	port++;
	next[0] = 70000;
	next[1] = 0xfffffff0; /* numbers wrap */
	place(w, true, TCP_SYN, next[1]++, "", 0);
	place(w, false, TCP_SYN | TCP_ACK, next[0]++, "", 0);
	acknowledge(w, true);
}

static struct world *open_world(const char *rules, bool ips)
{
	struct ids_config config = {.link = IDS_LINK_ETHERNET, .ips = ips};

	return world_open_config(rules, config);
}

static const char message[] = "xxxx the secret word xxxx";
#define WORD "alert tcp any any -> any any (content:\"secret word\"; flow:to_server; sid:1;)"

static void every_cut(void **state)
{
	size_t len = strlen(message);

	(void)state;
	for (int ips = 0; ips < 2; ips++) {
		struct world *w = open_world(WORD, ips);
		size_t flows = 0;

		for (size_t a = 1; a < len; a++)
			for (size_t b = a; b < len; b += 5, flows++) {
				connect(w);
				say(w, true, message, a);
				say(w, true, message + a, b - a);
				say(w, true, message + b, len - b);
				acknowledge(w, false);
				acknowledge(w, true);
			}
		ids_flush(w->ids);
		assert_int_equal(world_alerts(w, 1), flows);
		world_close(w);
	}
}

static void out_of_order(void **state)
{
	size_t len = strlen(message);

	(void)state;
	for (int ips = 0; ips < 2; ips++) {
		struct world *w = open_world(WORD, ips);
		size_t flows = 0;

		for (size_t cut = 1; cut < len; cut++, flows++) {
			connect(w);
			place(w, true, TCP_ACK, next[1] + (uint32_t)cut, message + cut, len - cut);
			assert_int_equal(world_alerts(w, 1), flows);
			place(w, true, TCP_ACK, next[1], message, cut);
			place(w, true, TCP_ACK, next[1], message, cut); /* once more */
			next[1] += (uint32_t)len;
			acknowledge(w, false);
			acknowledge(w, true);
		}
		ids_flush(w->ids);
		assert_int_equal(world_alerts(w, 1), flows);
		world_close(w);
	}
}

/* A near miss, octet by octet; and the direction counts. */
static void silent(void **state)
{
	struct world *w = open_world(WORD, true);

	(void)state;
	connect(w);
	for (const char *at = "the secret  word"; *at; at++)
		assert_int_equal(say(w, true, at, 1), IDS_PASS);
	text(w, false, message);
	acknowledge(w, true);
	ids_flush(w->ids);
	assert_int_equal(world_alerts(w, 1), 0);
	world_close(w);
}

/* Inline what was inspected holds: another version of it does not reach the target. */
static void second_version(void **state)
{
	struct world *w = open_world(WORD, true);
	uint32_t seq;

	(void)state;
	connect(w);
	seq = next[1];
	assert_int_equal(text(w, true, "the public word"), IDS_PASS);
	assert_int_equal(place(w, true, TCP_ACK, seq, "the secret word", 15), IDS_DROP);
	assert_int_equal(place(w, true, TCP_ACK, seq, "the public word", 15), IDS_PASS);
	assert_int_equal(ids_stats(w->ids)->segments_dropped, 1);
	assert_int_equal(world_events(w, "drop", "\"reason\":\"stream error\""), 1);
	world_close(w);
}

static void dropped(void **state)
{
	struct world *w = open_world("drop http any any -> any any (http.uri; content:\"/evil\"; "
				     "http.header; content:\"Host\"; sid:1;)",
				     true);

	(void)state;
	connect(w);
	assert_int_equal(text(w, true, "GET /ev"), IDS_PASS);
	assert_int_equal(text(w, true, "il HTTP/1.1\r\nHo"), IDS_PASS);
	assert_int_equal(text(w, true, "st: a\r\n\r\n"), IDS_DROP);
	assert_int_equal(world_alerts(w, 1), 1);
	/* The flow is over, both ways; another one goes on. */
	assert_int_equal(text(w, true, "GET / HTTP/1.1\r\n"), IDS_DROP);
	assert_int_equal(text(w, false, "HTTP/1.1 200 OK\r\n"), IDS_DROP);
	connect(w);
	assert_int_equal(text(w, true, "GET /good HTTP/1.1\r\nHost: a\r\n\r\n"), IDS_PASS);
	assert_int_equal(world_alerts(w, 1), 1);
	world_close(w);
}

/* One alert for each transaction, in a pipeline too; responses by their own buffers. */
static void transactions(void **state)
{
	struct world *w = open_world(
		"alert http any any -> any any (http.uri; content:\"/evil\"; sid:1;)\n"
		"alert http any any -> any any (http.stat_code; content:\"404\"; sid:2;)\n"
		"alert http any any -> any any (file.data; content:\"found\"; sid:3;)\n"
		"alert http any any -> any any (http.uri; content:\"/x\"; http.method; "
		"content:\"POST\"; sid:4;)",
		true);

	(void)state;
	connect(w);
	text(w, true,
	     "GET /evil/1 HTTP/1.1\r\nHost: a\r\n\r\nGET /evil/2 HTTP/1.1\r\nHost: a\r\n\r\n"
	     "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_int_equal(world_alerts(w, 1), 2);
	assert_int_equal(world_alerts(w, 4), 0);
	text(w, false,
	     "HTTP/1.1 404 No\r\nContent-Length: 9\r\n\r\nnot found"
	     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nf");
	assert_int_equal(world_alerts(w, 2), 1);
	assert_int_equal(world_alerts(w, 3), 1);
	text(w, false, "ound");
	assert_int_equal(world_alerts(w, 3), 2);
	world_close(w);
}

static void datagrams(void **state)
{
	static const uint8_t query[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
				       "\x04"
				       "evil\x07"
				       "example\x00\x00\x01\x00\x01";
	struct world *w = open_world(
		"drop dns any any -> any any (dns.query; content:\"evil.example\"; sid:1;)\n"
		"alert dns any any -> any any (dns.query; content:\"good.example\"; sid:2;)\n"
		"alert udp any any -> any any (app-layer-protocol:dns; sid:3;)",
		true);
	struct frame f = frame_udp(CLIENT, 5000, SERVER, 53, query, sizeof(query) - 1);

	(void)state;
	assert_int_equal(world_send(w, &f), IDS_DROP);
	assert_int_equal(world_alerts(w, 1), 1);
	assert_int_equal(world_alerts(w, 2), 0);
	world_close(w);
}

/* Octets that only their receiver's acknowledgment delivers are told with their own direction. */
static void acknowledged(void **state)
{
	struct world *w = open_world(WORD, false);

	(void)state;
	connect(w);
	text(w, true, message);
	assert_int_equal(world_alerts(w, 1), 0);
	acknowledge(w, false);
	acknowledge(w, true);
	assert_int_equal(world_alerts(w, 1), 1);
	assert_int_equal(world_events(w, "alert", "\"src_ip\":\"" CLIENT "\""), 1);
	assert_int_equal(world_events(w, "alert", "\"direction\":\"to_server\""), 1);
	/* And at the end, without another packet. */
	connect(w);
	text(w, true, message);
	ids_flush(w->ids);
	assert_int_equal(world_alerts(w, 1), 2);
	world_close(w);
}

/* More conversations than are kept: the oldest is given up, counted. */
static void crowd(void **state)
{
	struct ids_config config = {
		.link = IDS_LINK_ETHERNET, .ips = true, .conversations = 8, .flow_entries = 1024};
	struct world *w = world_open_config(WORD, config);
	uint16_t first;
	uint32_t seq[2];

	(void)state;
	connect(w);
	text(w, true, "the secret ");
	first = port;
	memcpy(seq, next, sizeof(seq));
	for (int i = 0; i < 20; i++) {
		connect(w);
		text(w, true, "hello");
	}
	assert_int_equal(ids_stats(w->ids)->conversations_evicted, 13);
	port = first;
	memcpy(next, seq, sizeof(seq));
	assert_int_equal(text(w, true, "word"), IDS_PASS);
	assert_int_equal(world_alerts(w, 1), 0);
	/* Its segments are looked at each by itself. */
	assert_int_equal(text(w, true, "the secret word"), IDS_PASS);
	assert_int_equal(world_alerts(w, 1), 1);
	world_close(w);
}

/* Datagrams take no conversation from connections. */
static void quiet_crowd(void **state)
{
	static const uint8_t query[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
				       "\x01"
				       "a\x00\x00\x01\x00\x01";
	struct ids_config config = {.link = IDS_LINK_ETHERNET, .ips = true, .conversations = 2};
	struct world *w = world_open_config(WORD, config);

	(void)state;
	connect(w);
	text(w, true, "the secret ");
	for (uint16_t i = 0; i < 100; i++) {
		struct frame f = frame_udp(CLIENT, (uint16_t)(6000 + i), SERVER, 53, query,
					   sizeof(query) - 1);

		world_send(w, &f);
	}
	text(w, true, "word");
	assert_int_equal(world_alerts(w, 1), 1);
	assert_int_equal(ids_stats(w->ids)->conversations_evicted, 0);
	/* Nor do connections that are closed. */
	for (int i = 0; i < 20; i++) {
		connect(w);
		text(w, true, "hello");
		place(w, true, TCP_RST | TCP_ACK, next[1], "", 0);
	}
	assert_int_equal(ids_stats(w->ids)->conversations_evicted, 0);
	world_close(w);
}

/* Ten thousand segments of one octet: a rule waits for the end of its pattern all the time. */
static void octets(void **state)
{
	struct world *w = open_world(WORD "\nalert http any any -> any any (http.uri; "
					  "content:\"/e\"; sid:2;)",
				     true);

	(void)state;
	connect(w);
	for (size_t i = 0; i < 10000; i++)
		say(w, true, &message[i % (strlen(message) - 6)], 1);
	assert_in_range(ids_stats(w->ids)->candidates, 0, 10000);
	assert_int_equal(ids_stats(w->ids)->inspection_limit, 0);
	world_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cut),   cmocka_unit_test(out_of_order),
		cmocka_unit_test(silent),      cmocka_unit_test(second_version),
		cmocka_unit_test(dropped),     cmocka_unit_test(transactions),
		cmocka_unit_test(datagrams),   cmocka_unit_test(acknowledged),
		cmocka_unit_test(crowd),       cmocka_unit_test(octets),
		cmocka_unit_test(quiet_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
