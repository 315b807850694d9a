/* Files on the EFI system partition and the other volumes the firmware can read.
 *
 * Paths are absolute, '\' separated, ASCII. BSP, boot services available.
 */
#pragma once

#include "boot/efi.h"

struct volume_file {
	EFI_FILE_HANDLE handle;
	uint64_t size; /* bytes */
};

/* Open `path` of the volume `device`. EFI_NOT_FOUND also when it is a directory, or the volume
 * can't be read at all. On success close it with volume_close. */
EFI_STATUS volume_open(EFI_HANDLE device, const char *path, struct volume_file *file);

/* Read all of the file to `to`, which has room for file->size bytes. EFI_END_OF_FILE when it is
 * shorter than it said. */
EFI_STATUS volume_read(struct volume_file *file, void *to);

void volume_close(struct volume_file *file);

/* Open, read into fresh pool memory (free with efi_boot->FreePool) and close. EFI_BAD_BUFFER_SIZE
 * when the file is larger than `max`. */
EFI_STATUS volume_load(EFI_HANDLE device, const char *path, uint64_t max, void **bytes,
		       uint64_t *size);
