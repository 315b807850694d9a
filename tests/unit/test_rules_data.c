/* pcre, byte_*, bsize, base64_data and transforms on the buffers of transactions and of streams. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/rule_bench.h"

#define HTTP(options) "alert http any any -> any any (" options " sid:1;)"

static const struct {
	const char *rule;
	enum app_buffer buffer;
	const char *hit, *miss;
} cases[] = {
	{HTTP("pcre:\"/id=\\d+$/U\";"), APP_HTTP_URI, "/?id=12", "/?id=12x"},
	{HTTP("pcre:!\"/id=\\d+$/U\";"), APP_HTTP_URI, "/?id=x", "/?id=12"},
	{"alert tcp any any -> any any (pcre:\"/evil/V\"; sid:1;)", APP_HTTP_USER_AGENT, "evil",
	 "good"},
	{HTTP("pcre:\"/^evil$/W\";"), APP_HTTP_HOST, "evil", "evil.org"},
	{HTTP("http.uri; pcre:\"/^.a/\"; content:\"b\"; within:1;"), APP_HTTP_URI, "/ab", "/a-b"},
	{HTTP("content:\"id=\"; http_uri; pcre:\"/^\\d/UR\";"), APP_HTTP_URI, "id=x&id=1", "id=x1"},
	/* a relative condition without a buffer of its own looks where the one before looks */
	{HTTP("content:\"id=\"; http_uri; byte_test:2,=,12,0,relative,string,dec;"), APP_HTTP_URI,
	 "/?id=12", "/?id=13"},
	{HTTP("content:\"id=\"; http_uri; isdataat:!1,relative;"), APP_HTTP_URI, "/?id=", "/?id=1"},
	{HTTP("http.uri; bsize:4;"), APP_HTTP_URI, "/abc", "/abcd"},
	{HTTP("http.uri; bsize:3<>6; content:\"/\";"), APP_HTTP_URI, "/abc", "/abcde"},
	{HTTP("http.uri; bsize:>4; content:\"/\";"), APP_HTTP_URI, "/abcd", "/abc"},
	{HTTP("content:\"k=\"; http_uri; base64_decode:bytes 8, offset 0, relative; base64_data; "
	      "content:\"foobar\";"),
	 APP_HTTP_URI, "/?k=Zm9vYmFy", "/?k=Zm9vYmFz"},
	{HTTP("http.uri; base64_decode:offset 1; base64_data; pcre:\"/^fo+$/\";"), APP_HTTP_URI,
	 "/Zm9v", "/Zm9vYmFy"},
	{HTTP("http.host; dotprefix; content:\".example.org\"; endswith;"), APP_HTTP_HOST,
	 "example.org", "badexample.org"},
	{HTTP("http.uri; url_decode; to_lowercase; content:\"/evil\";"), APP_HTTP_URI, "/%45VIL",
	 "/%46VIL"},
	/* one use of a buffer is transformed, the other is not */
	{HTTP("http.uri; to_uppercase; content:\"AB\"; http.uri; content:\"ab\";"), APP_HTTP_URI,
	 "/ab", "/AB"},
	{HTTP("http.uri; content:\"ab\"; http.uri; to_uppercase; content:\"AB\"; startswith;"),
	 APP_HTTP_URI, "ab", "/ab"},
};

static void test_buffers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int hit = 0; hit < 2; hit++) {
			struct bench *b = bench_open(cases[i].rule);

			bench_buffer(b, cases[i].buffer, 0, hit ? cases[i].hit : cases[i].miss);
			bench_run_tx(b, APP_HTTP);
			if (bench_hit(b, 1) != hit)
				fail_msg("%s: %s", cases[i].rule,
					 hit ? cases[i].hit : cases[i].miss);
			bench_close(b);
		}
	}
}

static void test_stream(void **state)
{
	/* A pattern over the border of two segments; ^ only at the begin of the stream. */
	struct bench *b = bench_open("alert tcp any any -> any any (pcre:\"/ev.l/\"; sid:1;)\n"
				     "alert tcp any any -> any any (pcre:\"/^aa/\"; sid:2;)\n"
				     "alert tcp any any -> any any (byte_test:1,=,0x65,4; sid:3;)");

	(void)state;
	bench_run_stream(b, "aaaaevil", 0, 6, 100);
	assert_false(bench_hit(b, 1));
	assert_true(bench_hit(b, 2));
	assert_true(bench_hit(b, 3));
	bench_run_stream(b, "aaaaevil", 6, 2, 100);
	assert_true(bench_hit(b, 1));
	bench_close(b);
	b = bench_open("alert tcp any any -> any any (pcre:\"/^aa/\"; sid:2;)\n"
		       "alert tcp any any -> any any (byte_test:1,=,0x65,4; sid:3;)\n"
		       "alert tcp any any -> any any (byte_test:1,=,0x61,0; sid:4;)");
	bench_run_stream(b, "aaaaeaaa", 4, 4, 4); /* the window begins at 4 */
	assert_false(bench_hit(b, 2));
	assert_true(bench_hit(b, 3));
	assert_false(bench_hit(b, 4));
	bench_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buffers),
		cmocka_unit_test(test_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
