/* How the guest is interrupted, and when Vigil polls instead (DESIGN.md section 6).
 *
 * The NIC's interrupt is a back end: the INTx one lives here, an MSI-X one can stand beside it.
 * Common to them is the choice between two modes:
 *
 *   line   the card's events interrupt; Vigil gets its frames when the guest comes to look;
 *   poll   the card's events are masked, Vigil looks by a timer, and the guest is interrupted only
 *          when there is something for it.
 *
 * Polling begins when interrupts bring the guest nothing (frames that are blocked: Linux disables
 * a line after 99,900 unhandled interrupts of 100,000), and under load, to save exits. It ends
 * when the wire is quiet, or when it turns out that the traffic waits for us (request and
 * response).
 *
 * INTx: the line is the card's own. The guest's read of the ISR register acknowledges the card, so
 * that the line drops. Vigil raises the line by a cause that the card never sets itself.
 *
 * Pure logic over struct nic_driver and the timers' clock. Exit context; the caller holds the net
 * lock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "net/dev/nic.h"

enum intr_mode {
	INTR_OFF, /* no driver in the guest: it must never be interrupted */
	INTR_LINE,
	INTR_POLL,
};

struct intr;

struct intr_backend {
	/* Let the guest know of `isr` bits (VNET_ISR_*), now or as soon as it may be. */
	void (*signal)(struct intr *intr, uint8_t isr);
	/* The mode or the guest's permission changed: program the card. */
	void (*program)(struct intr *intr);
};

extern const struct intr_backend intr_intx;

struct intr {
	const struct intr_backend *backend;
	const struct nic_driver *nic;
	enum intr_mode mode;
	bool disabled;	  /* COMMAND.InterruptDisable */
	bool raised;	  /* we raised the line, and the guest has not looked yet */
	uint8_t isr;	  /* what the next read of the ISR register gives */
	uint32_t readers; /* CPUs inside of a read of the ISR register */

	/* Interrupts that may still be in vain before Vigil masks the card; each useful one earns
	 * some. Bounds the unhandled ones to INTR_CREDIT + 8 for each handled one, whatever
	 * arrives. */
	uint32_t credit;

	/* Load: the last few exits in line mode. */
	uint64_t window_start, window_frames, window_bytes;
	uint32_t window_exits;
	uint64_t hold, hold_us; /* no polling for load before this time; how long the next one is */

	/* Polling. */
	bool for_load;			  /* why: load, not lack of credit */
	uint64_t interval;		  /* ticks */
	uint64_t poll_time, last_frame;	  /* of the last poll; of the last poll with frames */
	uint64_t poll_frames, poll_bytes; /* totals at the last poll */
	uint64_t last_batch, last_ticks;  /* frames of the last poll, and the time it covered */
	uint32_t large;			  /* large frames came within so many polls */
	uint32_t slow;			  /* polls in a row that were not worth it */
	uint32_t polls;			  /* since polling began */

	uint64_t empty, raises, switches; /* counters */
};

#define INTR_CREDIT 32 /* at most, and to begin with */

void intr_init(struct intr *intr, const struct intr_backend *backend, const struct nic_driver *nic);

/* The guest's driver is up (or not any more). */
void intr_set_active(struct intr *intr, bool on, uint64_t now);

/* COMMAND.InterruptDisable as the guest sets it; totals and time as for intr_account. While it is
 * set Vigil polls. */
void intr_set_disabled(struct intr *intr, bool disabled, uint64_t frames, uint64_t bytes,
		       uint64_t now);

/* The guest is to be told: VNET_ISR_* bits. */
void intr_signal(struct intr *intr, uint8_t isr);

/* The guest reads the ISR register. intr_read_begin acknowledges the card and tells by NIC_IRQ_*
 * whether it was the one (then poll receive; frames may be given to the guest meanwhile, without
 * the lock); intr_read_end takes the value for the guest. `news`: entries were returned to the
 * guest since the last read, wanted or not: it then counts the interrupt as handled. */
uint32_t intr_read_begin(struct intr *intr);
uint8_t intr_read_end(struct intr *intr, uint32_t ours, bool news);

/* An exit brought frames in line mode (ISR read, notification); `frames` and `bytes` are running
 * totals of both directions. May begin polling. */
void intr_account(struct intr *intr, uint64_t frames, uint64_t bytes, uint64_t now);

/* After a poll: totals as above. May end polling. Returns the time of the next poll, 0 for none
 * (line mode: then poll once more, since the card's events of before are lost). */
uint64_t intr_polled(struct intr *intr, uint64_t frames, uint64_t bytes, uint64_t now);
