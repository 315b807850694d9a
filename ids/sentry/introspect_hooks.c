/* The hooks that introspection asks the core for. */
#include <stdio.h>
#include <string.h>

#include "hv/errno.h"
#include "ids/sentry/introspect_impl.h"

#define LOOKUPS 4 /* names of functions in one slice */
#define ENDBR	4 /* bytes of ENDBR64, or of the NOP that replaces it */
#define CALL	0xe8

static const uint8_t nop5[ABI_HOOK_BYTES] = {0x0f, 0x1f, 0x44, 0x00, 0x00};

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

void introspect_build_hooks(struct introspect *in)
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

void introspect_find_functions(struct introspect *in)
{
	for (uint32_t i = 0; i < LOOKUPS && in->at < in->nhook; i++, in->at++) {
		struct hook *h = &in->hook[in->at];
		h->function = find_function(in->kernel, h->symbol);
	}
}

bool introspect_sites_ready(const struct introspect *in)
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

void introspect_set_hook(struct sentry *s, uint32_t number)
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
