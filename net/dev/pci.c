/* PCI configuration interception; see pci.h. */
#include "net/dev/pci.h"
#include "hv/counter.h"
#include "hv/errno.h"
#include "hv/io.h"
#include "hv/lock.h"
#include "hv/log.h"
#include "hv/machine.h"
#include "net/dev/path.h"
#include "net/dev/pci_config.h"
#include "net/dev/virtio_net.h"

/* PCI Local Bus 3.0, 3.2.2.3.2: configuration mechanism #1 */
#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define ADDRESS_ENABLE 0x80000000u
#define ADDRESS_BDF    0x00ffff00u

#define PCI_COMMAND	0x04
#define PCI_HEADER_TYPE 0x0e
#define PCI_LINE	0x3c
#define PCI_PIN		0x3d

#define PAGE 4096u

static struct {
	uint32_t address;	/* what 0xCF8 holds, less the register, for the card's function */
	uint32_t guest_address; /* what the guest has written there, where that is trapped */
	bool vanished, intercepted;
	struct spinlock lock; /* guards config and shadow; never held while the BAR is accessed */
	struct pci_config config;
	uint32_t *shadow; /* the ECAM page, or NULL */
	int bar_range;	  /* id of the virtio BAR's ports */
	uint64_t accesses;
} pci;

static void update_shadow(void)
{
	if (pci.shadow)
		for (unsigned i = 0; i < PCI_CONFIG_SIZE; i += 4)
			pci.shadow[i / 4] = pci_config_read(&pci.config, (uint8_t)i, 4);
}

static uint32_t config_read(uint8_t off, uint8_t size)
{
	uint8_t bar_off, bar_size;
	uint32_t value;
	bool window, pending = pci_status_touched(off, size) && path_interrupt_pending();

	spin_lock(&pci.lock);
	pci.accesses++;
	pci_set_interrupt_status(&pci.config, pending);
	window = pci_window(&pci.config, off, size, &bar_off, &bar_size);
	if (window) {
		spin_unlock(&pci.lock);
		value = path_bar_read(bar_off, bar_size);
		spin_lock(&pci.lock);
		pci_window_set(&pci.config, bar_size, value);
		update_shadow();
	}
	value = pci_config_read(&pci.config, off, size);
	spin_unlock(&pci.lock);
	return value;
}

static void config_write(uint8_t off, uint8_t size, uint32_t value)
{
	uint8_t bar_off, bar_size;
	uint32_t data = 0;
	bool window;

	spin_lock(&pci.lock);
	pci.accesses++;
	pci_config_write(&pci.config, off, size, value);
	window = pci_window(&pci.config, off, size, &bar_off, &bar_size);
	if (window)
		data = pci_window_get(&pci.config, bar_size);
	update_shadow();
	spin_unlock(&pci.lock);
	if (window)
		path_bar_write(bar_off, bar_size, data);
}

/* --- ports ------------------------------------------------------------------------------------ */

/* Out of line: the other case is the hot one. */
__attribute__((noinline)) static void own_access(uint8_t off, struct io_access *access)
{
	if (pci.vanished || off % access->size) {
		/* An access across registers is split by no known system: nothing answers. */
		if (!access->write)
			access->value = ~0u;
	} else if (access->write) {
		config_write(off, access->size, access->value);
	} else {
		access->value = config_read(off, access->size);
	}
}

/* Several CPUs: one could change the address register between our look at it and the access, and so
 * reach the card. There it is trapped too and kept here, and the access is made at the address that
 * was looked at. */
static void address_port(void *ctx, struct io_access *access)
{
	(void)ctx;
	if (access->size != 4) { /* 0xCF9 is the reset control register; others are no address */
		if (access->write)
			io_out(access->port, access->size, access->value);
		else
			access->value = io_in(access->port, access->size);
	} else if (access->write) {
		__atomic_store_n(&pci.guest_address, access->value, __ATOMIC_RELAXED);
	} else {
		access->value = __atomic_load_n(&pci.guest_address, __ATOMIC_RELAXED);
	}
}

static void data_port_smp(void *ctx, struct io_access *access)
{
	uint32_t address = __atomic_load_n(&pci.guest_address, __ATOMIC_RELAXED);
	uint16_t bdf = (uint16_t)(address >> 8);
	uint16_t off = (uint16_t)((address & 0xfc) + (access->port & 3u));

	(void)ctx;
	if ((address & (ADDRESS_ENABLE | ADDRESS_BDF)) == pci.address)
		own_access((uint8_t)off, access);
	else if (!(address & ADDRESS_ENABLE) || off % access->size)
		access->value = ~0u;
	else if (access->write)
		pci_write(bdf, off, access->size, access->value);
	else
		access->value = pci_read(bdf, off, access->size);
}

/* The hot path of a boot on one CPU: 34,000 times in Linux', nearly always for others. The guest
 * writes the address register itself. */
static void data_port(void *ctx, struct io_access *access)
{
	uint32_t address = io_in(CONFIG_ADDRESS, 4);

	(void)ctx;
	if ((address & (ADDRESS_ENABLE | ADDRESS_BDF)) == pci.address)
		own_access((uint8_t)((address & 0xfc) + (access->port & 3u)), access);
	else if (access->write)
		io_out(access->port, access->size, access->value);
	else
		access->value = io_in(access->port, access->size);
}

