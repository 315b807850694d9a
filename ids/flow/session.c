/* The beginning of a session: handshakes of three and four ways, fast open, and those whose
 * beginning was not seen. */
#include <string.h>

#include "ids/flow/session.h"

void session_state(struct segment *g, enum stream_state state)
{
	if (g->st->state != state)
		g->st->previous = g->st->state;
	g->st->state = (uint8_t)state;
}

/* The direction begins behind this number. */
void session_base(struct stream_half *h, uint32_t isn)
{
	h->isn = isn;
	h->base_seq = isn + 1;
	h->next_seq = isn + 1;
	h->last_ack = isn + 1;
}

void session_last_ack(struct stream_half *h, uint32_t ack)
{
	if (seq_behind(ack, h->last_ack))
		h->last_ack = ack;
}

void session_next_win(struct stream_half *h)
{
	if (seq_behind(h->last_ack + h->window, h->next_win))
		h->next_win = h->last_ack + h->window;
}

/* The flow's client is this session's server. */
static void turn(struct segment *g)
{
	struct stream_half *s = g->s;

	g->st->turned = !g->st->turned;
	g->from_client = !g->from_client;
	g->s = g->r;
	g->r = s;
}

static void start(struct segment *g)
{
	g->s->tcp_flags = g->p->tcp_flags;
	g->r->tcp_flags = 0;
	for (unsigned i = 0; i < 2; i++) {
		struct stream_half *h = &g->st->half[i];

		pieces_init(&h->kept);
		h->fin = STREAM_NO_FIN;
	}
	g->t->stats.sessions++;
	if (g->t->config.async)
		g->st->flags |= SESSION_ASYNC;
}

/* Timestamps of a session taken up in the middle. */
static void midstream_timestamps(struct segment *g)
{
	const struct packet_tcp *tcp = &g->p->tcp;

	if (!tcp->has_ts)
		return;
	g->st->flags |= SESSION_TIMESTAMP;
	g->s->last_ts = tcp->ts_value;
	g->r->last_ts = tcp->ts_echo;
	g->s->last_ts_when = g->now;
	g->s->flags |= tcp->ts_value ? 0 : HALF_TIMESTAMP_0;
	g->r->flags |= tcp->ts_echo ? 0 : HALF_TIMESTAMP_0;
}

/* Met in the middle: the scale of the windows is not known, so it is taken to be the largest. */
static bool midstream(struct segment *g, enum stream_state state)
{
	const struct packet_tcp *tcp = &g->p->tcp;

	start(g);
	g->t->stats.midstream++;
	session_state(g, state);
	g->st->flags |= SESSION_MIDSTREAM | SESSION_MIDSTREAM_NEW;
	g->s->wscale = WSCALE_MAX;
	g->r->wscale = WSCALE_MAX;
	session_base(g->s, tcp->seq - 1);
	g->s->next_seq = segment_end(g) + (state == STREAM_FIN_WAIT1);
	g->s->last_ack = tcp->seq;
	g->s->window = (uint32_t)tcp->window << WSCALE_MAX;
	g->s->next_win = g->s->last_ack + g->s->window;
	session_base(g->r, tcp->ack - 1);
	g->r->last_ack = tcp->ack;
	g->r->next_win = tcp->ack;
	midstream_timestamps(g);
	if (g->p->tcp_flags & TCP_FIN)
		g->s->fin = g->p->payload_len;
	reassemble(g);
	return true;
}

/* Taken up at the SYN/ACK: its sender is the server. */
static bool midstream_synack(struct segment *g)
{
	const struct packet_tcp *tcp = &g->p->tcp;

	if (g->from_client)
		turn(g);
	start(g);
	g->t->stats.midstream++;
	session_state(g, STREAM_SYN_RECV);
	g->st->flags |= SESSION_MIDSTREAM | SESSION_MIDSTREAM_SYNACK;
	session_base(g->s, tcp->seq);
	g->s->window = tcp->window;
	g->s->last_ack = tcp->seq;
	g->s->next_win = g->s->last_ack + g->s->window;
	session_base(g->r, tcp->ack - 1);
	g->r->last_ack = tcp->ack;
	if (tcp->has_wscale) { /* then the client had it too */
		g->r->wscale = tcp->wscale < WSCALE_MAX ? tcp->wscale : WSCALE_MAX;
		g->s->wscale = WSCALE_MAX;
	}
	midstream_timestamps(g);
	return true;
}

