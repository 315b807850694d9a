/* The sentry runner's side of hv/frames.h. Called with the sentry's lock held, in exit context. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/abi.h"

/* Carry out one reply that was copied from the ring; false: it breaks the protocol. */
bool frames_reply(const struct abi_reply *reply);

/* A batch of replies is over. */
void frames_flush(void);

/* The sentry is dead (true), or alive again (false): until then frames are decided at submission
 * and no request for them is written. What was submitted before is left for frames_bypass. */
void frames_close(bool close);

/* The sentry is dead, and frames_close was called: decide all undecided frames as net_fail says,
 * and take back its own slots. */
void frames_bypass(void);

/* Set up the slots; at init. */
void frames_init(void);
