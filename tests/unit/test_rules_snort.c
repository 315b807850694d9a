/* Snort 3's dialect: what it writes in another way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ids/rules/compile/compile.h"
#include "tests/unit/rule_bench.h"

struct refusal {
	unsigned count;
	char reason[256];
};

static void on_refused(void *ctx, const char *file, unsigned line, uint32_t sid, const char *reason)
{
	struct refusal *r = ctx;

	(void)file;
	(void)line;
	(void)sid;
	r->count++;
	snprintf(r->reason, sizeof(r->reason), "%s", reason);
}

static void *compile(const char *rules, size_t *len, struct refusal *r)
{
	struct compiler *c = compiler_new(on_refused, r);
	void *blob = NULL;

	compiler_dialect(c, DIALECT_SNORT);
	compiler_text(c, "test", rules, strlen(rules));
	assert_int_equal(compiler_finish(c, &blob, len), 0);
	compiler_free(c);
	return blob;
}

static struct bench *open_snort(const char *rules)
{
	struct refusal r = {0};
	size_t len;
	void *blob = compile(rules, &len, &r);

	if (r.count)
		fail_msg("%s refused: %s", rules, r.reason);
	return bench_open_blob(blob, len);
}

#define UDP(options) "alert udp any any -> any any ( " options " sid:1; )"

static void test_contents(void **state)
{
	static const struct {
		const char *rule, *attack, *benign;
	} cases[] = {
		{UDP("content:\"EviL\",nocase;"), "xx eVIl", "xx ev il"},
		{UDP("content:\"abc\", offset 2, depth 4;"), "xxxabc", "xxxxabc"},
		{UDP("content:!\"abc\",depth 5;"), "xxxabc", "xxabcx"},
		{UDP("content:\"ab\"; content:\"cd\",distance 1,within 3;"), "ab--cd", "ab---cd"},
		{UDP("content:\"abcdef\",fast_pattern,fast_pattern_offset 1,fast_pattern_length "
		     "3;"),
		 "abcdef", "abcdeg"},
		{UDP("content:\"abcdef\",fast_pattern_offset 2,fast_pattern;"), "abcdef", "abcde"},
		{UDP("content:\"a,b\\\"c\";"), "a,b\"c", "a,b\"d"},
		{UDP("content:\"a|2C|b\",nocase;"), "A,B", "A;B"},
		{UDP("content:\"a;b\";"), "a;b", "a,b"},
		{UDP("raw_data; content:\"abc\"; service:sip; rem:\"a remark\";"), "abc", "abd"},
		{UDP("bufferlen:4;"), "four", "five5"},
		{UDP("bufferlen:4<=>5;"), "five5", "sixsix"},
		{UDP("bufferlen:>4; content:\"a\";"), "aaaaa", "aaaa"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bench *b = open_snort(cases[i].rule);

		for (unsigned miss = 0; miss < 2; miss++) {
			const char *text = miss ? cases[i].benign : cases[i].attack;
			struct frame f = frame_udp("1.1.1.1", 1, "2.2.2.2", 2, text, strlen(text));

			bench_packet(b, &f);
			bench_run_packet(b);
			if (bench_hit(b, 1) == miss)
				fail_msg("%s on %s", cases[i].rule, text);
		}
		bench_close(b);
	}
}

#define HTTP(options) "alert http ( " options " sid:1; )"

static void test_buffers(void **state)
{
	static const struct {
		const char *rule;
		enum app_buffer buffer;
		bool to_client;
	} cases[] = {
		{HTTP("http_uri; content:\"evil\",fast_pattern;"), APP_HTTP_URI, false},
		{HTTP("http_raw_uri; content:\"evil\";"), APP_HTTP_RAW_URI, false},
		{HTTP("http_client_body; content:\"evil\";"), APP_HTTP_REQUEST_BODY, false},
		{HTTP("http_method; content:\"evil\";"), APP_HTTP_METHOD, false},
		{HTTP("http_header; content:\"evil\";"), APP_HTTP_HEADER, false},
		{HTTP("http_header:field user-agent; content:\"evil\";"), APP_HTTP_USER_AGENT,
		 false},
		{HTTP("http_cookie; content:\"evil\";"), APP_HTTP_COOKIE, false},
		{HTTP("http_stat_code; content:\"evil\";"), APP_HTTP_STAT_CODE, true},
		{HTTP("flow:to_client,established; file_data; content:\"evil\";"), APP_FILE_DATA,
		 true},
		{"alert file ( file_data; content:\"evil\"; sid:1; )", APP_FILE_DATA, true},
		{HTTP("http_uri; bufferlen:4;"), APP_HTTP_URI, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bench *b = open_snort(cases[i].rule);

		bench_to_client(b, cases[i].to_client);
		bench_buffer(b, cases[i].buffer, 0, "evil");
		bench_run_tx(b, APP_HTTP);
		if (!bench_hit(b, 1))
			fail_msg("%s does not match", cases[i].rule);
		bench_buffer(b, cases[i].buffer, 0, "ev1l!");
		bench_run_tx(b, APP_HTTP);
		if (bench_hit(b, 1))
			fail_msg("%s matches", cases[i].rule);
		bench_close(b);
	}
}

static void test_sticky(void **state)
{
	/* Sticky until the next: the second content looks into the uri as well. */
	struct bench *b = open_snort(HTTP("http_uri; content:\"a\"; content:\"b\",distance 0; "
					  "pkt_data; content:\"c\";"));

	(void)state;
	b->look.window = (struct app_view){(const uint8_t *)"c", 1};
	bench_buffer(b, APP_HTTP_URI, 0, "ab");
	bench_run_tx(b, APP_HTTP);
	assert_true(bench_hit(b, 1));
	bench_buffer(b, APP_HTTP_URI, 0, "ba");
	bench_run_tx(b, APP_HTTP);
	assert_false(bench_hit(b, 1));
	bench_close(b);
}

