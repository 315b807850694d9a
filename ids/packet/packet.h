/* A decoded frame: pointers into it, and what the headers say.
 *
 * For the engine. Pure; the decoder never reads outside the frame, its work is bounded
 * (PACKET_MAX_TAGS tags, PACKET_MAX_EXT extension headers).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ids/engine.h"

#define PACKET_MAX_TAGS 3  /* VLAN tags taken off, as Suricata */
#define PACKET_MAX_EXT	16 /* IPv6 extension headers walked */

/* Protocol numbers (IANA). */
enum {
	PROTO_ICMP = 1,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_ICMPV6 = 58,
};

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20

struct packet {
	const uint8_t *frame;
	uint32_t len;
	uint8_t ip_version; /* 4, 6; 0: no IP in it, the fields below mean nothing */
	uint8_t proto;	    /* upper-layer protocol */
	uint8_t ttl;	    /* or hop limit */
	uint8_t tcp_flags;
	bool fragment;	     /* one piece of a datagram */
	bool later_fragment; /* not the first piece: no upper-layer header */
	bool has_ports, has_icmp;
	bool bad_checksum;
	uint8_t icmp_type, icmp_code;
	uint8_t tags; /* VLAN tags taken off */
	uint16_t vlan[PACKET_MAX_TAGS];
	uint16_t sp, dp;
	uint8_t src[16], dst[16]; /* IPv4 in the first four */
	const uint8_t *ip;	  /* IP header */
	const uint8_t *l4;	  /* upper-layer header, NULL if none was decoded */
	const uint8_t *payload;	  /* NULL if none */
	uint32_t payload_len;
};

/* Decode; counts into `stats`. False: nothing to inspect (not IP, or headers that do not hold
 * together: `stats` tells which). */
bool packet_decode(struct packet *p, const uint8_t *frame, size_t len, enum ids_link link,
		   bool check_sums, struct ids_stats *stats);

/* RFC 1071 sum of `len` octets (at any alignment) added to `sum`; not folded or inverted. */
uint32_t packet_sum(const uint8_t *data, size_t len, uint32_t sum);
