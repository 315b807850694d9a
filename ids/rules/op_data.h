/* The operations on a buffer's data beside content: records (part of the blob format) and
 * functions.
 *
 * Included by op.h, which has the types.
 */
#pragma once

#include "ids/rules/regex.h"

/* OP_PCRE: arg 0 string offset, 1 length, 2 REGEX_* options, 3 index among the blob's patterns. */
enum { PCRE_STRING, PCRE_LENGTH, PCRE_OPTIONS, PCRE_INDEX };
#define PCRE_F_NEGATED	     0x0001
#define PCRE_F_RELATIVE	     0x0002
#define PCRE_F_RELATIVE_NEXT 0x0010 /* as CONTENT_F_RELATIVE_NEXT */
#define PCRE_F_ALL	     0x0013

/* Has it a regular expression (pcre, pcrexform)? And which? */
bool has_pattern(const struct blob_op *op);
struct regex_pattern pattern_of(const struct blob *b, const struct blob_op *op);

const char *pcre_check(const struct blob *b, const struct blob_op *op);
enum inspect_result pcre_payload(struct inspect *in, const struct blob_op *op, uint32_t cursor);

/* OP_BYTE_*: a number in the buffer. Arguments 2 and 3 differ by kind. */
enum {
	BYTES_COUNT,  /* octets of the number; or a variable */
	BYTES_OFFSET, /* signed, from the buffer's start or the cursor; or a variable */
	BYTES_VALUE,  /* test: low half of the value; math: right operand; both or a variable */
	BYTES_HIGH,   /* test: high half */
	BYTES_MASK,   /* BYTES_F_MASK: taken from the number, shifted down to its lowest bit */
	BYTES_RESULT, /* extract, math: variable set */
	BYTES_HOW,    /* BYTES_F_STRING: base 0 (as in C), 8, 10 or 16; << 8: operator */
	BYTES_FACTOR = BYTES_VALUE, /* jump, extract: multiplier */
	BYTES_POST = BYTES_HIGH,    /* jump: signed, added to the result */
	BYTES_ALIGN = BYTES_HIGH,   /* extract: 1, 2 or 4 */
};
#define BYTES_F_RELATIVE   0x0001
#define BYTES_F_LITTLE	   0x0002
#define BYTES_F_STRING	   0x0004 /* digits */
#define BYTES_F_NEGATED	   0x0008 /* test */
#define BYTES_F_MASK	   0x0010
#define BYTES_F_COUNT_VAR  0x0020
#define BYTES_F_OFFSET_VAR 0x0040
#define BYTES_F_VALUE_VAR  0x0080
#define BYTES_F_ALIGN	   0x0100 /* jump: up to a multiple of 4 */
#define BYTES_F_BEGINNING  0x0200 /* jump: from the buffer's start */
#define BYTES_F_END	   0x0400 /* jump: from the buffer's end */
#define BYTES_F_ALL	   0x07ff

enum bytes_test { TEST_EQ, TEST_LT, TEST_GT, TEST_LE, TEST_GE, TEST_AND, TEST_XOR, TESTS };
enum bytes_math { MATH_ADD, MATH_SUB, MATH_MUL, MATH_DIV, MATH_LEFT, MATH_RIGHT, MATHS };

/* Octets of a number at most; 23 digits are the longest that fit 64 bits
 * ("01777777777777777777777"). BYTES_F_STRING with 0 octets: as many digits as there are. */
#define BYTES_MAX_OCTETS 8
#define BYTES_MAX_DIGITS 23

const char *bytes_check(const struct blob *b, const struct blob_op *op);
enum inspect_result byte_test_payload(struct inspect *in, const struct blob_op *op,
				      uint32_t cursor);
enum inspect_result byte_jump_payload(struct inspect *in, const struct blob_op *op,
				      uint32_t cursor);
enum inspect_result byte_extract_payload(struct inspect *in, const struct blob_op *op,
					 uint32_t cursor);
enum inspect_result byte_math_payload(struct inspect *in, const struct blob_op *op,
				      uint32_t cursor);

/* OP_ISDATAAT: arg 0 the place, or a variable. */
#define ISDATAAT_F_RELATIVE 0x0001
#define ISDATAAT_F_NEGATED  0x0002
#define ISDATAAT_F_VAR	    0x0004
#define ISDATAAT_F_ALL	    0x0007

const char *isdataat_check(const struct blob *b, const struct blob_op *op);
enum inspect_result isdataat_payload(struct inspect *in, const struct blob_op *op, uint32_t cursor);

/* OP_BASE64_DECODE: arg 0 octets to decode at most (0: all), 1 offset. */
#define BASE64_F_RELATIVE 0x0001

const char *base64_check(const struct blob *b, const struct blob_op *op);
enum inspect_result base64_payload(struct inspect *in, const struct blob_op *op, uint32_t cursor);

/* OP_TRANSFORM: the operations behind it look into the buffer as it makes it. arg 0 string offset
 * of the argument, 1 its length, 2 enum transform_kind, 3 index among the blob's patterns
 * (pcrexform). */
enum { TRANSFORM_STRING, TRANSFORM_LENGTH, TRANSFORM_KIND, TRANSFORM_INDEX };

const char *transform_check(const struct blob *b, const struct blob_op *op);
enum inspect_result transform_payload(struct inspect *in, const struct blob_op *op,
				      uint32_t cursor);
