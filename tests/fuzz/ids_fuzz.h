/* An engine for the fuzz targets: static memory, events checked and thrown away. */
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ids/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(x)                                                                                 \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

struct fuzz_engine {
	struct eve eve;
	struct ids *ids;
	uint64_t seq, last_seq, now_ns;
	void *memory[16];
	unsigned allocs;
};

static inline void *fuzz_alloc(void *ctx, size_t size)
{
	struct fuzz_engine *f = ctx;

	REQUIRE(f->allocs < 16);
	return f->memory[f->allocs++] = calloc(1, size ? size : 1);
}

/* A line is one object, without control characters, and numbered. */
static inline void fuzz_emit(void *ctx, enum eve_class cls, const char *line, size_t len)
{
	struct fuzz_engine *f = ctx;

	REQUIRE(cls < EVE_CLASSES && len < EVE_LINE_MAX && strlen(line) == len);
	REQUIRE(line[0] == '{' && line[len - 1] == '}');
	for (size_t i = 0; i < len; i++)
		REQUIRE((unsigned char)line[i] >= 0x20 && line[i] != 0x7f);
	REQUIRE(f->seq > f->last_seq);
	f->last_seq = f->seq;
}

/* 0 or what ids_create says. */
static inline int fuzz_open(struct fuzz_engine *f, const struct ids_config *config,
			    const void *blob, size_t len)
{
	struct eve_config eve = {
		.host = "fuzz", .boot = "0", .seq = &f->seq, .ctx = f, .emit = fuzz_emit};
	struct ids_ops ops = {.ctx = f, .alloc = fuzz_alloc};

	memset(f, 0, sizeof(*f));
	f->now_ns = 1700000000ull * 1000000000;
	eve_init(&f->eve, &eve);
	return ids_create(&f->ids, &ops, &f->eve, config, blob, len);
}

static inline void fuzz_close(struct fuzz_engine *f)
{
	while (f->allocs)
		free(f->memory[--f->allocs]);
}

/* A copy of exactly its size, so that a step outside is seen. */
static inline void fuzz_frame(struct fuzz_engine *f, const uint8_t *frame, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	const struct ids_stats *s = ids_stats(f->ids);
	uint64_t before = s->accepted + s->blocked;

	memcpy(copy, frame, len);
	ids_inspect(f->ids, copy, len, IDS_TO_GUEST, f->now_ns);
	f->now_ns += 1000000;
	REQUIRE(s->accepted + s->blocked == before + 1);
	free(copy);
}
