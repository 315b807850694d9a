/* HTTP: each exchange whole, octet by octet, and cut at every place in two, gives the same buffers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include "ids/app/http.h"
#include "tests/unit/app_world.h"

struct text {
	const char *at;
	size_t len;
};
#define T(s)                                                                                       \
	(struct text)                                                                              \
	{                                                                                          \
		s, sizeof(s) - 1                                                                   \
	}

enum cut { WHOLE, OCTETS, IN_TWO };

static void feed(struct app_world *w, bool to_server, struct text t, enum cut cut, size_t where,
		 bool last)
{
	size_t at = 0;

	while (at < t.len) {
		size_t n = cut == WHOLE ? t.len : cut == OCTETS ? 1 : at ? t.len - at : where;

		n = n && n < t.len - at ? n : t.len - at;
		app_world_data(w, to_server, t.at + at, n, 0);
		at += n;
	}
	if (last)
		app_world_data(w, to_server, NULL, 0, APP_EOF);
}

static void exchange(struct app_world *w, struct text q, struct text r, enum cut cut, size_t where)
{
	app_world_open(w, NULL, true, 40000, 80);
	feed(w, true, q, cut, where, false);
	feed(w, false, r, cut, where, true);
	feed(w, true, T(""), cut, 0, true);
	app_world_end(w);
}

static struct app_world world, other;

/* Run it whole, and in all other ways; all must agree. The whole one stays in `world`. */
static void run_text(struct text q, struct text r)
{
	size_t most = q.len > r.len ? q.len : r.len;

	exchange(&world, q, r, WHOLE, 0);
	for (size_t i = 0; i <= most; i++) {
		const char *why;

		exchange(&other, q, r, i ? IN_TWO : OCTETS, i);
		why = app_world_differs(&world, &other);
		app_world_close(&other);
		if (why)
			fail_msg("cut at %zu: %s\n%s\n%s", i, why, q.at, r.at);
	}
}
#define RUN(q, r) run_text(T(q), T(r))

static void expect(unsigned tx, enum app_buffer which, bool to_server, const char *want)
{
	const struct kept *k = &world.tx[tx].buffer[to_server][which];

	if (!want) {
		if (k->there)
			fail_msg("%s is there: %s", app_buffers[which].name, k->at);
		return;
	}
	if (!k->there)
		fail_msg("%s is not there", app_buffers[which].name);
	if (k->len != strlen(want) || memcmp(k->at, want, k->len))
		fail_msg("%s is <%s>, not <%s>", app_buffers[which].name, k->at, want);
}
#define Q(tx, which, want) expect(tx, which, true, want)
#define R(tx, which, want) expect(tx, which, false, want)

static bool has_event(unsigned tx, const char *name)
{
	int e = app_event_find(name);

	assert_true(e >= 0 && e / APP_EVENTS_MAX == APP_HTTP);
	return world.tx[tx].events >> (e % APP_EVENTS_MAX) & 1;
}

