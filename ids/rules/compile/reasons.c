#include <stdlib.h>
#include <string.h>

#include "ids/rules/compile/reasons.h"
#include "ids/rules/compile/text.h"

void reasons_add(struct reasons *r, const char *text)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->at[i].text, text) == 0) {
			r->at[i].count++;
			return;
		}
	r->at = grow(r->at, (r->count + 1) * sizeof(*r->at));
	r->at[r->count++] = (struct reason){copy_text(text, strlen(text)), 1};
}

static int by_count(const void *a, const void *b)
{
	const struct reason *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return strcmp(x->text, y->text);
}

void reasons_print(struct reasons *r, FILE *to)
{
	if (r->count)
		qsort(r->at, r->count, sizeof(*r->at), by_count);
	for (size_t i = 0; i < r->count; i++)
		fprintf(to, "%7u  %s\n", r->at[i].count, r->at[i].text);
}

void reasons_free(struct reasons *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->at[i].text);
	free(r->at);
	memset(r, 0, sizeof(*r));
}
