/* The detection engine: frames in, verdicts and EVE lines out.
 *
 * For the sentry, vigil-replay and the tests. Runs unchanged on the host and in the sentry: all
 * state hangs off `struct ids`, memory comes only from ids_ops.alloc and only inside ids_create(),
 * nothing is read from a clock or a file. Single-threaded: one call at a time per `struct ids`. May
 * call ids/{packet,rules,flow,eve} only. Nothing here blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ids/eve/eve.h"

struct ids; /* one engine */
struct blob;

/* What the engine needs from its surroundings. */
struct ids_ops {
	void *ctx; /* handed to alloc */
	/* Zeroed memory aligned to 16 bytes, or NULL; never given back (an arena will do). */
	void *(*alloc)(void *ctx, size_t size);
};

enum ids_verdict { IDS_PASS, IDS_DROP };

/* Which side of Vigil a frame came from. */
enum ids_dir { IDS_FROM_GUEST, IDS_TO_GUEST };

/* Layer-2 framing (values as pcap's LINKTYPE_*). */
enum ids_link {
	IDS_LINK_NULL = 0, /* 4-byte address family in host order */
	IDS_LINK_ETHERNET = 1,
	IDS_LINK_RAW_OLD = 12, /* raw IP, as DLT_RAW of most systems */
	IDS_LINK_RAW = 101,    /* raw IP, the version nibble tells which */
	IDS_LINK_LOOP = 108,   /* as NULL, in network order */
	IDS_LINK_LINUX_SLL = 113,
	IDS_LINK_IPV4 = 228,
	IDS_LINK_IPV6 = 229,
};

/* Values of 0 mean the default named beside the field. */
struct ids_config {
	enum ids_link link;	  /* framing; 0 is IDS_LINK_NULL, so set it always */
	bool ips;		  /* drop rules drop; otherwise they only alert ("allowed") */
	bool skip_checksums;	  /* take every checksum as good */
	const char *in_iface;	  /* shown in events; NULL: not shown. Must outlive the engine */
	uint32_t alerts_per_rule; /* alerts, and drop events, of one rule in one second; 0: 100 */
	uint32_t flow_entries;	  /* flow table size, rounded up to a power of two; 0: 4096 */
	uint16_t community_seed;  /* Community ID seed, 0 as in Suricata */
	uint64_t seed;		  /* random; keys the flow table's hash and the flow ids */
	bool midstream;		  /* a TCP flow met without its SYN may count as established */
	bool async;		  /* one direction of a connection may never be seen */
	bool stream_inline;	  /* look at octets as they come, as `ips` does, but do not drop */
	uint32_t conversations;	  /* flows whose octets are looked into at a time; 0: 128 */
	uint32_t stream_pages;	  /* of 2 KiB, for octets that wait; 0: 512 */
	uint32_t defrag_pages;	  /* of 2 KiB, for fragments; 0: 512 */
	uint32_t defrag_trackers; /* datagrams put together at a time, a power of two; 0: 512 */
	uint32_t app_memory;	  /* octets for transactions; 0: 1 MiB */
	uint32_t body_limit;	  /* octets of a body looked at; 0: 32 KiB */
	bool ipip;		  /* look into IPv4 in IPv4 (Suricata 7: off unless configured) */
	const uint64_t
		*pcap_cnt; /* replay: number of the packet, shown in events; NULL: not shown */
};

#define IDS_NO_LIMIT UINT32_MAX /* for alerts_per_rule */

/* Counters since ids_create(). Suricata's names where it has the same. */
struct ids_stats {
	uint64_t pkts, bytes;			 /* frames and octets inspected */
	uint64_t ethernet, vlan, vlan_qinq, arp; /* decoder.* */
	uint64_t ipv4, ipv6, tcp, udp, icmpv4, icmpv6, other_ip;
	uint64_t fragments;		 /* IP fragments */
	uint64_t rebuilt;		 /* datagrams put together from them */
	uint64_t defrag_timeouts;	 /* given up unfinished */
	uint64_t defrag_full;		 /* pieces ignored and datagrams given up: no room */
	uint64_t tunnels;		 /* packets in packets */
	uint64_t unknown_link;		 /* EtherTypes not decoded */
	uint64_t invalid;		 /* frames whose headers do not hold together */
	uint64_t bad_checksum;		 /* IPv4, TCP, UDP or ICMP checksum wrong */
	uint64_t alerts;		 /* alert events written */
	uint64_t alerts_suppressed;	 /* alerts and drop events held back by the limit */
	uint64_t alert_queue_overflow;	 /* matches beyond IDS_ALERTS_PER_PACKET */
	uint64_t inspection_limit;	 /* rules given up after too many backtracking steps */
	uint64_t pcre_limit;		 /* searches given up: too much work, or no memory */
	uint64_t eve_overflow;		 /* events that did not fit a line */
	uint64_t accepted, blocked;	 /* verdicts */
	uint64_t flows, flows_evicted;	 /* flow table: created, thrown out while alive */
	uint64_t candidates;		 /* rules verified after the prefilter */
	uint64_t state_evicted;		 /* bits, counters, thresholds thrown out while alive */
	uint64_t conversations_evicted;	 /* flows not looked into any more, for others */
	uint64_t transactions_forgotten; /* no room to remember what rules have seen of them */
	uint64_t segments_dropped; /* say otherwise than what was inspected, or could not be */
	uint64_t pending_overflow; /* rules given up that waited for more of a stream */
};

#define IDS_ALERTS_PER_PACKET 15 /* as Suricata's packet-alert-max default */

/* Make an engine. `blob` (8-byte aligned, as vigilc wrote it) is checked completely before any of
 * it is used, must stay readable and unchanged as long as the engine lives, and is not copied; NULL
 * means no rules. `eve` receives the events. Context: start-up only. 0; -EBADMSG: blob refused,
 * ids_blob_reason() tells why; -ENOMEM; -EINVAL: config. */
int ids_create(struct ids **out, const struct ids_ops *ops, struct eve *eve,
	       const struct ids_config *config, const void *blob, size_t len);

/* Why a blob is refused: a constant English sentence, or NULL if it is sound. */
const char *ids_blob_reason(const void *blob, size_t len);

/* The checked blob, for others who use parts of it (policy); NULL: none. */
const struct blob *ids_blob(const struct ids *ids);

/* Number of rules in use. */
uint32_t ids_rule_count(const struct ids *ids);

/* Inspect one frame of `len` octets; any content and length is allowed. `now_ns`: Unix time in
 * nanoseconds. Writes `alert` and `drop` events. No allocation; work bounded by frame length and
 * rule count. With config.ips false the verdict is always IDS_PASS. */
enum ids_verdict ids_inspect(struct ids *ids, const uint8_t *frame, size_t len, enum ids_dir dir,
			     uint64_t now_ns);

/* The end of a capture: flows end, and what waits in them is inspected. */
void ids_flush(struct ids *ids);

/* The counters, valid until the engine is gone. */
const struct ids_stats *ids_stats(const struct ids *ids);

/* Write a `stats` event from the counters. `start_ns`: when counting began (for uptime). */
void ids_event_stats(struct ids *ids, uint64_t start_ns, uint64_t now_ns);
