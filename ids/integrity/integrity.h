/* Integrity of the guest's kernel: what must not change, watched from outside.
 *
 * A table of checks (integrity_impl.h), each a sliced state machine of its own: text and read-only
 * data, the page tables that map them, system-call dispatch, executable memory, modules, the
 * processors' registers and tables, patchers (ftrace, kprobes), BPF, credentials. What they find is
 * told as `integrity` events, once for each finding, and answered as configured. For the sentry;
 * pure, one thread, memory from ops->alloc at creation only, bounded. May call: ids/guest,
 * ids/proc, ids/eve, the core by ops->call.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hv/abi.h"
#include "ids/eve/eve.h"
#include "ids/guest/probe.h"
#include "ids/proc/procs.h"

struct integrity;

struct integrity_ops {
	void *ctx;
	void *(*alloc)(void *ctx, size_t size); /* zeroed, 16-byte aligned, never given back */
	struct eve *eve;
	uint64_t tsc_hz;
	uint64_t key; /* random: for hashes whose collisions nobody can prepare */
	uint32_t ncpu;
	uint32_t pin;	 /* PIN_* of the configuration */
	struct gmem mem; /* the guest's memory by physical address */
	enum config_integrity response;
	uint8_t *bytes; /* for ABI_CALL_RESTORE: abi_ctl.message */
	/* ABI_CALL_GUARD, _CPU and _WATCH: 0 or negative errno. */
	int64_t (*call)(void *ctx, uint64_t number, uint64_t a, uint64_t b);
	const struct abi_cpu *cpu;		  /* filled by ABI_CALL_CPU */
	void (*log)(void *ctx, const char *line); /* a plain line on the channel */
};

/* Since integrity_create(). */
struct integrity_stats {
	uint64_t found;	     /* findings told, or that there was no room for */
	uint64_t held;	     /* of them: held back by the limit */
	uint64_t guard_hits; /* writes to guarded memory */
	uint64_t pages;	     /* of text and read-only data, verified */
	uint64_t passes;     /* over all of it */
	uint64_t slices;     /* steps of all checks */
	uint32_t checks;     /* at work in this kernel */
	uint32_t text_pages; /* in the baseline, 0: it is not taken yet */
	uint32_t sites;	     /* places of text that the kernel may patch */
	uint32_t modules;    /* known */
	uint32_t tables;     /* looked at in the last pass for executable memory */
};

/* NULL: no memory. */
struct integrity *integrity_create(const struct integrity_ops *ops);

/* The probes to hook: set `index` (0, 1, ...), false: there is none. Valid for ever. */
bool integrity_probes(struct integrity *in, uint32_t index, struct probe_set *set);

/* A kernel is known (again): forget all, begin with its baseline. */
void integrity_attach(struct integrity *in, const struct kernel *k, const struct procs *procs,
		      uint64_t tsc);

/* ABI_EVENT_GUARD: the guest writes to guarded memory. */
struct integrity_write {
	uint64_t gpa, rip;
	uint64_t task;			 /* address of its task_struct, 0: unknown */
	uint8_t before[ABI_GUARD_BYTES]; /* of the aligned block that holds gpa */
};
void integrity_guard(struct integrity *in, const struct integrity_write *w, uint64_t tsc);

/* The core has hooked the function with this site: what is written there does not come as a guard's
 * event, so it is looked at often. */
void integrity_hooked(struct integrity *in, uint64_t va);

/* ABI_EVENT_LSTAR. */
struct lstar_write {
	uint64_t value, cr3;
	uint32_t cpu;
	bool refused; /* the core let it have no effect */
};
/* True: a new kernel begins there (the first one, after kexec, after a reset): it has to be found.
 * False: it is told if it has to be. The kernel that is known must still be so: not to be called
 * between kernel_anchor() and integrity_attach(). */
bool integrity_lstar(struct integrity *in, const struct lstar_write *w, uint64_t tsc,
		     uint64_t now_ns);

/* ABI_EVENT_CONTROL, with its a, b and c. The same holds. */
void integrity_control(struct integrity *in, uint64_t rip, uint64_t values, uint64_t where,
		       uint64_t tsc, uint64_t now_ns);

/* The kernel seems to be on its way out, by kexec: its memory is being overwritten, and what lies
 * there says nothing any more. Over within seconds, one way or the other. */
bool integrity_leaving(const struct integrity *in);

/* ABI_EVENT_LOST: hits may be among what was lost. What only they explain is learned anew. */
void integrity_lost(struct integrity *in);

/* A slice of what is due: some 100,000 instructions, one million at most. Returns the TSC of the
 * next, 0: no kernel is known. */
uint64_t integrity_step(struct integrity *in, uint64_t tsc, uint64_t now_ns);

struct integrity_stats integrity_stats(const struct integrity *in);
