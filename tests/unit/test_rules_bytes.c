/* byte_test, byte_jump, byte_extract, byte_math, isdataat, bsize, base64_decode, and what variables
 * do in content: each keyword with what it matches, a near miss, and what it refuses. */
#include "ids/rules/base64.h"
#include "ids/rules/op.h"
#include "ids/rules/scratch.h"
#include "tests/unit/rule_cases.h"

static const struct rule_case byte_test_cases[] = {
	CASE("byte_test:1,=,5,0;", "\x05", "\x06"),
	CASE("byte_test:1,!=,5,0;", "\x06", "\x05"),
	CASE("byte_test:1,!,5,0;", "\x06", "\x05"),
	CASE("byte_test:1, ! = ,5,0;", "\x06", "\x05"),
	CASE("byte_test:1,<,5,0;", "\x04", "\x05"),
	CASE("byte_test:1,<=,5,0;", "\x05", "\x06"),
	CASE("byte_test:1,>,5,0;", "\x06", "\x05"),
	CASE("byte_test:1,>=,5,0;", "\x05", "\x04"),
	CASE("byte_test:1,!<,5,0;", "\x05", "\x04"),
	CASE("byte_test:1,&,0x80,0;", "\x81", "\x7f"),
	CASE("byte_test:1,!&,0x80,0;", "\x7f", "\x81"),
	CASE("byte_test:1,^,0x80,0;", "\x81", "\x80"),
	CASE("byte_test:2,=,0x0102,0;", "\x01\x02", "\x02\x01"),
	CASE("byte_test:2,=,0x0102,0,little;", "\x02\x01", "\x01\x02"),
	CASE("byte_test:2,=,0x0102,0,big;", "\x01\x02", "\x02\x01"),
	CASE("byte_test:3,=,66051,0;", "\x01\x02\x03", "\x03\x02\x01"),
	CASE("byte_test:4,>,0xfffffffe,0;", "\xff\xff\xff\xff", "\xff\xff\xff\xfe"),
	CASE("byte_test:8,=,0x0102030405060708,0;", "\x01\x02\x03\x04\x05\x06\x07\x08",
	     "\x01\x02\x03\x04\x05\x06\x07\x09"),
	CASE("byte_test:1,=,010,0;", "\x08", "\x0a"),
	/* the number has to lie within the payload */
	CASE("byte_test:2,>=,0,1;", "\x00\x00\x00", "\x00\x00"),
	CASE("byte_test:2,>=,0,3;", "\x00\x00\x00\x00\x00", "\x00\x00\x00\x00"),
	CASE("content:\"ab\"; byte_test:1,=,1,0,relative;", "ab\x01", "ab\x02\x01"),
	CASE("content:\"ab\"; byte_test:1,=,0x61,-2,relative;", "xab", "xxAb"),
	CASE("content:\"ab\"; byte_test:1,=,1,-3,relative;",
	     "\x01"
	     "ab",
	     "ab\x01"),
	/* another place of the content is tried */
	CASE("content:\"ab\"; byte_test:1,=,1,0,relative;", "ab-ab\x01", "ab-ab\x02"),
	/* digits */
	CASE("byte_test:3,=,123,0,string,dec;", "123", "124"),
	CASE("byte_test:3,=,0x123,0,string,hex;", "123", "321"),
	CASE("byte_test:3,=,0x1f,0, string, hex;", " 1F", " 1E"),
	CASE("byte_test:5,=,0x1f,0,string,hex;", "0x1fz", "0x2fz"),
	CASE("byte_test:3,=,83,0,string,oct;", "123", "124"),
	CASE("byte_test:4,=,31,0,string;", "0x1f", "0x1e"),
	CASE("byte_test:4,=,10,0,string dec;", "10ab", "11ab"),
	CASE("byte_test:3,<,1000,0,string,dec;", "999", "abc"), /* no digits: no match */
	CASE("byte_test:3,!<,1,0,string,dec;", "999", "xyz"),
	CASE("byte_test:0,>,100000,0,string,dec;", "100001", "99999"),
	CASE("byte_test:0,=,0x1f,1,string,hex;", "-1F;", "-1F0"),
	CASE("byte_test:20,=,18446744073709551615,0,string,dec;", "18446744073709551615",
	     "18446744073709551616"),
	/* bitmask: shifted down to its lowest bit */
	CASE("byte_test:1,=,3,0,bitmask 0x0c;", "\x0f", "\x0b"),
	CASE("byte_test:2,=,0x12,0,bitmask 0xff00;", "\x12\x34", "\x34\x12"),
	CASE("byte_test:1,=,0,0,bitmask 0xf0;", "\x0f", "\x1f"),
};

