/* The rule language: each keyword with what it takes, what it matches, a near miss, and what it
 * refuses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ids/packet/packet.h"
#include "tests/unit/ids_world.h"

#define RULE(options) "alert udp any any -> any any (msg:\"t\"; " options " sid:1;)"

/* Does a datagram with this payload raise the rule? */
static bool raises(const char *rule, const char *payload, size_t len)
{
	struct world *w = world_open(rule);
	bool hit;

	assert_int_equal(world_say(w, payload, len), IDS_PASS);
	hit = world_alerts(w, 1) == 1;
	world_close(w);
	return hit;
}

struct payload_case {
	const char *options;
	const char *attack;
	size_t attack_len;
	const char *benign;
	size_t benign_len;
};
#define CASE(options, attack, benign)                                                              \
	{                                                                                          \
		RULE(options), attack, sizeof(attack) - 1, benign, sizeof(benign) - 1              \
	}

static const struct payload_case payload_cases[] = {
	CASE("content:\"evil\";", "an evil thing", "an evi1 thing"),
	CASE("content:\"evil\";", "evil", "Evil"),
	CASE("content:\"EviL\"; nocase;", "xx eVIl", "xx ev il"),
	CASE("content:\"|90 90|AB|cc|\";",
	     "\x90\x90"
	     "AB\xcc",
	     "\x90\x90"
	     "AB\xcd"),
	CASE("content:\"a\\;b\\\"c\\\\d\\:e\";", "-a;b\"c\\d:e-", "-a;b\"c\\d,e-"),
	CASE("content:!\"good\";", "nothing here", "all good here"),
	/* offset and depth count from the payload's start, depth from offset */
	CASE("content:\"abc\"; offset:3;", "xxxabc", "xxabcx"),
	CASE("content:\"abc\"; depth:5;", "xxabcx", "xxxabc"),
	CASE("content:\"abc\"; offset:2; depth:4;", "xxxabc", "xxxxabc"),
	CASE("content:\"abc\"; offset:2; depth:4;", "xxabc", "xabcxx"),
	CASE("content:!\"abc\"; depth:5;", "xxxabc", "xxabcx"),
	CASE("content:\"abc\"; startswith;", "abcdef", "xabcde"),
	CASE("content:!\"abc\"; startswith;", "xabc", "abcx"),
	CASE("content:\"abc\"; endswith;", "xxabcabc", "xxabcx"),
	CASE("content:!\"abc\"; endswith;", "abcx", "xabc"),
	CASE("content:\"abc\"; startswith; endswith;", "abc", "abcabc"),
	/* distance and within count from the end of the match before */
	CASE("content:\"ab\"; content:\"cd\"; distance:2;", "ab--cd", "ab-cd"),
	CASE("content:\"ab\"; content:\"cd\"; distance:0;", "abcd", "cdab"),
	CASE("content:\"ab\"; content:\"cd\"; within:2;", "abcd", "ab-cd"),
	CASE("content:\"ab\"; content:\"cd\"; distance:1; within:3;", "ab--cd", "ab---cd"),
	CASE("content:\"ab\"; content:\"bc\"; distance:-1;", "abc", "bcab"),
	CASE("content:\"ab\"; content:\"zz\"; distance:-100;", "zzab", "zab"),
	/* every place of the first content is tried */
	CASE("content:\"a\"; content:\"b\"; within:1; content:\"c\"; within:1;", "a-ab-abc",
	     "a-ab-ab-c"),
	CASE("content:\"aa\"; content:\"b\"; within:1;", "aaab", "aa-b"),
	CASE("content:\"x\"; content:\"yy\"; distance:0; within:2; content:\"z\"; distance:1; "
	     "within:1;",
	     "x-xyyyxyy-z", "x-xyyyxyyz-"),
	/* a negated one is relative to the match before it, and leaves the place to the next */
	CASE("content:\"user\"; content:!\"|0a|\"; within:10;", "user longname-longname\n",
	     "user a\n"),
	CASE("content:\"a\"; content:!\"b\"; within:1; content:\"c\"; distance:1; within:1;",
	     "ab-axc", "ab-abc"),
	/* an independent content looks from the start again */
	CASE("content:\"b\"; content:\"a\";", "a-b", "b-b"),
	CASE("content:\"first\"; nocase; content:\"second\"; fast_pattern;", "SECOND second FIRST",
	     "SECOND FIRST"),
	CASE("content:\"abcdef\"; fast_pattern:2,3;", "xabcdefx", "xxxcdexx"),
	CASE("content:\"abcdef\"; fast_pattern:only;", "xabcdefx", "xabcdeax"),
	CASE("content:!\"abc\"; fast_pattern; content:\"d\";", "abd", "abcd"),
	CASE("content:\"abc\"; rawbytes;", "abc", "abd"),
	CASE("dsize:4;", "four", "five5"),
	CASE("dsize:!4;", "five5", "four"),
	CASE("dsize:>4;", "five5", "four"),
	CASE("dsize:<5;", "four", "five5"),
	CASE("dsize:>=5;", "five5", "four"),
	CASE("dsize:<=4;", "four", "five5"),
	CASE("dsize:3<>6;", "five5", "six---"),
	CASE("dsize:3<>6;", "four", "abc"),
	CASE("ttl:64; content:\"a\";", "a", "b"),
	CASE("ttl:>63; dsize:1;", "a", "ab"),
	/* longer than what goes into the automaton */
	CASE("content:\"0123456789012345678901234567890123456789\";",
	     "-0123456789012345678901234567890123456789-",
	     "-0123456789012345678901234567890123456788-"),
};

