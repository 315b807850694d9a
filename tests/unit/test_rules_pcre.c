/* pcre: flags, captures, relative matches; the engine's memory and its bounds. */
#include <time.h>

#include "ids/rules/op.h"
#include "ids/rules/regex.h"
#include "ids/rules/regex_heap.h"
#include "ids/rules/regex_work.h"
#include "ids/rules/scratch.h"
#include "tests/unit/rule_cases.h"

static const struct rule_case cases[] = {
	CASE("pcre:\"/ev[il]l/\";", "an evil thing", "an eval thing"),
	CASE("pcre:!\"/ev[il]l/\";", "an eval thing", "an evil thing"),
	CASE("pcre:\"/evil/i\";", "EvIl", "Ev-il"),
	CASE("pcre:\"/evil/\";", "evil", "Evil"),
	CASE("pcre:\"/a.b/\";", "a-b", "a\nb"),
	CASE("pcre:\"/a.b/s\";", "a\nb", "a\n\nb"),
	CASE("pcre:\"/^b/m\";", "a\nb", "a-b"),
	CASE("pcre:\"/^b/\";", "ba", "a\nb"),
	CASE("pcre:\"/a b/x\";", "ab", "a b"),
	CASE("pcre:\"/b/A\";", "ba", "ab"),
	CASE("pcre:\"/a$/\";", "xa\n", "xab"),
	CASE("pcre:\"/a$/E\";", "xa", "xa\n"),
	CASE("pcre:\"/^a+/G\"; content:\"b\"; within:1;", "ab", "aab"),
	CASE("pcre:\"/^a+/\"; content:\"b\"; within:1;", "aab", "aa-b"),
	/* what belongs to the rule's text */
	CASE("pcre:\"/a\\;b\\\"c\\:d\\/e/\";", "a;b\"c:d/e", "a;b\"c:d-e"),
	CASE("pcre:\"/a/b/\";", "a/b", "ab"),
	CASE("pcre:\"/\\x00\\xff$/s\";", "\x00\xff", "\x00\xfe"),
	CASE("pcre:\"/a|b/O\";", "b", "c"),
	CASE("pcre:\"/abc/B\";", "abc", "abd"),
	/* groups: only as far as something refers to them */
	CASE("pcre:\"/(a|b)\\1/\";", "aa", "ab"),
	CASE("pcre:\"/(?P<x>a|b)(?P=x)/\";", "bb", "ba"),
	CASE("pcre:\"/(?<!x)abc(?=d)/\";", "-abcd", "xabcd"),
	CASE("pcre:\"/(?:a(?1)?b|(x))/\";", "aab", "-"),
	CASE("pcre:\"/user=([a-z]+)/, flow:user\";", "user=me", "user=1"),
	CASE("pcre:\"/user=([a-z]+)/i, flow:user, pkt:other\";", "USER=me", "user=1"),
	CASE("pcre:\"/user=(?P<flow_user>[a-z]+)/\";", "user=me", "user=1"),
	CASE("pcre:\"/user=(?P<pkt_user>[a-z]+)/\";", "user=me", "user=1"),
	/* with content */
	CASE("content:\"GET\"; pcre:\"/id=\\d+/\";", "GET id=7", "GET id=x"),
	CASE("pcre:\"/id=\\d+/\"; content:\"GET\";", "GET id=7", "PUT id=7"),
	/* relative: begins where the match before ends, and sees nothing before it */
	CASE("content:\"ab\"; pcre:\"/^cd/R\";", "-abcd", "-ab-cd"),
	CASE("content:\"ab\"; pcre:\"/cd/R\";", "ab--cd", "cdab"),
	CASE("content:\"ab\"; pcre:\"/(?<!b)c/R\";", "abc", "ab"),
	CASE("content:\"ab\"; pcre:!\"/^c/R\";", "abd", "abc"),
	/* of the content before it every place is tried */
	CASE("content:\"ab\"; pcre:\"/^cd/R\";", "ab-ab-abcd", "ab-ab-ab-cd"),
	CASE("content:\"a\"; content:\"b\"; within:1; pcre:\"/^c/R\";", "a-ab-abc", "a-ab-ab-c"),
	/* what follows is relative to its end; if that fails, it goes on behind its begin */
	CASE("pcre:\"/a+/\"; content:\"b\"; within:1;", "a-aab", "a-aa-b"),
	CASE("pcre:\"/x[0-9]/\"; content:\"y\"; distance:1; within:1;", "x1--x2-y", "x1--x2y-"),
	CASE("pcre:\"/a.b/\"; pcre:\"/^c/R\";", "aab-a-bc", "a-b-c"),
	CASE("pcre:\"/aa/\"; content:\"b\"; within:1;", "aaab", "aaa-b"),
	CASE("pcre:\"/a+?/\"; pcre:\"/^b/R\"; content:\"c\"; within:1;", "ab-aabc", "ab-aab-c"),
	CASE("pcre:\"/l(.)/\"; byte_test:1,=,1,0,relative;", "l-\x02l-\x01", "l-\x02l-\x03"),
	CASE("pcre:\"/k/\"; isdataat:!1,relative;", "k-k", "k-k-"),
	CASE("pcre:\"/x*/\"; content:\"b\"; within:1;", "aab", "aac"),
};

