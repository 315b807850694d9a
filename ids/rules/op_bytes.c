/* byte_test, byte_jump, byte_extract, byte_math: numbers in a buffer, as Suricata reads them. */
#include <string.h>

#include "ids/rules/op.h"

#define BASE(op)     ((op)->arg[BYTES_HOW] & 0xff)
#define OPERATOR(op) ((op)->arg[BYTES_HOW] >> 8)

#define MAX_TEXT 64 /* octets looked at where the digits end by themselves */

static uint32_t max_count(const struct blob_op *op)
{
	return op->flags & BYTES_F_STRING ? BYTES_MAX_DIGITS : BYTES_MAX_OCTETS;
}

/* Arguments that flags make a variable's index. */
static bool known_variables(const struct blob_op *op)
{
	if ((op->kind == OP_BYTE_EXTRACT || op->kind == OP_BYTE_MATH) &&
	    op->arg[BYTES_RESULT] >= INSPECT_VARS)
		return false;
	return !(op->flags & BYTES_F_COUNT_VAR && op->arg[BYTES_COUNT] >= INSPECT_VARS) &&
	       !(op->flags & BYTES_F_OFFSET_VAR && op->arg[BYTES_OFFSET] >= INSPECT_VARS) &&
	       !(op->flags & BYTES_F_VALUE_VAR && op->arg[BYTES_VALUE] >= INSPECT_VARS);
}

const char *bytes_check(const struct blob *b, const struct blob_op *op)
{
	uint32_t base = BASE(op), operators = op->kind == OP_BYTE_TEST ? TESTS : MATHS;

	(void)b;
	if (op->flags & ~BYTES_F_ALL)
		return "byte condition with unknown flags";
	if (!known_variables(op))
		return "byte condition with an unknown variable";
	if ((base && base != 8 && base != 10 && base != 16) || OPERATOR(op) >= operators)
		return "byte condition of an unknown form";
	if (!(op->flags & BYTES_F_COUNT_VAR) && op->arg[BYTES_COUNT] > max_count(op))
		return "byte condition on too many octets";
	if (op->kind == OP_BYTE_EXTRACT && op->arg[BYTES_ALIGN] == 0)
		return "byte condition aligned to nothing";
	return NULL;
}

/* A number found. */
struct number {
	uint64_t value;
	int64_t at;	 /* where it begins */
	uint32_t octets; /* that it takes: of digits, those read */
};

static int digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

/* As C's strtoull within `len` octets: white space, sign, prefix, digits. False: no digits, or more
 * than 64 bits. */
static bool read_digits(const uint8_t *at, uint32_t len, uint32_t base, struct number *n)
{
	uint32_t i = 0, first;
	bool minus;

	while (i < len && (at[i] == ' ' || (at[i] >= '\t' && at[i] <= '\r')))
		i++;
	minus = i < len && at[i] == '-';
	if (i < len && (at[i] == '-' || at[i] == '+'))
		i++;
	if ((base == 0 || base == 16) && len - i > 2 && at[i] == '0' && (at[i + 1] | 32) == 'x' &&
	    digit(at[i + 2]) < 16) {
		i += 2;
		base = 16;
	}
	if (base == 0)
		base = i < len && at[i] == '0' ? 8 : 10;
	n->value = 0;
	for (first = i; i < len && digit(at[i]) < (int)base; i++) {
		if (__builtin_mul_overflow(n->value, base, &n->value) ||
		    __builtin_add_overflow(n->value, (uint64_t)digit(at[i]), &n->value))
			return false;
	}
	if (minus)
		n->value = -n->value;
	n->octets = i;
	return i > first;
}

static void read_octets(const uint8_t *at, uint32_t len, bool little, struct number *n)
{
	n->value = 0;
	for (uint32_t i = 0; i < len; i++)
		n->value = n->value << 8 | at[little ? len - 1 - i : i];
	n->octets = len;
}

/* The number that the operation speaks about; false: not within the buffer, or none. */
static bool read_number(const struct inspect *in, const struct blob_op *op, uint32_t cursor,
			struct number *n)
{
	uint64_t count = op->flags & BYTES_F_COUNT_VAR ? in->var[op->arg[BYTES_COUNT]]
						       : op->arg[BYTES_COUNT];
	int64_t offset = (int32_t)op->arg[BYTES_OFFSET];

	if (count > max_count(op) || in->buffer_len == 0)
		return false;
	/* Only byte_jump may read nothing, to jump from a place that it knows. */
	if (count == 0 && op->kind != OP_BYTE_JUMP && !(op->flags & BYTES_F_STRING))
		return false;
	if (op->flags & BYTES_F_OFFSET_VAR) {
		if (in->var[op->arg[BYTES_OFFSET]] > UINT32_MAX)
			return false;
		offset = (int64_t)in->var[op->arg[BYTES_OFFSET]];
	}
	n->at = offset +
		(op->flags & BYTES_F_RELATIVE ? cursor : -(int64_t)(in->buffer_at & INT64_MAX));
	if (n->at < 0 || n->at + (int64_t)count > in->buffer_len)
		return false;
	if (count == 0 && op->flags & BYTES_F_STRING)
		count = (uint64_t)(in->buffer_len - n->at < MAX_TEXT ? in->buffer_len - n->at
								     : MAX_TEXT);
	if (op->flags & BYTES_F_STRING)
		return read_digits(in->buffer + n->at, (uint32_t)count, BASE(op), n);
	read_octets(in->buffer + n->at, (uint32_t)count, op->flags & BYTES_F_LITTLE, n);
	return true;
}

