/* Sockets: made, bound, listened on, accepted from, connected, and sent from. */
#include <string.h>

#include "ids/bytes.h"
#include "ids/policy/hook.h"

/* include/linux/socket.h, net.h */
#define LINUX_AF_UNSPEC	   0
#define LINUX_AF_UNIX	   1
#define LINUX_AF_INET	   2
#define LINUX_AF_INET6	   10
#define LINUX_AF_PACKET	   17
#define LINUX_SOCK_RAW	   3
#define LINUX_MSG_FASTOPEN 0x20000000u
#define SOCKADDR_MAX	   128 /* sizeof(struct sockaddr_storage) */
#define SOCKADDR_IN_MIN	   8   /* family, port, address */
#define SOCKADDR_IN6_MIN   24  /* family, port, flow, address */
#define SOCKADDR_UN_PATH   2

static void set_ipv4(struct policy_record *r, const uint8_t *addr)
{
	memset(r->addr, 0, 10);
	r->addr[10] = r->addr[11] = 0xff;
	memcpy(r->addr + 12, addr, 4);
	r->has |= FIELD_BIT(FIELD_ADDR);
}

static void set_ipv6(struct policy_record *r, const uint8_t *addr)
{
	memcpy(r->addr, addr, 16);
	r->has |= FIELD_BIT(FIELD_ADDR);
}

/* Family, type and protocol of the socket; its struct sock, 0: can't be read. */
static uint64_t of_socket(const struct policy_layout *l, uint64_t socket, struct policy_record *r)
{
	uint64_t sk = 0;

	if (!layout_read(l, socket, MEMBER_SOCKET_SK, &sk))
		sk = 0;
	record_member(l, r, FIELD_FAMILY, sk, MEMBER_SK_FAMILY);
	record_member(l, r, FIELD_TYPE, sk, MEMBER_SK_TYPE);
	record_member(l, r, FIELD_PROTO, sk, MEMBER_SK_PROTOCOL);
	return sk;
}

/* A name of AF_UNIX; an abstract one (it begins with 0) as @name, like ss shows it. */
static void unix_name(struct policy_record *r, const uint8_t *at, size_t len)
{
	size_t n = 0;

	for (; n < len && (at[n] || n == 0); n++)
		r->path[n] = at[n] ? (char)at[n] : '@';
	r->path[n] = 0;
	if (len)
		record_text(r, FIELD_PATH, r->path);
}

/* The kernel's copy of an address. What is too short to hold one is unknown: the kernel will refuse
 * it itself. */
static void of_address(const struct policy_layout *l, uint64_t va, uint64_t len,
		       enum policy_field port, struct policy_record *r)
{
	uint8_t a[SOCKADDR_MAX];
	unsigned family;

	if (len > sizeof(a))
		len = sizeof(a);
	if (len < 2 || gspace_read(l->space, va, a, len)) {
		record_unknown(r, FIELD_ADDR);
		record_unknown(r, port);
		record_unknown(r, FIELD_PATH);
		return;
	}
	family = a[0] | (unsigned)a[1] << 8;
	/* bind() takes an IPv4 address of family 0 on an IPv4 socket (inet_bind); connect() with it
	 * takes the peer away. */
	if (family == LINUX_AF_UNSPEC && port == FIELD_SPORT && r->has & FIELD_BIT(FIELD_FAMILY))
		family = (unsigned)r->number[FIELD_FAMILY];
	else if (family != LINUX_AF_UNSPEC)
		record_number(r, FIELD_FAMILY, family);
	if (family == LINUX_AF_UNIX) {
		unix_name(r, a + SOCKADDR_UN_PATH, len - SOCKADDR_UN_PATH);
	} else if (family == LINUX_AF_INET && len >= SOCKADDR_IN_MIN) {
		record_number(r, port, be16(a + 2));
		set_ipv4(r, a + 4);
	} else if (family == LINUX_AF_INET6 && len >= SOCKADDR_IN6_MIN) {
		record_number(r, port, be16(a + 2));
		set_ipv6(r, a + 8);
	} else if (family == LINUX_AF_INET || family == LINUX_AF_INET6) {
		record_unknown(r, FIELD_ADDR);
		record_unknown(r, port);
	}
}

