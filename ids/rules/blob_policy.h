/* The policy part of the blob: what vigilc makes of the policy lines of vigil.cfg.
 *
 * Part of the blob's format (blob.h); the numbers of gates and fields are those of
 * ids/policy/gate.h. policy_check (part of blob_open) has looked at every record before it is used.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "hv/policy_text.h"

#define BLOB_POLICY_CONDS  16  /* of one line */
#define BLOB_POLICY_VALUES 64  /* of one condition */
#define BLOB_POLICY_TEXT   255 /* octets of a pattern, or of a line as it is told */

struct blob;

/* What and where, in bytes; used all over the format. */
struct blob_span {
	uint32_t offset, size;
};

enum policy_action { POLICY_DENY, POLICY_ALERT, POLICY_ALLOW, POLICY_TRACE, POLICY_ACTIONS };

/* The whole: one of it, or none where no policy was compiled. */
struct blob_policy {
	uint32_t lines; /* in the configuration, those with `off` and `watch` included */
	uint32_t sum;	/* policy_text_sum of them */
	uint64_t off;	/* gates whose default is off */
	uint64_t watch; /* gates that are told without a condition */
	uint64_t zero;
};

struct blob_policy_line {
	uint64_t gates; /* GATE_BIT, special cases included */
	uint32_t line;	/* number in the configuration */
	uint8_t action; /* enum policy_action */
	uint8_t conds;
	uint16_t err; /* POLICY_DENY: errno of the guest; else 0 */
	uint32_t cond_first;
	uint32_t zero;
	struct blob_span text; /* as it was written, for the event; in BLOB_STRINGS */
};

/* Holds if the field has one of the values; negated: if it has none of them. */
struct blob_policy_cond {
	uint8_t field; /* enum policy_field */
	uint8_t negated;
	uint16_t values;
	uint32_t value_first;
};

/* By the field's type. Flags: number.low, all of which must be set. Addresses: in network order,
 * IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2). */
union blob_policy_value {
	struct {
		uint64_t low, high, zero[2];
	} number;
	struct {
		uint8_t low[16], high[16];
	} address;
	struct {
		struct blob_span span; /* in BLOB_STRINGS: a pattern with * and ? */
		uint64_t zero[3];
	} text;
};

/* Complete check of the policy part; for blob_open. NULL, or the reason of refusal. */
const char *policy_check(const struct blob *b);

/* For the loader, which knows nothing else of the format: what policy does this blob hold (zeroes:
 * none)? With one, the blob is undamaged, too. NULL, or a reason. `data` is 8-byte aligned. */
const char *blob_policy_seal(const void *data, size_t len, struct blob_policy *out);
