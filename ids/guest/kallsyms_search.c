/* The kernel's own symbol table (Linux: scripts/kallsyms.c writes it, kernel/kallsyms.c reads it),
 * found by its structure.
 *
 * Names are sequences of tokens: a table of 256 strings, in which each character that occurs in a
 * name stands for itself at the place of its code; so "a", "b", ... "z" follow each other, which
 * hardly anything else does. Around it lie, in this order: [offsets, relative base,] number of
 * symbols, names, markers, token table, token index [, offsets, relative base]: the offsets came
 * first until 6.3.
 */
#include <string.h>

#include "hv/errno.h"
#include "ids/guest/kernel_impl.h"

#define ODD_BYTES     0xff00ff00ff00ff00ull
#define EVEN_BYTES    0x00ff00ff00ff00ffull
#define STRIDE	      32 /* a run of 26 letters holds a whole aligned block of so many bytes */
#define SYMBOLS_MIN   1000u
#define SYMBOLS_MAX   (1u << 19)
#define GROUP_MIN     (KALLSYMS_GROUP * 2)
#define GROUP_MAX     32768
#define MARKERS_FAR   (3u * SYMBOLS_MAX) /* bytes below the token table */
#define FALSE_MARKERS 4
#define LAST_MAX      32768 /* bytes of the names behind the last marker */
#define TABLES_MAX    256   /* so often markers are looked at */
#define COUNTS_MAX    16    /* numbers that may be that of the symbols, for one table of markers */
/* Of the budget: */
#define RUN_COST      256	   /* letters that may be a token table */
#define TOKENS_COST   2048	   /* a token table looked at */
#define TABLES_COST   (6 * BUFFER) /* markers looked at */

static uint64_t align8(uint64_t v)
{
	return (v + 7) & ~7ull;
}

/* --- the token table
 * ------------------------------------------------------------------------------------ */

/* Do these 8 bytes belong to a run of letters with zeros between? Then which letter comes first,
 * and at which of the first two bytes. */
static inline bool letter_run(uint64_t word, uint32_t *letter, uint32_t *at)
{
	const uint64_t steps = 0x0003000200010000ull, ones = 0x0001000100010001ull;

	*at = 0;
	if (word & ODD_BYTES) {
		if (word & EVEN_BYTES)
			return false;
		*at = 1;
		word >>= 8;
	}
	*letter = (uint32_t)(word & 0xff);
	return *letter >= 'a' && *letter <= 'w' && word == steps + *letter * ones;
}

/* Do the letters from "a" to "z" lie there? */
static bool whole_run(const struct kernel *k, uint64_t a)
{
	char text[2 * 26];

	if (image_read(k, a, text, sizeof(text)))
		return false;
	for (uint32_t i = 0; i < 26; i++)
		if (text[2 * i] != (char)('a' + i) || text[2 * i + 1])
			return false;
	return true;
}

/* The whole table, from the place of its "a" on. */
static bool take_tokens(struct kernel *k, uint64_t a)
{
	struct kallsyms *s = &k->sym;
	char text[sizeof(s->tokens)];
	uint32_t at = 0;
	uint16_t index[256];

	if (image_read(k, a, text, sizeof(text)))
		return false;
	for (uint32_t i = 'a'; i < 256; i++) {
		const char *end = memchr(text + at, 0, sizeof(text) - at);
		if (!end)
			return false;
		at = (uint32_t)(end - text) + 1;
	}
	for (uint64_t align = 8; align >= 2; align /= 2) {
		uint64_t place = (a + at + align - 1) & ~(align - 1);
		if (image_read(k, place, index, sizeof(index)))
			return false;
		uint32_t total = index['a'] + at;
		if (index[0] || index['a'] < 2 || total > sizeof(s->tokens) ||
		    image_read(k, a - index['a'], s->tokens, total))
			continue;
		uint32_t i = 0;
		for (uint32_t next = 0; i < 256; i++) {
			if (index[i] != next || next >= total)
				break;
			next += (uint32_t)strnlen(s->tokens + next, total - next) + 1;
			s->token[i] = index[i];
		}
		if (i < 256 || s->tokens[total - 1])
			continue;
		kallsyms_hash_tokens(s);
		k->at = a - index['a'];
		k->names_va = place + sizeof(index); /* what follows, for the offsets */
		return true;
	}
	return false;
}

