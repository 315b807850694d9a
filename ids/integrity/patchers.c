/* What hangs on the kernel's own means of patching: ftrace callbacks and kprobes.
 *
 * A callback in memory that is neither the kernel's nor a listed module's belongs to something that
 * hides. Modules that trace are nothing odd; one that may change where the traced function goes on
 * (IPMODIFY) is: live patching does that with a callback of the kernel's, BPF and kprobes too, and
 * those that filter what a user is told do it with their own.
 */
#include <stdio.h>

#include "ids/integrity/integrity_impl.h"

#define OPS_MAX	   512u /* of the list */
#define TABLE_SIZE 64u	/* Linux: kernel/kprobes.c, KPROBE_TABLE_SIZE */
#define CHAIN_MAX  256u
#define BUCKETS	   256u	 /* of a filter, looked at */
#define HEAD_READS 600u	 /* of memory, for one head of the table, or for the list */
#define STEP_READS 1000u /* then the rest waits for the next step */
#define RANGES	   1024u /* of memory of modules */
#define MODULES	   16u	 /* read in one step */
#define WALK_MAX   1024u
#define WALK_MS	   2000 /* the modules are read again */
#define PERIOD_MS  300
#define SLICE_MS   5
#define LOOKS	   2
#define LOOKS_MS   50
#define IPMODIFY   (1ull << 12) /* Linux: include/linux/ftrace.h, FTRACE_OPS_FL_IPMODIFY */

struct range {
	uint64_t base, end;
};

enum patchers_phase { PHASE_MODULES, PHASE_FTRACE, PHASE_KPROBES };

struct patchers {
	enum patchers_phase phase;
	uint32_t left; /* reads of this head */
	bool told;     /* a finding, in this step */
	/* Memory of the modules, read when there is a callback that may be one's. */
	bool foreign;  /* there is one that the ranges did not hold */
	bool fresh;    /* they were read for this pass */
	uint64_t node; /* of the walk */
	uint32_t walked, ranges;
	uint64_t read_tsc;	 /* 0: never */
	uint64_t list, list_end; /* ftrace_ops_list; 0: none */
	uint64_t table;		 /* kprobe_table; 0: none */
	uint64_t kretprobe;	 /* pre_handler_kretprobe; 0: none */
	uint32_t func, next, flags;
	uint32_t hlist, chain, addr, pre, post;
	int64_t handler, entry_handler, kp; /* negative: there are none */
	int64_t func_hash, filter, bits, buckets, ip;
	uint32_t head; /* of the table, next */
	uint64_t heads[TABLE_SIZE];
};

static bool word(const struct check_run *run, uint64_t va, uint64_t *value)
{
	struct patchers *st = run->state;

	if (!st->left)
		return false;
	st->left--;
	return !gspace_u64(kernel_space(run->in->k), va, value);
}

static bool in_image(const struct check_run *run, uint64_t va)
{
	const struct kernel_image *image = kernel_image(run->in->k);

	return va >= image->base && va < image->end;
}

/* --- telling ----------------------------------------------------------------------------------
 */

/* What a finding is known by, beside the callback: the same object may be told as a module's, and
 * then as nobody's; or, when a module is loaded again where it was, at another function. */
static uint64_t digest(uint64_t object, uint64_t target, bool orphan)
{
	return (object ^ target * 0x9e3779b97f4a7c15ull) << 1 | orphan;
}

/* Names are dear: none is looked for twice, and of one finding only in a step. The others are met
 * at the next pass. */
static bool may_tell(struct check_run *run, uint64_t callback, uint64_t value)
{
	struct patchers *st = run->state;

	if (st->told || integrity_known(run->in, callback, value))
		return false;
	st->told = true;
	return true;
}

