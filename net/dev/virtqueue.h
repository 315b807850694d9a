/* The device's side of a split virtqueue (virtio 1.2, 2.7).
 *
 * Everything in the rings is hostile: indices are checked against the queue's size, a chain is
 * bounded by it, each descriptor and each index is fetched once into private memory. Descriptor
 * tables inside of descriptors (INDIRECT) are not offered, so not accepted. Pure logic: memory is
 * reached by hv/guestmem.h only (a mock on the host). Any CPU, exit context, never blocks; the
 * caller holds the lock that guards the queue.
 *
 * Functions that return int give -EPROTO when the driver broke a rule: `vq->fault` and
 * `vq->detail` say which, and the device must stop using the queue until it is reset.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/abi.h"

#define VQ_SIZE_MAX 256 /* entries; also the longest chain */

struct virtqueue {
	/* Set by the driver through the device's registers before vq_start. */
	uint16_t size;		    /* a power of two, 1 to VQ_SIZE_MAX */
	uint64_t desc, avail, used; /* guest-physical */

	bool enabled;
	bool event_idx;	 /* VIRTIO_F_EVENT_IDX was negotiated */
	bool kicks;	 /* the driver was last told to notify us */
	uint16_t next;	 /* free-running: next entry of the available ring to take */
	uint16_t limit;	 /* available index as last fetched; `limit` - `next` entries are known */
	uint16_t filled; /* free-running: next entry of the used ring to fill */
	uint16_t published; /* used index that the driver can see */

	enum abi_net_fault fault; /* valid after -EPROTO */
	uint64_t detail;	  /* the offending value */
};

/* Direction of all descriptors of a chain. */
enum vq_direction { VQ_READ, VQ_WRITE };

struct vq_segment {
	uint64_t addr; /* guest-physical, not yet checked: vq_copy_* do */
	uint32_t len;  /* bytes, may be 0 */
};

struct vq_chain {
	uint16_t head;	/* for vq_put */
	uint16_t count; /* segments in use, at least 1 */
	uint64_t total; /* bytes of all segments */
	struct vq_segment segment[VQ_SIZE_MAX];
};

/* Start the queue with the addresses and size that were set. 0, or -EPROTO (address misaligned or
 * outside of guest memory, 2.7): the queue stays disabled. */
int vq_start(struct virtqueue *vq, bool event_idx);

/* Take the next available chain. 1: `chain` is filled; 0: none available; -EPROTO. Reads at most
 * `size` descriptors. */
int vq_take(struct virtqueue *vq, enum vq_direction dir, struct vq_chain *chain);

/* Give the chain just taken back, as if it had not been; only directly after vq_take. */
void vq_untake(struct virtqueue *vq);

/* Return the chain `head`, of which `written` bytes were filled. The driver sees it after
 * vq_publish. 0 or -EPROTO (the used ring is not memory any more). */
int vq_put(struct virtqueue *vq, uint16_t head, uint32_t written);

/* Entries put and not yet published. */
static inline uint16_t vq_unpublished(const struct virtqueue *vq)
{
	return (uint16_t)(vq->filled - vq->published);
}

/* Let the driver see what was put. 1: it wants an interrupt for that (2.7.7.2); 0: not, or nothing
 * was put; -EPROTO. */
int vq_publish(struct virtqueue *vq);

/* Ask the driver to notify us of new entries, or to leave it (2.7.10). 1: entries are waiting that
 * it may not have notified of; 0; -EPROTO. */
int vq_kicks(struct virtqueue *vq, bool on);

/* Copy between the bytes [offset, offset + len) of a chain and our memory. Each byte of the guest's
 * is touched once. 0; -EPROTO: a segment is not guest memory, or the chain is shorter. */
int vq_copy_from(struct virtqueue *vq, const struct vq_chain *chain, size_t offset, void *dst,
		 size_t len);
int vq_copy_to(struct virtqueue *vq, const struct vq_chain *chain, size_t offset, const void *src,
	       size_t len);
