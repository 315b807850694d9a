/* See owner.h. */
#include "ids/integrity/owner.h"

#include <string.h>

#define LIST_MAX  4096u /* elements of a list; each is some 500 instructions */
#define WALK_MAX  3072u /* of all lists, for one address; a module counts for four */
#define PACK_SIZE 0x200000ull
#define THUNKS	  64u

/* A list of the kernel's, and how an element of it names memory. */
struct list {
	const char *head; /* symbol: of a list_head, or of a pointer to the first element */
	bool pointer;
	const char *head_structure, *head_member; /* in which the list_head lies; NULL: alone */
	const char *structure, *link;
	const char *base, *end, *size; /* members; `end` or `size` */
	uint64_t fixed;		       /* where there is neither */
	enum owner owner;
};

static const struct list lists[] = {
	{.head = "modules", .structure = "module", .link = "list", .owner = OWNER_MODULE},
	{.head = "bpf_kallsyms",
	 .structure = "bpf_ksym",
	 .link = "lnode",
	 .base = "start",
	 .end = "end",
	 .owner = OWNER_BPF},
	{.head = "pack_list",
	 .structure = "bpf_prog_pack",
	 .link = "list",
	 .base = "ptr",
	 .fixed = PACK_SIZE,
	 .owner = OWNER_BPF},
	{.head = "ftrace_ops_list",
	 .pointer = true,
	 .structure = "ftrace_ops",
	 .link = "next",
	 .base = "trampoline",
	 .size = "trampoline_size",
	 .owner = OWNER_FTRACE},
	/* One that is unregistered leaves the other list before it leaves text. */
	{.head = "ftrace_ops_trampoline_list",
	 .structure = "ftrace_ops",
	 .link = "list",
	 .base = "trampoline",
	 .size = "trampoline_size",
	 .owner = OWNER_FTRACE},
	{.head = "kprobe_insn_slots",
	 .head_structure = "kprobe_insn_cache",
	 .head_member = "pages",
	 .structure = "kprobe_insn_page",
	 .link = "list",
	 .base = "insns",
	 .fixed = GMEM_PAGE,
	 .owner = OWNER_KPROBE},
	{.head = "kprobe_optinsn_slots",
	 .head_structure = "kprobe_insn_cache",
	 .head_member = "pages",
	 .structure = "kprobe_insn_page",
	 .link = "list",
	 .base = "insns",
	 .fixed = GMEM_PAGE,
	 .owner = OWNER_KPROBE},
};

#define LISTS (sizeof(lists) / sizeof(lists[0]))

_Static_assert(LISTS == OWNER_LISTS, "room for what is resolved");

/* Stages of an enumeration: two of the image, then the lists. */
enum { STAGE_TEXT, STAGE_INIT, STAGE_LISTS, STAGE_END = STAGE_LISTS + LISTS };

/* --- resolved once ---------------------------------------------------------------------------- */

static struct owner_member resolve(const struct integrity *in, const char *structure,
				   const char *member)
{
	struct kernel_member m;

	if (!member || kernel_member(in->k, structure, member, &m) || m.size > sizeof(uint64_t))
		return (struct owner_member){0};
	return (struct owner_member){m.offset, m.size};
}

static uint64_t list_head(const struct integrity *in, const struct list *list)
{
	uint64_t head = kernel_symbol(in->k, list->head);
	int64_t offset = list->head_structure
				 ? kernel_offset(in->k, list->head_structure, list->head_member)
				 : 0;
	return head && offset >= 0 ? head + (uint64_t)offset : 0;
}

void owner_attach(struct integrity *in)
{
	struct owner_layout *o = &in->owners;

	for (uint32_t i = 0; i < LISTS; i++) {
		const struct list *list = &lists[i];
		int64_t link = kernel_offset(in->k, list->structure, list->link);
		o->list[i] = (struct owner_list){
			.head = link < 0 ? 0 : list_head(in, list),
			.link = link < 0 ? 0 : (uint32_t)link,
			.base = resolve(in, list->structure, list->base),
			.end = resolve(in, list->structure, list->end),
			.size = resolve(in, list->structure, list->size),
		};
	}
	o->init_text = kernel_symbol(in->k, "_sinittext");
	o->init_end = kernel_symbol(in->k, "_einittext");
	o->thunk_count = resolve(in, "module", "its_num_pages");
	o->thunks = resolve(in, "module", "its_page_array");
	if (!o->thunks.size) {
		o->thunk_count = resolve(in, "module", "arch.its_pages.num");
		o->thunks = resolve(in, "module", "arch.its_pages.pages");
	}
}

