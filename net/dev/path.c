/* Frames between the guest's rings, the sentry and the wire; see path.h. */
#include "net/dev/path.h"
#include "hv/errno.h"
#include "hv/frames.h"
#include "net/dev/path_state.h"

#define BATCH	       64   /* frames of one direction per exit */
#define BATCH_SEGMENTS 512  /* descriptors of the guest walked per exit */
#define RX_UNDECIDED   192  /* frames of the wire taken ahead of the sentry; the guest needs some */
#define USED_BATCH     64   /* sent frames that are returned to the guest at once ... */
#define USED_US	       1000 /* ... and how long fewer of them may wait for company */
#define MORE_US	       50   /* the guest's share of time while a backlog is worked off */
#define BLOCKED_US     250  /* until the sentry or the card may have room again */

/* Two VLAN tags: longer than what is forwarded, but no offence. */
#define FRAME_TOLERATED (ABI_FRAME_MAX + 4)

struct net_state net;
struct net_counters net_count;

/* --- time; with the net lock ------------------------------------------------------------------ */

void net_rearm(void)
{
	uint64_t first = 0;

	for (unsigned i = 0; i < DUES; i++)
		if (net.due[i] && (!first || net.due[i] < first))
			first = net.due[i];
	if (first == net.armed)
		return;
	net.armed = first;
	if (first)
		timer_arm(&net.timer, first);
	else
		timer_cancel(&net.timer);
}

void net_within(enum due what, uint64_t us)
{
	uint64_t t = time_now() + time_us(us);

	if (!net.due[what] || t < net.due[what])
		net.due[what] = t;
}

/* --- the guest's rings; with the net lock ----------------------------------------------------- */

bool net_wire_wanted(void)
{
	return net.own_address || vnet_active(&net.dev);
}

void net_fault(unsigned queue)
{
	if (!vnet_fault(&net.dev, queue))
		return;
	net_count.faults++;
	net.nic->rx_enable(net_wire_wanted());
	if (net.dev.status & VNET_S_DRIVER_OK)
		intr_signal(&net.intr, VNET_ISR_CONFIG);
}

static void offence(unsigned queue, enum abi_net_fault code, uint64_t detail)
{
	net.dev.queue[queue].fault = code;
	net.dev.queue[queue].detail = detail;
	net_fault(queue);
}

void net_publish(unsigned queue)
{
	struct virtqueue *q = &net.dev.queue[queue];
	int wanted;

	if (!vnet_active(&net.dev) || !vq_unpublished(q))
		return;
	wanted = vq_publish(q);
	net.news = true;
	if (wanted < 0)
		net_fault(queue);
	else if (wanted)
		intr_signal(&net.intr, VNET_ISR_QUEUE);
}

static void to_guest(uint32_t slot, uint32_t len)
{
	/* 5.1.6: no offload, one buffer */
	static const uint8_t header[VNET_HEADER] = {[10] = 1};
	struct virtqueue *q = &net.dev.queue[VNET_RX];
	int got;

	if (!vnet_active(&net.dev)) {
		net_count.rx_no_guest++;
		return;
	}
	got = vq_take(q, VQ_WRITE, &net.chain);
	if (got == 0) {
		net_count.rx_ring_full++;
		return;
	}
	if (got > 0 && net.chain.total < VNET_HEADER + len) {
		vq_untake(q); /* for a shorter frame, perhaps */
		net_count.rx_short_buffer++;
		return;
	}
	if (got < 0 || vq_copy_to(q, &net.chain, 0, header, VNET_HEADER) ||
	    vq_copy_to(q, &net.chain, VNET_HEADER, frame_data(slot), len) ||
	    vq_put(q, net.chain.head, VNET_HEADER + len)) {
		net_fault(VNET_RX);
		return;
	}
	net_count.rx_frames++;
	net_count.rx_bytes += len;
}

/* --- frame_ops: called from inside of frame_submit and frames_run, without the lock ----------- */

static void deliver(uint32_t slot, uint32_t len, enum abi_port to)
{
	bool owned = true;

	spin_lock(&net.lock);
	if (to == ABI_PORT_GUEST) {
		to_guest(slot, len);
	} else if (net.nic->tx(slot, len) == 0) {
		owned = false;
		net_count.tx_frames++;
		net_count.tx_bytes += len;
	} else {
		net_count.tx_ring_full++;
	}
	spin_unlock(&net.lock);
	if (owned)
		frame_free(slot);
}

static void flush(void)
{
	spin_lock(&net.lock);
	net.nic->tx_flush();
	net_publish(VNET_RX);
	spin_unlock(&net.lock);
}

const struct frame_ops net_frame_ops = {.deliver = deliver, .flush = flush};

/* --- taking frames ---------------------------------------------------------------------------- */

static void submit(const struct nic_frame *batch, uint32_t n, enum abi_port from)
{
	for (uint32_t i = 0; i < n; i++)
		frame_submit(batch[i].slot, batch[i].len, from);
}

static void rx_batch(void)
{
	struct nic_frame batch[BATCH];
	uint32_t undecided = frames_pending(), room, n;

	spin_lock(&net.lock);
	room = undecided < RX_UNDECIDED ? RX_UNDECIDED - undecided : 0;
	if (room > BATCH)
		room = BATCH;
	n = net.nic->rx(batch, room);
	for (uint32_t i = 0; i < n; i++)
		net.bytes += batch[i].len;
	net.frames += n;
	net_count.wire_rx += n;
	if (n == room) /* there may be more, and no event will tell */
		net_within(DUE_MORE, n ? MORE_US : BLOCKED_US);
	net_rearm();
	spin_unlock(&net.lock);
	submit(batch, n, ABI_PORT_WIRE);
}

