/* The matcher: the automaton against a naive search, order and number of matches, bounded work. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ids/bytes.h"
#include "ids/rules/compile/mpm_build.h"
#include "ids/rules/mpm.h"
#include "tests/unit/ids_world.h"

#define PATTERNS 200

struct found {
	unsigned count[PATTERNS];
};

static void on_hit(void *ctx, uint32_t pattern, size_t end)
{
	(void)end;
	((struct found *)ctx)->count[pattern]++;
}

static uint32_t random_state = 12345;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % n;
}

static unsigned naive(const struct mpm_pattern *p, const uint8_t *text, size_t len)
{
	unsigned n = 0;

	for (size_t at = 0; at + p->len <= len; at++) {
		size_t i = 0;

		while (i < p->len && lower(text[at + i]) == p->text[i])
			i++;
		n += i == p->len;
	}
	return n;
}

/* Distinct patterns over a small alphabet, so that they overlap and contain each other. */
static uint32_t make_patterns(struct mpm_pattern *p, uint32_t want)
{
	uint32_t n = 0;

	for (uint32_t tries = 0; n < want && tries < want * 20; tries++) {
		struct mpm_pattern *new = &p[n];
		bool known = false;

		memset(new, 0, sizeof(*new));
		new->number = n;
		new->len = 1 + random_below(tries % 7 == 0 ? BLOB_MAX_PATTERN : 5);
		for (uint32_t i = 0; i < new->len; i++)
			new->text[i] = (uint8_t)("ab\x80z"[random_below(4)]);
		for (uint32_t i = 0; i < n; i++)
			known |= p[i].len == new->len &&memcmp(p[i].text, new->text, new->len) == 0;
		n += !known;
	}
	return n;
}

static void test_automaton(void **state)
{
	struct mpm_pattern *patterns = calloc(PATTERNS, sizeof(*patterns));

	(void)state;
	for (unsigned round = 1; round <= 20; round++) {
		uint32_t n = make_patterns(patterns, round * PATTERNS / 20);
		struct bytes root = {0}, states = {0}, edges = {0};
		struct blob_list lists[PATTERNS] = {0};
		struct found found = {0};
		uint8_t text[2000];
		struct blob b = {0};
		static uint8_t memory[MPM_PAIRS];
		struct blob_mpm head = {0};
		struct found pieces = {0};
		uint32_t at = 0;
		struct mpm m;

		mpm_build(patterns, n, &root, &states, &edges);
		b.mpm_root = (void *)root.at;
		b.state = (void *)states.at;
		b.edge = (void *)edges.at;
		b.pattern = lists;
		b.mpm = &head;
		head.state_count = (uint32_t)(states.len / sizeof(struct blob_state));
		b.count[BLOB_MPM] = 1;
		b.count[BLOB_MPM_ROOT] = (uint32_t)(root.len / 4);
		b.count[BLOB_MPM_STATES] = (uint32_t)(states.len / sizeof(struct blob_state));
		b.count[BLOB_MPM_EDGES] = (uint32_t)(edges.len / 4);
		b.count[BLOB_PATTERNS] = n;
		assert_null(mpm_check(&b));
		for (size_t i = 0; i < sizeof(text); i++)
			text[i] = (uint8_t)("abAB\x80zc"[random_below(7)]);
		memset(memory, 0, sizeof(memory));
		assert_int_equal(mpm_size(&b), sizeof(memory));
		mpm_init(&m, &b, memory);
		assert_int_equal(mpm_automaton(&m, BLOB_LOOK_PACKET, 0, 0), 0);
		assert_int_equal(mpm_automaton(&m, BLOB_LOOK_PACKET, 1, 0), MPM_NONE);
		mpm_scan(&m, 0, 0, text, sizeof(text), on_hit, &found);
		/* In pieces of any size it finds the same. */
		for (size_t i = 0, len; i < sizeof(text); i += len) {
			len = 1 + random_below(9);
			if (len > sizeof(text) - i)
				len = sizeof(text) - i;
			at = mpm_scan(&m, 0, at, text + i, len, on_hit, &pieces);
		}
		for (uint32_t i = 0; i < n; i++) {
			assert_int_equal(found.count[i], naive(&patterns[i], text, sizeof(text)));
			assert_int_equal(pieces.count[i], found.count[i]);
		}
		/* A state of another blob does no harm. */
		mpm_scan(&m, 0, UINT32_MAX, text, sizeof(text), on_hit, &found);
		free(root.at);
		free(states.at);
		free(edges.at);
	}
	free(patterns);
}

