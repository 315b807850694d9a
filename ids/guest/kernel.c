/* See kernel.h: the course of the search, and the queries. */
#include <stdio.h>
#include <string.h>

#include "hv/errno.h"
#include "ids/guest/kernel_impl.h"

#define DIRECT_MAP_4  0xffff888000000000ull /* without KASLR (Linux: x86_64/mm.rst) */
#define DIRECT_MAP_5  0xff11000000000000ull
#define NOTE_BUILD_ID 3 /* NT_GNU_BUILD_ID */
#define NOTES_MAX     8192

/* --- the index of what is wanted --- */

/* FNV-1a over both names. */
static uint32_t hash_names(const char *a, const char *b, size_t len)
{
	uint32_t hash = 2166136261u;

	for (; *a; a++)
		hash = (hash ^ (uint8_t)*a) * 16777619u;
	hash = (hash ^ '.') * 16777619u;
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)b[i]) * 16777619u;
	return hash;
}

static void mark_start(struct kernel *k, const char *name)
{
	uint64_t first = 0;
	size_t len = strlen(name);

	memcpy(&first, name, len < 8 ? len : 8);
	k->wanted_start[wanted_start(first)] = true;
}

/* The lists of wanted.h as an index; they are constant. */
static void index_wanted(struct kernel *k)
{
	uint32_t index = 0;

	for (uint32_t i = 0; i < wanted_enum_count; i++)
		mark_start(k, wanted_enums[i].name);
	for (uint32_t i = 0; i < wanted_structure_count; i++) {
		mark_start(k, wanted_structures[i].name);
		for (const char *m = wanted_structures[i].members; *m; index++) {
			size_t len = strcspn(m, " ");
			uint32_t slot = hash_names(wanted_structures[i].name, m, len);
			while (k->wanted[slot % WANTED_SLOTS].text)
				slot++;
			k->wanted[slot % WANTED_SLOTS] = (struct wanted_slot){
				m, (uint16_t)len, (uint16_t)i, (uint16_t)index};
			m += len + (m[len] == ' ');
		}
	}
}

/* --- memory and course
 * ---------------------------------------------------------------------------- */

struct kernel *kernel_create(const struct kernel_ops *ops)
{
	struct kernel *k = ops->alloc(ops->ctx, sizeof(*k));

	if (!k)
		return NULL;
	k->ops = *ops;
	k->boot.mem = k->space.mem = &k->ops.mem;
	k->recent = ops->alloc(ops->ctx, RECENT * sizeof(*k->recent));
	k->room = KERNEL_MEMORY_MAX - sizeof(*k) - RECENT * sizeof(*k->recent);
	k->memory = ops->alloc(ops->ctx, k->room);
	index_wanted(k);
	return k->memory && k->recent ? k : NULL;
}

void *kernel_take(struct kernel *k, size_t size)
{
	void *p = k->memory + k->used;

	if (size > k->room - k->used)
		return NULL;
	size = (size + 15) & ~(size_t)15;
	k->used = size < k->room - k->used ? k->used + size : k->room;
	return p;
}

void kernel_end(struct kernel *k, enum kernel_state state, const char *reason)
{
	k->state = state;
	snprintf(k->reason, sizeof(k->reason), "%s", reason);
}

void kernel_anchor(struct kernel *k, uint64_t lstar, uint64_t cr3, bool la57)
{
	k->state = KERNEL_SEARCHING;
	k->reason[0] = 0;
	k->lstar = lstar;
	k->cr3 = cr3 & 0x000ffffffffff000ull;
	k->la57 = la57;
	k->boot.root = k->space.root = k->cr3;
	k->boot.levels = k->space.levels = la57 ? 5 : 4;
	k->step = STEP_IMAGE;
	k->wrapped = false;
	k->scan = 0;
	k->tries = k->copied = 0;
	memset(&k->about, 0, sizeof(k->about));
	memset(&k->image, 0, sizeof(k->image));
	memset(&k->sym, 0, sizeof(k->sym));
	memset(&k->btf, 0, sizeof(k->btf));
	memset(k->member, 0, sizeof(k->member));
	memset(k->size, 0, sizeof(k->size));
	memset(&k->modules, 0, sizeof(k->modules));
	memset(k->enumerator_found, 0, sizeof(k->enumerator_found));
	memset(k->memory, 0, k->used);
	k->used = 0;
	k->banner[0] = k->build_id[0] = 0;
	k->version = 0;
}