static const struct rule_refusal byte_test_refused[] = {
	{"byte_test:1,=,5;", "bad offset"},
	{"byte_test:1,=;", "bad value"},
	{"byte_test:1;", "bad operator"},
	{"byte_test:1,==,5,0;", "bad operator"},
	{"byte_test:1,=>,5,0;", "bad operator"},
	{"byte_test:9,=,5,0;", "number of bytes"},
	{"byte_test:0,=,5,0;", "number of bytes"},
	{"byte_test:24,=,5,0,string,dec;", "number of bytes"},
	{"byte_test:-1,=,5,0;", "number of bytes"},
	{"byte_test:1,=,-5,0;", "bad value"},
	{"byte_test:1,=,5x,0;", "bad value"},
	{"byte_test:1,=,0x10000000000000000,0;", "bad value"},
	{"byte_test:1,=,5,65536;", "bad offset"},
	{"byte_test:1,=,5,-65536;", "bad offset"},
	{"byte_test:1,=,5,0,hex;", "without string"},
	{"byte_test:1,=,5,0,string,hex,dec;", "more than one base"},
	{"byte_test:4,=,5,0,dce;", "dce"},
	{"byte_test:4,=,5,0,align;", "unknown option align"},
	{"byte_test:4,=,5,0,bitmask;", "bitmask"},
	{"byte_test:4,=,5,0,bitmask 0x1ffffffff;", "bitmask"},
	{"byte_test:1,=,len,0;", "len is not set"},
	{"byte_test:len,=,1,0;", "len is not set"},
	{"byte_test:1,=,1,len;", "len is not set"},
	{"byte_test;", "needs a value"},
};

static const struct rule_case byte_jump_cases[] = {
	/* behind the number, by its value */
	CASE("byte_jump:1,0; content:\"x\"; within:1;", "\x02--x", "\x03--x"),
	CASE("content:\"L\"; byte_jump:1,0,relative; content:\"x\"; within:1;", "-L\x02--x",
	     "-L\x02-x-"),
	CASE("byte_jump:2,0,little; content:\"x\"; within:1;", "\x01\x00-x", "\x00\x01-x"),
	CASE("byte_jump:1,0,multiplier 2; content:\"x\"; within:1;", "\x02----x", "\x02--x--"),
	CASE("byte_jump:1,0,align; content:\"x\"; within:1;", "\x01----x", "\x01-x---"),
	CASE("byte_jump:1,1,from_beginning; content:\"x\"; within:1;", "-\x03-x", "-\x02-x"),
	CASE("byte_jump:0,0,from_end,post_offset -3; content:\"xyz\"; within:3;", "--xyz", "-xyz-"),
	CASE("byte_jump:1,0,post_offset -1; content:\"x\"; within:1;", "\x02-x", "\x02--x"),
	CASE("byte_jump:1,0,post_offset 1; content:\"x\"; within:1;", "\x02---x", "\x02--x-"),
	CASE("byte_jump:2,0,string,dec; content:\"x\"; within:1;", "02--x", "03--x"),
	CASE("byte_jump:2,0,string,hex; content:\"x\"; within:1;", "0a----------x", "0a---------x"),
	CASE("byte_jump:1,0,bitmask 0xf0; content:\"x\"; within:1;", "\x2f--x", "\x1f--x"),
	/* to the very end, but not beyond */
	CASE("byte_jump:1,0;", "\x02--", "\x03--"),
	CASE("byte_jump:4,0;", "\x00\x00\x00\x00", "\xff\xff\xff\xff"),
	/* before the begin is the begin */
	CASE("content:\"ab\"; byte_jump:0,0,relative,post_offset -9; content:\"-\"; within:1;",
	     "-ab", "xab-"),
	CASE("content:\"L\"; byte_jump:1,0,relative; content:\"x\"; within:1;", "L\xf0L\x01-x",
	     "L\xf0L\x02-x"),
	CASE("byte_extract:1,0,n; byte_jump:n,1; content:\"x\"; within:1;", "\x02\x00\x01-x",
	     "\x01\x00\x01-x"),
	CASE("byte_extract:1,0,at; byte_jump:1,at; content:\"x\"; within:1;", "\x02-\x01-x",
	     "\x01-\x01-x"),
};