static void tell(const struct check_run *run, enum integrity_what what, uint64_t address,
		 uint64_t object, uint64_t value, const char *reason, const char *symbol)
{
	char found[INTEGRITY_TEXT];

	snprintf(found, sizeof(found), "%s at 0x%llx",
		 what == WHAT_FTRACE ? "ftrace_ops" : "kprobe", (unsigned long long)object);
	const struct finding f = {
		.what = what,
		.check = run->check->name,
		.reason = reason,
		.address = address,
		.symbol = symbol,
		.found = found,
		.object = object,
		.value = value,
	};
	integrity_tell(run->in, &f);
}

static bool in_module(const struct check_run *run, uint64_t va)
{
	const struct range *range = run->memory;
	const struct patchers *st = run->state;

	for (uint32_t i = 0; i < st->ranges; i++)
		if (va >= range[i].base && va < range[i].end)
			return true;
	return false;
}

/* A callback beyond doubt nobody's: what was read of the modules, in pieces, may have missed one.
 */
static bool orphaned(struct check_run *run, enum integrity_what what, uint64_t callback,
		     uint64_t object)
{
	struct patchers *st = run->state;
	struct kernel_module module;

	if (!st->fresh) {
		st->foreign = true;
		return false;
	}
	if (!integrity_suspect(run->in, what, object, callback, LOOKS, LOOKS_MS)) {
		st->foreign = true;
		return false;
	}
	st->left = 0; /* the next look-up is dear enough for this step */
	return !kernel_module_holding(run->in->k, callback, &module);
}

/* --- ftrace -----------------------------------------------------------------------------------
 */

/* The first function that a filter names, 0: all of them, or unknown. */
static uint64_t first_filtered(const struct check_run *run, uint64_t ops)
{
	const struct patchers *st = run->state;
	uint64_t hashes, hash, size_bits = 0, table, entry, ip;

	if (st->func_hash < 0 || st->filter < 0 || st->bits < 0 || st->buckets < 0 || st->ip < 0 ||
	    !word(run, ops + (uint64_t)st->func_hash, &hashes) ||
	    !word(run, hashes + (uint64_t)st->filter, &hash) ||
	    !word(run, hash + (uint64_t)st->bits, &size_bits) ||
	    !word(run, hash + (uint64_t)st->buckets, &table))
		return 0;
	for (uint32_t i = 0; i < BUCKETS && !(i >> (size_bits & 31)); i++) {
		/* hlist is an entry's first member. */
		if (!word(run, table + i * 8ull, &entry))
			return 0;
		if (entry && word(run, entry + (uint64_t)st->ip, &ip))
			return ip;
	}
	return 0;
}

static void tell_modifier(struct check_run *run, uint64_t ops, uint64_t callback)
{
	char name[KERNEL_NAME_MAX + 20] = "", module[56], reason[KERNEL_NAME_MAX + 60];
	uint64_t target = first_filtered(run, ops), value = digest(ops, target, false);

	if (!may_tell(run, callback, value))
		return;
	if (target)
		integrity_name(run->in, target, name, module);
	snprintf(reason, sizeof(reason), "a module changes where %.120s goes on",
		 name[0] ? name : "traced functions");
	tell(run, WHAT_FTRACE, callback, ops, value, reason, NULL);
}

static void look_ops(struct check_run *run, uint64_t ops, uint64_t callback, uint64_t flags)
{
	uint64_t value = digest(ops, 0, true);
	bool foreign = !in_image(run, callback);

	if (foreign && !in_module(run, callback)) {
		/* What is told keeps nobody from those behind it. */
		if (!integrity_known(run->in, callback, value) &&
		    orphaned(run, WHAT_FTRACE, callback, ops) && may_tell(run, callback, value))
			tell(run, WHAT_FTRACE, callback, ops, value,
			     "the callback is neither the kernel's nor a module's", "?");
		return;
	}
	if (!foreign || !(flags & IPMODIFY))
		integrity_innocent(run->in, WHAT_FTRACE, ops);
	else if (integrity_suspect(run->in, WHAT_FTRACE, ops, callback ^ 1, LOOKS, LOOKS_MS))
		tell_modifier(run, ops, callback);
}

