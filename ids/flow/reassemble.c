#include <string.h>

#include "hv/errno.h"
#include "ids/flow/session.h"

/* The list of sessions that hold pages, the one with the oldest segment first. */
static void list_remove(struct streams *t, struct stream *st)
{
	if (!st->holds)
		return;
	if (st->older)
		st->older->newer = st->newer;
	else
		t->oldest = st->newer;
	if (st->newer)
		st->newer->older = st->older;
	else
		t->newest = st->older;
	st->older = NULL;
	st->newer = NULL;
	st->holds = false;
}

/* Put where it belongs after a change: newest, or nowhere. */
static void list_update(struct streams *t, struct stream *st)
{
	list_remove(t, st);
	if (!st->half[0].kept.pages && !st->half[1].kept.pages)
		return;
	st->holds = true;
	st->older = t->newest;
	if (t->newest)
		t->newest->newer = st;
	else
		t->oldest = st;
	t->newest = st;
}

void reassemble_forget(struct streams *t, struct stream *st, struct stream_half *h)
{
	pieces_clear(&t->pool, &h->kept);
	h->trimmed = h->base;
	list_update(t, st);
}

static void emit(struct streams *t, struct flow *f, struct stream *st, struct stream_half *h,
		 const uint8_t *data, uint32_t len, unsigned flags)
{
	bool to_server = (h == &st->half[0]) != st->turned;
	uint64_t at = h->base;

	if (h->flags & HALF_GAP)
		flags |= STREAM_GAP;
	h->flags &= (uint16_t)~HALF_GAP;
	h->base += len;
	h->base_seq += len;
	if (t->config.deliver && !(h->flags & HALF_STOPPED))
		t->config.deliver(t->config.ctx, f, to_server, data, len, at, flags);
}

/* What is kept, up to `to`, all of which is there. */
static void deliver_to(struct streams *t, struct flow *f, struct stream *st, struct stream_half *h,
		       uint64_t to)
{
	while (h->base < to) {
		uint32_t len;
		const uint8_t *data = pieces_read(&t->pool, &h->kept, h->base, to, &len);

		emit(t, f, st, h, data, len, 0);
	}
}

/* Octets before `to` will not come any more. */
static void skip_to(struct streams *t, struct stream_half *h, uint64_t to)
{
	h->base_seq += (uint32_t)(to - h->base);
	h->base = to;
	h->flags |= HALF_GAP;
	t->stats.gaps++;
}

static void tell_end(struct streams *t, struct flow *f, struct stream *st, struct stream_half *h)
{
	unsigned flags = STREAM_END;

	if (h->flags & HALF_ENDED)
		return;
	if (t->config.depth && h->base >= t->config.depth) {
		flags |= STREAM_DEPTH;
		t->stats.depth++;
	}
	emit(t, f, st, h, NULL, 0, flags);
	h->flags |= HALF_ENDED;
}

/* How far the receiver has acknowledged. */
static uint64_t acked(const struct stream_half *h)
{
	int32_t ahead = (int32_t)(h->last_ack - h->base_seq);
	uint64_t at;

	if (ahead < 0)
		return h->base < (uint64_t) - (int64_t)ahead ? 0
							     : h->base + (uint64_t)(int64_t)ahead;
	at = h->base + (uint64_t)ahead;
	return at > h->fin ? h->fin : at;
}

/* Pass over a hole that the receiver has acknowledged, if something is there behind it: without
 * that, the acknowledgment may be a lie, or the octets may only be late. */
static bool pass_gap(struct segment *g, struct stream_half *h, uint64_t limit)
{
	uint64_t next = pieces_next(&g->t->pool, &h->kept, h->base);

	if (next == UINT64_MAX || next <= h->base || next > limit || next > h->fin)
		return false;
	stream_event_set(&g->out->events, STREAM_EVENT_REASSEMBLY_SEQ_GAP);
	skip_to(g->t, h, next);
	return true;
}

/* Deliver what can be: inline all that follows on, otherwise what is acknowledged. */
static void advance(struct segment *g, struct stream_half *h, bool all)
{
	struct streams *t = g->t;
	uint64_t limit = acked(h), most = all ? h->fin : limit;

	if (h->flags & HALF_ENDED)
		return;
	for (;;) {
		uint64_t end = pieces_end(&t->pool, &h->kept, h->base);

		if (end > most)
			end = most;
		if (end > h->base)
			deliver_to(t, g->flow, g->st, h, end);
		if (h->base >= limit || !pass_gap(g, h, limit))
			break;
	}
	if (h->base >= h->fin && (all || limit >= h->fin))
		tell_end(t, g->flow, g->st, h);
}

