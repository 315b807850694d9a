/* The compiled rules: one position-independent block of bytes, made by vigilc, checked by
 * blob_open.
 *
 * For the compiler (writes it) and the matcher (reads it). Little-endian, 8-byte aligned sections,
 * every reference an index or offset that blob_open has checked. Version and CRC-32C guard against
 * another format and against damage; the structural check guards against everything else: after
 * blob_open no content of a blob can make the matcher read outside of it or loop.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ids/app/buffer.h"
#include "ids/rules/blob_policy.h"

#define BLOB_MAGIC   0x31425256u /* "VRB1" */
#define BLOB_VERSION 3u
#define BLOB_NONE    0xffffffffu /* no set (any), no pattern */

#define BLOB_MAX_SIZE	 (256u << 20)
#define BLOB_MAX_OPS	 128 /* of one rule: bounds the matcher's recursion */
#define BLOB_MAX_CONTENT 2048
#define BLOB_MAX_PATTERN 32 /* octets of a fast pattern that go into the automaton */

enum blob_section {
	BLOB_RULES,	    /* struct blob_rule, in the order of evaluation */
	BLOB_OPS,	    /* struct blob_op */
	BLOB_STRINGS,	    /* bytes */
	BLOB_META,	    /* struct blob_meta */
	BLOB_ADDRESS_SETS,  /* struct blob_address_set */
	BLOB_ADDRESS4,	    /* struct blob_range4, sorted and disjoint within a set */
	BLOB_ADDRESS6,	    /* struct blob_range6, likewise */
	BLOB_PORT_SETS,	    /* struct blob_port_set */
	BLOB_PORTS,	    /* struct blob_port_range, sorted and disjoint within a set */
	BLOB_GROUPS,	    /* struct blob_list per enum blob_group: rules without fast pattern */
	BLOB_GROUP_RULES,   /* uint32_t rule indices */
	BLOB_MPM,	    /* struct blob_mpm: the automata */
	BLOB_MPM_ROOT,	    /* uint32_t[256] of each: next state of its state 0 by octet */
	BLOB_MPM_STATES,    /* struct blob_state, breadth first; each automaton's together */
	BLOB_MPM_EDGES,	    /* uint32_t: next state << 8 | octet, sorted by octet within a state */
	BLOB_PATTERNS,	    /* struct blob_list into BLOB_PATTERN_RULES */
	BLOB_PATTERN_RULES, /* uint32_t rule indices */
	BLOB_POLICY,	    /* struct blob_policy, none or one */
	BLOB_POLICY_LINES,  /* struct blob_policy_line, in the order of the configuration */
	BLOB_POLICY_CONDITIONS, /* struct blob_policy_cond */
	BLOB_POLICY_OPERANDS,	/* union blob_policy_value */
	BLOB_SECTIONS
};

struct blob_header {
	uint32_t magic, version;
	uint32_t size;				 /* of the whole blob, bytes */
	uint32_t crc;				 /* CRC-32C of everything, with this field as 0 */
	struct blob_span section[BLOB_SECTIONS]; /* from the blob's start */
};

struct blob_list {
	uint32_t first, count;
};

/* In order of precedence. */
enum blob_action { BLOB_PASS, BLOB_DROP, BLOB_REJECT, BLOB_ALERT, BLOB_ACTIONS };

/* blob_rule.reject: whom a reject rule tells that the connection is over. */
#define BLOB_REJECT_SRC	 0x01
#define BLOB_REJECT_DST	 0x02
#define BLOB_REJECT_BOTH 0x03

/* Protocol classes; a rule has a mask of them. */
enum blob_class {
	BLOB_CLASS_TCP,
	BLOB_CLASS_UDP,
	BLOB_CLASS_ICMP4,
	BLOB_CLASS_ICMP6,
	BLOB_CLASS_OTHER, /* every other protocol over IP */
	BLOB_CLASSES
};

/* Lists of rules without fast pattern: for packets one per class, one for streams, for transactions
 * one per application protocol. */
enum blob_group {
	BLOB_GROUP_PACKET,
	BLOB_GROUP_STREAM = BLOB_GROUP_PACKET + BLOB_CLASSES,
	BLOB_GROUP_TX,
	BLOB_GROUP_COUNT = BLOB_GROUP_TX + APP_PROTOS
};

/* What an automaton looks through. */
enum blob_look { BLOB_LOOK_PACKET, BLOB_LOOK_STREAM, BLOB_LOOK_TX, BLOB_LOOKS };

#define BLOB_TO_SERVER 0
#define BLOB_TO_CLIENT 1

struct blob_mpm {
	uint8_t look;	   /* enum blob_look */
	uint8_t direction; /* BLOB_TO_*; a packet without flow counts as to the server */
	uint8_t of;	   /* packet: enum blob_class; stream: 0; transaction: enum app_buffer */
	uint8_t zero;
	uint32_t state_first, state_count; /* at least one; links and edges count from its first */
};

#define BLOB_MAX_MPM (2 * (BLOB_CLASSES + 1 + APP_BUFFERS))

