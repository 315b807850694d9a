/* The network card that Vigil takes: found, cut off from the firmware's drivers, quiet.
 *
 * BSP, boot services available.
 */
#pragma once

#include "boot/efi.h"
#include "hv/bootinfo.h"

struct nic_found {
	EFI_HANDLE handle; /* NULL: no card is wanted, or there is none */
	EFI_PCI_IO *pci;
	const char *name;
	uint16_t bdf;
	uint32_t id; /* device << 16 | vendor */
	bool taken;
};

/* Find the card that the configuration asks for; nothing is changed. 0 when there is one, none is
 * wanted, or `auto` finds none (said); -ENODEV when the card named is not there or not one that
 * Vigil drives (said). */
int nic_find(const struct vigil_config *cfg, struct nic_found *found);

/* Take it, if there is one: the firmware's drivers are disconnected, its interrupts masked, bus
 * mastering off, memory and I/O decoding on; `nic` describes it (present 0: none). 0 or negative
 * errno (said): none is taken then. */
int nic_take(struct nic_found *found, struct boot_nic *nic);

/* Give it back to the firmware's drivers: Vigil did not start. Nothing happens when none was taken.
 */
void nic_give_back(struct nic_found *found);
