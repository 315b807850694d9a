/* Address and port expressions as sets in the blob; the same expression is written once. */
#include <stdlib.h>
#include <string.h>

#include "ids/rules/compile/output.h"
#include "ids/rules/compile/vars.h"

static struct output_set *known_set(struct output_sets *sets, const char *text)
{
	for (size_t i = 0; i < sets->count; i++)
		if (strcmp(sets->at[i].text, text) == 0)
			return &sets->at[i];
	return NULL;
}

static struct output_set *new_set(struct output_sets *sets, const char *text)
{
	struct output_set *s;

	sets->at = grow(sets->at, (sets->count + 1) * sizeof(*sets->at));
	s = &sets->at[sets->count++];
	*s = (struct output_set){.text = copy_text(text, strlen(text))};
	return s;
}

static void put16(uint8_t out[16], u128 value)
{
	for (int i = 15; i >= 0; i--, value >>= 8)
		out[i] = (uint8_t)value;
}

static uint32_t write_addresses(struct output *o, const struct addresses *a)
{
	struct blob_address_set set = {
		.v4 = {output_elements(o, BLOB_ADDRESS4, sizeof(struct blob_range4)),
		       (uint32_t)a->v4.count},
		.v6 = {output_elements(o, BLOB_ADDRESS6, sizeof(struct blob_range6)),
		       (uint32_t)a->v6.count},
	};

	for (size_t i = 0; i < a->v4.count; i++) {
		struct blob_range4 r = {(uint32_t)a->v4.at[i].low, (uint32_t)a->v4.at[i].high};

		bytes_add(&o->section[BLOB_ADDRESS4], &r, sizeof(r));
	}
	for (size_t i = 0; i < a->v6.count; i++) {
		struct blob_range6 r;

		put16(r.low, a->v6.at[i].low);
		put16(r.high, a->v6.at[i].high);
		bytes_add(&o->section[BLOB_ADDRESS6], &r, sizeof(r));
	}
	bytes_add(&o->section[BLOB_ADDRESS_SETS], &set, sizeof(set));
	return output_elements(o, BLOB_ADDRESS_SETS, sizeof(set)) - 1;
}

bool output_address_set(struct output *o, struct parse *p, const char *text, uint32_t *set)
{
	struct output_set *s = known_set(&o->addresses, text);

	if (!s) {
		struct addresses a = {0};
		bool ok = parse_addresses(p, text, &a);

		if (ok) {
			s = new_set(&o->addresses, text);
			s->set = strcmp(text, "any") == 0 ? BLOB_NONE : write_addresses(o, &a);
			s->negated = a.negated;
		}
		intervals_free(&a.v4);
		intervals_free(&a.v6);
		if (!ok)
			return false;
	}
	*set = s->set;
	p->rule->negated_address |= s->negated;
	return true;
}

bool output_port_set(struct output *o, struct parse *p, const char *text, uint32_t *set)
{
	struct output_set *s = known_set(&o->ports, text);
	struct intervals ports = {0};

	if (s) {
		*set = s->set;
		return true;
	}
	if (!parse_ports(p, text, &ports)) {
		intervals_free(&ports);
		return false;
	}
	s = new_set(&o->ports, text);
	s->set = BLOB_NONE;
	if (strcmp(text, "any") != 0) {
		struct blob_port_set written = {
			{output_elements(o, BLOB_PORTS, sizeof(struct blob_port_range)),
			 (uint32_t)ports.count}};

		for (size_t i = 0; i < ports.count; i++) {
			struct blob_port_range r = {(uint16_t)ports.at[i].low,
						    (uint16_t)ports.at[i].high};

			bytes_add(&o->section[BLOB_PORTS], &r, sizeof(r));
		}
		bytes_add(&o->section[BLOB_PORT_SETS], &written, sizeof(written));
		s->set = output_elements(o, BLOB_PORT_SETS, sizeof(written)) - 1;
	}
	intervals_free(&ports);
	*set = s->set;
	return true;
}

static void free_sets(struct output_sets *sets)
{
	for (size_t i = 0; i < sets->count; i++)
		free(sets->at[i].text);
	free(sets->at);
	memset(sets, 0, sizeof(*sets));
}

void output_forget_sets(struct output *o)
{
	free_sets(&o->addresses);
	free_sets(&o->ports);
}
