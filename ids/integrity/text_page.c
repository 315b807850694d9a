/* A page of text or of read-only data against the baseline, and what is said of a difference. */
#include <stdio.h>
#include <string.h>

#include "ids/integrity/owner.h"
#include "ids/integrity/text.h"

#define LOOKS	   3 /* at which a difference must have been there */
#define LOOKS_MS   100
#define PASSING_MS 3000			 /* of an INT3: text is being patched in that moment */
#define SHOWN	   16u			 /* bytes told */
#define MODULES	   0xffffffffc0000000ull /* where modules and the like begin, at the lowest */

static const uint8_t nop5[5] = {0x0f, 0x1f, 0x44, 0x00, 0x00};

struct place {
	uint64_t va;
	uint32_t offset;	 /* in the page */
	uint32_t len;		 /* bytes to be shown */
	const uint8_t *expected; /* `len` bytes */
	bool sure;		 /* with them all is as it was */
	uint64_t target, writer, task;
	uint64_t was;	/* where it led */
	uint64_t value; /* digest of what was found */
};

static bool read_page(struct check_run *run, const struct area *a, uint32_t page, void *dst)
{
	uint64_t gpa = a->gpa + (uint64_t)page * GMEM_PAGE;
	size_t len = GMEM_PAGE + (page + 1 < a->pages ? AHEAD : 0);

	return !gmem_read(&run->in->ops.mem, gpa, dst, len);
}

static uint32_t hash_line(const struct text_state *t, const struct area *a, const uint64_t *words)
{
	uint32_t hash = 0;

	for (uint32_t i = 0; i < a->line / NH_LINE; i++)
		hash ^= nh_line(&t->key[i], words + i * (NH_LINE / 8));
	return hash;
}

bool text_learn(struct check_run *run, uint32_t area, uint32_t page)
{
	struct text_state *t = run->state;
	struct text_memory *m = run->memory;
	const struct area *a = &t->area[area];
	uint32_t lines = GMEM_PAGE / a->line, at = a->first + page * lines;

	if (!read_page(run, a, page, t->bytes))
		return false;
	if (area == AREA_TEXT)
		sites_mask(&m->sites, page, (uint8_t *)t->bytes);
	for (uint32_t i = 0; i < lines; i++)
		m->hash[at + i] = hash_line(t, a, t->bytes + i * (a->line / 8));
	return true;
}

/* --- what is said ----------------------------------------------------------------------------- */

/* "symbol [module]" of where a branch leads or a writer stands. */
static void describe(const struct integrity *in, const char *verb, uint64_t va, char *text,
		     size_t size)
{
	char symbol[KERNEL_NAME_MAX + 20], module[56];
	size_t used = strlen(text);

	integrity_name(in, va, symbol, module);
	snprintf(text + used, size - used, "%s%s 0x%llx%s%s%s%s%s", used ? ", " : "", verb,
		 (unsigned long long)va, *symbol ? " " : "", symbol, *module ? " [" : "", module,
		 *module ? "]" : "");
}