#define BLOB_RULE_BOTH_WAYS 0x0001 /* <> */
#define BLOB_RULE_NOALERT   0x0002
#define BLOB_RULE_IP_ONLY                                                                          \
	0x0004 /* looked at once per direction of a flow; action holds for the flow */
#define BLOB_RULE_FLOW	    0x0008 /* looked at for each packet; action holds for the flow */
#define BLOB_RULE_STREAM    0x0010 /* has payload ops on a TCP stream; action holds for the flow */
#define BLOB_RULE_PAYLOAD   0x0020 /* needs a payload */
/* Where it is looked at; at least one of PACKET, STREAM and TX. */
#define BLOB_RULE_PACKET    0x0040
#define BLOB_RULE_TX	    0x0080 /* looked at for each transaction */
#define BLOB_RULE_TO_SERVER 0x0100 /* only what the client sends */
#define BLOB_RULE_TO_CLIENT 0x0200 /* only what the server sends */
#define BLOB_RULE_ALWAYS    0x0400 /* has no fast pattern: stands in a list */
#define BLOB_RULE_DECODE    0x0800 /* asks what is wrong with the packet: even without IP */
#define BLOB_RULE_PLACE	    0x1000 /* of a stream rule: looked at in each segment by itself as well */
#define BLOB_RULE_DETECTED  0x2000 /* only when the flow's protocol has just been found */
#define BLOB_RULE_FLAGS	    0x3fff

struct blob_rule {
	uint32_t sid, gid, rev;
	uint8_t action;	    /* enum blob_action */
	uint8_t classes;    /* mask of 1 << enum blob_class */
	uint8_t ip_version; /* 4, 6, or 0 for both */
	uint8_t priority;   /* 1 to 255, EVE's severity */
	uint16_t flags;	    /* BLOB_RULE_* */
	uint16_t op_count;
	uint32_t op_first;
	uint32_t src, dst;		/* address sets or BLOB_NONE */
	uint32_t sport, dport;		/* port sets or BLOB_NONE */
	struct blob_span msg, category; /* offsets within BLOB_STRINGS */
	struct blob_list meta;
	uint64_t buffers; /* bits 1 << enum app_buffer: a transaction's that it looks into */
	uint8_t protos;	  /* bits 1 << enum app_proto that the flow must speak; 0: any */
	uint8_t reject;	  /* BLOB_REJECT_* if that is the action, else 0 */
	uint8_t zero[6];
};

_Static_assert(APP_BUFFERS <= 64, "buffers of a rule are a mask");
_Static_assert(APP_PROTOS <= 8, "protocols of a rule are a mask");

/* A rule's operations are in this order: those on the packet as a whole, those that look into
 * buffers, group by group, and those that take effect when all others hold. */
#define BLOB_OP_GROUP 0x80 /* in blob_op.buffer: a group begins here, with a cursor of 0 */

struct blob_op {
	uint8_t kind;	/* enum op_kind */
	uint8_t buffer; /* enum app_buffer, and BLOB_OP_GROUP */
	uint16_t flags;
	uint32_t arg[7];
};

struct blob_meta {
	struct blob_span key, value;
};

struct blob_address_set {
	struct blob_list v4, v6;
};

struct blob_range4 {
	uint32_t low, high; /* host order */
};

struct blob_range6 {
	uint8_t low[16], high[16];
};

struct blob_port_set {
	struct blob_list ranges;
};

struct blob_port_range {
	uint16_t low, high;
};

/* A state of the Aho-Corasick automaton over lower-cased octets. */
struct blob_state {
	uint32_t fail; /* state of the longest proper suffix; shallower */
	uint32_t edge_first;
	uint16_t edge_count;
	uint16_t depth;
	uint32_t pattern; /* ends here, or BLOB_NONE */
	uint32_t dict;	  /* nearest shallower state on the fail path with a pattern, 0: none */
};

/* A checked blob: typed views. */
struct blob {
	const struct blob_rule *rule;
	const struct blob_op *op;
	const uint8_t *string;
	const struct blob_meta *meta;
	const struct blob_address_set *address_set;
	const struct blob_range4 *address4;
	const struct blob_range6 *address6;
	const struct blob_port_set *port_set;
	const struct blob_port_range *port;
	const struct blob_list *group;
	const uint32_t *group_rule;
	const struct blob_mpm *mpm;
	const uint32_t *mpm_root;
	const struct blob_state *state;
	const uint32_t *edge;
	const struct blob_list *pattern;
	const uint32_t *pattern_rule;
	const struct blob_policy *policy;
	const struct blob_policy_line *policy_line;
	const struct blob_policy_cond *policy_cond;
	const union blob_policy_value *policy_value;
	uint32_t count[BLOB_SECTIONS]; /* elements of each section */
};

/* Check all of it and set the views. NULL, or the reason of refusal (a constant sentence). `data`
 * must be 8-byte aligned and stay unchanged while the views are used. */
const char *blob_open(struct blob *b, const void *data, size_t len);

/* CRC-32C (Castagnoli, reflected 0x82f63b78), continued from `crc` (0 to start). */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

/* The CRC a blob's header must hold: its crc field counts as 0. `len` >= sizeof(struct
 * blob_header). */
uint32_t blob_crc(const void *data, size_t len);
