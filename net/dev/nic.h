/* What a driver of a physical network card offers to the data path: one const struct of functions.
 *
 * There is one NIC, so a driver keeps its state in static memory. All functions but probe and init:
 * exit context on any CPU with the net lock held, bounded, never block. May call: hv/machine.h,
 * hv/frames.h (alloc, free, phys), hv/counter.h, hv/event.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/bootinfo.h"

/* A received frame: it lies in `slot`, which the caller owns from then on. */
struct nic_frame {
	uint32_t slot;
	uint32_t len; /* bytes without FCS, in [ABI_FRAME_MIN, ABI_FRAME_MAX] */
};

/* What irq_ack found. */
#define NIC_IRQ_OURS 1u /* the card had asserted its line */
#define NIC_IRQ_LINK 2u /* the carrier changed */

struct nic_driver {
	/* True when this driver knows the card. Any context, no side effect. */
	bool (*probe)(uint16_t vendor, uint16_t device);

	/* Reset and set up the card with receive off and interrupts masked; `mac` is filled. At
	 * init only, waits at most 0.1 s. 0 or negative errno (-ENODEV: unusable resources,
	 * -ETIMEDOUT: does not answer, -EIO: no station address, -ENOMEM). */
	int (*init)(const struct boot_nic *facts, uint8_t mac[6]);

	/* Receive frames to this address too (Vigil's own). At init, once. */
	void (*add_address)(const uint8_t mac[6]);

	/* Take up to `max` received frames, and give the card fresh slots in their place. */
	uint32_t (*rx)(struct nic_frame *out, uint32_t max);
	void (*rx_enable)(bool on);

	/* Queue the frame of `slot` for sending: 0 (the driver frees the slot when it has left) or
	 * -ENOSPC. The card is told by tx_flush. */
	int (*tx)(uint32_t slot, uint32_t len);
	void (*tx_flush)(void);
	/* Free the slots of frames that have left; returns how many more may be queued. */
	uint32_t (*tx_room)(void);

	/* Which causes may assert the line: the card's own events (frames, carrier), and irq_raise.
	 * A raise while not allowed is lost. */
	void (*irq_allow)(bool events, bool raise);
	void (*irq_raise)(void);
	/* Release the line: NIC_IRQ_* flags. */
	uint32_t (*irq_ack)(void);

	bool (*link)(void);
};

extern const struct nic_driver e1000_driver;
