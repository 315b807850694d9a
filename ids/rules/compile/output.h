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
	uint32_t pattern; /* fast pattern, or BLOB_NONE */
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
	struct mpm_pattern *pattern;
	uint32_t pattern_count;
	uint32_t *pattern_hash, *sid_hash; /* open addressing; 0 is free, else index + 1 */
	size_t pattern_slots, sid_slots;
	struct output_regex *regex; /* regular expressions, each once */
	uint32_t regex_count;
};

/* Take a parsed rule; false: refused, p->reason says why. */
bool output_rule(struct output *o, struct parse *p);
/* Variables changed: expressions mean something else now. */
void output_forget_sets(struct output *o);
int output_blob(struct output *o, void **blob, size_t *len, struct compile_totals *totals);
void output_free(struct output *o);
