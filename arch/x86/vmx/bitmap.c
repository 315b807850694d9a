/* MSR and I/O bitmaps. */
#include "arch/x86/vmx/bitmap.h"
#include "hv/errno.h"

/* SDM 25.6.9: four bitmaps of 1 KiB: read low, read high, write low, write high. */
#define LOW_LAST    0x1fffu
#define HIGH_FIRST  0xc0000000u
#define HIGH_LAST   0xc0001fffu
#define HIGH_BYTES  1024u
#define WRITE_BYTES 2048u

static void put(uint8_t *byte, uint32_t bit, bool value)
{
	if (value)
		*byte = (uint8_t)(*byte | 1u << bit);
	else
		*byte = (uint8_t)(*byte & ~(1u << bit));
}

/* Byte of an MSR's read bit, negative when the bitmap doesn't cover it. */
static int read_byte(uint32_t msr)
{
	if (msr <= LOW_LAST)
		return (int)(msr / 8);
	if (msr >= HIGH_FIRST && msr <= HIGH_LAST)
		return (int)(HIGH_BYTES + (msr - HIGH_FIRST) / 8);
	return -1;
}

int msr_bitmap_set(uint8_t bitmap[MSR_BITMAP_SIZE], uint32_t msr, uint32_t access, bool exits)
{
	int byte = read_byte(msr);

	if (byte < 0)
		return -EINVAL;
	if (access & MSR_READ)
		put(&bitmap[byte], msr % 8, exits);
	if (access & MSR_WRITE)
		put(&bitmap[WRITE_BYTES + (uint32_t)byte], msr % 8, exits);
	return 0;
}

int msr_bitmap_set_range(uint8_t bitmap[MSR_BITMAP_SIZE], uint32_t first, uint32_t count,
			 uint32_t access, bool exits)
{
	uint32_t end = first <= LOW_LAST ? LOW_LAST : HIGH_LAST;

	if (read_byte(first) < 0 || count > end - first + 1)
		return -EINVAL;
	for (uint32_t i = 0; i < count; i++)
		msr_bitmap_set(bitmap, first + i, access, exits);
	return 0;
}

int io_bitmap_set(uint8_t bitmap[IO_BITMAP_SIZE], uint32_t port, uint32_t count, bool exits)
{
	if (port > 0xffff || count > 0x10000 - port)
		return -EINVAL;
	for (uint32_t p = port; p < port + count; p++)
		put(&bitmap[p / 8], p % 8, exits);
	return 0;
}
