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
#define HEADS	   16u	/* of it in one step */
#define CHAIN_MAX  256u
#define BUCKETS	   256u /* of a filter, looked at */
#define PERIOD_MS  150
#define SLICE_MS   5
#define LOOKS	   2
#define LOOKS_MS   50
#define IPMODIFY   (1ull << 12) /* Linux: include/linux/ftrace.h, FTRACE_OPS_FL_IPMODIFY */

struct patchers {
	uint64_t list, list_end; /* ftrace_ops_list; 0: none */
	uint64_t table;		 /* kprobe_table; 0: none */
	uint64_t kretprobe;	 /* pre_handler_kretprobe; 0: none */
	uint32_t func, next, flags;
	uint32_t hlist, chain, addr, pre, post;
	int64_t handler, entry_handler, kp; /* negative: there are none */
	int64_t func_hash, filter, bits, buckets, ip;
	uint32_t head; /* of the table, next */
};

static bool word(const struct check_run *run, uint64_t va, uint64_t *value)
{
	return !gspace_u64(kernel_space(run->in->k), va, value);
}

static bool in_image(const struct check_run *run, uint64_t va)
{
	const struct kernel_image *image = kernel_image(run->in->k);

	return va >= image->base && va < image->end;
}

/* --- telling ----------------------------------------------------------------------------------
 */

static void tell(const struct check_run *run, enum integrity_what what, uint64_t address,
		 uint64_t object, const char *reason, const char *symbol)
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
	};
	integrity_tell(run->in, &f);
}

/* A callback whose owner is not to be seen. True: it has an owner, the module or none (the kernel).
 */
static bool owned(struct check_run *run, enum integrity_what what, uint64_t callback,
		  uint64_t object, const char *reason, struct kernel_module *module)
{
	module->name[0] = 0;
	if (in_image(run, callback) || kernel_module_holding(run->in->k, callback, module))
		return true;
	if (integrity_suspect(run->in, what, object, callback, LOOKS, LOOKS_MS))
		tell(run, what, callback, object, reason, "?");
	return false;
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

static void tell_modifier(const struct check_run *run, uint64_t ops, uint64_t callback)
{
	char name[KERNEL_NAME_MAX + 20] = "", module[56], reason[KERNEL_NAME_MAX + 60];
	uint64_t target = first_filtered(run, ops);

	if (target)
		integrity_name(run->in, target, name, module);
	snprintf(reason, sizeof(reason), "a module changes where %.120s goes on",
		 name[0] ? name : "traced functions");
	tell(run, WHAT_FTRACE, callback, ops, reason, NULL);
}

static void look_ops(struct check_run *run, uint64_t ops, uint64_t callback, uint64_t flags)
{
	struct kernel_module module;

	if (!owned(run, WHAT_FTRACE, callback, ops,
		   "the callback is neither the kernel's nor a module's", &module))
		return;
	if (flags & IPMODIFY && module.name[0]) {
		if (integrity_suspect(run->in, WHAT_FTRACE, ops, callback ^ 1, LOOKS, LOOKS_MS))
			tell_modifier(run, ops, callback);
	} else {
		integrity_innocent(run->in, WHAT_FTRACE, ops);
	}
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

static bool look_handler(struct check_run *run, uint64_t probe, uint64_t at)
{
	struct kernel_module module;
	uint64_t callback, target = 0;
	char name[KERNEL_NAME_MAX + 20] = "", owner[56], reason[KERNEL_NAME_MAX + 60];
	const struct patchers *st = run->state;

	if (!word(run, at, &callback) || !callback || in_image(run, callback))
		return true;
	if (word(run, probe + st->addr, &target))
		integrity_name(run->in, target, name, owner);
	snprintf(reason, sizeof(reason),
		 "the handler of %.120s is neither the kernel's nor a module's",
		 name[0] ? name : "a probe");
	return owned(run, WHAT_KPROBE, callback, probe, reason, &module);
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

static void look_head(struct check_run *run, uint64_t head)
{
	const struct patchers *st = run->state;
	uint64_t node;

	if (!word(run, head, &node))
		return;
	for (uint32_t i = 0; i < CHAIN_MAX && node; i++) {
		look_chain(run, node - st->hlist);
		if (!word(run, node, &node))
			return;
	}
}

/* --- life -------------------------------------------------------------------------------------
 */

static uint64_t step(struct check_run *run)
{
	struct patchers *st = run->state;

	if (!st->head)
		look_ftrace(run);
	for (uint32_t i = 0; st->table && i < HEADS; i++, st->head++)
		look_head(run, st->table + st->head * 8ull);
	if (st->table && st->head < TABLE_SIZE)
		return SLICE_MS;
	st->head = 0;
	return PERIOD_MS;
}

static uint32_t offset(const struct kernel *k, const char *structure, const char *member, bool *ok)
{
	int64_t at = kernel_offset(k, structure, member);

	*ok &= at >= 0;
	return at < 0 ? 0 : (uint32_t)at;
}

static const char *attach(struct check_run *run)
{
	const struct kernel *k = run->in->k;
	struct patchers *st = run->state;
	bool ftrace = true, kprobes = true;

	st->func = offset(k, "ftrace_ops", "func", &ftrace);
	st->next = offset(k, "ftrace_ops", "next", &ftrace);
	st->flags = offset(k, "ftrace_ops", "flags", &ftrace);
	st->func_hash = kernel_offset(k, "ftrace_ops", "func_hash");
	st->filter = kernel_offset(k, "ftrace_ops_hash", "filter_hash");
	st->bits = kernel_offset(k, "ftrace_hash", "size_bits");
	st->buckets = kernel_offset(k, "ftrace_hash", "buckets");
	st->ip = kernel_offset(k, "ftrace_func_entry", "ip");
	st->list = ftrace ? kernel_symbol(k, "ftrace_ops_list") : 0;
	st->list_end = kernel_symbol(k, "ftrace_list_end");
	st->hlist = offset(k, "kprobe", "hlist", &kprobes);
	st->chain = offset(k, "kprobe", "list", &kprobes);
	st->addr = offset(k, "kprobe", "addr", &kprobes);
	st->pre = offset(k, "kprobe", "pre_handler", &kprobes);
	st->post = offset(k, "kprobe", "post_handler", &kprobes);
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
	.attach = attach,
	.step = step,
};
