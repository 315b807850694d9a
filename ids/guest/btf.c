/* BTF, the kernel's description of its own types (Linux: include/uapi/linux/btf.h), read once at
 * the anchor for what wanted.h lists. */
#include <stdio.h>
#include <string.h>

#include "hv/errno.h"
#include "ids/guest/kernel_impl.h"

#define MAGIC	    0xeb9f
#define VERSION	    1
#define NAME	    64 /* bytes of a name that are looked at */
#define DEPTH	    12 /* of nesting, and of typedefs and qualifiers in a row */
#define MEMBERS_MAX 4096
#define WORDS_MAX   512	 /* enumerators of one enumeration that are looked at */
#define READS_MAX   4096 /* looks at BTF for one member; a hostile one may nest without end */
#define READ_COST   64	 /* of the budget, for such a look */
#define NOTICE_COST 256	 /* for a type whose name may be a wanted one */

enum kind {
	KIND_INT = 1,
	KIND_PTR,
	KIND_ARRAY,
	KIND_STRUCT,
	KIND_UNION,
	KIND_ENUM,
	KIND_FWD,
	KIND_TYPEDEF,
	KIND_VOLATILE,
	KIND_CONST,
	KIND_RESTRICT,
	KIND_FUNC,
	KIND_FUNC_PROTO,
	KIND_VAR,
	KIND_DATASEC,
	KIND_FLOAT,
	KIND_DECL_TAG,
	KIND_TYPE_TAG,
	KIND_ENUM64,
};

struct header {
	uint16_t magic;
	uint8_t version, flags;
	uint32_t hdr_len, type_off, type_len, str_off, str_len;
};

struct type {
	uint32_t name, info, size; /* or the type that it refers to */
	uint32_t at;		   /* place behind these three words */
};

struct field { /* a member of a structure */
	uint32_t name, type, offset;
};

static uint32_t kind_of(uint32_t info)
{
	return info >> 24 & 0x1f;
}

/* Bytes behind a type's three words. */
static inline uint32_t trailing(uint32_t info)
{
	static const struct {
		uint8_t fixed, each;
	} size[32] = {
		[KIND_INT] = {4, 0},	  [KIND_ARRAY] = {12, 0},     [KIND_VAR] = {4, 0},
		[KIND_DECL_TAG] = {4, 0}, [KIND_STRUCT] = {0, 12},    [KIND_UNION] = {0, 12},
		[KIND_ENUM] = {0, 8},	  [KIND_FUNC_PROTO] = {0, 8}, [KIND_DATASEC] = {0, 12},
		[KIND_ENUM64] = {0, 12},
	};
	uint32_t kind = kind_of(info);

	return size[kind].fixed + size[kind].each * (info & 0xffff);
}

static int types_read(struct kernel *k, uint32_t at, void *dst, uint32_t len)
{
	if (!k->btf.reads)
		return -EFAULT;
	k->btf.reads--;
	if (at > k->btf.types_size || len > k->btf.types_size - at)
		return -EFAULT;
	return image_read(k, k->btf.types + at, dst, len);
}

/* The name at `off`, cut at NAME - 1 characters. */
static bool read_name(struct kernel *k, uint32_t off, char name[NAME])
{
	uint32_t n = NAME - 1;

	name[0] = 0;
	if (!k->btf.reads)
		return false;
	k->btf.reads--;
	if (off >= k->btf.strings_size)
		return false;
	if (n > k->btf.strings_size - off)
		n = k->btf.strings_size - off;
	if (image_read(k, k->btf.strings + off, name, n))
		return false;
	name[n] = 0;
	return true;
}

static bool type_at(struct kernel *k, uint32_t at, struct type *type)
{
	if (types_read(k, at, type, 12))
		return false;
	type->at = at + 12;
	return trailing(type->info) <= k->btf.types_size - type->at;
}

/* A type by its number; 0 is void. */
static bool type_by_id(struct kernel *k, uint32_t id, struct type *type)
{
	uint32_t first = id / BTF_STRIDE, at;

	if (!id || id >= k->btf.id || first >= BTF_PLACES)
		return false;
	at = k->btf.place[first];
	for (uint32_t i = first ? first * BTF_STRIDE : 1;; i++) {
		if (!type_at(k, at, type))
			return false;
		if (i == id)
			return true;
		at = type->at + trailing(type->info);
	}
}

/* Through typedefs and qualifiers. */
static bool bare_type(struct kernel *k, uint32_t id, struct type *type)
{
	for (uint32_t i = 0; i < DEPTH; i++) {
		if (!type_by_id(k, id, type))
			return false;
		switch (kind_of(type->info)) {
		case KIND_TYPEDEF:
		case KIND_VOLATILE:
		case KIND_CONST:
		case KIND_RESTRICT:
		case KIND_TYPE_TAG:
			id = type->size;
			break;
		default:
			return true;
		}
	}
	return false;
}