/* A link or an edge that leads the wrong way would let a scan run for ever. */
static void test_automaton_refused(void **state)
{
	struct mpm_pattern p[2] = {{.text = "abc", .len = 3},
				   {.text = "bc", .len = 2, .number = 1}};
	struct bytes root = {0}, states = {0}, edges = {0};
	struct blob_list lists[2] = {0};
	struct blob_mpm head = {0};
	struct blob b = {0};
	struct blob_state *s;

	(void)state;
	mpm_build(p, 2, &root, &states, &edges);
	s = (void *)states.at;
	b.mpm_root = (void *)root.at;
	b.state = s;
	b.edge = (void *)edges.at;
	b.pattern = lists;
	b.mpm = &head;
	head.state_count = (uint32_t)(states.len / sizeof(*s));
	b.count[BLOB_MPM] = 1;
	b.count[BLOB_MPM_ROOT] = 256;
	b.count[BLOB_MPM_STATES] = (uint32_t)(states.len / sizeof(*s));
	b.count[BLOB_MPM_EDGES] = (uint32_t)(edges.len / 4);
	b.count[BLOB_PATTERNS] = 2;
	assert_null(mpm_check(&b));
	for (uint32_t i = 1; i < b.count[BLOB_MPM_STATES]; i++) {
		struct blob_state saved = s[i];

		s[i].fail = i; /* to itself */
		assert_non_null(mpm_check(&b));
		s[i] = saved;
		s[i].dict = b.count[BLOB_MPM_STATES] - 1; /* not shallower */
		assert_non_null(mpm_check(&b));
		s[i] = saved;
		s[i].pattern = 2; /* unknown */
		assert_non_null(mpm_check(&b));
		s[i] = saved;
		s[i].depth++; /* so that an edge skips a level */
		assert_non_null(mpm_check(&b));
		s[i] = saved;
		s[i].edge_count = 0xffff;
		assert_non_null(mpm_check(&b));
		s[i] = saved;
	}
	for (unsigned i = 0; i < 6; i++) {
		static const struct blob_mpm bad[] = {
			{.look = BLOB_LOOKS, .state_count = 1},
			{.direction = 2, .state_count = 1},
			{.of = BLOB_CLASSES, .state_count = 1},
			{.look = BLOB_LOOK_TX, .of = APP_BUFFERS, .state_count = 1},
			{.state_count = 0},
			{.state_first = 1, .state_count = UINT32_MAX},
		};
		struct blob_mpm saved = head;

		head = bad[i];
		assert_non_null(mpm_check(&b));
		head = saved;
	}
	assert_null(mpm_check(&b));
	((uint32_t *)edges.at)[0] = 1u << 8 | 'x'; /* upwards */
	assert_non_null(mpm_check(&b));
	free(root.at);
	free(states.at);
	free(edges.at);
}

static void test_many_rules(void **state)
{
	/* 20 rules match: 15 alerts, those of the best priority, the rest counted. */
	char rules[20 * 128] = "";
	struct world *w;

	(void)state;
	for (unsigned i = 1; i <= 20; i++) {
		char *end = rules + strlen(rules);

		snprintf(end, 128,
			 "alert udp any any -> any any (content:\"%c\"; priority:%u; sid:%u;)\n",
			 'a' + (int)(i % 3), 21 - i, i);
	}
	w = world_open(rules);
	world_say(w, "abc", 3);
	assert_int_equal(w->lines, IDS_ALERTS_PER_PACKET);
	assert_int_equal(ids_stats(w->ids)->alert_queue_overflow, 5);
	for (uint32_t sid = 1; sid <= 20; sid++)
		assert_int_equal(world_alerts(w, sid), sid > 5);
	/* In the order of priority. */
	assert_non_null(strstr(w->line[0], "\"signature_id\":20,"));
	assert_non_null(strstr(w->line[14], "\"signature_id\":6,"));
	world_close(w);
}

