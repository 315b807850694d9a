/* What the rules look at: a packet, the octets of a stream, a transaction's buffers.
 *
 * For whoever calls the matcher (fills it in) and for the operations (read it). The buffers of a
 * transaction come from its parser through `struct rule_source`, so that ids/rules knows no parser.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ids/app/buffer.h"
#include "ids/flow/flow.h"
#include "ids/packet/packet.h"

/* Numbers of a transaction or flow that keywords compare. Part of the blob format: append only. */
enum rule_number {
	RULE_DNS_OPCODE,
	RULE_DNS_RCODE,
	RULE_DNS_RRTYPE,
	RULE_TLS_VERSION,   /* of the handshake, as on the wire: 0x0303 is TLS 1.2 */
	RULE_TLS_CHAIN_LEN, /* certificates sent */
	RULE_STREAM_CLIENT, /* octets of TCP payload from the client so far */
	RULE_STREAM_SERVER, /* likewise from the server */
	RULE_TLS_STATE,	    /* bits RULE_TLS_*_HELLO of what has come */
	RULE_NUMBERS
};

#define RULE_TLS_CLIENT_HELLO 0x01
#define RULE_TLS_SERVER_HELLO 0x02
#define RULE_TLS_CLIENT_KEYX  0x04
#define RULE_TLS_SERVER_KEYX  0x08

/* Kinds of events that rules ask for by number. Part of the blob format: append only. */
enum rule_event { RULE_EVENT_DECODE, RULE_EVENT_STREAM, RULE_EVENT_APP, RULE_EVENTS };

/* A transaction, as its parser shows it. Any of the functions may be NULL: has none of these. */
struct rule_source {
	void *ctx;
	/* The `index`-th buffer of that kind (0 unless APP_BUFFER_MANY). False: not there (yet).
	 * The view holds until the next call for the same flow. */
	bool (*buffer)(void *ctx, enum app_buffer which, unsigned index, struct app_view *view);
	/* False: not known. */
	bool (*number)(void *ctx, enum rule_number which, uint32_t *value);
	/* Is this event set? `event`: a number of its kind's table. */
	bool (*event)(void *ctx, enum rule_event kind, uint32_t event);
};

/* The process at the guest's end of the flow. */
struct rule_process {
	struct app_view name, path; /* `at` NULL: not known */
	uint32_t uid;
	bool has_uid;
	bool hidden; /* the guest does not list it */
};

struct look {
	const struct packet *packet;	    /* the one that brought what is looked at */
	const struct flow_ref *flow;	    /* never NULL */
	const struct rule_source *source;   /* NULL: none */
	const struct rule_process *process; /* NULL: not known */
	uint64_t now_ns;		    /* Unix time */
	enum app_proto proto;		    /* of the flow, as far as it is known */
	enum app_proto said;		    /* as found in this direction alone */
	bool detected;			    /* since the last packet of this direction */
	bool in_stream; /* the packet's payload has become part of the stream: it is looked at there
			 */
	/* For streams and transactions: the latest octets of the stream in this direction, and the
	 * stream position of their first. */
	struct app_view window;
	uint64_t window_at;
};
