/* The parser of vigil.cfg: every key, good and bad values, and what a bad line leaves behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hv/config.h"
#include "hv/errno.h"

static struct vigil_config cfg;
static struct config_error err;

/* The text in memory of exactly its length, so that ASan sees every read beyond it. */
static int parse_bytes(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);
	int result;

	assert_non_null(copy);
	memcpy(copy, text, len);
	config_defaults(&cfg);
	result = config_parse(&cfg, copy, len, &err);
	free(copy);
	assert_non_null(memchr(err.text, 0, sizeof(err.text)));
	return result;
}

static int parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

static void assert_good(const char *text)
{
	if (parse(text))
		fail_msg("refused: %s (line %u: %s)", text, err.line, err.text);
}

static void assert_bad(const char *text, uint32_t line, const char *part)
{
	assert_int_equal(parse(text), -EINVAL);
	if (err.line != line || !strstr(err.text, part))
		fail_msg("%s: expected line %u \"%s\", got line %u \"%s\"", text, line, part,
			 err.line, err.text);
}

static void test_defaults(void **state)
{
	(void)state;
	assert_good("");
	assert_int_equal(cfg.enable, 1);
	assert_int_equal(cfg.require, 0);
	assert_int_equal(cfg.log_level, LOG_LEVEL_INFO);
	assert_int_equal(cfg.net_fail, NET_FAIL_CLOSED);
	assert_int_equal(cfg.nic, NIC_AUTO);
	assert_int_equal(cfg.tracking, TRACKING_EXACT);
	assert_int_equal(cfg.address, ADDRESS_NONE);
	assert_int_equal(cfg.serial, 0x2f8);
	assert_int_equal(cfg.stats_interval, 10);
	assert_int_equal(cfg.pin, 0);
	assert_int_equal(cfg.integrity, INTEGRITY_ALERT);
	assert_int_equal(cfg.home_nets, 3);
	assert_string_equal(cfg.name, "vigil");
	assert_string_equal(cfg.next, "");
	assert_string_equal(cfg.rules, "\\vigil\\rules.vrb");
	assert_int_equal(cfg.rules_set, 0);
}

