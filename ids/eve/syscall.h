/* `syscall` events: what was done, or was to be done, at a gate of the guest's kernel. For
 * ids/policy. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ids/eve/eve.h"

struct eve_syscall {
	const char *name; /* of the gate or of the system call */
	const char *abi;  /* NULL, or "x86-64" or "i386": then nr is told, too */
	uint32_t nr;
	const char *const *args; /* "name=value", or plain values for a system call */
	uint32_t arg_count;
	bool denied;
	const char *err; /* of a denial: its errno's name, NULL: `err_number` */
	uint32_t err_number;
	uint32_t line;	  /* of the configuration, 0: told by default */
	const char *rule; /* that line, `rule_len` octets */
	uint32_t rule_len;
	bool unread;   /* decided although something could not be read */
	uint64_t held; /* not 0: a sum of so many events held back, `denied_held` of them denied */
	uint64_t denied_held;
	/* Write the `process` object; NULL: none. */
	void (*process)(void *ctx, struct json *j);
	void *ctx;
};

/* Denied ones are of the class of alerts. True if a line was emitted. */
bool eve_syscall(struct eve *eve, const struct eve_syscall *e, uint64_t now_ns);