/* Copy the frame of the chain at hand into `slot`: its length, 0 to drop it, or -EPROTO. */
static int copy_frame(uint32_t slot)
{
	struct virtqueue *q = &net.dev.queue[VNET_TX];
	uint64_t total = net.chain.total;

	if (total < VNET_HEADER + ABI_FRAME_MIN ||
	    (total > VNET_HEADER + FRAME_TOLERATED && (net.dev.features & VNET_F_MTU))) {
		offence(VNET_TX, ABI_NET_LENGTH, total);
		return -EPROTO;
	}
	if (total > VNET_HEADER + ABI_FRAME_MAX) {
		net_count.tx_too_long++;
		return 0;
	}
	/* The header asks for nothing that was offered: not read (5.1.6.2.1). */
	if (vq_copy_from(q, &net.chain, VNET_HEADER, frame_data(slot), total - VNET_HEADER)) {
		net_fault(VNET_TX);
		return -EPROTO;
	}
	return (int)(total - VNET_HEADER);
}

enum taken { TAKEN, TAKEN_NONE, TAKEN_BLOCKED };

/* One frame of the guest's into *frame; its slot is 0 long when it is dropped. */
static enum taken take_frame(struct nic_frame *frame)
{
	struct virtqueue *q = &net.dev.queue[VNET_TX];
	int slot = frame_alloc(), got, len;

	if (slot < 0)
		return TAKEN_BLOCKED;
	got = vq_take(q, VQ_READ, &net.chain);
	/* Ask for notification only where nothing else will make us look. */
	if (got == 0 && net.intr.mode == INTR_LINE) {
		got = vq_kicks(q, true);
		if (got > 0)
			got = vq_take(q, VQ_READ, &net.chain);
	}
	if (got <= 0) {
		frame_free((uint32_t)slot);
		if (got < 0)
			net_fault(VNET_TX);
		return TAKEN_NONE;
	}
	len = copy_frame((uint32_t)slot);
	if (len >= 0 && vq_put(q, net.chain.head, 0)) {
		net_fault(VNET_TX);
		len = -EPROTO;
	}
	if (len <= 0)
		frame_free((uint32_t)slot);
	if (len < 0)
		return TAKEN_NONE;
	*frame = (struct nic_frame){(uint32_t)slot, (uint32_t)len};
	return TAKEN;
}

/* Take up to `budget` frames; *drained: the ring is empty (or closed). */
static uint32_t take_frames(struct nic_frame *batch, uint32_t budget, bool *drained)
{
	uint32_t n = 0, taken = 0, segments = 0;

	*drained = false;
	while (taken < budget && segments < BATCH_SEGMENTS && vnet_active(&net.dev)) {
		enum taken got = take_frame(&batch[n]);

		if (got == TAKEN_BLOCKED)
			return n;
		if (got == TAKEN_NONE)
			break;
		taken++;
		segments += net.chain.count;
		if (batch[n].len) {
			net.bytes += batch[n].len;
			n++;
		}
	}
	*drained = taken < budget && segments < BATCH_SEGMENTS;
	return n;
}

static void tx_batch(void)
{
	struct nic_frame batch[BATCH];
	uint32_t undecided = frames_pending(), room, n;
	bool drained;

	spin_lock(&net.lock);
	if (!vnet_active(&net.dev)) {
		spin_unlock(&net.lock);
		return;
	}
	/* No more than the card can send: then the guest's own queue builds up, as it should. */
	room = net.nic->tx_room();
	room = undecided < room ? room - undecided : 0;
	n = take_frames(batch, room < BATCH ? room : BATCH, &drained);
	net.frames += n;
	net_count.guest_tx += n;
	if (!drained)
		net_within(DUE_MORE, n ? MORE_US : BLOCKED_US);
	/* Returned buffers go along with the next interrupt, unless that takes long. */
	if (vq_unpublished(&net.dev.queue[VNET_TX]) >= USED_BATCH)
		net_publish(VNET_TX);
	else if (vq_unpublished(&net.dev.queue[VNET_TX]))
		net_within(DUE_USED, USED_US);
	net_rearm();
	spin_unlock(&net.lock);
	submit(batch, n, ABI_PORT_GUEST);
}

void net_pump(uint32_t what)
{
	if (__atomic_fetch_or(&net.pumping, what | PUMP_BUSY, __ATOMIC_ACQ_REL) & PUMP_BUSY)
		return;
	for (unsigned round = 0; round < 4; round++) {
		uint32_t idle = PUMP_BUSY;

		what = __atomic_exchange_n(&net.pumping, PUMP_BUSY, __ATOMIC_ACQ_REL);
		if (what & PUMP_RX)
			rx_batch();
		if (what & PUMP_TX)
			tx_batch();
		if (__atomic_compare_exchange_n(&net.pumping, &idle, 0, false, __ATOMIC_ACQ_REL,
						__ATOMIC_RELAXED))
			return;
	}
	/* Enough for one exit: the timer looks at both sides. */
	__atomic_store_n(&net.pumping, 0, __ATOMIC_RELEASE);
	spin_lock(&net.lock);
	net_within(DUE_MORE, MORE_US);
	net_rearm();
	spin_unlock(&net.lock);
}
