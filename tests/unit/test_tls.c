/* TLS: hellos, certificates, JA3; whole, octet by octet and cut in two. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include "ids/digest.h"
#include "ids/app/tls.h"
#include "ids/app/x509.h"
#include "tests/unit/app_world.h"

/* A self-signed certificate made for the tests (openssl req -x509 -newkey rsa:1024 -subj
 * /C=DE/O=Vigil/OU=a/CN=www.example.org); what openssl says of it. */
#define CERT_SUBJECT	 "C=DE, O=Vigil, OU=a, CN=www.example.org"
#define CERT_SERIAL	 "10:AC:48:C0:8A:B8:36:0B:CF:E4:D6:EF:62:4A:CF:D1:47:60:22:03"
#define CERT_FINGERPRINT "3b:da:89:6b:88:92:3e:de:83:9c:58:e8:42:5a:0b:cc:85:25:e7:e9"
#define CERT_NOT_BEFORE	 1796063887
#define CERT_NOT_AFTER	 1798655887
static const uint8_t cert_der[] = {
	0x30, 0x82, 0x02, 0x62, 0x30, 0x82, 0x01, 0xcb, 0xa0, 0x03, 0x02, 0x01, 0x02, 0x02, 0x14,
	0x10, 0xac, 0x48, 0xc0, 0x8a, 0xb8, 0x36, 0x0b, 0xcf, 0xe4, 0xd6, 0xef, 0x62, 0x4a, 0xcf,
	0xd1, 0x47, 0x60, 0x22, 0x03, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d,
	0x01, 0x01, 0x0b, 0x05, 0x00, 0x30, 0x43, 0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04,
	0x06, 0x13, 0x02, 0x44, 0x45, 0x31, 0x0e, 0x30, 0x0c, 0x06, 0x03, 0x55, 0x04, 0x0a, 0x0c,
	0x05, 0x56, 0x69, 0x67, 0x69, 0x6c, 0x31, 0x0a, 0x30, 0x08, 0x06, 0x03, 0x55, 0x04, 0x0b,
	0x0c, 0x01, 0x61, 0x31, 0x18, 0x30, 0x16, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x0f, 0x77,
	0x77, 0x77, 0x2e, 0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e, 0x6f, 0x72, 0x67, 0x30,
	0x1e, 0x17, 0x0d, 0x32, 0x36, 0x31, 0x31, 0x33, 0x30, 0x31, 0x38, 0x33, 0x38, 0x30, 0x37,
	0x5a, 0x17, 0x0d, 0x32, 0x36, 0x31, 0x32, 0x33, 0x30, 0x31, 0x38, 0x33, 0x38, 0x30, 0x37,
	0x5a, 0x30, 0x43, 0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x06, 0x13, 0x02, 0x44,
	0x45, 0x31, 0x0e, 0x30, 0x0c, 0x06, 0x03, 0x55, 0x04, 0x0a, 0x0c, 0x05, 0x56, 0x69, 0x67,
	0x69, 0x6c, 0x31, 0x0a, 0x30, 0x08, 0x06, 0x03, 0x55, 0x04, 0x0b, 0x0c, 0x01, 0x61, 0x31,
	0x18, 0x30, 0x16, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x0f, 0x77, 0x77, 0x77, 0x2e, 0x65,
	0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e, 0x6f, 0x72, 0x67, 0x30, 0x81, 0x9f, 0x30, 0x0d,
	0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00, 0x03, 0x81,
	0x8d, 0x00, 0x30, 0x81, 0x89, 0x02, 0x81, 0x81, 0x00, 0xa8, 0x7c, 0x37, 0xf6, 0x7d, 0x94,
	0x4f, 0xd7, 0x72, 0xf2, 0xc4, 0x2d, 0x96, 0x1b, 0xe9, 0x1e, 0x16, 0xe8, 0x48, 0xe2, 0xa6,
	0x0e, 0xfe, 0xd3, 0x60, 0xbb, 0xe1, 0xa5, 0x51, 0x52, 0x22, 0x75, 0x29, 0x1c, 0x5e, 0x71,
	0x60, 0x53, 0xde, 0x47, 0x9f, 0xbd, 0x01, 0x37, 0x31, 0x74, 0x8c, 0x05, 0x8f, 0xfe, 0x38,
	0xa7, 0x69, 0x5b, 0x17, 0xf9, 0x93, 0x30, 0xb9, 0xbf, 0xb5, 0x94, 0xf9, 0x4b, 0xd6, 0xb1,
	0x0e, 0xf7, 0xbc, 0x46, 0x33, 0xf7, 0xf3, 0x3c, 0x1b, 0x2c, 0xc5, 0x23, 0x09, 0xf7, 0xdf,
	0xa8, 0xfe, 0xea, 0xa9, 0x56, 0x77, 0x75, 0x87, 0xa4, 0x20, 0x16, 0x77, 0x2c, 0xc6, 0x6e,
	0xdf, 0x23, 0x37, 0xe6, 0xf9, 0xca, 0x65, 0x78, 0xb1, 0x95, 0xb5, 0xaa, 0xcb, 0x7c, 0x9b,
	0xc5, 0x40, 0x53, 0x98, 0xb3, 0xd3, 0x3a, 0xf0, 0xa5, 0x07, 0x24, 0x8e, 0x82, 0x6d, 0x3c,
	0xec, 0xe3, 0x02, 0x03, 0x01, 0x00, 0x01, 0xa3, 0x53, 0x30, 0x51, 0x30, 0x1d, 0x06, 0x03,
	0x55, 0x1d, 0x0e, 0x04, 0x16, 0x04, 0x14, 0x3c, 0xa6, 0x84, 0x87, 0x95, 0x81, 0xe2, 0x88,
	0x6b, 0x13, 0x5f, 0xe4, 0x52, 0x07, 0xd4, 0x23, 0x27, 0x8f, 0x28, 0x57, 0x30, 0x1f, 0x06,
	0x03, 0x55, 0x1d, 0x23, 0x04, 0x18, 0x30, 0x16, 0x80, 0x14, 0x3c, 0xa6, 0x84, 0x87, 0x95,
	0x81, 0xe2, 0x88, 0x6b, 0x13, 0x5f, 0xe4, 0x52, 0x07, 0xd4, 0x23, 0x27, 0x8f, 0x28, 0x57,
	0x30, 0x0f, 0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x05, 0x30, 0x03, 0x01,
	0x01, 0xff, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b,
	0x05, 0x00, 0x03, 0x81, 0x81, 0x00, 0x15, 0xb7, 0x9c, 0xb6, 0x3e, 0x65, 0xa0, 0xd9, 0x02,
	0x19, 0x33, 0xa8, 0x3c, 0x07, 0xe6, 0x20, 0xfa, 0x44, 0x57, 0x8e, 0xdd, 0x8a, 0x46, 0x1c,
	0x30, 0x5d, 0x4e, 0xb6, 0x5d, 0xb1, 0x8b, 0x05, 0x69, 0x30, 0xec, 0x42, 0x3b, 0x51, 0xbe,
	0x16, 0xcf, 0x0e, 0x41, 0x87, 0x0f, 0xcd, 0xbb, 0x36, 0x4f, 0xb1, 0x4e, 0xdf, 0x7a, 0x08,
	0xcc, 0xe6, 0x79, 0x08, 0x65, 0xee, 0x35, 0xd2, 0x09, 0x65, 0x2b, 0xc5, 0xa1, 0x12, 0xd8,
	0xf1, 0xda, 0x4c, 0x29, 0x6a, 0x95, 0x10, 0x4c, 0x58, 0x43, 0x31, 0xb8, 0x75, 0xfb, 0x99,
	0x74, 0x67, 0xcd, 0x06, 0xee, 0x2e, 0x60, 0xe6, 0x69, 0x30, 0xba, 0xb1, 0x14, 0x29, 0xb8,
	0xbb, 0x2c, 0xf2, 0x6b, 0x7a, 0xec, 0xe1, 0x67, 0x4a, 0xb6, 0x80, 0xc4, 0x9d, 0x68, 0x07,
	0x7b, 0xf6, 0x2b, 0x95, 0x9e, 0x55, 0xf5, 0x4f, 0x2c, 0xb6, 0xcf, 0xa4, 0x33, 0xbe,
};

