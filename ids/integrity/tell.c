/* Findings told: once each, a limited number in a second, with the names of places. */
#include <stdio.h>
#include <string.h>

#include "ids/integrity/integrity_impl.h"

#define SECOND	  1000000000ull
#define RATE	  10 /* findings in a second; a serial port carries 40 lines of all kinds */
#define BYTES_MAX 32u

static const char *const what_names[WHATS] = {
	[WHAT_TEXT] = "text",
	[WHAT_SYSCALL_TABLE] = "syscall_table",
	[WHAT_LSTAR] = "lstar",
	[WHAT_IDT] = "idt",
	[WHAT_GDT] = "gdt",
	[WHAT_MODULE] = "module",
	[WHAT_CONTROL_REGISTER] = "control_register",
	[WHAT_PAGE_TABLE] = "page_table",
	[WHAT_CODE] = "code",
	[WHAT_FTRACE] = "ftrace",
	[WHAT_KPROBE] = "kprobe",
	[WHAT_BPF] = "bpf",
	[WHAT_CREDENTIALS] = "credentials",
};

static const char *const action_names[] = {
	[ACTION_ALERT] = "alert",
	[ACTION_UNDONE] = "undone",
	[ACTION_FROZEN] = "frozen",
};

const char *integrity_hex(char text[INTEGRITY_TEXT], const void *bytes, size_t len)
{
	const uint8_t *b = bytes;

	text[0] = 0;
	for (size_t i = 0; i < len && i < BYTES_MAX; i++)
		snprintf(text + 2 * i, 3, "%02x", b[i]);
	return text;
}

const char *integrity_value(char text[INTEGRITY_TEXT], uint64_t value)
{
	snprintf(text, INTEGRITY_TEXT, "0x%llx", (unsigned long long)value);
	return text;
}

void integrity_name(const struct integrity *in, uint64_t va, char symbol[KERNEL_NAME_MAX + 20],
		    char module[56])
{
	char name[KERNEL_NAME_MAX] = "";
	struct kernel_module m;
	uint64_t offset = 0;

	module[0] = symbol[0] = 0;
	if (!kernel_symbol_at(in->k, va, name, &offset)) {
		if (!kernel_module_at(in->k, va, &m, name, &offset))
			return;
		snprintf(module, 56, "%s", m.name);
	}
	if (name[0] && offset)
		snprintf(symbol, KERNEL_NAME_MAX + 20, "%s+0x%llx", name,
			 (unsigned long long)offset);
	else
		snprintf(symbol, KERNEL_NAME_MAX + 20, "%s", name);
}

/* FNV-1a. */
static uint64_t hash_text(const char *text)
{
	uint64_t hash = 14695981039346656037ull;

	for (; text && *text; text++)
		hash = (hash ^ (uint8_t)*text) * 1099511628211ull;
	return hash;
}

static struct told *find_told(struct integrity *in, enum integrity_what what, uint64_t address,
			      uint64_t object)
{
	for (uint32_t i = 0; in->tolds && i < TOLD; i++) {
		struct told *t = &in->told[i];
		if (t->used && t->what == what && t->address == address && t->object == object)
			return t;
	}
	return NULL;
}

struct teller {
	const struct integrity *in;
	uint64_t task;
};

static void put_process(void *ctx, struct json *j)
{
	const struct teller *t = ctx;

	procs_put(t->in->procs, j, t->task);
}

static void emit(struct integrity *in, const struct finding *f)
{
	char symbol[KERNEL_NAME_MAX + 20] = "", module[56] = "";
	struct teller teller = {in, f->task};
	bool freeze = in->ops.response == INTEGRITY_FREEZE;

	if (f->address && (!f->symbol || !f->module))
		integrity_name(in, f->address, symbol, module);
	const struct eve_integrity e = {
		.what = what_names[f->what],
		.action = action_names[freeze ? ACTION_FROZEN : f->action],
		.check = f->check,
		.reason = f->reason,
		.address = f->address,
		.symbol = f->symbol ? f->symbol : symbol,
		.module = f->module ? f->module : module,
		.expected = f->expected,
		.found = f->found,
		.held = in->held,
		.process = f->task && in->procs ? put_process : NULL,
		.ctx = &teller,
	};
	if (eve_integrity(in->ops.eve, &e, in->now_ns))
		in->held = 0;
}

bool integrity_tell(struct integrity *in, const struct finding *f)
{
	struct told *t = find_told(in, f->what, f->address, f->object);
	uint64_t hash = hash_text(f->found) ^ hash_text(f->symbol) * 3 ^ hash_text(f->reason) * 5;

	if (t && t->hash == hash)
		return false;
	t = t ? t : &in->told[in->told_at++ % TOLD];
	in->tolds += !t->used;
	*t = (struct told){f->address, hash, f->value, f->object, (uint8_t)f->what, true};
	in->stats.found++;
	if (in->second != in->now_ns / SECOND) {
		in->second = in->now_ns / SECOND;
		in->in_second = 0;
	}
	if (in->in_second++ < RATE) {
		emit(in, f);
	} else {
		in->held++;
		in->stats.held++;
	}
	if (in->ops.response == INTEGRITY_FREEZE)
		(void)in->ops.call(in->ops.ctx, ABI_CALL_FREEZE, 0, 0);
	return true;
}

bool integrity_known(const struct integrity *in, uint64_t address, uint64_t value)
{
	for (uint32_t i = 0; in->tolds && i < TOLD; i++)
		if (in->told[i].used && in->told[i].address == address &&
		    in->told[i].value == value)
			return true;
	return false;
}

static void forget(struct integrity *in, struct told *t)
{
	t->used = false;
	in->tolds--;
}

void integrity_clear_range(struct integrity *in, uint64_t from, uint64_t to)
{
	for (uint32_t i = 0; in->tolds && i < TOLD; i++)
		if (in->told[i].used && in->told[i].address >= from && in->told[i].address < to)
			forget(in, &in->told[i]);
}

void integrity_clear(struct integrity *in, enum integrity_what what, uint64_t address)
{
	struct told *t = find_told(in, what, address, 0);

	if (t)
		forget(in, t);
}
