/* Rules over packets, streams and transactions made by hand: the matcher without an engine around
 * it, for the unit tests. */
#pragma once

#include "ids/rules/matcher.h"
#include "tests/unit/ids_world.h"

#define BENCH_BUFFERS 8 /* of one kind */

struct bench {
	struct blob blob;
	void *data, *memory;
	struct matcher matcher;
	struct ids_stats stats;
	struct packet packet;
	uint8_t *frame;
	struct flow flow;
	struct flow_ref ref;
	struct look look;
	struct matches out;
	/* The transaction: buffers as texts; numbers and events that are set. */
	struct app_view buffer[APP_BUFFERS][BENCH_BUFFERS];
	unsigned calls; /* of the buffer function */
	bool has_number[RULE_NUMBERS];
	uint32_t number[RULE_NUMBERS];
	uint32_t event_kind, event;
	bool has_event;
	struct rule_source source;
	struct rule_process process;
	struct matcher_tx tx;
	struct matcher_stream stream;
};

/* Rules must all be taken. The packet is a TCP segment to the server of an established flow. */
struct bench *bench_open(const char *rules);
/* The same over a finished blob, which is freed with it. */
struct bench *bench_open_blob(void *blob, size_t len);
void bench_close(struct bench *b);
/* The packet at hand is this one from here on (copied to memory of its size, so that ASan sees). */
void bench_packet(struct bench *b, const struct frame *f);
/* It goes the other way. */
void bench_to_client(struct bench *b, bool to_client);
/* The transaction's buffer has this text (NULL: is not there), in memory of exactly its size. */
void bench_buffer(struct bench *b, enum app_buffer which, unsigned index, const char *text);
void bench_number(struct bench *b, enum rule_number which, uint32_t value);

/* One pass each; they begin with no matches. */
void bench_run_packet(struct bench *b);
/* A transaction of this protocol that has all its buffers at once. */
void bench_run_tx(struct bench *b, enum app_proto proto);
/* A step of one: these are new. */
void bench_step_tx(struct bench *b, enum app_proto proto, uint64_t fresh, uint64_t ready,
		   bool done);
/* `len` more octets of a stream; the window is the last `window` of all of them. */
void bench_run_stream(struct bench *b, const char *all, size_t from, size_t len, size_t window);

/* Did the rule with that sid match in the last pass? */
bool bench_hit(const struct bench *b, uint32_t sid);
/* Did it, without an alert? */
bool bench_silent(const struct bench *b, uint32_t sid);
