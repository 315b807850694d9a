/* The next loader: found, loaded, started.
 *
 * BSP, boot services available.
 */
#pragma once

#include "boot/efi.h"
#include "hv/config.h"

struct next_loader {
	EFI_HANDLE image;
	char path[CONFIG_PATH_MAX];
};

/* Load (but do not start) what the configuration names, or the first of the known loaders, from the
 * volume of `self` first, then from all others; never `self`'s own file. EFI_SUCCESS, or
 * EFI_NOT_FOUND with all that was tried said. */
EFI_STATUS next_load(const struct vigil_config *cfg, const EFI_LOADED_IMAGE *self,
		     struct next_loader *next);

/* Start it. Returns only when it returns: its status. */
EFI_STATUS next_start(struct next_loader *next);

/* Unload it: it is not to be started after all. */
void next_unload(struct next_loader *next);
