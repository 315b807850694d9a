// SPDX-License-Identifier: GPL-2.0
/* A driver of the virtual card that breaks the rules (virtio 1.2, 2.7), with a ring that works up
 * to then. The network's transmit lock keeps the real driver off meanwhile. */
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/netdevice.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <net/net_namespace.h>

#include "vtest.h"

/* What an entry of the variants' table may use. */
struct rings {
	struct vring_desc *desc;
	struct vring_avail *avail;
	unsigned int size;
	u16 head; /* the entry that `offer` made available */
};

/* Makes one chain available, beginning at descriptor `head`. */
static void offer(struct rings *r, u16 head)
{
	r->head = head;
	r->avail->ring[r->avail->idx % r->size] = head;
	wmb();
	r->avail->idx++;
}

static void set(struct rings *r, u16 index, u64 addr, u32 len, u16 flags, u16 next)
{
	r->desc[index] =
		(struct vring_desc){.addr = addr, .len = len, .flags = flags, .next = next};
}

static void index_far(struct rings *r)
{
	r->avail->idx += r->size + 1;
}

static void head_outside(struct rings *r)
{
	offer(r, 0xffff);
}

static void next_outside(struct rings *r)
{
	set(r, 0, 0x100000, 12, VRING_DESC_F_NEXT, (u16)r->size);
	offer(r, 0);
}

static void loop(struct rings *r)
{
	set(r, 0, 0x100000, 12, VRING_DESC_F_NEXT, 1);
	set(r, 1, 0x100000, 60, VRING_DESC_F_NEXT, 0);
	offer(r, 0);
}

/* A buffer for the device to write, in the ring of those that it reads. */
static void direction(struct rings *r)
{
	set(r, 0, 0x100000, 72, VRING_DESC_F_WRITE, 0);
	offer(r, 0);
}

static void indirect(struct rings *r)
{
	set(r, 0, 0x100000, 64, VRING_DESC_F_INDIRECT, 0);
	offer(r, 0);
}

/* Behind the end of all memory, and a wrap of the address. */
static void outside(struct rings *r)
{
	set(r, 0, 0x0000700000000000ull, 72, 0, 0);
	offer(r, 0);
}

static void wrap(struct rings *r)
{
	set(r, 0, 0xffffffffffffffe0ull, 72, 0, 0);
	offer(r, 0);
}

/* Longer than any frame: may be dropped, must not be sent. */
static void huge(struct rings *r)
{
	set(r, 0, 0x100000, 0xffffffff, 0, 0);
	offer(r, 0);
}

static void empty(struct rings *r)
{
	set(r, 0, 0x100000, 0, 0, 0);
	offer(r, 0);
}

static const struct {
	const char *name;
	void (*act)(struct rings *r);
} variants[] = {
	{"index_far", index_far},
	{"head_outside", head_outside},
	{"next_outside", next_outside},
	{"loop", loop},
	{"direction", direction},
	{"indirect", indirect},
	{"outside", outside},
	{"wrap", wrap},
	{"huge", huge},
	{"empty", empty},
};

static struct virtqueue *find_queue(struct virtio_device *device, const char *name)
{
	struct virtqueue *queue;

	list_for_each_entry(queue, &device->vqs,
			    list) if (queue->name && !strcmp(queue->name, name)) return queue;
	return NULL;
}

int try_rings(const char *variant)
{
	struct net_device *net = dev_get_by_name(&init_net, "eth0");
	struct virtio_device *device;
	struct virtqueue *queue;
	struct rings rings;
	size_t i;

	if (!net)
		return -ENODEV;
	device = dev_to_virtio(net->dev.parent);
	queue = find_queue(device, "output.0");
	for (i = 0; i < ARRAY_SIZE(variants) && strcmp(variants[i].name, variant); i++)
		;
	if (!queue || i == ARRAY_SIZE(variants)) {
		dev_put(net);
		return -EINVAL;
	}
	rings.desc = phys_to_virt(virtqueue_get_desc_addr(queue));
	rings.avail = phys_to_virt(virtqueue_get_avail_addr(queue));
	rings.size = virtqueue_get_vring_size(queue);
	netif_tx_lock_bh(net);
	variants[i].act(&rings);
	mb();
	/* The event index may say that no notification is wanted; this one comes anyway. */
	virtqueue_notify(queue);
	netif_tx_unlock_bh(net);
	msleep(100);
	say("%s: status %02x", variant, device->config->get_status(device));
	dev_put(net);
	return 0;
}