static void test_flowbits(void **state)
{
	struct bench *b = open_snort(
		"alert udp any any -> any any ( content:\"s\"; flowbits:set,a&b; sid:1; )\n"
		"alert udp any any -> any any ( content:\"t\"; flowbits:isset,a&b; sid:2; )\n"
		"alert udp any any -> any any ( content:\"t\"; flowbits:isset,a&c; sid:3; )\n"
		"alert udp any any -> any any ( content:\"t\"; flowbits:isset,c|b; sid:4; )\n"
		"block udp any any -> any any ( content:\"t\"; flowbits:isset,c; sid:5; )");
	struct frame s = frame_udp("1.1.1.1", 1, "2.2.2.2", 2, "s", 1);
	struct frame t = frame_udp("1.1.1.1", 1, "2.2.2.2", 2, "t", 1);

	(void)state;
	assert_int_equal(b->blob.rule[0].action, BLOB_DROP);
	bench_packet(b, &s);
	bench_run_packet(b);
	bench_packet(b, &t);
	bench_run_packet(b);
	assert_true(b->out.count == 2 && bench_hit(b, 2) && bench_hit(b, 4));
	bench_close(b);
}

static void test_refused(void **state)
{
	static const struct {
		const char *rule, *why;
	} refused[] = {
		{UDP("content:abc;"), "quotes"},
		{UDP("content:\"abc;"), "semicolon"},
		{UDP("content:\"abc\" nocase;"), "no comma"},
		{UDP("content:\"abc\",upcase;"), "unknown option"},
		{UDP("content:\"abc\",nocase 1;"), "wrong value"},
		{UDP("content:\"abc\",depth;"), "wrong value"},
		{UDP("content:\"abc\",depth 2;"), "longer"},
		{UDP("content:\"abc\",fast_pattern,fast_pattern_offset 2,fast_pattern_length 2;"),
		 "outside"},
		{UDP("content:\"abc\",fast_pattern_length 0;"), "bad offset or length"},
		{UDP("bufferlen:5<=>4;"), "bad range"},
		{UDP("bufferlen;"), "needs a value"},
		{UDP("raw_data:1;"), "no value"},
		{HTTP("http_header:field x-none; content:\"a\";"), "no buffer of its own"},
		{HTTP("http_header:all; content:\"a\";"), "unknown option"},
		{"alert http any ( sid:1; )", "incomplete"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct refusal r = {0};
		size_t len;

		free(compile(refused[i].rule, &len, &r));
		if (r.count != 1 || !strstr(r.reason, refused[i].why))
			fail_msg("%s: %u refused, reason: %s", refused[i].rule, r.count, r.reason);
	}
	/* And what is Snort's alone is none of Suricata's. */
	world_refused(UDP("content:\"abc\",nocase;"), "quote");
	world_refused("alert http ( sid:1; )", "incomplete");
	world_refused(UDP("bufferlen:4;"), "bufferlen");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contents), cmocka_unit_test(test_buffers),
		cmocka_unit_test(test_sticky),	 cmocka_unit_test(test_flowbits),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
