/* The guest's accesses to the virtual card, the timer, and the changes between interrupting and
 * polling; see path.h. */
#include "net/dev/path.h"
#include "hv/counter.h"
#include "hv/frames.h"
#include "net/dev/path_state.h"

#define OFF_POLL_US	1000 /* polling for Vigil's own address alone; longer when idle */
#define OFF_POLL_MAX_US 16000

static const struct {
	const char *name;
	const uint64_t *value;
} counters[] = {
	{"net.wire_rx", &net_count.wire_rx},
	{"net.guest_tx", &net_count.guest_tx},
	{"net.rx_frames", &net_count.rx_frames},
	{"net.rx_bytes", &net_count.rx_bytes},
	{"net.tx_frames", &net_count.tx_frames},
	{"net.tx_bytes", &net_count.tx_bytes},
	{"net.rx_dropped_no_guest", &net_count.rx_no_guest},
	{"net.rx_dropped_ring_full", &net_count.rx_ring_full},
	{"net.rx_dropped_short_buffer", &net_count.rx_short_buffer},
	{"net.tx_dropped_ring_full", &net_count.tx_ring_full},
	{"net.tx_dropped_too_long", &net_count.tx_too_long},
	{"net.exits_notify", &net_count.exits_notify},
	{"net.exits_isr", &net_count.exits_isr},
	{"net.exits_config", &net_count.exits_config},
	{"net.polls", &net_count.polls},
	{"net.faults", &net_count.faults},
	{"net.irq_empty", &net.intr.empty},
	{"net.irq_raised", &net.intr.raises},
	{"net.mode_switches", &net.intr.switches},
};

/* --- modes; with the net lock ----------------------------------------------------------------- */

/* After an exit that brought frames: perhaps it is better to poll. */
static void account(void)
{
	uint64_t now = time_now();

	intr_account(&net.intr, net.frames, net.bytes, now);
	if (net.intr.mode != INTR_POLL || net.due[DUE_POLL])
		return;
	net.due[DUE_POLL] = now + net.intr.interval;
	if (vq_kicks(&net.dev.queue[VNET_TX], false) < 0)
		net_fault(VNET_TX);
}

static void check_link(void)
{
	if (vnet_set_link(&net.dev, net.nic->link()))
		intr_signal(&net.intr, VNET_ISR_CONFIG);
}

/* The next poll after one that is over. True when the mode went back to line. */
static bool next_poll(uint64_t before)
{
	uint64_t now = time_now();

	if (net.intr.mode == INTR_OFF) {
		net.off_interval =
			net.frames != before ? time_us(OFF_POLL_US) : net.off_interval * 2;
		if (net.off_interval > time_us(OFF_POLL_MAX_US))
			net.off_interval = time_us(OFF_POLL_MAX_US);
		net.due[DUE_POLL] = net.own_address ? now + net.off_interval : 0;
		return false;
	}
	if (net.frames == before)
		check_link();
	net.due[DUE_POLL] = intr_polled(&net.intr, net.frames, net.bytes, now);
	return net.due[DUE_POLL] == 0;
}

static void on_timer(struct hv_timer *timer)
{
	uint64_t now = time_now(), before;
	bool due[DUES], look_again = false;

	(void)timer;
	spin_lock(&net.lock);
	net.armed = 0;
	for (unsigned i = 0; i < DUES; i++) {
		due[i] = net.due[i] && net.due[i] <= now;
		if (due[i])
			net.due[i] = 0;
	}
	before = net.frames;
	if (due[DUE_POLL])
		net_count.polls++;
	net_rearm();
	spin_unlock(&net.lock);

	if (due[DUE_POLL] || due[DUE_MORE]) {
		net_pump(PUMP_RX | PUMP_TX);
		frames_run();
	}

	spin_lock(&net.lock);
	net_publish(VNET_RX);
	net_publish(VNET_TX);
	net.due[DUE_USED] = 0;
	net.nic->tx_room();
	if (due[DUE_POLL])
		look_again = next_poll(before);
	net_rearm();
	spin_unlock(&net.lock);

	/* The card's events of before the switch are lost, and the guest was not asked to notify.
	 */
	if (look_again) {
		net_pump(PUMP_RX | PUMP_TX);
		frames_run();
	}
}

/* --- the guest's accesses --------------------------------------------------------------------- */