static void test_every_key(void **state)
{
	(void)state;
	assert_good(
		"enable = no\nrequire = yes\nlog_level = debug\nserial = com1\nname = lab-1.x_Y\n"
		"next = /EFI/debian/grubx64.efi\nnext_args = root=/dev/sda2 ro  a=b\n"
		"rules = \\r.vrb\nnic = 01:1f.7\nnet_fail = open\ntracking = off\n"
		"address = 10.77.0.3/24\ngateway = 10.77.0.1\nhome_net = 10.77.0.9/24, 1.2.3.4\n"
		"stats_interval = 86400\npin = cr0.wp, cr4.umip\tlstar ,efer.nxe\n"
		"integrity = undo\n");
	assert_int_equal(cfg.integrity, INTEGRITY_UNDO);
	assert_int_equal(cfg.pin, PIN_WP | PIN_UMIP | PIN_LSTAR | PIN_NXE);
	assert_int_equal(cfg.enable, 0);
	assert_int_equal(cfg.require, 1);
	assert_int_equal(cfg.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(cfg.serial, 0x3f8);
	assert_string_equal(cfg.name, "lab-1.x_Y");
	assert_string_equal(cfg.next, "\\EFI\\debian\\grubx64.efi");
	assert_string_equal(cfg.next_args, "root=/dev/sda2 ro  a=b");
	assert_string_equal(cfg.rules, "\\r.vrb");
	assert_int_equal(cfg.rules_set, 1);
	assert_int_equal(cfg.nic, NIC_BDF);
	assert_int_equal(cfg.nic_bdf, 0x1ff);
	assert_int_equal(cfg.net_fail, NET_FAIL_OPEN);
	assert_int_equal(cfg.tracking, TRACKING_OFF);
	assert_int_equal(cfg.address, ADDRESS_FIXED);
	assert_int_equal(cfg.addr, 0x0a4d0003);
	assert_int_equal(cfg.addr_prefix, 24);
	assert_int_equal(cfg.gateway, 0x0a4d0001);
	assert_int_equal(cfg.home_nets, 2);
	assert_int_equal(cfg.home_net[0].addr, 0x0a4d0000);
	assert_int_equal(cfg.home_net[0].prefix, 24);
	assert_int_equal(cfg.home_net[1].addr, 0x01020304);
	assert_int_equal(cfg.home_net[1].prefix, 32);
	assert_int_equal(cfg.home_net[2].prefix, 0);
	assert_int_equal(cfg.stats_interval, 86400);
}

static void test_alternatives(void **state)
{
	(void)state;
	assert_good("serial = none\nrules = none\nnic = none\naddress = dhcp\ngateway = none\n"
		    "home_net = any\nstats_interval = none\nnext_args =\n");
	assert_int_equal(cfg.serial, 0);
	assert_string_equal(cfg.rules, "");
	assert_int_equal(cfg.rules_set, 0);
	assert_int_equal(cfg.nic, NIC_NONE);
	assert_int_equal(cfg.address, ADDRESS_DHCP);
	assert_int_equal(cfg.home_nets, 1);
	assert_int_equal(cfg.home_net[0].prefix, 0);
	assert_int_equal(cfg.stats_interval, 0);
	assert_good("nic = 0000:00:03.0\nserial = 0xFFF8");
	assert_int_equal(cfg.nic_bdf, 0x18);
	assert_int_equal(cfg.serial, 0xfff8);
	assert_good("home_net = 0.0.0.0/0, 1.1.1.1/1,2.2.2.2/2, 3.3.3.3/3,4.4.4.4/4,5.5.5.5/5,"
		    "6.6.6.6/6 , 255.255.255.255/32");
	assert_int_equal(cfg.home_nets, 8);
	assert_int_equal(cfg.home_net[7].addr, 0xffffffff);
	assert_int_equal(cfg.home_net[1].addr, 0);
}

static void test_layout(void **state)
{
	(void)state;
	assert_good("\xef\xbb\xbf# by Windows' editor\r\n\r\n  require\t=  yes \t\r\n"
		    "\t# umlauts in comments: \xc3\xa4\r\nname=x");
	assert_int_equal(cfg.require, 1);
	assert_string_equal(cfg.name, "x");
	assert_bad("name = \xc3\xa4", 1, "ASCII");
	assert_bad("\n\nname = a\tb", 3, "name may hold");
	assert_bad("# ok\nname = \x01", 2, "control character");
	assert_int_equal(parse_bytes("name = a\0b", 10), -EINVAL);
	assert_int_equal(parse_bytes("# a\0b", 5), -EINVAL);
	assert_int_equal(parse_bytes("\x7f"
				     "ELF\x02\x01\x01\x00",
				     8),
			 -EINVAL);
	assert_int_equal(err.line, 1);
}

/* Lines of policy are counted and summed, not looked into; vigilc does that. */
static void test_policy_lines(void **state)
{
	uint32_t sum;

	(void)state;
	assert_good("name = x\n  deny exec path=/tmp/* \r\n#deny exec\noff kill");
	assert_int_equal(cfg.policy_lines, 2);
	sum = cfg.policy_sum;
	assert_good("deny  exec\tpath=/tmp/*\nname = y\n\noff kill\n");
	assert_int_equal(cfg.policy_sum, sum);
	assert_good("off kill\ndeny exec path=/tmp/*\n");
	assert_int_not_equal(cfg.policy_sum, sum);
	assert_good("deny \"a  b\"");
	sum = cfg.policy_sum;
	assert_good("deny \"a b\"");
	assert_int_not_equal(cfg.policy_sum, sum);
	assert_good("alert\nallow\ntrace\nwatch\ndeny = yes\noff");
	assert_int_equal(cfg.policy_lines, 6);
	assert_bad("denying exec", 1, "is not a key");
	assert_bad("Deny exec", 1, "is not a key");
	assert_bad("deny exec path=/\xc3\xa4", 1, "ASCII");
}

static void test_bad_values(void **state)
{
	static const char *const bad[] = {
		"enable = on",
		"enable = YES",
		"log_level = trace",
		"serial = com5",
		"serial = 0x",
		"serial = 0x2f9",
		"serial = 0x10000",
		"serial = 0x0",
		"serial = 2f8",
		"name = a b",
		"name = \"x\"",
		"next = EFI\\a.efi",
		"next = \\",
		"nic = 3",
		"nic = 00:20.0",
		"nic = 00:03.8",
		"nic = 0001:00:03.0",
		"nic = 00:03",
		"nic = 000:03.0",
		"nic = :.",
		"nic = 00:03.0.0",
		"nic = 0:0:0:3.0",
		"net_fail = maybe",
		"tracking = sometimes",
		"integrity = perhaps",
		"pin = cr0.wp cr0.ts",
		"pin = ,",
		"address = 10.0.0.1",
		"address = 10.0.0.1/33",
		"address = 10.0.0/24",
		"address = 10.0.0.256/24",
		"address = 10.0.0.1.2/24",
		"address = 127.0.0.1/8",
		"address = 0.0.0.0/0",
		"address = 224.0.0.1/4",
		"address = 10.0.0.1/",
		"address = 10..0.1/8",
		"gateway = 0.0.0.0",
		"gateway = x",
		"home_net = ,",
		"home_net = 1.2.3.4,",
		"home_net = 1.2.3.4/33",
		("home_net = "
		 "1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1"),
		"home_net = any, 1.2.3.4",
		"stats_interval = 0",
		"stats_interval = 86401",
		"stats_interval = -1",
		"stats_interval = 1s",
		"rules = x.vrb",
		"enable",
		"enable =",
		"= yes",
		"=",
		"rulez = x",
		"Enable = yes",
		"nic =",
		"name =",
		"gateway = 10.0.0.1",
		"address = dhcp\ngateway = 10.0.0.1",
		"address = 10.0.0.2/24\ngateway = 10.0.1.1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (parse(bad[i]) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
		if (!err.text[0])
			fail_msg("refused without a reason: %s", bad[i]);
	}
	assert_bad("serial = x", 1, "serial must be");
	assert_bad("\nfoo = 1\n", 2, "foo is not a key");
	assert_bad("enable yes\n", 1, "enable yes is not a key");
	assert_bad("enable\n", 1, "no '='");
	assert_bad("name = a\nname = b\n", 2, "twice");
}

/* A value that is refused changes nothing of its key. */
static void test_bad_value_changes_nothing(void **state)
{
	struct vigil_config defaults;

	(void)state;
	config_defaults(&defaults);
	assert_int_equal(parse("home_net = 1.2.3.4, 5.6.7.8, x"), -EINVAL);
	assert_memory_equal(&cfg, &defaults, sizeof(cfg));
	assert_int_equal(parse("nic = 00:03.9"), -EINVAL);
	assert_memory_equal(&cfg, &defaults, sizeof(cfg));
	assert_int_equal(parse("address = 10.0.0.1/99"), -EINVAL);
	assert_memory_equal(&cfg, &defaults, sizeof(cfg));
}

static void test_bad_line_keeps_the_others(void **state)
{
	(void)state;
	assert_bad("name = first\nserial = bad\nrequire = yes\nnext = \\x.efi\nfoo = bar\n", 2,
		   "serial");
	assert_string_equal(cfg.name, "first");
	assert_int_equal(cfg.require, 1);
	assert_string_equal(cfg.next, "\\x.efi");
}

/* Whoever wrote `require` must not get a machine that boots anyway. */
static void test_bad_require_means_yes(void **state)
{
	(void)state;
	assert_bad("require = yess\n", 1, "require must be");
	assert_int_equal(cfg.require, 1);
	assert_bad("require\n", 1, "require has no");
	assert_int_equal(cfg.require, 1);
	assert_bad("require = no\nrequire = no\n", 2, "twice");
	assert_int_equal(cfg.require, 1);
}

static void test_lengths(void **state)
{
	char text[CONFIG_FILE_MAX + 2];
	int n;

	(void)state;
	n = snprintf(text, sizeof(text), "next = \\%0*d", CONFIG_PATH_MAX - 2, 0);
	assert_int_equal(parse_bytes(text, (size_t)n), 0);
	assert_int_equal(strlen(cfg.next), CONFIG_PATH_MAX - 1);
	n = snprintf(text, sizeof(text), "next = \\%0*d", CONFIG_PATH_MAX - 1, 0);
	assert_int_equal(parse_bytes(text, (size_t)n), -EINVAL);
	assert_non_null(strstr(err.text, "too long"));
	assert_string_equal(cfg.next, "");
	n = snprintf(text, sizeof(text), "next_args = %0*d", CONFIG_ARGS_MAX - 1, 0);
	assert_int_equal(parse_bytes(text, (size_t)n), 0);
	n = snprintf(text, sizeof(text), "next_args = %0*d", CONFIG_ARGS_MAX, 0);
	assert_int_equal(parse_bytes(text, (size_t)n), -EINVAL);
	n = snprintf(text, sizeof(text), "name = %0*d", CONFIG_NAME_MAX, 0);
	assert_int_equal(parse_bytes(text, (size_t)n), -EINVAL);
	/* A key of any length is cut in the message. */
	n = snprintf(text, sizeof(text), "%0*d = 1", 300, 0);
	assert_int_equal(parse_bytes(text, (size_t)n), -EINVAL);
	memset(text, '\n', sizeof(text));
	assert_int_equal(parse_bytes(text, CONFIG_FILE_MAX), 0);
	assert_int_equal(parse_bytes(text, CONFIG_FILE_MAX + 1), -EINVAL);
	assert_int_equal(err.line, 0);
}

/* The example that is shipped: valid as it is, and every key in it valid with the value shown. */
static void test_example_file(void **state)
{
	static char text[CONFIG_FILE_MAX], bare[CONFIG_FILE_MAX];
	FILE *f = fopen("boot/vigil.cfg.example", "r");
	struct vigil_config defaults;
	size_t len, out = 0;
	unsigned keys = 0;

	(void)state;
	if (!f)
		skip(); /* not run from the top of the repository */
	len = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[len] = 0;
	config_defaults(&defaults);
	assert_int_equal(parse_bytes(text, len), 0);
	assert_memory_equal(&cfg, &defaults, sizeof(cfg));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (line[0] != '#' || line[1] < 'a' || line[1] > 'z')
			continue;
		if (parse_bytes(line + 1, strlen(line + 1)))
			fail_msg("example: %s: %s", line, err.text);
		if (cfg.policy_lines)
			continue;
		if (strncmp(line, "#address = none", 15)) {
			out += (size_t)snprintf(bare + out, sizeof(bare) - out, "%s\n", line + 1);
			keys++;
		}
	}
	assert_int_equal(keys, 17); /* all there are: a new key belongs into the example */
	assert_int_equal(parse_bytes(bare, out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_alternatives),
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_policy_lines),
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_bad_value_changes_nothing),
		cmocka_unit_test(test_bad_line_keeps_the_others),
		cmocka_unit_test(test_bad_require_means_yes),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_example_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
