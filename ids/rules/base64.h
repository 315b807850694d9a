/* Base64 as rules decode it. Pure. */
#pragma once

#include <stdint.h>

enum base64_mode {
	BASE64_RFC4648, /* ends at the first octet that is not of the alphabet */
	BASE64_RFC2045, /* such octets are skipped (RFC 2045, 6.8) */
};

/* Decode at most `room` octets to `out`; returns how many. What was decoded before an error counts.
 */
uint32_t base64_decode(enum base64_mode mode, const uint8_t *data, uint32_t len, uint8_t *out,
		       uint32_t room);
