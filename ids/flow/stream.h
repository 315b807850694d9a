/* TCP sessions: how far a connection is, and the octets of each direction once, in order.
 *
 * For the engine. The state of a session lives in its flow; octets that wait (out of order, or not
 * acknowledged yet) in pages of one pool, which never grows. Inline, octets are delivered as soon
 * as they follow on, before the target has them, and what was delivered wins: a later segment that
 * says otherwise is told to the caller. Otherwise they are delivered when their receiver has
 * acknowledged them, and overlaps are decided as the target's system does. The conditions, names
 * and events are Suricata's. Work for a segment is linear in its octets and PIECES_MAX. Pure; may
 * call ids/packet and ids/flow/{overlap,pieces,stream_event}.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ids/flow/pieces.h"
#include "ids/flow/stream_event.h"

struct flow;
struct packet;

/* In Suricata's order; from STREAM_ESTABLISHED on data flows. */
enum stream_state {
	STREAM_NONE,
	STREAM_SYN_SENT,
	STREAM_SYN_RECV,
	STREAM_ESTABLISHED,
	STREAM_FIN_WAIT1, /* the server has closed its direction */
	STREAM_FIN_WAIT2,
	STREAM_TIME_WAIT,
	STREAM_LAST_ACK,
	STREAM_CLOSE_WAIT, /* the client has closed its direction */
	STREAM_CLOSING,
	STREAM_CLOSED,
};

/* What becomes of an octet marked urgent (stream.reassembly.urgent.policy). */
enum stream_urgent { STREAM_URGENT_INLINE, STREAM_URGENT_OOB, STREAM_URGENT_GAP };

/* Flags of a delivery. */
#define STREAM_GAP   1 /* octets before these were never seen */
#define STREAM_END   2 /* no more will come in this direction (there may be none with it) */
#define STREAM_DEPTH 4 /* ... because stream_config.depth is reached */

/* `len` octets, of the direction to the server or the client, that lie `offset` octets behind the
 * SYN; they hold during the call. May call stream_stop(), nothing else here. */
typedef void stream_deliver(void *ctx, struct flow *flow, bool to_server, const uint8_t *data,
			    uint32_t len, uint64_t offset, unsigned flags);

struct stream_config {
	bool in_line;	   /* deliver at once (Suricata's stream.inline) */
	bool midstream;	   /* take sessions up that began unseen */
	bool async;	   /* one direction may never be seen (stream.async-oneside) */
	enum os_policy os; /* of the targets */
	enum stream_urgent urgent;
	uint32_t depth;	       /* octets looked at in each direction; 0: all of them */
	uint32_t pages;	       /* of PIECES_PAGE octets, for all sessions */
	uint32_t window_pages; /* that one direction may hold */
	stream_deliver *deliver;
	void *ctx;
};

/* One direction, by its sender. Sequence numbers are modulo 2^32, offsets count from the SYN. */
struct stream_half {
	uint64_t base;	   /* offset up to which all was delivered or is lost */
	uint64_t trimmed;  /* octets before are not kept any more */
	uint64_t fin;	   /* offset at which the direction ends, STREAM_NO_FIN */
	uint32_t base_seq; /* the number of `base` */
	uint32_t isn, next_seq, last_ack;
	uint32_t window, next_win; /* its receiver's, and where it ends */
	uint32_t last_ts, last_ts_when;
	struct pieces kept;
	uint16_t urgent; /* octets taken out of the stream */
	uint8_t wscale;
	uint8_t tcp_flags; /* all seen from this sender */
	uint16_t flags;
};
#define STREAM_NO_FIN UINT64_MAX

/* Another SYN, or SYN/ACK, that the session may turn out to go on with. */
struct stream_offer {
	uint32_t seq, ack, ts;
	uint16_t window;
	uint8_t wscale, flags;
};
#define STREAM_OFFERS 2

/* A session; all zero is none. */
struct stream {
	struct stream_half half[2]; /* of the client, of the server */
	struct stream_offer offer[STREAM_OFFERS];
	struct stream *older, *newer; /* among those that hold pages */
	uint32_t flags;
	uint8_t state, previous, offers, next_offer;
	bool holds;  /* pages: is in that list */
	bool turned; /* the flow's client is this session's server */
};

struct stream_stats {
	uint64_t sessions, midstream;
	uint64_t gaps;	    /* holes passed over */
	uint64_t overlaps;  /* segments with octets that were there */
	uint64_t different; /* ... and not the same */
	uint64_t no_room;   /* segments not kept, as the pool or their share of it was used up */
	uint64_t evicted;   /* sessions whose waiting octets were given up for others */
	uint64_t depth;	    /* directions that reached the depth */
	uint64_t invalid;   /* segments that do not belong to their session */
	uint64_t bad_checksum;
};

struct streams {
	struct stream_config config;
	struct piece_pool pool;
	struct stream *oldest, *newest; /* that hold pages, by their latest segment */
	overlap_rule rule;
	struct stream_stats stats;
};

struct stream_result {
	struct stream_events events;
	bool established; /* the session was established before (flow:established) */
	bool taken;	  /* the octets belong to the stream (a copy, if they were there before) */
	bool invalid;	  /* does not belong to its session */
	bool ignored;	/* carries octets that were not looked at: out of window, unknown session */
	bool different; /* inline: says otherwise than what was delivered or waits; drop it */
	bool no_room;	/* came too early, and could not be kept; inline: drop, it will be resent */
};

/* Suricata's defaults, OS_LINUX, and 512 pages. */
void stream_defaults(struct stream_config *config);

/* Octets of memory for stream_init(); 0: configuration out of range. */
uint64_t stream_size(const struct stream_config *config);
/* `memory` is zeroed and aligned to 16. */
void stream_init(struct streams *t, void *memory, const struct stream_config *config);

/* Take a TCP packet (p->has_ports) of the flow. Delivers; fills `out`. */
void stream_take(struct streams *t, struct flow *f, const struct packet *p, bool to_server,
		 uint64_t now_ns, struct stream_result *out);

/* Look no more into this direction: what it holds is given back, what comes is not kept. */
void stream_stop(struct streams *t, struct stream *s, bool to_server);

/* Is this packet the beginning of another session on the same ports? */
bool stream_reused(const struct stream *s, const struct packet *p, bool to_server);

/* The flow is over: deliver what waits, over gaps, and the ends. */
void stream_end(struct streams *t, struct flow *f);

/* Give back what the session holds, without a delivery, and forget it. */
void stream_release(struct streams *t, struct stream *s);

/* May data flow; is it over? (The flow's states in Suricata.) */
bool stream_established(const struct stream *s);
bool stream_closed(const struct stream *s);
