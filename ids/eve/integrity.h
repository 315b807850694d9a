/* `integrity` events: something of the guest's kernel is not what it has to be. For ids/integrity.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ids/eve/eve.h"

struct eve_integrity {
	const char *what;	      /* text, syscall_table, ... */
	const char *action;	      /* alert, undone, frozen */
	const char *check;	      /* the part that found it */
	const char *reason;	      /* a few words; NULL: what and the bytes say it */
	uint64_t address;	      /* 0: none */
	const char *symbol;	      /* "name+0x12"; NULL or "": none */
	const char *module;	      /* the same */
	const char *expected, *found; /* bytes in hex, or values; the same */
	uint64_t held;		      /* not 0: so many other findings were held back */
	/* Write the `process` object; NULL: none. */
	void (*process)(void *ctx, struct json *j);
	void *ctx;
};

/* True if a line was emitted. */
bool eve_integrity(struct eve *eve, const struct eve_integrity *e, uint64_t now_ns);
