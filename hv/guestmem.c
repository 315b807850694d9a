#include "arch/x86/paging.h"
#include "arch/x86/string.h"
#include "hv/errno.h"
#include "hv/guestmem.h"
#include "hv/machine.h"

/* The region that held the last address: guests use few of them. Any CPU may overwrite it; the
 * value read is always a valid index or 0. */
static uint32_t last_region;

static bool in_region(const struct boot_region *r, uint64_t gpa, uint64_t len)
{
	return r->kind == REGION_RAM && gpa >= r->base && gpa - r->base < r->size &&
	       len <= r->size - (gpa - r->base);
}

bool gm_valid(uint64_t gpa, uint64_t len)
{
	const struct boot_info *info = boot_facts();
	uint64_t block_end = info->block_base + info->block_size;
	uint32_t hint = __atomic_load_n(&last_region, __ATOMIC_RELAXED);

	if (gpa + len < gpa || gpa < 4096)
		return false;
	if (gpa < block_end && gpa + len > info->block_base)
		return false;
	if (in_region(&info->region[hint], gpa, len))
		return true;
	for (uint32_t i = 0; i < info->nregion; i++) {
		if (in_region(&info->region[i], gpa, len)) {
			__atomic_store_n(&last_region, i, __ATOMIC_RELAXED);
			return true;
		}
	}
	return false;
}

int gm_read(uint64_t gpa, void *dst, size_t len)
{
	if (!gm_valid(gpa, len))
		return -EFAULT;
	memcpy(dst, (const void *)gpa, len);
	return 0;
}

int gm_write(uint64_t gpa, const void *src, size_t len)
{
	if (!gm_valid(gpa, len))
		return -EFAULT;
	memcpy((void *)gpa, src, len);
	return 0;
}

int gm_read16(uint64_t gpa, uint16_t *value)
{
	if (gpa & 1)
		return -EINVAL;
	if (!gm_valid(gpa, 2))
		return -EFAULT;
	*value = __atomic_load_n((const uint16_t *)gpa, __ATOMIC_ACQUIRE);
	return 0;
}

int gm_write16(uint64_t gpa, uint16_t value)
{
	if (gpa & 1)
		return -EINVAL;
	if (!gm_valid(gpa, 2))
		return -EFAULT;
	__atomic_store_n((uint16_t *)gpa, value, __ATOMIC_RELEASE);
	return 0;
}
