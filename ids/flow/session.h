/* The parts of ids/flow/stream.c, for these files only: one packet on its way through a session. */
#pragma once

#include "ids/flow/flow.h"
#include "ids/flow/stream.h"
#include "ids/packet/packet.h"

/* stream.flags (Suricata's STREAMTCP_FLAG_*). */
enum {
	SESSION_MIDSTREAM = 1 << 0,
	SESSION_MIDSTREAM_NEW = 1 << 1, /* and only one side seen */
	SESSION_MIDSTREAM_SYNACK = 1 << 2,
	SESSION_TIMESTAMP = 1 << 3, /* both use them */
	SESSION_WSCALE = 1 << 4,    /* the client can */
	SESSION_ASYNC = 1 << 5,
	SESSION_4WAY = 1 << 6,
	SESSION_EVASION = 1 << 7,   /* right sequence number, wrong acknowledgment */
	SESSION_CONFIRMED = 1 << 8, /* the server sent more than SYN/ACK */
	SESSION_FAST_OPEN = 1 << 9,
	SESSION_TFO_IGNORED = 1 << 10, /* the data on the SYN was */
	SESSION_LOSSY = 1 << 11,
};

/* stream_half.flags. */
enum {
	HALF_GAP = 1 << 0,     /* to be told with the next octets */
	HALF_STOPPED = 1 << 1, /* nobody wants more */
	HALF_ENDED = 1 << 2,   /* STREAM_END was told */
	HALF_KEEPALIVE = 1 << 3,
	HALF_TIMESTAMP = 1 << 4,   /* on its SYN */
	HALF_TIMESTAMP_0 = 1 << 5, /* with the value 0 */
	HALF_RST = 1 << 6,	   /* its sender had a RST that may not be true */
	HALF_PROBED = 1 << 7,	   /* sent a zero-window probe */
	HALF_FIN = 1 << 8, /* its sender has closed it; `fin` may lie before, at the depth */
};

/* stream_offer.flags. */
enum { OFFER_TIMESTAMP = 1, OFFER_WSCALE = 2 };

#define WSCALE_MAX 14 /* RFC 7323, section 2.3 */

/* A packet at work. */
struct segment {
	struct streams *t;
	struct flow *flow;
	struct stream *st;
	const struct packet *p;
	struct stream_half *s, *r; /* sender's, receiver's direction */
	bool from_client;	   /* of the session */
	uint32_t now;		   /* seconds */
	struct stream_result *out;
};

/* Sequence numbers (RFC 793, section 3.3). */
static inline bool seq_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool seq_behind(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static inline uint32_t segment_end(const struct segment *g)
{
	return g->p->tcp.seq + g->p->payload_len;
}

/* Note an event; false, so that `return segment_bad(...)` refuses the packet. */
static inline bool segment_bad(struct segment *g, enum stream_event event)
{
	stream_event_set(&g->out->events, event);
	return false;
}

static inline bool segment_liberal(const struct segment *g)
{
	return g->st->flags & (SESSION_MIDSTREAM | SESSION_ASYNC);
}

/* The receiver's window in octets, as this packet tells it. */
static inline uint32_t segment_window(const struct segment *g)
{
	return (uint32_t)g->p->tcp.window << g->r->wscale;
}

/* session_check.c: does it fit? Each notes why not. */
bool check_ack(struct segment *g);
bool check_timestamp(struct segment *g, bool update);
bool check_rst(struct segment *g);
bool check_retransmission(struct segment *g);
/* Packets that change nothing: keep-alives and their answers, probes of a closed window and
 * theirs, impossible window updates, outdated acknowledgments. */
bool check_idle(struct segment *g);

/* session.c: a packet in a state; false: it does not belong to the session. */
bool session_none(struct segment *g);
bool session_syn_sent(struct segment *g);
bool session_syn_recv(struct segment *g); /* session_synack.c, with the offers */
void session_offer(struct segment *g, const struct stream_offer *offer);
const struct stream_offer *session_offer_at(const struct stream *st, unsigned i);
/* session_data.c */
bool session_established(struct segment *g);
bool session_fin(struct segment *g);
bool session_rst(struct segment *g);
bool session_closing(struct segment *g); /* all states behind ESTABLISHED */

void session_state(struct segment *g, enum stream_state state);
void session_base(struct stream_half *h, uint32_t isn);
void session_last_ack(struct stream_half *h, uint32_t ack);
void session_next_win(struct stream_half *h);

/* reassemble.c: take the segment's acknowledgment and octets. */
void reassemble(struct segment *g);
/* Deliver all that waits in this direction, over gaps, and its end. */
void reassemble_flush(struct streams *t, struct flow *f, struct stream *st, struct stream_half *h);
void reassemble_forget(struct streams *t, struct stream *st, struct stream_half *h);
