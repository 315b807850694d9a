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
#define P(proto)    (1u << APP_##proto)

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
	uint8_t reject;
} actions[] = {
	{"alert", BLOB_ALERT, 0},
	{"drop", BLOB_DROP, 0},
	{"pass", BLOB_PASS, 0},
	{"reject", BLOB_REJECT, BLOB_REJECT_SRC},
	{"rejectsrc", BLOB_REJECT, BLOB_REJECT_SRC},
	{"rejectdst", BLOB_REJECT, BLOB_REJECT_DST},
	{"rejectboth", BLOB_REJECT, BLOB_REJECT_BOTH},
	{"block", BLOB_DROP, 0}, /* Snort 3's name */
};

#define PACKETS 0x01 /* looks at packets, not at streams */
#define STREAM	0x02 /* the other way round */

static const struct {
	const char *name;
	uint8_t classes, ip_version;
	uint8_t protos, flags;
} protocols[] = {
	{"ip", ALL_CLASSES, 0, 0, 0},
	{"ip4", ALL_CLASSES, 4, 0, 0},
	{"ipv4", ALL_CLASSES, 4, 0, 0},
	{"ip6", ALL_CLASSES, 6, 0, 0},
	{"ipv6", ALL_CLASSES, 6, 0, 0},
	{"pkthdr", ALL_CLASSES, 0, 0, PACKETS},
	{"tcp", C(TCP), 0, 0, 0},
	{"tcp-pkt", C(TCP), 0, 0, PACKETS},
	{"tcp-stream", C(TCP), 0, 0, STREAM},
	{"udp", C(UDP), 0, 0, 0},
	{"icmp", C(ICMP4) | C(ICMP6), 0, 0, 0},
	{"icmpv4", C(ICMP4), 0, 0, 0},
	{"icmpv6", C(ICMP6), 0, 0, 0},
	{"ipv6-icmp", C(ICMP6), 0, 0, 0},
	{"http", C(TCP), 0, P(HTTP), 0},
	{"http1", C(TCP), 0, P(HTTP), 0},
	{"dns", C(TCP) | C(UDP), 0, P(DNS), 0},
	{"tls", C(TCP), 0, P(TLS), 0},
	{"ssl", C(TCP), 0, P(TLS), 0},
};

/* Known to Suricata or Snort, but there is no parser that would tell them from others. */
static const char *const unparsed[] = {
	"smtp",
	"ftp",
	"ftp-data",
	"ssh",
	"smb",
	"dcerpc",
	"nfs",
	"tftp",
	"ike",
	"ikev2",
	"krb5",
	"snmp",
	"sip",
	"rdp",
	"rfb",
	"mqtt",
	"modbus",
	"enip",
	"dnp3",
	"ntp",
	"dhcp",
	"telnet",
	"imap",
	"pop3",
	"http2",
	"quic",
	"pgsql",
	"ldap",
	"bittorrent-dht",
	"websocket",
	"doh2",
	"sctp",
	"esp",
	"gre",
	"arp",
	"file",
};

static bool set_action(struct parse *p, const char *word)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(word, actions[i].name) == 0) {
			p->rule->action = actions[i].action;
			p->rule->reject = actions[i].reject;
			return true;
		}
	return refuse(p, "action %s is not supported yet", word);
}

static bool set_protocol(struct parse *p, const char *word)
{
	struct rule *r = p->rule;

	/* Snort 3's rules for files speak about what file.data shows. */
	if (p->dialect == DIALECT_SNORT && strcmp(word, "file") == 0)
		word = "tcp";
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (strcmp(word, protocols[i].name) == 0) {
			r->classes = protocols[i].classes;
			r->ip_version = protocols[i].ip_version;
			r->protos = protocols[i].protos;
			r->packets_only = protocols[i].flags & PACKETS;
			r->stream_only = protocols[i].flags & STREAM;
			return true;
		}
	for (size_t i = 0; i < sizeof(unparsed) / sizeof(unparsed[0]); i++)
		if (strcmp(word, unparsed[i]) == 0)
			return refuse(p,
				      "protocol %s is not parsed (ip, tcp and udp rules can look "
				      "into its payload)",
				      word);
	return refuse(p, "protocol %s is unknown", word);
}

bool rule_set_proto(struct parse *p, const char *keyword, enum app_proto proto)
{
	if (p->rule->protos && !(p->rule->protos >> proto & 1))
		return refuse(p, "%s in a rule for another protocol", keyword);
	p->rule->protos = (uint8_t)(1u << proto);
	return true;
}

