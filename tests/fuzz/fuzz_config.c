/* Any bytes as vigil.cfg: no fault, a reason with every refusal, and only values that the core may
 * rely on. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hv/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(x)                                                                                 \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vigil_config cfg, again;
	struct config_error err;
	int result;

	config_defaults(&cfg);
	result = config_parse(&cfg, (const char *)data, size, &err);
	REQUIRE(memchr(err.text, 0, sizeof(err.text)));
	REQUIRE(!result == !err.text[0]);
	REQUIRE(cfg.enable <= 1 && cfg.require <= 1 && cfg.rules_set <= 1);
	REQUIRE(cfg.log_level <= LOG_LEVEL_DEBUG && cfg.net_fail <= NET_FAIL_CLOSED);
	REQUIRE(cfg.policy_lines <= 256 && (cfg.policy_lines || !cfg.policy_sum));
	REQUIRE(cfg.nic <= NIC_BDF && cfg.tracking <= TRACKING_LIFECYCLE && cfg.pin <= PIN_ALL);
	REQUIRE(cfg.integrity <= INTEGRITY_FREEZE);
	REQUIRE(cfg.address <= ADDRESS_DHCP && cfg.addr_prefix <= 32);
	REQUIRE(cfg.stats_interval <= 86400 && cfg.serial % 8 == 0);
	REQUIRE(cfg.home_nets >= 1 && cfg.home_nets <= CONFIG_NETS_MAX);
	for (unsigned i = 0; i < cfg.home_nets; i++)
		REQUIRE(cfg.home_net[i].prefix <= 32);
	REQUIRE(memchr(cfg.name, 0, sizeof(cfg.name)) && cfg.name[0]);
	REQUIRE(memchr(cfg.next, 0, sizeof(cfg.next)) && (!cfg.next[0] || cfg.next[0] == '\\'));
	REQUIRE(memchr(cfg.rules, 0, sizeof(cfg.rules)));
	REQUIRE(memchr(cfg.next_args, 0, sizeof(cfg.next_args)));
	config_defaults(&again);
	REQUIRE(config_parse(&again, (const char *)data, size, &err) == result);
	REQUIRE(!memcmp(&cfg, &again, sizeof(cfg)));
	return 0;
}
