/* The flow table: who began, how far a connection is, what was decided for all of it.
 *
 * For the engine. Fixed memory: sets of FLOW_WAYS entries; a full set gives up its least recently
 * seen entry (counted), so a flood cannot grow it. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ids/flow/stream.h"
#include "ids/packet/packet.h"

#define FLOW_WAYS 8

enum flow_action { FLOW_INSPECT, FLOW_PASS, FLOW_DROP };

struct flow_key {
	uint8_t client[16], server[16]; /* the client sent the first packet seen */
	uint16_t cp, sp;
	uint16_t vlan[2];
	uint8_t proto, ip_version;
	uint8_t depth; /* tunnels around it: inside is another network */
};

struct conv;

struct flow {
	struct flow_key key;
	uint64_t id;		    /* nonzero, 51 bits (exact in a double, as JSON readers use) */
	uint64_t first_ns, last_ns; /* 0: entry free */
	bool to_server_seen, to_client_seen;
	bool established;
	enum flow_action action;
	struct stream tcp; /* for stream.c */
	/* The engine's. */
	struct conv *conv;
	uint8_t app_proto;   /* enum app_proto, once it is known for good */
	uint8_t app_said[2]; /* ... in each direction */
	bool app_found[2];   /* just now: no packet of that direction has come since */
	bool heard;	     /* no application layer of ours in it */
	bool unheard;	     /* given up for others */
};

/* How a packet stands to its flow. */
struct flow_ref {
	struct flow *flow; /* NULL: none (fragment, no flow for this protocol) */
	bool to_server;
	bool first;	  /* first packet of its direction */
	bool established; /* the flow was established before this packet (UDP: or by it) */
};

struct flow_table {
	struct flow *slot;
	uint32_t sets; /* a power of two */
	uint64_t seed;
	uint64_t created;
	uint32_t next;	/* entry that flow_table_expire looks at next */
	bool midstream; /* a TCP flow met without its SYN counts as established */
	/* stream_take() is called with each TCP packet of a flow, and says how far it is. NULL: no
	 * TCP is established. */
	struct streams *streams;
	/* A flow is over, its entry about to be used for another; may be NULL. */
	void (*ended)(void *ctx, struct flow *f);
	void *ctx;
};

/* Bytes of slot memory for `entries` (rounded up to a power of two of at least FLOW_WAYS). */
uint64_t flow_table_size(uint32_t entries);
void flow_table_init(struct flow_table *t, void *memory, uint32_t entries, uint64_t seed);

/* Find or make the packet's flow and take the packet into it. */
struct flow_ref flow_update(struct flow_table *t, const struct packet *p, uint64_t now_ns,
			    struct ids_stats *stats);

/* End flows that are idle, among the next `entries` of the table: each call goes on where the last
 * one stopped. */
void flow_table_expire(struct flow_table *t, uint64_t now_ns, uint32_t entries);
/* End all flows. */
void flow_table_end(struct flow_table *t);
