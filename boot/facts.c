/* What firmware and CPU tell, turned into what struct boot_info holds. */
#include "boot/facts.h"

#include <stdbool.h>
#include "boot/mem.h"
#include "hv/errno.h"

#define PAGE_SHIFT 12

/* EFI_MEMORY_TYPE, UEFI 2.10, 7.2.1. */
enum {
	MEM_RESERVED = 0,
	MEM_UNUSABLE = 8,
	MEM_MMIO = 11,
	MEM_MMIO_PORTS = 12,
	MEM_UNACCEPTED = 15,
};
#define MEM_ATTR_CACHED 0xeu /* EFI_MEMORY_WC | WT | WB */

/* --- memory map ----------------------------------------------------------------------------- */

static int region_kind(const struct fact_memory *m)
{
	switch (m->type) {
	case MEM_UNUSABLE:
	case MEM_UNACCEPTED:
		return -1;
	case MEM_MMIO:
	case MEM_MMIO_PORTS:
		return REGION_MMIO;
	case MEM_RESERVED:
		return m->attribute & MEM_ATTR_CACHED ? REGION_RAM : REGION_MMIO;
	default:
		return REGION_RAM;
	}
}

/* Firmware maps are nearly sorted and short: insertion sort. */
static void sort_map(struct fact_memory *map, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct fact_memory m = map[i];
		size_t at = i;

		for (; at && map[at - 1].base > m.base; at--)
			map[at] = map[at - 1];
		map[at] = m;
	}
}

int facts_regions(struct fact_memory *map, size_t n, struct boot_region *out, uint32_t max)
{
	uint32_t count = 0;
	uint64_t end = 0; /* of what has been described */

	sort_map(map, n);
	for (size_t i = 0; i < n; i++) {
		struct fact_memory m = map[i];
		struct boot_region *last = count ? &out[count - 1] : NULL;
		int kind = region_kind(&m);
		uint64_t stop;

		if (m.pages > (UINT64_MAX - m.base) >> PAGE_SHIFT)
			return -EINVAL;
		stop = m.base + (m.pages << PAGE_SHIFT);
		if (kind < 0 || stop <= end)
			continue;
		if (m.base < end)
			m.base = end;
		if (last && last->kind == (uint32_t)kind && last->base + last->size == m.base) {
			last->size += stop - m.base;
		} else {
			if (count == max)
				return -ENOSPC;
			out[count++] =
				(struct boot_region){m.base, stop - m.base, (uint32_t)kind, m.type};
		}
		end = stop;
	}
	return (int)count;
}

/* --- ACPI tables ---------------------------------------------------------------------------- */

#define ACPI_HEADER 36 /* ACPI 6.5, 5.2.6 */

static uint32_t le32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

int facts_checksum_ok(const void *table, size_t len)
{
	const uint8_t *p = table;
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *p++);
	return sum == 0;
}

static bool acpi_ok(const uint8_t *table, size_t len, const char *signature, size_t least)
{
	return len >= least && !memcmp(table, signature, 4) && le32(table + 4) == len &&
	       facts_checksum_ok(table, len);
}

int facts_mcfg(const void *table, size_t len, struct boot_ecam *out, uint32_t max)
{
	const uint8_t *p = table;
	uint32_t n = 0;

	if (!acpi_ok(p, len, "MCFG", ACPI_HEADER + 8))
		return -EINVAL;
	for (size_t at = ACPI_HEADER + 8; len - at >= 16 && n < max; at += 16) {
		struct boot_ecam e = {0};

		memcpy(&e.base, p + at, 8);
		memcpy(&e.segment, p + at + 8, 2);
		e.start_bus = p[at + 10];
		e.end_bus = p[at + 11];
		/* One MiB a bus, aligned to it. */
		if (!e.base || e.base & 0xfffff || e.start_bus > e.end_bus)
			continue;
		out[n++] = e;
	}
	return (int)n;
}

int facts_madt_cpus(const void *table, size_t len)
{
	const uint8_t *p = table;
	int apics = 0, low_x2apics = 0, x2apics = 0;

	if (!acpi_ok(p, len, "APIC", ACPI_HEADER + 8))
		return -EINVAL;
	for (size_t at = ACPI_HEADER + 8; len - at >= 2;) {
		uint8_t type = p[at], size = p[at + 1];

		if (size < 2 || size > len - at)
			return -EINVAL;
		/* Flags: bit 0, enabled. (Bit 1, online capable, is for CPUs plugged in later.) */
		if (type == 0 && size >= 8 && le32(p + at + 4) & 1 && p[at + 3] != 0xff)
			apics++;
		if (type == 9 && size >= 16 && le32(p + at + 8) & 1) {
			uint32_t id = le32(p + at + 4);

			if (id < 0xff)
				low_x2apics++;
			else if (id != 0xffffffff)
				x2apics++;
		}
		at += size;
	}
	/* Some firmware lists a CPU with an id below 255 in both forms. */
	return (apics ? apics : low_x2apics) + x2apics;
}

