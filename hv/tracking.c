#include <stdbool.h>
#include "arch/x86/upcall.h"
#include "hv/root_table.h"
#include "hv/counter.h"
#include "hv/errno.h"
#include "hv/event.h"
#include "hv/lock.h"
#include "hv/timer.h"
#include "hv/tracking.h"
#include "hv/unit.h"

#define REPEAT_SLICE 64	  /* table slots a slice */
#define REPEAT_US    2000 /* between slices */

static struct root_table table;
static struct spinlock lock;
static uint64_t switches, roots_seen;
static uint32_t repeat_next;

static void repeat_slice(struct hv_timer *timer);
static struct hv_timer repeat_timer = {.fn = repeat_slice};

void upcall_root_switch(uint64_t root, uint32_t cpu)
{
	uint64_t tsc = time_now();
	struct root_entry evicted;
	bool first;

	spin_lock(&lock);
	first = root_table_switch(&table, root, tsc, &evicted)->switches == 1;
	switches++;
	roots_seen += first;
	spin_unlock(&lock);
	if (__builtin_expect(first, 0))
		event_post(ABI_EVENT_ROOT_SEEN, root, tsc, cpu);
}

int tracking_forget(uint64_t root, uint64_t *count, uint64_t *last_tsc)
{
	struct root_entry gone;
	int err;

	spin_lock(&lock);
	err = root_table_remove(&table, root, &gone);
	spin_unlock(&lock);
	if (err)
		return err;
	*count = gone.switches;
	*last_tsc = gone.last_tsc;
	return 0;
}

static void repeat_slice(struct hv_timer *timer)
{
	uint64_t roots[REPEAT_SLICE], first[REPEAT_SLICE];
	uint32_t n = 0;

	spin_lock(&lock);
	for (uint32_t i = 0; i < REPEAT_SLICE && repeat_next < ROOT_TABLE_SIZE;
	     i++, repeat_next++) {
		const struct root_entry *e = &table.slot[repeat_next];

		if (e->root & 1) {
			roots[n] = ROOT_OF(e);
			first[n++] = e->first_tsc;
		}
	}
	spin_unlock(&lock);
	for (uint32_t i = 0; i < n; i++)
		event_post(ABI_EVENT_ROOT_SEEN, roots[i], first[i], ABI_ROOT_KNOWN);
	if (repeat_next < ROOT_TABLE_SIZE)
		timer_arm(timer, time_now() + time_us(REPEAT_US));
}

void tracking_repeat(void)
{
	repeat_next = 0;
	timer_arm(&repeat_timer, time_now() + time_us(REPEAT_US));
}

static int tracking_unit(struct boot_info *info)
{
	int err = timer_register(&repeat_timer);

	(void)info;
	err = err ?: counter_register("tracking.switches", &switches);
	err = err ?: counter_register("tracking.roots_seen", &roots_seen);
	return err ?: counter_register("tracking.replaced", &table.replaced);
}

UNIT(33, tracking, tracking_unit);
