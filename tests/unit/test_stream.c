/* TCP reassembly: every order, split and overlap; gaps, limits, what is full; both modes. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/stream_bench.h"

static struct stream_config config(bool in_line)
{
	struct stream_config c;

	stream_defaults(&c);
	c.in_line = in_line;
	c.pages = 64; /* quickly made */
	return c;
}

static void test_plain(void **state)
{
	(void)state;
	for (int in_line = 0; in_line < 2; in_line++) {
		struct bench *b = bench_open(config(in_line));

		bench_handshake(b);
		assert_true(bench_data(b, CLIENT, 0, 0, "GET /", 5));
		assert_true(b->r.established && b->r.taken);
		bench_got(b, CLIENT, in_line ? "GET /" : "");
		assert_true(bench_data(b, SERVER, 0, 5, "200 ok", 6)); /* acknowledges */
		bench_got(b, CLIENT, "GET /");
		bench_got(b, SERVER, in_line ? "200 ok" : "");
		bench_ack(b, CLIENT, 5, 6);
		bench_got(b, SERVER, "200 ok");
		assert_int_equal(b->t.pool.pages_used, 0);
		bench_close(b);
	}
}

/* Three pieces of a text in each order, with each split, around each turn of the numbers; each
 * sent twice. */
static void test_splits(void **state)
{
	static const char text[] = "Now is the time for all good pieces";
	static const uint8_t order[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					    {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	static const uint32_t isns[] = {0, 1, 0x7ffffff0, 0xffffffff, 0xfffffff0, 0xffffffdd};
	const uint32_t len = sizeof(text) - 1;

	(void)state;
	for (unsigned k = 0; k < 6 * 6 * 2; k++)
		for (uint32_t i = 1; i < len - 1; i++)
			for (uint32_t j = i + 1; j < len; j += 3) {
				struct bench *b = bench_open(config(k % 2));
				uint32_t at[4] = {0, i, j, len};

				b->isn[CLIENT] = isns[k / 2 % 6];
				bench_handshake(b);
				for (unsigned n = 0; n < 6; n++) {
					unsigned x = order[k / 12][n / 2];

					assert_true(bench_data(b, CLIENT, at[x], 0, text + at[x],
							       at[x + 1] - at[x]));
					assert_false(b->r.different);
				}
				bench_ack(b, SERVER, 0, len);
				bench_got(b, CLIENT, text);
				assert_int_equal(b->got[CLIENT].gaps, 0);
				assert_int_equal(b->t.pool.pages_used, 0);
				bench_close(b);
			}
}

/* Who wins, for each way a new segment lies to the older one: it starts before, with, behind it,
 * and ends before, with, behind it. */
static const struct {
	enum os_policy os;
	const char *wins; /* n: the new one */
} policies[] = {
	{OS_LINUX, "nnnoonooo"},     {OS_BSD, "nnnoooooo"},	{OS_BSD_RIGHT, "nnnoooooo"},
	{OS_OLD_LINUX, "nnnonnooo"}, {OS_SOLARIS, "onnonnoon"}, {OS_OLD_SOLARIS, "onnonnoon"},
	{OS_HPUX10, "nnnoooooo"},    {OS_HPUX11, "onnonnoon"},	{OS_IRIX, "nnnoooooo"},
	{OS_MACOS, "nnnoooooo"},     {OS_WINDOWS, "nnnoooooo"}, {OS_WINDOWS2K3, "nnnoooooo"},
	{OS_VISTA, "ooooooooo"},     {OS_FIRST, "ooooooooo"},	{OS_LAST, "nnnnnnnnn"},
};

static void overlap_case(enum os_policy os, unsigned relation, char wins)
{
	static const uint32_t starts[] = {15, 20, 25}, ends[] = {35, 40, 45};
	uint32_t start = starts[relation / 3], end = ends[relation % 3];
	struct stream_config c = config(false);
	uint8_t data[64];
	struct bench *b;

	c.os = os;
	b = bench_open(c);
	bench_handshake(b);
	memset(data, 'o', sizeof(data));
	bench_data(b, CLIENT, 20, 0, data, 20);
	assert_false(bench_event(b, "reassembly_overlap_different_data"));
	memset(data, 'n', sizeof(data));
	bench_data(b, CLIENT, start, 0, data, end - start);
	assert_true(bench_event(b, "reassembly_overlap_different_data"));
	memset(data, '.', sizeof(data));
	bench_data(b, CLIENT, 0, 0, data, 15);
	bench_data(b, CLIENT, 15, 0, data, start < 20 ? 0 : 5);
	bench_ack(b, SERVER, 0, end > 40 ? end : 40);
	for (uint32_t i = 0; i < b->got[CLIENT].len; i++) {
		bool old = i >= 20 && i < 40, new = i >= start &&i < end;
		char want = (char)(old && new ? wins : old ? 'o' : new ? 'n' : '.');

		if (b->got[CLIENT].at[i] != want)
			fail_msg("policy %d, relation %u, at %u: %c", os, relation, i,
				 b->got[CLIENT].at[i]);
	}
	assert_int_equal(b->got[CLIENT].len, end > 40 ? end : 40);
	bench_close(b);
}

static void test_policies(void **state)
{
	(void)state;
	assert_int_equal(sizeof(policies) / sizeof(policies[0]), OS_POLICIES);
	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++)
		for (unsigned k = 0; k < 9; k++)
			overlap_case(policies[i].os, k, policies[i].wins[k]);
}

/* Overlaps that say the same are no event; a new segment over several old ones, with a hole. */
static void test_overlap_same(void **state)
{
	struct bench *b = bench_open(config(false));

	(void)state;
	bench_handshake(b);
	bench_data(b, CLIENT, 2, 0, "cd", 2);
	bench_data(b, CLIENT, 6, 0, "gh", 2);
	assert_true(bench_data(b, CLIENT, 1, 0, "bcdefghi", 8));
	assert_false(bench_event(b, "reassembly_overlap_different_data"));
	assert_int_equal(b->t.stats.overlaps, 1);
	bench_data(b, CLIENT, 0, 0, "abc", 3);
	bench_ack(b, SERVER, 0, 9);
	bench_got(b, CLIENT, "abcdefghi");
	bench_close(b);
}

/* Inline, what was delivered, or lies ready, is not said otherwise. */
static void test_inline_different(void **state)
{
	struct bench *b = bench_open(config(true));

	(void)state;
	bench_handshake(b);
	assert_true(bench_data(b, CLIENT, 0, 0, "good", 4));
	assert_true(bench_data(b, CLIENT, 0, 0, "evil", 4));
	assert_true(b->r.different);
	assert_true(bench_event(b, "reassembly_overlap_different_data"));
	assert_true(bench_event(b, "pkt_retransmission") || b->r.taken);
	bench_got(b, CLIENT, "good");
	assert_true(bench_data(b, CLIENT, 0, 0, "good", 4)); /* an honest repetition */
	assert_false(b->r.different);
	assert_true(bench_data(b, CLIENT, 2, 0, "od+more", 7));
	assert_false(b->r.different);
	bench_got(b, CLIENT, "good+more");
	assert_true(bench_data(b, CLIENT, 12, 0, "later", 5));
	assert_true(bench_data(b, CLIENT, 9, 0, "...LATER", 8));
	assert_true(b->r.different);
	bench_got(b, CLIENT, "good+more...later");
	bench_close(b);
}

static void test_checksum(void **state)
{
	struct bench *b = bench_open(config(true));

	(void)state;
	bench_handshake(b);
	b->spoil = true;
	bench_data(b, CLIENT, 0, 0, "evil", 4);
	assert_false(b->r.taken);
	b->spoil = false;
	bench_data(b, CLIENT, 0, 0, "good", 4);
	assert_false(b->r.different);
	bench_got(b, CLIENT, "good");
	assert_int_equal(b->t.stats.bad_checksum, 1);
	bench_close(b);
}

/* Octets that were acknowledged but not seen are passed over, when there are some behind. */
static void test_gap(void **state)
{
	(void)state;
	for (int in_line = 0; in_line < 2; in_line++) {
		struct bench *b = bench_open(config(in_line));

		bench_handshake(b);
		bench_data(b, CLIENT, 0, 0, "begin", 5);
		bench_data(b, CLIENT, 10, 0, "middle", 6);
		bench_ack(b, SERVER, 0, 5);
		bench_got(b, CLIENT, "begin");
		bench_ack(b, SERVER, 0, 16); /* the server has it all */
		assert_true(bench_event(b, "reassembly_seq_gap"));
		bench_got(b, CLIENT, "begin?????middle");
		assert_int_equal(b->got[CLIENT].gaps, 1);
		bench_ack(b, SERVER, 0, 20); /* a lie, or nothing was seen yet */
		assert_false(bench_event(b, "reassembly_seq_gap"));
		bench_data(b, CLIENT, 16, 0, "late", 4);
		bench_ack(b, SERVER, 0, 20);
		bench_got(b, CLIENT, "begin?????middlelate");
		bench_close(b);
	}
}

static void test_depth(void **state)
{
	(void)state;
	for (int in_line = 0; in_line < 2; in_line++) {
		struct stream_config c = config(in_line);
		struct bench *b;

		c.depth = 10;
		b = bench_open(c);
		bench_handshake(b);
		bench_data(b, CLIENT, 0, 0, "12345678", 8);
		assert_false(bench_event(b, "reassembly_depth_reached"));
		bench_data(b, CLIENT, 8, 0, "90abcdef", 8);
		assert_true(bench_event(b, "reassembly_depth_reached"));
		bench_ack(b, SERVER, 0, 16);
		bench_got(b, CLIENT, "1234567890");
		assert_true(b->got[CLIENT].ended && b->got[CLIENT].depth);
		bench_data(b, CLIENT, 16, 0, "more", 4);
		bench_ack(b, SERVER, 0, 20);
		assert_int_equal(b->t.pool.pages_used, 0);
		/* The other direction goes on. */
		bench_data(b, SERVER, 0, 20, "answer", 6);
		bench_ack(b, CLIENT, 20, 6);
		bench_got(b, SERVER, "answer");
		bench_close(b);
	}
}

/* 10,000 segments of an octet: forwards, backwards, and every second one first. What is held stays
 * within its bounds: pages for the octets, PIECES_MAX pieces. */
static void test_small(void **state)
{
	enum { N = 10000 };
	static uint8_t data[N];

	(void)state;
	for (unsigned i = 0; i < N; i++)
		data[i] = (uint8_t)(i * 31 + i / 256);
	for (unsigned k = 0; k < 4; k++) {
		struct bench *b = bench_open(config(k % 2));

		bench_handshake(b);
		for (unsigned i = 0; i < N; i++) {
			unsigned at = k / 2 ? N - 1 - i : i;

			assert_true(bench_data(b, CLIENT, at, 0, data + at, 1));
			assert_false(b->r.no_room);
			assert_true(b->f.tcp.half[0].kept.pieces <= PIECES_MAX);
			assert_true(b->t.pool.pages_used <= N / PIECES_PAGE + 1);
		}
		bench_ack(b, SERVER, 0, N);
		assert_int_equal(b->got[CLIENT].len, N);
		assert_memory_equal(b->got[CLIENT].at, data, N);
		bench_close(b);
	}
}

/* A hole before each octet: more pieces than may be. Inline the sender must send again; otherwise
 * the holes are passed over. */
static void test_holes(void **state)
{
	(void)state;
	for (int in_line = 0; in_line < 2; in_line++) {
		struct bench *b = bench_open(config(in_line));
		unsigned no_room = 0;

		bench_handshake(b);
		for (unsigned i = 1; i < 400; i += 2) {
			bench_data(b, CLIENT, i, 0, "x", 1);
			no_room += b->r.no_room;
			assert_true(b->f.tcp.half[0].kept.pieces <= PIECES_MAX);
		}
		if (in_line) {
			assert_int_equal(no_room, 200 - PIECES_MAX);
			assert_int_equal(b->got[CLIENT].len, 0);
		} else {
			assert_int_equal(no_room, 0);
			assert_true(b->got[CLIENT].gaps >= 200 - PIECES_MAX);
			assert_true(b->t.stats.gaps >= 200 - PIECES_MAX);
		}
		bench_close(b);
	}
}

/* The pool is used up by sessions with octets out of order: the oldest give way, and octets in
 * order are looked at in any case. */
static void test_exhaustion(void **state)
{
	enum { FLOWS = 40, PAGES = 8 };
	static struct flow flow[FLOWS];

	(void)state;
	for (int in_line = 0; in_line < 2; in_line++) {
		struct stream_config c = config(in_line);
		struct bench *b;

		c.pages = PAGES;
		b = bench_open(c);
		memset(flow, 0, sizeof(flow));
		for (unsigned i = 0; i < FLOWS; i++) {
			struct flow *f = &flow[i];

			bench_send_on(b, f, CLIENT, TCP_SYN, 0, 0, NULL, 0);
			bench_send_on(b, f, SERVER, TCP_SYN | TCP_ACK, 0, 1, NULL, 0);
			bench_send_on(b, f, CLIENT, TCP_ACK, 1, 1, NULL, 0);
			bench_send_on(b, f, CLIENT, TCP_ACK, 100, 1, "early", 5);
			assert_false(b->r.no_room);
			assert_true(b->t.pool.pages_used <= PAGES);
		}
		assert_int_equal(b->t.stats.evicted, FLOWS - PAGES);
		bench_handshake(b);
		for (unsigned i = 0; i < 20; i++)
			bench_data(b, CLIENT, i * 4, 0, "text", 4);
		bench_ack(b, SERVER, 0, 80);
		assert_int_equal(b->got[CLIENT].len, 80);
		for (unsigned i = 0; i < FLOWS; i++)
			stream_release(&b->t, &flow[i].tcp);
		bench_close(b);
	}
}

/* One direction may hold its share only, and is then looked at as it comes. */
static void test_share(void **state)
{
	static uint8_t data[60000];

	(void)state;
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	for (int in_line = 0; in_line < 2; in_line++) {
		struct stream_config c = config(in_line);
		struct bench *b;

		c.window_pages = 2;
		b = bench_open(c);
		bench_handshake(b);
		for (uint32_t at = 0; at < sizeof(data); at += 1000) {
			assert_true(bench_data(b, CLIENT, at, 0, data + at, 1000));
			assert_true(b->t.pool.pages_used <= 2);
		}
		bench_ack(b, SERVER, 0, sizeof(data));
		assert_int_equal(b->got[CLIENT].len, sizeof(data));
		assert_memory_equal(b->got[CLIENT].at, data, sizeof(data));
		assert_int_equal(b->got[CLIENT].gaps, 0);
		bench_close(b);
	}
}

static uint32_t rnd_state;

static uint32_t rnd(uint32_t n)
{
	rnd_state = rnd_state * 1664525 + 1013904223;
	return (rnd_state >> 8) % n;
}

/* Pieces at random, repeated, overlapping, in both directions; all comes out once, in order. */
static void test_random(void **state)
{
	static uint8_t data[2][9000];

	(void)state;
	for (unsigned i = 0; i < sizeof(data[0]); i++) {
		data[0][i] = (uint8_t)(i * 131 + i / 256);
		data[1][i] = (uint8_t)(i * 17 + i / 200);
	}
	for (unsigned k = 0; k < 200; k++) {
		struct bench *b = bench_open(config(k % 2));
		uint32_t sent[2] = {0, 0}, seen[2] = {0, 0};

		rnd_state = k;
		b->isn[CLIENT] = rnd(0xffffff) << 8;
		bench_handshake(b);
		while (seen[0] < sizeof(data[0]) || seen[1] < sizeof(data[1])) {
			int from = (int)rnd(2);
			uint32_t len = 1 + rnd(900),
				 low = sent[from] > 4000 ? sent[from] - 4000 : 0;
			uint32_t at = low + rnd(sent[from] - low + 1);

			if (rnd(3) == 0) { /* the next, so that there is progress */
				at = seen[from];
			} else if (rnd(8) == 0) {
				at = sent[from] + rnd(500); /* too early */
			}
			if (at >= sizeof(data[0]))
				continue;
			if (at + len > sizeof(data[0]))
				len = (uint32_t)sizeof(data[0]) - at;
			bench_data(b, from, at, seen[!from], data[from] + at, len);
			assert_false(b->r.different);
			if (at + len > sent[from])
				sent[from] = at + len;
			/* The receiver has what follows on. */
			if (at <= seen[from] && at + len > seen[from])
				seen[from] = at + len;
		}
		bench_ack(b, SERVER, seen[1], seen[0]);
		bench_ack(b, CLIENT, seen[0], seen[1]);
		for (int i = 0; i < 2; i++) {
			assert_int_equal(b->got[i].len, sizeof(data[0]));
			assert_memory_equal(b->got[i].at, data[i], sizeof(data[0]));
			assert_int_equal(b->got[i].gaps, 0);
		}
		bench_close(b);
	}
}

static void test_urgent(void **state)
{
	static const struct {
		enum stream_urgent policy;
		const char *result;
	} cases[] = {
		{STREAM_URGENT_INLINE, "atMtack"},
		{STREAM_URGENT_OOB, "attack"},
		{STREAM_URGENT_GAP, "at"}, /* a hole that nobody fills */
	};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct stream_config c = config(true);
		struct bench *b;

		c.urgent = cases[i].policy;
		b = bench_open(c);
		bench_handshake(b);
		b->urgent = 3;
		assert_true(bench_send(b, CLIENT, TCP_ACK | TCP_URG, 1, 1, "atM", 3));
		b->urgent = 0;
		assert_true(bench_data(b, CLIENT, 3, 0, "tack", 4));
		bench_got(b, CLIENT, cases[i].result);
		bench_close(b);
	}
}

