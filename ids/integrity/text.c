/* Text and read-only data of the kernel: baseline, guards, and when a page is looked at.
 *
 * Text is hashed when the kernel has patched itself and long before the first user instruction;
 * read-only data when the kernel's start has ended, since much of it is written until then. Both
 * are then guarded. A write opens 2 MiB: the page written is looked at at once, the region after a
 * while, which is the longer the busier it is; it is closed first, so that what is written
 * meanwhile is told. Behind that goes a slow sweep over everything, which is all there is where the
 * core can't guard.
 */
#include "ids/integrity/text.h"

#include <string.h>

#include "hv/errno.h"

#define POLL_MS	       5
#define SLICE_PAGES    12u /* some 3,500 instructions each */
#define SITES_TRIES    20u
#define SITES_MS       50
#define OPEN_MS	       20 /* a region stays open so long, times two for each level */
#define LEVEL_MAX      9
#define CALM_MS	       2000 /* a region that stays closed so long is not busy */
#define AGAIN_MS       50
#define TOLD_MS	       1000 /* between looks at a page that is known to be bad */
#define HOOKED_MS      100  /* between looks at pages with hooks */
#define SWEEP_MS       1000
#define SWEEP_BLIND_MS 50 /* without guards */

/* --- attach ----------------------------------------------------------------------------------- */

static void set_area(struct text_state *t, uint32_t i, const struct kernel_image *image,
		     uint64_t va, uint64_t end, uint32_t line, uint32_t first)
{
	va &= ~(uint64_t)(GMEM_PAGE - 1);
	t->area[i] = (struct area){
		.va = va,
		.gpa = image->phys + (va - image->base),
		.pages = (uint32_t)((end - va + GMEM_PAGE - 1) / GMEM_PAGE),
		.line = line,
		.first = first,
	};
}

static const char *attach(struct check_run *run)
{
	struct text_state *t = run->state;
	struct text_memory *m = run->memory;
	const struct integrity *in = run->in;
	const struct kernel_image *image = kernel_image(in->k);

	if (!sites_begin(&m->sites, in))
		return "there is more text than room";
	if (image->rodata_end <= image->rodata || image->rodata_end - image->rodata > RODATA_MAX)
		return "there is more read-only data than room";
	if (!kernel_symbol(in->k, "system_state"))
		return "no system_state";
	if (kernel_enum(in->k, "SYSTEM_SCHEDULING", &t->scheduling))
		t->scheduling = 1;
	if (kernel_enum(in->k, "SYSTEM_RUNNING", &t->running))
		t->running = 2;
	for (uint32_t i = 0; i < RODATA_LINE / NH_LINE; i++)
		nh_key(&t->key[i], in->ops.key ^ (i + 1) * 0xd1342543de82ef95ull);
	set_area(t, AREA_TEXT, image, image->text, image->text_end, TEXT_LINE, 0);
	set_area(t, AREA_RODATA, image, image->rodata, image->rodata_end, RODATA_LINE, TEXT_LINES);
	t->region_base = t->area[AREA_TEXT].gpa & ~(uint64_t)(REGION - 1);
	t->open = REGIONS;
	/* Of a kernel before this one. */
	for (uint32_t i = 0; i < AREAS; i++)
		if (m->guard[i].size)
			(void)in->ops.call(in->ops.ctx, ABI_CALL_GUARD, m->guard[i].gpa,
					   m->guard[i].size | 1);
	memset(m->guard, 0, sizeof(m->guard));
	m->probed.tsc = 0;
	memset(m->probed.slots, 0, sizeof(m->probed.slots));
	memset(m->table, 0, sizeof(m->table));
	return NULL;
}

/* --- baseline --------------------------------------------------------------------------------- */

static bool reached(const struct check_run *run, int64_t state)
{
	uint32_t now;

	return !gspace_u32(kernel_space(run->in->k), kernel_symbol(run->in->k, "system_state"),
			   &now) &&
	       now >= state;
}

