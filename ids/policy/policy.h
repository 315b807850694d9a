/* Policy: what the guest's processes may do, decided at the gates of its kernel, and told.
 *
 * Lines of vigil.cfg, compiled into the rules file (ids/rules/blob_policy.h); README.md has the
 * language. A line is matched against arguments that the kernel has copied already; the caller's
 * memory is never looked at. For the sentry and the host alike: pure, one thread, memory from
 * ops->alloc at creation only. May call: ids/guest, ids/proc, ids/rules/blob, ids/eve.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ids/eve/eve.h"
#include "ids/guest/probe.h"
#include "ids/proc/procs.h"
#include "ids/rules/blob.h"

struct policy;

struct policy_ops {
	void *ctx;
	void *(*alloc)(void *ctx, size_t size); /* zeroed, 16-byte aligned, never given back */
	struct eve *eve;
	uint64_t tsc_hz;
};

/* Since policy_create(). */
struct policy_stats {
	uint64_t hits;	 /* calls seen */
	uint64_t denied; /* of them */
	uint64_t unread; /* decided although something could not be read */
	uint64_t told;	 /* `syscall` events written, summaries included */
	uint64_t held;	 /* events held back by the limit; told as a number later */
};

/* `blob`: one that blob_open has checked, which stays as it is; NULL: no lines, defaults only.
 * NULL: no memory. */
struct policy *policy_create(const struct policy_ops *ops, const struct blob *blob);

/* The probes to hook, those that lines and defaults need; valid for ever, before the attach, too.
 */
struct probe_set policy_probes(struct policy *p);

/* A kernel is known (again). `procs` may be NULL: then `process` has pid and comm only. Until this
 * was called, and while the kernel's structures are not known, hits do nothing. */
void policy_attach(struct policy *p, const struct kernel *k, const struct procs *procs);

/* The function `symbol` of policy_probes() can't be hooked after all. After policy_attach(). */
void policy_unhooked(struct policy *p, const char *symbol);

/* What of the lines this kernel can't be held to, as a sentence for the log; "": nothing. After
 * policy_attach(). */
const char *policy_reason(const struct policy *p);

/* Due work: sums of what was held back. Bounded. Returns the TSC of the next, 0: none. */
uint64_t policy_step(struct policy *p, uint64_t tsc, uint64_t now_ns);

const struct policy_stats *policy_stats(const struct policy *p);
/* Number of lines in use. */
uint32_t policy_lines(const struct policy *p);
