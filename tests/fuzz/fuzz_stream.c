/* Any segments in any order on a few sessions that share a small pool: octets come out once, in
 * order, none behind an end, and are those of their place; no bound is passed, nothing of the pool
 * is lost. First two octets: configuration; then segments, each of ten octets. */
#include "ids/flow/flow.h"
#include "tests/fuzz/ids_fuzz.h"

#define FLOWS	4
#define SEGMENT 10

struct side {
	uint64_t next;
	bool ended;
};

struct run {
	struct streams t;
	struct flow flow[FLOWS];
	struct side side[FLOWS][2]; /* by direction to the server */
	bool honest;		    /* an octet is a function of its sequence number */
	unsigned calls;
};

static uint8_t octet(uint32_t seq)
{
	return (uint8_t)(seq * 167 + (seq >> 8) * 13 + (seq >> 16));
}

static void deliver(void *ctx, struct flow *flow, bool to_server, const uint8_t *data, uint32_t len,
		    uint64_t offset, unsigned flags)
{
	struct run *r = ctx;
	struct side *s = &r->side[flow - r->flow][to_server];
	const struct stream_half *h = &flow->tcp.half[to_server == flow->tcp.turned];
	volatile uint8_t sum = 0;

	REQUIRE(!s->ended && (len || (flags & STREAM_END)));
	REQUIRE(flags & STREAM_GAP ? offset >= s->next : offset == s->next);
	for (uint32_t i = 0; i < len; i++) {
		sum = (uint8_t)(sum + data[i]);
		if (r->honest)
			REQUIRE(data[i] == octet(h->isn + 1 + (uint32_t)offset + i));
	}
	s->next = offset + len;
	s->ended = flags & STREAM_END;
	if (++r->calls % 97 == 0)
		stream_stop(&r->t, &flow->tcp, to_server);
}

static void segment(struct run *r, const uint8_t *at, uint64_t now_ns)
{
	struct flow *f = &r->flow[at[0] & 3];
	bool to_server = at[0] & 4;
	uint32_t isn = to_server ? 0xffffff00 : 0x1000;
	uint32_t peer = to_server ? 0x1000 : 0xffffff00;
	uint32_t len = (at[0] >> 4 & 3) == 3 ? at[4] * 2u : at[4] & 15;
	uint8_t *data = malloc(len ? len : 1);
	struct stream_result out;
	struct packet p = {.ip_version = 4,
			   .proto = PROTO_TCP,
			   .has_ports = true,
			   .tcp_flags = at[1],
			   .payload_len = len};

	p.tcp.seq = isn + (uint32_t)(at[2] << 8 | at[3]) % 6000;
	p.tcp.ack = peer + (uint32_t)(at[5] << 8 | at[6]) % 6000;
	p.tcp.window = (uint16_t)(at[7] << 6);
	p.tcp.urgent = at[8] & 7;
	p.tcp.has_wscale = at[8] & 8;
	p.tcp.wscale = at[8] >> 4;
	p.tcp.has_ts = at[9] & 1;
	p.tcp.ts_value = at[9] >> 4;
	p.tcp.ts_echo = at[9] >> 3;
	p.tcp.fast_open = at[9] & 2;
	p.tcp.signature = at[9] & 4;
	p.bad_checksum = at[0] >> 6 == 3;
	for (uint32_t i = 0; i < len; i++) {
		uint32_t seq = p.tcp.seq + i + ((p.tcp_flags & TCP_SYN) != 0);

		data[i] = r->honest ? octet(seq) : (uint8_t)(at[9] + i);
	}
	p.payload = len ? data : NULL;
	if (stream_reused(&f->tcp, &p, to_server)) {
		stream_end(&r->t, f);
		stream_release(&r->t, &f->tcp);
		memset(r->side[f - r->flow], 0, sizeof(r->side[0]));
	}
	stream_take(&r->t, f, &p, to_server, now_ns, &out);
	REQUIRE(!(r->honest && out.different));
	free(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t depths[] = {0, 1, 100, 3000};
	struct run r = {.honest = true};
	struct stream_config c;
	uint64_t now = 1000000000;
	void *memory;

	if (size < 2)
		return 0;
	stream_defaults(&c);
	c.in_line = data[0] & 1;
	c.midstream = data[0] & 2;
	c.async = data[0] & 4;
	c.urgent = (enum stream_urgent)((data[0] >> 3 & 3) % 3);
	c.os = data[1] % OS_POLICIES;
	c.depth = depths[data[0] >> 5 & 3];
	c.pages = data[0] & 0x80 ? 3 : 40;
	c.window_pages = data[1] & 0x80 ? 2 : 16;
	c.deliver = deliver;
	c.ctx = &r;
	/* Octets beside the stream shift the numbers of those behind them. */
	r.honest = c.urgent != STREAM_URGENT_OOB && !(data[1] & 0x40);
	memory = calloc(1, (size_t)stream_size(&c));
	stream_init(&r.t, memory, &c);
	for (size_t at = 2; at + SEGMENT <= size; at += SEGMENT) {
		now += (uint64_t)data[at + 9] << 20;
		segment(&r, data + at, now);
		REQUIRE(r.t.pool.pages_used <= c.pages);
		for (unsigned i = 0; i < FLOWS; i++)
			for (unsigned k = 0; k < 2; k++) {
				const struct stream_half *h = &r.flow[i].tcp.half[k];

				REQUIRE(h->kept.pieces <= PIECES_MAX &&
					h->kept.pages <= c.window_pages && h->trimmed <= h->base);
			}
	}
	for (unsigned i = 0; i < FLOWS; i++) {
		stream_end(&r.t, &r.flow[i]);
		stream_release(&r.t, &r.flow[i].tcp);
	}
	REQUIRE(r.t.pool.pages_used == 0 && r.t.pool.pieces_used == 0 && !r.t.oldest);
	free(memory);
	return 0;
}
