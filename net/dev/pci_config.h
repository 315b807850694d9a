/* The virtual PCI configuration space that stands in the place of the physical network card's.
 *
 * Pure logic: 256 bytes, a mask of writable bits, and what a change means. The card's own BARs
 * stay visible as reserved ranges of the same sizes, so that the guest never puts something else
 * over the physical registers; the virtio registers are one further I/O BAR. PCI Local Bus 3.0,
 * 6.2; virtio 1.2, 4.1.4. Exit context; the caller serializes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/bootinfo.h"

#define PCI_CONFIG_SIZE 256

struct pci_config_ops {
	/* The virtio BAR moved or was switched: ports [base, base + VNET_BAR_SIZE) are the
	 * device's from now on, or none with `enable` false. */
	void (*io_bar)(uint16_t base, bool enable);
	/* The guest set or cleared COMMAND.InterruptDisable. */
	void (*intx_disable)(bool disabled);
};

struct pci_config {
	uint8_t data[PCI_CONFIG_SIZE];
	uint8_t writable[PCI_CONFIG_SIZE];
	const struct pci_config_ops *ops;
	uint8_t bar; /* number of the virtio BAR */
	bool bar_on; /* as last told by io_bar */
	uint16_t bar_base;
	bool intx_disabled;
};

/* Build the space for the card of `facts`; `header_type` (its multi-function bit counts), `line`
 * and `pin` are the physical registers' values. -ENOSPC: all six BARs are taken. */
int pci_config_init(struct pci_config *c, const struct boot_nic *facts, uint8_t header_type,
		    uint8_t line, uint8_t pin, const struct pci_config_ops *ops);

/* `size` 1, 2 or 4, `off` aligned to it. Reads of unimplemented registers give 0. */
uint32_t pci_config_read(const struct pci_config *c, uint8_t off, uint8_t size);
void pci_config_write(struct pci_config *c, uint8_t off, uint8_t size, uint32_t value);

/* True when the access touches the status register, whose InterruptStatus bit (virtio 1.2,
 * 4.1.4.5.1) the caller then sets to whether the ISR register holds anything. */
bool pci_status_touched(uint8_t off, uint8_t size);
void pci_set_interrupt_status(struct pci_config *c, bool pending);

/* The VIRTIO_PCI_CAP_PCI_CFG window (virtio 1.2, 4.1.4.9). True when the access touches its data
 * field and its other fields name a valid place in the virtio BAR: before a read, the caller then
 * reads *bar_size bytes at *bar_off of the BAR and puts them into the field by pci_window_set;
 * after a write, it writes pci_window_get there. The caller does so itself, because the BAR's
 * registers need other locks. */
bool pci_window(const struct pci_config *c, uint8_t off, uint8_t size, uint8_t *bar_off,
		uint8_t *bar_size);
void pci_window_set(struct pci_config *c, uint8_t bar_size, uint32_t value);
uint32_t pci_window_get(const struct pci_config *c, uint8_t bar_size);
