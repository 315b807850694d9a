/* The application layer as such: protocol detection, memory, events, buffers' names. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include "ids/app/pool.h"
#include "tests/unit/app_world.h"

#define SAY(to_server, text) app_world_data(&world, to_server, text, sizeof(text) - 1, 0)

static struct app_world world;

static void open_port(uint16_t port)
{
	app_world_open(&world, NULL, true, 40000, port);
}

static bool flow_event(const char *name)
{
	int e = app_event_find(name);

	assert_true(e >= 0 && e < APP_EVENTS_MAX);
	return world.events >> e & 1;
}

struct detect_case {
	const char *text;
	size_t len;
	bool to_server;
	uint16_t port;
	enum app_proto proto;
};
#define CASE(text, to_server, port, proto)                                                         \
	{                                                                                          \
		text, sizeof(text) - 1, to_server, port, proto                                     \
	}

static const struct detect_case cases[] = {
	CASE("GET / HTTP/1.1\r\n", true, 12345, APP_HTTP),
	CASE("post\t/x", true, 12345, APP_HTTP),
	CASE("BASELINE-CONTROL ", true, 80, APP_HTTP),
	CASE("BASELINE-CONTROL", true, 80, APP_UNKNOWN),
	CASE("GET", true, 80, APP_UNKNOWN),
	CASE("GETX", true, 80, APP_FAILED),
	CASE("HTTP/1.1", false, 80, APP_HTTP),
	CASE("HTTP/1.", false, 80, APP_UNKNOWN),
	CASE("HTTP/2.0", false, 80, APP_FAILED),
	CASE("\x16\x03\x01", true, 80, APP_TLS),
	CASE("\x16\x03", true, 80, APP_UNKNOWN),
	CASE("\x16\x03\x04", true, 80, APP_FAILED),
	CASE("\x17\x03\x03", true, 80, APP_FAILED),
	CASE("\x80\x2e\x01\x03\x01", true, 80, APP_TLS),
	CASE("\x80\x2e\x02\x03\x01", true, 80, APP_FAILED),
	CASE("\0\x11\0\1\1\0\0\1\0\0\0\0\0\0\0\0\1\0\1", true, 53, APP_DNS),
	CASE("\0\x11\0\1\1\0\0\1\0\0\0\0\0\0\0\0\1\0\1", true, 54, APP_FAILED),
	CASE("\0\x11\0\1\1\0\xff\1\0\0\0\0\0\0\0\0\1\0\1", true, 53, APP_FAILED),
	CASE("\0\x32\0\1\1\0\0\1\0\0\0\0\0\0\0\0\1\0\1", true, 53, APP_UNKNOWN),
	CASE("SSH-2.0-x", true, 22, APP_FAILED),
};

static void test_detect(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct detect_case *c = &cases[i];

		for (size_t first = 0; first < c->len; first++) {
			open_port(c->port);
			app_world_data(&world, c->to_server, c->text, first, 0);
			app_world_data(&world, c->to_server, c->text + first, c->len - first, 0);
			if (app_flow_proto_of(world.flow, c->to_server) != c->proto)
				fail_msg("case %zu cut at %zu: %d", i, first,
					 app_flow_proto_of(world.flow, c->to_server));
			app_world_close(&world);
		}
	}
}

static void test_directions(void **state)
{
	(void)state;
	/* Neither is anything: given up. */
	open_port(22);
	SAY(false, "SSH-2.0-server\r\n");
	assert_false(app_flow_finished(world.flow));
	SAY(true, "SSH-2.0-client\r\n");
	assert_true(app_flow_finished(world.flow));
	assert_int_equal(app_flow_proto(world.flow), APP_FAILED);
	app_world_close(&world);
	/* The request is not known, the answer tells. */
	open_port(80);
	SAY(true, "FOO /x HTTP/1.1\r\nHost: h\r\n\r\n");
	SAY(false, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	app_world_end(&world);
	assert_int_equal(world.proto, APP_HTTP);
	assert_true(flow_event("applayer_detect_protocol_only_one_direction"));
	assert_int_equal(world.txs, 1);
	assert_string_equal((const char *)world.tx[0].buffer[1][APP_HTTP_METHOD].at, "FOO");
	assert_string_equal((const char *)world.tx[0].buffer[0][APP_HTTP_STAT_CODE].at, "200");
	app_world_close(&world);
	/* Each says something else. */
	open_port(80);
	SAY(true, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	SAY(false, "\x16\x03\x01\x02\x00\x02");
	app_world_end(&world);
	assert_true(flow_event("applayer_mismatch_protocol_both_directions"));
	assert_int_equal(world.proto, APP_HTTP);
	app_world_close(&world);
	/* TLS does not begin with the server. */
	open_port(443);
	SAY(false, "\x16\x03\x01\x00\x05hello");
	app_world_end(&world);
	assert_true(flow_event("applayer_wrong_direction_first_data"));
	assert_int_equal(world.proto, APP_FAILED);
	app_world_close(&world);
	/* Nothing odd. */
	open_port(80);
	SAY(true, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	SAY(false, "HTTP/1.1 200 OK\r\n\r\n");
	app_world_data(&world, true, NULL, 0, APP_EOF);
	app_world_data(&world, false, NULL, 0, APP_EOF);
	app_world_end(&world);
	assert_int_equal(world.events, 0);
	app_world_close(&world);
}

static void test_gap_at_start(void **state)
{
	(void)state;
	open_port(80);
	app_world_data(&world, true, NULL, 100, APP_GAP);
	SAY(true, "GET / HTTP/1.1\r\n\r\n");
	assert_true(app_flow_finished(world.flow));
	assert_int_equal(app_stats(world.app)->gaps, 1);
	app_world_end(&world);
	assert_int_equal(world.txs, 0);
	app_world_close(&world);
}

static void test_flow_states(void **state)
{
	struct app_flow *flow[4];

	(void)state;
	open_port(80); /* has 4, one is taken */
	for (unsigned i = 0; i < 3; i++)
		assert_non_null(flow[i] = app_open(world.app, &world, true, 1, 2));
	assert_null(app_open(world.app, &world, true, 1, 2));
	assert_int_equal(app_stats(world.app)->no_flow, 1);
	app_close(flow[1]);
	assert_non_null(flow[1] = app_open(world.app, &world, true, 1, 2));
	for (unsigned i = 0; i < 3; i++)
		app_close(flow[i]);
	app_close(NULL);
	app_world_close(&world);
}

/* Whatever piece of memory is missing: the flow is given up, and all comes back. */
static void test_no_memory(void **state)
{
	static const char response[] = "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nContent-Encoding: "
				       "gzip\r\n\r\nhello hello hello";
	unsigned gave_up = 0;

	(void)state;
	for (uint32_t blocks = 0; blocks < 128; blocks++) {
		struct app_config c = {.flows = 1, .memory = blocks * POOL_BLOCK + !blocks};

		app_world_open(&world, &c, true, 40000, 80);
		SAY(true,
		    "POST /x HTTP/1.1\r\nHost: h\r\nCookie: c\r\nContent-Length: 3\r\n\r\nabc");
		SAY(false, response);
		gave_up += app_flow_finished(world.flow) > 0;
		assert_int_equal(app_stats(world.app)->no_memory, app_flow_finished(world.flow));
		app_world_close(&world); /* checks that nothing is left */
	}
	assert_true(gave_up > 5 && gave_up < 120);
}

static void test_many_requests(void **state)
{
	(void)state;
	/* Requests that nobody answers: only so many are kept, the oldest are told as they are. */
	open_port(80);
	for (unsigned i = 0; i < 600; i++)
		SAY(true, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_false(app_flow_finished(world.flow));
	assert_int_equal(app_flow_tx_count(world.flow), 600);
	assert_int_equal(app_flow_txs(world.flow)->id, 600 - 64);
	for (unsigned i = 0; i < WORLD_TXS; i++)
		assert_int_equal(world.tx[i].progress[0], APP_COMPLETE);
	app_world_close(&world);
	/* Answered ones come and go. */
	open_port(80);
	for (unsigned i = 0; i < 3000; i++) {
		SAY(true, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
		SAY(false, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
	}
	assert_false(app_flow_finished(world.flow));
	assert_int_equal(app_flow_tx_count(world.flow), 3000);
	app_world_close(&world);
}

/* A body for which memory is missing ends where it is, without a hole. */
static void test_short_body(void **state)
{
	struct app_config c = {.flows = 1, .memory = 40 * POOL_BLOCK};

	(void)state;
	app_world_open(&world, &c, true, 40000, 80);
	SAY(true, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
	for (unsigned i = 0; i < 10000; i++)
		SAY(true, "0123456789");
	assert_false(app_flow_finished(world.flow));
	assert_int_equal(app_stats(world.app)->short_bodies, 1);
	app_world_end(&world);
	assert_true(world.tx[0].buffer[1][APP_HTTP_REQUEST_BODY].len >= 1024);
	for (uint32_t i = 0; i < world.tx[0].buffer[1][APP_HTTP_REQUEST_BODY].len; i++)
		assert_int_equal(world.tx[0].buffer[1][APP_HTTP_REQUEST_BODY].at[i], '0' + i % 10);
	app_world_close(&world);
}

static void test_pool(void **state)
{
	enum { BLOCKS = 1500 };
	void *memory = malloc(pool_size(BLOCKS)), *at[200] = {NULL};
	size_t size[200];
	struct pool p;
	uint32_t seed = 1;

	(void)state;
	pool_init(&p, memory, BLOCKS);
	for (unsigned round = 0; round < 20000; round++) {
		unsigned i = (seed >> 8) % 200;

		seed = seed * 1103515245 + 12345;
		if (at[i]) {
			for (size_t k = 0; k < size[i]; k += 97)
				assert_int_equal(((uint8_t *)at[i])[k], i);
			pool_give(&p, at[i]);
			at[i] = NULL;
			continue;
		}
		size[i] = 1 + (seed >> 4) % (1u << (seed >> 28) % 15);
		at[i] = pool_take(&p, size[i]);
		if (at[i])
			memset(at[i], (int)i, size[i]);
	}
	for (unsigned i = 0; i < 200; i++)
		pool_give(&p, at[i]);
	assert_int_equal(p.used, 0);
	/* All of it is one again. */
	assert_null(pool_take(&p, POOL_MAX + 1));
	assert_null(pool_take(&p, 0));
	for (unsigned i = 0; i < BLOCKS / 512; i++)
		assert_non_null(pool_take(&p, POOL_MAX));
	assert_null(pool_take(&p, POOL_MAX));
	free(memory);
}

static void test_events(void **state)
{
	(void)state;
	for (int e = 0; e < APP_PROTOS * APP_EVENTS_MAX; e++) {
		const char *name = app_event_name(e);

		if (name)
			assert_int_equal(app_event_find(name), e);
	}
	assert_null(app_event_name(-1));
	assert_null(app_event_name(APP_PROTOS * APP_EVENTS_MAX));
	assert_int_equal(app_event_find("http.nothing_such"), -1);
	assert_int_equal(app_event_find("dns.not_a_request"), app_event_find("dns.not_request"));
	assert_true(app_event_find("http.request_field_missing_colon") > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_detect),	     cmocka_unit_test(test_directions),
		cmocka_unit_test(test_gap_at_start), cmocka_unit_test(test_flow_states),
		cmocka_unit_test(test_no_memory),    cmocka_unit_test(test_many_requests),
		cmocka_unit_test(test_short_body),   cmocka_unit_test(test_pool),
		cmocka_unit_test(test_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
