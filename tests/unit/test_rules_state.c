/* What rules remember: bits and counters of flows and hosts, thresholds, tags. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ids/rules/op.h"
#include "tests/unit/rule_bench.h"

#define TCP_RULE(options) "alert tcp any any -> any any (" options ")\n"

static void say(struct bench *b, const char *text)
{
	struct frame f = frame_tcp("192.0.2.7", 4000, "10.0.0.1", 80, TCP_ACK, text, strlen(text));

	bench_packet(b, &f);
	bench_run_packet(b);
}

static void say_from(struct bench *b, const char *src, const char *dst, const char *text)
{
	struct frame f = frame_tcp(src, 4000, dst, 80, TCP_ACK, text, strlen(text));

	bench_packet(b, &f);
	bench_run_packet(b);
}

/* Rules on single packets, so that a say() is a look. */
#define PKT(options) "alert tcp-pkt any any -> any any (" options ")\n"

static void test_flowbits(void **state)
{
	struct bench *b = bench_open(
		PKT("flowbits:isset,user; content:\"pass\"; sid:2;") PKT(
			"content:\"user\"; flowbits:set,user; flowbits:noalert; sid:1;")
			PKT("flowbits:isnotset,user; content:\"data\"; sid:3;") PKT(
				"content:\"quit\"; flowbits:unset,user; sid:4;")
				PKT("content:\"flip\"; flowbits:toggle,user; sid:5;") PKT(
					"flowbits:isset,other|user; content:\"any\"; sid:6;")
					PKT("flowbits:isset,other; content:\"any\"; sid:7;"));

	(void)state;
	say(b, "pass");
	assert_int_equal(b->out.count, 0);
	say(b, "data");
	assert_true(bench_hit(b, 3));
	say(b, "user");
	assert_true(bench_hit(b, 1));
	say(b, "pass data any");
	assert_true(b->out.count == 2 && bench_hit(b, 2) && bench_hit(b, 6));
	/* another flow knows nothing of it */
	b->flow.id = 54321;
	say(b, "pass any");
	assert_int_equal(b->out.count, 0);
	b->flow.id = 12345;
	say(b, "quit");
	say(b, "pass");
	assert_int_equal(b->out.count, 0);
	say(b, "flip");
	say(b, "pass");
	assert_true(bench_hit(b, 2));
	say(b, "flip");
	say(b, "pass");
	assert_false(bench_hit(b, 2));
	/* Within one packet: who sets comes before who tests, whatever the file's order. */
	say(b, "user pass");
	assert_true(bench_hit(b, 1) && bench_hit(b, 2));
	/* Without a flow neither set nor not set. */
	b->ref.flow = NULL;
	say(b, "pass data any user");
	assert_true(b->out.count == 1 && bench_hit(b, 1));
	bench_close(b);
}

static void test_flowbits_only_if_all_holds(void **state)
{
	struct bench *b = bench_open(PKT("content:\"a\"; content:\"b\"; flowbits:set,x; sid:1;")
					     PKT("flowbits:isset,x; content:\"c\"; sid:2;"));

	(void)state;
	say(b, "a c");
	assert_int_equal(b->out.count, 0);
	say(b, "a b c");
	assert_int_equal(b->out.count, 2);
	bench_close(b);
}

static void test_flowbits_end(void **state)
{
	struct bench *b = bench_open(PKT("content:\"a\"; flowbits:set,x; sid:1;")
					     PKT("flowbits:isset,x; content:\"c\"; sid:2;"));

	(void)state;
	say(b, "a");
	b->look.now_ns += 3599 * STATE_SECOND;
	say(b, "c"); /* each use holds it for another hour */
	assert_int_equal(b->out.count, 1);
	b->look.now_ns += 3599 * STATE_SECOND;
	say(b, "c");
	assert_int_equal(b->out.count, 1);
	b->look.now_ns += 3601 * STATE_SECOND;
	say(b, "c");
	assert_int_equal(b->out.count, 0);
	bench_close(b);
}

static void test_order(void **state)
{
	/* Set, set and read, read, neither; within an action. */
	struct bench *b = bench_open(
		PKT("content:\"a\"; sid:4; priority:1;")
			PKT("flowbits:isset,x; content:\"a\"; sid:3;")
				PKT("flowbits:isset,y; flowbits:set,x; content:\"a\"; sid:2;")
					PKT("flowbits:set,y; content:\"a\"; sid:1; priority:4;"));

	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(b->blob.rule[i].sid, i + 1);
	say(b, "a");
	assert_int_equal(b->out.count, 4);
	bench_close(b);
}

