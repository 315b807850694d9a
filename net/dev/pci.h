/* Interception of PCI configuration space, so that the guest finds the virtual card in the place
 * of the physical one.
 *
 * Ports: with one CPU only the data window 0xCFC to 0xCFF is intercepted; the guest writes the
 * address register 0xCF8 without an exit, and the handler reads it back from the machine. With
 * several CPUs another one could change it in between, so it is intercepted too. ECAM: the page of
 * the card's function is a shadow. Everything that is not the card's passes through at once.
 *
 * Known limit. ECAM shows the PCI_CFG window's data and the interrupt status as of the last write,
 * because reads there do not exit; Linux uses the ports for the first 256 bytes.
 */
#pragma once

#include <stdint.h>
#include "hv/bootinfo.h"

/* Put the virtual card (see pci_config.h) in the place of `facts`' function. At init. 0, -ENOSPC
 * (no BAR or I/O range left), -ENOMEM. */
int pci_present(const struct boot_info *info);

/* Let the function vanish: reads give all ones, its BARs are hidden, it can do no DMA. For a card
 * that is Vigil's but does not work. At init. 0, -ENOSPC, -ENOMEM. */
int pci_vanish(const struct boot_info *info);
