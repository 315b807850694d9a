/* See introspect.h. */
#include "ids/sentry/introspect.h"

#include <stdio.h>
#include <string.h>

#include "hv/errno.h"
#include "ids/guest/probe.h"
#include "ids/integrity/integrity.h"
#include "ids/policy/policy.h"
#include "ids/proc/procs.h"
#include "ids/proc/views.h"

#define SEARCH_BYTES (32u << 10) /* looked at in one slice of the search */
#define SEARCH_MS    1
#define SITE_MS	     5 /* between two looks whether the guest has made NOPs of its ftrace sites */
#define SITE_TRIES   2000 /* then it never will */
#define SETS	     12
#define SOON_MS	     200
#define SHARED	     4 /* probes on one function */
#define LOOKUPS	     4 /* names of functions in one slice */
#define ENDBR	     4 /* bytes of ENDBR64, or of the NOP that replaces it */
#define CALL	     0xe8

static const uint8_t nop5[ABI_HOOK_BYTES] = {0x0f, 0x1f, 0x44, 0x00, 0x00};

struct user {
	const struct probe *probe;
	void *ctx;
};

struct hook {
	const char *symbol;
	uint64_t function; /* 0: this kernel has none */
	uint64_t va;	   /* of the site, 0: not found yet */
	bool set;
	uint8_t users;
	struct user user[SHARED];
};

enum phase {
	PHASE_NONE,   /* no anchor, or nothing to be done with it */
	PHASE_SEARCH, /* kernel_step() */
	PHASE_SITES,  /* waiting for the guest's ftrace_init */
	PHASE_HOOK,   /* one hook each slice */
	PHASE_READY,
};

struct introspect {
	struct kernel *kernel;
	enum phase phase;
	uint64_t next;	      /* TSC of the next slice */
	uint64_t ready_since; /* TSC, 0: processes are not known */
	uint32_t tries, at, missing;
	int refused; /* why the core sets no hooks, 0: it does */
	uint32_t nset, nhook;
	struct probe_set set[SETS];
	struct hook hook[ABI_HOOKS];
	uint64_t hits, samples, unknown_hits;
	struct procs *procs;
	struct views *views;
	struct policy *policy;
	struct blob blob; /* its lines */
	struct integrity *integrity;
	uint32_t ram; /* index of the piece of RAM in which a page was found last */
	uint64_t procs_next, views_next, policy_next, integrity_next; /* TSC, 0: nothing is due */
};

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

/* --- the table of hooks --------------------------------------------------------------------------
 */

/* Address of the first of the alternatives that the kernel has. */
static uint64_t find_function(const struct kernel *k, const char *names)
{
	char name[KERNEL_NAME_MAX];
	while (*names) {
		size_t len = strcspn(names, "|");
		if (len < sizeof(name)) {
			memcpy(name, names, len);
			name[len] = 0;
			uint64_t va = kernel_symbol(k, name);
			if (va)
				return va;
		}
		names += len + (names[len] == '|');
	}
	return 0;
}

static void add_probe(struct introspect *in, const struct probe *probe, void *ctx)
{
	uint32_t i = 0;
	while (i < in->nhook && strcmp(in->hook[i].symbol, probe->symbol) != 0)
		i++;
	if (i == ABI_HOOKS || in->hook[i].users == SHARED)
		return; /* test_introspect holds that this does not happen */
	if (i == in->nhook)
		in->hook[in->nhook++] = (struct hook){.symbol = probe->symbol};
	struct hook *h = &in->hook[i];
	h->user[h->users++] = (struct user){probe, ctx};
}

static void build_hooks(struct introspect *in)
{
	in->nhook = 0;
	for (uint32_t i = 0; i < in->nset; i++)
		for (uint32_t k = 0; k < in->set[i].count; k++)
			add_probe(in, &in->set[i].probe[k], in->set[i].ctx);
}

/* A NOP, or a call that the guest's ftrace has made of it (functions may be traced from the boot
 * on). Before ftrace_init() all sites call __fentry__. */