static void test_payload(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(payload_cases) / sizeof(payload_cases[0]); i++) {
		const struct payload_case *c = &payload_cases[i];

		if (!raises(c->options, c->attack, c->attack_len))
			fail_msg("%s does not match %s", c->options, c->attack);
		if (raises(c->options, c->benign, c->benign_len))
			fail_msg("%s matches %s", c->options, c->benign);
	}
}

static void test_no_payload(void **state)
{
	(void)state;
	/* No payload, nothing to look into: not even a negated content holds (Suricata). */
	assert_false(raises(RULE("content:!\"a\";"), "", 0));
	assert_true(raises(RULE("dsize:0;"), "", 0));
	assert_false(raises(RULE("dsize:0;"), "a", 1));
}

static void check_icmp(const char *rule, struct frame hit, struct frame miss)
{
	struct world *w = world_open(rule);

	world_send(w, &hit);
	assert_int_equal(world_alerts(w, 1), 1);
	world_send(w, &miss);
	assert_int_equal(world_alerts(w, 1), 1);
	world_close(w);
}

static void test_icmp(void **state)
{
	struct frame echo = frame_icmp("10.0.0.1", "10.0.0.2", 8, 0, "ping", 4);
	struct frame reply = frame_icmp("10.0.0.1", "10.0.0.2", 0, 0, "ping", 4);
	struct frame port = frame_icmp("10.0.0.1", "10.0.0.2", 3, 3, "xxxx", 4);
	struct frame host = frame_icmp("10.0.0.1", "10.0.0.2", 3, 1, "xxxx", 4);
	struct frame echo6 = frame_icmp("fe80::1", "ff02::1", 128, 0, "ping", 4);
	struct frame udp = frame_udp("10.0.0.1", 8, "10.0.0.2", 8, "ping", 4);

	(void)state;
	check_icmp("alert icmp any any -> any any (itype:8; sid:1;)", echo, reply);
	check_icmp("alert icmp any any -> any any (itype:>5; sid:1;)", echo, port);
	check_icmp("alert icmp any any -> any any (itype:3; icode:3; sid:1;)", port, host);
	check_icmp("alert icmp any any -> any any (icode:<2; itype:3; sid:1;)", host, port);
	check_icmp("alert icmpv6 any any -> any any (itype:128; sid:1;)", echo6, echo);
	check_icmp("alert icmp any any -> any any (itype:128; sid:1;)", echo6, echo);
	check_icmp("alert ip any any -> any any (itype:8; sid:1;)", echo, udp);
	check_icmp("alert ipv6-icmp any any -> any any (content:\"ping\"; sid:1;)", echo6, echo);
}

