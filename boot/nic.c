/* Taking the network card from the firmware, through EFI_PCI_IO_PROTOCOL (UEFI 2.10, 14.4). */
#include "boot/nic.h"

#include "boot/console.h"
#include "boot/facts.h"
#include "hv/errno.h"

/* PCI Local Bus 3.0, 6.1 and 6.2 */
#define PCI_ID	       0x00
#define PCI_COMMAND    0x04
#define PCI_CLASS      0x08 /* revision and class code */
#define PCI_HEADER     0x0c
#define PCI_BAR0       0x10
#define COMMAND_IO     0x0001u
#define COMMAND_MEMORY 0x0002u
#define COMMAND_MASTER 0x0004u
#define CLASS_ETHERNET 0x0200u

/* The e1000 family's register that masks all interrupts (82540EM manual, 13.4.21 IMC). */
#define E1000_IMC 0xd8

#define DISCONNECT_TRIES 4

/* What net/dev drives (its drivers' own tables, net/dev/e1000.c): taking a card that the core then
 * does not know would keep Vigil from starting. */
static const struct {
	uint16_t vendor, device;
	const char *name;
} cards[] = {
	{0x8086, 0x100e, "Intel 82540EM"},
};

static uint32_t config_read(EFI_PCI_IO *pci, uint32_t offset)
{
	uint32_t v = 0xffffffff;

	if (EFI_ERROR(pci->Pci.Read(pci, EfiPciIoWidthUint32, offset, 1, &v)))
		return 0xffffffff;
	return v;
}

static void config_write(EFI_PCI_IO *pci, uint32_t offset, uint32_t v)
{
	(void)pci->Pci.Write(pci, EfiPciIoWidthUint32, offset, 1, &v);
}

static const char *card_name(uint32_t id)
{
	for (size_t i = 0; i < sizeof(cards) / sizeof(cards[0]); i++)
		if (id == ((uint32_t)cards[i].device << 16 | cards[i].vendor))
			return cards[i].name;
	return NULL;
}

static bool locate(EFI_HANDLE handle, struct nic_found *place)
{
	UINTN segment, bus, dev, fn;
	EFI_PCI_IO *pci;
	uint32_t id;

	if (EFI_ERROR(efi_boot->HandleProtocol(handle, &guid_pci_io, (void **)&pci)) ||
	    EFI_ERROR(pci->GetLocation(pci, &segment, &bus, &dev, &fn)) || segment || bus > 255 ||
	    dev > 31 || fn > 7)
		return false;
	id = config_read(pci, PCI_ID);
	*place = (struct nic_found){
		.handle = handle,
		.pci = pci,
		.bdf = (uint16_t)(bus << 8 | dev << 3 | fn),
		.id = id,
	};
	if (config_read(pci, PCI_CLASS) >> 16 == CLASS_ETHERNET &&
	    !(config_read(pci, PCI_HEADER) >> 16 & 0x7f))
		place->name = card_name(id);
	return true;
}

/* The device that was named; otherwise the known card with the lowest address. */
static bool search(const struct vigil_config *cfg, struct nic_found *best)
{
	UINTN count;
	EFI_HANDLE *handles = efi_handles(&guid_pci_io, &count);
	bool found = false;

	for (UINTN i = 0; i < count; i++) {
		struct nic_found p;

		if (!locate(handles[i], &p))
			continue;
		if (cfg->nic == NIC_BDF ? p.bdf != cfg->nic_bdf
					: !p.name || (found && p.bdf > best->bdf))
			continue;
		*best = p;
		found = true;
	}
	if (handles)
		efi_boot->FreePool(handles);
	return found;
}

static void say_card(const struct nic_found *card, const char *what)
{
	say("network card %02x:%02x.%u, %04x:%04x%s%s: %s", card->bdf >> 8, card->bdf >> 3 & 31,
	    card->bdf & 7, card->id & 0xffff, card->id >> 16, card->name ? " " : "",
	    card->name ? card->name : "", what);
}

