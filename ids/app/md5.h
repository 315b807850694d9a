/* MD5 (RFC 1321), only for JA3, not for security. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

void md5(uint8_t out[16], const uint8_t *data, size_t len);
