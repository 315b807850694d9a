/* Compiled rules collected, and written as a blob. Host only; for compile.c. */
#pragma once

#include "ids/rules/compile/compile.h"
#include "ids/rules/compile/mpm_build.h"
#include "ids/rules/compile/rule.h"
#include "ids/rules/compile/text.h"

/* A rule as it will be in the blob, and its place in the order. */
struct output_rule {
	struct blob_rule rule;
	uint32_t number;  /* order of reading */
	uint8_t order[4]; /* within an action: who sets flowbits before who reads them, ... */
	struct mpm_pattern fast; /* unless BLOB_RULE_ALWAYS */
	uint8_t fast_buffer;	 /* enum app_buffer */
};

/* An expression met before and the set it became. */
struct output_set {
	char *text;
	uint32_t set;
	bool negated;
};

struct output_sets {
	struct output_set *at;
	size_t count;
};

/* A regular expression met before: its place in BLOB_STRINGS. */
struct output_regex {
	struct blob_span text;
	uint32_t options;
};

struct output {
	struct bytes section[BLOB_SECTIONS];
	struct output_rule *rule;
	size_t count;
	struct output_sets addresses, ports;
	uint32_t *sid_hash; /* open addressing; 0 is free, else index + 1 */
	size_t sid_slots;
	struct output_regex *regex; /* regular expressions, each once */
	uint32_t regex_count;
};

/* Take a parsed rule; false: refused, p->reason says why. */
bool output_rule(struct output *o, struct parse *p);
/* Variables changed: expressions mean something else now. */
void output_forget_sets(struct output *o);
int output_blob(struct output *o, void **blob, size_t *len, struct compile_totals *totals);
/* output_sets.c: write the set of an expression, once; false: refused. */
bool output_address_set(struct output *o, struct parse *p, const char *text, uint32_t *set);
bool output_port_set(struct output *o, struct parse *p, const char *text, uint32_t *set);
/* output_mpm.c: the automata and the rules of their patterns, when all rules are in order. */
void output_automata(struct output *o);
/* Append a text to the strings. */
struct blob_span output_string(struct output *o, const void *text, size_t len);
/* How many elements of `size` a section has so far. */
uint32_t output_elements(const struct output *o, enum blob_section which, size_t size);
void output_free(struct output *o);
