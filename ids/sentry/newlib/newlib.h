/* newlib's configuration for the sentry: what its configure script would find out.
 *
 * Included by newlib's own headers in place of the generated one. Everything not named here is off:
 * no multibyte locales, no positional printf arguments, no long double output, no locks.
 */
#ifndef __NEWLIB_H__
#define __NEWLIB_H__ 1

#include <_newlib_version.h>

#define _WANT_IO_C99_FORMATS 1 /* %zu, %hhx, %jd */
#define _WANT_IO_LONG_LONG   1 /* %llu */
#define _MB_LEN_MAX	     1
#define _HAVE_LONG_DOUBLE    1
#define _REENT_CHECK_VERIFY  1

#endif
