/* A connection from fuzzer input, twice: as it is, and cut into pieces. What is told must be the
 * same. Input: an octet for how it is cut, then segments: an octet (direction, gap, end), two of
 * length, the octets. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/app_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Room enough for the input's largest buffers, so that both runs have it. */
static const struct app_config fuzz_config = {
	.flows = 2, .memory = 1 << 20, .request_body = 2048, .response_body = 4096};

static inline void fuzz_cut(struct app_world *w, bool to_server, const uint8_t *data, size_t len,
			    unsigned flags, uint32_t *seed)
{
	if (flags & APP_GAP || !len) {
		app_world_data(w, to_server, data, len, flags);
		return;
	}
	while (len) {
		size_t n;

		*seed = *seed * 1103515245 + 12345;
		n = *seed >> 28 < 6 ? 1 + (*seed >> 16) % 5 : 1 + (*seed >> 8) % 200;
		n = n < len ? n : len;
		app_world_data(w, to_server, data, n, n == len ? flags : 0);
		data += n;
		len -= n;
	}
}

static inline void fuzz_run(struct app_world *w, const uint8_t *data, size_t size, bool cut,
			    uint16_t server_port)
{
	uint32_t seed = size ? data[0] : 0;

	app_world_open(w, &fuzz_config, true, 40000, server_port);
	for (size_t at = 1; at + 3 <= size;) {
		unsigned flags = (data[at] & 0x30) == 0x30 ? APP_GAP : 0;
		size_t want = (size_t)(data[at + 1] & 0x0f) << 8 | data[at + 2];
		size_t left = size - at - 3;
		bool to_server = data[at] & 1;

		flags |= (data[at] & 0xc0) == 0xc0 ? APP_EOF : 0;
		want = want < left ? want : left;
		if (cut)
			fuzz_cut(w, to_server, data + at + 3, want, flags, &seed);
		else
			app_world_data(w, to_server, data + at + 3, want, flags);
		at += 3 + want;
	}
	app_world_end(w);
}

static inline void fuzz_connection(const uint8_t *data, size_t size, uint16_t server_port)
{
	static struct app_world whole, cut;
	const char *why;

	fuzz_run(&whole, data, size, false, server_port);
	fuzz_run(&cut, data, size, true, server_port);
	why = app_world_differs(&whole, &cut);
	if (why) {
		fprintf(stderr, "whole and cut differ: %s\n", why);
		abort();
	}
	app_world_close(&whole);
	app_world_close(&cut);
}
