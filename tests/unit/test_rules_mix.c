/* Rules that mix families of conditions: patterns, numbers and transforms in the buffers of
 * transactions, and what of it goes into the automata. */
#include <stdio.h>

#include "tests/unit/rule_bench.h"

#define HTTP(options) "alert http any any -> any any (" options " sid:1;)"
#define DNS(options)  "alert dns any any -> any any (" options " sid:1;)"

struct text {
	uint8_t buffer, index;
	const char *text;
};

struct case_of {
	const char *rule;
	enum app_proto proto;
	struct text attack[3], benign[3]; /* NULL ends them */
};

#define URI(text)                                                                                  \
	{                                                                                          \
		APP_HTTP_URI, 0, text                                                              \
	}
#define HEADER(text)                                                                               \
	{                                                                                          \
		APP_HTTP_HEADER, 0, text                                                           \
	}
#define HOST(text)                                                                                 \
	{                                                                                          \
		APP_HTTP_HOST, 0, text                                                             \
	}
#define BODY(text)                                                                                 \
	{                                                                                          \
		APP_HTTP_REQUEST_BODY, 0, text                                                     \
	}

static const struct case_of cases[] = {
	/* pcre: by its flag, in the sticky buffer, relative to what stands in the same buffer */
	{HTTP("pcre:\"/^\\/[a-f]{4}\\.php$/U\";"),
	 APP_HTTP,
	 {URI("/beef.php")},
	 {URI("/beeg.php"), HEADER("/beef.php")}},
	{HTTP("http.uri; pcre:\"/^\\/[a-f]{4}\\.php$/\";"),
	 APP_HTTP,
	 {URI("/beef.php")},
	 {URI("/beeg.php")}},
	{HTTP("http.uri; pcre:\"/^\\/[a-f]{4}\\.php$/U\";"),
	 APP_HTTP,
	 {URI("/beef.php")},
	 {URI("/beeg.php")}},
	{HTTP("content:\"id=\"; http_uri; pcre:\"/^\\d+$/RU\";"),
	 APP_HTTP,
	 {URI("/?id=x&id=12")},
	 {URI("/12?id=x")}},
	{HTTP("http.uri; content:\"id=\"; pcre:\"/^\\d+$/R\";"),
	 APP_HTTP,
	 {URI("/?id=x&id=12")},
	 {URI("/12?id=x")}},
	{HTTP("content:\"a\"; http_uri; content:\"b\"; http_header; pcre:\"/^c/UR\";"),
	 APP_HTTP,
	 {URI("ac"), HEADER("bd")},
	 {URI("ad"), HEADER("bc")}},
	{HTTP("http.uri; pcre:\"/id=\\d/\"; content:\"&b\"; distance:0; within:2;"),
	 APP_HTTP,
	 {URI("/?id=1&id=2&b")},
	 {URI("/?id=1&&b")}},
	{HTTP("http.uri; content:\"a\"; pcre:!\"/b+c/\";"), APP_HTTP, {URI("abb")}, {URI("abbc")}},
	{HTTP("content:\"POST\"; http_method; pcre:\"/^k=[0-9]+$/P\";"),
	 APP_HTTP,
	 {{APP_HTTP_METHOD, 0, "POST"}, BODY("k=1")},
	 {{APP_HTTP_METHOD, 0, "POST"}, BODY("k=x")}},
	{HTTP("pcre:\"/^evil\\./W\";"), APP_HTTP, {HOST("evil.com")}, {HOST("devil.com")}},
	/* each of several by itself */
	{DNS("dns.query; pcre:\"/^a/\"; pcre:\"/z$/\";"),
	 APP_DNS,
	 {{APP_DNS_QUERY, 0, "b"}, {APP_DNS_QUERY, 1, "a.z"}},
	 {{APP_DNS_QUERY, 0, "a"}, {APP_DNS_QUERY, 1, "z"}}},
	/* numbers */
	{HTTP("http.uri; bsize:4; content:\"/a\";"), APP_HTTP, {URI("/abc")}, {URI("/abcd")}},
	{HTTP("http.uri; bsize:>4;"), APP_HTTP, {URI("/abcd")}, {URI("/abc")}},
	{HTTP("http.uri; content:\"n=\"; byte_extract:1,0,n,relative,string,dec; content:\"x\"; "
	      "distance:n; within:1;"),
	 APP_HTTP,
	 {URI("/n=3...x")},
	 {URI("/n=3..x.")}},
	{HTTP("http.uri; content:\"n=\"; byte_test:0,>,500,0,relative,string,dec;"),
	 APP_HTTP,
	 {URI("/n=501")},
	 {URI("/n=500")}},
	{HTTP("content:\"n=\"; http_uri; byte_test:3,>,500,0,relative,string,dec;"),
	 APP_HTTP,
	 {URI("/n=501")},
	 {URI("/n=500")}},
	{HTTP("content:\"n=\"; http_uri; urilen:>2; byte_test:3,>,500,0,relative,string,dec;"),
	 APP_HTTP,
	 {URI("/n=501"), {APP_HTTP_RAW_URI, 0, "/n=501"}},
	 {URI("/n=500"), {APP_HTTP_RAW_URI, 0, "/n=501"}}},
	{HTTP("http.uri; content:\"n=\"; byte_jump:1,0,relative,string,dec; content:\"x\"; "
	      "distance:0; within:1;"),
	 APP_HTTP,
	 {URI("/n=9n=1.x")},
	 {URI("/n=9n=1x.")}},
	{HTTP("http.uri; content:\"a\"; isdataat:!1,relative;"),
	 APP_HTTP,
	 {URI("/ab/a")},
	 {URI("/ab")}},
	{HTTP("http.uri; content:\"a\"; http.header; content:\"b\"; isdataat:2,relative;"),
	 APP_HTTP,
	 {URI("a"), HEADER("b..")},
	 {URI("a.."), HEADER("b.")}},
	/* a variable of one buffer in another */
	{HTTP("http.uri; byte_extract:1,1,n,string,dec; http.header; content:\"x\"; offset:n; "
	      "depth:1;"),
	 APP_HTTP,
	 {URI("/2"), HEADER("..x")},
	 {URI("/1"), HEADER("..x")}},
	/* base64 */
	{HTTP("http.header; content:\"Basic \"; base64_decode:bytes 12, relative; base64_data; "
	      "content:\"admin\"; startswith;"),
	 APP_HTTP,
	 {HEADER("Basic YWRtaW46eA==")},
	 {HEADER("Basic dXNlcjphZG1pbg==")}},
	{HTTP("http.uri; content:\"k=\"; base64_decode:relative; base64_data; pcre:\"/^admin$/\";"),
	 APP_HTTP,
	 {URI("k=YWRtaW4")},
	 {URI("k=YWRtaW5z")}},
	/* transforms: of what follows their buffer alone */
	{DNS("dns.query; dotprefix; content:\".evil.com\"; endswith; nocase;"),
	 APP_DNS,
	 {{APP_DNS_QUERY, 0, "x"}, {APP_DNS_QUERY, 1, "Evil.com"}},
	 {{APP_DNS_QUERY, 0, "devil.com"}}},
	{DNS("dns.query; dotprefix; content:\".evil.com\"; endswith; fast_pattern;"),
	 APP_DNS,
	 {{APP_DNS_QUERY, 0, "a.evil.com"}},
	 {{APP_DNS_QUERY, 0, "evil.com.org"}}},
	{DNS("dns.query; dotprefix; content:\".\"; startswith; content:\"b\"; distance:1; "
	     "within:1;"),
	 APP_DNS,
	 {{APP_DNS_QUERY, 0, "ab"}},
	 {{APP_DNS_QUERY, 0, "aab"}, {APP_DNS_QUERY, 1, "b"}}},
	{HTTP("http.uri; url_decode; content:\"<a>\"; http.header; content:\"%\";"),
	 APP_HTTP,
	 {URI("/%3Ca%3e"), HEADER("%")},
	 {URI("/%3Ca%3e"), HEADER("<a>")}},
	{HTTP("http.uri; content:\"%3C\"; http.uri; url_decode; content:\"<\"; endswith;"),
	 APP_HTTP,
	 {URI("/%3C")},
	 {URI("/<")}},
	{HTTP("http.uri; url_decode; content:\"<\"; http.uri; content:\"%3C\"; endswith;"),
	 APP_HTTP,
	 {URI("/%3C")},
	 {URI("/<")}},
	{HTTP("http.uri; to_sha1; content:\"|a9 99 3e 36 47 06 81 6a ba 3e 25 71 78 50 c2 6c 9c d0 "
	      "d8 9d|\"; bsize:20;"),
	 APP_HTTP,
	 {URI("abc")},
	 {URI("abd")}},
	{HTTP("http.header; strip_whitespace; to_lowercase; content:\"a:b\"; pcre:\"/^c/R\";"),
	 APP_HTTP,
	 {HEADER("A: b\r\nC")},
	 {HEADER("A: b\r\nD")}},
};

