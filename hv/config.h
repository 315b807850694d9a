/* Vigil's configuration: the parsed form of \vigil\vigil.cfg.
 *
 * boot/ parses the file (config_parse) and hands the structure to the core in struct boot_info; the
 * core and the sentry never see the text. Pure logic: compiled for the loader and for the host.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define CONFIG_PATH_MAX 128   /* characters of a path on the ESP, with the final 0 */
#define CONFIG_ARGS_MAX 512   /* characters of the next loader's command line, with the final 0 */
#define CONFIG_NAME_MAX 64    /* characters of the instance's name, with the final 0 */
#define CONFIG_FILE_MAX 16384 /* bytes of vigil.cfg; a longer file is refused */
#define CONFIG_NETS_MAX 8     /* networks in home_net */

enum config_log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum config_net_fail { NET_FAIL_OPEN, NET_FAIL_CLOSED };
enum config_nic { NIC_NONE, NIC_AUTO, NIC_BDF };
enum config_address { ADDRESS_NONE, ADDRESS_FIXED, ADDRESS_DHCP };
enum config_integrity { INTEGRITY_ALERT, INTEGRITY_UNDO, INTEGRITY_FREEZE };
enum config_tracking { TRACKING_OFF, TRACKING_EXACT, TRACKING_LIFECYCLE };

/* What of a CPU's registers the guest's kernel has no reason to change once it is known. */
#define PIN_WP	  (1u << 0) /* CR0.WP */
#define PIN_SMEP  (1u << 1) /* CR4.SMEP */
#define PIN_SMAP  (1u << 2) /* CR4.SMAP */
#define PIN_UMIP  (1u << 3) /* CR4.UMIP */
#define PIN_NXE	  (1u << 4) /* IA32_EFER.NXE */
#define PIN_LSTAR (1u << 5) /* IA32_LSTAR */
#define PIN_ALL	  0x3fu

struct config_net {
	uint32_t addr;	/* IPv4, host byte order */
	uint8_t prefix; /* 0 to 32 */
};

/* A value that the file does not set has the default named here (config_defaults). */
struct vigil_config {
	uint8_t enable;	     /* 1; 0: chain to the next loader without starting Vigil */
	uint8_t require;     /* 0; 1: refuse to boot the OS when Vigil can't start */
	uint8_t log_level;   /* enum config_log_level; INFO */
	uint8_t net_fail;    /* enum config_net_fail; CLOSED */
	uint8_t nic;	     /* enum config_nic; AUTO */
	uint8_t tracking;    /* enum config_tracking; EXACT */
	uint8_t address;     /* enum config_address of Vigil's own IP; NONE */
	uint8_t integrity;   /* enum config_integrity: the answer to a finding; ALERT */
	uint8_t addr_prefix; /* 0 to 32 for ADDRESS_FIXED */
	uint16_t serial;     /* I/O port base of the alert channel's 16550, 0: none; 0x2f8 (com2) */
	uint16_t nic_bdf;    /* bus << 8 | device << 3 | function, for NIC_BDF */
	uint32_t addr;	     /* Vigil's own IPv4 address, host byte order */
	uint32_t gateway;    /* host byte order, 0: none */
	uint32_t pin;	     /* PIN_*: changes are refused, not only told; 0 */
	uint32_t stats_interval; /* seconds between `stats` events, 1 to 86400, 0: none; 10 */
	uint32_t home_nets; /* entries of home_net in use; 3: the private networks of RFC 1918 */
	struct config_net home_net[CONFIG_NETS_MAX];
	char name[CONFIG_NAME_MAX];	 /* `host` of every event; "vigil" */
	char next[CONFIG_PATH_MAX];	 /* loader to chain to; empty: search the known paths */
	char next_args[CONFIG_ARGS_MAX]; /* its command line */
	char rules[CONFIG_PATH_MAX]; /* compiled rules; "\vigil\rules.vrb"; empty: none wanted */
	uint8_t rules_set;	     /* the file named the rules: their absence is then an error */
	uint32_t policy_lines;	     /* lines of policy in the file; 0 */
	uint32_t policy_sum; /* policy_text_sum of them: what the compiled rules must hold; 0 */
};

/* What was wrong with the file, for a message. */
struct config_error {
	uint32_t line; /* 1-based; 0: the file as a whole */
	char text[96]; /* what is wrong, a sentence without a final stop */
};

/* Fill `cfg` with the defaults. Any context. */
void config_defaults(struct vigil_config *cfg);

/* Parse `len` bytes of vigil.cfg over the values already in `cfg` (call config_defaults first).
 *
 * The file is plain `key = value` lines; blank lines and lines that begin with '#' are passed over;
 * CR LF and a UTF-8 byte order mark are accepted. A key may stand once. Lines of policy (deny,
 * alert, ...: hv/policy_text.h) are counted and summed, and left to vigilc.
 * Returns 0, or -EINVAL with `err` filled for the first bad line; all good lines, before and after
 * it, have taken effect, and a bad `require` line means yes. Reads nothing outside [text, text +
 * len). Any context, does not block. */
int config_parse(struct vigil_config *cfg, const char *text, size_t len, struct config_error *err);
