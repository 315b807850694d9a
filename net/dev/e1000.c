/* Driver of Intel 8254x network cards.
 *
 * Legacy descriptors, one frame per descriptor, DMA directly from and into frame slots. Section
 * numbers: 8254x Software Developer's Manual (317453). The card is trusted to be a card, but what
 * it writes (length, status, errors) is checked all the same: it comes from the wire in the end.
 *
 * Receive: exact match with the card's own address, all multicast, broadcast. Not promiscuous:
 * what a switch floods for others is not the guest's, and must not raise its alerts.
 */
#include "net/dev/e1000.h"
#include "hv/abi.h"
#include "hv/counter.h"
#include "hv/errno.h"
#include "hv/event.h"
#include "hv/frames.h"
#include "hv/log.h"
#include "hv/machine.h"
#include "hv/timer.h"
#include "net/dev/nic.h"

#define PCI_COMMAND	0x04
#define COMMAND_IO	(1u << 0)
#define COMMAND_MEMORY	(1u << 1)
#define COMMAND_MASTER	(1u << 2)
#define COMMAND_NO_INTX (1u << 10)

/* How models differ. Only models that a test has driven are listed; a further one of the family
 * (82574L 10D3 and 82576 10C9: EERD address at bit 2 with done at bit 1; 82576: raise by another
 * cause, and queues that need enabling) is a line here. */
struct model {
	uint16_t device;
	const char *name;
	uint8_t eerd_shift; /* of the word's address in EERD (13.4.4) */
	uint32_t eerd_done;
	uint32_t events; /* causes: frames received, ring low, overrun, carrier (13.4.17) */
	uint32_t raise;	 /* a cause that never happens by itself: MDIO access done, without MDIO
			  * accesses; software sets it by ICS (13.4.19) */
};

static const struct model models[] = {
	{0x100e, "82540EM", 8, 1u << 4,
	 E1000_INT_RXT0 | E1000_INT_RXDMT0 | E1000_INT_RXO | E1000_INT_LSC, E1000_INT_MDAC},
};

static struct {
	volatile void *regs;
	const struct model *model;
	volatile struct e1000_rx_desc *rx;
	volatile struct e1000_tx_desc *tx;
	uint32_t rx_slot[E1000_RX_RING], tx_slot[E1000_TX_RING];
	uint32_t rx_next;	    /* next descriptor that the card fills */
	uint32_t tx_tail, tx_clean; /* next to fill; next to come back */
	uint32_t tx_told;	    /* the tail that the card knows */
	uint32_t allowed;	    /* interrupt causes */
	bool skip;		    /* inside of a frame that spans descriptors */
	bool complained;
} nic;

static uint64_t rx_errors, rx_no_slot;

static uint32_t get(uint32_t reg)
{
	return mmio_read32(nic.regs, reg);
}

static void set(uint32_t reg, uint32_t value)
{
	mmio_write32(nic.regs, reg, value);
}

static void delay(uint64_t us)
{
	uint64_t end = time_now() + time_us(us);

	while (time_now() < end)
		__builtin_ia32_pause();
}

static const struct model *find(uint16_t vendor, uint16_t device)
{
	if (vendor == 0x8086)
		for (unsigned i = 0; i < sizeof(models) / sizeof(models[0]); i++)
			if (models[i].device == device)
				return &models[i];
	return NULL;
}

static bool e1000_probe(uint16_t vendor, uint16_t device)
{
	return find(vendor, device) != NULL;
}

/* 14.3: global reset. PCI registers are kept; the EEPROM is read anew, which takes a while. */
static int reset(void)
{
	set(E1000_IMC, ~0u);
	set(E1000_RCTL, 0);
	set(E1000_TCTL, E1000_TCTL_PSP);
	delay(10000); /* DMA that is under way ends */
	set(E1000_CTRL, get(E1000_CTRL) | E1000_CTRL_RST);
	delay(10000);
	for (unsigned i = 0; get(E1000_CTRL) & E1000_CTRL_RST; i++) {
		if (i == 20)
			return -ETIMEDOUT;
		delay(1000);
	}
	set(E1000_IMC, ~0u);
	(void)get(E1000_ICR);
	return 0;
}

