/* Regular expressions as the compiler tries them. Host only; for pcre and pcrexform. */
#pragma once

#include "ids/rules/compile/rule.h"

/* Compile as the engine will, to know that it can. False: refused, with PCRE2's reason. If *options
 * has REGEX_NO_GROUPS and something refers to a group, that is taken off. */
bool pcre_compiles(struct parse *p, const char *keyword, const char *pattern, size_t len,
		   uint32_t *options);
