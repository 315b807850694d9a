/* Address and port expressions: lists, negation, variables. One walker for both; they differ in
 * what an element is and in what "everything" means. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "ids/rules/compile/text.h"
#include "ids/rules/compile/vars.h"

#define ELEMENT_MAX 128

/* What an expression names, and what it takes away. */
struct draft {
	struct addresses plus, minus;
};

struct walk {
	struct parse *p;
	bool (*element)(struct walk *w, const char *text, struct addresses *into);
	bool ports;
	const char *what;
};

static const u128 v6_max = ~(u128)0;
#define V4_MAX	 0xffffffffu
#define PORT_MAX 0xffffu

static void free_addresses(struct addresses *a)
{
	intervals_free(&a->v4);
	intervals_free(&a->v6);
}

static void family(struct intervals *plus, const struct intervals *minus, u128 max)
{
	if (plus->count == 0 && minus->count)
		intervals_add(plus, 0, max);
	intervals_subtract(plus, minus);
}

/* Everything named less what is taken away. */
static bool merge(struct walk *w, struct draft *d, struct addresses *out)
{
	u128 max4 = w->ports ? PORT_MAX : V4_MAX;

	out->negated = d->minus.v4.count || d->minus.v6.count;
	family(&d->plus.v4, &d->minus.v4, max4);
	family(&d->plus.v6, &d->minus.v6, v6_max);
	intervals_add_all(&out->v4, &d->plus.v4);
	intervals_add_all(&out->v6, &d->plus.v6);
	if (out->v4.count == 0 && out->v6.count == 0)
		return refuse(w->p, "nothing is left of the %s", w->what);
	return true;
}

static bool walk_list(struct walk *w, const char *text, size_t len, struct draft *d,
		      unsigned depth);

static void free_draft(struct draft *d)
{
	free_addresses(&d->plus);
	free_addresses(&d->minus);
}

/* A negated list counts as one set: worked out by itself, then taken away. */
static bool negated_list(struct walk *w, const char *text, size_t len, struct draft *d,
			 unsigned depth)
{
	struct addresses inner = {0};
	struct draft own = {0};
	bool ok = walk_list(w, text, len, &own, depth) && merge(w, &own, &inner);

	if (ok) {
		intervals_add_all(&d->minus.v4, &inner.v4);
		intervals_add_all(&d->minus.v6, &inner.v6);
	}
	free_draft(&own);
	free_addresses(&inner);
	return ok;
}

static bool walk_item(struct walk *w, const char *text, size_t len, struct draft *d, unsigned depth)
{
	bool negated = false;
	char element[ELEMENT_MAX];

	while (len && (*text == ' ' || *text == '\t' || *text == '!')) {
		negated ^= *text == '!';
		text++;
		len--;
	}
	while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;
	if (len == 0)
		return refuse(w->p, "empty element in the %s", w->what);
	if (depth > VARS_MAX_DEPTH)
		return refuse(w->p, "%s nested too deep (a variable that names itself?)", w->what);
	if (*text == '[') {
		if (text[len - 1] != ']')
			return refuse(w->p, "bracket not closed in the %s", w->what);
		text++;
		len -= 2;
	} else if (*text == '$') {
		const char *value = vars_get(w->p->vars, text + 1, len - 1);

		if (!value)
			return refuse(w->p, "unknown variable %.*s", (int)len, text);
		text = value;
		len = strlen(value);
	} else {
		if (len >= sizeof(element))
			return refuse(w->p, "element too long in the %s", w->what);
		memcpy(element, text, len);
		element[len] = '\0';
		return w->element(w, element, negated ? &d->minus : &d->plus);
	}
	return negated ? negated_list(w, text, len, d, depth + 1)
		       : walk_list(w, text, len, d, depth + 1);
}

static bool walk_list(struct walk *w, const char *text, size_t len, struct draft *d, unsigned depth)
{
	size_t start = 0;
	int brackets = 0;

	for (size_t i = 0; i <= len; i++) {
		if (i < len && text[i] == '[')
			brackets++;
		else if (i < len && text[i] == ']' && --brackets < 0)
			return refuse(w->p, "bracket not opened in the %s", w->what);
		if (i < len && (text[i] != ',' || brackets))
			continue;
		if (!walk_item(w, text + start, i - start, d, depth))
			return false;
		start = i + 1;
	}
	if (brackets)
		return refuse(w->p, "bracket not closed in the %s", w->what);
	return true;
}

