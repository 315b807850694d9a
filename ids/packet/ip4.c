#include <string.h>

#include "ids/packet/decode.h"
#include "ids/bytes.h"

#define OFFSET_MASK 0x1fff

/* What makes an option sound (beyond its length). */
enum option_kind { OPTION_PLAIN, OPTION_ROUTE, OPTION_TIME, OPTION_CIPSO };

struct option {
	uint8_t type;
	uint8_t min, max; /* length, type and length octets included */
	uint8_t kind;
	uint16_t bit;
};

static const struct option options[] = {
	{7, 3, 255, OPTION_ROUTE, IPOPT_RR},	   /* RFC 791 */
	{25, 8, 255, OPTION_PLAIN, IPOPT_QS},	   /* RFC 4782 */
	{68, 5, 255, OPTION_TIME, IPOPT_TS},	   /* RFC 791 (781) */
	{130, 3, 255, OPTION_PLAIN, IPOPT_SEC},	   /* RFC 1108 */
	{131, 3, 255, OPTION_ROUTE, IPOPT_LSRR},   /* RFC 791 */
	{133, 3, 255, OPTION_PLAIN, IPOPT_ESEC},   /* RFC 1108 */
	{134, 10, 255, OPTION_CIPSO, IPOPT_CIPSO}, /* FIPS 188 */
	{136, 4, 4, OPTION_PLAIN, IPOPT_SATID},	   /* RFC 791 */
	{137, 3, 255, OPTION_ROUTE, IPOPT_SSRR},   /* RFC 791 */
	{148, 4, 4, OPTION_PLAIN, IPOPT_RTRALT},   /* RFC 2113 */
};

/* The pointer counts from 1 and steps over addresses of four octets. */
static bool route_sound(const uint8_t *at, size_t len)
{
	uint8_t pointer = at[2];

	return pointer >= 4 && pointer % 4 == 0 && pointer <= len + 1;
}

/* Flags 1 and 3: each record has an address before the time. */
static bool time_sound(const uint8_t *at, size_t len)
{
	unsigned flags = at[3] & 15;
	unsigned record = flags == 1 || flags == 3 ? 8 : 4;
	uint8_t pointer = at[2];

	return pointer >= 5 && (pointer - 5u) % record == 0 && pointer <= len + 1;
}

/* Behind the domain of interpretation: tags of type, length, alignment octet (not in type 7). */
static bool cipso_sound(const uint8_t *at, size_t len)
{
	for (size_t i = 6; i < len; i += at[i + 1]) {
		uint8_t type = at[i];

		if (len - i < 2 || at[i + 1] > len - i || at[i + 1] < 4)
			return false;
		if (!(type == 1 || type == 2 || (type >= 5 && type <= 7)))
			return false;
		if (type != 7 && at[i + 2] != 0)
			return false;
	}
	return true;
}

static bool option_sound(const struct option *o, const uint8_t *at, size_t len)
{
	switch (o->kind) {
	case OPTION_ROUTE:
		return route_sound(at, len);
	case OPTION_TIME:
		return time_sound(at, len);
	case OPTION_CIPSO:
		return cipso_sound(at, len);
	}
	return true;
}

static void decode_option(struct decode *d, const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const struct option *o = &options[i];

		if (o->type != at[0])
			continue;
		if (d->p->ip_options & o->bit)
			decode_event(d, EVENT_IPV4_OPT_DUPLICATE);
		else if (len < o->min || len > o->max)
			decode_invalid(d, EVENT_IPV4_OPT_INVALID_LEN);
		else if (!option_sound(o, at, len))
			decode_invalid(d, EVENT_IPV4_OPT_MALFORMED);
		else
			d->p->ip_options |= o->bit;
		return;
	}
	decode_event(d, EVENT_IPV4_OPT_INVALID);
}

/* False: a length leads outside. */
static bool decode_options(struct decode *d, const uint8_t *at, size_t len)
{
	d->p->ip_options |= IPOPT_ANY;
	if (len % 8)
		decode_event(d, EVENT_IPV4_OPT_PAD_REQUIRED);
	while (len) {
		size_t size = 1;

		if (at[0] == 0) {
			d->p->ip_options |= IPOPT_EOL;
			break;
		}
		if (at[0] == 1) {
			d->p->ip_options |= IPOPT_NOP;
		} else {
			if (len < 2) {
				decode_event(d, EVENT_IPV4_OPT_EOL_REQUIRED);
				break;
			}
			size = at[1];
			if (size > len || size < 2) {
				decode_invalid(d, EVENT_IPV4_OPT_INVALID_LEN);
				return false;
			}
			decode_option(d, at, size);
		}
		at += size;
		len -= size;
	}
	return true;
}

/* The header's length, 0 if it does not hold; noted. */
static size_t check_header(struct decode *d, const uint8_t *at, size_t len)
{
	size_t header, total;

	if (len < IPV4_MIN) {
		decode_invalid(d, EVENT_IPV4_PKT_TOO_SMALL);
		return 0;
	}
	header = (size_t)(at[0] & 15) * 4;
	total = be16(at + 2);
	if (at[0] >> 4 != 4)
		decode_invalid(d, EVENT_IPV4_WRONG_IP_VER);
	else if (header < IPV4_MIN)
		decode_invalid(d, EVENT_IPV4_HLEN_TOO_SMALL);
	else if (total < header)
		decode_invalid(d, EVENT_IPV4_IPLEN_SMALLER_THAN_HLEN);
	else if (total > len)
		decode_invalid(d, EVENT_IPV4_TRUNC_PKT);
	else if (header == IPV4_MIN || decode_options(d, at + IPV4_MIN, header - IPV4_MIN))
		return header;
	return 0;
}

static void take_header(struct packet *p, const uint8_t *at, size_t header)
{
	uint16_t frag = be16(at + 6);

	p->reach = PACKET_IP;
	p->ip_version = 4;
	p->ip = at;
	p->ip_header_len = (uint32_t)header;
	p->ip_total = be16(at + 2); /* what lies behind it is link-layer padding */
	p->tos = at[1];
	p->ip_id = be16(at + 4);
	p->ip_flags = (uint8_t)(frag >> 13);
	p->frag_offset = (uint16_t)((frag & OFFSET_MASK) * 8);
	p->later_fragment = p->frag_offset != 0;
	p->fragment = p->later_fragment || (p->ip_flags & IP_MORE);
	p->ttl = at[8];
	p->proto = at[9];
	memcpy(p->src, at + 12, 4);
	memcpy(p->dst, at + 16, 4);
}

void decode_ipv4(struct decode *d, const uint8_t *at, size_t len)
{
	struct packet *p = d->p;
	size_t header;

	if (!decode_layer(d))
		return;
	header = check_header(d, at, len);
	if (header == 0)
		return;
	d->stats->ipv4++;
	take_header(p, at, header);
	if (d->check_sums && packet_sum_fold(packet_sum(at, header, 0)) != 0xffff) {
		p->bad_ip_checksum = true;
		decode_bad_sum(d);
	}
	at += header;
	len = p->ip_total - header;
	if (p->fragment) {
		d->stats->fragments++;
		p->frag_data = at;
		p->frag_len = (uint32_t)len;
		return;
	}
	decode_upper(d, at, len);
}
