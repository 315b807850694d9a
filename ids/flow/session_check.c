/* Does a segment fit its session? RFC 793, 1122, 7323, as the targets' systems do it. */
#include "ids/flow/session.h"

#define PAWS_SECONDS                                                                               \
	(24u * 24 * 3600) /* a timestamp older than this says nothing (RFC 7323, 5.5) */

/* The acknowledgment covers nothing before the window nor behind it. */
bool check_ack(struct segment *g)
{
	const struct stream_half *r = g->r;
	uint32_t ack = g->p->tcp.ack;

	if (!(g->p->tcp_flags & TCP_ACK) || ack == r->last_ack)
		return true;
	if (seq_before(ack, r->last_ack)) {
		if (r->window == 0 || !seq_before(ack, r->last_ack - r->window))
			return true;
	} else if ((g->st->flags & SESSION_ASYNC) || !seq_behind(ack, r->next_win)) {
		return true;
	} else if (r->flags & HALF_FIN && ack == r->next_win + 1) {
		return true; /* a FIN has a number, but takes no room in the window */
	} else if (g->st->state == STREAM_SYN_SENT && !g->from_client &&
		   (g->p->tcp_flags & TCP_RST) && (ack == r->isn + 1 || ack == r->next_seq)) {
		return true; /* the answer to a SYN, before there is a window */
	}
	return segment_bad(g, STREAM_EVENT_PKT_INVALID_ACK);
}

/* Systems that take a timestamp of 0 although the handshake had others. */
static bool takes_zero(enum os_policy os)
{
	return os == OS_OLD_LINUX || os == OS_WINDOWS || os == OS_WINDOWS2K3 || os == OS_VISTA ||
	       os == OS_SOLARIS || os == OS_OLD_SOLARIS;
}

/* A handshake with the timestamp 0: who looks at later ones? *check: still to be compared. */
static void zero_handshake(struct segment *g, bool update, bool *check)
{
	enum os_policy os = g->t->config.os;

	if (os == OS_LINUX || os == OS_WINDOWS2K3) {
		*check = false;
		if (update)
			g->st->flags &= ~(uint32_t)SESSION_TIMESTAMP;
	} else if (os == OS_OLD_LINUX || os == OS_WINDOWS || os == OS_VISTA) {
		*check = g->s->next_seq != g->p->tcp.seq;
		if (!update)
			return;
		g->s->flags &= (uint16_t)~HALF_TIMESTAMP_0;
		if (!*check)
			g->s->last_ts = g->p->tcp.ts_value;
	}
}

/* Protection against wrapped sequence numbers (RFC 7323, section 5). `update`: take it over. */
bool check_timestamp(struct segment *g, bool update)
{
	struct stream_half *s = g->s;
	enum os_policy os = g->t->config.os;
	uint32_t ts = g->p->tcp.ts_value, when = s->last_ts_when;
	bool check = true, in_order = s->next_seq == g->p->tcp.seq, idle, old;

	if (!(g->st->flags & SESSION_TIMESTAMP))
		return true;
	if (!g->p->tcp.has_ts) {
		if (update && os == OS_SOLARIS) /* then it uses them no longer */
			g->st->flags &= ~(uint32_t)SESSION_TIMESTAMP;
		return true;
	}
	if (s->flags & HALF_TIMESTAMP_0)
		zero_handshake(g, update, &check);
	if (os == OS_HPUX11 && !in_order)
		check = false;
	if (ts == 0 && !takes_zero(os))
		return segment_bad(g, STREAM_EVENT_PKT_INVALID_TIMESTAMP);
	if (!check)
		return true;
	if (when == 0 && (g->st->flags & SESSION_MIDSTREAM))
		when = g->now;
	idle = g->now > when && g->now - when > PAWS_SECONDS;
	/* Linux takes one that is older by one tick. */
	old = (int32_t)(ts - s->last_ts + (os == OS_LINUX)) < 0 || (s->last_ts != 0 && idle);
	if (old && !(in_order && idle))
		return segment_bad(g, STREAM_EVENT_PKT_INVALID_TIMESTAMP);
	if (update) {
		if (in_order)
			s->last_ts = ts;
		s->last_ts_when = g->now;
	}
	return true;
}

/* Would the target end the connection at this? */
bool check_rst(struct segment *g)
{
	const struct packet *p = g->p;
	uint32_t seq = p->tcp.seq, next = g->s->next_seq;

	if (g->st->flags & SESSION_LOSSY)
		return true;
	if (!check_timestamp(g, false))
		return false;
	if (p->payload_len)
		stream_event_set(&g->out->events, STREAM_EVENT_RST_WITH_DATA);
	if ((p->tcp_flags & TCP_ACK) && p->tcp.ack && !check_ack(g))
		return segment_bad(g, STREAM_EVENT_RST_INVALID_ACK);
	if (g->st->state == STREAM_SYN_SENT && !g->from_client)
		return p->tcp_flags & TCP_ACK; /* a refusal: there is no sequence yet (RFC 793) */
	if (p->tcp.signature) /* cannot be verified without the key: see who goes on */
		g->r->flags |= HALF_RST;
	if (g->st->flags & SESSION_ASYNC)
		return !seq_before(seq, next);
	switch (g->t->config.os) {
	case OS_HPUX11:
		return !seq_before(seq, next);
	case OS_OLD_LINUX:
	case OS_LINUX:
	case OS_SOLARIS:
	case OS_OLD_SOLARIS:
		return !seq_before(segment_end(g), g->s->last_ack) &&
		       seq_before(seq, next + g->s->window);
	default:
		return seq == next;
	}
}

