/* pcre: a regular expression, searched in a buffer or behind the match before it. */
#include "ids/rules/op.h"
#include "ids/rules/scratch.h"
#include "ids/rules/transform.h"

bool has_pattern(const struct blob_op *op)
{
	return op->kind == OP_PCRE ||
	       (op->kind == OP_TRANSFORM && op->arg[TRANSFORM_KIND] == TRANSFORM_PCREXFORM);
}

struct regex_pattern pattern_of(const struct blob *b, const struct blob_op *op)
{
	return (struct regex_pattern){b->string + op->arg[PCRE_STRING], op->arg[PCRE_LENGTH],
				      op->kind == OP_PCRE ? op->arg[PCRE_OPTIONS] : 0};
}

const char *pcre_check(const struct blob *b, const struct blob_op *op)
{
	uint32_t start = op->arg[PCRE_STRING], len = op->arg[PCRE_LENGTH];

	if (op->flags & ~PCRE_F_ALL || op->arg[PCRE_OPTIONS] & ~(uint32_t)REGEX_OPTIONS)
		return "pcre with unknown flags";
	if (len > REGEX_MAX_PATTERN || start > b->count[BLOB_STRINGS] ||
	    len > b->count[BLOB_STRINGS] - start)
		return "pcre outside the strings";
	if (op->arg[PCRE_INDEX] >= REGEX_MAX_INDEX)
		return "pcre beyond the number of patterns";
	return NULL;
}

enum inspect_result pcre_payload(struct inspect *in, const struct blob_op *op, uint32_t cursor)
{
	struct regex_pattern p = pattern_of(in->blob, op);
	/* A relative one sees nothing of what lies before the cursor. */
	uint32_t base = op->flags & PCRE_F_RELATIVE ? cursor : 0, from = 0;
	const uint8_t *data = in->buffer_len ? in->buffer + base : in->buffer;
	bool begin = op->flags & PCRE_F_RELATIVE || in->buffer_at == 0;

	for (;;) {
		struct regex_span span[2];
		enum inspect_result r;

		switch (scratch_search(in->scratch, op->arg[PCRE_INDEX], &p, data,
				       in->buffer_len - base, from, begin, span)) {
		case REGEX_LIMIT:
			return INSPECT_NO; /* neither found nor not found (Suricata) */
		case REGEX_NO:
			return op->flags & PCRE_F_NEGATED ? inspect_from(in, op + 1, cursor)
							  : INSPECT_NO;
		case REGEX_MATCH:
			break;
		}
		if (op->flags & PCRE_F_NEGATED)
			return INSPECT_NO;
		r = inspect_from(in, op + 1, base + span[0].to);
		if (r != INSPECT_NO || !(op->flags & PCRE_F_RELATIVE_NEXT))
			return r;
		/* The next one that begins behind the begin of this one. */
		from = (span[0].from > from ? span[0].from : from) + 1;
		if (from > in->buffer_len - base)
			return INSPECT_NO;
	}
}