static uint64_t masked(const struct blob_op *op, uint64_t value)
{
	uint32_t mask = op->arg[BYTES_MASK];

	if (!(op->flags & BYTES_F_MASK))
		return value;
	return mask ? (value & mask) >> __builtin_ctz(mask) : 0;
}

static uint64_t right_operand(const struct inspect *in, const struct blob_op *op)
{
	return op->flags & BYTES_F_VALUE_VAR ? in->var[op->arg[BYTES_VALUE]] : op->arg[BYTES_VALUE];
}

static bool compare(enum bytes_test test, uint64_t a, uint64_t b)
{
	switch (test) {
	case TEST_EQ:
		return a == b;
	case TEST_LT:
		return a < b;
	case TEST_GT:
		return a > b;
	case TEST_LE:
		return a <= b;
	case TEST_GE:
		return a >= b;
	case TEST_AND:
		return a & b;
	case TEST_XOR:
		return a ^ b;
	case TESTS:
		break;
	}
	return false;
}

enum inspect_result byte_test_payload(struct inspect *in, const struct blob_op *op, uint32_t cursor)
{
	uint64_t with = right_operand(in, op);
	struct number n;

	if (!(op->flags & BYTES_F_VALUE_VAR))
		with |= (uint64_t)op->arg[BYTES_HIGH] << 32;
	if (!read_number(in, op, cursor, &n))
		return INSPECT_NO;
	if (compare((enum bytes_test)OPERATOR(op), masked(op, n.value), with) ==
	    (bool)(op->flags & BYTES_F_NEGATED))
		return INSPECT_NO;
	return inspect_from(in, op + 1, cursor);
}

enum inspect_result byte_jump_payload(struct inspect *in, const struct blob_op *op, uint32_t cursor)
{
	struct number n;
	uint64_t value;
	int64_t to;

	if (!read_number(in, op, cursor, &n))
		return INSPECT_NO;
	value = masked(op, n.value) * op->arg[BYTES_FACTOR];
	if (op->flags & BYTES_F_ALIGN)
		value = (value + 3) & ~(uint64_t)3;
	/* Signed and modulo 2^64, so that an offset may lead back. */
	value += (uint64_t)(int64_t)(int32_t)op->arg[BYTES_POST];
	if (op->flags & BYTES_F_BEGINNING)
		to = -(int64_t)(in->buffer_at & INT64_MAX);
	else if (op->flags & BYTES_F_END)
		to = in->buffer_len;
	else
		to = n.at + n.octets;
	if (__builtin_add_overflow(to, (int64_t)value, &to) || to > in->buffer_len)
		return INSPECT_NO;
	return inspect_from(in, op + 1, to < 0 ? 0 : (uint32_t)to);
}

enum inspect_result byte_extract_payload(struct inspect *in, const struct blob_op *op,
					 uint32_t cursor)
{
	uint32_t align = op->arg[BYTES_ALIGN];
	struct number n;

	if (!read_number(in, op, cursor, &n))
		return INSPECT_NO;
	n.value *= op->arg[BYTES_FACTOR];
	if (n.value % align)
		n.value += align - n.value % align;
	in->var[op->arg[BYTES_RESULT]] = n.value;
	return inspect_from(in, op + 1, (uint32_t)n.at + n.octets);
}

/* False: division by 0. */
static bool calculate(enum bytes_math what, uint64_t *a, uint64_t b)
{
	switch (what) {
	case MATH_ADD:
		*a += b;
		return true;
	case MATH_SUB:
		*a -= b;
		return true;
	case MATH_MUL:
		*a *= b;
		return true;
	case MATH_DIV:
		if (b)
			*a /= b;
		return b;
	case MATH_LEFT:
		*a = b < 64 ? *a << b : 0;
		return true;
	case MATH_RIGHT:
		*a = b < 64 ? *a >> b : 0;
		return true;
	case MATHS:
		break;
	}
	return false;
}

enum inspect_result byte_math_payload(struct inspect *in, const struct blob_op *op, uint32_t cursor)
{
	struct number n;

	if (!read_number(in, op, cursor, &n) ||
	    !calculate((enum bytes_math)OPERATOR(op), &n.value, right_operand(in, op)))
		return INSPECT_NO;
	in->var[op->arg[BYTES_RESULT]] = masked(op, n.value);
	return inspect_from(in, op + 1, (uint32_t)n.at + n.octets);
}
