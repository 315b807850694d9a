/* PCRE2 behind regex.h: its memory, its limits, and the cache of compiled patterns. */
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "ids/rules/regex.h"
#include "ids/rules/regex_heap.h"
#include "ids/rules/regex_work.h"

#define NONE	   UINT32_MAX
#define CONTEXTS   4096 /* octets for PCRE2's contexts and match data */
#define MIN_CACHE  4096
#define ROUND(n)   (((n) + 15) & ~(size_t)15)
#define MAX_PARENS 32 /* each costs stack while a pattern is compiled */

/* A pattern's place in the cache: a list from the latest used to the oldest. */
struct entry {
	pcre2_code *code; /* NULL: not in the cache */
	uint32_t newer, older;
	bool refused; /* can't be compiled: do not try again */
};

struct regex {
	struct regex_heap cache, contexts;
	bool ready; /* memory for searches and patterns is theirs */
	bool keep;  /* allocations throw nothing out */
	struct entry *entry;
	uint32_t patterns, newest, oldest;
	uint8_t *frames;
	pcre2_compile_context *compile;
	pcre2_match_context *match;
	pcre2_match_data *data;
	struct regex_work work;
	struct regex_stats stats;
};

static const struct {
	uint32_t ours, theirs;
} options[] = {
	{REGEX_CASELESS, PCRE2_CASELESS}, {REGEX_MULTILINE, PCRE2_MULTILINE},
	{REGEX_DOTALL, PCRE2_DOTALL},	  {REGEX_EXTENDED, PCRE2_EXTENDED},
	{REGEX_ANCHORED, PCRE2_ANCHORED}, {REGEX_DOLLAR, PCRE2_DOLLAR_ENDONLY},
	{REGEX_UNGREEDY, PCRE2_UNGREEDY}, {REGEX_NO_GROUPS, PCRE2_NO_AUTO_CAPTURE},
};

/* --- memory ----------------------------------------------------------------------------------- */

static void unlink_entry(struct regex *r, uint32_t i)
{
	struct entry *e = &r->entry[i];

	*(e->newer == NONE ? &r->newest : &r->entry[e->newer].older) = e->older;
	*(e->older == NONE ? &r->oldest : &r->entry[e->older].newer) = e->newer;
}

static void make_newest(struct regex *r, uint32_t i)
{
	struct entry *e = &r->entry[i];

	e->newer = NONE;
	e->older = r->newest;
	*(r->newest == NONE ? &r->oldest : &r->entry[r->newest].newer) = i;
	r->newest = i;
}

static void throw_out(struct regex *r, uint32_t i)
{
	unlink_entry(r, i);
	pcre2_code_free(r->entry[i].code);
	r->entry[i].code = NULL;
	r->stats.thrown_out++;
}

/* For PCRE2's compiler: codes, and what it needs while it makes them. What is being compiled is not
 * in the list yet, so it stays. */
static void *code_alloc(size_t size, void *ctx)
{
	struct regex *r = ctx;
	void *at;

	if (!r->ready)
		return regex_heap_alloc(&r->contexts, size);
	while (!(at = regex_heap_alloc(&r->cache, size))) {
		if (r->keep || r->oldest == NONE)
			return NULL;
		throw_out(r, r->oldest);
	}
	return at;
}

static void code_free(void *at, void *ctx)
{
	struct regex *r = ctx;

	regex_heap_free(&r->cache, at);
}

/* For the match: its context and data when they are made, afterwards nothing but the one vector of
 * backtracking frames. That "grows" within the same memory: old and new one are the same, and what
 * PCRE2 copies between them stays in place. */
static void *match_alloc(size_t size, void *ctx)
{
	struct regex *r = ctx;

	if (!r->ready)
		return regex_heap_alloc(&r->contexts, size);
	return size <= REGEX_FRAMES ? r->frames : NULL;
}

static void match_free(void *at, void *ctx)
{
	(void)at;
	(void)ctx;
}

static bool make_contexts(struct regex *r)
{
	pcre2_general_context *g = pcre2_general_context_create(match_alloc, match_free, r);
	pcre2_general_context *codes = pcre2_general_context_create(code_alloc, code_free, r);

	if (!g || !codes)
		return false;
	r->compile = pcre2_compile_context_create(codes);
	r->match = pcre2_match_context_create(g);
	r->data = pcre2_match_data_create(2, g);
	if (!r->compile || !r->match || !r->data)
		return false;
	pcre2_set_max_pattern_length(r->compile, REGEX_MAX_PATTERN);
	pcre2_set_parens_nest_limit(r->compile, MAX_PARENS);
	pcre2_set_match_limit(r->match, REGEX_MATCH_LIMIT);
	pcre2_set_depth_limit(r->match, REGEX_DEPTH_LIMIT);
	pcre2_set_heap_limit(r->match, REGEX_FRAMES >> 10);
	/* No callouts; their data is where REGEX_WORK finds its count. */
	pcre2_set_callout(r->match, NULL, &r->work);
	return true;
}

size_t regex_size(uint32_t patterns, size_t cache)
{
	return ROUND(sizeof(struct regex)) + ROUND(patterns * sizeof(struct entry)) + CONTEXTS +
	       REGEX_FRAMES + ROUND(cache);
}

