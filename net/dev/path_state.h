/* State shared by the two halves of the data path: path.c (frames and rings) and device.c (the
 * guest's accesses, timer, modes). Nothing else includes this. Unless said otherwise a function
 * needs the net lock held.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/frames.h"
#include "hv/lock.h"
#include "hv/timer.h"
#include "net/dev/intr.h"
#include "net/dev/nic.h"
#include "net/dev/virtio_net.h"

/* Things to be done at a time. */
enum due { DUE_POLL, DUE_USED, DUE_MORE, DUES };

struct net_state {
	struct spinlock lock; /* the net lock: guards all below but `pumping` */
	struct virtio_net dev;
	struct intr intr;
	const struct nic_driver *nic;
	bool own_address;
	bool news; /* entries were published since the guest last read the ISR register */
	uint64_t frames, bytes; /* taken from either side so far */
	struct vq_chain chain;	/* of the ring entry at hand: too large for a stack */
	uint64_t due[DUES];	/* 0: not */
	uint64_t armed;
	uint64_t off_interval;
	struct hv_timer timer;
	uint32_t pumping; /* PUMP_*; atomic */
};

struct net_counters {
	uint64_t wire_rx, guest_tx;   /* frames taken from the wire, from the guest */
	uint64_t rx_frames, rx_bytes; /* given to the guest */
	uint64_t tx_frames, tx_bytes; /* sent to the wire */
	uint64_t rx_no_guest, rx_ring_full, rx_short_buffer;
	uint64_t tx_ring_full, tx_too_long;
	uint64_t exits_notify, exits_isr, exits_config, polls;
	uint64_t faults;
};

extern struct net_state net;
extern struct net_counters net_count;

/* Arm the timer for what is due first; after every change of net.due. */
void net_rearm(void);

/* Do `what` in `us` microseconds, or earlier if that was said before. */
void net_within(enum due what, uint64_t us);

/* The frames of the wire are of use to somebody. */
bool net_wire_wanted(void);

/* A queue broke a rule (vq->fault is set): the device is out of order until the driver resets it.
 */
void net_fault(unsigned queue);

/* Let the guest see its returned buffers, with an interrupt if it wants one. */
void net_publish(unsigned queue);

/* Take frames of the wire (PUMP_RX), of the guest (PUMP_TX) and submit them. Without the lock;
 * frames_run is to follow. One CPU at a time does, so that frames stay in order; it goes round
 * again for another that came meanwhile. */
#define PUMP_RX	  1u
#define PUMP_TX	  2u
#define PUMP_BUSY 4u
void net_pump(uint32_t what);

/* What path.c does for the sentry. */
extern const struct frame_ops net_frame_ops;
