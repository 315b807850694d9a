/* Shared by introspect*.c alone. */
#pragma once

#include "ids/guest/probe.h"
#include "ids/integrity/integrity.h"
#include "ids/policy/policy.h"
#include "ids/proc/procs.h"
#include "ids/proc/views.h"
#include "ids/sentry/introspect.h"

#define SETS   12
#define SHARED 4 /* probes on one function */

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

/* --- introspect_hooks.c: the table of hooks, from the probes of all parts --- */

/* Make it anew from in->set: a function that several probes name is hooked once. */
void introspect_build_hooks(struct introspect *in);
/* Look for the functions of some hooks more, from in->at on. */
void introspect_find_functions(struct introspect *in);
/* Has the guest made NOPs (or calls of its own) of all their ftrace sites? */
bool introspect_sites_ready(const struct introspect *in);
/* Ask the core for one; what can't be hooked is logged, counted in in->missing, and policy told. */
void introspect_set_hook(struct sentry *s, uint32_t number);
