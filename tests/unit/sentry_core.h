/* The core's side of hv/abi.h for tests: a shared area, requests in, replies and lines out. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hv/abi.h"

#define CORE_LINES (1024 * 1024)

struct core {
	uint8_t *shared;
	struct abi_ctl *ctl;
	uint64_t *window; /* guest memory */
	uint64_t tsc;
	char *text; /* all that came out of the output ring */
	size_t text_len;
};

#define CORE_WINDOW_PAGES 64

/* Rings begin where their indices wrap soon. */
static inline void core_init(struct core *c)
{
	memset(c, 0, sizeof(*c));
	c->shared = aligned_alloc(4096, ABI_SHARED_SIZE);
	c->window = aligned_alloc(4096, CORE_WINDOW_PAGES * 4096);
	c->text = calloc(1, CORE_LINES);
	assert_non_null(c->shared);
	assert_non_null(c->window);
	assert_non_null(c->text);
	memset(c->shared, 0, ABI_SHARED_SIZE);
	memset(c->window, 0, CORE_WINDOW_PAGES * 4096);
	struct abi_ctl *ctl = c->ctl = (struct abi_ctl *)c->shared;
	ctl->magic = ABI_MAGIC;
	ctl->version = ABI_VERSION;
	ctl->ncpu = 2;
	ctl->tsc_khz = 50000;
	ctl->wall_ns = 1790000000ull * 1000000000;
	ctl->wall_tsc = 1000000;
	ctl->boot_id = 0x0123456789abcdef;
	ctl->window = (uintptr_t)c->window;
	ctl->window_size = CORE_WINDOW_PAGES * 4096;
	/* A hole in the middle, which nobody may touch. */
	ctl->nram = 2;
	ctl->ram[0] = (struct abi_ram){0, 16 * 4096};
	ctl->ram[1] = (struct abi_ram){32 * 4096, 32 * 4096};
	ctl->nic_present = 1;
	memcpy(ctl->mac, (uint8_t[]){0xb0, 0xc4, 0x20, 0, 0, 1}, 6);
	strcpy(ctl->config.name, "unit");
	strcpy(ctl->platform, "Test CPU \"quoted\"");
	strcpy(ctl->controls, "ept vpid  unrestricted_guest ");
	ctl->request.prod = ctl->request.cons = UINT32_MAX - 700;
	ctl->reply.prod = ctl->reply.cons = UINT32_MAX - 900;
	ctl->output.prod = ctl->output.cons = UINT32_MAX - 2000;
	c->tsc = 2000000;
}

static inline void core_free(struct core *c)
{
	free(c->shared);
	free(c->window);
	free(c->text);
}

static inline uint8_t *core_slot(struct core *c, uint32_t slot)
{
	return c->shared + ABI_OFF_FRAMES + (size_t)slot * ABI_FRAME_SIZE;
}

static inline bool core_push(struct core *c, struct abi_request r)
{
	struct abi_index *ring = &c->ctl->request;
	if (ring->prod - ring->cons == ABI_REQUESTS)
		return false;
	struct abi_request *entries = (struct abi_request *)(c->shared + ABI_OFF_REQ);
	entries[ring->prod % ABI_REQUESTS] = r;
	ring->prod++;
	return true;
}

static inline bool core_event(struct core *c, enum abi_event event, uint64_t a, uint64_t b,
			      uint64_t d)
{
	return core_push(
		c, (struct abi_request){
			   .type = ABI_REQ_EVENT, .port = (uint8_t)event, .a = a, .b = b, .c = d});
}

static inline bool core_frame(struct core *c, enum abi_port port, uint32_t slot, const void *frame,
			      size_t len)
{
	if (slot < ABI_SLOTS)
		memcpy(core_slot(c, slot), frame, len);
	return core_push(c, (struct abi_request){.type = ABI_REQ_FRAME,
						 .port = (uint8_t)port,
						 .len = (uint16_t)len,
						 .slot = slot});
}

static inline bool core_reply(struct core *c, struct abi_reply *out)
{
	struct abi_index *ring = &c->ctl->reply;
	assert_true(ring->prod - ring->cons <= ABI_REPLIES);
	if (ring->prod == ring->cons)
		return false;
	*out = ((struct abi_reply *)(c->shared + ABI_OFF_REP))[ring->cons % ABI_REPLIES];
	ring->cons++;
	return true;
}

/* The serial port: take up to `max` bytes; the text stays 0-terminated. */
static inline uint32_t core_drain(struct core *c, uint32_t max)
{
	struct abi_index *ring = &c->ctl->output;
	uint32_t taken = 0;
	assert_true(ring->prod - ring->cons <= ABI_OUTPUT);
	for (; taken < max && ring->cons != ring->prod; taken++) {
		assert_true(c->text_len < CORE_LINES - 1);
		c->text[c->text_len++] = (char)c->shared[ABI_OFF_OUT + ring->cons++ % ABI_OUTPUT];
	}
	c->text[c->text_len] = 0;
	return taken;
}

static inline unsigned core_count(const struct core *c, const char *what)
{
	unsigned n = 0;
	for (const char *at = c->text; (at = strstr(at, what)); at++)
		n++;
	return n;
}

static inline bool core_told(const struct core *c, const char *what)
{
	if (strstr(c->text, what))
		return true;
	print_message("not in the output: %s\n%s\n", what, c->text);
	return false;
}

static inline void core_forget_text(struct core *c)
{
	c->text_len = 0;
	c->text[0] = 0;
}

/* An ICMP echo request from the wire to the own address of the tests, 10.77.0.9; its length. */
static inline size_t core_ping(uint8_t *f, const uint8_t *to_mac)
{
	static const uint8_t rest[] = {
		0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 8, 0,		     /* from, type */
		0x45, 0,    0,	  60,	0,    0,    0, 0, 64, 1, 0x66, 0x1e, /* IPv4 */
		10,   77,   0,	  1,	10,   77,   0, 9, 8,  0, 0xf7, 0xff, 0, 0, 0, 0}; /* ICMP */
	memset(f, 0, 74);
	memcpy(f, to_mac, 6);
	memcpy(f + 6, rest, sizeof(rest));
	return 74;
}