/* Nobody wants more: nothing is kept, nothing said, and the session goes on. */
static void test_stop(void **state)
{
	struct bench *b = bench_open(config(false));

	(void)state;
	bench_handshake(b);
	bench_data(b, CLIENT, 0, 0, "some", 4);
	stream_stop(&b->t, &b->f.tcp, true);
	bench_data(b, SERVER, 0, 4, "answer", 6);
	bench_got(b, CLIENT, "");
	bench_data(b, CLIENT, 4, 6, "more", 4);
	assert_true(b->r.taken);
	bench_got(b, SERVER, "answer");
	bench_ack(b, SERVER, 6, 8);
	bench_got(b, CLIENT, "");
	assert_int_equal(b->t.pool.pages_used, 0);
	bench_close(b);
}

/* The flow ends: what waits comes out, over holes. */
static void test_end(void **state)
{
	struct bench *b = bench_open(config(false));

	(void)state;
	bench_handshake(b);
	bench_data(b, CLIENT, 0, 0, "first", 5);
	bench_data(b, CLIENT, 7, 0, "third", 5);
	stream_end(&b->t, &b->f);
	bench_got(b, CLIENT, "first??third");
	assert_true(b->got[CLIENT].ended && b->got[SERVER].ended);
	bench_close(b);
}

static void test_config(void **state)
{
	struct stream_config c = config(false);

	(void)state;
	assert_true(stream_size(&c) > 0);
	c.os = OS_POLICIES;
	assert_int_equal(stream_size(&c), 0);
	c = config(false);
	c.pages = 0;
	assert_int_equal(stream_size(&c), 0);
	c.pages = 1u << 30;
	assert_int_equal(stream_size(&c), 0);
	assert_int_equal(stream_event_find("pkt_invalid_ac", 14), -1);
	assert_null(stream_event_name(STREAM_EVENT_COUNT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_splits),
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_overlap_same),
		cmocka_unit_test(test_inline_different),
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_exhaustion),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_urgent),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
