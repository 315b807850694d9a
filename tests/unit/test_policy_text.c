/* Policy lines: what is taken, what is refused and with which words, how the loader and the
 * compiler agree on them, and that damage to the compiled form is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot/policy.h"
#include "hv/config.h"
#include "ids/policy/gate.h"
#include "ids/policy/match.h"
#include "tests/unit/policy_world.h"

static const char lines[] = "name = x\n"
			    "# deny exec\n"
			    "  deny exec path=/tmp/*,\"/var/my dir/*\" uid=33\n"
			    "deny module-load\r\n"
			    "\tdeny\tconnect dport=4444,8000-8010 addr=!10.0.0.0/8,fd00::/8 "
			    "comm=nc errno=ECONNREFUSED\n"
			    "alert ptrace\n"
			    "allow kill signal=TERM-CONT\n"
			    "watch exec\n"
			    "off kill\n"
			    "trace comm=nc nr=0-5\n"
			    "alert mount flags=bind+remount,move";

static void test_taken(void **state)
{
	void *memory;
	size_t len;
	struct blob b;

	(void)state;
	assert_true(fake_compile(lines, &memory, &len));
	assert_null(blob_open(&b, memory, len));
	assert_int_equal(b.count[BLOB_POLICY], 1);
	assert_int_equal(b.policy->lines, 9);
	assert_int_equal(b.count[BLOB_POLICY_LINES], 7);
	assert_int_equal(b.policy->watch, policy_gate_mask(GATE_EXEC));
	assert_int_equal(b.policy->off, GATE_BIT(GATE_KILL));
	assert_int_equal(b.policy_line[0].line, 3);
	assert_int_equal(b.policy_line[0].action, POLICY_DENY);
	assert_int_equal(b.policy_line[0].err, 13); /* exec's own */
	assert_int_equal(b.policy_line[0].conds, 2);
	assert_int_equal(b.policy_line[0].gates, GATE_BIT(GATE_EXEC) | GATE_BIT(GATE_MEMFD_EXEC) |
							 GATE_BIT(GATE_SOCKET_EXEC));
	assert_int_equal(b.policy_line[1].line, 4);
	assert_int_equal(b.policy_line[1].err, 1);
	assert_int_equal(b.policy_line[2].err, 111);
	assert_int_equal(b.policy_line[6].line, 11);
	assert_memory_equal(b.string + b.policy_line[1].text.offset, "deny module-load", 16);
	free(memory);
}

static void test_refused(void **state)
{
	static const struct {
		const char *line, *why;
	} bad[] = {
		{"deny", "no gate"},
		{"deny foo", "foo is not a gate"},
		{"deny syscall", "not a gate"},
		{"deny exec dport=3", "exec has no dport"},
		{"deny exec nr=3", "exec has no nr"},
		{"deny creds", "can be told, but not denied"},
		{"alert exec errno=EPERM", "for deny only"},
		{"trace all errno=EPERM", "for deny only"},
		{"deny exec errno=ENOPE", "errno: ENOPE"},
		{"deny exec errno=0", "errno: 0"},
		{"deny exec errno=134", "errno: 134"},
		{"deny exec uid=a", "uid: a"},
		{"deny exec uid=3-2", "uid: 3-2"},
		{"deny exec uid=4294967296", "uid: 4294967296"},
		{"deny exec uid=", "uid: "},
		{"deny exec uid=1,", "uid: "},
		{"deny exec uid=!", "uid: "},
		{"deny exec uid=!!1", "uid: !1"},
		{"deny connect dport=65536", "dport: 65536"},
		{"deny exec path=", "1 to 255"},
		{"deny exec path=\"\"", "1 to 255"},
		{"deny exec path=\"x", "quote is not closed"},
		{"deny exec uid=1 uid=2", "given twice"},
		{"deny exec =1", " is not a condition"},
		{"deny exec x=1", "x is not a condition"},
		{"deny exec uid", "uid is not a condition (field=value)"},
		{"trace", "trace needs"},
		{"trace dport=3", "has no dport"},
		{"trace exec", "exec is not a condition"},
		{"watch", "no gate"},
		{"watch exec uid=3", "no conditions here"},
		{"off nothing", "not a gate"},
		{"deny mount flags=foo", "foo is not a known flag"},
		{"deny mount flags=bind+", "is not a known flag"},
		{"deny connect addr=1.2.3.4/33", "/33"},
		{"deny connect addr=1.2.3", "addr: 1.2.3"},
		{"deny connect addr=::/129", "/129"},
		{"deny connect addr=1.2.3.4/", "is not a prefix"},
		{"deny connect addr=any", "addr: any"},
		{"deny = yes", "= is not a gate"},
		{"deny exec comm=\x01", "printable"},
		{"deny exec comm=\xc3\xa4", "printable"},
	};
	void *memory;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[256];

		/* A good line before and behind: the number must be the bad one's. */
		snprintf(text, sizeof(text), "deny bpf\n\n%s\nalert bpf\n", bad[i].line);
		if (fake_compile(text, &memory, &len))
			fail_msg("taken: %s", bad[i].line);
		if (fake_refused != 1 || fake_refused_line != 3 ||
		    !strstr(fake_refusal, bad[i].why))
			fail_msg("%s: %u refused, line %u: %s", bad[i].line, fake_refused,
				 fake_refused_line, fake_refusal);
	}
}

