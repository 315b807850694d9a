/* Events, protocols and numbers of the application layer; the process at the guest's end. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ids/app/event.h"
#include "ids/flow/stream_event.h"
#include "ids/rules/compile/keywords.h"
#include "ids/rules/compile/text.h"

static bool event(struct parse *p, enum rule_event kind, int number)
{
	struct rule_op *o = rule_add_op(p, OP_EVENT);

	if (!o)
		return false;
	o->op.arg[0] = kind;
	o->op.arg[1] = (uint32_t)number;
	return true;
}

bool kw_decode_event(struct parse *p, char *value, bool negated)
{
	/* Older rules name the layer as well. */
	const char *name = strncmp(value, "decoder.", 8) == 0 ? value + 8 : value;
	int number = packet_event_find(name, strlen(name));

	(void)negated;
	if (number < 0)
		return refuse(p, "decode-event: unknown %s", value);
	p->rule->packets_only = true;
	return event(p, RULE_EVENT_DECODE, number);
}

bool kw_stream_event(struct parse *p, char *value, bool negated)
{
	const char *name = strncmp(value, "stream.", 7) == 0 ? value + 7 : value;
	int number = stream_event_find(name, strlen(name));

	(void)negated;
	if (number < 0)
		return refuse(p, "stream-event: unknown %s", value);
	p->rule->packets_only = true;
	return event(p, RULE_EVENT_STREAM, number);
}

bool kw_app_layer_event(struct parse *p, char *value, bool negated)
{
	int number = app_event_find(value);
	enum app_proto proto;

	(void)negated;
	if (number < 0)
		return refuse(p, "app-layer-event: unknown %s", value);
	proto = (enum app_proto)(number / APP_EVENTS_MAX);
	/* Those of the flow are told with its packets. */
	if (proto == APP_UNKNOWN)
		return event(p, RULE_EVENT_APP, number);
	p->rule->transactions = true;
	return rule_set_proto(p, "app-layer-event", proto) && event(p, RULE_EVENT_APP, number);
}

static const struct {
	const char *name;
	uint8_t proto;
} protocols[] = {
	{"http", APP_HTTP}, {"http1", APP_HTTP}, {"dns", APP_DNS},
	{"tls", APP_TLS},   {"ssl", APP_TLS},	 {"failed", APP_FAILED},
};

bool kw_app_layer_protocol(struct parse *p, char *value, bool negated)
{
	struct rule_op *o;

	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		if (strcmp(value, protocols[i].name) != 0)
			continue;
		if (p->rule->protos)
			return refuse(p, "app-layer-protocol in a rule that names a protocol");
		o = rule_add_op(p, OP_APP_PROTOCOL);
		if (!o)
			return false;
		o->op.arg[0] = protocols[i].proto;
		o->op.flags = negated ? NUMBER_F_NOT : 0;
		return true;
	}
	return refuse(p, "app-layer-protocol: %s is not parsed", value);
}

/* A number of the transaction. */
static struct rule_op *number(struct parse *p, const char *name, enum app_proto proto,
			      enum rule_number which)
{
	struct rule_op *o = rule_add_op(p, OP_NUMBER);

	if (!o || !rule_set_proto(p, name, proto))
		return NULL;
	p->rule->transactions = true;
	o->op.arg[2] = which;
	return o;
}

bool kw_dns_opcode(struct parse *p, char *value, bool negated)
{
	struct rule_op *o = number(p, "dns.opcode", APP_DNS, RULE_DNS_OPCODE);

	(void)negated;
	return o && parse_range(p, "dns.opcode", value, 0xff, &o->op);
}

static const struct named {
	const char *name;
	uint16_t value;
} rcodes[] =
	{
		/* RFC 6895, 2.3 */
		{"noerror", 0},	 {"formerr", 1}, {"servfail", 2},  {"nxdomain", 3},
		{"notimp", 4},	 {"refused", 5}, {"yxdomain", 6},  {"yxrrset", 7},
		{"nxrrset", 8},	 {"notauth", 9}, {"notzone", 10},  {"badvers", 16},
		{"badsig", 16},	 {"badkey", 17}, {"badtime", 18},  {"badmode", 19},
		{"badname", 20}, {"badalg", 21}, {"badtrunc", 22}, {NULL, 0},
},
  rrtypes[] = {
	  {"a", 1},	 {"ns", 2},	{"cname", 5}, {"soa", 6},     {"null", 10},  {"wks", 11},
	  {"ptr", 12},	 {"mx", 15},	{"txt", 16},  {"rp", 17},     {"aaaa", 28},  {"loc", 29},
	  {"srv", 33},	 {"naptr", 35}, {"cert", 37}, {"dname", 39},  {"opt", 41},   {"ds", 43},
	  {"sshfp", 44}, {"rrsig", 46}, {"nsec", 47}, {"dnskey", 48}, {"nsec3", 50}, {"tlsa", 52},
	  {"svcb", 64},	 {"https", 65}, {"spf", 99},  {"tsig", 250},  {"ixfr", 251}, {"axfr", 252},
	  {"any", 255},	 {"uri", 256},	{"caa", 257}, {NULL, 0},
};

static bool name_or_range(struct parse *p, const char *keyword, const struct named *table,
			  char *value, uint64_t max, struct rule_op *o)
{
	const char *name = trim(value + (*value == '!'));

	for (; table->name; table++)
		if (strcasecmp(name, table->name) == 0) {
			o->op.flags = *value == '!' ? NUMBER_F_NOT : 0;
			o->op.arg[0] = o->op.arg[1] = table->value;
			return true;
		}
	return parse_range(p, keyword, value, max, &o->op);
}

