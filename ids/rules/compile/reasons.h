/* Reasons of refusal, counted: what would have to be supported to take more rules? Host only. */
#pragma once

#include <stddef.h>
#include <stdio.h>

struct reasons {
	struct reason {
		char *text;
		unsigned count;
	} * at;
	size_t count;
};

void reasons_add(struct reasons *r, const char *text);
/* One line each, the most frequent first. */
void reasons_print(struct reasons *r, FILE *to);
void reasons_free(struct reasons *r);
