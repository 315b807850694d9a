/* Transforms of a buffer: for the conditions behind them. */
#include <stdlib.h>
#include <string.h>

#include "ids/bytes.h"
#include "ids/rules/compile/keywords.h"
#include "ids/rules/compile/kw_pcre.h"
#include "ids/rules/compile/text.h"
#include "ids/rules/transform.h"

/* Is its output the same but for the case of letters? */
static bool keeps_letters(enum transform_kind kind)
{
	return kind == TRANSFORM_TO_LOWERCASE || kind == TRANSFORM_TO_UPPERCASE ||
	       kind == TRANSFORM_HEADER_LOWERCASE;
}

static bool add(struct parse *p, enum transform_kind kind, uint8_t *argument, size_t len)
{
	struct rule *r = p->rule;
	struct rule_op *o;

	/* What looks into the buffer as it was is another group. */
	if ((!r->transform.any && !rule_new_group(p)) || !(o = rule_add_op(p, OP_TRANSFORM))) {
		free(argument);
		return false;
	}
	o->bytes = argument;
	o->len = (uint32_t)len;
	o->op.arg[TRANSFORM_LENGTH] = (uint32_t)len;
	o->op.arg[TRANSFORM_KIND] = kind;
	r->transform.any = true;
	r->transform.dots = (uint8_t)(r->transform.dots + (kind == TRANSFORM_DOTPREFIX));
	r->transform.opaque |= !(kind == TRANSFORM_DOTPREFIX || keeps_letters(kind));
	return true;
}

#define PLAIN(name, kind)                                                                          \
	bool kw_##name(struct parse *p, char *value, bool negated)                                 \
	{                                                                                          \
		(void)value;                                                                       \
		(void)negated;                                                                     \
		return add(p, kind, NULL, 0);                                                      \
	}

PLAIN(dotprefix, TRANSFORM_DOTPREFIX)
PLAIN(to_lowercase, TRANSFORM_TO_LOWERCASE)
PLAIN(to_uppercase, TRANSFORM_TO_UPPERCASE)
PLAIN(strip_whitespace, TRANSFORM_STRIP_WHITESPACE)
PLAIN(compress_whitespace, TRANSFORM_COMPRESS_WHITESPACE)
PLAIN(url_decode, TRANSFORM_URL_DECODE)
PLAIN(to_md5, TRANSFORM_TO_MD5)
PLAIN(to_sha1, TRANSFORM_TO_SHA1)
PLAIN(to_sha256, TRANSFORM_TO_SHA256)
PLAIN(header_lowercase, TRANSFORM_HEADER_LOWERCASE)
PLAIN(strip_pseudo_headers, TRANSFORM_STRIP_PSEUDO_HEADERS)

/* xor:"HEX": a key of 1 to 255 octets */
bool kw_xor(struct parse *p, char *value, bool negated)
{
	static const char digits[] = "0123456789abcdef";
	size_t len = strlen(value);
	uint8_t *key;

	(void)negated;
	if (len == 0 || len % 2 || len > 2 * 255)
		return refuse(p, "xor: the key is not 1 to 255 octets in hex");
	key = grow(NULL, len / 2);
	memset(key, 0, len / 2);
	for (size_t i = 0; i < len; i++) {
		const char *at = strchr(digits, lower((uint8_t)value[i]));

		if (!at) {
			free(key);
			return refuse(p, "xor: %c is no hex digit", value[i]);
		}
		key[i / 2] = (uint8_t)(key[i / 2] << 4 | (at - digits));
	}
	return add(p, TRANSFORM_XOR, key, len / 2);
}

/* pcrexform:"REGEX": what its first group holds */
bool kw_pcrexform(struct parse *p, char *value, bool negated)
{
	size_t len = strlen(value);
	uint32_t options = 0;

	(void)negated;
	if (!pcre_compiles(p, "pcrexform", value, len, &options))
		return false;
	return add(p, TRANSFORM_PCREXFORM, (uint8_t *)copy_text(value, len), len);
}
