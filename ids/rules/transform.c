#include <string.h>

#include "ids/bytes.h"
#include "ids/digest.h"
#include "ids/rules/transform.h"

typedef const struct transform_argument *argument;

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* ".example.org" of "example.org", so that a content for a domain does not match within a label. */
static uint32_t dotprefix(const uint8_t *data, uint32_t len, argument arg, uint8_t *out)
{
	(void)arg;
	out[0] = '.';
	memcpy(out + 1, data, len);
	return len + 1;
}

static uint32_t to_lowercase(const uint8_t *data, uint32_t len, argument arg, uint8_t *out)
{
	(void)arg;
	for (uint32_t i = 0; i < len; i++)
		out[i] = lower(data[i]);
	return len;
}

static uint32_t to_uppercase(const uint8_t *data, uint32_t len, argument arg, uint8_t *out)
{
	(void)arg;
	for (uint32_t i = 0; i < len; i++)
		out[i] = data[i] >= 'a' && data[i] <= 'z' ? (uint8_t)(data[i] - 32) : data[i];
	return len;
}

static uint32_t strip_whitespace(const uint8_t *data, uint32_t len, argument arg, uint8_t *out)
{
	uint32_t n = 0;

	(void)arg;
	for (uint32_t i = 0; i < len; i++)
		if (!is_space(data[i]))
			out[n++] = data[i];
	return n;
}

/* The first of several stays, whatever it is. */
static uint32_t compress_whitespace(const uint8_t *data, uint32_t len, argument arg, uint8_t *out)
{
	uint32_t n = 0;

	(void)arg;
	for (uint32_t i = 0; i < len; i++)
		if (i == 0 || !is_space(data[i]) || !is_space(data[i - 1]))
			out[n++] = data[i];
	return n;
}

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %XX and + (RFC 3986, 2.1; HTML's form encoding). A % without two hex digits stays, with what
 * follows it as far as that was looked at: that is not decoded again (Suricata). */
static uint32_t url_decode(const uint8_t *data, uint32_t len, argument arg, uint8_t *out)
{
	uint32_t n = 0;

	(void)arg;
	for (uint32_t i = 0; i < len; i++) {
		uint32_t seen;

		if (data[i] != '%') {
			out[n++] = data[i] == '+' ? ' ' : data[i];
			continue;
		}
		if (i + 2 < len && hex(data[i + 1]) >= 0 && hex(data[i + 2]) >= 0) {
			out[n++] = (uint8_t)(hex(data[i + 1]) << 4 | hex(data[i + 2]));
			i += 2;
			continue;
		}
		seen = i + 1 < len && hex(data[i + 1]) >= 0 ? 3 : 2;
		for (uint32_t k = 0; k < seen && i + k < len; k++)
			out[n++] = data[i + k];
		i += seen - 1;
	}
	return n;
}

static uint32_t xor
	(const uint8_t *data, uint32_t len, argument arg, uint8_t *out) {
		for (uint32_t i = 0, k = 0; i < len; i++) {
			out[i] = data[i] ^ arg->at[k];
			if (++k == arg->len)
				k = 0;
		}
		return len;
	}

	static uint32_t to_md5(const uint8_t *data, uint32_t len, argument arg, uint8_t *out)
{
	(void)arg;
	digest_md5(out, data, len);
	return MD5_OCTETS;
}

static uint32_t to_sha1(const uint8_t *data, uint32_t len, argument arg, uint8_t *out)
{
	(void)arg;
	digest_sha1(out, data, len);
	return SHA1_OCTETS;
}

static uint32_t to_sha256(const uint8_t *data, uint32_t len, argument arg, uint8_t *out)
{
	(void)arg;
	digest_sha256(out, data, len);
	return SHA256_OCTETS;
}

/* Names of header lines: up to the colon. */
static uint32_t header_lowercase(const uint8_t *data, uint32_t len, argument arg, uint8_t *out)
{
	bool name = true;

	(void)arg;
	for (uint32_t i = 0; i < len; i++) {
		out[i] = name ? lower(data[i]) : data[i];
		name = name ? data[i] != ':' : data[i] == '\n';
	}
	return len;
}

/* Lines that begin with a colon (HTTP/2's :authority and the like) are left out. */
static uint32_t strip_pseudo_headers(const uint8_t *data, uint32_t len, argument arg, uint8_t *out)
{
	uint32_t n = 0;
	bool start = true, pseudo = false;

	(void)arg;
	for (uint32_t i = 0; i < len; i++) {
		if (start)
			pseudo = data[i] == ':';
		if (!pseudo)
			out[n++] = data[i];
		start = data[i] == '\n';
	}
	return n;
}

const struct transform transforms[TRANSFORMS] = {
	[TRANSFORM_DOTPREFIX] = {"dotprefix", false, dotprefix},
	[TRANSFORM_TO_LOWERCASE] = {"to_lowercase", false, to_lowercase},
	[TRANSFORM_TO_UPPERCASE] = {"to_uppercase", false, to_uppercase},
	[TRANSFORM_STRIP_WHITESPACE] = {"strip_whitespace", false, strip_whitespace},
	[TRANSFORM_COMPRESS_WHITESPACE] = {"compress_whitespace", false, compress_whitespace},
	[TRANSFORM_URL_DECODE] = {"url_decode", false, url_decode},
	[TRANSFORM_XOR] = {"xor", true, xor},
	[TRANSFORM_TO_MD5] = {"to_md5", false, to_md5},
	[TRANSFORM_TO_SHA1] = {"to_sha1", false, to_sha1},
	[TRANSFORM_TO_SHA256] = {"to_sha256", false, to_sha256},
	[TRANSFORM_HEADER_LOWERCASE] = {"header_lowercase", false, header_lowercase},
	[TRANSFORM_STRIP_PSEUDO_HEADERS] = {"strip_pseudo_headers", false, strip_pseudo_headers},
	[TRANSFORM_PCREXFORM] = {"pcrexform", true, NULL},
};
