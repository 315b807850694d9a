/* The reader's side of hv/counter.h, for the sentry runner. */
#pragma once

#include <stdint.h>
#include "hv/abi.h"

/* Copy all registered counters to `out`, at most `room`; returns how many. Exit context. */
uint32_t counters_publish(struct abi_counter *out, uint32_t room);
