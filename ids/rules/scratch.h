/* What rules need beside the data they look at: compiled regular expressions, and room for decoded
 * and transformed buffers. Taken once, only as much as the rules of a blob use.
 *
 * For the matcher (makes it, refills it for each packet or transaction) and the operations.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ids/rules/blob.h"
#include "ids/rules/regex.h"

#define SCRATCH_OCTETS 32768u /* of a decoded or transformed buffer; what is beyond is cut off */
#define SCRATCH_CACHE  (512u << 10) /* octets for compiled patterns: about 1,300 of them */

struct ids_stats;

struct scratch {
	struct ids_stats *stats; /* counts searches that were given up */
	struct regex *regex;	 /* NULL: no rule has a pattern */
	uint8_t *base64;	 /* SCRATCH_OCTETS, NULL: no rule decodes */
	uint8_t *transform[2];	 /* likewise; two, because one transform follows another */
};

/* Octets for a checked blob's rules; 0: they need none. */
size_t scratch_size(const struct blob *b);

/* `memory`: scratch_size() zeroed octets, aligned to 16, which live as long. Compiles the patterns,
 * as many as fit. */
struct scratch *scratch_init(void *memory, const struct blob *b, struct ids_stats *stats);

/* A new packet or transaction: the work of searches is counted anew. `s` may be NULL. */
void scratch_refill(struct scratch *s);

/* regex_search, counted. */
enum regex_result scratch_search(struct scratch *s, uint32_t index, const struct regex_pattern *p,
				 const uint8_t *data, uint32_t len, uint32_t from, bool begin,
				 struct regex_span span[2]);
