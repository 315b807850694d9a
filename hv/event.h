/* Events that the core tells; the sentry writes them as EVE lines.
 *
 * Exit context on any CPU or init; never blocks. An event that finds no room in the request ring is
 * counted and told later as ABI_EVENT_LOST.
 */
#pragma once

#include <stdint.h>
#include "hv/abi.h"

void event_post(enum abi_event kind, uint64_t a, uint64_t b, uint64_t c);

/* The same for a request of any kind that counts as an event. 0; -ENOSPC: it is counted as lost. */
int event_request(const struct abi_request *request);
