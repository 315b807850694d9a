#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ids/app/app_impl.h"
#include "tests/unit/app_world.h"

#define REQUIRE(x)                                                                                 \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* `fixed`: what is kept must be the start of it, and all of it unless it grows. (Of the start only
 * the end is compared, or a body that comes octet by octet would cost its square.) */
static void keep(struct kept *k, const struct app_view *v, bool grows, bool fixed)
{
	uint32_t from = k->len > 64 ? k->len - 64 : 0;

	REQUIRE(!v->len || v->at);
	if (k->there && fixed) {
		REQUIRE(grows ? v->len >= k->len : v->len == k->len);
		REQUIRE(k->len == from || !memcmp(k->at + from, v->at + from, k->len - from));
		from = k->len;
	} else {
		from = 0;
	}
	if (k->there && from == v->len && k->len == v->len)
		return;
	k->at = realloc(k->at, v->len + 1);
	if (v->len > from)
		memcpy(k->at + from, v->at + from,
		       v->len - from); /* ASan sees a view that is not valid */
	k->at[v->len] = 0;
	k->len = v->len;
	k->there = true;
}

static void keep_all(struct kept_tx *k, const struct app_tx *tx, bool to_server)
{
	for (unsigned b = 0; b < APP_BUFFERS; b++) {
		bool grows = app_buffers[b].flags & APP_BUFFER_GROWS;
		bool due = app_tx_buffer_due(tx, b, to_server) || grows;
		struct app_view v;

		if (app_tx_buffer(tx, b, to_server, 0, &v))
			keep(&k->buffer[to_server][b], &v, grows, due);
		if (app_tx_buffer(tx, b, to_server, 1, &v))
			keep(&k->second[b], &v, grows, due);
		REQUIRE(!app_tx_buffer(tx, b, to_server, UINT32_MAX, &v));
	}
}

static void told(void *ctx, struct app_flow *flow, struct app_tx *tx, bool to_server)
{
	struct app_world *w = ctx;
	struct kept_tx *k;

	REQUIRE(flow == w->flow && app_owner(flow) == w);
	REQUIRE(tx->id < app_flow_tx_count(flow));
	REQUIRE(!tx->one_way || tx->only == to_server);
	if (w->look)
		w->look(w, tx, to_server);
	if (tx->id >= WORLD_TXS)
		return;
	k = &w->tx[tx->id];
	if (k->there)
		REQUIRE(tx->progress[to_server] >= k->progress[to_server]);
	REQUIRE((tx->events & k->events) == k->events);
	k->there = true;
	k->tells++;
	k->proto = tx->proto;
	k->events = tx->events;
	k->progress[to_server] = tx->progress[to_server];
	keep_all(k, tx, to_server);
}

void app_world_open(struct app_world *w, const struct app_config *config, bool tcp,
		    uint16_t client_port, uint16_t server_port)
{
	struct app_config c = {.flows = 4, .memory = 2 << 20};

	if (config)
		c = *config;
	c.ctx = w;
	c.tx = told;
	memset(w, 0, sizeof(*w));
	w->memory = calloc(1, app_size(&c));
	w->app = app_create(w->memory, &c);
	w->flow = app_open(w->app, w, tcp, client_port, server_port);
	REQUIRE(w->flow);
}

void app_world_data(struct app_world *w, bool to_server, const void *data, size_t len,
		    unsigned flags)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (len && !(flags & APP_GAP))
		memcpy(copy, data, len);
	app_data(w->flow, to_server, copy, (uint32_t)len, flags, 1);
	w->events |= app_flow_events(w->flow);
	free(copy);
}

void app_world_datagram(struct app_world *w, bool to_server, const void *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (len)
		memcpy(copy, data, len);
	app_datagram(w->flow, to_server, copy, (uint32_t)len, 1);
	free(copy);
}

void app_world_end(struct app_world *w)
{
	if (!w->flow)
		return;
	w->proto = (uint8_t)app_flow_proto(w->flow);
	w->proto_of[0] = (uint8_t)app_flow_proto_of(w->flow, false);
	w->proto_of[1] = (uint8_t)app_flow_proto_of(w->flow, true);
	w->txs = app_flow_tx_count(w->flow);
	app_close(w->flow);
	w->flow = NULL;
	REQUIRE(!w->app->pool.used);
}

void app_world_close(struct app_world *w)
{
	app_world_end(w);
	for (unsigned t = 0; t < WORLD_TXS; t++)
		for (unsigned b = 0; b < APP_BUFFERS; b++) {
			free(w->tx[t].buffer[0][b].at);
			free(w->tx[t].buffer[1][b].at);
			free(w->tx[t].second[b].at);
		}
	free(w->memory);
}

static bool same(const struct kept *a, const struct kept *b)
{
	return a->there == b->there && a->len == b->len &&
	       (!a->there || !memcmp(a->at, b->at, a->len));
}

static const char *tx_differs(const struct kept_tx *a, const struct kept_tx *b)
{
	static char text[160];

	if (a->there != b->there)
		return "a transaction is missing";
	if (a->proto != b->proto || a->progress[0] != b->progress[0] ||
	    a->progress[1] != b->progress[1])
		return "progress";
	for (unsigned i = 0; i < 64; i++)
		if ((a->events ^ b->events) >> i & 1) {
			snprintf(text, sizeof(text), "event %s",
				 app_event_name((int)(a->proto * APP_EVENTS_MAX + i)));
			return text;
		}
	for (unsigned i = 0; i < APP_BUFFERS; i++)
		for (unsigned dir = 0; dir < 2; dir++)
			if (!same(&a->buffer[dir][i], &b->buffer[dir][i]) ||
			    !same(&a->second[i], &b->second[i])) {
				snprintf(text, sizeof(text), "buffer %s to %s: %u and %u octets",
					 app_buffers[i].name, dir ? "server" : "client",
					 a->buffer[dir][i].len, b->buffer[dir][i].len);
				return text;
			}
	return NULL;
}

const char *app_world_differs(const struct app_world *a, const struct app_world *b)
{
	if (a->proto != b->proto || a->proto_of[0] != b->proto_of[0] ||
	    a->proto_of[1] != b->proto_of[1])
		return "protocol";
	if (a->txs != b->txs)
		return "number of transactions";
	if (a->events != b->events)
		return "events of the flow";
	for (unsigned t = 0; t < WORLD_TXS; t++) {
		const char *why = tx_differs(&a->tx[t], &b->tx[t]);

		if (why)
			return why;
	}
	return NULL;
}