static const struct rule_refusal byte_jump_refused[] = {
	{"byte_jump:1;", "bad offset"},
	{"byte_jump:9,0;", "number of bytes"},
	{"byte_jump:1,0,multiplier 0;", "multiplier"},
	{"byte_jump:1,0,multiplier;", "multiplier"},
	{"byte_jump:1,0,multiplier 65536;", "multiplier"},
	{"byte_jump:1,0,post_offset x;", "post_offset"},
	{"byte_jump:1,0,from_beginning,from_end;", "from_end"},
	{"byte_jump:1,0,oct;", "without string"},
	{"byte_jump:1,0,sideways;", "unknown option"},
	{"byte_jump:1,0,dce;", "dce"},
	{"byte_jump:n,0;", "not set"},
	{"byte_jump:1,n;", "not set"},
	{"byte_jump:1,0,endian middle;", "endian"},
};

static const struct rule_case variable_cases[] = {
	CASE("byte_extract:1,0,v; byte_test:1,=,v,1;", "\x07\x07", "\x07\x08"),
	CASE("byte_extract:2,0,v,little; byte_test:2,=,v,2;", "\x01\x02\x02\x01",
	     "\x01\x02\x01\x02"),
	CASE("byte_extract:1,0,v,multiplier 3; byte_test:1,=,v,1;", "\x02\x06", "\x02\x05"),
	CASE("byte_extract:1,0,v,align 4; byte_test:1,=,v,1;", "\x05\x08", "\x05\x05"),
	CASE("byte_extract:1,0,v,align 2; byte_test:1,=,v,1;", "\x05\x06", "\x05\x08"),
	CASE("byte_extract:2,0,v,string,dec; byte_test:1,=,v,2;", "12\x0c", "12\x12"),
	CASE("byte_extract:2,0,v,string,hex; byte_test:1,=,v,2;", "12\x12", "12\x0c"),
	/* the cursor stands behind what was extracted */
	CASE("byte_extract:1,0,v; content:\"x\"; within:1;", "-x", "--x"),
	CASE("content:\"k\"; byte_extract:1,1,v,relative; byte_test:1,=,v,0,relative;",
	     "k-\x05\x05", "k-\x05-\x05"),
	CASE("content:\"k\"; byte_extract:1,-2,v,relative; byte_test:1,=,v,0;", "\x01k", "\x02"),
	CASE("byte_extract:1,0,at; byte_test:1,=,9,at;", "\x02-\x09", "\x01-\x09"),
	CASE("byte_extract:1,0,n; byte_test:n,=,0x0102,1;", "\x02\x01\x02", "\x01\x01\x02"),
	/* content's modifiers */
	CASE("byte_extract:1,0,v; content:\"x\"; offset:v;", "\x03--x", "\x03-x-"),
	CASE("byte_extract:1,0,v; content:\"x\"; depth:v;", "\x03-x-", "\x03--x"),
	CASE("byte_extract:1,0,v; content:\"x\"; offset:2; depth:v;", "\x02--x", "\x02---x"),
	CASE("byte_extract:1,0,v; content:\"x\"; offset:v; depth:1;", "\x02-x", "\x02--x"),
	CASE("byte_extract:1,0,v; content:\"k\"; content:\"x\"; distance:v;", "\x02k--x",
	     "\x02k-x-"),
	CASE("byte_extract:1,0,v; content:\"k\"; content:\"x\"; within:v;", "\x02k-x", "\x02k--x"),
	CASE("byte_extract:1,0,v; content:\"k\"; content:\"x\"; distance:1; within:v;", "\x02k--x",
	     "\x02kx---"),
	CASE("byte_extract:4,0,v; content:!\"x\"; offset:v;", "\xff\xff\xff\xff-x",
	     "\x00\x00\x00\x01-x"),
	CASE("byte_extract:1,0,v; isdataat:v;", "\x02--", "\x02-"),
	CASE("byte_extract:1,0,v; isdataat:v,relative;", "\x02--", "\x02-"),
	CASE("byte_extract:1,0,v; isdataat:!v,relative;", "\x02-", "\x02--"),
	/* calculations */
	CASE("byte_math:bytes 1, offset 0, oper +, rvalue 5, result r; byte_test:1,=,r,1;",
	     "\x01\x06", "\x01\x05"),
	CASE("byte_math:bytes 1,offset 0,oper -,rvalue 5,result r; byte_test:1,=,r,1;", "\x06\x01",
	     "\x06\x06"),
	CASE("byte_math:bytes 1,offset 0,oper *,rvalue 3,result r; byte_test:1,=,r,1;", "\x02\x06",
	     "\x02\x05"),
	CASE("byte_math:bytes 1,offset 0,oper /,rvalue 2,result r; byte_test:1,=,r,1;", "\x07\x03",
	     "\x07\x04"),
	CASE("byte_math:bytes 1,offset 0,oper <<,rvalue 2,result r; byte_test:1,=,r,1;", "\x01\x04",
	     "\x01\x02"),
	CASE("byte_math:bytes 1,offset 0,oper >>,rvalue 2,result r; byte_test:1,=,r,1;", "\x08\x02",
	     "\x08\x04"),
	CASE("byte_math:bytes 2,offset 0,oper +,rvalue 0,result r,endian little; "
	     "byte_test:2,=,r,2;",
	     "\x01\x02\x02\x01", "\x01\x02\x01\x02"),
	CASE("byte_math:bytes 2,offset 0,oper +,rvalue 1,result r,string dec; byte_test:1,=,r,2;",
	     "12\x0d", "12\x0c"),
	CASE("byte_math:bytes 1,offset 0,oper +,rvalue 0,result r,bitmask 0xf0; "
	     "byte_test:1,=,r,1;",
	     "\x2f\x02", "\x2f\x0f"),
	CASE("byte_math:bytes 1,offset 0,oper +,rvalue 0,result r,bitmask f0; byte_test:1,=,r,1;",
	     "\x2f\x02", "\x2f\x0f"),
	CASE("content:\"k\"; byte_math:bytes 1,offset 0,oper +,rvalue 1,result r,relative; "
	     "content:\"x\"; distance:r; within:1;",
	     "k\x01--x", "k\x01-x-"),
	CASE("byte_extract:1,0,d; byte_math:bytes 1,offset 1,oper /,rvalue d,result r; "
	     "byte_test:1,=,r,2;",
	     "\x02\x08\x04", "\x00\x08\x04"), /* division by 0: no match */
	CASE("byte_extract:1,0,n; byte_math:bytes n,offset 1,oper +,rvalue 1,result r; "
	     "byte_test:2,=,r,3;",
	     "\x02\x01\x01\x01\x02", "\x01\x01\x01\x01\x02"),
};

