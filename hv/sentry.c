/* The sentry runner: stays and what they leave behind. Memory and restart: hv/sentry_memory.c. */
#include <stddef.h>
#include "arch/x86/sentry_vm.h"
#include "arch/x86/string.h"
#include "arch/x86/upcall.h"
#include "hv/channel.h"
#include "hv/counter.h"
#include "hv/errno.h"
#include "hv/event.h"
#include "hv/frames_internal.h"
#include "hv/hook.h"
#include "hv/lock.h"
#include "hv/log.h"
#include "hv/machine.h"
#include "hv/sentry.h"
#include "hv/sentry_memory.h"
#include "hv/timer.h"
#include "hv/tracking.h"
#include "hv/unit.h"

#define STAY_US		     2000 /* one stay at most: a batch of frames; interrupts end it at once */
#define GAP_US		     400     /* the guest's turn before an unfinished stay goes on */
#define HANG_US		     100000  /* of its own time without progress */
#define HANG_INIT_US	     5000000 /* before its first yield: rules are being loaded */
#define BACKOFF_MIN_US	     1000    /* before a restart; doubled when it dies again soon */
#define BACKOFF_MAX_US	     500000
#define CALM_US		     10000000 /* a life this long resets the back-off */
#define SHORT_US	     20	      /* a stay that an interrupt ended before it got anywhere */
#define SHORT_STAYS	     16	 /* so many in a row: the guest holds one off, for good perhaps */
#define CALLS_PER_STAY	     256 /* hypercalls other than yield */
#define LOG_LINES_PER_SECOND 20
#define EVENT_DELAY_US	     1000 /* single events ride together */
#define PATIENT_DELAY_US     60000 /* the same for address spaces and samples, which are not urgent */
#define PATIENT_WAITING	     256   /* requests that may wait for that long */
#define REPLIES_PER_STAY     ABI_REPLIES

enum state { STATE_DEAD, STATE_ALIVE };

static struct spinlock lock;	/* one CPU runs the sentry or touches what follows */
static volatile uint32_t again; /* another CPU asked meanwhile */
static enum state state;
static bool started; /* the guest runs, stays may come */
static bool yielded_once;
static uint32_t rep_cons; /* our own copy of the reply ring's index */
static uint64_t busy;	  /* TSC ticks of its own since the last progress */
static uint32_t last_req_cons;
static uint64_t alive_since, backoff_us = BACKOFF_MIN_US;
static uint64_t log_window, log_lines;
static uint32_t cut_short; /* stays in a row */
static uint64_t stays, restarts, stay_ticks, calls;

static struct spinlock req_lock; /* the request ring's producer side: any CPU */
static uint32_t req_prod;	 /* our own copy */
static uint64_t events_lost;

static void wake(struct hv_timer *timer);
static struct hv_timer wake_timer = {.fn = wake};

/* --- requests
 * ------------------------------------------------------------------------------------------ */

static uint32_t requests_waiting(void)
{
	struct abi_ctl *ctl = sentry_ctl();

	return req_prod - __atomic_load_n(&ctl->request.cons, __ATOMIC_ACQUIRE);
}

int sentry_request(const struct abi_request *request, uint32_t reserve)
{
	struct abi_ctl *ctl = sentry_ctl();
	int err = -ENOSPC;

	spin_lock(&req_lock);
	/* An index of the sentry's that lies makes the difference huge: no room. */
	if (requests_waiting() < ABI_REQUESTS - reserve) {
		sentry_requests()[req_prod % ABI_REQUESTS] = *request;
		req_prod++;
		__atomic_store_n(&ctl->request.prod, req_prod, __ATOMIC_RELEASE);
		err = 0;
	}
	spin_unlock(&req_lock);
	return err;
}

/* Room that frames and their returns need even when events flood. */
#define EVENT_RESERVE (ABI_SLOTS + 64)

int event_request(const struct abi_request *request)
{
	int err;

	if (events_lost) {
		struct abi_request lost = {
			.type = ABI_REQ_EVENT, .port = ABI_EVENT_LOST, .a = events_lost};

		if (!sentry_request(&lost, EVENT_RESERVE))
			events_lost = 0;
	}
	err = sentry_request(request, EVENT_RESERVE);
	if (err)
		events_lost++;
	return err;
}