/* The first place from `off` on at which a word may be part of a run; `n`: none. */
static inline uint32_t next_run(const volatile uint64_t *page, uint32_t off, uint32_t n)
{
	const volatile uint64_t *at = page + off / 8, *end = page + n / 8;

	for (; at < end; at += STRIDE / 8) {
		uint64_t word = *at;
		if (!(word & ODD_BYTES) || !(word & EVEN_BYTES))
			return (uint32_t)((at - page) * 8);
	}
	return n;
}

/* Look for the table in a page of the image, `n` bytes at k->at. How far it came: less than `n`
 * when it is found, or the budget used up. */
static uint32_t scan_page(struct kernel *k, const volatile uint64_t *page, uint32_t n,
			  uint32_t budget, uint32_t *done)
{
	for (uint32_t off = 0; (off = next_run(page, off, n)) < n; off += STRIDE) {
		uint32_t letter, where;
		if (!letter_run(page[off / 8], &letter, &where))
			continue;
		uint64_t a = k->at + off + where - 2 * (letter - 'a');
		*done += RUN_COST;
		if (whole_run(k, a)) {
			*done += TOKENS_COST;
			if (take_tokens(k, a)) {
				k->step = STEP_TABLES;
				return off;
			}
		}
		if (*done >= budget)
			return off + STRIDE;
	}
	return n;
}

static void find_tokens(struct kernel *k, uint32_t budget)
{
	for (uint32_t done = 0; done < budget && k->step == STEP_TOKENS;) {
		uint64_t limit = k->wrapped ? k->lstar : k->image.end;
		uint32_t off = k->at & (GMEM_PAGE - 1), n = GMEM_PAGE - off;

		if (k->at >= limit) { /* both are whole pages */
			if (k->wrapped) {
				kernel_end(k, KERNEL_UNKNOWN, "no kallsyms in the kernel image");
				return;
			}
			k->wrapped = true;
			k->at = k->image.base;
			continue;
		}
		done += n;
		/* There may be a hole, where memory of init was given back. */
		const volatile uint64_t *page =
			gmem_page(&k->ops.mem, k->at - off + k->image.delta);
		if (page)
			n = scan_page(k, page + off / 8, n, budget, &done);
		if (k->step == STEP_TOKENS)
			k->at += n;
	}
}

/* --- the other tables
 * ----------------------------------------------------------------------------- */

/* The first names take as many bytes as the second marker says. */
static bool names_fit(struct kernel *k, uint64_t names, uint32_t first_group)
{
	uint32_t at = 0, len;

	if (first_group > BUFFER || image_read(k, names, k->buffer, first_group))
		return false;
	for (uint32_t i = 0; i < KALLSYMS_GROUP; i++) {
		if (!kallsyms_name(k->buffer, first_group, &at, &len))
			return false;
		at += len;
	}
	return at == first_group;
}

/* Each marker is the place of the 256th name after the one before; the first is 0. */
static bool marks(uint32_t before, uint32_t marker)
{
	return marker > before && marker - before >= GROUP_MIN && marker - before <= GROUP_MAX;
}

/* How many markers begin at `va`. */
static uint32_t count_markers(struct kernel *k, uint64_t va, uint64_t tokens)
{
	const uint32_t *m = (const uint32_t *)(const void *)k->buffer;
	uint32_t room = tokens - va < BUFFER ? (uint32_t)(tokens - va) : BUFFER, n = 1;

	if (image_read(k, va, k->buffer, room) || room < 8 || m[0])
		return 0;
	while (n < room / 4 && marks(m[n - 1], m[n]))
		n++;
	return n;
}

/* Markers lie before the token table: right before it, or with the order of the names by their text
 * in between, 3 bytes for each (6.2 to 6.3, and 6.1's stable branch). Look for the next place that
 * may be theirs in the piece below k->scan, and set that to where to go on. 0: none in this piece.
 */
static uint32_t find_markers(struct kernel *k, uint64_t tokens)
{
	uint64_t piece = k->scan - BUFFER;
	uint32_t words[BUFFER / 4], n;

	if (!image_read(k, piece, words, sizeof(words))) {
		for (uint32_t i = BUFFER / 4 - 2; i < BUFFER / 4; i -= 2) {
			if (words[i] || !marks(0, words[i + 1]) ||
			    (i + 2 < BUFFER / 4 && !marks(words[i + 1], words[i + 2])))
				continue;
			k->scan = piece + i * 4ull;
			n = count_markers(k, k->scan, tokens);
			return n >= SYMBOLS_MIN / KALLSYMS_GROUP ? n : 1;
		}
	}
	k->scan = piece;
	return 0;
}

