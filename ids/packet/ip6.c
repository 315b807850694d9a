#include <string.h>

#include "ids/packet/decode.h"
#include "ids/bytes.h"

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

/* Options of hop-by-hop and destination headers. */
#define OPT_PAD1  0
#define OPT_PADN  1
#define OPT_RA	  5    /* RFC 2711 */
#define OPT_JUMBO 0xc2 /* RFC 2675 */
#define OPT_HAO	  0xc9 /* RFC 6275 */

/* A walk along the extension headers. */
struct chain {
	struct decode *d;
	const uint8_t *at;   /* the header of type `next` */
	const uint8_t *name; /* the octet that says so */
	size_t left;
	uint8_t next;
	bool routing, hop, ah, fragment;
	unsigned dest;
};

static bool is_extension(uint8_t next)
{
	return next == EXT_HOP_BY_HOP || next == EXT_ROUTING || next == EXT_FRAGMENT ||
	       next == EXT_AH || next == EXT_DEST || next == EXT_MOBILITY || next == EXT_HIP ||
	       next == EXT_SHIM6;
}

/* Octets of the header, 0 if they are not there. */
static size_t extension_size(const struct chain *c)
{
	size_t size;

	if (c->left < 2)
		return 0;
	if (c->next == EXT_FRAGMENT)
		size = 8;
	else if (c->next == EXT_AH) /* RFC 4302, section 2.2; never below its fixed part */
		size = c->at[1] > 1 ? ((size_t)c->at[1] + 2) * 4 : 12;
	else
		size = ((size_t)c->at[1] + 1) * 8;
	return size <= c->left ? size : 0;
}

/* Least octets of data of an option that is known; -1: it is not. */
static int option_least(uint8_t type)
{
	switch (type) {
	case OPT_RA:
		return 2;
	case OPT_JUMBO:
		return 4;
	case OPT_HAO:
		return 16;
	}
	return -1;
}

static void check_options(struct decode *d, bool hop, const uint8_t *at, size_t len)
{
	bool padding = false, other = false;

	for (size_t i = 0; i < len;) {
		size_t size;

		if (at[i] == OPT_PAD1) {
			padding = true;
			i++;
			continue;
		}
		if (len - i < 2 || at[i + 1] > len - i - 2) {
			decode_invalid(d, EVENT_IPV6_EXTHDR_INVALID_OPTLEN);
			break;
		}
		size = at[i + 1];
		if (at[i] == OPT_PADN) {
			padding = true;
			if (size == 0)
				decode_event(d, EVENT_IPV6_EXTHDR_ZERO_LEN_PADN);
		} else if (option_least(at[i]) < 0) {
			decode_event(d, hop ? EVENT_IPV6_HOPOPTS_UNKNOWN_OPT
					    : EVENT_IPV6_DSTOPTS_UNKNOWN_OPT);
			other = true;
		} else if (size < (size_t)option_least(at[i])) {
			decode_invalid(d, EVENT_IPV6_EXTHDR_INVALID_OPTLEN);
			break;
		} else {
			other |= at[i] != OPT_JUMBO; /* as Suricata counts */
		}
		i += size + 2;
	}
	if (padding && !other)
		decode_event(d, hop ? EVENT_IPV6_HOPOPTS_ONLY_PADDING
				    : EVENT_IPV6_DSTOPTS_ONLY_PADDING);
}

static void seen_once(struct decode *d, bool *seen, enum packet_event twice)
{
	if (*seen)
		decode_event(d, twice);
	*seen = true;
}

static void take_fragment(struct chain *c)
{
	struct packet *p = c->d->p;
	uint16_t frag = be16(c->at + 2);

	if (c->at[1] != 0)
		decode_event(c->d, EVENT_IPV6_FH_NON_ZERO_RES_FIELD);
	if (c->fragment) {
		decode_event(c->d, EVENT_IPV6_EXTHDR_DUPL_FH);
		return;
	}
	c->fragment = true;
	p->ip_id = be32(c->at + 4);
	p->frag_offset = frag & 0xfff8;
	p->ip_flags = frag & IP_MORE;
	p->later_fragment = p->frag_offset != 0;
	p->fragment = p->later_fragment || p->ip_flags;
	if (!p->fragment) { /* an atomic fragment (RFC 6946) is a whole datagram */
		decode_event(c->d, EVENT_IPV6_EXTHDR_USELESS_FH);
		return;
	}
	if (p->ip_flags && c->left % 8 != 0)
		decode_event(c->d, EVENT_IPV6_FRAG_INVALID_LENGTH);
	p->frag_prev = c->name;
	p->frag_next = c->at[0];
	p->frag_data = c->at + 8;
	p->frag_len = (uint32_t)(c->left - 8);
}