bool kw_dns_rcode(struct parse *p, char *value, bool negated)
{
	struct rule_op *o = number(p, "dns.rcode", APP_DNS, RULE_DNS_RCODE);

	(void)negated;
	return o && name_or_range(p, "dns.rcode", rcodes, value, 0xffff, o);
}

bool kw_dns_rrtype(struct parse *p, char *value, bool negated)
{
	struct rule_op *o = number(p, "dns.rrtype", APP_DNS, RULE_DNS_RRTYPE);

	(void)negated;
	return o && name_or_range(p, "dns.rrtype", rrtypes, value, 0xffff, o);
}

static const struct named versions[] = {
	/* RFC 8446, appendix D; RFC 6101 for SSL */
	{"sslv2", 0x0002},  {"sslv3", 0x0300}, {"tls1.0", 0x0301}, {"1.0", 0x0301},
	{"tls1.1", 0x0302}, {"1.1", 0x0302},   {"tls1.2", 0x0303}, {"1.2", 0x0303},
	{"tls1.3", 0x0304}, {"1.3", 0x0304},   {NULL, 0},
};

/* tls.version:[!]1.2 or 0x0303. */
bool kw_tls_version(struct parse *p, char *value, bool negated)
{
	struct rule_op *o = number(p, "tls.version", APP_TLS, RULE_TLS_VERSION);
	char *end;

	if (!o)
		return false;
	o->op.flags = negated ? NUMBER_F_NOT : 0;
	if (strncmp(value, "0x", 2) == 0) {
		unsigned long v = strtoul(value, &end, 16);

		if (!value[2] || *end || v > 0xffff)
			return refuse(p, "tls.version: bad number %s", value);
		o->op.arg[0] = o->op.arg[1] = (uint32_t)v;
		return true;
	}
	for (const struct named *n = versions; n->name; n++)
		if (strcasecmp(value, n->name) == 0) {
			o->op.arg[0] = o->op.arg[1] = n->value;
			return true;
		}
	return refuse(p, "tls.version: unknown %s", value);
}

/* ssl_version:[!]sslv3[,tls1.0 ...]: one of the listed. The numbers of a list make a range where
 * they are neighbours; others cannot be said in one condition. */
bool kw_ssl_version(struct parse *p, char *value, bool negated)
{
	struct rule_op *o = number(p, "ssl_version", APP_TLS, RULE_TLS_VERSION);
	uint32_t low = UINT32_MAX, high = 0, count = 0;
	char *save = NULL;

	if (!o)
		return false;
	for (char *word = strtok_r(value, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		const struct named *n = versions;

		word = trim(word);
		if (*word == '!' && count == 0)
			negated = true;
		word += *word == '!';
		while (n->name && strcasecmp(word, n->name) != 0)
			n++;
		if (!n->name)
			return refuse(p, "ssl_version: unknown %s", word);
		low = n->value < low ? n->value : low;
		high = n->value > high ? n->value : high;
		count++;
	}
	if (!count || high - low + 1 != count)
		return refuse(p, "ssl_version: only neighbouring versions can be listed");
	o->op.flags = negated ? NUMBER_F_NOT : 0;
	o->op.arg[0] = low;
	o->op.arg[1] = high;
	return true;
}

/* ssl_state:STATE[|STATE ...] (Snort: apart by commas): one of them has come. */
bool kw_ssl_state(struct parse *p, char *value, bool negated)
{
	static const struct named states[] = {
		{"client_hello", RULE_TLS_CLIENT_HELLO},
		{"server_hello", RULE_TLS_SERVER_HELLO},
		{"client_keyx", RULE_TLS_CLIENT_KEYX},
		{"server_keyx", RULE_TLS_SERVER_KEYX},
	};
	struct rule_op *o = number(p, "ssl_state", APP_TLS, RULE_TLS_STATE);
	char *save = NULL;

	(void)negated;
	if (!o)
		return false;
	o->op.flags = NUMBER_F_BITS;
	for (char *word = strtok_r(value, "|,", &save); word; word = strtok_r(NULL, "|,", &save)) {
		size_t i = 0;

		while (i < sizeof(states) / sizeof(states[0]) &&
		       strcmp(trim(word), states[i].name) != 0)
			i++;
		if (i == sizeof(states) / sizeof(states[0]))
			return refuse(p, "ssl_state: unknown %s", word);
		o->op.arg[0] |= states[i].value;
	}
	return o->op.arg[0] ? true : refuse(p, "ssl_state: no state");
}

bool kw_tls_chain_len(struct parse *p, char *value, bool negated)
{
	struct rule_op *o = number(p, "tls.cert_chain_len", APP_TLS, RULE_TLS_CHAIN_LEN);

	(void)negated;
	return o && parse_range(p, "tls.cert_chain_len", value, UINT32_MAX, &o->op);
}

/* --- the process --------------------------------------------------------------------------------
 */

static struct rule_op *process(struct parse *p, enum process_is what)
{
	struct rule_op *o = rule_add_op(p, OP_PROCESS);

	if (o)
		o->op.arg[2] = what;
	return o;
}

bool kw_process_uid(struct parse *p, char *value, bool negated)
{
	struct rule_op *o = process(p, PROCESS_UID);

	(void)negated;
	return o && parse_range(p, "process.uid", value, UINT32_MAX, &o->op);
}

bool kw_process_hidden(struct parse *p, char *value, bool negated)
{
	(void)value;
	(void)negated;
	return process(p, PROCESS_HIDDEN);
}

bool kw_process_unknown(struct parse *p, char *value, bool negated)
{
	(void)value;
	(void)negated;
	return process(p, PROCESS_UNKNOWN);
}
