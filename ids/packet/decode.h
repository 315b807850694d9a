/* The parts of the packet decoder, for ids/packet only.
 *
 * Each function decodes from `at` on, fills d->p, notes events, counts. They call each other
 * outside in; decode_layer() bounds how deep.
 */
#pragma once

#include "ids/packet/packet.h"

#define IPV4_MIN    20
#define IPV6_HEADER 40
#define ETH_HEADER  14

/* EtherTypes (IANA). */
#define ETH_IPV4       0x0800
#define ETH_ARP	       0x0806
#define ETH_BRIDGE     0x6558 /* Transparent Ethernet Bridging */
#define ETH_VLAN       0x8100
#define ETH_IPV6       0x86dd
#define ETH_MPLS       0x8847
#define ETH_MPLS_MULTI 0x8848
#define ETH_PPPOE_DISC 0x8863
#define ETH_PPPOE      0x8864
#define ETH_PPP	       0x880b
#define ETH_QINQ       0x88a8
#define ETH_ERSPAN     0x88be
#define ETH_NSH	       0x894f
#define ETH_OLD_QINQ   0x9100

struct decode {
	struct packet *p;
	struct ids_stats *stats;
	bool check_sums;
};

/* Something odd, and something that cannot be. */
static inline void decode_event(struct decode *d, enum packet_event event)
{
	packet_event_set(&d->p->events, event);
}

static inline void decode_invalid(struct decode *d, enum packet_event event)
{
	packet_event_set(&d->p->events, event);
	d->p->invalid = true;
}

/* One more header; false: too many, noted. */
static inline bool decode_layer(struct decode *d)
{
	if (++d->p->layers < PACKET_MAX_LAYERS)
		return true;
	decode_invalid(d, EVENT_GENERIC_TOO_MANY_LAYERS);
	return false;
}

static inline void decode_payload(struct packet *p, const uint8_t *at, size_t len)
{
	p->payload = len ? at : NULL;
	p->payload_len = (uint32_t)len;
}

/* Link layer (link.c, ppp.c). */
void decode_ethernet(struct decode *d, const uint8_t *at, size_t len);
void decode_vlan(struct decode *d, const uint8_t *at, size_t len);
/* False: a type that is not known. */
bool decode_ethertype(struct decode *d, uint16_t type, const uint8_t *at, size_t len);
void decode_raw(struct decode *d, const uint8_t *at, size_t len);
void decode_ppp(struct decode *d, const uint8_t *at, size_t len);
void decode_pppoe_session(struct decode *d, const uint8_t *at, size_t len);
void decode_pppoe_discovery(struct decode *d, const uint8_t *at, size_t len);

/* IP (ip4.c, ip6.c). */
void decode_ipv4(struct decode *d, const uint8_t *at, size_t len);
void decode_ipv6(struct decode *d, const uint8_t *at, size_t len);

/* What IP carries (upper.c): the header of d->p->proto. */
void decode_upper(struct decode *d, const uint8_t *at, size_t len);
void decode_tcp(struct decode *d, const uint8_t *at, size_t len);
void decode_icmp4(struct decode *d, const uint8_t *at, size_t len);
void decode_icmp6(struct decode *d, const uint8_t *at, size_t len);
/* Check the sum over data and, if `pseudo`, the pseudo header. */
void decode_upper_sum(struct decode *d, const uint8_t *at, size_t len, bool pseudo);
void decode_bad_sum(struct decode *d);
uint16_t packet_sum_fold(uint32_t sum);

/* Tunnels (tunnel.c): d->p->inner says what they hold. */
void decode_tunnel(struct decode *d, enum packet_inner inner, const uint8_t *at, size_t len);
void decode_gre(struct decode *d, const uint8_t *at, size_t len);
void decode_erspan(struct decode *d, const uint8_t *at, size_t len);
void decode_udp_tunnel(struct decode *d);
