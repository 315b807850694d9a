#include <stddef.h>
#include "hv/counter.h"
#include "hv/errno.h"
#include "hv/frames.h"
#include "hv/frames_internal.h"
#include "hv/lock.h"
#include "hv/machine.h"
#include "hv/sentry.h"

#define QUEUE 1024 /* entries of the order of submission, a power of two above ABI_FRAME_SLOTS */

enum owner {
	OWNER_FREE,    /* in the free list */
	OWNER_NET,     /* net/dev fills it or sends it */
	OWNER_DECIDE,  /* with the sentry, to be decided */
	OWNER_SENTRY,  /* one of the sentry's own slots, with the sentry */
	OWNER_SENDING, /* one of the sentry's own slots, delivered and not yet given back */
};

struct slot {
	uint8_t owner;
	uint8_t from; /* enum abi_port, for OWNER_DECIDE */
	uint16_t len;
};

static struct spinlock lock; /* guards all below */
static struct slot slots[ABI_SLOTS];
static uint16_t free_list[ABI_FRAME_SLOTS];
static uint32_t free_count;
/* Slots in the order in which they were submitted; those decided meanwhile are passed over. */
static uint16_t queue[QUEUE];
static uint32_t queue_prod, queue_cons;
static uint32_t pending;
static bool closed; /* no sentry to decide: net_fail does, at once */
static const struct frame_ops *ops;
static uint64_t submitted, passed, dropped, bypassed, refused, sent;

void frames_init(void)
{
	for (uint16_t i = 0; i < ABI_FRAME_SLOTS; i++)
		free_list[free_count++] = i;
	for (uint32_t i = ABI_FRAME_SLOTS; i < ABI_SLOTS; i++)
		slots[i].owner = OWNER_SENTRY;
	(void)counter_register("frames.submitted", &submitted);
	(void)counter_register("frames.passed", &passed);
	(void)counter_register("frames.dropped", &dropped);
	(void)counter_register("frames.bypassed", &bypassed);
	(void)counter_register("frames.refused", &refused);
	(void)counter_register("frames.sent_by_vigil", &sent);
}

void frames_register(const struct frame_ops *user)
{
	ops = user;
}

void frames_nic(const uint8_t mac[6])
{
	struct abi_ctl *ctl = sentry_ctl();

	ctl->nic_present = 1;
	for (uint32_t i = 0; i < 6; i++)
		ctl->mac[i] = mac[i];
}

int frame_alloc(void)
{
	int slot = -ENOMEM;

	spin_lock(&lock);
	if (free_count) {
		slot = free_list[--free_count];
		slots[slot].owner = OWNER_NET;
	}
	spin_unlock(&lock);
	return slot;
}

/* With the lock: the slot goes to where it came from. */
static void release(uint32_t slot)
{
	if (slot < ABI_FRAME_SLOTS) {
		slots[slot].owner = OWNER_FREE;
		free_list[free_count++] = (uint16_t)slot;
	} else {
		struct abi_request request = {.type = ABI_REQ_SENT, .slot = slot};

		slots[slot].owner = OWNER_SENTRY;
		(void)sentry_request(&request, 0); /* has room: see ABI_REQUESTS */
	}
}

void frame_free(uint32_t slot)
{
	spin_lock(&lock);
	if (slot < ABI_SLOTS &&
	    (slots[slot].owner == OWNER_NET || slots[slot].owner == OWNER_SENDING))
		release(slot);
	spin_unlock(&lock);
}

uint8_t *frame_data(uint32_t slot)
{
	return sentry_frames() + (uint64_t)slot * ABI_FRAME_SIZE;
}

uint64_t frame_phys(uint32_t slot)
{
	return (uint64_t)frame_data(slot);
}

void frames_run(void)
{
	sentry_work();
}

uint32_t frames_pending(void)
{
	return __atomic_load_n(&pending, __ATOMIC_RELAXED);
}

/* With the lock: forget the decided slots at the queue's head, so that it never overflows. */
static void trim_queue(void)
{
	while (queue_cons != queue_prod && slots[queue[queue_cons % QUEUE]].owner != OWNER_DECIDE)
		queue_cons++;
}

/* A slot leaves the undecided ones. True: deliver it (the caller, without the lock). */
static bool decide(uint32_t slot, bool pass, struct slot *was)
{
	spin_lock(&lock);
	*was = slots[slot];
	if (was->owner != OWNER_DECIDE) { /* another CPU was quicker */
		spin_unlock(&lock);
		return false;
	}
	pending--;
	if (pass) {
		slots[slot].owner = OWNER_NET;
		passed++;
	} else {
		dropped++;
		release(slot);
	}
	trim_queue();
	spin_unlock(&lock);
	return pass;
}