static bool is_dispatch(const char *symbol)
{
	static const char *const names[] = {"x64_sys_call", "ia32_sys_call", "x32_sys_call",
					    "do_syscall_64"};

	for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(symbol, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* Put the bytes back that are known to have been there. False: they are not, or it is not wanted.
 */
static bool undo(struct check_run *run, const struct place *p)
{
	const struct integrity *in = run->in;
	const struct kernel_image *image = kernel_image(in->k);

	if (in->ops.response != INTEGRITY_UNDO || !p->sure)
		return false;
	memcpy(in->ops.bytes, p->expected, p->len);
	return !in->ops.call(in->ops.ctx, ABI_CALL_RESTORE, image->phys + (p->va - image->base),
			     p->len);
}

static void tell(struct check_run *run, enum integrity_what what, const struct place *p)
{
	const struct text_state *t = run->state;
	char symbol[KERNEL_NAME_MAX + 20], module[56], reason[512] = "";
	char was[INTEGRITY_TEXT], is[INTEGRITY_TEXT];

	integrity_name(run->in, p->va, symbol, module);
	if (p->target)
		describe(run->in, "leads to", p->target, reason, sizeof(reason));
	if (p->was)
		describe(run->in, "led to", p->was, reason, sizeof(reason));
	if (p->writer)
		describe(run->in, "written at", p->writer, reason, sizeof(reason));
	const struct finding f = {
		.action = undo(run, p) ? ACTION_UNDONE : ACTION_ALERT,
		.what = what == WHAT_TEXT && is_dispatch(symbol) ? WHAT_SYSCALL_TABLE : what,
		.check = run->check->name,
		.reason = *reason ? reason : NULL,
		.address = p->va,
		.symbol = symbol,
		.module = module,
		.expected = p->expected ? integrity_hex(was, p->expected, p->len) : NULL,
		.found = integrity_hex(is, (const uint8_t *)t->real + p->offset, p->len),
		.value = p->value,
		.task = p->task,
	};
	integrity_tell(run->in, &f);
}

/* --- where in a line? --------------------------------------------------------------------------
 */

/* Is the line what it was, with the bytes that are expected? */
static bool line_with(const struct check_run *run, const struct area *a, uint32_t page,
		      uint32_t line, const struct place *p)
{
	const struct text_state *t = run->state;
	const struct text_memory *m = run->memory;
	uint64_t words[RODATA_LINE / 8];

	memcpy(words, t->bytes + line / 8, a->line);
	memcpy((uint8_t *)words + (p->offset - line), p->expected, p->len);
	return hash_line(t, a, words) == m->hash[a->first + (page * GMEM_PAGE + line) / a->line];
}

/* The core has told of a write here: the bytes from the first that is another now. */
static bool find_write(const struct check_run *run, const struct area *a, uint32_t page,
		       uint32_t line, struct place *p)
{
	const struct text_state *t = run->state;
	uint64_t gpa = a->gpa + (uint64_t)page * GMEM_PAGE + line;

	for (uint32_t i = 0; i < WRITES && i < t->writes; i++) {
		const struct text_write *w = &t->write[(t->writes - 1 - i) % WRITES];
		uint64_t block = w->gpa & ~(uint64_t)(ABI_GUARD_BYTES - 1);
		if (block - gpa >= a->line)
			continue;
		const uint8_t *now = (const uint8_t *)t->real + line + (block - gpa);
		uint32_t from = 0, to = ABI_GUARD_BYTES;
		while (from < to && w->before[from] == now[from])
			from++;
		while (to > from && w->before[to - 1] == now[to - 1])
			to--;
		if (from == to)
			continue;
		p->offset = line + (uint32_t)(block - gpa) + from;
		p->len = to - from < SHOWN ? to - from : SHOWN;
		p->expected = w->before + from;
		p->sure = p->len == to - from && line_with(run, a, page, line, p);
		p->writer = w->rip;
		p->task = w->task;
		return true;
	}
	return false;
}

/* Where the instruction here leads, if it is a branch out of the image; its size. */
static uint32_t branch_out(const struct check_run *run, uint64_t va, const uint8_t *b,
			   uint32_t room, uint64_t *target)
{
	const struct kernel_image *image = kernel_image(run->in->k);
	uint32_t size = 0;
	int32_t rel;

	if (room >= 5 && (b[0] == 0xe8 || b[0] == 0xe9)) {
		memcpy(&rel, b + 1, 4);
		*target = va + 5 + (uint64_t)(int64_t)rel;
		size = 5;
	} else if (room >= 12 && b[0] == 0x48 && b[1] >= 0xb8 && b[1] <= 0xbf && b[10] == 0xff) {
		memcpy(target, b + 2, 8); /* movabs, then jmp or call of the register */
		size = 12;
	} else if (room >= 14 && b[0] == 0xff && b[1] == 0x25 && !memcmp(b + 2, "\0\0\0", 4)) {
		memcpy(target, b + 6, 8); /* jmp to what lies behind it */
		size = 14;
	} else {
		return 0;
	}
	return *target >= MODULES && *target < 0xffffffffff000000ull &&
			       (*target < image->base || *target >= image->end)
		       ? size
		       : 0;
}

static void find_branch(const struct check_run *run, const struct area *a, uint32_t line,
			struct place *p)
{
	const struct text_state *t = run->state;
	const uint8_t *b = (const uint8_t *)t->real + line;

	for (uint32_t i = 0; i < a->line; i++) {
		uint32_t size = branch_out(run, p->va + i, b + i, a->line - i, &p->target);
		if (size) {
			p->offset = line + i;
			p->len = size;
			return;
		}
	}
	p->target = 0;
}

static void tell_line(struct check_run *run, uint32_t area, uint32_t page, uint32_t line)
{
	const struct text_state *t = run->state;
	const struct area *a = &t->area[area];
	uint64_t base = a->va + (uint64_t)page * GMEM_PAGE;
	struct place p = {.va = base + line, .offset = line, .len = SHOWN};

	if (find_write(run, a, page, line, &p))
		(void)branch_out(run, base + p.offset, (const uint8_t *)t->real + p.offset,
				 GMEM_PAGE - p.offset, &p.target);
	else if (area == AREA_TEXT)
		find_branch(run, a, line, &p);
	p.va = base + p.offset;
	tell(run, WHAT_TEXT, &p);
}

/* Entries of a system-call table in this line that are others now. */
static bool tell_table(struct check_run *run, const struct area *a, uint32_t page, uint32_t line)
{
	const struct text_state *t = run->state;
	const struct text_memory *m = run->memory;
	uint64_t base = a->va + (uint64_t)page * GMEM_PAGE;
	bool told = false;

	for (uint32_t i = 0; i < TABLES; i++) {
		const struct table_copy *c = &m->table[i];
		for (uint32_t off = line; off < line + a->line; off += 8) {
			uint64_t at = (base + off - c->va) / 8;
			if (!c->count || at >= c->count || t->real[off / 8] == c->entry[at])
				continue;
			const struct place p = {
				.va = base + off,
				.offset = off,
				.len = 8,
				.expected = (const uint8_t *)&c->entry[at],
				.sure = true,
				.target = t->real[off / 8],
				.was = c->entry[at],
			};
			tell(run, WHAT_SYSCALL_TABLE, &p);
			told = true;
		}
	}
	return told;
}

/* --- comparing -------------------------------------------------------------------------------- */

/* A value for "the same difference as at the last look". */
static uint64_t digest(const uint64_t *words, uint32_t bytes)
{
	uint64_t hash = bytes;

	for (uint32_t i = 0; i < bytes / 8; i++)
		hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15ull;
	return hash;
}

static bool line_good(struct check_run *run, uint32_t area, uint32_t page, uint32_t line)
{
	struct text_state *t = run->state;
	struct text_memory *m = run->memory;
	const struct area *a = &t->area[area];
	uint64_t va = a->va + (uint64_t)page * GMEM_PAGE + line;
	uint32_t want = m->hash[a->first + (page * GMEM_PAGE + line) / a->line];
	uint64_t *words = t->bytes + line / 8;

	if (!m->lines)
		return false; /* at the next look */
	m->lines--;
	/* Copies of the probes from before the page was read may be too old, but then there is
	 * another look. */
	if (area == AREA_TEXT) {
		m->probed.walks_left = m->sites.walks_left;
		bool put = probed_restore(&m->probed, run->in, va, (uint8_t *)words, a->line,
					  LOOKS_MS / 4);
		m->sites.walks_left = m->probed.walks_left;
		if (put && hash_line(t, a, words) == want)
			return true;
		if (m->probed.undecided)
			return false;
	}
	if (m->probed.incomplete)
		return true; /* more probes than can be known: better silent than wrong */
	if (!integrity_suspect(run->in, WHAT_TEXT, va, digest(t->real + line / 8, a->line), LOOKS,
			       LOOKS_MS) ||
	    !m->faults)
		return false;
	m->faults--;
	if (area == AREA_TEXT || !tell_table(run, a, page, line))
		tell_line(run, area, page, line);
	return false;
}

static void tell_site(struct check_run *run, uint32_t page, struct place *p, const char *expected)
{
	const struct text_state *t = run->state;
	const struct area *a = &t->area[AREA_TEXT];
	struct place written = {0};

	if (find_write(run, a, page, p->offset / a->line * a->line, &written)) {
		p->writer = written.writer;
		p->task = written.task;
	}
	/* Of the sites, those of ftrace have a form that is always right. */
	p->expected = expected ? nop5 : NULL;
	p->sure = expected;
	tell(run, WHAT_TEXT, p);
}

static bool sites_good(struct check_run *run, uint32_t page)
{
	struct text_state *t = run->state;
	struct text_memory *m = run->memory;
	struct site_fault f;
	uint32_t next = 0;
	bool good = true;

	m->sites.undecided = false;
	while (sites_check(&m->sites, run->in, page, (const uint8_t *)t->real, &next, &f)) {
		uint32_t offset = f.va & (GMEM_PAGE - 1);
		struct place p = {.va = f.va, .offset = offset, .len = f.size, .target = f.target};
		uint64_t found = 0;
		good = false;
		memcpy(&found, (const uint8_t *)t->real + offset, f.size);
		if (integrity_known(run->in, f.va, found))
			continue;
		/* An INT3 that stays is one, too: of whoever wrote it. */
		p.value = found;
		if (integrity_suspect(run->in, WHAT_TEXT, f.va, found, LOOKS,
				      f.passing ? PASSING_MS : LOOKS_MS) &&
		    m->faults && m->faults--)
			tell_site(run, page, &p, f.expected);
	}
	return good && !m->sites.undecided;
}

bool text_look(struct check_run *run, uint32_t area, uint32_t page)
{
	struct text_state *t = run->state;
	struct text_memory *m = run->memory;
	const struct area *a = &t->area[area];
	uint32_t lines = GMEM_PAGE / a->line, at = a->first + page * lines;
	bool good = true;

	if (!read_page(run, a, page, t->real))
		return true; /* memory that is no RAM: the page tables' check tells more */
	run->in->stats.pages++;
	memcpy(t->bytes, t->real, sizeof(t->bytes));
	if (area == AREA_TEXT) {
		good = sites_good(run, page);
		sites_mask(&m->sites, page, (uint8_t *)t->bytes);
	}
	for (uint32_t i = 0; i < lines; i++)
		if (hash_line(t, a, t->bytes + i * (a->line / 8)) != m->hash[at + i])
			good &= line_good(run, area, page, i * a->line);
	/* What was suspicious at an earlier look and is not now, was it for a moment. */
	uint64_t va = a->va + (uint64_t)page * GMEM_PAGE;
	if (!m->sites.undecided)
		integrity_drop(run->in, WHAT_TEXT, va, va + GMEM_PAGE, run->in->tsc);
	return good;
}
