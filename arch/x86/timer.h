/* The VMX preemption timer as hv/timer.c sees it. */
#pragma once

#include <stdint.h>

/* See that this CPU exits at `deadline` (TSC) at the latest. Before the launch it does nothing: the
 * launch arms the timer for the earliest deadline. Exit context on any CPU. */
void arch_timer_earlier(uint64_t deadline);
