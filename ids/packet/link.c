#include "ids/packet/decode.h"
#include "ids/bytes.h"

#define VLAN_HEADER 4
#define NSH_HEADER  8
#define MPLS_LABEL  4

/* Network Service Header (RFC 8300): a service chain's tag around a packet. */
static void decode_nsh(struct decode *d, const uint8_t *at, size_t len)
{
	size_t header;
	unsigned type;

	if (len < NSH_HEADER) {
		decode_invalid(d, EVENT_NSH_HEADER_TOO_SMALL);
		return;
	}
	if (!decode_layer(d))
		return;
	if (at[0] >> 6 != 0) {
		decode_event(d, EVENT_NSH_UNSUPPORTED_VERSION);
		return;
	}
	header = (size_t)(at[1] & 0x3f) * 4;
	type = at[2] & 15; /* MD type, section 2.2 */
	if (header >= len || header < NSH_HEADER) {
		decode_invalid(d, EVENT_NSH_BAD_HEADER_LENGTH);
		return;
	}
	if (type == 0 || type == 15) {
		decode_event(d, EVENT_NSH_RESERVED_TYPE);
		return;
	}
	if (type == 1 && header != 24) {
		decode_invalid(d, EVENT_NSH_BAD_HEADER_LENGTH);
		return;
	}
	if (type > 2) {
		decode_event(d, EVENT_NSH_UNSUPPORTED_TYPE);
		return;
	}
	switch (at[3]) { /* next protocol, section 9.1.6 */
	case 1:
		decode_ipv4(d, at + header, len - header);
		return;
	case 2:
		decode_ipv6(d, at + header, len - header);
		return;
	case 3:
		decode_ethernet(d, at + header, len - header);
		return;
	case 5:
		decode_ethertype(d, ETH_MPLS, at + header, len - header);
		return;
	}
	decode_event(d, EVENT_NSH_UNKNOWN_PAYLOAD);
	d->stats->unknown_link++;
}

/* Special-purpose labels at the bottom of the stack (RFC 3032, section 2.1). */
static bool mpls_reserved(struct decode *d, uint32_t label)
{
	switch (label) {
	case 1:
		decode_event(d, EVENT_MPLS_BAD_LABEL_ROUTER_ALERT);
		return true;
	case 3:
		decode_event(d, EVENT_MPLS_BAD_LABEL_IMPLICIT_NULL);
		return true;
	}
	if (label > 3 && label < 15) {
		decode_event(d, EVENT_MPLS_BAD_LABEL_RESERVED);
		return true;
	}
	return false;
}

/* The labels name no protocol: the first four bits of the content must tell (RFC 4928). */
static void mpls_content(struct decode *d, const uint8_t *at, size_t len)
{
	if (len < 4) {
		decode_invalid(d, EVENT_MPLS_PKT_TOO_SMALL);
		return;
	}
	switch (at[0] >> 4) {
	case 4:
		decode_ipv4(d, at, len);
		return;
	case 6:
		decode_ipv6(d, at, len);
		return;
	case 0: /* a pseudowire's control word (RFC 4385), then Ethernet */
		decode_ethernet(d, at + 4, len - 4);
		return;
	}
	decode_invalid(d, EVENT_MPLS_UNKNOWN_PAYLOAD_TYPE);
}

static void decode_mpls(struct decode *d, const uint8_t *at, size_t len)
{
	uint32_t shim;

	if (!decode_layer(d))
		return;
	do {
		if (len < MPLS_LABEL) {
			decode_invalid(d, EVENT_MPLS_HEADER_TOO_SMALL);
			return;
		}
		shim = be32(at);
		at += MPLS_LABEL;
		len -= MPLS_LABEL;
	} while (!(shim >> 8 & 1)); /* bottom of stack */
	if (shim >> 12 == 0)	    /* explicit null: IPv4, or IPv6 */
		decode_ipv4(d, at, len);
	else if (shim >> 12 == 2)
		decode_ipv6(d, at, len);
	else if (!mpls_reserved(d, shim >> 12))
		mpls_content(d, at, len);
}

void decode_vlan(struct decode *d, const uint8_t *at, size_t len)
{
	struct packet *p = d->p;

	if (p->tags == PACKET_MAX_TAGS) {
		decode_event(d, EVENT_VLAN_HEADER_TOO_MANY_LAYERS);
		return;
	}
	if (len < VLAN_HEADER) {
		decode_invalid(d, EVENT_VLAN_HEADER_TOO_SMALL);
		return;
	}
	if (!decode_layer(d))
		return;
	if (p->tags == 0)
		d->stats->vlan++;
	else if (p->tags == 1)
		d->stats->vlan_qinq++;
	p->vlan[p->tags++] = be16(at) & 0x0fff;
	if (!decode_ethertype(d, be16(at + 2), at + VLAN_HEADER, len - VLAN_HEADER))
		decode_invalid(d, EVENT_VLAN_UNKNOWN_TYPE);
}

bool decode_ethertype(struct decode *d, uint16_t type, const uint8_t *at, size_t len)
{
	switch (type) {
	case ETH_IPV4:
		decode_ipv4(d, at, len);
		return true;
	case ETH_IPV6:
		decode_ipv6(d, at, len);
		return true;
	case ETH_VLAN:
	case ETH_QINQ:
	case ETH_OLD_QINQ:
		decode_vlan(d, at, len);
		return true;
	case ETH_ARP:
		d->stats->arp++;
		return true;
	case ETH_MPLS:
	case ETH_MPLS_MULTI:
		decode_mpls(d, at, len);
		return true;
	case ETH_PPPOE:
		decode_pppoe_session(d, at, len);
		return true;
	case ETH_PPPOE_DISC:
		decode_pppoe_discovery(d, at, len);
		return true;
	case ETH_NSH:
		decode_nsh(d, at, len);
		return true;
	}
	d->stats->unknown_link++;
	return false;
}

void decode_ethernet(struct decode *d, const uint8_t *at, size_t len)
{
	if (len < ETH_HEADER) {
		decode_invalid(d, EVENT_ETHERNET_PKT_TOO_SMALL);
		return;
	}
	if (!decode_layer(d))
		return;
	d->stats->ethernet++;
	decode_ethertype(d, be16(at + 12), at + ETH_HEADER, len - ETH_HEADER);
}
