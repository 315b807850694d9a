#include "arch/x86/paging.h"
#include "arch/x86/string.h"
#include "arch/x86/upcall.h"
#include "hv/errno.h"
#include "hv/guestmem.h"
#include "hv/machine.h"
#include "hv/unit.h"

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

int upcall_guest_read(uint64_t gpa, void *dst, size_t len)
{
	return gm_read(gpa, dst, len);
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

/* Take [base, base + size) out of the guest's memory; of a region around it, what lies above goes
 * too. */
static void cut(struct boot_info *info, uint64_t base, uint64_t size)
{
	for (uint32_t i = 0; i < info->nregion; i++) {
		struct boot_region *r = &info->region[i];

		if (r->kind != REGION_RAM || r->base >= base + size || base >= r->base + r->size)
			continue;
		if (r->base < base)
			r->size = base - r->base;
		else
			r->kind = REGION_MMIO;
	}
}

/* Firmware may list PCI's configuration window as cacheable reserved memory. A ring or buffer there
 * would make the core write to the card's own registers for the guest, and the sentry's window
 * would show them. */
static int guestmem_unit(struct boot_info *info)
{
	for (uint32_t i = 0; i < info->necam; i++) {
		const struct boot_ecam *e = &info->ecam[i];

		cut(info, e->base + ((uint64_t)e->start_bus << 20),
		    (uint64_t)(e->end_bus - e->start_bus + 1) << 20);
	}
	for (uint32_t i = 0; i < 6 && info->nic.present; i++)
		if (info->nic.bar[i].size && !info->nic.bar[i].is_io)
			cut(info, info->nic.bar[i].base, info->nic.bar[i].size);
	return 0;
}

UNIT(12, guestmem, guestmem_unit);