static void take_extension(struct chain *c, size_t size)
{
	struct decode *d = c->d;

	switch (c->next) {
	case EXT_ROUTING:
		seen_once(d, &c->routing, EVENT_IPV6_EXTHDR_DUPL_RH);
		if (c->at[2] == 0) /* RFC 5095 */
			decode_event(d, EVENT_IPV6_EXTHDR_RH_TYPE_0);
		return;
	case EXT_HOP_BY_HOP:
		if (!c->hop)
			check_options(d, true, c->at + 2, size - 2);
		seen_once(d, &c->hop, EVENT_IPV6_EXTHDR_DUPL_HH);
		return;
	case EXT_DEST: /* twice is right: before and behind a routing header */
		if (c->dest++ < 2)
			check_options(d, false, c->at + 2, size - 2);
		else
			decode_event(d, EVENT_IPV6_EXTHDR_DUPL_DH);
		return;
	case EXT_AH:
		if (be16(c->at + 2) != 0)
			decode_event(d, EVENT_IPV6_EXTHDR_AH_RES_NOT_NULL);
		seen_once(d, &c->ah, EVENT_IPV6_EXTHDR_DUPL_AH);
		return;
	case EXT_FRAGMENT:
		take_fragment(c);
		return;
	}
}

/* True: c->next is the upper layer, at c->at. */
static bool walk(struct chain *c)
{
	struct packet *p = c->d->p;

	while (is_extension(c->next)) {
		size_t size = extension_size(c);

		p->proto = c->next;
		if (size == 0) {
			decode_invalid(c->d, EVENT_IPV6_TRUNC_EXTHDR);
			return false;
		}
		take_extension(c, size);
		c->name = c->at;
		c->next = c->at[0];
		c->at += size;
		c->left -= size;
		p->ip_header_len += (uint32_t)size;
		if (p->fragment) {
			p->proto = c->next;
			return false; /* what follows is a piece of data */
		}
	}
	p->proto = c->next;
	if (c->next == EXT_NONE) {
		if (c->left)
			decode_event(c->d, EVENT_IPV6_DATA_AFTER_NONE_HEADER);
		return false;
	}
	return true;
}

static bool check_header(struct decode *d, const uint8_t *at, size_t len)
{
	if (len < IPV6_HEADER)
		decode_invalid(d, EVENT_IPV6_PKT_TOO_SMALL);
	else if (at[0] >> 4 != 6)
		decode_invalid(d, EVENT_IPV6_WRONG_IP_VER);
	else if (be16(at + 4) > len - IPV6_HEADER)
		decode_invalid(d, EVENT_IPV6_TRUNC_PKT);
	else
		return true;
	return false;
}

void decode_ipv6(struct decode *d, const uint8_t *at, size_t len)
{
	struct packet *p = d->p;
	struct chain c = {.d = d};

	if (!decode_layer(d) || !check_header(d, at, len))
		return;
	d->stats->ipv6++;
	p->reach = PACKET_IP;
	p->ip_version = 6;
	p->ip = at;
	p->ip_header_len = IPV6_HEADER;
	p->ip_total = IPV6_HEADER + (uint32_t)be16(at + 4);
	p->tos = (uint8_t)(be16(at) >> 4);
	p->flow_label = be32(at) & 0xfffff;
	p->ttl = at[7];
	memcpy(p->src, at + 8, 16);
	memcpy(p->dst, at + 24, 16);
	c.name = at + 6;
	c.next = at[6];
	c.at = at + IPV6_HEADER;
	c.left = be16(at + 4);
	if (walk(&c))
		decode_upper(d, c.at, c.left);
	else if (p->fragment)
		d->stats->fragments++;
}
