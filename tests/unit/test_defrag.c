/* Defragmentation: each policy on the model of Novak and Sturges, order, limits, what is full. */
#include <stdlib.h>
#include <string.h>

#include "ids/flow/defrag.h"
#include "tests/unit/ids_world.h"

struct bench {
	struct defrag d;
	void *memory;
	uint64_t now_ns;
	const uint8_t *ip; /* the datagram last rebuilt */
	size_t len;
	struct packet p; /* the fragment last given */
	uint8_t frame[FRAME_MAX];
};

static struct bench *open_bench(struct defrag_config config)
{
	struct bench *b = calloc(1, sizeof(*b));
	uint64_t size = defrag_size(&config);

	assert_non_null(b);
	assert_true(size > 0);
	b->memory = calloc(1, (size_t)size);
	assert_non_null(b->memory);
	b->now_ns = 1000000000000;
	defrag_init(&b->d, b->memory, &config);
	return b;
}

/* Whatever happened, nothing may be lost: all datagrams given up, the pool is full again. */
static void close_bench(struct bench *b)
{
	struct packet p = b->p;
	uint32_t held = 0;

	b->now_ns += 100000 * 1000000000ull;
	p.frag_len = 0;
	assert_false(defrag_take(&b->d, &p, b->now_ns, &b->ip, &b->len));
	assert_int_equal(b->d.pool.pages_used, 0);
	assert_int_equal(b->d.pool.pieces_used, 0);
	for (unsigned i = 0; i < DEFRAG_SOURCES; i++)
		held += b->d.held[i];
	assert_int_equal(held, 0);
	free(b->memory);
	free(b);
}

static bool take(struct bench *b, const uint8_t *ip, size_t len)
{
	struct ids_stats stats = {0};
	bool v4 = ip[0] >> 4 == 4;

	memcpy(b->frame, ip, len);
	assert_true(packet_decode(&b->p, b->frame, len, v4 ? IDS_LINK_IPV4 : IDS_LINK_IPV6, true,
				  &stats));
	assert_true(b->p.fragment);
	return defrag_take(&b->d, &b->p, b->now_ns, &b->ip, &b->len);
}

static void fix_sum(uint8_t *ip)
{
	uint16_t sum;

	ip[10] = 0;
	ip[11] = 0;
	sum = 0;
	for (uint32_t s = packet_sum(ip, (size_t)(ip[0] & 15) * 4, 0);;
	     s = (s & 0xffff) + (s >> 16))
		if (s >> 16 == 0) {
			sum = (uint16_t)~s;
			break;
		}
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
}

static size_t make4(uint8_t *ip, uint16_t id, unsigned offset, bool more, const void *data,
		    size_t len)
{
	unsigned frag = offset / 8 | (more ? 0x2000 : 0);

	memset(ip, 0, 20);
	ip[0] = 0x45;
	ip[2] = (uint8_t)((20 + len) >> 8);
	ip[3] = (uint8_t)(20 + len);
	ip[4] = (uint8_t)(id >> 8);
	ip[5] = (uint8_t)id;
	ip[6] = (uint8_t)(frag >> 8);
	ip[7] = (uint8_t)frag;
	ip[8] = 64;
	ip[9] = PROTO_UDP;
	memcpy(ip + 12, "\x0a\0\0\1\x0a\0\0\2", 8);
	fix_sum(ip);
	memcpy(ip + 20, data, len);
	return 20 + len;
}

/* With a destination header before the fragment header if `ext`. */
static size_t make6(uint8_t *ip, uint32_t id, unsigned offset, bool more, const void *data,
		    size_t len, bool ext)
{
	static const uint8_t dest[8] = {44, 0, 5, 2, 0, 0, 1, 0};
	size_t at = 40, payload = 8 + len + (ext ? 8 : 0);

	memset(ip, 0, 40);
	ip[0] = 0x60;
	ip[4] = (uint8_t)(payload >> 8);
	ip[5] = (uint8_t)payload;
	ip[6] = ext ? 60 : 44;
	ip[7] = 64;
	ip[23] = 1;
	ip[39] = 2;
	if (ext) {
		memcpy(ip + at, dest, 8);
		at += 8;
	}
	memset(ip + at, 0, 8);
	ip[at] = PROTO_UDP;
	ip[at + 2] = (uint8_t)(offset >> 8);
	ip[at + 3] = (uint8_t)(offset | more);
	ip[at + 6] = (uint8_t)(id >> 8);
	ip[at + 7] = (uint8_t)id;
	memcpy(ip + at + 8, data, len);
	return at + 8 + len;
}

