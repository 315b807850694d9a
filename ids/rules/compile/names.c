#include <stdlib.h>
#include <string.h>

#include "ids/rules/compile/names.h"
#include "ids/rules/compile/text.h"

uint32_t names_number(struct names *n, char kind, const char *name)
{
	size_t len = strlen(name);

	for (uint32_t i = 0; i < n->count; i++)
		if (n->at[i][0] == kind && strcmp(n->at[i] + 1, name) == 0)
			return i;
	n->at = grow(n->at, (n->count + 1) * sizeof(*n->at));
	n->at[n->count] = grow(NULL, len + 2);
	n->at[n->count][0] = kind;
	memcpy(n->at[n->count] + 1, name, len + 1);
	return (uint32_t)n->count++;
}

void names_free(struct names *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->at[i]);
	free(n->at);
	n->at = NULL;
	n->count = 0;
}
