#include "ids/eve/time.h"

#include <string.h>

#define AT_US 20 /* where the microseconds stand */

static char *number(char *p, uint64_t value, unsigned width)
{
	for (unsigned i = width; i--; value /= 10)
		p[i] = (char)('0' + value % 10);
	return p + width;
}

void eve_time(char out[EVE_TIME_SIZE], uint64_t ns)
{
	uint64_t us = ns / 1000, sec = us / 1000000, day = sec / 86400;
	/* Days since 0000-03-01: with March as the first month the leap day comes last, so that
	 * the month follows from the day of the year by one division (153 days in five months). */
	uint64_t z = day + 719468, era = z / 146097, doe = z % 146097;
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	uint64_t month = mp < 10 ? mp + 3 : mp - 9;
	char *p = out;

	p = number(p, yoe + era * 400 + (month <= 2), 4);
	*p++ = '-';
	p = number(p, month, 2);
	*p++ = '-';
	p = number(p, doy - (153 * mp + 2) / 5 + 1, 2);
	*p++ = 'T';
	p = number(p, sec % 86400 / 3600, 2);
	*p++ = ':';
	p = number(p, sec % 3600 / 60, 2);
	*p++ = ':';
	p = number(p, sec % 60, 2);
	*p++ = '.';
	p = number(p, us % 1000000, 6);
	for (const char *zone = "+0000"; *zone;)
		*p++ = *zone++;
	*p = '\0';
}

void eve_clock_time(struct eve_clock *clock, char out[EVE_TIME_SIZE], uint64_t ns)
{
	uint64_t sec = ns / 1000000000;

	if (!clock->valid || clock->sec != sec) {
		eve_time(clock->text, ns);
		clock->sec = sec;
		clock->valid = true;
	}
	memcpy(out, clock->text, EVE_TIME_SIZE);
	number(out + AT_US, ns / 1000 % 1000000, 6);
}