/* What a SYN says of its sender; the window is that of the other direction. */
static void take_syn(struct segment *g)
{
	const struct packet_tcp *tcp = &g->p->tcp;

	session_base(g->s, tcp->seq);
	g->s->flags &= (uint16_t) ~(HALF_TIMESTAMP | HALF_TIMESTAMP_0);
	if (tcp->has_ts) {
		g->s->last_ts = tcp->ts_value;
		g->s->last_ts_when = g->now;
		g->s->flags |= HALF_TIMESTAMP | (tcp->ts_value ? 0 : HALF_TIMESTAMP_0);
	}
	g->r->window = tcp->window;
	g->r->wscale = tcp->has_wscale ? tcp->wscale : 0;
	if (g->r->wscale > WSCALE_MAX)
		g->r->wscale = WSCALE_MAX;
	g->st->flags &= ~(uint32_t)SESSION_WSCALE;
	if (tcp->has_wscale)
		g->st->flags |= SESSION_WSCALE;
}

static bool first_syn(struct segment *g)
{
	/* Earlier packets, not taken, may have named the wrong one of the two client. */
	if (!g->from_client)
		turn(g);
	start(g);
	session_state(g, STREAM_SYN_SENT);
	take_syn(g);
	if (!g->p->tcp.fast_open)
		return true;
	g->st->flags |= SESSION_FAST_OPEN;
	if (g->p->payload_len) {
		g->s->next_seq += g->p->payload_len;
		reassemble(g);
	}
	return true;
}

bool session_none(struct segment *g)
{
	uint8_t flags = g->p->tcp_flags;
	const struct stream_config *c = &g->t->config;

	if (flags & TCP_RST)
		return segment_bad(g, STREAM_EVENT_RST_BUT_NO_SESSION);
	if (flags & TCP_FIN) {
		if (!c->midstream || g->p->payload_len == 0)
			return segment_bad(g, STREAM_EVENT_FIN_BUT_NO_SESSION);
		return midstream(g, STREAM_FIN_WAIT1);
	}
	if ((flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK))
		return !(c->midstream || c->async) || midstream_synack(g);
	if (flags & TCP_SYN)
		return first_syn(g);
	if ((flags & TCP_ACK) && c->midstream)
		return midstream(g, STREAM_ESTABLISHED);
	g->out->ignored = g->p->payload_len != 0;
	return true;
}

#define SYN_FLOOD 10 /* as Suricata's stream.max-syn-queued */

/* Another SYN: most likely this one counts, but the answer may be to an older one. */
static bool repeated_syn(struct segment *g)
{
	struct stream_half *s = g->s;

	struct stream_offer older = {
		.seq = s->isn,
		.ts = s->last_ts,
		.window = (uint16_t)g->r->window,
		.wscale = g->r->wscale,
		.flags = (uint8_t)((s->flags & HALF_TIMESTAMP ? OFFER_TIMESTAMP : 0) |
				   (g->st->flags & SESSION_WSCALE ? OFFER_WSCALE : 0)),
	};

	if (s->isn != g->p->tcp.seq) {
		session_offer(g, &older);
		if (g->st->offers > SYN_FLOOD)
			stream_event_set(&g->out->events, STREAM_EVENT_3WHS_SYN_FLOOD);
		reassemble_forget(g->t, g->st, s);
	}
	take_syn(g);
	return true;
}

/* SYN from both sides (RFC 793, section 3.4): the client of the first is still the client. */
static bool opposite_syn(struct segment *g)
{
	g->st->flags |= SESSION_4WAY;
	take_syn(g);
	return true;
}

/* Does the SYN/ACK answer an older SYN? Then that one counts. */
static bool older_syn(struct segment *g)
{
	for (unsigned i = 0; i < STREAM_OFFERS; i++) {
		const struct stream_offer *o = session_offer_at(g->st, i);

		if (!o || o->seq != g->p->tcp.ack - 1)
			continue;
		if (g->p->tcp.has_ts && (o->flags & OFFER_TIMESTAMP) && o->ts != g->p->tcp.ts_echo)
			continue;
		session_base(g->r, o->seq);
		g->r->last_ts = o->ts;
		g->s->window = o->window;
		g->s->wscale = o->wscale;
		g->st->flags &= ~(uint32_t)SESSION_WSCALE;
		if (o->flags & OFFER_WSCALE)
			g->st->flags |= SESSION_WSCALE;
		return true;
	}
	return false;
}

/* The SYN/ACK is the server's SYN and the answer to the client's. */
static void take_synack(struct segment *g)
{
	const struct packet_tcp *tcp = &g->p->tcp;

	session_state(g, STREAM_SYN_RECV);
	session_base(g->s, tcp->seq);
	g->r->window = tcp->window; /* not scaled yet (RFC 7323, section 2.2) */
	if (tcp->has_ts && (g->r->flags & HALF_TIMESTAMP)) {
		g->s->last_ts = tcp->ts_value;
		g->s->last_ts_when = g->now;
		g->s->flags |= tcp->ts_value ? 0 : HALF_TIMESTAMP_0;
		g->st->flags |= SESSION_TIMESTAMP;
	} else {
		g->s->last_ts = 0;
		g->r->last_ts = 0;
		g->r->flags &= (uint16_t)~HALF_TIMESTAMP_0;
	}
	g->r->last_ack = tcp->ack;
	g->s->last_ack = g->s->isn + 1;
	if ((g->st->flags & SESSION_WSCALE) && tcp->has_wscale) {
		g->r->wscale = tcp->wscale > WSCALE_MAX ? WSCALE_MAX : tcp->wscale;
	} else { /* both or none */
		g->r->wscale = 0;
		g->s->wscale = 0;
	}
	g->r->next_win = g->r->last_ack + g->r->window;
	g->s->next_win = g->s->last_ack + g->s->window;
	g->st->flags &= ~(uint32_t)SESSION_MIDSTREAM_SYNACK;
	g->st->offers = 0;
	g->st->next_offer = 0;
}

