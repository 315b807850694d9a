/* SHA-1 (FIPS 180-4) for Community ID and fingerprints of certificates, not for security. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SHA1_SHORT_MAX 55 /* what fits one block with its padding */

void sha1(uint8_t out[20], const uint8_t *data, size_t len);

/* For messages of at most SHA1_SHORT_MAX octets. */
static inline void sha1_short(uint8_t out[20], const uint8_t *data, size_t len)
{
	sha1(out, data, len);
}
