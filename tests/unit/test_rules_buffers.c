/* Rules on transactions and streams, with a parser that says what the test wants. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ids/app/event.h"
#include "tests/unit/rule_bench.h"

#define HTTP(options) "alert http any any -> any any (" options " sid:1;)"
#define DNS(options)  "alert dns any any -> any any (" options " sid:1;)"
#define TLS(options)  "alert tls any any -> any any (" options " sid:1;)"

struct text {
	uint8_t buffer;
	const char *text;
};

struct case_of {
	const char *rule;
	enum app_proto proto;
	bool to_client;
	struct text attack[3], benign[3]; /* NULL ends them */
};

static const struct case_of cases[] = {
	{HTTP("http.uri; content:\"/evil\"; nocase;"),
	 APP_HTTP,
	 false,
	 {{APP_HTTP_URI, "/a/EVIL?x"}},
	 {{APP_HTTP_URI, "/a/good"}, {APP_HTTP_HOST, "/evil"}}},
	{HTTP("content:\"/evil\"; http_uri;"),
	 APP_HTTP,
	 false,
	 {{APP_HTTP_URI, "/evil"}},
	 {{APP_HTTP_RAW_URI, "/evil"}, {APP_HTTP_URI, "/"}}},
	{HTTP("uricontent:\"/evil\";"),
	 APP_HTTP,
	 false,
	 {{APP_HTTP_URI, "/evil"}},
	 {{APP_HTTP_URI, "/evi1"}}},
	{"alert tcp any any -> any any (content:\"/evil\"; http_uri; sid:1;)",
	 APP_HTTP,
	 false,
	 {{APP_HTTP_URI, "/evil"}},
	 {{APP_HTTP_URI, "/evi1"}}},
	/* two buffers, each from its own beginning */
	{HTTP("http.method; content:\"POST\"; http.uri; content:\"/x\"; startswith;"),
	 APP_HTTP,
	 false,
	 {{APP_HTTP_METHOD, "POST"}, {APP_HTTP_URI, "/xy"}},
	 {{APP_HTTP_METHOD, "POST"}, {APP_HTTP_URI, "/y/x"}}},
	/* relative only within its buffer, whatever stands between */
	{HTTP("content:\"a\"; http_uri; content:\"host\"; http_host; content:\"b\"; distance:1; "
	      "within:1; http_uri;"),
	 APP_HTTP,
	 false,
	 {{APP_HTTP_URI, "a-b"}, {APP_HTTP_HOST, "host"}},
	 {{APP_HTTP_URI, "ab-"}, {APP_HTTP_HOST, "host-b"}}},
	{HTTP("http.uri; content:\"a\"; content:!\"b\";"),
	 APP_HTTP,
	 false,
	 {{APP_HTTP_URI, "a"}},
	 {{APP_HTTP_URI, "ab"}}},
	/* nothing holds in a buffer that is not there */
	{HTTP("http.uri; content:\"a\"; http.user_agent; content:!\"b\";"),
	 APP_HTTP,
	 false,
	 {{APP_HTTP_URI, "a"}, {APP_HTTP_USER_AGENT, "c"}},
	 {{APP_HTTP_URI, "a"}}},
	{HTTP("file.data; content:\"MZ\"; startswith;"),
	 APP_HTTP,
	 true,
	 {{APP_FILE_DATA, "MZ.."}},
	 {{APP_FILE_DATA, "-MZ"}}},
	{HTTP("flow:to_client,established; file_data; content:\"MZ\"; within:2;"),
	 APP_HTTP,
	 true,
	 {{APP_FILE_DATA, "MZ.."}},
	 {{APP_FILE_DATA, "-MZ"}}},
	{HTTP("content:\"MZ\"; http_server_body;"),
	 APP_HTTP,
	 true,
	 {{APP_FILE_DATA, "MZ"}},
	 {{APP_FILE_DATA, "MX"}}},
	{HTTP("http.stat_code; content:\"404\";"),
	 APP_HTTP,
	 true,
	 {{APP_HTTP_STAT_CODE, "404"}},
	 {{APP_HTTP_STAT_CODE, "200"}}},
	{HTTP("content:\"a=b\"; http_cookie; content:\"x: y\"; http_header;"),
	 APP_HTTP,
	 false,
	 {{APP_HTTP_COOKIE, "a=b"}, {APP_HTTP_HEADER, "X: y\r\nx: y\r\n"}},
	 {{APP_HTTP_COOKIE, "a=b"}, {APP_HTTP_HEADER, "x= y\r\n"}}},
	{HTTP("content:\"id=1\"; http_client_body;"),
	 APP_HTTP,
	 false,
	 {{APP_HTTP_REQUEST_BODY, "id=12"}},
	 {{APP_HTTP_REQUEST_BODY, "id=2"}}},
	{HTTP("urilen:4;"),
	 APP_HTTP,
	 false,
	 {{APP_HTTP_RAW_URI, "/abc"}},
	 {{APP_HTTP_RAW_URI, "/abcd"}}},
	{HTTP("urilen:>4,norm; http.uri; content:\"a\";"),
	 APP_HTTP,
	 false,
	 {{APP_HTTP_URI, "/abcd"}},
	 {{APP_HTTP_URI, "/abc"}, {APP_HTTP_RAW_URI, "/abcdef"}}},
	{HTTP("urilen:2<>5;"),
	 APP_HTTP,
	 false,
	 {{APP_HTTP_RAW_URI, "/ab"}},
	 {{APP_HTTP_RAW_URI, "/abcd"}}},
	{DNS("dns.query; content:\"evil.example\"; endswith;"),
	 APP_DNS,
	 false,
	 {{APP_DNS_QUERY, "www.evil.example"}},
	 {{APP_DNS_QUERY, "evil.example.org"}}},
	{DNS("dns_query; content:\"evil\";"),
	 APP_DNS,
	 false,
	 {{APP_DNS_QUERY, "evil"}},
	 {{APP_DNS_QUERY, "good"}}},
	{TLS("tls.sni; content:\"evil\";"),
	 APP_TLS,
	 false,
	 {{APP_TLS_SNI, "evil.com"}},
	 {{APP_TLS_SNI, "good.com"}}},
	{TLS("tls_cert_subject; content:\"CN=evil\";"),
	 APP_TLS,
	 true,
	 {{APP_TLS_CERT_SUBJECT, "CN=evil"}},
	 {{APP_TLS_CERT_ISSUER, "CN=evil"}}},
	{TLS("tls.subject:\"CN=evil\";"),
	 APP_TLS,
	 true,
	 {{APP_TLS_CERT_SUBJECT, "CN=evil"}},
	 {{APP_TLS_CERT_SUBJECT, "CN=good"}}},
	{TLS("tls.issuerdn:!\"CN=evil\";"),
	 APP_TLS,
	 true,
	 {{APP_TLS_CERT_ISSUER, "CN=good"}},
	 {{APP_TLS_CERT_ISSUER, "CN=evil"}}},
	{TLS("tls.fingerprint:\"aa:bb\";"),
	 APP_TLS,
	 true,
	 {{APP_TLS_CERT_FINGERPRINT, "aa:bb"}},
	 {{APP_TLS_CERT_FINGERPRINT, "aa:bc"}}},
	{TLS("ja3.hash; content:\"abcd\";"),
	 APP_TLS,
	 false,
	 {{APP_JA3_HASH, "abcd"}},
	 {{APP_JA3_HASH, "abce"}}},
};

