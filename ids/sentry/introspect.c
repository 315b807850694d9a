/* See introspect.h. */
#include "ids/sentry/introspect.h"

#include <stdio.h>
#include <string.h>

#include "hv/errno.h"
#include "ids/proc/socket.h"
#include "ids/sentry/introspect_impl.h"

#define SEARCH_BYTES (32u << 10) /* looked at in one slice of the search */
#define SEARCH_MS    1
#define SITE_MS	     5 /* between two looks whether the guest has made NOPs of its ftrace sites */
#define SITE_TRIES   2000 /* then it never will */
#define SOON_MS	     200

const volatile void *introspect_page(void *ctx, uint64_t gpa)
{
	const struct sentry *s = ctx;
	struct introspect *in = s->introspect;
	uint32_t i = in->ram, count = s->ctl->nram < ABI_RAM_MAX ? s->ctl->nram : ABI_RAM_MAX;

	if (gpa % ABI_PAGE)
		return NULL;
	/* Only what the core lists is mapped in the window. Most pages lie where the last one did.
	 */
	for (uint32_t tries = 0; tries < count; tries++, i = i + 1 < count ? i + 1 : 0) {
		const struct abi_ram *r = &s->ctl->ram[i];
		if (gpa >= r->base && gpa - r->base < r->size &&
		    r->size - (gpa - r->base) >= ABI_PAGE) {
			in->ram = i;
			return (const volatile void *)(uintptr_t)(s->ctl->window + gpa);
		}
	}
	return NULL;
}

bool introspect_knows(const struct sentry *s, uint64_t root)
{
	return s->introspect->ready_since && procs_find_root(s->introspect->procs, root);
}

uint64_t introspect_since(const struct sentry *s)
{
	return s->introspect->ready_since;
}

/* --- words about it -----------------------------------------------------------------------------
 */

static void tell(struct sentry *s, const char *state, const char *reason)
{
	const struct introspect *in = s->introspect;
	const struct kernel *k = in->kernel;
	char line[240];

	snprintf(line, sizeof(line), "introspection: %s%s%s; %.120s; build id %.40s; %u hooks",
		 state, *reason ? ": " : "", reason, kernel_banner(k), kernel_build_id(k),
		 (unsigned)(in->nhook - in->missing));
	s->ops.log(s->ops.ctx, line);
	struct json *j = eve_begin(&s->eve, "hypervisor", sentry_now_ns(s));
	json_object(j, "hypervisor");
	json_str(j, "action", "introspection");
	json_str(j, "state", state);
	if (*reason)
		json_str(j, "reason", reason);
	json_str(j, "kernel", kernel_banner(k));
	json_str(j, "build_id", kernel_build_id(k));
	json_u64(j, "hooks", in->nhook - in->missing);
	if (*policy_reason(in->policy)) {
		s->ops.log(s->ops.ctx, policy_reason(in->policy));
		json_str(j, "policy", policy_reason(in->policy));
	}
	json_close(j);
	eve_end(&s->eve, EVE_CLASS_HYPERVISOR);
}

