/* The JSON writer and the events: correct escaping, never truncated, the head fields, Community ID.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ids/eve/community.h"
#include "ids/eve/eve.h"
#include "ids/eve/json.h"
#include "ids/digest.h"
#include "ids/eve/time.h"
#include "tests/unit/ids_world.h"

static void string_is(const void *value, size_t len, const char *want)
{
	char buf[256], whole[256];
	struct json j;

	json_begin(&j, buf, sizeof(buf));
	json_strn(&j, "k", value, len);
	assert_true(json_end(&j) > 0);
	snprintf(whole, sizeof(whole), "{\"k\":\"%s\"}", want);
	assert_string_equal(buf, whole);
}

static void test_strings(void **state)
{
	(void)state;
	string_is("", 0, "");
	string_is("a\"b\\c/d", 7, "a\\\"b\\\\c/d");
	string_is("\n\r\t\0\x1f\x7f", 6, "\\n\\r\\t\\u0000\\u001f\\u007f");
	/* Well-formed UTF-8 stays: 2, 3 and 4 octets, the first and the last of each. */
	string_is("\xc2\x80\xdf\xbf", 4, "\xc2\x80\xdf\xbf");
	string_is("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf", 12,
		  "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf");
	string_is("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 8, "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
#define BAD "\xef\xbf\xbd"
	/* Overlong, surrogate, too high, lone, cut off: each octet of it is replaced. */
	string_is("\xc0\x80", 2, BAD BAD);
	string_is("\xe0\x9f\xbf", 3, BAD BAD BAD);
	string_is("\xed\xa0\x80", 3, BAD BAD BAD);
	string_is("\xf4\x90\x80\x80", 4, BAD BAD BAD BAD);
	string_is("\xf5", 1, BAD);
	string_is("a\x80z", 3, "a" BAD "z");
	string_is("\xe2\x82", 2, BAD BAD);
	string_is("\xe2\x82z", 3, BAD BAD "z");
}

/* Every octet at every place within its neighbours: what is copied by eights comes out the same. */
static void test_every_octet(void **state)
{
	char text[21], want[64];

	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		for (unsigned at = 0; at < 20; at++) {
			char mid[8];
			if (c == '"' || c == '\\')
				snprintf(mid, sizeof(mid), "\\%c", (int)c);
			else if (c == '\n' || c == '\t' || c == '\r')
				snprintf(mid, sizeof(mid), "\\%c",
					 c == '\n'   ? 'n'
					 : c == '\t' ? 't'
						     : 'r');
			else if (c < 0x20 || c == 0x7f)
				snprintf(mid, sizeof(mid), "\\u%04x", c);
			else
				snprintf(mid, sizeof(mid), "%c", c < 0x80 ? (int)c : '?');
			memset(text, 'm', 20);
			text[at] = (char)c;
			snprintf(want, sizeof(want), "%.*s%s%.*s", (int)at, "mmmmmmmmmmmmmmmmmmmm",
				 c < 0x80 ? mid : "\xef\xbf\xbd", (int)(19 - at),
				 "mmmmmmmmmmmmmmmmmmmm");
			string_is(text, 20, want);
		}
	}
}

static void test_values(void **state)
{
	char buf[512];
	struct json j;
	long len;

	(void)state;
	json_begin(&j, buf, sizeof(buf));
	json_u64(&j, "zero", 0);
	json_u64(&j, "max", UINT64_MAX);
	json_i64(&j, "min", INT64_MIN);
	json_hex(&j, "h0", 0);
	json_hex(&j, "h", 0xfee00000);
	json_hex(&j, "hm", UINT64_MAX);
	json_bool(&j, "t", true);
	json_bool(&j, "f", false);
	json_str(&j, "null", NULL);
	json_array(&j, "list");
	json_u64(&j, NULL, 1);
	json_object(&j, NULL);
	json_close(&j);
	json_array(&j, NULL);
	json_str(&j, NULL, "x");
	json_close(&j);
	json_close(&j);
	json_object(&j, "empty");
	json_close(&j);
	len = json_end(&j);
	assert_int_equal(len, strlen(buf));
	assert_string_equal(
		buf, "{\"zero\":0,\"max\":18446744073709551615,\"min\":-9223372036854775808,"
		     "\"h0\":\"0x0\",\"h\":\"0xfee00000\",\"hm\":\"0xffffffffffffffff\",\"t\":true,"
		     "\"f\":false,\"null\":null,\"list\":[1,{},[\"x\"]],\"empty\":{}}");
}

static long write_some(char *buf, size_t size)
{
	struct json j;

	json_begin(&j, buf, size);
	json_str(&j, "k\"", "v\x01");
	json_array(&j, "a");
	json_u64(&j, NULL, 12345);
	json_hex(&j, NULL, 0x1234);
	json_close(&j);
	json_bool(&j, "b", true);
	return json_end(&j);
}

