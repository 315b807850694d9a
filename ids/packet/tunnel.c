#include "ids/packet/decode.h"
#include "ids/bytes.h"

/* Flags and version of GRE's first two octets (RFC 1701, 2637). */
#define GRE_CHECKSUM 0x8000
#define GRE_ROUTING  0x4000
#define GRE_KEY	     0x2000
#define GRE_SEQUENCE 0x1000
#define GRE_STRICT   0x0800
#define GRE_RECUR    0x0700
#define GRE_ACK	     0x0080 /* version 1 */
#define GRE_FLAGS    0x0078
#define GRE_VERSION  0x0007
#define GRE_HEADER   4

#define VXLAN_PORT	4789 /* RFC 7348 */
#define VXLAN_HEADER	8
#define GENEVE_PORT	6081 /* RFC 8926 */
#define GENEVE_HEADER	8
#define TEREDO_ORIGIN	8 /* RFC 4380, section 5.1.1 */
#define ERSPAN_2_HEADER 8

void decode_tunnel(struct decode *d, enum packet_inner inner, const uint8_t *at, size_t len)
{
	/* One for the tunnel, one for what is in it. */
	if (d->p->layers + 2 >= PACKET_MAX_LAYERS) {
		decode_invalid(d, EVENT_GENERIC_TOO_MANY_LAYERS);
		return;
	}
	d->p->inner = inner;
	d->p->inner_at = at;
	d->p->inner_len = (uint32_t)len;
}

/* Source route entries (RFC 1701), up to the empty one; 0: they do not fit. */
static size_t gre_routes(const uint8_t *at, size_t len, size_t header)
{
	while (len - header >= 4) {
		const uint8_t *entry = at + header;

		header += 4;
		if (be16(entry) == 0 && entry[3] == 0)
			return header;
		if (entry[3] > len - header)
			return 0;
		header += entry[3];
	}
	return 0;
}

/* The header's length, 0 if it does not hold; noted. */
static size_t gre_version0(struct decode *d, const uint8_t *at, size_t len)
{
	uint16_t flags = be16(at);
	size_t header = GRE_HEADER;

	if (flags & GRE_RECUR) {
		decode_invalid(d, EVENT_GRE_VERSION0_RECUR);
		return 0;
	}
	if (flags & GRE_FLAGS) {
		decode_invalid(d, EVENT_GRE_VERSION0_FLAGS);
		return 0;
	}
	header += flags & GRE_KEY ? 4 : 0;
	header += flags & GRE_SEQUENCE ? 4 : 0;
	header += flags & (GRE_CHECKSUM | GRE_ROUTING) ? 4 : 0;
	if (header > len) {
		decode_invalid(d, EVENT_GRE_VERSION0_HDR_TOO_BIG);
		return 0;
	}
	if (flags & GRE_ROUTING) {
		header = gre_routes(at, len, header);
		if (header == 0)
			decode_invalid(d, EVENT_GRE_VERSION0_MALFORMED_SRE_HDR);
	}
	return header;
}

/* Enhanced GRE of PPTP (RFC 2637, section 4.1). */
static size_t gre_version1(struct decode *d, const uint8_t *at, size_t len)
{
	static const struct {
		uint16_t flag;
		enum packet_event event;
	} never[] = {
		{GRE_CHECKSUM, EVENT_GRE_VERSION1_CHKSUM}, {GRE_ROUTING, EVENT_GRE_VERSION1_ROUTE},
		{GRE_STRICT, EVENT_GRE_VERSION1_SSR},	   {GRE_RECUR, EVENT_GRE_VERSION1_RECUR},
		{GRE_FLAGS, EVENT_GRE_VERSION1_FLAGS},
	};
	uint16_t flags = be16(at);
	size_t header = GRE_HEADER + 4; /* the key is always there */

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (flags & never[i].flag) {
			decode_invalid(d, never[i].event);
			return 0;
		}
	if (be16(at + 2) != ETH_PPP) {
		decode_invalid(d, EVENT_GRE_VERSION1_WRONG_PROTOCOL);
		return 0;
	}
	if (!(flags & GRE_KEY)) {
		decode_invalid(d, EVENT_GRE_VERSION1_NO_KEY);
		return 0;
	}
	header += flags & GRE_SEQUENCE ? 4 : 0;
	header += flags & GRE_ACK ? 4 : 0;
	if (header > len) {
		decode_invalid(d, EVENT_GRE_VERSION1_HDR_TOO_BIG);
		return 0;
	}
	return header;
}

static enum packet_inner gre_inner(const uint8_t *at)
{
	switch (be16(at + 2)) {
	case ETH_IPV4:
		return INNER_IPV4;
	case ETH_IPV6:
		return INNER_IPV6;
	case ETH_VLAN:
		return INNER_VLAN;
	case ETH_BRIDGE:
		return INNER_ETHERNET;
	case ETH_ERSPAN: /* type I has no header of its own, and no sequence number */
		return be16(at) & GRE_SEQUENCE ? INNER_ERSPAN2 : INNER_ERSPAN1;
	case ETH_PPP:
		/* Version 1: the upper half of the key is the payload's length. */
		if ((be16(at) & GRE_VERSION) == 1 && be16(at + 4) == 0)
			return INNER_NONE;
		return INNER_PPP;
	}
	return INNER_NONE;
}