static bool give4(struct bench *b, uint16_t id, unsigned offset, bool more, const void *data,
		  size_t len)
{
	uint8_t ip[FRAME_MAX];

	return take(b, ip, make4(ip, id, offset, more, data, len));
}

static bool give6(struct bench *b, uint32_t id, unsigned offset, bool more, const void *data,
		  size_t len, bool ext)
{
	uint8_t ip[FRAME_MAX];

	return take(b, ip, make6(ip, id, offset, more, data, len, ext));
}

static bool has(const struct bench *b, const char *event)
{
	int number = packet_event_find(event, strlen(event));

	assert_true(number >= 0);
	return packet_event_has(&b->p.events, (unsigned)number);
}

/* The model: a letter for each piece, at an offset, for a length. */
static const struct {
	char letter;
	unsigned at, len;
} model[] = {
	{'A', 0, 24},	{'B', 32, 16},	{'C', 48, 24},	{'D', 80, 8},  {'E', 104, 16},
	{'F', 120, 24}, {'G', 144, 16}, {'H', 160, 16}, {'I', 176, 8}, {'J', 8, 32},
	{'K', 48, 24},	{'L', 72, 24},	{'M', 96, 24},	{'N', 128, 8}, {'O', 152, 8},
	{'P', 160, 8},	{'Q', 176, 16},
};
#define MODEL (sizeof(model) / sizeof(model[0]))

static bool give_model(struct bench *b, size_t i, bool v6)
{
	uint8_t data[64];

	memset(data, model[i].letter, sizeof(data));
	if (v6)
		return give6(b, 1, model[i].at, i + 1 < MODEL, data, model[i].len, false);
	return give4(b, 1, model[i].at, i + 1 < MODEL, data, model[i].len);
}

/* Letter of each eight octets that come out. */
static const struct {
	enum os_policy policy;
	const char *result;
} results[] = {
	{OS_BSD, "AAAJJBCCCLLLMMMFFFGGHHIQ"},	  {OS_BSD_RIGHT, "AJJJBBKKKLDLMEEFNFGOPHQQ"},
	{OS_LINUX, "AAAJJBKKKLLLMMMFFFGGPHQQ"},	  {OS_WINDOWS, "AAAJBBCCCLLLMEEFFFGGHHIQ"},
	{OS_SOLARIS, "AAAJBBCCCLLLMMMFFFGGHHIQ"}, {OS_FIRST, "AAAJBBCCCLDLMEEFFFGGHHIQ"},
	{OS_LAST, "AJJJJBKKKLLLMMMFNFGOPHQQ"},	  {OS_MACOS, "AAAJBBCCCLDLMEEFFFGGHHIQ"},
};

static void test_policies(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2 * sizeof(results) / sizeof(results[0]); k++) {
		struct bench *b =
			open_bench((struct defrag_config){.policy = results[k / 2].policy});
		bool v6 = k % 2;
		size_t header = v6 ? 40 : 20;

		for (size_t i = 0; i + 1 < MODEL; i++) {
			assert_false(give_model(b, i, v6));
			assert_int_equal(has(b, v6 ? "ipv6.frag_overlap" : "ipv4.frag_overlap"),
					 i >= 9);
		}
		assert_true(give_model(b, MODEL - 1, v6));
		assert_int_equal(b->len, header + 192);
		for (size_t i = 0; i < 192; i++)
			assert_int_equal(b->ip[header + i], results[k / 2].result[i / 8]);
		assert_int_equal(b->d.pool.pages_used, 0);
		close_bench(b);
	}
}