static uint32_t size_of(struct kernel *k, uint32_t id)
{
	uint64_t factor = 1;
	struct type type;

	for (uint32_t i = 0; i < DEPTH && bare_type(k, id, &type); i++) {
		uint32_t array[3];
		switch (kind_of(type.info)) {
		case KIND_PTR:
			factor *= 8;
			return factor <= UINT32_MAX ? (uint32_t)factor : 0;
		case KIND_ARRAY: /* element, index type, number */
			if (types_read(k, type.at, array, 12))
				return 0;
			factor *= array[2];
			if (factor > UINT32_MAX)
				return 0;
			id = array[0];
			break;
		default:
			factor *= type.size;
			return factor <= UINT32_MAX ? (uint32_t)factor : 0;
		}
	}
	return 0;
}

static bool is_aggregate(uint32_t info)
{
	return kind_of(info) == KIND_STRUCT || kind_of(info) == KIND_UNION;
}

/* Look for the member `name` (of `len` characters) in a structure, also in nested ones without a
 * name. Adds its place in bits to *bit. */
static bool find_field(struct kernel *k, const struct type *type, const char *name, size_t len,
		       uint32_t depth, uint32_t *bit, struct field *found, uint32_t *bits)
{
	uint32_t n = type->info & 0xffff;
	bool packed = type->info >> 31; /* offsets hold the size of bit fields */

	if (n > MEMBERS_MAX || depth > DEPTH)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		struct field f;
		char text[NAME];
		if (types_read(k, type->at + i * 12, &f, 12))
			return false;
		uint32_t place = packed ? f.offset & 0xffffff : f.offset;
		if (f.name) {
			if (read_name(k, f.name, text) && strlen(text) == len &&
			    memcmp(text, name, len) == 0) {
				*bit += place;
				*bits = packed ? f.offset >> 24 : 0;
				*found = f;
				return true;
			}
			continue;
		}
		struct type inner;
		uint32_t at = *bit + place;
		if (bare_type(k, f.type, &inner) && is_aggregate(inner.info) &&
		    find_field(k, &inner, name, len, depth + 1, &at, found, bits)) {
			*bit = at;
			return true;
		}
	}
	return false;
}

static bool resolve(struct kernel *k, uint32_t structure, const char *path, size_t len,
		    struct kernel_member *out)
{
	uint32_t id = structure, bit = 0, bits = 0;
	struct field f;

	while (len > 0) {
		const char *dot = memchr(path, '.', len);
		size_t part = dot ? (size_t)(dot - path) : len;
		struct type type;
		if (!bare_type(k, id, &type) || !is_aggregate(type.info) ||
		    !find_field(k, &type, path, part, 0, &bit, &f, &bits))
			return false;
		id = f.type;
		path += part + (dot != NULL);
		len -= part + (dot != NULL);
	}
	*out = (struct kernel_member){.offset = bit / 8, .size = size_of(k, id)};
	if (bits) {
		out->bit = bit;
		out->bits = bits;
	}
	return true;
}

/* --- steps
 * ---------------------------------------------------------------------------------------- */

static bool begin(struct kernel *k)
{
	uint64_t start = kallsyms_find(&k->sym, "__start_BTF"),
		 stop = kallsyms_find(&k->sym, "__stop_BTF");
	struct header h;

	if (!start || !stop || stop <= start || stop - start > UINT32_MAX ||
	    image_read(k, start, &h, sizeof(h)) || h.magic != MAGIC || h.version != VERSION)
		return false;
	uint64_t size = stop - start;
	if (h.hdr_len < sizeof(h) || h.hdr_len > size || h.type_off > size - h.hdr_len ||
	    h.type_len > size - h.hdr_len - h.type_off || h.str_off > size - h.hdr_len ||
	    h.str_len > size - h.hdr_len - h.str_off)
		return false;
	memset(&k->btf, 0, sizeof(k->btf));
	k->btf.types = start + h.hdr_len + h.type_off;
	k->btf.types_size = h.type_len;
	k->btf.strings = start + h.hdr_len + h.str_off;
	k->btf.strings_size = h.str_len;
	k->btf.id = 1;
	k->btf.next_text = wanted_structures[0].members;
	return true;
}

static void take_enum(struct kernel *k, const struct type *type, uint32_t first,
		      const char *members)
{
	uint32_t n = type->info & 0xffff, wide = kind_of(type->info) == KIND_ENUM64;

	for (uint32_t i = 0; i < n && i < WORDS_MAX; i++) {
		uint32_t words[3] = {0}, index = first;
		char text[NAME];
		if (types_read(k, type->at + i * (wide ? 12 : 8), words, wide ? 12 : 8) ||
		    !read_name(k, words[0], text))
			return;
		for (const char *m = members; *m; index++) {
			size_t len = strcspn(m, " ");
			if (strlen(text) == len && memcmp(text, m, len) == 0) {
				k->enumerator[index] =
					wide ? (int64_t)((uint64_t)words[2] << 32 | words[1])
					: type->info >> 31 ? (int64_t)(int32_t)words[1]
							   : (int64_t)words[1];
				k->enumerator_found[index] = true;
			}
			m += len + (m[len] == ' ');
		}
	}
}

static uint32_t words_in(const char *text)
{
	uint32_t n = 0;
	while (*text) {
		size_t len = strcspn(text, " ");
		n++;
		text += len + (text[len] == ' ');
	}
	return n;
}

