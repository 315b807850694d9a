/* What the loader says: lines `vigil: ...` on the firmware's console, and on the alert serial port.
 *
 * Before the configuration is read the port is not known: what was said until then is kept (2 KiB)
 * and written when console_serial names it.
 */
#pragma once

#include <stdint.h>

/* Say one line (at most 240 characters; without final newline; format as in hv/log.h). BSP only. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* From now on write lines to the 16550 at `port` as well, 115,200 8N1; 0: none. A port without a
 * UART, or one that takes no bytes, is given up after a bounded wait. */
void console_serial(uint16_t port);
