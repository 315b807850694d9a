/* The virtual network card that the guest sees: a modern virtio-net device (virtio 1.2, 4.1 and
 * 5.1).
 *
 * This is the register model alone: features, status, queue setup, MAC and link. It offers no
 * offloads, two queues, one I/O BAR. What an access means for the data path is told to the caller
 * (net/dev/path.c) as an action; interrupts are intr.c's. Pure logic over virtqueue.h and event.h.
 * Exit context, any CPU; the caller holds the net lock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "net/dev/virtqueue.h"

#define VNET_QUEUES 2
enum vnet_queue { VNET_RX, VNET_TX };

#define VNET_HEADER 12	 /* bytes of struct virtio_net_hdr before each frame (5.1.6) */
#define VNET_MTU    1500 /* told by VIRTIO_NET_F_MTU */

/* Layout of the BAR; the capabilities in pci_config.c tell it to the driver. */
#define VNET_BAR_SIZE	 128
#define VNET_COMMON	 0x00
#define VNET_COMMON_SIZE 56
#define VNET_NOTIFY	 0x40
#define VNET_NOTIFY_STEP 4 /* notify_off_multiplier: an even power of two (4.1.4.4.1) */
#define VNET_NOTIFY_SIZE (VNET_QUEUES * VNET_NOTIFY_STEP)
#define VNET_ISR	 0x50
#define VNET_ISR_SIZE	 1
#define VNET_DEVICE	 0x60
#define VNET_DEVICE_SIZE 12 /* mac, status, max_virtqueue_pairs, mtu (5.1.4) */

/* Feature bits that are offered (5.1.3, 6). */
#define VNET_F_MTU	 (1ull << 3)
#define VNET_F_MAC	 (1ull << 5)
#define VNET_F_STATUS	 (1ull << 16)
#define VNET_F_EVENT_IDX (1ull << 29)
#define VNET_F_VERSION_1 (1ull << 32)
#define VNET_FEATURES                                                                              \
	(VNET_F_MTU | VNET_F_MAC | VNET_F_STATUS | VNET_F_EVENT_IDX | VNET_F_VERSION_1)

/* Device status (2.1). */
#define VNET_S_DRIVER_OK   0x04
#define VNET_S_FEATURES_OK 0x08
#define VNET_S_NEEDS_RESET 0x40
#define VNET_S_FAILED	   0x80

/* Bits of the ISR register (4.1.4.5). */
#define VNET_ISR_QUEUE	1u
#define VNET_ISR_CONFIG 2u

struct virtio_net {
	uint8_t mac[6];
	bool link; /* the wire's carrier */

	uint8_t status;
	uint8_t generation; /* of the device configuration */
	uint16_t queue_select;
	uint32_t offer_select, accept_select;
	uint64_t features; /* accepted by the driver */
	struct virtqueue queue[VNET_QUEUES];
};

/* What a register write asks of the data path. */
enum vnet_action {
	VNET_NOTHING,
	VNET_STARTED, /* the driver is up: DRIVER_OK */
	VNET_STOPPED, /* reset, or given up by the driver */
	VNET_FAULTED, /* a queue was set up wrongly: see vnet_fault, which has been done */
};

/* Power-on state. `mac`: the station address. */
void vnet_init(struct virtio_net *dev, const uint8_t mac[6]);

/* Registers in [0, VNET_BAR_SIZE) except notification and ISR. `size` 1, 2 or 4 and off + size not
 * beyond the BAR. A write of the wrong width or to a read-only field is ignored, reads of holes
 * give 0. */
uint32_t vnet_read(const struct virtio_net *dev, uint8_t off, uint8_t size);
enum vnet_action vnet_write(struct virtio_net *dev, uint8_t off, uint8_t size, uint32_t value);

/* The rings may be used: driver up, no fault. */
static inline bool vnet_active(const struct virtio_net *dev)
{
	return (dev->status & (VNET_S_DRIVER_OK | VNET_S_NEEDS_RESET | VNET_S_FAILED)) ==
	       VNET_S_DRIVER_OK;
}

/* The driver broke a rule of `queue` (vq->fault, vq->detail): enter NEEDS_RESET and post one event,
 * until the driver resets the device. Returns true when that is new, and then the driver is to be
 * told by a configuration interrupt if it had set DRIVER_OK (2.1.2). */
bool vnet_fault(struct virtio_net *dev, unsigned queue);

/* Set the carrier; true when the driver is to be told by a configuration interrupt. */
bool vnet_set_link(struct virtio_net *dev, bool up);
