#include "ids/rules/blob.h"

/* Four bits at a time: a table of 16 is small, and a blob is summed only once. */
static const uint32_t nibble[16] = {
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
	0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
	0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;

	crc = ~crc;
	for (size_t i = 0; i < len; i++) {
		crc ^= p[i];
		crc = crc >> 4 ^ nibble[crc & 15];
		crc = crc >> 4 ^ nibble[crc & 15];
	}
	return ~crc;
}

uint32_t blob_crc(const void *data, size_t len)
{
	static const uint8_t zero[4];
	const uint8_t *p = data;
	uint32_t crc = crc32c(0, p, offsetof(struct blob_header, crc));

	crc = crc32c(crc, zero, sizeof(zero));
	return crc32c(crc, p + offsetof(struct blob_header, crc) + 4,
		      len - offsetof(struct blob_header, crc) - 4);
}
