/* Any bytes as a configuration: the loader and vigilc agree on which lines are policy and on their
 * sum, what is compiled is sound, and matches any record without harm. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "boot/policy.h"
#include "hv/config.h"
#include "ids/policy/match.h"
#include "ids/rules/compile/compile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(x)                                                                                 \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

static void refused(void *ctx, const char *file, unsigned line, uint32_t sid, const char *reason)
{
	(void)file;
	(void)sid;
	REQUIRE(line && *reason);
	++*(unsigned *)ctx;
}

static void match_all(const struct blob *b, const uint8_t *data, size_t size)
{
	static struct policy_record r;
	static char text[64];
	bool unread;

	memset(&r, 0, sizeof(r));
	for (size_t i = 0; i < size && i < sizeof(text) - 1; i++)
		text[i] = (char)data[size - 1 - i];
	for (unsigned f = 0; f < FIELDS; f++) {
		r.text[f] = text;
		r.number[f] = (unsigned char)text[f];
	}
	for (unsigned g = 0; g < GATES; g++) {
		r.gate = (enum policy_gate)g;
		r.has = size ? data[0] * 0x01010101u : 0;
		r.unknown = size > 1 ? data[1] * 0x01010101u & ~r.has : 0;
		(void)match_first(b, &r, &unread);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vigil_config cfg;
	struct config_error err;
	struct compiler *c;
	unsigned bad = 0;
	struct blob b;
	void *blob;
	size_t len;
	int loader;

	if (size > CONFIG_FILE_MAX)
		return 0;
	config_defaults(&cfg);
	loader = config_parse(&cfg, (const char *)data, size, &err);
	c = compiler_new(refused, &bad);
	REQUIRE(compiler_policy_text(c, "fuzz", (const char *)data, size) == (int)bad);
	REQUIRE(compiler_finish(c, &blob, &len) == 0);
	compiler_free(c);
	REQUIRE(blob_open(&b, blob, len) == NULL);
	/* A file that both take holds the same policy for both. */
	if (!loader && !bad)
		REQUIRE(policy_disagrees(&cfg, blob, len) == NULL);
	if (!bad && b.count[BLOB_POLICY])
		REQUIRE(loader || (b.policy->lines == cfg.policy_lines && cfg.policy_lines));
	match_all(&b, data, size);
	free(blob);
	return 0;
}
