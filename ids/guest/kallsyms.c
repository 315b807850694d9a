/* The kernel's own symbol table (Linux: scripts/kallsyms.c writes it, kernel/kallsyms.c reads it),
 * found by its structure and copied.
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

#define STRIDE	      32 /* a run of 26 letters holds a whole aligned block of so many bytes */
#define GROUP	      256
#define SYMBOLS_MIN   1000u
#define SYMBOLS_MAX   (1u << 19)
#define GROUP_MIN     (GROUP * 2)
#define GROUP_MAX     32768
#define MARKERS_FAR   (3u * SYMBOLS_MAX) /* bytes below the token table */
#define FALSE_MARKERS 4
#define LAST_MAX      32768 /* bytes of the names behind the last marker */
#define INDEX_COST    32    /* of the budget, for a symbol */
#define SYMBOL_BITS   20
#define SYMBOL_MASK   ((1u << SYMBOL_BITS) - 1)
#define HASH_BASE     0x01000193u

static uint64_t align8(uint64_t v)
{
	return (v + 7) & ~7ull;
}

/* --- names
 * ---------------------------------------------------------------------------------------- */

/* One name at `at`: its number of tokens, and where they begin. False: it leaves the table. Lengths
 * of 128 and more take two bytes (since 6.1). */
static bool name_tokens(const uint8_t *names, uint32_t size, uint32_t *at, uint32_t *len)
{
	if (*at >= size)
		return false;
	*len = names[(*at)++];
	if (*len & 0x80) {
		if (*at >= size)
			return false;
		*len = (*len & 0x7f) | (uint32_t)names[(*at)++] << 7;
	}
	return *len > 0 && *len <= size - *at;
}

/* The text of the name at `at`, without the type that is its first character. */
static bool expand(const struct kallsyms *s, uint32_t at, char name[KERNEL_NAME_MAX])
{
	uint32_t len, n = 0;
	bool type = true;

	if (!name_tokens(s->names, s->names_size, &at, &len))
		return false;
	for (uint32_t i = 0; i < len; i++) {
		for (const char *c = s->tokens + s->token[s->names[at + i]]; *c; c++) {
			if (type) {
				type = false;
				continue;
			}
			if (n < KERNEL_NAME_MAX - 1)
				name[n++] = *c;
		}
	}
	name[n] = 0;
	return true;
}

/* Where the name of a symbol begins. */
static bool name_place(const struct kallsyms *s, uint32_t symbol, uint32_t *place)
{
	uint32_t at = s->group[symbol / GROUP], len;

	for (uint32_t i = 0; i < symbol % GROUP; i++) {
		if (!name_tokens(s->names, s->names_size, &at, &len))
			return false;
		at += len;
	}
	*place = at;
	return true;
}

/* A polynomial over the characters: of two strings together it follows from those of both, so that
 * each token's is worked out once. */
struct token_hash {
	uint32_t hash, power;	   /* of the token */
	uint32_t tail, tail_power; /* of the token without its first character */
};

static uint32_t hash_text(const char *text, uint32_t *power)
{
	uint32_t hash = 0;

	*power = 1;
	for (; *text; text++) {
		hash = hash * HASH_BASE + (uint8_t)*text;
		*power *= HASH_BASE;
	}
	return hash;
}

static uint32_t mixed(uint32_t hash)
{
	hash ^= hash >> 15;
	hash *= 0x2c1b3c6du;
	return hash ^ hash >> 12;
}

uint64_t kallsyms_address(const struct kallsyms *s, uint32_t symbol)
{
	int32_t off = s->offset[symbol];

	if (s->plain_offsets)
		return s->relative_base + (uint32_t)off;
	/* Negative: relative to the base; else absolute, as per-CPU variables are. */
	return off >= 0 ? (uint64_t)off : s->relative_base - 1 - (uint64_t)(int64_t)off;
}

uint64_t kallsyms_find(const struct kallsyms *s, const char *name)
{
	uint32_t power, hash = mixed(hash_text(name, &power));
	char found[KERNEL_NAME_MAX];

	for (uint32_t i = 0; s->index && i < s->slots; i++) {
		uint32_t entry = s->index[(hash + i) & (s->slots - 1)], place;
		if (!entry)
			break;
		if (entry >> SYMBOL_BITS == hash >> SYMBOL_BITS &&
		    name_place(s, (entry & SYMBOL_MASK) - 1, &place) && expand(s, place, found) &&
		    strcmp(found, name) == 0)
			return kallsyms_address(s, (entry & SYMBOL_MASK) - 1);
	}
	return 0;
}

