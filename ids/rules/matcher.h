/* Which rules match a packet: prefilter, then verification. Pure; no allocation per packet.
 *
 * For the engine. One pass of the multi-pattern automaton over the payload finds the rules whose
 * fast pattern occurs; with the rules that have none (by protocol class) they are verified in full.
 */
#pragma once

#include <stdint.h>

#include "ids/engine.h"
#include "ids/flow/flow.h"
#include "ids/packet/packet.h"
#include "ids/rules/blob.h"
#include "ids/rules/mpm.h"

struct matcher {
	const struct blob *blob;
	struct mpm mpm;
	uint32_t *pattern_seen; /* per pattern: generation it was last met in */
	uint32_t generation;
	struct ids_stats *stats;
	struct scratch *scratch; /* NULL: no rule needs it */
};

/* The rules that matched, in the order of evaluation (pass, drop, alert; priority; file order).
 * When there are more than fit, the last ones are lost (counted). */
struct matches {
	uint32_t rule[IDS_ALERTS_PER_PACKET];
	uint32_t count;
};

/* Bytes for pattern_seen. */
uint64_t matcher_size(const struct blob *b);

void matcher_run(struct matcher *m, const struct packet *p, const struct flow_ref *flow,
		 struct matches *out);
