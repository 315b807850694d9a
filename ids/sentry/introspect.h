/* Introspection for the main loop: the guest's kernel found at its anchor, the probes of ids/'s
 * parts hooked, their hits handed on.
 *
 * Knows which parts there are and nothing of what they do. May call: ids/guest, ids/proc and the
 * other parts with probes, the core by sentry_ops.call.
 */
#pragma once

#include <stdbool.h>

#include "ids/sentry/loop.h"

/* Set up. 0 or -ENOMEM. Context: start-up. */
int introspect_init(struct sentry *s);

/* An event of the core. False: it is none of introspection's. */
bool introspect_event(struct sentry *s, const struct abi_request *request);

/* An ABI_REQ_HOOK; answered if the guest waits. */
void introspect_hit(struct sentry *s, const struct abi_request *request);

/* A slice of whatever is due; and the TSC at which there is more, 0: nothing. */
void introspect_step(struct sentry *s);
uint64_t introspect_deadline(const struct sentry *s);

/* Where the guest's page at `gpa` is shown, NULL: nowhere. A gmem's callback; `ctx` is the sentry.
 */
const volatile void *introspect_page(void *ctx, uint64_t gpa);

/* Whether a process is known that has this page-table root; and the TSC since when processes are
 * known, 0: they are not. */
bool introspect_knows(const struct sentry *s, uint64_t root);
uint64_t introspect_since(const struct sentry *s);

/* Members of the `introspection` object of a stats event. */
void introspect_stats(const struct sentry *s, struct json *j);
