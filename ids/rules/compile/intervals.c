#include <stdlib.h>
#include <string.h>

#include "ids/rules/compile/intervals.h"
#include "ids/rules/compile/text.h"

static void append(struct intervals *set, u128 low, u128 high)
{
	if (set->count == set->room) {
		set->room = set->room ? set->room * 2 : 4;
		set->at = grow(set->at, set->room * sizeof(*set->at));
	}
	set->at[set->count++] = (struct interval){low, high};
}

static int by_low(const void *a, const void *b)
{
	const struct interval *x = a, *y = b;

	return x->low < y->low ? -1 : x->low > y->low;
}

/* Sort, and join what overlaps or touches. */
static void tidy(struct intervals *set)
{
	size_t n = 0;

	if (set->count == 0)
		return;
	qsort(set->at, set->count, sizeof(*set->at), by_low);
	for (size_t i = 1; i < set->count; i++) {
		struct interval *last = &set->at[n];

		if (last->high == ~(u128)0 || set->at[i].low <= last->high + 1) {
			if (set->at[i].high > last->high)
				last->high = set->at[i].high;
		} else {
			set->at[++n] = set->at[i];
		}
	}
	set->count = n + 1;
}

void intervals_add(struct intervals *set, u128 low, u128 high)
{
	append(set, low, high);
	tidy(set);
}

void intervals_add_all(struct intervals *set, const struct intervals *other)
{
	for (size_t i = 0; i < other->count; i++)
		append(set, other->at[i].low, other->at[i].high);
	tidy(set);
}

void intervals_subtract(struct intervals *set, const struct intervals *other)
{
	for (size_t k = 0; k < other->count; k++) {
		struct interval cut = other->at[k];
		struct intervals rest = {0};

		for (size_t i = 0; i < set->count; i++) {
			struct interval v = set->at[i];

			if (cut.high < v.low || cut.low > v.high) {
				append(&rest, v.low, v.high);
				continue;
			}
			if (cut.low > v.low)
				append(&rest, v.low, cut.low - 1);
			if (cut.high < v.high)
				append(&rest, cut.high + 1, v.high);
		}
		intervals_free(set);
		*set = rest;
	}
}

void intervals_free(struct intervals *set)
{
	free(set->at);
	memset(set, 0, sizeof(*set));
}
