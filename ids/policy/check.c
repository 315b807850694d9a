/* The policy part of a blob, looked at completely before it is used. */
#include <string.h>

#include "ids/policy/gate.h"
#include "ids/rules/blob.h"

static bool in_strings(const struct blob *b, struct blob_span s)
{
	return s.size && s.size <= BLOB_POLICY_TEXT && s.offset <= b->count[BLOB_STRINGS] &&
	       s.size <= b->count[BLOB_STRINGS] - s.offset &&
	       !memchr(b->string + s.offset, 0, s.size);
}

static const char *check_value(const struct blob *b, const struct policy_field_info *field,
			       const union blob_policy_value *v)
{
	static const uint64_t zero[3];
	bool good;

	switch (field->type) {
	case TYPE_TEXT:
		good = in_strings(b, v->text.span) && !memcmp(v->text.zero, zero, sizeof(zero));
		break;
	case TYPE_ADDRESS:
		good = memcmp(v->address.low, v->address.high, sizeof(v->address.low)) <= 0;
		break;
	case TYPE_NUMBER:
		good = v->number.low <= v->number.high && v->number.high <= field->max &&
		       !v->number.zero[0] && !v->number.zero[1];
		break;
	default:
		good = v->number.low && !(v->number.low & ~field->max) && !v->number.high &&
		       !v->number.zero[0] && !v->number.zero[1];
		break;
	}
	return good ? NULL : "policy with a bad value";
}

static const char *check_cond(const struct blob *b, const struct blob_policy_line *l,
			      const struct blob_policy_cond *c)
{
	const char *why = NULL;

	if (c->field >= FIELDS || c->negated > 1)
		return "policy with an unknown condition";
	/* Every gate of the line must have the field. */
	for (unsigned g = 0; g < GATES; g++)
		if (l->gates & GATE_BIT(g) &&
		    !((policy_gates[g].fields | FIELDS_CALLER) & FIELD_BIT(c->field)))
			return "policy with a condition that its gate does not have";
	if (!c->values || c->values > BLOB_POLICY_VALUES ||
	    c->value_first > b->count[BLOB_POLICY_OPERANDS] ||
	    c->values > b->count[BLOB_POLICY_OPERANDS] - c->value_first)
		return "policy's values out of range";
	for (uint32_t i = 0; i < c->values && !why; i++)
		why = check_value(b, &policy_fields[c->field],
				  &b->policy_value[c->value_first + i]);
	return why;
}

/* What an action may say of these gates. */
static bool good_action(const struct blob_policy_line *l)
{
	bool syscall = l->gates == GATE_BIT(GATE_SYSCALL);

	if (l->action >= POLICY_ACTIONS || !l->gates || l->gates & ~GATES_ALL || l->zero)
		return false;
	if ((l->action == POLICY_TRACE) != syscall ||
	    (!syscall && l->gates & GATE_BIT(GATE_SYSCALL)))
		return false;
	if (l->action != POLICY_DENY)
		return l->err == 0;
	for (unsigned g = 0; g < GATES; g++)
		if (l->gates & GATE_BIT(g) && !policy_gates[g].err)
			return false;
	return l->err >= 1 && l->err <= POLICY_ERRNO_MAX;
}

static const char *check_line(const struct blob *b, const struct blob_policy_line *l)
{
	const char *why = NULL;

	if (!good_action(l))
		return "policy with an unknown action or gate";
	if (!in_strings(b, l->text))
		return "policy's texts out of range";
	if (l->conds > BLOB_POLICY_CONDS || l->cond_first > b->count[BLOB_POLICY_CONDITIONS] ||
	    l->conds > b->count[BLOB_POLICY_CONDITIONS] - l->cond_first)
		return "policy's conditions out of range";
	for (uint32_t i = 0; i < l->conds && !why; i++)
		why = check_cond(b, l, &b->policy_cond[l->cond_first + i]);
	return why;
}

const char *policy_check(const struct blob *b)
{
	uint32_t lines = b->count[BLOB_POLICY_LINES];
	const char *why = NULL;

	if (!b->count[BLOB_POLICY])
		return lines || b->count[BLOB_POLICY_CONDITIONS] || b->count[BLOB_POLICY_OPERANDS]
			       ? "policy without a head"
			       : NULL;
	if (b->count[BLOB_POLICY] > 1 || b->policy->lines > POLICY_LINES_MAX ||
	    lines > b->policy->lines || (b->policy->off | b->policy->watch) & ~GATES_ALL ||
	    b->policy->zero)
		return "policy with a bad head";
	for (uint32_t i = 0; i < lines && !why; i++)
		why = check_line(b, &b->policy_line[i]);
	return why;
}