static const struct rule_refusal refused[] = {
	{"pcre:\"/(/\";", "missing closing parenthesis"},
	{"pcre:\"/a{2,1}/\";", "out of order"},
	{"pcre:\"/[b-a]/\";", "out of order"},
	{"pcre:\"/\\1/\";", "non-existent"},
	{"pcre:\"/(?<=a*)b/\";", "lookbehind"},
	{"pcre:\"/*/\";", "quantifier"},
	{"pcre:\"/\\p{Lu}/\";", "does not have support"},
	{"pcre:\"/(*UTF)a/\";", "Unicode"},
	{"pcre:\"a\";", "no pattern"},
	{"pcre:\"/a\";", "no pattern"},
	{"pcre:\"//\";", "0 octets"},
	{"pcre:\"/a/q\";", "unknown flag q"},
	{"pcre:\"/a/, user\";", "bad capture user"},
	{"pcre:\"/a/, flow:\";", "bad capture"},
	{"pcre:\"/a/UB\";", "contradicts the buffer"},
	{"pcre:\"/a/U\";", "TCP application in a rule for another protocol"},
	{"pcre:\"/a/BU\";", "contradict"},
	{"pcre;", "needs a value"},
};

static void test_cases(void **state)
{
	(void)state;
	check_cases(cases, COUNT(cases));
	check_refusals(refused, COUNT(refused));
}

static void test_sizes(void **state)
{
	char options[6000] = "pcre:\"/", *at = options + strlen(options);

	(void)state;
	memset(at, 'a', REGEX_MAX_PATTERN);
	strcpy(at + REGEX_MAX_PATTERN, "/\";");
	assert_true(raises(options, at, 0) == false);
	memset(at, 'a', REGEX_MAX_PATTERN + 1);
	strcpy(at + REGEX_MAX_PATTERN + 1, "/\";");
	check_refusals(&(struct rule_refusal){options, "4097 octets"}, 1);
	/* Parentheses cost stack. */
	at[0] = '\0';
	for (unsigned i = 0; i < 33; i++)
		strcat(options, "(?:");
	strcat(options, "a");
	for (unsigned i = 0; i < 33; i++)
		strcat(options, ")");
	strcat(options, "/\";");
	check_refusals(&(struct rule_refusal){options, "nested"}, 1);
	/* Code of more than 64 KiB. */
	check_refusals(&(struct rule_refusal){"pcre:\"/(?:[a-c][d-f]){1000}/\";", "too large"}, 1);
}

/* --- the engine by itself -----------------------------------------------------------------------
 */

struct box {
	struct regex *r;
	void *memory;
};

static struct box box_open(uint32_t patterns, size_t cache)
{
	struct box b;

	b.memory = calloc(1, regex_size(patterns, cache));
	b.r = regex_init(b.memory, patterns, cache);
	assert_non_null(b.r);
	return b;
}

static struct regex_pattern pattern(const char *text)
{
	return (struct regex_pattern){(const uint8_t *)text, (uint32_t)strlen(text), 0};
}

/* Search a copy of exactly its size. */
static enum regex_result search(struct regex *r, uint32_t index, const char *text, const char *data,
				size_t len, struct regex_span span[2])
{
	struct regex_pattern p = pattern(text);
	uint8_t *copy = malloc(len ? len : 1);
	enum regex_result result;

	memcpy(copy, data, len);
	result = regex_search(r, index, &p, copy, (uint32_t)len, 0, true, span);
	free(copy);
	return result;
}

