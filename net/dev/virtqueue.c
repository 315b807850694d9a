/* Split virtqueue, device side; see virtqueue.h. Section numbers are those of virtio 1.2. */
#include "net/dev/virtqueue.h"
#include "hv/errno.h"
#include "hv/guestmem.h"

/* 2.7.5 */
struct descriptor {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

#define DESC_NEXT     1u
#define DESC_WRITE    2u
#define DESC_INDIRECT 4u

#define AVAIL_NO_INTERRUPT 1u /* 2.7.6: flags of the available ring */
#define USED_NO_NOTIFY	   1  /* 2.7.8: flags of the used ring */

/* Both rings begin with flags and index, 16 bits each; one more 16-bit field ends each of them when
 * the event index is in use (and it belongs to the ring's size in any case). */
#define RING_INDEX   2u
#define RING_ENTRIES 4u

static uint64_t used_event_addr(const struct virtqueue *vq)
{
	return vq->avail + RING_ENTRIES + 2ull * vq->size;
}

static uint64_t avail_event_addr(const struct virtqueue *vq)
{
	return vq->used + RING_ENTRIES + 8ull * vq->size;
}

static int fault(struct virtqueue *vq, enum abi_net_fault code, uint64_t detail)
{
	vq->fault = code;
	vq->detail = detail;
	return -EPROTO;
}

static int read16(struct virtqueue *vq, uint64_t addr, uint16_t *value)
{
	return gm_read16(addr, value) ? fault(vq, ABI_NET_RING_ADDRESS, addr) : 0;
}

static int write16(struct virtqueue *vq, uint64_t addr, uint16_t value)
{
	return gm_write16(addr, value) ? fault(vq, ABI_NET_RING_ADDRESS, addr) : 0;
}

int vq_start(struct virtqueue *vq, bool event_idx)
{
	uint64_t n = vq->size;
	const struct {
		uint64_t addr, align, len;
	} area[] = {
		/* 2.7: alignment and size of the three parts */
		{vq->desc, 16, 16 * n},
		{vq->avail, 2, 6 + 2 * n},
		{vq->used, 4, 6 + 8 * n},
	};

	vq->enabled = false;
	for (unsigned i = 0; i < 3; i++)
		if (area[i].addr % area[i].align || !gm_valid(area[i].addr, area[i].len))
			return fault(vq, ABI_NET_RING_ADDRESS, area[i].addr);
	vq->event_idx = event_idx;
	vq->kicks = true; /* the event index is 0 in a fresh ring */
	vq->next = vq->limit = vq->filled = vq->published = 0;
	/* 2.7.10.1: flags are 0 as long as notification is wanted, or with the event index. */
	if (write16(vq, vq->used, 0))
		return -EPROTO;
	vq->enabled = true;
	return 0;
}

/* Entries between `next` and the driver's index, fetched anew: 0 or more, or -EPROTO. */
static int refresh(struct virtqueue *vq)
{
	uint16_t index;

	if (read16(vq, vq->avail + RING_INDEX, &index))
		return -EPROTO;
	if ((uint16_t)(index - vq->next) > vq->size)
		return fault(vq, ABI_NET_RING_INDEX, index);
	vq->limit = index;
	/* What the index covers may be read only after it (2.7.13.3 from the other side). */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return (uint16_t)(index - vq->next);
}

static int walk(struct virtqueue *vq, enum vq_direction dir, struct vq_chain *chain)
{
	uint16_t index = chain->head;

	chain->count = 0;
	chain->total = 0;
	for (;;) {
		struct descriptor d;

		if (index >= vq->size)
			return fault(vq, ABI_NET_RING_INDEX, index);
		if (chain->count == vq->size)
			return fault(vq, ABI_NET_CHAIN_LOOP, chain->head);
		if (gm_read(vq->desc + 16ull * index, &d, sizeof(d)))
			return fault(vq, ABI_NET_RING_ADDRESS, vq->desc + 16ull * index);
		if ((d.flags & DESC_INDIRECT) || !(d.flags & DESC_WRITE) != (dir == VQ_READ))
			return fault(vq, ABI_NET_CHAIN_FLAGS, d.flags);
		chain->segment[chain->count].addr = d.addr;
		chain->segment[chain->count].len = d.len;
		chain->count++;
		chain->total += d.len;
		if (!(d.flags & DESC_NEXT))
			return 1;
		index = d.next;
	}
}

int vq_take(struct virtqueue *vq, enum vq_direction dir, struct vq_chain *chain)
{
	if (!vq->enabled)
		return 0;
	if (vq->next == vq->limit) {
		int known = refresh(vq);

		if (known <= 0)
			return known;
	}
	if (read16(vq, vq->avail + RING_ENTRIES + 2ull * (vq->next & (vq->size - 1u)),
		   &chain->head))
		return -EPROTO;
	vq->next++;
	return walk(vq, dir, chain);
}

void vq_untake(struct virtqueue *vq)
{
	vq->next--;
}

int vq_put(struct virtqueue *vq, uint16_t head, uint32_t written)
{
	const uint32_t entry[2] = {head, written}; /* 2.7.8: struct virtq_used_elem */
	uint64_t addr = vq->used + RING_ENTRIES + 8ull * (vq->filled & (vq->size - 1u));

	if (gm_write(addr, entry, sizeof(entry)))
		return fault(vq, ABI_NET_RING_ADDRESS, addr);
	vq->filled++;
	return 0;
}

int vq_publish(struct virtqueue *vq)
{
	uint16_t old = vq->published, event;

	if (!vq->enabled || old == vq->filled)
		return 0;
	/* 2.7.8.2: the entries must be visible before the index. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	if (write16(vq, vq->used + RING_INDEX, vq->filled))
		return -EPROTO;
	vq->published = vq->filled;
	/* The index before the driver's wish: it looks at them in the opposite order. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!vq->event_idx) {
		if (read16(vq, vq->avail, &event))
			return -EPROTO;
		return !(event & AVAIL_NO_INTERRUPT);
	}
	if (read16(vq, used_event_addr(vq), &event))
		return -EPROTO;
	/* 2.7.7.2: an interrupt when the entry `event` is among those just published */
	return (uint16_t)(vq->filled - event - 1) < (uint16_t)(vq->filled - old);
}

int vq_kicks(struct virtqueue *vq, bool on)
{
	int known;

	if (!vq->enabled)
		return 0;
	if (vq->event_idx) {
		/* Off: an event index left behind lets one notification in 65,536 through. */
		if (on && write16(vq, avail_event_addr(vq), vq->next))
			return -EPROTO;
	} else if (on != vq->kicks) {
		if (write16(vq, vq->used, (uint16_t)(on ? 0 : USED_NO_NOTIFY)))
			return -EPROTO;
	}
	vq->kicks = on;
	if (!on)
		return 0;
	/* The driver may have added entries before it saw our wish. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	known = refresh(vq);
	return known > 0 ? 1 : known;
}

/* Walk the segments that hold [offset, offset + len), in pieces. */
static int copy(struct virtqueue *vq, const struct vq_chain *chain, size_t offset, size_t len,
		uint8_t *dst, const uint8_t *src)
{
	for (unsigned i = 0; i < chain->count && len; i++) {
		const struct vq_segment *s = &chain->segment[i];
		size_t n = s->len;
		int err;

		if (offset >= n) {
			offset -= n;
			continue;
		}
		n -= offset;
		if (n > len)
			n = len;
		/* Addresses near 2^64 wrap here; the accessor refuses what is not guest memory. */
		err = dst ? gm_read(s->addr + offset, dst, n) : gm_write(s->addr + offset, src, n);
		if (err)
			return fault(vq, ABI_NET_RING_ADDRESS, s->addr);
		if (dst)
			dst += n;
		else
			src += n;
		len -= n;
		offset = 0;
	}
	return len ? fault(vq, ABI_NET_LENGTH, chain->total) : 0;
}

int vq_copy_from(struct virtqueue *vq, const struct vq_chain *chain, size_t offset, void *dst,
		 size_t len)
{
	return copy(vq, chain, offset, len, dst, NULL);
}

int vq_copy_to(struct virtqueue *vq, const struct vq_chain *chain, size_t offset, const void *src,
	       size_t len)
{
	return copy(vq, chain, offset, len, NULL, src);
}