void introspect_stats(const struct sentry *s, struct json *j)
{
	static const char *const names[] = {"none", "search", "sites", "hook", "ready"};
	const struct introspect *in = s->introspect;

	json_str(j, "phase", names[in->phase]);
	json_u64(j, "hooks", in->nhook - in->missing);
	json_u64(j, "hits", in->hits);
	json_u64(j, "samples", in->samples);
	const struct procs_stats *p = procs_stats(in->procs);
	const struct views_stats v = views_stats(in->views);
	const struct integrity_stats i = integrity_stats(in->integrity);
	const struct eve_field fields[] = {
		EVE_FIELD_U64("tasks", procs_count(in->procs)),
		EVE_FIELD_U64("forks", p->forks),
		EVE_FIELD_U64("execs", p->execs),
		EVE_FIELD_U64("exits", p->exits),
		EVE_FIELD_U64("threads", p->threads),
		EVE_FIELD_U64("kernel_threads", p->kernel_threads),
		EVE_FIELD_U64("brief", p->brief),
		EVE_FIELD_U64("untold", p->untold),
		EVE_FIELD_U64("folded", p->folded),
		EVE_FIELD_U64("unknown", p->unknown),
		EVE_FIELD_U64("walks", v.walks),
		EVE_FIELD_U64("walks_broken", v.walks_broken),
		EVE_FIELD_U64("sweeps", v.sweeps),
		EVE_FIELD_U64("listings", v.listings),
		EVE_FIELD_U64("hidden", v.hidden),
		EVE_FIELD_U64("policy_lines", policy_lines(in->policy)),
		EVE_FIELD_U64("policy_hits", policy_stats(in->policy)->hits),
		EVE_FIELD_U64("policy_denied", policy_stats(in->policy)->denied),
		EVE_FIELD_U64("policy_told", policy_stats(in->policy)->told),
		EVE_FIELD_U64("policy_held", policy_stats(in->policy)->held),
		EVE_FIELD_U64("integrity_checks", i.checks),
		EVE_FIELD_U64("integrity_found", i.found),
		EVE_FIELD_U64("integrity_held", i.held),
		EVE_FIELD_U64("integrity_guard_hits", i.guard_hits),
		EVE_FIELD_U64("integrity_baseline", i.text_pages),
		EVE_FIELD_U64("integrity_sites", i.sites),
		EVE_FIELD_U64("integrity_pages", i.pages),
		EVE_FIELD_U64("integrity_passes", i.passes),
		EVE_FIELD_U64("integrity_tables", i.tables),
		EVE_FIELD_U64("integrity_modules", i.modules),
		EVE_FIELD_U64("integrity_slices", i.slices),
	};
	eve_fields(j, fields, sizeof(fields) / sizeof(fields[0]));
}

/* --- phases --------------------------------------------------------------------------------------
 */

static void enter(struct sentry *s, enum phase phase)
{
	s->introspect->phase = phase;
	s->introspect->tries = 0;
	s->introspect->at = 0;
}

/* Kernel and structures are known: the parts begin, and the core is told what it needs. */
static void begin(struct sentry *s)
{
	struct introspect *in = s->introspect;
	int64_t current = kernel_current_offset(in->kernel);

	in->missing = 0;
	in->refused = 0;
	procs_attach(in->procs, in->kernel, sentry_now_ns(s));
	views_attach(in->views, in->kernel, in->procs);
	policy_attach(in->policy, in->kernel, in->procs);
	integrity_attach(in->integrity, in->kernel, in->procs, s->now);
	in->procs_next = in->views_next = in->policy_next = in->integrity_next = s->now;
	introspect_build_hooks(in);
	if (current != -ENOENT)
		s->ops.call(s->ops.ctx, ABI_CALL_GUEST, kernel_image(in->kernel)->direct_map,
			    (uint64_t)current);
	enter(s, PHASE_SITES);
}

static void search(struct sentry *s)
{
	struct introspect *in = s->introspect;

	switch (kernel_step(in->kernel, SEARCH_BYTES)) {
	case KERNEL_READY:
		begin(s);
		break;
	case KERNEL_SYMBOLS:
	case KERNEL_UNKNOWN:
		policy_attach(in->policy, in->kernel, in->procs);
		tell(s, "fallback", kernel_reason(in->kernel));
		enter(s, PHASE_NONE);
		break;
	default:
		in->next = s->now + clock_ticks(&s->clock, SEARCH_MS);
	}
}

static void finish(struct sentry *s)
{
	struct introspect *in = s->introspect;
	const char *reason = in->refused ? "no hooks: execute-only EPT or 2 MiB pages are missing"
			     : in->missing == in->nhook ? "no function can be hooked"
							: "";
	enter(s, PHASE_READY);
	if (in->missing < in->nhook)
		in->ready_since = s->now;
	tell(s, "ready", reason);
}

/* By kexec: the parts that compare what lies in memory would compare ruins. */
static bool leaving(const struct introspect *in)
{
	return in->integrity_next && integrity_leaving(in->integrity);
}

/* The parts' own work, once there is a kernel. */
static void step_parts(struct sentry *s)
{
	struct introspect *in = s->introspect;

	if (in->integrity_next && s->now >= in->integrity_next)
		in->integrity_next = integrity_step(in->integrity, s->now, sentry_now_ns(s));
	if (leaving(in))
		return;
	if (in->procs_next && s->now >= in->procs_next)
		in->procs_next = procs_step(in->procs, s->now, sentry_now_ns(s));
	if (in->views_next && s->now >= in->views_next)
		in->views_next = views_step(in->views, s->now, sentry_now_ns(s));
	if (in->policy_next && s->now >= in->policy_next)
		in->policy_next = policy_step(in->policy, s->now, sentry_now_ns(s));
}

