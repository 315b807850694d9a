/* Finding the UART's controller handle by its ACPI device path (UEFI 2.10, 10.3.3: PNP0501, whose
 * unique id counts the ports from 0 for COM1). */
#include "boot/serial.h"

#define EISA_PNP0501 0x050141d0u /* EISA id of a 16550-compatible port */

static const uint16_t com_ports[] = {0x3f8, 0x2f8, 0x3e8, 0x2e8};

static EFI_HANDLE taken;

/* Whether the path's last node is the serial port `uid`. */
static bool is_port(const EFI_DEVICE_PATH *path, uint32_t uid)
{
	const EFI_DEVICE_PATH *last = NULL;

	for (int i = 0; i < EFI_NODES_MAX && path->Type != END_DEVICE_PATH_TYPE; i++) {
		size_t len = efi_node_length(path);

		if (len < sizeof(*path))
			return false;
		last = path;
		path = (const void *)((const uint8_t *)path + len);
	}
	if (!last || last->Type != ACPI_DEVICE_PATH || last->SubType != ACPI_DP)
		return false;
	return ((const ACPI_HID_DEVICE_PATH *)(const void *)last)->HID == EISA_PNP0501 &&
	       ((const ACPI_HID_DEVICE_PATH *)(const void *)last)->UID == uid;
}

static EFI_HANDLE find(uint32_t uid)
{
	UINTN count;
	EFI_HANDLE *handles = efi_handles(&guid_device_path, &count), found = NULL;

	for (UINTN i = 0; i < count && !found; i++) {
		EFI_DEVICE_PATH *path;

		if (!EFI_ERROR(efi_boot->HandleProtocol(handles[i], &guid_device_path,
							(void **)&path)) &&
		    is_port(path, uid))
			found = handles[i];
	}
	if (handles)
		efi_boot->FreePool(handles);
	return found;
}

void serial_take(uint16_t base)
{
	for (uint32_t uid = 0; uid < sizeof(com_ports) / sizeof(com_ports[0]); uid++) {
		EFI_HANDLE port = com_ports[uid] == base ? find(uid) : NULL;

		if (port && !EFI_ERROR(efi_boot->DisconnectController(port, NULL, NULL)))
			taken = port;
	}
}

void serial_give_back(void)
{
	if (taken)
		(void)efi_boot->ConnectController(taken, NULL, NULL, TRUE);
	taken = NULL;
}
