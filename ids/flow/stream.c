#include <string.h>

#include "ids/flow/session.h"

#define SECOND	  1000000000ull
#define PAGES_MAX (1u << 20)

void stream_defaults(struct stream_config *c)
{
	*c = (struct stream_config){.depth = 1u << 20, .pages = 512, .window_pages = 64};
}

uint64_t stream_size(const struct stream_config *c)
{
	if (c->pages == 0 || c->pages > PAGES_MAX || c->window_pages == 0 || c->os >= OS_POLICIES)
		return 0;
	return piece_pool_size(c->pages);
}

void stream_init(struct streams *t, void *memory, const struct stream_config *c)
{
	memset(t, 0, sizeof(*t));
	t->config = *c;
	t->rule = overlap_segments(c->os);
	piece_pool_init(&t->pool, memory, c->pages);
}

bool stream_established(const struct stream *s)
{
	return s->state >= STREAM_ESTABLISHED && !stream_closed(s);
}

bool stream_closed(const struct stream *s)
{
	return s->state == STREAM_LAST_ACK || s->state == STREAM_TIME_WAIT ||
	       s->state == STREAM_CLOSED;
}

static bool state_logic(struct segment *g)
{
	switch (g->st->state) {
	case STREAM_NONE:
		return session_none(g);
	case STREAM_SYN_SENT:
		return session_syn_sent(g);
	case STREAM_SYN_RECV:
		return session_syn_recv(g);
	case STREAM_ESTABLISHED:
		return session_established(g);
	}
	return session_closing(g);
}

/* The sender of a RST that cannot be verified goes on, so it was somebody else's: as before. */
static bool goes_on(const struct segment *g)
{
	return g->st->state == STREAM_CLOSED && !(g->p->tcp_flags & TCP_RST) &&
	       (g->r->flags & HALF_RST) && !(g->s->flags & HALF_RST);
}

static bool dispatch(struct segment *g)
{
	if (goes_on(g))
		g->st->state = g->st->previous;
	return state_logic(g);
}

static void check_injected_rst(struct segment *g)
{
	if ((g->p->tcp_flags & TCP_RST) || !(g->r->flags & HALF_RST))
		return;
	g->r->flags &= (uint16_t)~HALF_RST;
	stream_event_set(&g->out->events, STREAM_EVENT_SUSPECTED_RST_INJECT);
}

/* Octets that were acknowledged long ago. True: and are not even kept. */
static bool spurious(struct segment *g)
{
	uint32_t end = segment_end(g);

	if (g->p->payload_len == 0 || g->st->state < STREAM_ESTABLISHED ||
	    seq_behind(end, g->s->last_ack))
		return false;
	stream_event_set(&g->out->events, STREAM_EVENT_PKT_SPURIOUS_RETRANSMISSION);
	return !seq_behind(end, g->s->base_seq) && g->s->trimmed == g->s->base;
}

static bool take(struct segment *g)
{
	bool fits = true;

	if (g->st->state == STREAM_NONE)
		return session_none(g);
	if (!check_idle(g) && !spurious(g))
		fits = dispatch(g);
	check_injected_rst(g);
	return fits;
}

/* Whatever comes: a session of async-oneside sees the other side after all. */
static void note_flags(struct segment *g)
{
	g->s->tcp_flags |= g->p->tcp_flags;
	if ((g->st->flags & SESSION_ASYNC) && g->r->tcp_flags && g->st->state != STREAM_NONE)
		g->st->flags &= ~(uint32_t)SESSION_ASYNC;
	if (!(g->p->tcp_flags & TCP_ACK) && g->p->tcp.ack != 0)
		stream_event_set(&g->out->events, STREAM_EVENT_PKT_BROKEN_ACK);
}

void stream_take(struct streams *t, struct flow *f, const struct packet *p, bool to_server,
		 uint64_t now_ns, struct stream_result *out)
{
	struct stream *st = &f->tcp;
	struct segment g = {.t = t,
			    .flow = f,
			    .st = st,
			    .p = p,
			    .now = (uint32_t)(now_ns / SECOND),
			    .out = out};

	*out = (struct stream_result){.established = stream_established(st)};
	if (p->bad_checksum) { /* its target throws it away */
		t->stats.bad_checksum++;
		return;
	}
	g.from_client = to_server != st->turned;
	g.s = &st->half[!g.from_client];
	g.r = &st->half[g.from_client];
	note_flags(&g);
	out->invalid = !take(&g);
	if (out->invalid) {
		out->ignored = p->payload_len != 0;
		t->stats.invalid++;
	}
}

void stream_stop(struct streams *t, struct stream *s, bool to_server)
{
	(void)t;
	/* Octets may just be read from its pages: given back at the end of the packet. */
	s->half[to_server == s->turned].flags |= HALF_STOPPED;
}

bool stream_reused(const struct stream *s, const struct packet *p, bool to_server)
{
	const struct stream_half *h = &s->half[to_server == s->turned];
	uint8_t flags = p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN);

	if (flags != TCP_SYN || s->state == STREAM_NONE)
		return false;
	/* One that is established, or closed by one side only, answers a SYN and goes on (RFC 5961,
	 * section 4). */
	if (s->flags & SESSION_TFO_IGNORED && s->state < STREAM_ESTABLISHED)
		return true;
	return p->tcp.seq != h->isn && (s->state == STREAM_TIME_WAIT ||
					s->state == STREAM_LAST_ACK || s->state >= STREAM_CLOSING);
}

void stream_end(struct streams *t, struct flow *f)
{
	struct stream *st = &f->tcp;

	if (st->state == STREAM_NONE)
		return;
	for (unsigned i = 0; i < 2; i++)
		reassemble_flush(t, f, st, &st->half[i]);
}

void stream_release(struct streams *t, struct stream *st)
{
	if (st->state != STREAM_NONE)
		for (unsigned i = 0; i < 2; i++)
			reassemble_forget(t, st, &st->half[i]);
	*st = (struct stream){0};
}