/* A datagram in pieces of any size in any of some orders comes out the same, and sound. */
static void test_orders(void **state)
{
	static const unsigned sizes[] = {8, 24, 512, 1480};
	uint8_t whole[4000];
	struct ids_stats stats = {0};
	struct packet p;

	(void)state;
	for (size_t i = 0; i < sizeof(whole); i++)
		whole[i] = (uint8_t)(i * 7 + i / 256);
	memcpy(whole, "\0\1\0\2\x0f\xa0\0\0", 8); /* UDP 1 -> 2, 4000 octets, no checksum */
	for (size_t k = 0; k < 4 * 3 * 2; k++) {
		struct bench *b = open_bench((struct defrag_config){0});
		unsigned size = sizes[k / 6], pieces = ((unsigned)sizeof(whole) + size - 1) / size;
		unsigned order = (unsigned)k / 2 % 3, step = order == 2 ? pieces - 1 : 1;
		bool v6 = k % 2, done = false;

		for (unsigned i = 0; i < pieces; i++) {
			unsigned n = order == 0	  ? i
				     : order == 1 ? pieces - 1 - i
						  : i * step % pieces;
			unsigned at = n * size;
			bool more = at + size < sizeof(whole);
			size_t n_octets = more ? size : sizeof(whole) - at;

			assert_false(done);
			done = v6 ? give6(b, 9, at, more, whole + at, n_octets, i % 2)
				  : give4(b, 9, at, more, whole + at, n_octets);
		}
		assert_true(done);
		if (done) {
			uint8_t *copy = malloc(b->len);

			memcpy(copy, b->ip, b->len);
			assert_true(packet_decode_rebuilt(&p, &b->p, copy, b->len, true, &stats));
			assert_true(p.rebuilt && p.has_ports && !p.bad_checksum);
			assert_int_equal(p.proto, PROTO_UDP);
			assert_int_equal(p.payload_len, sizeof(whole) - 8);
			assert_memory_equal(p.payload, whole + 8, sizeof(whole) - 8);
			free(copy);
		}
		close_bench(b);
	}
}

static void test_ipv6_header(void **state)
{
	struct bench *b = open_bench((struct defrag_config){0});
	uint8_t data[16] = {0, 1, 0, 2, 0, 16};
	struct ids_stats stats = {0};
	struct packet p;

	(void)state;
	/* The header before the fragment header stays, and names what follows. */
	assert_false(give6(b, 1, 8, false, data + 8, 8, true));
	assert_true(give6(b, 1, 0, true, data, 8, true));
	assert_int_equal(b->len, 40 + 8 + 16);
	assert_true(packet_decode_rebuilt(&p, &b->p, b->ip, b->len, false, &stats));
	assert_int_equal(p.ip_header_len, 48);
	assert_true(p.has_ports);
	close_bench(b);
}

static void test_near_misses(void **state)
{
	struct bench *b = open_bench((struct defrag_config){0});
	uint8_t data[16] = {0}, ip[64];

	(void)state;
	/* Another identification, protocol, address or VLAN: another datagram. */
	assert_false(give4(b, 1, 0, true, data, 8));
	assert_false(give4(b, 2, 8, false, data, 8));
	make4(ip, 1, 8, false, data, 8);
	ip[9] = PROTO_ICMP;
	fix_sum(ip);
	assert_false(take(b, ip, 28));
	make4(ip, 1, 8, false, data, 8);
	ip[19]++;
	fix_sum(ip);
	assert_false(take(b, ip, 28));
	/* A wrong header checksum: thrown away. */
	make4(ip, 1, 8, false, data, 8);
	ip[8]--;
	assert_false(take(b, ip, 28));
	/* A hole of eight octets. */
	assert_false(give4(b, 1, 16, false, data, 8));
	assert_true(give4(b, 1, 8, true, data, 8));
	close_bench(b);
}

static void test_too_large(void **state)
{
	struct bench *b = open_bench((struct defrag_config){0});
	uint8_t data[1480] = {0};
	unsigned at;

	(void)state;
	assert_false(give4(b, 1, 65528, false, data, 100));
	assert_true(has(b, "ipv4.frag_pkt_too_large"));
	assert_false(give6(b, 1, 65528, false, data, 8, false));
	assert_true(has(b, "ipv6.frag_pkt_too_large"));
	/* The largest there is. */
	for (at = 0; at + 1480 <= 65512; at += 1480)
		assert_false(give4(b, 2, at, true, data, 1480));
	assert_true(give4(b, 2, at, false, data, 65515 - at));
	assert_int_equal(b->len, 65535);
	close_bench(b);
}

static void test_timeout(void **state)
{
	struct bench *b = open_bench((struct defrag_config){.timeout_s = 10});
	uint8_t data[8] = {0};

	(void)state;
	assert_false(give4(b, 1, 0, true, data, 8));
	b->now_ns += 10 * 1000000000ull;
	assert_true(give4(b, 1, 8, false, data, 8)); /* just in time */
	assert_false(give4(b, 1, 0, true, data, 8));
	b->now_ns += 10 * 1000000000ull + 1;
	assert_false(give4(b, 1, 8, false, data, 8));
	assert_int_equal(b->d.stats.timeouts, 1);
	close_bench(b);
}

