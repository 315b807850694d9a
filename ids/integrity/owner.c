/* See owner.h. */
#include "ids/integrity/owner.h"

#include <string.h>

#define LIST_MAX  2048u /* elements of a list; each is some 1,000 instructions */
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

/* Stages of an enumeration: two of the image, then the lists. */
enum { STAGE_TEXT, STAGE_INIT, STAGE_LISTS, STAGE_END = STAGE_LISTS + LISTS };

static uint64_t read_member(const struct integrity *in, uint64_t va, const char *structure,
			    const char *member)
{
	struct kernel_member m;
	uint64_t value = 0;

	if (!member || kernel_member(in->k, structure, member, &m) || m.size > sizeof(value) ||
	    gspace_read(kernel_space(in->k), va + m.offset, &value, m.size))
		return 0;
	return value;
}

static uint64_t list_head(const struct integrity *in, const struct list *list)
{
	uint64_t head = kernel_symbol(in->k, list->head);
	int64_t offset = list->head_structure
				 ? kernel_offset(in->k, list->head_structure, list->head_member)
				 : 0;
	return head && offset >= 0 ? head + (uint64_t)offset : 0;
}

/* The element after cursor->node. False: the end. */
static bool next_element(const struct integrity *in, const struct list *list,
			 struct owner_cursor *c, uint64_t *element)
{
	int64_t link = kernel_offset(in->k, list->structure, list->link);
	uint64_t head = list_head(in, list);

	if (!head || link < 0 || c->steps++ == LIST_MAX)
		return false;
	if (gspace_u64(kernel_space(in->k), c->node ? c->node : head, &c->node) || !c->node ||
	    c->node == head)
		return false;
	*element = list->pointer ? c->node : c->node - (uint64_t)link;
	if (list->pointer)
		c->node += (uint64_t)link;
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
	count = (uint32_t)read_member(in, m->va, "module", "its_num_pages");
	array = read_member(in, m->va, "module", "its_page_array");
	if (!array) {
		count = (uint32_t)read_member(in, m->va, "module", "arch.its_pages.num");
		array = read_member(in, m->va, "module", "arch.its_pages.pages");
	}
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
	r->owner = list->owner;
	r->base = read_member(in, element, list->structure, list->base);
	if (!r->base)
		return;
	r->end = list->end ? read_member(in, element, list->structure, list->end)
			   : r->base + (list->size ? read_member(in, element, list->structure,
								 list->size)
						   : list->fixed);
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
		*r = (struct owner_range){kernel_symbol(in->k, "_sinittext") & ~0xfffull,
					  kernel_symbol(in->k, "_einittext"), OWNER_INIT};
		break;
	case STAGE_END:
		return false;
	default:
		if (next_of_list(in, c, r))
			return true;
	}
	c->stage++;
	c->steps = 0;
	c->node = 0;
	return true;
}

enum owner owner_of(const struct integrity *in, uint64_t va)
{
	struct owner_cursor cursor = {0};
	struct owner_range range;

	while (owner_next(in, &cursor, &range))
		if (va >= range.base && va < range.end)
			return range.owner;
	return OWNER_NONE;
}