/* --- reading ---------------------------------------------------------------------------------- */

static uint64_t read_member(const struct integrity *in, uint64_t va, struct owner_member m)
{
	uint64_t value = 0;

	if (!m.size || gspace_read(kernel_space(in->k), va + m.offset, &value, m.size))
		return 0;
	return value;
}

/* The element after cursor->node. False: the end. */
static bool next_element(const struct integrity *in, const struct list *list,
			 struct owner_cursor *c, uint64_t *element)
{
	const struct owner_list *l = &in->owners.list[list - lists];
	uint64_t head = l->head;

	if (!head || c->steps++ == LIST_MAX)
		return false;
	if (gspace_u64(kernel_space(in->k), c->node ? c->node : head, &c->node) || !c->node ||
	    c->node == head)
		return false;
	/* A cycle that is not the head's (Brent): the list is broken. */
	if (c->node == c->mark)
		return false;
	if (!(c->steps & (c->steps - 1)))
		c->mark = c->node;
	*element = list->pointer ? c->node : c->node - l->link;
	if (list->pointer)
		c->node += l->link;
	return true;
}

/* A part of the module, or, when there is none left, one of its pages of thunks. */
static bool next_part(const struct integrity *in, struct owner_cursor *c, struct owner_range *r)
{
	const struct kernel_module *m = &c->module;
	uint64_t array, page;
	uint32_t i = c->part++, count;

	if (i < m->parts) {
		*r = (struct owner_range){m->part[i].base, m->part[i].base + m->part[i].size,
					  OWNER_MODULE};
		return true;
	}
	count = (uint32_t)read_member(in, m->va, in->owners.thunk_count);
	array = read_member(in, m->va, in->owners.thunks);
	i -= m->parts;
	if (!array || i >= count || i >= THUNKS ||
	    gspace_u64(kernel_space(in->k), array + i * 8ull, &page))
		return false;
	*r = (struct owner_range){page, page + GMEM_PAGE, OWNER_THUNK};
	return true;
}

static void element_range(const struct integrity *in, const struct list *list, uint64_t element,
			  struct owner_range *r)
{
	const struct owner_list *l = &in->owners.list[list - lists];

	r->owner = list->owner;
	r->base = read_member(in, element, l->base);
	if (!r->base)
		return;
	r->end = list->end
			 ? read_member(in, element, l->end)
			 : r->base + (list->size ? read_member(in, element, l->size) : list->fixed);
	/* Nothing of the kernel's is so large: a lie. */
	if (r->end < r->base || r->end - r->base > 16 * PACK_SIZE)
		r->end = r->base;
}

/* False: the list has ended. */
static bool next_of_list(const struct integrity *in, struct owner_cursor *c, struct owner_range *r)
{
	const struct list *list = &lists[c->stage - STAGE_LISTS];
	uint64_t element;

	if (c->module.va && next_part(in, c, r))
		return true;
	c->module.va = 0;
	if (!next_element(in, list, c, &element))
		return false;
	if (list->owner != OWNER_MODULE) {
		element_range(in, list, element, r);
	} else {
		c->part = 0;
		(void)kernel_module_read(in->k, element, &c->module);
	}
	return true;
}

bool owner_next(const struct integrity *in, struct owner_cursor *c, struct owner_range *r)
{
	const struct kernel_image *image = kernel_image(in->k);

	*r = (struct owner_range){0};
	switch (c->stage) {
	case STAGE_TEXT:
		*r = (struct owner_range){image->text & ~0xfffull,
					  (image->text_end + 0xfff) & ~0xfffull, OWNER_KERNEL};
		break;
	case STAGE_INIT:
		*r = (struct owner_range){in->owners.init_text & ~0xfffull, in->owners.init_end,
					  OWNER_INIT};
		break;
	case STAGE_END:
		return false;
	default:
		if (next_of_list(in, c, r))
			return true;
	}
	c->stage++;
	c->steps = 0;
	c->node = c->mark = 0;
	return true;
}

enum owner owner_of(const struct integrity *in, uint64_t va)
{
	struct owner_cursor cursor = {0};
	struct owner_range range;

	for (uint32_t work = 0; work < WALK_MAX; work++) {
		if (!owner_next(in, &cursor, &range))
			return OWNER_NONE;
		if (va >= range.base && va < range.end)
			return range.owner;
		/* Its memory was read anew. */
		work += cursor.module.va && !cursor.part ? 3 : 0;
	}
	return OWNER_UNSURE;
}
