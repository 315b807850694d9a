/* byte_test, byte_jump, byte_extract, byte_math. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ids/rules/compile/keywords.h"
#include "ids/rules/compile/text.h"

#define OFFSET_MAX 65535

/* A keyword at work: the words of its value, split at commas and white space. */
struct bytes_parse {
	struct parse *p;
	const char *name;
	struct rule_op *o;
	char *rest; /* not looked at yet */
	bool has_base;
	unsigned given; /* GIVEN_* */
};

#define GIVEN_BYTES  0x01
#define GIVEN_OFFSET 0x02
#define GIVEN_OPER   0x04
#define GIVEN_RVALUE 0x08
#define GIVEN_RESULT 0x10
#define GIVEN_ENDIAN 0x20
#define GIVEN_ALL    0x1f /* what byte_math must have */

static bool bad(struct bytes_parse *b, const char *what, const char *word)
{
	return refuse(b->p, "%s: bad %s %s", b->name, what, word ? word : "(missing)");
}

/* The next word, up to a comma or white space; NULL: none. */
static char *next_word(struct bytes_parse *b)
{
	char *word = b->rest + strspn(b->rest, ", \t");
	size_t len = strcspn(word, ", \t");

	b->rest = word + len + (word[len] != '\0');
	word[len] = '\0';
	return len ? word : NULL;
}

/* The next part up to a comma, whatever stands in it; NULL: none. */
static char *next_part(struct bytes_parse *b)
{
	char *part = b->rest;
	size_t len = strcspn(part, ",");

	b->rest = part + len + (part[len] != '\0');
	part[len] = '\0';
	part = trim(part);
	return *part ? part : NULL;
}