static const struct rule_refusal variable_refused[] = {
	{"byte_extract:1,0;", "bad variable"},
	{"byte_extract:1,0,5x;", "bad name"},
	{"byte_extract:0,0,v;", "number of bytes"},
	{"byte_extract:9,0,v;", "number of bytes"},
	{"byte_extract:15,0,v,string,hex;", "number of bytes"},
	{"byte_extract:21,0,v,string,dec;", "number of bytes"},
	{"byte_extract:1,0,v,align 3;", "align"},
	{"byte_extract:1,0,v,from_end;", "unknown option"},
	{"byte_extract:1,0,v,dce;", "dce"},
	{"content:\"a\"; within:v;", "v is not set"},
	{"byte_test:1,=,v,0; byte_extract:1,0,v;", "v is not set"},
	{"byte_math:bytes 1,offset 0,oper +,rvalue 1;", "needs"},
	{"byte_math:bytes 1,offset 0,oper %,rvalue 1,result r;", "operator"},
	{"byte_math:bytes 11,offset 0,oper +,rvalue 1,result r,string dec;", "number of bytes"},
	{"byte_math:bytes 5,offset 0,oper <<,rvalue 1,result r;", "number of bytes"},
	{"byte_math:bytes 1,offset 0,oper +,rvalue 4294967296,result r;", "rvalue"},
	{"byte_math:bytes 1,offset 0,oper +,rvalue v,result r;", "not set"},
	{"byte_math:bytes 1,offset 0,oper +,rvalue 1,result r,bitmask zz;", "bitmask"},
	{"byte_math:bytes 1,offset 0,oper +,rvalue 1,result r,dce;", "dce"},
	{"isdataat:v;", "not set"},
};