static void test_spans(void **state)
{
	struct box b = box_open(8, 65536);
	struct regex_pattern p = pattern("b(c)?"), begin = pattern("^a"), line = pattern("(?m)^b");
	struct regex_pattern anchored = {(const uint8_t *)"a", 1, REGEX_ANCHORED};
	struct regex_span span[2];

	(void)state;
	assert_int_equal(search(b.r, 0, "b(c)?", "abcb", 4, span), REGEX_MATCH);
	assert_int_equal(span[0].from, 1);
	assert_int_equal(span[0].to, 3);
	assert_int_equal(span[1].from, 2);
	assert_int_equal(span[1].to, 3);
	assert_int_equal(regex_search(b.r, 0, &p, (const uint8_t *)"abcb", 4, 2, true, span),
			 REGEX_MATCH);
	assert_int_equal(span[0].from, 3);
	assert_int_equal(span[1].from, REGEX_UNSET);
	/* No group, after a pattern that had one. */
	assert_int_equal(search(b.r, 6, "c", "abcb", 4, span), REGEX_MATCH);
	assert_int_equal(span[1].from, REGEX_UNSET);
	/* \K: the match begins later than it was found. */
	assert_int_equal(search(b.r, 1, "ab\\Kc", "abc", 3, span), REGEX_MATCH);
	assert_int_equal(span[0].from, 2);
	/* No begin: ^ holds behind line breaks only. */
	assert_int_equal(regex_search(b.r, 2, &begin, (const uint8_t *)"a", 1, 0, true, span),
			 REGEX_MATCH);
	assert_int_equal(regex_search(b.r, 2, &begin, (const uint8_t *)"a", 1, 0, false, span),
			 REGEX_NO);
	assert_int_equal(regex_search(b.r, 3, &line, (const uint8_t *)"b\nb", 3, 0, false, span),
			 REGEX_MATCH);
	assert_int_equal(span[0].from, 2);
	assert_int_equal(regex_search(b.r, 4, &anchored, (const uint8_t *)"a", 1, 0, false, span),
			 REGEX_NO);
	/* Nothing to search. */
	assert_int_equal(regex_search(b.r, 5, &(struct regex_pattern){(const uint8_t *)"^$", 2, 0},
				      NULL, 0, 0, true, span),
			 REGEX_MATCH);
	assert_int_equal(regex_search(b.r, 0, &p, (const uint8_t *)"b", 1, 2, true, span),
			 REGEX_LIMIT);
	assert_int_equal(regex_search(b.r, 8, &p, (const uint8_t *)"b", 1, 0, true, span),
			 REGEX_LIMIT);
	free(b.memory);
}

/* Patterns that make a backtracking matcher run for ever, and texts that do it. Each must end, by a
 * limit, within milliseconds. */
static const struct {
	const char *text;
	char fill;
	size_t len;
} worst[] = {
	{"(a+)+$", 'a', 30},
	{"(a+)+$", 'a', 60000},
	{"(a|aa)+$", 'a', 60000},
	{"(a|a)+b", 'a', 60000},
	{"(.*a){20}", 'a', 60000},
	{"(x+x+)+y", 'x', 60000},
	{"^(([a-z])+.)+[A-Z]([a-z])+$", 'a', 60000},
	/* without backtracking, in the square of the length */
	{"a++b", 'a', 60000},
	{"\\d+x", '1', 60000},
	{"a{1,3000}x", 'a', 60000},
	{"(?=a++)(?=a++)(?=a++)(?=a++)cb", 'a', 60000},
	{"(?:a?){30}a{30}$", 'a', 29},
	{"(a?){1,100}cb", 'a', 60000},
	{"(?>(a+))+$|(\\2b)+", 'a', 60000},
	{"(a+)\\1b", 'a', 60000},
	{"(a+|b)(?1)*cb", 'a', 60000},
};

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void test_worst(void **state)
{
	struct box b = box_open(COUNT(worst), 65536);
	char *text = malloc(60004);

	(void)state;
	for (uint32_t i = 0; i < COUNT(worst); i++) {
		double start = now_ms(), ms;
		struct regex_span span[2];
		enum regex_result r;

		memset(text, worst[i].fill, worst[i].len);
		/* The letters that a match must have are there, but in vain. */
		memcpy(text + worst[i].len, "!bxy", 4);
		regex_refill(b.r);
		r = search(b.r, i, worst[i].text, text, worst[i].len + 4, span);
		ms = now_ms() - start;
		print_message("%-34s %6zu octets: %s, %.1f ms\n", worst[i].text, worst[i].len,
			      r == REGEX_LIMIT ? "limit"
			      : r == REGEX_NO  ? "no"
					       : "match",
			      ms);
		assert_int_not_equal(r, worst[i].text[1] == '.' ? REGEX_NO : REGEX_MATCH);
		/* Under the sanitizers, on a loaded machine. */
		assert_true(ms < 1000);
	}
	assert_true(regex_stats(b.r)->limits >= 8);
	free(text);
	free(b.memory);
}