static void fill(struct bench *b, const struct text *text)
{
	for (unsigned i = 0; i < APP_BUFFERS; i++)
		bench_buffer(b, (enum app_buffer)i, 0, NULL);
	for (unsigned i = 0; i < 3 && text[i].text; i++)
		bench_buffer(b, (enum app_buffer)text[i].buffer, 0, text[i].text);
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct case_of *c = &cases[i];
		struct bench *b = bench_open(c->rule);

		bench_to_client(b, c->to_client);
		fill(b, c->attack);
		bench_run_tx(b, c->proto);
		if (!bench_hit(b, 1))
			fail_msg("%s does not match", c->rule);
		fill(b, c->benign);
		bench_run_tx(b, c->proto);
		if (bench_hit(b, 1))
			fail_msg("%s matches what it should not", c->rule);
		/* It says nothing about the packet, the stream, or other protocols. */
		fill(b, c->attack);
		bench_run_packet(b);
		assert_false(bench_hit(b, 1));
		bench_run_tx(b, c->proto == APP_HTTP ? APP_DNS : APP_HTTP);
		assert_false(bench_hit(b, 1));
		bench_close(b);
	}
}

/* Every sticky buffer and every modifier of the table. */
static void test_every_buffer(void **state)
{
	char rule[256];

	(void)state;
	for (unsigned i = APP_PAYLOAD + 1; i < APP_BUFFERS; i++) {
		const struct app_buffer_info *info = &app_buffers[i];
		const char *names[] = {info->name, info->alias, info->modifier};

		for (unsigned k = 0; k < 3; k++) {
			struct bench *b;

			if (!names[k] || info->flags & APP_BUFFER_PACKET)
				continue;
			snprintf(rule, sizeof(rule),
				 k == 2 ? "alert ip any any -> any any (content:\"evil\"; %s; "
					  "sid:1;)"
					: "alert ip any any -> any any (%s; content:\"evil\"; "
					  "sid:1;)",
				 names[k]);
			b = bench_open(rule);
			bench_to_client(b, !(info->flags & APP_BUFFER_TO_SERVER));
			bench_buffer(b, (enum app_buffer)i, 0, "an evil thing");
			bench_run_tx(b, (enum app_proto)info->proto);
			if (!bench_hit(b, 1))
				fail_msg("%s does not match", rule);
			bench_buffer(b, (enum app_buffer)i, 0, "an evi1 thing");
			bench_run_tx(b, (enum app_proto)info->proto);
			if (bench_hit(b, 1))
				fail_msg("%s matches", rule);
			/* Not in the direction that has no such buffer. */
			bench_buffer(b, (enum app_buffer)i, 0, "an evil thing");
			bench_to_client(b, info->flags & APP_BUFFER_TO_SERVER);
			bench_run_tx(b, (enum app_proto)info->proto);
			assert_int_equal(bench_hit(b, 1),
					 info->flags & APP_BUFFER_TO_SERVER &&
						 info->flags & APP_BUFFER_TO_CLIENT);
			bench_close(b);
		}
	}
}

