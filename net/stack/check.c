/* See check.h. Offsets: RFC 894 (Ethernet), RFC 826 (ARP), RFC 791 (IPv4), RFC 768 (UDP). */
#include "net/stack/check.h"

#include "hv/abi.h"

#define TYPE_IPV4  0x0800
#define TYPE_ARP   0x0806
#define ETH_LEN	   14
#define ARP_LEN	   28
#define IP_LEN	   20
#define ICMP_LEN   8
#define UDP_LEN	   8
#define PROTO_ICMP 1
#define PROTO_UDP  17
#define FRAGMENT   0x3fff /* more fragments, or an offset */

static unsigned be16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static bool arp_ok(const uint8_t *p, size_t len)
{
	/* Hardware Ethernet, protocol IPv4, address lengths 6 and 4: the only form there is here.
	 */
	return len >= ARP_LEN && be16(p) == 1 && be16(p + 2) == TYPE_IPV4 && p[4] == 6 && p[5] == 4;
}

static bool ipv4_ok(const uint8_t *p, size_t len)
{
	if (len < IP_LEN || p[0] >> 4 != 4)
		return false;
	size_t head = (size_t)(p[0] & 15) * 4, total = be16(p + 2);
	if (head < IP_LEN || total < head || total > len || (be16(p + 6) & FRAGMENT))
		return false;
	size_t payload = total - head;
	switch (p[9]) {
	case PROTO_ICMP:
		return payload >= ICMP_LEN;
	case PROTO_UDP:
		return payload >= UDP_LEN && be16(p + head + 4) >= UDP_LEN &&
		       be16(p + head + 4) <= payload;
	default:
		return false;
	}
}

bool stack_frame_ok(const uint8_t *frame, size_t len)
{
	if (len < ETH_LEN || len > ABI_FRAME_MAX)
		return false;
	switch (be16(frame + 12)) {
	case TYPE_ARP:
		return arp_ok(frame + ETH_LEN, len - ETH_LEN);
	case TYPE_IPV4:
		return ipv4_ok(frame + ETH_LEN, len - ETH_LEN);
	default:
		return false;
	}
}
