/* `hypervisor` events from what the core tells (enum abi_event of hv/abi.h). For the main loop. */
#pragma once

#include "ids/sentry/loop.h"

/* Write the event for one ABI_REQ_EVENT that has one of its own (all but ROOT_SEEN). An unknown
 * kind is told as a fault of the core's. */
void report_event(struct sentry *s, const struct abi_request *request);

/* `lost` events for what the channel, a restart or the core lost and nobody has told yet. At most
 * one for each class; nothing if the channel has no room for them either. */
void report_lost(struct sentry *s);

/* Lines have left: remember over a restart which losses are told. */
void report_lost_out(struct sentry *s);

/* A refused rules blob. */
void report_rules(struct sentry *s, const char *reason);