void event_post(enum abi_event kind, uint64_t a, uint64_t b, uint64_t c)
{
	struct abi_request request = {
		.type = ABI_REQ_EVENT, .port = (uint8_t)kind, .a = a, .b = b, .c = c};
	bool patient = kind == ABI_EVENT_ROOT_SEEN || kind == ABI_EVENT_SAMPLE;

	(void)event_request(&request);
	patient = patient && requests_waiting() < PATIENT_WAITING;
	sentry_wake(time_now() + time_us(patient ? PATIENT_DELAY_US : EVENT_DELAY_US));
}

/* --- replies
 * ------------------------------------------------------------------------------------------- */

static bool take_replies(struct sentry_fault *fault)
{
	struct abi_index *index = &sentry_ctl()->reply;
	uint32_t prod = __atomic_load_n(&index->prod, __ATOMIC_ACQUIRE);

	if (prod - rep_cons > ABI_REPLIES) {
		*fault = (struct sentry_fault){ABI_SENTRY_BAD_REPLY, 0, prod};
		return false;
	}
	for (; rep_cons != prod; rep_cons++) {
		/* Copied once, checked, then used. */
		struct abi_reply reply = sentry_replies()[rep_cons % ABI_REPLIES];

		if (reply.type == ABI_REP_DECIDE ? !hook_reply(&reply) : !frames_reply(&reply)) {
			uint64_t detail;

			memcpy(&detail, &reply, sizeof(detail));
			*fault = (struct sentry_fault){ABI_SENTRY_BAD_REPLY, 0, detail};
			return false;
		}
	}
	__atomic_store_n(&index->cons, rep_cons, __ATOMIC_RELEASE);
	return true;
}

/* --- death and restart
 * ------------------------------------------------------------------------------------ */

static const char *const fault_names[] = {
	[ABI_SENTRY_EXCEPTION] = "exception",	     [ABI_SENTRY_MEMORY] = "memory access",
	[ABI_SENTRY_HANG] = "endless loop",	     [ABI_SENTRY_BAD_REPLY] = "bad reply",
	[ABI_SENTRY_BAD_CALL] = "bad call",	     [ABI_SENTRY_EXIT] = "it ended itself",
	[ABI_SENTRY_UNEXPECTED] = "unexpected exit",
};

/* Requests that the dead one has not taken: events stay for the next, hits count as lost, frames
 * were decided by bypass. After two deaths in short order the events may be the reason, and go too.
 */
static void keep_events(bool keep)
{
	struct abi_ctl *ctl = sentry_ctl();
	uint32_t cons = __atomic_load_n(&ctl->request.cons, __ATOMIC_ACQUIRE);

	spin_lock(&req_lock);
	if (!keep || req_prod - cons > ABI_REQUESTS) {
		events_lost += req_prod - cons > ABI_REQUESTS ? 1 : req_prod - cons;
		cons = req_prod;
	}
	for (uint32_t i = cons; i != req_prod; i++) {
		struct abi_request *r = &sentry_requests()[i % ABI_REQUESTS];

		events_lost += r->type == ABI_REQ_HOOK;
		if (r->type != ABI_REQ_EVENT)
			r->type = ABI_REQ_NONE;
	}
	__atomic_store_n(&ctl->request.prod, req_prod, __ATOMIC_RELEASE);
	__atomic_store_n(&ctl->request.cons, cons, __ATOMIC_RELEASE);
	last_req_cons = cons;
	spin_unlock(&req_lock);
}

static void die(const struct sentry_fault *fault)
{
	uint64_t now = time_now();
	bool calm = now - alive_since > time_us(CALM_US);

	state = STATE_DEAD;
	restarts++;
	backoff_us = calm ? BACKOFF_MIN_US : backoff_us * 2;
	if (backoff_us > BACKOFF_MAX_US)
		backoff_us = BACKOFF_MAX_US;
	log_warn("sentry: %s at %lx, detail %lx: restart %lu", fault_names[fault->kind],
		 fault->rip - ABI_SENTRY_BASE, fault->detail, restarts);
	frames_close(true);
	frames_bypass();
	keep_events(calm || restarts == 1);
	event_post(ABI_EVENT_SENTRY_RESTART, fault->kind, fault->rip - ABI_SENTRY_BASE,
		   fault->detail);
	sentry_memory_restart();
	timer_arm(&wake_timer, now + time_us(backoff_us));
}

