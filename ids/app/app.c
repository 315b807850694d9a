#include <string.h>

#include "ids/app/app_impl.h"
#include "ids/app/dns.h"

#define FLOWS_DEFAULT  1024u
#define MEMORY_DEFAULT (8u << 20)
#define BODY_DEFAULT   102400u /* 100 KiB, as Suricata's configuration */
#define LAYERS_DEFAULT 2

static const struct app_parser *const parsers[APP_PROTOS] = {
	[APP_HTTP] = &http_parser,
	[APP_DNS] = &dns_tcp_parser,
	[APP_TLS] = &tls_parser,
};

static uint64_t align16(uint64_t n)
{
	return (n + 15) & ~(uint64_t)15;
}

static struct app_config with_defaults(const struct app_config *config)
{
	struct app_config c = *config;

	c.flows = c.flows ? c.flows : FLOWS_DEFAULT;
	c.memory = c.memory ? c.memory : MEMORY_DEFAULT;
	c.request_body = c.request_body ? c.request_body : BODY_DEFAULT;
	c.response_body = c.response_body ? c.response_body : BODY_DEFAULT;
	c.request_body = c.request_body < POOL_MAX ? c.request_body : POOL_MAX;
	c.response_body = c.response_body < POOL_MAX ? c.response_body : POOL_MAX;
	c.decode_layers = c.decode_layers ? c.decode_layers : LAYERS_DEFAULT;
	return c;
}

uint64_t app_size(const struct app_config *config)
{
	struct app_config c = with_defaults(config);

	return align16(sizeof(struct app)) + align16((uint64_t)c.flows * sizeof(struct app_flow)) +
	       pool_size(c.memory / POOL_BLOCK);
}

struct app *app_create(void *memory, const struct app_config *config)
{
	struct app *app = memory;
	uint8_t *at = memory;

	app->config = with_defaults(config);
	at += align16(sizeof(*app));
	app->flow = (struct app_flow *)(void *)at;
	for (uint32_t i = app->config.flows; i-- > 0;) {
		app->flow[i].next_free = app->free;
		app->free = &app->flow[i];
	}
	at += align16((uint64_t)app->config.flows * sizeof(struct app_flow));
	pool_init(&app->pool, at, app->config.memory / POOL_BLOCK);
	return app;
}

const struct app_stats *app_stats(const struct app *app)
{
	return &app->stats;
}

struct app_flow *app_open(struct app *app, void *owner, bool tcp, uint16_t client_port,
			  uint16_t server_port)
{
	struct app_flow *flow = app->free;

	if (!flow) {
		app->stats.no_flow++;
		return NULL;
	}
	app->free = flow->next_free;
	memset(flow, 0, sizeof(*flow));
	flow->app = app;
	flow->owner = owner;
	flow->tcp = tcp;
	flow->port[APP_TO_SERVER] = server_port;
	flow->port[APP_TO_CLIENT] = client_port;
	app->stats.flows++;
	return flow;
}

void *app_owner(const struct app_flow *flow)
{
	return flow->owner;
}

static void tell_rest(struct app_flow *flow)
{
	for (struct app_tx *tx = flow->first; tx; tx = tx->next)
		for (unsigned dir = 2; dir-- > 0;)
			if (tx->progress[dir] != APP_COMPLETE && !(tx->one_way && tx->only != dir))
				app_tx_tell(flow, tx, dir == APP_TO_SERVER, APP_COMPLETE);
}

/* What is open is told as it is, and the memory of the parser given back. */
static void end_parser(struct app_flow *flow)
{
	tell_rest(flow);
	while (flow->first)
		app_tx_free(flow, flow->first);
	if (flow->state)
		flow->parser->close(flow);
	flow->state = NULL;
}

/* No more is parsed. */
static void finish(struct app_flow *flow)
{
	flow->finished = true;
	end_parser(flow);
	buf_drop(&flow->app->pool, &flow->carry);
	buf_drop(&flow->app->pool, &flow->probe[0].held);
	buf_drop(&flow->app->pool, &flow->probe[1].held);
}

void app_close(struct app_flow *flow)
{
	struct app *app;

	if (!flow)
		return;
	app = flow->app;
	finish(flow);
	memset(flow, 0, sizeof(*flow));
	flow->next_free = app->free;
	app->free = flow;
}

struct app_tx *app_tx_new(struct app_flow *flow, enum app_proto proto, size_t size)
{
	struct app_tx *tx;

