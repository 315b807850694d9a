/* A firmware that has locked VT-x off, for the loader's tests: sets IA32_FEATURE_CONTROL so (SDM
 * vol. 3C, 24.7), then starts \vigil.efi of its own volume. */
#include "boot/efi.h"

#define IA32_FEATURE_CONTROL 0x3a

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

struct file_path {
	EFI_DEVICE_PATH node;
	CHAR16 name[11];
	EFI_DEVICE_PATH end;
} __attribute__((packed));

static const struct file_path vigil = {
	{MEDIA_DEVICE_PATH, MEDIA_FILEPATH_DP, {sizeof(EFI_DEVICE_PATH) + 22, 0}},
	u"\\vigil.efi",
	{END_DEVICE_PATH_TYPE, END_ENTIRE_DEVICE_PATH_SUBTYPE, {sizeof(EFI_DEVICE_PATH), 0}},
};

static size_t length(const UINT8 *path)
{
	size_t n = 0;

	while (path[n] != END_DEVICE_PATH_TYPE)
		n += path[n + 2] | (size_t)path[n + 3] << 8;
	return n;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
	EFI_BOOT_SERVICES *bs = table->BootServices;
	EFI_GUID image_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID,
		 path_guid = EFI_DEVICE_PATH_PROTOCOL_GUID;
	EFI_LOADED_IMAGE *self;
	UINT8 *volume, path[512];
	EFI_HANDLE next;
	size_t n;

	__asm__ volatile("wrmsr" ::"c"(IA32_FEATURE_CONTROL), "a"(1), "d"(0));
	if (EFI_ERROR(bs->HandleProtocol(image, &image_guid, (void **)&self)) ||
	    EFI_ERROR(bs->HandleProtocol(self->DeviceHandle, &path_guid, (void **)&volume)))
		return EFI_NOT_FOUND;
	n = length(volume);
	if (n > sizeof(path) - sizeof(vigil))
		return EFI_BUFFER_TOO_SMALL;
	for (size_t i = 0; i < n; i++)
		path[i] = volume[i];
	for (size_t i = 0; i < sizeof(vigil); i++)
		path[n + i] = ((const UINT8 *)&vigil)[i];
	if (EFI_ERROR(bs->LoadImage(FALSE, image, (EFI_DEVICE_PATH *)(void *)path, NULL, 0, &next)))
		return EFI_LOAD_ERROR;
	return bs->StartImage(next, NULL, NULL);
}
