/* The one accessor of guest memory, by guest-physical address.
 *
 * Every access is checked: wholly inside the guest's RAM as the memory map had it at the launch,
 * and not in Vigil's block. Nothing here returns a pointer to guest memory, so a value can't be
 * fetched twice by accident. Any CPU, exit context, does not block. -EFAULT: not the guest's RAM
 * (nothing has been copied then).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int gm_read(uint64_t gpa, void *dst, size_t len);
int gm_write(uint64_t gpa, const void *src, size_t len);

/* Single, tear-free accesses for ring indices; naturally aligned addresses only (-EINVAL). */
int gm_read16(uint64_t gpa, uint16_t *value);
int gm_write16(uint64_t gpa, uint16_t value);

/* True when all of [gpa, gpa + len) may be accessed. */
bool gm_valid(uint64_t gpa, uint64_t len);
