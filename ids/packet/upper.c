#include "ids/packet/decode.h"
#include "ids/bytes.h"

#define TCP_MIN	    20
#define UDP_HEADER  8
#define SCTP_HEADER 12
#define ESP_HEADER  8

/* TCP options (IANA). */
enum {
	TCPOPT_END = 0,
	TCPOPT_NOP = 1,
	TCPOPT_MSS = 2,
	TCPOPT_WSCALE = 3,
	TCPOPT_SACKOK = 4,
	TCPOPT_SACK = 5,
	TCPOPT_TS = 8,
	TCPOPT_MD5 = 19,
	TCPOPT_AO = 29,
	TCPOPT_TFO = 34,
	TCPOPT_EXP1 = 253,
	TCPOPT_EXP2 = 254,
};

#define TFO_MAGIC 0xf989 /* RFC 7413, appendix A */

void decode_bad_sum(struct decode *d)
{
	if (!d->p->bad_checksum)
		d->stats->bad_checksum++;
	d->p->bad_checksum = true;
}

/* Sum over the pseudo header (RFC 793, RFC 8200 section 8.1) and the data must be all ones. */
void decode_upper_sum(struct decode *d, const uint8_t *at, size_t len, bool pseudo)
{
	const struct packet *p = d->p;
	uint32_t sum = 0;

	if (!d->check_sums)
		return;
	if (pseudo) {
		size_t size = p->ip_version == 4 ? 4 : 16;

		sum = packet_sum(p->src, size, (uint32_t)len + p->proto);
		sum = packet_sum(p->dst, size, sum);
	}
	if (packet_sum_fold(packet_sum(at, len, sum)) != 0xffff)
		decode_bad_sum(d);
}

static void once(struct decode *d, bool *seen)
{
	if (*seen)
		decode_event(d, EVENT_TCP_OPT_DUPLICATE);
	*seen = true;
}

/* May an option of this type have this length? Types not named here: any. */
static bool tcp_option_fits(uint8_t type, uint8_t len)
{
	switch (type) {
	case TCPOPT_MSS:
		return len == 4;
	case TCPOPT_WSCALE:
		return len == 3;
	case TCPOPT_SACKOK:
		return len == 2;
	case TCPOPT_SACK:
		return len <= 34 && len % 8 == 2;
	case TCPOPT_TS:
		return len == 10;
	case TCPOPT_MD5:
		return len == 18;
	case TCPOPT_AO:
		return len >= 4;
	case TCPOPT_TFO:
		return len == 2 || (len >= 6 && len <= 18 && len % 2 == 0);
	case TCPOPT_EXP1:
	case TCPOPT_EXP2:
		return len == 4 || len == 12;
	}
	return true;
}

static void tcp_option(struct decode *d, const uint8_t *at)
{
	struct packet_tcp *t = &d->p->tcp;

	switch (at[0]) {
	case TCPOPT_MSS:
		if (!t->has_mss)
			t->mss = be16(at + 2);
		once(d, &t->has_mss);
		return;
	case TCPOPT_WSCALE:
		if (!t->has_wscale)
			t->wscale = at[2];
		once(d, &t->has_wscale);
		return;
	case TCPOPT_SACKOK:
		once(d, &t->sack_ok);
		return;
	case TCPOPT_SACK:
		if (t->sack_blocks)
			decode_event(d, EVENT_TCP_OPT_DUPLICATE);
		else
			t->sack_blocks = (uint8_t)((at[1] - 2) / 8);
		return;
	case TCPOPT_TS:
		if (!t->has_ts) {
			t->ts_value = be32(at + 2);
			t->ts_echo = be32(at + 6);
		}
		once(d, &t->has_ts);
		return;
	case TCPOPT_MD5:
	case TCPOPT_AO:
		t->signature = true;
		return;
	case TCPOPT_EXP1:
	case TCPOPT_EXP2:
		if (be16(at + 2) != TFO_MAGIC)
			return;
		once(d, &t->fast_open);
		return;
	case TCPOPT_TFO:
		once(d, &t->fast_open);
		return;
	}
}

static void tcp_options(struct decode *d, const uint8_t *at, size_t len)
{
	while (len && at[0] != TCPOPT_END) {
		size_t size = 1;

		if (at[0] != TCPOPT_NOP) {
			if (len < 2)
				return;
			size = at[1];
			if (size > len || size < 2) {
				decode_invalid(d, EVENT_TCP_OPT_INVALID_LEN);
				return;
			}
			if (tcp_option_fits(at[0], at[1]))
				tcp_option(d, at);
			else if (at[0] == TCPOPT_MD5 || at[0] == TCPOPT_AO)
				decode_invalid(d, EVENT_TCP_OPT_INVALID_LEN);
			else
				decode_event(d, EVENT_TCP_OPT_INVALID_LEN);
		}
		at += size;
		len -= size;
	}
}

static void upper_found(struct packet *p, const uint8_t *at, size_t header, size_t len)
{
	p->reach = PACKET_UPPER;
	p->l4 = at;
	p->l4_header_len = (uint32_t)header;
	decode_payload(p, at + header, len - header);
}

