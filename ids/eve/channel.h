/* The alert channel's queues: lines wait here, by class, until there is room in the output.
 *
 * For the sentry. Each class has memory of its own, so that no flood of one can cost a line of
 * another; lines leave by class, urgent ones and alerts first, whole or not at all, and of nine
 * lines one is of a class that waits behind. What finds no room is counted by the caller's
 * counters, which may lie in memory that survives a restart of the sentry. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ids/eve/eve.h"

/* A queue of whole lines: each a 32-bit length and its bytes, wrapping. */
struct channel_queue {
	uint8_t *bytes;
	uint32_t size;	     /* a power of two */
	uint32_t head, tail; /* free running: written up to head, read up to tail */
};

struct channel {
	struct channel_queue queue[EVE_CLASSES];
	uint64_t *sent; /* lines handed to the output, all classes */
	uint64_t *lost; /* by class, lines that found no room */
	uint32_t run;	/* lines since a class that waited behind had its turn */
	uint32_t turn;	/* which that was */
};

/* Bytes of all queues together, for channel_init(). */
size_t channel_memory(void);

/* Set up. `memory` is channel_memory() bytes; `sent` is one counter and `lost` EVE_CLASSES of them,
 * all three outlive the channel. The counters go on from their values. */
void channel_init(struct channel *ch, void *memory, uint64_t *sent, uint64_t *lost);

/* Queue a line of `len` octets, no newline in it. False and counted in lost[cls] if there is no
 * room for it, or if it could never fit the output. Does not block. */
bool channel_put(struct channel *ch, enum eve_class cls, const char *line, size_t len);

/* Is there room for a line of common length (CHANNEL_LINE)? False: the event is not worth being
 * written, and is counted in lost[cls] as channel_put() would have. */
#define CHANNEL_LINE 1024
bool channel_admit(struct channel *ch, enum eve_class cls);

/* Room left in a class, in bytes of line. */
size_t channel_room(const struct channel *ch, enum eve_class cls);

bool channel_empty(const struct channel *ch);

/* Where the next line of a class will lie, and whether all lines before a place have left. For what
 * must be remembered only once a line is out. */
uint32_t channel_place(const struct channel *ch, enum eve_class cls);
bool channel_passed(const struct channel *ch, enum eve_class cls, uint32_t place);

/* Where the lines go: a ring of `size` bytes (a power of two), free-running indices. */
struct channel_output {
	uint8_t *bytes;
	uint32_t size;
	uint32_t prod, cons;
};

/* Move whole lines, each with a final newline, while they fit between prod and cons + size.
 * Advances out->prod only. Returns the number of lines moved. */
uint32_t channel_pump(struct channel *ch, struct channel_output *out);

/* How full an output of `size` bytes may be at most for the next line to fit, in bytes: the next
 * channel_pump() moves something once no more than that waits there. `size` if no line waits. */
uint32_t channel_limit(const struct channel *ch, uint32_t size);

/* Name of a class as `lost` events tell it. */
const char *channel_class_name(enum eve_class cls);