static void set(struct bench *b, const struct text *t, bool there)
{
	for (size_t i = 0; i < 3 && t[i].text; i++)
		bench_buffer(b, (enum app_buffer)t[i].buffer, t[i].index, there ? t[i].text : NULL);
}

static bool matches(struct bench *b, const struct case_of *c, const struct text *t)
{
	bool hit;

	set(b, t, true);
	bench_run_tx(b, c->proto);
	hit = bench_hit(b, 1);
	set(b, t, false);
	return hit;
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bench *b = bench_open(cases[i].rule);

		if (!matches(b, &cases[i], cases[i].attack))
			fail_msg("%s does not match", cases[i].rule);
		if (matches(b, &cases[i], cases[i].benign))
			fail_msg("%s matches", cases[i].rule);
		bench_close(b);
	}
}

static const struct {
	const char *options;
	bool always; /* looked at whatever the buffer holds */
} prefilters[] = {
	{"http.uri; content:\".evil\";", false},
	{"http.uri; dotprefix; content:\".evil\";", false},
	{"http.uri; dotprefix; to_lowercase; content:\".evil\"; fast_pattern;", false},
	{"http.uri; dotprefix; content:\".evil\"; fast_pattern:0,2;", false},
	{"http.uri; to_uppercase; content:\"EVIL\";", false},
	{"http.uri; url_decode; content:\"evil\"; fast_pattern;", true},
	{"http.uri; url_decode; content:\"evil\"; http.header; content:\"x\";", false},
	{"http.uri; dotprefix; content:\".\";", true},
	{"http.uri; dotprefix; content:\".evil\"; fast_pattern:0,1;", true},
	{"pcre:\"/evil/U\";", true},
};