static void test_overflow(void **state)
{
	char whole[128];
	long len = write_some(whole, sizeof(whole));

	(void)state;
	assert_true(len > 0);
	/* Whatever the room: an error, and not one octet beyond (ASan). */
	for (size_t size = 0; size <= (size_t)len; size++) {
		char *buf = malloc(size ? size : 1);

		assert_int_equal(write_some(buf, size), -1);
		free(buf);
	}
	assert_int_equal(write_some(whole, (size_t)len + 1), len);
}

static void test_misuse(void **state)
{
	char buf[512];
	struct json j;

	(void)state;
	json_begin(&j, buf, sizeof(buf));
	json_close(&j); /* nothing open */
	assert_int_equal(json_end(&j), -1);
	json_begin(&j, buf, sizeof(buf));
	json_object(&j, "open");
	assert_int_equal(json_end(&j), -1);
	json_begin(&j, buf, sizeof(buf));
	json_u64(&j, NULL, 1); /* no key in an object */
	assert_int_equal(json_end(&j), -1);
	json_begin(&j, buf, sizeof(buf));
	json_array(&j, "a");
	json_u64(&j, "key", 1); /* a key in an array */
	json_close(&j);
	assert_int_equal(json_end(&j), -1);
	json_begin(&j, buf, sizeof(buf));
	for (unsigned i = 0; i < JSON_MAX_DEPTH + 5; i++)
		json_object(&j, "deeper");
	for (unsigned i = 0; i < JSON_MAX_DEPTH + 5; i++)
		json_close(&j);
	assert_int_equal(json_end(&j), -1);
}

static void time_is(uint64_t ns, const char *want)
{
	static struct eve_clock clock;
	char text[EVE_TIME_SIZE];

	eve_time(text, ns);
	assert_string_equal(text, want);
	eve_clock_time(&clock, text, ns);
	assert_string_equal(text, want);
	/* Again, now that the second is known; and another fraction of it. */
	eve_clock_time(&clock, text, ns);
	assert_string_equal(text, want);
	eve_clock_time(&clock, text, ns / 1000000000 * 1000000000 + 7000);
	assert_memory_equal(text, want, 20);
	assert_string_equal(text + 20, "000007+0000");
}

static void test_time(void **state)
{
	(void)state;
	time_is(0, "1970-01-01T00:00:00.000000+0000");
	time_is(1795413428123456789ull, "2026-11-23T05:57:08.123456+0000");
	time_is(951782399999999999ull, "2000-02-28T23:59:59.999999+0000");
	time_is(951782400000000000ull, "2000-02-29T00:00:00.000000+0000");
	time_is(951868800000000000ull, "2000-03-01T00:00:00.000000+0000");
	time_is(4107542400000000000ull, "2100-03-01T00:00:00.000000+0000");
	time_is(1735689599000000000ull, "2024-12-31T23:59:59.000000+0000");
}

static void test_head(void **state)
{
	struct world *w = world_open(NULL);
	struct eve_process p = {.action = EVE_PROCESS_GONE,
				.cr3 = 0x1234000,
				.switches = 7,
				.first_ns = 1000000000,
				.last_ns = 2000000000,
				.cpu = 1};
	struct eve_field fields[] = {
		EVE_FIELD_U64("n", 5),
		EVE_FIELD_HEX("at", 0xff),
		EVE_FIELD_BOOL("on", true),
		EVE_FIELD_STR("text", "a\nb"),
	};

	(void)state;
	assert_true(ids_event_process(&w->eve, &p, 0));
	assert_string_equal(
		w->line[0],
		"{\"timestamp\":\"1970-01-01T00:00:00.000000+0000\",\"event_type\":"
		"\"process\",\"seq\":1,\"host\":\"test\",\"boot\":\"b00t\",\"process\":{"
		"\"action\":\"gone\",\"cr3\":\"0x1234000\",\"cpu\":1,\"start\":"
		"\"1970-01-01T00:00:01.000000+0000\",\"switches\":7,\"last\":"
		"\"1970-01-01T00:00:02.000000+0000\"}}");
	assert_true(ids_event_hypervisor(&w->eve, EVE_HV_STATS, fields, 4, "exits", fields, 1, 0));
	assert_non_null(strstr(w->line[1], "\"seq\":2,"));
	p.brief = true;
	assert_true(ids_event_process(&w->eve, &p, 0));
	assert_non_null(strstr(w->line[2], "\"last\":\"1970-01-01T00:00:02.000000+0000\","
					   "\"short\":true}}"));
	assert_non_null(strstr(w->line[1],
			       "\"hypervisor\":{\"action\":\"stats\",\"n\":5,\"at\":\"0xff\","
			       "\"on\":true,\"text\":\"a\\nb\",\"exits\":{\"n\":5}}}"));
	world_close(w);
}