/* What may be forgotten: delivered, and acknowledged, so that its sender has no reason to repeat
 * it. */
static void trim(struct segment *g, struct stream_half *h)
{
	uint64_t to = acked(h);

	if (h->flags & (HALF_STOPPED | HALF_ENDED)) {
		reassemble_forget(g->t, g->st, h);
		return;
	}
	if (to > h->base)
		to = h->base;
	if (to <= h->trimmed)
		return;
	pieces_trim(&g->t->pool, &h->kept, to);
	h->trimmed = to;
	list_update(g->t, g->st);
}

/* Octets of the segment that go into the stream. */
struct chunk {
	struct piece_data data;
	int64_t start; /* offset of data.data[0]; may lie before the stream's first octet */
};

/* An urgent octet is the last one that the urgent pointer covers; targets read it beside the
 * stream, or in it (RFC 6093). */
static bool take_urgent(struct segment *g, struct chunk *c)
{
	const struct packet *p = g->p;
	bool oob = g->t->config.urgent == STREAM_URGENT_OOB;

	if (!(p->tcp_flags & TCP_URG) || g->t->config.urgent == STREAM_URGENT_INLINE)
		return true;
	if (p->tcp.urgent == 0 || p->tcp.urgent > p->payload_len)
		return true;
	if (oob && g->s->urgent == UINT16_MAX) {
		stream_event_set(&g->out->events, STREAM_EVENT_REASSEMBLY_URGENT_OOB_LIMIT_REACHED);
		return true;
	}
	g->s->urgent = (uint16_t)(g->s->urgent + oob);
	c->data.len--;
	return c->data.len > 0;
}

/* Place the octets; false: nothing of them is wanted. */
static bool place(struct segment *g, struct chunk *c)
{
	const struct packet *p = g->p;
	struct stream_half *h = g->s;
	uint32_t seq = p->tcp.seq - h->urgent;
	uint64_t depth = g->t->config.depth;

	*c = (struct chunk){.data = {.data = p->payload, .len = p->payload_len}};
	if (!take_urgent(g, c))
		return false;
	if (p->tcp_flags & TCP_SYN) /* data on a SYN follows it (RFC 7413) */
		seq++;
	c->start = (int64_t)h->base + (int32_t)(seq - h->base_seq);
	if (c->start < 0) {
		uint64_t before = (uint64_t)-c->start;

		if (before >= c->data.len)
			return false;
		c->data.data += before;
		c->data.len -= (uint32_t)before;
		c->start = 0;
	}
	c->data.at = (uint64_t)c->start;
	if (c->data.at < h->trimmed) {
		if (h->trimmed - c->data.at >= c->data.len)
			return false;
		c->data.skip = (uint32_t)(h->trimmed - c->data.at);
	}
	if (c->data.at >= h->fin)
		return false;
	if (c->data.len > h->fin - c->data.at) /* nothing comes behind a FIN */
		c->data.len = (uint32_t)(h->fin - c->data.at);
	if (depth && c->data.at + c->data.len > depth) {
		stream_event_set(&g->out->events, STREAM_EVENT_REASSEMBLY_DEPTH_REACHED);
		c->data.len = c->data.at < depth ? (uint32_t)(depth - c->data.at) : 0;
		if (h->fin > depth)
			h->fin = depth;
	}
	return c->data.len > c->data.skip;
}

/* Give up what another session holds, for this one. */
static bool evict(struct segment *g)
{
	struct streams *t = g->t;
	struct stream *victim = t->oldest;

	if (victim == g->st)
		victim = victim->newer;
	if (!victim)
		return false;
	for (unsigned i = 0; i < 2; i++) {
		pieces_clear(&t->pool, &victim->half[i].kept);
		victim->half[i].trimmed = victim->half[i].base;
	}
	list_remove(t, victim);
	t->stats.evicted++;
	return true;
}

/* Make room for a write that failed with `err`. True: try again. */
static bool make_room(struct segment *g, struct chunk *c, int err)
{
	struct stream_half *h = g->s;

	if (h->base > h->trimmed) { /* kept only to compare with */
		pieces_trim(&g->t->pool, &h->kept, h->base);
		h->trimmed = h->base;
		if (c->data.at < h->trimmed) /* all of it, perhaps: nothing is left to be written */
			c->data.skip = (uint32_t)(h->trimmed - c->data.at);
		return true;
	}
	return err == -ENOMEM && evict(g);
}

