/* All that arch/x86 asks of the parts above it. Beside these it calls only hv's small services
 * (error numbers, locks, log, panic, counters, pages, units) and what was registered with it; what
 * it is asked for stands in its own headers and in hv/machine.h.
 *
 * Implemented in hv/. Exit context on the calling CPU, no lock held, none blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "arch/x86/io_access.h"
#include "hv/abi.h"

/* All CPUs are launched; the OS loader is next. */
void upcall_sealed(void);

/* Run due timers; returns the next deadline (TSC) or 0. */
uint64_t upcall_timers(uint64_t now);

/* Carry out one access to ports that were intercepted (arch_intercept_ports). */
void upcall_io(struct io_access *access);

/* A switch to the address space `root` on CPU `cpu`. */
void upcall_root_switch(uint64_t root, uint32_t cpu);

/* The guest touched Vigil's memory at `gpa`. */
void upcall_hidden_access(uint64_t gpa, uint64_t rip, bool write);

/* The guest did what ends in a `hypervisor` event; `detail` as for ABI_EVENT_GUEST_FAULT. */
void upcall_guest_fault(enum abi_guest_fault what, uint64_t rip, uint64_t detail);

/* Copy from the guest's RAM. -EFAULT: not wholly its own; nothing has been copied. */
int upcall_guest_read(uint64_t gpa, void *dst, size_t len);

/* The guest has come to its end: tell, drain the channel, reset the platform. */
__attribute__((noreturn)) void upcall_guest_ended(const char *why);

/* Ask the sentry which rule the failed VM entry of `record` broke (struct entry_record). True: a
 * sentence of printable characters is in `text`. The sentry's last act: it is not entered again. */
bool upcall_explain(const void *record, size_t size, char *text, size_t room);
