/* GUIDs, status names and the tables of this boot. */
#include "boot/efi.h"

EFI_SYSTEM_TABLE *efi_system;
EFI_BOOT_SERVICES *efi_boot;
EFI_HANDLE efi_image;

EFI_GUID guid_loaded_image = EFI_LOADED_IMAGE_PROTOCOL_GUID;
EFI_GUID guid_device_path = EFI_DEVICE_PATH_PROTOCOL_GUID;
EFI_GUID guid_file_system = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
EFI_GUID guid_file_info = EFI_FILE_INFO_ID;
EFI_GUID guid_pci_io = EFI_PCI_IO_PROTOCOL_GUID;
EFI_GUID guid_acpi20 = ACPI_20_TABLE_GUID;
/* PI 1.8, volume 2, 13.4.1 */
EFI_GUID guid_mp_services = {
	0x3fdda605, 0xa76e, 0x4f46, {0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08}};
/* UEFI 2.10, 37.5 */
EFI_GUID guid_rng = {0x3152bca5, 0xeade, 0x433d, {0x86, 0x2e, 0xc0, 0x1c, 0xdc, 0x29, 0x1f, 0x44}};
/* UEFI 2.10, 37.7 */
EFI_GUID guid_memory_attribute = {
	0xf4560cf6, 0x40ec, 0x4b4a, {0xa1, 0x92, 0xbf, 0x1d, 0x57, 0xd0, 0xb1, 0x89}};
/* Ours: installed on the loader's handle while it runs, so that a second one knows. */
EFI_GUID guid_vigil_loader = {
	0x6c1f0a52, 0x5f0e, 0x4b7e, {0x9d, 0x1d, 0x56, 0x49, 0x47, 0x49, 0x4c, 0x21}};

static const struct {
	EFI_STATUS status;
	const char *name;
} status_names[] = {
	{EFI_SUCCESS, "success"},
	{EFI_LOAD_ERROR, "load error"},
	{EFI_INVALID_PARAMETER, "invalid parameter"},
	{EFI_UNSUPPORTED, "unsupported"},
	{EFI_BAD_BUFFER_SIZE, "bad buffer size"},
	{EFI_BUFFER_TOO_SMALL, "buffer too small"},
	{EFI_NOT_READY, "not ready"},
	{EFI_DEVICE_ERROR, "device error"},
	{EFI_WRITE_PROTECTED, "write protected"},
	{EFI_OUT_OF_RESOURCES, "out of memory"},
	{EFI_VOLUME_CORRUPTED, "volume corrupted"},
	{EFI_NO_MEDIA, "no medium"},
	{EFI_MEDIA_CHANGED, "medium changed"},
	{EFI_NOT_FOUND, "not found"},
	{EFI_ACCESS_DENIED, "access denied"},
	{EFI_TIMEOUT, "time-out"},
	{EFI_ALREADY_STARTED, "already started"},
	{EFI_ABORTED, "aborted"},
	{EFI_SECURITY_VIOLATION, "refused by Secure Boot"},
};

const char *efi_status_name(EFI_STATUS status)
{
	for (size_t i = 0; i < sizeof(status_names) / sizeof(status_names[0]); i++)
		if (status_names[i].status == status)
			return status_names[i].name;
	return "unknown error";
}

EFI_HANDLE *efi_handles(EFI_GUID *protocol, UINTN *count)
{
	EFI_HANDLE *handles;

	*count = 0;
	if (EFI_ERROR(efi_boot->LocateHandleBuffer(ByProtocol, protocol, NULL, count, &handles))) {
		*count = 0;
		return NULL;
	}
	return handles;
}
