#include <stdlib.h>
#include <string.h>

#include "tests/unit/rule_bench.h"

static void copy(struct app_view *to, const void *data, size_t len)
{
	uint8_t *at = malloc(len ? len : 1);

	memcpy(at, data, len);
	free((void *)(uintptr_t)to->at);
	*to = (struct app_view){at, (uint32_t)len};
}

static bool get_buffer(void *ctx, enum app_buffer which, unsigned index, struct app_view *view)
{
	struct bench *b = ctx;

	b->calls++;
	assert_true(which < APP_BUFFERS);
	if (index >= BENCH_BUFFERS || !b->buffer[which][index].at)
		return false;
	*view = b->buffer[which][index];
	return true;
}

static bool get_number(void *ctx, enum rule_number which, uint32_t *value)
{
	struct bench *b = ctx;

	assert_true(which < RULE_NUMBERS);
	*value = b->number[which];
	return b->has_number[which];
}

static bool get_event(void *ctx, enum rule_event kind, uint32_t event)
{
	struct bench *b = ctx;

	return b->has_event && b->event_kind == kind && b->event == event;
}

struct bench *bench_open(const char *rules)
{
	size_t len;
	void *blob = world_compile(rules, &len);

	return bench_open_blob(blob, len);
}

struct bench *bench_open_blob(void *blob, size_t len)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct frame f = frame_tcp("192.0.2.7", 4000, "10.0.0.1", 80, TCP_ACK, "", 0);

	b->data = blob;
	assert_null(blob_open(&b->blob, b->data, len));
	b->memory = calloc(1, (size_t)matcher_size(&b->blob));
	assert_true(matcher_init(&b->matcher, &b->blob, b->memory, 4711, &b->stats));
	b->flow.id = 12345;
	b->ref = (struct flow_ref){.flow = &b->flow, .to_server = true, .established = true};
	b->source = (struct rule_source){
		.ctx = b, .buffer = get_buffer, .number = get_number, .event = get_event};
	b->look = (struct look){.packet = &b->packet,
				.flow = &b->ref,
				.source = &b->source,
				.now_ns = 1700000000ull * STATE_SECOND};
	bench_packet(b, &f);
	return b;
}

void bench_close(struct bench *b)
{
	for (unsigned i = 0; i < APP_BUFFERS; i++)
		for (unsigned k = 0; k < BENCH_BUFFERS; k++)
			free((void *)(uintptr_t)b->buffer[i][k].at);
	free(b->frame);
	free(b->memory);
	free(b->data);
	free(b);
}

void bench_packet(struct bench *b, const struct frame *f)
{
	free(b->frame);
	b->frame = malloc(f->len);
	memcpy(b->frame, f->at, f->len);
	assert_true(
		packet_decode(&b->packet, b->frame, f->len, IDS_LINK_ETHERNET, false, &b->stats));
}

void bench_to_client(struct bench *b, bool to_client)
{
	b->ref.to_server = !to_client;
}

void bench_buffer(struct bench *b, enum app_buffer which, unsigned index, const char *text)
{
	struct app_view *view = &b->buffer[which][index];

	if (text) {
		copy(view, text, strlen(text));
		return;
	}
	free((void *)(uintptr_t)view->at);
	*view = (struct app_view){0};
}

void bench_number(struct bench *b, enum rule_number which, uint32_t value)
{
	b->has_number[which] = true;
	b->number[which] = value;
}

void bench_run_packet(struct bench *b)
{
	b->out.count = 0;
	matcher_packet(&b->matcher, &b->look, &b->out);
}

void bench_step_tx(struct bench *b, enum app_proto proto, uint64_t fresh, uint64_t ready, bool done)
{
	b->out.count = 0;
	b->look.proto = proto;
	matcher_tx(&b->matcher, &b->look, fresh, ready, done, &b->tx, &b->out);
}

void bench_run_tx(struct bench *b, enum app_proto proto)
{
	uint64_t there = 0;

	for (unsigned i = 0; i < APP_BUFFERS; i++)
		if (b->buffer[i][0].at)
			there |= 1ull << i;
	memset(&b->tx, 0, sizeof(b->tx));
	bench_step_tx(b, proto, there, there, true);
}

void bench_run_stream(struct bench *b, const char *all, size_t from, size_t len, size_t window)
{
	size_t end = from + len, begin = end > window ? end - window : 0;
	struct app_view view = {0};

	copy(&view, all + begin, end - begin);
	b->look.window = view;
	b->look.window_at = begin;
	b->out.count = 0;
	matcher_stream(&b->matcher, &b->look, (uint32_t)len, &b->stream, &b->out);
	free((void *)(uintptr_t)view.at);
}

static int place(const struct bench *b, uint32_t sid)
{
	for (uint32_t i = 0; i < b->out.count; i++)
		if (b->blob.rule[b->out.rule[i]].sid == sid)
			return (int)i;
	return -1;
}

bool bench_hit(const struct bench *b, uint32_t sid)
{
	return place(b, sid) >= 0;
}

bool bench_silent(const struct bench *b, uint32_t sid)
{
	return place(b, sid) >= 0 && b->out.silent[place(b, sid)];
}
