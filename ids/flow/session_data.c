/* An established session, and how it ends. */
#include "ids/flow/session.h"

/* One octet into a window that is closed, to see whether it still is (RFC 1122, 4.2.2.17). */
static bool is_probe(const struct segment *g)
{
	return g->p->payload_len == 1 && g->p->tcp.seq == g->s->next_seq && g->s->window == 0;
}

/* May octets that end before what was acknowledged still say something? */
static bool before_last_ack(struct segment *g)
{
	struct stream_half *s = g->s;
	uint32_t seq = g->p->tcp.seq, end = segment_end(g);

	if (!seq_before(end, s->last_ack))
		return true;
	if (g->p->payload_len <= 1 && seq == s->next_seq - 1) /* a keep-alive */
		return true;
	if (g->st->flags & SESSION_ASYNC) {
		session_last_ack(s, seq);
		return true;
	}
	if (g->t->config.async && (g->st->flags & SESSION_MIDSTREAM) &&
	    (s->next_seq == seq || s->last_ack == s->isn + 1)) {
		session_last_ack(s, seq);
		g->st->flags |= SESSION_ASYNC;
		return true;
	}
	/* What was acknowledged may have been missed: then it is new to us. */
	if (seq_behind(s->last_ack, s->next_seq) && seq_behind(end, s->next_seq))
		return true;
	return segment_bad(g, STREAM_EVENT_EST_PKT_BEFORE_LAST_ACK);
}

static void next_seq(struct segment *g, uint32_t seq)
{
	g->s->next_seq = seq;
	if (g->st->flags & SESSION_ASYNC) /* nobody else acknowledges */
		session_last_ack(g->s, seq);
}

/* Window and acknowledgment of the packet. */
static void take_ack(struct segment *g)
{
	g->r->window = segment_window(g);
	if (g->p->tcp_flags & TCP_ACK)
		session_last_ack(g->r, g->p->tcp.ack);
	check_timestamp(g, true);
	session_next_win(g->r);
}

static bool data_checked(struct segment *g)
{
	if ((g->r->flags & HALF_PROBED) && g->p->tcp.ack == g->r->next_seq + 1) {
		stream_event_set(&g->out->events, STREAM_EVENT_EST_ACK_ZWP_DATA);
	} else if (!check_ack(g)) {
		return segment_bad(g, STREAM_EVENT_EST_INVALID_ACK);
	}
	/* The first packet of the side that was not seen yet: what it may send is a guess. */
	if ((g->st->flags & SESSION_MIDSTREAM_NEW) && g->s->window == 0) {
		g->s->window = (uint32_t)g->p->tcp.window << g->s->wscale;
		g->s->next_win = g->s->last_ack + g->s->window;
		g->st->flags &= ~(uint32_t)SESSION_MIDSTREAM_NEW;
	}
	return before_last_ack(g);
}

static bool data(struct segment *g)
{
	uint32_t end = segment_end(g);

	if (!data_checked(g))
		return false;
	if (is_probe(g)) {
		g->s->flags |= HALF_PROBED;
		reassemble(g);
		return true;
	}
	if (seq_behind(end, g->s->next_win) && !segment_liberal(g))
		return segment_bad(g, STREAM_EVENT_EST_PACKET_OUT_OF_WINDOW);
	if (!seq_before(end, g->s->next_seq))
		next_seq(g, end);
	take_ack(g);
	reassemble(g);
	return true;
}

static bool established_synack(struct segment *g)
{
	if (g->from_client)
		return segment_bad(g, STREAM_EVENT_EST_SYNACK_TOSERVER);
	if (g->p->tcp.ack != g->r->last_ack)
		return segment_bad(g, STREAM_EVENT_EST_SYNACK_RESEND_WITH_DIFFERENT_ACK);
	if (g->p->tcp.seq != g->s->isn)
		return segment_bad(g, STREAM_EVENT_EST_SYNACK_RESEND_WITH_DIFF_SEQ);
	if (g->st->flags & SESSION_CONFIRMED)
		return segment_bad(g, STREAM_EVENT_EST_SYNACK_RESEND);
	return true; /* the client's ACK did not reach the server */
}

static bool established_syn(struct segment *g)
{
	if (!g->from_client)
		return segment_bad(g, STREAM_EVENT_EST_SYN_TOCLIENT);
	return segment_bad(g, g->p->tcp.seq == g->s->isn ? STREAM_EVENT_EST_SYN_RESEND
							 : STREAM_EVENT_EST_SYN_RESEND_DIFF_SEQ);
}