static void test_many(void **state)
{
	struct bench *b = bench_open(
		DNS("dns.query; content:\"a\"; content:\"b\";") "\n"
								"alert dns any any -> any any "
								"(dns.query; content:\"a\"; "
								"dns.query; content:\"b\"; "
								"sid:2;)");

	(void)state;
	/* Each of several by itself: one of them must have it all, or each group another one. */
	bench_buffer(b, APP_DNS_QUERY, 0, "a.org");
	bench_buffer(b, APP_DNS_QUERY, 1, "b.com");
	bench_run_tx(b, APP_DNS);
	assert_false(bench_hit(b, 1));
	assert_true(bench_hit(b, 2));
	bench_buffer(b, APP_DNS_QUERY, 2, "a.b");
	bench_run_tx(b, APP_DNS);
	assert_true(bench_hit(b, 1));
	bench_close(b);
}

#define BIT(which) (1ull << (which))

static void test_steps(void **state)
{
	struct bench *b =
		bench_open(HTTP("http.uri; content:\"/evil\"; http.request_body; "
				"content:\"boom\";") "\n"
						     "alert http any any -> any any "
						     "(http.method; content:\"GET\"; sid:2;)");
	uint64_t line = BIT(APP_HTTP_URI) | BIT(APP_HTTP_METHOD), body = BIT(APP_HTTP_REQUEST_BODY);

	(void)state;
	bench_buffer(b, APP_HTTP_URI, 0, "/evil-path-that-is-long");
	bench_buffer(b, APP_HTTP_METHOD, 0, "GET");
	bench_step_tx(b, APP_HTTP, line, line, false);
	assert_false(bench_hit(b, 1));
	assert_true(bench_hit(b, 2));
	/* The body grows: what was met before is not forgotten, what was told not told again. */
	bench_buffer(b, APP_HTTP_REQUEST_BODY, 0, "bo");
	bench_step_tx(b, APP_HTTP, body, line | body, false);
	assert_int_equal(b->out.count, 0);
	bench_buffer(b, APP_HTTP_REQUEST_BODY, 0, "boom");
	bench_step_tx(b, APP_HTTP, body, line | body, false);
	assert_true(bench_hit(b, 1));
	assert_int_equal(b->out.count, 1);
	bench_buffer(b, APP_HTTP_REQUEST_BODY, 0, "boom boom");
	bench_step_tx(b, APP_HTTP, body, line | body, true);
	assert_int_equal(b->out.count, 0);
	/* Another transaction begins anew. */
	memset(&b->tx, 0, sizeof(b->tx));
	bench_step_tx(b, APP_HTTP, line | body, line | body, true);
	assert_int_equal(b->out.count, 2);
	bench_close(b);
}

