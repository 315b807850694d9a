/* Hits of hooks on their way to the sentry, and decisions back.
 *
 * Core-internal (hv/sentry.c). May call: arch/x86/hook.h, hv/sentry.h, hv/event.h.
 */
#pragma once

#include <stdbool.h>
#include "hv/abi.h"

/* ABI_REP_DECIDE, copied and not yet checked. False: it is broken. */
bool hook_reply(const struct abi_reply *reply);

/* ABI_CALL_GUEST, _HOOK, _GUARD, _WATCH, _RESTORE, _FREEZE: the value for RAX. */
int64_t hook_call(uint64_t number, uint64_t a, uint64_t b);

/* Tell a restarted sentry what the guest has told before. */
void hook_repeat(void);