/* --- what the symbols lead to
 * ---------------------------------------------------------------------- */

/* A number of at most 4 digits at *text. */
static uint32_t number(const char **text)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < 4 && **text >= '0' && **text <= '9'; i++)
		n = n * 10 + (uint32_t)(*(*text)++ - '0');
	return n;
}

static void read_banner(struct kernel *k)
{
	static const char begins[] = "Linux version ";
	uint64_t va = kernel_symbol(k, "linux_banner");

	if (!va || image_read(k, va, k->banner, sizeof(k->banner) - 1) ||
	    strncmp(k->banner, begins, sizeof(begins) - 1) != 0) {
		k->banner[0] = 0;
		return;
	}
	k->banner[sizeof(k->banner) - 1] = 0;
	for (char *c = k->banner; *c; c++) {
		if (*c < 0x20 || *c > 0x7e) {
			*c = 0;
			break;
		}
	}
	const char *at = k->banner + sizeof(begins) - 1;
	uint32_t part[3] = {0};
	for (uint32_t i = 0; i < 3; i++) {
		part[i] = number(&at);
		if (*at != '.')
			break;
		at++;
	}
	k->version = part[0] << 16 | (part[1] & 0xff) << 8 | (part[2] < 255 ? part[2] : 255);
}

/* ELF notes: name size, descriptor size, type, then both, each padded to 4 bytes. */
static void read_build_id(struct kernel *k)
{
	uint64_t at = kernel_symbol(k, "__start_notes"), end = kernel_symbol(k, "__stop_notes");

	if (!at || end <= at || end - at > NOTES_MAX)
		return;
	while (end - at >= 12) {
		uint32_t h[3];
		char name[4];
		uint8_t id[20];
		if (image_read(k, at, h, sizeof(h)) || h[0] > NOTES_MAX || h[1] > NOTES_MAX)
			return;
		uint64_t desc = at + 12 + ((h[0] + 3) & ~3u), next = desc + ((h[1] + 3) & ~3u);
		if (next > end)
			return;
		if (h[2] == NOTE_BUILD_ID && h[0] == 4 && h[1] <= sizeof(id) &&
		    !image_read(k, at + 12, name, 4) && memcmp(name, "GNU", 4) == 0 &&
		    !image_read(k, desc, id, h[1])) {
			for (uint32_t i = 0; i < h[1]; i++)
				snprintf(k->build_id + 2 * i, 3, "%02x", id[i]);
			return;
		}
		at = next;
	}
}

static void find_places(struct kernel *k)
{
	struct kernel_image *a = &k->about;
	uint64_t root = kernel_symbol(k, "init_top_pgt"), va;

	a->base = kernel_symbol(k, "_text");
	a->end = kernel_symbol(k, "_end");
	a->text = kernel_symbol(k, "_stext");
	a->text_end = kernel_symbol(k, "_etext");
	a->rodata = kernel_symbol(k, "__start_rodata");
	a->rodata_end = kernel_symbol(k, "__end_rodata");
	a->phys = a->base + k->image.delta;
	if (!root)
		root = kernel_symbol(k, "swapper_pg_dir");
	if (root)
		k->space.root = root + k->image.delta;
	a->direct_map = k->la57 ? DIRECT_MAP_5 : DIRECT_MAP_4;
	va = kernel_symbol(k, "page_offset_base");
	if (va)
		(void)image_read(k, va, &a->direct_map, 8);
	va = kernel_symbol(k, "vmemmap_base");
	if (va)
		(void)image_read(k, va, &a->vmemmap, 8);
}