static void test_simple(void **state)
{
	(void)state;
	RUN("GET /a/b.html?x=1 HTTP/1.1\r\nHost: WWW.Example.ORG:8080\r\nUser-Agent: agent/1\r\n"
	    "Accept: */*\r\nAccept-Language: de\r\nAccept-Encoding: gzip\r\nReferer: http://r/\r\n"
	    "Connection: close\r\nCookie: a=b; c=d\r\n\r\n",
	    "HTTP/1.1 404 Not Found\r\nServer: s/1\r\nContent-Type: text/html; charset=x\r\n"
	    "Location: /else\r\nSet-Cookie: q=1\r\nContent-Length: 5\r\n\r\nhello");
	assert_int_equal(world.txs, 1);
	assert_int_equal(world.proto, APP_HTTP);
	assert_int_equal(world.tx[0].events, 0);
	Q(0, APP_HTTP_METHOD, "GET");
	Q(0, APP_HTTP_URI, "/a/b.html?x=1");
	Q(0, APP_HTTP_RAW_URI, "/a/b.html?x=1");
	Q(0, APP_HTTP_PROTOCOL, "HTTP/1.1");
	Q(0, APP_HTTP_REQUEST_LINE, "GET /a/b.html?x=1 HTTP/1.1");
	Q(0, APP_HTTP_HOST, "www.example.org");
	Q(0, APP_HTTP_RAW_HOST, "WWW.Example.ORG:8080");
	Q(0, APP_HTTP_USER_AGENT, "agent/1");
	Q(0, APP_HTTP_ACCEPT, "*/*");
	Q(0, APP_HTTP_ACCEPT_LANG, "de");
	Q(0, APP_HTTP_ACCEPT_ENC, "gzip");
	Q(0, APP_HTTP_REFERER, "http://r/");
	Q(0, APP_HTTP_CONNECTION, "close");
	Q(0, APP_HTTP_COOKIE, "a=b; c=d");
	Q(0, APP_HTTP_HEADER,
	  "Host: WWW.Example.ORG:8080\r\nUser-Agent: agent/1\r\nAccept: */*\r\nAccept-Language: "
	  "de\r\nAccept-Encoding: gzip\r\nReferer: http://r/\r\nConnection: close\r\n");
	Q(0, APP_HTTP_HEADER_NAMES,
	  "\r\nHost\r\nUser-Agent\r\nAccept\r\nAccept-Language\r\nAccept-Encoding\r\nReferer\r\n"
	  "Connection\r\nCookie\r\n\r\n");
	Q(0, APP_HTTP_REQUEST_HEADER, "Host: WWW.Example.ORG:8080");
	Q(0, APP_HTTP_REQUEST_BODY, NULL);
	R(0, APP_HTTP_RESPONSE_LINE, "HTTP/1.1 404 Not Found");
	R(0, APP_HTTP_PROTOCOL, "HTTP/1.1");
	R(0, APP_HTTP_STAT_CODE, "404");
	R(0, APP_HTTP_STAT_MSG, "Not Found");
	R(0, APP_HTTP_SERVER, "s/1");
	R(0, APP_HTTP_LOCATION, "/else");
	R(0, APP_HTTP_CONTENT_TYPE, "text/html; charset=x");
	R(0, APP_HTTP_CONTENT_LEN, "5");
	R(0, APP_HTTP_COOKIE, "q=1");
	R(0, APP_HTTP_START,
	  "HTTP/1.1 404 Not Found\r\nServer: s/1\r\nContent-Type: text/html; charset=x\r\n"
	  "Location: /else\r\nSet-Cookie: q=1\r\nContent-Length: 5\r\n\r\n");
	R(0, APP_HTTP_RAW_HEADER,
	  "Server: s/1\r\nContent-Type: text/html; charset=x\r\nLocation: /else\r\nSet-Cookie: "
	  "q=1\r\nContent-Length: 5\r\n\r\n");
	R(0, APP_FILE_DATA, "hello");
	/* Of the other direction only. */
	R(0, APP_HTTP_URI, NULL);
	Q(0, APP_HTTP_STAT_CODE, NULL);
	app_world_close(&world);
}

static void test_normalized_headers(void **state)
{
	(void)state;
	RUN("GET / HTTP/1.1\nhost:h\nX-A:  one \t\nx-a: two\nX-B: a\n\t b\nX-A:three\n\n",
	    "HTTP/1.0 200\n\n");
	Q(0, APP_HTTP_HEADER, "host: h\r\nX-A: one, two, three\r\nX-B: a\t b\r\n");
	Q(0, APP_HTTP_HEADER_NAMES, "\r\nhost\r\nX-A\r\nX-B\r\n\r\n");
	Q(0, APP_HTTP_RAW_HEADER, "host:h\nX-A:  one \t\nx-a: two\nX-B: a\n\t b\nX-A:three\n\n");
	R(0, APP_HTTP_STAT_CODE, "200");
	R(0, APP_HTTP_STAT_MSG, NULL);
	R(0, APP_HTTP_HEADER, NULL);
	app_world_close(&world);

	RUN("GET / HTTP/1.1\r\nHost: h\r\nno colon\r\nbad name : v\r\n: none\r\n\r\n", "");
	assert_true(has_event(0, "http.request_field_missing_colon"));
	assert_true(has_event(0, "http.request_header_invalid"));
	Q(0, APP_HTTP_HEADER, "Host: h\r\n: no colon, none\r\nbad name: v\r\n");
	app_world_close(&world);

	RUN("GET / HTTP/1.1\r\n folded\r\nHost: h\r\n\r\n", "");
	assert_true(has_event(0, "http.invalid_request_field_folding"));
	app_world_close(&world);
}

struct uri_case {
	const char *raw, *normal;
};

