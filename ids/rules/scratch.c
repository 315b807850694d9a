#include "ids/engine.h"
#include "ids/rules/op.h"
#include "ids/rules/scratch.h"
#include "ids/rules/transform.h"

#define ROUND(n) (((n) + 15) & ~(size_t)15)

struct needs {
	uint32_t patterns;
	bool base64, transform;
};

_Static_assert((int)PCRE_STRING == (int)TRANSFORM_STRING &&
		       (int)PCRE_LENGTH == (int)TRANSFORM_LENGTH &&
		       (int)PCRE_INDEX == (int)TRANSFORM_INDEX,
	       "patterns are found alike");

static struct needs needs_of(const struct blob *b)
{
	struct needs n = {0};

	for (uint32_t i = 0; i < b->count[BLOB_OPS]; i++) {
		const struct blob_op *op = &b->op[i];

		/* Operations that no rule has are not checked either. */
		if (has_pattern(op) && op->arg[PCRE_INDEX] < REGEX_MAX_INDEX &&
		    op->arg[PCRE_INDEX] >= n.patterns)
			n.patterns = op->arg[PCRE_INDEX] + 1;
		n.base64 |= op->kind == OP_BASE64_DECODE;
		n.transform |= op->kind == OP_TRANSFORM;
	}
	return n;
}

size_t scratch_size(const struct blob *b)
{
	struct needs n = needs_of(b);

	if (!n.patterns && !n.base64 && !n.transform)
		return 0;
	return ROUND(sizeof(struct scratch)) + n.base64 * SCRATCH_OCTETS +
	       n.transform * 2 * SCRATCH_OCTETS +
	       (n.patterns ? regex_size(n.patterns, SCRATCH_CACHE) : 0);
}

/* Compile ahead until the cache is full; the others are compiled when they are needed. */
static void prepare(struct regex *regex, const struct blob *b)
{
	for (uint32_t i = 0; i < b->count[BLOB_RULES]; i++) {
		const struct blob_rule *r = &b->rule[i];

		for (uint32_t k = 0; k < r->op_count; k++) {
			const struct blob_op *op = &b->op[r->op_first + k];
			struct regex_pattern p;
			int error;

			if (!has_pattern(op))
				continue;
			p = pattern_of(b, op);
			if (!regex_prepare(regex, op->arg[PCRE_INDEX], &p, &error, NULL) && !error)
				return;
		}
	}
}

struct scratch *scratch_init(void *memory, const struct blob *b, struct ids_stats *stats)
{
	struct needs n = needs_of(b);
	struct scratch *s = memory;
	uint8_t *at = (uint8_t *)memory + ROUND(sizeof(*s));

	s->stats = stats;
	if (n.base64) {
		s->base64 = at;
		at += SCRATCH_OCTETS;
	}
	for (unsigned i = 0; n.transform && i < 2; i++) {
		s->transform[i] = at;
		at += SCRATCH_OCTETS;
	}
	if (n.patterns) {
		s->regex = regex_init(at, n.patterns, SCRATCH_CACHE);
		if (!s->regex)
			return NULL;
		prepare(s->regex, b);
	}
	return s;
}

void scratch_refill(struct scratch *s)
{
	if (s && s->regex)
		regex_refill(s->regex);
}

enum regex_result scratch_search(struct scratch *s, uint32_t index, const struct regex_pattern *p,
				 const uint8_t *data, uint32_t len, uint32_t from, bool begin,
				 struct regex_span span[2])
{
	enum regex_result r = regex_search(s->regex, index, p, data, len, from, begin, span);

	if (r == REGEX_LIMIT)
		s->stats->pcre_limit++;
	return r;
}
