/* A TCP session for the stream tests: segments made to order, what is delivered is kept. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdbool.h>
#include <cmocka.h>

#include "ids/flow/flow.h"
#include "ids/flow/stream.h"
#include "ids/packet/packet.h"

#define BENCH_MAX 70000
#define CLIENT	  0 /* sends to the server */
#define SERVER	  1

struct bench_got {
	uint8_t at[BENCH_MAX];
	size_t len;
	unsigned gaps, calls;
	bool ended, depth;
};

struct bench {
	struct streams t;
	struct flow f;
	void *memory;
	uint64_t now_ns;
	uint32_t isn[2];
	uint16_t window, urgent;
	uint32_t ts, ts_echo; /* with the timestamp option if ts is not 0 */
	bool spoil;	      /* wrong checksum */
	bool fast_open;
	struct stream_result r;	 /* of the last segment */
	struct bench_got got[2]; /* by sender */
};

/* `config.deliver` is set. */
struct bench *bench_open(struct stream_config config);
/* Checks that the pool is whole again. */
void bench_close(struct bench *b);

/* A segment; seq and ack count from the initial sequence numbers. True: it belongs. */
bool bench_send(struct bench *b, int from, uint8_t flags, uint32_t seq, uint32_t ack,
		const void *data, size_t len);
/* The same, on a flow of one's own. */
bool bench_send_on(struct bench *b, struct flow *f, int from, uint8_t flags, uint32_t seq,
		   uint32_t ack, const void *data, size_t len);
void bench_handshake(struct bench *b);
/* Octets at `at` of the stream (0: the first), acknowledging `acked` octets of the other side. */
bool bench_data(struct bench *b, int from, uint32_t at, uint32_t acked, const void *data,
		size_t len);
void bench_ack(struct bench *b, int from, uint32_t at, uint32_t acked);
bool bench_event(const struct bench *b, const char *name);
/* What was delivered of a sender is this text. */
void bench_got(const struct bench *b, int from, const char *text);
