/* content and the keywords that qualify it. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ids/bytes.h"
#include "ids/rules/compile/keywords.h"
#include "ids/rules/compile/text.h"

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)lower((uint8_t)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decode `|00 01|` and the escapes into `out` (which has room for strlen(text)); -1: refused. */
static long decode(struct parse *p, const char *text, uint8_t *out)
{
	bool hex = false;
	int half = -1;
	long len = 0;

	for (; *text; text++) {
		if (*text == '|') {
			if (half >= 0) {
				refuse(p, "content: odd number of hex digits");
				return -1;
			}
			hex = !hex;
		} else if (hex) {
			int v = hex_value(*text);

			if (v < 0 && !isspace((unsigned char)*text)) {
				refuse(p, "content: %c is no hex digit", *text);
				return -1;
			}
			if (v >= 0 && half >= 0) {
				out[len++] = (uint8_t)(half << 4 | v);
				half = -1;
			} else if (v >= 0) {
				half = v;
			}
		} else if (*text == '\\') {
			if (!text[1] || !strchr("\\\":;|", text[1])) {
				refuse(p, "content: bad escape");
				return -1;
			}
			out[len++] = (uint8_t) * ++text;
		} else if (*text == '"') {
			refuse(p, "content: quote without backslash");
			return -1;
		} else {
			out[len++] = (uint8_t)*text;
		}
	}
	if (hex) {
		refuse(p, "content: | not closed");
		return -1;
	}
	return len;
}

bool kw_content(struct parse *p, char *value, bool negated)
{
	uint8_t *bytes = grow(NULL, strlen(value) + 1);
	long len = decode(p, value, bytes);
	struct rule_op *o;

	if (len <= 0 || len > BLOB_MAX_CONTENT) {
		free(bytes);
		if (len < 0)
			return false;
		return refuse(p, len ? "content: too long" : "content: empty");
	}
	o = rule_add_op(p, OP_CONTENT);
	if (!o) {
		free(bytes);
		return false;
	}
	o->bytes = bytes;
	o->len = (uint32_t)len;
	o->op.arg[CONTENT_LENGTH] = (uint32_t)len;
	if (negated)
		o->op.flags |= CONTENT_F_NEGATED;
	return true;
}

bool kw_nocase(struct parse *p, char *value, bool negated)
{
	struct rule_op *o = rule_last_content(p, "nocase");

	(void)value;
	(void)negated;
	if (o)
		o->op.flags |= CONTENT_F_NOCASE;
	return o;
}

bool kw_rawbytes(struct parse *p, char *value, bool negated)
{
	(void)value;
	(void)negated;
	return rule_last_content(p, "rawbytes");
}

/* A number for the last content, or with `var_flag` in its flags a variable's index. */
static struct rule_op *modifier(struct parse *p, const char *name, const char *value, int64_t low,
				uint16_t var_flag, int64_t *out)
{
	struct rule_op *o = rule_last_content(p, name);

	if (!o)
		return NULL;
	if (rule_is_name(value)) {
		int var = rule_variable(p, name, value);

		*out = var;
		o->op.flags |= var_flag;
		return var < 0 ? NULL : o;
	}
	if (!parse_i64(value, low, 0xffff, out)) {
		refuse(p, "%s: bad number %s", name, value);
		return NULL;
	}
	return o;
}

static bool once(struct parse *p, const char *name, bool *flag)
{
	if (*flag)
		return refuse(p, "%s given twice for one content", name);
	*flag = true;
	return true;
}

bool kw_offset(struct parse *p, char *value, bool negated)
{
	int64_t v;
	struct rule_op *o = modifier(p, "offset", value, 0, CONTENT_F_OFFSET_VAR, &v);

	(void)negated;
	if (!o)
		return false;
	o->op.arg[CONTENT_OFFSET] = (uint32_t)v;
	return once(p, "offset", &o->offset);
}

bool kw_depth(struct parse *p, char *value, bool negated)
{
	int64_t v;
	struct rule_op *o = modifier(p, "depth", value, 1, CONTENT_F_DEPTH_VAR, &v);

	(void)negated;
	if (!o)
		return false;
	o->depth_value = (uint32_t)v;
	return once(p, "depth", &o->depth);
}

bool kw_distance(struct parse *p, char *value, bool negated)
{
	int64_t v;
	struct rule_op *o = modifier(p, "distance", value, -0xffff, CONTENT_F_DISTANCE_VAR, &v);

	(void)negated;
	if (!o)
		return false;
	o->op.arg[CONTENT_DISTANCE] = (uint32_t)v;
	o->op.flags |= CONTENT_F_DISTANCE;
	return once(p, "distance", &o->distance);
}