bool kallsyms_at(const struct kallsyms *s, uint64_t va, char name[KERNEL_NAME_MAX],
		 uint64_t *offset)
{
	uint32_t low = 0, high = s->count, place;

	/* Sorted by address, absolute ones first. */
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (kallsyms_address(s, mid) <= va)
			low = mid + 1;
		else
			high = mid;
	}
	/* Of several at one address the first. */
	while (low > 1 && kallsyms_address(s, low - 2) == kallsyms_address(s, low - 1))
		low--;
	if (!low || !name_place(s, low - 1, &place) || !expand(s, place, name))
		return false;
	*offset = va - kallsyms_address(s, low - 1);
	return true;
}

/* --- finding the token table
 * ---------------------------------------------------------------------- */

/* Do these 8 bytes belong to a run of letters with zeros between? Then which letter comes first,
 * and at which of the first two bytes. */
static bool letter_run(uint64_t word, uint32_t *letter, uint32_t *at)
{
	const uint64_t steps = 0x0003000200010000ull, ones = 0x0001000100010001ull;

	*at = (word & 0xff) == 0;
	if (*at)
		word = (word >> 8) & 0x00ffffffffffffffull;
	if (word & 0xff00ff00ff00ff00ull)
		return false;
	*letter = (uint32_t)(word & 0xff);
	if (*letter < 'a' || *letter > 'w')
		return false;
	return word == steps + *letter * ones;
}

/* The whole table, from the place of its "a" on. */
static bool take_tokens(struct kernel *k, uint64_t a)
{
	struct kallsyms *s = &k->sym;
	char *text = (char *)k->buffer;
	uint32_t at = 0;
	uint16_t index[256];

	for (uint32_t i = 0; i < 26; i++)
		if (text[2 * i] != (char)('a' + i) || text[2 * i + 1])
			return false;
	for (uint32_t i = 'a'; i < 256; i++) {
		const char *end = memchr(text + at, 0, BUFFER / 2 - at);
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
		s->token_bytes = total;
		k->at = a - index['a'];
		k->names_va = place + sizeof(index); /* what follows, for the offsets */
		return true;
	}
	return false;
}

