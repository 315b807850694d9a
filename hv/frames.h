/* Frames between the rings (net/dev) and the sentry.
 *
 * A frame lies in a slot of the pool in the shared area; the core's view of who owns a slot is kept
 * in core memory. net/dev fills a slot, submits it, and later gets it delivered or back. May call:
 * hv/sentry.h. Called by: net/dev. All functions: exit context on any CPU, do not block.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/abi.h"

/* What net/dev does with decided frames; registered once, before the launch. Both are called with
 * no lock of hv/ held except the sentry's, from frames_run, on the CPU that runs the sentry. */
struct frame_ops {
	/* Send the frame of `slot` out at `to`; the callee owns the slot now and gives it back by
	 * frame_free when the frame has left. `len` is in [ABI_FRAME_MIN, ABI_FRAME_MAX]. */
	void (*deliver)(uint32_t slot, uint32_t len, enum abi_port to);
	/* A batch of deliveries is over: write tail registers, raise interrupts. */
	void (*flush)(void);
};

/* Register the one user. */
void frames_register(const struct frame_ops *ops);

/* The NIC is there, with this address: the sentry is told. Once, at init, by net/dev. */
void frames_nic(const uint8_t mac[6]);

/* Take a free slot: its number, or -ENOMEM when all are in use. */
int frame_alloc(void);

/* Give a slot back (one of frame_alloc, or one that was delivered). */
void frame_free(uint32_t slot);

/* The slot's memory: ABI_FRAME_SIZE bytes, physically contiguous, for the core. */
uint8_t *frame_data(uint32_t slot);

/* Its physical address, for DMA by the NIC. */
uint64_t frame_phys(uint32_t slot);

/* Hand a filled slot to the inspection; it is the inspection's from here on. `len` as for deliver;
 * a frame of another length is freed and counted. While the sentry is dead the frame is delivered
 * to the other port at once (net_fail = open) or freed (closed). Nothing is delivered before
 * frames_run otherwise. */
void frame_submit(uint32_t slot, uint32_t len, enum abi_port from);

/* Let the sentry work on what was submitted, and deliver what it decided: bounded by the stay's
 * budget and by the next external interrupt. What is left goes on later by itself (timer). If
 * another CPU runs the sentry, that CPU goes on with it. Must be called with no lock held. */
void frames_run(void);

/* Frames submitted and not yet decided. */
uint32_t frames_pending(void);
