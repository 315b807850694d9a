#include "arch/x86/hook.h"
#include "arch/x86/upcall.h"
#include "hv/core.h"
#include "hv/counter.h"
#include "hv/errno.h"
#include "hv/event.h"
#include "hv/guestmem.h"
#include "hv/hook.h"
#include "hv/lock.h"
#include "hv/log.h"
#include "hv/machine.h"
#include "hv/sentry.h"
#include "hv/timer.h"
#include "hv/unit.h"

#define WAIT_US	     50000 /* for a decision: then the function runs, and it is counted */
#define HIT_DELAY_US 1000  /* hits that nobody waits for ride together */

/* What a CPU waits for: one decision. A task that is scheduled away meanwhile asks again where it
 * goes on. */
struct gate {
	struct spinlock lock;
	uint32_t ticket; /* 0: nothing */
	uint32_t hook;
	uint64_t current, rsp; /* whose function it is */
	uint64_t since;	       /* TSC */
	bool decided;
	uint16_t err; /* 0: it runs */
	uint64_t to;
};

static struct gate *gates; /* by CPU */
static uint32_t last_ticket;
static uint64_t undecided, denied;
/* What the boot CPU wrote last, and what a restarted sentry begins with: the last one from before
 * the kernel was watched, since a later one may be an attacker's. */
static struct {
	uint64_t value, cr3, flags;
} lstar, anchor;
static bool watching;

static bool ask(const struct hook_hit *hit, uint32_t ticket)
{
	struct abi_request request = {
		.type = ABI_REQ_HOOK,
		.port = hit->wait,
		.len = (uint16_t)hit->cpu,
		.slot = hit->id,
		.a = time_now(),
		.b = hit->current,
		.c = hit->captured,
		.arg = {hit->arg[0], hit->arg[1], hit->arg[2], hit->arg[3], hit->arg[4]},
		.rsp = hit->rsp,
		.ticket = ticket,
	};

	/* Who could flood the ring with hits that nobody waits for must not get past a gate so. */
	return !(ticket ? sentry_request(&request, ABI_SLOTS) : event_request(&request));
}

static bool same_call(const struct gate *gate, const struct hook_hit *hit)
{
	return gate->ticket && gate->hook == hit->id && gate->current == hit->current &&
	       gate->rsp == hit->rsp;
}

/* The task began to wait on another CPU, perhaps. What is decided there must not be found by its
 * next call of the same function. */
static void forget_elsewhere(const struct hook_hit *hit)
{
	for (uint32_t i = 0; i < boot_facts()->ncpu; i++) {
		spin_lock(&gates[i].lock);
		if (i != hit->cpu && same_call(&gates[i], hit))
			gates[i].ticket = 0;
		spin_unlock(&gates[i].lock);
	}
}

/* With the gate's lock: what was decided. */
static enum hook_next outcome(struct gate *gate, struct hook_hit *hit, uint64_t *to)
{
	if (!gate->decided) {
		if (time_now() - gate->since < time_us(WAIT_US))
			return HOOK_WAIT;
		undecided++;
		gate->err = 0;
	}
	gate->ticket = 0;
	hit->err = -(int32_t)gate->err;
	*to = gate->to;
	denied += gate->err != 0;
	return gate->err ? HOOK_DENY : HOOK_GO;
}

static enum hook_next wait_for(struct hook_hit *hit, uint64_t *to)
{
	struct gate *gate = &gates[hit->cpu];
	enum hook_next next;
	bool asks;

	spin_lock(&gate->lock);
	asks = !same_call(gate, hit);
	if (asks) {
		uint32_t ticket = __atomic_add_fetch(&last_ticket, 1, __ATOMIC_RELAXED);

		gate->ticket = ticket ?: 1;
		gate->hook = hit->id;
		gate->current = hit->current;
		gate->rsp = hit->rsp;
		gate->since = time_now();
		gate->decided = !ask(hit, gate->ticket);
		gate->err = 0;
		undecided += gate->decided;
	}
	spin_unlock(&gate->lock);
	if (asks)
		forget_elsewhere(hit);
	sentry_work();
	spin_lock(&gate->lock);
	next = outcome(gate, hit, to);
	spin_unlock(&gate->lock);
	return next;
}

enum hook_next upcall_hook(struct hook_hit *hit, uint64_t *to)
{
	if (hit->wait)
		return wait_for(hit, to);
	(void)ask(hit, 0);
	sentry_wake(time_now() + time_us(HIT_DELAY_US));
	return HOOK_GO;
}