/* A number as in C: decimal, 0x and hex, 0 and octal. */
static bool c_number(const char *text, uint64_t max, uint64_t *value)
{
	char *end;

	if (!text || !isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*value = strtoull(text, &end, 0);
	return !errno && !*end && *value <= max;
}

static bool variable(struct bytes_parse *b, const char *word, unsigned arg, uint16_t flag)
{
	int i = rule_variable(b->p, b->name, word);

	if (i < 0)
		return false;
	b->o->op.arg[arg] = (uint32_t)i;
	b->o->op.flags |= flag;
	return true;
}

/* --- the parts that stand at the beginning ---------------------------------------------------- */

/* How many octets is settled when the base is known (finish). */
static bool set_count(struct bytes_parse *b, const char *word, bool may_be_variable)
{
	uint64_t v;

	if (word && may_be_variable && rule_is_name(word))
		return variable(b, word, BYTES_COUNT, BYTES_F_COUNT_VAR);
	if (!word || !parse_u64(word, 255, &v))
		return bad(b, "number of bytes", word);
	b->o->op.arg[BYTES_COUNT] = (uint32_t)v;
	return true;
}

static bool set_offset(struct bytes_parse *b, const char *word, bool may_be_variable)
{
	int64_t v;

	if (word && may_be_variable && rule_is_name(word))
		return variable(b, word, BYTES_OFFSET, BYTES_F_OFFSET_VAR);
	if (!word || !parse_i64(word, -OFFSET_MAX, OFFSET_MAX, &v))
		return bad(b, "offset", word);
	b->o->op.arg[BYTES_OFFSET] = (uint32_t)v;
	return true;
}

static const struct {
	const char *text;
	enum bytes_test test;
} tests[] = {
	{"=", TEST_EQ},	 {"<", TEST_LT},  {">", TEST_GT},  {"<=", TEST_LE},
	{">=", TEST_GE}, {"&", TEST_AND}, {"^", TEST_XOR},
};

/* `!` alone is `!=`. */
static bool set_test(struct bytes_parse *b, char *word)
{
	if (word && *word == '!') {
		b->o->op.flags |= BYTES_F_NEGATED;
		word = trim(word + 1);
		if (!*word)
			return true;
	}
	for (size_t i = 0; word && i < sizeof(tests) / sizeof(tests[0]); i++)
		if (strcmp(word, tests[i].text) == 0) {
			b->o->op.arg[BYTES_HOW] |= (uint32_t)tests[i].test << 8;
			return true;
		}
	return bad(b, "operator", word);
}

static bool set_value(struct bytes_parse *b, const char *word)
{
	uint64_t v;

	if (word && rule_is_name(word))
		return variable(b, word, BYTES_VALUE, BYTES_F_VALUE_VAR);
	if (!c_number(word, UINT64_MAX, &v))
		return bad(b, "value", word);
	b->o->op.arg[BYTES_VALUE] = (uint32_t)v;
	b->o->op.arg[BYTES_HIGH] = (uint32_t)(v >> 32);
	return true;
}

static bool set_result(struct bytes_parse *b, const char *word)
{
	int i = word ? rule_new_variable(b->p, b->name, word) : -1;

	if (!word)
		return bad(b, "variable", word);
	b->o->op.arg[BYTES_RESULT] = (uint32_t)i;
	return i >= 0;
}

/* --- options that may follow in any order ----------------------------------------------------- */

static bool do_relative(struct bytes_parse *b)
{
	b->o->op.flags |= BYTES_F_RELATIVE;
	rule_set_relative(b->p, b->o);
	return true;
}

static bool do_big(struct bytes_parse *b)
{
	b->given |= GIVEN_ENDIAN;
	b->o->op.flags &= (uint16_t)~BYTES_F_LITTLE;
	return true;
}

static bool do_little(struct bytes_parse *b)
{
	b->given |= GIVEN_ENDIAN;
	b->o->op.flags |= BYTES_F_LITTLE;
	return true;
}

static bool do_string(struct bytes_parse *b)
{
	b->o->op.flags |= BYTES_F_STRING;
	return true;
}

static bool set_base(struct bytes_parse *b, uint32_t base)
{
	if (b->has_base)
		return refuse(b->p, "%s: more than one base", b->name);
	b->has_base = true;
	b->o->op.arg[BYTES_HOW] |= base;
	return true;
}

static bool do_hex(struct bytes_parse *b)
{
	return set_base(b, 16);
}

static bool do_dec(struct bytes_parse *b)
{
	return set_base(b, 10);
}

static bool do_oct(struct bytes_parse *b)
{
	return set_base(b, 8);
}

static bool do_endian(struct bytes_parse *b)
{
	const char *word = next_word(b);

	if (word && strcmp(word, "little") == 0)
		return do_little(b);
	return word && strcmp(word, "big") == 0 ? do_big(b) : bad(b, "endian", word);
}

static bool do_dce(struct bytes_parse *b)
{
	return refuse(b->p, "%s: dce is not supported (DCE/RPC is not parsed)", b->name);
}

static bool do_align(struct bytes_parse *b)
{
	uint64_t v;
	const char *word;

	if (b->o->op.kind == OP_BYTE_JUMP) {
		b->o->op.flags |= BYTES_F_ALIGN;
		return true;
	}
	word = next_word(b);
	if (!word || !parse_u64(word, 4, &v) || (v != 2 && v != 4))
		return bad(b, "align", word);
	b->o->op.arg[BYTES_ALIGN] = (uint32_t)v;
	return true;
}

static bool do_from_beginning(struct bytes_parse *b)
{
	b->o->op.flags |= BYTES_F_BEGINNING;
	return true;
}

static bool do_from_end(struct bytes_parse *b)
{
	b->o->op.flags |= BYTES_F_END;
	return true;
}

static bool do_multiplier(struct bytes_parse *b)
{
	const char *word = next_word(b);
	uint64_t v;

	if (!word || !parse_u64(word, 65535, &v) || v == 0)
		return bad(b, "multiplier", word);
	b->o->op.arg[BYTES_FACTOR] = (uint32_t)v;
	return true;
}

static bool do_post_offset(struct bytes_parse *b)
{
	const char *word = next_word(b);
	int64_t v;

	if (!word || !parse_i64(word, -OFFSET_MAX, OFFSET_MAX, &v))
		return bad(b, "post_offset", word);
	b->o->op.arg[BYTES_POST] = (uint32_t)v;
	return true;
}

/* byte_math's is hexadecimal with and without 0x. */
static bool do_bitmask(struct bytes_parse *b)
{
	char *word = next_word(b), *end;
	uint64_t v;

	if (word && b->o->op.kind == OP_BYTE_MATH && isxdigit((unsigned char)*word)) {
		errno = 0;
		v = strtoull(word, &end, 16);
		if (errno || *end || v > UINT32_MAX)
			return bad(b, "bitmask", word);
	} else if (!c_number(word, UINT32_MAX, &v)) {
		return bad(b, "bitmask", word);
	}
	b->o->op.flags |= BYTES_F_MASK;
	b->o->op.arg[BYTES_MASK] = (uint32_t)v;
	return true;
}

/* --- byte_math names all its parts ------------------------------------------------------------ */

static bool do_bytes(struct bytes_parse *b)
{
	b->given |= GIVEN_BYTES;
	return set_count(b, next_word(b), true);
}

static bool do_offset(struct bytes_parse *b)
{
	b->given |= GIVEN_OFFSET;
	return set_offset(b, next_word(b), false);
}

static bool do_oper(struct bytes_parse *b)
{
	static const char *const opers[MATHS] = {
		[MATH_ADD] = "+", [MATH_SUB] = "-",   [MATH_MUL] = "*",
		[MATH_DIV] = "/", [MATH_LEFT] = "<<", [MATH_RIGHT] = ">>",
	};
	const char *word = next_word(b);

	b->given |= GIVEN_OPER;
	for (uint32_t i = 0; word && i < MATHS; i++)
		if (strcmp(word, opers[i]) == 0) {
			b->o->op.arg[BYTES_HOW] |= i << 8;
			return true;
		}
	return bad(b, "operator", word);
}

static bool do_rvalue(struct bytes_parse *b)
{
	const char *word = next_word(b);

	b->given |= GIVEN_RVALUE;
	if (!set_value(b, word))
		return false;
	return b->o->op.flags & BYTES_F_VALUE_VAR || b->o->op.arg[BYTES_HIGH] == 0 ||
	       bad(b, "rvalue", word);
}

static bool do_result(struct bytes_parse *b)
{
	b->given |= GIVEN_RESULT;
	return set_result(b, next_word(b));
}

#define T (1u << OP_BYTE_TEST)
#define J (1u << OP_BYTE_JUMP)
#define E (1u << OP_BYTE_EXTRACT)
#define M (1u << OP_BYTE_MATH)

static const struct {
	const char *name;
	uint32_t kinds; /* keywords that know it */
	bool (*parse)(struct bytes_parse *b);
} options[] = {
	{"relative", T | J | E | M, do_relative},
	{"big", T | J | E, do_big},
	{"little", T | J | E, do_little},
	{"endian", J | E | M, do_endian},
	{"string", T | J | E | M, do_string},
	{"hex", T | J | E | M, do_hex},
	{"dec", T | J | E | M, do_dec},
	{"oct", T | J | E | M, do_oct},
	{"dce", T | J | E | M, do_dce},
	{"align", J | E, do_align},
	{"from_beginning", J, do_from_beginning},
	{"from_end", J, do_from_end},
	{"multiplier", J | E, do_multiplier},
	{"post_offset", J, do_post_offset},
	{"bitmask", T | J | M, do_bitmask},
	{"bytes", M, do_bytes},
	{"offset", M, do_offset},
	{"oper", M, do_oper},
	{"rvalue", M, do_rvalue},
	{"result", M, do_result},
};

static bool parse_word(struct bytes_parse *b, const char *word)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (options[i].kinds >> b->o->op.kind & 1 && strcmp(word, options[i].name) == 0)
			return options[i].parse(b);
	return refuse(b->p, "%s: unknown option %s", b->name, word);
}