/* One datagram, one header: does the rule see it? */
static bool sees(const char *header, const char *src, uint16_t sp, const char *dst, uint16_t dp)
{
	char rule[512];
	struct frame f = frame_udp(src, sp, dst, dp, "x", 1);
	struct world *w;
	bool hit;

	snprintf(rule, sizeof(rule), "alert udp %s (dsize:1; sid:1;)", header);
	w = world_open(rule);
	world_send(w, &f);
	hit = world_alerts(w, 1) == 1;
	world_close(w);
	return hit;
}

static void test_addresses(void **state)
{
	(void)state;
	assert_true(sees("10.0.0.0/8 any -> any any", "10.255.0.1", 1, "1.2.3.4", 2));
	assert_false(sees("10.0.0.0/8 any -> any any", "11.0.0.1", 1, "1.2.3.4", 2));
	assert_true(sees("10.0.0.0/255.0.0.0 any -> any any", "10.1.2.3", 1, "1.2.3.4", 2));
	assert_true(sees("any any -> !10.0.0.0/8 any", "10.255.0.1", 1, "1.2.3.4", 2));
	assert_false(sees("!10.0.0.0/8 any -> any any", "10.255.0.1", 1, "1.2.3.4", 2));
	assert_true(
		sees("[1.1.1.1, 10.0.0.5-10.0.0.9] any -> any any", "10.0.0.9", 1, "1.2.3.4", 2));
	assert_false(
		sees("[1.1.1.1,10.0.0.5-10.0.0.9] any -> any any", "10.0.0.10", 1, "1.2.3.4", 2));
	assert_true(sees("[10.0.0.0/8,!10.1.0.0/16] any -> any any", "10.2.0.1", 1, "1.2.3.4", 2));
	assert_false(sees("[10.0.0.0/8,!10.1.0.0/16] any -> any any", "10.1.0.1", 1, "1.2.3.4", 2));
	assert_true(sees("![10.0.0.0/8,!10.1.0.0/16] any -> any any", "10.1.0.1", 1, "1.2.3.4", 2));
	assert_false(
		sees("![10.0.0.0/8,!10.1.0.0/16] any -> any any", "10.2.0.1", 1, "1.2.3.4", 2));
	assert_true(sees("[1.1.1.1,[2.2.2.2,[3.3.3.0/24]]] any -> any any", "3.3.3.3", 1, "1.2.3.4",
			 2));
	assert_true(sees("$HOME_NET any -> $EXTERNAL_NET any", "172.31.1.1", 1, "172.32.0.1", 2));
	assert_false(sees("$HOME_NET any -> $EXTERNAL_NET any", "172.31.1.1", 1, "192.168.3.4", 2));
	assert_true(sees("!$EXTERNAL_NET any -> any any", "192.168.1.1", 1, "1.2.3.4", 2));
	assert_true(sees("2001:db8::/32 any -> ::1 any", "2001:db8:ffff::1", 1, "::1", 2));
	assert_false(sees("2001:db8::/32 any -> any any", "2001:db9::1", 1, "::1", 2));
	assert_false(sees("10.0.0.0/8 any -> any any", "a00::1", 1, "::1", 2));
	/* A negation of IPv4 alone says nothing about IPv6 (Suricata). */
	assert_false(sees("!10.0.0.0/8 any -> any any", "2001:db8::1", 1, "::1", 2));
	assert_true(sees("!2001:db8::/32 any -> any any", "2001:db7::1", 1, "::1", 2));
	assert_true(sees("0.0.0.0/0 any -> any any", "1.2.3.4", 1, "1.2.3.4", 2));
	assert_true(sees("1.2.3.4 any <> 5.6.7.8 9", "5.6.7.8", 9, "1.2.3.4", 2));
	assert_true(sees("1.2.3.4 any <> 5.6.7.8 9", "1.2.3.4", 2, "5.6.7.8", 9));
	assert_false(sees("1.2.3.4 any -> 5.6.7.8 9", "5.6.7.8", 9, "1.2.3.4", 2));
	assert_false(sees("1.2.3.4 any <> 5.6.7.8 9", "5.6.7.8", 8, "1.2.3.4", 9));
}