struct octets {
	uint8_t at[8192];
	size_t len;
};

static void put(struct octets *o, const void *at, size_t len)
{
	assert_true(o->len + len <= sizeof(o->at));
	memcpy(o->at + o->len, at, len);
	o->len += len;
}

static void put8(struct octets *o, unsigned v)
{
	uint8_t b = (uint8_t)v;

	put(o, &b, 1);
}

static void put16(struct octets *o, unsigned v)
{
	put8(o, v >> 8);
	put8(o, v & 0xff);
}

static void put24(struct octets *o, size_t v)
{
	put8(o, (unsigned)v >> 16);
	put16(o, v & 0xffff);
}

/* A handshake message, and records of at most `max` octets around it. */
static void put_message(struct octets *o, unsigned type, const struct octets *body)
{
	put8(o, type);
	put24(o, body->len);
	put(o, body->at, body->len);
}

static void put_records(struct octets *o, unsigned type, const struct octets *content, size_t max)
{
	for (size_t at = 0; at < content->len;) {
		size_t n = content->len - at < max ? content->len - at : max;

		put8(o, type);
		put16(o, 0x0301);
		put16(o, (unsigned)n);
		put(o, content->at + at, n);
		at += n;
	}
}

static void put_random(struct octets *o, uint8_t with)
{
	uint8_t random[32];

	memset(random, with, 32);
	put(o, random, 32);
}