static const struct rule_case place_cases[] = {
	/* not relative: one more octet than that many (Suricata) */
	CASE("isdataat:3;", "abcd", "abc"),
	CASE("isdataat:!3;", "abc", "abcd"),
	CASE("isdataat:0,rawbytes;", "a", ""),
	CASE("content:\"k\"; isdataat:2,relative;", "k--", "k-"),
	CASE("content:\"k\"; isdataat:!1,relative;", "--k", "-k-"),
	CASE("content:\"k\"; isdataat:!1,relative;", "k-k", "k-k-"),
	CASE("content:\"k\"; isdataat: 1 , relative, rawbytes ;", "k-", "-k"),
};

static const struct rule_refusal place_refused[] = {
	{"isdataat:65536;", "bad number"},
	{"isdataat:-1;", "bad number"},
	{"isdataat:1,absolute;", "unknown option"},
	{"isdataat;", "needs a value"},
	{"bsize:5;", "sticky buffer"},
	{"base64_decode:bytes 0;", "bad option"},
	{"base64_decode:bytes 65536;", "bad option"},
	{"base64_decode:offset -1;", "bad option"},
	{"base64_decode:sideways;", "bad option"},
	{"base64_decode:relative 1;", "bad option"},
};

static void test_byte_test(void **state)
{
	(void)state;
	check_cases(byte_test_cases, COUNT(byte_test_cases));
	check_refusals(byte_test_refused, COUNT(byte_test_refused));
}

static void test_byte_jump(void **state)
{
	(void)state;
	check_cases(byte_jump_cases, COUNT(byte_jump_cases));
	check_refusals(byte_jump_refused, COUNT(byte_jump_refused));
}

static void test_variables(void **state)
{
	(void)state;
	check_cases(variable_cases, COUNT(variable_cases));
	check_refusals(variable_refused, COUNT(variable_refused));
}

static void test_variables_full(void **state)
{
	char options[2048] = "";

	(void)state;
	for (unsigned i = 0; i <= INSPECT_VARS; i++)
		sprintf(options + strlen(options), "byte_extract:1,0,v%u;", i);
	check_refusals(&(struct rule_refusal){options, "more than 16"}, 1);
	/* One name, one variable. */
	options[0] = '\0';
	for (unsigned i = 0; i <= INSPECT_VARS; i++)
		sprintf(options + strlen(options), "byte_extract:1,%u,v;", i % 2);
	strcat(options, "byte_test:1,=,v,2;");
	check_cases(&(struct rule_case)CASE(options, "\x01\x02\x01", "\x01\x02\x02"), 1);
}

static void test_places(void **state)
{
	(void)state;
	check_cases(place_cases, COUNT(place_cases));
	check_refusals(place_refused, COUNT(place_refused));
}

/* Operations by themselves, behind which nothing comes. */
static enum inspect_result inspect_one(struct inspect *in, const struct blob_op *op,
				       const char *text, uint32_t cursor)
{
	size_t len = strlen(text);
	uint8_t *copy = malloc(len ? len : 1);
	enum inspect_result r;

	memcpy(copy, text, len);
	in->buffer = copy;
	in->buffer_len = (uint32_t)len;
	in->end = op + 1;
	in->steps = 0;
	r = ops[op->kind].payload(in, op, cursor);
	free(copy);
	return r;
}

static void test_bsize(void **state)
{
	struct blob_op op = {.kind = OP_BUFFER_LENGTH, .arg = {3, 5}};
	struct inspect in = {0};

	(void)state;
	assert_null(ops[OP_BUFFER_LENGTH].check(NULL, &op));
	assert_int_equal(inspect_one(&in, &op, "abc", 0), INSPECT_MATCH);
	assert_int_equal(inspect_one(&in, &op, "abcde", 0), INSPECT_MATCH);
	assert_int_equal(inspect_one(&in, &op, "ab", 0), INSPECT_NO);
	assert_int_equal(inspect_one(&in, &op, "abcdef", 0), INSPECT_NO);
	op.flags = NUMBER_F_NOT;
	assert_int_equal(inspect_one(&in, &op, "abc", 0), INSPECT_NO);
	assert_int_equal(inspect_one(&in, &op, "", 0), INSPECT_MATCH);
	op.arg[0] = 6;
	assert_non_null(ops[OP_BUFFER_LENGTH].check(NULL, &op));
}