static const struct uri_case uris[] = {
	{"/%61%2e%62", "/a.b"},
	{"/a//b///c", "/a/b/c"},
	{"/a/./b/../c", "/a/c"},
	{"/../../etc", "/etc"},
	{"/a/..", "/"},
	{"/a/.", "/a/"},
	{"/a/...", "/a/..."},
	{"/.hidden/..x", "/.hidden/..x"},
	{"/a%2fb", "/a/b"},
	{"/a\\b%5cc", "/a/b/c"},
	{"/a%2", "/a%2"},
	{"/a%zz", "/a%zz"},
	{"/%2541", "/%41"},	 /* once only */
	{"/a%u0041b", "/aAb"},	 /* IIS */
	{"/a%uff0fb", "/a/b"},	 /* fullwidth slash */
	{"/%c0%af", "/\x2f"},	 /* overlong */
	{"/\xc3\xa9", "/\xe9"},	 /* e with acute: in Latin-1 */
	{"/\xff\xff", "/??"},	 /* not UTF-8 */
	{"/\xe4\xb8\xad", "/?"}, /* nothing like it */
	{"/a?b=%41%2f//..\\", "/a?b=A///..\\"},
	{"/a?b=%u0041", "/a?b=%u0041"},
	{"/a?b+c#%41", "/a?b+c#A"},
	{"/a#b?c", "/a#b?c"},
	{"http://user:pw@h:81/p/../q", "/q"},
	{"http://h", ""},
	{"*", "*"},
	{"/with space", "/with space"},
};

static void test_uri(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
		char line[256];
		int n = snprintf(line, sizeof(line), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n",
				 uris[i].raw);

		run_text((struct text){line, (size_t)n}, T("HTTP/1.1 204 No\r\n\r\n"));
		Q(0, APP_HTTP_URI, uris[i].normal);
		Q(0, APP_HTTP_RAW_URI, uris[i].raw);
		app_world_close(&world);
	}
	/* A NUL stays where it is. */
	RUN("GET /a%00b HTTP/1.0\r\n\r\n", "");
	assert_int_equal(world.tx[0].buffer[1][APP_HTTP_URI].len, 4);
	assert_memory_equal(world.tx[0].buffer[1][APP_HTTP_URI].at, "/a\0b", 4);
	app_world_close(&world);
}

static void test_host(void **state)
{
	(void)state;
	RUN("GET http://U.example:81/ HTTP/1.1\r\nHost: other\r\n\r\n", "");
	Q(0, APP_HTTP_HOST, "u.example");
	Q(0, APP_HTTP_RAW_HOST, "U.example");
	assert_true(has_event(0, "http.host_header_ambiguous"));
	app_world_close(&world);
	RUN("GET / HTTP/1.1\r\n\r\n", "");
	assert_true(has_event(0, "http.missing_host_header"));
	Q(0, APP_HTTP_HOST, NULL);
	app_world_close(&world);
	RUN("GET / HTTP/1.0\r\nHost: [::1]:80\r\n\r\n", "");
	Q(0, APP_HTTP_HOST, "[::1]");
	assert_int_equal(world.tx[0].events, 0);
	app_world_close(&world);
	RUN("GET / HTTP/1.1\r\nHost: a..b:x\r\n\r\n", "");
	assert_true(has_event(0, "http.request_header_host_invalid"));
	app_world_close(&world);
}

static void test_bodies(void **state)
{
	(void)state;
	RUN("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\na=b&c=dGET /two "
	    "HTTP/1.1\r\nHost: h\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
	    "chunked\r\n\r\n3\r\nabc\r\n004;ext\r\ndefg\r\n0\r\n"
	    "Trailer: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\nuntil the end");
	assert_int_equal(world.txs, 2);
	Q(0, APP_HTTP_REQUEST_BODY, "a=b&c=d");
	R(0, APP_FILE_DATA, "abcdefg");
	assert_true(has_event(0, "http.request_chunk_extension"));
	Q(1, APP_HTTP_URI, "/two");
	Q(1, APP_HTTP_REQUEST_BODY, NULL);
	R(1, APP_FILE_DATA, "until the end");
	app_world_close(&world);

	RUN("PUT /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
	    "chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	    "HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: "
	    "0\r\n\r\n");
	assert_int_equal(world.txs, 1);
	Q(0, APP_HTTP_REQUEST_BODY, "hello");
	R(0, APP_HTTP_STAT_CODE, "201");
	R(0, APP_HTTP_HEADER, "Content-Length: 0\r\n");
	app_world_close(&world);

	/* No body, whatever the headers say. */
	RUN("HEAD / HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n"
	    "GET /c HTTP/1.1\r\nHost: h\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nHTTP/1.1 304 Not\r\n\r\n"
	    "HTTP/1.1 204 No\r\n\r\n");
	assert_int_equal(world.txs, 3);
	R(0, APP_HTTP_STAT_CODE, "200");
	R(1, APP_HTTP_STAT_CODE, "304");
	R(2, APP_HTTP_STAT_CODE, "204");
	for (unsigned i = 0; i < 3; i++)
		R(i, APP_FILE_DATA, NULL);
	app_world_close(&world);
}