void decode_gre(struct decode *d, const uint8_t *at, size_t len)
{
	enum packet_inner inner;
	size_t header = 0;

	if (len < GRE_HEADER) {
		decode_invalid(d, EVENT_GRE_PKT_TOO_SMALL);
		return;
	}
	if (!decode_layer(d))
		return;
	switch (be16(at) & GRE_VERSION) {
	case 0:
		header = gre_version0(d, at, len);
		break;
	case 1:
		header = gre_version1(d, at, len);
		break;
	default:
		decode_invalid(d, EVENT_GRE_WRONG_VERSION);
	}
	if (header == 0)
		return;
	d->p->reach = PACKET_UPPER;
	inner = gre_inner(at);
	if (inner != INNER_NONE)
		decode_tunnel(d, inner, at + header, len - header);
}

void decode_erspan(struct decode *d, const uint8_t *at, size_t len)
{
	struct packet *p = d->p;
	uint16_t vlan;

	if (len < ERSPAN_2_HEADER) {
		decode_event(d, EVENT_ERSPAN_HEADER_TOO_SMALL);
		return;
	}
	if (!decode_layer(d))
		return;
	if (at[0] >> 4 != 1) {
		decode_event(d, EVENT_ERSPAN_UNSUPPORTED_VERSION);
		return;
	}
	vlan = be16(at) & 0x0fff;
	if (vlan && p->tags == PACKET_MAX_TAGS) {
		decode_event(d, EVENT_ERSPAN_TOO_MANY_VLAN_LAYERS);
		return;
	}
	if (vlan)
		p->vlan[p->tags++] = vlan;
	decode_ethernet(d, at + ERSPAN_2_HEADER, len - ERSPAN_2_HEADER);
}

/* IPv6 in UDP to any port; nothing marks it, so all that can be checked is. True: it is one. */
static bool teredo(struct decode *d, const uint8_t *at, size_t len)
{
	if (len < IPV6_HEADER)
		return false;
	if (at[0] == 0) { /* an origin indication (section 5.1.1) may stand before it */
		if (at[1] != 0 || len < TEREDO_ORIGIN + IPV6_HEADER)
			return false;
		at += TEREDO_ORIGIN;
		len -= TEREDO_ORIGIN;
	}
	if (at[0] >> 4 != 6 || at[7] == 0 || (at[6] == 0 && be16(at + 4) < 8))
		return false;
	if (len != IPV6_HEADER + (size_t)be16(at + 4))
		return false;
	decode_tunnel(d, INNER_TEREDO, at, len);
	return true;
}

static bool geneve_options_fit(const uint8_t *at, size_t len)
{
	size_t size;

	for (; len; at += size, len -= size) {
		size = 4 + (size_t)(at[3] & 31) * 4; /* len is a multiple of four */
		if (size > len)
			return false;
	}
	return true;
}

static void geneve(struct decode *d, const uint8_t *at, size_t len)
{
	size_t header;

	if (len < GENEVE_HEADER || !decode_layer(d))
		return;
	header = GENEVE_HEADER + (size_t)(at[0] & 0x3f) * 4;
	if (header > len || at[0] >> 6 != 0 || (at[1] & 0x3f) || at[7] ||
	    !geneve_options_fit(at + GENEVE_HEADER, header - GENEVE_HEADER))
		return;
	switch (be16(at + 2)) {
	case ETH_IPV4:
		decode_tunnel(d, INNER_IPV4, at + header, len - header);
		return;
	case ETH_IPV6:
		decode_tunnel(d, INNER_IPV6, at + header, len - header);
		return;
	case ETH_BRIDGE:
		decode_tunnel(d, INNER_ETHERNET, at + header, len - header);
		return;
	case ETH_ARP:
		return;
	}
	decode_invalid(d, EVENT_GENEVE_UNKNOWN_PAYLOAD_TYPE);
}

static void vxlan(struct decode *d, const uint8_t *at, size_t len)
{
	const uint8_t *inner = at + VXLAN_HEADER;

	if (len < VXLAN_HEADER + ETH_HEADER || !decode_layer(d))
		return;
	if (!(at[0] & 0x08) || at[7] != 0) /* the network identifier holds; reserved */
		return;
	switch (be16(inner + 12)) {
	case ETH_ARP:
		return;
	case ETH_IPV4:
	case ETH_IPV6:
	case ETH_VLAN:
	case ETH_QINQ:
	case ETH_OLD_QINQ:
		decode_tunnel(d, INNER_ETHERNET, inner, len - VXLAN_HEADER);
		return;
	}
	decode_invalid(d, EVENT_VXLAN_UNKNOWN_PAYLOAD_TYPE);
}

void decode_udp_tunnel(struct decode *d)
{
	const struct packet *p = d->p;

	if (p->payload_len == 0 || teredo(d, p->payload, p->payload_len))
		return;
	if (p->sp == GENEVE_PORT || p->dp == GENEVE_PORT)
		geneve(d, p->payload, p->payload_len);
	else if (p->sp == VXLAN_PORT || p->dp == VXLAN_PORT)
		vxlan(d, p->payload, p->payload_len);
}
