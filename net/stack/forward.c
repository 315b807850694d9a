/* The two-port forwarder: what comes in by one port leaves by the other, unless the inspection says
 * otherwise or it is for Vigil itself.
 *
 * A frame is a custom pbuf over the slot where the core put it, never copied. lwIP must not keep it
 * past stack_input(), because the slot is the core's again then; so Vigil's own stack gets a copy
 * (own.c), and the pbuf lives on stack_input()'s stack.
 */
#include "net/stack/internal.h"

#include "hv/own_mac.h"

#include <string.h>

#include "hv/errno.h"
#include "lwip/init.h"
#include "lwip/timeouts.h"

#define ETH_MIN 60 /* shortest frame without FCS, IEEE 802.3 */

static enum abi_port port_of(const struct netif *netif)
{
	return netif == &the_stack.port[ABI_PORT_GUEST] ? ABI_PORT_GUEST : ABI_PORT_WIRE;
}

/* A frame that lwIP made: into a buffer of the core's, padded to the least size of a frame. */
static err_t send_own(enum abi_port to, struct pbuf *p)
{
	struct stack *s = &the_stack;
	if (p->tot_len < ABI_FRAME_MIN || p->tot_len > ABI_FRAME_MAX)
		return ERR_VAL;
	uint8_t *buffer = s->ops.buffer(s->ops.ctx);
	if (!buffer) {
		s->stats.no_memory++;
		return ERR_MEM;
	}
	size_t len = pbuf_copy_partial(p, buffer, ABI_FRAME_MAX, 0);
	if (len < ETH_MIN) {
		memset(buffer + len, 0, ETH_MIN - len);
		len = ETH_MIN;
	}
	s->stats.sent++;
	s->ops.send(s->ops.ctx, to, buffer, len);
	return ERR_OK;
}

static err_t port_output(struct netif *netif, struct pbuf *p)
{
	if (p != the_stack.frame)
		return send_own(port_of(netif), p);
	the_stack.verdict = ABI_VERDICT_PASS;
	return ERR_OK;
}

/* lwIP's input function of both ports. Owns `p`, as every input function. */
static err_t port_input(struct pbuf *p, struct netif *netif)
{
	struct stack *s = &the_stack;
	enum abi_port from = port_of(netif);
	const uint8_t *frame = p->payload;
	size_t len = p->len;

	if (s->own_up && mac_is(frame + MAC_LEN, s->own_mac)) {
		s->stats.spoofed++;
	} else if (!s->ops.inspect(s->ops.ctx, from, frame, len)) {
		s->stats.dropped[from]++;
	} else {
		bool group = frame[0] & 1, own = s->own_up && mac_is(frame, s->own_mac);
		if (s->own_up && (own || group))
			own_input(from, frame, len);
		if (own) {
			s->stats.own++;
		} else {
			struct netif *other =
				&s->port[from == ABI_PORT_GUEST ? ABI_PORT_WIRE : ABI_PORT_GUEST];
			s->stats.forwarded[from]++;
			other->linkoutput(other, p);
		}
	}
	pbuf_free(p);
	return ERR_OK;
}

static err_t port_init(struct netif *netif)
{
	netif->name[0] = netif == &the_stack.port[ABI_PORT_GUEST] ? 'g' : 'w';
	netif->name[1] = 'p';
	netif->linkoutput = port_output;
	netif->mtu = ABI_FRAME_MAX - ABI_FRAME_MIN;
	netif->hwaddr_len = MAC_LEN;
	memcpy(netif->hwaddr, the_stack.config.mac, MAC_LEN);
	/* No NETIF_FLAG_ETHARP: the ports have no address, lwIP never sends by them. */
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
	return ERR_OK;
}

void forward_init(void)
{
	for (int i = 0; i < ABI_PORTS; i++) {
		struct netif *netif = &the_stack.port[i];
		netif_add_noaddr(netif, NULL, port_init, port_input);
		netif_set_up(netif);
	}
}

int stack_init(const struct stack_ops *ops, const struct stack_config *config)
{
	static bool running; /* lwip_init() may be called only once */
	struct stack *s = &the_stack;

	if (config->address > ADDRESS_DHCP || config->prefix > 32)
		return -EINVAL;
	if (running) {
		own_exit();
		for (int i = 0; i < ABI_PORTS; i++)
			netif_remove(&s->port[i]);
	}
	memset(s, 0, sizeof(*s));
	s->ops = *ops;
	s->config = *config;
	own_mac(s->own_mac, config->mac);
	if (!running)
		lwip_init();
	running = true;
	forward_init();
	return own_init();
}

static void frame_freed(struct pbuf *p)
{
	(void)p; /* the memory is the core's slot and stack_input()'s stack */
}

enum abi_verdict stack_input(enum abi_port from, const uint8_t *frame, size_t len)
{
	struct stack *s = &the_stack;
	if (from >= ABI_PORTS || len < ABI_FRAME_MIN || len > ABI_FRAME_MAX) {
		s->stats.malformed++;
		return ABI_VERDICT_DROP;
	}
	struct pbuf_custom custom = {.custom_free_function = frame_freed};
	/* lwIP's payload pointer is not const; neither port_input nor port_output writes. */
	struct pbuf *p = pbuf_alloced_custom(PBUF_RAW, (u16_t)len, PBUF_REF, &custom,
					     (void *)(uintptr_t)frame, (u16_t)len);
	if (!p) {
		s->stats.no_memory++;
		return ABI_VERDICT_DROP;
	}
	s->frame = p;
	s->verdict = ABI_VERDICT_DROP;
	s->port[from].input(p, &s->port[from]);
	s->frame = NULL;
	return s->verdict;
}

void stack_timers(void)
{
	if (the_stack.own_up)
		sys_check_timeouts();
}

uint32_t stack_sleep_ms(void)
{
	return the_stack.own_up ? sys_timeouts_sleeptime() : UINT32_MAX;
}

const struct stack_stats *stack_stats(void)
{
	return &the_stack.stats;
}
