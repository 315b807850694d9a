/* MD5 (RFC 1321), SHA-1 and SHA-256 (FIPS 180-4) of a whole message: for Community ID, JA3,
 * fingerprints of certificates and what rules compare, not for security. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MD5_OCTETS    16
#define SHA1_OCTETS   20
#define SHA256_OCTETS 32

/* The digest's octets, not as text. `out` may not overlap `data`. */
void digest_md5(uint8_t out[MD5_OCTETS], const uint8_t *data, size_t len);
void digest_sha1(uint8_t out[SHA1_OCTETS], const uint8_t *data, size_t len);
void digest_sha256(uint8_t out[SHA256_OCTETS], const uint8_t *data, size_t len);
