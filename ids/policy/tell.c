/* Events of policy: what they say, and how many of them. */
#include <stdio.h>
#include <string.h>

#include "ids/bytes.h"
#include "ids/eve/syscall.h"
#include "ids/policy/internal.h"
#include "ids/policy/syscall_names.h"

#define SECOND 1000000000ull

/* Lines a second, of one line of policy or of one default. A serial port carries 40 in all. */
#define TOLD_DENIED 20
#define TOLD_OTHER  10
#define TOLD_INET   5	/* the four gates of connections by default, which servers keep busy */
#define TOLD_TRACE  200 /* who traces asks for many, and may have a faster channel */

#define ARGS_MAX  (FIELDS + RECORD_NOTES)
#define ARGS_TEXT 4096

struct args {
	const char *at[ARGS_MAX];
	uint32_t count;
	size_t used;
	char text[ARGS_TEXT];
};

/* --- arguments -------------------------------------------------------------------------------- */

static void add_arg(struct args *a, const char *name, const char *value)
{
	size_t room = sizeof(a->text) - a->used;
	int n = snprintf(a->text + a->used, room, "%s%s%s", name, *name ? "=" : "", value);

	if (n < 0 || (size_t)n >= room || a->count == ARGS_MAX)
		return;
	a->at[a->count++] = a->text + a->used;
	a->used += (size_t)n + 1;
}

static void add_number(struct args *a, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	add_arg(a, name, text);
}

static void add_address(struct args *a, const char *name, const uint8_t addr[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char text[48];
	size_t at = 0;

	if (memcmp(addr, mapped, sizeof(mapped)) == 0)
		snprintf(text, sizeof(text), "%u.%u.%u.%u", addr[12], addr[13], addr[14], addr[15]);
	else /* as Suricata writes them */
		for (unsigned i = 0; i < 16; i += 2)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%04x", i ? ":" : "",
					       be16(addr + i));
	add_arg(a, name, text);
}

static void add_flags(struct args *a, const char *name, uint64_t flags)
{
	char text[128] = "";
	const struct policy_name *n = policy_fields[FIELD_FLAGS].names;

	for (; n->name; n++) {
		if (!(flags & n->value))
			continue;
		if (text[0])
			strncat(text, "+", sizeof(text) - 1 - strlen(text));
		strncat(text, n->name, sizeof(text) - 1 - strlen(text));
	}
	if (text[0])
		add_arg(a, name, text);
}

static void add_field(struct args *a, const struct policy_record *r, unsigned f)
{
	const struct policy_field_info *info = &policy_fields[f];
	const char *word;

	if (r->unknown & FIELD_BIT(f)) {
		add_arg(a, info->name, "?");
		return;
	}
	switch (info->type) {
	case TYPE_TEXT:
		add_arg(a, info->name, r->text[f]);
		break;
	case TYPE_ADDRESS:
		add_address(a, info->name, r->addr);
		break;
	case TYPE_FLAGS:
		add_flags(a, info->name, r->number[f]);
		break;
	default:
		word = policy_name(info->names, r->number[f]);
		if (word)
			add_arg(a, info->name, word);
		else
			add_number(a, info->name, r->number[f]);
		break;
	}
}

static void gate_args(struct args *a, const struct policy_record *r)
{
	/* The caller is told by `process`. */
	for (unsigned f = 0; f < FIELDS; f++)
		if ((r->has | r->unknown) & policy_gates[r->gate].fields & FIELD_BIT(f))
			add_field(a, r, f);
	for (uint32_t i = 0; i < r->notes; i++)
		if (r->note[i].text)
			add_arg(a, r->note[i].name, r->note[i].text);
		else
			add_number(a, r->note[i].name, r->note[i].number);
}

static void syscall_args(struct args *a, const struct policy_record *r)
{
	char text[24];

	for (uint32_t i = 0; i < r->syscall.args; i++) {
		snprintf(text, sizeof(text), "0x%llx", (unsigned long long)r->syscall.arg[i]);
		add_arg(a, "", text);
	}
}

/* --- events ----------------------------------------------------------------------------------- */

struct teller {
	const struct policy *p;
	uint64_t task;
};

static void put_process(void *ctx, struct json *j)
{
	const struct teller *t = ctx;
	const struct policy_record *r = &t->p->record;

	if (t->p->layout.procs) {
		procs_put(t->p->layout.procs, j, t->task);
		return;
	}
	json_object(j, "process");
	json_i64(j, "pid", r->caller.pid);
	json_str(j, "comm", r->caller.comm);
	json_close(j);
}