static void ports_found(struct packet *p)
{
	p->has_ports = true;
	p->sp = be16(p->l4);
	p->dp = be16(p->l4 + 2);
}

void decode_tcp(struct decode *d, const uint8_t *at, size_t len)
{
	struct packet *p = d->p;
	size_t header;

	if (len < TCP_MIN) {
		decode_invalid(d, EVENT_TCP_PKT_TOO_SMALL);
		return;
	}
	header = (size_t)(at[12] >> 4) * 4;
	if (header > len) {
		decode_invalid(d, EVENT_TCP_HLEN_TOO_SMALL);
		return;
	}
	if (header < TCP_MIN) {
		decode_invalid(d, EVENT_TCP_INVALID_OPTLEN);
		return;
	}
	d->stats->tcp++;
	upper_found(p, at, header, len);
	ports_found(p);
	p->tcp_flags = at[13];
	p->tcp.seq = be32(at + 4);
	p->tcp.ack = be32(at + 8);
	p->tcp.header_len = (uint8_t)header;
	p->tcp.window = be16(at + 14);
	p->tcp.urgent = be16(at + 18);
	tcp_options(d, at + TCP_MIN, header - TCP_MIN);
	decode_upper_sum(d, at, len, true);
}

static void decode_udp(struct decode *d, const uint8_t *at, size_t len)
{
	size_t total;

	if (len < UDP_HEADER) {
		decode_invalid(d, EVENT_UDP_HLEN_TOO_SMALL);
		return;
	}
	total = be16(at + 4);
	if (total > len) {
		decode_invalid(d, EVENT_UDP_PKT_TOO_SMALL);
		return;
	}
	if (total < UDP_HEADER) {
		decode_invalid(d, EVENT_UDP_LEN_INVALID);
		return;
	}
	d->stats->udp++;
	upper_found(d->p, at, UDP_HEADER, total);
	ports_found(d->p);
	if (be16(at + 6) != 0) /* 0: the sender made none (RFC 768) */
		decode_upper_sum(d, at, total, true);
	decode_udp_tunnel(d);
}

/* IPv6 names its upper layer by the same number space, so what is not one is odd; in IPv4 only
 * ICMPv6 is. */
static void decode_unknown(struct decode *d)
{
	struct packet *p = d->p;

	if (p->ip_version == 4 && p->proto == PROTO_ICMPV6)
		decode_invalid(d, EVENT_IPV4_WITH_ICMPV6);
	else if (p->ip_version == 6 && p->proto == PROTO_ICMP)
		decode_event(d, EVENT_IPV6_WITH_ICMPV4);
	else if (p->ip_version == 6)
		decode_event(d, EVENT_IPV6_UNKNOWN_NEXT_HEADER);
}

static void decode_in_ip(struct decode *d, const uint8_t *at, size_t len)
{
	bool v4 = d->p->proto == PROTO_IPIP;

	if (d->p->ip_version == 6) {
		if (len < (v4 ? IPV4_MIN : IPV6_HEADER)) {
			decode_invalid(d, v4 ? EVENT_IPV4_IN_IPV6_PKT_TOO_SMALL
					     : EVENT_IPV6_IN_IPV6_PKT_TOO_SMALL);
			return;
		}
		if (at[0] >> 4 != (v4 ? 4 : 6)) {
			decode_event(d, v4 ? EVENT_IPV4_IN_IPV6_WRONG_IP_VER
					   : EVENT_IPV6_IN_IPV6_WRONG_IP_VER);
			return;
		}
	}
	decode_tunnel(d, v4 ? INNER_IPV4 : INNER_IPV6, at, len);
}

void decode_upper(struct decode *d, const uint8_t *at, size_t len)
{
	struct packet *p = d->p;

	switch (p->proto) {
	case PROTO_TCP:
		decode_tcp(d, at, len);
		return;
	case PROTO_UDP:
		decode_udp(d, at, len);
		return;
	case PROTO_ICMP:
		if (p->ip_version == 4) {
			decode_icmp4(d, at, len);
			return;
		}
		break;
	case PROTO_ICMPV6:
		if (p->ip_version == 6) {
			decode_icmp6(d, at, len);
			return;
		}
		break;
	case PROTO_IPIP:
	case PROTO_IPV6:
		decode_in_ip(d, at, len);
		d->stats->other_ip++;
		return;
	case PROTO_GRE:
		decode_gre(d, at, len);
		d->stats->other_ip++;
		return;
	case PROTO_SCTP:
		if (len < SCTP_HEADER)
			decode_invalid(d, EVENT_SCTP_PKT_TOO_SMALL);
		d->stats->other_ip++;
		return;
	case PROTO_ESP:
		if (len < ESP_HEADER)
			decode_invalid(d, EVENT_ESP_PKT_TOO_SMALL);
		d->stats->other_ip++;
		return;
	}
	decode_unknown(d);
	d->stats->other_ip++;
}
