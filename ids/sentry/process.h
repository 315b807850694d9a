/* `process` events: address spaces as the core tells them, watched by ids/proc. For the main loop.
 *
 * `seen` is told once an address space has lived for a second. One that is gone by then is told in
 * one line, a `gone` with `short`; so that a storm of short-lived processes costs one line each,
 * and none of them is written while the class has no room (counted as lost, as every event). `gone`
 * comes within about half a second, sooner while address spaces come and go.
 *
 * Once processes are known by introspection, only an address space that belongs to none of them is
 * still told, as `seen`; the others are in the lines of ids/proc.
 */
#pragma once

#include "ids/sentry/loop.h"

/* Set up the set of roots. 0 or -ENOMEM. Context: start-up. */
int process_init(struct sentry *s);

/* An ABI_EVENT_ROOT_SEEN. */
void process_root(struct sentry *s, const struct abi_request *request);

/* Look at the address spaces if it is time. */
void process_timers(struct sentry *s);

/* TSC of the next look, 0: nothing to look at. */
uint64_t process_deadline(const struct sentry *s);