static uint64_t learn_sites(struct check_run *run)
{
	struct text_state *t = run->state;
	struct text_memory *m = run->memory;
	int more = sites_build(&m->sites, run->in);

	if (more > 0)
		return 1;
	if (!more) {
		run->in->stats.sites = m->sites.count;
		t->phase = TEXT_HASH;
		t->page = 0;
		return 1;
	}
	if (t->retries++ == SITES_TRIES || !sites_begin(&m->sites, run->in)) {
		run->in->ops.log(run->in->ops.ctx, "integrity: text is not checked: the kernel's "
						   "tables of its patches are not understood");
		return 0;
	}
	return SITES_MS; /* text is being patched, perhaps */
}

/* A slice of an area's baseline. True: it is done. */
static bool learn(struct check_run *run, uint32_t area)
{
	struct text_state *t = run->state;
	uint32_t pages = t->area[area].pages;

	for (uint32_t i = 0; i < SLICE_PAGES && t->page < pages; i++)
		if (!text_learn(run, area, t->page++))
			break;
	return t->page >= pages;
}

/* The system-call tables as they are: expected entries can be told then. */
static void keep_tables(struct check_run *run)
{
	static const char *const names[TABLES] = {"sys_call_table", "ia32_sys_call_table"};
	struct text_memory *m = run->memory;
	const struct kernel_image *image = kernel_image(run->in->k);

	for (uint32_t i = 0; i < TABLES; i++) {
		struct table_copy *c = &m->table[i];
		c->va = kernel_symbol(run->in->k, names[i]);
		if (c->va < image->rodata || c->va >= image->rodata_end)
			continue;
		/* To the first that is no address in text: the table's end. */
		for (uint64_t entry; c->count < TABLE_MAX; c->entry[c->count++] = entry)
			if (gspace_u64(kernel_space(run->in->k), c->va + c->count * 8, &entry) ||
			    entry < image->text || entry >= image->text_end)
				break;
	}
}

static int guard(struct check_run *run, uint32_t area)
{
	const struct area *a = &((struct text_state *)run->state)->area[area];
	struct text_memory *m = run->memory;

	m->guard[area].gpa = a->gpa;
	m->guard[area].size = (uint64_t)a->pages * GMEM_PAGE;
	return (int)run->in->ops.call(run->in->ops.ctx, ABI_CALL_GUARD, a->gpa,
				      m->guard[area].size);
}

static void watch(struct check_run *run)
{
	struct text_state *t = run->state;

	run->in->stats.text_pages = t->area[AREA_TEXT].pages + t->area[AREA_RODATA].pages;
	t->guarded = !guard(run, AREA_TEXT) && !guard(run, AREA_RODATA);
	if (!t->guarded)
		run->in->ops.log(run->in->ops.ctx, "integrity: text can't be guarded; it is swept");
	/* What was written between the baseline and now. */
	for (uint32_t i = 0; i < REGIONS; i++)
		if (t->region_base + (uint64_t)i * REGION < t->area[AREA_RODATA].gpa)
			t->region[i].due = run->in->tsc;
	t->phase = TEXT_WATCH;
}

/* --- watching --------------------------------------------------------------------------------- */

/* The page that holds a guest-physical address. */
static bool find_page(const struct text_state *t, uint64_t gpa, uint32_t *area, uint32_t *page)
{
	for (*area = 0; *area < AREAS; ++*area) {
		const struct area *a = &t->area[*area];
		*page = (uint32_t)((gpa - a->gpa) / GMEM_PAGE);
		if (gpa >= a->gpa && (gpa - a->gpa) / GMEM_PAGE < a->pages)
			return true;
	}
	return false;
}