static void test_flowint(void **state)
{
	struct bench *b = bench_open(
		PKT("content:\"up\"; flowint:n,+,2; flowint:n,>=,6; sid:1;") PKT(
			"content:\"is\"; flowint:n,isset; sid:2;") PKT("content:\"is\"; "
								       "flowint:n,isnotset; sid:3;")
			PKT("content:\"set\"; flowint:n,=,100; flowint:m,=,99; sid:4;") PKT(
				"content:\"cmp\"; flowint:n,>,m; sid:5;")
				PKT("content:\"cmp\"; flowint:n,<=,m; sid:6;") PKT(
					"content:\"down\"; flowint:n,-,1; flowint:n,==,m; sid:7;")
					PKT("content:\"ne\"; flowint:n,!=,100; sid:8;")
						PKT("content:\"lt\"; flowint:n,<,100; sid:9;"));

	(void)state;
	say(b, "is ne lt");
	assert_true(b->out.count == 1 && bench_hit(b, 3));
	say(b, "up");
	say(b, "up");
	assert_int_equal(b->out.count, 0);
	say(b, "up");
	assert_true(bench_hit(b, 1));
	say(b, "is ne lt");
	assert_true(b->out.count == 3 && bench_hit(b, 2) && bench_hit(b, 8) && bench_hit(b, 9));
	say(b, "set");
	say(b, "cmp ne lt");
	assert_true(b->out.count == 1 && bench_hit(b, 5));
	say(b, "down");
	assert_true(bench_hit(b, 7));
	say(b, "down");
	assert_false(bench_hit(b, 7));
	say(b, "cmp");
	assert_true(b->out.count == 1 && bench_hit(b, 6));
	bench_close(b);
}

static void test_hostbits(void **state)
{
	struct bench *b = bench_open(
		PKT("content:\"a\"; hostbits:set,x; sid:1;")
			PKT("content:\"b\"; hostbits:isset,x; sid:2;")
				PKT("content:\"b\"; hostbits:isset,x,dst; sid:3;")
					PKT("content:\"b\"; hostbits:isnotset,x,dst; sid:4;")
						PKT("content:\"q\"; hostbits:unset,x,dst; "
						    "hostbits:noalert; sid:5;"));

	(void)state;
	say_from(b, "1.1.1.1", "2.2.2.2", "a");
	b->flow.id++;
	say_from(b, "1.1.1.1", "3.3.3.3", "b");
	assert_true(b->out.count == 2 && bench_hit(b, 2) && bench_hit(b, 4));
	say_from(b, "3.3.3.3", "1.1.1.1", "b");
	assert_true(b->out.count == 1 && bench_hit(b, 3));
	say_from(b, "3.3.3.3", "1.1.1.2", "b");
	assert_true(b->out.count == 1 && bench_hit(b, 4));
	b->look.now_ns += 301 * STATE_SECOND;
	say_from(b, "1.1.1.1", "3.3.3.3", "b");
	assert_false(bench_hit(b, 2));
	say_from(b, "1.1.1.1", "2.2.2.2", "a");
	say_from(b, "2.2.2.2", "1.1.1.1", "q");
	say_from(b, "1.1.1.1", "3.3.3.3", "b");
	assert_false(bench_hit(b, 2));
	bench_close(b);
}

static void test_xbits(void **state)
{
	struct bench *b = bench_open(
		PKT("content:\"a\"; xbits:set,x,track ip_src,expire 10; sid:1;")
			PKT("content:\"b\"; xbits:isset,x,track ip_src; sid:2;") PKT(
				"content:\"c\"; xbits:set,p,track ip_pair; sid:3;")
				PKT("content:\"d\"; xbits:isset,p,track ip_pair; sid:4;") PKT(
					"content:\"d\"; xbits:isnotset,x,track ip_dst; sid:5;"));

	(void)state;
	say_from(b, "1.1.1.1", "2.2.2.2", "a c");
	say_from(b, "1.1.1.1", "3.3.3.3", "b d");
	assert_true(b->out.count == 2 && bench_hit(b, 2) && bench_hit(b, 5));
	say_from(b, "2.2.2.2", "1.1.1.1", "b d");
	assert_true(b->out.count == 1 && bench_hit(b, 4));
	b->look.now_ns += 11 * STATE_SECOND;
	say_from(b, "1.1.1.1", "3.3.3.3", "b");
	assert_int_equal(b->out.count, 0);
	b->look.now_ns += 20 * STATE_SECOND; /* Suricata's 30 seconds, where nothing is said */
	say_from(b, "2.2.2.2", "1.1.1.1", "d");
	assert_false(bench_hit(b, 4));
	bench_close(b);
}

