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
#define NAME_TOKENS   512   /* of a name at most (KSYM_NAME_LEN since 6.1) */
#define PROBES_MAX    8192  /* slots of the index that a name may have to pass */
#define MATCHES_MAX   64    /* names that are looked at for one that is asked for */
#define BACK_MAX      64    /* symbols at one address */
/* Of the budget: */
#define INDEX_COST    32	   /* a symbol */
#define RUN_COST      256	   /* letters that may be a token table */
#define TOKENS_COST   2048	   /* a token table looked at */
#define TABLES_COST   (6 * BUFFER) /* markers looked at */
#define TABLES_MAX    256	   /* so often */
#define COUNTS_MAX    16 /* numbers that may be that of the symbols, for one table of markers */
#define SYMBOL_BITS   20
#define SYMBOL_MASK   ((1u << SYMBOL_BITS) - 1)

static uint64_t align8(uint64_t v)
{
	return (v + 7) & ~7ull;
}

/* --- names
 * ---------------------------------------------------------------------------------------- */

/* One name at `at`: its number of tokens, and where they begin. False: it leaves the table. Lengths
 * of 128 and more take two bytes (since 6.1). */
static inline bool name_tokens(const uint8_t *names, uint32_t size, uint32_t *at, uint32_t *len)
{
	if (*at >= size)
		return false;
	*len = names[(*at)++];
	if (*len & 0x80) {
		if (*at >= size)
			return false;
		*len = (*len & 0x7f) | (uint32_t)names[(*at)++] << 7;
	}
	return *len > 0 && *len <= NAME_TOKENS && *len <= size - *at;
}

