/* A detection engine with its surroundings, for the unit tests: rules from text, frames made to
 * order, events kept. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdbool.h>
#include <cmocka.h>

#include "ids/engine.h"

#define WORLD_LINES  4096
#define WORLD_ALLOCS 16
#define FRAME_MAX    4096

struct world {
	struct ids *ids;
	struct eve eve;
	uint64_t seq, now_ns;
	char *line[WORLD_LINES];
	size_t lines;
	void *memory[WORLD_ALLOCS];
	size_t allocs, fail_at; /* fail_at: this allocation fails, counted from 1 */
	void *blob;		/* to be freed with it */
};

/* Compile; the caller frees. All rules must be taken. */
void *world_compile(const char *rules, size_t *len);
/* Compile expecting `rules` (one) to be refused with a reason that contains `why`. */
void world_refused(const char *rule, const char *why);

/* An engine over these rules; Ethernet, inline mode, checksums verified. */
struct world *world_open(const char *rules);
struct world *world_open_config(const char *rules, struct ids_config config);
/* Over a finished blob, which stays the caller's; `err` is what ids_create must return. NULL if
 * that is not 0. `fail_at`: this allocation fails, counted from 1 (0: none). */
struct world *world_open_blob(const void *blob, size_t len, struct ids_config config,
			      size_t fail_at, int err);
void world_close(struct world *w);

/* Events of a type (NULL: any) that contain `text` (NULL: any). */
size_t world_events(const struct world *w, const char *type, const char *text);
/* Alerts of one rule. */
size_t world_alerts(const struct world *w, uint32_t sid);
void world_forget(struct world *w);

/* A frame in the making. Addresses are dotted IPv4, or IPv6. */
struct frame {
	uint8_t at[FRAME_MAX];
	size_t len;
};

struct frame frame_udp(const char *src, uint16_t sp, const char *dst, uint16_t dp,
		       const void *payload, size_t len);
struct frame frame_tcp(const char *src, uint16_t sp, const char *dst, uint16_t dp, uint8_t flags,
		       const void *payload, size_t len);
/* Give a TCP segment its place in the connection. */
void frame_set_place(struct frame *f, uint32_t seq, uint32_t ack);
struct frame frame_icmp(const char *src, const char *dst, uint8_t type, uint8_t code,
			const void *payload, size_t len);
/* Any upper-layer protocol, `data` as it is. */
struct frame frame_ip(const char *src, const char *dst, uint8_t proto, const void *data,
		      size_t len);
/* Bring the IPv4 header checksum of a changed frame in order. */
void frame_fix_ip(struct frame *f);

/* Send it; the engine sees a copy of exactly its size, so that ASan sees any step outside. */
enum ids_verdict world_send(struct world *w, const struct frame *f);
/* A UDP datagram 192.0.2.7:4000 -> 10.0.0.1:53 with this text. */
enum ids_verdict world_say(struct world *w, const void *payload, size_t len);