/* Keep the octets. False: there is no room. */
static bool keep(struct segment *g, struct chunk *c)
{
	overlap_rule rule = g->t->config.in_line ? OVERLAP_OLD : g->t->rule;
	bool overlap = false, different = false;
	int err;

	do {
		err = pieces_write(&g->t->pool, &g->s->kept, rule, &c->data,
				   g->t->config.window_pages, &overlap, &different);
	} while (err && make_room(g, c, err));
	list_update(g->t, g->st);
	g->t->stats.overlaps += overlap;
	if (different) {
		g->t->stats.different++;
		stream_event_set(&g->out->events, STREAM_EVENT_REASSEMBLY_OVERLAP_DIFFERENT_DATA);
		g->out->different = g->t->config.in_line;
	}
	return err == 0;
}

/* Octets that could not be kept, but follow on: looked at now or never. */
static void deliver_unkept(struct segment *g, const struct chunk *c)
{
	struct stream_half *h = g->s;
	uint64_t end = c->data.at + c->data.len, next;

	next = pieces_next(&g->t->pool, &h->kept, h->base);
	if (next < end)
		end = next; /* what is there already won */
	if (end > h->base)
		emit(g->t, g->flow, g->st, h, c->data.data + (h->base - c->data.at),
		     (uint32_t)(end - h->base), 0);
}

static void take_octets(struct segment *g)
{
	struct stream_half *h = g->s;
	struct chunk c;

	if (g->p->payload_len == 0 || (g->p->tcp_flags & TCP_RST))
		return;
	g->out->taken = true;
	if ((h->flags & (HALF_STOPPED | HALF_ENDED)) || !place(g, &c))
		return;
	if (keep(g, &c))
		return;
	/* What waits for an acknowledgment only is looked at now, to make room. Not what came on a
	 * SYN: it may not count. */
	if (g->st->state != STREAM_SYN_SENT) {
		advance(g, h, true);
		if (keep(g, &c))
			return;
	}
	g->t->stats.no_room++;
	stream_event_set(&g->out->events, STREAM_EVENT_REASSEMBLY_INSERT_MEMCAP);
	if (c.data.at <= h->base && g->st->state != STREAM_SYN_SENT) {
		deliver_unkept(g, &c);
		return;
	}
	/* Out of order. Inline the sender can be made to repeat it; otherwise go on from what is
	 * there, and try again. */
	if (!g->t->config.in_line && pass_gap(g, h, UINT64_MAX)) {
		advance(g, h, true);
		if (keep(g, &c))
			return;
	}
	g->out->no_room = true;
	if (!g->t->config.in_line) /* inline it is dropped, and so not lost */
		g->st->flags |= SESSION_LOSSY;
}

void reassemble(struct segment *g)
{
	bool closed = g->st->state == STREAM_CLOSED || (g->p->tcp_flags & TCP_RST);
	/* Data on a SYN waits until the SYN/ACK says that it was taken. */
	bool in_line = g->t->config.in_line && g->st->state != STREAM_SYN_SENT;
	bool async = (g->st->flags & SESSION_ASYNC) && g->st->state != STREAM_SYN_SENT;

	advance(g, g->r, in_line || closed);
	take_octets(g);
	advance(g, g->s, in_line || closed || async);
	if (closed && !((g->s->flags | g->r->flags) & HALF_RST)) {
		tell_end(g->t, g->flow, g->st, g->s);
		tell_end(g->t, g->flow, g->st, g->r);
	}
	trim(g, g->r);
	trim(g, g->s);
}

void reassemble_flush(struct streams *t, struct flow *f, struct stream *st, struct stream_half *h)
{
	uint64_t next, end;

	while (!(h->flags & HALF_ENDED)) {
		next = pieces_next(&t->pool, &h->kept, h->base);
		if (next >= h->fin) /* or nothing more, UINT64_MAX */
			break;
		if (next > h->base)
			skip_to(t, h, next);
		end = pieces_end(&t->pool, &h->kept, h->base);
		deliver_to(t, f, st, h, end < h->fin ? end : h->fin);
	}
	tell_end(t, f, st, h);
	reassemble_forget(t, st, h);
}