static void test_ports(void **state)
{
	(void)state;
	assert_true(sees("any 1024: -> any any", "1.1.1.1", 65535, "2.2.2.2", 2));
	assert_false(sees("any 1024: -> any any", "1.1.1.1", 1023, "2.2.2.2", 2));
	assert_true(sees("any :1023 -> any any", "1.1.1.1", 0, "2.2.2.2", 2));
	assert_true(sees("any any -> any [80,8000:8100,!8080]", "1.1.1.1", 1, "2.2.2.2", 8081));
	assert_false(sees("any any -> any [80,8000:8100,!8080]", "1.1.1.1", 1, "2.2.2.2", 8080));
	assert_true(sees("any any -> any ![80,443]", "1.1.1.1", 1, "2.2.2.2", 81));
	assert_false(sees("any any -> any ![80,443]", "1.1.1.1", 1, "2.2.2.2", 443));
	assert_true(sees("any any -> any $HTTP_PORTS", "1.1.1.1", 1, "2.2.2.2", 80));
	assert_false(sees("any any -> any $SHELLCODE_PORTS", "1.1.1.1", 1, "2.2.2.2", 80));
}

static void test_protocols(void **state)
{
	struct world *w = world_open("alert ip any any -> any any (ttl:64; sid:1;)\n"
				     "alert tcp any any -> any any (ttl:64; sid:2;)\n"
				     "alert ip6 any any -> any any (ttl:64; sid:3;)\n"
				     "alert udp any any -> any any (ttl:64; sid:4;)\n"
				     "alert ip any 99 -> any any (ttl:64; sid:5;)\n"
				     "alert tcp-pkt any any -> any any (content:\"x\"; sid:6;)");
	struct frame gre = frame_ip("1.1.1.1", "2.2.2.2", 47, "\0\0\x08\0", 4);
	struct frame tcp = frame_tcp("1.1.1.1", 99, "2.2.2.2", 2, TCP_ACK, "x", 1);
	struct frame udp6 = frame_udp("::1", 1, "::2", 2, "x", 1);

	(void)state;
	world_send(w, &gre);
	assert_int_equal(world_alerts(w, 1), 1);
	assert_int_equal(w->lines, 1);
	world_send(w, &tcp);
	assert_int_equal(world_alerts(w, 1), 2);
	assert_int_equal(world_alerts(w, 2), 1);
	assert_int_equal(world_alerts(w, 5), 1);
	assert_int_equal(world_alerts(w, 6), 1);
	world_send(w, &udp6);
	assert_int_equal(world_alerts(w, 3), 1);
	assert_int_equal(world_alerts(w, 4), 1);
	assert_int_equal(w->lines, 1 + 4 + 3);
	world_close(w);
}

static void test_meta(void **state)
{
	struct world *w = world_open(
		"alert udp any any -> any any (msg:\"quote \\\" and \\; \\\\\"; content:\"x\"; "
		"classtype:trojan-activity; sid:7; gid:3; rev:9; reference:url,example.org; "
		"metadata:policy balanced, created_at 2026_01_02, policy security;)\n"
		"alert udp any any -> any any (content:\"x\"; priority:200; classtype:misc-attack; "
		"sid:8;)\n"
		"alert udp any any -> any any (content:\"x\"; noalert; sid:9;)");

	(void)state;
	world_say(w, "x", 1);
	assert_int_equal(w->lines, 2);
	assert_int_equal(
		world_events(
			w, "alert",
			"\"alert\":{\"action\":\"allowed\",\"gid\":3,\"signature_id\":7,\"rev\":9,"
			"\"signature\":\"quote \\\" and ; \\\\\",\"category\":\"A Network Trojan "
			"was "
			"detected\",\"severity\":1,\"metadata\":{\"policy\":[\"balanced\","
			"\"security\"],\"created_at\":[\"2026_01_02\"]}}"),
		1);
	assert_int_equal(world_events(w, "alert",
				      "\"signature_id\":8,\"rev\":0,\"signature\":\"\","
				      "\"category\":\"Misc Attack\",\"severity\":200}"),
			 1);
	world_close(w);
}