	if (flow->open_txs >= APP_TXS_MAX)
		return NULL;
	tx = pool_zero(&flow->app->pool, size);
	if (!tx)
		return NULL;
	tx->id = flow->txs++;
	tx->proto = (uint8_t)proto;
	tx->first_ns = flow->now_ns;
	if (flow->last)
		flow->last->next = tx;
	else
		flow->first = tx;
	flow->last = tx;
	flow->open_txs++;
	flow->app->stats.tx[proto]++;
	return tx;
}

void app_tx_free(struct app_flow *flow, struct app_tx *tx)
{
	struct app_tx *before = NULL;

	/* Nearly always the first; a flow has at most APP_TXS_MAX. */
	if (flow->first == tx) {
		flow->first = tx->next;
	} else {
		for (before = flow->first; before->next != tx; before = before->next)
			;
		before->next = tx->next;
	}
	if (flow->last == tx)
		flow->last = before;
	flow->open_txs--;
	flow->parser->free_tx(&flow->app->pool, tx);
	pool_give(&flow->app->pool, tx);
}

void app_tx_tell(struct app_flow *flow, struct app_tx *tx, bool to_server,
		 enum app_progress progress)
{
	if (tx->progress[to_server] < progress)
		tx->progress[to_server] = (uint8_t)progress;
	if (flow->app->config.tx)
		flow->app->config.tx(flow->app->config.ctx, flow, tx, to_server);
}

static void parse(struct app_flow *flow, bool to_server, const uint8_t *data, uint32_t len,
		  bool eof);

static void take_result(struct app_flow *flow, enum app_result result)
{
	struct app_stats *s = &flow->app->stats;

	if (result == APP_OK)
		return;
	s->errors += result == APP_ERROR;
	s->no_memory += result == APP_NO_MEMORY;
	s->gaps += result == APP_LOST;
	finish(flow);
}

static bool choose(struct app_flow *flow, enum app_proto proto)
{
	flow->proto = (uint8_t)proto;
	flow->parser = parsers[proto];
	flow->state = flow->parser->open(flow);
	if (!flow->state)
		take_result(flow, APP_NO_MEMORY);
	else
		flow->app->stats.detected[proto]++;
	return flow->state;
}

/* Octets that have just come, behind those that are held. */
struct piece {
	const uint8_t *data;
	uint32_t len;
	bool eof;
};

static void detect(struct app_flow *flow, bool to_server, struct piece rest);

static void take(struct app_flow *flow, bool to_server, struct piece p)
{
	if (flow->parser && flow->probe[to_server].proto != APP_UNKNOWN)
		parse(flow, to_server, p.data, p.len, p.eof);
	else
		detect(flow, to_server, p);
}

/* Another protocol begins: as at the start of a flow. `rest`: what was not taken of a piece. */
static void change(struct app_flow *flow, bool to_server, struct piece rest)
{
	struct buf carry = flow->carry;

	memset(&flow->carry, 0, sizeof(flow->carry));
	end_parser(flow);
	flow->outer = flow->proto;
	flow->proto = APP_UNKNOWN;
	flow->parser = NULL;
	memset(flow->probe, 0, sizeof(flow->probe));
	flow->first_dir = flow->carry_to_server;
	take(flow, flow->carry_to_server, (struct piece){carry.at, carry.len, false});
	buf_drop(&flow->app->pool, &carry);
	if (!flow->finished)
		take(flow, to_server, rest);
}

static void parse(struct app_flow *flow, bool to_server, const uint8_t *data, uint32_t len,
		  bool eof)
{
	enum app_result r = APP_OK;

	if (flow->finished)
		return;
	if (len)
		r = flow->parser->data(flow, to_server, data, len);
	if (r == APP_CHANGE) {
		change(flow, to_server, (struct piece){data + len - flow->left, flow->left, eof});
		return;
	}
	take_result(flow, r);
	if (eof && !flow->finished)
		flow->parser->eof(flow, to_server);
}

/* Hand what was held of a direction to the parser, and what came behind it. */
static void release(struct app_flow *flow, bool to_server, const struct piece *rest)
{
	struct app_probe *p = &flow->probe[to_server];
	struct buf held = p->held;

	memset(&p->held, 0, sizeof(p->held));
	parse(flow, to_server, held.at, held.len, rest ? false : p->eof);
	buf_drop(&flow->app->pool, &held);
	if (rest)
		parse(flow, to_server, rest->data, rest->len, rest->eof);
}

