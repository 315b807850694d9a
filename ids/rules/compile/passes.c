#include <ctype.h>
#include <string.h>

#include "ids/rules/compile/keywords.h"
#include "ids/rules/compile/passes.h"

static bool on_buffer(const struct rule_op *o)
{
	return ops[o->op.kind].payload != NULL;
}

static bool of_transaction(uint8_t buffer)
{
	return !(app_buffers[buffer].flags & APP_BUFFER_PACKET);
}

uint64_t passes_buffers(const struct rule *r)
{
	uint64_t buffers = 0;

	for (size_t i = 0; i < r->op_count; i++)
		if (on_buffer(&r->op[i]) && of_transaction(r->op[i].op.buffer))
			buffers |= 1ull << r->op[i].op.buffer;
	return buffers;
}

static bool on_payload(const struct rule *r)
{
	for (size_t i = 0; i < r->op_count; i++)
		if (on_buffer(&r->op[i]) && r->op[i].op.buffer == APP_PAYLOAD)
			return true;
	return false;
}

/* Conditions on the headers of one packet. */
static bool on_headers(const struct rule_op *o)
{
	switch (o->op.kind) {
	case OP_DSIZE:
	case OP_ITYPE:
	case OP_ICODE:
	case OP_TTL:
	case OP_FIELD:
	case OP_BITS:
	case OP_SAMEIP:
	case OP_STREAM_SIZE:
		return true;
	}
	return false;
}

static bool has_headers(const struct rule *r)
{
	for (size_t i = 0; i < r->op_count; i++)
		if (on_headers(&r->op[i]))
			return true;
	return false;
}

/* A content with a place counted from the beginning is meant for each packet, too (Suricata). */
static bool has_place(const struct rule *r)
{
	for (size_t i = 0; i < r->op_count; i++) {
		const struct rule_op *o = &r->op[i];

		if (o->op.kind == OP_CONTENT && o->op.buffer == APP_PAYLOAD &&
		    (o->op.arg[CONTENT_OFFSET] || o->op.arg[CONTENT_DEPTH] ||
		     o->op.flags & (CONTENT_F_OFFSET_VAR | CONTENT_F_DEPTH_VAR)))
			return true;
	}
	return false;
}

static uint16_t looks(const struct rule *r)
{
	const uint8_t tcp = 1u << BLOB_CLASS_TCP;
	bool payload = on_payload(r);

	if (passes_buffers(r) || r->transactions)
		return BLOB_RULE_TX | (payload ? BLOB_RULE_PAYLOAD : 0);
	if (!payload)
		return BLOB_RULE_PACKET;
	/* The payload beside conditions on headers is that packet's. */
	if (!(r->classes & tcp) || r->packets_only || (has_headers(r) && !r->stream_only))
		return BLOB_RULE_PACKET | BLOB_RULE_PAYLOAD;
	if (r->stream_only || (r->classes == tcp && !has_place(r)))
		return BLOB_RULE_STREAM | BLOB_RULE_PAYLOAD;
	return BLOB_RULE_STREAM | BLOB_RULE_PACKET | BLOB_RULE_PAYLOAD |
	       (has_place(r) ? BLOB_RULE_PLACE : 0);
}

/* Asks for nothing but the flow's protocol (Suricata's type "PD only"). */
static bool on_detection(const struct rule *r)
{
	for (size_t i = 0; i < r->op_count; i++)
		if (r->op[i].op.kind != OP_APP_PROTOCOL && !ops[r->op[i].op.kind].effect)
			return false;
	for (size_t i = 0; i < r->op_count; i++)
		if (r->op[i].op.kind == OP_APP_PROTOCOL)
			return !r->protos;
	return false;
}

/* The directions that the rule leaves: what its flow keyword says, and where its buffers are. */
static uint16_t directions(const struct rule *r)
{
	const uint8_t both = APP_BUFFER_TO_SERVER | APP_BUFFER_TO_CLIENT;
	uint8_t left = both;

	if (r->to_server)
		left &= APP_BUFFER_TO_SERVER;
	if (r->to_client)
		left &= APP_BUFFER_TO_CLIENT;
	for (size_t i = 0; i < r->op_count; i++) {
		const struct blob_op *op = &r->op[i].op;

		if (op->kind == OP_FLOW && op->arg[0] & FLOW_F_TO_SERVER)
			left &= APP_BUFFER_TO_SERVER;
		else if (op->kind == OP_FLOW && op->arg[0] & FLOW_F_TO_CLIENT)
			left &= APP_BUFFER_TO_CLIENT;
		else if (on_buffer(&r->op[i]))
			left &= app_buffers[op->buffer].flags;
	}
	return left == both		      ? 0
	       : left == APP_BUFFER_TO_SERVER ? BLOB_RULE_TO_SERVER
	       : left == APP_BUFFER_TO_CLIENT ? BLOB_RULE_TO_CLIENT
					      : BLOB_RULE_TO_SERVER | BLOB_RULE_TO_CLIENT;
}