/* How the n-th of these matches ends: a(lert), s(ilent), - (nothing). */
static void check_threshold(const char *options, const char *want)
{
	char rule[256];
	struct bench *b;

	snprintf(rule, sizeof(rule), "alert tcp-pkt any any -> any any (content:\"x\"; %s; sid:1;)",
		 options);
	b = bench_open(rule);
	for (const char *at = want; *at; at++) {
		char got;

		if (*at == '+') { /* eleven seconds later */
			b->look.now_ns += 11 * STATE_SECOND;
			continue;
		}
		say(b, "x");
		got = !bench_hit(b, 1) ? '-' : bench_silent(b, 1) ? 's' : 'a';
		if (got != *at)
			fail_msg("%s: %c at %zu of %s", options, got, (size_t)(at - want), want);
	}
	bench_close(b);
}

static void test_threshold(void **state)
{
	(void)state;
	check_threshold("threshold:type limit, track by_src, count 2, seconds 10", "aass+aas");
	check_threshold("threshold:type threshold, track by_src, count 3, seconds 10",
			"--a--a-+--a");
	check_threshold("threshold:type threshold, track by_dst, count 1, seconds 10", "aa+a");
	check_threshold("threshold:type both, track by_dst, count 2, seconds 10", "-ass+-as");
	check_threshold("threshold:type both,count 1,seconds 10,track by_rule", "as+a");
	check_threshold("detection_filter:track by_src, count 2, seconds 10", "--aa+--a");
	check_threshold("threshold:type limit, track by_flow, count 1, seconds 10", "as");
	check_threshold("threshold:type limit, track by_both, count 1, seconds 10", "as");
}

static void test_threshold_tracks(void **state)
{
	static const struct {
		const char *track, *want; /* what the three others give */
	} tracks[] = {
		{"by_src", "saa"},
		{"by_dst", "aas"},
		{"by_both", "asa"},
		{"by_rule", "sss"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(tracks) / sizeof(tracks[0]); i++) {
		static const char *const ends[4][2] = {{"1.1.1.1", "2.2.2.2"},
						       {"1.1.1.1", "3.3.3.3"},
						       {"2.2.2.2", "1.1.1.1"},
						       {"4.4.4.4", "2.2.2.2"}};
		char rule[256], got[4] = "";
		struct bench *b;

		snprintf(rule, sizeof(rule),
			 "alert tcp-pkt any any -> any any (content:\"x\"; threshold:type limit, "
			 "track %s, count 1, seconds 60; sid:1;)",
			 tracks[i].track);
		b = bench_open(rule);
		for (unsigned k = 0; k < 4; k++) {
			say_from(b, ends[k][0], ends[k][1], "x");
			assert_true(bench_hit(b, 1));
			if (k)
				got[k - 1] = bench_silent(b, 1) ? 's' : 'a';
		}
		assert_string_equal(got, tracks[i].want);
		bench_close(b);
	}
}

static void test_threshold_per_rule(void **state)
{
	struct bench *b = bench_open(PKT("content:\"x\"; threshold:type limit, track by_src, count "
					 "1, seconds 9; sid:1;")
					     PKT("content:\"y\"; threshold:type limit, track "
						 "by_src, count 1, seconds 9; sid:2;"));

	(void)state;
	say(b, "x");
	assert_false(bench_silent(b, 1));
	say(b, "y");
	assert_false(bench_silent(b, 2));
	bench_close(b);
}

static void test_counted_once(void **state)
{
	/* A rule on packets and on streams sees the same octets twice, and counts them once. */
	struct bench *b = bench_open(TCP_RULE("content:\"x\"; depth:1; threshold:type threshold, "
					      "track by_src, count 2, seconds 9; "
					      "sid:1;"));

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		say(b, "x");
		bench_run_stream(b, "x", 0, 1, 10);
		assert_int_equal(bench_hit(b, 1), 0);
		say(b, "x");
		assert_int_equal(bench_hit(b, 1), 1);
		bench_run_stream(b, "x", 0, 1, 10);
	}
	bench_close(b);
}

static void test_bounded(void **state)
{
	struct bench *b = bench_open(PKT("content:\"x\"; flowbits:set,x; sid:1;"));

	(void)state;
	/* More flows than there is room for: the memory stays, and it is counted. */
	for (unsigned i = 0; i < 20000; i++) {
		b->flow.id = i + 1;
		b->out.count = 0;
		say(b, "x");
	}
	assert_true(b->stats.state_evicted > 10000);
	bench_close(b);
}

