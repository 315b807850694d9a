/* DNS: messages of both transports become transactions. */
#include <string.h>

#include "ids/app/dns_impl.h"
#include "ids/bytes.h"

#define DNS_PORT 53

/* Over TCP a message comes behind its length (RFC 1035, 4.2.2), in pieces. */
struct dns_flow {
	struct buf acc[2];
	bool gap;
};

/* Are there octets enough for what the header counts? Two are the least for anything (Suricata). */
static bool header_valid(const uint8_t *h, uint32_t whole)
{
	uint32_t least = DNS_HEADER;

	for (unsigned i = 4; i < DNS_HEADER; i += 2)
		least += 2u * be16(h + i);
	return least <= whole;
}

bool dns_probe(const uint8_t *data, uint32_t len, uint32_t whole)
{
	struct dns_reader r = {.msg = data, .len = whole, .at = DNS_HEADER};

	if (len < DNS_HEADER || !header_valid(data, whole))
		return false;
	if (len < whole)
		return true;
	for (unsigned i = be16(data + 4); i; i--) {
		if (!dns_name(&r, NULL, NULL))
			return false;
		if (r.len - r.at < 4) /* cut short: the header must do */
			return true;
		r.at += 4;
	}
	return true;
}

static void set_event(struct app_flow *flow, unsigned event)
{
	/* As in Suricata: on the message before, if there was one. */
	if (!flow->last)
		return;
	flow->last->events |= 1ull << event;
	app_tx_tell(flow, flow->last, flow->last->only, APP_COMPLETE);
}

static uint64_t odd_flags(uint16_t flags)
{
	uint64_t events = 0;

	if (flags & DNS_FLAG_Z)
		events |= 1ull << DNS_EVENT_Z_FLAG_SET;
	if ((flags >> 11 & 0xf) >= 7) /* 6, DSO (RFC 8490), is the last one assigned */
		events |= 1ull << DNS_EVENT_INVALID_OPCODE;
	return events;
}

static enum app_result parse(struct app_flow *flow, struct dns_tx *tx, struct dns_reader *r,
			     bool to_server)
{
	tx->tx.one_way = true;
	tx->tx.only = to_server;
	tx->id = be16(r->msg);
	tx->flags = be16(r->msg + 2);
	if (!dns_message(r, tx)) {
		bool no_memory = r->no_memory;

		app_tx_free(flow, &tx->tx);
		if (no_memory)
			return APP_NO_MEMORY;
		set_event(flow, DNS_EVENT_MALFORMED_DATA);
		return APP_ERROR;
	}
	tx->tx.events = r->events | odd_flags(tx->flags);
	app_tx_tell(flow, &tx->tx, to_server, APP_COMPLETE);
	return APP_OK;
}

/* A whole message. The message before it is let go: only events of what follows it could concern
 * it. */
static enum app_result message(struct app_flow *flow, bool to_server, const uint8_t *data,
			       uint32_t len)
{
	struct dns_reader r = {.pool = &flow->app->pool, .msg = data, .len = len};
	struct app_tx *before = flow->last;
	enum app_result result;
	struct dns_tx *tx;

	if (len < DNS_HEADER || !header_valid(data, len))
		return flow->tcp ? APP_ERROR : APP_OK;
	if (to_server && be16(data + 2) & DNS_FLAG_QR) {
		set_event(flow, DNS_EVENT_NOT_REQUEST);
		return APP_ERROR;
	}
	if (!to_server && !(be16(data + 2) & DNS_FLAG_QR))
		set_event(flow, DNS_EVENT_NOT_RESPONSE);
	tx = (struct dns_tx *)app_tx_new(flow, APP_DNS, sizeof(*tx));
	if (!tx)
		return APP_NO_MEMORY;
	result = parse(flow, tx, &r, to_server);
	if (before && flow->last != before)
		app_tx_free(flow, before);
	return result;
}

void dns_datagram(struct app_flow *flow, bool to_server, const uint8_t *data, uint32_t len)
{
	if (flow->proto == APP_UNKNOWN) {
		bool port = flow->port[0] == DNS_PORT || flow->port[1] == DNS_PORT;

		if (!port || !dns_probe(data, len, len)) {
			flow->proto = APP_FAILED;
			flow->finished = true;
			return;
		}
		flow->proto = APP_DNS;
		flow->parser = &dns_tcp_parser;
		flow->app->stats.detected[APP_DNS]++;
		/* An answer that comes first came from the server. */
		flow->reversed = !(be16(data + 2) & DNS_FLAG_QR) != to_server;
	}
	if (flow->reversed)
		to_server = !to_server;
	flow->probe[to_server].proto = APP_DNS;
	switch (message(flow, to_server, data, len)) {
	case APP_NO_MEMORY:
		flow->app->stats.no_memory++;
		break;
	case APP_ERROR: /* of this datagram alone */
		flow->app->stats.errors++;
		break;
	default:
		break;
	}
}

