/* Timestamps of events. Pure. */
#pragma once

#include <stdint.h>

#define EVE_TIME_SIZE 40

/* `ns` since the Unix epoch as 2026-11-23T06:07:08.123456+0000, NUL-terminated. */
void eve_time(char out[EVE_TIME_SIZE], uint64_t ns);
