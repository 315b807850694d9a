/* Numbers and bits of the headers: flags, seq, ack, window, id, tos, fragbits, ipopts, ... */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ids/rules/compile/keywords.h"
#include "ids/rules/compile/text.h"

/* A number field's condition; the rule is about packets, not about streams. */
static bool field(struct parse *p, const char *name, enum packet_field which, char *value,
		  uint64_t max)
{
	struct rule_op *o = rule_add_op(p, OP_FIELD);

	if (!o)
		return false;
	p->rule->packets_only = true;
	o->op.arg[2] = which;
	/* Snort and older rules may put a number in quotes. */
	if (*value == '"' && value[1] && value[strlen(value) - 1] == '"') {
		value[strlen(value) - 1] = '\0';
		value = trim(value + 1);
	}
	return parse_range(p, name, value, max, &o->op);
}

#define NUMBER_KEYWORD(function, text, which, max)                                                 \
	bool function(struct parse *p, char *value, bool negated)                                  \
	{                                                                                          \
		(void)negated;                                                                     \
		return field(p, text, which, value, max);                                          \
	}

NUMBER_KEYWORD(kw_seq, "seq", FIELD_SEQ, UINT32_MAX)
NUMBER_KEYWORD(kw_ack, "ack", FIELD_ACK, UINT32_MAX)
NUMBER_KEYWORD(kw_window, "window", FIELD_WINDOW, 0xffff)
NUMBER_KEYWORD(kw_mss, "tcp.mss", FIELD_MSS, 0xffff)
NUMBER_KEYWORD(kw_id, "id", FIELD_IP_ID, 0xffff)
NUMBER_KEYWORD(kw_fragoffset, "fragoffset", FIELD_FRAG_OFFSET, 0x1fff)
NUMBER_KEYWORD(kw_icmp_id, "icmp_id", FIELD_ICMP_ID, 0xffff)
NUMBER_KEYWORD(kw_icmp_seq, "icmp_seq", FIELD_ICMP_SEQ, 0xffff)
NUMBER_KEYWORD(kw_icmpv6_mtu, "icmpv6.mtu", FIELD_ICMPV6_MTU, UINT32_MAX)

/* tos:[!]N or [!]xHEX. */
bool kw_tos(struct parse *p, char *value, bool negated)
{
	char *digits = trim(value + (*value == '!'));
	char decimal[16];
	char *end;

	if (*digits == 'x' || *digits == 'X') {
		unsigned long v = strtoul(digits + 1, &end, 16);

		if (!digits[1] || *end || v > 255)
			return refuse(p, "tos: bad number %s", value);
		snprintf(decimal, sizeof(decimal), "%s%lu", *value == '!' ? "!" : "", v);
		value = decimal;
	}
	(void)negated;
	return field(p, "tos", FIELD_TOS, value, 255);
}

/* IANA's names that rules use. */
static const struct {
	const char *name;
	uint8_t number;
} protocols[] = {
	{"icmp", 1},	    {"igmp", 2},       {"ggp", 3},	  {"ipencap", 4},
	{"ipip", 4},	    {"st", 5},	       {"tcp", 6},	  {"egp", 8},
	{"igp", 9},	    {"pup", 12},       {"udp", 17},	  {"hmp", 20},
	{"xns-idp", 22},    {"rdp", 27},       {"iso-tp4", 29},	  {"dccp", 33},
	{"xtp", 36},	    {"ddp", 37},       {"idpr-cmtp", 38}, {"ipv6", 41},
	{"ipv6-route", 43}, {"ipv6-frag", 44}, {"idrp", 45},	  {"rsvp", 46},
	{"gre", 47},	    {"esp", 50},       {"ipsec-esp", 50}, {"ah", 51},
	{"ipsec-ah", 51},   {"skip", 57},      {"ipv6-icmp", 58}, {"icmpv6", 58},
	{"ipv6-nonxt", 59}, {"ipv6-opts", 60}, {"rspf", 73},	  {"vmtp", 81},
	{"eigrp", 88},	    {"ospf", 89},      {"ospfigp", 89},	  {"ax.25", 93},
	{"etherip", 97},    {"encap", 98},     {"pim", 103},	  {"ipcomp", 108},
	{"vrrp", 112},	    {"l2tp", 115},     {"isis", 124},	  {"sctp", 132},
	{"fc", 133},	    {"udplite", 136},
};

/* ip_proto:[!<>]N or [!<>]name. */
bool kw_ip_proto(struct parse *p, char *value, bool negated)
{
	size_t sign = strspn(value, "!<>");
	const char *name = trim(value + sign);
	char decimal[16];
	struct rule_op *o;

	(void)negated;
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (strcasecmp(name, protocols[i].name) == 0 && sign < 4) {
			snprintf(decimal, sizeof(decimal), "%.*s%u", (int)sign, value,
				 protocols[i].number);
			value = decimal;
			break;
		}
	o = rule_add_op(p, OP_FIELD);
	if (!o)
		return false;
	o->op.arg[2] = FIELD_IP_PROTO;
	return parse_range(p, "ip_proto", value, 255, &o->op);
}

bool kw_sameip(struct parse *p, char *value, bool negated)
{
	(void)value;
	(void)negated;
	return rule_add_op(p, OP_SAMEIP);
}

/* --- bits ---------------------------------------------------------------------------------------
 */

struct bit_name {
	char letter;
	uint8_t bit;
};

