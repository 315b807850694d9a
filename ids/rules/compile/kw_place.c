/* isdataat, bsize; relative conditions and variables. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ids/rules/compile/keywords.h"
#include "ids/rules/compile/text.h"

/* Has it a place that others may be relative to (Suricata)? */
static bool has_place(const struct rule_op *o)
{
	const uint32_t kinds = 1u << OP_CONTENT | 1u << OP_PCRE | 1u << OP_BYTE_TEST |
			       1u << OP_BYTE_JUMP | 1u << OP_BYTE_EXTRACT | 1u << OP_BYTE_MATH |
			       1u << OP_ISDATAAT;

	return kinds >> o->op.kind & 1;
}

void rule_set_relative(struct parse *p, struct rule_op *o)
{
	o->relative = true;
	if (p->rule->buffer != APP_PAYLOAD || p->rule->transform.any)
		return;
	for (const struct rule_op *before = o; before-- != p->rule->op;)
		if (has_place(before)) {
			o->op.buffer = before->op.buffer;
			o->instance = before->instance;
			o->transform = before->transform;
			return;
		}
}

bool rule_is_name(const char *text)
{
	return isalpha((unsigned char)*text) || *text == '_';
}

static int find_variable(const struct rule *r, const char *name)
{
	for (size_t i = 0; i < r->var_count; i++)
		if (strcmp(r->var[i], name) == 0)
			return (int)i;
	return -1;
}

int rule_variable(struct parse *p, const char *keyword, const char *name)
{
	int i = find_variable(p->rule, name);

	if (i < 0)
		refuse(p, "%s: variable %s is not set before", keyword, name);
	return i;
}

int rule_new_variable(struct parse *p, const char *keyword, const char *name)
{
	struct rule *r = p->rule;
	int i = find_variable(r, name);

	if (i >= 0)
		return i;
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("_-.", *c))
			name = "";
	if (!rule_is_name(name)) {
		refuse(p, "%s: bad name of a variable", keyword);
		return -1;
	}
	if (r->var_count == INSPECT_VARS) {
		refuse(p, "%s: more than %d variables", keyword, INSPECT_VARS);
		return -1;
	}
	r->var[r->var_count] = copy_text(name, strlen(name));
	return (int)r->var_count++;
}

/* isdataat:[!]PLACE[,relative][,rawbytes] */
bool kw_isdataat(struct parse *p, char *value, bool negated)
{
	struct rule_op *o = rule_add_op(p, OP_ISDATAAT);
	char *save = NULL, *word = strtok_r(value, ",", &save);
	uint64_t place;
	int var;

	if (!o)
		return false;
	word = word ? trim(word) : value;
	if (rule_is_name(word)) {
		var = rule_variable(p, "isdataat", word);
		if (var < 0)
			return false;
		o->op.arg[0] = (uint32_t)var;
		o->op.flags |= ISDATAAT_F_VAR;
	} else {
		if (!parse_u64(word, 0xffff, &place))
			return refuse(p, "isdataat: bad number %s", word);
		o->op.arg[0] = (uint32_t)place;
	}
	if (negated)
		o->op.flags |= ISDATAAT_F_NEGATED;
	while ((word = strtok_r(NULL, ",", &save))) {
		word = trim(word);
		if (strcmp(word, "relative") == 0) {
			o->op.flags |= ISDATAAT_F_RELATIVE;
			rule_set_relative(p, o);
		} else if (strcmp(word, "rawbytes") != 0) {
			return refuse(p, "isdataat: unknown option %s", word);
		}
	}
	return true;
}

bool kw_bsize(struct parse *p, char *value, bool negated)
{
	struct rule_op *o = rule_add_op(p, OP_BUFFER_LENGTH);

	(void)negated;
	if (!o)
		return false;
	if (o->op.buffer == APP_PAYLOAD)
		return refuse(p, "bsize without a sticky buffer");
	return parse_range(p, "bsize", value, UINT32_MAX, &o->op);
}
