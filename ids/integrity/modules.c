/* Modules that vanish: one that was in the kernel's list, or was about to be initialized, and is
 * not in it any more although its text is still mapped where it was. Unloading unmaps it. */
#include "ids/integrity/modules.h"

#include <string.h>

#include "ids/integrity/owner.h"

#define PASS_MS	 800 /* between walks of the list */
#define SLICE	 8u  /* modules in a step, some 5,000 instructions each */
#define JUDGE	 64u
#define LOOKS	 3
#define LOOKS_MS 1000
#define GOING_MS 30000
#define LIST_MAX 1024u

enum phase { PHASE_IDLE, PHASE_WALK, PHASE_JUDGE };

struct modules_state {
	enum phase phase;
	uint32_t round, steps, at;
	uint64_t node;
	uint64_t head, link; /* the list, and its member in struct module */
	bool broken;
};

static struct module_copy *find_known(struct module_table *t, uint64_t va, uint64_t base)
{
	for (uint32_t i = 0; i < t->count; i++)
		if (t->module[i].va == va && t->module[i].base == base)
			return &t->module[i];
	return NULL;
}

static struct module_copy *new_known(struct module_table *t)
{
	for (uint32_t i = 0; i < t->count; i++)
		if (!t->module[i].va)
			return &t->module[i];
	return t->count < MODULES_KNOWN ? &t->module[t->count++] : NULL;
}

/* Where the module's text lies now; 0: not executable memory. */
static uint64_t text_frame(const struct integrity *in, uint64_t base)
{
	struct gspace_at at;

	return gspace_translate(kernel_space(in->k), base, &at) || !at.exec ? 0 : at.gpa;
}

static void learn(struct check_run *run, const struct kernel_module *m, bool listed)
{
	struct module_table *t = run->memory;
	struct modules_state *s = run->state;
	struct module_copy *known;

	if (!m->parts)
		return; /* it has no memory yet */
	known = find_known(t, m->va, m->part[0].base);
	if (!known && (known = new_known(t))) {
		*known = (struct module_copy){
			.va = m->va, .base = m->part[0].base, .size = m->part[0].size};
		memcpy(known->name, m->name, sizeof(known->name));
		run->in->stats.modules++;
	}
	if (!known)
		return;
	if (!known->gpa)
		known->gpa = text_frame(run->in, known->base);
	known->listed |= listed;
	known->round = s->round;
}

/* It is about to run its init function, which may take it off the list. */
static void hit_init(void *ctx, struct probe_hit *hit)
{
	struct check_run *run = ctx;

	struct module_table *t = run->memory;
	struct kernel_module m;

	if (!run->in->k || !run->next || !kernel_module_read(run->in->k, hit->arg[0], &m))
		return;
	learn(run, &m, false);
	for (uint32_t i = 0; i < m.parts; i++)
		t->recent[t->recent_at++ % MODULES_RECENT] = (struct module_recent){
			m.part[i].base, m.part[i].base + m.part[i].size, hit->tsc};
}

/* A slice of the list. True: it has ended. */
static bool walk(struct check_run *run)
{
	const struct gspace *space = kernel_space(run->in->k);
	struct modules_state *s = run->state;

	for (uint32_t i = 0; i < SLICE; i++) {
		struct kernel_module m;
		if (gspace_u64(space, s->node ? s->node : s->head, &s->node) || !s->node ||
		    s->steps++ == LIST_MAX) {
			s->broken = true;
			return true;
		}
		if (s->node == s->head)
			return true;
		if (kernel_module_read(run->in->k, s->node - s->link, &m))
			learn(run, &m, true);
	}
	return false;
}

/* Is it being unloaded, by its own word? That may take a while, but not for ever. */
static bool is_going(struct check_run *run, const struct module_copy *m)
{
	int64_t state = kernel_offset(run->in->k, "module", "state"), live;
	uint32_t now;

	if (state < 0 || gspace_u32(kernel_space(run->in->k), m->va + (uint64_t)state, &now))
		return false;
	if (kernel_enum(run->in->k, "MODULE_STATE_LIVE", &live))
		live = 0;
	return now != live;
}

static void judge(struct check_run *run, struct module_copy *m)
{
	struct modules_state *s = run->state;
	struct integrity *in = run->in;
	enum owner owner = OWNER_NONE;

	if (m->round == s->round) {
		integrity_innocent(in, WHAT_MODULE, m->va);
		integrity_clear(in, WHAT_MODULE, m->base);
		return;
	}
	/* Unloaded: its memory is gone, or another's. */
	if ((m->gpa && text_frame(in, m->base) != m->gpa) || !text_frame(in, m->base) ||
	    (owner = owner_of(in, m->base)) != OWNER_NONE) {
		if (owner == OWNER_UNSURE)
			return;
		integrity_innocent(in, WHAT_MODULE, m->va);
		m->va = 0;
		in->stats.modules--;
		return;
	}
	if (!integrity_suspect(in, WHAT_MODULE, m->va, m->base, LOOKS,
			       is_going(run, m) ? GOING_MS : LOOKS_MS))
		return;
	const struct finding f = {
		.what = WHAT_MODULE,
		.check = run->check->name,
		.reason = m->listed ? "vanished from the list of modules, its code is still there"
				    : "never came into the list of modules, its code is there",
		.address = m->base,
		.symbol = "",
		.module = m->name,
	};
	integrity_tell(in, &f);
}

static const char *attach(struct check_run *run)
{
	int64_t link = kernel_offset(run->in->k, "module", "list");
	struct module_table *t = run->memory;
	struct modules_state *s = run->state;

	t->count = t->recent_at = 0;
	memset(t->recent, 0, sizeof(t->recent));
	run->in->modules = t;
	s->head = kernel_symbol(run->in->k, "modules");
	s->link = (uint64_t)link;
	return !s->head || link < 0 ? "the list of modules is not known" : NULL;
}

static uint64_t step(struct check_run *run)
{
	struct modules_state *s = run->state;
	struct module_table *t = run->memory;

	switch (s->phase) {
	case PHASE_IDLE:
		s->round++;
		s->node = s->steps = s->at = 0;
		s->broken = false;
		s->phase = PHASE_WALK;
		return 1;
	case PHASE_WALK:
		if (walk(run))
			s->phase = s->broken ? PHASE_IDLE : PHASE_JUDGE;
		/* A list that changes while it is walked: once more. */
		return s->broken ? PASS_MS : 1;
	default:
		/* One that is missing costs a look at all lists: one of them in a step. */
		for (uint32_t i = 0; i < JUDGE && s->at < t->count; i++, s->at++) {
			struct module_copy *m = &t->module[s->at];
			bool missing = m->va && m->round != s->round;
			if (m->va)
				judge(run, m);
			if (missing) {
				s->at++;
				return 1;
			}
		}
		if (s->at < t->count)
			return 1;
		s->phase = PHASE_IDLE;
		return PASS_MS;
	}
}

static const struct probe probes[] = {
	{.symbol = "do_init_module", .hit = hit_init, .sync = true},
};

const struct check check_modules = {
	.name = "modules",
	.size = sizeof(struct modules_state),
	.memory = sizeof(struct module_table),
	.attach = attach,
	.step = step,
	.probe = probes,
	.probe_count = 1,
};