bool rule_set_buffer(struct parse *p, enum app_buffer buffer)
{
	const struct app_buffer_info *info = &app_buffers[buffer];
	struct rule *r = p->rule;

	if (info->proto != APP_UNKNOWN &&
	    !rule_set_proto(p, info->name, (enum app_proto)info->proto))
		return false;
	r->buffer = (uint8_t)buffer;
	r->instance = 0;
	r->transform = (struct rule_transform){0};
	return !(info->flags & APP_BUFFER_MANY) || rule_new_group(p);
}

bool rule_same_group(const struct rule_op *a, const struct rule_op *b)
{
	return a->op.buffer == b->op.buffer && a->instance == b->instance;
}

bool rule_new_group(struct parse *p)
{
	struct rule *r = p->rule;

	if (r->instances == UINT8_MAX)
		return refuse(p, "too many uses of buffers");
	r->instance = ++r->instances;
	return true;
}

bool rule_has_op(const struct rule *r, enum op_kind kind)
{
	for (size_t i = 0; i < r->op_count; i++)
		if (r->op[i].op.kind == kind)
			return true;
	return false;
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
	o->op.buffer = r->buffer;
	o->instance = r->instance;
	o->transform = r->transform;
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

/* The seven words of a header. A Snort 3 rule for a service may leave out all behind it. */
static bool header_words(struct parse *p, char **text, char *word[7])
{
	static char any[] = "any", to[] = "->";
	size_t n = 0;

	while (n < 7 && (word[n] = next_word(text)))
		n++;
	if (n == 2 && p->dialect == DIALECT_SNORT) {
		word[2] = word[3] = word[5] = word[6] = any;
		word[4] = to;
	} else if (n < 7) {
		return refuse(p, "rule header is incomplete");
	}
	return true;
}

static bool parse_header(struct parse *p, char *text)
{
	struct rule *r = p->rule;
	char *word[7], *arrow;

	if (!header_words(p, &text, word))
		return false;
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
		if (k->flags & KEYWORD_BARE && v[0] != '"') {
			*value = v;
			return true;
		}
		if (len < 2 || v[0] != '"' || v[len - 1] != '"')
			return refuse(p, "%s: value must stand in quotes", k->name);
		v[len - 1] = '\0';
		v++;
	}
	*value = v;
	return true;
}

static bool known_option(struct parse *p, const struct keyword *k, char *value, uint8_t *seen)
{
	bool negated = false;

	if ((k->flags & KEYWORD_ONCE) && seen[k - keywords])
		return refuse(p, "%s given twice", k->name);
	seen[k - keywords] = 1;
	if (value && (k->flags & KEYWORD_NO_VALUE))
		return refuse(p, "%s takes no value", k->name);
	if (!value && (k->flags & KEYWORD_VALUE))
		return refuse(p, "%s needs a value", k->name);
	if (value && !plain_value(p, k, &value, &negated))
		return false;
	return k->parse(p, value, negated);
}

static bool parse_option(struct parse *p, char *text, uint8_t *seen)
{
	char *colon = strchr(text, ':'), *value = NULL;
	const struct keyword *k;

	if (colon) {
		*colon = '\0';
		value = trim(colon + 1);
		if (!*value)
			value = NULL;
	}
	text = trim(text);
	if (p->dialect == DIALECT_SNORT && snort_option(text))
		return snort_parse(p, text, value);
	k = keyword_find(text);
	if (k)
		return known_option(p, k, value, seen);
	if (!buffer_keyword(text))
		return refuse(p, "keyword %s is not supported yet", text);
	return kw_buffer(p, text, value);
}

/* The end of the option at `at`: its semicolon (one with a backslash before it belongs to the
 * value, in Snort's language also one in quotes), or NULL. */
static char *option_end(const struct parse *p, char *at)
{
	bool quoted = false;

	for (; *at; at++) {
		if (*at == '\\' && at[1])
			at++;
		else if (*at == '"' && p->dialect == DIALECT_SNORT)
			quoted = !quoted;
		else if (*at == ';' && !quoted)
			return at;
	}
	return NULL;
}

/* Options that follow a refused one are still searched for the sid, to name the rule. */
static void find_sid(struct parse *p, char *at)
{
	while (*at) {
		char *end = option_end(p, at);
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
	uint8_t seen[KEYWORDS_MAX] = {0};

	for (at = trim(at); *at; at = trim(at)) {
		char *end = option_end(p, at);

		if (!end)
			return refuse(p, "option without semicolon: %.40s", at);
		*end = '\0';
		if (*trim(at) && !parse_option(p, at, seen)) {
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
	if (!content_finish(p) || !passes_check(p))
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
