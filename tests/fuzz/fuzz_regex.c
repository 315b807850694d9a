/* Any octets as a regular expression and its subject: searches end, within their work, inside the
 * subject; a cache that is too small for the patterns changes nothing. First octet: options;
 * second: where the search begins; then the pattern, a NUL, the subject. */
#include "ids/rules/base64.h"
#include "ids/rules/regex.h"
#include "ids/rules/transform.h"
#include "tests/fuzz/ids_fuzz.h"

#define CACHE (96u << 10)

/* A few patterns beside the fuzzer's, so that something is thrown out. */
static const char *const others[] = {"(?i)[a-z]{30}(foo|bar)+", "([0-9]+,){200}", "(a+)+$"};
#define OTHERS 3

static void *memory;

static enum regex_result search(struct regex *r, uint32_t index, const struct regex_pattern *p,
				const uint8_t *data, uint32_t len, uint32_t from,
				struct regex_span span[2])
{
	enum regex_result result = regex_search(r, index, p, data, len, from, true, span);

	if (result != REGEX_MATCH)
		return result;
	REQUIRE(span[0].from <= span[0].to && span[0].to <= len);
	REQUIRE(span[1].from == REGEX_UNSET || (span[1].from <= span[1].to && span[1].to <= len));
	return result;
}

static void check(struct regex_pattern *p, const uint8_t *data, uint32_t len, uint32_t from)
{
	struct regex_span first[2], again[2];
	enum regex_result result;
	struct regex *r;

	memset(memory, 0, regex_size(OTHERS + 1, CACHE));
	r = regex_init(memory, OTHERS + 1, CACHE);
	REQUIRE(r);
	result = search(r, OTHERS, p, data, len, from, first);
	for (uint32_t i = 0; i < OTHERS; i++) {
		struct regex_pattern other = {(const uint8_t *)others[i],
					      (uint32_t)strlen(others[i]), 0};

		regex_refill(r);
		search(r, i, &other, data, len, from, again);
	}
	regex_refill(r);
	REQUIRE(search(r, OTHERS, p, data, len, from, again) == result);
	if (result == REGEX_MATCH)
		REQUIRE(memcmp(first, again, sizeof(first)) == 0);
	REQUIRE(regex_used(r) <= CACHE);
}

/* The transforms on the subject: within their room. */
static void transform(const uint8_t *data, uint32_t len)
{
	struct transform_argument key = {data, len < 8 ? len : 8};

	for (unsigned i = 0; len && i < TRANSFORMS; i++) {
		uint8_t *out = malloc(TRANSFORM_ROOM(len));

		if (transforms[i].run)
			REQUIRE(transforms[i].run(data, len, &key, out) <= TRANSFORM_ROOM(len));
		free(out);
	}
	for (unsigned mode = BASE64_RFC4648; mode <= BASE64_RFC2045; mode++) {
		uint32_t room = len / 2;
		uint8_t *out = malloc(room ? room : 1);

		REQUIRE(base64_decode((enum base64_mode)mode, data, len, out, room) <= room);
		free(out);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct regex_pattern p;
	const uint8_t *nul;
	uint8_t *text, *subject;
	size_t len;

	if (size < 3 || size > 8192)
		return 0;
	if (!memory)
		memory = malloc(regex_size(OTHERS + 1, CACHE));
	nul = memchr(data + 2, 0, size - 2);
	p.len = (uint32_t)(nul ? nul - data - 2 : (long)size - 2);
	len = nul ? size - 3 - p.len : 0;
	text = malloc(p.len ? p.len : 1);
	memcpy(text, data + 2, p.len);
	p.text = text;
	p.options = data[0];
	subject = malloc(len ? len : 1);
	if (len)
		memcpy(subject, nul + 1, len);
	check(&p, subject, (uint32_t)len, data[1] <= len ? data[1] : 0);
	transform(subject, (uint32_t)len);
	free(text);
	free(subject);
	return 0;
}