static void *dns_open(struct app_flow *flow)
{
	return pool_zero(&flow->app->pool, sizeof(struct dns_flow));
}

static void dns_close(struct app_flow *flow)
{
	struct dns_flow *f = flow->state;

	buf_drop(&flow->app->pool, &f->acc[0]);
	buf_drop(&flow->app->pool, &f->acc[1]);
	pool_give(&flow->app->pool, f);
}

static enum app_result dns_data(struct app_flow *flow, bool to_server, const uint8_t *data,
				uint32_t len)
{
	struct dns_flow *f = flow->state;
	struct buf *acc = &f->acc[to_server];
	enum app_result r = APP_OK;

	while (len && r == APP_OK) {
		uint32_t want = acc->len < 2 ? 2 : 2u + be16(acc->at), n = want - acc->len;

		n = n < len ? n : len;
		if (!buf_add(&flow->app->pool, acc, data, n, 2 + UINT16_MAX))
			return APP_NO_MEMORY;
		data += n;
		len -= n;
		if (acc->len < 2)
			continue;
		want = 2u + be16(acc->at);
		if (acc->len < want)
			continue;
		if (want > 2)
			r = message(flow, to_server, acc->at + 2, want - 2);
		buf_drop(&flow->app->pool, acc);
	}
	return r;
}

static void dns_eof(struct app_flow *flow, bool to_server)
{
	(void)flow;
	(void)to_server;
}

static bool part(const struct dns_tx *tx, struct dns_part p, struct app_view *v)
{
	*v = (struct app_view){p.len ? tx->text.at + p.at : (const uint8_t *)"", p.len};
	return true;
}

static const struct dns_kept *kept(const struct buf *list, uint32_t index)
{
	const struct dns_kept *k = (const struct dns_kept *)(const void *)list->at;

	return index < list->len / sizeof(*k) ? k + index : NULL;
}

static bool dns_buffer(const struct app_tx *app, enum app_buffer which, bool to_server,
		       uint32_t index, struct app_view *view)
{
	const struct dns_tx *tx = (const struct dns_tx *)app;
	const struct dns_kept *k = kept(&tx->questions, index);

	(void)to_server;
	return which == APP_DNS_QUERY && k && part(tx, k->name, view);
}

static void dns_free_tx(struct pool *pool, struct app_tx *app)
{
	struct dns_tx *tx = (struct dns_tx *)app;

	buf_drop(pool, &tx->text);
	buf_drop(pool, &tx->questions);
	buf_drop(pool, &tx->records);
}

const struct app_parser dns_tcp_parser = {
	.open = dns_open,
	.close = dns_close,
	.data = dns_data,
	.eof = dns_eof,
	.buffer = dns_buffer,
	.free_tx = dns_free_tx,
};

void dns_tx_info(const struct app_tx *app, struct dns_info *info)
{
	const struct dns_tx *tx = (const struct dns_tx *)app;

	*info = (struct dns_info){
		.id = tx->id,
		.flags = tx->flags,
		.response = tx->flags & DNS_FLAG_QR,
		.opcode = tx->flags >> 11 & 0xf,
		.rcode = tx->flags & 0xf,
		.questions = (uint32_t)(tx->questions.len / sizeof(struct dns_kept)),
		.records = (uint32_t)(tx->records.len / sizeof(struct dns_kept)),
	};
}

bool dns_tx_question(const struct app_tx *app, uint32_t index, struct dns_question *q)
{
	const struct dns_tx *tx = (const struct dns_tx *)app;
	const struct dns_kept *k = kept(&tx->questions, index);

	if (!k)
		return false;
	q->type = k->type;
	q->class = k->class;
	return part(tx, k->name, &q->name);
}

bool dns_tx_record(const struct app_tx *app, uint32_t index, struct dns_record *r)
{
	const struct dns_tx *tx = (const struct dns_tx *)app;
	const struct dns_kept *k = kept(&tx->records, index);

	if (!k)
		return false;
	r->section = k->section;
	r->type = k->type;
	r->class = k->class;
	r->ttl = k->ttl;
	memcpy(r->number, k->number, sizeof(r->number));
	part(tx, k->data, &r->data);
	part(tx, k->mailbox, &r->mailbox);
	return part(tx, k->name, &r->name);
}
