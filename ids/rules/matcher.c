#include <string.h>

#include "ids/rules/header.h"
#include "ids/rules/matcher.h"
#include "ids/rules/op.h"
#include "ids/rules/scratch.h"

/* A pass at work. */
struct run {
	struct matcher *m;
	const struct look *look;
	struct matches *out;
	uint16_t pass;		       /* BLOB_RULE_PACKET, BLOB_RULE_STREAM or BLOB_RULE_TX */
	bool payload;		       /* the payload may be looked at */
	struct matcher_stream *stream; /* of a stream's pass */
};

uint64_t matcher_size(const struct blob *b)
{
	return scratch_size(b) + candidates_size(b->count[BLOB_RULES]) + mpm_size(b) +
	       state_size(b) + ((uint64_t)b->count[BLOB_PATTERNS] + 1) * sizeof(uint32_t);
}

bool matcher_init(struct matcher *m, const struct blob *b, void *memory, uint64_t seed,
		  struct ids_stats *stats)
{
	uint8_t *at = memory;

	*m = (struct matcher){.blob = b, .stats = stats};
	/* First: it asks for more alignment than the others. */
	if (scratch_size(b) && !(m->scratch = scratch_init(at, b, stats)))
		return false;
	at += scratch_size(b);
	candidates_init(&m->candidates, at, b->count[BLOB_RULES]);
	at += candidates_size(b->count[BLOB_RULES]);
	mpm_init(&m->mpm, b, at);
	at += mpm_size(b);
	m->remembers = state_size(b) != 0;
	if (m->remembers)
		state_init(&m->state, at, seed, stats);
	at += state_size(b);
	m->pattern_seen = (uint32_t *)(void *)at;
	return true;
}

static unsigned direction(const struct look *look)
{
	return look->flow->flow && !look->flow->to_server ? BLOB_TO_CLIENT : BLOB_TO_SERVER;
}

static struct run begin(struct matcher *m, const struct look *look, uint16_t pass,
			struct matches *out)
{
	if (++m->generation == 0) {
		memset(m->pattern_seen, 0,
		       ((size_t)m->blob->count[BLOB_PATTERNS] + 1) * sizeof(uint32_t));
		m->generation = 1;
	}
	scratch_refill(m->scratch);
	return (struct run){.m = m, .look = look, .out = out, .pass = pass};
}

/* Keep the matches sorted, each once; the first ones win. */
static void add_match(struct run *run, uint32_t rule, bool silent)
{
	struct matches *out = run->out;
	uint32_t at;

	for (at = 0; at < out->count; at++)
		if (out->rule[at] == rule)
			return;
	if (out->count == IDS_ALERTS_PER_PACKET) {
		run->m->stats->alert_queue_overflow++;
		if (out->rule[out->count - 1] < rule)
			return;
		out->count--;
	}
	for (at = out->count++; at > 0 && out->rule[at - 1] > rule; at--) {
		out->rule[at] = out->rule[at - 1];
		out->silent[at] = out->silent[at - 1];
	}
	out->rule[at] = rule;
	out->silent[at] = silent;
}

/* Everything that is known without looking at the conditions, but the flow's protocol. */
static bool may_ever_match(const struct run *run, const struct blob_rule *r)
{
	const struct look *look = run->look;
	const uint16_t other =
		direction(look) == BLOB_TO_SERVER ? BLOB_RULE_TO_CLIENT : BLOB_RULE_TO_SERVER;

	if (!(r->flags & run->pass) || (look->flow->flow && (r->flags & other)))
		return false;
	if ((r->flags & BLOB_RULE_IP_ONLY) && look->flow->flow && !look->flow->first)
		return false;
	if (run->pass == BLOB_RULE_PACKET && (r->flags & BLOB_RULE_PAYLOAD) &&
	    (!run->payload ||
	     (look->in_stream &&
	      (r->flags & (BLOB_RULE_STREAM | BLOB_RULE_PLACE)) == BLOB_RULE_STREAM)))
		return false;
	if ((r->flags & BLOB_RULE_DETECTED) && !look->detected)
		return false;
	/* Of a packet without a sound IP header nothing means anything but what is wrong. */
	if (look->packet->reach == PACKET_LINK && !(r->flags & BLOB_RULE_DECODE))
		return false;
	return header_match(run->m->blob, r, look->packet);
}

static bool may_match(const struct run *run, const struct blob_rule *r)
{
	return (!r->protos || r->protos >> run->look->proto & 1) && may_ever_match(run, r);
}

static bool listed(const uint32_t *list, unsigned count, uint32_t rule)
{
	for (unsigned i = 0; i < count; i++)
		if (list[i] == rule)
			return true;
	return false;
}

