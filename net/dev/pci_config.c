/* Virtual configuration space of the network card; see pci_config.h. */
#include "net/dev/pci_config.h"
#include "hv/errno.h"
#include "net/dev/virtio_net.h"

enum pci_register {
	PCI_VENDOR = 0x00,
	PCI_DEVICE = 0x02,
	PCI_COMMAND = 0x04,
	PCI_STATUS = 0x06,
	PCI_REVISION = 0x08,
	PCI_CLASS = 0x09, /* 3 bytes: interface, subclass, class */
	PCI_CACHE_LINE = 0x0c,
	PCI_HEADER_TYPE = 0x0e,
	PCI_BAR = 0x10,
	PCI_SUBSYSTEM_VENDOR = 0x2c,
	PCI_SUBSYSTEM = 0x2e,
	PCI_CAPABILITIES = 0x34,
	PCI_LINE = 0x3c,
	PCI_PIN = 0x3d,
};

#define BARS 6

#define COMMAND_IO	 0x0001u
#define COMMAND_NO_INTX	 0x0400u
#define COMMAND_WRITABLE 0x0547u /* I/O, memory, master, parity, SERR#, INTx disable */

#define STATUS_INTERRUPT    0x0008u
#define STATUS_CAPABILITIES 0x0010u
#define MULTI_FUNCTION	    0x80u

/* Virtio 1.2, 4.1.2: a modern network device of revision 1 */
#define VIRTIO_VENDOR  0x1af4u
#define VIRTIO_NETWORK 0x1041u

/* Virtio 1.2, 4.1.4: where in the BAR which structure lies. */
enum capability_type { CAP_COMMON = 1, CAP_NOTIFY, CAP_ISR, CAP_DEVICE, CAP_PCI };

static const struct {
	uint8_t pos, len, type, off, size;
} capabilities[] = {
	{0x40, 16, CAP_COMMON, VNET_COMMON, VNET_COMMON_SIZE},
	{0x50, 20, CAP_NOTIFY, VNET_NOTIFY, VNET_NOTIFY_SIZE},
	{0x64, 16, CAP_ISR, VNET_ISR, VNET_ISR_SIZE},
	{0x74, 16, CAP_DEVICE, VNET_DEVICE, VNET_DEVICE_SIZE},
	{0x84, 20, CAP_PCI, 0, 0},
};

#define CAP_VENDOR_SPECIFIC 0x09
/* The window's fields within the space (4.1.4.9) */
#define WINDOW		    0x84
#define WINDOW_BAR	    (WINDOW + 4)
#define WINDOW_OFFSET	    (WINDOW + 8)
#define WINDOW_LENGTH	    (WINDOW + 12)
#define WINDOW_DATA	    (WINDOW + 16)

static uint32_t load(const uint8_t *p, unsigned size)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < size; i++)
		v |= (uint32_t)p[i] << (8 * i);
	return v;
}