static void test_stream_places(void **state)
{
	/* A window of a stream whose first octet has position 1000. */
	struct blob_op test = {.kind = OP_BYTE_TEST, .arg = {1, 1002, 'c', 0}};
	struct blob_op at = {.kind = OP_ISDATAAT, .arg = {1002}};
	struct inspect in = {.buffer_at = 1000};

	(void)state;
	assert_int_equal(inspect_one(&in, &test, "abc", 0), INSPECT_MATCH);
	assert_int_equal(inspect_one(&in, &test, "abd", 0), INSPECT_NO);
	test.arg[BYTES_OFFSET] = 999; /* gone */
	assert_int_equal(inspect_one(&in, &test, "ccc", 0), INSPECT_NO);
	assert_int_equal(inspect_one(&in, &at, "abc", 0), INSPECT_MATCH);
	assert_int_equal(inspect_one(&in, &at, "ab", 0), INSPECT_NO);
}

static void test_records_refused(void **state)
{
	static const struct blob_op bad[] = {
		{.kind = OP_BYTE_TEST, .flags = 0x0800},
		{.kind = OP_BYTE_TEST, .arg = {9}},
		{.kind = OP_BYTE_TEST, .flags = BYTES_F_STRING, .arg = {24}},
		{.kind = OP_BYTE_TEST, .flags = BYTES_F_COUNT_VAR, .arg = {16}},
		{.kind = OP_BYTE_TEST, .flags = BYTES_F_OFFSET_VAR, .arg = {1, 16}},
		{.kind = OP_BYTE_TEST, .flags = BYTES_F_VALUE_VAR, .arg = {1, 0, 16}},
		{.kind = OP_BYTE_TEST, .arg = {1, [BYTES_HOW] = TESTS << 8}},
		{.kind = OP_BYTE_MATH, .arg = {1, [BYTES_HOW] = MATHS << 8}},
		{.kind = OP_BYTE_TEST, .arg = {1, [BYTES_HOW] = 2}},
		{.kind = OP_BYTE_EXTRACT, .arg = {1, [BYTES_ALIGN] = 1, [BYTES_RESULT] = 16}},
		{.kind = OP_BYTE_EXTRACT, .arg = {1, [BYTES_ALIGN] = 0}},
		{.kind = OP_BYTE_MATH, .arg = {1, [BYTES_RESULT] = 16}},
		{.kind = OP_ISDATAAT, .flags = 8},
		{.kind = OP_ISDATAAT, .flags = ISDATAAT_F_VAR, .arg = {16}},
		{.kind = OP_BASE64_DECODE, .flags = 2},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (!ops[bad[i].kind].check(NULL, &bad[i]))
			fail_msg("record %zu is taken", i);
}

static const struct {
	enum base64_mode mode;
	const char *text, *octets;
	uint32_t len;
} base64_cases[] = {
	/* RFC 4648, 10 */
	{BASE64_RFC4648, "", "", 0},
	{BASE64_RFC4648, "Zg==", "f", 1},
	{BASE64_RFC4648, "Zm8=", "fo", 2},
	{BASE64_RFC4648, "Zm9v", "foo", 3},
	{BASE64_RFC4648, "Zm9vYg==", "foob", 4},
	{BASE64_RFC4648, "Zm9vYmE=", "fooba", 5},
	{BASE64_RFC4648, "Zm9vYmFy", "foobar", 6},
	{BASE64_RFC4648, "+/+/", "\xfb\xff\xbf", 3},
	/* ends at what is not of the alphabet, or at the end: as if padded */
	{BASE64_RFC4648, "Zm9v Zm9v", "foo", 3},
	{BASE64_RFC4648, "Zm9vYm!!", "foob", 4},
	{BASE64_RFC4648, "Zm9vYg", "foob", 4},
	{BASE64_RFC4648, "Zm9vY", "foo", 3},
	{BASE64_RFC4648, "!Zm9v", "", 0},
	{BASE64_RFC4648, "=Zm9", "", 0},
	{BASE64_RFC2045, "Zm 9v\r\nYm!Fy", "foobar", 6},
	{BASE64_RFC2045, "Zm9vYg", "foo", 3},
	{BASE64_RFC2045, "Zg==Zg==", "ff", 2},
};

static void test_base64(void **state)
{
	uint8_t out[64];

	(void)state;
	for (size_t i = 0; i < COUNT(base64_cases); i++) {
		uint32_t len = (uint32_t)strlen(base64_cases[i].text);
		uint8_t *copy = malloc(len ? len : 1);

		memcpy(copy, base64_cases[i].text, len);
		if (base64_decode(base64_cases[i].mode, copy, len, out, sizeof(out)) !=
			    base64_cases[i].len ||
		    memcmp(out, base64_cases[i].octets, base64_cases[i].len) != 0)
			fail_msg("%s is decoded wrongly", base64_cases[i].text);
		free(copy);
	}
	/* No more than there is room for. */
	memset(out, '-', sizeof(out));
	assert_int_equal(base64_decode(BASE64_RFC4648, (const uint8_t *)"Zm9vYmFy", 8, out, 5), 3);
	assert_int_equal(out[3], '-');
}

static void decoded(const struct blob_op *op, const char *text, uint32_t cursor, const char *octets)
{
	uint8_t *room = malloc(SCRATCH_OCTETS);
	struct scratch scratch = {.base64 = room};
	struct inspect in = {.scratch = &scratch};

	assert_int_equal(inspect_one(&in, op, text, cursor), octets ? INSPECT_MATCH : INSPECT_NO);
	if (octets) {
		assert_int_equal(in.base64.len, strlen(octets));
		assert_memory_equal(in.base64.at, octets, in.base64.len);
	}
	free(room);
}

static void test_base64_decode(void **state)
{
	static const struct rule_case cases[] = {
		CASE("base64_decode;", "Zm9v", "!"),
		CASE("content:\"k=\"; base64_decode:relative;", "k=Zm9v", "Zm9v k="),
		CASE("content:\"k=\"; base64_decode:bytes 4, offset 1, relative;", "k=-Zm9v",
		     "k=--m9v"),
		CASE("content:\"k=\"; base64_decode:relative;", "k=!k=Zm9v", "k=!k=!"),
	};
	struct blob_op op = {.kind = OP_BASE64_DECODE};

	(void)state;
	check_cases(cases, COUNT(cases));
	decoded(&op, "Zm9vYmFy", 0, "foobar");
	decoded(&op, "", 0, NULL);
	op.arg[0] = 4;
	decoded(&op, "Zm9vYmFy", 0, "foo");
	op.arg[1] = 4;
	decoded(&op, "Zm9vYmFy", 0, "bar");
	op.arg[1] = 8;
	decoded(&op, "Zm9vYmFy", 0, NULL);
	op.arg[1] = 2;
	op.flags = BASE64_F_RELATIVE;
	decoded(&op, "k=--Zm9vYmFy", 2, "foo");
	decoded(&op, "k=", 2, NULL);
}

static void test_base64_large(void **state)
{
	/* More than there is room for: what fits is decoded. */
	static char text[3 * SCRATCH_OCTETS];
	struct blob_op op = {.kind = OP_BASE64_DECODE};
	uint8_t *room = malloc(SCRATCH_OCTETS);
	struct scratch scratch = {.base64 = room};
	struct inspect in = {.scratch = &scratch};

	(void)state;
	memset(text, 'A', sizeof(text) - 1);
	assert_int_equal(inspect_one(&in, &op, text, 0), INSPECT_MATCH);
	assert_int_equal(in.base64.len, SCRATCH_OCTETS / 3 * 3);
	free(room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_byte_test),     cmocka_unit_test(test_byte_jump),
		cmocka_unit_test(test_variables),     cmocka_unit_test(test_variables_full),
		cmocka_unit_test(test_places),	      cmocka_unit_test(test_bsize),
		cmocka_unit_test(test_stream_places), cmocka_unit_test(test_records_refused),
		cmocka_unit_test(test_base64),	      cmocka_unit_test(test_base64_decode),
		cmocka_unit_test(test_base64_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
