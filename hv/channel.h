/* The alert channel: bytes to the UART, asynchronously.
 *
 * Two sources, switched only at line ends: the core's own log lines, and the sentry's output ring
 * (EVE lines). A timer writes what the UART takes; nothing here waits. The sentry is woken for more
 * lines when the ring has drained as far as it asked. May call: arch UART, timer, sentry_wake().
 */
#pragma once

#include <stdint.h>
#include "hv/abi.h"

/* The sentry's output ring, and its wish for more room (abi_ctl.output_low); called once at init.
 */
void channel_attach(struct abi_index *index, const uint8_t *ring, const volatile uint32_t *low);

/* Put a whole line (with its '\n') of the core's log into the channel; dropped and counted if there
 * is no room. Any context of the core but NMI. */
void channel_line(const char *text, uint32_t len);

/* There may be something to write: see that the timer runs. Exit context. */
void channel_kick(void);

/* From now on lines go through the timer (the core has been launched). */
void channel_go_async(void);

/* The sentry has died or is new: end a line that it left unfinished. Exit context. */
void channel_reset_output(void);

/* Write all that waits, polled, with a bound: for the end of the machine. */
void channel_drain(void);