/* --- time ----------------------------------------------------------------------------------- */

static bool leap(unsigned year)
{
	return (year % 4 == 0 && year % 100) || year % 400 == 0;
}

uint64_t facts_wall_ns(const struct fact_time *t)
{
	static const uint8_t lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int64_t days = 0, seconds;
	unsigned month_days;

	if (t->year < 1970 || t->year > 9999 || t->month < 1 || t->month > 12 || t->day < 1 ||
	    t->hour > 23 || t->minute > 59 || t->second > 59 || t->nanosecond > 999999999)
		return 0;
	month_days = lengths[t->month - 1] + (t->month == 2 && leap(t->year) ? 1u : 0u);
	if (t->day > month_days)
		return 0;
	for (unsigned y = 1970; y < t->year; y++)
		days += leap(y) ? 366 : 365;
	for (unsigned m = 1; m < t->month; m++)
		days += lengths[m - 1] + (m == 2 && leap(t->year) ? 1 : 0);
	days += t->day - 1;
	seconds = days * 86400 + t->hour * 3600 + t->minute * 60 + t->second;
	if (t->zone != FACT_ZONE_UNKNOWN && t->zone >= -1440 && t->zone <= 1440)
		seconds += t->zone * 60;
	/* 2^64 ns end in 2554. */
	if (seconds < 0 || seconds > 18446744073)
		return 0;
	return (uint64_t)seconds * 1000000000u + t->nanosecond;
}

uint64_t facts_tsc_announced(uint32_t denominator, uint32_t numerator, uint32_t crystal_hz,
			     uint32_t base_mhz)
{
	if (denominator && numerator && crystal_hz)
		return (uint64_t)crystal_hz * numerator / denominator / 1000;
	if (denominator && numerator)
		return (uint64_t)(base_mhz & 0xffff) * 1000;
	return 0;
}

uint64_t facts_tsc_khz(const uint64_t *ticks, size_t n, uint64_t us, uint64_t announced_khz)
{
	uint64_t least = UINT64_MAX, khz, apart;

	for (size_t i = 0; i < n; i++)
		if (ticks[i] && ticks[i] < least)
			least = ticks[i];
	/* No measurement (a firmware whose Stall does nothing): what is announced, or 1 GHz, which
	 * only makes intervals wrong. */
	if (least == UINT64_MAX || !us || least > UINT64_MAX / 1000)
		return announced_khz ? announced_khz : 1000000;
	khz = least * 1000 / us;
	if (!khz)
		khz = 1;
	apart = khz > announced_khz ? khz - announced_khz : announced_khz - khz;
	return apart <= khz / 100 ? announced_khz : khz;
}

/* --- PCI ------------------------------------------------------------------------------------ */

int facts_bar(const uint32_t was[2], const uint32_t probe[2], struct boot_nic *nic, unsigned index)
{
	bool io = was[0] & 1;
	bool wide = !io && (was[0] & 6) == 4;
	uint64_t flags = io ? 3 : 15;
	uint64_t base = was[0], mask = probe[0];

	if (wide) {
		base |= (uint64_t)was[1] << 32;
		mask |= (uint64_t)probe[1] << 32;
	} else {
		/* An I/O BAR may leave its upper 16 bits hardwired to 0. */
		mask |= io && !(probe[0] >> 16) ? UINT64_MAX << 16 : UINT64_MAX << 32;
	}
	nic->bar[index].is_io = io;
	nic->bar[index].is_64 = wide;
	nic->bar[index].prefetchable = !io && was[0] & 8;
	nic->bar[index].base = base & ~flags;
	nic->bar[index].size = probe[0] ? ~(mask & ~flags) + 1 : 0;
	if (!nic->bar[index].size)
		nic->bar[index].base = 0;
	return wide ? 2 : 1;
}

/* --- VT-x ----------------------------------------------------------------------------------- */

const char *facts_no_vmx(const char *vendor, uint32_t ecx, uint64_t feature_control)
{
	if (!(ecx & 1u << 5)) {
		if (!memcmp(vendor, "AuthenticAMD", 12) || !memcmp(vendor, "HygonGenuine", 12))
			return "the CPU has no Intel VT-x (AMD's SVM is not supported yet)";
		if (ecx & 1u << 31)
			return "the virtual CPU has no VT-x (CPUID.1:ECX.VMX is 0): the hypervisor "
			       "below must offer nested VMX";
		return "the CPU has no VT-x (CPUID.1:ECX.VMX is 0), or the firmware hides it";
	}
	if ((feature_control & 5) == 1)
		return "the firmware has locked VT-x off (IA32_FEATURE_CONTROL: VMXON outside SMX "
		       "not allowed): switch \"Intel Virtualization Technology\" on in its setup";
	return NULL;
}