static void finish(struct kernel *k)
{
	kernel_end(k, KERNEL_READY, "");
	module_learn(k);
	if (!kernel_symbol(k, "_text") || !kernel_symbol(k, "_stext") ||
	    !kernel_symbol(k, "_etext"))
		kernel_end(k, KERNEL_UNKNOWN, "the symbols of the image are missing");
	else if (!kernel_size(k, "task_struct"))
		kernel_end(k, KERNEL_SYMBOLS, "BTF does not describe tasks");
}

/* Once symbols are there, also when there is nothing more. */
static void use_symbols(struct kernel *k)
{
	read_banner(k);
	read_build_id(k);
	find_places(k);
}

enum kernel_state kernel_step(struct kernel *k, uint32_t budget)
{
	if (k->state != KERNEL_SEARCHING)
		return k->state;
	switch (k->step) {
	case STEP_IMAGE:
		if (image_find(k)) {
			kernel_end(k, KERNEL_UNKNOWN,
				   "no kernel image around the system-call entry");
			break;
		}
		k->at = k->lstar & ~0xfffull;
		k->lstar = k->at;
		k->step = STEP_TOKENS;
		break;
	case STEP_BTF_TYPES:
		if (!k->btf.id)
			use_symbols(k);
		btf_step(k, budget);
		break;
	case STEP_BTF_RESOLVE:
		btf_step(k, budget);
		break;
	case STEP_FINISH:
		finish(k);
		break;
	default:
		kallsyms_step(k, budget);
	}
	return k->state;
}

enum kernel_state kernel_state(const struct kernel *k)
{
	return k->state;
}

const char *kernel_reason(const struct kernel *k)
{
	return k->reason;
}

const char *kernel_banner(const struct kernel *k)
{
	return k->banner;
}

const char *kernel_build_id(const struct kernel *k)
{
	return k->build_id;
}

uint32_t kernel_version(const struct kernel *k)
{
	return k->version;
}

const struct gspace *kernel_space(const struct kernel *k)
{
	return &k->space;
}

const struct kernel_image *kernel_image(const struct kernel *k)
{
	return &k->about;
}

/* --- queries
 * --------------------------------------------------------------------------------------- */

uint64_t kernel_symbol(const struct kernel *k, const char *name)
{
	return kallsyms_find(&k->sym, name);
}

bool kernel_symbol_at(const struct kernel *k, uint64_t va, char name[KERNEL_NAME_MAX],
		      uint64_t *offset)
{
	if (!k->about.base || va < k->about.base || va >= k->about.end)
		return false;
	return kallsyms_at(&k->sym, va, name, offset);
}

static bool is_recent(const struct recent *r, const char *structure, const char *path)
{
	return r->structure == structure && r->path == path;
}

/* Its place among those asked for lately, or one of two for it: the one in the other is then the
 * older. The names are constants, so their addresses tell. */
static struct recent *find_recent(const struct kernel *k, const char *structure, const char *path)
{
	uint64_t key = (uintptr_t)structure * 5 + (uintptr_t)path;
	uint64_t i = key * 0x9e3779b97f4a7c15ull >> (64 - RECENT_BITS);

	if (is_recent(&k->recent[i], structure, path))
		return &k->recent[i];
	if (is_recent(&k->recent[i ^ 1], structure, path))
		return &k->recent[i ^ 1];
	k->recent[i ^ 1] = k->recent[i];
	return &k->recent[i];
}

