/* The sentry's memory: image, stack, heap, shared area; filled at init and, in slices, at a
 * restart. For hv/sentry.c only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/abi.h"
#include "hv/bootinfo.h"

/* Allocate, map, fill everything. 0 or negative with a message. */
int sentry_memory_init(struct boot_info *info);

/* The launch is over: what the control structure says now is what every life of the sentry gets. */
void sentry_memory_keep(void);

/* Begin a restart; then one bounded slice of it a call: true after the last one. */
void sentry_memory_restart(void);
bool sentry_memory_slice(void);

/* The next entry explains this record (ABI_START_EXPLAIN); needs no memory but text and a stack. */
void sentry_memory_explain(const void *record, size_t size);

struct abi_request *sentry_requests(void);
const struct abi_reply *sentry_replies(void);
const uint8_t *sentry_output(void);
