#include <stdbool.h>
#include <string.h>

#include "ids/rules/base64.h"

#define PAD 64

/* RFC 4648, 4: the value of a digit, PAD, or -1. */
static int value_of(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : c == '=' ? PAD : -1;
}

/* Up to three octets of four digits; 0: they do not hold together. */
static uint32_t decode_four(const int v[4], uint8_t out[3])
{
	if (v[0] == PAD || v[1] == PAD)
		return 0;
	out[0] = (uint8_t)(v[0] << 2 | v[1] >> 4);
	if (v[2] == PAD)
		return 1;
	out[1] = (uint8_t)(v[1] << 4 | v[2] >> 2);
	if (v[3] == PAD)
		return 2;
	out[2] = (uint8_t)(v[2] << 6 | v[3]);
	return 3;
}

uint32_t base64_decode(enum base64_mode mode, const uint8_t *data, uint32_t len, uint8_t *out,
		       uint32_t room)
{
	uint32_t i = 0, n = 0;
	bool stop = false;

	while (!stop) {
		int v[4];
		uint8_t three[3];
		uint32_t digits = 0, got;

		for (; digits < 4 && i < len; i++) {
			v[digits] = value_of(data[i]);
			if (v[digits] >= 0)
				digits++;
			else if (mode == BASE64_RFC4648)
				break;
		}
		stop = digits < 4;
		if (digits == 0 || (stop && mode == BASE64_RFC2045))
			break;
		/* RFC 4648 in the middle of four: as if padding stood there (Suricata). */
		while (digits < 4)
			v[digits++] = PAD;
		got = decode_four(v, three);
		if (got == 0 || got > room - n)
			break;
		memcpy(out + n, three, got);
		n += got;
	}
	return n;
}
