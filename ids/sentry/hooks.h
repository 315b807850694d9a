/* newlib's system hooks, and what the sentry's machine half uses beside them.
 *
 * _sbrk_r() gives the heap that the core names in abi_ctl; abort(), a failed assert() and die()
 * print a line and have the core restart the sentry. There are no files, signals, threads or
 * clocks.
 */
#pragma once

#include "hv/abi.h"

/* Codes of ABI_CALL_EXIT, shown in the event of the restart. */
enum sentry_exit {
	SENTRY_EXIT_CONTRACT = 1,
	SENTRY_EXIT_ABORT,
	SENTRY_EXIT_ASSERT,
	SENTRY_EXIT_MEMORY,
	SENTRY_EXIT_EXPLAINED
};

/* Before anything else. The heap begins at its start again. */
void hooks_init(struct abi_ctl *ctl);

/* Print a plain line on the alert channel (cut at the size of abi_ctl.message). */
void log_line(const char *text);

/* Print "what: detail" and end: the core restarts the sentry. */
void die(enum sentry_exit code, const char *what, const char *detail) __attribute__((noreturn));
