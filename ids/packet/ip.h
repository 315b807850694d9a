/* The IP part of the frame decoder; for ids/packet only. */
#pragma once

#include "ids/packet/packet.h"

struct decode {
	struct packet *p;
	struct ids_stats *stats;
	bool check_sums;
};

/* Decode from the IP header on; false: nothing to inspect, counted. */
bool decode_ipv4(struct decode *d, const uint8_t *at, size_t len);
bool decode_ipv6(struct decode *d, const uint8_t *at, size_t len);

/* Decode the upper-layer header of p->proto. */
bool decode_upper(struct decode *d, const uint8_t *at, size_t len);