/* Bounds of byte_extract's digits (by base 16, 10, 8 or none) and byte_math's octets, the latter
 * with a shift, are Suricata's. */
static uint32_t max_count(const struct blob_op *op)
{
	uint32_t base = op->arg[BYTES_HOW] & 0xff;

	if (op->kind == OP_BYTE_MATH && op->arg[BYTES_HOW] >> 8 >= MATH_LEFT)
		return 4;
	if (!(op->flags & BYTES_F_STRING))
		return BYTES_MAX_OCTETS;
	if (op->kind == OP_BYTE_MATH)
		return 10;
	if (op->kind == OP_BYTE_EXTRACT && base >= 10)
		return base == 16 ? 14 : 20;
	return BYTES_MAX_DIGITS;
}

/* What only all options together tell. */
static bool finish(struct bytes_parse *b)
{
	const struct blob_op *op = &b->o->op;
	uint32_t max = max_count(op);
	bool none = op->kind == OP_BYTE_JUMP ||
		    (op->kind == OP_BYTE_TEST && op->flags & BYTES_F_STRING);
	uint32_t min = none ? 0 : 1;

	if (b->has_base && !(op->flags & BYTES_F_STRING))
		return refuse(b->p, "%s: hex, dec or oct without string", b->name);
	if (op->flags & BYTES_F_BEGINNING && op->flags & BYTES_F_END)
		return refuse(b->p, "%s: from_beginning and from_end", b->name);
	if (!(op->flags & BYTES_F_COUNT_VAR) &&
	    (op->arg[BYTES_COUNT] < min || op->arg[BYTES_COUNT] > max))
		return refuse(b->p, "%s: number of bytes not in %u to %u", b->name, min, max);
	if (op->kind == OP_BYTE_MATH && (b->given & GIVEN_ALL) != GIVEN_ALL)
		return refuse(b->p, "byte_math: needs bytes, offset, oper, rvalue and result");
	return true;
}