/* An int argument that is a length: what is negative is none. */
static uint64_t length(uint64_t arg)
{
	int32_t len = (int32_t)arg;

	return len < 0 ? 0 : (uint64_t)len;
}

bool decode_connect(const struct policy_layout *l, const struct probe_hit *hit,
		    struct policy_record *r)
{
	r->gate = GATE_CONNECT;
	of_socket(l, hit->arg[0], r);
	of_address(l, hit->arg[1], length(hit->arg[2]), FIELD_DPORT, r);
	record_number(r, FIELD_FLAGS, r->number[FIELD_FLAGS]);
	return true;
}

/* Only with an address of its own: a connected socket's peer was seen at `connect`. */
bool decode_send(const struct policy_layout *l, const struct probe_hit *hit,
		 struct policy_record *r)
{
	uint64_t name, len, flags;
	bool good = layout_read(l, hit->arg[1], MEMBER_MSG_NAME, &name) &&
		    layout_read(l, hit->arg[1], MEMBER_MSG_NAMELEN, &len);

	if (good && (!name || !len))
		return false;
	r->gate = GATE_SEND;
	of_socket(l, hit->arg[0], r);
	of_address(l, good ? name : 0, good ? length(len) : 0, FIELD_DPORT, r);
	if (layout_read(l, hit->arg[1], MEMBER_MSG_FLAGS, &flags))
		record_number(r, FIELD_FLAGS,
			      r->number[FIELD_FLAGS] |
				      (flags & LINUX_MSG_FASTOPEN ? FLAG_FASTOPEN : 0));
	else
		record_unknown(r, FIELD_FLAGS);
	return true;
}

bool decode_bind(const struct policy_layout *l, const struct probe_hit *hit,
		 struct policy_record *r)
{
	r->gate = GATE_BIND;
	of_socket(l, hit->arg[0], r);
	of_address(l, hit->arg[1], length(hit->arg[2]), FIELD_SPORT, r);
	return true;
}

/* The local end, from the socket itself. */
static void of_local_end(const struct policy_layout *l, uint64_t sk, struct policy_record *r)
{
	bool known = r->has & FIELD_BIT(FIELD_FAMILY);
	uint64_t family = r->number[FIELD_FAMILY];
	uint8_t a[16];

	if (known && family != LINUX_AF_INET && family != LINUX_AF_INET6)
		return;
	record_member(l, r, FIELD_SPORT, sk, MEMBER_SK_NUM);
	if (known && family == LINUX_AF_INET && layout_bytes(l, sk, MEMBER_SK_SADDR, a, 4))
		set_ipv4(r, a);
	else if (known && family == LINUX_AF_INET6 && layout_bytes(l, sk, MEMBER_SK_SADDR6, a, 16))
		set_ipv6(r, a);
	else
		record_unknown(r, FIELD_ADDR);
}

bool decode_listen(const struct policy_layout *l, const struct probe_hit *hit,
		   struct policy_record *r)
{
	r->gate = GATE_LISTEN;
	of_local_end(l, of_socket(l, hit->arg[0], r), r);
	return true;
}

/* The peer is not known yet: the connection is taken from the queue after the gate. */
bool decode_accept(const struct policy_layout *l, const struct probe_hit *hit,
		   struct policy_record *r)
{
	r->gate = GATE_ACCEPT;
	of_local_end(l, of_socket(l, hit->arg[0], r), r);
	return true;
}

bool decode_socket(const struct policy_layout *l, const struct probe_hit *hit,
		   struct policy_record *r)
{
	uint32_t family = (uint32_t)hit->arg[0], type = (uint32_t)hit->arg[1];

	(void)l;
	if ((uint32_t)hit->arg[3]) /* one of the kernel's own */
		return false;
	record_number(r, FIELD_FAMILY, family);
	record_number(r, FIELD_TYPE, type);
	record_number(r, FIELD_PROTO, (uint32_t)hit->arg[2]);
	r->gate = GATE_SOCKET;
	if (family == LINUX_AF_PACKET) { /* an EtherType, as it stands in a frame */
		record_number(r, FIELD_PROTO, __builtin_bswap16((uint16_t)hit->arg[2]));
		r->gate = GATE_PACKET;
	} else if (type == LINUX_SOCK_RAW && (family == LINUX_AF_INET || family == LINUX_AF_INET6))
		r->gate = GATE_RAW;
	return true;
}
