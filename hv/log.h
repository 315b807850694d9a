/* The core's own log: plain lines `vigil: ...` on the alert channel.
 *
 * printf subset: %s %c %d %u %x %lx %lu %lld %llx %llu %p %%, widths and 0-padding. Lines are cut
 * at 240 characters. Before the launch they are written at once (polled, with a bound); afterwards
 * they go asynchronously through the channel and may be dropped and counted. Never blocks after the
 * launch.
 */
#pragma once

#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>
#include "hv/config.h"

void log_at(enum config_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_LEVEL_INFO, __VA_ARGS__)

/* Format into `out` (always 0-terminated when size > 0); returns the length it has, cut. Pure. */
size_t format_line(char *out, size_t size, const char *fmt, va_list args);
size_t format_text(char *out, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
