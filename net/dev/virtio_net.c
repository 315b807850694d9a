/* Register model of the virtual virtio-net device; see virtio_net.h. Sections: virtio 1.2. */
#include "net/dev/virtio_net.h"
#include "hv/event.h"

/* 4.1.4.3: struct virtio_pci_common_cfg */
enum common_field {
	C_OFFER_SELECT = 0,
	C_OFFER = 4,
	C_ACCEPT_SELECT = 8,
	C_ACCEPT = 12,
	C_CONFIG_VECTOR = 16,
	C_NUM_QUEUES = 18,
	C_STATUS = 20,
	C_GENERATION = 21,
	C_QUEUE_SELECT = 22,
	C_QUEUE_SIZE = 24,
	C_QUEUE_VECTOR = 26,
	C_QUEUE_ENABLE = 28,
	C_QUEUE_NOTIFY_OFF = 30,
	C_QUEUE_DESC = 32,
	C_QUEUE_DRIVER = 40,
	C_QUEUE_DEVICE = 48,
};

#define NO_VECTOR 0xffffu /* 4.1.5.1.2: there is no MSI-X here */
#define LINK_UP	  1u	  /* 5.1.4: VIRTIO_NET_S_LINK_UP */

static void reset(struct virtio_net *dev)
{
	dev->status = 0;
	dev->generation = 0;
	dev->queue_select = 0;
	dev->offer_select = dev->accept_select = 0;
	dev->features = 0;
	for (unsigned i = 0; i < VNET_QUEUES; i++)
		dev->queue[i] = (struct virtqueue){.size = VQ_SIZE_MAX};
}

void vnet_init(struct virtio_net *dev, const uint8_t mac[6])
{
	for (unsigned i = 0; i < 6; i++)
		dev->mac[i] = mac[i];
	dev->link = false;
	reset(dev);
}

static struct virtqueue *selected(struct virtio_net *dev)
{
	return dev->queue_select < VNET_QUEUES ? &dev->queue[dev->queue_select] : NULL;
}

static void store(uint8_t *image, unsigned off, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		image[off + i] = (uint8_t)(value >> (8 * i));
}

/* 32 bits of a feature word by its selector; unused words are 0 (4.1.4.3.1). */
static uint32_t half(uint64_t word, uint32_t select)
{
	return select < 2 ? (uint32_t)(word >> (32 * select)) : 0;
}

static void common_image(const struct virtio_net *dev, uint8_t image[VNET_COMMON_SIZE])
{
	static const struct virtqueue none;
	bool have = dev->queue_select < VNET_QUEUES;
	const struct virtqueue *q = have ? &dev->queue[dev->queue_select] : &none;

	store(image, C_OFFER_SELECT, 4, dev->offer_select);
	store(image, C_OFFER, 4, half(VNET_FEATURES, dev->offer_select));
	store(image, C_ACCEPT_SELECT, 4, dev->accept_select);
	store(image, C_ACCEPT, 4, half(dev->features, dev->accept_select));
	store(image, C_CONFIG_VECTOR, 2, NO_VECTOR);
	store(image, C_NUM_QUEUES, 2, VNET_QUEUES);
	store(image, C_STATUS, 1, dev->status);
	store(image, C_GENERATION, 1, dev->generation);
	store(image, C_QUEUE_SELECT, 2, dev->queue_select);
	store(image, C_QUEUE_SIZE, 2, q->size); /* 0: the queue does not exist */
	store(image, C_QUEUE_VECTOR, 2, NO_VECTOR);
	store(image, C_QUEUE_ENABLE, 2, q->enabled);
	store(image, C_QUEUE_NOTIFY_OFF, 2, have ? dev->queue_select : 0);
	store(image, C_QUEUE_DESC, 8, q->desc);
	store(image, C_QUEUE_DRIVER, 8, q->avail);
	store(image, C_QUEUE_DEVICE, 8, q->used);
}

static void device_image(const struct virtio_net *dev, uint8_t image[VNET_DEVICE_SIZE])
{
	for (unsigned i = 0; i < 6; i++)
		image[i] = dev->mac[i];
	store(image, 6, 2, dev->link ? LINK_UP : 0);
	store(image, 8, 2, 1); /* max_virtqueue_pairs; exists with F_MQ only, but has its place */
	store(image, 10, 2, VNET_MTU);
}

uint32_t vnet_read(const struct virtio_net *dev, uint8_t off, uint8_t size)
{
	uint8_t image[VNET_COMMON_SIZE];
	uint32_t value = 0, start, len;

	if (off < VNET_COMMON_SIZE) {
		common_image(dev, image);
		start = VNET_COMMON;
		len = VNET_COMMON_SIZE;
	} else if (off >= VNET_DEVICE && off < VNET_DEVICE + VNET_DEVICE_SIZE) {
		device_image(dev, image);
		start = VNET_DEVICE;
		len = VNET_DEVICE_SIZE;
	} else {
		return 0;
	}
	for (uint32_t i = 0; i < size && off - start + i < len; i++)
		value |= (uint32_t)image[off - start + i] << (8 * i);
	return value;
}

/* --- writes ------------------------------------------------------------------------------------
 */

static enum vnet_action set_accept(struct virtio_net *dev, uint32_t value)
{
	/* 3.1.1: features are fixed once FEATURES_OK was accepted */
	if (dev->accept_select < 2 && !(dev->status & VNET_S_FEATURES_OK)) {
		unsigned shift = 32 * dev->accept_select;

		dev->features = (dev->features & ~(0xffffffffull << shift)) | (uint64_t)value
										      << shift;
	}
	return VNET_NOTHING;
}

