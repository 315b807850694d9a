/* What the files behind kernel.h share. Private to ids/guest. */
#pragma once

#include "ids/guest/kernel.h"
#include "ids/guest/wanted.h"

#define BUFFER 8192 /* bytes of guest memory looked at in one piece */

/* The kernel image: one piece of physical memory at one distance from its virtual addresses. */
struct image {
	uint64_t base, end; /* virtual, 2 MiB aligned: what is mapped at that distance */
	uint64_t delta;	    /* add to a virtual address: physical */
};

/* Copied tables of symbols. */
struct kallsyms {
	uint32_t count;
	uint64_t relative_base;
	bool plain_offsets;  /* offsets are not negative (no absolute per-CPU symbols among them) */
	uint32_t names_size; /* bytes */
	uint32_t slots;	     /* of the index, a power of two */
	int32_t *offset;     /* [count] */
	uint32_t *group;     /* [(count + 255) / 256]: place of each 256th name */
	uint32_t *index;     /* [slots]: symbol + 1 | tag << 20, 0: free */
	uint8_t *names;
	uint16_t token[256];
	uint32_t token_hash[256], first_hash[256]; /* first: without its first character */
	bool idle[256];				   /* names that begin so are not indexed */
	char tokens[4096];
};

struct resolved {
	struct kernel_member member;
	bool found;
};

#define WANTED_SLOTS 1024 /* more than twice as many as members */

#define WANTED_STARTS 4096

/* The place in kernel.wanted_start of a name's first 8 bytes, those behind its end being 0. */
static inline uint32_t wanted_start(uint64_t first)
{
	return (uint32_t)(first * 0x9e3779b97f4a7c15ull >> 52);
}

struct wanted_slot {
	const char *text; /* NULL: free */
	uint16_t len, structure, index;
};

/* What was asked for lately, by the addresses of the names: `index` in kernel.member, or of the
 * structure where `path` is NULL. */
#define RECENT_BITS 9
#define RECENT	    (1u << RECENT_BITS)
struct recent {
	const char *structure, *path;
	uint32_t index;
};

enum search_step {
	STEP_IMAGE,
	STEP_TOKENS,
	STEP_TABLES,
	STEP_OFFSETS,
	STEP_NAMES,
	STEP_INDEX,
	STEP_BTF_TYPES,
	STEP_BTF_RESOLVE,
	STEP_FINISH,
};

/* Places of types in BTF: of every BTF_STRIDE'th. */
#define BTF_STRIDE 64
#define BTF_PLACES 4096

struct btf {
	uint64_t types, strings; /* virtual */
	uint32_t types_size, strings_size;
	uint32_t at, id; /* of the next type */
	uint32_t place[BTF_PLACES];
	uint32_t structure[WANTED_STRUCTURES_MAX]; /* type id of each wanted structure, 0: none */
	/* The next member to be resolved: its structure, the rest of that one's list, its index. */
	uint32_t next_structure, next_member;
	const char *next_text;
	uint32_t reads; /* that may still be made for this member */
};

/* Where the memory of a module is told. */
struct module_places {
	int64_t name, list;
	uint32_t at[2], sizes; /* of the areas in struct module: places, and bytes of each */
	uint32_t areas;
	uint32_t each, base, size; /* of the entries of an area, and members of an entry */
	uint64_t head;		   /* of the list; 0: unknown */
};

struct kernel {
	struct kernel_ops ops;
	enum kernel_state state;
	char reason[96];
	uint64_t lstar, cr3;
	bool la57;
	struct gspace boot; /* the root at the anchor */
	struct gspace space;
	struct image image;
	struct kernel_image about;
	enum search_step step;
	uint64_t at,
		scan; /* where the step goes on; of the tables: the token table, and how far down */
	bool wrapped;
	uint32_t tries;	 /* tables of markers looked at */
	uint32_t copied; /* bytes of the table that is copied */
	uint32_t symbol, name_at;
	uint64_t names_va; /* in the guest, while they are copied */
	struct kallsyms sym;
	struct btf btf;
	struct wanted_slot wanted[WANTED_SLOTS];
	struct recent *recent;		  /* [RECENT] */
	bool wanted_start[WANTED_STARTS]; /* by wanted_start(): names of types that are wanted */
	struct resolved member[WANTED_MEMBERS_MAX];
	uint32_t size[WANTED_STRUCTURES_MAX];
	int64_t enumerator[WANTED_ENUMS_MAX];
	bool enumerator_found[WANTED_ENUMS_MAX];
	char banner[160], build_id[48];
	uint32_t version;
	struct module_places modules;
	uint8_t *memory; /* KERNEL_MEMORY_MAX less this structure */
	size_t used, room;
	uint8_t buffer[BUFFER];
};

/* Memory that lasts until the next anchor. NULL: none left. */
void *kernel_take(struct kernel *k, size_t size);
/* The search is over; `state` says how. */
void kernel_end(struct kernel *k, enum kernel_state state, const char *reason);

/* Resolve k->modules. */
void module_learn(struct kernel *k);

/* Copy from the image by virtual address. 0 or -EFAULT: not wholly in it. */
int image_read(const struct kernel *k, uint64_t va, void *dst, size_t len);
/* Find the image's extents from k->lstar. 0 or -ENOENT. */
int image_find(struct kernel *k);

/* Steps of the search; each works on about `budget` bytes and sets k->step when it is done. */
void kallsyms_step(struct kernel *k, uint32_t budget);
void btf_step(struct kernel *k, uint32_t budget);

/* Between kallsyms.c and kallsyms_search.c: steps until the tables are found; room for their copies
 * (false: none); the hashes of the token table's strings. */
void kallsyms_search(struct kernel *k, uint32_t budget);
bool kallsyms_allocate(struct kernel *k, uint32_t groups);
void kallsyms_hash_tokens(struct kallsyms *s);

#define KALLSYMS_GROUP	256 /* names for each marker */
#define KALLSYMS_TOKENS 512 /* of a name at most (KSYM_NAME_LEN since 6.1) */

/* One name at `at`: its number of tokens, and where they begin. False: it leaves the table. Lengths
 * of 128 and more take two bytes (since 6.1). */
static inline bool kallsyms_name(const uint8_t *names, uint32_t size, uint32_t *at, uint32_t *len)
{
	if (*at >= size)
		return false;
	*len = names[(*at)++];
	if (*len & 0x80) {
		if (*at >= size)
			return false;
		*len = (*len & 0x7f) | (uint32_t)names[(*at)++] << 7;
	}
	return *len > 0 && *len <= KALLSYMS_TOKENS && *len <= size - *at;
}

uint64_t kallsyms_address(const struct kallsyms *s, uint32_t symbol);
uint64_t kallsyms_find(const struct kallsyms *s, const char *name);
bool kallsyms_at(const struct kallsyms *s, uint64_t va, char name[KERNEL_NAME_MAX],
		 uint64_t *offset);