bool kw_within(struct parse *p, char *value, bool negated)
{
	int64_t v;
	struct rule_op *o = modifier(p, "within", value, 1, CONTENT_F_WITHIN_VAR, &v);

	(void)negated;
	if (!o)
		return false;
	o->op.arg[CONTENT_WITHIN] = (uint32_t)v;
	o->op.flags |= CONTENT_F_WITHIN;
	return once(p, "within", &o->within);
}

bool kw_startswith(struct parse *p, char *value, bool negated)
{
	struct rule_op *o = rule_last_content(p, "startswith");

	(void)value;
	(void)negated;
	return o && once(p, "startswith", &o->starts);
}

bool kw_endswith(struct parse *p, char *value, bool negated)
{
	struct rule_op *o = rule_last_content(p, "endswith");

	(void)value;
	(void)negated;
	if (!o)
		return false;
	if (o->op.flags & CONTENT_F_ENDS)
		return refuse(p, "endswith given twice for one content");
	o->op.flags |= CONTENT_F_ENDS;
	return true;
}

/* fast_pattern; fast_pattern:only; fast_pattern:OFFSET,LENGTH. */
bool kw_fast_pattern(struct parse *p, char *value, bool negated)
{
	struct rule_op *o = rule_last_content(p, "fast_pattern");
	uint64_t from, len;
	char *comma;

	(void)negated;
	if (!o)
		return false;
	for (size_t i = 0; i < p->rule->op_count; i++)
		if (p->rule->op[i].fast)
			return refuse(p, "fast_pattern given twice");
	o->fast = true;
	if (!value || strcmp(value, "only") == 0)
		return true;
	comma = strchr(value, ',');
	if (!comma)
		return refuse(p, "fast_pattern: bad value %s", value);
	*comma = '\0';
	if (!parse_u64(trim(value), 0xffff, &from) || !parse_u64(trim(comma + 1), 0xffff, &len) ||
	    len == 0 || from + len > o->op.arg[CONTENT_LENGTH])
		return refuse(p, "fast_pattern: part lies outside the content");
	o->fast_from = (uint16_t)from;
	o->fast_len = (uint16_t)len;
	return true;
}

static bool finish_one(struct parse *p, struct rule_op *o)
{
	struct blob_op *op = &o->op;
	uint32_t len = op->arg[CONTENT_LENGTH];

	if (o->starts) {
		if (o->offset || o->depth || o->distance || o->within)
			return refuse(p, "startswith with offset, depth, distance or within");
		o->depth_value = len;
	}
	if ((o->distance || o->within) && (o->offset || o->depth))
		return refuse(p, "distance or within with offset or depth for one content");
	if ((o->depth && !(op->flags & CONTENT_F_DEPTH_VAR) && o->depth_value < len) ||
	    (o->within && !(op->flags & CONTENT_F_WITHIN_VAR) && op->arg[CONTENT_WITHIN] < len))
		return refuse(p, "content longer than its %s", o->depth ? "depth" : "within");
	if (o->fast && (op->flags & CONTENT_F_NEGATED) &&
	    (o->offset || o->depth || o->distance || o->within || o->starts))
		return refuse(p, "fast_pattern for a negated content with a place");
	/* In the blob depth counts from the buffer's start, in the language from offset; while one
	 * of them is not known yet, as in the language. */
	if (op->flags & (CONTENT_F_OFFSET_VAR | CONTENT_F_DEPTH_VAR))
		op->arg[CONTENT_DEPTH] = o->depth_value;
	else if (o->depth || o->starts)
		op->arg[CONTENT_DEPTH] = o->depth_value + op->arg[CONTENT_OFFSET];
	if (op->flags & CONTENT_F_NOCASE)
		for (uint32_t i = 0; i < len; i++)
			o->bytes[i] = lower(o->bytes[i]);
	o->relative = o->distance || o->within;
	return true;
}

/* What a relative condition is relative to, within its group: it may have to find another place. */
static void tell_before(struct rule *r, size_t i)
{
	const struct rule_op *o = &r->op[i];

	while (i-- > 0) {
		struct rule_op *b = &r->op[i];
		bool pcre = b->op.kind == OP_PCRE;

		if ((!pcre && b->op.kind != OP_CONTENT) || !rule_same_group(b, o))
			continue;
		b->op.flags |= pcre ? PCRE_F_RELATIVE_NEXT : CONTENT_F_RELATIVE_NEXT;
		return;
	}
}

bool content_finish(struct parse *p)
{
	for (size_t i = 0; i < p->rule->op_count; i++) {
		struct rule_op *o = &p->rule->op[i];

		if (o->op.kind == OP_CONTENT && !finish_one(p, o))
			return false;
		if (o->relative)
			tell_before(p->rule, i);
	}
	return true;
}
