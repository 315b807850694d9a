/* See socket.h. */
#include "ids/proc/socket.h"

#include <string.h>

#include "hv/errno.h"
#include "ids/bytes.h"
#include "ids/eve/address.h"
#include "ids/guest/glance.h"

#define FDS_MAX (1u << 20)

/* include/uapi/linux/stat.h */
#define S_IFMT	 0170000u
#define S_IFSOCK 0140000u

uint64_t socket_of_file(const struct kernel *k, uint64_t file_va)
{
	uint64_t inode, socket, sk;
	uint16_t mode, family;
	struct glance g;

	glance_open(&g, k);
	if (glance_u64(&g, file_va, "file", "f_inode", &inode) ||
	    glance_u16(&g, inode, "inode", "i_mode", &mode) || (mode & S_IFMT) != S_IFSOCK ||
	    glance_u64(&g, file_va, "file", "private_data", &socket) ||
	    glance_u64(&g, socket, "socket", "sk", &sk) ||
	    glance_u16(&g, sk, "sock_common", "skc_family", &family))
		return 0;
	return family == SOCKET_INET || family == SOCKET_INET6 || family == SOCKET_PACKET ? sk : 0;
}

/* ::ffff:0:0/96 (RFC 4291, section 2.5.5.2). */
static bool is_mapped(const uint8_t addr[16])
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(addr, prefix, sizeof(prefix)) == 0;
}

static bool is_any(const uint8_t addr[16])
{
	static const uint8_t any[16];

	return memcmp(addr, any, sizeof(any)) == 0;
}

/* An IPv6 socket that is bound to or connected with an IPv4 address. */
static void unmap(struct socket_info *s)
{
	if (!(is_mapped(s->local) && (is_mapped(s->remote) || is_any(s->remote))) &&
	    !(is_mapped(s->remote) && is_any(s->local)))
		return;
	s->family = SOCKET_INET;
	memcpy(s->local, s->local + 12, 4);
	memcpy(s->remote, s->remote + 12, 4);
	memset(s->local + 4, 0, 12);
	memset(s->remote + 4, 0, 12);
}

static int read_ends(struct glance *g, struct socket_info *s)
{
	bool v6 = s->family == SOCKET_INET6;
	uint16_t dport;

	if (glance_bytes(g, s->sk, "sock_common", v6 ? "skc_v6_rcv_saddr" : "skc_rcv_saddr",
			 s->local, v6 ? 16 : 4) ||
	    glance_bytes(g, s->sk, "sock_common", v6 ? "skc_v6_daddr" : "skc_daddr", s->remote,
			 v6 ? 16 : 4) ||
	    glance_u16(g, s->sk, "sock_common", "skc_num", &s->lport) ||
	    glance_u16(g, s->sk, "sock_common", "skc_dport", &dport))
		return -EFAULT;
	s->rport = be16((const uint8_t *)&dport);
	if (v6)
		unmap(s);
	return 0;
}

int socket_read(const struct kernel *k, uint64_t sk, struct socket_info *s)
{
	struct glance g;

	glance_open(&g, k);
	memset(s, 0, sizeof(*s));
	s->sk = sk;
	if (glance_u16(&g, sk, "sock_common", "skc_family", &s->family) ||
	    glance_bytes(&g, sk, "sock_common", "skc_state", &s->state, 1) ||
	    glance_u16(&g, sk, "sock", "sk_type", &s->type) ||
	    glance_u16(&g, sk, "sock", "sk_protocol", &s->protocol))
		return -EFAULT;
	if (s->family == SOCKET_PACKET)
		return 0;
	if (s->family != SOCKET_INET && s->family != SOCKET_INET6)
		return -EFAULT;
	return read_ends(&g, s);
}

int socket_walk_begin(const struct kernel *k, uint64_t task_va, struct socket_walk *walk)
{
	uint64_t files, fdt;
	struct glance g;

	glance_open(&g, k);
	*walk = (struct socket_walk){0};
	if (glance_u64(&g, task_va, "task_struct", "files", &files) ||
	    glance_u64(&g, files, "files_struct", "fdt", &fdt) ||
	    glance_u32(&g, fdt, "fdtable", "max_fds", &walk->end) ||
	    glance_u64(&g, fdt, "fdtable", "fd", &walk->table))
		return -EFAULT;
	if (walk->end > FDS_MAX)
		walk->end = FDS_MAX;
	return 0;
}

bool socket_walk_next(const struct kernel *k, struct socket_walk *walk, uint32_t *fds, uint64_t *sk)
{
	uint64_t file[16]; /* some of the table at once */
	uint32_t have = 0, at = 0;

	for (; *fds && walk->fd < walk->end; --*fds, walk->fd++, at++) {
		if (at == have) {
			uint32_t left = walk->end - walk->fd;
			have = left < 16 ? left : 16;
			at = 0;
			if (gspace_read(kernel_space(k), walk->table + walk->fd * 8ull, file,
					have * sizeof(file[0])))
				return false;
		}
		*sk = file[at] ? socket_of_file(k, file[at]) : 0;
		if (*sk) {
			walk->fd++;
			--*fds;
			return true;
		}
	}
	return false;
}

/* include/net/tcp_states.h, named as ss(8) does. */
static const char *const tcp_states[] = {
	[1] = "established", [2] = "syn-sent",	 [3] = "syn-recv", [4] = "fin-wait-1",
	[5] = "fin-wait-2",  [6] = "time-wait",	 [7] = "closed",   [8] = "close-wait",
	[9] = "last-ack",    [10] = "listening", [11] = "closing", [12] = "new-syn-recv",
};

static const char *protocol_name(const struct socket_info *s)
{
	if (s->family == SOCKET_PACKET)
		return "PACKET";
	switch (s->protocol) {
	case 1:
		return "ICMP";
	case 6:
		return "TCP";
	case 17:
		return "UDP";
	case 58:
		return "IPv6-ICMP";
	case 132:
		return "SCTP";
	}
	return "IP";
}

static void put_end(struct json *j, const struct socket_info *s, const char *ip, const char *port,
		    const uint8_t addr[16], uint16_t number)
{
	char text[ADDRESS_TEXT];

	address_text(text, s->family == SOCKET_INET ? 4 : 6, addr);
	json_str(j, ip, text);
	if (s->type != 3 /* SOCK_RAW: a protocol stands there */)
		json_u64(j, port, number);
}

static void put_flow(struct json *j, const struct socket_info *s)
{
	json_object(j, NULL);
	json_str(j, "proto", protocol_name(s));
	if (s->protocol == 6 && s->state < sizeof(tcp_states) / sizeof(tcp_states[0]) &&
	    tcp_states[s->state])
		json_str(j, "state", tcp_states[s->state]);
	if (s->family != SOCKET_PACKET) {
		put_end(j, s, "src_ip", "src_port", s->local, s->lport);
		if (s->rport || !is_any(s->remote))
			put_end(j, s, "dest_ip", "dest_port", s->remote, s->rport);
	}
	json_close(j);
}

void socket_put_flows(const struct kernel *k, uint64_t task_va, struct json *j)
{
	uint64_t put[SOCKET_FLOWS], sk;
	uint32_t count = 0, fds = SOCKET_FDS;
	struct socket_walk walk;
	struct socket_info info;

	if (socket_walk_begin(k, task_va, &walk))
		return;
	while (count < SOCKET_FLOWS && socket_walk_next(k, &walk, &fds, &sk)) {
		uint32_t i = 0;
		while (i < count && put[i] != sk)
			i++;
		if (i < count || socket_read(k, sk, &info))
			continue;
		put[count++] = sk;
		put_flow(j, &info);
	}
}
