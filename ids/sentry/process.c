/* See process.h. */
#include "ids/sentry/process.h"

#include "hv/errno.h"
#include "ids/sentry/introspect.h"

#define SEEN_MS	      1000 /* an address space has lived so long before it is told as seen */
#define SWEEP_MS      500  /* between two looks at all address spaces */
#define SWEEP_BUSY_MS 80   /* the same while some come and go: they get each other's pages */
#define BUSY_MS	      1300 /* so long after one came or went; until a new one is told at least */
#define SWEEP_ROOTS   512  /* at most in one slice of a look */

static const volatile uint64_t *guest_page(void *ctx, uint64_t gpa)
{
	return introspect_page(ctx, gpa);
}

static uint64_t forget(void *ctx, uint64_t root, uint64_t *last_tsc)
{
	struct sentry *s = ctx;
	return s->ops.forget(s->ops.ctx, root, last_tsc);
}

/* An address space came or went: look more often for a while. */
static void roots_changed(struct sentry *s)
{
	uint64_t soon = s->now + clock_ticks(&s->clock, SWEEP_BUSY_MS);
	s->busy_until = s->now + clock_ticks(&s->clock, BUSY_MS);
	if (s->next_sweep > soon)
		s->next_sweep = soon;
}

static void tell_seen(struct sentry *s, uint64_t root, uint64_t first_tsc, uint32_t cpu)
{
	const struct eve_process event = {
		.action = EVE_PROCESS_SEEN,
		.cr3 = root,
		.first_ns = clock_ns(&s->clock, first_tsc),
		.cpu = cpu,
	};
	ids_event_process(&s->eve, &event, sentry_now_ns(s));
}

static void root_lived(void *ctx, const struct roots_about *about)
{
	struct sentry *s = ctx;
	if (about->first_tsc > s->ctl->roots_told)
		s->ctl->roots_told = about->first_tsc;
	/* Told as a process already, with its name. */
	if (!introspect_knows(s, about->root))
		tell_seen(s, about->root, about->first_tsc, about->cpu);
}

static void root_gone(void *ctx, const struct roots_about *about)
{
	struct sentry *s = ctx;
	/* Since processes are known, their exits are told. */
	if (introspect_since(s) && about->first_tsc > introspect_since(s))
		return;
	const struct eve_process event = {
		.action = EVE_PROCESS_GONE,
		.brief = !about->told,
		.cr3 = about->root,
		.switches = about->switches,
		.first_ns = clock_ns(&s->clock, about->first_tsc),
		.last_ns = clock_ns(&s->clock, about->last_tsc ? about->last_tsc : s->now),
		.cpu = about->cpu,
	};
	ids_event_process(&s->eve, &event, sentry_now_ns(s));
}

void process_root(struct sentry *s, const struct abi_request *r)
{
	uint32_t cpu = (uint32_t)r->c;
	bool known = r->c & ABI_ROOT_KNOWN;
	/* Told by the sentry's last life, unless that was too short. */
	bool told = known && r->b <= s->ctl->roots_told;
	switch (roots_seen(s->roots, r->a, r->b, s->now, cpu, told)) {
	case ROOTS_OLD:
		break;
	case ROOTS_NEW:
		roots_changed(s);
		break;
	case ROOTS_UNWATCHED:
		/* Nobody will notice whether it lives. */
		if (!known)
			tell_seen(s, r->a & ROOTS_FRAME, r->b, cpu);
	}
}

void process_timers(struct sentry *s)
{
	uint32_t slices = (roots_count(s->roots) + SWEEP_ROOTS - 1) / SWEEP_ROOTS;
	bool busy = s->now < s->busy_until;
	uint64_t period = clock_ticks(&s->clock, busy ? SWEEP_BUSY_MS : SWEEP_MS);
	uint64_t life = clock_ticks(&s->clock, SEEN_MS);
	/* Rather a little early than in a stay of its own. */
	if (s->now + period / 4 < s->next_sweep)
		return;
	s->next_sweep = s->now + period / (slices ? slices : 1);
	if (roots_sweep(s->roots, SWEEP_ROOTS, s->now, s->now > life ? s->now - life : 0))
		roots_changed(s); /* then the next look may come sooner */
}

uint64_t process_deadline(const struct sentry *s)
{
	return roots_count(s->roots) ? s->next_sweep : 0;
}

int process_init(struct sentry *s)
{
	const struct roots_ops ops = {
		.ctx = s,
		.page = guest_page,
		.forget = forget,
		.lived = root_lived,
		.gone = root_gone,
	};
	void *memory = s->ops.alloc(s->ops.ctx, roots_memory());
	if (!memory)
		return -ENOMEM;
	s->roots = roots_init(memory, &ops);
	return 0;
}
