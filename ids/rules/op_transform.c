/* Transforms: the operations behind one look into the buffer as it makes it. */
#include "ids/rules/op.h"
#include "ids/rules/scratch.h"
#include "ids/rules/transform.h"

const char *transform_check(const struct blob *b, const struct blob_op *op)
{
	uint32_t start = op->arg[TRANSFORM_STRING], len = op->arg[TRANSFORM_LENGTH];
	uint32_t kind = op->arg[TRANSFORM_KIND];

	if (op->flags || kind >= TRANSFORMS)
		return "unknown transform";
	if (len > TRANSFORM_MAX_ARGUMENT || start > b->count[BLOB_STRINGS] ||
	    len > b->count[BLOB_STRINGS] - start)
		return "transform's argument outside the strings";
	if (transforms[kind].argument != (len != 0))
		return "transform with too few or too many arguments";
	if (op->arg[TRANSFORM_INDEX] >= REGEX_MAX_INDEX)
		return "transform beyond the number of patterns";
	return NULL;
}

/* What the first group holds; without a match the buffer stays as it is (Suricata). */
static void pcrexform(struct inspect *in, const struct blob_op *op)
{
	struct regex_pattern p = pattern_of(in->blob, op);
	struct regex_span span[2];

	if (scratch_search(in->scratch, op->arg[TRANSFORM_INDEX], &p, in->buffer, in->buffer_len, 0,
			   true, span) != REGEX_MATCH ||
	    span[1].from == REGEX_UNSET)
		return;
	in->buffer += span[1].from;
	in->buffer_len = span[1].to - span[1].from;
}

enum inspect_result transform_payload(struct inspect *in, const struct blob_op *op, uint32_t cursor)
{
	const struct transform *t = &transforms[op->arg[TRANSFORM_KIND]];
	struct transform_argument arg = {in->blob->string + op->arg[TRANSFORM_STRING],
					 op->arg[TRANSFORM_LENGTH]};
	struct inspect before = *in;
	/* Of what an earlier transform has made a part may be in use: write into the other one. */
	uint8_t *first = in->scratch->transform[0];
	bool in_first = (uintptr_t)in->buffer - (uintptr_t)first < SCRATCH_OCTETS;
	uint8_t *out = in->scratch->transform[in_first];
	enum inspect_result r;

	(void)cursor;
	in->buffer_at = 0;
	if (!t->run) {
		pcrexform(in, op);
	} else if (in->buffer_len) {
		uint32_t len =
			in->buffer_len < SCRATCH_OCTETS ? in->buffer_len : SCRATCH_OCTETS - 1;

		in->steps += len / INSPECT_STEP_OCTETS;
		in->buffer_len = t->run(in->buffer, len, &arg, out);
		in->buffer = out;
	}
	r = inspect_from(in, op + 1, 0);
	in->buffer = before.buffer;
	in->buffer_len = before.buffer_len;
	in->buffer_at = before.buffer_at;
	return r;
}
