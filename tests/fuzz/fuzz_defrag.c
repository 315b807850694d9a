/* Any pieces in any order under any policy: a datagram that comes out has its length and decodes
 * without a step outside, nothing of the pool is lost, and no bound is passed. First octet: policy
 * and size of the pool; then pieces, each of eight octets (place, length, datagram, ...). */
#include "ids/flow/defrag.h"
#include "tests/fuzz/ids_fuzz.h"

#define HEADER4 20
#define HEADER6 48

/* A packet around the piece that `at` describes; its length. */
static size_t build(uint8_t *ip, const uint8_t *at)
{
	size_t len = (size_t)(at[2] & 7) * 250 + at[3], header;
	unsigned place = (unsigned)(at[0] << 8 | at[1]);
	bool v6 = at[4] & 1;

	memset(ip, 0, HEADER6);
	header = v6 ? HEADER6 : HEADER4;
	ip[0] = v6 ? 0x60 : 0x45;
	if (v6) {
		ip[4] = (uint8_t)((8 + len) >> 8);
		ip[5] = (uint8_t)(8 + len);
		ip[6] = 44;
		ip[23] = at[5];
		ip[40] = at[6];
		ip[42] = (uint8_t)(place >> 8);
		ip[43] = (uint8_t)(place & 0xf9);
		ip[47] = at[4] >> 1 & 3;
	} else {
		ip[2] = (uint8_t)((header + len) >> 8);
		ip[3] = (uint8_t)(header + len);
		ip[5] = at[4] >> 1 & 3;
		ip[6] = (uint8_t)((place >> 11 & 0x1f) | (place & 1) << 5);
		ip[7] = (uint8_t)(place >> 3);
		ip[9] = at[6];
		ip[15] = at[5];
	}
	memset(ip + header, at[7], len);
	return header + len;
}

static void rebuilt(const struct packet *last, const uint8_t *ip, size_t len,
		    struct ids_stats *stats)
{
	uint8_t *copy = malloc(len);
	struct packet p, inner;

	REQUIRE(copy && len >= HEADER4 && len <= 65575);
	memcpy(copy, ip, len);
	if (packet_decode_rebuilt(&p, last, copy, len, false, stats)) {
		REQUIRE(p.rebuilt && p.ip_total == len);
		packet_decode_inner(&inner, &p, false, stats);
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct defrag_config config = {.trackers = 16, .timeout_s = 1};
	struct ids_stats stats = {0};
	struct packet p;
	struct defrag d;
	const uint8_t *ip;
	uint64_t now = 1000000000;
	void *memory;
	size_t len;

	if (size < 1)
		return 0;
	config.policy = data[0] % OS_POLICIES;
	config.pages = data[0] & 0x80 ? 8 : 128;
	memory = calloc(1, (size_t)defrag_size(&config));
	defrag_init(&d, memory, &config);
	for (size_t at = 1; at + 8 <= size; at += 8) {
		uint8_t frame[HEADER6 + 2048], *copy;
		size_t n = build(frame, data + at);

		now += (uint64_t)(data[at + 2] >> 3) * 10000000;
		copy = malloc(n);
		memcpy(copy, frame, n);
		packet_decode(&p, copy, n, IDS_LINK_RAW, false, &stats);
		if (p.fragment && defrag_take(&d, &p, now, &ip, &len))
			rebuilt(&p, ip, len, &stats);
		REQUIRE(d.pool.pages_used <= config.pages);
		free(copy);
	}
	p = (struct packet){.ip_version = 4, .fragment = true};
	defrag_take(&d, &p, now + 3000000000ull, &ip, &len);
	REQUIRE(d.pool.pages_used == 0 && d.pool.pieces_used == 0);
	free(memory);
	return 0;
}
