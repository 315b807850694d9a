#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ids/packet/packet.h"
#include "ids/rules/compile/compile.h"
#include "tests/unit/ids_world.h"

struct refusals {
	unsigned count;
	char last[256];
};

static void on_refused(void *ctx, const char *file, unsigned line, uint32_t sid, const char *reason)
{
	struct refusals *r = ctx;

	(void)file;
	(void)line;
	(void)sid;
	r->count++;
	strncpy(r->last, reason, sizeof(r->last) - 1);
}

static void *compile(const char *rules, size_t *len, struct refusals *r)
{
	struct compiler *c = compiler_new(on_refused, r);
	void *blob = NULL;

	compiler_text(c, "test", rules, strlen(rules));
	assert_int_equal(compiler_finish(c, &blob, len), 0);
	compiler_free(c);
	return blob;
}

void *world_compile(const char *rules, size_t *len)
{
	struct refusals r = {0};
	void *blob = compile(rules, len, &r);

	if (r.count)
		fail_msg("refused: %s", r.last);
	return blob;
}

void world_refused(const char *rule, const char *why)
{
	struct refusals r = {0};
	size_t len;

	free(compile(rule, &len, &r));
	if (r.count != 1 || !strstr(r.last, why))
		fail_msg("%s: %u refused, reason: %s", rule, r.count, r.last);
}

static void *allocate(void *ctx, size_t size)
{
	struct world *w = ctx;

	if (w->allocs + 1 == w->fail_at)
		return NULL;
	assert_true(w->allocs < WORLD_ALLOCS);
	return w->memory[w->allocs++] = calloc(1, size);
}

static void emit(void *ctx, enum eve_class cls, const char *line, size_t len)
{
	struct world *w = ctx;

	assert_true(cls < EVE_CLASSES);
	assert_int_equal(strlen(line), len);
	assert_true(w->lines < WORLD_LINES);
	w->line[w->lines++] = strdup(line);
}

struct world *world_open_blob(const void *blob, size_t len, struct ids_config config,
			      size_t fail_at, int err)
{
	struct world *w = calloc(1, sizeof(*w));
	struct eve_config eve = {
		.host = "test", .boot = "b00t", .seq = &w->seq, .ctx = w, .emit = emit};
	struct ids_ops ops = {.ctx = w, .alloc = allocate};

	w->now_ns = 1700000000ull * 1000000000;
	w->fail_at = fail_at;
	eve_init(&w->eve, &eve);
	assert_int_equal(ids_create(&w->ids, &ops, &w->eve, &config, blob, len), err);
	if (!err)
		return w;
	world_close(w);
	return NULL;
}

struct world *world_open_config(const char *rules, struct ids_config config)
{
	size_t len = 0;
	void *blob = rules ? world_compile(rules, &len) : NULL;
	struct world *w = world_open_blob(blob, len, config, 0, 0);

	w->blob = blob;
	return w;
}

struct world *world_open(const char *rules)
{
	return world_open_config(rules,
				 (struct ids_config){.link = IDS_LINK_ETHERNET, .ips = true});
}

void world_forget(struct world *w)
{
	while (w->lines)
		free(w->line[--w->lines]);
}

void world_close(struct world *w)
{
	world_forget(w);
	for (size_t i = 0; i < w->allocs; i++)
		free(w->memory[i]);
	free(w->blob);
	free(w);
}

size_t world_events(const struct world *w, const char *type, const char *text)
{
	char field[64];
	size_t n = 0;

	snprintf(field, sizeof(field), "\"event_type\":\"%s\"", type ? type : "");
	for (size_t i = 0; i < w->lines; i++)
		if ((!type || strstr(w->line[i], field)) && (!text || strstr(w->line[i], text)))
			n++;
	return n;
}