static enum vnet_action set_status(struct virtio_net *dev, uint32_t value)
{
	uint8_t old = dev->status;
	uint8_t new = (uint8_t)value &(uint8_t)~VNET_S_NEEDS_RESET;

	if (value == 0) {
		reset(dev);
		return VNET_STOPPED;
	}
	/* 2.1.1: the driver never clears a bit otherwise. 2.2.2: FEATURES_OK is refused for a
	 * feature that was not offered, and for a driver of before 1.0. */
	new |= old;
	if (!(old & VNET_S_FEATURES_OK) &&
	    ((dev->features & ~VNET_FEATURES) || !(dev->features & VNET_F_VERSION_1)))
		new &= (uint8_t)~VNET_S_FEATURES_OK;
	/* 3.1.1: no DRIVER_OK without agreed features */
	if (!(new &VNET_S_FEATURES_OK))
		new &= (uint8_t)~VNET_S_DRIVER_OK;
	dev->status = new;
	if (new & ~old & VNET_S_FAILED)
		return VNET_STOPPED;
	if (new & ~old & VNET_S_DRIVER_OK)
		return vnet_active(dev) ? VNET_STARTED : VNET_NOTHING;
	return VNET_NOTHING;
}

static enum vnet_action set_queue_size(struct virtio_net *dev, uint32_t value)
{
	struct virtqueue *q = selected(dev);

	if (q && !q->enabled && value && value <= VQ_SIZE_MAX && !(value & (value - 1)))
		q->size = (uint16_t)value;
	return VNET_NOTHING;
}

static enum vnet_action set_queue_enable(struct virtio_net *dev, uint32_t value)
{
	struct virtqueue *q = selected(dev);

	/* 4.1.4.3.2: never 0; and only between FEATURES_OK and DRIVER_OK (3.1.1) */
	if (!q || q->enabled || value != 1 ||
	    (dev->status & (VNET_S_FEATURES_OK | VNET_S_DRIVER_OK | VNET_S_NEEDS_RESET)) !=
		    VNET_S_FEATURES_OK)
		return VNET_NOTHING;
	if (vq_start(q, dev->features & VNET_F_EVENT_IDX) == 0)
		return VNET_NOTHING;
	vnet_fault(dev, dev->queue_select);
	return VNET_FAULTED;
}

#define IN_DEVICE(member)      NULL, offsetof(struct virtio_net, member), false
#define IN_QUEUE(member, half) NULL, offsetof(struct virtqueue, member) + 4 * (half), true

/* Fields without a function are kept as they come, those of the queue until it is enabled. */
static const struct {
	uint8_t off, size;
	enum vnet_action (*set)(struct virtio_net *dev, uint32_t value);
	size_t place;
	bool in_queue;
} fields[] = {
	{C_OFFER_SELECT, 4, IN_DEVICE(offer_select)},
	{C_ACCEPT_SELECT, 4, IN_DEVICE(accept_select)},
	{C_ACCEPT, 4, set_accept, 0, false},
	{C_STATUS, 1, set_status, 0, false},
	{C_QUEUE_SELECT, 2, IN_DEVICE(queue_select)},
	{C_QUEUE_SIZE, 2, set_queue_size, 0, false},
	{C_QUEUE_ENABLE, 2, set_queue_enable, 0, false},
	{C_QUEUE_DESC, 4, IN_QUEUE(desc, 0)},
	{C_QUEUE_DESC + 4, 4, IN_QUEUE(desc, 1)},
	{C_QUEUE_DRIVER, 4, IN_QUEUE(avail, 0)},
	{C_QUEUE_DRIVER + 4, 4, IN_QUEUE(avail, 1)},
	{C_QUEUE_DEVICE, 4, IN_QUEUE(used, 0)},
	{C_QUEUE_DEVICE + 4, 4, IN_QUEUE(used, 1)},
};

enum vnet_action vnet_write(struct virtio_net *dev, uint8_t off, uint8_t size, uint32_t value)
{
	struct virtqueue *q = selected(dev);
	unsigned i = 0;

	while (i < sizeof(fields) / sizeof(fields[0]) &&
	       (fields[i].off != off || fields[i].size != size))
		i++;
	if (i == sizeof(fields) / sizeof(fields[0]))
		return VNET_NOTHING;
	if (fields[i].set)
		return fields[i].set(dev, value);
	if (!fields[i].in_queue)
		store((uint8_t *)dev, (unsigned)fields[i].place, size, value);
	else if (q && !q->enabled)
		store((uint8_t *)q, (unsigned)fields[i].place, size, value);
	return VNET_NOTHING;
}

bool vnet_fault(struct virtio_net *dev, unsigned queue)
{
	if (dev->status & VNET_S_NEEDS_RESET)
		return false;
	dev->status |= VNET_S_NEEDS_RESET;
	event_post(ABI_EVENT_NET_FAULT, dev->queue[queue].fault, queue, dev->queue[queue].detail);
	return true;
}

bool vnet_set_link(struct virtio_net *dev, bool up)
{
	if (dev->link == up)
		return false;
	dev->link = up;
	dev->generation++;
	return vnet_active(dev) && (dev->features & VNET_F_STATUS);
}
