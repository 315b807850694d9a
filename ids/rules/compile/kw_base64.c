/* base64_decode */
#include <string.h>

#include "ids/rules/compile/keywords.h"
#include "ids/rules/compile/text.h"

static bool option(struct parse *p, struct rule_op *o, char *word)
{
	size_t name = strcspn(word, " \t");
	char *number = trim(word + name);
	uint64_t value;

	if (strcmp(word, "relative") == 0) {
		o->op.flags |= BASE64_F_RELATIVE;
		rule_set_relative(p, o);
		return true;
	}
	if (name == 5 && strncmp(word, "bytes", name) == 0 && parse_u64(number, 0xffff, &value) &&
	    value) {
		o->op.arg[0] = (uint32_t)value;
		return true;
	}
	if (name == 6 && strncmp(word, "offset", name) == 0 && parse_u64(number, 0xffff, &value)) {
		o->op.arg[1] = (uint32_t)value;
		return true;
	}
	return refuse(p, "base64_decode: bad option %s", word);
}

/* base64_decode[:[bytes N][, offset N][, relative]] */
bool kw_base64_decode(struct parse *p, char *value, bool negated)
{
	struct rule_op *o = rule_add_op(p, OP_BASE64_DECODE);
	char *save = NULL;

	(void)negated;
	if (!o)
		return false;
	if (o->op.buffer == APP_BASE64_DATA)
		return refuse(p, "base64_decode of base64_data");
	for (char *word = value ? strtok_r(value, ",", &save) : NULL; word;
	     word = strtok_r(NULL, ",", &save))
		if (!option(p, o, trim(word)))
			return false;
	return true;
}
