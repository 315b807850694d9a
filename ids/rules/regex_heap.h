/* Memory of varying sizes within one fixed block: for compiled regular expressions.
 *
 * For regex.c. First fit, neighbours that are free become one. Pure. Time of an allocation is
 * linear in the number of pieces.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct regex_piece;

struct regex_heap {
	struct regex_piece *first, *rover; /* rover: where the last search ended */
	uint8_t *end;
	size_t used; /* octets in use, with the pieces' heads */
};

/* `memory` is aligned to 16 octets; `size` at least 64. */
void regex_heap_init(struct regex_heap *h, void *memory, size_t size);

/* Aligned to 16 octets, not zeroed; NULL: no free piece is large enough. */
void *regex_heap_alloc(struct regex_heap *h, size_t size);

/* `at` is from regex_heap_alloc, or NULL. */
void regex_heap_free(struct regex_heap *h, void *at);
