/* Conditions on the packet as a whole, for the table of operations. */
#pragma once

#include <stdbool.h>

struct blob;
struct blob_op;
struct inspect;

/* OP_FLOW: arg 0 a mask of what must hold. */
#define FLOW_F_TO_SERVER       0x01
#define FLOW_F_TO_CLIENT       0x02
#define FLOW_F_ESTABLISHED     0x04
#define FLOW_F_NOT_ESTABLISHED 0x08
#define FLOW_F_NO_FRAG	       0x10
#define FLOW_F_ONLY_FRAG       0x20
#define FLOW_F_ALL	       0x3fu

/* OP_FIELD: arg 2 says which number of the headers; arg 0 and 1 its range, as in all number
 * conditions. OP_BITS: likewise which, with the bits of interest and how they must be. Part of the
 * blob format: append only. */
enum packet_field {
	FIELD_SEQ,
	FIELD_ACK,
	FIELD_WINDOW,
	FIELD_MSS,
	FIELD_IP_ID,
	FIELD_TOS,
	FIELD_IP_PROTO,
	FIELD_FRAG_OFFSET, /* in units of eight octets, as on the wire */
	FIELD_ICMP_ID,
	FIELD_ICMP_SEQ,
	FIELD_ICMPV6_MTU,
	FIELD_TCP_FLAGS,
	FIELD_IP_FLAGS,	  /* IP_* */
	FIELD_IP_OPTIONS, /* IPOPT_* */
	PACKET_FIELDS
};

/* OP_BITS: arg 0 the bits wanted, arg 1 the bits looked at, arg 2 the field, arg 3: */
enum bits_mode { BITS_EXACT, BITS_ALL, BITS_ANY, BITS_NOT_ALL, BITS_MODES };

/* OP_STREAM_SIZE: arg 0 and 1 the range of octets seen, arg 2: of which side. */
enum stream_side { SIDE_SERVER, SIDE_CLIENT, SIDE_BOTH, SIDE_EITHER, SIDES };

/* OP_PROCESS: arg 2 says what; for the user id arg 0 and 1 are the range. */
enum process_is { PROCESS_HIDDEN, PROCESS_UNKNOWN, PROCESS_UID, PROCESS_KINDS };

bool dsize_packet(const struct inspect *in, const struct blob_op *op);
bool itype_packet(const struct inspect *in, const struct blob_op *op);
bool icode_packet(const struct inspect *in, const struct blob_op *op);
bool ttl_packet(const struct inspect *in, const struct blob_op *op);
const char *flow_check(const struct blob *b, const struct blob_op *op);
bool flow_packet(const struct inspect *in, const struct blob_op *op);
/* op_field.c */
const char *plain_check(const struct blob *b, const struct blob_op *op); /* takes no arguments */
const char *field_check(const struct blob *b, const struct blob_op *op);
bool field_packet(const struct inspect *in, const struct blob_op *op);
const char *bits_check(const struct blob *b, const struct blob_op *op);
bool bits_packet(const struct inspect *in, const struct blob_op *op);
bool sameip_packet(const struct inspect *in, const struct blob_op *op);
const char *stream_size_check(const struct blob *b, const struct blob_op *op);
bool stream_size_packet(const struct inspect *in, const struct blob_op *op);
/* op_process.c */
const char *process_check(const struct blob *b, const struct blob_op *op);
bool process_packet(const struct inspect *in, const struct blob_op *op);