static void test_too_many(void **state)
{
	static char text[POLICY_LINES_MAX * 16 + 64];
	struct vigil_config cfg;
	struct config_error err;
	void *memory;
	size_t len, n = 0;

	(void)state;
	for (unsigned i = 0; i < POLICY_LINES_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "deny bpf\n");
	assert_true(fake_compile(text, &memory, &len));
	free(memory);
	config_defaults(&cfg);
	assert_int_equal(config_parse(&cfg, text, n, &err), 0);
	assert_int_equal(cfg.policy_lines, POLICY_LINES_MAX);
	n += (size_t)snprintf(text + n, sizeof(text) - n, "deny bpf\n");
	assert_false(fake_compile(text, &memory, &len));
	assert_int_equal(fake_refused_line, POLICY_LINES_MAX + 1);
	config_defaults(&cfg);
	assert_int_not_equal(config_parse(&cfg, text, n, &err), 0);
	assert_int_equal(err.line, POLICY_LINES_MAX + 1);
}

/* --- the loader ------------------------------------------------------------------------------- */

static struct vigil_config parsed(const char *text)
{
	struct vigil_config cfg;
	struct config_error err;

	config_defaults(&cfg);
	assert_int_equal(config_parse(&cfg, text, strlen(text), &err), 0);
	return cfg;
}

static void test_agreement(void **state)
{
	static const char *const same[] = {
		lines,
		"deny exec path=/tmp/*,\"/var/my dir/*\"   uid=33 \ndeny module-load\n"
		"require = yes\n"
		"deny connect  dport=4444,8000-8010\taddr=!10.0.0.0/8,fd00::/8 comm=nc "
		"errno=ECONNREFUSED\nalert ptrace\nallow kill signal=TERM-CONT\nwatch exec\n"
		"off kill\ntrace comm=nc nr=0-5\nalert mount flags=bind+remount,move\n",
	};
	static const char *const other[] = {
		"",
		"deny exec",
		"deny exec path=/tmp/*,\"/var/my  dir/*\" uid=33\ndeny module-load\n"
		"deny connect dport=4444,8000-8010 addr=!10.0.0.0/8,fd00::/8 comm=nc "
		"errno=ECONNREFUSED\nalert ptrace\nallow kill signal=TERM-CONT\nwatch exec\n"
		"off kill\ntrace comm=nc nr=0-5\nalert mount flags=bind+remount,move\n",
	};
	struct vigil_config cfg;
	void *memory, *none;
	size_t len, none_len;

	(void)state;
	assert_true(fake_compile(lines, &memory, &len));
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		cfg = parsed(same[i]);
		assert_int_equal(cfg.policy_lines, 9);
		assert_null(policy_disagrees(&cfg, memory, len));
	}
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		cfg = parsed(other[i]);
		assert_non_null(policy_disagrees(&cfg, memory, len));
	}
	cfg = parsed(lines);
	assert_non_null(policy_disagrees(&cfg, NULL, 0));
	assert_true(fake_compile("", &none, &none_len));
	assert_non_null(policy_disagrees(&cfg, none, none_len));
	cfg = parsed("");
	assert_null(policy_disagrees(&cfg, none, none_len));
	assert_null(policy_disagrees(&cfg, NULL, 0));
	/* Rules alone are the sentry's to judge. */
	assert_null(policy_disagrees(&cfg, "not a blob", 8));
	free(none);
	free(memory);
}

