/* Turning what the firmware and the CPU tell into what struct boot_info holds.
 *
 * Pure logic over values and bytes: compiled for vigil.efi and for the host, no firmware calls. All
 * functions: any context, do not block.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "hv/bootinfo.h"

/* One entry of the UEFI memory map (UEFI 2.10, 7.2.3), as far as it counts here. */
struct fact_memory {
	uint64_t base, pages;
	uint64_t attribute; /* EFI_MEMORY_* capabilities */
	uint32_t type;	    /* EFI_MEMORY_TYPE */
};

/* Sort `n` entries by base (in place) and write the regions of RAM and MMIO, neighbours of one kind
 * merged, overlaps cut. Reserved memory that can't be cached is MMIO (so firmware describes ECAM);
 * unusable and unaccepted memory is left out. Returns the number of regions, or -ENOSPC (more than
 * `max`), -EINVAL (an entry runs over the end of the address space). */
int facts_regions(struct fact_memory *map, size_t n, struct boot_region *out, uint32_t max);

/* Read the ECAM windows of an ACPI MCFG table of `len` bytes (PCI Firmware
 * Specification 3.2, 4.1.2). Entries that make no sense are left out. Returns their number, at most
 * `max`, or -EINVAL when the table is damaged. */
int facts_mcfg(const void *table, size_t len, struct boot_ecam *out, uint32_t max);

/* The CPUs that an ACPI MADT of `len` bytes says can be started: enabled local (x2)APICs (ACPI 6.5,
 * 5.2.12). Returns their number, or -EINVAL when the table is damaged. */
int facts_madt_cpus(const void *table, size_t len);

/* Whether the `len` bytes of an ACPI table add up to 0 (ACPI 6.5, 5.2.6). */
int facts_checksum_ok(const void *table, size_t len);

struct fact_time {
	uint16_t year;
	uint8_t month, day, hour, minute, second; /* month and day from 1 */
	uint32_t nanosecond;
	int16_t zone; /* minutes, local time = UTC - zone; FACT_ZONE_UNKNOWN: the clock is taken for
			 UTC */
};
#define FACT_ZONE_UNKNOWN 0x7ff /* EFI_UNSPECIFIED_TIMEZONE, UEFI 2.10, 8.3 */

/* Nanoseconds since 1970 in UTC, 0 when the time is no time or before 1970. */
uint64_t facts_wall_ns(const struct fact_time *t);

/* The TSC's rate in kHz from what was measured against a firmware clock (`ticks` in `us`), in
 * several measurements, and what CPUID announces (0: nothing). The shortest measurement counts:
 * disturbances (SMIs, being descheduled) only ever lengthen one. The announced rate is taken when
 * it lies within 1 % of the measured one, since it is then the exact one; otherwise the measured
 * rate is true (some emulators announce 3.5 GHz and count 50 MHz). Never 0. */
uint64_t facts_tsc_khz(const uint64_t *ticks, size_t n, uint64_t us, uint64_t announced_khz);

/* What CPUID leaves 15H and 16H announce, in kHz; 0: nothing (SDM vol. 2A, CPUID; 15H.ECX may be 0,
 * then the base frequency of leaf 16H counts). */
uint64_t facts_tsc_announced(uint32_t denominator, uint32_t numerator, uint32_t crystal_hz,
			     uint32_t base_mhz);

/* One base address register as read (`was`) and after writing all ones (`probe`), with the next
 * one's values for the upper half of 64-bit BARs (PCI Local Bus 3.0, 6.2.5.1). Fills `bar`; returns
 * how many registers it takes: 1 or 2. */
int facts_bar(const uint32_t was[2], const uint32_t probe[2], struct boot_nic *nic, unsigned index);

/* Why VT-x can't be used, a text with a %-free sentence, or NULL when this CPU looks usable. `ecx`
 * is CPUID.1:ECX, `vendor` CPUID.0's twelve letters, `feature_control` the MSR (SDM vol. 3C, 24.7).
 */
const char *facts_no_vmx(const char *vendor, uint32_t ecx, uint64_t feature_control);
