/* Content codings of HTTP (RFC 9110, 8.4.1) taken off a body as it comes: gzip and deflate, up to
 * DECODE_LAYERS of them.
 *
 * For http_body.c. What calls itself gzip or deflate often is the other, or nothing (browsers take
 * it anyway), so a coding that fails before it gave anything is tried again as libhtp does: past
 * the gzip header, as the other coding, and at last passed on as it is. Memory comes from the pool:
 * about 11 KiB a layer, and 32 KiB more once a window is needed.
 */
#pragma once

#include "ids/app/pool.h"

#define DECODE_LAYERS 3	  /* at most */
#define DECODE_HEAD   512 /* octets kept for another try */

enum coding { CODING_NONE, CODING_GZIP, CODING_DEFLATE };

struct decode;

/* Takes what was decoded; false: no more is wanted. */
typedef bool (*decode_sink)(void *ctx, const uint8_t *data, size_t len);

/* NULL: no memory. `layers`: 1 to DECODE_LAYERS, the first is taken off first. */
struct decode *decode_open(struct pool *pool, const enum coding *codings, unsigned layers,
			   decode_sink sink, void *ctx);
/* The next octets. False: a coding does not hold (what was decoded until there was passed on). */
bool decode_feed(struct decode *d, const uint8_t *data, size_t len);
/* No more will come; as decode_feed. */
bool decode_finish(struct decode *d);
void decode_close(struct decode *d);