static void started(void)
{
	net.due[DUE_POLL] = 0;
	net.news = false;
	intr_set_active(&net.intr, true, time_now());
	check_link();
	net.nic->rx_enable(true);
	/* Buffers that the guest adds for receive are looked at when a frame comes. */
	if (vq_kicks(&net.dev.queue[VNET_RX], false) < 0)
		net_fault(VNET_RX);
	if (vq_kicks(&net.dev.queue[VNET_TX], true) < 0)
		net_fault(VNET_TX);
	if (net.intr.mode == INTR_POLL)
		net_within(DUE_POLL, OFF_POLL_US);
}

static void stopped(void)
{
	intr_set_active(&net.intr, false, time_now());
	net.due[DUE_USED] = net.due[DUE_POLL] = 0;
	net.nic->rx_enable(net_wire_wanted());
	net.off_interval = time_us(OFF_POLL_US);
	if (net.own_address)
		net_within(DUE_POLL, OFF_POLL_US);
}

static void notified(uint32_t queue)
{
	spin_lock(&net.lock);
	net_count.exits_notify++;
	spin_unlock(&net.lock);
	if (queue != VNET_TX)
		return;
	net_pump(PUMP_TX);
	frames_run();
	spin_lock(&net.lock);
	account();
	net_rearm();
	spin_unlock(&net.lock);
}

static uint8_t read_isr(void)
{
	uint32_t ours;
	uint8_t isr;

	spin_lock(&net.lock);
	net_count.exits_isr++;
	ours = intr_read_begin(&net.intr);
	if (ours & NIC_IRQ_LINK)
		check_link();
	spin_unlock(&net.lock);

	if (ours & NIC_IRQ_OURS) {
		net_pump(PUMP_RX);
		frames_run();
	}

	spin_lock(&net.lock);
	net_publish(VNET_RX);
	net_publish(VNET_TX);
	net.due[DUE_USED] = 0;
	isr = intr_read_end(&net.intr, ours, net.news);
	net.news = false;
	if (ours & NIC_IRQ_OURS)
		account();
	net_rearm();
	spin_unlock(&net.lock);
	return isr;
}

uint32_t path_bar_read(uint8_t off, uint8_t size)
{
	uint32_t value;

	if (off == VNET_ISR)
		return read_isr();
	spin_lock(&net.lock);
	net_count.exits_config++;
	value = vnet_read(&net.dev, off, size);
	spin_unlock(&net.lock);
	return value;
}

void path_bar_write(uint8_t off, uint8_t size, uint32_t value)
{
	bool kicked = false;

	if (off >= VNET_NOTIFY && off < VNET_NOTIFY + VNET_NOTIFY_SIZE) {
		/* 4.1.5.2: the queue's number, 16 bits, at the queue's place */
		if (off % VNET_NOTIFY_STEP == 0)
			notified(((uint32_t)off - VNET_NOTIFY) / VNET_NOTIFY_STEP);
		return;
	}
	spin_lock(&net.lock);
	net_count.exits_config++;
	switch (vnet_write(&net.dev, off, size, value)) {
	case VNET_STARTED:
		started();
		kicked = true;
		break;
	case VNET_STOPPED:
		stopped();
		break;
	case VNET_FAULTED:
		net_count.faults++;
		break;
	case VNET_NOTHING:
		break;
	}
	net_rearm();
	spin_unlock(&net.lock);
	if (kicked) {
		net_pump(PUMP_RX | PUMP_TX);
		frames_run();
	}
}

bool path_interrupt_pending(void)
{
	bool pending;

	spin_lock(&net.lock);
	pending = net.intr.isr;
	spin_unlock(&net.lock);
	return pending;
}

void path_intx_disable(bool disabled)
{
	spin_lock(&net.lock);
	intr_set_disabled(&net.intr, disabled, net.frames, net.bytes, time_now());
	if (net.intr.mode == INTR_POLL)
		net_within(DUE_POLL, OFF_POLL_US);
	net_rearm();
	spin_unlock(&net.lock);
}

int path_init(const struct nic_driver *nic, const struct intr_backend *backend,
	      const uint8_t mac[6], bool own_address)
{
	int err;

	net.nic = nic;
	net.own_address = own_address;
	vnet_init(&net.dev, mac);
	intr_init(&net.intr, backend, nic);
	net.timer = (struct hv_timer){.fn = on_timer};
	err = timer_register(&net.timer);
	if (err)
		return err;
	for (unsigned i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		counter_register(counters[i].name, counters[i].value);
	frames_register(&net_frame_ops);
	vnet_set_link(&net.dev, nic->link());
	stopped();
	net_rearm();
	return 0;
}
