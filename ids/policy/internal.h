/* Between policy.c and tell.c. */
#pragma once

#include "ids/policy/hook.h"
#include "ids/policy/match.h"
#include "ids/policy/policy.h"

/* Events of one line, or of one gate by default, in the second `second`. */
struct policy_limit {
	uint64_t second;
	uint32_t told, held;
	uint32_t denied; /* of those held back */
};

struct policy {
	struct policy_ops ops;
	struct blob none; /* stands for a blob where there is none */
	const struct blob *blob;
	struct policy_layout layout;
	struct policy_stats stats;
	uint64_t off, watch;
	struct probe probe[HOOKS];
	uint32_t probes;
	bool on[HOOKS]; /* this kernel has what the hook needs */
	char reason[256];
	uint32_t held;		    /* limits that hold something back */
	struct policy_limit *limit; /* of each line, then of each gate */
	struct policy_record record;
};

/* A call is to be told: by `line`, or by default (NULL). `err`: it is denied with that; 0: it is
 * not. */
void policy_tell(struct policy *p, const struct probe_hit *hit, const struct blob_policy_line *line,
		 uint32_t err, bool unread);