static void put_sni(struct octets *o, const char *name)
{
	size_t n = strlen(name);

	put16(o, 0);
	put16(o, (unsigned)n + 5);
	put16(o, (unsigned)n + 3);
	put8(o, 0);
	put16(o, (unsigned)n);
	put(o, name, n);
}

/* A client that asks for TLS 1.2, with made-up values between the others. */
static struct octets client_hello(const char *name)
{
	struct octets ext = {.len = 0}, body = {.len = 0}, message = {.len = 0};

	put(&ext, "\x0a\x0a\x00\x00", 4);
	put_sni(&ext, name);
	put(&ext, "\x00\x0a\x00\x08\x00\x06\x1a\x1a\x00\x1d\x00\x17", 12);
	put(&ext, "\x00\x0b\x00\x02\x01\x00", 6);
	put(&ext, "\xff\x01\x00\x01\x00", 5);
	put16(&body, 0x0303);
	put_random(&body, 0x11);
	put8(&body, 4);
	put(&body, "sess", 4);
	put(&body, "\x00\x06\xda\xda\x13\x01\xc0\x2b", 8);
	put(&body, "\x01\x00", 2);
	put16(&body, (unsigned)ext.len);
	put(&body, ext.at, ext.len);
	put_message(&message, 1, &body);
	return message;
}
#define JA3	 "771,4865-49195,0-10-11-65281,29-23,0"
#define JA3_HASH "5263167369648b41652adeb120b69b16"

static struct octets server_hello(bool tls13)
{
	struct octets body = {.len = 0}, message = {.len = 0};

	put16(&body, 0x0303);
	put_random(&body, 0x22);
	put8(&body, 0);
	put16(&body, 0xc02b);
	put8(&body, 0);
	if (tls13)
		put(&body, "\x00\x06\x00\x2b\x00\x02\x03\x04", 8);
	else
		put(&body, "\x00\x0b\xff\x01\x00\x01\x00\x00\x0b\x00\x02\x01\x00", 13);
	put_message(&message, 2, &body);
	return message;
}
#define JA3S	  "771,49195,65281-11"
#define JA3S_HASH "f9a66afdd1f499d415ca470974ec00c8"