/* A rule that looks at packets and at streams matched. */
static void note_matched(struct run *run, uint32_t rule)
{
	struct matcher *m = run->m;

	if (run->pass == BLOB_RULE_PACKET && m->blob->rule[rule].flags & BLOB_RULE_STREAM &&
	    m->matched_count < IDS_ALERTS_PER_PACKET)
		m->matched[m->matched_count++] = rule;
}

/* True if the rule matches. */
static bool verify(struct run *run, uint32_t index)
{
	struct matcher *m = run->m;
	const struct blob_rule *r = &m->blob->rule[index];
	struct inspect in = {
		.blob = m->blob,
		.look = run->look,
		.packet = run->look->packet,
		.flow = run->look->flow,
		.state = m->remembers ? &m->state : NULL,
		.rule = index,
		.in_stream = run->pass != BLOB_RULE_PACKET,
		.scratch = m->scratch,
	};

	if (!may_match(run, r))
		return false;
	if (run->pass == BLOB_RULE_STREAM && listed(m->matched, m->matched_count, index))
		return true;
	m->stats->candidates++;
	switch (inspect_rule(&in, r)) {
	case INSPECT_MATCH:
		break;
	case INSPECT_LIMIT:
		m->stats->inspection_limit++;
		return false;
	case INSPECT_NO:
		return false;
	}
	note_matched(run, index);
	if (in.alert != EFFECT_NOTHING)
		add_match(run, index, in.alert == EFFECT_SILENT);
	return true;
}

static void add_group(struct run *run, unsigned group)
{
	const struct blob *b = run->m->blob;
	struct blob_list l = b->group[group];

	for (uint32_t i = 0; i < l.count; i++)
		candidates_add(&run->m->candidates, b->group_rule[l.first + i]);
}

static void on_pattern(void *ctx, uint32_t pattern, size_t end)
{
	struct run *run = ctx;
	struct matcher *m = run->m;
	struct blob_list rules = m->blob->pattern[pattern];

	(void)end;
	if (m->pattern_seen[pattern] == m->generation)
		return;
	m->pattern_seen[pattern] = m->generation;
	for (uint32_t i = 0; i < rules.count; i++)
		candidates_add(&m->candidates, m->blob->pattern_rule[rules.first + i]);
}

static void scan(struct run *run, enum blob_look look, unsigned of, struct app_view view)
{
	uint32_t automaton = mpm_automaton(&run->m->mpm, look, direction(run->look), of);

	if (automaton != MPM_NONE && view.len)
		mpm_scan(&run->m->mpm, automaton, 0, view.at, view.len, on_pattern, run);
}

static void verify_all(struct run *run)
{
	uint32_t rule;

	while (candidates_next(&run->m->candidates, &rule))
		verify(run, rule);
}

void matcher_packet(struct matcher *m, const struct look *look, struct matches *out)
{
	const struct packet *p = look->packet;
	enum blob_class class = header_class(p);
	struct run run = begin(m, look, BLOB_RULE_PACKET, out);

	m->matched_count = 0;
	run.payload = p->payload_len;
	add_group(&run, BLOB_GROUP_PACKET + (unsigned)class);
	if (run.payload)
		scan(&run, BLOB_LOOK_PACKET, class, (struct app_view){p->payload, p->payload_len});
	verify_all(&run);
}

/* --- streams ------------------------------------------------------------------------------------
 */

static void forget_pending(struct matcher_stream *s, uint32_t i)
{
	s->count--;
	memmove(&s->rule[i], &s->rule[i + 1], (s->count - i) * sizeof(s->rule[0]));
	memmove(&s->at[i], &s->at[i + 1], (s->count - i) * sizeof(s->at[0]));
}

static void drop_rule(struct matcher_stream *s, uint32_t rule)
{
	for (uint32_t i = 0; i < s->count; i++)
		if (s->rule[i] == rule) {
			forget_pending(s, i);
			return;
		}
}

/* The rule's pattern was met, but something is still missing: it may come, or the flow's protocol
 * may be found. */
static void keep_pending(struct run *run, uint32_t rule)
{
	const struct blob_rule *r = &run->m->blob->rule[rule];
	const struct look *look = run->look;
	struct matcher_stream *s = run->stream;

	if (r->flags & BLOB_RULE_ALWAYS || listed(s->rule, s->count, rule))
		return;
	/* A pattern alone that did not do will not do later. */
	if (r->op_count < 2 && !r->protos)
		return;
	if (!(look->proto == APP_UNKNOWN ? may_ever_match(run, r) : may_match(run, r)))
		return;
	if (s->count == MATCHER_PENDING) {
		run->m->stats->pending_overflow++;
		forget_pending(s, 0);
	}
	s->rule[s->count] = rule;
	s->at[s->count++] = (uint32_t)look->window_at + look->window.len;
}

