/* Transactions: what rules may ask of one, and the rules on it whenever it moves on. */
#include <string.h>

#include "hv/errno.h"
#include "ids/app/dns.h"
#include "ids/app/tls.h"
#include "ids/engine_impl.h"

#define TX_PER_CONV 4u
#define TX_OVER	    1u /* app_tx.user: both directions are complete and were looked at */

_Static_assert(APP_BUFFERS <= 64, "a bit for each buffer");

/* A transaction in one direction. */
struct tx_view {
	const struct app_tx *tx;
	bool to_server;
};

static bool tx_buffer(void *ctx, enum app_buffer which, unsigned index, struct app_view *view)
{
	const struct tx_view *v = ctx;

	return app_tx_buffer(v->tx, which, v->to_server, index, view);
}

static bool dns_number(const struct app_tx *tx, enum rule_number which, uint32_t *value)
{
	struct dns_question q;
	struct dns_info info;

	dns_tx_info(tx, &info);
	switch (which) {
	case RULE_DNS_OPCODE:
		*value = info.opcode;
		return true;
	case RULE_DNS_RCODE:
		*value = info.rcode;
		return info.response;
	case RULE_DNS_RRTYPE:
		if (!dns_tx_question(tx, 0, &q))
			return false;
		*value = q.type;
		return true;
	default:
		return false;
	}
}

static bool tls_number(const struct app_tx *tx, enum rule_number which, uint32_t *value)
{
	struct tls_info info;

	tls_tx_info(tx, &info);
	switch (which) {
	case RULE_TLS_VERSION:
		*value = info.version;
		return info.version;
	case RULE_TLS_STATE:
		*value = (tx->progress[APP_TO_SERVER] >= APP_LINE ? RULE_TLS_CLIENT_HELLO : 0) |
			 (tx->progress[APP_TO_CLIENT] >= APP_LINE ? RULE_TLS_SERVER_HELLO : 0);
		return true;
	default:
		return false;
	}
}

static bool tx_number(void *ctx, enum rule_number which, uint32_t *value)
{
	const struct tx_view *v = ctx;

	if (v->tx->proto == APP_DNS)
		return dns_number(v->tx, which, value);
	return v->tx->proto == APP_TLS && tls_number(v->tx, which, value);
}

static bool tx_event(void *ctx, enum rule_event kind, uint32_t event)
{
	const struct tx_view *v = ctx;

	return kind == RULE_EVENT_APP && event / APP_EVENTS_MAX == v->tx->proto &&
	       app_tx_events(v->tx) >> event % APP_EVENTS_MAX & 1;
}

static struct tx_rules *rules_of(struct ids *ids, struct app_tx *tx)
{
	struct tx_rules *r = (struct tx_rules *)(uintptr_t)tx->user;

	if (tx->user == TX_OVER)
		return NULL;
	if (r)
		return r;
	r = ids->free_tx;
	if (!r) { /* looked at all the same, but as if for the first time */
		ids->stats.transactions_forgotten++;
		memset(&ids->spare_tx, 0, sizeof(ids->spare_tx));
		return &ids->spare_tx;
	}
	ids->free_tx = r->next;
	memset(r, 0, sizeof(*r));
	tx->user = (uintptr_t)r;
	return r;
}

static bool over(const struct app_tx *tx)
{
	if (tx->one_way)
		return tx->progress[tx->only] == APP_COMPLETE;
	return tx->progress[0] == APP_COMPLETE && tx->progress[1] == APP_COMPLETE;
}

static void forget_tx(struct ids *ids, struct app_tx *tx)
{
	struct tx_rules *r = (struct tx_rules *)(uintptr_t)tx->user;

	tx->user = TX_OVER;
	if (!r)
		return;
	r->next = ids->free_tx;
	ids->free_tx = r;
}

/* Which buffers of this direction are there, and which are new or have grown. */
static uint64_t find_buffers(struct app_tx *tx, bool to_server, uint64_t *fresh)
{
	uint64_t ready = 0, before = tx->done[to_server];

	*fresh = 0;
	for (unsigned i = 0; i < APP_BUFFERS; i++) {
		const struct app_buffer_info *info = &app_buffers[i];
		uint64_t bit = 1ull << i;

		if (info->proto != tx->proto || (info->flags & APP_BUFFER_PACKET) ||
		    !(info->flags & (to_server ? APP_BUFFER_TO_SERVER : APP_BUFFER_TO_CLIENT)) ||
		    !app_tx_buffer_due(tx, (enum app_buffer)i, to_server))
			continue;
		ready |= bit;
		if (!(before & bit) || info->flags & APP_BUFFER_GROWS)
			*fresh |= bit;
	}
	tx->done[to_server] = ready;
	return ready;
}

/* Rules on one direction of a transaction. */
static void match_tx(struct ids *ids, struct conv *c, struct app_tx *tx, bool to_server,
		     struct tx_rules *rules)
{
	struct tx_view view = {tx, to_server};
	const struct rule_source source = {&view, tx_buffer, tx_number, tx_event};
	struct packet other;
	struct turn turn = conv_turn_for(ids, c->flow, to_server, &other);
	struct conv_side *side = &c->side[to_server];
	struct look look = {.packet = turn.packet,
			    .flow = &turn.ref,
			    .source = &source,
			    .now_ns = turn.now_ns,
			    .proto = (enum app_proto)tx->proto,
			    .said = (enum app_proto)tx->proto,
			    .window = {side->window, side->len},
			    .window_at = side->at};
	struct matches m = {.count = 0};
	uint64_t fresh, ready;

	if (c->flow->key.proto == PROTO_UDP)
		look.window = (struct app_view){turn.packet->payload, turn.packet->payload_len};
	ready = find_buffers(tx, to_server, &fresh);
	matcher_tx(&ids->matcher, &look, fresh, ready, tx->progress[to_server] == APP_COMPLETE,
		   &rules->side[to_server], &m);
	conv_act_or_hold(ids, c, &turn, &m, true);
}

void conv_on_tx(void *ctx, struct app_flow *app, struct app_tx *tx, bool to_server)
{
	struct ids *ids = ctx;
	struct conv *c = app_owner(app);
	struct tx_rules *rules;

	if (!ids->rules || !(rules = rules_of(ids, tx)))
		return;
	if (c->flow->action != FLOW_PASS) {
		match_tx(ids, c, tx, to_server, rules);
		/* An event is one of the transaction, whoever caused it. */
		if (tx->events & ~rules->events && !tx->one_way)
			match_tx(ids, c, tx, !to_server, rules);
		rules->events = tx->events;
	}
	if (over(tx))
		forget_tx(ids, tx);
}

int conv_create_tx(struct ids *ids, const struct ids_ops *ops, uint32_t convs)
{
	uint32_t count = convs * TX_PER_CONV;
	struct tx_rules *tx = ops->alloc(ops->ctx, count * sizeof(*tx));

	if (!tx)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		tx[i].next = ids->free_tx;
		ids->free_tx = &tx[i];
	}
	return 0;
}
