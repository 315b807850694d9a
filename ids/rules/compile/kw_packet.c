/* dsize, itype, icode, ttl, flow: conditions on the packet as a whole. */
#include <string.h>

#include "ids/rules/compile/keywords.h"
#include "ids/rules/compile/text.h"

/* N, =N, !N, !=N, <N, <=N, >N, >=N, N<>M and N-M (both between, ends excluded) as [low, high]. */
bool parse_range(struct parse *p, const char *name, char *value, uint64_t max, struct blob_op *op)
{
	uint64_t low, high;
	char *between = strstr(value, "<>");
	size_t skip = between ? 2 : 1;

	if (!between && value[0] != '-')
		between = strchr(value, '-');
	if (between) {
		*between = '\0';
		if (!parse_u64(trim(value), max, &low) ||
		    !parse_u64(trim(between + skip), max, &high) || high < low + 2)
			return refuse(p, "%s: bad range", name);
		low++;
		high--;
	} else {
		size_t sign = strspn(value, "<>=!");
		char *digits = trim(value + sign);

		if (!parse_u64(digits, max, &low))
			return refuse(p, "%s: bad number %s", name, value);
		high = low;
		if (sign == 0 || (sign == 1 && *value == '=')) {
			;
		} else if (*value == '!' && (sign == 1 || (sign == 2 && value[1] == '='))) {
			op->flags = NUMBER_F_NOT;
		} else if (*value == '<' && sign == 1) {
			if (low == 0)
				return refuse(p, "%s: nothing is less than 0", name);
			high = low - 1;
			low = 0;
		} else if (*value == '>' && sign == 1) {
			if (low == max)
				return refuse(p, "%s: nothing is more than %s", name, digits);
			low++;
			high = max;
		} else if (*value == '<' && sign == 2 && value[1] == '=') {
			low = 0;
		} else if (*value == '>' && sign == 2 && value[1] == '=') {
			high = max;
		} else {
			return refuse(p, "%s: bad operator in %s", name, value);
		}
	}
	op->arg[0] = (uint32_t)low;
	op->arg[1] = (uint32_t)high;
	return true;
}

static bool number(struct parse *p, const char *name, enum op_kind kind, char *value, uint64_t max)
{
	struct rule_op *o = rule_add_op(p, kind);

	return o && parse_range(p, name, value, max, &o->op);
}

bool kw_dsize(struct parse *p, char *value, bool negated)
{
	(void)negated;
	p->rule->packets_only = true;
	return number(p, "dsize", OP_DSIZE, value, 0xffff);
}

bool kw_itype(struct parse *p, char *value, bool negated)
{
	(void)negated;
	return number(p, "itype", OP_ITYPE, value, 255);
}

bool kw_icode(struct parse *p, char *value, bool negated)
{
	(void)negated;
	return number(p, "icode", OP_ICODE, value, 255);
}

bool kw_ttl(struct parse *p, char *value, bool negated)
{
	(void)negated;
	return number(p, "ttl", OP_TTL, value, 255);
}

static const struct {
	const char *name;
	uint32_t mask;
} flow_words[] = {
	{"to_server", FLOW_F_TO_SERVER},
	{"from_client", FLOW_F_TO_SERVER},
	{"to_client", FLOW_F_TO_CLIENT},
	{"from_server", FLOW_F_TO_CLIENT},
	{"established", FLOW_F_ESTABLISHED},
	{"not_established", FLOW_F_NOT_ESTABLISHED},
	{"no_frag", FLOW_F_NO_FRAG},
	{"only_frag", FLOW_F_ONLY_FRAG},
	{"stateless", 0},
	{"no_stream", 0},
};

static bool flow_word(struct parse *p, const char *word, uint32_t *mask)
{
	for (size_t i = 0; i < sizeof(flow_words) / sizeof(flow_words[0]); i++)
		if (strcmp(word, flow_words[i].name) == 0) {
			*mask |= flow_words[i].mask;
			return true;
		}
	return refuse(p, "flow: %s is not supported yet", word);
}

bool kw_flow(struct parse *p, char *value, bool negated)
{
	struct rule_op *o = rule_add_op(p, OP_FLOW);
	uint32_t mask = 0;
	char *save = NULL;

	(void)negated;
	if (!o)
		return false;
	for (char *word = strtok_r(value, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		word = trim(word);
		if (!flow_word(p, word, &mask))
			return false;
		if (strcmp(word, "no_stream") == 0)
			p->rule->packets_only = true;
	}
	if ((mask & FLOW_F_TO_SERVER && mask & FLOW_F_TO_CLIENT) ||
	    (mask & FLOW_F_ESTABLISHED && mask & FLOW_F_NOT_ESTABLISHED) ||
	    (mask & FLOW_F_NO_FRAG && mask & FLOW_F_ONLY_FRAG))
		return refuse(p, "flow: contradicts itself");
	o->op.arg[0] = mask;
	return true;
}