static bool start(struct bytes_parse *b, struct parse *p, const char *name, enum op_kind kind,
		  char *value)
{
	*b = (struct bytes_parse){.p = p, .name = name, .o = rule_add_op(p, kind), .rest = value};
	return b->o;
}

static bool parse_options(struct bytes_parse *b)
{
	for (char *word = next_word(b); word; word = next_word(b))
		if (!parse_word(b, word))
			return false;
	return finish(b);
}

bool kw_byte_test(struct parse *p, char *value, bool negated)
{
	struct bytes_parse b;

	(void)negated;
	return start(&b, p, "byte_test", OP_BYTE_TEST, value) &&
	       set_count(&b, next_part(&b), true) && set_test(&b, next_part(&b)) &&
	       set_value(&b, next_part(&b)) && set_offset(&b, next_part(&b), true) &&
	       parse_options(&b);
}

bool kw_byte_jump(struct parse *p, char *value, bool negated)
{
	struct bytes_parse b;

	(void)negated;
	if (!start(&b, p, "byte_jump", OP_BYTE_JUMP, value))
		return false;
	b.o->op.arg[BYTES_FACTOR] = 1;
	return set_count(&b, next_part(&b), true) && set_offset(&b, next_part(&b), true) &&
	       parse_options(&b);
}

bool kw_byte_extract(struct parse *p, char *value, bool negated)
{
	struct bytes_parse b;

	(void)negated;
	if (!start(&b, p, "byte_extract", OP_BYTE_EXTRACT, value))
		return false;
	b.o->op.arg[BYTES_FACTOR] = 1;
	b.o->op.arg[BYTES_ALIGN] = 1;
	return set_count(&b, next_part(&b), false) && set_offset(&b, next_part(&b), false) &&
	       set_result(&b, next_part(&b)) && parse_options(&b);
}

bool kw_byte_math(struct parse *p, char *value, bool negated)
{
	struct bytes_parse b;

	(void)negated;
	return start(&b, p, "byte_math", OP_BYTE_MATH, value) && parse_options(&b);
}