static struct octets certificate(size_t cut_short)
{
	struct octets body = {.len = 0}, message = {.len = 0};
	size_t n = sizeof(cert_der) - cut_short;

	put24(&body, 2 * (n + 3));
	for (unsigned i = 0; i < 2; i++) {
		put24(&body, n);
		put(&body, cert_der, n);
	}
	put_message(&message, 11, &body);
	return message;
}

static struct app_world world, other;

static void feed(struct app_world *w, bool to_server, const struct octets *o, size_t step,
		 size_t first)
{
	for (size_t at = 0; at < o->len;) {
		size_t n = !at && first ? first : step;

		n = n && n < o->len - at ? n : o->len - at;
		app_world_data(w, to_server, o->at + at, n, 0);
		at += n;
	}
}

static void exchange(struct app_world *w, const struct octets *c, const struct octets *s,
		     size_t step, size_t first)
{
	app_world_open(w, NULL, true, 40000, 443);
	feed(w, true, c, step, first);
	feed(w, false, s, step, first);
	app_world_end(w);
}

static void run(const struct octets *c, const struct octets *s)
{
	exchange(&world, c, s, 0, 0);
	for (size_t i = 0; i < c->len || i < s->len; i++) {
		const char *why;

		exchange(&other, c, s, i ? 0 : 1, i);
		why = app_world_differs(&world, &other);
		app_world_close(&other);
		if (why)
			fail_msg("cut at %zu: %s", i, why);
	}
}

static void expect(enum app_buffer which, bool to_server, const char *want)
{
	const struct kept *k = &world.tx[0].buffer[to_server][which];

	if (!want) {
		assert_false(k->there);
		return;
	}
	if (!k->there || k->len != strlen(want) || memcmp(k->at, want, k->len))
		fail_msg("%s is <%s>, not <%s>", app_buffers[which].name,
			 k->there ? (const char *)k->at : "-", want);
}

static bool has_event(const char *name)
{
	int e = app_event_find(name);

	assert_true(e >= 0 && e / APP_EVENTS_MAX == APP_TLS);
	return world.tx[0].events >> (e % APP_EVENTS_MAX) & 1;
}

static void handshake(struct octets *c, struct octets *s, size_t max, size_t cut_short)
{
	struct octets m = client_hello("Www.Example.ORG"), all = {.len = 0};

	c->len = s->len = 0;
	put_records(c, 22, &m, max);
	m = server_hello(false);
	put(&all, m.at, m.len);
	m = certificate(cut_short);
	put(&all, m.at, m.len);
	put(&all, "\x0e\x00\x00\x00", 4); /* ServerHelloDone */
	put_records(s, 22, &all, max);
}

static void test_handshake(void **state)
{
	static const size_t sizes[] = {16384, 100, 7};
	struct octets c, s, m;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		handshake(&c, &s, sizes[i], 0);
		m = (struct octets){.len = 1, .at = {1}};
		put_records(&c, 20, &m, 10);
		put_records(&s, 20, &m, 10);
		run(&c, &s);
		assert_int_equal(world.proto, APP_TLS);
		assert_int_equal(world.txs, 1);
		assert_int_equal(world.tx[0].events, 0);
		expect(APP_TLS_SNI, true, "Www.Example.ORG");
		expect(APP_JA3_STRING, true, JA3);
		expect(APP_JA3_HASH, true, JA3_HASH);
		expect(APP_JA3S_STRING, false, JA3S);
		expect(APP_JA3S_HASH, false, JA3S_HASH);
		expect(APP_TLS_CERT_SUBJECT, false, CERT_SUBJECT);
		expect(APP_TLS_CERT_ISSUER, false, CERT_SUBJECT);
		expect(APP_TLS_CERT_SERIAL, false, CERT_SERIAL);
		expect(APP_TLS_CERT_FINGERPRINT, false, CERT_FINGERPRINT);
		assert_int_equal(world.tx[0].buffer[0][APP_TLS_CERTS].len, sizeof(cert_der));
		assert_true(world.tx[0].second[APP_TLS_CERTS].there);
		assert_int_equal(world.tx[0].buffer[1][APP_TLS_RANDOM].at[0], 0x11);
		assert_int_equal(world.tx[0].buffer[0][APP_TLS_RANDOM].at[31], 0x22);
		app_world_close(&world);
	}
}