static const struct wanted_slot *find_wanted(const struct kernel *k, const char *structure,
					     const char *path)
{
	size_t len = strlen(path);
	uint32_t hash = hash_names(structure, path, len);

	for (const struct wanted_slot *s; (s = &k->wanted[hash % WANTED_SLOTS])->text; hash++)
		if (s->len == len && memcmp(s->text, path, len) == 0 &&
		    strcmp(wanted_structures[s->structure].name, structure) == 0)
			return s;
	return NULL;
}

int kernel_member(const struct kernel *k, const char *structure, const char *path,
		  struct kernel_member *member)
{
	struct recent *r = find_recent(k, structure, path);

	if (!is_recent(r, structure, path)) {
		const struct wanted_slot *s = find_wanted(k, structure, path);
		if (!s)
			return -ENOENT;
		*r = (struct recent){structure, path, s->index};
	}
	if (!k->member[r->index].found)
		return -ENOENT;
	*member = k->member[r->index].member;
	return 0;
}

int64_t kernel_offset(const struct kernel *k, const char *structure, const char *path)
{
	struct kernel_member member;

	return kernel_member(k, structure, path, &member) ? -ENOENT : (int64_t)member.offset;
}

uint32_t kernel_size(const struct kernel *k, const char *structure)
{
	struct recent *r = find_recent(k, structure, NULL);

	for (uint32_t i = 0; r->structure != structure || r->path; i++) {
		if (i == wanted_structure_count)
			return 0;
		if (strcmp(wanted_structures[i].name, structure) == 0)
			*r = (struct recent){structure, NULL, i};
	}
	return k->size[r->index];
}

/* The place of `word` in a list of words; and how many there are. */
static bool word_index(const char *list, const char *word, uint32_t *index, uint32_t *count)
{
	size_t wanted = strlen(word);
	bool found = false;

	for (*count = 0; *list; ++*count) {
		size_t len = strcspn(list, " ");
		if (!found && len == wanted && memcmp(list, word, len) == 0) {
			found = true;
			*index = *count;
		}
		list += len + (list[len] == ' ');
	}
	return found;
}

int kernel_enum(const struct kernel *k, const char *enumerator, int64_t *value)
{
	uint32_t first = 0, index = 0, count;

	for (uint32_t i = 0; i < wanted_enum_count; i++, first += count) {
		if (!word_index(wanted_enums[i].members, enumerator, &index, &count))
			continue;
		if (!k->enumerator_found[first + index])
			return -ENOENT;
		*value = k->enumerator[first + index];
		return 0;
	}
	return -ENOENT;
}

/* --- per-CPU variables
 * ----------------------------------------------------------------------------- */

static uint64_t cpu_offset(const struct kernel *k, uint32_t cpu)
{
	uint64_t table = kernel_symbol(k, "__per_cpu_offset"), offset;

	/* Read anew: the guest sets it up after the anchor. */
	if (!table || cpu >= 8192 || image_read(k, table + cpu * 8ull, &offset, 8))
		return 0;
	return offset;
}

uint64_t kernel_percpu(const struct kernel *k, const char *variable, uint32_t cpu)
{
	uint64_t symbol = kernel_symbol(k, variable), offset = cpu_offset(k, cpu);

	return symbol && offset ? symbol + offset : 0;
}

int64_t kernel_current_offset(const struct kernel *k)
{
	uint64_t symbol = kernel_symbol(k, "current_task");

	if (symbol)
		return (int64_t)symbol; /* negative where the areas begin at a kernel address */
	symbol = kernel_symbol(k, "pcpu_hot");
	int64_t member = kernel_offset(k, "pcpu_hot", "current_task");
	return symbol && member >= 0 ? (int64_t)symbol + member : -ENOENT;
}

uint64_t kernel_current(const struct kernel *k, uint32_t cpu)
{
	int64_t offset = kernel_current_offset(k);
	uint64_t base = cpu_offset(k, cpu), task;

	if (offset == -ENOENT || !base || gspace_u64(&k->space, base + (uint64_t)offset, &task))
		return 0;
	return task;
}
