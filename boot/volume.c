/* Reading files through EFI_SIMPLE_FILE_SYSTEM_PROTOCOL (UEFI 2.10, 13.4 and 13.5). */
#include "boot/volume.h"

#include "boot/mem.h"
#include "hv/config.h"

/* EFI_FILE_INFO ends in the name; a name has at most 255 characters on FAT. */
#define INFO_MAX (sizeof(EFI_FILE_INFO) + 256 * sizeof(CHAR16))
#define READ_MAX (1u << 20)

static EFI_STATUS file_size(EFI_FILE_HANDLE handle, uint64_t *size)
{
	union {
		EFI_FILE_INFO info;
		uint8_t room[INFO_MAX];
	} u;
	UINTN len = sizeof(u);
	EFI_STATUS status = handle->GetInfo(handle, &guid_file_info, &len, &u);

	if (EFI_ERROR(status))
		return status;
	if (u.info.Attribute & EFI_FILE_DIRECTORY)
		return EFI_NOT_FOUND;
	*size = u.info.FileSize;
	return EFI_SUCCESS;
}

EFI_STATUS volume_open(EFI_HANDLE device, const char *path, struct volume_file *file)
{
	CHAR16 wide[CONFIG_PATH_MAX];
	EFI_FILE_IO_INTERFACE *fs;
	EFI_FILE_HANDLE root;
	EFI_STATUS status;
	size_t i;

	for (i = 0; path[i] && i + 1 < CONFIG_PATH_MAX; i++)
		wide[i] = (CHAR16)path[i];
	wide[i] = 0;
	if (EFI_ERROR(efi_boot->HandleProtocol(device, &guid_file_system, (void **)&fs)))
		return EFI_NOT_FOUND;
	if (EFI_ERROR(fs->OpenVolume(fs, &root)))
		return EFI_NOT_FOUND;
	status = root->Open(root, &file->handle, wide, EFI_FILE_MODE_READ, 0);
	root->Close(root);
	if (EFI_ERROR(status))
		return status;
	status = file_size(file->handle, &file->size);
	if (EFI_ERROR(status))
		volume_close(file);
	return status;
}

EFI_STATUS volume_read(struct volume_file *file, void *to)
{
	uint64_t done = 0;

	while (done < file->size) {
		UINTN n = file->size - done < READ_MAX ? file->size - done : READ_MAX;
		EFI_STATUS status = file->handle->Read(file->handle, &n, (uint8_t *)to + done);

		if (EFI_ERROR(status))
			return status;
		if (!n)
			return EFI_END_OF_FILE;
		done += n;
	}
	return EFI_SUCCESS;
}

void volume_close(struct volume_file *file)
{
	file->handle->Close(file->handle);
	file->handle = NULL;
}

EFI_STATUS volume_load(EFI_HANDLE device, const char *path, uint64_t max, void **bytes,
		       uint64_t *size)
{
	struct volume_file file;
	EFI_STATUS status = volume_open(device, path, &file);

	if (EFI_ERROR(status))
		return status;
	if (file.size > max)
		status = EFI_BAD_BUFFER_SIZE;
	else
		/* One byte at least: an empty file is a file. */
		status = efi_boot->AllocatePool(EfiLoaderData, file.size + 1, bytes);
	if (!EFI_ERROR(status)) {
		status = volume_read(&file, *bytes);
		*size = file.size;
		if (EFI_ERROR(status))
			efi_boot->FreePool(*bytes);
	}
	volume_close(&file);
	return status;
}