static void look(struct app_world *w, struct app_tx *tx, bool to_server)
{
	(void)to_server;
	tls_tx_info(tx, w->look_ctx);
}

static void test_info(void **state)
{
	struct octets c, s;
	struct tls_info info;

	(void)state;
	handshake(&c, &s, 16384, 0);
	app_world_open(&world, NULL, true, 40000, 443);
	world.look = look;
	world.look_ctx = &info;
	feed(&world, true, &c, 0, 0);
	feed(&world, false, &s, 0, 0);
	assert_int_equal(info.version, 0x0303);
	assert_string_equal(info.version_name, "TLS 1.2");
	assert_true(info.has_cert);
	assert_int_equal(info.not_before, CERT_NOT_BEFORE);
	assert_int_equal(info.not_after, CERT_NOT_AFTER);
	app_world_close(&world);
}

static void test_tls13(void **state)
{
	struct octets c = {.len = 0}, s = {.len = 0}, m = client_hello("a");
	struct tls_info info;

	(void)state;
	put_records(&c, 22, &m, 16384);
	m = server_hello(true);
	put_records(&s, 22, &m, 16384);
	put_records(&s, 23, &m, 16384); /* encrypted: not looked at */
	put_records(&c, 23, &m, 16384);
	run(&c, &s);
	expect(APP_JA3S_STRING, false, "771,49195,43");
	expect(APP_TLS_CERT_SUBJECT, false, NULL);
	app_world_close(&world);
	app_world_open(&world, NULL, true, 40000, 443);
	world.look = look;
	world.look_ctx = &info;
	feed(&world, true, &c, 0, 0);
	assert_false(app_flow_finished(world.flow));
	feed(&world, false, &s, 0, 0);
	assert_true(app_flow_finished(world.flow));
	assert_string_equal(info.version_name, "TLS 1.3");
	assert_true(info.resumed);
	app_world_close(&world);
}

static void one_hello(const struct octets *ext)
{
	struct octets body = {.len = 0}, m = {.len = 0}, c = {.len = 0}, s = {.len = 0};

	put16(&body, 0x0303);
	put_random(&body, 1);
	put(&body, "\x00\x00\x02\x13\x01\x01\x00", 7);
	put16(&body, (unsigned)ext->len);
	put(&body, ext->at, ext->len);
	put_message(&m, 1, &body);
	put_records(&c, 22, &m, 16384);
	run(&c, &s);
}

static void test_malformed(void **state)
{
	struct octets ext = {.len = 0}, c, s;

	(void)state;
	put_sni(&ext, "one");
	put_sni(&ext, "two");
	one_hello(&ext);
	assert_true(has_event("tls.multiple_sni_extensions"));
	expect(APP_TLS_SNI, true, "one");
	app_world_close(&world);
	ext.at[6] = 1;
	one_hello(&ext);
	assert_true(has_event("tls.invalid_sni_type"));
	app_world_close(&world);
	ext.at[6] = 0;
	ext.at[8] = 99;
	one_hello(&ext);
	assert_true(has_event("tls.invalid_sni_length"));
	app_world_close(&world);
	ext.len = 9; /* an extension longer than what is there */
	one_hello(&ext);
	assert_true(has_event("tls.handshake_invalid_length"));
	expect(APP_JA3_HASH, true, NULL);
	app_world_close(&world);

	handshake(&c, &s, 16384, 100);
	run(&c, &s);
	assert_true(has_event("tls.certificate_invalid_length"));
	expect(APP_TLS_CERT_SUBJECT, false, NULL);
	app_world_close(&world);
	s.at[0] = 99; /* no such record */
	s.at[1] = 3;
	run(&c, &s);
	assert_true(has_event("tls.invalid_record_type"));
	app_world_close(&world);
	handshake(&c, &s, 16384, 0);
	s.at[3] = 0xff;
	run(&c, &s);
	assert_true(has_event("tls.invalid_record_length"));
	app_world_close(&world);
}

