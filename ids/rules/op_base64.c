/* base64_decode: what it decodes is the buffer base64_data of the rule. */
#include "ids/rules/base64.h"
#include "ids/rules/op.h"
#include "ids/rules/scratch.h"

const char *base64_check(const struct blob *b, const struct blob_op *op)
{
	(void)b;
	return op->flags & ~BASE64_F_RELATIVE ? "base64_decode with unknown flags" : NULL;
}

enum inspect_result base64_payload(struct inspect *in, const struct blob_op *op, uint32_t cursor)
{
	uint32_t from = op->flags & BASE64_F_RELATIVE ? cursor : 0, len, octets;

	if (op->arg[1] >= in->buffer_len - from && op->arg[1])
		return INSPECT_NO;
	from += op->arg[1];
	len = in->buffer_len - from;
	if (op->arg[0] && op->arg[0] < len)
		len = op->arg[0];
	if (len > SCRATCH_OCTETS / 3 * 4)
		len = SCRATCH_OCTETS / 3 * 4;
	in->steps += len / INSPECT_STEP_OCTETS;
	octets = base64_decode(BASE64_RFC4648, in->buffer + from, len, in->scratch->base64,
			       SCRATCH_OCTETS);
	if (octets == 0)
		return INSPECT_NO;
	in->base64 = (struct app_view){in->scratch->base64, octets};
	return inspect_from(in, op + 1, cursor);
}
