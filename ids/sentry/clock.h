/* Time from the invariant TSC and one wall-clock reading of the core's. Pure. */
#pragma once

#include <stdint.h>

struct clock {
	uint64_t hz;
	uint64_t wall_ns, wall_tsc; /* Unix time at a TSC value; 0 and 0 if it is not known */
};

/* `ticks` as nanoseconds. Split, so that nothing overflows below 18 GHz. */
static inline uint64_t clock_span_ns(const struct clock *c, uint64_t ticks)
{
	return ticks / c->hz * 1000000000u + ticks % c->hz * 1000000000u / c->hz;
}

/* Unix time in nanoseconds at `tsc`, which may lie before the wall-clock reading. */
static inline uint64_t clock_ns(const struct clock *c, uint64_t tsc)
{
	if (tsc >= c->wall_tsc)
		return c->wall_ns + clock_span_ns(c, tsc - c->wall_tsc);
	uint64_t before = clock_span_ns(c, c->wall_tsc - tsc);
	return before < c->wall_ns ? c->wall_ns - before : 0;
}

static inline uint64_t clock_ticks(const struct clock *c, uint32_t ms)
{
	return c->hz / 1000 * ms;
}