/* The text of the name at `at`, without the type that is its first character. */
static bool expand(const struct kallsyms *s, uint32_t at, char name[KERNEL_NAME_MAX])
{
	uint32_t len, n = 0;
	bool type = true;

	if (!name_tokens(s->names, s->names_size, &at, &len))
		return false;
	for (uint32_t i = 0; i < len && n < KERNEL_NAME_MAX - 1; i++) {
		const char *c = s->tokens + s->token[s->names[at + i]];
		for (; *c && n < KERNEL_NAME_MAX - 1; c++) {
			if (!type)
				name[n++] = *c;
			type = false;
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

/* The hash of a name is the sum of something for each character, whatever their order: so that of a
 * token is worked out once, and a name costs one addition for each of its tokens. */
static uint32_t hash_text(const char *text)
{
	uint32_t hash = 0;

	for (; *text; text++) {
		uint32_t c = (uint8_t)*text * 0x9e3779b1u;
		c = (c ^ c >> 15) * 0x85ebca77u;
		hash += c ^ c >> 13;
	}
	return hash;
}

/* How names begin that nobody asks for: the padding before functions, a third of all names since
 * 6.2; what is told about exported symbols; and what there are hundreds of with one name. */
static bool is_idle(const char *text)
{
	static const char *const starts[] = {"__pfx_", "__ksymtab_", "__func__", "__UNIQUE_ID_"};

	for (uint32_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (strncmp(text, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

static void hash_tokens(struct kallsyms *s)
{
	for (uint32_t i = 0; i < 256; i++) {
		const char *text = s->tokens + s->token[i], *first = text + (*text != 0);
		s->token_hash[i] = hash_text(text);
		s->first_hash[i] = hash_text(first);
		s->idle[i] = is_idle(first);
	}
}

/* Of the tokens of a name; the type is left out. */
static inline uint32_t hash_name(const struct kallsyms *s, const uint8_t *token, uint32_t len)
{
	const uint8_t *end = token + len;
	uint32_t hash = s->first_hash[*token++];

	for (; end - token >= 4; token += 4)
		hash += s->token_hash[token[0]] + s->token_hash[token[1]] +
			s->token_hash[token[2]] + s->token_hash[token[3]];
	for (; token < end; token++)
		hash += s->token_hash[*token];
	return hash;
}

static uint32_t mixed(uint32_t hash)
{
	hash ^= hash >> 15;
	hash *= 0x2c1b3c6du;
	return hash ^ hash >> 12;
}

/* Between the slots that a name may have: of one name there may be hundreds, which would stand in
 * the way of others if they were side by side. Odd, so that all slots are met. */
static uint32_t stride(uint32_t hash)
{
	return hash >> 9 | 1;
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
	uint32_t hash = mixed(hash_text(name)), matches = 0;
	char found[KERNEL_NAME_MAX];

	for (uint32_t i = 0; s->index && i < PROBES_MAX; i++) {
		uint32_t entry = s->index[(hash + i * stride(hash)) & (s->slots - 1)], place;
		if (!entry)
			break;
		if (entry >> SYMBOL_BITS != hash >> SYMBOL_BITS)
			continue;
		if (name_place(s, (entry & SYMBOL_MASK) - 1, &place) && expand(s, place, found) &&
		    strcmp(found, name) == 0)
			return kallsyms_address(s, (entry & SYMBOL_MASK) - 1);
		if (++matches == MATCHES_MAX)
			break;
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
	for (uint32_t i = 0; i < BACK_MAX && low > 1; i++, low--)
		if (kallsyms_address(s, low - 2) != kallsyms_address(s, low - 1))
			break;
	if (!low || !name_place(s, low - 1, &place) || !expand(s, place, name))
		return false;
	*offset = va - kallsyms_address(s, low - 1);
	return true;
}

/* --- finding the token table
 * ---------------------------------------------------------------------- */

/* Do these 8 bytes belong to a run of letters with zeros between? Then which letter comes first,
 * and at which of the first two bytes. */
static inline bool letter_run(uint64_t word, uint32_t *letter, uint32_t *at)
{
	const uint64_t steps = 0x0003000200010000ull, ones = 0x0001000100010001ull;

	*at = 0;
	if (word & 0xff00ff00ff00ff00ull) {
		if (word & 0x00ff00ff00ff00ffull)
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
		hash_tokens(s);
		k->at = a - index['a'];
		k->names_va = place + sizeof(index); /* what follows, for the offsets */
		return true;
	}
	return false;
}

/* Look for the table in a page of the image, `n` bytes at k->at. How far it came: less than `n`
 * when it is found, or the budget used up. */
static uint32_t scan_page(struct kernel *k, const volatile uint64_t *page, uint32_t n,
			  uint32_t budget, uint32_t *done)
{
	for (uint32_t off = 0; off < n; off += STRIDE) {
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
			return n >= SYMBOLS_MIN / GROUP ? n : 1;
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
			    (count + GROUP - 1) / GROUP != groups)
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
	if (!allocate(k, groups)) {
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

/* A piece of a table. True: that was the last one. */
static bool copy_table(struct kernel *k, uint64_t va, void *table, uint32_t size, uint32_t budget)
{
	uint32_t n = size - k->copied < budget ? size - k->copied : budget;

	if (image_read(k, va + k->copied, (uint8_t *)table + k->copied, n)) {
		kernel_end(k, KERNEL_UNKNOWN, "kallsyms reach out of the image");
		return false;
	}
	k->copied += n;
	if (k->copied < size)
		return false;
	k->copied = 0;
	return true;
}

static void copy_offsets(struct kernel *k, uint32_t budget)
{
	struct kallsyms *s = &k->sym;

	if (!copy_table(k, k->at, s->offset, s->count * (uint32_t)sizeof(*s->offset), budget))
		return;
	/* With absolute symbols most offsets are negative. */
	uint32_t negative = 0;
	for (uint32_t i = 0; i < s->count; i += 64)
		negative += s->offset[i] < 0;
	s->plain_offsets = negative < s->count / 128;
	k->step = STEP_NAMES;
}

static void copy_names(struct kernel *k, uint32_t budget)
{
	struct kallsyms *s = &k->sym;

	if (!copy_table(k, k->names_va, s->names, s->names_size, budget))
		return;
	k->name_at = 0;
	k->symbol = 0;
	k->step = STEP_INDEX;
}

/* Index some names; markers are checked on the way, so that all places are good afterwards. */
static void index_names(struct kernel *k, uint32_t budget)
{
	struct kallsyms *s = &k->sym;
	uint32_t at = k->name_at, symbol = k->symbol, mask = s->slots - 1, len, probes = 0;
	uint32_t *index = s->index;

	for (uint32_t done = 0; done < budget && symbol < s->count; done += INDEX_COST, symbol++) {
		if ((symbol % GROUP == 0 && s->group[symbol / GROUP] != at) ||
		    !name_tokens(s->names, s->names_size, &at, &len)) {
			kernel_end(k, KERNEL_UNKNOWN, "kallsyms' names and markers disagree");
			return;
		}
		const uint8_t *token = s->names + at;
		at += len;
		if (s->idle[token[0]])
			continue;
		uint32_t hash = mixed(hash_name(s, token, len)), slot = hash & mask;
		for (probes = 0; index[slot]; slot = (slot + stride(hash)) & mask) {
			if (++probes == PROBES_MAX) {
				kernel_end(k, KERNEL_UNKNOWN, "kallsyms' names are too much alike");
				return;
			}
		}
		done += probes;
		index[slot] = (symbol + 1) | (hash & ~SYMBOL_MASK);
	}
	k->name_at = at;
	k->symbol = symbol;
	if (symbol == s->count)
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
	case STEP_OFFSETS:
		copy_offsets(k, budget);
		break;
	case STEP_NAMES:
		copy_names(k, budget);
		break;
	default:
		index_names(k, budget);
	}
}
