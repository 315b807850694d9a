/* See hooks.h. */
#include "ids/sentry/hooks.h"

#include <assert.h>
#include <errno.h>
#include <locale.h>
#include <reent.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ids/sentry/hypercall.h"

static struct abi_ctl *control;
static uint64_t heap_used;

struct lconv *_localeconv_r(struct _reent *reent);
void __malloc_lock(struct _reent *reent);
void __malloc_unlock(struct _reent *reent);

void hooks_init(struct abi_ctl *ctl)
{
	control = ctl;
	heap_used = 0;
}

void log_line(const char *text)
{
	size_t len = strnlen(text, sizeof(control->message) - 1);
	memcpy(control->message, text, len);
	control->message[len] = 0;
	hypercall(ABI_CALL_LOG, len, NULL);
}

void die(enum sentry_exit code, const char *what, const char *detail)
{
	char line[sizeof(control->message)];
	if (control) {
		snprintf(line, sizeof(line), "%s: %s", what, detail);
		log_line(line);
	}
	for (;;)
		hypercall(ABI_CALL_EXIT, code, NULL);
}

void *_sbrk_r(struct _reent *reent, ptrdiff_t change)
{
	uint64_t size = control->heap_size;
	/* A change that leaves [0, size] is refused. */
	if (change < 0 ? (uint64_t)-change > heap_used : (uint64_t)change > size - heap_used) {
		reent->_errno = ENOMEM;
		return (void *)-1;
	}
	void *old = (void *)(control->heap + heap_used);
	heap_used += (uint64_t)change;
	return old;
}

/* printf asks for the grouping of its ' flag. The C locale: none. */
struct lconv *_localeconv_r(struct _reent *reent)
{
	static char empty[] = "", point[] = ".";
	static struct lconv c_locale;
	(void)reent;
	c_locale.decimal_point = point;
	c_locale.thousands_sep = empty;
	c_locale.grouping = empty;
	return &c_locale;
}

/* One thread: malloc needs no lock. */
void __malloc_lock(struct _reent *reent)
{
	(void)reent;
}

void __malloc_unlock(struct _reent *reent)
{
	(void)reent;
}

void abort(void)
{
	die(SENTRY_EXIT_ABORT, "aborted", "abort()");
}

void __assert_func(const char *file, int line, const char *function, const char *expression)
{
	char where[128];
	snprintf(where, sizeof(where), "%s (%s, %s:%d)", expression, function, file, line);
	die(SENTRY_EXIT_ASSERT, "assertion failed", where);
}
