/* Chain-loading (UEFI 2.10, 7.4 LoadImage, StartImage; 10.3 device paths). */
#include "boot/next.h"

#include "boot/console.h"
#include "boot/mem.h"
#include "boot/paths.h"
#include "boot/volume.h"

/* --- device paths --------------------------------------------------------------------------- */

static bool is_end(const EFI_DEVICE_PATH *node)
{
	return node->Type == END_DEVICE_PATH_TYPE;
}

/* Bytes before the end node; 0: malformed. */
static size_t path_length(const EFI_DEVICE_PATH *path)
{
	const uint8_t *at = (const void *)path;

	for (int i = 0; i < EFI_NODES_MAX; i++) {
		const EFI_DEVICE_PATH *node = (const void *)at;

		if (is_end(node))
			return (size_t)(at - (const uint8_t *)path);
		if (efi_node_length(node) < sizeof(*node))
			return 0;
		at += efi_node_length(node);
	}
	return 0;
}

/* `device`'s path with a file path node behind it, in pool memory; NULL: can't. */
static EFI_DEVICE_PATH *file_device_path(EFI_HANDLE device, const char *file)
{
	EFI_DEVICE_PATH *head;
	EFI_DEVICE_PATH node = {MEDIA_DEVICE_PATH, MEDIA_FILEPATH_DP, {0}};
	EFI_DEVICE_PATH end = {
		END_DEVICE_PATH_TYPE, END_ENTIRE_DEVICE_PATH_SUBTYPE, {sizeof(EFI_DEVICE_PATH), 0}};
	size_t head_len, chars = 0, len;
	uint8_t *out, *at;

	if (EFI_ERROR(efi_boot->HandleProtocol(device, &guid_device_path, (void **)&head)))
		return NULL;
	head_len = path_length(head);
	while (file[chars])
		chars++;
	len = sizeof(node) + (chars + 1) * sizeof(CHAR16);
	if (!head_len || EFI_ERROR(efi_boot->AllocatePool(
				 EfiLoaderData, head_len + len + sizeof(end), (void **)&out)))
		return NULL;
	node.Length[0] = (uint8_t)len;
	node.Length[1] = (uint8_t)(len >> 8);
	memcpy(out, head, head_len);
	at = out + head_len;
	memcpy(at, &node, sizeof(node));
	at += sizeof(node);
	for (size_t i = 0; i <= chars; i++, at += sizeof(CHAR16)) {
		CHAR16 c = (CHAR16)file[i];

		memcpy(at, &c, sizeof(c));
	}
	memcpy(at, &end, sizeof(end));
	return (EFI_DEVICE_PATH *)(void *)out;
}

/* Whether `file` of `device` is this very image. */
static bool is_self(const EFI_LOADED_IMAGE *self, EFI_HANDLE device, const char *file)
{
	const EFI_DEVICE_PATH *node = self->FilePath;

	/* The path may be cut in several nodes; then the loader's own protocol finds it out. */
	return device == self->DeviceHandle && node && node->Type == MEDIA_DEVICE_PATH &&
	       node->SubType == MEDIA_FILEPATH_DP && efi_node_length(node) >= sizeof(*node) &&
	       paths_same((const unsigned short *)(const void *)(node + 1),
			  (efi_node_length(node) - sizeof(*node)) / sizeof(CHAR16), file);
}

/* --- loading -------------------------------------------------------------------------------- */

static EFI_STATUS set_args(EFI_HANDLE image, const char *args)
{
	EFI_LOADED_IMAGE *loaded;
	CHAR16 *wide;
	size_t len = 0;
	EFI_STATUS status;

	while (args[len])
		len++;
	if (!len)
		return EFI_SUCCESS;
	status = efi_boot->HandleProtocol(image, &guid_loaded_image, (void **)&loaded);
	/* Not freed by us: the image reads it while it runs. */
	if (!EFI_ERROR(status))
		status = efi_boot->AllocatePool(EfiLoaderData, (len + 1) * sizeof(CHAR16),
						(void **)&wide);
	if (EFI_ERROR(status))
		return status;
	for (size_t i = 0; i <= len; i++)
		wide[i] = (CHAR16)args[i];
	loaded->LoadOptions = wide;
	loaded->LoadOptionsSize = (UINT32)((len + 1) * sizeof(CHAR16));
	return EFI_SUCCESS;
}

static bool try(const struct vigil_config *cfg, const EFI_LOADED_IMAGE *self, EFI_HANDLE device,
		const struct next_path *p, struct next_loader *next)
{
	struct volume_file file;
	EFI_DEVICE_PATH *path;
	EFI_STATUS status;
	size_t i;

	if (is_self(self, device, p->path)) {
		say("%s is Vigil's own loader: passed over", p->path);
		return false;
	}
	if (EFI_ERROR(volume_open(device, p->path, &file)))
		return false;
	volume_close(&file);
	path = file_device_path(device, p->path);
	status = path ? efi_boot->LoadImage(FALSE, efi_image, path, NULL, 0, &next->image)
		      : EFI_OUT_OF_RESOURCES;
	if (path)
		efi_boot->FreePool(path);
	if (EFI_ERROR(status)) {
		/* Secure Boot leaves the image loaded for inspection (UEFI 2.10, 7.4.1). */
		if (status == EFI_SECURITY_VIOLATION)
			efi_boot->UnloadImage(next->image);
		say("%s can't be loaded: %s", p->path, efi_status_name(status));
		return false;
	}
	status = p->with_args ? set_args(next->image, cfg->next_args) : EFI_SUCCESS;
	if (EFI_ERROR(status)) {
		say("%s can't be given its command line: %s", p->path, efi_status_name(status));
		next_unload(next);
		return false;
	}
	for (i = 0; p->path[i]; i++)
		next->path[i] = p->path[i];
	next->path[i] = 0;
	return true;
}

static bool try_volume(const struct vigil_config *cfg, const EFI_LOADED_IMAGE *self,
		       EFI_HANDLE device, struct next_loader *next)
{
	struct next_path p;

	for (unsigned i = 0; paths_next(cfg, i, &p); i++)
		if (try(cfg, self, device, &p, next))
			return true;
	return false;
}

EFI_STATUS next_load(const struct vigil_config *cfg, const EFI_LOADED_IMAGE *self,
		     struct next_loader *next)
{
	UINTN count;
	EFI_HANDLE *volumes = efi_handles(&guid_file_system, &count);
	bool found = try_volume(cfg, self, self->DeviceHandle, next);
	struct next_path p;

	for (UINTN i = 0; !found && i < count; i++)
		if (volumes[i] != self->DeviceHandle)
			found = try_volume(cfg, self, volumes[i], next);
	if (volumes)
		efi_boot->FreePool(volumes);
	if (found)
		return EFI_SUCCESS;
	say("no next loader to start; tried on %lu volume(s):", count);
	for (unsigned i = 0; paths_next(cfg, i, &p); i++)
		say("  %s", p.path);
	return EFI_NOT_FOUND;
}

EFI_STATUS next_start(struct next_loader *next)
{
	EFI_STATUS status = efi_boot->StartImage(next->image, NULL, NULL);

	say("%s came back: %s", next->path, efi_status_name(status));
	return status;
}

void next_unload(struct next_loader *next)
{
	efi_boot->UnloadImage(next->image);
	next->image = NULL;
}
