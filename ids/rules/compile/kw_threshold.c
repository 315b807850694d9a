/* threshold, detection_filter, tag: how often a rule alerts, and what is watched after it. */
#include <ctype.h>
#include <string.h>

#include "ids/rules/compile/keywords.h"
#include "ids/rules/compile/text.h"

static int find(const char *const *table, int count, const char *word)
{
	for (int i = 0; i < count; i++)
		if (table[i] && strcmp(table[i], word) == 0)
			return i;
	return -1;
}

static const char *const types[THRESHOLD_FILTER] = {
	[THRESHOLD_LIMIT] = "limit",
	[THRESHOLD_THRESHOLD] = "threshold",
	[THRESHOLD_BOTH] = "both",
};

static const char *const tracks[TRACKS] = {
	[TRACK_SRC] = "by_src",	  [TRACK_DST] = "by_dst",   [TRACK_BOTH] = "by_both",
	[TRACK_RULE] = "by_rule", [TRACK_FLOW] = "by_flow",
};

/* One `name value`; each may be given once. */
static bool set(struct parse *p, const char *keyword, const char *name, const char *value,
		uint32_t *arg, unsigned *given)
{
	static const char *const names[] = {"type", "track", "count", "seconds"};
	int which = find(names, 4, name), number = -1;
	uint64_t v = 0;

	if (which < 0)
		return refuse(p, "%s: unknown setting %s", keyword, name);
	if (*given >> which & 1)
		return refuse(p, "%s: %s given twice", keyword, name);
	*given |= 1u << which;
	if (which == 0)
		number = find(types, THRESHOLD_FILTER, value);
	else if (which == 1)
		number = find(tracks, TRACKS, value);
	else if (!parse_u64(value, UINT32_MAX, &v) || v == 0)
		return refuse(p, "%s: bad %s %s", keyword, name, value);
	if (which < 2 && number < 0)
		return refuse(p, "%s: unknown %s %s", keyword, name, value);
	arg[which] = which < 2 ? (uint32_t)number : (uint32_t)v;
	return true;
}

static bool settings(struct parse *p, const char *keyword, char *value, unsigned given)
{
	struct rule_op *o = rule_add_op(p, OP_THRESHOLD);

	if (!o)
		return false;
	o->op.arg[0] = THRESHOLD_FILTER;
	for (char *item = strsep(&value, ","); item; item = strsep(&value, ",")) {
		char *space;

		item = trim(item);
		space = item + strcspn(item, " \t");
		if (!*space)
			return refuse(p, "%s: bad setting %s", keyword, item);
		*space++ = '\0';
		if (!set(p, keyword, item, trim(space), o->op.arg, &given))
			return false;
	}
	if (given != 0xf)
		return refuse(p, "%s: needs track, count and seconds%s", keyword,
			      keyword[0] == 't' ? ", and type" : "");
	return true;
}

bool kw_threshold(struct parse *p, char *value, bool negated)
{
	(void)negated;
	if (rule_has_op(p->rule, OP_THRESHOLD))
		return refuse(p, "threshold beside another one or a detection_filter");
	return settings(p, "threshold", value, 0);
}

bool kw_detection_filter(struct parse *p, char *value, bool negated)
{
	(void)negated;
	if (rule_has_op(p->rule, OP_THRESHOLD))
		return refuse(p, "detection_filter beside another one or a threshold");
	return settings(p, "detection_filter", value, 1);
}

/* tag:session|host[,COUNT,packets|seconds|bytes[,src|dst]]. */
bool kw_tag(struct parse *p, char *value, bool negated)
{
	static const char *const metrics[TAG_METRICS] = {
		[TAG_PACKETS] = "packets",
		[TAG_SECONDS] = "seconds",
		[TAG_BYTES] = "bytes",
	};
	struct rule_op *o = rule_add_op(p, OP_TAG);
	char *word[5] = {NULL};
	uint64_t count = 0;
	int metric;

	(void)negated;
	if (!o)
		return false;
	for (unsigned i = 0; value; i++) {
		if (i == 4)
			return refuse(p, "tag: too many values");
		word[i] = trim(strsep(&value, ","));
	}
	if (strcmp(word[0], "host") != 0 && strcmp(word[0], "session") != 0)
		return refuse(p, "tag: %s is not session or host", word[0]);
	if (*word[0] == 's' && !word[1]) {
		o->op.arg[1] = TAG_SECONDS;
		o->op.arg[2] = 3600; /* to the end of the flow */
		return true;
	}
	if (!word[1] || !word[2] || !parse_u64(word[1], UINT32_MAX, &count) || count == 0)
		return refuse(p, "tag: needs a count and what is counted");
	metric = find(metrics, TAG_METRICS, word[2]);
	if (metric < 0)
		return refuse(p, "tag: %s is not packets, seconds or bytes", word[2]);
	o->op.arg[1] = (uint32_t)metric;
	o->op.arg[2] = (uint32_t)count;
	if (*word[0] == 's')
		return word[3] ? refuse(p, "tag: session takes no direction") : true;
	if (!word[3] || (strcmp(word[3], "src") != 0 && strcmp(word[3], "dst") != 0))
		return refuse(p, "tag: host needs src or dst");
	o->op.arg[0] = *word[3] == 's' ? SCOPE_SRC : SCOPE_DST;
	return true;
}
