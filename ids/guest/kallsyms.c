/* The kernel's own symbols: their copied tables, an index of the names, and what is asked of them.
 * Where the tables are: kallsyms_search.c. */
#include <string.h>

#include "hv/errno.h"
#include "ids/guest/kernel_impl.h"

#define INDEX_COST  32	 /* of the budget, for a symbol */
#define PROBES_MAX  1024 /* slots of the index that a name may have */
#define SAME_MAX    64	 /* of them with the same tag: more are one name again and again */
#define BACK_MAX    64	 /* symbols at one address */
#define SYMBOL_BITS 20
#define SYMBOL_MASK ((1u << SYMBOL_BITS) - 1)

/* --- names
 * ---------------------------------------------------------------------------------------- */

/* The text of the name at `at`, without the type that is its first character. */
static bool expand(const struct kallsyms *s, uint32_t at, char name[KERNEL_NAME_MAX])
{
	uint32_t len, n = 0;
	bool type = true;

	if (!kallsyms_name(s->names, s->names_size, &at, &len))
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
	uint32_t at = s->group[symbol / KALLSYMS_GROUP], len;

	for (uint32_t i = 0; i < symbol % KALLSYMS_GROUP; i++) {
		if (!kallsyms_name(s->names, s->names_size, &at, &len))
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

void kallsyms_hash_tokens(struct kallsyms *s)
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
		if (++matches == SAME_MAX)
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

/* --- copy and index
 * --------------------------------------------------------------------------------------- */

bool kallsyms_allocate(struct kernel *k, uint32_t groups)
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

/* A symbol goes into the first free slot that its name may have, unless those before are of that
 * name already. How many slots were passed. */
static inline uint32_t add_name(struct kallsyms *s, uint32_t hash, uint32_t symbol)
{
	uint32_t mask = s->slots - 1, slot = hash & mask, step = stride(hash), same = 0, n = 0;

	for (; s->index[slot]; slot = (slot + step) & mask) {
		same += (s->index[slot] ^ hash) >> SYMBOL_BITS == 0;
		if (same == SAME_MAX || ++n == PROBES_MAX)
			return n;
	}
	s->index[slot] = (symbol + 1) | (hash & ~SYMBOL_MASK);
	return n;
}

/* Index some names; markers are checked on the way, so that all places are good afterwards. */
static void index_names(struct kernel *k, uint32_t budget)
{
	struct kallsyms *s = &k->sym;
	uint32_t at = k->name_at, symbol = k->symbol, len;

	for (uint32_t done = 0; done < budget && symbol < s->count; done += INDEX_COST, symbol++) {
		if ((symbol % KALLSYMS_GROUP == 0 && s->group[symbol / KALLSYMS_GROUP] != at) ||
		    !kallsyms_name(s->names, s->names_size, &at, &len)) {
			kernel_end(k, KERNEL_UNKNOWN, "kallsyms' names and markers disagree");
			return;
		}
		const uint8_t *token = s->names + at;
		at += len;
		if (s->idle[token[0]])
			continue;
		uint32_t hash = mixed(hash_name(s, token, len));
		done += add_name(s, hash, symbol);
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
	case STEP_TABLES:
		kallsyms_search(k, budget);
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
