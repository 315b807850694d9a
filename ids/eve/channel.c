/* See channel.h. */
#include "ids/eve/channel.h"

#include <string.h>

#include "hv/abi.h"

#define LENGTH sizeof(uint32_t) /* before each line */
#define SHARE  8 /* lines by order of the classes, then one of those that wait below */

/* At 40 lines a second an alert waits for none but alerts: 256 KiB are some 400 of them. */
static const struct {
	const char *name;
	uint32_t size;
} classes[EVE_CLASSES] = {
	[EVE_CLASS_URGENT] = {"urgent", 64 * 1024},
	[EVE_CLASS_ALERT] = {"alert", 256 * 1024},
	[EVE_CLASS_HYPERVISOR] = {"hypervisor", 64 * 1024},
	[EVE_CLASS_PROCESS] = {"process", 128 * 1024},
	[EVE_CLASS_DROP] = {"drop", 64 * 1024},
	[EVE_CLASS_STATS] = {"stats", 32 * 1024},
};

const char *channel_class_name(enum eve_class cls)
{
	return cls < EVE_CLASSES ? classes[cls].name : "unknown";
}

size_t channel_memory(void)
{
	size_t sum = 0;
	for (unsigned i = 0; i < EVE_CLASSES; i++)
		sum += classes[i].size;
	return sum;
}

void channel_init(struct channel *ch, void *memory, uint64_t *sent, uint64_t *lost)
{
	uint8_t *next = memory;
	*ch = (struct channel){.sent = sent, .lost = lost};
	for (unsigned i = 0; i < EVE_CLASSES; i++) {
		ch->queue[i] = (struct channel_queue){.bytes = next, .size = classes[i].size};
		next += classes[i].size;
	}
}

/* Copy into a ring at free-running index `at`. */
static void ring_write(uint8_t *ring, uint32_t size, uint32_t at, const void *from, uint32_t len)
{
	uint32_t first = size - (at & (size - 1));
	if (first > len)
		first = len;
	memcpy(ring + (at & (size - 1)), from, first);
	memcpy(ring, (const uint8_t *)from + first, len - first);
}

static void ring_read(const uint8_t *ring, uint32_t size, uint32_t at, void *to, uint32_t len)
{
	uint32_t first = size - (at & (size - 1));
	if (first > len)
		first = len;
	memcpy(to, ring + (at & (size - 1)), first);
	memcpy((uint8_t *)to + first, ring, len - first);
}

static uint32_t queue_free(const struct channel_queue *q)
{
	return q->size - (q->head - q->tail);
}

size_t channel_room(const struct channel *ch, enum eve_class cls)
{
	uint32_t left = queue_free(&ch->queue[cls]);
	return left > LENGTH ? left - LENGTH : 0;
}

bool channel_admit(struct channel *ch, enum eve_class cls)
{
	if (channel_room(ch, cls) >= CHANNEL_LINE)
		return true;
	ch->lost[cls]++;
	return false;
}

bool channel_put(struct channel *ch, enum eve_class cls, const char *line, size_t len)
{
	struct channel_queue *q = &ch->queue[cls];
	/* With its newline it must fit an empty output. */
	if (len >= ABI_OUTPUT || len > channel_room(ch, cls)) {
		ch->lost[cls]++;
		return false;
	}
	uint32_t len32 = (uint32_t)len;
	ring_write(q->bytes, q->size, q->head, &len32, LENGTH);
	ring_write(q->bytes, q->size, q->head + (uint32_t)LENGTH, line, len32);
	q->head += (uint32_t)LENGTH + len32;
	return true;
}

bool channel_empty(const struct channel *ch)
{
	for (unsigned i = 0; i < EVE_CLASSES; i++) {
		if (ch->queue[i].head != ch->queue[i].tail)
			return false;
	}
	return true;
}

uint32_t channel_place(const struct channel *ch, enum eve_class cls)
{
	return ch->queue[cls].head;
}

bool channel_passed(const struct channel *ch, enum eve_class cls, uint32_t place)
{
	return (int32_t)(ch->queue[cls].tail - place) >= 0;
}

/* The class whose line is next: the first in order; but after SHARE lines the next one below it
 * that waits, in turn, so that a flood holds nobody back for ever. EVE_CLASSES: no line waits. */
static unsigned next_class(const struct channel *ch)
{
	unsigned first = EVE_CLASSES;
	for (unsigned i = EVE_CLASSES; i-- > 0;) {
		if (ch->queue[i].head != ch->queue[i].tail)
			first = i;
	}
	if (first == EVE_CLASSES || ch->run < SHARE)
		return first;
	for (unsigned k = 1; k <= EVE_CLASSES; k++) {
		unsigned i = (ch->turn + k) % EVE_CLASSES;
		if (i != first && ch->queue[i].head != ch->queue[i].tail)
			return i;
	}
	return first;
}

uint32_t channel_limit(const struct channel *ch, uint32_t size)
{
	unsigned i = next_class(ch);
	uint32_t len;
	if (i == EVE_CLASSES)
		return size;
	ring_read(ch->queue[i].bytes, ch->queue[i].size, ch->queue[i].tail, &len, LENGTH);
	return size - (len + 1); /* channel_put() took none that is longer */
}

/* Move the oldest line of a queue. False if there is none or it does not fit. */
static bool move_line(struct channel_queue *q, struct channel_output *out)
{
	uint32_t len;
	if (q->head == q->tail)
		return false;
	ring_read(q->bytes, q->size, q->tail, &len, LENGTH);
	if (len + 1 > out->size - (out->prod - out->cons))
		return false;
	/* From ring to ring: at most three straight pieces. */
	uint32_t from = q->tail + (uint32_t)LENGTH;
	for (uint32_t done = 0; done < len;) {
		uint32_t at = (from + done) & (q->size - 1), piece = q->size - at;
		if (piece > len - done)
			piece = len - done;
		ring_write(out->bytes, out->size, out->prod + done, q->bytes + at, piece);
		done += piece;
	}
	ring_write(out->bytes, out->size, out->prod + len, "\n", 1);
	out->prod += len + 1;
	q->tail = from + len;
	return true;
}

uint32_t channel_pump(struct channel *ch, struct channel_output *out)
{
	uint32_t moved = 0;
	/* A line that does not fit holds back the others: it is its turn when there is room. */
	for (unsigned i; (i = next_class(ch)) < EVE_CLASSES && move_line(&ch->queue[i], out);
	     moved++) {
		if (ch->run < SHARE) {
			ch->run++;
		} else {
			ch->run = 0;
			ch->turn = i;
		}
	}
	*ch->sent += moved;
	return moved;
}
