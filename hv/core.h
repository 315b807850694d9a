/* The core as a whole: start, page pool. For hv/ only. */
#pragma once

#include <stdint.h>
#include "hv/bootinfo.h"

/* ELF entry (see hv/bootinfo.h). */
int core_init(struct boot_info *info);

/* Set up the page pool; before any unit. */
void pages_init(const struct boot_info *info);
/* Pages that are left in the pool. */
uint64_t pages_left(void);
