/* Guest memory for the tests of net/dev: hv/guestmem.h over an array, with a count of how often
 * each byte was fetched, and hv/event.h as a list. */
#pragma once

#include <stdint.h>
#include "hv/abi.h"

#define RAM_BASE 0x100000ull
#define RAM_SIZE 0x400000ull

extern uint8_t ram[RAM_SIZE];
extern uint8_t ram_fetches[RAM_SIZE]; /* by gm_read*, saturating */

static inline void *ram_at(uint64_t gpa)
{
	return &ram[gpa - RAM_BASE];
}

/* All zero, no fetches, no events. */
void ram_reset(void);

/* Runs after each gm_read of at least 1 byte, when set: a driver that changes memory meanwhile. */
extern void (*ram_after_read)(uint64_t gpa, uint64_t len);

struct posted_event {
	enum abi_event kind;
	uint64_t a, b, c;
};

#define EVENTS_KEPT 64
extern struct posted_event events[EVENTS_KEPT];
extern unsigned event_count;
