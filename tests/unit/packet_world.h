/* Decoding for the tests of ids/packet: copies of exactly their size, and what must always hold. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "ids/packet/packet.h"
#include "tests/unit/ids_world.h"

static struct ids_stats stats;

static inline bool has(const struct packet *p, const char *event)
{
	int number = packet_event_find(event, strlen(event));

	assert_true(number >= 0);
	return packet_event_has(&p->events, (unsigned)number);
}

/* Decode a copy of exactly `len` octets; is there an IP packet? The packet's pointers are dead
 * afterwards. */
static inline bool decode_bytes(struct packet *p, const uint8_t *data, size_t len,
				enum ids_link link)
{
	uint8_t *copy = malloc(len ? len : 1);
	bool ok;

	memcpy(copy, data, len);
	memset(&stats, 0, sizeof(stats));
	ok = packet_decode(p, copy, len, link, true, &stats);
	assert_int_equal(ok, p->reach != PACKET_LINK || packet_event_any(&p->events));
	assert_int_equal(stats.invalid, p->invalid);
	if (p->reach == PACKET_LINK) {
		assert_int_equal(p->ip_version, 0);
	} else {
		assert_true(p->ip >= copy && p->ip + p->ip_total <= copy + len);
		assert_true(p->ip_header_len <= p->ip_total);
		if (p->l4)
			assert_true(p->l4 + p->l4_header_len <= copy + len);
		if (p->payload)
			assert_true(p->payload + p->payload_len <= copy + len);
		if (p->fragment)
			assert_true(p->frag_data + p->frag_len <= copy + len);
		if (p->inner)
			assert_true(p->inner_at + p->inner_len <= copy + len);
	}
	free(copy);
	return p->reach != PACKET_LINK;
}

static inline bool decode(struct packet *p, const struct frame *f)
{
	return decode_bytes(p, f->at, f->len, IDS_LINK_ETHERNET);
}