static enum abi_port other(uint8_t port)
{
	return port == ABI_PORT_GUEST ? ABI_PORT_WIRE : ABI_PORT_GUEST;
}

static bool reply_verdict(const struct abi_reply *reply)
{
	struct slot was;

	/* `from` and `len` of the core's own record: the sentry's copy is not asked. */
	if (reply->slot >= ABI_FRAME_SLOTS || slots[reply->slot].owner != OWNER_DECIDE ||
	    reply->verdict >= ABI_VERDICTS)
		return false;
	if (decide(reply->slot, reply->verdict == ABI_VERDICT_PASS, &was) && ops)
		ops->deliver(reply->slot, was.len, other(was.from));
	return true;
}

static bool reply_send(const struct abi_reply *reply)
{
	if (reply->slot < ABI_FRAME_SLOTS || reply->slot >= ABI_SLOTS ||
	    reply->len < ABI_FRAME_MIN || reply->len > ABI_FRAME_MAX || reply->port >= ABI_PORTS)
		return false;
	/* A frame of before a restart is still leaving: what came to its slot since is not sent,
	 * and the slot is told as free when that one has left. */
	if (slots[reply->slot].owner == OWNER_SENDING)
		return true;
	spin_lock(&lock);
	slots[reply->slot].owner = OWNER_SENDING;
	sent++;
	spin_unlock(&lock);
	if (ops)
		ops->deliver(reply->slot, reply->len, (enum abi_port)reply->port);
	else
		frame_free(reply->slot);
	return true;
}

bool frames_reply(const struct abi_reply *reply)
{
	switch (reply->type) {
	case ABI_REP_VERDICT:
		return reply_verdict(reply);
	case ABI_REP_SEND:
		return reply_send(reply);
	default:
		return false;
	}
}

void frames_flush(void)
{
	if (ops)
		ops->flush();
}

/* Decide a frame as net_fail says. */
static void bypass_one(uint32_t slot)
{
	struct slot was;

	bypassed++;
	if (decide(slot, boot_facts()->config.net_fail == NET_FAIL_OPEN, &was) && ops)
		ops->deliver(slot, was.len, other(was.from));
}

/* With the lock: hand the slot to the sentry. */
static int ask(uint32_t slot, uint32_t len, enum abi_port from)
{
	struct abi_request request = {
		.type = ABI_REQ_FRAME, .port = (uint8_t)from, .len = (uint16_t)len, .slot = slot};

	if (closed)
		return 0;
	if (sentry_request(&request, 0))
		return -ENOSPC;
	queue[queue_prod++ % QUEUE] = (uint16_t)slot;
	return 0;
}

void frame_submit(uint32_t slot, uint32_t len, enum abi_port from)
{
	bool bypass = false;

	spin_lock(&lock);
	if (slot < ABI_FRAME_SLOTS && slots[slot].owner == OWNER_NET) {
		if (len < ABI_FRAME_MIN || len > ABI_FRAME_MAX || ask(slot, len, from)) {
			refused++;
			release(slot);
		} else {
			slots[slot] = (struct slot){OWNER_DECIDE, (uint8_t)from, (uint16_t)len};
			pending++;
			submitted++;
			bypass = closed;
		}
	}
	spin_unlock(&lock);
	if (bypass) {
		bypass_one(slot);
		frames_flush();
	}
}

void frames_close(bool close)
{
	spin_lock(&lock);
	closed = close;
	spin_unlock(&lock);
}

void frames_bypass(void)
{
	/* Bounded: nothing is queued after frames_close. */
	for (uint32_t n = 0; n < ABI_FRAME_SLOTS && frames_pending(); n++) {
		uint16_t slot;
		bool empty;

		spin_lock(&lock);
		trim_queue();
		slot = queue[queue_cons % QUEUE];
		empty = queue_cons == queue_prod;
		spin_unlock(&lock);
		if (empty)
			break;
		bypass_one(slot);
	}
	/* What the order has lost: it overflows when a sentry never decides the first. */
	for (uint32_t slot = 0; slot < ABI_FRAME_SLOTS && frames_pending(); slot++)
		if (slots[slot].owner == OWNER_DECIDE)
			bypass_one(slot);
	frames_flush();
}
