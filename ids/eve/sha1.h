/* SHA-1 (FIPS 180-4) of a short message; only for Community ID, not for security. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SHA1_SHORT_MAX 55 /* what fits one block with its padding */

/* `len` <= SHA1_SHORT_MAX. */
void sha1_short(uint8_t out[20], const uint8_t *data, size_t len);
