/* isdataat: is there data? */
#include "ids/rules/op.h"

const char *isdataat_check(const struct blob *b, const struct blob_op *op)
{
	(void)b;
	if (op->flags & ~ISDATAAT_F_ALL)
		return "isdataat with unknown flags";
	if (op->flags & ISDATAAT_F_VAR && op->arg[0] >= INSPECT_VARS)
		return "isdataat with an unknown variable";
	return NULL;
}

enum inspect_result isdataat_payload(struct inspect *in, const struct blob_op *op, uint32_t cursor)
{
	uint64_t place = op->flags & ISDATAAT_F_VAR ? in->var[op->arg[0]] : op->arg[0];
	bool there;

	/* Relative: that many octets follow; otherwise (Suricata): one more than that many. Octets
	 * of a stream count from its beginning. */
	if (op->flags & ISDATAAT_F_RELATIVE)
		there = place <= in->buffer_len - cursor;
	else
		there = place < in->buffer_at + in->buffer_len;
	if (there == (bool)(op->flags & ISDATAAT_F_NEGATED))
		return INSPECT_NO;
	return inspect_from(in, op + 1, cursor);
}
