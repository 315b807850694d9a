/* Interrupt modes and the INTx back end; see intr.h. */
#include "net/dev/intr.h"
#include "hv/timer.h"
#include "net/dev/virtio_net.h"

#define CREDIT_EARNED 8

/* Load: so many exits within the time, with large frames; or very many of any kind. Looked at after
 * WINDOW_US at the earliest, so that a burst does not pass for a rate. */
#define WINDOW_US   1000
#define LOAD_EXITS  8
#define LOAD_US	    8000
#define FAST_EXITS  32	/* in a millisecond */
#define LARGE_FRAME 600 /* bytes on average, both directions together */
#define LARGE_POLLS 16	/* polls with small frames only before these are a transfer's no longer */

/* Polling: microseconds between polls, and the batch that is aimed at. */
#define POLL_MIN_US   250
#define POLL_US	      1000 /* to begin with, and at most for small frames: this is their latency */
#define POLL_LARGE_US 8000
#define POLL_IDLE_US  16000
#define BATCH_SMALL   24
#define BATCH_LARGE   48

#define QUIET_US      16000 /* without frames: back to the line */
/* The same without credit. Linux forgets unhandled interrupts that are 100 ms apart. */
#define QUIET_POOR_US 250000
/* Polling for load ends after SLOW_POLLS polls that were not worth it: few frames although the
 * interval is at its longest, or no more than before although it has grown, because the traffic
 * waits for us. Among the first EARLY_POLLS polling is then not tried again for HOLD_US, twice as
 * long each time up to HOLD_MAX_US. A rate is nothing to compare with: what was seen before polling
 * may have been a burst. */
#define SLOW_POLLS    2
#define FEW_FRAMES    3
#define EARLY_POLLS   4
#define HOLD_US	      32000
#define HOLD_MAX_US   1024000

void intr_init(struct intr *intr, const struct intr_backend *backend, const struct nic_driver *nic)
{
	*intr = (struct intr){.backend = backend, .nic = nic, .mode = INTR_OFF};
	backend->program(intr);
}

static void set_mode(struct intr *intr, enum intr_mode mode)
{
	if (mode != intr->mode)
		intr->switches++;
	intr->mode = mode;
	intr->backend->program(intr);
}

static void start_window(struct intr *intr, uint64_t frames, uint64_t bytes, uint64_t now)
{
	intr->window_start = now;
	intr->window_exits = 0;
	intr->window_frames = frames;
	intr->window_bytes = bytes;
}

static void start_polling(struct intr *intr, bool for_load, uint64_t frames, uint64_t bytes,
			  uint64_t now)
{
	intr->for_load = for_load;
	intr->interval = time_us(POLL_US);
	intr->poll_time = intr->last_frame = now;
	intr->poll_frames = frames;
	intr->poll_bytes = bytes;
	intr->last_batch = 0;
	intr->large = for_load ? LARGE_POLLS : 0;
	intr->last_ticks = 0;
	intr->slow = 0;
	intr->polls = 0;
	set_mode(intr, INTR_POLL);
}

void intr_set_active(struct intr *intr, bool on, uint64_t now)
{
	intr->isr = 0;
	intr->raised = false;
	intr->credit = INTR_CREDIT;
	intr->hold = 0;
	intr->hold_us = HOLD_US;
	intr->window_start = now;
	intr->window_exits = 0;
	intr->nic->irq_ack(); /* causes of before are nobody's business now */
	set_mode(intr, on ? INTR_LINE : INTR_OFF);
	if (on && intr->disabled)
		start_polling(intr, false, intr->poll_frames, intr->poll_bytes, now);
}

void intr_set_disabled(struct intr *intr, bool disabled, uint64_t frames, uint64_t bytes,
		       uint64_t now)
{
	intr->disabled = disabled;
	if (intr->mode == INTR_OFF)
		return;
	intr->raised = false;
	intr->nic->irq_ack();
	if (intr->mode == INTR_LINE)
		start_polling(intr, false, frames, bytes, now);
	else
		intr->backend->program(intr);
	if (!disabled && intr->isr)
		intr->backend->signal(intr, intr->isr);
}

void intr_signal(struct intr *intr, uint8_t isr)
{
	if (intr->mode != INTR_OFF)
		intr->backend->signal(intr, isr);
}

uint32_t intr_read_begin(struct intr *intr)
{
	intr->readers++;
	/* While polling the line is up only if we raised it: another device shares it otherwise. */
	if (intr->mode != INTR_LINE && !intr->raised)
		return 0;
	intr->raised = false;
	return intr->nic->irq_ack();
}

uint8_t intr_read_end(struct intr *intr, uint32_t ours, bool news)
{
	uint8_t isr = intr->isr;

	if (news)
		isr |= VNET_ISR_QUEUE;
	intr->isr = 0;
	intr->readers--;
	if (!(ours & NIC_IRQ_OURS))
		return isr;
	if (isr) {
		intr->credit += CREDIT_EARNED;
		if (intr->credit > INTR_CREDIT)
			intr->credit = INTR_CREDIT;
	} else {
		intr->empty++;
		if (intr->credit)
			intr->credit--;
	}
	return isr;
}

