/* Which rules match: prefilter, then verification. Pure; no allocation per packet.
 *
 * For the engine, which calls matcher_packet for each packet, matcher_stream when a TCP stream has
 * new octets, matcher_tx when a transaction has new buffers. In each, one pass of the multi-pattern
 * automaton over the octets finds the rules whose fast pattern occurs; they and those that have
 * none are verified in full, in the order of evaluation. All three add to the same `struct
 * matches`.
 */
#pragma once

#include <stdint.h>

#include "ids/engine.h"
#include "ids/rules/blob.h"
#include "ids/rules/candidates.h"
#include "ids/rules/look.h"
#include "ids/rules/mpm.h"
#include "ids/rules/state.h"

struct matcher {
	const struct blob *blob;
	struct mpm mpm;
	struct candidates candidates;
	uint32_t *pattern_seen; /* per pattern: generation it was last met in */
	uint32_t generation;
	struct rule_state state; /* flowbits, thresholds and the like */
	bool remembers;		 /* there are rules that use it */
	/* Rules that matched the packet at hand and also look at streams: not again with its
	 * octets, so that nothing is counted twice. */
	uint32_t matched[IDS_ALERTS_PER_PACKET];
	uint32_t matched_count;
	struct ids_stats *stats;
	struct scratch *scratch; /* NULL: no rule needs it */
};

/* The rules that matched, in the order of evaluation (pass, drop, reject, alert; setters of
 * flowbits; priority; file order). When there are more than fit, the last ones are lost (counted).
 */
struct matches {
	uint32_t rule[IDS_ALERTS_PER_PACKET];
	bool silent[IDS_ALERTS_PER_PACKET]; /* its threshold says: act, but do not alert */
	uint32_t count;
};

#define MATCHER_PENDING 8

/* What the matcher keeps of one direction of a stream; all zero at its beginning. Rules whose fast
 * pattern was met but that do not match yet: looked at again with new octets, as long as the
 * pattern is in the window. When there are more, the oldest is given up (counted). */
struct matcher_stream {
	uint32_t mpm;	/* state of the automaton */
	uint32_t count; /* of pending */
	uint32_t rule[MATCHER_PENDING];
	/* Low bits of a stream position that is not before its pattern's end. */
	uint32_t at[MATCHER_PENDING];
};

#define MATCHER_TX_RULES 16

/* What the matcher keeps of one direction of a transaction; all zero at its beginning. */
struct matcher_tx {
	uint8_t pending_count, matched_count;
	bool overflow; /* more were pending: when it is done all buffers are scanned again */
	uint32_t pending[MATCHER_TX_RULES]; /* pattern met, not all buffers there yet */
	uint32_t matched[MATCHER_TX_RULES]; /* not told again; when it is full nothing more is */
};

/* Octets of memory for matcher_init; `b` is checked, here and below. */
uint64_t matcher_size(const struct blob *b);
/* `memory`: matcher_size() zeroed octets, 16-byte aligned. `seed`: random, for what is remembered
 * of hosts and flows. False: no room for the regular expressions' library (never with our sizes).
 */
bool matcher_init(struct matcher *m, const struct blob *b, void *memory, uint64_t seed,
		  struct ids_stats *stats);

/* The packet itself: headers, and the payload where rules look at packets. Call it before the
 * stream and the transactions that the packet brings. */
void matcher_packet(struct matcher *m, const struct look *look, struct matches *out);

/* `fresh` octets came to the end of look->window (fresh <= window.len; older octets may have left
 * it at its beginning). `s` belongs to the direction that look->flow tells. Call it also with
 * fresh 0 when nothing can come any more. */
void matcher_stream(struct matcher *m, const struct look *look, uint32_t fresh,
		    struct matcher_stream *s, struct matches *out);

/* Buffers of a transaction of look->proto, in the direction that look->flow tells, as
 * look->source gives them. Bits 1 << enum app_buffer: `fresh` are complete (or have grown) since
 * the last call, `ready` have been so before or are now. `done`: no more will come in this
 * direction. */
void matcher_tx(struct matcher *m, const struct look *look, uint64_t fresh, uint64_t ready,
		bool done, struct matcher_tx *tx, struct matches *out);