static void test_loader_sees_damage(void **state)
{
	struct vigil_config cfg = parsed(lines);
	void *memory;
	size_t len;
	uint8_t *data;

	(void)state;
	assert_true(fake_compile(lines, &memory, &len));
	data = memory;
	for (size_t i = 0; i < len; i++) {
		data[i] ^= 0x10;
		assert_non_null(policy_disagrees(&cfg, memory, len));
		data[i] ^= 0x10;
	}
	for (size_t n = 1; n < len; n++) {
		uint8_t *cut = malloc(n);

		memcpy(cut, data, n);
		assert_non_null(policy_disagrees(&cfg, cut, n));
		free(cut);
	}
	free(memory);
}

/* --- the blob --------------------------------------------------------------------------------- */

static void test_damage(void **state)
{
	void *memory;
	size_t len;
	uint8_t *data;
	struct blob b;

	(void)state;
	assert_true(fake_compile(lines, &memory, &len));
	data = memory;
	for (size_t i = 0; i < len; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			data[i] ^= (uint8_t)(1 << bit);
			assert_non_null(blob_open(&b, memory, len));
			data[i] ^= (uint8_t)(1 << bit);
		}
	free(memory);
}

/* With the checksum put right: refused, or still usable without harm. */
static void test_structure(void **state)
{
	static const uint8_t values[] = {0x00, 0x01, 0x02, 0x1f, 0x7f, 0x80, 0xff};
	struct blob_header *h;
	void *memory;
	size_t len;
	uint8_t *data;
	unsigned refused = 0;

	(void)state;
	assert_true(fake_compile(lines, &memory, &len));
	data = memory;
	h = memory;
	for (unsigned s = BLOB_POLICY; s < BLOB_SECTIONS; s++) {
		struct blob_span span = h->section[s];

		assert_true(span.size);
		for (size_t i = span.offset; i < span.offset + span.size; i++) {
			uint8_t saved = data[i];

			for (size_t v = 0; v < sizeof(values); v++) {
				struct policy_record *r = calloc(1, sizeof(*r));
				struct blob b;
				bool unread;

				data[i] = values[v];
				h->crc = blob_crc(memory, len);
				if (blob_open(&b, memory, len)) {
					refused++;
				} else {
					for (unsigned f = 0; f < FIELDS; f++)
						r->text[f] = "/tmp/x";
					r->has = UINT32_MAX >> 1;
					for (unsigned g = 0; g < GATES; g++) {
						r->gate = (enum policy_gate)g;
						(void)match_first(&b, r, &unread);
					}
				}
				free(r);
			}
			data[i] = saved;
		}
	}
	assert_true(refused > 1000);
	free(memory);
}

/* --- patterns --------------------------------------------------------------------------------- */

static void test_glob(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} cases[] = {
		{"/tmp/*", "/tmp/x", true},
		{"/tmp/*", "/tmp/a/b", true},
		{"/tmp/*", "/tmp/", true},
		{"/tmp/*", "/tmp", false},
		{"/tmp/*", "/tmpx/a", false},
		{"*", "", true},
		{"*", "anything", true},
		{"?", "", false},
		{"?", "a", true},
		{"?", "ab", false},
		{"nc", "nc", true},
		{"nc", "ncat", false},
		{"nc", "n", false},
		{"*.so", "a.so.so", true},
		{"*.so", "a.so.1", false},
		{"a*b*c", "axxbyyc", true},
		{"a*b*c", "axxbyy", false},
		{"**", "", true},
		{"a**", "a", true},
		{"\\*", "*", true},
		{"\\*", "x", false},
		{"\\?x", "?x", true},
		{"\\?x", "ax", false},
		{"a\\", "a\\", true},
		{"*a?", "aaab", true},
		{"*aab", "aaaab", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* Of exactly its length: no step beyond. */
		size_t len = strlen(cases[i].pattern);
		char *exact = malloc(len);

		memcpy(exact, cases[i].pattern, len);
		if (match_glob(exact, len, cases[i].text) != cases[i].matches)
			fail_msg("%s against %s", cases[i].pattern, cases[i].text);
		free(exact);
	}
}

/* The tables hold together. */
static void test_tables(void **state)
{
	(void)state;
	for (unsigned g = 0; g < GATES; g++) {
		unsigned general = policy_gates[g].general;

		assert_non_null(policy_gates[g].name);
		assert_true(general <= g);
		assert_int_equal(policy_gates[general].general, general);
		/* What a line may ask of the general gate, its special cases have. */
		assert_int_equal(policy_gates[general].fields & ~policy_gates[g].fields, 0);
	}
	for (unsigned f = 0; f < FIELDS; f++)
		assert_non_null(policy_fields[f].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_agreement),
		cmocka_unit_test(test_loader_sees_damage),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_structure),
		cmocka_unit_test(test_glob),
		cmocka_unit_test(test_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