static void test_odd_requests(void **state)
{
	(void)state;
	/* 0.9: no headers, and what follows is the body. */
	RUN("GET /old\r\n", "<html>");
	Q(0, APP_HTTP_URI, "/old");
	Q(0, APP_HTTP_PROTOCOL, NULL);
	R(0, APP_FILE_DATA, "<html>");
	R(0, APP_HTTP_STAT_CODE, NULL);
	app_world_close(&world);
	/* The protocol is only missing. */
	RUN("GET /x\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n");
	Q(0, APP_HTTP_HOST, "h");
	R(0, APP_HTTP_STAT_CODE, "200");
	app_world_close(&world);
	/* Empty lines before it, white space, tabs. */
	RUN("GET / HTTP/1.1\r\nHost: h\r\n\r\n\r\n\r\n GET\t/t\tHTTP/1.1\r\nHost: h\r\n\r\n", "");
	assert_int_equal(world.txs, 2);
	Q(1, APP_HTTP_METHOD, "GET");
	Q(1, APP_HTTP_URI, "/t");
	assert_true(has_event(1, "http.request_line_leading_whitespace"));
	assert_true(has_event(1, "http.method_delim_non_compliant"));
	assert_true(has_event(1, "http.uri_delim_non_compliant"));
	app_world_close(&world);
	/* More than was announced. */
	RUN("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nabcdef\nGET /n HTTP/1.1\r\n"
	    "Host: h\r\n\r\n",
	    "");
	assert_int_equal(world.txs, 2);
	assert_true(has_event(0, "http.request_body_unexpected"));
	Q(0, APP_HTTP_REQUEST_BODY, "abcdef\n");
	Q(1, APP_HTTP_URI, "/n");
	app_world_close(&world);
	RUN("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Magic x\r\n\r\n", "");
	assert_true(has_event(0, "http.request_auth_unrecognized"));
	app_world_close(&world);
	RUN("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer x\r\n\r\n", "");
	assert_false(has_event(0, "http.request_auth_unrecognized"));
	app_world_close(&world);
	RUN("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", "");
	assert_true(has_event(0, "http.duplicate_content_length_field_in_request"));
	Q(0, APP_HTTP_REQUEST_BODY, "abc");
	app_world_close(&world);
}

