/* msg, sid, gid, rev, classtype, priority, metadata, reference, noalert: what an alert says. */
#include <stdlib.h>
#include <string.h>

#include "ids/rules/compile/keywords.h"
#include "ids/rules/compile/text.h"

bool kw_msg(struct parse *p, char *value, bool negated)
{
	char *to = value;

	(void)negated;
	/* What the option syntax made one escape is itself again. */
	for (char *from = value; *from; from++) {
		if (*from == '\\' && from[1] && strchr("\\\":;", from[1]))
			from++;
		*to++ = *from;
	}
	*to = '\0';
	p->rule->msg = copy_text(value, strlen(value));
	return true;
}

static bool number(struct parse *p, const char *name, const char *value, uint64_t low,
		   uint64_t high, uint32_t *out)
{
	uint64_t v;

	if (!parse_u64(value, high, &v) || v < low)
		return refuse(p, "%s: bad number %s", name, value);
	*out = (uint32_t)v;
	return true;
}

bool kw_sid(struct parse *p, char *value, bool negated)
{
	(void)negated;
	p->rule->has_sid = number(p, "sid", value, 1, UINT32_MAX, &p->rule->sid);
	return p->rule->has_sid;
}

bool kw_gid(struct parse *p, char *value, bool negated)
{
	(void)negated;
	return number(p, "gid", value, 0, UINT32_MAX, &p->rule->gid);
}

bool kw_rev(struct parse *p, char *value, bool negated)
{
	(void)negated;
	return number(p, "rev", value, 0, UINT32_MAX, &p->rule->rev);
}

bool kw_classtype(struct parse *p, char *value, bool negated)
{
	(void)negated;
	p->rule->class = classtype_find(value);
	if (!p->rule->class)
		return refuse(p, "classtype: unknown %s", value);
	return true;
}

bool kw_priority(struct parse *p, char *value, bool negated)
{
	uint32_t v = 0;

	(void)negated;
	if (!number(p, "priority", value, 1, 255, &v))
		return false;
	p->rule->priority = (uint8_t)v;
	p->rule->has_priority = true;
	return true;
}

bool kw_metadata(struct parse *p, char *value, bool negated)
{
	char *save = NULL;

	(void)negated;
	for (char *pair = strtok_r(value, ",", &save); pair; pair = strtok_r(NULL, ",", &save)) {
		struct rule *r = p->rule;
		char *at;

		pair = trim(pair);
		at = pair + strcspn(pair, " \t");
		/* A word alone says nothing that EVE could show. */
		if (!*at || r->meta_count == RULE_MAX_META)
			continue;
		*at++ = '\0';
		at = trim(at);
		r->meta[r->meta_count].key = copy_text(pair, strlen(pair));
		r->meta[r->meta_count++].value = copy_text(at, strlen(at));
	}
	return true;
}

bool kw_noalert(struct parse *p, char *value, bool negated)
{
	(void)value;
	(void)negated;
	p->rule->noalert = true;
	return true;
}

/* A wish about speed: the condition before it decides first. It does in any case, unless it looks
 * into a buffer. */
bool kw_prefilter(struct parse *p, char *value, bool negated)
{
	(void)value;
	(void)negated;
	if (p->rule->op_count == 0)
		return refuse(p, "prefilter without a condition before it");
	return true;
}

/* Which end is attacked. Checked; EVE does not show it. */
bool kw_target(struct parse *p, char *value, bool negated)
{
	(void)negated;
	if (strcmp(value, "src_ip") != 0 && strcmp(value, "dest_ip") != 0)
		return refuse(p, "target: %s is not src_ip or dest_ip", value);
	return true;
}

/* The version of Suricata whose language this is: 7.0.3 brought `requires`. */
static const uint32_t our_version[3] = {7, 0, 3};

/* A version of up to three numbers, compared with ours: <0, 0, >0 as ours is less, equal, more. */
static bool compare_version(char *text, int *order)
{
	*order = 0;
	for (unsigned i = 0; i < 3; i++) {
		char *number = strsep(&text, ".");
		uint64_t v = 0;

		if (number && !parse_u64(number, UINT32_MAX, &v))
			return false;
		if (*order == 0 && our_version[i] != v)
			*order = our_version[i] < v ? -1 : 1;
	}
	return !text;
}

static bool order_holds(const char *sign, int order)
{
	if (strcmp(sign, ">=") == 0)
		return order >= 0;
	if (strcmp(sign, ">") == 0)
		return order > 0;
	return strcmp(sign, "<=") == 0 ? order <= 0 : order < 0;
}

/* `version >= 7.0 < 8 | >= 8.0.1`: one of the alternatives, all of its comparisons. */
static bool version_holds(struct parse *p, char *text, bool *holds)
{
	for (char *one = strsep(&text, "|"); one; one = strsep(&text, "|")) {
		bool all = true;

		for (one = trim(one); *one; one = trim(one)) {
			size_t sign = strspn(one, "<>="), len;
			char op[3] = "", number[32] = "";
			int order;

			if (sign == 0 || sign > 2)
				return refuse(p, "requires: bad comparison %s", one);
			memcpy(op, one, sign);
			one = trim(one + sign);
			len = strspn(one, "0123456789.");
			if (len == 0 || len >= sizeof(number) || op[0] == '=')
				return refuse(p, "requires: bad version %s", one);
			memcpy(number, one, len);
			one += len;
			if (!compare_version(number, &order))
				return refuse(p, "requires: bad version");
			all = all && order_holds(op, order);
		}
		*holds = *holds || all;
	}
	return true;
}

/* requires:version RANGE, feature NAME, keyword NAME: the rule is only for those that have it. */
bool kw_requires(struct parse *p, char *value, bool negated)
{
	bool met = true;

	(void)negated;
	for (char *item = strsep(&value, ","); item; item = strsep(&value, ",")) {
		char *rest;
		bool holds = false;

		item = trim(item);
		rest = item + strcspn(item, " \t");
		if (!*rest)
			return refuse(p, "requires: %s what?", item);
		*rest++ = '\0';
		rest = trim(rest);
		if (strcmp(item, "version") == 0) {
			if (!version_holds(p, rest, &holds))
				return false;
		} else if (strcmp(item, "keyword") == 0) {
			holds = keyword_find(rest) || buffer_keyword(rest);
		} else if (strcmp(item, "feature") != 0) {
			return refuse(p, "requires: unknown %s", item);
		}
		met = met && holds;
	}
	if (met)
		return true;
	p->skip = true;
	return refuse(p, "requires something else");
}

bool kw_ignored(struct parse *p, char *value, bool negated)
{
	(void)p;
	(void)value;
	(void)negated;
	return true;
}
