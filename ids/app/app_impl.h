/* What app.c and the parsers share: the flow's state, and the calls between them. Only for ids/app.
 */
#pragma once

#include "ids/app/app.h"

#define APP_PROBE   32	 /* first octets kept until the protocol is known */
#define APP_HOLD    4096 /* octets kept of a direction that waits for the other to tell */
#define APP_TXS_MAX 64	 /* open transactions of one flow: then the oldest is told as it is */

/* What a parser says of the octets it was given. */
enum app_result {
	APP_OK,
	APP_STOP, /* no more of this flow is wanted: encrypted, another protocol */
	/* Another protocol begins, which is to be found out: flow->carry holds octets of it that
	 * were taken already, flow->left of this piece were not. */
	APP_CHANGE,
	APP_ERROR, /* cannot be followed */
	APP_NO_MEMORY,
	APP_LOST, /* a gap that cannot be passed over */
};

struct app_parser {
	/* Make and free the flow's state (flow->state); NULL: no memory. */
	void *(*open)(struct app_flow *flow);
	void (*close)(struct app_flow *flow);
	enum app_result (*data)(struct app_flow *flow, bool to_server, const uint8_t *data,
				uint32_t len);
	/* Octets missing; NULL: cannot be passed over. */
	enum app_result (*gap)(struct app_flow *flow, bool to_server, uint32_t len);
	void (*eof)(struct app_flow *flow, bool to_server);
	bool (*buffer)(const struct app_tx *tx, enum app_buffer which, bool to_server,
		       uint32_t index, struct app_view *view);
	void (*free_tx)(struct pool *pool, struct app_tx *tx);
	bool client_first; /* octets of the server before the client's first are not this protocol
			    */
};

extern const struct app_parser http_parser, dns_tcp_parser, tls_parser;

/* One direction while the protocol is not known. */
struct app_probe {
	struct buf held;
	uint8_t proto; /* enum app_proto: found here; APP_FAILED: none of ours */
	bool eof;
};

struct app_flow {
	struct app *app;
	void *owner;
	struct app_flow *next_free;
	const struct app_parser *parser; /* NULL: not known */
	void *state;
	struct app_tx *first, *last;
	uint64_t txs, now_ns;
	uint64_t events;
	struct buf carry; /* see APP_CHANGE */
	uint32_t left;
	uint32_t open_txs;
	uint16_t port[2]; /* of the receiver, by direction */
	uint8_t proto;
	uint8_t outer;	   /* the protocol before a change, which stays if nothing else is found */
	uint8_t first_dir; /* of the first octets */
	bool tcp, any, finished, reversed, carry_to_server;
	struct app_probe probe[2];
};

struct app {
	struct app_config config;
	struct app_stats stats;
	struct pool pool;
	struct app_flow *free;
	struct app_flow *flow; /* all of them */
};

/* A zeroed transaction of `size` octets, linked to the flow; NULL: no memory, or too many. */
struct app_tx *app_tx_new(struct app_flow *flow, enum app_proto proto, size_t size);
/* Unlink and free it. */
void app_tx_free(struct app_flow *flow, struct app_tx *tx);
/* Tell the consumer; `progress` is only ever raised. */
void app_tx_tell(struct app_flow *flow, struct app_tx *tx, bool to_server,
		 enum app_progress progress);

/* detect.c: what the first octets of a direction say. APP_UNKNOWN: more are needed; APP_FAILED:
 * none of ours. `more`: there may come more. */
enum app_proto detect_tcp(const uint8_t *data, uint32_t len, bool to_server, const uint16_t port[2],
			  bool more);
