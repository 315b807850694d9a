/* inflate.c of zlib, from the source in the cache (tools/deps fetch zlib): see ../decode.h. Without
 * stdio and malloc, so that the host and the sentry run the same. To the compiler it is a system
 * header, which keeps our warnings out of it. */
#include <string.h>

#define Z_SOLO	    1
#define HAVE_MEMCPY 1
#include <inflate.c>
