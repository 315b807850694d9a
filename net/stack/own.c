/* Vigil's own IP address: a third lwIP netif behind the forwarder, reachable from both ports.
 *
 * The guest may ask for its MAC address and ping it, no more: DHCP and whatever is to come are
 * answered to the wire only, so that a hostile guest can't hand Vigil an address.
 */
#include "net/stack/internal.h"

#include <stdio.h>
#include <string.h>

#include "hv/config.h"
#include "hv/errno.h"
#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/ip4_addr.h"
#include "net/stack/check.h"

#define MTU	       1500
#define OFF_TYPE       12
#define TYPE_ARP       0x06
#define OFF_PROTO      23 /* of an IPv4 header without options, right behind the Ethernet header */
#define OFF_ARP_SENDER 28 /* sender's IPv4 address */
#define PROTO_ICMP     1

uint32_t stack_address(void)
{
	return the_stack.own_up ? lwip_ntohl(netif_ip4_addr(&the_stack.own)->addr) : 0;
}

static bool is_arp(const uint8_t *frame)
{
	return frame[OFF_TYPE] == 0x08 && frame[OFF_TYPE + 1] == TYPE_ARP;
}

/* A frame that lwIP sends by Vigil's own netif: to the port behind which its receiver is. There are
 * only two ports and the guest has one MAC address, so there is nothing to learn. */
static err_t own_output(struct netif *netif, struct pbuf *p)
{
	(void)netif;
	struct stack *s = &the_stack;
	uint8_t head[ABI_FRAME_MIN];
	if (pbuf_copy_partial(p, head, sizeof(head), 0) != sizeof(head))
		return ERR_VAL;
	struct netif *guest = &s->port[ABI_PORT_GUEST], *wire = &s->port[ABI_PORT_WIRE];
	if (mac_is(head, s->config.mac))
		return guest->linkoutput(guest, p);
	if ((head[0] & 1) && is_arp(head))
		guest->linkoutput(guest, p);
	return wire->linkoutput(wire, p);
}

static void own_status(struct netif *netif)
{
	char line[64];
	uint32_t addr = lwip_ntohl(netif_ip4_addr(netif)->addr);
	if (!addr || !netif_is_up(netif))
		return;
	snprintf(line, sizeof(line), "own address %u.%u.%u.%u", (unsigned)(addr >> 24),
		 (unsigned)(addr >> 16 & 255), (unsigned)(addr >> 8 & 255), (unsigned)(addr & 255));
	the_stack.ops.log(the_stack.ops.ctx, line);
}

static err_t own_netif_init(struct netif *netif)
{
	netif->name[0] = 'v';
	netif->name[1] = 'g';
	netif->hostname = the_stack.config.name;
	netif->output = etharp_output;
	netif->linkoutput = own_output;
	netif->mtu = MTU;
	netif->hwaddr_len = MAC_LEN;
	memcpy(netif->hwaddr, the_stack.own_mac, MAC_LEN);
	netif->flags =
		NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
	return ERR_OK;
}

int own_init(void)
{
	struct stack *s = &the_stack;
	const struct stack_config *config = &s->config;
	ip4_addr_t addr = {0}, mask = {0}, gateway = {0};

	if (config->address == ADDRESS_NONE)
		return 0;
	if (config->address == ADDRESS_FIXED) {
		addr.addr = lwip_htonl(config->addr);
		mask.addr = lwip_htonl(config->prefix ? ~0u << (32 - config->prefix) : 0);
		gateway.addr = lwip_htonl(config->gateway);
	}
	if (!netif_add(&s->own, &addr, &mask, &gateway, NULL, own_netif_init, netif_input))
		return -ENOMEM;
	s->own_up = true;
	netif_set_default(&s->own);
	netif_set_status_callback(&s->own, own_status);
	netif_set_up(&s->own); /* announces a fixed address by a gratuitous ARP */
	if (config->address == ADDRESS_DHCP && dhcp_start(&s->own) != ERR_OK)
		return -ENOMEM;
	return 0;
}

void own_exit(void)
{
	struct stack *s = &the_stack;
	if (!s->own_up)
		return;
	if (s->config.address == ADDRESS_DHCP) {
		dhcp_stop(&s->own);
		dhcp_cleanup(&s->own);
	}
	netif_remove(&s->own);
	s->own_up = false;
}

/* A guest that says it has Vigil's address, or its gateway's, would draw Vigil's traffic to itself.
 */
static bool claims_ours(const uint8_t *arp)
{
	const struct netif *own = &the_stack.own;
	uint32_t sender;
	memcpy(&sender, arp + OFF_ARP_SENDER, sizeof(sender));
	return sender && (sender == netif_ip4_addr(own)->addr || sender == netif_ip4_gw(own)->addr);
}

/* True if lwIP may have the frame: well formed, and from the guest only what the guest may ask. */
static bool admitted(enum abi_port from, const uint8_t *frame, size_t len)
{
	if (!stack_frame_ok(frame, len)) {
		the_stack.stats.malformed++;
		return false;
	}
	if (from == ABI_PORT_GUEST && is_arp(frame) && claims_ours(frame)) {
		the_stack.stats.spoofed++;
		return false;
	}
	return from == ABI_PORT_WIRE || is_arp(frame) || frame[OFF_PROTO] == PROTO_ICMP;
}

void own_input(enum abi_port from, const uint8_t *frame, size_t len)
{
	struct stack *s = &the_stack;
	/* Group frames that are not IPv4 or ARP (IPv6, spanning tree) are no fault of anybody. */
	bool group = frame[0] & 1;
	if (group && !stack_frame_ok(frame, len) && !is_arp(frame))
		return;
	if (!admitted(from, frame, len))
		return;
	struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)len, PBUF_POOL);
	if (!p) {
		s->stats.no_memory++;
		return;
	}
	pbuf_take(p, frame, (u16_t)len);
	if (s->own.input(p, &s->own) != ERR_OK)
		pbuf_free(p);
}
