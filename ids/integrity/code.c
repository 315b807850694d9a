/* Executable memory of the kernel's half that belongs to nothing listed.
 *
 * Passes over all page tables of the kernel's half, in slices, behind one over the lists. What is
 * executable and nobody's when the kernel's start has ended is its own (thunks, for one, are in no
 * list): the first pass remembers it.
 */
#include <stdio.h>
#include <string.h>

#include "ids/integrity/modules.h"
#include "ids/integrity/owner.h"

#define PASS_MS	   1800
#define PASSES	   1 /* of them one is over all tables, the others over the image and modules */
#define SUSPECT_MS 400
#define WAIT_MS	   20
#define SLICE	   16u /* tables in a step, some 2,500 instructions each */
#define SCANS	   64u /* of all ranges, in a step */
#define SLICE_LIST 16u /* ranges of lists in a step */
#define RANGES	   1024u
#define KNOWN	   64u
#define LOOKS	   3
#define LOOKS_MS   1000
#define FAULTS	   32u
#define TABLES_MAX 65536u /* of a pass */
#define LEVELS	   5u

#define PRESENT	   1ull
#define LARGE	   0x80ull
#define FRAME	   0x000ffffffffff000ull
#define VSYSCALL   0xffffffffff600000ull /* a page for old programs; not the kernel's to execute */
#define LOW_MEMORY 0x100000ull		 /* of physical memory: real-mode trampolines */

enum phase { PHASE_WAIT, PHASE_LISTS, PHASE_TABLES };

struct code_state {
	enum phase phase;
	struct owner_cursor cursor;
	uint32_t level; /* at work, from kernel_space's levels down to 1; 0: the walk begins */
	uint64_t table[LEVELS + 1], va[LEVELS + 1]; /* by level: the table, and what it maps from */
	uint32_t index[LEVELS + 1];
	uint32_t tables, faults;
	uint32_t scans; /* of the ranges, that may still be made in this step */
	bool asked;	/* owner_of(), in this step */
	bool said;	/* that there are more ranges than room */
	uint32_t passes;
	uint64_t since;	  /* begin of this one */
	uint64_t run_end; /* end of the last unknown page: neighbours are one finding */
	uint32_t knowns, last;
	uint64_t known[KNOWN];
};

struct code_memory {
	uint32_t count;
	bool full;
	struct owner_range range[RANGES];
};

static const char *attach(struct check_run *run)
{
	(void)run;
	return NULL;
}

/* --- the lists -------------------------------------------------------------------------------- */

static void add_range(struct code_memory *m, uint64_t base, uint64_t end)
{
	if (end <= base)
		return;
	m->full |= m->count == RANGES;
	if (m->count < RANGES)
		m->range[m->count++] = (struct owner_range){.base = base & ~0xfffull,
							    .end = (end + 0xfff) & ~0xfffull};
}

/* The page from which kexec copies the next kernel, in the direct map. */
static void add_kexec(struct check_run *run, const char *image)
{
	const struct kernel_image *i = kernel_image(run->in->k);
	uint64_t at = kernel_symbol(run->in->k, image), page;
	int64_t offset = kernel_offset(run->in->k, "kimage", "control_code_page");

	if (!at || offset < 0 || !i->vmemmap || gspace_u64(kernel_space(run->in->k), at, &at) ||
	    !at || gspace_u64(kernel_space(run->in->k), at + (uint64_t)offset, &page) ||
	    page < i->vmemmap)
		return;
	/* struct page is 64 bytes; two pages are taken for the code, of which one is executable. */
	page = i->direct_map + (page - i->vmemmap) / 64 * GMEM_PAGE;
	add_range(run->memory, page, page + 2 * GMEM_PAGE);
}

static bool look_at_lists(struct check_run *run)
{
	struct code_state *s = run->state;
	struct code_memory *m = run->memory;

	for (uint32_t i = 0; i < SLICE_LIST; i++) {
		struct owner_range r;
		if (!owner_next(run->in, &s->cursor, &r)) {
			add_kexec(run, "kexec_image");
			add_kexec(run, "kexec_crash_image");
			return true;
		}
		/* Before a program lies the header of its allocation. */
		add_range(m, r.owner == OWNER_BPF ? r.base - GMEM_PAGE : r.base, r.end);
	}
	return false;
}

/* --- the tables --------------------------------------------------------------------------------
 */

static bool is_known(struct check_run *run, uint64_t va, uint64_t gpa)
{
	const struct code_memory *m = run->memory;
	struct code_state *s = run->state;

	if ((va & ~0xfffull) == VSYSCALL || gpa < LOW_MEMORY)
		return true;
	if (s->last < m->count && va >= m->range[s->last].base && va < m->range[s->last].end)
		return true;
	s->scans--;
	for (s->last = 0; s->last < m->count; s->last++)
		if (va >= m->range[s->last].base && va < m->range[s->last].end)
			return true;
	for (uint32_t i = 0; i < s->knowns; i++)
		if (s->known[i] == va)
			return true;
	return false;
}

/* Memory of a module that is known: if it is no longer listed, it is for modules.c to tell so. Or
 * of one that was initialized a moment ago. */
