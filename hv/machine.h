/* What net/dev may ask of the machine and of hv/ beside the other headers here: device memory, PCI
 * configuration space, hiding device ranges from the guest.
 */
#pragma once

#include <stdint.h>
#include "hv/bootinfo.h"

/* The loader's facts; constant after core_init. */
const struct boot_info *boot_facts(void);

/* Map device registers for the core (uncached). At init only. NULL: out of page-table memory. */
volatile void *mmio_map(uint64_t phys, uint64_t size);

#ifdef VIGIL_HOST
/* In unit tests a model of the device answers. */
uint32_t mmio_read32(volatile void *base, uint32_t off);
void mmio_write32(volatile void *base, uint32_t off, uint32_t value);
#else
static inline uint32_t mmio_read32(volatile void *base, uint32_t off)
{
	return *(volatile uint32_t *)((volatile uint8_t *)base + off);
}

static inline void mmio_write32(volatile void *base, uint32_t off, uint32_t value)
{
	*(volatile uint32_t *)((volatile uint8_t *)base + off) = value;
}
#endif

/* Physically contiguous, zeroed pages of the reserved block, never freed. At init only. NULL: none
 * left. The core's virtual addresses of its block are its physical addresses. */
void *pages_alloc(uint32_t count);

/* Take [phys, phys + size) of device memory out of the guest's reach: reads give 0xFF, writes are
 * stepped over and counted. Page granular. At init (before the launch). 0 or -ENOMEM. */
int guest_hide(uint64_t phys, uint64_t size);

/* A page of guest-physical space that shows a page of ours, e.g. a device's ECAM page: reads see
 * `shadow` (a page of pages_alloc) without an exit. A write is let through to the shadow for one
 * instruction; then `written(ctx)` runs in exit context and may compare the page with its own copy.
 * At init. 0 or -ENOMEM, -ENOSPC. */
int guest_shadow_page(uint64_t phys, void *shadow, void (*written)(void *ctx), void *ctx);

/* PCI configuration space of segment 0 on the real machine, by ports 0xCF8/0xCFC. The address
 * register is put back afterwards, because the guest writes it without an exit. `off` < 256,
 * aligned to `size` 1, 2 or 4. Exit context or init. */
uint32_t pci_read(uint16_t bdf, uint16_t off, uint8_t size);
void pci_write(uint16_t bdf, uint16_t off, uint8_t size, uint32_t value);