static void test_heartbeat(void **state)
{
	struct octets c, s, beat = {.len = 3, .at = {1, 0x40, 0}}; /* claims 16 KiB */

	(void)state;
	handshake(&c, &s, 16384, 0);
	put_records(&c, 24, &beat, 100);
	run(&c, &s);
	assert_true(has_event("tls.overflow_heartbeat_message"));
	app_world_close(&world);
	handshake(&c, &s, 16384, 0);
	beat = (struct octets){.len = 3 + 2 + 16, .at = {1, 0, 2}};
	put_records(&c, 24, &beat, 100);
	run(&c, &s);
	assert_false(has_event("tls.overflow_heartbeat_message"));
	app_world_close(&world);
}

static void test_ssl2(void **state)
{
	struct octets c = {.len = 0}, s, unused;

	(void)state;
	put(&c, "\x80\x1c\x01\x03\x01\x00\x03\x00\x00\x00\x10\x00\x00\x2f", 14);
	put(&c, "0123456789abcdef", 16);
	handshake(&unused, &s, 16384, 0);
	run(&c, &s);
	assert_int_equal(world.proto, APP_TLS);
	expect(APP_TLS_SNI, true, NULL);
	expect(APP_TLS_CERT_SUBJECT, false, CERT_SUBJECT);
	app_world_close(&world);
}

/* Every certificate cut short, or with an octet turned, is read without a step outside. */
static void test_x509(void **state)
{
	uint8_t copy[sizeof(cert_der)];
	struct x509 x;

	(void)state;
	assert_int_equal(x509_parse(&x, cert_der, sizeof(cert_der)), X509_GOOD);
	for (size_t n = 0; n < sizeof(cert_der); n++) {
		uint8_t *cut = test_malloc(n + 1);

		memcpy(cut, cert_der, n);
		assert_int_not_equal(x509_parse(&x, cut, n), X509_GOOD);
		test_free(cut);
	}
	for (size_t n = 0; n < sizeof(cert_der); n++) {
		memcpy(copy, cert_der, sizeof(copy));
		copy[n] ^= 0xff;
		x509_parse(&x, copy, sizeof(copy));
	}
}

static void test_md5(void **state)
{
	static const char *const texts[] = {
		"", "abc",
		"12345678901234567890123456789012345678901234567890123456789012345678901234567890"};
	static const char *const sums[] = {"d41d8cd98f00b204e9800998ecf8427e",
					   "900150983cd24fb0d6963f7d28e17f72",
					   "57edf4a22be3c955ac49da2e2107b67a"};

	(void)state;
	for (unsigned i = 0; i < 3; i++) { /* RFC 1321, A.5 */
		uint8_t out[16];
		char hex[33];

		digest_md5(out, (const uint8_t *)texts[i], strlen(texts[i]));
		for (unsigned k = 0; k < 16; k++)
			snprintf(hex + 2 * k, 3, "%02x", out[k]);
		assert_string_equal(hex, sums[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshake), cmocka_unit_test(test_info),
		cmocka_unit_test(test_tls13),	  cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_heartbeat), cmocka_unit_test(test_ssl2),
		cmocka_unit_test(test_x509),	  cmocka_unit_test(test_md5),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
