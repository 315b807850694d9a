/* The network half's unit: takes the card that the loader found, and puts the virtual one in its
 * place.
 *
 * Without a card (nic = none, or none found) nothing is intercepted at all. A card that can't be
 * driven is Vigil's all the same: when the configuration names it, Vigil doesn't start; with nic =
 * auto the machine goes on without it. The guest must not have it half initialized and
 * uninspected, so it vanishes from the PCI bus.
 */
#include "hv/errno.h"
#include "hv/frames.h"
#include "hv/log.h"
#include "hv/own_mac.h"
#include "hv/unit.h"
#include "net/dev/nic.h"
#include "net/dev/path.h"
#include "net/dev/pci.h"

static const struct nic_driver *const drivers[] = {&e1000_driver};

static int start(const struct nic_driver *driver, struct boot_info *info)
{
	uint8_t mac[6], own[6];
	int err = driver->init(&info->nic, mac);

	if (err)
		return err;
	err = pci_present(info);
	if (err)
		return err;
	if (info->config.address != ADDRESS_NONE) {
		own_mac(own, mac);
		driver->add_address(own);
	}
	err = path_init(driver, &intr_intx, mac, info->config.address != ADDRESS_NONE);
	if (!err)
		frames_nic(mac);
	return err;
}

static int give_up(struct boot_info *info, const char *why, int err)
{
	const struct boot_nic *nic = &info->nic;

	if (info->config.nic == NIC_BDF)
		return init_error(-ENODEV, "NIC %02x:%02x.%x (%04x:%04x): %s (%d)", nic->bdf >> 8,
				  nic->bdf >> 3 & 31, nic->bdf & 7, nic->vendor, nic->device, why,
				  err);
	log_warn("NIC %02x:%02x.%x (%04x:%04x): %s (%d); hidden, no network", nic->bdf >> 8,
		 nic->bdf >> 3 & 31, nic->bdf & 7, nic->vendor, nic->device, why, err);
	return pci_vanish(info);
}

static int net_init(struct boot_info *info)
{
	const struct nic_driver *driver = NULL;
	int err;

	if (!info->nic.present)
		return 0;
	for (unsigned i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (drivers[i]->probe(info->nic.vendor, info->nic.device))
			driver = drivers[i];
	if (!driver || info->nic.segment)
		return give_up(info,
			       driver ? "only PCI segment 0 is supported" : "model not supported",
			       -ENODEV);
	err = start(driver, info);
	return err ? give_up(info, "does not start", err) : 0;
}

UNIT(40, net, net_init);
