/* Between SYN/ACK and the handshake's last ACK. */
#include "ids/flow/session.h"

#define SYNACK_FLOOD 5 /* as Suricata's stream.max-synack-queued */

void session_offer(struct segment *g, const struct stream_offer *offer)
{
	struct stream *st = g->st;

	st->offer[st->next_offer % STREAM_OFFERS] = *offer;
	st->next_offer = (uint8_t)((st->next_offer + 1) % STREAM_OFFERS);
	if (st->offers < UINT8_MAX)
		st->offers++;
}

/* NULL: there are not so many. */
const struct stream_offer *session_offer_at(const struct stream *st, unsigned i)
{
	return i < st->offers && i < STREAM_OFFERS ? &st->offer[i] : NULL;
}

/* Another SYN/ACK, with another number: the client's answer will say which counts. */
static bool other_synack(struct segment *g)
{
	const struct packet_tcp *tcp = &g->p->tcp;
	struct stream_offer offer = {
		.seq = tcp->seq,
		.ack = tcp->ack,
		.ts = tcp->ts_value,
		.window = tcp->window,
		.wscale = tcp->wscale > WSCALE_MAX ? WSCALE_MAX : tcp->wscale,
		.flags = (uint8_t)((tcp->has_ts ? OFFER_TIMESTAMP : 0) |
				   (tcp->has_wscale ? OFFER_WSCALE : 0)),
	};

	for (unsigned i = 0; i < STREAM_OFFERS; i++) {
		const struct stream_offer *o = session_offer_at(g->st, i);

		if (o && o->seq == tcp->seq && o->ack == tcp->ack)
			return true;
	}
	if (g->st->offers >= SYNACK_FLOOD)
		return segment_bad(g, STREAM_EVENT_3WHS_SYNACK_FLOOD);
	stream_event_set(&g->out->events, STREAM_EVENT_3WHS_SYNACK_RESEND_WITH_DIFF_SEQ);
	session_offer(g, &offer);
	return true;
}

/* The client acknowledges another of the SYN/ACKs than the first. */
static void choose_synack(struct segment *g)
{
	for (unsigned i = 0; i < STREAM_OFFERS; i++) {
		const struct stream_offer *o = session_offer_at(g->st, i);

		if (!o || o->seq + 1 != g->p->tcp.ack || o->ack != g->p->tcp.seq)
			continue;
		session_base(g->r, o->seq);
		g->r->last_ack = o->seq + 1;
		g->r->last_ts = o->ts;
		g->s->window = o->window;
		if (g->st->flags & SESSION_WSCALE)
			g->s->wscale = o->flags & OFFER_WSCALE ? o->wscale : 0;
		g->s->next_win = g->s->last_ack + g->s->window;
		g->r->next_win = g->r->last_ack + g->r->window;
		return;
	}
}

static void establish(struct segment *g)
{
	if (g->st->flags & SESSION_MIDSTREAM) {
		g->s->window = (uint32_t)g->p->tcp.window << g->s->wscale;
		g->s->next_win = g->s->last_ack + g->s->window;
		if (!(g->st->flags & SESSION_MIDSTREAM_SYNACK)) {
			g->s->wscale = WSCALE_MAX;
			g->r->wscale = WSCALE_MAX;
		}
	}
	session_state(g, STREAM_ESTABLISHED);
	/* The packet behind the handshake is the first of an established flow, but for data that
	 * came with it, the handshake's own ACK being lost. */
	if (g->p->payload_len)
		g->out->established = true;
	reassemble(g);
}

/* The third way, or the fourth. */
static bool handshake_ack(struct segment *g)
{
	check_timestamp(g, true);
	session_last_ack(g->r, g->p->tcp.ack);
	g->s->next_seq = segment_end(g);
	if (g->st->flags & SESSION_ASYNC)
		session_last_ack(g->s, g->s->next_seq);
	g->r->window = segment_window(g);
	g->r->next_win = g->r->last_ack + g->r->window;
	establish(g);
	return true;
}

