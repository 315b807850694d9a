/* The life of the machine under Vigil: start, periodic statistics, hidden accesses, the end. */
#include "arch/x86/exit_counters.h"
#include "arch/x86/power.h"
#include "arch/x86/upcall.h"
#include "hv/channel.h"
#include "hv/counter.h"
#include "hv/counters.h"
#include "hv/event.h"
#include "hv/lock.h"
#include "hv/log.h"
#include "hv/machine.h"
#include "hv/sentry.h"
#include "hv/timer.h"
#include "hv/unit.h"

#define TELL_HIDDEN_US 1000000 /* one event a second at most */
#define END_US	       200000  /* for the last events of a guest that is gone */

static void stats(struct hv_timer *timer);
static struct hv_timer stats_timer = {.fn = stats};

/* Accesses to what is hidden that no event has told yet; the last of them. */
static struct spinlock hidden_lock;
static uint64_t hidden_reads, hidden_writes, hidden_gpa, hidden_rip;
static uint64_t hidden_told; /* TSC of the last event, 0: none */
static uint64_t stats_tsc;   /* when the counters of a `stats` event were taken */

/* Tell of accesses to what is hidden, unless there are none or the last event is too fresh: then
 * the next access or the next statistics will. */
static void tell_hidden(void)
{
	uint64_t now = time_now(), counts = 0, gpa, rip;

	spin_lock(&hidden_lock);
	gpa = hidden_gpa;
	rip = hidden_rip;
	if (!hidden_told || now - hidden_told > time_us(TELL_HIDDEN_US)) {
		counts = (hidden_writes & 0xffffffff) << 32 | (hidden_reads & 0xffffffff);
		hidden_reads = 0;
		hidden_writes = 0;
		hidden_told = counts ? now : hidden_told;
	}
	spin_unlock(&hidden_lock);
	if (counts)
		event_post(ABI_EVENT_HIDDEN_ACCESS, gpa, rip, counts);
}

static void stats(struct hv_timer *timer)
{
	struct abi_ctl *ctl = sentry_ctl();

	tell_hidden();
	arch_publish_counters();
	stats_tsc = time_now();
	ctl->ncounter = counters_publish(ctl->counter, ABI_COUNTERS);
	event_post(ABI_EVENT_STATS, time_now(), 0, 0);
	timer_arm(timer, time_now() + time_us(boot_facts()->config.stats_interval * 1000000ull));
}

void upcall_sealed(void)
{
	const struct boot_info *info = boot_facts();

	channel_go_async();
	log_info("%u CPU%s under Vigil", info->ncpu, info->ncpu == 1 ? "" : "s");
	event_post(ABI_EVENT_START, time_now(), 0, 0);
	event_post(ABI_EVENT_READY, time_now(), 0, 0);
	sentry_start();
	if (info->config.stats_interval)
		timer_arm(&stats_timer,
			  time_now() + time_us(info->config.stats_interval * 1000000ull));
}

void upcall_hidden_access(uint64_t gpa, uint64_t rip, bool write)
{
	spin_lock(&hidden_lock);
	hidden_reads += !write;
	hidden_writes += write;
	hidden_gpa = gpa;
	hidden_rip = rip;
	spin_unlock(&hidden_lock);
	tell_hidden();
}

void upcall_guest_fault(enum abi_guest_fault what, uint64_t rip, uint64_t detail)
{
	event_post(ABI_EVENT_GUEST_FAULT, what, rip, detail);
}

void upcall_guest_ended(const char *why)
{
	uint64_t end = time_now() + time_us(END_US);

	log_error("%s: the machine is reset", why);
	do /* the sentry writes its events, a stay at a time; it may just have begun its life */
		sentry_work();
	while (time_now() < end);
	channel_drain();
	arch_reset();
}

static int lifecycle_unit(struct boot_info *info)
{
	int err = timer_register(&stats_timer);

	(void)info;
	return err ?: counter_register("time.tsc", &stats_tsc);
}

UNIT(34, lifecycle, lifecycle_unit);
