#include <stdbool.h>

#include "ids/bytes.h"
#include "ids/rules/mpm.h"

/* Depth falls along fail and dict links and rises by one along edges: so a scan ends, takes at most
 * two steps per octet on average, and reports at most BLOB_MAX_PATTERN patterns per octet. */
static const char *check_state(const struct blob *b, uint32_t index)
{
	const struct blob_state *s = &b->state[index];
	uint32_t states = b->count[BLOB_MPM_STATES], edges = b->count[BLOB_MPM_EDGES];

	if (s->depth > BLOB_MAX_PATTERN || (s->depth == 0) != (index == 0))
		return "automaton state of bad depth";
	if (s->fail >= states || s->dict >= states)
		return "automaton link out of range";
	if (index && (b->state[s->fail].depth >= s->depth || b->state[s->dict].depth >= s->depth))
		return "automaton link does not lead upwards";
	if (s->dict && b->state[s->dict].pattern == BLOB_NONE)
		return "automaton link to a state without pattern";
	if (s->pattern != BLOB_NONE && (index == 0 || s->pattern >= b->count[BLOB_PATTERNS]))
		return "automaton state with a bad pattern";
	if (s->edge_first > edges || s->edge_count > edges - s->edge_first)
		return "automaton edges out of range";
	for (uint32_t i = 0; i < s->edge_count; i++) {
		uint32_t next = b->edge[s->edge_first + i] >> 8;

		if (next >= states || b->state[next].depth != s->depth + 1)
			return "automaton edge does not lead downwards";
	}
	return NULL;
}

const char *mpm_check(const struct blob *b)
{
	if (b->count[BLOB_MPM_STATES] == 0)
		return b->count[BLOB_MPM_ROOT] || b->count[BLOB_PATTERNS]
			       ? "automaton without states"
			       : NULL;
	if (b->count[BLOB_MPM_ROOT] != 256)
		return "automaton without root";
	if (b->state[0].fail || b->state[0].dict)
		return "automaton root with links";
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t next = b->mpm_root[i];

		if (next >= b->count[BLOB_MPM_STATES] || b->state[next].depth > 1)
			return "automaton root out of range";
	}
	for (uint32_t i = 0; i < b->count[BLOB_MPM_STATES]; i++) {
		const char *why = check_state(b, i);

		if (why)
			return why;
	}
	return NULL;
}

/* The child of `s` by `c`, 0 if there is none. */
static uint32_t step(const struct blob *b, const struct blob_state *s, uint8_t c)
{
	const uint32_t *edge = b->edge + s->edge_first;
	uint32_t low = 0, high = s->edge_count;

	while (low < high) {
		uint32_t mid = (low + high) / 2;
		uint8_t at = (uint8_t)edge[mid];

		if (at == c)
			return edge[mid] >> 8;
		if (at < c)
			low = mid + 1;
		else
			high = mid;
	}
	return 0;
}

static uint8_t upper(uint8_t c)
{
	return c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;
}

static void set_pair(struct mpm *m, uint8_t first, uint8_t second)
{
	m->pairs[first << 5 | second >> 3] |= (uint8_t)(1 << (second & 7));
}

static bool pair_begins(const struct mpm *m, const uint8_t *at)
{
	return m->pairs[at[0] << 5 | at[1] >> 3] >> (at[1] & 7) & 1;
}

/* All pairs that may begin a pattern with `first`, in upper and lower case. */
static void add_pairs(struct mpm *m, const struct blob_state *s, uint8_t first)
{
	const struct blob *b = m->blob;

	/* A pattern of one octet may be followed by any. */
	for (unsigned second = 0; s->pattern != BLOB_NONE && second < 256; second++)
		set_pair(m, first, (uint8_t)second);
	for (uint32_t i = 0; i < s->edge_count; i++) {
		uint8_t second = (uint8_t)b->edge[s->edge_first + i];

		set_pair(m, first, second);
		set_pair(m, first, upper(second));
	}
}

void mpm_init(struct mpm *m, const struct blob *b, void *memory)
{
	m->blob = b;
	m->pairs = memory;
	for (unsigned c = 0; b->count[BLOB_MPM_STATES] && c < 256; c++) {
		uint32_t s = b->mpm_root[c];

		if (!s)
			continue;
		add_pairs(m, &b->state[s], (uint8_t)c);
		add_pairs(m, &b->state[s], upper((uint8_t)c));
	}
}

/* From `i` on, the first octet at which a pattern may begin; the last octet always may. */
static size_t skip(const struct mpm *m, const uint8_t *data, size_t i, size_t len)
{
	while (i + 1 < len && !pair_begins(m, data + i))
		i++;
	return i;
}

void mpm_scan(const struct mpm *m, const uint8_t *data, size_t len, mpm_hit hit, void *ctx)
{
	const struct blob *b = m->blob;
	const struct blob_state *state = b->state;
	uint32_t at = 0;

	if (b->count[BLOB_MPM_STATES] == 0)
		return;
	for (size_t i = 0; i < len; i++) {
		uint32_t next = 0;
		uint8_t c;

		if (!at)
			i = skip(m, data, i, len);
		c = lower(data[i]);
		while (at && !(next = step(b, &state[at], c)))
			at = state[at].fail;
		if (!at && (i + 1 == len || pair_begins(m, data + i)))
			next = b->mpm_root[c];
		at = next;
		for (uint32_t s = state[at].pattern != BLOB_NONE ? at : state[at].dict; s;
		     s = state[s].dict)
			hit(ctx, state[s].pattern);
	}
}
