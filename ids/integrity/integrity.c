/* See integrity.h: the table of checks, and what they share. */
#include "ids/integrity/integrity.h"

#include <stdio.h>
#include <string.h>

#include "hv/errno.h"
#include "ids/integrity/integrity_impl.h"
#include "ids/integrity/owner.h"

#define STALE_MS   2500	 /* and then its place may be taken */
#define SUSPECT_MS 10000 /* a suspicion that nobody repeats for so long is none */

/* In the order in which they are begun; NULL ends it. */
static const struct check *const checks[] = {
	&check_text,  &check_tables,   &check_modules, &check_code, &check_cpu,
	&check_creds, &check_patchers, &check_bpf,     NULL,
};

_Static_assert(sizeof(checks) / sizeof(checks[0]) <= CHECKS + 1, "room for the checks");

/* --- life ------------------------------------------------------------------------------------- */

static int add_check(struct integrity *in, const struct check *check)
{
	struct check_run *run = &in->run[in->runs++];

	*run = (struct check_run){.in = in, .check = check};
	if (check->size)
		run->state = in->ops.alloc(in->ops.ctx, check->size);
	if (check->memory)
		run->memory = in->ops.alloc(in->ops.ctx, check->memory);
	return (check->size && !run->state) || (check->memory && !run->memory) ? -ENOMEM : 0;
}

struct integrity *integrity_create(const struct integrity_ops *ops)
{
	struct integrity *in = ops->alloc(ops->ctx, sizeof(*in));

	if (!in)
		return NULL;
	in->ops = *ops;
	for (uint32_t i = 0; checks[i]; i++)
		if (add_check(in, checks[i]))
			return NULL;
	return in;
}

bool integrity_probes(struct integrity *in, uint32_t index, struct probe_set *set)
{
	for (uint32_t i = 0; i < in->runs; i++) {
		struct check_run *run = &in->run[i];
		if (!run->check->probe_count || index--)
			continue;
		*set = (struct probe_set){run->check->probe, run->check->probe_count, run};
		return true;
	}
	return false;
}

static void begin(struct check_run *run)
{
	struct integrity *in = run->in;
	const char *reason;

	if (run->state)
		memset(run->state, 0, run->check->size);
	reason = run->check->attach(run);
	run->next = reason ? 0 : in->tsc + 1;
	in->stats.checks += !reason;
	if (reason) {
		char line[200];
		snprintf(line, sizeof(line), "integrity: %s is not checked: %s", run->check->name,
			 reason);
		in->ops.log(in->ops.ctx, line);
	}
}

void integrity_attach(struct integrity *in, const struct kernel *k, const struct procs *procs,
		      uint64_t tsc)
{
	in->k = k;
	in->procs = procs;
	in->tsc = in->attached = tsc;
	in->stats = (struct integrity_stats){0};
	in->held = 0;
	in->in_second = in->hooked = 0;
	in->leaving = false;
	in->tolds = in->suspects = 0;
	memset(in->told, 0, sizeof(in->told));
	memset(in->suspect, 0, sizeof(in->suspect));
	owner_attach(in);
	for (uint32_t i = 0; i < in->runs; i++)
		begin(&in->run[i]);
}

void integrity_hooked(struct integrity *in, uint64_t va)
{
	/* Pages are looked at: one for all of its hooks. */
	for (uint32_t i = 0; i < in->hooked; i++)
		if ((in->hooked_va[i] ^ va) < GMEM_PAGE)
			return;
	if (in->hooked < ABI_HOOKS)
		in->hooked_va[in->hooked++] = va;
}

void integrity_guard(struct integrity *in, const struct integrity_write *w, uint64_t tsc)
{
	in->stats.guard_hits++;
	for (uint32_t i = 0; in->k && i < in->runs; i++) {
		struct check_run *run = &in->run[i];
		if (run->check->guard && run->next && run->check->guard(run, w))
			run->next = tsc;
	}
}

