#include "ids/packet/packet.h"
#include "ids/packet/ip.h"
#include "ids/bytes.h"

/* EtherTypes (IANA). */
#define ETH_IPV4     0x0800
#define ETH_ARP	     0x0806
#define ETH_VLAN     0x8100
#define ETH_IPV6     0x86dd
#define ETH_QINQ     0x88a8
#define ETH_NSH	     0x894f
#define ETH_OLD_QINQ 0x9100

#define ETH_HEADER  14
#define VLAN_HEADER 4
#define NULL_HEADER 4

/* Address families of the NULL and LOOP link types: 2 is AF_INET everywhere, AF_INET6 differs
 * (Linux 10, NetBSD and OpenBSD 24, FreeBSD 28, macOS 30). */
static bool null_is_ip(uint32_t family)
{
	return family == 2 || family == 10 || family == 24 || family == 28 || family == 30;
}

static bool decode_raw(struct decode *d, const uint8_t *at, size_t len)
{
	if (len == 0) {
		d->stats->invalid++;
		return false;
	}
	if (at[0] >> 4 == 4)
		return decode_ipv4(d, at, len);
	if (at[0] >> 4 == 6)
		return decode_ipv6(d, at, len);
	d->stats->invalid++;
	return false;
}

static bool decode_ethernet(struct decode *d, const uint8_t *at, size_t len, unsigned nesting);

/* Network Service Header (RFC 8300): a service chain's tag around a packet. */
static bool decode_nsh(struct decode *d, const uint8_t *at, size_t len, unsigned nesting)
{
	size_t header;

	if (len < 8 || nesting > 1) {
		d->stats->invalid++;
		return false;
	}
	header = (size_t)(at[1] & 0x3f) * 4;
	if (header < 8 || header >= len) {
		d->stats->invalid++;
		return false;
	}
	switch (at[3]) { /* next protocol, section 9.1.6 */
	case 1:
		return decode_ipv4(d, at + header, len - header);
	case 2:
		return decode_ipv6(d, at + header, len - header);
	case 3:
		return decode_ethernet(d, at + header, len - header, nesting + 1);
	}
	d->stats->unknown_link++;
	return false;
}

static bool decode_ethertype(struct decode *d, uint16_t type, const uint8_t *at, size_t len,
			     unsigned nesting)
{
	struct packet *p = d->p;

	while (type == ETH_VLAN || type == ETH_QINQ || type == ETH_OLD_QINQ) {
		if (len < VLAN_HEADER || p->tags == PACKET_MAX_TAGS) {
			d->stats->invalid++;
			return false;
		}
		if (p->tags == 0)
			d->stats->vlan++;
		else if (p->tags == 1)
			d->stats->vlan_qinq++;
		p->vlan[p->tags++] = be16(at) & 0x0fff;
		type = be16(at + 2);
		at += VLAN_HEADER;
		len -= VLAN_HEADER;
	}
	switch (type) {
	case ETH_IPV4:
		return decode_ipv4(d, at, len);
	case ETH_IPV6:
		return decode_ipv6(d, at, len);
	case ETH_NSH:
		return decode_nsh(d, at, len, nesting);
	case ETH_ARP:
		d->stats->arp++;
		return false;
	}
	d->stats->unknown_link++;
	return false;
}

static bool decode_ethernet(struct decode *d, const uint8_t *at, size_t len, unsigned nesting)
{
	if (len < ETH_HEADER) {
		d->stats->invalid++;
		return false;
	}
	d->stats->ethernet++;
	return decode_ethertype(d, be16(at + 12), at + ETH_HEADER, len - ETH_HEADER, nesting);
}

static bool decode_null(struct decode *d, const uint8_t *at, size_t len)
{
	/* The family's byte order is the capturing machine's: either will do. */
	if (len < NULL_HEADER || !(null_is_ip(be32(at)) || null_is_ip(le32(at)))) {
		d->stats->invalid++;
		return false;
	}
	return decode_raw(d, at + NULL_HEADER, len - NULL_HEADER);
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
	switch (link) {
	case IDS_LINK_ETHERNET:
		return decode_ethernet(&d, frame, len, 0);
	case IDS_LINK_NULL:
	case IDS_LINK_LOOP:
		return decode_null(&d, frame, len);
	case IDS_LINK_RAW_OLD:
	case IDS_LINK_RAW:
	case IDS_LINK_IPV4:
	case IDS_LINK_IPV6:
		return decode_raw(&d, frame, len);
	case IDS_LINK_LINUX_SLL:
		/* Linux cooked capture: packet type, ARPHRD, address, then the EtherType. */
		if (len < 16) {
			stats->invalid++;
			return false;
		}
		return decode_ethertype(&d, be16(frame + 14), frame + 16, len - 16, 0);
	}
	stats->unknown_link++;
	return false;
}
