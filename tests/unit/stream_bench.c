#include <stdlib.h>
#include <string.h>

#include "tests/unit/stream_bench.h"

static void deliver(void *ctx, struct flow *flow, bool to_server, const uint8_t *data, uint32_t len,
		    uint64_t offset, unsigned flags)
{
	struct bench *b = ctx;
	struct bench_got *g = &b->got[to_server ? CLIENT : SERVER];

	if (flow != &b->f)
		return;
	assert_false(g->ended);
	assert_true(len || (flags & STREAM_END));
	assert_true(offset + len <= BENCH_MAX);
	if (flags & STREAM_GAP) {
		g->gaps++;
		for (; g->len < offset; g->len++)
			g->at[g->len] = '?';
	}
	assert_int_equal(offset, g->len);
	if (len)
		memcpy(g->at + offset, data, len);
	g->len += len;
	g->calls++;
	g->ended = flags & STREAM_END;
	g->depth |= (flags & STREAM_DEPTH) != 0;
}

struct bench *bench_open(struct stream_config config)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	config.deliver = deliver;
	config.ctx = b;
	b->memory = calloc(1, (size_t)stream_size(&config));
	assert_non_null(b->memory);
	stream_init(&b->t, b->memory, &config);
	b->now_ns = 1700000000ull * 1000000000;
	b->isn[CLIENT] = 1000;
	b->isn[SERVER] = 0xfffffff0; /* wraps soon */
	b->window = 65535;
	return b;
}

void bench_close(struct bench *b)
{
	stream_release(&b->t, &b->f.tcp);
	assert_int_equal(b->t.pool.pages_used, 0);
	assert_int_equal(b->t.pool.pieces_used, 0);
	assert_null(b->t.oldest);
	free(b->memory);
	free(b);
}

static void put32(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 24);
	at[1] = (uint8_t)(v >> 16);
	at[2] = (uint8_t)(v >> 8);
	at[3] = (uint8_t)v;
}

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

/* Into memory of exactly its size, so that ASan sees any step outside. */
static uint8_t *build(const struct bench *b, int from, uint8_t flags, uint32_t seq, uint32_t ack,
		      const void *data, size_t len, size_t *size)
{
	size_t options = (b->ts ? 12u : 0u) + (b->fast_open ? 4u : 0u), tcp = 20 + options;
	uint8_t *ip = calloc(1, 20 + tcp + len), *t = ip + 20, *o = t + 20;

	*size = 20 + tcp + len;
	ip[0] = 0x45;
	put16(ip + 2, (uint32_t)*size);
	ip[8] = 64;
	ip[9] = PROTO_TCP;
	put32(ip + 12, from == CLIENT ? 0x0a000001 : 0x0a000002);
	put32(ip + 16, from == CLIENT ? 0x0a000002 : 0x0a000001);
	put16(ip + 10, (uint16_t)~fold(packet_sum(ip, 20, 0)));
	put16(t, from == CLIENT ? 4000 : 80);
	put16(t + 2, from == CLIENT ? 80 : 4000);
	put32(t + 4, b->isn[from] + seq);
	put32(t + 8, flags & TCP_ACK ? b->isn[!from] + ack : 0);
	t[12] = (uint8_t)(tcp / 4 << 4);
	t[13] = flags;
	put16(t + 14, b->window);
	put16(t + 18, b->urgent);
	if (b->ts) {
		o[0] = 1;
		o[1] = 1;
		o[2] = 8;
		o[3] = 10;
		put32(o + 4, b->ts);
		put32(o + 8, b->ts_echo);
		o += 12;
	}
	if (b->fast_open)
		memcpy(o, "\x22\x02\x01\x01", 4);
	if (len)
		memcpy(t + tcp, data, len);
	put16(t + 16,
	      (uint16_t)~fold(packet_sum(
		      t, tcp + len, packet_sum(ip + 12, 8, PROTO_TCP + (uint32_t)(tcp + len)))));
	t[16] ^= b->spoil;
	return ip;
}

bool bench_send_on(struct bench *b, struct flow *f, int from, uint8_t flags, uint32_t seq,
		   uint32_t ack, const void *data, size_t len)
{
	struct ids_stats stats = {0};
	struct packet p;
	size_t size;
	uint8_t *ip = build(b, from, flags, seq, ack, data, len, &size);

	assert_true(packet_decode(&p, ip, size, IDS_LINK_IPV4, true, &stats));
	assert_true(p.has_ports);
	assert_int_equal(p.bad_checksum, b->spoil);
	stream_take(&b->t, f, &p, from == CLIENT, b->now_ns, &b->r);
	free(ip);
	return !b->r.invalid;
}

bool bench_send(struct bench *b, int from, uint8_t flags, uint32_t seq, uint32_t ack,
		const void *data, size_t len)
{
	return bench_send_on(b, &b->f, from, flags, seq, ack, data, len);
}

void bench_handshake(struct bench *b)
{
	assert_true(bench_send(b, CLIENT, TCP_SYN, 0, 0, NULL, 0));
	assert_true(bench_send(b, SERVER, TCP_SYN | TCP_ACK, 0, 1, NULL, 0));
	assert_true(bench_send(b, CLIENT, TCP_ACK, 1, 1, NULL, 0));
	assert_int_equal(b->f.tcp.state, STREAM_ESTABLISHED);
}

bool bench_data(struct bench *b, int from, uint32_t at, uint32_t acked, const void *data,
		size_t len)
{
	return bench_send(b, from, TCP_ACK | TCP_PSH, 1 + at, 1 + acked, data, len);
}

void bench_ack(struct bench *b, int from, uint32_t at, uint32_t acked)
{
	assert_true(bench_send(b, from, TCP_ACK, 1 + at, 1 + acked, NULL, 0));
}

bool bench_event(const struct bench *b, const char *name)
{
	int number = stream_event_find(name, strlen(name));

	if (number < 0)
		fail_msg("no event %s", name);
	return stream_event_has(&b->r.events, (unsigned)number);
}

void bench_got(const struct bench *b, int from, const char *text)
{
	assert_int_equal(b->got[from].len, strlen(text));
	assert_memory_equal(b->got[from].at, text, strlen(text));
}