static const struct {
	const char *rule, *why;
} refused[] = {
	{"alert udp any any -> any any", "parentheses"},
	{"alert udp any any -> any (sid:1;)", "incomplete"},
	{"alert udp any any any -> any any (sid:1;)", "too many"},
	{"alert udp any any => any any (sid:1;)", "direction"},
	{"alert udp any any -> any any (msg:\"no sid\";)", "no sid"},
	{"alert udp any any -> any any (sid:0;)", "sid"},
	{"alert udp any any -> any any (sid:4294967296;)", "sid"},
	{"alert udp any any -> any any (sid:1; sid:2;)", "twice"},
	{"alert udp any any -> any any (sid:1)", "semicolon"},
	{"log udp any any -> any any (sid:1;)", "action log"},
	{"alert smtp any any -> any any (sid:1;)", "protocol smtp is not parsed"},
	{"alert nonsense any any -> any any (sid:1;)", "protocol nonsense is unknown"},
	{"alert udp any any -> any any (lua:a.lua; sid:1;)", "keyword lua"},
	{"alert udp 1.2.3 any -> any any (sid:1;)", "bad address"},
	{"alert udp 1.2.3.4/33 any -> any any (sid:1;)", "netmask"},
	{"alert udp 1.2.3.4/255.0.255.0 any -> any any (sid:1;)", "netmask"},
	{"alert udp 1.2.3.9-1.2.3.4 any -> any any (sid:1;)", "range"},
	{"alert udp [1.2.3.4 any -> any any (sid:1;)", "incomplete"},
	{"alert udp [1.2.3.4,[5.6.7.8] any -> any any (sid:1;)", "incomplete"},
	{"alert udp 1.2.3.4] any -> any any (sid:1;)", "bracket"},
	{"alert udp [1.2.3.4,] any -> any any (sid:1;)", "empty"},
	{"alert udp !any any -> any any (sid:1;)", "nothing is left"},
	{"alert udp [10.0.0.1,!10.0.0.0/8] any -> any any (sid:1;)", "nothing is left"},
	{"alert udp $NOBODY any -> any any (sid:1;)", "unknown variable"},
	{"alert udp any 65536 -> any any (sid:1;)", "bad port"},
	{"alert udp any : -> any any (sid:1;)", "bad port"},
	{"alert udp any 9:8 -> any any (sid:1;)", "backwards"},
	{"alert udp any any -> any any (content:\"\"; sid:1;)", "empty"},
	{"alert udp any any -> any any (content:abc; sid:1;)", "quotes"},
	{"alert udp any any -> any any (content:\"|9|\"; sid:1;)", "odd"},
	{"alert udp any any -> any any (content:\"|90\"; sid:1;)", "closed"},
	{"alert udp any any -> any any (content:\"|9x|\"; sid:1;)", "hex"},
	{"alert udp any any -> any any (content:\"a\\n\"; sid:1;)", "escape"},
	{"alert udp any any -> any any (content:\"a\"b\"; sid:1;)", "quote"},
	{"alert udp any any -> any any (nocase; sid:1;)", "without a content"},
	{"alert udp any any -> any any (content:\"abc\"; depth:2; sid:1;)", "longer"},
	{"alert udp any any -> any any (content:\"abc\"; within:2; sid:1;)", "longer"},
	{"alert udp any any -> any any (content:\"a\"; offset:1; distance:1; sid:1;)", "distance"},
	{"alert udp any any -> any any (content:\"a\"; startswith; depth:4; sid:1;)", "startswith"},
	{"alert udp any any -> any any (content:\"a\"; offset:name; sid:1;)", "variable name"},
	{"alert udp any any -> any any (content:!\"a\"; offset:1; fast_pattern; sid:1;)",
	 "negated"},
	{"alert udp any any -> any any (content:\"a\"; fast_pattern:1,1; sid:1;)", "outside"},
	{"alert udp any any -> any any (content:\"a\"; nocase:1; sid:1;)", "no value"},
	{"alert udp any any -> any any (content; sid:1;)", "needs a value"},
	{"alert udp any any -> any any (dsize:<0; sid:1;)", "less than 0"},
	{"alert udp any any -> any any (dsize:5<>6; sid:1;)", "range"},
	{"alert udp any any -> any any (dsize:><5; sid:1;)", "operator"},
	{"alert udp any any -> any any (itype:256; sid:1;)", "bad number"},
	{"alert udp any any -> any any (flow:to_server,to_client; sid:1;)", "contradicts"},
	{"alert udp any any -> any any (flow:both; sid:1;)", "flow: both is unknown"},
	{"alert udp any any -> any any (classtype:no-such-thing; sid:1;)", "classtype"},
	{"alert udp any any -> any any (priority:0; sid:1;)", "priority"},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		world_refused(refused[i].rule, refused[i].why);
}

