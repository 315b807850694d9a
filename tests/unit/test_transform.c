/* Transforms: as pure functions, and in rules; the digests they use. */
#include "ids/digest.h"
#include "ids/rules/op.h"
#include "ids/rules/scratch.h"
#include "ids/rules/transform.h"
#include "tests/unit/rule_cases.h"

/* Run on copies of exactly their sizes. */
static void check_octets(enum transform_kind kind, const void *arg, size_t arg_len, const void *in,
			 size_t len, const void *out, size_t out_len)
{
	uint8_t *data = malloc(len ? len : 1), *room = malloc(TRANSFORM_ROOM(len));
	struct transform_argument a = {arg, (uint32_t)arg_len};
	uint32_t n;

	memcpy(data, in, len);
	n = transforms[kind].run(data, (uint32_t)len, &a, room);
	if (n != out_len || memcmp(room, out, out_len) != 0)
		fail_msg("%s of %s: %u octets, %.*s", transforms[kind].name, (const char *)in, n,
			 (int)n, (const char *)room);
	free(data);
	free(room);
}

static const struct {
	enum transform_kind kind;
	const char *in, *out;
} texts[] = {
	{TRANSFORM_DOTPREFIX, "example.org", ".example.org"},
	{TRANSFORM_DOTPREFIX, "0123456789012345678901234567890",
	 ".0123456789012345678901234567890"},
	{TRANSFORM_TO_LOWERCASE, "AZ[az{@`\xc4", "az[az{@`\xc4"},
	{TRANSFORM_TO_UPPERCASE, "AZ[az{@`\xe4", "AZ[AZ{@`\xe4"},
	{TRANSFORM_STRIP_WHITESPACE, " a\tb\nc\vd\fe\rf ", "abcdef"},
	{TRANSFORM_STRIP_WHITESPACE, " \t ", ""},
	{TRANSFORM_COMPRESS_WHITESPACE, "  a \t b\n\nc", " a b\nc"},
	{TRANSFORM_COMPRESS_WHITESPACE, "abc", "abc"},
	{TRANSFORM_URL_DECODE, "a%41%7a+b", "aAz b"},
	{TRANSFORM_URL_DECODE, "%%41", "%%41"},
	{TRANSFORM_URL_DECODE, "%4", "%4"},
	{TRANSFORM_URL_DECODE, "%", "%"},
	{TRANSFORM_URL_DECODE, "a%", "a%"},
	{TRANSFORM_URL_DECODE, "%zz", "%zz"},
	{TRANSFORM_URL_DECODE, "%4z%41", "%4zA"},
	{TRANSFORM_URL_DECODE, "%4%41", "%4%41"},
	{TRANSFORM_URL_DECODE, "%2541", "%41"}, /* once only */
	{TRANSFORM_HEADER_LOWERCASE, "Host: Ex\r\nX-Y:Z:Q\nA", "host: Ex\r\nx-y:Z:Q\na"},
	{TRANSFORM_STRIP_PSEUDO_HEADERS, ":method: GET\nHost: a\n:path: /\nx:y", "Host: a\nx:y"},
	{TRANSFORM_STRIP_PSEUDO_HEADERS, ":a", ""},
	{TRANSFORM_STRIP_PSEUDO_HEADERS, "a\n\n:b\n\nc", "a\n\n\nc"},
};

static void test_functions(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		check_octets(texts[i].kind, NULL, 0, texts[i].in, strlen(texts[i].in), texts[i].out,
			     strlen(texts[i].out));
	check_octets(TRANSFORM_XOR, "\x01\x02", 2, "abc", 3, "``b", 3);
	check_octets(TRANSFORM_XOR, "\x0a\x0b\x0c\x0d\x0e", 5, "abc", 3, "kio", 3);
	check_octets(TRANSFORM_TO_MD5, NULL, 0, "abc", 3,
		     "\x90\x01\x50\x98\x3c\xd2\x4f\xb0\xd6\x96\x3f\x7d\x28\xe1\x7f\x72", 16);
}

