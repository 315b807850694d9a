/* One-shot timers with absolute deadlines, driven by the VMX preemption timer.
 *
 * A timer fires on some CPU in exit context, at its deadline or later (the CPU may be in a deep
 * C-state, or in the guest's System Management Mode). Handlers must not block and re-arm
 * themselves.
 */
#pragma once

#include <stdint.h>

struct hv_timer {
	uint64_t deadline; /* TSC; 0: not armed */
	void (*fn)(struct hv_timer *timer);
};

#define HV_TIMERS 16

/* Make a timer known, once, at init; it must live for ever. -ENOSPC when there are HV_TIMERS. */
int timer_register(struct hv_timer *timer);

/* The same, unless it is due earlier anyway. `deadline` is not 0. */
void timer_earlier(struct hv_timer *timer, uint64_t deadline);

/* Arm for an absolute TSC value (a past one fires at the next chance), or again for another. Exit
 * context or init. An earlier deadline replaces a later one only by calling this. */
void timer_arm(struct hv_timer *timer, uint64_t deadline);
void timer_cancel(struct hv_timer *timer);

/* Now, in TSC ticks; and ticks in `us` microseconds. */
uint64_t time_now(void);
uint64_t time_us(uint64_t us);
