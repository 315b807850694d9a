/* UEFI as the loader uses it: gnu-efi's headers, what they lack, and the tables of this boot.
 *
 * Firmware functions are called directly (GNU_EFI_USE_MS_ABI: the compiler knows their convention).
 * All loader code runs on the BSP with boot services available, except launch.c's AP procedure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <efi.h>
#include <efipciio.h>

/* Set by efi_main before anything else runs. */
extern EFI_SYSTEM_TABLE *efi_system;
extern EFI_BOOT_SERVICES *efi_boot;
extern EFI_HANDLE efi_image;

/* GUIDs of the protocols and tables used (guids.c). */
extern EFI_GUID guid_loaded_image, guid_device_path, guid_file_system, guid_file_info, guid_pci_io;
extern EFI_GUID guid_mp_services, guid_rng, guid_memory_attribute, guid_acpi20, guid_vigil_loader;

/* Bytes of a device path's node (UEFI 2.10, 10.3.1); under 4: the path is malformed. */
static inline size_t efi_node_length(const EFI_DEVICE_PATH *node)
{
	return (size_t)node->Length[0] | (size_t)node->Length[1] << 8;
}
#define EFI_NODES_MAX 64 /* nodes of a device path that are looked at; real ones have under 10 */

/* The name of a status code, for messages. */
const char *efi_status_name(EFI_STATUS status);

/* All handles with a protocol, in pool memory; NULL and 0 when there is none. */
EFI_HANDLE *efi_handles(EFI_GUID *protocol, UINTN *count);

/* --- PI 1.8, volume 2, 13.4: EFI_MP_SERVICES_PROTOCOL ----------------------------------------- */

#define MP_CPU_IS_BSP  1u /* StatusFlag */
#define MP_CPU_ENABLED 2u
#define MP_CPU_HEALTHY 4u

struct mp_cpu {
	UINT64 processor_id; /* APIC id */
	UINT32 status;
	UINT32 location[3];
	UINT32 location2[6]; /* filled only when asked for */
};

typedef void(EFIAPI *mp_procedure)(void *arg);

struct mp_services {
	EFI_STATUS(EFIAPI *get_count)(struct mp_services *self, UINTN *all, UINTN *enabled);
	EFI_STATUS(EFIAPI *get_cpu)(struct mp_services *self, UINTN number, struct mp_cpu *cpu);
	void *startup_all_aps;
	/* `event` NULL: blocking. `timeout_us` 0: none. */
	EFI_STATUS(EFIAPI *startup_this_ap)
	(struct mp_services *self, mp_procedure procedure, UINTN number, EFI_EVENT event,
	 UINTN timeout_us, void *arg, BOOLEAN *finished);
	void *switch_bsp;
	EFI_STATUS(EFIAPI *enable_ap)
	(struct mp_services *self, UINTN number, BOOLEAN enable, UINT32 *health);
	EFI_STATUS(EFIAPI *who_am_i)(struct mp_services *self, UINTN *number);
};

/* --- UEFI 2.10, 37.5: EFI_RNG_PROTOCOL ---------------------------------------------------------
 */

struct rng {
	void *get_info;
	EFI_STATUS(EFIAPI *get)(struct rng *self, EFI_GUID *algorithm, UINTN size, void *out);
};

/* --- UEFI 2.10, 37.7: EFI_MEMORY_ATTRIBUTE_PROTOCOL --------------------------------------------
 */

#define MEMORY_ATTRIBUTE_XP 0x4000u

struct memory_attribute {
	void *get;
	void *set;
	EFI_STATUS(EFIAPI *clear)
	(struct memory_attribute *self, EFI_PHYSICAL_ADDRESS base, UINT64 size, UINT64 attributes);
};
