#include <string.h>

#include "ids/packet/ip.h"
#include "ids/bytes.h"

#define IPV4_MIN	    20
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_OFFSET	    0x1fff
#define IPV6_HEADER	    40

/* IPv6 extension headers (RFC 8200, IANA). */
#define EXT_HOP_BY_HOP 0
#define EXT_ROUTING    43
#define EXT_FRAGMENT   44
#define EXT_AH	       51
#define EXT_NONE       59
#define EXT_DEST       60
#define EXT_MOBILITY   135
#define EXT_HIP	       139
#define EXT_SHIM6      140

/* Add with the carry brought round. */
static uint64_t add_round(uint64_t sum, uint64_t word)
{
	bool carry = __builtin_add_overflow(sum, word, &sum);

	return sum + carry;
}

static uint64_t add_word(uint64_t sum, const uint8_t *at)
{
	uint64_t word;

	__builtin_memcpy(&word, at, sizeof(word));
	return add_round(sum, word);
}

/* In memory order: the sum does not depend on the order of octets or the width of the words (RFC
 * 1071, section 2), but for a swap at the end. */
uint32_t packet_sum(const uint8_t *data, size_t len, uint32_t sum)
{
	uint64_t wide = 0, word = 0;
	size_t i = 0;

	for (; i + 32 <= len; i += 32) {
		wide = add_word(wide, data + i);
		wide = add_word(wide, data + i + 8);
		wide = add_word(wide, data + i + 16);
		wide = add_word(wide, data + i + 24);
	}
	for (; i + 8 <= len; i += 8)
		wide = add_word(wide, data + i);
	for (unsigned shift = 0; i < len; i++, shift += 8)
		word |= (uint64_t)data[i] << shift;
	wide = add_round(wide, word);
	wide = (wide & 0xffffffff) + (wide >> 32);
	wide = (wide & 0xffff) + (wide >> 16 & 0xffff) + (wide >> 32);
	wide = (wide & 0xffff) + (wide >> 16);
	wide = (wide & 0xffff) + (wide >> 16);
	wide = (uint64_t)__builtin_bswap16((uint16_t)wide) + sum;
	return (uint32_t)((wide & 0xffffffff) + (wide >> 32));
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static bool invalid(struct decode *d)
{
	d->stats->invalid++;
	return false;
}

static void bad_sum(struct decode *d)
{
	if (!d->p->bad_checksum)
		d->stats->bad_checksum++;
	d->p->bad_checksum = true;
}

static bool upper_or_fragment(struct decode *d, const uint8_t *at, size_t len)
{
	struct packet *p = d->p;

	if (p->fragment)
		d->stats->fragments++;
	if (p->later_fragment)
		return true;
	return decode_upper(d, at, len);
}

bool decode_ipv4(struct decode *d, const uint8_t *at, size_t len)
{
	struct packet *p = d->p;
	size_t header, total;
	uint16_t frag;

	if (len < IPV4_MIN || at[0] >> 4 != 4)
		return invalid(d);
	header = (size_t)(at[0] & 15) * 4;
	total = be16(at + 2);
	/* What lies after the total length is link-layer padding. */
	if (header < IPV4_MIN || total < header || total > len)
		return invalid(d);
	d->stats->ipv4++;
	p->ip_version = 4;
	p->ip = at;
	p->ttl = at[8];
	p->proto = at[9];
	memcpy(p->src, at + 12, 4);
	memcpy(p->dst, at + 16, 4);
	frag = be16(at + 6);
	p->later_fragment = (frag & IPV4_OFFSET) != 0;
	p->fragment = p->later_fragment || (frag & IPV4_MORE_FRAGMENTS);
	if (d->check_sums && fold(packet_sum(at, header, 0)) != 0xffff)
		bad_sum(d);
	return upper_or_fragment(d, at + header, total - header);
}

/* One extension header of `next` at `at`: its length, 0 if it is not one or does not fit. */
static size_t extension(struct packet *p, uint8_t next, const uint8_t *at, size_t len)
{
	size_t size;

	if (len < 8)
		return 0;
	switch (next) {
	case EXT_HOP_BY_HOP:
	case EXT_ROUTING:
	case EXT_DEST:
	case EXT_MOBILITY:
	case EXT_HIP:
	case EXT_SHIM6:
		size = ((size_t)at[1] + 1) * 8;
		break;
	case EXT_AH:
		size = ((size_t)at[1] + 2) * 4;
		break;
	case EXT_FRAGMENT: {
		uint16_t frag = be16(at + 2);

		p->later_fragment = (frag & 0xfff8) != 0;
		/* An atomic fragment (RFC 6946) is a whole datagram. */
		p->fragment = p->later_fragment || (frag & 1);
		size = 8;
		break;
	}
	default:
		return 0;
	}
	return size <= len ? size : 0;
}

static bool is_extension(uint8_t next)
{
	return next == EXT_HOP_BY_HOP || next == EXT_ROUTING || next == EXT_FRAGMENT ||
	       next == EXT_AH || next == EXT_DEST || next == EXT_MOBILITY || next == EXT_HIP ||
	       next == EXT_SHIM6;
}

bool decode_ipv6(struct decode *d, const uint8_t *at, size_t len)
{
	struct packet *p = d->p;
	uint8_t next;
	size_t left;

	if (len < IPV6_HEADER || at[0] >> 4 != 6)
		return invalid(d);
	left = be16(at + 4);
	if (left > len - IPV6_HEADER)
		return invalid(d);
	d->stats->ipv6++;
	p->ip_version = 6;
	p->ip = at;
	p->ttl = at[7];
	next = at[6];
	memcpy(p->src, at + 8, 16);
	memcpy(p->dst, at + 24, 16);
	at += IPV6_HEADER;
	for (unsigned i = 0; is_extension(next); i++) {
		size_t size = i < PACKET_MAX_EXT ? extension(p, next, at, left) : 0;

		if (size == 0)
			return invalid(d);
		next = at[0];
		at += size;
		left -= size;
		if (p->later_fragment)
			break; /* what follows is a piece of data, not a header */
	}
	p->proto = next;
	return upper_or_fragment(d, at, left);
}

/* Sum over the pseudo header (RFC 793, RFC 8200 section 8.1) and the data must be all ones. */
static void check_upper_sum(struct decode *d, const uint8_t *at, size_t len, bool pseudo)
{
	const struct packet *p = d->p;
	uint32_t sum = 0;

	if (!d->check_sums || p->fragment)
		return;
	if (pseudo) {
		size_t size = p->ip_version == 4 ? 4 : 16;

		sum = packet_sum(p->src, size, (uint32_t)len + p->proto);
		sum = packet_sum(p->dst, size, sum);
	}
	if (fold(packet_sum(at, len, sum)) != 0xffff)
		bad_sum(d);
}

/* The IP part holds, what is in it does not: rules about addresses still see the packet. */
static bool bad_upper(struct decode *d)
{
	d->stats->invalid++;
	return true;
}

static void set_payload(struct packet *p, const uint8_t *at, size_t len)
{
	p->payload = at;
	p->payload_len = (uint32_t)len;
}

static bool decode_tcp(struct decode *d, const uint8_t *at, size_t len)
{
	struct packet *p = d->p;
	size_t header;

	if (len < 20)
		return bad_upper(d);
	header = (size_t)(at[12] >> 4) * 4;
	if (header < 20 || header > len)
		return bad_upper(d);
	d->stats->tcp++;
	p->l4 = at;
	p->has_ports = true;
	p->sp = be16(at);
	p->dp = be16(at + 2);
	p->tcp_flags = at[13];
	check_upper_sum(d, at, len, true);
	set_payload(p, at + header, len - header);
	return true;
}

static bool decode_udp(struct decode *d, const uint8_t *at, size_t len)
{
	struct packet *p = d->p;
	size_t total;

	if (len < 8)
		return bad_upper(d);
	total = be16(at + 4);
	/* A fragment holds less than the length says; otherwise the datagram may be shorter than
	 * the IP payload, not longer. */
	if (total < 8 || (total > len && !p->fragment))
		return bad_upper(d);
	if (total > len)
		total = len;
	d->stats->udp++;
	p->l4 = at;
	p->has_ports = true;
	p->sp = be16(at);
	p->dp = be16(at + 2);
	if (be16(at + 6) != 0) /* 0: the sender made none (RFC 768) */
		check_upper_sum(d, at, total, true);
	set_payload(p, at + 8, total - 8);
	return true;
}

static bool decode_icmp(struct decode *d, const uint8_t *at, size_t len, bool v6)
{
	struct packet *p = d->p;

	if (len < 8)
		return bad_upper(d);
	if (v6)
		d->stats->icmpv6++;
	else
		d->stats->icmpv4++;
	p->l4 = at;
	p->has_icmp = true;
	p->icmp_type = at[0];
	p->icmp_code = at[1];
	check_upper_sum(d, at, len, v6);
	set_payload(p, at + 8, len - 8);
	return true;
}

bool decode_upper(struct decode *d, const uint8_t *at, size_t len)
{
	switch (d->p->proto) {
	case PROTO_TCP:
		return decode_tcp(d, at, len);
	case PROTO_UDP:
		return decode_udp(d, at, len);
	case PROTO_ICMP:
		/* ICMP over IPv6 and the reverse are no such protocols (Suricata: wrong version).
		 */
		if (d->p->ip_version == 4)
			return decode_icmp(d, at, len, false);
		break;
	case PROTO_ICMPV6:
		if (d->p->ip_version == 6)
			return decode_icmp(d, at, len, true);
		break;
	}
	d->stats->other_ip++;
	return true;
}