/* One slice of the restart; alive when it was the last. */
static void restart_slice(void)
{
	struct abi_ctl *ctl = sentry_ctl();

	frames_bypass();
	if (!sentry_memory_slice()) {
		timer_arm(&wake_timer, time_now() + time_us(GAP_US));
		return;
	}
	rep_cons = 0;
	ctl->reply.prod = 0;
	ctl->reply.cons = 0;
	channel_reset_output();
	ctl->restarts = restarts;
	busy = 0;
	yielded_once = false;
	alive_since = time_now();
	state = STATE_ALIVE;
	frames_close(false);
	tracking_repeat();
	hook_repeat();
	again = 1;
}

/* --- hypercalls
 * --------------------------------------------------------------------------------------------- */

/* What the sentry says in abi_ctl.message, copied once, cut, and printable. */
static void copy_message(char *text, uint64_t len, size_t room)
{
	struct abi_ctl *ctl = sentry_ctl();

	if (len > sizeof(ctl->message))
		len = sizeof(ctl->message);
	if (len >= room)
		len = room - 1;
	memcpy(text, ctl->message, len);
	text[len] = 0;
	for (uint64_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			text[i] = text[i] == 0 ? 0 : ' ';
}

static void call_log(uint64_t len)
{
	char text[sizeof(((struct abi_ctl *)0)->message) + 1];
	uint64_t now = time_now();

	if (now - log_window > time_us(1000000)) {
		log_window = now;
		log_lines = 0;
	}
	if (log_lines++ >= LOG_LINES_PER_SECOND)
		return;
	copy_message(text, len, sizeof(text));
	log_info("sentry: %s", text);
}

struct stay {
	bool yielded;
	uint64_t wake; /* TSC, 0: none */
	struct sentry_fault fault;
	bool dead;
};

/* Carry out one hypercall; false: the stay is over. */
static bool do_call(struct stay *stay)
{
	struct sentry_call call;
	uint64_t count = 0, last = 0;

	sentry_vm_call(&call);
	calls++;
	switch (call.number) {
	case ABI_CALL_YIELD:
		sentry_vm_return(0, 0);
		if (requests_waiting())
			return true; /* something came while it was on its way out */
		stay->yielded = true;
		stay->wake = call.arg[0];
		return false;
	case ABI_CALL_LOG:
		call_log(call.arg[0]);
		sentry_vm_return(0, 0);
		return true;
	case ABI_CALL_FORGET:
		(void)tracking_forget(call.arg[0], &count, &last);
		sentry_vm_return(count, last);
		return true;
	case ABI_CALL_CPU: {
		struct abi_cpu cpu;

		sentry_vm_guest(&cpu);
		sentry_ctl()->cpu = cpu;
		sentry_vm_return(0, 0);
		return true;
	}
	case ABI_CALL_GUEST:
	case ABI_CALL_HOOK:
	case ABI_CALL_GUARD:
	case ABI_CALL_WATCH:
	case ABI_CALL_RESTORE:
	case ABI_CALL_FREEZE:
		sentry_vm_return((uint64_t)hook_call(call.number, call.arg[0], call.arg[1]), 0);
		return true;
	case ABI_CALL_EXIT:
		stay->fault = (struct sentry_fault){ABI_SENTRY_EXIT, ABI_SENTRY_BASE, call.arg[0]};
		break;
	default:
		stay->fault =
			(struct sentry_fault){ABI_SENTRY_BAD_CALL, ABI_SENTRY_BASE, call.number};
	}
	stay->dead = true;
	return false;
}

/* --- stays
 * -----------------------------------------------------------------------------------------------------
 */

static void run(struct stay *stay)
{
	uint64_t begin = time_now(), deadline = begin + time_us(STAY_US);
	enum sentry_exit why = SENTRY_EXIT_TIMER;
	uint32_t n = 0;
	bool on = true;

	/* A guest that left an interrupt pending for ever would keep the sentry from running, and
	 * have it taken for hung. */
	sentry_vm_begin(cut_short >= SHORT_STAYS ? SENTRY_HOLD_DISABLED : SENTRY_HOLD_NONE);
	while (on) {
		why = sentry_vm_enter(deadline, &stay->fault);
		switch (why) {
		case SENTRY_EXIT_CALL:
			on = do_call(stay) && ++n < CALLS_PER_STAY && time_now() < deadline;
			break;
		case SENTRY_EXIT_FAULT:
			stay->dead = true;
			on = false;
			break;
		default:
			on = false;
		}
	}
	sentry_vm_end();
	cut_short = why == SENTRY_EXIT_INTERRUPT && time_now() - begin < time_us(SHORT_US)
			    ? cut_short + 1
			    : 0;
	stays++;
	stay_ticks += time_now() - begin;
	busy += time_now() - begin;
}

/* Progress is a yield or a request taken; without it the time adds up. */
static void watch_for_hang(struct stay *stay)
{
	uint32_t cons = __atomic_load_n(&sentry_ctl()->request.cons, __ATOMIC_RELAXED);
	uint64_t limit = time_us(yielded_once ? HANG_US : HANG_INIT_US);

	/* An index that runs ahead of what was asked is no progress but a lie. */
	if (cons - last_req_cons > req_prod - last_req_cons && !stay->dead) {
		stay->dead = true;
		stay->fault = (struct sentry_fault){ABI_SENTRY_BAD_REPLY, ABI_SENTRY_BASE, cons};
	}
	if (stay->yielded || cons != last_req_cons)
		busy = 0;
	last_req_cons = cons;
	yielded_once |= stay->yielded;
	if (!stay->dead && busy > limit) {
		stay->dead = true;
		stay->fault = (struct sentry_fault){ABI_SENTRY_HANG, ABI_SENTRY_BASE,
						    busy / (time_us(1) ?: 1)};
	}
}

static void one_stay(void)
{
	struct stay stay = {0};

	if (state == STATE_DEAD) {
		restart_slice();
		return;
	}
	run(&stay);
	if (!take_replies(&stay.fault))
		stay.dead = true;
	frames_flush();
	watch_for_hang(&stay);
	if (stay.dead)
		die(&stay.fault);
	else if (!stay.yielded)
		sentry_wake(time_now() + time_us(GAP_US));
	else if (stay.wake) /* not in the past: the guest has its turn, whatever the sentry asks for
			     */
		sentry_wake(stay.wake > time_now() + time_us(GAP_US)
				    ? stay.wake
				    : time_now() + time_us(GAP_US));
	channel_kick();
}

void sentry_work(void)
{
	if (!started)
		return;
	again = 1;
	/* Whoever holds the lock sees `again` before it leaves, or we get the lock. Two rounds at
	 * most: what comes after that has a timer. */
	for (uint32_t round = 0; round < 2 && again; round++) {
		if (!spin_trylock(&lock))
			return;
		again = 0;
		one_stay();
		spin_unlock(&lock);
		/* Another CPU sets `again` before it looks at the lock; we the other way round. */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
	if (again)
		sentry_wake(time_now() + time_us(GAP_US));
}

/* The lock is kept: what the sentry was at is over. If another CPU has it, nobody is asked. */
bool upcall_explain(const void *record, size_t size, char *text, size_t room)
{
	uint64_t deadline = time_now() + time_us(HANG_US);
	enum sentry_exit why = SENTRY_EXIT_FAULT;
	struct sentry_call call = {.number = ABI_CALLS};
	struct sentry_fault fault;

	if (!spin_trylock(&lock))
		return false;
	sentry_memory_explain(record, size);
	sentry_vm_begin(SENTRY_HOLD_ALL);
	do
		why = sentry_vm_enter(deadline, &fault);
	while (why == SENTRY_EXIT_INTERRUPT && time_now() < deadline);
	if (why == SENTRY_EXIT_CALL)
		sentry_vm_call(&call);
	sentry_vm_end();
	copy_message(text, call.arg[0], room);
	return call.number == ABI_CALL_LOG;
}

static void wake(struct hv_timer *timer)
{
	(void)timer;
	sentry_work();
}

void sentry_wake(uint64_t tsc)
{
	timer_earlier(&wake_timer, tsc);
}

void sentry_start(void)
{
	sentry_memory_keep();
	state = STATE_ALIVE;
	started = true;
	alive_since = time_now();
	sentry_wake(time_now() + time_us(EVENT_DELAY_US));
}

static int sentry_unit(struct boot_info *info)
{
	int err = sentry_memory_init(info);

	if (err)
		return err;
	frames_init();
	channel_attach(&sentry_ctl()->output, sentry_output(), &sentry_ctl()->output_low);
	err = timer_register(&wake_timer);
	err = err ?: counter_register("runner.stays", &stays);
	err = err ?: counter_register("runner.restarts", &restarts);
	err = err ?: counter_register("runner.ticks", &stay_ticks);
	return err ?: counter_register("runner.calls", &calls);
}

UNIT(32, sentry, sentry_unit);