struct regex *regex_init(void *memory, uint32_t patterns, size_t cache)
{
	struct regex *r = memory;
	uint8_t *at = (uint8_t *)memory + ROUND(sizeof(*r));

	if (cache < MIN_CACHE)
		return NULL;
	r->entry = (struct entry *)(void *)at;
	at += ROUND(patterns * sizeof(struct entry));
	regex_heap_init(&r->contexts, at, CONTEXTS);
	at += CONTEXTS;
	r->frames = at;
	at += REGEX_FRAMES;
	regex_heap_init(&r->cache, at, ROUND(cache));
	r->patterns = patterns;
	r->newest = r->oldest = NONE;
	if (!make_contexts(r))
		return NULL;
	r->ready = true;
	regex_refill(r);
	return r;
}

/* --- patterns --------------------------------------------------------------------------------- */

static bool compile(struct regex *r, uint32_t index, const struct regex_pattern *p, int *error,
		    size_t *place)
{
	struct entry *e = &r->entry[index];
	uint32_t flags = 0;

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (p->options & options[i].ours)
			flags |= options[i].theirs;
	r->stats.compiled++;
	e->code = pcre2_compile(p->text, p->len, flags, error, place, r->compile);
	if (!e->code)
		return false;
	make_newest(r, index);
	return true;
}

bool regex_prepare(struct regex *r, uint32_t index, const struct regex_pattern *p, int *error,
		   size_t *at)
{
	int why = 0;
	size_t place = 0;
	bool ok;

	if (index >= r->patterns)
		return false;
	if (r->entry[index].code)
		return true;
	r->keep = true;
	ok = compile(r, index, p, &why, &place);
	r->keep = false;
	if (error)
		*error = ok || why == PCRE2_ERROR_HEAP_FAILED ? 0 : why;
	if (at)
		*at = place;
	return ok;
}

void regex_message(int error, char *out, size_t size)
{
	if (pcre2_get_error_message(error, (PCRE2_UCHAR *)out, size) < 0)
		out[0] = '\0';
}

/* --- searches --------------------------------------------------------------------------------- */

void regex_refill(struct regex *r)
{
	r->work.left = REGEX_WORK_LIMIT;
}

static bool pay(struct regex *r, size_t units)
{
	bool enough = units <= r->work.left;

	r->work.left = enough ? r->work.left - units : 0;
	return enough;
}

/* The compiled pattern, the latest used one from now on; NULL: can't be had. */
static const pcre2_code *code_of(struct regex *r, uint32_t index, const struct regex_pattern *p)
{
	struct entry *e = &r->entry[index];
	int error;
	size_t place;

	if (e->code) {
		unlink_entry(r, index);
		make_newest(r, index);
		return e->code;
	}
	if (e->refused || !pay(r, REGEX_WORK_COMPILE(p->len)))
		return NULL;
	/* All others were thrown out before it failed: another time it would fail as well. */
	if (!compile(r, index, p, &error, &place))
		e->refused = true;
	return e->code;
}

/* `groups`: PCRE2's result: how many spans it has set, 0: more than there is room for. */
static void set_spans(const struct regex *r, uint32_t len, int groups, struct regex_span span[2])
{
	const size_t *o = pcre2_get_ovector_pointer(r->data);

	for (int i = 0; i < 2; i++) {
		/* \K can put the begin of a match behind its end. */
		bool set = (groups == 0 || i < groups) && o[2 * i] <= len && o[2 * i + 1] <= len &&
			   o[2 * i] <= o[2 * i + 1];

		span[i].from = set ? (uint32_t)o[2 * i] : REGEX_UNSET;
		span[i].to = set ? (uint32_t)o[2 * i + 1] : REGEX_UNSET;
	}
	if (span[0].from == REGEX_UNSET)
		span[0] = (struct regex_span){len, len};
}

enum regex_result regex_search(struct regex *r, uint32_t index, const struct regex_pattern *p,
			       const uint8_t *data, uint32_t len, uint32_t from, bool begin,
			       struct regex_span span[2])
{
	const pcre2_code *code = NULL;
	int rc;

	r->stats.searches++;
	if (!begin && p->options & REGEX_ANCHORED)
		return REGEX_NO;
	if (index < r->patterns && from <= len && pay(r, REGEX_WORK_SEARCH))
		code = code_of(r, index, p);
	if (!code) {
		r->stats.limits++;
		return REGEX_LIMIT;
	}
	if (!len)
		data = (const uint8_t *)""; /* may have been NULL */
	r->work.at = data + from;
	rc = pcre2_match(code, data, len, from, begin ? 0 : PCRE2_NOTBOL, r->data, r->match);
	if (rc == PCRE2_ERROR_NOMATCH)
		return REGEX_NO;
	if (rc < 0) {
		r->stats.limits++;
		return REGEX_LIMIT;
	}
	set_spans(r, len, rc, span);
	return REGEX_MATCH;
}

const struct regex_stats *regex_stats(const struct regex *r)
{
	return &r->stats;
}

size_t regex_used(const struct regex *r)
{
	return r->cache.used;
}