void introspect_step(struct sentry *s)
{
	struct introspect *in = s->introspect;

	step_parts(s);
	if (in->phase == PHASE_NONE || in->phase == PHASE_READY || s->now < in->next)
		return;
	in->next = s->now + clock_ticks(&s->clock, SEARCH_MS);
	switch (in->phase) {
	case PHASE_SEARCH:
		search(s);
		break;
	case PHASE_SITES:
		if (in->at < in->nhook)
			introspect_find_functions(in);
		else if (introspect_sites_ready(in) || ++in->tries == SITE_TRIES)
			enter(s, PHASE_HOOK);
		else
			in->next = s->now + clock_ticks(&s->clock, SITE_MS);
		break;
	default:
		if (in->at < in->nhook)
			introspect_set_hook(s, in->at++);
		else
			finish(s);
	}
}

uint64_t introspect_deadline(const struct sentry *s)
{
	const struct introspect *in = s->introspect;
	uint64_t next = in->phase == PHASE_NONE || in->phase == PHASE_READY ? 0 : in->next;
	const uint64_t parts[] = {in->integrity_next, in->procs_next, in->views_next,
				  in->policy_next};
	size_t count = leaving(in) ? 1 : sizeof(parts) / sizeof(parts[0]);

	for (size_t i = 0; i < count; i++)
		if (parts[i] && (!next || parts[i] < next))
			next = parts[i];
	return next;
}

/* --- events and hits
 * ------------------------------------------------------------------------------ */

static void anchor(struct sentry *s, const struct abi_request *r)
{
	struct introspect *in = s->introspect;

	/* The boot CPU's is the kernel's start; other CPUs repeat it as they come up. Of a kernel
	 * that is known a write may be something else than the start of another. */
	const struct lstar_write w = {r->a, r->b, (uint32_t)r->c, r->c & ABI_LSTAR_REFUSED};
	if (in->integrity_next ? !integrity_lstar(in->integrity, &w, s->now, sentry_now_ns(s))
			       : w.cpu != 0)
		return;
	if (!(r->c & ABI_LSTAR_AGAIN))
		s->ops.call(s->ops.ctx, ABI_CALL_WATCH, 0, 0);
	s->ops.call(s->ops.ctx, ABI_CALL_GUEST, 0, 0);
	kernel_anchor(in->kernel, r->a, r->b, r->c & ABI_LSTAR_LA57);
	in->next = s->now;
	in->procs_next = in->views_next = in->policy_next = in->ready_since = 0;
	in->integrity_next = 0;
	enter(s, PHASE_SEARCH);
}

static void ran(struct introspect *in, uint64_t task, uint64_t tsc)
{
	if (!task || in->phase < PHASE_SITES || leaving(in))
		return;
	procs_ran(in->procs, task, tsc);
	views_ran(in->views, task, tsc);
}

bool introspect_event(struct sentry *s, const struct abi_request *r)
{
	switch (r->port) {
	case ABI_EVENT_LSTAR:
		anchor(s, r);
		return true;
	case ABI_EVENT_SAMPLE:
		s->introspect->samples++;
		ran(s->introspect, r->a, s->now);
		return true;
	case ABI_EVENT_GUARD:
		if (s->introspect->integrity_next) {
			struct integrity_write w = {.gpa = r->a, .rip = r->b, .task = r->rsp};
			memcpy(w.before, r->arg, sizeof(w.before));
			integrity_guard(s->introspect->integrity, &w, s->now);
			s->introspect->integrity_next = s->now;
		}
		return true;
	case ABI_EVENT_LOST:
		integrity_lost(s->introspect->integrity);
		return false; /* told by others */
	case ABI_EVENT_CONTROL:
		if (s->introspect->integrity_next)
			integrity_control(s->introspect->integrity, r->a, r->b, r->c, s->now,
					  sentry_now_ns(s));
		return true;
	case ABI_EVENT_SITE:
		return true;
	default:
		return false;
	}
}

