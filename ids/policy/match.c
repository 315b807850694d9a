#include "ids/policy/match.h"

#include <string.h>

bool match_glob(const char *pattern, size_t len, const char *text)
{
	const char *retry = NULL; /* where the last * stops taking */
	size_t at = 0, behind = 0;

	while (*text) {
		bool escaped = at + 1 < len && pattern[at] == '\\';

		if (at < len && pattern[at] == '*') {
			behind = ++at;
			retry = text;
		} else if (at < len &&
			   ((pattern[at] == '?' && !escaped) || pattern[at + escaped] == *text)) {
			at += 1u + escaped;
			text++;
		} else if (retry) { /* the last * takes one octet more */
			at = behind;
			text = ++retry;
		} else {
			return false;
		}
	}
	while (at < len && pattern[at] == '*')
		at++;
	return at == len;
}

static bool value_matches(const struct blob *b, const struct policy_record *r, unsigned field,
			  const union blob_policy_value *v)
{
	switch (policy_fields[field].type) {
	case TYPE_TEXT:
		return match_glob((const char *)b->string + v->text.span.offset, v->text.span.size,
				  r->text[field]);
	case TYPE_ADDRESS:
		return memcmp(r->addr, v->address.low, sizeof(r->addr)) >= 0 &&
		       memcmp(r->addr, v->address.high, sizeof(r->addr)) <= 0;
	case TYPE_NUMBER:
		return r->number[field] >= v->number.low && r->number[field] <= v->number.high;
	default:
		return (r->number[field] & v->number.low) == v->number.low;
	}
}

static enum match_truth match_cond(const struct blob *b, const struct blob_policy_cond *c,
				   const struct policy_record *r)
{
	bool any = false;

	if (r->unknown & FIELD_BIT(c->field))
		return MATCH_UNREAD;
	if (!(r->has & FIELD_BIT(c->field))) /* the call has no such thing: not even one unlike */
		return MATCH_NO;
	for (uint32_t i = 0; i < c->values && !any; i++)
		any = value_matches(b, r, c->field, &b->policy_value[c->value_first + i]);
	return any != (bool)c->negated ? MATCH_YES : MATCH_NO;
}

enum match_truth match_line(const struct blob *b, const struct blob_policy_line *line,
			    const struct policy_record *r)
{
	enum match_truth all = MATCH_YES;

	if (!(line->gates & GATE_BIT(r->gate)))
		return MATCH_NO;
	for (uint32_t i = 0; i < line->conds && all != MATCH_NO; i++) {
		enum match_truth one = match_cond(b, &b->policy_cond[line->cond_first + i], r);

		all = one < all ? one : all;
	}
	return all;
}

const struct blob_policy_line *match_first(const struct blob *b, const struct policy_record *r,
					   bool *unread)
{
	for (uint32_t i = 0; i < b->count[BLOB_POLICY_LINES]; i++) {
		const struct blob_policy_line *line = &b->policy_line[i];
		enum match_truth truth = match_line(b, line, r);

		*unread = truth == MATCH_UNREAD;
		if (truth == MATCH_YES || (*unread && line->action != POLICY_ALLOW))
			return line;
	}
	*unread = false;
	return NULL;
}