/* More rules wait than a transaction has room for: they are found at its end. */
static void test_pending_overflow(void **state)
{
	char rules[40 * 128] = "";
	struct bench *b;

	(void)state;
	for (unsigned i = 1; i <= 40; i++)
		snprintf(rules + strlen(rules), 128,
			 "alert http any any -> any any (http.uri; content:\"/evil\"; "
			 "http.user_agent; content:\"%c%c\"; sid:%u;)\n",
			 'a' + (int)(i / 10), '0' + (int)(i % 10), i);
	b = bench_open(rules);
	bench_buffer(b, APP_HTTP_URI, 0, "/evil/evil/evil");
	bench_step_tx(b, APP_HTTP, BIT(APP_HTTP_URI), BIT(APP_HTTP_URI), false);
	assert_int_equal(b->out.count, 0);
	bench_buffer(b, APP_HTTP_USER_AGENT, 0, "d9");
	bench_step_tx(b, APP_HTTP, BIT(APP_HTTP_USER_AGENT),
		      BIT(APP_HTTP_USER_AGENT) | BIT(APP_HTTP_URI), true);
	assert_true(bench_hit(b, 39));
	assert_int_equal(b->out.count, 1);
	bench_close(b);
}

static void test_payload_in_tx(void **state)
{
	struct bench *b =
		bench_open(HTTP("http.uri; content:\"/evil\"; pkt_data; content:\"raw\";"));

	(void)state;
	bench_buffer(b, APP_HTTP_URI, 0, "/evil");
	b->look.window = (struct app_view){(const uint8_t *)"a raw thing", 11};
	bench_run_tx(b, APP_HTTP);
	assert_true(bench_hit(b, 1));
	b->look.window = (struct app_view){(const uint8_t *)"a row thing", 11};
	bench_run_tx(b, APP_HTTP);
	assert_false(bench_hit(b, 1));
	bench_close(b);
}

