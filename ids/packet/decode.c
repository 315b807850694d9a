#include <string.h>

#include "ids/packet/decode.h"
#include "ids/bytes.h"

#define NULL_HEADER 4
#define SLL_HEADER  16

/* Address families of the NULL and LOOP link types: 2 is AF_INET everywhere, AF_INET6 differs
 * (Linux 10, NetBSD and OpenBSD 24, FreeBSD 28, macOS 30). */
static bool null_is_ip(uint32_t family)
{
	return family == 2 || family == 10 || family == 24 || family == 28 || family == 30;
}

static void decode_null(struct decode *d, const uint8_t *at, size_t len)
{
	if (len < NULL_HEADER) {
		decode_invalid(d, EVENT_LTNULL_PKT_TOO_SMALL);
		return;
	}
	/* The family's byte order is the capturing machine's: either will do. */
	if (!null_is_ip(be32(at)) && !null_is_ip(le32(at))) {
		decode_event(d, EVENT_LTNULL_UNSUPPORTED_TYPE);
		return;
	}
	decode_raw(d, at + NULL_HEADER, len - NULL_HEADER);
}

/* Linux cooked capture: packet type, ARPHRD, address, then the EtherType. */
static void decode_sll(struct decode *d, const uint8_t *at, size_t len)
{
	if (len < SLL_HEADER) {
		decode_invalid(d, EVENT_SLL_PKT_TOO_SMALL);
		return;
	}
	decode_ethertype(d, be16(at + 14), at + SLL_HEADER, len - SLL_HEADER);
}

void decode_raw(struct decode *d, const uint8_t *at, size_t len)
{
	if (len < IPV4_MIN)
		decode_invalid(d, EVENT_IPV4_PKT_TOO_SMALL);
	else if (at[0] >> 4 == 4)
		decode_ipv4(d, at, len);
	else if (at[0] >> 4 == 6)
		decode_ipv6(d, at, len);
	else
		decode_invalid(d, EVENT_IPRAW_INVALID_IPV);
}

static void decode_link(struct decode *d, enum ids_link link, const uint8_t *frame, size_t len)
{
	switch (link) {
	case IDS_LINK_ETHERNET:
		decode_ethernet(d, frame, len);
		return;
	case IDS_LINK_NULL:
	case IDS_LINK_LOOP:
		decode_null(d, frame, len);
		return;
	case IDS_LINK_RAW_OLD:
	case IDS_LINK_RAW:
	case IDS_LINK_IPV4:
	case IDS_LINK_IPV6:
		decode_raw(d, frame, len);
		return;
	case IDS_LINK_LINUX_SLL:
		decode_sll(d, frame, len);
		return;
	}
	d->stats->unknown_link++;
}

/* Count what came out; is there something to inspect? */
static bool decoded(struct decode *d)
{
	d->stats->invalid += d->p->invalid;
	return d->p->reach != PACKET_LINK || packet_event_any(&d->p->events);
}

bool packet_decode(struct packet *p, const uint8_t *frame, size_t len, enum ids_link link,
		   bool check_sums, struct ids_stats *stats)
{
	struct decode d = {.p = p, .stats = stats, .check_sums = check_sums};

	*p = (struct packet){.frame = frame, .len = (uint32_t)len};
	stats->pkts++;
	stats->bytes += len;
	if (len > UINT32_MAX) {
		stats->invalid++;
		return false;
	}
	decode_link(&d, link, frame, len);
	return decoded(&d);
}

/* A packet in or from another: what is true of it because of that one. */
static void inherit(struct packet *p, const struct packet *from, const uint8_t *at, size_t len)
{
	*p = (struct packet){.frame = at,
			     .len = (uint32_t)len,
			     .depth = from->depth,
			     .layers = from->layers,
			     .tags = from->tags};
	memcpy(p->vlan, from->vlan, sizeof(p->vlan));
}

static void decode_inner(struct decode *d, enum packet_inner inner, const uint8_t *at, size_t len)
{
	switch (inner) {
	case INNER_NONE:
		return;
	case INNER_IPV4:
		decode_ipv4(d, at, len);
		return;
	case INNER_IPV6:
	case INNER_TEREDO:
		decode_ipv6(d, at, len);
		return;
	case INNER_ETHERNET:
	case INNER_ERSPAN1:
		decode_ethernet(d, at, len);
		return;
	case INNER_VLAN:
		decode_vlan(d, at, len);
		return;
	case INNER_PPP:
		decode_ppp(d, at, len);
		return;
	case INNER_ERSPAN2:
		decode_erspan(d, at, len);
		return;
	}
}

bool packet_decode_inner(struct packet *p, struct packet *outer, bool check_sums,
			 struct ids_stats *stats)
{
	struct decode d = {.p = p, .stats = stats, .check_sums = check_sums};

	if (outer->inner == INNER_NONE)
		return false;
	inherit(p, outer, outer->inner_at, outer->inner_len);
	p->depth++;
	p->layers++;
	/* What is inside a tunnel is a network of its own. */
	p->tags = 0;
	memset(p->vlan, 0, sizeof(p->vlan));
	decode_inner(&d, outer->inner, outer->inner_at, outer->inner_len);
	decoded(&d);
	outer->tunnel = p->reach != PACKET_LINK && !(outer->inner == INNER_TEREDO && p->invalid);
	return outer->tunnel;
}

bool packet_decode_rebuilt(struct packet *p, const struct packet *last, const uint8_t *ip,
			   size_t len, bool check_sums, struct ids_stats *stats)
{
	struct decode d = {.p = p, .stats = stats, .check_sums = check_sums};

	inherit(p, last, ip, len);
	p->rebuilt = true;
	if (last->ip_version == 4)
		decode_ipv4(&d, ip, len);
	else
		decode_ipv6(&d, ip, len);
	return decoded(&d);
}