/* The guest waits for a word. A denial needs the place that the function returns to. */
static void decide(struct sentry *s, const struct abi_request *r, int deny)
{
	struct abi_reply reply = {.type = ABI_REP_DECIDE, .ticket = r->ticket};
	if (deny > 0 && deny <= ABI_ERRNO_MAX &&
	    !gspace_u64(kernel_space(s->introspect->kernel), r->rsp, &reply.value)) {
		reply.verdict = ABI_VERDICT_DROP;
		reply.len = (uint16_t)deny;
	}
	sentry_reply(s, &reply);
}

void introspect_hit(struct sentry *s, const struct abi_request *r)
{
	struct introspect *in = s->introspect;
	int deny = 0;

	in->hits++;
	if (r->slot >= in->nhook || !in->hook[r->slot].set) {
		in->unknown_hits++; /* of before a restart or a new anchor */
	} else {
		const struct hook *h = &in->hook[r->slot];
		struct probe_hit hit = {
			.tsc = r->a,
			.now_ns = sentry_ns(s, r->a),
			.current = r->b,
			.captured = r->c,
			.cpu = r->len,
			.sync = r->port,
		};
		memcpy(hit.arg, r->arg, sizeof(hit.arg));
		ran(in, hit.current, hit.tsc);
		for (uint32_t i = 0; i < h->users; i++) {
			hit.deny = 0;
			h->user[i].probe->hit(h->user[i].ctx, &hit);
			deny = deny ? deny : hit.deny;
		}
		/* A new process is due to be told in a second, and what policy holds back. */
		if (!in->procs_next)
			in->procs_next = s->now + clock_ticks(&s->clock, SOON_MS);
		if (!in->policy_next)
			in->policy_next = s->now + clock_ticks(&s->clock, SOON_MS);
	}
	if (r->port)
		decide(s, r, deny);
}

static struct integrity *create_integrity(struct sentry *s)
{
	const struct integrity_ops ops = {
		.ctx = s->ops.ctx,
		.alloc = s->ops.alloc,
		.eve = &s->eve,
		.tsc_hz = s->clock.hz,
		.key = s->random * 0x9e3779b97f4a7c15ull,
		.ncpu = s->ctl->ncpu,
		.pin = s->ctl->config.pin,
		.mem = {s, introspect_page},
		.response = s->ctl->config.integrity,
		.bytes = (uint8_t *)s->ctl->message,
		.call = s->ops.call,
		.cpu = &s->ctl->cpu,
		.log = s->ops.log,
	};
	return integrity_create(&ops);
}

int introspect_init(struct sentry *s)
{
	struct introspect *in = s->ops.alloc(s->ops.ctx, sizeof(*in));
	if (!in)
		return -ENOMEM;
	s->introspect = in;
	const struct kernel_ops ops = {
		.ctx = s->ops.ctx,
		.alloc = s->ops.alloc,
		.mem = {s, introspect_page},
	};
	const struct procs_ops procs = {
		.ctx = s->ops.ctx, .alloc = s->ops.alloc, .eve = &s->eve, .tsc_hz = s->clock.hz};
	const struct views_ops views = {.ctx = s->ops.ctx,
					.alloc = s->ops.alloc,
					.eve = &s->eve,
					.tsc_hz = s->clock.hz,
					.flows = socket_put_flows};
	in->kernel = kernel_create(&ops);
	in->procs = procs_create(&procs);
	in->views = views_create(&views);
	const struct policy_ops policy = {
		.ctx = s->ops.ctx, .alloc = s->ops.alloc, .eve = &s->eve, .tsc_hz = s->clock.hz};
	/* A blob that is refused is told by the engine, which reads it as well. */
	const void *rules = (const void *)(uintptr_t)s->ctl->rules;
	bool lines = s->ctl->rules_size && !blob_open(&in->blob, rules, s->ctl->rules_size);
	in->policy = policy_create(&policy, lines ? &in->blob : NULL);
	in->integrity = create_integrity(s);
	if (!in->kernel || !in->procs || !in->views || !in->policy || !in->integrity)
		return -ENOMEM;
	/* Policy first: who calls commit_creds() is what it was before. */
	in->set[in->nset++] = policy_probes(in->policy);
	in->set[in->nset++] = procs_probes(in->procs);
	in->set[in->nset++] = views_probes(in->views);
	for (uint32_t i = 0;
	     in->nset < SETS && integrity_probes(in->integrity, i, &in->set[in->nset]); i++)
		in->nset++;
	return 0;
}