static void test_files(void **state)
{
	/* Comments, empty lines, CR LF, lines that go on, a last line without its end. */
	struct world *w =
		world_open("# alert udp any any -> any any (sid:99;)\r\n\r\n"
			   "alert udp any any -> \\\r\n  any any (content:\"x\"; \\\n sid:1;)\n"
			   "   alert udp any any -> any any (content:\"x\"; sid:2;)");

	(void)state;
	assert_int_equal(ids_rule_count(w->ids), 2);
	world_say(w, "x", 1);
	assert_int_equal(world_alerts(w, 1), 1);
	assert_int_equal(world_alerts(w, 2), 1);
	world_close(w);
}

static void test_requires(void **state)
{
	static const struct {
		const char *value;
		bool met;
	} cases[] = {
		{"version >= 7.0.3", true},
		{"version >= 7.0.4", false},
		{"version >= 7", true},
		{"version > 7.0.3", false},
		{"version < 8", true},
		{"version >= 6.0 < 7", false},
		{"version < 6 | >= 7.0.1 < 8.0.1", true},
		{"keyword content", true},
		{"keyword http.uri, version >= 7", true},
		{"keyword nonsense", false},
		{"feature file::filestore", false},
	};
	char rules[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *w;

		snprintf(rules, sizeof(rules),
			 "alert udp any any -> any any (requires:%s; content:\"x\"; sid:1;)",
			 cases[i].value);
		w = world_open(rules);
		if ((ids_rule_count(w->ids) == 1) != cases[i].met)
			fail_msg("requires:%s", cases[i].value);
		world_close(w);
	}
	world_refused("alert udp any any -> any any (requires:version 8; sid:1;)", "comparison");
	world_refused("alert udp any any -> any any (requires:version >= x; sid:1;)", "version");
	world_refused("alert udp any any -> any any (requires:luck 8; sid:1;)", "unknown luck");
	world_refused("alert udp any any -> any any (requires:version; sid:1;)", "what");
}

static void test_revisions(void **state)
{
	/* Of one sid the highest revision counts. */
	struct world *w =
		world_open("alert udp any any -> any any (content:\"old\"; sid:1; rev:1;)\n"
			   "alert udp any any -> any any (content:\"new\"; sid:1; rev:2;)\n"
			   "alert udp any any -> any any (content:\"other\"; gid:2; sid:1;)");

	(void)state;
	assert_int_equal(ids_rule_count(w->ids), 2);
	world_say(w, "old", 3);
	assert_int_equal(w->lines, 0);
	world_say(w, "new other", 9);
	assert_int_equal(w->lines, 2);
	world_close(w);
	world_refused("alert udp any any -> any any (content:\"new\"; sid:1; rev:2;)\n"
		      "alert udp any any -> any any (content:\"same\"; sid:1; rev:2;)",
		      "duplicate");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_payload),	  cmocka_unit_test(test_no_payload),
		cmocka_unit_test(test_icmp),	  cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_ports),	  cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_meta),	  cmocka_unit_test(test_refused),
		cmocka_unit_test(test_requires),  cmocka_unit_test(test_files),
		cmocka_unit_test(test_revisions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
