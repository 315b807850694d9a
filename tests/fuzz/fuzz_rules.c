/* Any bytes as a rules file: each rule is taken or refused with a reason, and what comes out is
 * always a blob that the engine takes. */
#include "ids/rules/compile/compile.h"
#include "tests/fuzz/rule_fuzz.h"

static void refused(void *ctx, const char *file, unsigned line, uint32_t sid, const char *reason)
{
	(void)file;
	(void)sid;
	REQUIRE(line > 0 && reason[0]);
	++*(unsigned *)ctx;
}

static void check(const uint8_t *data, size_t size, enum dialect dialect)
{
	static const uint8_t frame[] = {
		2,  0, 0, 0,  0, 1,  2,	 0, 0,	 0,   0,   2,	8,   0,	  0x45, 0,   0,
		36, 0, 0, 0,  0, 64, 17, 0, 0,	 10,  0,   0,	1,   1,	  2,	3,   4,
		0,  9, 0, 53, 0, 16, 0,	 0, 'a', 'b', 'c', 'd', 'e', 'v', 'i',	'l',
	};
	struct ids_config config = {
		.link = IDS_LINK_ETHERNET, .ips = true, .skip_checksums = true, .flow_entries = 8};
	const struct compile_totals *totals;
	unsigned count = 0;
	struct compiler *c = compiler_new(refused, &count);
	struct fuzz_engine f;
	void *blob;
	size_t len;

	compiler_dialect(c, dialect);
	compiler_text(c, "fuzz", (const char *)data, size);
	REQUIRE(compiler_finish(c, &blob, &len) == 0);
	totals = compiler_totals(c);
	REQUIRE(totals->refused == count);
	/* Making an engine takes long. */
	if (size % 8 == 0) {
		REQUIRE(fuzz_open(&f, &config, blob, len) == 0);
		REQUIRE(ids_rule_count(f.ids) <= totals->taken);
		fuzz_frame(&f, frame, sizeof(frame));
		fuzz_close(&f);
	}
	fuzz_looks(blob, len, frame, sizeof(frame), (const uint8_t *)"abcdevil", 8);
	free(blob);
	compiler_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check(data, size, DIALECT_SURICATA);
	check(data, size, DIALECT_SNORT);
	return 0;
}