/* The server sends although the handshake's last ACK was not seen. */
static bool server_goes_on(struct segment *g)
{
	bool fast = g->st->flags & SESSION_FAST_OPEN;
	const struct packet_tcp *tcp = &g->p->tcp;

	if (!fast && !(g->st->flags & SESSION_MIDSTREAM_SYNACK) && g->t->config.in_line) {
		/* Inline nothing is lost on the way to us: somebody else may be speaking. */
		bool inject = g->p->payload_len && tcp->ack == g->r->last_ack &&
			      tcp->seq == g->s->next_seq;

		return segment_bad(g, inject ? STREAM_EVENT_3WHS_ACK_DATA_INJECT
					     : STREAM_EVENT_3WHS_ACK_IN_WRONG_DIR);
	}
	if (tcp->seq == g->s->next_seq && (tcp->ack == g->r->last_ack || fast)) {
		g->s->next_seq = segment_end(g);
	} else if (!g->t->config.in_line && !seq_before(tcp->seq, g->s->next_seq) &&
		   !seq_before(tcp->ack, g->r->last_ack)) { /* more was lost */
		g->s->next_seq = segment_end(g);
		session_last_ack(g->r, tcp->ack);
	} else {
		return segment_bad(g, STREAM_EVENT_3WHS_WRONG_SEQ_WRONG_ACK);
	}
	g->r->window = segment_window(g);
	g->r->next_win = g->r->last_ack + g->r->window;
	session_state(g, STREAM_ESTABLISHED);
	reassemble(g);
	return true;
}

static bool syn_recv_ack(struct segment *g)
{
	const struct packet_tcp *tcp = &g->p->tcp;

	if (g->from_client && g->st->offers)
		choose_synack(g);
	if (!check_timestamp(g, false))
		return false;
	if (!g->from_client && (g->st->flags & SESSION_4WAY)) {
		if (tcp->seq != g->s->next_seq)
			return segment_bad(g, STREAM_EVENT_4WHS_WRONG_SEQ);
		if (!check_ack(g))
			return segment_bad(g, STREAM_EVENT_4WHS_INVALID_ACK);
		return handshake_ack(g);
	}
	if (!g->from_client)
		return server_goes_on(g);
	if (tcp->seq == g->s->next_seq && tcp->ack == g->r->next_seq)
		return handshake_ack(g);
	if (tcp->seq == g->s->next_seq) {
		/* The target answers with RST and, if it is Linux or Solaris, goes on. */
		g->st->flags |= SESSION_EVASION;
		return segment_bad(g, STREAM_EVENT_3WHS_RIGHT_SEQ_WRONG_ACK_EVASION);
	}
	/* Packets before this one were lost; or data that was on the SYN is sent again. */
	if ((seq_behind(tcp->seq, g->s->next_seq) || (g->st->flags & SESSION_FAST_OPEN)) &&
	    !seq_behind(tcp->seq, g->s->next_win) && tcp->ack == g->r->next_seq)
		return handshake_ack(g);
	return segment_bad(g, STREAM_EVENT_3WHS_WRONG_SEQ_WRONG_ACK);
}

/* A RST in answer to a wrong ACK does not end it on these. */
static bool outlives_rst(const struct segment *g)
{
	enum os_policy os = g->t->config.os;

	return (g->st->flags & SESSION_EVASION) &&
	       (os == OS_LINUX || os == OS_OLD_LINUX || os == OS_SOLARIS);
}

static bool syn_recv_synack(struct segment *g)
{
	if (g->from_client)
		return segment_bad(g, STREAM_EVENT_3WHS_SYNACK_TOSERVER_ON_SYN_RECV);
	if (g->p->tcp.ack != g->r->last_ack)
		return segment_bad(g, STREAM_EVENT_3WHS_SYNACK_RESEND_WITH_DIFFERENT_ACK);
	return g->p->tcp.seq == g->s->isn || other_synack(g);
}

bool session_syn_recv(struct segment *g)
{
	uint8_t flags = g->p->tcp_flags;

	if (flags & TCP_RST) {
		if (!check_rst(g))
			return false;
		if (outlives_rst(g))
			return true;
		session_state(g, STREAM_CLOSED);
		check_timestamp(g, true);
		reassemble(g);
		return true;
	}
	if (flags & TCP_FIN)
		return check_timestamp(g, false) && session_fin(g);
	if ((flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK))
		return syn_recv_synack(g);
	if (flags & TCP_SYN) {
		if (!g->from_client)
			return segment_bad(g, STREAM_EVENT_3WHS_SYN_TOCLIENT_ON_SYN_RECV);
		if (g->p->tcp.seq != g->s->isn)
			return segment_bad(g, STREAM_EVENT_3WHS_SYN_RESEND_DIFF_SEQ_ON_SYN_RECV);
		return true;
	}
	if (flags & TCP_ACK)
		return syn_recv_ack(g);
	g->out->ignored = g->p->payload_len != 0;
	return true;
}