static const struct bit_name tcp_bits[] = {
	{'F', TCP_FIN}, {'S', TCP_SYN}, {'R', TCP_RST}, {'P', TCP_PSH},
	{'A', TCP_ACK}, {'U', TCP_URG}, {'C', TCP_CWR}, {'1', TCP_CWR},
	{'E', TCP_ECN}, {'2', TCP_ECN}, {'0', 0},	{0, 0},
};

static const struct bit_name ip_bits[] = {
	{'M', IP_MORE}, {'D', IP_DONT}, {'R', IP_RESERVED}, {0, 0}};

/* Letters as bits, with one of + * ! before, between or behind them if `mode` is not NULL. */
static bool letters(struct parse *p, const char *name, const char *text,
		    const struct bit_name *table, uint32_t *bits, uint32_t *mode)
{
	bool have_mode = false;

	*bits = 0;
	if (!*text)
		return refuse(p, "%s: no flags", name);
	for (; *text; text++) {
		const char *sign = mode ? strchr("+*!", *text) : NULL;
		const struct bit_name *b = table;

		if (sign) {
			if (have_mode)
				return refuse(p, "%s: two of + * !", name);
			have_mode = true;
			*mode = *sign == '+' ? BITS_ALL : *sign == '*' ? BITS_ANY : BITS_NOT_ALL;
			continue;
		}
		while (b->letter && b->letter != (*text & ~0x20) && b->letter != *text)
			b++;
		if (!b->letter)
			return refuse(p, "%s: %c is no flag", name, *text);
		*bits |= b->bit;
	}
	return true;
}

/* flags:[+*!]FLAGS[,IGNORED]. */
bool kw_flags(struct parse *p, char *value, bool negated)
{
	struct rule_op *o = rule_add_op(p, OP_BITS);
	char *comma = strchr(value, ',');
	uint32_t ignored = 0;

	(void)negated;
	if (!o)
		return false;
	p->rule->packets_only = true;
	if (comma) {
		*comma = '\0';
		if (!letters(p, "flags", trim(comma + 1), tcp_bits, &ignored, NULL))
			return false;
	}
	o->op.arg[1] = 0xff & ~ignored;
	o->op.arg[2] = FIELD_TCP_FLAGS;
	return letters(p, "flags", trim(value), tcp_bits, &o->op.arg[0], &o->op.arg[3]);
}

bool kw_fragbits(struct parse *p, char *value, bool negated)
{
	struct rule_op *o = rule_add_op(p, OP_BITS);

	(void)negated;
	if (!o)
		return false;
	p->rule->packets_only = true;
	o->op.arg[1] = IP_MORE | IP_DONT | IP_RESERVED;
	o->op.arg[2] = FIELD_IP_FLAGS;
	return letters(p, "fragbits", value, ip_bits, &o->op.arg[0], &o->op.arg[3]);
}

static const struct {
	const char *name;
	uint16_t bit;
} options[] = {
	{"any", IPOPT_ANY},	{"rr", IPOPT_RR},	  {"lsrr", IPOPT_LSRR},
	{"lsrre", IPOPT_LSRR},	{"eol", IPOPT_EOL},	  {"nop", IPOPT_NOP},
	{"ts", IPOPT_TS},	{"sec", IPOPT_SEC},	  {"esec", IPOPT_ESEC},
	{"ssrr", IPOPT_SSRR},	{"satid", IPOPT_SATID},	  {"qs", IPOPT_QS},
	{"cipso", IPOPT_CIPSO}, {"rtralt", IPOPT_RTRALT},
};

bool kw_ipopts(struct parse *p, char *value, bool negated)
{
	struct rule_op *o = rule_add_op(p, OP_BITS);

	(void)negated;
	if (!o)
		return false;
	p->rule->packets_only = true;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(value, options[i].name) == 0) {
			o->op.arg[0] = options[i].bit;
			o->op.arg[1] = UINT16_MAX;
			o->op.arg[2] = FIELD_IP_OPTIONS;
			o->op.arg[3] = BITS_ALL;
			return true;
		}
	return refuse(p, "ipopts: unknown option %s", value);
}

/* stream_size:server|client|both|either,[<>=!]...,N. */
bool kw_stream_size(struct parse *p, char *value, bool negated)
{
	static const char *const sides[SIDES] = {
		[SIDE_SERVER] = "server",
		[SIDE_CLIENT] = "client",
		[SIDE_BOTH] = "both",
		[SIDE_EITHER] = "either",
	};
	struct rule_op *o = rule_add_op(p, OP_STREAM_SIZE);
	char *save = NULL, *side, *sign, *number, range[48];

	(void)negated;
	if (!o)
		return false;
	side = strtok_r(value, ",", &save);
	sign = strtok_r(NULL, ",", &save);
	number = strtok_r(NULL, ",", &save);
	/* Snort 3 writes `stream_size:<6,either`. */
	if (p->dialect == DIALECT_SNORT && side && sign && !number && !strtok_r(NULL, ",", &save)) {
		snprintf(range, sizeof(range), "%s", trim(side));
		side = sign;
	} else if (!number || strtok_r(NULL, ",", &save)) {
		return refuse(p, "stream_size: must be a side, an operator and a number");
	} else {
		snprintf(range, sizeof(range), "%s%s", trim(sign), trim(number));
	}
	for (o->op.arg[2] = 0; o->op.arg[2] < SIDES; o->op.arg[2]++)
		if (strcmp(trim(side), sides[o->op.arg[2]]) == 0)
			return parse_range(p, "stream_size", range, UINT32_MAX, &o->op);
	return refuse(p, "stream_size: unknown side %s", side);
}