/* The automaton sees a buffer as it was: what is searched there must be in it. */
static void test_prefilter(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(prefilters) / sizeof(prefilters[0]); i++) {
		char rule[256];
		struct bench *b;

		snprintf(rule, sizeof(rule), "alert http any any -> any any (%s sid:1;)",
			 prefilters[i].options);
		b = bench_open(rule);
		bench_buffer(b, APP_HTTP_URI, 0, "/good");
		bench_run_tx(b, APP_HTTP);
		if ((b->stats.candidates == 1) != prefilters[i].always)
			fail_msg("%s: %u candidates", prefilters[i].options,
				 (unsigned)b->stats.candidates);
		bench_close(b);
	}
}

static const struct {
	const char *rule, *why;
} refused[] = {
	{HTTP("http.header; pcre:\"/a/U\";"), "contradicts the buffer"},
	{HTTP("http.uri; bsize:a;"), "bsize"},
	{HTTP("bsize:5;"), "sticky buffer"},
	{HTTP("base64_data; base64_decode;"), "base64_decode of base64_data"},
	{HTTP("http.uri; content:\"a\"; distance:n;"), "variable n is not set"},
	{DNS("pcre:\"/a/U\";"), "another protocol"},
	{HTTP("http.host; pcre:\"/A/\";"), "upper case"},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		world_refused(refused[i].rule, refused[i].why);
}

/* A pattern over the octets of a stream, across pieces. */
static void test_stream(void **state)
{
	static const char all[] = "....GET /abc123 done";
	struct bench *b = bench_open("alert tcp any any -> any any (content:\"GET /\"; "
				     "pcre:\"/^[a-z]+\\d+ d/R\"; sid:1;)");

	(void)state;
	bench_run_stream(b, all, 0, 12, 100);
	assert_false(bench_hit(b, 1));
	bench_run_stream(b, all, 12, sizeof(all) - 13, 100);
	assert_true(bench_hit(b, 1));
	bench_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_prefilter),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