static void fail(struct app_flow *flow)
{
	flow->proto = flow->outer ? flow->outer : APP_FAILED;
	finish(flow);
}

/* The other direction had nothing to say: it is what this one says. */
static void release_other(struct app_flow *flow, bool to_server)
{
	flow->events |= 1ull << APP_EVENT_DETECT_PROTOCOL_ONLY_ONE_DIRECTION;
	release(flow, to_server, NULL);
}

/* The protocol is found in one direction. */
static void found(struct app_flow *flow, bool to_server, enum app_proto proto,
		  const struct piece *rest)
{
	bool other = flow->probe[!to_server].proto == APP_FAILED;

	if (parsers[proto]->client_first && flow->first_dir == APP_TO_CLIENT) {
		flow->events |= 1ull << APP_EVENT_WRONG_DIRECTION_FIRST_DATA;
		fail(flow);
		return;
	}
	if (!choose(flow, proto))
		return;
	if (other && flow->first_dir != to_server)
		release_other(flow, !to_server);
	release(flow, to_server, rest);
	if (other && flow->first_dir == to_server)
		release_other(flow, !to_server);
}

/* The flow's protocol is known from the other direction; this one says what it thinks. */
static void compare(struct app_flow *flow, bool to_server, const struct piece *rest)
{
	uint8_t proto = flow->probe[to_server].proto;

	if (proto == APP_FAILED)
		flow->events |= 1ull << APP_EVENT_DETECT_PROTOCOL_ONLY_ONE_DIRECTION;
	else if (proto != flow->proto)
		flow->events |= 1ull << APP_EVENT_MISMATCH_PROTOCOL_BOTH_DIRECTIONS;
	release(flow, to_server, rest);
}

/* Octets of a direction whose protocol is not known: at most APP_PROBE are looked at. */
static void detect(struct app_flow *flow, bool to_server, struct piece rest)
{
	struct app_probe *p = &flow->probe[to_server];
	struct pool *pool = &flow->app->pool;

	if (!p->held.len && !rest.len && p->proto == APP_UNKNOWN) {
		if (rest.eof && flow->parser) /* closed without a word */
			parse(flow, to_server, NULL, 0, true);
		return;
	}
	if (p->proto == APP_UNKNOWN) {
		uint32_t n = APP_PROBE - p->held.len;

		n = n < rest.len ? n : rest.len;
		if (!buf_add(pool, &p->held, rest.data, n, APP_PROBE)) {
			take_result(flow, APP_NO_MEMORY);
			return;
		}
		rest.data += n;
		rest.len -= n;
		p->proto = (uint8_t)detect_tcp(p->held.at, p->held.len, to_server, flow->port,
					       p->held.len < APP_PROBE && !rest.eof);
	}
	if (p->proto == APP_UNKNOWN)
		return;
	if (flow->parser) {
		compare(flow, to_server, &rest);
	} else if (p->proto != APP_FAILED) {
		found(flow, to_server, p->proto, &rest);
	} else if (flow->probe[!to_server].proto == APP_FAILED ||
		   !buf_add(pool, &p->held, rest.data, rest.len, APP_HOLD)) {
		fail(flow);
	} else {
		p->eof |= rest.eof;
	}
}

void app_data(struct app_flow *flow, bool to_server, const uint8_t *data, uint32_t len,
	      unsigned flags, uint64_t now_ns)
{
	struct app_probe *p = &flow->probe[to_server];
	bool eof = flags & APP_EOF;

	if (flow->finished || !flow->tcp)
		return;
	flow->now_ns = now_ns;
	if (flags & APP_GAP) {
		if (!flow->parser || p->proto == APP_UNKNOWN) {
			take_result(flow, APP_LOST);
			if (!flow->parser)
				fail(flow);
			return;
		}
		take_result(flow,
			    flow->parser->gap ? flow->parser->gap(flow, to_server, len) : APP_LOST);
		len = 0;
	}
	if (len && !flow->any) {
		flow->any = true;
		flow->first_dir = to_server;
	}
	take(flow, to_server, (struct piece){data, len, eof});
}

void app_datagram(struct app_flow *flow, bool to_server, const uint8_t *data, uint32_t len,
		  uint64_t now_ns)
{
	if (flow->finished || flow->tcp)
		return;
	flow->now_ns = now_ns;
	dns_datagram(flow, to_server, data, len);
}

