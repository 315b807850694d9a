/* Shared by engine.c and engine_*.c alone. */
#pragma once

#include "ids/app/app.h"
#include "ids/engine.h"
#include "ids/eve/alert.h"
#include "ids/flow/defrag.h"
#include "ids/flow/flow.h"
#include "ids/rules/matcher.h"

#define CONV_WINDOW 4096u	      /* latest octets of a direction that rules look into */
#define CONV_SLICE  (CONV_WINDOW / 2) /* taken at a time */

#define CONV_HELD 16u

/* One direction of a conversation. */
struct conv_side {
	struct matcher_stream rules;
	uint64_t at;  /* stream position of window[0] */
	uint32_t len; /* octets in the window */
	/* Matches on octets that a packet of the other direction has brought, by acknowledging
	 * them: told with the next packet of this one, as Suricata does. */
	uint32_t held_count;
	uint32_t held[CONV_HELD];
	bool held_tx[CONV_HELD], held_silent[CONV_HELD];
	uint8_t window[CONV_WINDOW];
};

/* What is kept of a flow beside the flow table's entry: the windows of its streams and its
 * application layer. From a fixed number of them; the one longest not used is given up. */
struct conv {
	struct flow *flow; /* NULL: free */
	struct conv *older, *newer;
	struct app_flow *app;	  /* NULL: none of ours, or no room */
	struct conv_side side[2]; /* APP_TO_CLIENT, APP_TO_SERVER */
};

/* What rules remember of a transaction. */
struct tx_rules {
	struct matcher_tx side[2];
	uint64_t events;       /* that were looked at */
	struct tx_rules *next; /* free */
};

/* The packet at work. `packet` is one made up where a flow ends without one, or where octets of the
 * other direction come to be looked at with it. */
struct turn {
	const struct packet *packet;
	struct flow_ref ref;
	uint64_t now_ns;
	struct stream_result stream;
	uint64_t app_events;	/* of the flow */
	struct matches matches; /* on packet and stream */
	enum ids_verdict verdict;
	bool made_up;
	bool detected; /* the protocol of its direction has been found since the last one */
};

/* Events written in the second `second`. */
struct limit {
	uint64_t second;
	uint32_t alerts, drops;
};

struct ids {
	struct ids_config config;
	struct eve *eve;
	struct ids_stats stats;
	struct blob blob;
	struct matcher matcher;
	struct flow_table flows;
	struct defrag defrag;
	struct streams streams;
	struct app *app;
	struct conv *conv, *oldest, *newest, *free_conv;
	struct conv datagram; /* of the datagram at work */
	struct tx_rules *free_tx, spare_tx;
	struct turn *turn;
	struct limit *limit;	 /* per rule */
	struct limit flow_limit; /* drop events of flows dropped before */
	bool rules;
};

/* --- engine_act.c --- */

/* The rules that matched, strongest first: alerts are told, the turn's verdict and the flow's fate
 * decided. `tx`: they matched on a transaction. */
void engine_act(struct ids *ids, const struct turn *turn_of, const struct matches *m, bool tx,
		enum ids_verdict *verdict);
/* A packet is dropped. `rule` NULL: `reason` says why. */
void engine_tell_drop(struct ids *ids, const struct turn *turn, const struct blob_rule *rule,
		      const char *reason);

/* --- engine_conv.c --- */

/* Memory for conversations. 0 or -ENOMEM. */
int conv_create(struct ids *ids, const struct ids_ops *ops);
/* A TCP packet of a flow, or a datagram: its octets to stream, application layer and rules. */
void conv_packet(struct ids *ids, struct turn *turn);
/* The flow is over: what waits is looked at. The flow table's callback; `ctx`: the engine. */
void conv_end(void *ctx, struct flow *flow);
/* The turn as it is for octets of this direction: the packet's own if it brought them, else with
 * `other`, which is filled in. */
struct turn conv_turn_for(const struct ids *ids, struct flow *f, bool to_server,
			  struct packet *other);
/* Act at once if the turn's packet brought what matched, or nothing more will come; else with the
 * next packet of that direction. */
void conv_act_or_hold(struct ids *ids, struct conv *c, const struct turn *turn,
		      const struct matches *m, bool tx);
/* What rules may ask of the turn's flow, beside buffers. */
struct rule_source conv_source(struct turn *turn);
/* As known by now. */
enum app_proto conv_proto(const struct flow *flow);
/* As found in one direction alone. */
enum app_proto conv_said(const struct flow *flow, bool to_server);

/* --- engine_tx.c --- */

/* Memory for what rules remember of transactions. 0 or -ENOMEM. */
int conv_create_tx(struct ids *ids, const struct ids_ops *ops, uint32_t convs);
/* The application layer's callback: a transaction moved on in one direction. `ctx`: the engine. */
void conv_on_tx(void *ctx, struct app_flow *app, struct app_tx *tx, bool to_server);