static bool no_drops(void *ctx, enum eve_class cls)
{
	unsigned *refused = ctx;

	*refused += cls == EVE_CLASS_DROP;
	return cls != EVE_CLASS_DROP;
}

/* An event without room has its number and nothing else. */
static void test_admit(void **state)
{
	unsigned refused = 0;
	uint64_t seq = 0;
	struct eve eve;
	const struct eve_config config = {
		.host = "h", .boot = "b", .seq = &seq, .ctx = &refused, .admit = no_drops};

	(void)state;
	eve_init(&eve, &config);
	assert_true(eve_admit(&eve, EVE_CLASS_ALERT));
	assert_int_equal(seq, 0);
	assert_false(eve_admit(&eve, EVE_CLASS_DROP));
	assert_int_equal(seq, 1);
	assert_int_equal(refused, 1);
	eve.cfg.admit = NULL;
	assert_true(eve_admit(&eve, EVE_CLASS_DROP));
	assert_int_equal(seq, 1);
}

static void test_event_overflow(void **state)
{
	struct world *w = world_open(NULL);
	char *large = malloc(EVE_LINE_MAX + 1);
	struct eve_field f = EVE_FIELD_STR("text", large);

	(void)state;
	memset(large, 'x', EVE_LINE_MAX);
	large[EVE_LINE_MAX] = '\0';
	/* Not emitted, counted, and its number stays a hole. */
	assert_false(ids_event_hypervisor(&w->eve, EVE_HV_FAULT, &f, 1, NULL, NULL, 0, 0));
	assert_int_equal(w->lines, 0);
	assert_int_equal(w->eve.overflow, 1);
	f.str = "fits";
	assert_true(ids_event_hypervisor(&w->eve, EVE_HV_FAULT, &f, 1, NULL, NULL, 0, 0));
	assert_non_null(strstr(w->line[0], "\"seq\":2,"));
	free(large);
	world_close(w);
}

static void test_sha1(void **state)
{
	uint8_t out[20];

	(void)state;
	/* FIPS 180's example, and the empty message. */
	digest_sha1(out, (const uint8_t *)"abc", 3);
	assert_memory_equal(
		out,
		"\xa9\x99\x3e\x36\x47\x06\x81\x6a\xba\x3e\x25\x71\x78\x50\xc2\x6c\x9c\xd0"
		"\xd8\x9d",
		20);
	digest_sha1(out, (const uint8_t *)"", 0);
	assert_memory_equal(
		out,
		"\xda\x39\xa3\xee\x5e\x6b\x4b\x0d\x32\x55\xbf\xef\x95\x60\x18\x90\xaf\xd8"
		"\x07\x09",
		20);
}

static void community_is(struct frame f, uint16_t seed, const char *want)
{
	struct ids_stats stats = {0};
	char id[COMMUNITY_ID_SIZE];
	struct packet p;

	assert_true(packet_decode(&p, f.at, f.len, IDS_LINK_ETHERNET, true, &stats));
	community_id(id, &p, seed);
	assert_string_equal(id, want);
}

static void test_community(void **state)
{
	(void)state;
	/* The specification's own examples; both directions have one id. */
	community_is(frame_tcp("128.232.110.120", 34855, "66.35.250.204", 80, TCP_ACK, "", 0), 0,
		     "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
	community_is(frame_tcp("66.35.250.204", 80, "128.232.110.120", 34855, TCP_ACK, "", 0), 0,
		     "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
	community_is(frame_tcp("128.232.110.120", 34855, "66.35.250.204", 80, TCP_ACK, "", 0), 1,
		     "1:3V71V58M3Ksw/yuFALMcW0LAHvc=");
	community_is(frame_udp("192.168.1.52", 54585, "8.8.8.8", 53, "", 0), 0,
		     "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
	community_is(frame_icmp("192.168.0.89", "192.168.0.1", 8, 0, "", 0), 0,
		     "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=");
	community_is(frame_icmp("192.168.0.1", "192.168.0.89", 0, 0, "", 0), 0,
		     "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),	       cmocka_unit_test(test_every_octet),
		cmocka_unit_test(test_values),	       cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_misuse),	       cmocka_unit_test(test_time),
		cmocka_unit_test(test_head),	       cmocka_unit_test(test_admit),
		cmocka_unit_test(test_event_overflow), cmocka_unit_test(test_sha1),
		cmocka_unit_test(test_community),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
