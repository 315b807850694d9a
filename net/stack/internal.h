/* What net/stack's own files share; nobody else includes it. */
#pragma once

#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "net/stack/stack.h"

struct stack {
	struct stack_ops ops;
	struct stack_config config;
	struct stack_stats stats;
	struct netif port[ABI_PORTS];
	struct netif own;
	bool own_up; /* the own netif is in lwIP's list */
	uint8_t own_mac[6];
	const struct pbuf *frame; /* the frame in stack_input(), until it is decided */
	enum abi_verdict verdict; /* of it */
};

extern struct stack the_stack;

#define MAC_LEN 6

static inline bool mac_is(const uint8_t *a, const uint8_t *b)
{
	return __builtin_memcmp(a, b, MAC_LEN) == 0;
}

/* forward.c: the two ports as lwIP netifs; `p` leaves by the netif. */
void forward_init(void);

/* own.c: bring Vigil's own address up or down; a frame for it (p stays the caller's). */
int own_init(void);
void own_exit(void);
void own_input(enum abi_port from, const uint8_t *frame, size_t len);
