/* flowbits, hostbits, xbits, flowint: what rules remember of flows and hosts. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ids/rules/compile/keywords.h"
#include "ids/rules/compile/names.h"
#include "ids/rules/compile/text.h"

#define HOSTBITS_SECONDS 300 /* Suricata's; of xbits where the rule says nothing: 30 */
#define XBITS_SECONDS	 30

static const struct {
	const char *name;
	uint8_t command;
} commands[] = {
	{"set", BITS_SET},	{"unset", BITS_UNSET},	     {"toggle", BITS_TOGGLE},
	{"isset", BITS_ISSET},	{"isnotset", BITS_ISNOTSET}, {"setx", BITS_SET},
	{"is_set", BITS_ISSET},
};

static int find_command(struct parse *p, const char *keyword, const char *word)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(word, commands[i].name) == 0)
			return commands[i].command;
	refuse(p, "%s: unknown command %s", keyword, word);
	return -1;
}

/* The next part of a list, trimmed; NULL: none, or empty. */
static char *part(char **save)
{
	char *word = strsep(save, ",");

	word = word ? trim(word) : NULL;
	return word && *word ? word : NULL;
}

static bool good_name(const char *name)
{
	if (!*name || strlen(name) > NAME_MAX_LEN)
		return false;
	for (; *name; name++)
		if (isspace((unsigned char)*name) || *name == '|' || *name == '&')
			return false;
	return true;
}

/* A condition or effect on the bits named in `list`, apart by one of `between`. */
static bool add_bits(struct parse *p, const char *keyword, int command, enum bits_scope scope,
		     char *list, const char *between, uint32_t seconds)
{
	bool test = command == BITS_ISSET || command == BITS_ISNOTSET;
	struct rule_op *o = rule_add_op(p, test ? OP_BITS_TEST : OP_BITS_SET);
	uint32_t count = 0;

	if (!o)
		return false;
	o->bytes = grow(NULL, BITS_MAX_NAMES * sizeof(uint32_t));
	while (list) {
		char *name = trim(strsep(&list, between));
		uint32_t number;

		if (!good_name(name))
			return refuse(p, "%s: bad name %s", keyword, name);
		if (count == BITS_MAX_NAMES)
			return refuse(p, "%s: too many names", keyword);
		number = names_number(p->names, scope == SCOPE_FLOW ? 'f' : 'h', name);
		memcpy(o->bytes + count++ * sizeof(number), &number, sizeof(number));
	}
	o->op.arg[0] = scope;
	o->op.arg[1] = (uint32_t)command;
	o->op.arg[3] = count;
	o->op.arg[4] = seconds;
	o->len = (uint32_t)(count * sizeof(uint32_t));
	return true;
}

/* flowbits:COMMAND,NAME or isset,A|B; Snort also joins by &, for all of them. */
static bool flowbits(struct parse *p, int command, char *list)
{
	bool test = command == BITS_ISSET || command == BITS_ISNOTSET;

	if (strchr(list, '&') && p->dialect == DIALECT_SNORT) {
		while (list)
			if (!add_bits(p, "flowbits", command, SCOPE_FLOW, strsep(&list, "&"), "",
				      0))
				return false;
		return true;
	}
	if (strchr(list, '|') && !test)
		return refuse(p, "flowbits: | only with isset and isnotset");
	return add_bits(p, "flowbits", command, SCOPE_FLOW, list, "|", 0);
}

bool kw_flowbits(struct parse *p, char *value, bool negated)
{
	char *word = part(&value), *list = part(&value);
	int command;

	(void)negated;
	if (!word)
		return refuse(p, "flowbits: no command");
	if (strcmp(word, "noalert") == 0) {
		p->rule->noalert = true;
		return list ? refuse(p, "flowbits: noalert takes no name") : true;
	}
	command = find_command(p, "flowbits", word);
	if (command < 0)
		return false;
	/* Snort's third part, a group, is of no use here. */
	if (!list || (part(&value) && p->dialect != DIALECT_SNORT))
		return refuse(p, "flowbits: needs a command and a name");
	return flowbits(p, command, list);
}

bool kw_hostbits(struct parse *p, char *value, bool negated)
{
	char *word = part(&value), *name = part(&value), *side = part(&value);
	enum bits_scope scope = SCOPE_SRC;
	int command;

	(void)negated;
	if (!word)
		return refuse(p, "hostbits: no command");
	if (strcmp(word, "noalert") == 0) {
		p->rule->noalert = true;
		return name ? refuse(p, "hostbits: noalert takes no name") : true;
	}
	command = find_command(p, "hostbits", word);
	if (command < 0)
		return false;
	if (!name || part(&value))
		return refuse(p, "hostbits: needs a command and a name");
	if (side && strcmp(side, "dst") == 0)
		scope = SCOPE_DST;
	else if (side && strcmp(side, "src") != 0)
		return refuse(p, "hostbits: %s is not src or dst", side);
	return add_bits(p, "hostbits", command, scope, name, "", HOSTBITS_SECONDS);
}