static void find_tokens(struct kernel *k, uint32_t budget)
{
	for (uint32_t done = 0; done < budget; done += BUFFER) {
		uint64_t words[STRIDE / 8];
		uint64_t piece = k->at, limit = k->wrapped ? k->lstar : k->image.end;
		uint32_t n = limit - piece < BUFFER ? (uint32_t)(limit - piece) : BUFFER;

		if (piece >= limit) {
			if (k->wrapped) {
				kernel_end(k, KERNEL_UNKNOWN, "no kallsyms in the kernel image");
				return;
			}
			k->wrapped = true;
			k->at = k->image.base;
			continue;
		}
		k->at += n;
		if (image_read(k, piece, k->buffer, n))
			continue; /* a hole, where memory of init was given back */
		for (uint32_t off = 0; off + STRIDE <= n; off += STRIDE) {
			uint32_t letter, where;
			memcpy(words, k->buffer + off, 8);
			if (!letter_run(words[0], &letter, &where))
				continue;
			uint64_t a = piece + off + where - 2 * (letter - 'a');
			if (image_read(k, a, k->buffer, BUFFER / 2) == 0 && take_tokens(k, a)) {
				k->step = STEP_TABLES;
				return;
			}
			if (image_read(k, piece, k->buffer, n))
				break;
		}
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
	for (uint32_t i = 0; i < GROUP; i++) {
		if (!name_tokens(k->buffer, first_group, &at, &len))
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

/* How many markers begin at `va`; they stay in the buffer. */
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
 * in between, 3 bytes for each (6.2 to 6.3, and 6.1's stable branch). One piece of the search for
 * them, downwards from k->at. 0: not there. */
static uint32_t find_markers(struct kernel *k, uint64_t tokens, uint64_t *begin)
{
	uint64_t piece = k->scan - BUFFER;
	uint32_t words[BUFFER / 4];

	k->scan = piece;
	if (image_read(k, piece, words, sizeof(words)))
		return 0;
	for (uint32_t i = BUFFER / 4 - 2; i < BUFFER / 4; i -= 2) {
		uint32_t n;
		if (words[i] || !marks(0, words[i + 1]))
			continue;
		n = count_markers(k, piece + i * 4ull, tokens);
		if (n >= SYMBOLS_MIN / GROUP) {
			*begin = piece + i * 4ull;
			return n;
		}
	}
	return 0;
}

/* The number of symbols lies right before the names, which end where the markers begin. */
static bool find_names(struct kernel *k, uint64_t markers, uint32_t groups, uint32_t second,
		       uint32_t last, uint64_t *names)
{
	uint64_t top = (markers - last) & ~7ull;

	for (uint64_t at = top; at > top - LAST_MAX; at -= 8) {
		uint64_t count;
		if (image_read(k, at - 8, &count, 8))
			return false;
		if (count < SYMBOLS_MIN || count > SYMBOLS_MAX ||
		    (count + GROUP - 1) / GROUP != groups || !names_fit(k, at, second))
			continue;
		k->sym.count = (uint32_t)count;
		k->sym.names_size = (uint32_t)(markers - at);
		*names = at;
		return true;
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

static bool allocate(struct kernel *k, uint32_t groups)
{
	struct kallsyms *s = &k->sym;

	/* Up to nine of ten slots are taken. */
	for (s->slots = 1024; s->slots / 10 * 9 < s->count; s->slots *= 2)
		;
	s->offset = kernel_take(k, s->count * sizeof(*s->offset));
	s->group = kernel_take(k, groups * sizeof(*s->group));
	s->names = kernel_take(k, s->names_size);
	s->index = kernel_take(k, s->slots * sizeof(*s->index));
	return s->offset && s->group && s->names && s->index;
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
	uint64_t markers = 0, names = 0, offsets = 0;
	uint32_t groups = 0;

	if (!k->scan)
		k->scan = (k->at + 7) & ~7ull;
	for (uint32_t done = 0; done < budget && !groups; done += BUFFER) {
		if (k->scan < k->image.base + BUFFER || k->at - k->scan > MARKERS_FAR) {
			kernel_end(k, KERNEL_UNKNOWN, "kallsyms in a layout that is not known");
			return;
		}
		groups = find_markers(k, k->at, &markers);
		if (groups && !tables_around(k, markers, &groups, &names, &offsets))
			groups = 0;
	}
	if (!groups)
		return; /* to be continued */
	if (!allocate(k, groups)) {
		kernel_end(k, KERNEL_UNKNOWN, "kallsyms too large");
		return;
	}
	if (image_read(k, offsets, s->offset, s->count * sizeof(*s->offset)) ||
	    image_read(k, markers, s->group, groups * sizeof(*s->group))) {
		kernel_end(k, KERNEL_UNKNOWN, "kallsyms reach out of the image");
		return;
	}
	/* With absolute symbols most offsets are negative. */
	uint32_t negative = 0;
	for (uint32_t i = 0; i < s->count; i += 64)
		negative += s->offset[i] < 0;
	s->plain_offsets = negative < s->count / 128;
	k->names_va = names;
	k->name_at = 0;
	k->step = STEP_NAMES;
}

static void copy_names(struct kernel *k, uint32_t budget)
{
	struct kallsyms *s = &k->sym;
	uint32_t n = s->names_size - k->name_at < budget ? s->names_size - k->name_at : budget;

	if (image_read(k, k->names_va + k->name_at, s->names + k->name_at, n)) {
		kernel_end(k, KERNEL_UNKNOWN, "kallsyms reach out of the image");
		return;
	}
	k->name_at += n;
	if (k->name_at < s->names_size)
		return;
	k->name_at = 0;
	k->symbol = 0;
	k->step = STEP_INDEX;
}

/* Index some names; markers are checked on the way, so that all places are good afterwards. */
static void index_names(struct kernel *k, uint32_t budget)
{
	struct kallsyms *s = &k->sym;
	struct token_hash token[256];

	for (uint32_t i = 0; i < 256; i++) {
		const char *text = s->tokens + s->token[i];
		token[i].hash = hash_text(text, &token[i].power);
		token[i].tail = hash_text(text + (*text != 0), &token[i].tail_power);
	}
	for (uint32_t done = 0; done < budget && k->symbol < s->count;
	     done += INDEX_COST, k->symbol++) {
		uint32_t len, hash, slot;

		if ((k->symbol % GROUP == 0 && s->group[k->symbol / GROUP] != k->name_at) ||
		    !name_tokens(s->names, s->names_size, &k->name_at, &len)) {
			kernel_end(k, KERNEL_UNKNOWN, "kallsyms' names and markers disagree");
			return;
		}
		const uint8_t *t = s->names + k->name_at;
		k->name_at += len;
		hash = token[t[0]].tail;
		for (uint32_t i = 1; i < len; i++)
			hash = hash * token[t[i]].power + token[t[i]].hash;
		hash = mixed(hash);
		for (slot = hash; s->index[slot & (s->slots - 1)]; slot++)
			;
		s->index[slot & (s->slots - 1)] = (k->symbol + 1) | (hash & ~SYMBOL_MASK);
	}
	if (k->symbol == s->count)
		k->step = STEP_BTF_TYPES;
}

void kallsyms_step(struct kernel *k, uint32_t budget)
{
	switch (k->step) {
	case STEP_TOKENS:
		find_tokens(k, budget);
		break;
	case STEP_TABLES:
		find_tables(k, budget);
		break;
	case STEP_NAMES:
		copy_names(k, budget);
		break;
	default:
		index_names(k, budget);
	}
}