static void look_again(struct text_state *t, uint32_t area, uint32_t page, uint64_t due)
{
	struct again *free_one = NULL;

	for (uint32_t i = 0; i < PAGES_AGAIN; i++) {
		struct again *a = &t->again[i];
		if (a->due && a->area == area && a->page == page) {
			a->due = due < a->due ? due : a->due;
			return;
		}
		if (!a->due)
			free_one = a;
	}
	/* No room: the region's look or the sweep comes to it. */
	if (free_one)
		*free_one = (struct again){due, area, page, false};
}

static bool guard_hit(struct check_run *run, const struct integrity_write *w)
{
	struct text_state *t = run->state;
	uint64_t index = (w->gpa - t->region_base) / REGION;
	uint32_t area, page;

	if (!find_page(t, w->gpa, &area, &page) || index >= REGIONS)
		return false;
	struct text_write *keep = &t->write[t->writes++ % WRITES];
	*keep = (struct text_write){.gpa = w->gpa, .rip = w->rip, .task = w->task};
	memcpy(keep->before, w->before, sizeof(keep->before));
	struct region *r = &t->region[index];
	if (!r->due) {
		bool busy = run->in->tsc - r->closed < integrity_ms(run->in, CALM_MS);
		r->level = !busy ? 0 : r->level < LEVEL_MAX ? (uint8_t)(r->level + 1) : LEVEL_MAX;
		r->due = run->in->tsc + integrity_ms(run->in, (uint64_t)OPEN_MS << r->level);
	}
	look_again(t, area, page, run->in->tsc + integrity_ms(run->in, 2));
	return true;
}

static bool look(struct check_run *run, uint32_t area, uint32_t page)
{
	struct text_state *t = run->state;
	bool good = text_look(run, area, page);

	if (!good)
		look_again(t, area, page, run->in->tsc + integrity_ms(run->in, AGAIN_MS));
	return good;
}

/* A page that was written, or that was not in order. */
static bool look_at_pages(struct check_run *run)
{
	struct text_state *t = run->state;
	bool did = false;

	for (uint32_t i = 0, n = 0; i < PAGES_AGAIN && n < SLICE_PAGES; i++) {
		struct again *a = &t->again[i];
		if (!a->due || a->due > run->in->tsc)
			continue;
		uint64_t found = run->in->stats.found;
		const struct area *area = &t->area[a->area];
		uint64_t va = area->va + (uint64_t)a->page * GMEM_PAGE;
		bool good = text_look(run, a->area, a->page);
		did = true;
		n++;
		a->told |= run->in->stats.found != found;
		if (good && a->told)
			integrity_clear_range(run->in, va, va + GMEM_PAGE);
		a->due = good ? 0
			      : run->in->tsc + integrity_ms(run->in, a->told ? TOLD_MS : AGAIN_MS);
	}
	return did;
}

/* Begin with a region that is due: close it, and all that is open beside it, first. */
static void open_region(struct check_run *run)
{
	struct text_state *t = run->state;

	for (uint32_t i = 0; i < REGIONS && t->open == REGIONS; i++) {
		struct region *r = &t->region[i];
		if (!r->due || r->due > run->in->tsc)
			continue;
		r->due = 0;
		r->closed = run->in->tsc;
		t->open = i;
		t->open_area = t->open_page = 0;
		for (uint32_t a = 0; a < AREAS && t->guarded; a++)
			(void)guard(run, a);
	}
}

/* A slice of the region at hand; false: there is none. */
static bool look_at_region(struct check_run *run)
{
	struct text_state *t = run->state;
	uint32_t n = 0;

	if (t->open == REGIONS)
		open_region(run);
	if (t->open == REGIONS)
		return false;
	uint64_t base = t->region_base + (uint64_t)t->open * REGION;
	while (t->open_area < AREAS && n < SLICE_PAGES) {
		const struct area *a = &t->area[t->open_area];
		uint64_t from = base > a->gpa ? (base - a->gpa) / GMEM_PAGE : 0;
		uint64_t to = base + REGION > a->gpa ? (base + REGION - a->gpa) / GMEM_PAGE : 0;
		if (t->open_page < from)
			t->open_page = (uint32_t)from;
		if (t->open_page >= to || t->open_page >= a->pages) {
			t->open_area++;
			t->open_page = 0;
			continue;
		}
		(void)look(run, t->open_area, t->open_page++);
		n++;
	}
	if (t->open_area == AREAS)
		t->open = REGIONS;
	return true;
}