/* `word value` of a list; NULL: does not begin with the word. */
static char *after(char *text, const char *word)
{
	size_t len = strlen(word);

	if (!text || strncmp(text, word, len) != 0 || !isspace((unsigned char)text[len]))
		return NULL;
	return trim(text + len);
}

static int find_scope(const char *word)
{
	static const char *const names[SCOPES] = {
		[SCOPE_SRC] = "ip_src",
		[SCOPE_DST] = "ip_dst",
		[SCOPE_PAIR] = "ip_pair",
	};

	for (int i = SCOPE_SRC; word && i < SCOPES; i++)
		if (strcmp(word, names[i]) == 0)
			return i;
	return -1;
}

/* xbits:COMMAND,NAME,track ip_src|ip_dst|ip_pair[,expire N]. */
bool kw_xbits(struct parse *p, char *value, bool negated)
{
	char *word = part(&value), *name = part(&value), *track = part(&value),
	     *expire = part(&value);
	uint64_t seconds = XBITS_SECONDS;
	int command, scope;

	(void)negated;
	if (!word)
		return refuse(p, "xbits: no command");
	if (strcmp(word, "noalert") == 0) {
		p->rule->noalert = true;
		return name ? refuse(p, "xbits: noalert takes no name") : true;
	}
	command = find_command(p, "xbits", word);
	if (command < 0)
		return false;
	scope = find_scope(after(track, "track"));
	if (!name || scope < 0 || part(&value))
		return refuse(p, "xbits: needs a command, a name, and track ip_src, ip_dst or "
				 "ip_pair");
	if (expire && (!parse_u64(after(expire, "expire") ? after(expire, "expire") : "",
				  UINT32_MAX, &seconds) ||
		       seconds == 0 || command != BITS_SET))
		return refuse(p, "xbits: bad %s", expire);
	return add_bits(p, "xbits", command, (enum bits_scope)scope, name, "", (uint32_t)seconds);
}

static const struct {
	const char *name;
	uint8_t command;
} modifiers[] = {
	{"+", FLOWINT_ADD},	      {"-", FLOWINT_SUB},
	{"=", FLOWINT_SET},	      {"==", FLOWINT_EQ},
	{"!=", FLOWINT_NE},	      {"<", FLOWINT_LT},
	{"<=", FLOWINT_LE},	      {">", FLOWINT_GT},
	{">=", FLOWINT_GE},	      {"isset", FLOWINT_ISSET},
	{"isnotset", FLOWINT_NOTSET}, {"notset", FLOWINT_NOTSET},
};

/* flowint:NAME,MODIFIER,NUMBER-or-NAME or flowint:NAME,isset. */
bool kw_flowint(struct parse *p, char *value, bool negated)
{
	char *name = part(&value), *word = part(&value), *target = part(&value);
	struct rule_op *o = rule_add_op(p, OP_FLOWINT);
	uint64_t number;
	size_t i = 0;

	(void)negated;
	if (!o)
		return false;
	if (!name || !word || !good_name(name) || part(&value))
		return refuse(p, "flowint: needs a name, a modifier and a value");
	while (i < sizeof(modifiers) / sizeof(modifiers[0]) && strcmp(word, modifiers[i].name) != 0)
		i++;
	if (i == sizeof(modifiers) / sizeof(modifiers[0]))
		return refuse(p, "flowint: unknown modifier %s", word);
	o->op.arg[0] = names_number(p->names, 'i', name);
	o->op.arg[1] = modifiers[i].command;
	if (o->op.arg[1] == FLOWINT_ISSET || o->op.arg[1] == FLOWINT_NOTSET)
		return target ? refuse(p, "flowint: %s takes no value", word) : true;
	if (!target)
		return refuse(p, "flowint: needs a value");
	if (parse_u64(target, UINT32_MAX, &number)) {
		o->op.arg[2] = (uint32_t)number;
		return true;
	}
	if (isdigit((unsigned char)*target) || !good_name(target))
		return refuse(p, "flowint: bad value %s", target);
	o->op.flags = FLOWINT_F_NAME;
	o->op.arg[2] = names_number(p->names, 'i', target);
	return true;
}