static void test_work_is_shared(void **state)
{
	/* All searches of a packet together have one budget, and a new packet a new one. */
	struct box b = box_open(2, 65536);
	struct regex_span span[2];
	char text[2000];
	unsigned searches = 0;

	(void)state;
	memset(text, '1', sizeof(text));
	memcpy(text, "x!", 2);
	memcpy(text + sizeof(text) - 2, "!x", 2);
	while (search(b.r, 0, "\\d++x", text, sizeof(text), span) == REGEX_NO)
		assert_true(++searches < 1000);
	assert_int_equal(search(b.r, 1, "1", text, sizeof(text), span), REGEX_LIMIT);
	regex_refill(b.r);
	assert_int_equal(search(b.r, 1, "1", text, sizeof(text), span), REGEX_MATCH);
	free(b.memory);
}

static void test_cache(void **state)
{
	/* Patterns for ten times the cache: the ones used last stay, all are found. */
	enum { N = 400 };
	struct box b = box_open(N, 16384);
	char text[N][40];
	struct regex_span span[2];
	size_t most = 0;
	uint64_t before;

	(void)state;
	for (uint32_t i = 0; i < N; i++)
		snprintf(text[i], sizeof(text[i]), "[a-z]+(number%u|other)$", i);
	for (unsigned round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < N; i++) {
			char data[40];
			int len = snprintf(data, sizeof(data), "xnumber%u", i);

			regex_refill(b.r);
			assert_int_equal(search(b.r, i, text[i], data, (size_t)len, span),
					 REGEX_MATCH);
			assert_int_equal(span[0].to, (uint32_t)len);
			most = regex_used(b.r) > most ? regex_used(b.r) : most;
		}
	}
	assert_true(most > 8192 && most <= 16384);
	assert_int_equal(regex_stats(b.r)->compiled, 3 * N);
	assert_true(regex_stats(b.r)->thrown_out > 2 * N);
	/* Two that are used in turn are not compiled again, whatever else was thrown out. */
	before = regex_stats(b.r)->compiled;
	for (unsigned i = 0; i < 100; i++)
		search(b.r, N - 1 - i % 2, text[N - 1 - i % 2], "x", 1, span);
	assert_int_equal(regex_stats(b.r)->compiled, before);
	assert_int_equal(regex_stats(b.r)->limits, 0);
	free(b.memory);
}

static void test_too_large_for_cache(void **state)
{
	struct box b = box_open(2, 8192);
	struct regex_pattern large = pattern("(?:[a-z]{50}[0-9]{50}){500}"), bad = pattern("(");
	struct regex_span span[2];
	size_t at;
	int error;

	(void)state;
	assert_false(regex_prepare(b.r, 0, &large, &error, &at));
	assert_int_equal(error, 0);
	assert_int_equal(search(b.r, 0, "(?:[a-z]{50}[0-9]{50}){500}", "a", 1, span), REGEX_LIMIT);
	assert_int_equal(search(b.r, 0, "(?:[a-z]{50}[0-9]{50}){500}", "a", 1, span), REGEX_LIMIT);
	assert_int_equal(regex_stats(b.r)->compiled, 2); /* not tried again and again */
	assert_false(regex_prepare(b.r, 1, &bad, &error, &at));
	assert_true(error != 0 && at == 1);
	assert_int_equal(regex_used(b.r), 0);
	free(b.memory);
	b.memory = calloc(1, regex_size(1, 1024));
	assert_null(regex_init(b.memory, 1, 1024));
	free(b.memory);
}

