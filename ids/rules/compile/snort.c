/* What Snort 3 writes in another way: options of a content behind commas, buffers that are all
 * sticky, a few keywords of its own. Everything else is as in Suricata's language. */
#include <string.h>
#include <strings.h>

#include "ids/rules/compile/keywords.h"
#include "ids/rules/compile/text.h"

/* The last content's fast pattern begins there, or is that long. */
static bool fast_part(struct parse *p, char *value, bool length)
{
	struct rule_op *o = rule_last_content(p, "fast_pattern");
	uint64_t v;

	if (!o)
		return false;
	if (!value || !parse_u64(value, 0xffff, &v) || (length && v == 0))
		return refuse(p, "fast_pattern: bad offset or length");
	if (length)
		o->fast_len = (uint16_t)v;
	else
		o->fast_from = (uint16_t)v;
	return true;
}

static bool fast_offset(struct parse *p, char *value, bool negated)
{
	(void)negated;
	return fast_part(p, value, false);
}

static bool fast_length(struct parse *p, char *value, bool negated)
{
	(void)negated;
	return fast_part(p, value, true);
}

static const struct {
	const char *name;
	bool value;
	bool (*parse)(struct parse *p, char *value, bool negated);
} content_options[] = {
	{"nocase", false, kw_nocase},
	{"fast_pattern", false, kw_fast_pattern},
	{"fast_pattern_offset", true, fast_offset},
	{"fast_pattern_length", true, fast_length},
	{"offset", true, kw_offset},
	{"depth", true, kw_depth},
	{"distance", true, kw_distance},
	{"within", true, kw_within},
};

static bool content_option(struct parse *p, char *text)
{
	char *value = text + strcspn(text, " \t");

	if (*value)
		*value++ = '\0';
	value = trim(value);
	for (size_t i = 0; i < sizeof(content_options) / sizeof(content_options[0]); i++) {
		if (strcmp(text, content_options[i].name) != 0)
			continue;
		if ((*value != '\0') != content_options[i].value)
			return refuse(p, "content: %s with a wrong value", text);
		return content_options[i].parse(p, *value ? value : NULL, false);
	}
	return refuse(p, "content: unknown option %s", text);
}

/* A part of the fast pattern must lie within the content; its length alone counts from 0. */
static bool fast_fits(struct parse *p)
{
	struct rule_op *o = rule_last_content(p, "fast_pattern");
	uint32_t len = o->op.arg[CONTENT_LENGTH];

	if (o->fast_from && !o->fast_len && o->fast_from < len)
		o->fast_len = (uint16_t)(len - o->fast_from);
	if ((uint32_t)o->fast_from + o->fast_len > len)
		return refuse(p, "fast_pattern: part lies outside the content");
	return true;
}

/* The quote that ends the text which begins behind `at`, or NULL. */
static char *closing_quote(char *at)
{
	for (; *at; at++) {
		if (*at == '\\' && at[1])
			at++;
		else if (*at == '"')
			return at;
	}
	return NULL;
}

/* content:[!]"TEXT"[,OPTION ...]. */
static bool snort_content(struct parse *p, char *value)
{
	bool negated = *value == '!';
	char *text = trim(value + negated), *end, *rest;

	if (*text != '"' || !(end = closing_quote(text + 1)))
		return refuse(p, "content: value must stand in quotes");
	*end = '\0';
	rest = trim(end + 1);
	if (*rest && *rest++ != ',')
		return refuse(p, "content: no comma behind the text");
	if (!kw_content(p, text + 1, negated))
		return false;
	while (*rest) {
		char *comma = strchr(rest, ',');

		if (comma)
			*comma = '\0';
		if (!content_option(p, trim(rest)))
			return false;
		rest = comma ? comma + 1 : rest + strlen(rest);
	}
	return fast_fits(p);
}

/* bufferlen:RANGE of the buffer in use; A<=>B includes its ends. */
static bool snort_bufferlen(struct parse *p, char *value)
{
	struct rule_op *o = rule_add_op(p, OP_BUFFER_LENGTH);
	char *between = strstr(value, "<=>");
	uint64_t low, high;

	if (!o)
		return false;
	if (!between)
		return parse_range(p, "bufferlen", value, UINT32_MAX, &o->op);
	*between = '\0';
	if (!parse_u64(trim(value), UINT32_MAX, &low) ||
	    !parse_u64(trim(between + 3), UINT32_MAX, &high) || low > high)
		return refuse(p, "bufferlen: bad range");
	o->op.arg[0] = (uint32_t)low;
	o->op.arg[1] = (uint32_t)high;
	return true;
}

/* Fields of the header block that have a buffer of their own. */
static const struct {
	const char *name;
	uint8_t buffer;
} fields[] = {
	{"user-agent", APP_HTTP_USER_AGENT},
	{"host", APP_HTTP_HOST},
	{"cookie", APP_HTTP_COOKIE},
	{"referer", APP_HTTP_REFERER},
	{"accept", APP_HTTP_ACCEPT},
	{"accept-language", APP_HTTP_ACCEPT_LANG},
	{"accept-encoding", APP_HTTP_ACCEPT_ENC},
	{"connection", APP_HTTP_CONNECTION},
	{"content-type", APP_HTTP_CONTENT_TYPE},
	{"content-length", APP_HTTP_CONTENT_LEN},
	{"location", APP_HTTP_LOCATION},
	{"server", APP_HTTP_SERVER},
};

/* http_header[:field NAME]. */
static bool snort_header(struct parse *p, char *value)
{
	if (!value)
		return rule_set_buffer(p, APP_HTTP_HEADER);
	if (strncmp(value, "field ", 6) != 0)
		return refuse(p, "http_header: unknown option %s", value);
	value = trim(value + 6);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcasecmp(value, fields[i].name) == 0)
			return rule_set_buffer(p, (enum app_buffer)fields[i].buffer);
	return refuse(p, "http_header: field %s has no buffer of its own", value);
}

static bool snort_raw_data(struct parse *p, char *value)
{
	(void)value;
	return rule_set_buffer(p, APP_PAYLOAD);
}

/* What is in no need of looking at: a comment; the service, for which the buffers speak. */
static bool snort_nothing(struct parse *p, char *value)
{
	(void)p;
	(void)value;
	return true;
}

static const struct {
	const char *name;
	unsigned flags; /* KEYWORD_VALUE, KEYWORD_NO_VALUE */
	bool (*parse)(struct parse *p, char *value);
} options[] = {
	{"content", KEYWORD_VALUE, snort_content}, {"bufferlen", KEYWORD_VALUE, snort_bufferlen},
	{"http_header", 0, snort_header},	   {"raw_data", KEYWORD_NO_VALUE, snort_raw_data},
	{"service", KEYWORD_VALUE, snort_nothing}, {"rem", KEYWORD_VALUE, snort_nothing},
};

bool snort_option(const char *name)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(name, options[i].name) == 0)
			return true;
	return false;
}

bool snort_parse(struct parse *p, const char *name, char *value)
{
	size_t i = 0;

	while (strcmp(name, options[i].name) != 0)
		i++;
	if (!value && (options[i].flags & KEYWORD_VALUE))
		return refuse(p, "%s needs a value", name);
	if (value && (options[i].flags & KEYWORD_NO_VALUE))
		return refuse(p, "%s takes no value", name);
	return options[i].parse(p, value);
}
