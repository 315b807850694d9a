/* Names of bits and counters as numbers: the same name is the same number in all rules. Host only.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define NAME_MAX_LEN 256

struct names {
	char **at;
	size_t count;
};

/* The number of a name, a new one if it was not met before. Each `kind` of names is by itself. */
uint32_t names_number(struct names *n, char kind, const char *name);
void names_free(struct names *n);
