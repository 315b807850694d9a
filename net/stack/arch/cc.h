/* lwIP's compiler and platform settings (the header it looks for as arch/cc.h).
 *
 * The same for the sentry and for the host. lwIP calls out only through the three functions below,
 * which net/stack/port.c provides.
 */
#pragma once

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

/* lwIP would define an ssize_t of its own (and of another size) without it. */
#ifndef SSIZE_MAX
#define SSIZE_MAX LONG_MAX
#endif

/* Does not return: lwIP's state can't be trusted any more after a failed assertion. The sentry ends
 * itself with the message and is restarted; on the host it is abort(). */
void stack_assert_failed(const char *text) __attribute__((noreturn));
uint32_t stack_random(void);

#define LWIP_PLATFORM_ASSERT(text) stack_assert_failed(text)
#define LWIP_PLATFORM_DIAG(args)                                                                   \
	do {                                                                                       \
	} while (0)
#define LWIP_RAND()	 stack_random()
#define LWIP_NO_UNISTD_H 1
#define LWIP_NO_CTYPE_H	 1 /* its own few functions are enough */
