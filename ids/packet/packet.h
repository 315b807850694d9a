/* A decoded packet: pointers into the frame, what the headers say, and what is wrong with them.
 *
 * For the engine. Pure; the decoder never reads outside the frame, its work is linear in the octets
 * and its nesting is bounded (PACKET_MAX_LAYERS). A packet inside a tunnel is a packet of its own:
 * packet_decode() gives the outermost, packet_decode_inner() the one in it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ids/engine.h"
#include "ids/packet/event.h"

#define PACKET_MAX_TAGS	  3  /* VLAN tags taken off, as Suricata */
#define PACKET_MAX_LAYERS 16 /* headers in headers, tunnels included (decoder.max-layers) */

/* Protocol numbers (IANA). */
enum {
	PROTO_ICMP = 1,
	PROTO_IPIP = 4,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_IPV6 = 41,
	PROTO_GRE = 47,
	PROTO_ESP = 50,
	PROTO_ICMPV6 = 58,
	PROTO_SCTP = 132,
};

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20
#define TCP_ECN 0x40 /* ECE */
#define TCP_CWR 0x80

/* packet.ip_flags, as in the IPv4 header (for IPv6 only MORE, from the fragment header). */
#define IP_RESERVED 4
#define IP_DONT	    2
#define IP_MORE	    1

/* packet.ip_options: IPv4 options that are there and sound (RFC 791, 1108, 2113, 4782; CIPSO). */
enum {
	IPOPT_ANY = 1 << 0, /* the header has options, whatever they are */
	IPOPT_EOL = 1 << 1,
	IPOPT_NOP = 1 << 2,
	IPOPT_RR = 1 << 3,
	IPOPT_TS = 1 << 4,
	IPOPT_QS = 1 << 5,
	IPOPT_LSRR = 1 << 6,
	IPOPT_SSRR = 1 << 7,
	IPOPT_SATID = 1 << 8,
	IPOPT_SEC = 1 << 9,
	IPOPT_CIPSO = 1 << 10,
	IPOPT_RTRALT = 1 << 11,
	IPOPT_ESEC = 1 << 12,
};

/* How far the decoder came. */
enum packet_reach {
	PACKET_LINK,  /* no sound IP header: ip_version is 0 and nothing behind it means anything */
	PACKET_IP,    /* IP holds; a fragment, an unknown protocol, or its header does not hold */
	PACKET_UPPER, /* the header of TCP, UDP, ICMP, ... holds too */
};

/* What is in a tunnel, if the packet is one. */
enum packet_inner {
	INNER_NONE,
	INNER_IPV4,
	INNER_IPV6,
	INNER_TEREDO, /* IPv6 that is one only if nothing at all is wrong with it */
	INNER_ETHERNET,
	INNER_VLAN,
	INNER_PPP,
	INNER_ERSPAN1,
	INNER_ERSPAN2,
};

struct packet_tcp {
	uint32_t seq, ack;
	uint32_t ts_value, ts_echo;
	uint16_t window, urgent, mss;
	uint8_t header_len; /* data offset in octets, 20-60 */
	uint8_t wscale;
	bool has_mss, has_wscale, has_ts, sack_ok;
	uint8_t sack_blocks; /* 0-4 */
	bool fast_open;	     /* RFC 7413 */
	bool signature;	     /* MD5 (RFC 2385) or AO (RFC 5925) */
};

struct packet {
	const uint8_t *frame;	  /* of the outermost packet, or where the inner one begins */
	const uint8_t *ip;	  /* IP header, with options or extension headers */
	const uint8_t *l4;	  /* upper-layer header, NULL if none was decoded */
	const uint8_t *payload;	  /* NULL if none */
	const uint8_t *frag_data; /* a fragment's piece of data */
	const uint8_t *frag_prev; /* IPv6: the octet that names the fragment header as the next */
	const uint8_t *inner_at;  /* a tunnel's content */
	struct packet_events events;
	uint32_t len;
	enum packet_reach reach;
	enum packet_inner inner;
	uint32_t ip_header_len;
	uint32_t ip_total; /* header and what it carries; link-layer padding left out */
	uint32_t l4_header_len, payload_len, frag_len, inner_len;
	uint32_t ip_id;	       /* IPv6: of the fragment header */
	uint32_t flow_label;   /* IPv6 */
	struct packet_tcp tcp; /* where proto is TCP and has_ports */
	uint16_t sp, dp;
	uint16_t icmp_id, icmp_seq; /* where has_icmp_id */
	uint16_t ip_options;	    /* IPOPT_* */
	uint16_t frag_offset;	    /* in octets */
	uint16_t vlan[PACKET_MAX_TAGS];
	uint8_t tags;		  /* VLAN tags taken off */
	uint8_t src[16], dst[16]; /* IPv4 in the first four */
	uint8_t ip_version; /* 4, 6; 0: no IP in it, the fields of IP and above mean nothing */
	uint8_t proto;	    /* upper-layer protocol */
	uint8_t ttl;	    /* or hop limit */
	uint8_t tos;	    /* or traffic class */
	uint8_t ip_flags;   /* IP_* */
	uint8_t tcp_flags;  /* 0 unless TCP */
	uint8_t icmp_type, icmp_code;
	uint8_t frag_next;   /* IPv6: what follows the fragment header */
	uint8_t depth;	     /* tunnels around it: 0 outermost */
	uint8_t layers;	     /* headers in headers so far */
	bool invalid;	     /* an event says that a header does not hold */
	bool fragment;	     /* one piece of a datagram: no upper-layer header */
	bool later_fragment; /* not the first piece */
	bool rebuilt;	     /* put together from fragments */
	bool tunnel;	     /* its content was decoded: the payload is not looked at again */
	bool has_ports, has_icmp, has_icmp_id;
	bool bad_checksum;    /* of IPv4, TCP, UDP or ICMP */
	bool bad_ip_checksum; /* of the IPv4 header */
};

/* Decode a frame; counts into `stats`. False: nothing to inspect (no IP, and nothing wrong). True
 * with reach PACKET_LINK: only events. */
bool packet_decode(struct packet *p, const uint8_t *frame, size_t len, enum ids_link link,
		   bool check_sums, struct ids_stats *stats);

/* Decode what is in the tunnel `outer`. False: there is none, or what is in it is no sound packet
 * (then, as in Suricata, the outer one is inspected as if it were no tunnel). Marks outer->tunnel.
 */
bool packet_decode_inner(struct packet *p, struct packet *outer, bool check_sums,
			 struct ids_stats *stats);

/* Decode a datagram that defragmentation put together from the fragment `last` and others. */
bool packet_decode_rebuilt(struct packet *p, const struct packet *last, const uint8_t *ip,
			   size_t len, bool check_sums, struct ids_stats *stats);

/* RFC 1071 sum of `len` octets (at any alignment) added to `sum`; not folded or inverted. */
uint32_t packet_sum(const uint8_t *data, size_t len, uint32_t sum);