bool session_established(struct segment *g)
{
	uint8_t flags = g->p->tcp_flags;

	if (flags & TCP_RST)
		return session_rst(g);
	if (flags & TCP_FIN)
		return check_timestamp(g, false) && session_fin(g);
	if ((flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK))
		return established_synack(g);
	if (flags & TCP_SYN)
		return established_syn(g);
	if (!(flags & TCP_ACK)) { /* thrown away (RFC 793, section 3.9) */
		g->out->ignored = g->p->payload_len != 0;
		return true;
	}
	if (!check_timestamp(g, false))
		return false;
	if (!g->from_client)
		g->st->flags |= SESSION_CONFIRMED;
	/* Suricata lets pass what does not fit here, without looking into it. */
	if (!data(g))
		g->out->ignored = g->p->payload_len != 0;
	return true;
}

bool session_rst(struct segment *g)
{
	if (!check_rst(g))
		return false;
	session_state(g, STREAM_CLOSED);
	if ((g->p->tcp_flags & TCP_ACK) && check_ack(g))
		session_last_ack(g->r, g->p->tcp.ack);
	session_last_ack(g->s, g->p->tcp.seq);
	g->s->next_seq = segment_end(g);
	check_timestamp(g, true);
	reassemble(g);
	return true;
}

/* Note where the direction ends. */
static void end_at(struct segment *g)
{
	struct stream_half *s = g->s;
	uint32_t end = segment_end(g) - s->urgent;
	int64_t at = (int64_t)s->base + (int32_t)(end - s->base_seq);

	s->flags |= HALF_FIN;
	if (s->fin == STREAM_NO_FIN && at >= (int64_t)s->base)
		s->fin = (uint64_t)at;
}

/* The first FIN. */
bool session_fin(struct segment *g)
{
	struct stream_half *s = g->s, *r = g->r;

	if (!check_ack(g))
		return segment_bad(g, STREAM_EVENT_FIN_INVALID_ACK);
	if (!segment_liberal(g) &&
	    (seq_before(g->p->tcp.seq, s->last_ack) || seq_behind(segment_end(g), s->next_win)))
		return segment_bad(g, STREAM_EVENT_FIN_OUT_OF_WINDOW);
	if (g->p->tcp_flags & TCP_SYN)
		return segment_bad(g, STREAM_EVENT_FIN_SYN);
	session_state(g, g->from_client ? STREAM_CLOSE_WAIT : STREAM_FIN_WAIT1);
	end_at(g);
	next_seq(g,
		 segment_end(g) + !g->from_client); /* the FIN's own number, as Suricata counts */
	r->window = segment_window(g);
	check_timestamp(g, true);
	if (g->p->tcp_flags & TCP_ACK) {
		if (seq_before(r->next_seq, g->p->tcp.ack)) /* acknowledged, but missed here */
			r->next_seq = g->p->tcp.ack;
		session_last_ack(r, g->p->tcp.ack);
	}
	reassemble(g);
	return true;
}

/* How states behind ESTABLISHED take a FIN and other segments. STREAM_NONE: no change. */
struct closing {
	uint8_t state;
	uint8_t on_fin, on_fin_ack, on_ack; /* the state that follows */
	uint8_t wrong_fin, wrong_seq, invalid_ack;
};

static const struct closing closings[] = {
	{STREAM_FIN_WAIT1, STREAM_CLOSING, STREAM_TIME_WAIT, STREAM_FIN_WAIT2,
	 STREAM_EVENT_FIN1_FIN_WRONG_SEQ, STREAM_EVENT_FIN1_ACK_WRONG_SEQ,
	 STREAM_EVENT_FIN1_INVALID_ACK},
	{STREAM_FIN_WAIT2, STREAM_TIME_WAIT, STREAM_TIME_WAIT, STREAM_NONE,
	 STREAM_EVENT_FIN2_FIN_WRONG_SEQ, STREAM_EVENT_FIN2_ACK_WRONG_SEQ,
	 STREAM_EVENT_FIN2_INVALID_ACK},
	{STREAM_CLOSING, STREAM_NONE, STREAM_NONE, STREAM_TIME_WAIT,
	 STREAM_EVENT_CLOSING_ACK_WRONG_SEQ, STREAM_EVENT_CLOSING_ACK_WRONG_SEQ,
	 STREAM_EVENT_CLOSING_INVALID_ACK},
	{STREAM_CLOSE_WAIT, STREAM_LAST_ACK, STREAM_LAST_ACK, STREAM_NONE,
	 STREAM_EVENT_CLOSEWAIT_FIN_OUT_OF_WINDOW, STREAM_EVENT_CLOSEWAIT_ACK_OUT_OF_WINDOW,
	 STREAM_EVENT_CLOSEWAIT_INVALID_ACK},
	{STREAM_LAST_ACK, STREAM_NONE, STREAM_NONE, STREAM_CLOSED,
	 STREAM_EVENT_LASTACK_ACK_WRONG_SEQ, STREAM_EVENT_LASTACK_ACK_WRONG_SEQ,
	 STREAM_EVENT_LASTACK_INVALID_ACK},
	{STREAM_TIME_WAIT, STREAM_NONE, STREAM_NONE, STREAM_CLOSED,
	 STREAM_EVENT_TIMEWAIT_ACK_WRONG_SEQ, STREAM_EVENT_TIMEWAIT_ACK_WRONG_SEQ,
	 STREAM_EVENT_TIMEWAIT_INVALID_ACK},
};