/* One source floods with first pieces: it gets its share, another's datagram is still made. */
static void test_fairness(void **state)
{
	struct bench *b = open_bench((struct defrag_config){.trackers = 4096, .pages = 512});
	uint8_t data[8] = {0}, ip[64];

	(void)state;
	make4(ip, 7, 0, true, data, 8);
	ip[15] = 77;
	fix_sum(ip);
	assert_false(take(b, ip, 28));
	for (unsigned id = 0; id < 5000; id++)
		assert_false(give4(b, (uint16_t)id, 0, true, data, 8));
	assert_true(has(b, "ipv4.frag_ignored"));
	assert_true(b->d.stats.ignored > 4000);
	assert_true(b->d.pool.pages_used <= 512 / 8 + 2);
	make4(ip, 7, 8, false, data, 8);
	ip[15] = 77;
	fix_sum(ip);
	assert_true(take(b, ip, 28));
	close_bench(b);
}

/* Sources without number: the oldest give way, the newest is made. */
static void test_exhaustion(void **state)
{
	struct bench *b = open_bench((struct defrag_config){.trackers = 64, .pages = 48});
	uint8_t data[8] = {0}, ip[64];

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		b->now_ns++;
		make4(ip, 7, 0, true, data, 8);
		ip[14] = (uint8_t)(i >> 8);
		ip[15] = (uint8_t)i;
		fix_sum(ip);
		assert_false(take(b, ip, 28));
		assert_true(b->d.pool.pages_used <= 48);
	}
	assert_true(b->d.stats.evicted > 4900);
	make4(ip, 7, 8, false, data, 8);
	ip[14] = 4999 >> 8;
	ip[15] = 4999 & 255;
	fix_sum(ip);
	assert_true(take(b, ip, 28));
	close_bench(b);
}

/* Every second unit of eight: holes without end in one datagram. */
static void test_holes(void **state)
{
	struct bench *b = open_bench((struct defrag_config){0});
	uint8_t data[8] = {0};
	unsigned ignored = 0;

	(void)state;
	for (unsigned at = 0; at < 8192; at += 16) {
		assert_false(give4(b, 1, at, true, data, 8));
		ignored += has(b, "ipv4.frag_ignored");
	}
	assert_int_equal(ignored, 512 - PIECES_MAX);
	close_bench(b);
}

static void test_config(void **state)
{
	struct defrag_config bad[] = {
		{.trackers = 4}, {.trackers = 100},   {.trackers = 1 << 20},
		{.pages = 1},	 {.pages = 1u << 31}, {.policy = OS_POLICIES},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(defrag_size(&bad[i]), 0);
}

/* Through the engine: content that is in no single fragment. */
static void test_engine(void **state)
{
	struct world *w =
		world_open("alert udp any any -> any 53 (content:\"splitpayload\"; sid:1;)"
			   "\nalert ip any any -> any any (flow:only_frag; sid:2;)");
	struct frame f = frame_udp("1.2.3.4", 1, "5.6.7.8", 53, "12345678splitpayload1234", 24);
	struct frame a = f, b = f;

	(void)state;
	a.len = 14 + 20 + 24;
	a.at[17] = 20 + 24;
	a.at[20] = 0x20;
	frame_fix_ip(&a);
	memmove(b.at + 34, b.at + 34 + 24, 8);
	b.len = 14 + 20 + 8;
	b.at[17] = 28;
	b.at[21] = 3;
	frame_fix_ip(&b);
	world_send(w, &b);
	assert_int_equal(world_alerts(w, 1), 0);
	world_send(w, &a);
	assert_int_equal(world_alerts(w, 1), 1);
	assert_int_equal(world_alerts(w, 2), 2);
	assert_int_equal(ids_stats(w->ids)->rebuilt, 1);
	world_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policies),    cmocka_unit_test(test_orders),
		cmocka_unit_test(test_ipv6_header), cmocka_unit_test(test_near_misses),
		cmocka_unit_test(test_too_large),   cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_fairness),    cmocka_unit_test(test_exhaustion),
		cmocka_unit_test(test_holes),	    cmocka_unit_test(test_config),
		cmocka_unit_test(test_engine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