int nic_find(const struct vigil_config *cfg, struct nic_found *found)
{
	bool any;

	*found = (struct nic_found){0};
	if (cfg->nic == NIC_NONE) {
		say("nic = none: the network half is off");
		return 0;
	}
	any = search(cfg, found);
	if (any && found->name)
		return 0;
	if (!any && cfg->nic == NIC_AUTO) {
		say("no network card that Vigil drives: the network half is off");
		return 0;
	}
	if (any)
		say_card(found, "not one that Vigil drives");
	else
		say("nic = %02x:%02x.%u: there is no such device", cfg->nic_bdf >> 8,
		    cfg->nic_bdf >> 3 & 31, cfg->nic_bdf & 7);
	*found = (struct nic_found){0};
	return -ENODEV;
}

/* Sizes of the BARs; the device must not decode while its BARs hold the probe. */
static void probe_bars(EFI_PCI_IO *pci, struct boot_nic *nic)
{
	uint32_t was[7] = {0}, probe[7] = {0};
	uint32_t command = config_read(pci, PCI_COMMAND) & 0xffff; /* status: write 1 to clear */

	config_write(pci, PCI_COMMAND, command & ~(COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER));
	for (unsigned i = 0; i < 6; i++) {
		uint32_t at = PCI_BAR0 + 4 * i;

		was[i] = config_read(pci, at);
		config_write(pci, at, 0xffffffff);
		probe[i] = config_read(pci, at);
		config_write(pci, at, was[i]);
	}
	for (unsigned i = 0; i < 6;)
		i += (unsigned)facts_bar(was + i, probe + i, nic, i);
	config_write(pci, PCI_COMMAND, (command & ~COMMAND_MASTER) | COMMAND_IO | COMMAND_MEMORY);
}

/* Whether a driver still manages the device. */
static bool has_driver(EFI_HANDLE handle)
{
	EFI_OPEN_PROTOCOL_INFORMATION_ENTRY *users;
	UINTN count;
	bool found = false;

	if (EFI_ERROR(efi_boot->OpenProtocolInformation(handle, &guid_pci_io, &users, &count)))
		return false;
	for (UINTN i = 0; i < count; i++)
		if (users[i].Attributes & EFI_OPEN_PROTOCOL_BY_DRIVER)
			found = true;
	if (users)
		efi_boot->FreePool(users);
	return found;
}

/* iPXE's driver, in the option ROM of QEMU's cards, fails to stop its children at the first call
 * and stops with the second: what counts is not the status, but whether a driver is left. */
static bool disconnect(EFI_HANDLE handle)
{
	for (int i = 0; i < DISCONNECT_TRIES && has_driver(handle); i++)
		(void)efi_boot->DisconnectController(handle, NULL, NULL);
	return !has_driver(handle);
}

int nic_take(struct nic_found *found, struct boot_nic *nic)
{
	uint32_t mask_all = 0xffffffff;

	*nic = (struct boot_nic){0};
	if (!found->handle)
		return 0;
	found->taken = true;
	if (!disconnect(found->handle)) {
		say_card(found, "the firmware's driver does not let go of it");
		nic_give_back(found);
		return -EBUSY;
	}
	*nic = (struct boot_nic){
		.present = 1,
		.bdf = found->bdf,
		.vendor = (uint16_t)found->id,
		.device = (uint16_t)(found->id >> 16),
	};
	probe_bars(found->pci, nic);
	if (!nic->bar[0].size || nic->bar[0].is_io || !nic->bar[0].base) {
		say_card(found, "the firmware gave its registers no address");
		*nic = (struct boot_nic){0};
		nic_give_back(found);
		return -ENODEV;
	}
	(void)found->pci->Mem.Write(found->pci, EfiPciIoWidthUint32, 0, E1000_IMC, 1, &mask_all);
	say_card(found, "taken");
	return 0;
}

void nic_give_back(struct nic_found *found)
{
	if (found->taken)
		(void)efi_boot->ConnectController(found->handle, NULL, NULL, TRUE);
	found->taken = false;
}