size_t world_alerts(const struct world *w, uint32_t sid)
{
	char text[64];

	snprintf(text, sizeof(text), "\"signature_id\":%u,", sid);
	return world_events(w, "alert", text);
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint16_t finished_sum(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

void frame_fix_ip(struct frame *f)
{
	uint8_t *ip = f->at + 14;

	put16(ip + 10, 0);
	put16(ip + 10, finished_sum(packet_sum(ip, (size_t)(ip[0] & 15) * 4, 0)));
}

struct frame frame_ip(const char *src, const char *dst, uint8_t proto, const void *data, size_t len)
{
	struct frame f = {.at = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}};
	bool v6 = strchr(src, ':') != NULL;
	uint8_t *ip = f.at + 14;
	size_t header = v6 ? 40 : 20;

	assert_true(14 + header + len <= sizeof(f.at));
	put16(f.at + 12, v6 ? 0x86dd : 0x0800);
	if (v6) {
		ip[0] = 0x60;
		put16(ip + 4, (uint32_t)len);
		ip[6] = proto;
		ip[7] = 64;
		assert_int_equal(inet_pton(AF_INET6, src, ip + 8), 1);
		assert_int_equal(inet_pton(AF_INET6, dst, ip + 24), 1);
	} else {
		ip[0] = 0x45;
		put16(ip + 2, (uint32_t)(header + len));
		ip[8] = 64;
		ip[9] = proto;
		assert_int_equal(inet_pton(AF_INET, src, ip + 12), 1);
		assert_int_equal(inet_pton(AF_INET, dst, ip + 16), 1);
	}
	if (len)
		memcpy(ip + header, data, len);
	f.len = 14 + header + len;
	if (!v6)
		frame_fix_ip(&f);
	return f;
}

/* Fill the upper-layer checksum at `field` of the header. */
static void fix_upper(struct frame *f, size_t field, bool pseudo)
{
	uint8_t *ip = f->at + 14;
	bool v6 = ip[0] >> 4 == 6;
	size_t header = v6 ? 40 : 20, len = f->len - 14 - header;
	uint32_t sum = 0;

	put16(ip + header + field, 0);
	if (pseudo) {
		sum = packet_sum(v6 ? ip + 8 : ip + 12, v6 ? 32 : 8, (uint32_t)len);
		sum += ip[v6 ? 6 : 9];
	}
	put16(ip + header + field, finished_sum(packet_sum(ip + header, len, sum)));
}

struct frame frame_udp(const char *src, uint16_t sp, const char *dst, uint16_t dp,
		       const void *payload, size_t len)
{
	uint8_t data[FRAME_MAX] = {0};
	struct frame f;

	put16(data, sp);
	put16(data + 2, dp);
	put16(data + 4, (uint32_t)(8 + len));
	if (len)
		memcpy(data + 8, payload, len);
	f = frame_ip(src, dst, PROTO_UDP, data, 8 + len);
	fix_upper(&f, 6, true);
	return f;
}

struct frame frame_tcp(const char *src, uint16_t sp, const char *dst, uint16_t dp, uint8_t flags,
		       const void *payload, size_t len)
{
	uint8_t data[FRAME_MAX] = {0};
	struct frame f;

	put16(data, sp);
	put16(data + 2, dp);
	data[12] = 5 << 4;
	data[13] = flags;
	put16(data + 14, 8192);
	if (len)
		memcpy(data + 20, payload, len);
	f = frame_ip(src, dst, PROTO_TCP, data, 20 + len);
	fix_upper(&f, 16, true);
	return f;
}

void frame_set_place(struct frame *f, uint32_t seq, uint32_t ack)
{
	uint8_t *tcp = f->at + 14 + (f->at[12] == 0x08 ? 20 : 40);

	for (unsigned i = 0; i < 4; i++) {
		tcp[4 + i] = (uint8_t)(seq >> (24 - 8 * i));
		tcp[8 + i] = (uint8_t)(ack >> (24 - 8 * i));
	}
	tcp[16] = tcp[17] = 0;
	fix_upper(f, 16, true);
}

struct frame frame_icmp(const char *src, const char *dst, uint8_t type, uint8_t code,
			const void *payload, size_t len)
{
	uint8_t data[FRAME_MAX] = {type, code};
	bool v6 = strchr(src, ':') != NULL;
	struct frame f;

	if (len)
		memcpy(data + 8, payload, len);
	f = frame_ip(src, dst, v6 ? PROTO_ICMPV6 : PROTO_ICMP, data, 8 + len);
	fix_upper(&f, 2, v6);
	return f;
}

enum ids_verdict world_send(struct world *w, const struct frame *f)
{
	uint8_t *copy = malloc(f->len ? f->len : 1);
	enum ids_verdict v;

	memcpy(copy, f->at, f->len);
	v = ids_inspect(w->ids, copy, f->len, IDS_TO_GUEST, w->now_ns);
	free(copy);
	return v;
}

enum ids_verdict world_say(struct world *w, const void *payload, size_t len)
{
	struct frame f = frame_udp("192.0.2.7", 4000, "10.0.0.1", 53, payload, len);

	return world_send(w, &f);
}