static bool is_site(const struct introspect *in, uint64_t va, const uint8_t *bytes)
{
	int32_t distance;

	if (bytes[0] != CALL)
		return memcmp(bytes, nop5, sizeof(nop5)) == 0;
	memcpy(&distance, bytes + 1, sizeof(distance));
	uint64_t fentry = kernel_symbol(in->kernel, "__fentry__");
	return fentry && va + ABI_HOOK_BYTES + (uint64_t)(int64_t)distance != fentry;
}

/* The site of a function, at its start or behind an ENDBR64. 0: none (yet). */
static uint64_t find_site(const struct introspect *in, uint64_t function)
{
	uint8_t bytes[ENDBR + ABI_HOOK_BYTES];
	if (gspace_read(kernel_space(in->kernel), function, bytes, sizeof(bytes)))
		return 0;
	if (is_site(in, function, bytes))
		return function;
	if (is_site(in, function + ENDBR, bytes + ENDBR))
		return function + ENDBR;
	return 0;
}

/* Some functions more; they stay where they are. */
static void find_functions(struct introspect *in)
{
	for (uint32_t i = 0; i < LOOKUPS && in->at < in->nhook; i++, in->at++) {
		struct hook *h = &in->hook[in->at];
		h->function = find_function(in->kernel, h->symbol);
	}
}

static bool sites_ready(const struct introspect *in)
{
	bool ready = true;
	for (uint32_t i = 0; i < in->nhook && ready; i++)
		ready = !in->hook[i].function || find_site(in, in->hook[i].function);
	return ready;
}

/* What the hook needs of the core. */
static struct abi_hook describe(const struct introspect *in, const struct hook *h)
{
	struct abi_hook out = {.va = h->va};
	for (uint32_t i = 0; i < h->users; i++) {
		const struct probe *p = h->user[i].probe;
		out.flags |= p->sync ? ABI_HOOK_SYNC : 0;
		int64_t offset =
			p->structure ? kernel_offset(in->kernel, p->structure, p->member) : -1;
		if (offset >= 0 && offset <= UINT16_MAX && !(out.flags & ABI_HOOK_CAPTURE)) {
			out.flags |= ABI_HOOK_CAPTURE;
			out.base = p->base;
			out.offset = (uint16_t)offset;
		}
	}
	return out;
}

static void set_hook(struct sentry *s, uint32_t number)
{
	struct introspect *in = s->introspect;
	struct hook *h = &in->hook[number];
	struct gspace_at at;

	h->va = h->function ? find_site(in, h->function) : 0;
	h->set = false;
	if (h->va && !gspace_translate(kernel_space(in->kernel), h->va, &at)) {
		struct abi_hook hook = describe(in, h);
		hook.gpa = at.gpa;
		s->ctl->hook = hook;
		int64_t err = s->ops.call(s->ops.ctx, ABI_CALL_HOOK, number, 1);
		h->set = err == 0;
		if (h->set)
			integrity_hooked(in->integrity, h->va);
		if (err == -ENOTSUP)
			in->refused = -ENOTSUP;
	}
	in->missing += !h->set;
	if (!h->set) {
		policy_unhooked(in->policy, h->symbol);
		char line[160];
		snprintf(line, sizeof(line), "introspection: %s is not watched: %s", h->symbol,
			 !h->function ? "this kernel has no such function"
			 : !h->va     ? "no ftrace site at its entry"
				      : "the core refused the hook");
		s->ops.log(s->ops.ctx, line);
	}
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
	build_hooks(in);
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
			find_functions(in);
		else if (sites_ready(in) || ++in->tries == SITE_TRIES)
			enter(s, PHASE_HOOK);
		else
			in->next = s->now + clock_ticks(&s->clock, SITE_MS);
		break;
	default:
		if (in->at < in->nhook)
			set_hook(s, in->at++);
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
	const struct views_ops views = {
		.ctx = s->ops.ctx, .alloc = s->ops.alloc, .eve = &s->eve, .tsc_hz = s->clock.hz};
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
