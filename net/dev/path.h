/* The data path between the guest's rings, the sentry and the wire, and the guest's accesses to the
 * virtual card's registers.
 *
 * One lock (the net lock) guards the virtual device, the NIC driver and the interrupt state; it is
 * held for bounded stretches and never while frames are submitted or the sentry runs, since frames
 * are delivered from inside of that. Work per exit is bounded; what is left goes on by timer.
 * May call: hv/frames.h, hv/timer.h, net/dev of below. Called by: net/dev/pci.c, net/dev/net.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "net/dev/intr.h"
#include "net/dev/nic.h"

/* Set up the path over an initialized NIC; `own_address`: the sentry has an address of its own, so
 * frames are taken from the wire even while no guest driver is there. At init, once. 0 or -ENOSPC
 * (timers). */
int path_init(const struct nic_driver *nic, const struct intr_backend *backend,
	      const uint8_t mac[6], bool own_address);

/* An access of the guest to the virtio BAR. `off` + `size` within VNET_BAR_SIZE, `size` 1, 2 or 4.
 * Exit context, no lock held. */
uint32_t path_bar_read(uint8_t off, uint8_t size);
void path_bar_write(uint8_t off, uint8_t size, uint32_t value);

/* The ISR register holds something that the guest has not read. Exit context, no lock held. */
bool path_interrupt_pending(void);

/* The guest changed COMMAND.InterruptDisable. Exit context. */
void path_intx_disable(bool disabled);