/* A loop ends at the bound: it was gone through, at least once, by then. */
static void look_ftrace(struct check_run *run)
{
	const struct patchers *st = run->state;
	uint64_t ops, callback, flags;

	if (!st->list || !word(run, st->list, &ops))
		return;
	for (uint32_t i = 0; i < OPS_MAX && ops && ops != st->list_end; i++) {
		if (!word(run, ops + st->func, &callback) || !word(run, ops + st->flags, &flags))
			return;
		look_ops(run, ops, callback, flags);
		if (!word(run, ops + st->next, &ops))
			return;
	}
}

/* --- kprobes ----------------------------------------------------------------------------------
 */

static void tell_probe(const struct check_run *run, uint64_t probe, uint64_t target,
		       uint64_t callback)
{
	char name[KERNEL_NAME_MAX + 20], owner[56], reason[KERNEL_NAME_MAX + 60];

	integrity_name(run->in, target, name, owner);
	snprintf(reason, sizeof(reason),
		 "the handler of %.120s is neither the kernel's nor a module's",
		 name[0] ? name : "a probe");
	tell(run, WHAT_KPROBE, callback, probe, digest(probe, target, true), reason, "?");
}

/* True: there is nothing to be said of it. */
static bool look_handler(struct check_run *run, uint64_t probe, uint64_t at)
{
	const struct patchers *st = run->state;
	uint64_t callback, target;

	if (!word(run, at, &callback) || !callback || in_image(run, callback) ||
	    in_module(run, callback))
		return true;
	if (word(run, probe + st->addr, &target) &&
	    !integrity_known(run->in, callback, digest(probe, target, true)) &&
	    orphaned(run, WHAT_KPROBE, callback, probe) &&
	    may_tell(run, callback, digest(probe, target, true)))
		tell_probe(run, probe, target, callback);
	return false;
}

static void look_probe(struct check_run *run, uint64_t probe)
{
	const struct patchers *st = run->state;
	uint64_t pre;
	bool good = look_handler(run, probe, probe + st->pre) &&
		    look_handler(run, probe, probe + st->post);

	/* The handlers of a return probe are behind one of the kernel's. */
	if (good && st->kretprobe && st->kp >= 0 && st->handler >= 0 && st->entry_handler >= 0 &&
	    word(run, probe + st->pre, &pre) && pre == st->kretprobe) {
		uint64_t outer = probe - (uint64_t)st->kp;
		good = look_handler(run, probe, outer + (uint64_t)st->handler) &&
		       look_handler(run, probe, outer + (uint64_t)st->entry_handler);
	}
	if (good)
		integrity_innocent(run->in, WHAT_KPROBE, probe);
}

/* Several probes of one place hang on the list of the one in the table. */
static void look_chain(struct check_run *run, uint64_t probe)
{
	const struct patchers *st = run->state;
	uint64_t head = probe + st->chain, node = head;

	look_probe(run, probe);
	for (uint32_t i = 0; i < CHAIN_MAX && word(run, node, &node); i++) {
		if (!node || node == head)
			return;
		look_probe(run, node - st->chain);
	}
}

static void look_head(struct check_run *run, uint64_t node)
{
	const struct patchers *st = run->state;

	for (uint32_t i = 0; i < CHAIN_MAX && node; i++) {
		look_chain(run, node - st->hlist);
		if (!word(run, node, &node))
			return;
	}
}

/* --- life -------------------------------------------------------------------------------------
 */

/* Some of the modules; true: these were the last. */
static bool read_modules(struct check_run *run)
{
	struct patchers *st = run->state;
	struct range *range = run->memory;
	struct kernel_module m;

	if (!st->walked)
		st->ranges = 0;
	for (uint32_t i = 0; i < MODULES; i++) {
		if (st->walked++ == WALK_MAX || !kernel_module_next(run->in->k, &st->node, &m)) {
			st->walked = 0;
			st->node = 0;
			return true;
		}
		for (uint32_t p = 0; p < m.parts && st->ranges < RANGES; p++)
			range[st->ranges++] =
				(struct range){m.part[p].base, m.part[p].base + m.part[p].size};
	}
	return false;
}