static bool evaluate(struct walk *w, const char *text, struct addresses *out)
{
	struct draft d = {0};
	bool ok = walk_list(w, text, strlen(text), &d, 0) && merge(w, &d, out);

	free_draft(&d);
	return ok;
}

static bool parse_ip(const char *text, u128 *value, bool *v6)
{
	uint8_t raw[16];
	size_t size;

	*v6 = strchr(text, ':') != NULL;
	if (inet_pton(*v6 ? AF_INET6 : AF_INET, text, raw) != 1)
		return false;
	size = *v6 ? 16 : 4;
	*value = 0;
	for (size_t i = 0; i < size; i++)
		*value = *value << 8 | raw[i];
	return true;
}

/* The mask's length in bits, from "24" or (IPv4) "255.255.255.0"; -1: neither. */
static int prefix_length(const char *text, bool v6)
{
	uint64_t bits;
	u128 mask;
	bool mask6;

	if (parse_u64(text, v6 ? 128 : 32, &bits))
		return (int)bits;
	if (v6 || !parse_ip(text, &mask, &mask6) || mask6)
		return -1;
	for (bits = 0; bits < 32 && mask >> (31 - bits) & 1; bits++)
		;
	return mask == (bits ? (u128)(V4_MAX << (32 - bits) & V4_MAX) : 0) ? (int)bits : -1;
}

static bool address_element(struct walk *w, const char *text, struct addresses *into)
{
	char low_text[ELEMENT_MAX];
	size_t cut = strcspn(text, "/-");
	bool v6, v6_high;
	u128 low, high;

	if (strcmp(text, "any") == 0) {
		intervals_add(&into->v4, 0, V4_MAX);
		intervals_add(&into->v6, 0, v6_max);
		return true;
	}
	memcpy(low_text, text, cut);
	low_text[cut] = '\0';
	if (!parse_ip(low_text, &low, &v6))
		return refuse(w->p, "bad address %s", text);
	high = low;
	if (text[cut] == '/') {
		int bits = prefix_length(text + cut + 1, v6), width = v6 ? 128 : 32;
		u128 host;

		if (bits < 0)
			return refuse(w->p, "bad netmask in %s", text);
		host = bits == 0 ? (v6 ? v6_max : V4_MAX) : (((u128)1 << (width - bits)) - 1);
		low &= ~host;
		high = low | host;
	} else if (text[cut] == '-') {
		if (!parse_ip(text + cut + 1, &high, &v6_high) || v6 != v6_high || high < low)
			return refuse(w->p, "bad address range %s", text);
	}
	intervals_add(v6 ? &into->v6 : &into->v4, low, high);
	return true;
}

bool parse_addresses(struct parse *p, const char *text, struct addresses *out)
{
	struct walk w = {.p = p, .element = address_element, .what = "addresses"};

	return evaluate(&w, text, out);
}

static bool port_element(struct walk *w, const char *text, struct addresses *into)
{
	uint64_t low = 0, high = PORT_MAX;
	char low_text[ELEMENT_MAX];
	size_t cut = strcspn(text, ":");
	bool range = text[cut] == ':';

	if (strcmp(text, "any") == 0) {
		intervals_add(&into->v4, 0, PORT_MAX);
		return true;
	}
	memcpy(low_text, text, cut);
	low_text[cut] = '\0';
	if (cut ? !parse_u64(low_text, PORT_MAX, &low) : !range)
		return refuse(w->p, "bad port %s", text);
	if (!range)
		high = low;
	else if (text[cut + 1] && !parse_u64(text + cut + 1, PORT_MAX, &high))
		return refuse(w->p, "bad port range %s", text);
	else if (range && !cut && !text[1])
		return refuse(w->p, "bad port range %s", text);
	if (low > high)
		return refuse(w->p, "port range %s is backwards", text);
	intervals_add(&into->v4, low, high);
	return true;
}

bool parse_ports(struct parse *p, const char *text, struct intervals *out)
{
	struct walk w = {.p = p, .element = port_element, .ports = true, .what = "ports"};
	struct addresses sets = {0};
	bool ok = evaluate(&w, text, &sets);

	*out = sets.v4;
	intervals_free(&sets.v6);
	return ok;
}