/* The number of symbols lies right before the names, which end where the markers begin. */
static bool find_names(struct kernel *k, uint64_t markers, uint32_t groups, uint32_t second,
		       uint32_t last, uint64_t *names)
{
	uint64_t top = (markers - last) & ~7ull, words[BUFFER / 8];
	uint32_t counts = 0;

	for (uint64_t piece = top - BUFFER; piece >= top - LAST_MAX; piece -= BUFFER) {
		if (image_read(k, piece, words, sizeof(words)))
			return false;
		for (uint32_t i = BUFFER / 8; i-- > 0;) {
			uint64_t count = words[i], at = piece + i * 8ull + 8;
			if (count < SYMBOLS_MIN || count > SYMBOLS_MAX ||
			    (count + KALLSYMS_GROUP - 1) / KALLSYMS_GROUP != groups)
				continue;
			if (names_fit(k, at, second)) {
				k->sym.count = (uint32_t)count;
				k->sym.names_size = (uint32_t)(markers - at);
				*names = at;
				return true;
			}
			if (++counts == COUNTS_MAX)
				return false;
		}
	}
	return false;
}

/* Offsets and base: before the number of symbols, or behind the token index. */
static bool find_offsets(struct kernel *k, uint64_t names, uint64_t behind, uint64_t *offsets)
{
	struct kallsyms *s = &k->sym;
	uint64_t bytes = align8(s->count * 4ull);
	uint64_t before = names - 16 - bytes, after = align8(behind);
	uint64_t base;

	if (!image_read(k, names - 16, &base, 8) && base >= k->image.base && base < k->image.end) {
		*offsets = before;
	} else if (!image_read(k, after + bytes, &base, 8) && base >= k->image.base &&
		   base < k->image.end) {
		*offsets = after;
	} else {
		return false;
	}
	s->relative_base = base;
	return true;
}

/* The other tables, with the markers at hand. What follows the markers may look like some more. */
static bool tables_around(struct kernel *k, uint64_t markers, uint32_t *groups, uint64_t *names,
			  uint64_t *offsets)
{
	for (uint32_t i = 0; i<FALSE_MARKERS && * groups> 1; i++, --*groups) {
		uint32_t second, last;
		if (image_read(k, markers + 4, &second, 4) ||
		    image_read(k, markers + (*groups - 1) * 4ull, &last, 4))
			return false;
		if (find_names(k, markers, *groups, second, last, names))
			return find_offsets(k, *names, k->names_va, offsets);
	}
	return false;
}

static void find_tables(struct kernel *k, uint32_t budget)
{
	struct kallsyms *s = &k->sym;
	uint64_t names = 0, offsets = 0;
	uint32_t groups = 0;

	if (!k->scan)
		k->scan = (k->at + 7) & ~7ull;
	for (uint32_t done = 0; done < budget && !names; done += BUFFER) {
		if (k->scan < k->image.base + BUFFER || k->at - k->scan > MARKERS_FAR ||
		    k->tries == TABLES_MAX) {
			kernel_end(k, KERNEL_UNKNOWN, "kallsyms in a layout that is not known");
			return;
		}
		groups = find_markers(k, k->at);
		if (groups > 1) {
			k->tries++;
			done += TABLES_COST;
			if (!tables_around(k, k->scan, &groups, &names, &offsets))
				names = 0;
		}
	}
	if (!names)
		return; /* to be continued */
	if (!kallsyms_allocate(k, groups)) {
		kernel_end(k, KERNEL_UNKNOWN, "kallsyms too large");
		return;
	}
	if (image_read(k, k->scan, s->group, groups * sizeof(*s->group))) {
		kernel_end(k, KERNEL_UNKNOWN, "kallsyms reach out of the image");
		return;
	}
	k->at = offsets;
	k->names_va = names;
	k->copied = 0;
	k->step = STEP_OFFSETS;
}

void kallsyms_search(struct kernel *k, uint32_t budget)
{
	if (k->step == STEP_TOKENS)
		find_tokens(k, budget);
	else
		find_tables(k, budget);
}