static void test_numbers(void **state)
{
	static const struct {
		const char *rule;
		enum rule_number which;
		enum app_proto proto;
		uint32_t attack, benign;
	} numbers[] = {
		{DNS("dns.opcode:4;"), RULE_DNS_OPCODE, APP_DNS, 4, 0},
		{DNS("dns.opcode:!0;"), RULE_DNS_OPCODE, APP_DNS, 4, 0},
		{DNS("dns.rcode:nxdomain;"), RULE_DNS_RCODE, APP_DNS, 3, 0},
		{DNS("dns.rcode:>3;"), RULE_DNS_RCODE, APP_DNS, 4, 3},
		{DNS("dns.rrtype:!TXT;"), RULE_DNS_RRTYPE, APP_DNS, 1, 16},
		{TLS("tls.version:1.2;"), RULE_TLS_VERSION, APP_TLS, 0x303, 0x302},
		{TLS("tls.version:!1.2;"), RULE_TLS_VERSION, APP_TLS, 0x304, 0x303},
		{TLS("tls.version:0x7f12;"), RULE_TLS_VERSION, APP_TLS, 0x7f12, 0x303},
		{TLS("ssl_version:sslv3;"), RULE_TLS_VERSION, APP_TLS, 0x300, 0x301},
		{TLS("ssl_version:tls1.0,tls1.1;"), RULE_TLS_VERSION, APP_TLS, 0x302, 0x303},
		{TLS("ssl_version:!tls1.2;"), RULE_TLS_VERSION, APP_TLS, 0x302, 0x303},
		{TLS("tls.cert_chain_len:>2;"), RULE_TLS_CHAIN_LEN, APP_TLS, 3, 2},
		{TLS("ssl_state:client_hello|server_hello;"), RULE_TLS_STATE, APP_TLS,
		 RULE_TLS_SERVER_HELLO, RULE_TLS_SERVER_KEYX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct bench *b = bench_open(numbers[i].rule);

		bench_run_tx(b, numbers[i].proto);
		assert_false(bench_hit(b, 1)); /* not known: neither this nor that */
		bench_number(b, numbers[i].which, numbers[i].attack);
		bench_run_tx(b, numbers[i].proto);
		if (!bench_hit(b, 1))
			fail_msg("%s does not match", numbers[i].rule);
		bench_number(b, numbers[i].which, numbers[i].benign);
		bench_run_tx(b, numbers[i].proto);
		if (bench_hit(b, 1))
			fail_msg("%s matches", numbers[i].rule);
		bench_close(b);
	}
}

static void test_app_events(void **state)
{
	struct bench *b = bench_open(DNS("app-layer-event:dns.z_flag_set;"));

	(void)state;
	b->has_event = true;
	b->event_kind = RULE_EVENT_APP;
	b->event = APP_DNS * APP_EVENTS_MAX + DNS_EVENT_Z_FLAG_SET;
	bench_run_tx(b, APP_DNS);
	assert_true(bench_hit(b, 1));
	b->event++;
	bench_run_tx(b, APP_DNS);
	assert_false(bench_hit(b, 1));
	bench_close(b);
}

static void test_app_protocol(void **state)
{
	struct frame f = frame_tcp("192.0.2.7", 4000, "10.0.0.1", 80, TCP_ACK, "abc", 3);
	struct bench *b = bench_open(
		"alert tcp any any -> any any (app-layer-protocol:tls; flags:A; sid:1;)\n"
		"alert tcp any any -> any any (app-layer-protocol:!tls; flags:A; sid:2;)\n"
		"alert tcp any any -> any any (app-layer-protocol:failed; flags:A; sid:3;)\n"
		"alert http any any -> any any (flags:A; sid:4;)");

	(void)state;
	bench_packet(b, &f);
	bench_run_packet(b);
	assert_int_equal(b->out.count, 0);
	b->look.proto = b->look.said = APP_TLS;
	bench_run_packet(b);
	assert_true(b->out.count == 1 && bench_hit(b, 1));
	b->look.proto = b->look.said = APP_HTTP;
	bench_run_packet(b);
	assert_true(b->out.count == 2 && bench_hit(b, 2) && bench_hit(b, 4));
	b->look.proto = b->look.said = APP_FAILED;
	bench_run_packet(b);
	assert_true(b->out.count == 2 && bench_hit(b, 2) && bench_hit(b, 3));
	bench_close(b);
}

/* --- streams ------------------------------------------------------------------------------------
 */

#define STREAM(options) "alert tcp any any -> any any (" options " sid:1;)"

/* In pieces of each size the rule is found exactly once, at the same octet. */
static void test_stream_pieces(void **state)
{
	static const char all[] = "----- first -- second and nothing else ---------------------";
	size_t len = sizeof(all) - 1;

	(void)state;
	for (size_t piece = 1; piece <= len; piece++) {
		struct bench *b =
			bench_open(STREAM("content:\"first\"; content:\"second\"; distance:0; "
					  "within:12;") "\n"
							"alert tcp any any -> any any "
							"(content:\"first\"; fast_pattern; "
							"content:\"third\"; sid:2;)");
		unsigned hits = 0;

		for (size_t at = 0; at < len; at += piece) {
			size_t n = len - at < piece ? len - at : piece;

			bench_run_stream(b, all, at, n, n + 40);
			hits += bench_hit(b, 1);
			assert_false(bench_hit(b, 2));
		}
		assert_int_equal(hits, 1);
		bench_close(b);
	}
}

static void test_stream_window(void **state)
{
	static const char all[] = "first--------------------------------second";
	struct bench *b =
		bench_open(STREAM("content:\"first\"; fast_pattern; content:\"second\";"));

	(void)state;
	/* The window has lost the first when the second comes. */
	for (size_t at = 0; at < sizeof(all) - 1; at++) {
		bench_run_stream(b, all, at, 1, 16);
		assert_false(bench_hit(b, 1));
	}
	assert_int_equal(b->stream.count, 0);
	bench_close(b);
}

static void test_stream_place(void **state)
{
	static const char all[] = "abcdefabcdefabcdef";
	struct bench *b = bench_open(
		"alert tcp-stream any any -> any any (content:\"def\"; depth:6; sid:1;)\n"
		"alert tcp-stream any any -> any any (content:\"abc\"; offset:10; sid:2;)\n"
		"alert tcp-stream any any -> any any (content:\"abc\"; startswith; sid:3;)");
	unsigned hits[4] = {0};

	(void)state;
	/* Offset and depth count from the beginning of the stream, not of what is in the window. */
	for (size_t at = 0; at < sizeof(all) - 1; at += 3) {
		bench_run_stream(b, all, at, 3, 6);
		for (unsigned sid = 1; sid <= 3; sid++)
			hits[sid] += bench_hit(b, sid);
	}
	assert_int_equal(hits[1], 1);
	assert_int_equal(hits[2], 1);
	assert_int_equal(hits[3], 1);
	bench_close(b);
}

static void test_stream_pending(void **state)
{
	/* More rules wait than there is room for: counted, the latest stay. */
	char rules[20 * 128] = "";
	struct bench *b;

	(void)state;
	for (unsigned i = 1; i <= 20; i++)
		snprintf(rules + strlen(rules), 128,
			 "alert tcp any any -> any any (content:\"begin\"; fast_pattern; "
			 "content:\"%c\"; distance:0; sid:%u;)\n",
			 'A' + (int)i, i);
	b = bench_open(rules);
	bench_run_stream(b, "beginU", 0, 5, 100);
	assert_int_equal(b->stats.pending_overflow, 20 - MATCHER_PENDING);
	bench_run_stream(b, "beginU", 5, 1, 100);
	assert_int_equal(b->out.count, 1);
	assert_true(bench_hit(b, 20));
	bench_close(b);
}

static void test_stream_protocol(void **state)
{
	/* The pattern comes before the flow's protocol is known. */
	struct bench *b = bench_open("alert http any any -> any any (content:\"evil\"; sid:1;)");

	(void)state;
	bench_run_stream(b, "evil-", 0, 4, 100);
	assert_false(bench_hit(b, 1));
	b->look.proto = APP_HTTP;
	bench_run_stream(b, "evil-", 4, 1, 100);
	assert_true(bench_hit(b, 1));
	memset(&b->stream, 0, sizeof(b->stream));
	b->look.proto = APP_TLS;
	bench_run_stream(b, "evil-", 0, 4, 100);
	assert_int_equal(b->stream.count, 0);
	bench_close(b);
}

static void test_packets_and_streams(void **state)
{
	struct frame f = frame_tcp("192.0.2.7", 4000, "10.0.0.1", 80, TCP_ACK, "evil", 4);
	struct bench *b = bench_open(
		"alert tcp any any -> any any (content:\"evil\"; sid:1;)\n"
		"alert tcp-pkt any any -> any any (content:\"evil\"; sid:2;)\n"
		"alert tcp-stream any any -> any any (content:\"evil\"; sid:3;)\n"
		"alert tcp any any -> any any (content:\"evil\"; depth:4; sid:4;)\n"
		"alert tcp any any -> any any (content:\"evil\"; dsize:4; sid:5;)\n"
		"alert tcp any any -> any any (content:\"evil\"; flow:only_stream; sid:6;)\n"
		"alert tcp any any -> any any (content:\"evil\"; flow:no_stream; sid:7;)");

	(void)state;
	bench_packet(b, &f);
	bench_run_packet(b);
	assert_int_equal(b->out.count, 4);
	assert_true(bench_hit(b, 2) && bench_hit(b, 4) && bench_hit(b, 5) && bench_hit(b, 7));
	bench_run_stream(b, "evil", 0, 4, 100);
	/* 4 has matched with the packet already. */
	assert_int_equal(b->out.count, 3);
	assert_true(bench_hit(b, 1) && bench_hit(b, 3) && bench_hit(b, 6));
	bench_close(b);
}

static const struct {
	const char *rule, *why;
} refused[] = {
	{HTTP("http_uri;"), "without a content"},
	{HTTP("content:\"a\"; http_uri; http_header;"), "another buffer"},
	{HTTP("http.uri; content:\"a\"; http_header;"), "another buffer"},
	{HTTP("http.uri:x; content:\"a\";"), "no value"},
	{HTTP("dns.query; content:\"a\";"), "another protocol"},
	{HTTP("http.uri; content:\"a\"; dns.query; content:\"b\";"), "another protocol"},
	{"alert udp any any -> any any (http.uri; content:\"a\"; sid:1;)", "another protocol"},
	{"alert icmp any any -> any any (dns.query; content:\"a\"; sid:1;)", "another protocol"},
	{HTTP("http.uri; content:\"a\"; http.stat_code; content:\"200\";"), "only responses"},
	{HTTP("flow:to_client; http.uri; content:\"a\";"), "only responses"},
	{HTTP("http.uri; content:\"a\"; dsize:4;"), "packets"},
	{HTTP("urilen:;"), "needs a value"},
	{HTTP("urilen:a;"), "bad number"},
	{HTTP("urilen:1,both;"), "norm nor raw"},
	{HTTP("content:\"ab\"; http_uri; depth:1;"), "longer"},
	{HTTP("uricontent:a;"), "quotes"},
	{DNS("dns.opcode:x;"), "bad number"},
	{DNS("dns.rcode:never;"), "bad number"},
	{DNS("dns.rrtype:never;"), "bad number"},
	{HTTP("dns.opcode:1;"), "another protocol"},
	{TLS("tls.version:9;"), "unknown"},
	{TLS("tls.version:0x;"), "bad number"},
	{TLS("ssl_version:sslv9;"), "unknown"},
	{TLS("ssl_version:sslv2,tls1.2;"), "neighbouring"},
	{TLS("ssl_state:done;"), "unknown"},
	{TLS("tls.cert_chain_len:x;"), "bad number"},
	{TLS("tls.subject:x;"), "quotes"},
	{TLS("tls.issuerdn:\"\";"), "empty"},
	{TLS("tls.fingerprint:x;"), "quotes"},
	{DNS("app-layer-event:dns.nothing;"), "unknown"},
	{DNS("app-layer-event:http.missing_host_header;"), "another protocol"},
	{TLS("app-layer-protocol:http;"), "names a protocol"},
	{"alert tcp any any -> any any (app-layer-protocol:smb; sid:1;)", "not parsed"},
	{"alert tcp-pkt any any -> any any (content:\"a\"; flow:only_stream; sid:1;)", "streams"},
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
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_every_buffer),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_pending_overflow),
		cmocka_unit_test(test_payload_in_tx),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_app_events),
		cmocka_unit_test(test_app_protocol),
		cmocka_unit_test(test_stream_pieces),
		cmocka_unit_test(test_stream_window),
		cmocka_unit_test(test_stream_place),
		cmocka_unit_test(test_stream_pending),
		cmocka_unit_test(test_stream_protocol),
		cmocka_unit_test(test_packets_and_streams),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
