/* Sockets of the guest's processes, read from struct sock: who talks to whom.
 *
 * For ids/proc, attribution and the events. What is read may be torn, freed or forged. Pure. May
 * call: ids/guest, ids/eve/json.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ids/eve/json.h"
#include "ids/guest/kernel.h"

/* Linux: include/linux/socket.h, AF_*. */
#define SOCKET_INET   2
#define SOCKET_INET6  10
#define SOCKET_PACKET 17

struct socket_info {
	uint64_t sk;	   /* its struct sock */
	uint16_t family;   /* SOCKET_*; an IPv6 socket that talks IPv4 is SOCKET_INET */
	uint16_t type;	   /* SOCK_STREAM 1, SOCK_DGRAM 2, SOCK_RAW 3 */
	uint16_t protocol; /* IPPROTO_*, for SOCKET_PACKET an EtherType in network order */
	uint8_t state;	   /* TCP_* of include/net/tcp_states.h */
	uint8_t local[16], remote[16]; /* IPv4 in the first four; zero: any, none */
	uint16_t lport, rport;	       /* host order; 0: none */
};

/* The struct sock of an open file, 0: it is no Internet or packet socket. */
uint64_t socket_of_file(const struct kernel *k, uint64_t file_va);

/* 0; -EFAULT: can't be read, or of another family. */
int socket_read(const struct kernel *k, uint64_t sk, struct socket_info *info);

/* The open sockets of a task, in the order of its descriptors. */
struct socket_walk {
	uint64_t table; /* of struct file pointers */
	uint32_t fd, end;
};
/* 0; -EFAULT: the task has no files, or they can't be read. */
int socket_walk_begin(const struct kernel *k, uint64_t task_va, struct socket_walk *walk);
/* Look at `*fds` descriptors at most, which is decreased. True: *sk is one (another descriptor may
 * lead to the same); false: none is left, or no looks are. */
bool socket_walk_next(const struct kernel *k, struct socket_walk *walk, uint32_t *fds,
		      uint64_t *sk);

#define SOCKET_FLOWS 16	 /* at most, in one event */
#define SOCKET_FDS   512 /* descriptors looked at for it */

/* Write the sockets of a task as elements of the array now open: proto, state, src_ip, src_port,
 * dest_ip, dest_port, as far as they have them. */
void socket_put_flows(const struct kernel *k, uint64_t task_va, struct json *j);