enum app_proto app_flow_proto(const struct app_flow *flow)
{
	return flow->proto;
}

enum app_proto app_flow_proto_of(const struct app_flow *flow, bool to_server)
{
	return flow->probe[to_server].proto;
}

bool app_flow_finished(const struct app_flow *flow)
{
	return flow->finished;
}

bool app_flow_reversed(const struct app_flow *flow)
{
	return flow->reversed;
}

uint64_t app_flow_events(struct app_flow *flow)
{
	uint64_t events = flow->events;

	flow->events = 0;
	return events;
}

uint64_t app_flow_tx_count(const struct app_flow *flow)
{
	return flow->txs;
}

struct app_tx *app_flow_txs(const struct app_flow *flow)
{
	return flow->first;
}

bool app_tx_buffer(const struct app_tx *tx, enum app_buffer which, bool to_server, uint32_t index,
		   struct app_view *view)
{
	const struct app_buffer_info *b;

	if (which >= APP_BUFFERS)
		return false;
	b = &app_buffers[which];
	if (b->proto != tx->proto ||
	    !(b->flags & (to_server ? APP_BUFFER_TO_SERVER : APP_BUFFER_TO_CLIENT)))
		return false;
	if (tx->one_way && tx->only != to_server)
		return false;
	if (index && !(b->flags & APP_BUFFER_MANY))
		return false;
	return parsers[tx->proto]->buffer(tx, which, to_server, index, view);
}

bool app_tx_buffer_due(const struct app_tx *tx, enum app_buffer which, bool to_server)
{
	/* From when on it is there; others: APP_COMPLETE. */
	static const uint8_t due[APP_BUFFERS] = {
		[APP_HTTP_URI] = APP_LINE,
		[APP_HTTP_RAW_URI] = APP_LINE,
		[APP_HTTP_METHOD] = APP_LINE,
		[APP_HTTP_PROTOCOL] = APP_LINE,
		[APP_HTTP_REQUEST_LINE] = APP_LINE,
		[APP_HTTP_RESPONSE_LINE] = APP_LINE,
		[APP_HTTP_STAT_CODE] = APP_LINE,
		[APP_HTTP_STAT_MSG] = APP_LINE,
		[APP_HTTP_HEADER] = APP_HEADERS,
		[APP_HTTP_RAW_HEADER] = APP_HEADERS,
		[APP_HTTP_HEADER_NAMES] = APP_HEADERS,
		[APP_HTTP_REQUEST_HEADER] = APP_HEADERS,
		[APP_HTTP_RESPONSE_HEADER] = APP_HEADERS,
		[APP_HTTP_COOKIE] = APP_HEADERS,
		[APP_HTTP_USER_AGENT] = APP_HEADERS,
		[APP_HTTP_HOST] = APP_HEADERS,
		[APP_HTTP_RAW_HOST] = APP_HEADERS,
		[APP_HTTP_REFERER] = APP_HEADERS,
		[APP_HTTP_ACCEPT] = APP_HEADERS,
		[APP_HTTP_ACCEPT_LANG] = APP_HEADERS,
		[APP_HTTP_ACCEPT_ENC] = APP_HEADERS,
		[APP_HTTP_CONNECTION] = APP_HEADERS,
		[APP_HTTP_CONTENT_TYPE] = APP_HEADERS,
		[APP_HTTP_CONTENT_LEN] = APP_HEADERS,
		[APP_HTTP_START] = APP_HEADERS,
		[APP_HTTP_LOCATION] = APP_HEADERS,
		[APP_HTTP_SERVER] = APP_HEADERS,
		[APP_TLS_SNI] = APP_LINE,
		[APP_TLS_RANDOM] = APP_LINE,
		[APP_JA3_HASH] = APP_LINE,
		[APP_JA3_STRING] = APP_LINE,
		[APP_JA3S_HASH] = APP_LINE,
		[APP_JA3S_STRING] = APP_LINE,
		[APP_TLS_CERT_SUBJECT] = APP_HEADERS,
		[APP_TLS_CERT_ISSUER] = APP_HEADERS,
		[APP_TLS_CERT_SERIAL] = APP_HEADERS,
		[APP_TLS_CERT_FINGERPRINT] = APP_HEADERS,
		[APP_TLS_CERTS] = APP_HEADERS,
	};

	return which < APP_BUFFERS &&
	       tx->progress[to_server] >= (due[which] ? due[which] : APP_COMPLETE);
}