static bool was_module(const struct integrity *in, uint64_t va)
{
	const struct module_table *t = in->modules;

	for (uint32_t i = 0; t && i < t->count; i++)
		if (t->module[i].va && va - t->module[i].base < t->module[i].size)
			return true;
	for (uint32_t i = 0; t && i < MODULES_RECENT; i++)
		if (va >= t->recent[i].base && va < t->recent[i].end &&
		    in->tsc - t->recent[i].tsc < integrity_ms(in, MODULES_RECENT_MS))
			return true;
	return false;
}

static void found(struct check_run *run, uint64_t va, uint64_t gpa, uint64_t size)
{
	struct code_state *s = run->state;
	const struct code_memory *m = run->memory;
	char text[INTEGRITY_TEXT];
	uint8_t bytes[16] = {0};
	uint64_t value;

	if (is_known(run, va, gpa))
		return;
	if (!s->passes) {
		if (s->knowns < KNOWN)
			s->known[s->knowns++] = va;
		return;
	}
	bool neighbour = va == s->run_end;
	s->run_end = va + size;
	if (neighbour || m->full || was_module(run->in, va) || s->faults++ >= FAULTS)
		return;
	(void)gmem_read(&run->in->ops.mem, gpa, bytes, sizeof(bytes));
	memcpy(&value, bytes, sizeof(value));
	value ^= gpa;
	if (!integrity_suspect(run->in, WHAT_CODE, va, gpa, LOOKS, LOOKS_MS) ||
	    integrity_known(run->in, va, value) || s->asked)
		return; /* if it may not be asked for now, then in the next pass */
	s->asked = true;
	/* The lists may have changed since they were looked at. */
	if (owner_of(run->in, va) != OWNER_NONE) {
		integrity_innocent(run->in, WHAT_CODE, va);
		return;
	}
	const struct finding f = {
		.what = WHAT_CODE,
		.check = run->check->name,
		.reason = "executable memory that belongs to nothing listed",
		.address = va,
		.symbol = "",
		.module = "",
		.found = integrity_hex(text, bytes, sizeof(bytes)),
		.value = value,
	};
	integrity_tell(run->in, &f);
}

/* Entries of the table at work, until one leads to a table below, to the end, or to the bound of
 * this step. */
static void look_at_table(struct check_run *run, const volatile uint64_t *entries)
{
	struct code_state *s = run->state;
	uint32_t level = s->level, shift = 12 + 9 * (level - 1);

#pragma GCC unroll 8
	for (uint32_t i = s->index[level]; i < 512; i++) {
		uint64_t e = entries[i];
		/* Nearly all: empty, or with the highest bit, which forbids to execute. */
		if ((int64_t)e <= 0 || !(e & PRESENT))
			continue;
		uint64_t va = s->va[level] + ((uint64_t)i << shift);
		if ((level == 1 || e & LARGE) && !s->scans) {
			s->index[level] = i;
			return;
		}
		if (level == 1 || e & LARGE) {
			uint64_t size = 1ull << shift;
			found(run, va, e & FRAME & ~(size - 1), size);
			continue;
		}
		s->index[level] = i + 1;
		s->level = level - 1;
		s->table[level - 1] = e & FRAME;
		s->va[level - 1] = va;
		s->index[level - 1] = 0;
		return;
	}
	s->level++;
}

/* True: all tables are done. */
static bool look_at_tables(struct check_run *run)
{
	const struct gspace *space = kernel_space(run->in->k);
	struct code_state *s = run->state;

	if (!s->level) {
		s->level = space->levels;
		s->table[s->level] = space->root;
		s->va[s->level] = ~0ull << (12 + 9 * space->levels); /* sign-extended below */
		/* The last top entry maps the image and modules, and is no large one. */
		s->index[s->level] = s->passes % PASSES ? 511 : 256;
	}
	s->scans = SCANS;
	s->asked = false;
	for (uint32_t i = 0; i < SLICE && s->scans && s->level <= space->levels; i++) {
		const volatile void *page = space->mem->page(space->mem->ctx, s->table[s->level]);
		if (s->tables++ == TABLES_MAX)
			return true;
		if (page)
			look_at_table(run, page);
		else
			s->level++;
	}
	return s->level > space->levels;
}

static uint64_t step(struct check_run *run)
{
	struct code_state *s = run->state;
	struct code_memory *m = run->memory;

	switch (s->phase) {
	case PHASE_WAIT:
		if (!integrity_running(run->in))
			return WAIT_MS;
		s->cursor = (struct owner_cursor){0};
		s->level = s->tables = s->faults = 0;
		s->run_end = 0;
		s->since = run->in->tsc;
		m->count = 0;
		m->full = false;
		s->phase = PHASE_LISTS;
		return 1;
	case PHASE_LISTS:
		if (!look_at_lists(run))
			return 4;
		s->phase = PHASE_TABLES;
		if (m->full && !s->said)
			run->in->ops.log(run->in->ops.ctx,
					 "integrity: the kernel lists more executable memory than "
					 "can be told apart; unlisted code is not found");
		s->said = m->full;
		return 4;
	default:
		if (!look_at_tables(run))
			return 4;
		run->in->stats.tables = s->tables;
		integrity_drop(run->in, WHAT_CODE, 0, ~0ull, s->since);
		if (!s->faults || !s->passes) /* else the same tables again */
			s->passes++;
		s->phase = PHASE_WAIT;
		return s->faults ? SUSPECT_MS : PASS_MS;
	}
}

const struct check check_code = {
	.name = "code",
	.size = sizeof(struct code_state),
	.memory = sizeof(struct code_memory),
	.attach = attach,
	.step = step,
};
