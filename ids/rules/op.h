/* The operations a rule's conditions compile to.
 *
 * One const table, an entry per kind: name, check (is this record sound?), and one of three
 * functions: `packet` decides on the packet (flow, transaction) as a whole; `payload` looks into a
 * buffer from a cursor and goes on to the operations behind it, so that it can try another place
 * when they fail; `effect` is done when the whole rule matches. A keyword is added by an entry
 * here, one in keywords.c, and a file of its family.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ids/rules/blob.h"
#include "ids/rules/look.h"
#include "ids/rules/op_packet.h"
#include "ids/rules/op_state.h"

struct rule_state;

/* Numbers are part of the blob format: append only. */
enum op_kind {
	OP_CONTENT,
	OP_DSIZE,
	OP_ITYPE,
	OP_ICODE,
	OP_TTL,
	OP_FLOW,
	OP_BUFFER_LENGTH,
	OP_NUMBER,
	OP_EVENT,
	OP_APP_PROTOCOL,
	OP_FIELD,
	OP_BITS,
	OP_SAMEIP,
	OP_STREAM_SIZE,
	OP_PROCESS,
	OP_BITS_TEST,
	OP_BITS_SET,
	OP_FLOWINT,
	OP_THRESHOLD,
	OP_TAG,
	OP_PCRE,
	OP_BYTE_TEST,
	OP_BYTE_JUMP,
	OP_BYTE_EXTRACT,
	OP_BYTE_MATH,
	OP_ISDATAAT,
	OP_BASE64_DECODE,
	OP_TRANSFORM,
	OP_KINDS
};

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

/* Number conditions: the value lies in [arg 0, arg 1]; NUMBER_F_NOT: outside. OP_NUMBER: arg 2 is
 * enum rule_number. */
#define NUMBER_F_NOT  0x0001
#define NUMBER_F_BITS 0x0002 /* OP_NUMBER: the value has one of the bits of arg 0 */

#define INSPECT_VARS 16 /* of one rule: what byte_extract and byte_math set */

struct scratch;

/* A rule at work. */
struct inspect {
	const struct blob *blob;
	const struct look *look;
	const struct packet *packet;
	const struct flow_ref *flow;
	struct rule_state *state; /* bits and counters; NULL: none are kept */
	uint32_t rule;		  /* its index */
	bool in_stream;		  /* APP_PAYLOAD is the stream's window, not the packet's payload */
	const struct blob_op *end; /* behind the group's last operation */
	const uint8_t *buffer;
	uint32_t buffer_len;
	uint64_t buffer_at;	 /* stream position of the buffer's first octet; 0 elsewhere */
	struct app_view base64;	 /* what base64_decode left: buffer APP_BASE64_DATA */
	struct scratch *scratch; /* of pcre, base64_decode and transforms */
	uint64_t var[INSPECT_VARS];
	uint32_t steps; /* taken so far */
	uint8_t alert;	/* enum effect, once the rule matched */
};

#define INSPECT_MAX_STEPS   3000 /* as Suricata's inspection-recursion-limit */
#define INSPECT_STEP_OCTETS 256	 /* that are decoded or transformed count as a step */

/* What an effect leaves: no match, a match without alert or action, the action alone, or all. */
enum effect { EFFECT_NO, EFFECT_NOTHING, EFFECT_SILENT, EFFECT_ALERT };

enum inspect_result { INSPECT_NO, INSPECT_MATCH, INSPECT_LIMIT };

struct op {
	const char *name;
	/* NULL, or why the record is refused. */
	const char *(*check)(const struct blob *b, const struct blob_op *op);
	bool (*packet)(const struct inspect *in, const struct blob_op *op);
	enum inspect_result (*payload)(struct inspect *in, const struct blob_op *op,
				       uint32_t cursor);
	enum effect (*effect)(const struct inspect *in, const struct blob_op *op);
	bool remembers; /* needs in->state */
};

extern const struct op ops[OP_KINDS];

/* The operations from `op` on, relative ones from `cursor` (an offset into the buffer). */
enum inspect_result inspect_from(struct inspect *in, const struct blob_op *op, uint32_t cursor);

/* All conditions of a rule behind its header, and its effects if they hold (then in->alert is set).
 * `in` has blob, look, packet, flow, state, rule and in_stream set. */
enum inspect_result inspect_rule(struct inspect *in, const struct blob_rule *rule);

/* Point `in` at the `index`-th buffer of that kind; false: not there. */
bool inspect_buffer(struct inspect *in, enum app_buffer which, unsigned index);

/* Does `value` fulfil a number condition? And is the record one? */
bool number_holds(const struct blob_op *op, uint32_t value);
const char *number_check(const struct blob *b, const struct blob_op *op);

/* op_content.c */
const char *content_check(const struct blob *b, const struct blob_op *op);
enum inspect_result content_payload(struct inspect *in, const struct blob_op *op, uint32_t cursor);
/* op_buffer.c: conditions on buffers and transactions as a whole */
enum inspect_result length_payload(struct inspect *in, const struct blob_op *op, uint32_t cursor);
const char *source_number_check(const struct blob *b, const struct blob_op *op);
bool source_number_packet(const struct inspect *in, const struct blob_op *op);
const char *event_check(const struct blob *b, const struct blob_op *op);
bool event_packet(const struct inspect *in, const struct blob_op *op);
const char *app_protocol_check(const struct blob *b, const struct blob_op *op);
bool app_protocol_packet(const struct inspect *in, const struct blob_op *op);
/* op_state.c */
const char *bits_names_check(const struct blob *b, const struct blob_op *op);
bool bits_test_packet(const struct inspect *in, const struct blob_op *op);
enum effect bits_set_effect(const struct inspect *in, const struct blob_op *op);
const char *flowint_check(const struct blob *b, const struct blob_op *op);
enum effect flowint_effect(const struct inspect *in, const struct blob_op *op);
/* op_threshold.c */
const char *threshold_check(const struct blob *b, const struct blob_op *op);
enum effect threshold_effect(const struct inspect *in, const struct blob_op *op);
const char *tag_check(const struct blob *b, const struct blob_op *op);
enum effect tag_effect(const struct inspect *in, const struct blob_op *op);
/* Is the packet one that a tag asked to be told? Takes it off the tag's rest: call once a packet.
 */
bool tag_applies(struct rule_state *s, const struct look *look);
/* op_pcre.c, op_bytes.c, op_place.c, op_base64.c, op_transform.c */
#include "ids/rules/op_data.h"