/* Some heads of the table; true: these were the last. */
static bool look_heads(struct check_run *run)
{
	struct patchers *st = run->state;
	uint32_t spent = 0;

	if (!st->table || (!st->head && gspace_read(kernel_space(run->in->k), st->table, st->heads,
						    sizeof(st->heads))))
		return true;
	while (spent < STEP_READS && st->head < TABLE_SIZE) {
		st->left = HEAD_READS;
		look_head(run, st->heads[st->head++]);
		spent += HEAD_READS - st->left;
	}
	return st->head == TABLE_SIZE;
}

static uint64_t step(struct check_run *run)
{
	struct patchers *st = run->state;

	st->told = false;
	switch (st->phase) {
	case PHASE_MODULES:
		st->fresh = st->foreign || (st->ranges && run->in->tsc - st->read_tsc >
								  integrity_ms(run->in, WALK_MS));
		if (st->fresh && !read_modules(run))
			return SLICE_MS;
		if (st->fresh)
			st->read_tsc = run->in->tsc;
		st->foreign = false;
		st->phase = PHASE_FTRACE;
		if (st->fresh)
			return SLICE_MS;
		/* Nothing was read: on with it. */
		__attribute__((fallthrough));
	case PHASE_FTRACE:
		st->left = HEAD_READS * 3;
		look_ftrace(run);
		st->head = 0;
		st->phase = PHASE_KPROBES;
		return SLICE_MS;
	default:
		if (!look_heads(run))
			return SLICE_MS;
		st->phase = PHASE_MODULES;
		return PERIOD_MS;
	}
}

static const char *attach(struct check_run *run)
{
	const struct kernel *k = run->in->k;
	struct patchers *st = run->state;
	bool ftrace = true, kprobes = true;

	st->func = integrity_offset(k, "ftrace_ops", "func", &ftrace);
	st->next = integrity_offset(k, "ftrace_ops", "next", &ftrace);
	st->flags = integrity_offset(k, "ftrace_ops", "flags", &ftrace);
	st->func_hash = kernel_offset(k, "ftrace_ops", "func_hash");
	st->filter = kernel_offset(k, "ftrace_ops_hash", "filter_hash");
	st->bits = kernel_offset(k, "ftrace_hash", "size_bits");
	st->buckets = kernel_offset(k, "ftrace_hash", "buckets");
	st->ip = kernel_offset(k, "ftrace_func_entry", "ip");
	st->list = ftrace ? kernel_symbol(k, "ftrace_ops_list") : 0;
	st->list_end = kernel_symbol(k, "ftrace_list_end");
	st->hlist = integrity_offset(k, "kprobe", "hlist", &kprobes);
	st->chain = integrity_offset(k, "kprobe", "list", &kprobes);
	st->addr = integrity_offset(k, "kprobe", "addr", &kprobes);
	st->pre = integrity_offset(k, "kprobe", "pre_handler", &kprobes);
	st->post = integrity_offset(k, "kprobe", "post_handler", &kprobes);
	st->kp = kernel_offset(k, "kretprobe", "kp");
	st->handler = kernel_offset(k, "kretprobe", "handler");
	st->entry_handler = kernel_offset(k, "kretprobe", "entry_handler");
	st->kretprobe = kernel_symbol(k, "pre_handler_kretprobe");
	st->table = kprobes ? kernel_symbol(k, "kprobe_table") : 0;
	return st->list || st->table ? NULL : "it has neither ftrace nor kprobes";
}

const struct check check_patchers = {
	.name = "patchers",
	.size = sizeof(struct patchers),
	.memory = RANGES * sizeof(struct range),
	.attach = attach,
	.step = step,
};
