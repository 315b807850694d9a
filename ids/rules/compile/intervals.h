/* Sets of numbers as sorted, disjoint intervals: addresses and ports of rules. Host only (malloc).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef unsigned __int128 u128; /* wide enough for an IPv6 address */

struct interval {
	u128 low, high; /* both included */
};

struct intervals {
	struct interval *at;
	size_t count, room;
};

/* All of these leave the set sorted and disjoint, and abort when memory is out. */
void intervals_add(struct intervals *set, u128 low, u128 high);
void intervals_add_all(struct intervals *set, const struct intervals *other);
void intervals_subtract(struct intervals *set, const struct intervals *other);
void intervals_free(struct intervals *set);
