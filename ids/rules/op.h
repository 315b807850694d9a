/* The operations a rule's conditions compile to.
 *
 * One const table, an entry per kind: name, check (is this record sound?), and one of two
 * functions: `packet` decides on the packet as a whole; `payload` looks into a buffer from a cursor
 * and goes on to the operations behind it, so that it can try another place when they fail. A
 * keyword is added by an entry here, one in keywords.c, and a file of its family.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ids/app/buffer.h"
#include "ids/flow/flow.h"
#include "ids/packet/packet.h"
#include "ids/rules/blob.h"

/* Numbers are part of the blob format: append only. */
enum op_kind {
	OP_CONTENT,
	OP_DSIZE,
	OP_ITYPE,
	OP_ICODE,
	OP_TTL,
	OP_FLOW,
	OP_PCRE,
	OP_BYTE_TEST,
	OP_BYTE_JUMP,
	OP_BYTE_EXTRACT,
	OP_BYTE_MATH,
	OP_ISDATAAT,
	OP_BSIZE,
	OP_BASE64_DECODE,
	OP_TRANSFORM,
	OP_KINDS
};

enum op_buffer { OP_BUFFER_PAYLOAD, OP_BUFFERS };

/* OP_CONTENT: arg 0 string offset, 1 length, 2 offset, 3 depth from the buffer's start (0: none),
 * 4 distance, 5 within (both signed). */
enum {
	CONTENT_STRING,
	CONTENT_LENGTH,
	CONTENT_OFFSET,
	CONTENT_DEPTH,
	CONTENT_DISTANCE,
	CONTENT_WITHIN
};
#define CONTENT_F_NOCASE	0x0001 /* the string is in lower case */
#define CONTENT_F_NEGATED	0x0002
#define CONTENT_F_DISTANCE	0x0004
#define CONTENT_F_WITHIN	0x0008
#define CONTENT_F_RELATIVE_NEXT 0x0010 /* the next content is relative to this one */
#define CONTENT_F_ENDS		0x0020
#define CONTENT_F_OFFSET_VAR	0x0040 /* the argument is a variable's index, likewise below; */
#define CONTENT_F_DEPTH_VAR	0x0080 /* with either of these depth counts from offset */
#define CONTENT_F_DISTANCE_VAR	0x0100
#define CONTENT_F_WITHIN_VAR	0x0200
#define CONTENT_F_ALL		0x03ff

/* OP_DSIZE, OP_ITYPE, OP_ICODE, OP_TTL: the value lies in [arg 0, arg 1]; NUMBER_F_NOT: outside. */
#define NUMBER_F_NOT 0x0001

/* OP_FLOW: arg 0 a mask of what must hold. */
#define FLOW_F_TO_SERVER       0x01
#define FLOW_F_TO_CLIENT       0x02
#define FLOW_F_ESTABLISHED     0x04
#define FLOW_F_NOT_ESTABLISHED 0x08
#define FLOW_F_NO_FRAG	       0x10
#define FLOW_F_ONLY_FRAG       0x20
#define FLOW_F_ALL	       0x3fu

#define INSPECT_VARS 16 /* of one rule: what byte_extract and byte_math set */

struct scratch;

/* A rule at work on a packet. */
struct inspect {
	const struct blob *blob;
	const struct packet *packet;
	const struct flow_ref *flow;
	const struct blob_op *end; /* behind the rule's last operation */
	const uint8_t *buffer;
	uint32_t buffer_len;
	uint64_t buffer_at;	 /* stream position of the buffer's first octet; 0 elsewhere */
	struct app_view base64;	 /* what base64_decode left: buffer APP_BASE64_DATA */
	struct scratch *scratch; /* of pcre, base64_decode and transforms */
	uint64_t var[INSPECT_VARS];
	uint32_t steps; /* taken so far */
};

#define INSPECT_MAX_STEPS   3000 /* as Suricata's inspection-recursion-limit */
#define INSPECT_STEP_OCTETS 256	 /* that are decoded or transformed count as a step */

enum inspect_result { INSPECT_NO, INSPECT_MATCH, INSPECT_LIMIT };

struct op {
	const char *name;
	/* NULL, or why the record is refused. */
	const char *(*check)(const struct blob *b, const struct blob_op *op);
	bool (*packet)(const struct inspect *in, const struct blob_op *op);
	enum inspect_result (*payload)(struct inspect *in, const struct blob_op *op,
				       uint32_t cursor);
};

extern const struct op ops[OP_KINDS];

/* The operations from `op` on, relative ones from `cursor` (an offset into the buffer). */
enum inspect_result inspect_from(struct inspect *in, const struct blob_op *op, uint32_t cursor);

/* All conditions of a rule behind its header. `in` has blob, packet and flow set. */
enum inspect_result inspect_rule(struct inspect *in, const struct blob_rule *rule);

/* The families' functions, for the table. */
const char *content_check(const struct blob *b, const struct blob_op *op);
enum inspect_result content_payload(struct inspect *in, const struct blob_op *op, uint32_t cursor);
const char *number_check(const struct blob *b, const struct blob_op *op);
bool dsize_packet(const struct inspect *in, const struct blob_op *op);
bool itype_packet(const struct inspect *in, const struct blob_op *op);
bool icode_packet(const struct inspect *in, const struct blob_op *op);
bool ttl_packet(const struct inspect *in, const struct blob_op *op);
const char *flow_check(const struct blob *b, const struct blob_op *op);
bool flow_packet(const struct inspect *in, const struct blob_op *op);
/* op_pcre.c, op_bytes.c, op_place.c, op_base64.c, op_transform.c */
#include "ids/rules/op_data.h"
