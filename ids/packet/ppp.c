/* PPP (RFC 1661) in GRE and in PPPoE (RFC 2516). */
#include "ids/packet/decode.h"
#include "ids/bytes.h"

#define PPPOE_HEADER 6

/* PPP protocol numbers (IANA). */
#define PPP_IP	     0x0021
#define PPP_VJ_UCOMP 0x002f /* as IP, but for the protocol octet (RFC 1144) */
#define PPP_IPV6     0x0057

/* Known, and carrying nothing that is looked into here. */
static bool ppp_control(uint16_t proto)
{
	static const uint16_t known[] = {
		0x8021, 0x8057, 0xc021, 0xc023, 0xc223, /* IPCP, IPV6CP, LCP, PAP, CHAP */
		0x80fd, 0xc025, 0xc029, 0x00fd, 0x8207, /* CCP, LQR, CBCP, compressed, CDPCP */
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i] == proto)
			return true;
	return false;
}

static bool ppp_unsupported(uint16_t proto)
{
	static const uint16_t known[] = {
		0x002d, 0x002b, 0x0023, 0x0025, 0x0027, 0x0029, 0x0031, 0x0033,
		0x0035, 0x0201, 0x0231, 0x0233, 0x0281, 0x0283, 0x8023, 0x8025,
		0x8027, 0x8029, 0x802b, 0x8033, 0x8035, 0x8281,
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i] == proto)
			return true;
	return false;
}

static void ppp_content(struct decode *d, uint16_t proto, const uint8_t *at, size_t len)
{
	if (proto == PPP_IP || proto == PPP_VJ_UCOMP) {
		if (len < IPV4_MIN)
			decode_invalid(d, proto == PPP_IP ? EVENT_PPPIPV4_PKT_TOO_SMALL
							  : EVENT_PPPVJU_PKT_TOO_SMALL);
		else if (proto == PPP_IP || at[0] >> 4 == 4)
			decode_ipv4(d, at, len);
	} else if (proto == PPP_IPV6) {
		if (len < IPV6_HEADER)
			decode_invalid(d, EVENT_PPPIPV6_PKT_TOO_SMALL);
		else
			decode_ipv6(d, at, len);
	} else if (ppp_unsupported(proto)) {
		decode_event(d, EVENT_PPP_UNSUP_PROTO);
	} else if (!ppp_control(proto)) {
		decode_invalid(d, EVENT_PPP_WRONG_TYPE);
	}
}

/* The protocol field has one octet if its lowest bit is set, else two (RFC 1661, section 2). */
static void ppp_protocol(struct decode *d, const uint8_t *at, size_t len,
			 enum packet_event too_small)
{
	size_t size;

	if (len < 1) {
		decode_invalid(d, too_small);
		return;
	}
	size = at[0] & 1 ? 1 : 2;
	if (len < size) {
		decode_invalid(d, too_small);
		return;
	}
	ppp_content(d, size == 1 ? at[0] : be16(at), at + size, len - size);
}

void decode_ppp(struct decode *d, const uint8_t *at, size_t len)
{
	if (!decode_layer(d))
		return;
	/* HDLC framing (RFC 1662): address ff, control 03. */
	if (len >= 2 && at[0] == 0xff) {
		at += 2;
		len -= 2;
	}
	ppp_protocol(d, at, len, EVENT_PPP_PKT_TOO_SMALL);
}

void decode_pppoe_session(struct decode *d, const uint8_t *at, size_t len)
{
	if (len < PPPOE_HEADER + 1) {
		decode_invalid(d, EVENT_PPPOE_PKT_TOO_SMALL);
		return;
	}
	if (!decode_layer(d) || be16(at + 4) == 0)
		return;
	ppp_protocol(d, at + PPPOE_HEADER, len - PPPOE_HEADER, EVENT_PPPOE_PKT_TOO_SMALL);
}

void decode_pppoe_discovery(struct decode *d, const uint8_t *at, size_t len)
{
	if (len < PPPOE_HEADER) {
		decode_invalid(d, EVENT_PPPOE_PKT_TOO_SMALL);
		return;
	}
	switch (at[1]) { /* PADI, PADO, PADR, PADS, PADT (RFC 2516, section 5) */
	case 0x09:
	case 0x07:
	case 0x19:
	case 0x65:
	case 0xa7:
		if (be16(at + 4) > len - PPPOE_HEADER)
			decode_invalid(d, EVENT_PPPOE_MALFORMED_TAGS);
		return;
	}
	decode_invalid(d, EVENT_PPPOE_WRONG_CODE);
}
