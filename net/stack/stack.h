/* The frame path of the sentry: two ports (guest, wire), a forwarder with the inspection between
 * them, and Vigil's own IP address on lwIP.
 *
 * For the sentry's main loop, the unit tests and the fuzzer. Knows frames, not rings: everything it
 * needs comes by struct stack_ops. There is one stack, because lwIP's state is global; all calls
 * from one thread. May call lwIP only. Frames are hostile: any bytes, any length.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hv/abi.h"

struct stack_ops {
	void *ctx; /* handed to each */
	/* False: the frame must not go on. Called once for each frame that is well formed as
	 * Ethernet. */
	bool (*inspect)(void *ctx, enum abi_port from, const uint8_t *frame, size_t len);
	/* Room of ABI_FRAME_SIZE bytes for one frame of our own, or NULL if there is none now. Each
	 * buffer taken is given to send(). */
	uint8_t *(*buffer)(void *ctx);
	void (*send)(void *ctx, enum abi_port to, uint8_t *buffer, size_t len);
	uint32_t (*now_ms)(void *ctx); /* monotonic, wraps */
	uint32_t (*random)(void *ctx);
	/* A line worth telling (own address bound). No newline. */
	void (*log)(void *ctx, const char *text);
	/* Must not return. */
	void (*assert_failed)(void *ctx, const char *text);
};

struct stack_config {
	uint8_t mac[6];		/* the NIC's, and the guest's */
	uint8_t address;	/* enum config_address */
	uint8_t prefix;		/* of addr */
	uint32_t addr, gateway; /* host byte order, for ADDRESS_FIXED */
	const char *name;	/* told to the DHCP server; must outlive the stack */
};

struct stack_stats {
	uint64_t forwarded[ABI_PORTS]; /* by the port they came from */
	uint64_t dropped[ABI_PORTS];   /* by the inspection */
	uint64_t own;		       /* for Vigil's address only, so not forwarded */
	uint64_t malformed;	       /* no Ethernet frame, or unfit for lwIP */
	uint64_t spoofed;	       /* came with Vigil's own MAC address as their source */
	uint64_t sent;		       /* frames of our own */
	uint64_t no_memory;	       /* frames of or for lwIP that found no room */
};

/* Start. `config` is copied. May be called again (the host's tests do): lwIP starts anew.
 * 0 or -EINVAL (address mode or prefix). Context: start-up. */
int stack_init(const struct stack_ops *ops, const struct stack_config *config);

/* One frame that came in by `from`: inspect it, hand it to Vigil's own stack where it is meant for
 * it, and decide. ABI_VERDICT_PASS: it shall leave by the other port; frames for Vigil alone are
 * ABI_VERDICT_DROP. `frame` is only read, and not after the return. */
enum abi_verdict stack_input(enum abi_port from, const uint8_t *frame, size_t len);

/* Run lwIP's timers that are due. */
void stack_timers(void);
/* Milliseconds until stack_timers() has work; UINT32_MAX: never. */
uint32_t stack_sleep_ms(void);

const struct stack_stats *stack_stats(void);

/* Vigil's address now, host byte order; 0: none (yet). */
uint32_t stack_address(void);
