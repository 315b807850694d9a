/* What vigilc and vigil-replay share on the command line: rules files and variables. Host only. */
#pragma once

#include <stdbool.h>

#include "ids/rules/compile/compile.h"
#include "ids/rules/compile/reasons.h"

struct rule_options {
	const char *const *file; /* -S, in order */
	unsigned files;
	const char *policy; /* --policy: a configuration with policy lines; NULL: none */
	bool strict;	    /* a refused rule is an error */
	bool quiet;	    /* do not name each refused rule */
	bool summary;	    /* count the reasons of refusal, and print them at the end */
	enum dialect dialect;
	struct reasons reasons; /* counted so far */
};

/* Read a variables file: lines `NAME = VALUE` (or `NAME: VALUE`), `#` comments. Prints errors;
 * false on any. */
bool options_vars_file(struct compiler *c, const char *path);

/* Take `NAME=VALUE`; false (told) if it is not that. */
bool options_var(struct compiler *c, const char *text);

/* `suricata` or `snort` (also `snort3`); false (told): neither. */
bool options_dialect(struct rule_options *options, const char *text);

/* A compiler that names refused rules on stderr, as `options` tells; set its dialect when it is
 * known. */
struct compiler *options_compiler(struct rule_options *options);
void options_free(struct rule_options *options);

/* Compile all files, print the summary line on stderr, make the blob. False (told) on error. */
bool options_compile(struct compiler *c, struct rule_options *options, void **blob, size_t *len);
