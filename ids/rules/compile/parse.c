/* One rule's text: header, then options. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ids/rules/compile/keywords.h"
#include "ids/rules/compile/text.h"
#include "ids/rules/compile/vars.h"

#define ALL_CLASSES ((1u << BLOB_CLASSES) - 1)
#define C(class)    (1u << BLOB_CLASS_##class)

bool refuse(struct parse *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(p->reason, sizeof(p->reason), format, args);
	va_end(args);
	return false;
}

static const struct {
	const char *name;
	enum blob_action action;
} actions[] = {
	{"alert", BLOB_ALERT},
	{"drop", BLOB_DROP},
	{"pass", BLOB_PASS},
};

static const struct {
	const char *name;
	uint8_t classes, ip_version;
	bool packets_only;
} protocols[] = {
	{"ip", ALL_CLASSES, 0, false},
	{"ip4", ALL_CLASSES, 4, false},
	{"ipv4", ALL_CLASSES, 4, false},
	{"ip6", ALL_CLASSES, 6, false},
	{"ipv6", ALL_CLASSES, 6, false},
	{"tcp", C(TCP), 0, false},
	{"tcp-pkt", C(TCP), 0, true},
	{"udp", C(UDP), 0, false},
	{"icmp", C(ICMP4) | C(ICMP6), 0, false},
	{"icmpv4", C(ICMP4), 0, false},
	{"icmpv6", C(ICMP6), 0, false},
	{"ipv6-icmp", C(ICMP6), 0, false},
};

static bool set_action(struct parse *p, const char *word)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(word, actions[i].name) == 0) {
			p->rule->action = actions[i].action;
			return true;
		}
	return refuse(p, "action %s is not supported yet", word);
}

static bool set_protocol(struct parse *p, const char *word)
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (strcmp(word, protocols[i].name) == 0) {
			p->rule->classes = protocols[i].classes;
			p->rule->ip_version = protocols[i].ip_version;
			p->rule->packets_only = protocols[i].packets_only;
			return true;
		}
	return refuse(p, "protocol %s is not supported yet", word);
}

struct rule_op *rule_add_op(struct parse *p, enum op_kind kind)
{
	struct rule *r = p->rule;
	struct rule_op *o;

	if (r->op_count == BLOB_MAX_OPS) {
		refuse(p, "too many conditions");
		return NULL;
	}
	o = &r->op[r->op_count++];
	memset(o, 0, sizeof(*o));
	o->op.kind = (uint8_t)kind;
	o->transformed = r->transformed;
	return o;
}

struct rule_op *rule_last_content(struct parse *p, const char *keyword)
{
	for (size_t i = p->rule->op_count; i > 0; i--)
		if (p->rule->op[i - 1].op.kind == OP_CONTENT)
			return &p->rule->op[i - 1];
	refuse(p, "%s without a content before it", keyword);
	return NULL;
}

/* The next word of the header; white space inside brackets belongs to it. */
static char *next_word(char **at)
{
	char *word, *end;
	int brackets = 0;

	while (**at == ' ' || **at == '\t')
		++*at;
	word = end = *at;
	for (; *end && (brackets > 0 || (*end != ' ' && *end != '\t')); end++)
		brackets += (*end == '[') - (*end == ']');
	if (*end)
		*end++ = '\0';
	*at = end;
	return *word ? word : NULL;
}

static bool parse_header(struct parse *p, char *text)
{
	struct rule *r = p->rule;
	char *word[7], *arrow;

	for (size_t i = 0; i < 7; i++) {
		word[i] = next_word(&text);
		if (!word[i])
			return refuse(p, "rule header is incomplete");
	}
	if (next_word(&text))
		return refuse(p, "rule header has a word too many");
	arrow = word[4];
	if (strcmp(arrow, "<>") == 0)
		r->both_ways = true;
	else if (strcmp(arrow, "->") != 0)
		return refuse(p, "bad direction %s", arrow);
	r->src = copy_text(word[2], strlen(word[2]));
	r->sport = copy_text(word[3], strlen(word[3]));
	r->dst = copy_text(word[5], strlen(word[5]));
	r->dport = copy_text(word[6], strlen(word[6]));
	return set_action(p, word[0]) && set_protocol(p, word[1]);
}