/* Does the name at `off` begin as a wanted one does? */
static bool may_be_wanted(const struct kernel *k, uint32_t off)
{
	uint64_t first = 0, zeros;
	uint32_t n = 8;

	if (off >= k->btf.strings_size)
		return false;
	if (n > k->btf.strings_size - off)
		n = k->btf.strings_size - off;
	if (image_read(k, k->btf.strings + off, &first, n))
		return false;
	/* The lowest of the bytes that are 0 has its highest bit set. */
	zeros = (first - 0x0101010101010101ull) & ~first & 0x8080808080808080ull;
	if (zeros)
		first &= (zeros & -zeros) - 1;
	return k->wanted_start[wanted_start(first)];
}

/* A type: is it one of those that are wanted? What it costs of the budget. */
static uint32_t notice(struct kernel *k, const struct type *type)
{
	uint32_t kind = kind_of(type->info), first = 0;
	char text[NAME];

	if (!type->name || !(type->info & 0xffff) || !may_be_wanted(k, type->name))
		return 0;
	k->btf.reads = READS_MAX;
	if (!read_name(k, type->name, text))
		return NOTICE_COST;
	if (is_aggregate(type->info)) {
		for (uint32_t i = 0; i < wanted_structure_count; i++) {
			if (k->btf.structure[i] || strcmp(text, wanted_structures[i].name) != 0)
				continue;
			k->btf.structure[i] = k->btf.id;
			k->size[i] = type->size;
		}
	} else if (kind == KIND_ENUM || kind == KIND_ENUM64) {
		for (uint32_t i = 0; i < wanted_enum_count; i++) {
			if (strcmp(text, wanted_enums[i].name) == 0)
				take_enum(k, type, first, wanted_enums[i].members);
			first += words_in(wanted_enums[i].members);
		}
	}
	return NOTICE_COST + (READS_MAX - k->btf.reads) * READ_COST;
}

/* Kinds of types that are wanted by name. */
#define NAMED (1u << KIND_STRUCT | 1u << KIND_UNION | 1u << KIND_ENUM | 1u << KIND_ENUM64)

/* The types in the buffer, which holds `n` bytes from b->at on. How many bytes they are; *last: no
 * more types can follow. */
static uint32_t walk_piece(struct kernel *k, uint32_t n, uint32_t *cost, bool *last)
{
	struct btf *b = &k->btf;
	uint32_t off = 0, id = b->id, room = b->types_size - b->at;

	while (off + 12 <= n) {
		uint32_t info;
		memcpy(&info, k->buffer + off + 4, 4);
		uint32_t size = 12 + trailing(info);
		if (size > room - off || id == BTF_PLACES * BTF_STRIDE) {
			*last = true;
			break;
		}
		if (id % BTF_STRIDE == 0)
			b->place[id / BTF_STRIDE] = b->at + off;
		if (NAMED >> kind_of(info) & 1) {
			struct type type;
			memcpy(&type, k->buffer + off, 12);
			type.at = b->at + off + 12;
			b->id = id;
			*cost += notice(k, &type);
		}
		id++;
		off += size;
	}
	b->id = id;
	return off;
}

/* Walk the types: their places, and those that are wanted. */
static void walk(struct kernel *k, uint32_t budget)
{
	struct btf *b = &k->btf;
	bool last = false;

	for (uint32_t done = 0; done < budget && !last;) {
		uint32_t n = b->types_size - b->at < BUFFER ? b->types_size - b->at : BUFFER, off;
		if (n < 12 || image_read(k, b->types + b->at, k->buffer, n))
			break;
		off = walk_piece(k, n, &done, &last);
		b->at += off;
		done += n;
		if (last)
			break;
		if (done >= budget)
			return;
	}
	k->step = STEP_BTF_RESOLVE;
}

/* The next member of all that are wanted. */
static void resolve_next(struct kernel *k)
{
	struct btf *b = &k->btf;
	const char *m = b->next_text;
	size_t len = strcspn(m, " ");
	struct resolved *out = &k->member[b->next_member++];

	b->next_text = m + len + (m[len] == ' ');
	b->reads = READS_MAX;
	out->found = b->structure[b->next_structure] &&
		     resolve(k, b->structure[b->next_structure], m, len, &out->member);
}

static void resolve_some(struct kernel *k, uint32_t budget)
{
	struct btf *b = &k->btf;

	for (uint32_t done = 0; done < budget;) {
		while (!*b->next_text && ++b->next_structure < wanted_structure_count)
			b->next_text = wanted_structures[b->next_structure].members;
		if (b->next_structure == wanted_structure_count) {
			k->step = STEP_FINISH;
			return;
		}
		resolve_next(k);
		done += (READS_MAX - b->reads + 1) * READ_COST;
	}
}

void btf_step(struct kernel *k, uint32_t budget)
{
	if (k->step == STEP_BTF_RESOLVE) {
		resolve_some(k, budget);
		return;
	}
	if (!k->btf.id && !begin(k)) {
		kernel_end(k, KERNEL_SYMBOLS, "no BTF in the kernel image");
		return;
	}
	walk(k, budget);
}
