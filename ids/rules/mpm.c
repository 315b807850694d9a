#include <stdbool.h>

#include "ids/bytes.h"
#include "ids/rules/mpm.h"

/* Depth falls along fail and dict links and rises by one along edges: so a scan ends, takes at most
 * two steps per octet on average, and reports at most BLOB_MAX_PATTERN patterns per octet. All
 * numbers of states count from the automaton's first. */
static const char *check_state(const struct blob *b, const struct blob_mpm *a, uint32_t index)
{
	const struct blob_state *state = b->state + a->state_first, *s = &state[index];
	uint32_t states = a->state_count, edges = b->count[BLOB_MPM_EDGES];

	if (s->depth > BLOB_MAX_PATTERN || (s->depth == 0) != (index == 0))
		return "automaton state of bad depth";
	if (s->fail >= states || s->dict >= states)
		return "automaton link out of range";
	if (index && (state[s->fail].depth >= s->depth || state[s->dict].depth >= s->depth))
		return "automaton link does not lead upwards";
	if (s->dict && state[s->dict].pattern == BLOB_NONE)
		return "automaton link to a state without pattern";
	if (s->pattern != BLOB_NONE && (index == 0 || s->pattern >= b->count[BLOB_PATTERNS]))
		return "automaton state with a bad pattern";
	if (s->edge_first > edges || s->edge_count > edges - s->edge_first)
		return "automaton edges out of range";
	for (uint32_t i = 0; i < s->edge_count; i++) {
		uint32_t next = b->edge[s->edge_first + i] >> 8;

		if (next >= states || state[next].depth != s->depth + 1)
			return "automaton edge does not lead downwards";
	}
	return NULL;
}

static bool good_key(const struct blob_mpm *a)
{
	static const uint8_t limit[BLOB_LOOKS] = {
		[BLOB_LOOK_PACKET] = BLOB_CLASSES,
		[BLOB_LOOK_STREAM] = 1,
		[BLOB_LOOK_TX] = APP_BUFFERS,
	};

	return a->look < BLOB_LOOKS && a->direction <= BLOB_TO_CLIENT && a->zero == 0 &&
	       a->of < limit[a->look];
}

static const char *check_automaton(const struct blob *b, uint32_t index)
{
	const struct blob_mpm *a = &b->mpm[index];
	const struct blob_state *root;

	if (!good_key(a))
		return "automaton for something unknown";
	if (a->state_count == 0 || a->state_first > b->count[BLOB_MPM_STATES] ||
	    a->state_count > b->count[BLOB_MPM_STATES] - a->state_first)
		return "automaton states out of range";
	root = &b->state[a->state_first];
	if (root->fail || root->dict)
		return "automaton root with links";
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t next = b->mpm_root[index * 256 + i];

		if (next >= a->state_count || root[next].depth > 1)
			return "automaton root out of range";
	}
	for (uint32_t i = 0; i < a->state_count; i++) {
		const char *why = check_state(b, a, i);

		if (why)
			return why;
	}
	return NULL;
}

const char *mpm_check(const struct blob *b)
{
	uint64_t states = 0;

	if (b->count[BLOB_MPM] > BLOB_MAX_MPM)
		return "too many automata";
	if (b->count[BLOB_MPM_ROOT] != b->count[BLOB_MPM] * 256)
		return "automaton without root";
	/* No state belongs to two, so that the check takes no longer than the blob is large. */
	for (uint32_t i = 0; i < b->count[BLOB_MPM]; i++)
		states += b->mpm[i].state_count;
	if (states > b->count[BLOB_MPM_STATES])
		return "automata that share states";
	for (uint32_t i = 0; i < b->count[BLOB_MPM]; i++) {
		const char *why = check_automaton(b, i);

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

static void set_pair(uint8_t *pairs, uint8_t first, uint8_t second)
{
	pairs[first << 5 | second >> 3] |= (uint8_t)(1 << (second & 7));
}

static bool pair_begins(const uint8_t *pairs, const uint8_t *at)
{
	return pairs[at[0] << 5 | at[1] >> 3] >> (at[1] & 7) & 1;
}

/* All pairs that may begin a pattern with `first`, in upper and lower case. */
static void add_pairs(uint8_t *pairs, const struct blob *b, const struct blob_state *s,
		      uint8_t first)
{
	/* A pattern of one octet may be followed by any. */
	for (unsigned second = 0; s->pattern != BLOB_NONE && second < 256; second++)
		set_pair(pairs, first, (uint8_t)second);
	for (uint32_t i = 0; i < s->edge_count; i++) {
		uint8_t second = (uint8_t)b->edge[s->edge_first + i];

		set_pair(pairs, first, second);
		set_pair(pairs, first, upper(second));
	}
}

uint64_t mpm_size(const struct blob *b)
{
	return (uint64_t)b->count[BLOB_MPM] * MPM_PAIRS;
}

void mpm_init(struct mpm *m, const struct blob *b, void *memory)
{
	*m = (struct mpm){.blob = b, .pairs = memory};
	for (uint32_t i = 0; i < b->count[BLOB_MPM]; i++) {
		const struct blob_mpm *a = &b->mpm[i];

		m->automaton[a->look][a->direction][a->of] = (uint8_t)(i + 1);
		for (unsigned c = 0; c < 256; c++) {
			uint32_t s = b->mpm_root[i * 256 + c];
			uint8_t *pairs = m->pairs + (size_t)i * MPM_PAIRS;

			if (!s)
				continue;
			add_pairs(pairs, b, &b->state[a->state_first + s], (uint8_t)c);
			add_pairs(pairs, b, &b->state[a->state_first + s], upper((uint8_t)c));
		}
	}
}

uint32_t mpm_automaton(const struct mpm *m, enum blob_look look, unsigned direction, unsigned of)
{
	return (uint32_t)m->automaton[look][direction][of] - 1;
}

/* From `i` on, the first octet at which a pattern may begin; the last octet always may. */
static size_t skip(const uint8_t *pairs, const uint8_t *data, size_t i, size_t len)
{
	while (i + 1 < len && !pair_begins(pairs, data + i))
		i++;
	return i;
}

uint32_t mpm_scan(const struct mpm *m, uint32_t automaton, uint32_t at, const uint8_t *data,
		  size_t len, mpm_hit hit, void *ctx)
{
	const struct blob *b = m->blob;
	const struct blob_mpm *a = &b->mpm[automaton];
	const struct blob_state *state = b->state + a->state_first;
	const uint32_t *root = b->mpm_root + (size_t)automaton * 256;
	const uint8_t *pairs = m->pairs + (size_t)automaton * MPM_PAIRS;

	if (at >= a->state_count)
		at = 0;
	for (size_t i = 0; i < len; i++) {
		uint32_t next = 0;
		uint8_t c;

		if (!at)
			i = skip(pairs, data, i, len);
		c = lower(data[i]);
		while (at && !(next = step(b, &state[at], c)))
			at = state[at].fail;
		if (!at && (i + 1 == len || pair_begins(pairs, data + i)))
			next = root[c];
		at = next;
		for (uint32_t s = state[at].pattern != BLOB_NONE ? at : state[at].dict; s;
		     s = state[s].dict)
			hit(ctx, state[s].pattern, i + 1);
	}
	return at;
}
