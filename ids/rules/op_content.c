/* content: search in a buffer, with Suricata's rules for offset, depth, distance and within. */
#include <string.h>

#include "ids/bytes.h"
#include "ids/rules/op.h"

static const struct {
	uint16_t flag;
	uint8_t arg;
} variable[] = {
	{CONTENT_F_OFFSET_VAR, CONTENT_OFFSET},
	{CONTENT_F_DEPTH_VAR, CONTENT_DEPTH},
	{CONTENT_F_DISTANCE_VAR, CONTENT_DISTANCE},
	{CONTENT_F_WITHIN_VAR, CONTENT_WITHIN},
};

const char *content_check(const struct blob *b, const struct blob_op *op)
{
	uint32_t start = op->arg[CONTENT_STRING], len = op->arg[CONTENT_LENGTH];

	if (op->flags & ~CONTENT_F_ALL)
		return "content with unknown flags";
	if (len == 0 || len > BLOB_MAX_CONTENT)
		return "content of bad length";
	for (unsigned i = 0; i < sizeof(variable) / sizeof(variable[0]); i++)
		if (op->flags & variable[i].flag && op->arg[variable[i].arg] >= INSPECT_VARS)
			return "content with an unknown variable";
	if (start > b->count[BLOB_STRINGS] || len > b->count[BLOB_STRINGS] - start)
		return "content outside the strings";
	return NULL;
}

static bool same_nocase(const uint8_t *data, const uint8_t *text, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (lower(data[i]) != text[i])
			return false;
	return true;
}

/* First place of `text` in [from, to) of the buffer, or -1. */
static int64_t find(const struct inspect *in, const uint8_t *text, uint32_t len, bool nocase,
		    uint32_t from, uint32_t to)
{
	const uint8_t *data = in->buffer;

	if (to < len)
		return -1;
	for (uint32_t at = from; at <= to - len; at++) {
		if (nocase) {
			if (same_nocase(data + at, text, len))
				return at;
			continue;
		}
		const uint8_t *hit = memchr(data + at, text[0], to - len - at + 1);

		if (!hit)
			return -1;
		at = (uint32_t)(hit - data);
		if (memcmp(hit, text, len) == 0)
			return at;
	}
	return -1;
}

static int64_t clamp(int64_t value, int64_t high)
{
	return value < 0 ? 0 : value > high ? high : value;
}

/* A modifier's number; what a variable holds beyond 32 bits lies outside of every buffer. */
static int64_t argument(const struct inspect *in, const struct blob_op *op, unsigned which,
			uint32_t var)
{
	if (op->flags & var) {
		uint64_t value = in->var[op->arg[which]];

		return value > UINT32_MAX ? UINT32_MAX : (int64_t)value;
	}
	if (which == CONTENT_DISTANCE || which == CONTENT_WITHIN)
		return (int32_t)op->arg[which];
	return op->arg[which];
}

/* Where the content may lie: [*from, *to) of the buffer. False: nowhere. */
static bool window(const struct inspect *in, const struct blob_op *op, uint32_t cursor,
		   uint32_t *from, uint32_t *to)
{
	const uint32_t var = CONTENT_F_OFFSET_VAR | CONTENT_F_DEPTH_VAR;
	int64_t low = argument(in, op, CONTENT_OFFSET, CONTENT_F_OFFSET_VAR);
	int64_t high = in->buffer_len;
	/* Offset and depth count from the beginning of the stream, of which the buffer may be a
	 * later part. */
	int64_t at = (int64_t)(in->buffer_at & INT64_MAX);

	if (op->flags & (CONTENT_F_DISTANCE | CONTENT_F_WITHIN)) {
		int64_t distance =
			op->flags & CONTENT_F_DISTANCE
				? argument(in, op, CONTENT_DISTANCE, CONTENT_F_DISTANCE_VAR)
				: 0;

		low = cursor + distance;
		if (op->flags & CONTENT_F_WITHIN)
			high = low + argument(in, op, CONTENT_WITHIN, CONTENT_F_WITHIN_VAR);
	} else {
		if (op->arg[CONTENT_DEPTH] || op->flags & CONTENT_F_DEPTH_VAR)
			high = argument(in, op, CONTENT_DEPTH, CONTENT_F_DEPTH_VAR) +
			       (op->flags & var ? low : 0) - at;
		low -= at;
	}
	if (low > in->buffer_len || high < 0)
		return false;
	*from = (uint32_t)clamp(low, in->buffer_len);
	*to = (uint32_t)clamp(high, in->buffer_len);
	return *from <= *to;
}

static int64_t next_place(const struct inspect *in, const struct blob_op *op, uint32_t from,
			  uint32_t to)
{
	const uint8_t *text = in->blob->string + op->arg[CONTENT_STRING];
	uint32_t len = op->arg[CONTENT_LENGTH];

	if (op->flags & CONTENT_F_ENDS) {
		/* Only the buffer's last octets will do. */
		if (to < in->buffer_len || in->buffer_len < len)
			return -1;
		if (from < in->buffer_len - len)
			from = in->buffer_len - len;
	}
	return find(in, text, len, op->flags & CONTENT_F_NOCASE, from, to);
}

enum inspect_result content_payload(struct inspect *in, const struct blob_op *op, uint32_t cursor)
{
	uint32_t from = 0, to = 0;
	bool possible = window(in, op, cursor, &from, &to);

	if (op->flags & CONTENT_F_NEGATED) {
		/* The cursor stays where it was. */
		if (possible && next_place(in, op, from, to) >= 0)
			return INSPECT_NO;
		return inspect_from(in, op + 1, cursor);
	}
	while (possible) {
		int64_t at = next_place(in, op, from, to);
		enum inspect_result r;

		if (at < 0)
			break;
		r = inspect_from(in, op + 1, (uint32_t)at + op->arg[CONTENT_LENGTH]);
		if (r != INSPECT_NO || !(op->flags & CONTENT_F_RELATIVE_NEXT))
			return r;
		from = (uint32_t)at + 1;
		possible = from <= to;
	}
	return INSPECT_NO;
}
