/* How often a rule may alert (threshold, detection_filter), and what is watched after it (tag). */
#include <string.h>

#include "ids/rules/op.h"
#include "ids/rules/state.h"

const char *threshold_check(const struct blob *b, const struct blob_op *op)
{
	(void)b;
	if (op->flags || op->arg[0] >= THRESHOLD_TYPES || op->arg[1] >= TRACKS)
		return "threshold of an unknown kind";
	return op->arg[2] == 0 || op->arg[3] == 0 ? "threshold without count or seconds" : NULL;
}

static bool track(const struct inspect *in, const struct blob_op *op, struct state_key *key)
{
	const struct packet *p = in->packet;
	bool swap;

	memset(key, 0, sizeof(*key));
	key->kind = STATE_THRESHOLD;
	key->name = in->rule;
	switch (op->arg[1]) {
	case TRACK_SRC:
		memcpy(key->a, p->src, 16);
		break;
	case TRACK_DST:
		memcpy(key->a, p->dst, 16);
		break;
	case TRACK_BOTH:
		swap = memcmp(p->src, p->dst, 16) > 0;
		memcpy(key->a, swap ? p->dst : p->src, 16);
		memcpy(key->b, swap ? p->src : p->dst, 16);
		break;
	case TRACK_FLOW:
		if (!in->flow->flow)
			return false;
		key->flow = in->flow->flow->id;
		break;
	}
	return true;
}

/* What the count-th match within the window leaves of the alert. */
static enum effect decide(struct state_entry *e, const struct blob_op *op)
{
	uint32_t limit = op->arg[2];

	switch (op->arg[0]) {
	case THRESHOLD_LIMIT:
		return e->count <= limit ? EFFECT_ALERT : EFFECT_SILENT;
	case THRESHOLD_THRESHOLD:
		if (e->count < limit)
			return EFFECT_NOTHING;
		e->count = 0;
		return EFFECT_ALERT;
	case THRESHOLD_BOTH:
		return e->count < limit	   ? EFFECT_NOTHING
		       : e->count == limit ? EFFECT_ALERT
					   : EFFECT_SILENT;
	}
	return e->count > limit ? EFFECT_ALERT : EFFECT_NOTHING;
}

enum effect threshold_effect(const struct inspect *in, const struct blob_op *op)
{
	uint64_t now = in->look->now_ns, until = now + op->arg[3] * STATE_SECOND;
	struct state_entry *e;
	struct state_key key;

	if (!in->state || !track(in, op, &key))
		return EFFECT_NOTHING;
	/* The entry ends with its window, and another one begins. */
	e = state_make(in->state, STATE_THRESHOLDS, &key, now, until);
	if (e->count != UINT32_MAX)
		e->count++;
	return decide(e, op);
}

/* --- tags ---------------------------------------------------------------------------------------
 */

#define TAG_DEFAULT_SECONDS 3600u /* that count packets or octets end by themselves */

const char *tag_check(const struct blob *b, const struct blob_op *op)
{
	(void)b;
	return op->flags || op->arg[0] >= SCOPE_PAIR || op->arg[1] >= TAG_METRICS
		       ? "tag of an unknown kind"
		       : NULL;
}

static bool tag_key(uint32_t scope, const struct look *look, struct state_key *key)
{
	memset(key, 0, sizeof(*key));
	key->kind = STATE_TAG;
	if (scope == SCOPE_FLOW) {
		key->flow = look->flow->flow ? look->flow->flow->id : 0;
		return look->flow->flow;
	}
	memcpy(key->a, scope == SCOPE_SRC ? look->packet->src : look->packet->dst, 16);
	return look->packet->ip_version != 0;
}

enum effect tag_effect(const struct inspect *in, const struct blob_op *op)
{
	uint32_t seconds = op->arg[1] == TAG_SECONDS ? op->arg[2] : TAG_DEFAULT_SECONDS;
	enum state_table table = op->arg[0] == SCOPE_FLOW ? STATE_FLOWS : STATE_HOSTS;
	struct state_entry *e;
	struct state_key key;

	if (!in->state || !tag_key(op->arg[0], in->look, &key))
		return EFFECT_ALERT;
	e = state_make(in->state, table, &key, in->look->now_ns,
		       in->look->now_ns + seconds * STATE_SECOND);
	e->until_ns = in->look->now_ns + seconds * STATE_SECOND;
	e->value = op->arg[1];
	e->count = op->arg[1] == TAG_SECONDS ? UINT32_MAX : op->arg[2];
	return EFFECT_ALERT;
}

/* Take the packet off a tag's rest. */
static bool use(struct rule_state *s, enum state_table table, const struct state_key *key,
		const struct look *look)
{
	struct state_entry *e = state_find(s, table, key, look->now_ns);
	uint32_t cost;

	if (!e || e->count == 0)
		return false;
	cost = e->value == TAG_PACKETS ? 1 : e->value == TAG_BYTES ? look->packet->len : 0;
	e->count = e->count > cost ? e->count - cost : 0;
	return true;
}

bool tag_applies(struct rule_state *s, const struct look *look)
{
	struct state_key key;
	bool tagged = false;

	if (!s)
		return false;
	if (tag_key(SCOPE_FLOW, look, &key))
		tagged |= use(s, STATE_FLOWS, &key, look);
	if (tag_key(SCOPE_SRC, look, &key))
		tagged |= use(s, STATE_HOSTS, &key, look);
	if (tag_key(SCOPE_DST, look, &key))
		tagged |= use(s, STATE_HOSTS, &key, look);
	return tagged;
}