static void store(uint8_t *p, unsigned size, uint32_t v)
{
	for (unsigned i = 0; i < size; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

/* One BAR: fixed flags below, writable bits above its size. */
static void set_bar(struct pci_config *c, unsigned n, uint64_t base, uint64_t size, uint32_t flags,
		    bool is_64)
{
	uint8_t *data = &c->data[PCI_BAR + 4 * n], *mask = &c->writable[PCI_BAR + 4 * n];
	uint64_t address_bits = ~(size - 1);

	store(data, 4, (uint32_t)base | flags);
	store(mask, 4, (uint32_t)address_bits & ~(flags & 1 ? 3u : 15u));
	if (is_64) {
		store(data + 4, 4, (uint32_t)(base >> 32));
		store(mask + 4, 4, (uint32_t)(address_bits >> 32));
	}
}

/* The physical BARs, and the first number they leave free for ours. */
static int set_bars(struct pci_config *c, const struct boot_nic *facts)
{
	bool taken[BARS] = {false};

	for (unsigned i = 0; i < BARS; i++) {
		bool is_64 = facts->bar[i].is_64 && i + 1 < BARS;

		if (taken[i] || facts->bar[i].size == 0)
			continue;
		taken[i] = true;
		if (is_64)
			taken[i + 1] = true;
		set_bar(c, i, facts->bar[i].base, facts->bar[i].size,
			facts->bar[i].is_io
				? 1u
				: (is_64 ? 4u : 0u) | (facts->bar[i].prefetchable ? 8u : 0u),
			is_64);
	}
	for (uint8_t i = 0; i < BARS; i++)
		if (!taken[i]) {
			c->bar = i;
			set_bar(c, i, 0, VNET_BAR_SIZE, 1, false);
			return 0;
		}
	return -ENOSPC;
}

static void set_capabilities(struct pci_config *c)
{
	unsigned n = sizeof(capabilities) / sizeof(capabilities[0]);

	c->data[PCI_CAPABILITIES] = capabilities[0].pos;
	for (unsigned i = 0; i < n; i++) {
		uint8_t *p = &c->data[capabilities[i].pos];

		p[0] = CAP_VENDOR_SPECIFIC;
		p[1] = i + 1 < n ? capabilities[i + 1].pos : 0;
		p[2] = capabilities[i].len;
		p[3] = capabilities[i].type;
		p[4] = c->bar;
		store(p + 8, 4, capabilities[i].off);
		store(p + 12, 4, capabilities[i].size);
		if (capabilities[i].type == CAP_NOTIFY)
			store(p + 16, 4, VNET_NOTIFY_STEP);
	}
	c->writable[WINDOW_BAR] = 0xff;
	store(&c->writable[WINDOW_OFFSET], 4, ~0u);
	store(&c->writable[WINDOW_LENGTH], 4, ~0u);
	store(&c->writable[WINDOW_DATA], 4, ~0u);
}

int pci_config_init(struct pci_config *c, const struct boot_nic *facts, uint8_t header_type,
		    uint8_t line, uint8_t pin, const struct pci_config_ops *ops)
{
	int err;

	*c = (struct pci_config){.ops = ops};
	store(&c->data[PCI_VENDOR], 2, VIRTIO_VENDOR);
	store(&c->data[PCI_DEVICE], 2, VIRTIO_NETWORK);
	store(&c->data[PCI_STATUS], 2, STATUS_CAPABILITIES);
	c->data[PCI_REVISION] = 1;
	store(&c->data[PCI_CLASS], 3, 0x020000); /* Ethernet controller */
	c->data[PCI_HEADER_TYPE] = header_type & MULTI_FUNCTION;
	store(&c->data[PCI_SUBSYSTEM_VENDOR], 2, VIRTIO_VENDOR);
	store(&c->data[PCI_SUBSYSTEM], 2, VIRTIO_NETWORK);
	c->data[PCI_LINE] = line;
	c->data[PCI_PIN] = pin;

	store(&c->writable[PCI_COMMAND], 2, COMMAND_WRITABLE);
	c->writable[PCI_CACHE_LINE] = 0xff;
	c->writable[PCI_LINE] = 0xff;
	err = set_bars(c, facts);
	if (err)
		return err;
	set_capabilities(c);
	return 0;
}

static bool touches(uint8_t off, uint8_t size, unsigned reg, unsigned len)
{
	return off < reg + len && reg < (unsigned)off + size;
}

bool pci_status_touched(uint8_t off, uint8_t size)
{
	return touches(off, size, PCI_STATUS, 2);
}

void pci_set_interrupt_status(struct pci_config *c, bool pending)
{
	store(&c->data[PCI_STATUS], 2, STATUS_CAPABILITIES | (pending ? STATUS_INTERRUPT : 0));
}

bool pci_window(const struct pci_config *c, uint8_t off, uint8_t size, uint8_t *bar_off,
		uint8_t *bar_size)
{
	uint32_t o = load(&c->data[WINDOW_OFFSET], 4), n = load(&c->data[WINDOW_LENGTH], 4);

	/* 4.1.4.9.1: length 1, 2 or 4, offset a multiple of it */
	if (!touches(off, size, WINDOW_DATA, 4) || c->data[WINDOW_BAR] != c->bar ||
	    (n != 1 && n != 2 && n != 4) || o % n || o > VNET_BAR_SIZE - n)
		return false;
	*bar_off = (uint8_t)o;
	*bar_size = (uint8_t)n;
	return true;
}

void pci_window_set(struct pci_config *c, uint8_t bar_size, uint32_t value)
{
	store(&c->data[WINDOW_DATA], bar_size, value);
}

uint32_t pci_window_get(const struct pci_config *c, uint8_t bar_size)
{
	return load(&c->data[WINDOW_DATA], bar_size);
}

uint32_t pci_config_read(const struct pci_config *c, uint8_t off, uint8_t size)
{
	return load(&c->data[off], size);
}

/* Tell where the virtio BAR is now. */
static void update_bar(struct pci_config *c)
{
	uint32_t raw = load(&c->data[PCI_BAR + 4 * c->bar], 4);
	uint32_t base = raw & ~3u;
	bool on;

	/* All ones asks for the size (6.2.5.1): what is decoded stays until a real value comes. */
	if (raw == ((~(uint32_t)(VNET_BAR_SIZE - 1)) | 1u))
		return;
	/* 0 means not assigned; there are no ports above 16 bits. */
	on = (c->data[PCI_COMMAND] & COMMAND_IO) && base && base <= 0x10000u - VNET_BAR_SIZE;
	if (on == c->bar_on && (!on || (uint16_t)base == c->bar_base))
		return;
	c->bar_on = on;
	c->bar_base = (uint16_t)base;
	c->ops->io_bar((uint16_t)base, on);
}

static void update_command(struct pci_config *c)
{
	bool disabled = load(&c->data[PCI_COMMAND], 2) & COMMAND_NO_INTX;

	if (disabled == c->intx_disabled)
		return;
	c->intx_disabled = disabled;
	c->ops->intx_disable(disabled);
}

void pci_config_write(struct pci_config *c, uint8_t off, uint8_t size, uint32_t value)
{
	for (unsigned i = 0; i < size; i++) {
		uint8_t mask = c->writable[off + i];

		c->data[off + i] =
			(uint8_t)((c->data[off + i] & ~mask) | ((value >> (8 * i)) & mask));
	}
	if (touches(off, size, PCI_COMMAND, 2)) {
		update_command(c);
		update_bar(c);
	}
	if (touches(off, size, PCI_BAR + 4u * c->bar, 4))
		update_bar(c);
}