static int eeprom_read(uint8_t word, uint16_t *value)
{
	set(E1000_EERD, 1u | (uint32_t)word << nic.model->eerd_shift);
	for (unsigned i = 0; i < 100; i++) {
		uint32_t v = get(E1000_EERD);

		if (v & nic.model->eerd_done) {
			*value = (uint16_t)(v >> 16);
			return 0;
		}
		delay(50);
	}
	return -ETIMEDOUT;
}

/* The station address: from the receive address that the card loaded at reset, else its source. */
static int read_mac(uint8_t mac[6])
{
	uint32_t low = get(E1000_RAL), high = get(E1000_RAH);

	if (!(high & E1000_RAH_AV)) {
		uint16_t w[3];

		for (uint8_t i = 0; i < 3; i++)
			if (eeprom_read(i, &w[i]))
				return -EIO;
		low = w[0] | (uint32_t)w[1] << 16;
		high = w[2];
	}
	for (unsigned i = 0; i < 4; i++)
		mac[i] = (uint8_t)(low >> (8 * i));
	mac[4] = (uint8_t)high;
	mac[5] = (uint8_t)(high >> 8);
	/* Neither a group address nor all zeros (all ones is a group address). */
	if ((mac[0] & 1) || !(low | (high & 0xffff)))
		return -EIO;
	return 0;
}

/* Receive address `index`; low half first, because the high one has the valid bit (82540EM manual,
 * 13.5.3 RAL, 13.5.4 RAH). */
static void set_address(uint32_t index, const uint8_t mac[6])
{
	set(E1000_RAL + 8 * index,
	    mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 | (uint32_t)mac[3] << 24);
	set(E1000_RAH + 8 * index, mac[4] | (uint32_t)mac[5] << 8 | E1000_RAH_AV);
}

static void set_addresses(const uint8_t mac[6])
{
	set_address(0, mac);
	for (uint32_t i = 1; i < 16; i++)
		set(E1000_RAH + 8 * i, 0);
	for (uint32_t i = 0; i < 128; i++)
		set(E1000_MTA + 4 * i, 0);
}

static void e1000_add_address(const uint8_t mac[6])
{
	set_address(1, mac);
}

static int setup_rx(void)
{
	nic.rx = pages_alloc(1);
	if (!nic.rx)
		return -ENOMEM;
	for (uint32_t i = 0; i < E1000_RX_RING; i++) {
		int slot = frame_alloc();

		if (slot < 0)
			return -ENOMEM;
		nic.rx_slot[i] = (uint32_t)slot;
		nic.rx[i].addr = frame_phys((uint32_t)slot);
	}
	nic.rx_next = 0;
	nic.skip = false;
	set(E1000_RXCSUM, 0);
	set(E1000_RDTR, 0); /* interrupts at once: intr.c moderates */
	set(E1000_RADV, 0);
	set(E1000_RDBAL, (uint32_t)(uintptr_t)nic.rx);
	set(E1000_RDBAH, (uint32_t)((uint64_t)(uintptr_t)nic.rx >> 32));
	set(E1000_RDLEN, E1000_RX_RING * sizeof(struct e1000_rx_desc));
	set(E1000_RDH, 0);
	set(E1000_RDT, E1000_RX_RING - 1); /* equal head and tail would mean none (3.2.6) */
	return 0;
}

