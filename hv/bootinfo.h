/* What boot/ hands to the core: one structure, built once by the loader, trusted (the firmware and
 * the loader are, up to the launch), read-only afterwards. Pure data, no functions.
 *
 * The reserved block. boot/ allocates ONE physically contiguous, 2 MiB aligned block of memory as
 * EfiReservedMemoryType, whose size is a multiple of a page, and puts into it, each at a page
 * boundary and in this order: the core's image (relocated), this structure, the sentry's image
 * (relocated to ABI_SENTRY_BASE, the pristine copy of every restart), the rules blob. What follows
 * (`free_base` to the block's end) is the core's page pool, all zero. Nothing of Vigil lies outside
 * of the block, so that hiding the block from the guest hides Vigil.
 *
 * Start. The loader then, on the BSP:
 *   1. calls core_init(&boot_info), at core_base + ELF entry (System V convention, firmware's
 *      environment, any interrupt state): core_init. Builds all tables, checks this CPU's
 *      capabilities. 0 or negative errno; boot_info->message says why. Nothing has changed then.
 *   2. calls boot_info->check_cpu(index) on every AP (MP services, one at a time): 0 or -errno;
 *   3. calls boot_info->launch_cpu(index) on every AP, one at a time (blocking mode), the BSP last.
 *      On success it returns 0 *in VMX non-root operation*: the caller goes on as the guest.
 *      On failure it returns negative errno in normal operation.
 *   4. if one fails after others were launched: calls boot_info->stop_cpu(index) on each CPU that
 *      was launched, which leaves VMX operation again (the caller goes on natively).
 *   5. calls boot_info->seal() on the BSP as the last thing before the next loader starts; from
 *      then on the launch interface (stop_cpu) is dead and sends the guest #UD.
 * All of them are System V functions that keep the callee-saved registers, and need 16 KiB of
 * stack. check_cpu and launch_cpu must not be called concurrently.
 */
#pragma once

#include <stdint.h>
#include "hv/config.h"

#define BOOT_INFO_MAGIC	  0x4f464e494c494756ull /* "VGILINFO" */
#define BOOT_INFO_VERSION 1

#define BOOT_MAX_CPUS	 256
#define BOOT_MAX_REGIONS 512
#define BOOT_MAX_ECAM	 16

/* A range of the UEFI memory map (UEFI 2.10, 7.2.3 GetMemoryMap), neighbours of one kind merged. */
enum boot_region_kind {
	REGION_RAM,  /* the guest's memory: loader, boot services, conventional, ACPI, reserved RAM
		      */
	REGION_MMIO, /* EfiMemoryMappedIO and port space */
};

struct boot_region {
	uint64_t base;
	uint64_t size;	   /* bytes */
	uint32_t kind;	   /* enum boot_region_kind */
	uint32_t efi_type; /* EFI_MEMORY_TYPE, for the log */
};

/* ECAM window of one PCI segment group (PCI Firmware Specification 3.2, 4.1.2 MCFG). */
struct boot_ecam {
	uint64_t base; /* of bus 0 */
	uint16_t segment;
	uint8_t start_bus, end_bus;
	uint32_t pad;
};

/* The network card that Vigil takes, as the firmware left it. */
struct boot_nic {
	uint8_t present; /* 0: none configured, or none found */
	uint8_t pad[3];
	uint16_t segment; /* 0: only segment 0 is taken */
	uint16_t bdf;	  /* bus << 8 | device << 3 | function */
	uint16_t vendor, device;
	struct {
		uint64_t base;
		uint64_t size; /* 0: BAR absent, or the upper half of the BAR before */
		uint8_t is_io, is_64, prefetchable, pad[5];
	} bar[6];
};

struct boot_cpu {
	uint32_t apic_id;
	uint32_t is_bsp;
};

struct boot_info {
	uint64_t magic;
	uint32_t version;
	uint32_t size; /* sizeof(struct boot_info), for a loader and core of different builds */

	uint64_t block_base, block_size;
	uint64_t core_base, core_size;		   /* image in memory, pages */
	uint64_t core_text_size, core_rodata_size; /* rights: [text R-X][rodata R--][rest RW-] */
	uint64_t sentry_base, sentry_size; /* the sentry's image in memory, pages, same rights */
	uint64_t sentry_text_size, sentry_rodata_size;
	uint64_t sentry_entry;		 /* offset of its entry point */
	uint64_t rules_base, rules_size; /* compiled rules; size 0: none */
	uint64_t free_base;		 /* first unused page of the block */

	uint64_t rsdp;	    /* ACPI 2.0 RSDP or 0 */
	uint64_t wall_ns;   /* EFI GetTime in UTC, nanoseconds since 1970; 0: no clock */
	uint64_t wall_tsc;  /* TSC read at that moment */
	uint64_t tsc_khz;   /* measured by boot services Stall() or CPUID 15H/16H; never 0 */
	uint64_t random[2]; /* seed for the boot id: EFI_RNG, RDRAND or TSC jitter */

	uint32_t ncpu;
	struct boot_cpu cpu[BOOT_MAX_CPUS]; /* [0] is the BSP; index = argument of launch_cpu */
	uint32_t nregion;
	struct boot_region region[BOOT_MAX_REGIONS]; /* ascending, not overlapping */
	uint32_t necam;
	struct boot_ecam ecam[BOOT_MAX_ECAM];
	struct boot_nic nic;
	struct vigil_config config;

	/* Filled by core_init. */
	char message[256]; /* why core_init, check_cpu or launch_cpu failed: a line of text */
	int (*check_cpu)(uint32_t index);
	int (*launch_cpu)(uint32_t index);
	int (*stop_cpu)(uint32_t index);
	void (*seal)(void);
};

/* The core's only entry point (ELF e_entry). */
typedef int core_entry_fn(struct boot_info *info);
