/* Timestamps of events. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define EVE_TIME_SIZE 40

/* `ns` since the Unix epoch as 2026-11-23T06:07:08.123456+0000, NUL-terminated. */
void eve_time(char out[EVE_TIME_SIZE], uint64_t ns);

/* The text of the last second asked for: events come in clusters. Zero-initialized. */
struct eve_clock {
	bool valid;
	uint64_t sec;
	char text[EVE_TIME_SIZE];
};

/* As eve_time(), with no calendar arithmetic if `ns` lies in the second of the last call. */
void eve_clock_time(struct eve_clock *clock, char out[EVE_TIME_SIZE], uint64_t ns);
