/* The host's page tables: one identity map for all CPUs, W^X.
 *
 * All of the machine's RAM is mapped read-write and never executable, because the guest-memory
 * accessor works through it; the core's text is the only executable part. At init only: nothing is
 * changed after the launch. May call: pages_alloc.
 */
#pragma once

#include <stdint.h>
#include "hv/bootinfo.h"

enum paging_rights { PAGING_RW, PAGING_RO, PAGING_RX, PAGING_UNCACHED };

/* Map [base, base + size) at its own address with these rights, splitting larger pages. Page
 * granular. 0 or -ENOMEM. */
int paging_map(uint64_t base, uint64_t size, enum paging_rights rights);

/* Take a range out of the map. 0 or -ENOMEM. */
int paging_unmap(uint64_t base, uint64_t size);

/* CR3 of the host. */
uint64_t paging_root(void);
