/* The sentry runner: stays, rings, death and restart. Core-internal (hv/ only; net/dev uses
 * hv/frames.h, everybody hv/event.h).
 *
 * May call: arch/x86/sentry_vm.h, hv/frames (internal), hv/channel, hv/timer, hv/tracking.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/abi.h"

/* Let the sentry run on this CPU, within the stay's budget; if another CPU has it, that one goes
 * on. Exit context, no lock held. */
void sentry_work(void);

/* See that it runs at `tsc` at the latest. */
void sentry_wake(uint64_t tsc);

/* Put a request into the ring. `reserve`: entries that must stay free for others. -ENOSPC. */
int sentry_request(const struct abi_request *request, uint32_t reserve);

/* The shared area. */
struct abi_ctl *sentry_ctl(void);
uint8_t *sentry_frames(void);

/* The launch is over: the first stay may come. */
void sentry_start(void);