/* Take off the quotes, and the `!` before them; false: the value does not have the form. */
static bool plain_value(struct parse *p, const struct keyword *k, char **value, bool *negated)
{
	char *v = *value;
	size_t len;

	if ((k->flags & KEYWORD_NEGATABLE) && *v == '!') {
		*negated = true;
		v = trim(v + 1);
	}
	if (k->flags & KEYWORD_QUOTED) {
		len = strlen(v);
		if (len < 2 || v[0] != '"' || v[len - 1] != '"')
			return refuse(p, "%s: value must stand in quotes", k->name);
		v[len - 1] = '\0';
		v++;
	}
	*value = v;
	return true;
}

static bool parse_option(struct parse *p, char *text, uint64_t *seen)
{
	char *colon = strchr(text, ':'), *value = NULL;
	const struct keyword *k;
	bool negated = false;
	uint64_t bit;

	if (colon) {
		*colon = '\0';
		value = trim(colon + 1);
	}
	text = trim(text);
	k = keyword_find(text);
	if (!k)
		return refuse(p, "keyword %s is not supported yet", text);
	bit = 1ull << (k - keywords);
	if ((k->flags & KEYWORD_ONCE) && (*seen & bit))
		return refuse(p, "%s given twice", k->name);
	*seen |= bit;
	if (value && !*value)
		value = NULL;
	if (value && (k->flags & KEYWORD_NO_VALUE))
		return refuse(p, "%s takes no value", k->name);
	if (!value && (k->flags & KEYWORD_VALUE))
		return refuse(p, "%s needs a value", k->name);
	if (value && !plain_value(p, k, &value, &negated))
		return false;
	return k->parse(p, value, negated);
}

/* The end of the option at `at`: its semicolon (one with a backslash before it belongs to the
 * value), or NULL. */
static char *option_end(char *at)
{
	for (; *at; at++) {
		if (*at == '\\' && at[1])
			at++;
		else if (*at == ';')
			return at;
	}
	return NULL;
}

/* Options that follow a refused one are still searched for the sid, to name the rule. */
static void find_sid(struct parse *p, char *at)
{
	while (*at) {
		char *end = option_end(at);
		uint64_t sid;

		if (!end)
			return;
		*end = '\0';
		at = trim(at);
		if (strncmp(at, "sid:", 4) == 0 && parse_u64(trim(at + 4), UINT32_MAX, &sid))
			p->rule->sid = (uint32_t)sid;
		at = end + 1;
	}
}

static bool parse_options(struct parse *p, char *at)
{
	uint64_t seen = 0;

	for (at = trim(at); *at; at = trim(at)) {
		char *end = option_end(at);

		if (!end)
			return refuse(p, "option without semicolon: %.40s", at);
		*end = '\0';
		if (*trim(at) && !parse_option(p, at, &seen)) {
			find_sid(p, end + 1);
			return false;
		}
		at = end + 1;
	}
	return true;
}

static bool finish(struct parse *p)
{
	struct rule *r = p->rule;

	if (!r->has_sid)
		return refuse(p, "no sid");
	if (!content_finish(p))
		return false;
	if (!r->has_priority)
		r->priority = r->class ? r->class->priority : 3; /* Suricata's default */
	return true;
}

bool rule_parse(struct parse *p, const char *text)
{
	char *copy = copy_text(text, strlen(text)), *open = strchr(copy, '('),
	     *close = strrchr(copy, ')');
	bool ok, options = open && close && open < close && !*trim(close + 1);

	memset(p->rule, 0, sizeof(*p->rule));
	p->reason[0] = '\0';
	p->rule->gid = 1;
	if (!options) {
		free(copy);
		return refuse(p, "no options in parentheses");
	}
	*open = '\0';
	*close = '\0';
	ok = parse_header(p, copy);
	if (!ok)
		find_sid(p, open + 1);
	else
		ok = parse_options(p, open + 1) && finish(p);
	free(copy);
	return ok;
}

void rule_free(struct rule *r)
{
	free(r->src);
	free(r->sport);
	free(r->dst);
	free(r->dport);
	free(r->msg);
	for (size_t i = 0; i < r->op_count; i++)
		free(r->op[i].bytes);
	for (size_t i = 0; i < r->var_count; i++)
		free(r->var[i]);
	for (size_t i = 0; i < r->meta_count; i++) {
		free(r->meta[i].key);
		free(r->meta[i].value);
	}
}