/* Rules whose pattern has left the window cannot match any more; the others are tried again. */
static void take_pending(struct run *run)
{
	struct matcher_stream *s = run->stream;
	uint32_t begin = (uint32_t)run->look->window_at;

	for (uint32_t i = 0; i < s->count;) {
		/* The blob may be another one than the one that filled it in. */
		if (s->at[i] - begin > run->look->window.len ||
		    s->rule[i] >= run->m->blob->count[BLOB_RULES]) {
			forget_pending(s, i);
			continue;
		}
		candidates_add(&run->m->candidates, s->rule[i++]);
	}
}

void matcher_stream(struct matcher *m, const struct look *look, uint32_t fresh,
		    struct matcher_stream *s, struct matches *out)
{
	uint32_t automaton = mpm_automaton(&m->mpm, BLOB_LOOK_STREAM, direction(look), 0);
	struct run run = begin(m, look, BLOB_RULE_STREAM, out);
	uint32_t old = look->window.len - fresh, rule;

	if (fresh > look->window.len || !look->window.len)
		return;
	run.stream = s;
	take_pending(&run);
	if (automaton != MPM_NONE && fresh)
		s->mpm = mpm_scan(&m->mpm, automaton, s->mpm, look->window.at + old, fresh,
				  on_pattern, &run);
	if (fresh)
		add_group(&run, BLOB_GROUP_STREAM);
	while (candidates_next(&m->candidates, &rule))
		if (verify(&run, rule))
			drop_rule(s, rule);
		else
			keep_pending(&run, rule);
	m->matched_count = 0;
}

/* --- transactions -------------------------------------------------------------------------------
 */

static void scan_buffer(struct run *run, unsigned which)
{
	const struct rule_source *source = run->look->source;
	struct app_view view;

	if (mpm_automaton(&run->m->mpm, BLOB_LOOK_TX, direction(run->look), which) == MPM_NONE)
		return;
	for (unsigned i = 0; i < INSPECT_MAX_STEPS; i++) {
		if (!source->buffer(source->ctx, (enum app_buffer)which, i, &view))
			return;
		scan(run, BLOB_LOOK_TX, which, view);
		if (!(app_buffers[which].flags & APP_BUFFER_MANY))
			return;
	}
}

static void scan_buffers(struct run *run, uint64_t buffers)
{
	if (!run->look->source || !run->look->source->buffer)
		return;
	for (unsigned i = 0; i < APP_BUFFERS; i++)
		if (buffers >> i & 1)
			scan_buffer(run, i);
}

/* May what the rule looks into be more next time? */
static bool grows(const struct blob_rule *r)
{
	for (unsigned i = 0; i < APP_BUFFERS; i++)
		if ((r->buffers >> i & 1) && (app_buffers[i].flags & APP_BUFFER_GROWS))
			return true;
	return r->flags & BLOB_RULE_PAYLOAD;
}

static void take_tx_pending(struct run *run, struct matcher_tx *tx)
{
	for (unsigned i = 0; i < tx->pending_count && i < MATCHER_TX_RULES; i++)
		if (tx->pending[i] < run->m->blob->count[BLOB_RULES])
			candidates_add(&run->m->candidates, tx->pending[i]);
	tx->pending_count = 0;
	if (tx->matched_count > MATCHER_TX_RULES)
		tx->matched_count = MATCHER_TX_RULES;
}

static void keep_tx(struct run *run, struct matcher_tx *tx, uint32_t rule)
{
	if (run->m->blob->rule[rule].flags & BLOB_RULE_ALWAYS)
		return; /* tried each time */
	if (tx->pending_count == MATCHER_TX_RULES)
		tx->overflow = true;
	else
		tx->pending[tx->pending_count++] = rule;
}

static void try_tx(struct run *run, struct matcher_tx *tx, uint32_t rule, bool done)
{
	if (listed(tx->matched, tx->matched_count, rule))
		return;
	if (tx->matched_count == MATCHER_TX_RULES)
		run->m->stats->alert_queue_overflow++;
	else if (verify(run, rule))
		tx->matched[tx->matched_count++] = rule;
	else if (!done && grows(&run->m->blob->rule[rule]))
		keep_tx(run, tx, rule);
}

void matcher_tx(struct matcher *m, const struct look *look, uint64_t fresh, uint64_t ready,
		bool done, struct matcher_tx *tx, struct matches *out)
{
	struct run run = begin(m, look, BLOB_RULE_TX, out);
	uint32_t rule;

	if (look->proto >= APP_PROTOS)
		return;
	take_tx_pending(&run, tx);
	scan_buffers(&run, done && tx->overflow ? ready : fresh);
	add_group(&run, BLOB_GROUP_TX + (unsigned)look->proto);
	while (candidates_next(&m->candidates, &rule)) {
		if (!may_match(&run, &m->blob->rule[rule]))
			continue;
		if (!done && (m->blob->rule[rule].buffers & ~ready))
			keep_tx(&run, tx, rule);
		else
			try_tx(&run, tx, rule, done);
	}
}
