/* All that the matcher looks at, over a blob that blob_open took: packets, a stream in pieces,
 * transactions in steps. For fuzz targets. */
#pragma once

#include "ids/rules/matcher.h"
#include "tests/fuzz/ids_fuzz.h"

/* Buffers are copies of their size, so that a step outside is seen. */
struct fuzz_source {
	uint8_t *text;
	uint32_t len;
};

static inline bool fuzz_buffer(void *ctx, enum app_buffer which, unsigned index,
			       struct app_view *view)
{
	struct fuzz_source *s = ctx;

	REQUIRE(which < APP_BUFFERS && which != APP_PAYLOAD);
	REQUIRE(!(app_buffers[which].flags & APP_BUFFER_PACKET));
	if (index > 2)
		return false;
	/* Now and then an empty one, without a place. */
	*view = which % 7 == 3 ? (struct app_view){NULL, 0} : (struct app_view){s->text, s->len};
	return true;
}

static inline bool fuzz_number(void *ctx, enum rule_number which, uint32_t *value)
{
	(void)ctx;
	REQUIRE(which < RULE_NUMBERS);
	*value = which * 3;
	return true;
}

static inline bool fuzz_event(void *ctx, enum rule_event kind, uint32_t event)
{
	(void)ctx;
	REQUIRE(kind < RULE_EVENTS);
	return event % 2;
}

static inline void fuzz_check(const struct blob *b, const struct matches *m)
{
	REQUIRE(m->count <= IDS_ALERTS_PER_PACKET);
	for (uint32_t i = 0; i < m->count; i++)
		REQUIRE(m->rule[i] < b->count[BLOB_RULES] &&
			(i == 0 || m->rule[i - 1] < m->rule[i]));
}

static inline void fuzz_transactions(struct matcher *m, struct look *look)
{
	const uint64_t some = 0x5555555555555555ull, all = ~0ull;
	struct matches out = {.count = 0};

	for (unsigned proto = 0; proto < APP_PROTOS; proto++) {
		struct matcher_tx tx = {0};

		look->proto = (enum app_proto)proto;
		matcher_tx(m, look, some, some, false, &tx, &out);
		matcher_tx(m, look, ~some, all, proto % 2, &tx, &out);
		matcher_tx(m, look, all, all, true, &tx, &out);
		fuzz_check(m->blob, &out);
	}
}

static inline void fuzz_stream(struct matcher *m, struct look *look, const uint8_t *text,
			       uint32_t len, struct matcher_stream *s)
{
	for (uint32_t at = 0, piece = 1; at < len; at += piece++) {
		uint32_t fresh = len - at < piece ? len - at : piece;
		uint32_t end = at + fresh, begin = end > 24 + fresh ? end - 24 - fresh : 0;
		struct matches out = {.count = 0};

		look->window = (struct app_view){text + begin, end - begin};
		look->window_at = 4294967280u + begin; /* over the end of 32 bits */
		matcher_stream(m, look, fresh, s, &out);
		fuzz_check(m->blob, &out);
	}
}

/* `text`: the payload of all. */
static inline void fuzz_looks(const void *data, size_t size, const uint8_t *frame, size_t frame_len,
			      const uint8_t *text, uint32_t len)
{
	static const struct rule_process process = {.name = {(const uint8_t *)"nc", 2},
						    .has_uid = true};
	struct fuzz_source from = {.text = malloc(len ? len : 1), .len = len};
	struct rule_source source = {
		.ctx = &from, .buffer = fuzz_buffer, .number = fuzz_number, .event = fuzz_event};
	struct flow flow = {.id = 77};
	struct flow_ref ref = {.flow = &flow, .first = true, .established = true};
	struct ids_stats stats = {0};
	struct packet p;
	struct look look = {.packet = &p, .flow = &ref, .source = &source, .now_ns = 1};
	struct matcher_stream stream[2] = {{.count = 0}};
	struct matcher m;
	struct blob b;
	void *memory;

	memcpy(from.text, text, len);
	REQUIRE(blob_open(&b, data, size) == NULL);
	REQUIRE(packet_decode(&p, frame, frame_len, IDS_LINK_ETHERNET, false, &stats));
	memory = calloc(1, (size_t)matcher_size(&b));
	REQUIRE(matcher_init(&m, &b, memory, 99, &stats));
	for (unsigned i = 0; i < 4; i++) {
		struct matches out = {.count = 0};

		ref.to_server = i % 2;
		look.process = i > 1 ? &process : NULL;
		look.now_ns += 1000000000;
		matcher_packet(&m, &look, &out);
		fuzz_check(&b, &out);
		fuzz_stream(&m, &look, from.text, len, &stream[i % 2]);
		fuzz_transactions(&m, &look);
	}
	free(memory);
	free(from.text);
}
