#include "ids/rules/op.h"

const struct op ops[OP_KINDS] = {
	[OP_CONTENT] = {.name = "content", .check = content_check, .payload = content_payload},
	[OP_DSIZE] = {.name = "dsize", .check = number_check, .packet = dsize_packet},
	[OP_ITYPE] = {.name = "itype", .check = number_check, .packet = itype_packet},
	[OP_ICODE] = {.name = "icode", .check = number_check, .packet = icode_packet},
	[OP_TTL] = {.name = "ttl", .check = number_check, .packet = ttl_packet},
	[OP_FLOW] = {.name = "flow", .check = flow_check, .packet = flow_packet},
	[OP_PCRE] = {.name = "pcre", .check = pcre_check, .payload = pcre_payload},
	[OP_BYTE_TEST] = {"byte_test", .check = bytes_check, .payload = byte_test_payload},
	[OP_BYTE_JUMP] = {"byte_jump", .check = bytes_check, .payload = byte_jump_payload},
	[OP_BYTE_EXTRACT] = {"byte_extract", .check = bytes_check, .payload = byte_extract_payload},
	[OP_BYTE_MATH] = {"byte_math", .check = bytes_check, .payload = byte_math_payload},
	[OP_ISDATAAT] = {"isdataat", .check = isdataat_check, .payload = isdataat_payload},
	[OP_BSIZE] = {.name = "bsize", .check = number_check, .payload = bsize_payload},
	[OP_BASE64_DECODE] = {"base64_decode", .check = base64_check, .payload = base64_payload},
	[OP_TRANSFORM] = {"transform", .check = transform_check, .payload = transform_payload},
};

enum inspect_result inspect_from(struct inspect *in, const struct blob_op *op, uint32_t cursor)
{
	if (op == in->end)
		return INSPECT_MATCH;
	if (++in->steps > INSPECT_MAX_STEPS)
		return INSPECT_LIMIT;
	return ops[op->kind].payload(in, op, cursor);
}

enum inspect_result inspect_rule(struct inspect *in, const struct blob_rule *rule)
{
	const struct blob_op *op = in->blob->op + rule->op_first;

	in->end = op + rule->op_count;
	in->steps = 0;
	/* blob_open has seen to it that packet operations come first. */
	for (; op != in->end && ops[op->kind].packet; op++)
		if (!ops[op->kind].packet(in, op))
			return INSPECT_NO;
	if (op == in->end)
		return INSPECT_MATCH;
	in->buffer = in->packet->payload;
	in->buffer_len = in->packet->payload_len;
	in->buffer_at = 0;
	return inspect_from(in, op, 0);
}