static void test_connect(void **state)
{
	(void)state;
	RUN("CONNECT Proxy.example:22 HTTP/1.1\r\nHost: h\r\n\r\nSSH-2.0-any\r\n",
	    "HTTP/1.1 200 OK\r\n\r\nSSH-2.0-any\r\n");
	assert_int_equal(world.proto, APP_HTTP);
	assert_int_equal(world.tx[0].proto, APP_HTTP);
	Q(0, APP_HTTP_METHOD, "CONNECT");
	Q(0, APP_HTTP_HOST, "proxy.example");
	R(0, APP_FILE_DATA, NULL);
	app_world_close(&world);
	/* What is in it is found out as at the start of a connection. */
	RUN("CONNECT p:443 HTTP/1.1\r\nHost: p\r\n\r\n"
	    "\x16\x03\x01\x00\x37\x01\x00\x00\x33\x03\x03"
	    "0123456789abcdef0123456789abcdef\x00\x00\x02\x13\x01\x01\x00\x00\x08"
	    "\x00\x0a\x00\x04\x00\x02\x00\x1d",
	    "HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03");
	assert_int_equal(world.txs, 2);
	assert_int_equal(world.proto, APP_TLS);
	assert_int_equal(world.tx[1].proto, APP_TLS);
	Q(1, APP_JA3_STRING, "771,4865,10,29,");
	app_world_close(&world);
	/* Refused: the connection goes on. */
	RUN("CONNECT p:443 HTTP/1.1\r\nHost: p\r\n\r\nGET /a HTTP/1.1\r\nHost: h\r\n\r\n",
	    "HTTP/1.1 407 Auth\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
	    "2\r\n\r\nok");
	assert_int_equal(world.txs, 2);
	Q(1, APP_HTTP_URI, "/a");
	R(1, APP_FILE_DATA, "ok");
	app_world_close(&world);
	/* HTTP in the tunnel. */
	RUN("CONNECT p:80 HTTP/1.1\r\nHost: p\r\n\r\nGET /in HTTP/1.1\r\nHost: h\r\n\r\n",
	    "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nin");
	assert_int_equal(world.txs, 2);
	Q(1, APP_HTTP_URI, "/in");
	R(1, APP_FILE_DATA, "in");
	app_world_close(&world);
	/* An upgrade: nothing more is HTTP. */
	RUN("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: x\r\n\r\n",
	    "HTTP/1.1 101 Switching\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
	assert_int_equal(world.txs, 1);
	R(0, APP_HTTP_STAT_CODE, "101");
	app_world_close(&world);
}

static void test_odd_responses(void **state)
{
	(void)state;
	/* CR alone, LF CR, and folding that is none. */
	RUN("GET / HTTP/1.1\r\nHost: h\r\n\r\n",
	    "HTTP/1.1 200 OK\rA: b\rC: d\n\rE: f\r\n G: h\r\nContent-Length: 2\r\n\r\nok");
	R(0, APP_HTTP_HEADER, "A: b\r\nC: d\r\nE: f\r\nG: h\r\nContent-Length: 2\r\n");
	assert_true(has_event(0, "http.invalid_response_field_folding"));
	R(0, APP_FILE_DATA, "ok");
	app_world_close(&world);
	/* Junk instead of a status line is body. */
	RUN("GET / HTTP/1.1\r\nHost: h\r\n\r\n", "no status\nline\n");
	R(0, APP_FILE_DATA, "no status\nline\n");
	R(0, APP_HTTP_STAT_CODE, NULL);
	app_world_close(&world);
	/* But not before one. */
	RUN("GET / HTTP/1.1\r\nHost: h\r\n\r\n", "junk\nHTTP/1.1 200 OK\r\n\r\nbody");
	R(0, APP_HTTP_STAT_CODE, "200");
	R(0, APP_FILE_DATA, "body");
	app_world_close(&world);
	/* Chunked, whatever is around the word; a NUL in it is passed over. */
	run_text(
		T("GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
		T("HTTP/1.1 200 OK\r\nTransfer-Encoding: x chu\0nked;\r\n\r\n1\r\na\r\n0\r\n\r\n"));
	R(0, APP_FILE_DATA, "a");
	assert_true(has_event(0, "http.response_abnormal_transfer_encoding"));
	app_world_close(&world);
	RUN("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n1\r\na\r\n", "");
	Q(0, APP_HTTP_REQUEST_BODY, NULL);
	assert_true(has_event(0, "http.invalid_transfer_encoding_value_in_request"));
	app_world_close(&world);
	RUN("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n1\r\na\r\n"
	    "0\r\n\r\n",
	    "");
	Q(0, APP_HTTP_REQUEST_BODY, "a");
	app_world_close(&world);
	/* Chunks that are none: all of it is the body. */
	RUN("GET / HTTP/1.1\r\nHost: h\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot chunked at all");
	R(0, APP_FILE_DATA, "not chunked at all");
	assert_true(has_event(0, "http.invalid_response_chunk_len"));
	app_world_close(&world);
	/* More than was announced. */
	RUN("GET / HTTP/1.1\r\nHost: h\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabcdef");
	R(0, APP_FILE_DATA, "abcdef");
	app_world_close(&world);
	/* An answer to nothing. */
	RUN("GET / HTTP/1.1\r\nHost: h\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
	    "1\r\n\r\nx");
	assert_int_equal(world.txs, 2);
	assert_true(has_event(1, "http.unable_to_match_response_to_request"));
	R(1, APP_FILE_DATA, "x");
	Q(1, APP_HTTP_URI, NULL);
	app_world_close(&world);
	RUN("GET / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/7 2x0 OK\r\nContent-Length: no\r\n\r\nx");
	assert_true(has_event(0, "http.response_invalid_protocol"));
	assert_true(has_event(0, "http.response_invalid_status"));
	assert_true(has_event(0, "http.invalid_content_length_field_in_response"));
	app_world_close(&world);
}

static void test_limits(void **state)
{
	static char line[40000], body[300000];
	int n;

	(void)state;
	/* A field too long ends it. */
	n = snprintf(line, sizeof(line), "GET / HTTP/1.1\r\nX: ");
	memset(line + n, 'x', 18100);
	app_world_open(&world, NULL, true, 40000, 80);
	app_world_data(&world, true, line, (size_t)n + 18100, 0);
	assert_true(app_flow_finished(world.flow));
	app_world_end(&world);
	assert_true(has_event(0, "http.request_field_too_long"));
	Q(0, APP_HTTP_URI, "/");
	app_world_close(&world);
	/* Many headers: the rest is counted out. */
	n = snprintf(line, sizeof(line), "GET / HTTP/1.1\r\nHost: h\r\n");
	for (unsigned i = 0; i < 1500; i++)
		n += snprintf(line + n, sizeof(line) - (size_t)n, "H%u: v\r\n", i);
	n += snprintf(line + n, sizeof(line) - (size_t)n, "\r\n");
	app_world_open(&world, NULL, true, 40000, 80);
	app_world_data(&world, true, line, (size_t)n, 0);
	app_world_end(&world);
	assert_true(has_event(0, "http.request_too_many_headers"));
	app_world_close(&world);
	/* A body is kept up to the limit. */
	app_world_open(&world, NULL, true, 40000, 80);
	n = snprintf(line, sizeof(line),
		     "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n");
	app_world_data(&world, true, line, (size_t)n, 0);
	memset(body, 'b', sizeof(body));
	app_world_data(&world, true, body, sizeof(body), 0);
	assert_false(app_flow_finished(world.flow));
	assert_int_equal(world.tx[0].progress[1], APP_COMPLETE);
	assert_int_equal(world.tx[0].buffer[1][APP_HTTP_REQUEST_BODY].len, 102400);
	app_world_close(&world);
}

static void test_gaps(void **state)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
	static const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc";

	(void)state;
	app_world_open(&world, NULL, true, 40000, 80);
	app_world_data(&world, true, request, sizeof(request) - 1, 0);
	app_world_data(&world, false, response, sizeof(response) - 1, 0);
	app_world_data(&world, false, NULL, 90, APP_GAP);
	app_world_data(&world, false, "defghij", 7, 0);
	assert_false(app_flow_finished(world.flow));
	assert_int_equal(world.tx[0].progress[0], APP_COMPLETE);
	/* Between messages each octet counts. */
	app_world_data(&world, false, NULL, 1, APP_GAP);
	assert_true(app_flow_finished(world.flow));
	assert_int_equal(app_stats(world.app)->gaps, 1);
	app_world_end(&world);
	R(0, APP_FILE_DATA, "abcdefghij");
	app_world_close(&world);
}

static void look_info(struct app_world *w, struct app_tx *tx, bool to_server)
{
	struct http_info *info = w->look_ctx;
	struct app_view name, value;

	if (to_server || tx->progress[0] != APP_COMPLETE)
		return;
	http_tx_info(tx, info);
	assert_int_equal(info->hostname.len, 1);
	assert_int_equal(info->uri.len, 2);
	assert_int_equal(info->content_type.len, 9);
	assert_memory_equal(info->content_type.at, "text/html", 9);
	assert_true(http_tx_field(tx, false, 1, &name, &value));
	assert_memory_equal(name.at, "Content-Length", 14);
	assert_memory_equal(value.at, "3", 1);
	assert_false(http_tx_field(tx, false, 2, &name, &value));
}

static void test_info(void **state)
{
	struct http_info info = {.status = 0};
	struct text q = T("GET /x HTTP/1.1\r\nHost: h:8080\r\n\r\n");
	struct text r = T("HTTP/1.1 200 OK\r\nContent-Type: text/html; a=b\r\nContent-Length: "
			  "3\r\n\r\nabc");

	(void)state;
	app_world_open(&world, NULL, true, 40000, 80);
	world.look = look_info;
	world.look_ctx = &info;
	app_world_data(&world, true, q.at, q.len, 0);
	app_world_data(&world, false, r.at, r.len, 0);
	assert_int_equal(info.status, 200);
	assert_int_equal(info.port, 8080);
	assert_int_equal(info.length, 3);
	app_world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_simple),	cmocka_unit_test(test_normalized_headers),
		cmocka_unit_test(test_uri),	cmocka_unit_test(test_host),
		cmocka_unit_test(test_bodies),	cmocka_unit_test(test_odd_requests),
		cmocka_unit_test(test_connect), cmocka_unit_test(test_odd_responses),
		cmocka_unit_test(test_limits),	cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_info),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
