#include <stdbool.h>
#include "arch/x86/insn.h"
#include "arch/x86/timer.h"
#include "arch/x86/upcall.h"
#include "hv/errno.h"
#include "hv/machine.h"
#include "hv/timer.h"

static struct hv_timer *timers[HV_TIMERS];
static uint32_t used;

uint64_t time_now(void)
{
	return rdtsc();
}

uint64_t time_us(uint64_t us)
{
	return us * boot_facts()->tsc_khz / 1000;
}

int timer_register(struct hv_timer *timer)
{
	if (used >= HV_TIMERS)
		return -ENOSPC;
	timers[used++] = timer;
	return 0;
}

void timer_arm(struct hv_timer *timer, uint64_t deadline)
{
	__atomic_store_n(&timer->deadline, deadline ? deadline : 1, __ATOMIC_RELEASE);
	arch_timer_earlier(deadline);
}

void timer_earlier(struct hv_timer *timer, uint64_t deadline)
{
	uint64_t old = __atomic_load_n(&timer->deadline, __ATOMIC_ACQUIRE);

	while (!old || deadline < old) {
		if (__atomic_compare_exchange_n(&timer->deadline, &old, deadline, false,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			arch_timer_earlier(deadline);
			return;
		}
	}
}

void timer_cancel(struct hv_timer *timer)
{
	__atomic_store_n(&timer->deadline, 0, __ATOMIC_RELEASE);
}

/* Due timers are claimed by exchanging the deadline, so that of two CPUs one runs the handler. */
uint64_t upcall_timers(uint64_t now)
{
	uint64_t next = 0;

	for (uint32_t i = 0; i < used; i++) {
		uint64_t deadline = __atomic_load_n(&timers[i]->deadline, __ATOMIC_ACQUIRE);

		if (deadline && deadline <= now &&
		    __atomic_compare_exchange_n(&timers[i]->deadline, &deadline, 0, false,
						__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			timers[i]->fn(timers[i]);
	}
	for (uint32_t i = 0; i < used; i++) {
		uint64_t deadline = __atomic_load_n(&timers[i]->deadline, __ATOMIC_ACQUIRE);

		if (deadline && (!next || deadline < next))
			next = deadline;
	}
	return next;
}
