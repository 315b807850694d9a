/* Starting the core on every CPU, and taking it back when that fails.
 *
 * BSP, boot services available. The order of calls is that of hv/bootinfo.h.
 */
#pragma once

#include "boot/efi.h"
#include "hv/bootinfo.h"

struct launch_cpus {
	struct mp_services *mp; /* NULL: one CPU */
	uint32_t count;
	struct boot_cpu cpu[BOOT_MAX_CPUS]; /* [0] is the BSP */
	UINTN number[BOOT_MAX_CPUS];	    /* the firmware's number of each */
};

/* Find all CPUs. `acpi_cpus` is how many the ACPI tables know (0: unknown): if the firmware could
 * not start them all, some would run the OS outside of Vigil, which is refused. 0 or -errno, said.
 */
int launch_find_cpus(struct launch_cpus *cpus, unsigned acpi_cpus);

/* check_cpu on every AP. 0 or -errno, said. */
int launch_check(const struct launch_cpus *cpus, const struct boot_info *info);

/* After seal(): each AP comes by the core once, which drops what it has cached of the block. */
void launch_settle(const struct launch_cpus *cpus);

/* launch_cpu on every AP, then here. Returns 0 with all CPUs in VMX non-root operation, this one
 * too; or -errno, said, with none, except when `*stuck` is set: a CPU could not be stopped again,
 * or did not answer, and may be using the block, which must then stay. */
int launch_all(const struct launch_cpus *cpus, const struct boot_info *info, bool *stuck);
