/* Asking the firmware and the CPU what the core needs to know about the machine.
 *
 * BSP, boot services available. Each function fills its part of `info`.
 */
#pragma once

#include "boot/efi.h"
#include "hv/bootinfo.h"

/* NULL when this CPU has VT-x and it is not locked off, otherwise why not. The core checks all
 * finer requirements, on every CPU. */
const char *platform_no_vmx(void);

/* ACPI (RSDP, ECAM windows), time, TSC rate and random seed. Cannot fail: what is missing is 0. */
void platform_facts(struct boot_info *info);

/* The memory map. 0 or negative errno, said. */
int platform_memory(struct boot_info *info);

/* Enabled CPUs in the ACPI tables; 0: no table. */
unsigned platform_acpi_cpus(const struct boot_info *info);
