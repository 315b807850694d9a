/* The right side of `field=value,value`: by the field's type. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ids/policy/gate.h"
#include "ids/rules/compile/policy.h"

bool policy_refuse(struct policy_parse *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(p->reason, sizeof(p->reason), format, args);
	va_end(args);
	return false;
}

static const struct policy_name *find_name(const struct policy_name *names, const char *word)
{
	for (; names && names->name; names++)
		if (strcmp(names->name, word) == 0)
			return names;
	return NULL;
}

static bool one_number(const struct policy_field_info *f, const char *word, uint64_t *value)
{
	const struct policy_name *n = find_name(f->names, word);

	if (n)
		*value = n->value;
	return n || parse_u64(word, f->max, value);
}

/* N, N-M, or a word. */
static bool number(struct policy_parse *p, const struct policy_field_info *f, char *text,
		   union blob_policy_value *v)
{
	char *dash = strchr(text, '-');

	if (one_number(f, text, &v->number.low)) { /* a word may hold a dash */
		v->number.high = v->number.low;
		return true;
	}
	if (dash) {
		*dash = '\0';
		if (one_number(f, text, &v->number.low) &&
		    one_number(f, dash + 1, &v->number.high) && v->number.low <= v->number.high)
			return true;
		*dash = '-';
	}
	return policy_refuse(p, "%s: %s is not a %s", f->name, text,
			     f->names ? "number, range or known word" : "number or range");
}

/* word+word: all of them. */
static bool flags(struct policy_parse *p, const struct policy_field_info *f, char *text,
		  union blob_policy_value *v)
{
	for (char *next; text; text = next) {
		const struct policy_name *n;

		next = strchr(text, '+');
		if (next)
			*next++ = '\0';
		n = find_name(f->names, text);
		if (!n)
			return policy_refuse(p, "%s: %s is not a known flag", f->name, text);
		v->number.low |= n->value;
	}
	return true;
}

static bool address(struct policy_parse *p, char *text, union blob_policy_value *v)
{
	char *slash = strchr(text, '/');
	uint64_t bits = 128, base = 0;
	uint8_t a[16] = {[10] = 0xff, [11] = 0xff};

	if (slash)
		*slash = '\0';
	if (inet_pton(AF_INET, text, a + 12) == 1)
		base = 96;
	else if (inet_pton(AF_INET6, text, a) != 1)
		return policy_refuse(p, "addr: %s is not an address", text);
	if (slash && (!parse_u64(slash + 1, 128 - base, &bits)))
		return policy_refuse(p, "addr: /%s is not a prefix", slash + 1);
	else if (slash)
		bits += base;
	for (unsigned i = 0; i < 16; i++) {
		uint64_t kept = bits > 8 * i ? bits - 8 * i : 0; /* bits of this octet */
		uint8_t host = (uint8_t)(kept < 8 ? 0xff >> kept : 0);

		v->address.low[i] = a[i] & (uint8_t)~host;
		v->address.high[i] = a[i] | host;
	}
	return true;
}

static bool text_value(struct policy_parse *p, const struct policy_field_info *f, const char *text,
		       union blob_policy_value *v)
{
	size_t len = strlen(text);

	if (!len || len > BLOB_POLICY_TEXT)
		return policy_refuse(p, "%s: a pattern has 1 to %d characters", f->name,
				     BLOB_POLICY_TEXT);
	v->text.span.offset = (uint32_t)bytes_add(&p->out->section[BLOB_STRINGS], text, len);
	v->text.span.size = (uint32_t)len;
	return true;
}

static bool one_value(struct policy_parse *p, const struct policy_field_info *f, char *text,
		      union blob_policy_value *v)
{
	switch (f->type) {
	case TYPE_TEXT:
		return text_value(p, f, text, v);
	case TYPE_ADDRESS:
		return address(p, text, v);
	case TYPE_NUMBER:
		return number(p, f, text, v);
	default:
		return flags(p, f, text, v);
	}
}

/* Cut the value at `*at` off: up to a comma outside of quotes, which are taken out. NULL: an odd
 * quote. */
static char *cut_value(char **at)
{
	char *start = *at, *to = start, *c = start;
	bool quoted = false;

	for (; *c && (quoted || *c != ','); c++) {
		if (*c == '"')
			quoted = !quoted;
		else
			*to++ = *c;
	}
	*at = *c ? c + 1 : NULL;
	*to = '\0';
	return quoted ? NULL : start;
}

bool policy_values(struct policy_parse *p, unsigned field, char *text, struct bytes *values,
		   uint32_t *count)
{
	const struct policy_field_info *f = &policy_fields[field];

	*count = 0;
	while (text) {
		union blob_policy_value v;
		char *one = cut_value(&text);

		memset(&v, 0, sizeof(v));
		if (!one)
			return policy_refuse(p, "%s: quote is not closed", f->name);
		if (*count == BLOB_POLICY_VALUES)
			return policy_refuse(p, "%s: more than %d values", f->name,
					     BLOB_POLICY_VALUES);
		if (!one_value(p, f, one, &v))
			return false;
		bytes_add(values, &v, sizeof(v));
		++*count;
	}
	return true;
}