static void virtio_port(void *ctx, struct io_access *access)
{
	uint8_t off = access->port % VNET_BAR_SIZE; /* a BAR lies at a multiple of its size */

	(void)ctx;
	if (access->write)
		path_bar_write(off, access->size, access->value);
	else
		access->value = path_bar_read(off, access->size);
}

/* The ports of the card's own I/O BAR, which it does not decode any more. */
static void inert_port(void *ctx, struct io_access *access)
{
	(void)ctx;
	if (!access->write)
		access->value = ~0u;
}

/* --- what the virtual configuration space asks for; with pci.lock ----------------------------- */

static void io_bar(uint16_t base, bool enable)
{
	int err = io_move(pci.bar_range, base, enable);

	if (err)
		log_warn("virtio BAR at port %x refused: %d", base, err);
}

static const struct pci_config_ops config_ops = {
	.io_bar = io_bar,
	.intx_disable = path_intx_disable,
};

/* --- ECAM ------------------------------------------------------------------------------------- */

/* An absent function. */
static void fill_shadow(void)
{
	for (unsigned i = 0; i < PAGE / 4; i++)
		pci.shadow[i] = ~0u;
}

/* The guest wrote to the shadow page: make a configuration write of what differs. */
static void shadow_written(void *ctx)
{
	(void)ctx;
	if (pci.vanished) {
		fill_shadow();
		return;
	}
	for (unsigned i = 0; i < PCI_CONFIG_SIZE; i += 4) {
		uint32_t is = __atomic_load_n(&pci.shadow[i / 4], __ATOMIC_RELAXED);
		uint32_t was = pci_config_read(&pci.config, (uint8_t)i, 4);
		uint32_t diff = is ^ was;

		if (!diff)
			continue;
		/* The narrowest access that covers the difference. */
		if (!(diff & 0xffff0000u))
			config_write((uint8_t)i, 2, is & 0xffff);
		else if (!(diff & 0xffffu))
			config_write((uint8_t)(i + 2), 2, is >> 16);
		else
			config_write((uint8_t)i, 4, is);
	}
	/* Read-only bits that the guest tried to change show their values again. */
	spin_lock(&pci.lock);
	update_shadow();
	spin_unlock(&pci.lock);
}

static int shadow_ecam(const struct boot_info *info)
{
	uint8_t bus = (uint8_t)(info->nic.bdf >> 8);

	for (uint32_t i = 0; i < info->necam && i < BOOT_MAX_ECAM; i++) {
		const struct boot_ecam *e = &info->ecam[i];

		if (e->segment || bus < e->start_bus || bus > e->end_bus)
			continue;
		pci.shadow = pages_alloc(1);
		if (!pci.shadow)
			return -ENOMEM;
		if (pci.vanished)
			fill_shadow();
		else
			update_shadow();
		return guest_shadow_page(e->base + ((uint64_t)info->nic.bdf << 12), pci.shadow,
					 shadow_written, NULL);
	}
	return 0;
}

/* --- set-up ----------------------------------------------------------------------------------- */

static int hide_bars(const struct boot_nic *nic)
{
	for (unsigned i = 0; i < 6; i++) {
		uint64_t base = nic->bar[i].base, size = nic->bar[i].size;
		int err;

		if (!base || !size)
			continue;
		if (nic->bar[i].is_io)
			err = io_register((uint16_t)base, (uint32_t)size, inert_port, NULL);
		else
			err = guest_hide(base & ~(uint64_t)(PAGE - 1),
					 (size + PAGE - 1) & ~(uint64_t)(PAGE - 1));
		if (err < 0)
			return err;
	}
	return 0;
}

static int intercept(const struct boot_info *info)
{
	int err;

	/* A start that failed after this point has left the interception to pci_vanish. */
	if (pci.intercepted)
		return 0;
	pci.intercepted = true;
	pci.address = ADDRESS_ENABLE | (uint32_t)info->nic.bdf << 8;
	counter_register("net.pci_accesses", &pci.accesses);
	err = hide_bars(&info->nic);
	if (err)
		return err;
	err = io_register(CONFIG_DATA, 4, info->ncpu > 1 ? data_port_smp : data_port, NULL);
	if (err >= 0 && info->ncpu > 1) {
		pci.guest_address = io_in(CONFIG_ADDRESS, 4);
		err = io_register(CONFIG_ADDRESS, 4, address_port, NULL);
	}
	if (err < 0)
		return err;
	return shadow_ecam(info);
}

int pci_present(const struct boot_info *info)
{
	uint16_t bdf = info->nic.bdf;
	int err;

	err = pci_config_init(&pci.config, &info->nic, (uint8_t)pci_read(bdf, PCI_HEADER_TYPE, 1),
			      (uint8_t)pci_read(bdf, PCI_LINE, 1),
			      (uint8_t)pci_read(bdf, PCI_PIN, 1), &config_ops);
	if (err)
		return err;
	/* Somewhere harmless until the guest places it. */
	pci.bar_range = io_register(0x10000 - VNET_BAR_SIZE, VNET_BAR_SIZE, virtio_port, NULL);
	if (pci.bar_range < 0)
		return pci.bar_range;
	err = io_move(pci.bar_range, 0x10000 - VNET_BAR_SIZE, false);
	if (err)
		return err;
	return intercept(info);
}

int pci_vanish(const struct boot_info *info)
{
	pci.vanished = true;
	pci_write(info->nic.bdf, PCI_COMMAND, 2, 0);
	if (pci.shadow)
		fill_shadow();
	return intercept(info);
}