/* RFC 1321, A.5; FIPS 180-4's examples. */
static const struct {
	const char *text;
	uint32_t repeat;
	const char *md5, *sha1, *sha256;
} digests[] = {
	{"", 1, "d41d8cd98f00b204e9800998ecf8427e", "da39a3ee5e6b4b0d3255bfef95601890afd80709",
	 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	{"abc", 1, "900150983cd24fb0d6963f7d28e17f72", "a9993e364706816aba3e25717850c26c9cd0d89d",
	 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
	 "8215ef0796a20bcaaae116d3876c664a", "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
	 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	{"1234567890", 8, "57edf4a22be3c955ac49da2e2107b67a", NULL, NULL},
	{"a", 1000000, "7707d6ae4e027c70eea2a935c2296f21",
	 "34aa973cd4c4daa4f61eeb2bdbad27316534016f",
	 "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
};

static void check_digest(const char *hex, const uint8_t *octets, size_t len)
{
	char text[80] = "";

	if (!hex)
		return;
	for (size_t i = 0; i < len; i++)
		sprintf(text + 2 * i, "%02x", octets[i]);
	assert_string_equal(text, hex);
}

static void test_digests(void **state)
{
	uint8_t out[32];

	(void)state;
	for (size_t i = 0; i < COUNT(digests); i++) {
		size_t one = strlen(digests[i].text), len = one * digests[i].repeat;
		uint8_t *data = malloc(len ? len : 1);

		for (size_t at = 0; at < len; at += one)
			memcpy(data + at, digests[i].text, one);
		digest_md5(out, data, len);
		check_digest(digests[i].md5, out, MD5_OCTETS);
		digest_sha1(out, data, len);
		check_digest(digests[i].sha1, out, SHA1_OCTETS);
		digest_sha256(out, data, len);
		check_digest(digests[i].sha256, out, SHA256_OCTETS);
		free(data);
	}
}

/* The padding's corners: each length around a block, against each other by a byte's change. */
static void test_digest_lengths(void **state)
{
	uint8_t data[130] = {0}, a[32], b[32];

	(void)state;
	for (size_t len = 1; len <= sizeof(data); len++) {
		digest_sha256(a, data, len);
		digest_sha256(b, data, len - 1);
		assert_memory_not_equal(a, b, 32);
		data[len - 1] = 1;
		digest_sha256(b, data, len);
		assert_memory_not_equal(a, b, 32);
		data[len - 1] = 0;
	}
}

static const struct rule_case cases[] = {
	CASE("dotprefix; content:\".example.org\"; endswith;", "example.org", "badexample.org"),
	CASE("dotprefix; content:\".example.org\"; endswith;", "www.example.org", "example.org.uk"),
	CASE("to_lowercase; content:\"evil\";", "EVIL", "E-VIL"),
	CASE("to_uppercase; content:\"EVIL\";", "evil", "e-vil"),
	CASE("strip_whitespace; content:\"evil\";", "e v\ni l", "e v-i l"),
	CASE("compress_whitespace; content:\"a b\";", "a   b", "ab"),
	CASE("url_decode; content:\"a/b\";", "a%2Fb", "a%2b"),
	CASE("xor:\"0102\"; content:\"``b\";", "abc", "abd"),
	CASE("to_md5; content:\"|90 01 50 98 3c d2 4f b0 d6 96 3f 7d 28 e1 7f 72|\";", "abc",
	     "abd"),
	CASE("to_sha1; content:\"|a9 99 3e 36|\"; startswith;", "abc", "abd"),
	CASE("to_sha256; content:\"|ba 78 16 bf|\"; startswith;", "abc", "abd"),
	CASE("header_lowercase; content:\"host: A\";", "HOST: A", "HOST: a"),
	CASE("strip_pseudo_headers; content:\"x\"; startswith;", ":a\nx", "a\nx"),
	CASE("pcrexform:\"id=([0-9]+)\"; content:\"12\"; startswith; endswith;", "id=12;",
	     "id=123;"),
	CASE("pcrexform:\"id=([0-9]+)\"; content:\"none\"; startswith;", "none", "-none"),
	CASE("pcrexform:\"a()b\"; isdataat:!0;", "ab", "ac"),
	/* one after another */
	CASE("url_decode; to_lowercase; dotprefix; content:\".a/b\"; startswith;", "A%2FB",
	     "xA%2FB"),
	CASE("pcrexform:\"=(.*)\"; url_decode; content:\"a b\"; startswith; endswith;", "x=a%20b",
	     "x=a%20bc"),
	CASE("url_decode; pcrexform:\"=(.*)\"; to_uppercase; content:\"A\"; startswith; endswith;",
	     "x%3da", "x%3dab"),
	CASE("strip_whitespace; url_decode; strip_whitespace; content:\"ab\";", "a %2 0 b",
	     "a %2 1 b"),
	/* what stands before it sees the buffer as it is */
	CASE("content:\"A\"; to_lowercase; content:\"a\";", "A", "a"),
	CASE("content:\"AB\"; to_lowercase; pcre:\"/^ab$/\"; byte_test:1,=,0x61,0;", "AB", "ABC"),
	/* the cursor begins anew */
	CASE("content:\"b\"; to_lowercase; content:\"a\"; within:1;", "ab", "bb"),
};

static const struct rule_refusal refused[] = {
	{"dotprefix:1; content:\"a\";", "no value"},
	{"xor:\"\"; content:\"a\";", "xor"},
	{"xor:\"0\"; content:\"a\";", "xor"},
	{"xor:\"0g\"; content:\"a\";", "hex digit"},
	{"xor:00; content:\"a\";", "quotes"},
	{"xor; content:\"a\";", "needs a value"},
	{"pcrexform:\"(\"; content:\"a\";", "parenthesis"},
	{"pcrexform:\"\"; content:\"a\";", "0 octets"},
};

static void test_rules(void **state)
{
	(void)state;
	check_cases(cases, COUNT(cases));
	check_refusals(refused, COUNT(refused));
}

static void test_no_prefilter(void **state)
{
	/* A content behind a transform need not stand in the packet: the rule is looked at always.
	 */
	struct world *w =
		world_open("alert udp any any -> any any (url_decode; content:\"aaaaaaaa\"; "
			   "sid:1;)\n"
			   "alert udp any any -> any any (content:\"x\"; url_decode; "
			   "content:\"aaaaaaaa\"; sid:2;)");

	(void)state;
	world_say(w, "%61%61%61%61%61%61%61%61", 24);
	assert_int_equal(world_alerts(w, 1), 1);
	assert_int_equal(world_alerts(w, 2), 0);
	assert_int_equal(ids_stats(w->ids)->candidates, 1);
	world_close(w);
}

static void test_long(void **state)
{
	/* What is beyond the room is cut off, and the room is not left. */
	static const struct blob_op op[2] = {{.kind = OP_TRANSFORM, .arg = {[TRANSFORM_KIND] = 0}},
					     {.kind = OP_TRANSFORM, .arg = {[TRANSFORM_KIND] = 0}}};
	struct blob blob = {.string = (const uint8_t *)""};
	struct scratch s = {.transform = {malloc(SCRATCH_OCTETS), malloc(SCRATCH_OCTETS)}};
	struct inspect in = {.blob = &blob, .end = op + 2, .scratch = &s};
	uint8_t *data = calloc(1, 2 * SCRATCH_OCTETS);

	(void)state;
	for (uint32_t len = SCRATCH_OCTETS - 3; len <= 2 * SCRATCH_OCTETS;
	     len += len < SCRATCH_OCTETS + 3 ? 1 : 9999) {
		in.buffer = data;
		in.buffer_len = len;
		in.buffer_at = 77;
		assert_int_equal(transform_payload(&in, op, 5), INSPECT_MATCH);
		/* The buffer is what it was. */
		assert_ptr_equal(in.buffer, data);
		assert_int_equal(in.buffer_len, len);
		assert_int_equal(in.buffer_at, 77);
	}
	free(s.transform[0]);
	free(s.transform[1]);
	free(data);
}

static void test_steps(void **state)
{
	/* Octets that are transformed count, for a rule may transform several buffers. */
	static const struct blob_op op = {.kind = OP_TRANSFORM,
					  .arg = {[TRANSFORM_KIND] = TRANSFORM_TO_SHA256}};
	struct blob blob = {.string = (const uint8_t *)""};
	struct scratch s = {.transform = {malloc(SCRATCH_OCTETS), malloc(SCRATCH_OCTETS)}};
	struct inspect in = {.blob = &blob, .end = &op + 1, .scratch = &s};
	uint8_t *data = calloc(1, 3000);

	(void)state;
	in.buffer = data;
	in.buffer_len = 3000;
	assert_int_equal(transform_payload(&in, &op, 0), INSPECT_MATCH);
	assert_int_equal(in.steps, 3000 / INSPECT_STEP_OCTETS);
	free(s.transform[0]);
	free(s.transform[1]);
	free(data);
}

static void test_records_refused(void **state)
{
	struct blob b = {.count = {[BLOB_STRINGS] = 10}};
	static const struct blob_op bad[] = {
		{.kind = OP_TRANSFORM, .flags = 1},
		{.kind = OP_TRANSFORM, .arg = {0, 0, TRANSFORMS}},
		{.kind = OP_TRANSFORM, .arg = {0, 1, TRANSFORM_DOTPREFIX}},
		{.kind = OP_TRANSFORM, .arg = {0, 0, TRANSFORM_XOR}},
		{.kind = OP_TRANSFORM, .arg = {0, 11, TRANSFORM_XOR}},
		{.kind = OP_TRANSFORM, .arg = {11, 0, TRANSFORM_XOR}},
		{.kind = OP_TRANSFORM, .arg = {0, 1, TRANSFORM_PCREXFORM, REGEX_MAX_INDEX}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (!transform_check(&b, &bad[i]))
			fail_msg("record %zu is taken", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_functions),      cmocka_unit_test(test_digests),
		cmocka_unit_test(test_digest_lengths), cmocka_unit_test(test_rules),
		cmocka_unit_test(test_no_prefilter),   cmocka_unit_test(test_long),
		cmocka_unit_test(test_steps),	       cmocka_unit_test(test_records_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