bool hook_reply(const struct abi_reply *reply)
{
	bool drop = reply->verdict == ABI_VERDICT_DROP;

	if (reply->verdict >= ABI_VERDICTS ||
	    (drop && (!reply->len || reply->len > ABI_ERRNO_MAX || reply->value >> 47 != 0x1ffff)))
		return false;
	for (uint32_t i = 0; i < boot_facts()->ncpu; i++) {
		struct gate *gate = &gates[i];

		spin_lock(&gate->lock);
		/* An answer that comes too late finds nobody. */
		if (gate->ticket && gate->ticket == reply->ticket) {
			gate->decided = true;
			gate->err = drop ? reply->len : 0;
			gate->to = reply->value;
		}
		spin_unlock(&gate->lock);
	}
	return true;
}

static int64_t restore(uint64_t gpa, uint64_t len)
{
	uint8_t bytes[ABI_GUARD_BYTES];

	if (!len || len > sizeof(bytes) || !gm_valid(gpa, len))
		return -EINVAL;
	for (uint64_t i = 0; i < len; i++)
		bytes[i] = ((const volatile uint8_t *)sentry_ctl()->message)[i];
	return arch_restore(gpa, bytes, (uint32_t)len);
}

int64_t hook_call(uint64_t number, uint64_t a, uint64_t b)
{
	struct abi_hook hook;

	switch (number) {
	case ABI_CALL_GUEST:
		arch_guest_kernel(a, b);
		return 0;
	case ABI_CALL_RESTORE:
		return restore(a, b);
	case ABI_CALL_FREEZE:
		log_error("the guest is frozen: the integrity of its kernel is lost");
		arch_freeze();
		return 0;
	case ABI_CALL_WATCH:
		arch_watch((uint32_t)a, (uint32_t)(a >> 32), b);
		watching = (uint32_t)a != 0;
		if (!watching) /* another kernel has begun */
			anchor = lstar;
		return 0;
	case ABI_CALL_HOOK:
		hook = *(volatile struct abi_hook *)&sentry_ctl()->hook;
		if (a >= ABI_HOOKS)
			return -EINVAL;
		return b ? arch_hook_set((uint32_t)a, &hook) : arch_hook_clear((uint32_t)a);
	default:
		return gm_valid(a, b & ~0xfffull) ? arch_guard(a, b & ~0xfffull, !(b & 1))
						  : -EFAULT;
	}
}

void upcall_hook_odd(uint32_t id, uint64_t bytes, uint32_t cpu)
{
	event_post(ABI_EVENT_SITE, id, bytes, cpu);
}

void upcall_guard_write(uint64_t gpa, uint64_t rip, uint64_t current, uint32_t cpu,
			const uint64_t before[ABI_GUARD_BYTES / 8])
{
	(void)event_request(&(struct abi_request){
		.type = ABI_REQ_EVENT,
		.port = ABI_EVENT_GUARD,
		.a = gpa,
		.b = rip,
		.c = cpu,
		.arg = {before[0], before[1], before[2], before[3]},
		.rsp = current,
	});
	sentry_wake(time_now() + time_us(HIT_DELAY_US));
}

void upcall_sample(uint64_t current, uint64_t cr3, uint32_t cpu, bool user)
{
	event_post(ABI_EVENT_SAMPLE, current, cr3, cpu | (user ? ABI_SAMPLE_USER : 0));
}

/* The boot CPU's is the kernel's start; the others only repeat it. */
void upcall_lstar(uint64_t value, uint64_t cr3, uint32_t cpu, bool la57, bool refused)
{
	uint64_t flags = cpu | (la57 ? ABI_LSTAR_LA57 : 0) | (refused ? ABI_LSTAR_REFUSED : 0);

	if (!cpu && !refused) {
		lstar.value = value;
		lstar.cr3 = cr3;
		lstar.flags = flags;
		if (!watching)
			anchor = lstar;
	}
	event_post(ABI_EVENT_LSTAR, value, cr3, flags);
}

void upcall_control(enum abi_control reg, uint64_t old, uint64_t now, uint64_t rip, uint32_t cpu,
		    bool refused)
{
	event_post(ABI_EVENT_CONTROL, rip, old << 32 | (uint32_t)now,
		   cpu | (uint64_t)reg << 32 | (refused ? ABI_CONTROL_REFUSED : 0));
}

void hook_repeat(void)
{
	if (anchor.value)
		event_post(ABI_EVENT_LSTAR, anchor.value, anchor.cr3,
			   anchor.flags | ABI_LSTAR_AGAIN);
}

static int gate_unit(struct boot_info *info)
{
	int err;

	gates = pages_alloc((uint32_t)(info->ncpu * sizeof(*gates) + 4095) / 4096);
	if (!gates)
		return -ENOMEM;
	err = counter_register("hooks.undecided", &undecided);
	return err ?: counter_register("hooks.denied", &denied);
}

UNIT(33, gate, gate_unit);