static void test_tag(void **state)
{
	struct bench *b = bench_open(PKT("content:\"t\"; tag:session,2,packets; sid:1;")
					     PKT("content:\"h\"; tag:host,10,seconds,src; sid:2;"));

	(void)state;
	say(b, "-");
	assert_false(tag_applies(&b->matcher.state, &b->look));
	say(b, "t");
	assert_true(tag_applies(&b->matcher.state, &b->look));
	assert_true(tag_applies(&b->matcher.state, &b->look));
	assert_false(tag_applies(&b->matcher.state, &b->look));
	say(b, "h");
	b->flow.id++;
	b->look.now_ns += 9 * STATE_SECOND;
	assert_true(tag_applies(&b->matcher.state, &b->look));
	b->look.now_ns += 2 * STATE_SECOND;
	assert_false(tag_applies(&b->matcher.state, &b->look));
	bench_close(b);
}

static const struct {
	const char *rule, *why;
} refused[] = {
	{TCP_RULE("flowbits:set; sid:1;"), "a command and a name"},
	{TCP_RULE("flowbits:set,; sid:1;"), "a command and a name"},
	{TCP_RULE("flowbits:sett,a; sid:1;"), "unknown command"},
	{TCP_RULE("flowbits:set,a b; sid:1;"), "bad name"},
	{TCP_RULE("flowbits:set,a|b; sid:1;"), "only with isset"},
	{TCP_RULE("flowbits:isset,a||b; sid:1;"), "bad name"},
	{TCP_RULE("flowbits:noalert,a; sid:1;"), "takes no name"},
	{TCP_RULE("flowbits; sid:1;"), "needs a value"},
	{TCP_RULE("hostbits:set,a,up; sid:1;"), "src or dst"},
	{TCP_RULE("hostbits:set; sid:1;"), "a command and a name"},
	{TCP_RULE("xbits:set,a; sid:1;"), "track"},
	{TCP_RULE("xbits:set,a,track by_src; sid:1;"), "track"},
	{TCP_RULE("xbits:set,a,track ip_src,expire 0; sid:1;"), "expire"},
	{TCP_RULE("xbits:isset,a,track ip_src,expire 5; sid:1;"), "expire"},
	{TCP_RULE("flowint:a; sid:1;"), "a name, a modifier"},
	{TCP_RULE("flowint:a,+; sid:1;"), "needs a value"},
	{TCP_RULE("flowint:a,*,1; sid:1;"), "unknown modifier"},
	{TCP_RULE("flowint:a,+,1x; sid:1;"), "bad value"},
	{TCP_RULE("flowint:a,isset,1; sid:1;"), "takes no value"},
	{TCP_RULE("threshold:type limit, track by_src, count 1; sid:1;"), "needs"},
	{TCP_RULE("threshold:track by_src, count 1, seconds 1; sid:1;"), "needs"},
	{TCP_RULE("threshold:type x, track by_src, count 1, seconds 1; sid:1;"), "unknown type"},
	{TCP_RULE("threshold:type limit, track by_x, count 1, seconds 1; sid:1;"), "unknown track"},
	{TCP_RULE("threshold:type limit, track by_src, count 0, seconds 1; sid:1;"), "bad count"},
	{TCP_RULE("threshold:type limit, type both, track by_src, count 1; sid:1;"), "twice"},
	{TCP_RULE("threshold:limit; sid:1;"), "bad setting"},
	{TCP_RULE("detection_filter:type limit, track by_src, count 1, seconds 1; sid:1;"),
	 "twice"},
	{TCP_RULE("detection_filter:track by_src, count 1, seconds 1; threshold:type limit, track "
		  "by_src, count 1, seconds 1; sid:1;"),
	 "beside"},
	{TCP_RULE("tag:flow; sid:1;"), "not session or host"},
	{TCP_RULE("tag:session,0,packets; sid:1;"), "needs a count"},
	{TCP_RULE("tag:session,1,apples; sid:1;"), "apples"},
	{TCP_RULE("tag:host,1,packets; sid:1;"), "src or dst"},
	{TCP_RULE("tag:session,1,packets,src; sid:1;"), "no direction"},
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
		cmocka_unit_test(test_flowbits),
		cmocka_unit_test(test_flowbits_only_if_all_holds),
		cmocka_unit_test(test_flowbits_end),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_flowint),
		cmocka_unit_test(test_hostbits),
		cmocka_unit_test(test_xbits),
		cmocka_unit_test(test_threshold),
		cmocka_unit_test(test_threshold_tracks),
		cmocka_unit_test(test_threshold_per_rule),
		cmocka_unit_test(test_counted_once),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_tag),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