static int setup_tx(void)
{
	nic.tx = pages_alloc(1);
	if (!nic.tx)
		return -ENOMEM;
	nic.tx_tail = nic.tx_clean = nic.tx_told = 0;
	set(E1000_TDBAL, (uint32_t)(uintptr_t)nic.tx);
	set(E1000_TDBAH, (uint32_t)((uint64_t)(uintptr_t)nic.tx >> 32));
	set(E1000_TDLEN, E1000_TX_RING * sizeof(struct e1000_tx_desc));
	set(E1000_TDH, 0);
	set(E1000_TDT, 0);
	set(E1000_TIDV, 0);
	set(E1000_TIPG, 8u | 8u << 10 | 6u << 20); /* 13.4.34: copper */
	/* 13.4.33: pad short frames; collision threshold 15, distance 64 byte times */
	set(E1000_TCTL, E1000_TCTL_EN | E1000_TCTL_PSP | E1000_TCTL_CT(15) | E1000_TCTL_COLD(64));
	return 0;
}

static int e1000_init(const struct boot_nic *facts, uint8_t mac[6])
{
	uint32_t command, ctrl;
	int err;

	nic.model = find(facts->vendor, facts->device);
	if (!nic.model || facts->bar[0].is_io || facts->bar[0].base == 0 ||
	    facts->bar[0].size < E1000_BAR_SIZE)
		return -ENODEV;
	nic.regs = mmio_map(facts->bar[0].base, E1000_BAR_SIZE);
	if (!nic.regs)
		return -ENOMEM;

	/* Its I/O BAR is a second way to the same registers: closed. */
	command = pci_read(facts->bdf, PCI_COMMAND, 2);
	command = (command | COMMAND_MEMORY | COMMAND_MASTER) & ~(COMMAND_IO | COMMAND_NO_INTX);
	pci_write(facts->bdf, PCI_COMMAND, 2, command);

	err = reset();
	if (err)
		return err;
	err = read_mac(mac);
	if (err)
		return err;
	set_addresses(mac);

	ctrl = get(E1000_CTRL) | E1000_CTRL_SLU | E1000_CTRL_ASDE;
	ctrl &= ~(E1000_CTRL_LRST | E1000_CTRL_ILOS | E1000_CTRL_FRCSPD | E1000_CTRL_FRCDPX |
		  E1000_CTRL_VME | E1000_CTRL_PHYRST);
	set(E1000_CTRL, ctrl);
	/* No flow control: a paused sender must not hold up Vigil's own ring. */
	set(E1000_FCAL, 0);
	set(E1000_FCAH, 0);
	set(E1000_FCT, 0);
	set(E1000_FCTTV, 0);

	err = setup_rx();
	if (err)
		return err;
	err = setup_tx();
	if (err)
		return err;
	nic.allowed = 0;
	nic.complained = false;
	counter_register("net.nic_rx_errors", &rx_errors);
	counter_register("net.nic_rx_no_slot", &rx_no_slot);
	log_info("NIC %02x:%02x.%x: %s, %02x:%02x:%02x:%02x:%02x:%02x", facts->bdf >> 8,
		 facts->bdf >> 3 & 31, facts->bdf & 7, nic.model->name, mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return 0;
}

/* Receive off to begin with. Buffers of 2,048 bytes, no long packets (1,522 bytes with FCS at
 * most), FCS stripped (13.4.22). */
static void e1000_rx_enable(bool on)
{
	set(E1000_RCTL,
	    (on ? E1000_RCTL_EN : 0) | E1000_RCTL_MPE | E1000_RCTL_BAM | E1000_RCTL_SECRC);
}

/* Whether the descriptor holds one whole good frame. */
static bool good(uint8_t status, uint8_t errors, uint16_t len)
{
	bool whole = (status & E1000_RXD_EOP) && !nic.skip;

	nic.skip = !(status & E1000_RXD_EOP);
	if (len > ABI_FRAME_SIZE && !nic.complained) {
		nic.complained = true;
		event_post(ABI_EVENT_NET_FAULT, ABI_NET_NIC, 0, len);
	}
	return whole && !errors && len >= ABI_FRAME_MIN && len <= ABI_FRAME_MAX;
}

static uint32_t e1000_rx(struct nic_frame *out, uint32_t max)
{
	uint32_t taken = 0, got = 0;

	while (got < max && taken < E1000_RX_RING) {
		volatile struct e1000_rx_desc *d = &nic.rx[nic.rx_next];
		uint8_t status = d->status;

		if (!(status & E1000_RXD_DD))
			break;
		/* The other fields were written before DD (3.2.4). */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		uint16_t len = d->length;

		if (good(status, d->errors, len)) {
			int fresh = frame_alloc();

			if (fresh >= 0) {
				out[got++] = (struct nic_frame){nic.rx_slot[nic.rx_next], len};
				nic.rx_slot[nic.rx_next] = (uint32_t)fresh;
				d->addr = frame_phys((uint32_t)fresh);
			} else {
				rx_no_slot++; /* the slot stays with the card, the frame is lost */
			}
		} else {
			rx_errors++;
		}
		d->status = 0;
		nic.rx_next = (nic.rx_next + 1) % E1000_RX_RING;
		taken++;
	}
	if (taken)
		set(E1000_RDT, (nic.rx_next + E1000_RX_RING - 1) % E1000_RX_RING);
	return got;
}

static uint32_t tx_used(void)
{
	return (nic.tx_tail + E1000_TX_RING - nic.tx_clean) % E1000_TX_RING;
}

static uint32_t e1000_tx_room(void)
{
	while (nic.tx_clean != nic.tx_told && (nic.tx[nic.tx_clean].status & E1000_TXD_DD)) {
		frame_free(nic.tx_slot[nic.tx_clean]);
		nic.tx_clean = (nic.tx_clean + 1) % E1000_TX_RING;
	}
	return E1000_TX_RING - 1 - tx_used();
}

static int e1000_tx(uint32_t slot, uint32_t len)
{
	volatile struct e1000_tx_desc *d = &nic.tx[nic.tx_tail];

	if (tx_used() == E1000_TX_RING - 1 && e1000_tx_room() == 0)
		return -ENOSPC;
	nic.tx_slot[nic.tx_tail] = slot;
	d->addr = frame_phys(slot);
	d->length = (uint16_t)len;
	d->cso = 0;
	d->cmd = E1000_TXD_EOP | E1000_TXD_IFCS | E1000_TXD_RS;
	d->status = 0;
	d->css = 0;
	d->special = 0;
	nic.tx_tail = (nic.tx_tail + 1) % E1000_TX_RING;
	return 0;
}

static void e1000_tx_flush(void)
{
	if (nic.tx_told == nic.tx_tail)
		return;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	nic.tx_told = nic.tx_tail;
	set(E1000_TDT, nic.tx_tail);
}

static void e1000_irq_allow(bool events, bool raise)
{
	uint32_t want = (events ? nic.model->events : 0) | (raise ? nic.model->raise : 0);

	if (nic.allowed & ~want)
		set(E1000_IMC, nic.allowed & ~want);
	if (want & ~nic.allowed)
		set(E1000_IMS, want & ~nic.allowed);
	nic.allowed = want;
}

static void e1000_irq_raise(void)
{
	set(E1000_ICS, nic.model->raise);
}

/* 13.4.17: reading clears all causes, so the line drops. */
static uint32_t e1000_irq_ack(void)
{
	uint32_t cause = get(E1000_ICR);

	if (cause == ~0u) /* the card does not answer any more */
		return 0;
	return (cause & nic.allowed ? NIC_IRQ_OURS : 0) |
	       (cause & E1000_INT_LSC ? NIC_IRQ_LINK : 0);
}

static bool e1000_link(void)
{
	return get(E1000_STATUS) & E1000_STATUS_LU;
}

const struct nic_driver e1000_driver = {
	.probe = e1000_probe,
	.init = e1000_init,
	.add_address = e1000_add_address,
	.rx = e1000_rx,
	.rx_enable = e1000_rx_enable,
	.tx = e1000_tx,
	.tx_flush = e1000_tx_flush,
	.tx_room = e1000_tx_room,
	.irq_allow = e1000_irq_allow,
	.irq_raise = e1000_irq_raise,
	.irq_ack = e1000_irq_ack,
	.link = e1000_link,
};
