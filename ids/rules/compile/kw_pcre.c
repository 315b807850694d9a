/* pcre:"/REGEX/FLAGS[, CAPTURES]" */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ids/rules/compile/keywords.h"
#include "ids/rules/compile/kw_pcre.h"
#include "ids/rules/compile/text.h"
#include "ids/rules/regex.h"
/* Octets for one pattern: code of 64 KiB at most (LINK_SIZE 2), and what compiling needs. */
#define TRY_CACHE (192u << 10)

static bool try_once(const struct regex_pattern *pattern, int *error, size_t *at)
{
	void *memory = grow(NULL, regex_size(1, TRY_CACHE));
	struct regex *r;
	bool ok;

	memset(memory, 0, regex_size(1, TRY_CACHE));
	r = regex_init(memory, 1, TRY_CACHE);
	ok = r && regex_prepare(r, 0, pattern, error, at);
	free(memory);
	return ok;
}

bool pcre_compiles(struct parse *p, const char *keyword, const char *pattern, size_t len,
		   uint32_t *options)
{
	struct regex_pattern try = {(const uint8_t *)pattern, (uint32_t)len, *options};
	char why[128];
	int error = 0;
	size_t at = 0;

	if (len == 0 || len > REGEX_MAX_PATTERN)
		return refuse(p, "%s: pattern of %zu octets", keyword, len);
	if (try_once(&try, &error, &at))
		return true;
	/* A reference to a group: then they are needed. (What is wrong beside it shows now.) */
	if (try.options & REGEX_NO_GROUPS) {
		try.options &= ~(uint32_t)REGEX_NO_GROUPS;
		*options = try.options;
		if (try_once(&try, &error, &at))
			return true;
	}
	regex_message(error, why, sizeof(why));
	return refuse(p, "%s: at octet %zu: %s", keyword, at, error ? why : "too large");
}

static const struct {
	char letter;
	uint32_t option;
} letters[] = {
	{'i', REGEX_CASELESS}, {'m', REGEX_MULTILINE}, {'s', REGEX_DOTALL},   {'x', REGEX_EXTENDED},
	{'A', REGEX_ANCHORED}, {'E', REGEX_DOLLAR},    {'G', REGEX_UNGREEDY}, {'O', 0},
};

/* The buffer that a letter stands for, or -1. */
static int buffer_of(char letter)
{
	for (int i = 0; i < APP_BUFFERS; i++)
		if (app_buffers[i].pcre == letter)
			return i;
	return -1;
}

static bool set_buffer(struct parse *p, struct rule_op *o, char letter)
{
	int buffer = buffer_of(letter);

	if (buffer < 0)
		return refuse(p, "pcre: unknown flag %c", letter);
	if (o->op.buffer == buffer)
		return true;
	if (o->op.buffer != APP_PAYLOAD || o->transform.any)
		return refuse(p, "pcre: flag %c contradicts the buffer before it", letter);
	o->op.buffer = (uint8_t)buffer;
	o->instance = 0;
	return rule_set_proto(p, "pcre", (enum app_proto)app_buffers[buffer].proto);
}

static bool set_flag(struct parse *p, struct rule_op *o, char letter, bool *raw)
{
	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (letters[i].letter == letter) {
			o->op.arg[PCRE_OPTIONS] |= letters[i].option;
			return true;
		}
	if (letter == 'R') {
		o->op.flags |= PCRE_F_RELATIVE;
		o->relative = true;
		return true;
	}
	if (letter == 'B') {
		*raw = true;
		return o->op.buffer == APP_PAYLOAD ||
		       refuse(p, "pcre: flag B contradicts the buffer before it");
	}
	if (*raw)
		return refuse(p, "pcre: flags B and %c contradict each other", letter);
	return set_buffer(p, o, letter);
}

/* http.host is in lower case, so that another one never matches (escapes like \S aside). */
static bool has_upper(const char *pattern)
{
	for (; *pattern; pattern++) {
		if (*pattern == '\\' && pattern[1])
			pattern++;
		else if (isupper((unsigned char)*pattern))
			return true;
	}
	return false;
}

/* Names for what groups hold: nothing of ours reads them (the keywords that would are refused), but
 * they have to be ones. */
static bool captures(struct parse *p, char *text)
{
	char *save = NULL;

	for (char *word = strtok_r(text, ", \t", &save); word;
	     word = strtok_r(NULL, ", \t", &save)) {
		char *colon = strchr(word, ':');

		if (!colon || !colon[1] ||
		    (strncmp(word, "flow:", 5) != 0 && strncmp(word, "pkt:", 4) != 0))
			return refuse(p, "pcre: bad capture %s", word);
	}
	return true;
}

/* Split the value: pattern, flags, captures. */
static bool split(struct parse *p, char *value, char **flags, char **names)
{
	char *slash, *comma;

	/* Captures come first off the end, for a pattern may hold any character. */
	slash = strrchr(value, '/');
	comma = slash ? strchr(slash, ',') : NULL;
	*names = NULL;
	if (comma) {
		*comma = '\0';
		*names = comma + 1;
	}
	if (value[0] != '/' || !slash || slash == value)
		return refuse(p, "pcre: no pattern between slashes");
	*slash = '\0';
	*flags = trim(slash + 1);
	return true;
}

bool kw_pcre(struct parse *p, char *value, bool negated)
{
	struct rule_op *o = rule_add_op(p, OP_PCRE);
	char *flags = NULL, *names = NULL, *pattern = value + 1;
	bool raw = false;
	size_t len;

	if (!o || !split(p, value, &flags, &names))
		return false;
	o->op.arg[PCRE_OPTIONS] = names ? 0 : REGEX_NO_GROUPS;
	for (; *flags; flags++)
		if (!set_flag(p, o, *flags, &raw))
			return false;
	if (names && !captures(p, names))
		return false;
	if (o->op.buffer == APP_HTTP_HOST && !(o->op.arg[PCRE_OPTIONS] & REGEX_CASELESS) &&
	    has_upper(pattern))
		return refuse(p, "pcre: upper case in a pattern for http.host, which has none");
	len = strlen(pattern);
	if (!pcre_compiles(p, "pcre", pattern, len, &o->op.arg[PCRE_OPTIONS]))
		return false;
	o->bytes = (uint8_t *)copy_text(pattern, len);
	o->len = (uint32_t)len;
	o->op.arg[PCRE_LENGTH] = (uint32_t)len;
	if (negated)
		o->op.flags |= PCRE_F_NEGATED;
	return true;
}