bool check_retransmission(struct segment *g)
{
	uint32_t end = segment_end(g);

	if (g->p->payload_len == 0)
		return false;
	if ((seq_before(g->p->tcp.seq, g->s->last_ack) && seq_behind(end, g->s->last_ack)) ||
	    !seq_behind(end, g->s->last_ack) || !seq_behind(end, g->s->next_seq)) {
		stream_event_set(&g->out->events, STREAM_EVENT_PKT_RETRANSMISSION);
		return true;
	}
	return false;
}

/* RFC 1122, section 4.2.3.6: one octet before the next, which the target answers. */
static bool is_keepalive(struct segment *g)
{
	if (g->p->payload_len > 1 || (g->p->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST)))
		return false;
	if (g->p->tcp.ack != g->r->last_ack || g->p->tcp.seq != g->s->next_seq - 1)
		return false;
	/* An octet that nobody has seen is none: who sends it has moved next_seq beforehand. */
	if (g->p->payload_len && seq_behind(segment_end(g) - g->s->urgent, g->s->base_seq))
		return false;
	g->s->flags |= HALF_KEEPALIVE;
	return true;
}

static bool is_keepalive_ack(struct segment *g)
{
	if (g->p->payload_len || (g->p->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST)) ||
	    g->p->tcp.window == 0 || segment_window(g) != g->r->window)
		return false;
	if (!(g->r->flags & HALF_KEEPALIVE) || g->p->tcp.ack != g->r->last_ack ||
	    g->p->tcp.seq != g->s->next_seq)
		return false;
	g->r->flags &= (uint16_t)~HALF_KEEPALIVE;
	return true;
}

static bool plain_ack(const struct segment *g)
{
	return g->st->state >= STREAM_ESTABLISHED && g->p->payload_len == 0 &&
	       (g->p->tcp_flags & (TCP_ACK | TCP_SYN | TCP_FIN | TCP_RST)) == TCP_ACK;
}

/* The answer to a probe of a window that is still closed. */
static bool is_probe_ack(const struct segment *g)
{
	return plain_ack(g) && (g->r->flags & HALF_PROBED) && segment_window(g) == 0 &&
	       g->r->window == 0 && g->p->tcp.seq == g->s->next_seq &&
	       g->p->tcp.ack == g->r->last_ack;
}

static bool is_shutdown_ack(const struct segment *g)
{
	uint8_t state = g->st->state;

	return (state == STREAM_TIME_WAIT || state == STREAM_CLOSE_WAIT ||
		state == STREAM_LAST_ACK) &&
	       g->p->tcp_flags == TCP_ACK && g->p->payload_len == 0 &&
	       g->p->tcp.seq == g->s->next_seq + 1 && g->p->tcp.ack == g->r->next_seq + 1;
}

static bool is_window_update(const struct segment *g)
{
	return g->st->state >= STREAM_ESTABLISHED && g->p->payload_len == 0 &&
	       !(g->p->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST)) && g->p->tcp.window &&
	       segment_window(g) != g->r->window && g->p->tcp.ack == g->r->last_ack &&
	       g->p->tcp.seq == g->s->next_seq;
}

/* One that acknowledges and sends what nobody has seen, and closes the window on what is expected:
 * following it would make us blind. The margins are Suricata's. */
static bool is_bad_window(struct segment *g)
{
	uint32_t window = segment_window(g), shrunk, acked;

	if (g->st->state < STREAM_ESTABLISHED || g->st->state == STREAM_CLOSED ||
	    (g->p->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST)) || window >= g->r->window)
		return false;
	shrunk = g->r->window - window;
	if (shrunk <= g->p->payload_len || !seq_behind(g->p->tcp.ack, g->r->next_seq) ||
	    !seq_behind(g->p->tcp.seq, g->s->next_seq))
		return false;
	acked = g->p->tcp.ack - g->r->last_ack;
	if (shrunk <= acked || (window > 1024 && shrunk <= acked + 32))
		return false;
	stream_event_set(&g->out->events, STREAM_EVENT_PKT_BAD_WINDOW_UPDATE);
	return true;
}

static bool is_outdated_ack(const struct segment *g)
{
	return plain_ack(g) && g->p->tcp.sack_blocks == 0 && g->p->tcp.seq == g->s->next_seq &&
	       seq_before(g->p->tcp.ack, g->r->last_ack);
}

bool check_idle(struct segment *g)
{
	bool probe_ack;

	if (is_keepalive(g))
		return true;
	if (is_keepalive_ack(g))
		return true;
	g->s->flags &= (uint16_t)~HALF_KEEPALIVE;
	probe_ack = is_probe_ack(g);
	g->r->flags &= (uint16_t)~HALF_PROBED;
	if (probe_ack)
		return true;
	return !is_shutdown_ack(g) && !is_window_update(g) &&
	       (is_bad_window(g) || is_outdated_ack(g));
}
