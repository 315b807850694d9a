/* What exit handlers report to hv/. Some files here still call hv's services directly (events,
 * channel, timers, guest memory, reset): those belong here too.
 *
 * Exit context on the calling CPU, no lock held, none blocks. Implemented in hv/.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/io_dispatch.h"

/* A switch to the address space `root` on CPU `cpu`. */
void upcall_root_switch(uint64_t root, uint32_t cpu);

/* The guest touched Vigil's memory: `writes` and `reads` since the last call, at `gpa` last. */
void upcall_hidden_access(uint64_t gpa, uint64_t rip, bool write);

/* All CPUs are launched; the OS loader is next. */
void upcall_sealed(void);

/* Ask the sentry which rule the failed VM entry of `record` broke (struct entry_record). True: a
 * sentence of printable characters is in `text`. The sentry's last act: it is not entered again. */
bool upcall_explain(const void *record, size_t size, char *text, size_t room);

/* Run due timers; returns the next deadline (TSC) or 0. */
uint64_t timers_run(uint64_t now);

/* The other direction for hv's statistics: bring the counters of exits and NMIs up to date. */
void arch_publish_counters(void);