/* The event's line of policy, if there is one. */
static void name_line(const struct policy *p, const struct blob_policy_line *line,
		      struct eve_syscall *e)
{
	if (!line)
		return;
	e->line = line->line;
	e->rule = (const char *)p->blob->string + line->text.offset;
	e->rule_len = line->text.size;
}

static bool emit(struct policy *p, const struct eve_syscall *e, uint64_t now_ns)
{
	bool told = eve_syscall(p->ops.eve, e, now_ns);

	p->stats.told += told;
	return told;
}

static void tell_call(struct policy *p, const struct probe_hit *hit,
		      const struct blob_policy_line *line, uint32_t err, bool unread)
{
	const struct policy_record *r = &p->record;
	bool trace = r->gate == GATE_SYSCALL;
	struct teller teller = {p, hit->current};
	struct args args;
	char number[24];
	struct eve_syscall e = {
		.name = policy_gates[r->gate].name,
		.denied = err != 0,
		.err = policy_errno_name(err),
		.err_number = err,
		.unread = unread,
		/* Unread: r->caller is not even its number. */
		.process = p->layout.procs || r->has & FIELD_BIT(FIELD_PID) ? put_process : NULL,
		.ctx = &teller,
	};

	args.count = 0;
	args.used = 0;
	if (trace) {
		syscall_args(&args, r);
		e.nr = (uint32_t)r->number[FIELD_NR];
		e.abi = r->syscall.compat ? "i386" : "x86-64";
		e.name = syscall_name(r->syscall.compat, e.nr);
		snprintf(number, sizeof(number), "#%u", e.nr);
		if (!e.name)
			e.name = number;
	} else {
		gate_args(&args, r);
	}
	e.args = args.at;
	e.arg_count = args.count;
	name_line(p, line, &e);
	(void)emit(p, &e, hit->now_ns);
}

/* --- the limit -------------------------------------------------------------------------------- */

/* The sum of what was held back. While there is no room for it, it goes on to grow. */
static void tell_held(struct policy *p, uint32_t index, uint64_t now_ns)
{
	struct policy_limit *l = &p->limit[index];
	uint32_t lines = policy_lines(p);
	const struct blob_policy_line *line = index < lines ? &p->blob->policy_line[index] : NULL;
	unsigned gate = index - lines;
	struct eve_syscall e = {
		.held = l->held, .denied_held = l->denied, .denied = l->denied != 0};

	/* A line may have several gates: the general one stands before its special cases. */
	for (gate = line ? 0 : gate; line && !(line->gates & GATE_BIT(gate));)
		gate++;
	e.name = policy_gates[gate].name;
	name_line(p, line, &e);
	if (!emit(p, &e, now_ns))
		return;
	l->held = l->denied = 0;
	p->held--;
}

void policy_tell(struct policy *p, const struct probe_hit *hit, const struct blob_policy_line *line,
		 uint32_t err, bool unread)
{
	uint32_t index = line ? (uint32_t)(line - p->blob->policy_line)
			      : policy_lines(p) + (uint32_t)p->record.gate;
	bool inet = !line && policy_gates[p->record.gate].told == DEFAULT_INET;
	uint32_t most = p->record.gate == GATE_SYSCALL ? TOLD_TRACE
			: err			       ? TOLD_DENIED
			: inet			       ? TOLD_INET
						       : TOLD_OTHER;
	struct policy_limit *l = &p->limit[index];
	uint64_t second = hit->now_ns / SECOND;

	if (l->second != second) {
		if (l->held)
			tell_held(p, index, hit->now_ns);
		l->second = second;
		l->told = 0;
	}
	if (l->told < most) {
		l->told++;
		tell_call(p, hit, line, err, unread);
		return;
	}
	if (!l->held++)
		p->held++;
	l->denied += err != 0;
	p->stats.held++;
}

uint64_t policy_step(struct policy *p, uint64_t tsc, uint64_t now_ns)
{
	for (uint32_t i = 0; p->held && i < policy_lines(p) + GATES; i++)
		if (p->limit[i].held && p->limit[i].second != now_ns / SECOND)
			tell_held(p, i, now_ns);
	return p->held ? tsc + p->ops.tsc_hz : 0;
}