uint16_t passes_flags(const struct rule *r)
{
	return looks(r) | directions(r) | (on_detection(r) ? BLOB_RULE_DETECTED : 0);
}

bool passes_check(struct parse *p)
{
	const uint16_t both = BLOB_RULE_TO_SERVER | BLOB_RULE_TO_CLIENT;
	struct rule *r = p->rule;

	if ((directions(r) & both) == both)
		return refuse(p, "conditions that only requests and that only responses have");
	if ((looks(r) & BLOB_RULE_TX) && r->packets_only)
		return refuse(p, "conditions on packets alone, and on transactions");
	if (r->packets_only && r->stream_only)
		return refuse(p, "conditions on packets alone, and on streams alone");
	if (r->protos >> APP_DNS & 1) {
		if (!(r->classes & (1u << BLOB_CLASS_TCP | 1u << BLOB_CLASS_UDP)))
			return refuse(p, "conditions on DNS in a rule for another protocol");
	} else if (r->protos && !(r->classes & 1u << BLOB_CLASS_TCP)) {
		return refuse(p, "conditions on a TCP application in a rule for another protocol");
	}
	return true;
}

/* --- the fast pattern ---------------------------------------------------------------------------
 */

/* Suricata looks for the best content in the buffers of the best rank that have any. */
static unsigned rank(uint8_t buffer)
{
	switch (buffer) {
	case APP_HTTP_METHOD:
	case APP_HTTP_STAT_CODE:
		return 4;
	case APP_PAYLOAD:
	case APP_HTTP_STAT_MSG:
		return 3;
	}
	return 2;
}

/* How rare it may be: letters are common, other text less, the rest least; what has been there
 * before in the same content says little. */
static unsigned strength(const uint8_t *text, size_t len)
{
	bool seen[256] = {false};
	unsigned sum = 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t c = text[i];

		if (seen[c])
			sum += 1;
		else if (isalpha(c))
			sum += 3;
		else if (isprint(c) || c == 0 || c == 1 || c == 0xff)
			sum += 4;
		else
			sum += 6;
		seen[c] = true;
	}
	return sum;
}

/* What the buffer must hold, however it was transformed. Case makes no difference; a dot of
 * dotprefix can be no more than the content's first octet. */
void passes_fast_part(const struct rule_op *o, uint32_t *from, uint32_t *len)
{
	uint32_t end =
		o->fast_len ? (uint32_t)o->fast_from + o->fast_len : o->op.arg[CONTENT_LENGTH];

	*from = o->fast_from > o->transform.dots ? o->fast_from : o->transform.dots;
	*len = *from < end ? end - *from : 0;
}

static bool may_be_fast(const struct rule *r, const struct rule_op *o)
{
	uint32_t from, len;

	if (o->op.kind != OP_CONTENT || (o->op.flags & CONTENT_F_NEGATED) || o->transform.opaque)
		return false;
	passes_fast_part(o, &from, &len);
	if (!len)
		return false;
	/* The payload of a rule on transactions is looked at only when these call for it. */
	if (looks(r) & BLOB_RULE_TX)
		return of_transaction(o->op.buffer);
	return o->op.buffer == APP_PAYLOAD;
}

static bool better(const struct rule_op *a, const struct rule_op *b)
{
	uint32_t len_a = a->op.arg[CONTENT_LENGTH], len_b = b->op.arg[CONTENT_LENGTH];

	if (rank(a->op.buffer) != rank(b->op.buffer))
		return rank(a->op.buffer) < rank(b->op.buffer);
	if (len_a != len_b)
		return len_a > len_b;
	return strength(a->bytes, len_a) > strength(b->bytes, len_b);
}

const struct rule_op *passes_fast_content(const struct rule *r)
{
	const struct rule_op *best = NULL;

	for (size_t i = 0; i < r->op_count; i++) {
		const struct rule_op *o = &r->op[i];

		if (!may_be_fast(r, o))
			continue;
		if (o->fast)
			return o;
		if (!best || better(o, best))
			best = o;
	}
	return best;
}
