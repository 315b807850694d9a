#include "ids/rules/op.h"

const struct op ops[OP_KINDS] = {
	[OP_CONTENT] = {.name = "content", .check = content_check, .payload = content_payload},
	[OP_DSIZE] = {.name = "dsize", .check = number_check, .packet = dsize_packet},
	[OP_ITYPE] = {.name = "itype", .check = number_check, .packet = itype_packet},
	[OP_ICODE] = {.name = "icode", .check = number_check, .packet = icode_packet},
	[OP_TTL] = {.name = "ttl", .check = number_check, .packet = ttl_packet},
	[OP_FLOW] = {.name = "flow", .check = flow_check, .packet = flow_packet},
	[OP_BUFFER_LENGTH] = {.name = "length", .check = number_check, .payload = length_payload},
	[OP_NUMBER] = {.name = "number",
		       .check = source_number_check,
		       .packet = source_number_packet},
	[OP_EVENT] = {.name = "event", .check = event_check, .packet = event_packet},
	[OP_APP_PROTOCOL] = {.name = "app-layer-protocol",
			     .check = app_protocol_check,
			     .packet = app_protocol_packet},
	[OP_FIELD] = {.name = "field", .check = field_check, .packet = field_packet},
	[OP_BITS] = {.name = "bits", .check = bits_check, .packet = bits_packet},
	[OP_SAMEIP] = {.name = "sameip", .check = plain_check, .packet = sameip_packet},
	[OP_STREAM_SIZE] = {.name = "stream_size",
			    .check = stream_size_check,
			    .packet = stream_size_packet},
	[OP_BITS_TEST] = {.name = "bits",
			  .check = bits_names_check,
			  .packet = bits_test_packet,
			  .remembers = true},
	[OP_BITS_SET] = {.name = "bits",
			 .check = bits_names_check,
			 .effect = bits_set_effect,
			 .remembers = true},
	[OP_FLOWINT] = {.name = "flowint",
			.check = flowint_check,
			.effect = flowint_effect,
			.remembers = true},
	[OP_THRESHOLD] = {.name = "threshold",
			  .check = threshold_check,
			  .effect = threshold_effect,
			  .remembers = true},
	[OP_TAG] = {.name = "tag", .check = tag_check, .effect = tag_effect, .remembers = true},
	[OP_PROCESS] = {.name = "process", .check = process_check, .packet = process_packet},
	[OP_PCRE] = {.name = "pcre", .check = pcre_check, .payload = pcre_payload},
	[OP_BYTE_TEST] = {"byte_test", .check = bytes_check, .payload = byte_test_payload},
	[OP_BYTE_JUMP] = {"byte_jump", .check = bytes_check, .payload = byte_jump_payload},
	[OP_BYTE_EXTRACT] = {"byte_extract", .check = bytes_check, .payload = byte_extract_payload},
	[OP_BYTE_MATH] = {"byte_math", .check = bytes_check, .payload = byte_math_payload},
	[OP_ISDATAAT] = {"isdataat", .check = isdataat_check, .payload = isdataat_payload},
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

/* A group's operations on one buffer. */
static enum inspect_result inspect_group(struct inspect *in, const struct blob_op *op,
					 enum app_buffer which)
{
	unsigned index = 0;

	/* Each of several by itself: one of them must do for the whole group. */
	do {
		enum inspect_result r;

		if (!inspect_buffer(in, which, index))
			return INSPECT_NO;
		r = inspect_from(in, op, 0);
		if (r != INSPECT_NO)
			return r;
		/* So that a source without an end does not keep us. */
		if (++in->steps > INSPECT_MAX_STEPS)
			return INSPECT_LIMIT;
		index++;
	} while (app_buffers[which].flags & APP_BUFFER_MANY);
	return INSPECT_NO;
}

static enum inspect_result take_effect(struct inspect *in, const struct blob_op *op,
				       const struct blob_op *end)
{
	in->alert = EFFECT_ALERT;
	for (; op != end; op++) {
		enum effect effect = ops[op->kind].effect(in, op);

		if (effect == EFFECT_NO)
			return INSPECT_NO;
		if (effect < in->alert)
			in->alert = (uint8_t)effect;
	}
	return INSPECT_MATCH;
}

/* blob_open has seen to it that packet operations come first and effects last, and that groups
 * are marked. */
enum inspect_result inspect_rule(struct inspect *in, const struct blob_rule *rule)
{
	const struct blob_op *op = in->blob->op + rule->op_first, *end = op + rule->op_count;

	in->steps = 0;
	in->base64 = (struct app_view){0};
	for (; op != end && ops[op->kind].packet; op++)
		if (!ops[op->kind].packet(in, op))
			return INSPECT_NO;
	while (op != end && ops[op->kind].payload) {
		const struct blob_op *first = op++;
		enum inspect_result r;

		while (op != end && ops[op->kind].payload && !(op->buffer & BLOB_OP_GROUP))
			op++;
		in->end = op;
		r = inspect_group(in, first, first->buffer & (uint8_t)~BLOB_OP_GROUP);
		if (r != INSPECT_MATCH)
			return r;
	}
	return take_effect(in, op, end);
}
