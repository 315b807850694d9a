/* BPF programs that can falsify what users see, found in the kernel's table of all programs.
 *
 * Tracing programs that only read are nothing odd. Told are those that write to user memory
 * (bpf_probe_write_user) or choose what a function returns (bpf_override_return, or the program
 * type that does so at a system call): the calls stand in the verified instructions, which the
 * kernel keeps. Programs of the kinds that see system calls or frames are listed in the log, once
 * each.
 */
#include <stdio.h>
#include <string.h>

#include "ids/integrity/integrity_impl.h"
#include "ids/proc/pidtable.h"

#define SCANNED	    1024u /* programs remembered, a power of two */
#define INSN_SIZE   8u
#define INSN_MAX    1000000u /* BPF_COMPLEXITY_LIMIT_INSNS */
#define SLICE_INSNS 4096u
#define CHUNK	    256u /* instructions read at a time */
#define SLICE_MS    3
#define PERIOD_MS   250
#define LOG_SECOND  10 /* programs listed in a second */
#define NAME_MAX    16 /* BPF_OBJ_NAME_LEN */
#define OP_CALL	    0x85

static const struct {
	const char *enumerator, *name;
} kinds[] = {
	{"BPF_PROG_TYPE_KPROBE", "kprobe"},
	{"BPF_PROG_TYPE_TRACEPOINT", "tracepoint"},
	{"BPF_PROG_TYPE_RAW_TRACEPOINT", "raw tracepoint"},
	{"BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE", "writable tracepoint"},
	{"BPF_PROG_TYPE_TRACING", "tracing"},
	{"BPF_PROG_TYPE_LSM", "LSM"},
	{"BPF_PROG_TYPE_XDP", "XDP"},
	{"BPF_PROG_TYPE_SCHED_CLS", "TC"},
	{"BPF_PROG_TYPE_SCHED_ACT", "TC action"},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const char *const helpers[] = {"bpf_probe_write_user", "bpf_override_return"};
#define HELPERS 2u

struct program {
	uint64_t va, aux, func;
	uint32_t id, type, attach, len, uid;
	char name[NAME_MAX + 1];
};

struct bpf {
	struct pidtable table;
	uint32_t nr;				      /* of the table, next */
	uint32_t type, attach, len, aux, insns, func; /* offsets in struct bpf_prog */
	uint32_t name, target, user;		      /* in struct bpf_prog_aux */
	int64_t uid;
	int64_t kind[KINDS]; /* negative: there is no such */
	int64_t modify_return;
	uint32_t helper[HELPERS]; /* as a call says it; 0: none */
	struct {
		uint64_t va;
		uint32_t id;
	} scanned[SCANNED];
	struct program now; /* being looked at, 0: none */
	uint32_t at;	    /* its next instruction */
	uint64_t second;
	uint32_t logged; /* in it */
};

/* --- programs ---------------------------------------------------------------------------------
 */

static bool read_program(const struct check_run *run, uint64_t va, uint32_t id, struct program *p)
{
	const struct gspace *space = kernel_space(run->in->k);
	const struct bpf *st = run->state;
	uint64_t user;

	memset(p, 0, sizeof(*p));
	p->va = va;
	p->id = id;
	if (gspace_u32(space, va + st->type, &p->type) ||
	    gspace_u32(space, va + st->len, &p->len) ||
	    gspace_u32(space, va + st->attach, &p->attach) ||
	    gspace_u64(space, va + st->func, &p->func) || gspace_u64(space, va + st->aux, &p->aux))
		return false;
	(void)gspace_string(space, p->aux + st->name, p->name, sizeof(p->name));
	if (st->uid >= 0 && !gspace_u64(space, p->aux + st->user, &user))
		(void)gspace_u32(space, user + (uint64_t)st->uid, &p->uid);
	return true;
}

static const char *kind_of(const struct bpf *st, uint32_t type)
{
	for (uint32_t i = 0; i < KINDS; i++)
		if (st->kind[i] == type)
			return kinds[i].name;
	return NULL;
}

static void list(const struct check_run *run)
{
	struct bpf *st = run->state;
	const struct program *p = &st->now;
	const char *kind = kind_of(st, p->type);
	char line[160];

	if (st->second != run->in->now_ns / 1000000000) {
		st->second = run->in->now_ns / 1000000000;
		st->logged = 0;
	}
	if (!kind || st->logged++ >= LOG_SECOND)
		return;
	snprintf(line, sizeof(line), "integrity: bpf program %u \"%s\", %s, of uid %u",
		 (unsigned)p->id, p->name, kind, (unsigned)p->uid);
	run->in->ops.log(run->in->ops.ctx, line);
}

static void tell(const struct check_run *run, const char *does)
{
	const struct bpf *st = run->state;
	const struct program *p = &st->now;
	const char *kind = kind_of(st, p->type);
	char reason[160];

	snprintf(reason, sizeof(reason), "program %u of uid %u, %s: it can falsify what users see",
		 (unsigned)p->id, (unsigned)p->uid, kind ? kind : "of another kind");
	const struct finding f = {
		.what = WHAT_BPF,
		.check = run->check->name,
		.reason = reason,
		.address = p->func,
		.symbol = p->name,
		.module = "",
		.found = does,
	};
	integrity_tell(run->in, &f);
}

/* A program that decides what a system call returns. */
static bool modifies_syscall(const struct check_run *run)
{
	const struct bpf *st = run->state;
	const struct program *p = &st->now;
	char name[40] = "";
	uint64_t text;

	if (st->modify_return < 0 || p->attach != st->modify_return ||
	    strcmp(kind_of(st, p->type) ? kind_of(st, p->type) : "", "tracing") != 0 ||
	    gspace_u64(kernel_space(run->in->k), p->aux + st->target, &text) ||
	    gspace_string(kernel_space(run->in->k), text, name, sizeof(name)) < 0)
		return false;
	return strstr(name, "_sys_") != NULL;
}

/* --- instructions -----------------------------------------------------------------------------
 */

/* Which of the helpers an instruction calls, HELPERS: none. A call of a helper has 0 as its source
 * register (Linux: kernel/bpf/verifier.c, do_misc_fixups: imm is the distance from a fixed place).
 */
static uint32_t calls(const struct bpf *st, const uint8_t insn[INSN_SIZE])
{
	uint32_t imm;

	memcpy(&imm, insn + 4, sizeof(imm));
	for (uint32_t i = 0; insn[0] == OP_CALL && !(insn[1] >> 4) && i < HELPERS; i++)
		if (st->helper[i] && imm == st->helper[i])
			return i;
	return HELPERS;
}

/* Some instructions of the program at hand; true: it is done with. */
static bool scan(const struct check_run *run)
{
	struct bpf *st = run->state;
	uint8_t insn[CHUNK][INSN_SIZE];
	uint32_t end = st->now.len < INSN_MAX ? st->now.len : INSN_MAX;

	for (uint32_t done = 0; done < SLICE_INSNS && st->at < end; done += CHUNK) {
		uint32_t n = end - st->at < CHUNK ? end - st->at : CHUNK;
		if (gspace_read(kernel_space(run->in->k),
				st->now.va + st->insns + (uint64_t)st->at * INSN_SIZE, insn,
				(size_t)n * INSN_SIZE))
			return true;
		for (uint32_t i = 0; i < n; i++) {
			uint32_t helper = calls(st, insn[i]);
			if (helper < HELPERS) {
				tell(run, helpers[helper]);
				return true;
			}
		}
		st->at += n;
	}
	return st->at >= end;
}

/* --- life -------------------------------------------------------------------------------------
 */

/* The next program that was not looked at yet. False: there is none from st->nr to where it is now.
 */
static bool next_program(const struct check_run *run)
{
	struct bpf *st = run->state;
	struct pidtable_entry entry[PIDTABLE_SLOTS];
	uint32_t from = st->nr;
	int n = pidtable_next(&st->table, &st->nr, entry);

	if (n < 0)
		st->nr = PIDTABLE_END;
	for (int i = 0; i < n; i++) {
		uint32_t at = entry[i].nr % SCANNED;
		if (entry[i].nr < from ||
		    (st->scanned[at].va == entry[i].pid && st->scanned[at].id == entry[i].nr))
			continue;
		if (!read_program(run, entry[i].pid, entry[i].nr, &st->now))
			continue;
		st->scanned[at].va = entry[i].pid;
		st->scanned[at].id = entry[i].nr;
		st->nr = entry[i].nr + 1;
		st->at = 0;
		return true;
	}
	return false;
}

static uint64_t step(struct check_run *run)
{
	struct bpf *st = run->state;

	if (st->now.va) {
		if (scan(run))
			st->now.va = 0;
		return SLICE_MS;
	}
	if (next_program(run)) {
		list(run);
		if (modifies_syscall(run)) {
			tell(run, "modify_return of a system call");
			st->now.va = 0;
		}
		return SLICE_MS;
	}
	if (st->nr < PIDTABLE_END)
		return SLICE_MS;
	st->nr = 0;
	return PERIOD_MS;
}

static bool find_offsets(struct bpf *st, const struct kernel *k)
{
	int64_t insns = kernel_offset(k, "bpf_prog", "insnsi");
	bool ok = true;

	st->type = integrity_offset(k, "bpf_prog", "type", &ok);
	st->attach = integrity_offset(k, "bpf_prog", "expected_attach_type", &ok);
	st->len = integrity_offset(k, "bpf_prog", "len", &ok);
	st->func = integrity_offset(k, "bpf_prog", "bpf_func", &ok);
	st->aux = integrity_offset(k, "bpf_prog", "aux", &ok);
	st->name = integrity_offset(k, "bpf_prog_aux", "name", &ok);
	st->target = integrity_offset(k, "bpf_prog_aux", "attach_func_name", &ok);
	st->user = integrity_offset(k, "bpf_prog_aux", "user", &ok);
	st->uid = kernel_offset(k, "user_struct", "uid");
	/* They follow the structure. */
	st->insns = insns >= 0 ? (uint32_t)insns : kernel_size(k, "bpf_prog");
	st->table.shift = integrity_offset(k, "xa_node", "shift", &ok);
	st->table.slots = integrity_offset(k, "xa_node", "slots", &ok);
	st->table.head =
		kernel_symbol(k, "prog_idr") + integrity_offset(k, "idr", "idr_rt.xa_head", &ok);
	st->table.space = kernel_space(k);
	return ok && st->insns;
}

static const char *attach(struct check_run *run)
{
	const struct kernel *k = run->in->k;
	struct bpf *st = run->state;
	uint64_t base = kernel_symbol(k, "__bpf_call_base");

	if (!kernel_symbol(k, "prog_idr") || !base)
		return "it has no BPF";
	for (uint32_t i = 0; i < HELPERS; i++) {
		uint64_t helper = kernel_symbol(k, helpers[i]);
		st->helper[i] = helper ? (uint32_t)(helper - base) : 0;
	}
	for (uint32_t i = 0; i < KINDS; i++)
		if (kernel_enum(k, kinds[i].enumerator, &st->kind[i]))
			st->kind[i] = -1;
	if (kernel_enum(k, "BPF_MODIFY_RETURN", &st->modify_return))
		st->modify_return = -1;
	return find_offsets(st, k) ? NULL : "the layout of its programs is not known";
}

const struct check check_bpf = {
	.name = "bpf",
	.size = sizeof(struct bpf),
	.attach = attach,
	.step = step,
};