static const struct closing *closing_of(uint8_t state)
{
	for (unsigned i = 0; i < sizeof(closings) / sizeof(closings[0]); i++)
		if (closings[i].state == state)
			return &closings[i];
	return NULL;
}

/* In the window, the FIN's own number counted or not. */
static bool seq_fits(const struct segment *g)
{
	uint32_t seq = g->p->tcp.seq;

	if (segment_liberal(g))
		return true;
	if (seq_behind(seq, g->s->last_ack + g->s->window + 1))
		return false;
	/* Data may come out of order. */
	return g->p->payload_len ? !seq_before(segment_end(g), g->s->last_ack)
				 : !seq_before(seq, g->s->next_seq - 1);
}

/* Has the other side acknowledged all, its FIN included? */
static bool all_acked(const struct segment *g)
{
	return (g->p->tcp_flags & TCP_ACK) && !seq_before(g->p->tcp.ack, g->r->next_seq);
}

static void take_closing(struct segment *g, bool fin)
{
	if (fin)
		end_at(g);
	if (seq_behind(segment_end(g), g->s->next_seq))
		next_seq(g, segment_end(g));
	if ((g->p->tcp_flags & TCP_ACK) && seq_before(g->r->next_seq, g->p->tcp.ack))
		g->r->next_seq = g->p->tcp.ack;
	take_ack(g);
	reassemble(g);
}

static bool closing(struct segment *g, const struct closing *c)
{
	bool fin = g->p->tcp_flags & TCP_FIN, repeated;
	uint8_t next;

	if (!check_timestamp(g, false))
		return false;
	repeated = check_retransmission(g);
	if (c->state == STREAM_CLOSE_WAIT && !fin && g->p->payload_len &&
	    !seq_behind(segment_end(g), g->s->last_ack))
		return segment_bad(g, STREAM_EVENT_CLOSEWAIT_PKT_BEFORE_LAST_ACK);
	if (!repeated && !seq_fits(g))
		return segment_bad(g, fin ? c->wrong_fin : c->wrong_seq);
	if (!check_ack(g))
		return segment_bad(g, c->invalid_ack);
	next = !fin ? c->on_ack : g->p->tcp_flags & TCP_ACK ? c->on_fin_ack : c->on_fin;
	/* A FIN repeated by the side that closed first moves nothing. */
	if (fin && g->s->flags & HALF_FIN)
		next = STREAM_NONE;
	if (!fin && (g->p->payload_len || !all_acked(g)))
		next = STREAM_NONE;
	if (c->state == STREAM_LAST_ACK && !g->from_client) /* the client's ACK is the last */
		next = STREAM_NONE;
	if (next != STREAM_NONE && !repeated)
		session_state(g, next);
	take_closing(g, fin);
	return true;
}

bool session_closing(struct segment *g)
{
	const struct closing *c = closing_of(g->st->state);
	uint8_t flags = g->p->tcp_flags;

	if (g->st->state == STREAM_CLOSED) {
		g->out->ignored = g->p->payload_len != 0;
		return true;
	}
	if (flags & TCP_RST)
		return session_rst(g);
	if (flags & TCP_SYN)
		return segment_bad(g, STREAM_EVENT_SHUTDOWN_SYN_RESEND);
	if (!c || !(flags & (TCP_ACK | TCP_FIN))) {
		g->out->ignored = g->p->payload_len != 0;
		return true;
	}
	return closing(g, c);
}
