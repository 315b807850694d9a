#include "ids/packet/decode.h"
#include "ids/bytes.h"

#define ICMP_HEADER 8
#define ANY	    255

/* What is known of a message type. */
#define ICMP_ID	  0x01 /* identifier and sequence number behind the checksum */
#define ICMP_IP	  0x02 /* the header of a packet follows */
#define ICMP_TIME 0x04 /* three times of four octets follow (RFC 792) */
#define ICMP_HOP  0x08 /* must not have crossed a router: hop limit 1 (RFC 2710) */
#define ICMP_ADDR 0x10 /* a list of router addresses follows (RFC 1256) */

struct icmp_type {
	uint8_t type, last, max_code, flags;
};

/* RFC 792, 950, 1256. */
static const struct icmp_type types4[] = {
	{0, 0, 0, ICMP_ID},   {3, 3, 15, ICMP_IP},  {4, 4, 0, ICMP_IP},
	{5, 5, 3, ICMP_IP},   {8, 8, 0, ICMP_ID},   {9, 9, ANY, ICMP_ADDR},
	{11, 11, 1, ICMP_IP}, {12, 12, 0, ICMP_IP}, {13, 14, 0, ICMP_ID | ICMP_TIME},
	{15, 18, 0, ICMP_ID},
};

/* IANA's registry; 138 (router renumbering) and 155 (RPL) have gaps in their codes. */
static const struct icmp_type types6[] = {
	{1, 1, 6, ICMP_IP},	{2, 2, 0, ICMP_IP},	 {3, 3, 1, ICMP_IP}, {4, 4, 2, ICMP_IP},
	{128, 129, 0, ICMP_ID}, {130, 132, 0, ICMP_HOP}, {133, 137, 0, 0},   {138, 138, ANY, 0},
	{139, 140, 2, 0},	{141, 149, 0, 0},	 {150, 153, ANY, 0}, {154, 154, 0, 0},
	{155, 155, ANY, 0},	{156, 159, 0, 0},
};

static const struct icmp_type *find(const struct icmp_type *types, size_t n, uint8_t type)
{
	for (size_t i = 0; i < n; i++)
		if (type >= types[i].type && type <= types[i].last)
			return &types[i];
	return NULL;
}

static void take_header(struct decode *d, const uint8_t *at, size_t len, bool v6)
{
	struct packet *p = d->p;

	p->reach = PACKET_UPPER;
	p->l4 = at;
	p->l4_header_len = ICMP_HEADER;
	p->has_icmp = true;
	p->icmp_type = at[0];
	p->icmp_code = at[1];
	decode_upper_sum(d, at, len, v6);
	decode_payload(p, at + ICMP_HEADER, len - ICMP_HEADER);
}

static void take_id(struct packet *p)
{
	p->has_icmp_id = true;
	p->icmp_id = be16(p->l4 + 4);
	p->icmp_seq = be16(p->l4 + 6);
}

/* What the message quotes must at least look like a header. */
static void check_quoted4(struct decode *d)
{
	const struct packet *p = d->p;

	if (p->payload_len == 0 && p->icmp_type != 4) /* Suricata wants one only in a quench */
		return;
	if (p->payload_len < IPV4_MIN)
		decode_invalid(d, EVENT_ICMPV4_IPV4_TRUNC_PKT);
	else if (p->payload[0] >> 4 != 4)
		decode_invalid(d, EVENT_ICMPV4_IPV4_UNKNOWN_VER);
}

static void check_quoted6(struct decode *d)
{
	const struct packet *p = d->p;

	if (p->payload_len < IPV6_HEADER)
		decode_invalid(d, EVENT_ICMPV6_IPV6_TRUNC_PKT);
	else if (p->payload[0] >> 4 != 6)
		decode_invalid(d, EVENT_ICMPV6_IPV6_UNKNOWN_VER);
}

/* The header goes on for `more` octets. */
static void longer_header(struct decode *d, size_t more)
{
	struct packet *p = d->p;

	if (p->payload_len < more) {
		decode_event(d, EVENT_ICMPV4_IPV4_TRUNC_PKT);
		return;
	}
	p->l4_header_len += (uint32_t)more;
	decode_payload(p, p->l4 + p->l4_header_len, p->payload_len - more);
}

void decode_icmp4(struct decode *d, const uint8_t *at, size_t len)
{
	const struct icmp_type *t;

	if (len < ICMP_HEADER) {
		decode_invalid(d, EVENT_ICMPV4_PKT_TOO_SMALL);
		return;
	}
	d->stats->icmpv4++;
	take_header(d, at, len, false);
	t = find(types4, sizeof(types4) / sizeof(types4[0]), at[0]);
	if (!t) {
		decode_event(d, EVENT_ICMPV4_UNKNOWN_TYPE);
		return;
	}
	if (at[1] > t->max_code)
		decode_event(d, EVENT_ICMPV4_UNKNOWN_CODE);
	else if (t->flags & ICMP_IP)
		check_quoted4(d);
	if (t->flags & ICMP_ID)
		take_id(d->p);
	if (t->flags & ICMP_TIME)
		longer_header(d, 12);
	if (t->flags & ICMP_ADDR)
		longer_header(d, (size_t)at[4] * at[5] * 4);
}

static bool code6_known(const struct icmp_type *t, uint8_t code)
{
	if (t->type == 138) /* RFC 2894 */
		return code <= 2 || code == 255;
	if (t->type == 155) /* RFC 6550 */
		return code <= 3 || (code >= 128 && code <= 132);
	return code <= t->max_code;
}

static void unknown_type6(struct decode *d, uint8_t type)
{
	if (type == 100 || type == 101 || type == 200 || type == 201) /* RFC 4443, section 2.1 */
		decode_event(d, EVENT_ICMPV6_EXPERIMENTATION_TYPE);
	else if (type == 0 || type == 127)
		decode_event(d, EVENT_ICMPV6_UNKNOWN_TYPE);
	else
		decode_event(d, EVENT_ICMPV6_UNASSIGNED_TYPE);
}

void decode_icmp6(struct decode *d, const uint8_t *at, size_t len)
{
	const struct icmp_type *t;
	bool whole = false; /* the second four octets belong to the header */

	if (len < ICMP_HEADER) {
		decode_invalid(d, EVENT_ICMPV6_PKT_TOO_SMALL);
		return;
	}
	d->stats->icmpv6++;
	take_header(d, at, len, true);
	t = find(types6, sizeof(types6) / sizeof(types6[0]), at[0]);
	if (!t) {
		unknown_type6(d, at[0]);
	} else {
		if (!code6_known(t, at[1]))
			decode_event(d, EVENT_ICMPV6_UNKNOWN_CODE);
		else
			whole = t->flags & (ICMP_IP | ICMP_ID);
		if (whole && (t->flags & ICMP_IP))
			check_quoted6(d);
		if (whole && (t->flags & ICMP_ID))
			take_id(d->p);
		if ((t->flags & ICMP_HOP) && d->p->ttl != 1)
			decode_event(d, EVENT_ICMPV6_MLD_MESSAGE_WITH_INVALID_HL);
	}
	if (!whole) /* the message body begins behind the checksum (RFC 4443, section 2.1) */
		decode_payload(d->p, at + 4, len - 4);
}