static void test_heap(void **state)
{
	/* Random sizes in a random order: pieces don't overlap, and all of it comes back. */
	enum { SIZE = 8192, PIECES = 64 };
	uint8_t *memory = malloc(SIZE), *piece[PIECES] = {0};
	size_t size[PIECES] = {0};
	struct regex_heap h;
	uint32_t random = 1;

	(void)state;
	regex_heap_init(&h, memory, SIZE);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned at = (random = random * 1103515245 + 12345) >> 16 & (PIECES - 1);

		if (piece[at]) {
			for (size_t k = 0; k < size[at]; k++)
				assert_int_equal(piece[at][k], at);
			regex_heap_free(&h, piece[at]);
			piece[at] = NULL;
			continue;
		}
		size[at] = (random >> 8) % 500;
		piece[at] = regex_heap_alloc(&h, size[at]);
		if (!piece[at])
			continue;
		assert_int_equal((uintptr_t)piece[at] & 15, (uintptr_t)memory & 15);
		assert_true(piece[at] >= memory && piece[at] + size[at] <= memory + SIZE);
		memset(piece[at], (int)at, size[at]);
	}
	for (unsigned at = 0; at < PIECES; at++)
		regex_heap_free(&h, piece[at]);
	assert_int_equal(h.used, 0);
	assert_null(regex_heap_alloc(&h, SIZE));
	assert_null(regex_heap_alloc(&h, SIZE_MAX));
	assert_non_null(regex_heap_alloc(&h, SIZE - 16));
	free(memory);
}

static void test_limit_is_no_match(void **state)
{
	/* Not decided: neither a pcre nor a negated one holds (Suricata); the next rule goes on. */
	char text[1200];
	struct world *w = world_open("alert udp any any -> any any (pcre:\"/(a+)+$/\"; sid:1;)\n"
				     "alert udp any any -> any any (pcre:!\"/(a+)+$/\"; sid:2;)\n"
				     "alert udp any any -> any any (pcre:\"/a!/\"; sid:3;)");

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '!';
	world_say(w, text, sizeof(text));
	assert_int_equal(world_alerts(w, 1), 0);
	assert_int_equal(world_alerts(w, 2), 0);
	assert_int_equal(world_alerts(w, 3), 1);
	assert_int_equal(ids_stats(w->ids)->pcre_limit, 2);
	world_close(w);
}

static void test_steps(void **state)
{
	/* Retries of a pcre count as steps of the rule. */
	struct world *w =
		world_open("alert udp any any -> any any (pcre:\"/a/\"; pcre:\"/a/R\"; "
			   "pcre:\"/a/R\"; pcre:\"/a/R\"; content:\"b\"; within:1; sid:1;)");
	char text[1000];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[0] = 'b';
	world_say(w, text, sizeof(text));
	assert_int_equal(ids_stats(w->ids)->inspection_limit, 1);
	world_close(w);
}

static void test_memory(void **state)
{
	/* Only rules that need it cost memory; without it there is no engine. */
	struct ids_config config = {.link = IDS_LINK_ETHERNET};
	const char *rules = "alert udp any any -> any any (pcre:\"/a/\"; sid:1;)\n"
			    "alert udp any any -> any any (pcre:\"/a/\"; sid:2;)\n"
			    "alert udp any any -> any any (pcre:\"/a/i\"; sid:3;)";
	struct blob b;
	size_t len;
	void *blob = world_compile("alert udp any any -> any any (content:\"a\"; sid:1;)", &len);

	(void)state;
	assert_null(blob_open(&b, blob, len));
	assert_int_equal(scratch_size(&b), 0);
	free(blob);
	blob = world_compile(rules, &len);
	assert_null(blob_open(&b, blob, len));
	assert_int_equal(b.count[BLOB_OPS], 3);
	/* Equal patterns have one index. */
	assert_int_equal(scratch_size(&b),
			 ((sizeof(struct scratch) + 15) & ~15ull) + regex_size(2, SCRATCH_CACHE));
	for (size_t i = 1; i <= 5; i++)
		assert_null(world_open_blob(blob, len, config, i, -12));
	free(blob);
}

static void test_records_refused(void **state)
{
	struct blob b = {.count = {[BLOB_STRINGS] = 10}};
	static const struct blob_op bad[] = {
		{.kind = OP_PCRE, .flags = 4, .arg = {0, 1}},
		{.kind = OP_PCRE, .arg = {0, 1, 0x100}},
		{.kind = OP_PCRE, .arg = {0, 11}},
		{.kind = OP_PCRE, .arg = {11, 0}},
		{.kind = OP_PCRE, .arg = {0xffffffff, 2}},
		{.kind = OP_PCRE, .arg = {0, 1, 0, REGEX_MAX_INDEX}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (!ops[OP_PCRE].check(&b, &bad[i]))
			fail_msg("record %zu is taken", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_worst),
		cmocka_unit_test(test_work_is_shared),
		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_too_large_for_cache),
		cmocka_unit_test(test_heap),
		cmocka_unit_test(test_limit_is_no_match),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_records_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