static void test_once_per_packet(void **state)
{
	struct world *w =
		world_open("alert udp any any -> any any (content:\"aa\"; sid:1;)\n"
			   "alert udp any any -> any any (content:\"aa\"; content:\"b\"; sid:2;)");

	(void)state;
	world_say(w, "aaaaaaaaab", 10);
	assert_int_equal(world_alerts(w, 1), 1);
	assert_int_equal(world_alerts(w, 2), 1);
	world_say(w, "aaaaaaaaaa", 10);
	assert_int_equal(world_alerts(w, 1), 2);
	assert_int_equal(world_alerts(w, 2), 1);
	world_close(w);
}

static void test_prefilter(void **state)
{
	/* Only rules whose pattern and header fit are verified in full. */
	struct world *w = world_open("alert udp any any -> any 53 (content:\"aaa\"; sid:1;)\n"
				     "alert udp any any -> any 54 (content:\"aaa\"; sid:2;)\n"
				     "alert tcp any any -> any 53 (content:\"aaa\"; sid:3;)\n"
				     "alert udp any any -> any 53 (content:\"bbb\"; sid:4;)");

	(void)state;
	world_say(w, "aaa", 3);
	assert_int_equal(ids_stats(w->ids)->candidates, 1);
	assert_int_equal(w->lines, 1);
	world_close(w);
}

static void test_bounded_backtracking(void **state)
{
	/* Each `a` starts a chain that fails at its end: without a bound 1400^5 steps. */
	struct world *w = world_open(
		"alert udp any any -> any any (content:\"a\"; content:\"a\"; distance:0; "
		"content:\"a\"; "
		"distance:0; content:\"a\"; distance:0; content:\"a\"; distance:0; "
		"content:\"a\"; distance:0; "
		"content:\"z\"; within:1; content:\"a\"; fast_pattern; sid:1;)\n"
		"alert udp any any -> any any (content:\"aaaa\"; sid:2;)");
	char text[1400];

	(void)state;
	memset(text, 'a', sizeof(text));
	world_say(w, text, sizeof(text));
	assert_int_equal(ids_stats(w->ids)->inspection_limit, 1);
	assert_int_equal(world_alerts(w, 1), 0);
	assert_int_equal(world_alerts(w, 2), 1); /* the others go on */
	world_close(w);
}

static void test_deepest_rule(void **state)
{
	/* As many conditions as a rule may have. */
	char rule[BLOB_MAX_OPS * 40 + 100] = "alert udp any any -> any any (", text[BLOB_MAX_OPS];
	struct world *w;

	(void)state;
	for (unsigned i = 0; i < BLOB_MAX_OPS; i++)
		strcat(rule, i ? "content:\"x\"; within:1; " : "content:\"x\"; ");
	strcat(rule, "sid:1;)");
	memset(text, 'x', sizeof(text));
	w = world_open(rule);
	world_say(w, text, sizeof(text));
	assert_int_equal(world_alerts(w, 1), 1);
	world_say(w, text, sizeof(text) - 1);
	assert_int_equal(world_alerts(w, 1), 1);
	world_close(w);
	strcpy(rule + strlen(rule) - strlen("sid:1;)"), "content:\"x\"; sid:1;)");
	world_refused(rule, "too many");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_automaton),    cmocka_unit_test(test_automaton_refused),
		cmocka_unit_test(test_many_rules),   cmocka_unit_test(test_once_per_packet),
		cmocka_unit_test(test_prefilter),    cmocka_unit_test(test_bounded_backtracking),
		cmocka_unit_test(test_deepest_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