void intr_account(struct intr *intr, uint64_t frames, uint64_t bytes, uint64_t now)
{
	uint64_t df = frames - intr->window_frames, db = bytes - intr->window_bytes;
	uint64_t dt = now - intr->window_start;

	if (intr->mode != INTR_LINE)
		return;
	if (!intr->credit) {
		start_polling(intr, false, frames, bytes, now);
		return;
	}
	intr->window_exits++;
	if (dt < time_us(WINDOW_US) || (intr->window_exits < LOAD_EXITS && dt < time_us(LOAD_US)))
		return;
	if (now >= intr->hold && df &&
	    ((intr->window_exits >= LOAD_EXITS && dt <= time_us(LOAD_US) &&
	      db / df >= LARGE_FRAME) ||
	     intr->window_exits >= FAST_EXITS * dt / time_us(1000))) {
		start_polling(intr, true, frames, bytes, now);
	}
	start_window(intr, frames, bytes, now);
}

/* Whether it is time for the card's own interrupts again. */
static bool leave(struct intr *intr, uint64_t now)
{
	uint64_t quiet = now - intr->last_frame;

	if (intr->disabled)
		return false;
	if (intr->for_load && intr->credit && intr->slow >= SLOW_POLLS) {
		if (intr->polls > EARLY_POLLS) {
			intr->hold_us = HOLD_US;
		} else {
			intr->hold = now + time_us(intr->hold_us);
			if (intr->hold_us < HOLD_MAX_US)
				intr->hold_us *= 2;
		}
		return true;
	}
	if (!intr->credit && quiet >= time_us(QUIET_POOR_US)) {
		intr->credit = 1;
		return true;
	}
	return intr->credit && quiet >= time_us(QUIET_US);
}

/* Was a poll worth its exit? */
static void judge(struct intr *intr, uint64_t frames, uint64_t ticks, bool large)
{
	bool longest = ticks >= time_us(large ? POLL_LARGE_US : POLL_US);
	bool grown = intr->last_ticks && ticks * 2 > intr->last_ticks * 3;

	if (grown ? frames < BATCH_SMALL && frames * 2 <= intr->last_batch * 3
		  : longest && frames <= FEW_FRAMES)
		intr->slow += frames != 0;
	else
		intr->slow = 0;
	intr->last_batch = frames;
	intr->last_ticks = ticks;
}

/* Aim at a batch of BATCH_SMALL to BATCH_LARGE frames, within the latency that the traffic bears.
 */
static void adapt(struct intr *intr, uint64_t frames, bool large)
{
	uint64_t max = time_us(frames == 0 ? POLL_IDLE_US : large ? POLL_LARGE_US : POLL_US);

	if (frames < BATCH_SMALL)
		intr->interval *= 2;
	else if (frames > BATCH_LARGE)
		intr->interval /= 2;
	if (intr->interval > max)
		intr->interval = max;
	if (intr->interval < time_us(POLL_MIN_US))
		intr->interval = time_us(POLL_MIN_US);
}

uint64_t intr_polled(struct intr *intr, uint64_t frames, uint64_t bytes, uint64_t now)
{
	uint64_t df = frames - intr->poll_frames, db = bytes - intr->poll_bytes;
	bool large;

	if (intr->mode != INTR_POLL)
		return 0;
	/* A transfer's polls may bring acknowledgements alone for a while. */
	if (df && db / df >= LARGE_FRAME)
		intr->large = LARGE_POLLS;
	else if (df && intr->large)
		intr->large--;
	large = intr->large;
	intr->polls++;
	if (df)
		intr->last_frame = now;
	judge(intr, df, now - intr->poll_time, large);
	if (leave(intr, now)) {
		/* Causes that piled up while masked would interrupt for nothing. One that we
		 * raised must not get lost with them. */
		intr->nic->irq_ack();
		start_window(intr, frames, bytes, now);
		set_mode(intr, INTR_LINE);
		if (intr->raised)
			intr->nic->irq_raise();
		return 0;
	}
	adapt(intr, df, large);
	intr->poll_time = now;
	intr->poll_frames = frames;
	intr->poll_bytes = bytes;
	return now + intr->interval;
}

/* --- INTx ------------------------------------------------------------------------------------- */

static void intx_signal(struct intr *intr, uint8_t isr)
{
	intr->isr |= isr;
	/* A CPU that is just reading the register will see the bits. */
	if (intr->raised || intr->readers || intr->disabled || !intr->isr)
		return;
	intr->raised = true;
	intr->raises++;
	intr->nic->irq_raise();
}

static void intx_program(struct intr *intr)
{
	bool on = intr->mode != INTR_OFF && !intr->disabled;

	intr->nic->irq_allow(on && intr->mode == INTR_LINE, on);
}

const struct intr_backend intr_intx = {
	.signal = intx_signal,
	.program = intx_program,
};
