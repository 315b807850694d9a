/* How much work one search may be: counted inside PCRE2's matching loop.
 *
 * Included ahead of each of PCRE2's sources (ids/rules/module.mk), and by regex.c. PCRE2's own
 * limits bound backtracking, for each start of a match anew; they count neither the octets that
 * a repeat runs over nor the number of starts, so that /\d+x/ on a long row of digits takes time
 * in its square. Here each item of a pattern pays one unit, and one for each octet that the
 * item before it went forward.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct regex_work {
	size_t left;	   /* units */
	const uint8_t *at; /* where the item before began */
};

/* Pay for reaching `at`; false: the search has to end. */
static inline int regex_work_pay(struct regex_work *w, const uint8_t *at)
{
	size_t cost = 1 + (at > w->at ? (size_t)(at - w->at) : 0);

	w->at = at;
	if (cost > w->left) {
		w->left = 0; /* what comes after it has to end as well */
		return 0;
	}
	w->left -= cost;
	return 1;
}

/* `mb`: PCRE2's state of a match, which hands us our own pointer (the callouts' data; patterns
 * with callouts are refused). */
#define REGEX_WORK(mb, at)                                                                         \
	do {                                                                                       \
		if (!regex_work_pay((struct regex_work *)(mb)->callout_data, (at)))                \
			return PCRE2_ERROR_MATCHLIMIT;                                             \
	} while (0)
