/* The core as a whole: start, pages, panic. For arch/x86 and hv/; nothing above. */
#pragma once

#include <stdint.h>
#include "hv/bootinfo.h"

/* ELF entry (see hv/bootinfo.h). */
int core_init(struct boot_info *info);

/* Set up the page pool; before any unit. */
void pages_init(const struct boot_info *info);
/* Pages that are left in the pool. */
uint64_t pages_left(void);

/* A broken invariant of our own: print CPU, exit reason, guest RIP and backtrace on the channel and
 * stop this CPU for good. Never reachable by what a guest, frame or file contains. Any context. */
__attribute__((noreturn, format(printf, 1, 2))) void panic(const char *fmt, ...);

/* Hook for arch/x86 to print the machine's state in a panic. */
void arch_panic_state(void (*print)(const char *fmt, ...));
__attribute__((noreturn)) void arch_stop(void);

/* The guest reset or ended the machine: tell, drain the channel, reset the platform. */
__attribute__((noreturn)) void machine_reset(const char *why);