static bool synack_to_client(struct segment *g)
{
	const struct packet_tcp *tcp = &g->p->tcp;
	bool fast = tcp->fast_open || (g->st->flags & SESSION_FAST_OPEN);
	bool stamp = !(tcp->has_ts && (g->r->flags & HALF_TIMESTAMP)) ||
		     tcp->ts_echo == g->r->last_ts || tcp->ts_echo == 0;
	bool fits = tcp->ack == g->r->isn + 1 || (fast && tcp->ack == g->r->next_seq);

	if (!(fits && stamp) && !older_syn(g))
		return segment_bad(g, fits ? STREAM_EVENT_PKT_INVALID_TIMESTAMP
					   : STREAM_EVENT_3WHS_SYNACK_WITH_WRONG_ACK);
	if (fast && fits && tcp->ack == g->r->isn + 1 &&
	    (tcp->ack != g->r->next_seq || g->r->kept.pages)) {
		/* The server did not take the data on the SYN: it will come again. */
		stream_event_set(&g->out->events, STREAM_EVENT_3WHS_SYNACK_TFO_DATA_IGNORED);
		g->st->flags |= SESSION_TFO_IGNORED;
		reassemble_forget(g->t, g->st, g->r);
		g->r->next_seq = g->r->isn + 1;
	}
	take_synack(g);
	if (fast && g->r->last_ack != g->r->isn + 1)
		reassemble(g);
	return true;
}

static bool synack_to_server(struct segment *g)
{
	if (!(g->st->flags & SESSION_4WAY))
		return segment_bad(g, STREAM_EVENT_3WHS_SYNACK_IN_WRONG_DIRECTION);
	if (g->p->tcp.ack != g->r->isn + 1)
		return segment_bad(g, STREAM_EVENT_4WHS_SYNACK_WITH_WRONG_ACK);
	if (g->p->tcp.seq != g->s->isn)
		return segment_bad(g, STREAM_EVENT_4WHS_SYNACK_WITH_WRONG_SYN);
	take_synack(g);
	return true;
}

/* Behind a SYN its sender goes on: the other side goes another way (stream.async-oneside). */
static bool async_ack(struct segment *g)
{
	if (g->p->tcp.seq != g->s->next_seq)
		return segment_bad(g, STREAM_EVENT_3WHS_ASYNC_WRONG_SEQ);
	g->st->flags |= SESSION_ASYNC;
	session_state(g, STREAM_ESTABLISHED);
	g->s->window = g->p->tcp.window;
	g->s->last_ack = g->p->tcp.seq;
	g->s->next_win = g->s->last_ack + g->s->window;
	g->s->wscale = g->st->flags & SESSION_WSCALE ? WSCALE_MAX : 0;
	session_base(g->r, g->p->tcp.ack - 1);
	g->r->last_ack = g->r->next_seq;
	g->r->next_win = g->r->last_ack;
	if (g->p->tcp.has_ts && (g->s->flags & HALF_TIMESTAMP))
		g->st->flags |= SESSION_TIMESTAMP;
	g->s->next_seq = segment_end(g);
	g->s->last_ack = g->s->next_seq;
	reassemble(g);
	return true;
}

bool session_syn_sent(struct segment *g)
{
	uint8_t flags = g->p->tcp_flags;

	if ((flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK))
		return g->from_client ? synack_to_server(g) : synack_to_client(g);
	if (flags & TCP_RST) {
		if (!check_rst(g))
			return false;
		/* The client's own only if it is about this SYN. */
		if (g->from_client && !(g->p->tcp.seq == g->s->isn && g->p->tcp.window == 0 &&
					g->p->tcp.ack == g->s->isn + 1))
			return true;
		/* The other may go on all the same; octets on the SYN count no more than before. */
		g->r->flags |= HALF_RST;
		session_state(g, STREAM_CLOSED);
		return true;
	}
	if (flags & TCP_FIN)
		return true;
	if (flags & TCP_SYN)
		return g->from_client ? repeated_syn(g) : opposite_syn(g);
	if ((flags & TCP_ACK) && g->t->config.async && g->from_client)
		return async_ack(g);
	g->out->ignored = g->p->payload_len != 0;
	return true;
}
