/* The page tables that map the kernel's image: each page of text and of read-only data lies where
 * it lay at the start, text can't be written and data can't be executed; and every process has the
 * kernel's own tables in its upper half. */
#include <stdio.h>
#include <string.h>

#include "ids/integrity/integrity_impl.h"
#include "ids/proc/task.h"

#define PASS_MS	    2000 /* between passes */
#define SUSPECT_MS  60	 /* while something is wrong */
#define WAIT_MS	    20
#define SLICE	    64u /* translations in a step */
#define SLICE_ROOTS 8u	/* processes in a step, some 6,000 instructions each */
#define LOOKS	    3
#define LOOKS_MS    100
#define FAULTS	    16u /* of a pass */
#define HALF	    256u
#define ACCESSED    0x60ull /* the processor sets these in each root by itself */
#define PRESENT	    1ull
#define LDT_4	    16u /* entry of the upper half in which processes have their own LDT */
#define LDT_5	    144u

enum phase { PHASE_WAIT, PHASE_IMAGE, PHASE_ROOTS };

struct tables_state {
	enum phase phase;
	uint64_t va; /* of the image */
	uint32_t cursor;
	uint32_t faults; /* in this pass */
	uint64_t since;	 /* its begin */
	uint64_t upper[HALF], own[HALF];
};

static const char *attach(struct check_run *run)
{
	const struct kernel_image *image = kernel_image(run->in->k);

	return image->rodata_end > image->rodata ? NULL : "the image's parts are not known";
}

static const char *rights(char text[INTEGRITY_TEXT], bool write, bool exec, uint64_t gpa)
{
	snprintf(text, INTEGRITY_TEXT, "r%s%s 0x%llx", write ? "w" : "", exec ? "x" : "",
		 (unsigned long long)gpa);
	return text;
}

static void judge(struct check_run *run, uint64_t va, const struct gspace_at *at, bool text)
{
	const struct kernel_image *image = kernel_image(run->in->k);
	struct tables_state *t = run->state;
	char expected[INTEGRITY_TEXT], found[INTEGRITY_TEXT];
	uint64_t frame = image->phys + (va - image->base);

	if (at->size && at->gpa == frame && !at->write && at->exec == text)
		return;
	if (t->faults++ >= FAULTS ||
	    !integrity_suspect(run->in, WHAT_PAGE_TABLE, va,
			       at->gpa << 2 | (uint64_t)at->write << 1 | at->exec, LOOKS, LOOKS_MS))
		return;
	const struct finding f = {
		.what = WHAT_PAGE_TABLE,
		.check = run->check->name,
		.reason = !at->size	     ? "not mapped"
			  : at->gpa != frame ? "mapped to another frame"
					     : "other rights",
		.address = va,
		.expected = rights(expected, false, text, frame),
		.found = at->size ? rights(found, at->write, at->exec, at->gpa) : NULL,
	};
	integrity_tell(run->in, &f);
}

/* A slice of the image. True: it is done. */
static bool look_at_image(struct check_run *run)
{
	const struct kernel_image *image = kernel_image(run->in->k);
	struct tables_state *t = run->state;

	for (uint32_t i = 0; i < SLICE; i++) {
		struct gspace_at at;
		bool text = t->va < image->text_end;
		if (!text && t->va < image->rodata)
			t->va = image->rodata & ~0xfffull;
		if (t->va >= image->rodata_end)
			return true;
		if (gspace_translate(kernel_space(run->in->k), t->va, &at))
			at = (struct gspace_at){0};
		judge(run, t->va, &at, text);
		t->va = at.size ? (t->va | (at.size - 1)) + 1 : t->va + GMEM_PAGE;
	}
	return false;
}

/* The process' root by its own word, now: it may have exec'ed since. */
static uint64_t root_now(const struct check_run *run, const struct proc *p)
{
	struct task task;

	return task_read(run->in->k, p->va, TASK_IDS, &task) ? 0 : task.root;
}

static void judge_root(struct check_run *run, const struct proc *p)
{
	const struct gspace *space = kernel_space(run->in->k);
	struct tables_state *t = run->state;
	char expected[INTEGRITY_TEXT], found[INTEGRITY_TEXT];

	if (gmem_read(space->mem, p->root + HALF * 8, t->own, sizeof(t->own)))
		return;
	for (uint32_t i = 0; i < HALF; i++) {
		uint64_t is = t->own[i] & ~ACCESSED, want = t->upper[i] & ~ACCESSED;
		uint64_t place = p->root + (HALF + i) * 8;
		if (is == want || !(is & PRESENT) || i == (space->levels == 5 ? LDT_5 : LDT_4) ||
		    t->faults++ >= FAULTS || root_now(run, p) != p->root)
			continue;
		if (!integrity_suspect(run->in, WHAT_PAGE_TABLE, place, is, LOOKS, LOOKS_MS))
			continue;
		const struct finding f = {
			.what = WHAT_PAGE_TABLE,
			.check = run->check->name,
			.reason = "a process has kernel tables of its own",
			.address = ~0ull << (12 + 9 * space->levels - 1) |
				   (uint64_t)i << (12 + 9 * (space->levels - 1)),
			.symbol = "",
			.module = "",
			.expected = integrity_value(expected, want),
			.found = integrity_value(found, is),
			.task = p->va,
		};
		integrity_tell(run->in, &f);
	}
}

/* A slice of the processes. True: all are done. */
static bool look_at_roots(struct check_run *run)
{
	const struct gspace *space = kernel_space(run->in->k);
	struct tables_state *t = run->state;

	if (gmem_read(space->mem, space->root + HALF * 8, t->upper, sizeof(t->upper)))
		return true;
	for (uint32_t i = 0, n = 0; i < 64 && n < SLICE_ROOTS; i++) {
		/* procs_next() has no const form; nothing is changed here. */
		const struct proc *p =
			procs_next((struct procs *)(uintptr_t)run->in->procs, &t->cursor);
		if (!p)
			return true;
		if (p->exit_tsc || !p->root || p->pid != p->tgid)
			continue;
		judge_root(run, p);
		n++;
	}
	return false;
}

static uint64_t step(struct check_run *run)
{
	const struct kernel_image *image = kernel_image(run->in->k);
	struct tables_state *t = run->state;

	switch (t->phase) {
	case PHASE_WAIT:
		if (!integrity_running(run->in))
			return WAIT_MS;
		t->phase = PHASE_IMAGE;
		t->va = image->text & ~0xfffull;
		t->faults = 0;
		t->since = run->in->tsc;
		return 1;
	case PHASE_IMAGE:
		if (look_at_image(run))
			t->phase = PHASE_ROOTS;
		t->cursor = 0;
		return 4;
	default:
		if (run->in->procs && !look_at_roots(run))
			return 4;
		t->phase = PHASE_WAIT;
		integrity_drop(run->in, WHAT_PAGE_TABLE, 0, ~0ull, t->since);
		return t->faults ? SUSPECT_MS : PASS_MS;
	}
}

const struct check check_tables = {
	.name = "page_tables",
	.size = sizeof(struct tables_state),
	.attach = attach,
	.step = step,
};
