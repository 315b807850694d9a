/* The blob: damage of any kind is refused; what has a good checksum but a bad structure is refused
 * or harmless. */
#include <stdlib.h>
#include <string.h>

#include "hv/errno.h"
#include "ids/rules/blob.h"
#include "tests/unit/ids_world.h"

static const char rules[] =
	"alert udp $HOME_NET 1: -> any any (msg:\"one\"; content:\"abc\"; nocase; content:\"de\"; "
	"distance:1; within:4; classtype:misc-attack; metadata:k v; sid:1;)\n"
	"drop tcp 2001:db8::/32 any -> any !80 (content:\"abd\"; flow:established; sid:2;)\n"
	"pass icmp any any <> any any (itype:8; sid:3;)\n"
	"alert ip any any -> ![10.0.0.0/8,fe80::/10] any (sid:4;)";

static void refuse_all(const uint8_t *data, size_t len)
{
	struct blob b;

	assert_non_null(blob_open(&b, data, len));
}

static void test_crc(void **state)
{
	(void)state;
	/* The check value of CRC-32C ("123456789"). */
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
	assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283u);
}

static void test_sound(void **state)
{
	size_t len;
	void *data = world_compile(rules, &len);
	struct blob b;

	(void)state;
	assert_null(blob_open(&b, data, len));
	assert_int_equal(b.count[BLOB_RULES], 4);
	assert_int_equal(b.rule[0].sid, 3); /* pass first, then drop, then alert by priority */
	assert_int_equal(b.rule[1].sid, 2);
	assert_int_equal(b.rule[2].sid, 1);
	assert_int_equal(b.rule[3].sid, 4);
	assert_null(ids_blob_reason(data, len));
	free(data);
}

static void test_every_bit(void **state)
{
	size_t len;
	uint8_t *data = world_compile(rules, &len);

	(void)state;
	for (size_t i = 0; i < len; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			data[i] ^= (uint8_t)(1 << bit);
			refuse_all(data, len);
			data[i] ^= (uint8_t)(1 << bit);
		}
	}
	free(data);
}

static void test_every_length(void **state)
{
	size_t len;
	uint8_t *data = world_compile(rules, &len);

	(void)state;
	for (size_t n = 0; n < len; n++) {
		/* A copy of exactly that size: reading past it is caught. */
		uint8_t *cut = malloc(n ? n : 1);

		memcpy(cut, data, n);
		refuse_all(cut, n);
		free(cut);
	}
	free(data);
}

static void test_tail_and_alignment(void **state)
{
	size_t len;
	uint8_t *data = world_compile(rules, &len), *more = calloc(1, len + 16);

	(void)state;
	memcpy(more, data, len);
	refuse_all(more, len + 8);
	memmove(more + 4, data, len);
	refuse_all(more + 4, len);
	free(more);
	free(data);
}

/* Run packets of each kind over an engine with this blob. */
static void exercise(const void *data, size_t len)
{
	static const struct ids_config config = {.link = IDS_LINK_ETHERNET, .ips = true};
	struct world *w = world_open_blob(data, len, config, 0, 0);
	struct frame f[] = {
		frame_udp("192.168.0.1", 5, "1.2.3.4", 6, "xABCxxdexabd", 12),
		frame_tcp("2001:db8::1", 5, "::1", 6, 0x10, "xabdabcde", 9),
		frame_icmp("10.0.0.1", "10.0.0.2", 8, 0, "abcabd", 6),
	};

	for (size_t i = 0; i < sizeof(f) / sizeof(f[0]); i++)
		world_send(w, &f[i]);
	world_close(w);
}

/* With the checksum put right again, a changed structure must be refused or do no harm. */
static void test_structure(void **state)
{
	size_t len;
	uint8_t *data = world_compile(rules, &len);
	unsigned refused = 0;

	(void)state;
	for (size_t i = offsetof(struct blob_header, section); i < len; i++) {
		static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
		uint8_t saved = data[i];

		for (size_t v = 0; v < sizeof(values); v++) {
			struct blob_header *h = (struct blob_header *)data;
			struct blob b;

			data[i] = values[v];
			h->crc = blob_crc(data, len);
			if (blob_open(&b, data, len))
				refused++;
			else
				exercise(data, len);
		}
		data[i] = saved;
	}
	assert_true(refused > 500);
	free(data);
}

static void test_create(void **state)
{
	struct ids_config config = {.link = IDS_LINK_ETHERNET};
	size_t len;
	uint8_t *data = world_compile(rules, &len);

	(void)state;
	/* Every allocation may fail. */
	struct world *w = world_open_blob(data, len, config, 0, 0);
	size_t allocs = w->allocs;

	world_close(w);
	assert_true(allocs > 5);
	for (size_t n = 1; n <= allocs; n++)
		assert_null(world_open_blob(data, len, config, n, -ENOMEM));
	config.flow_entries = 1u << 30;
	assert_null(world_open_blob(data, len, config, 0, -EINVAL));
	config.flow_entries = 0;
	data[len / 2] ^= 1;
	assert_null(world_open_blob(data, len, config, 0, -EBADMSG));
	assert_non_null(ids_blob_reason(data, len));
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc),
		cmocka_unit_test(test_sound),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_tail_and_alignment),
		cmocka_unit_test(test_structure),
		cmocka_unit_test(test_create),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
