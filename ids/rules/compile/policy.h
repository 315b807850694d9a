/* The compiler of policy lines. Host only; for compile.c. */
#pragma once

#include "ids/rules/compile/output.h"

/* Take the policy lines of a configuration's text; other lines are passed over. A line that is
 * wrong is told through `refused` with its number, and nothing of it is kept. Call once.
 * Returns the number of lines refused; `taken`: that of the others. */
uint32_t policy_compile(struct output *o, const char *file, const char *text, size_t len,
			uint32_t *taken, compile_refused refused, void *ctx);

/* A line at work: `reason` says why it is refused. */
struct policy_parse {
	struct output *out;
	char reason[160];
};

/* Note why; always false. */
__attribute__((format(printf, 2, 3))) bool policy_refuse(struct policy_parse *p, const char *format,
							 ...);

/* Append the values of one condition, separated by commas. `text` may be changed. False: refused.
 */
bool policy_values(struct policy_parse *p, unsigned field, char *text, struct bytes *values,
		   uint32_t *count);