/* Pages with hooks, one at a time. */
static bool look_at_hooked(struct check_run *run)
{
	struct text_state *t = run->state;
	const struct integrity *in = run->in;

	if (!in->hooked || in->tsc < t->hooked_due)
		return false;
	uint64_t va = in->hooked_va[t->hooked_at++ % in->hooked];
	const struct area *a = &t->area[AREA_TEXT];
	t->hooked_due = in->tsc + integrity_ms(in, HOOKED_MS);
	if (va >= a->va && (va - a->va) / GMEM_PAGE < a->pages)
		(void)look(run, AREA_TEXT, (uint32_t)((va - a->va) / GMEM_PAGE));
	return true;
}

static void sweep(struct check_run *run)
{
	struct text_state *t = run->state;

	if (run->in->tsc < t->sweep_due)
		return;
	t->sweep_due = run->in->tsc + integrity_ms(run->in, t->guarded ? SWEEP_MS : SWEEP_BLIND_MS);
	for (uint32_t i = 0; i < SLICE_PAGES; i++) {
		(void)look(run, t->sweep_area, t->sweep_page);
		if (++t->sweep_page < t->area[t->sweep_area].pages)
			continue;
		t->sweep_page = 0;
		t->sweep_area = (t->sweep_area + 1) % AREAS;
		run->in->stats.passes += t->sweep_area == 0;
	}
}

static void sooner(uint64_t *next, uint64_t due)
{
	if (due && due < *next)
		*next = due;
}

/* Milliseconds until something is due. */
static uint64_t next_ms(const struct check_run *run)
{
	const struct text_state *t = run->state;
	uint64_t next = t->sweep_due;

	if (run->in->hooked)
		sooner(&next, t->hooked_due);
	for (uint32_t i = 0; i < PAGES_AGAIN; i++)
		sooner(&next, t->again[i].due);
	for (uint32_t i = 0; i < REGIONS; i++)
		sooner(&next, t->region[i].due);
	return next > run->in->tsc ? (next - run->in->tsc) / integrity_ms(run->in, 1) + 1 : 1;
}

static uint64_t step(struct check_run *run)
{
	struct text_state *t = run->state;
	struct text_memory *m = run->memory;

	m->sites.walks_left = SITES_WALKS;
	m->faults = FAULTS;
	m->lines = LINES_ODD;
	switch (t->phase) {
	case TEXT_WAIT:
		if (!reached(run, t->scheduling))
			return POLL_MS;
		t->phase = TEXT_SITES;
		return 1;
	case TEXT_SITES:
		return learn_sites(run);
	case TEXT_HASH:
		if (learn(run, AREA_TEXT))
			t->phase = TEXT_BOOTED;
		return 1;
	case TEXT_BOOTED:
		if (!reached(run, t->running))
			return POLL_MS;
		t->page = 0;
		t->phase = TEXT_RODATA;
		return 1;
	case TEXT_RODATA:
		if (learn(run, AREA_RODATA)) {
			keep_tables(run);
			watch(run);
		}
		return 1;
	default:
		if (look_at_pages(run) || look_at_region(run))
			return 2;
		if (!look_at_hooked(run))
			sweep(run);
		return next_ms(run);
	}
}

const struct check check_text = {
	.name = "text",
	.size = sizeof(struct text_state),
	.memory = sizeof(struct text_memory),
	.attach = attach,
	.step = step,
	.guard = guard_hit,
};
