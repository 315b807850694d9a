/* MSR bitmap and I/O bitmaps (SDM 25.6.9, 25.6.4): which accesses of the guest exit.
 *
 * Pure: works on memory of the caller; the processor reads it at each access, so a change takes
 * effect on all CPUs that use the bitmap with their next one. Changes must not race with each
 * other. Any context, no blocking.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define MSR_BITMAP_SIZE 4096 /* bytes, one page */
#define IO_BITMAP_SIZE	8192 /* bytes: bitmap A (ports 0 to 0x7fff), then B (0x8000 to 0xffff) */

#define MSR_READ  1u
#define MSR_WRITE 2u

/* Let accesses (MSR_READ | MSR_WRITE) to `msr` exit, or not. -EINVAL for an MSR outside of the
 * bitmap's ranges (0 to 0x1fff, 0xc0000000 to 0xc0001fff): accesses to those exit always. */
int msr_bitmap_set(uint8_t bitmap[MSR_BITMAP_SIZE], uint32_t msr, uint32_t access, bool exits);

/* The same for `count` MSRs from `first`; all or none (-EINVAL). */
int msr_bitmap_set_range(uint8_t bitmap[MSR_BITMAP_SIZE], uint32_t first, uint32_t count,
			 uint32_t access, bool exits);

/* Let accesses to `count` ports from `port` exit, or not. -EINVAL when they go beyond 0xffff. */
int io_bitmap_set(uint8_t bitmap[IO_BITMAP_SIZE], uint32_t port, uint32_t count, bool exits);