/* While kexec overwrites the kernel only the processors are looked at. */
static bool at_work(const struct integrity *in, uint32_t i)
{
	return in->run[i].next && (!in->leaving || in->run[i].check == &check_cpu);
}

/* One check for each call: the most overdue. */
uint64_t integrity_step(struct integrity *in, uint64_t tsc, uint64_t now_ns)
{
	struct check_run *due = NULL;
	uint64_t next = 0;

	if (!in->k)
		return 0;
	in->tsc = tsc;
	in->now_ns = now_ns;
	for (uint32_t i = 0; i < in->runs; i++)
		if (at_work(in, i) && (!due || in->run[i].next < due->next))
			due = &in->run[i];
	if (due && due->next <= tsc) {
		uint64_t ms = due->check->step(due);
		due->next = ms ? tsc + integrity_ms(in, ms) : 0;
		in->stats.slices++;
	}
	for (uint32_t i = 0; i < in->runs; i++)
		if (at_work(in, i) && (!next || in->run[i].next < next))
			next = in->run[i].next;
	return next;
}

bool integrity_leaving(const struct integrity *in)
{
	return in->k && in->leaving;
}

struct integrity_stats integrity_stats(const struct integrity *in)
{
	return in->stats;
}

bool integrity_running(const struct integrity *in)
{
	uint64_t va = kernel_symbol(in->k, "system_state");
	int64_t running;
	uint32_t now;

	if (kernel_enum(in->k, "SYSTEM_RUNNING", &running))
		running = 2;
	return va && !gspace_u32(kernel_space(in->k), va, &now) && now >= running;
}

/* --- suspicions --------------------------------------------------------------------------------
 */

static struct suspect *find_suspect(struct integrity *in, enum integrity_what what, uint64_t key)
{
	/* There is hardly ever one. */
	for (uint32_t i = 0; in->suspects && i < SUSPECTS; i++) {
		struct suspect *s = &in->suspect[i];
		if (s->looks && s->what == what && s->key == key)
			return s;
	}
	return NULL;
}

static void acquit(struct integrity *in, struct suspect *s)
{
	s->looks = 0;
	in->suspects--;
}

/* A free place, or one whose suspicion has not been repeated for a while. NULL: they are all at
 * work; whoever comes later waits, so that those are brought to an end. */
static struct suspect *new_suspect(struct integrity *in)
{
	for (uint32_t i = 0; i < SUSPECTS; i++) {
		struct suspect *s = &in->suspect[i];
		if (!s->looks || in->tsc - s->last > integrity_ms(in, STALE_MS))
			return s;
	}
	return NULL;
}

bool integrity_suspect(struct integrity *in, enum integrity_what what, uint64_t key, uint64_t value,
		       uint32_t looks, uint32_t ms)
{
	struct suspect *s = find_suspect(in, what, key);

	if (!s || s->value != value || in->tsc - s->last > integrity_ms(in, SUSPECT_MS)) {
		s = s ? s : new_suspect(in);
		if (!s)
			return false;
		in->suspects += !s->looks;
		*s = (struct suspect){
			.key = key, .value = value, .first = in->tsc, .what = (uint8_t)what};
	}
	s->last = in->tsc;
	if (s->looks < UINT8_MAX)
		s->looks++;
	return s->looks >= looks && in->tsc - s->first >= integrity_ms(in, ms);
}

void integrity_drop(struct integrity *in, enum integrity_what what, uint64_t from, uint64_t to,
		    uint64_t since)
{
	for (uint32_t i = 0; in->suspects && i < SUSPECTS; i++) {
		struct suspect *s = &in->suspect[i];
		if (s->looks && s->what == what && s->key >= from && s->key < to && s->last < since)
			acquit(in, s);
	}
}

void integrity_innocent(struct integrity *in, enum integrity_what what, uint64_t key)
{
	struct suspect *s = find_suspect(in, what, key);

	if (s)
		acquit(in, s);
}
