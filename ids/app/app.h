/* The application layer: which protocol a flow speaks, and its transactions with named buffers.
 *
 * For the engine (feeds it and is called back) and eve/ (tells of transactions). Octets come in
 * order in pieces of any size and are never looked at twice; how they were cut makes no difference
 * to transactions and buffers. Memory is taken once, by the caller; a flow for which there is none
 * is not parsed (counted). Single-threaded. Behaviour follows Suricata 7.
 */
#pragma once

#include "ids/app/buffer.h"
#include "ids/app/event.h"
#include "ids/app/pool.h"

#define APP_TO_CLIENT 0 /* indices of the two directions */
#define APP_TO_SERVER 1

/* How far one direction of a transaction is. What TLS and DNS have not is skipped. */
enum app_progress {
	APP_NOTHING,
	APP_LINE,     /* HTTP: request or status line; TLS: the hello */
	APP_HEADERS,  /* HTTP: header block; TLS: certificates */
	APP_BODY,     /* HTTP: part of the body */
	APP_COMPLETE, /* nothing more comes (a body may still grow by what did not belong there) */
};

struct app;
struct app_flow; /* the application layer of one flow */

/* What is common to the transactions of all protocols. */
struct app_tx {
	struct app_tx *next;
	uint64_t id;	     /* counts from 0 in the flow */
	uint64_t first_ns;   /* time given with the octets that began it */
	uint64_t events;     /* set of the protocol's events, see event.h */
	uint64_t done[2];    /* the consumer's: bits of buffers it has looked into, by direction */
	uint64_t user;	     /* the consumer's */
	uint8_t proto;	     /* enum app_proto */
	uint8_t progress[2]; /* enum app_progress, by direction */
	bool one_way;	     /* has only the direction `only` (DNS: a message is a transaction) */
	uint8_t only;
};

struct app_config {
	uint32_t flows;		/* flows parsed at the same time; 0: 1024 */
	uint32_t memory;	/* octets for transactions and buffers; 0: 8 MiB */
	uint32_t request_body;	/* octets of a request's body looked at; 0: 102,400 */
	uint32_t response_body; /* of a response's; 0: 102,400. At most POOL_MAX each */
	uint8_t decode_layers;	/* content codings taken off one over another; 0: 2 */
	void *ctx;		/* handed to tx */
	/* A transaction moved on in one direction: a new progress, a longer body, an event. Its
	 * buffers are valid in the call, and until the next call for the same flow. */
	void (*tx)(void *ctx, struct app_flow *flow, struct app_tx *tx, bool to_server);
};

struct app_stats {
	uint64_t flows;	       /* opened */
	uint64_t no_flow;      /* not parsed: all flow states in use */
	uint64_t no_memory;    /* given up: the pool was empty */
	uint64_t short_bodies; /* kept in part only, for the same reason */
	uint64_t errors;       /* given up: what came cannot be followed */
	uint64_t gaps;	       /* given up: octets missing where each counts */
	uint64_t tx[APP_PROTOS];
	uint64_t detected[APP_PROTOS];
};

/* Octets of memory for this configuration. */
uint64_t app_size(const struct app_config *config);
/* `memory`: app_size() octets, zeroed, aligned to 16; it holds all. */
struct app *app_create(void *memory, const struct app_config *config);
const struct app_stats *app_stats(const struct app *app);

/* A flow begins. `owner`: the consumer's. Ports: of client and server. NULL: none is free. */
struct app_flow *app_open(struct app *app, void *owner, bool tcp, uint16_t client_port,
			  uint16_t server_port);
void *app_owner(const struct app_flow *flow);
/* It ends; its transactions end with it: those that are not complete are told once more, as
 * complete. (So it is, too, where a flow finishes early.) NULL is allowed. */
void app_close(struct app_flow *flow);

#define APP_GAP 0x01 /* `len` octets are missing here; `data` is not looked at */
#define APP_EOF 0x02 /* the last of this direction (behind the octets of this call) */

/* The next octets of one direction of a TCP connection. */
void app_data(struct app_flow *flow, bool to_server, const uint8_t *data, uint32_t len,
	      unsigned flags, uint64_t now_ns);
/* A datagram of a UDP flow. */
void app_datagram(struct app_flow *flow, bool to_server, const uint8_t *data, uint32_t len,
		  uint64_t now_ns);

/* Protocol of the flow: APP_UNKNOWN while it is not decided, APP_FAILED if it is none of ours. */
enum app_proto app_flow_proto(const struct app_flow *flow);
/* As found in one direction alone (Suricata's app_proto_ts, app_proto_tc). */
enum app_proto app_flow_proto_of(const struct app_flow *flow, bool to_server);
/* No octets of this flow are wanted any more (they may still be given). */
bool app_flow_finished(const struct app_flow *flow);
/* A UDP flow whose first datagram was an answer: client and server are the other way round, and
 * callbacks say so. */
bool app_flow_reversed(const struct app_flow *flow);
/* Events of the flow (APP_EVENT_*) since this was asked last. */
uint64_t app_flow_events(struct app_flow *flow);
/* Transactions begun so far, and the oldest that is still there (NULL: none; then ->next). */
uint64_t app_flow_tx_count(const struct app_flow *flow);
struct app_tx *app_flow_txs(const struct app_flow *flow);

/* Buffer `which` of a transaction in one direction; of those there may be several of
 * (APP_BUFFER_MANY) the one number `index`, otherwise 0. False: not complete yet, or not there.
 * What grows (APP_BUFFER_GROWS) is given as far as it is. */
bool app_tx_buffer(const struct app_tx *tx, enum app_buffer which, bool to_server, uint32_t index,
		   struct app_view *view);
/* Has the direction come so far that the buffer is there, if it ever will be? */
bool app_tx_buffer_due(const struct app_tx *tx, enum app_buffer which, bool to_server);
/* Set of the events of its protocol. */
static inline uint64_t app_tx_events(const struct app_tx *tx)
{
	return tx->events;
}
