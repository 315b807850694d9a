/* The processors' registers: entries of system calls, write protection and the like.
 *
 * A look takes the registers of the CPU that runs the sentry; all of them do in turn. Beside the
 * looks the core tells each write of LSTAR and each clearing of a watched bit, however short. A CPU
 * that does not run the kernel we know (it is being started, or kexec has left) is not judged.
 */
#include "ids/integrity/cpu.h"

#include <stdio.h>
#include <string.h>

#include "hv/errno.h"

#define LOOK_MS	      100 /* between two looks, of all CPUs together */
#define LOOK_MIN_MS   25
#define SETTLED_LOOKS 3 /* until then a CPU's own values are taken as they are */
#define FAULT_LOOKS   2
#define FAULT_MS      200  /* a CPU is set up within that */
#define LEAVING_MS    2000 /* a kexec that has not left after that is none */

#define CR0_WP	   (1ull << 16)
#define CR4_SMEP   (1ull << 20)
#define CR4_SMAP   (1ull << 21)
#define CR4_UMIP   (1ull << 11)
#define EFER_SCE   1ull
#define EFER_NXE   0x800ull
#define CR4_KEPT   (CR4_SMEP | CR4_SMAP | CR4_UMIP)
#define EFER_KEPT  (EFER_SCE | EFER_NXE)
#define ROOT_FRAME 0x000ffffffffff000ull
#define BANNER_MAX 160

/* --- which kernel is this? --------------------------------------------------------------------
 */

/* The kernel's entry text is mapped with this root; under page-table isolation with both of them.
 */
static bool kernel_here(const struct integrity *in, const struct cpu_state *st, uint64_t cr3)
{
	const struct gspace space = {&in->ops.mem, cr3 & ROOT_FRAME, kernel_space(in->k)->levels};
	struct gspace_at at;

	return !gspace_translate(&space, st->entry, &at) && at.gpa == st->entry_gpa;
}

/* Its memory still says that it is this kernel. */
static bool banner_here(const struct integrity *in)
{
	const struct kernel_image *image = kernel_image(in->k);
	uint64_t va = kernel_symbol(in->k, "linux_banner");
	const char *banner = kernel_banner(in->k);
	size_t len = strlen(banner);
	char now[BANNER_MAX];

	if (!va || len > sizeof(now))
		return true;
	return !gmem_read(&in->ops.mem, image->phys + (va - image->base), now, len) &&
	       memcmp(now, banner, len) == 0;
}

/* SYSTEM_BOOTING is 0, and no other state leads back to it. */
static bool early(const struct integrity *in, const struct cpu_state *st)
{
	uint32_t state;

	return st->state && !gspace_u32(kernel_space(in->k), st->state, &state) && !state;
}

bool cpu_same_memory(const struct integrity *in, uint64_t va, uint64_t other)
{
	struct gspace_at a, b;

	return va == other || (!gspace_translate(kernel_space(in->k), va, &a) &&
			       !gspace_translate(kernel_space(in->k), other, &b) && a.gpa == b.gpa);
}

/* --- faults -----------------------------------------------------------------------------------
 */

static const uint8_t fault_what[FAULTS] = {
	[FAULT_LSTAR] = WHAT_LSTAR,
	[FAULT_CSTAR] = WHAT_LSTAR,
	[FAULT_SYSENTER] = WHAT_LSTAR,
	[FAULT_SELECTORS] = WHAT_LSTAR,
	[FAULT_CR0] = WHAT_CONTROL_REGISTER,
	[FAULT_CR4] = WHAT_CONTROL_REGISTER,
	[FAULT_EFER] = WHAT_CONTROL_REGISTER,
	[FAULT_IDT] = WHAT_IDT,
	[FAULT_GDT] = WHAT_GDT,
	[FAULT_GDT_ENTRY] = WHAT_GDT,
};

static void tell(struct check_run *run, enum integrity_what what, enum integrity_action action,
		 uint64_t address, uint64_t expected, uint64_t found, const char *reason)
{
	char was[INTEGRITY_TEXT], is[INTEGRITY_TEXT];
	const struct finding f = {
		.what = what,
		.action = action,
		.check = run->check->name,
		.reason = reason,
		.address = address,
		.expected = integrity_value(was, expected),
		.found = integrity_value(is, found),
	};
	integrity_tell(run->in, &f);
}

static uint64_t fault_key(const struct cpu_base *base, enum cpu_fault fault)
{
	return (uint64_t)base->regs.index * FAULTS + fault;
}

void cpu_fault(struct check_run *run, struct cpu_base *base, enum cpu_fault fault, uint64_t address,
	       uint64_t expected, uint64_t found, const char *reason)
{
	char text[INTEGRITY_TEXT];

	if (base->told >> fault & 1 ||
	    !integrity_suspect(run->in, fault_what[fault], fault_key(base, fault), found,
			       FAULT_LOOKS, FAULT_MS))
		return;
	base->told |= 1u << fault;
	snprintf(text, sizeof(text), "%s of CPU %u", reason, (unsigned)base->regs.index);
	tell(run, fault_what[fault], ACTION_ALERT, address, expected, found, text);
}

void cpu_fine(struct check_run *run, struct cpu_base *base, enum cpu_fault fault)
{
	integrity_innocent(run->in, fault_what[fault], fault_key(base, fault));
	base->told &= ~(1u << fault);
}

static void judge(struct check_run *run, struct cpu_base *base, enum cpu_fault fault,
		  uint64_t expected, uint64_t found, const char *reason)
{
	if (expected == found)
		cpu_fine(run, base, fault);
	else
		cpu_fault(run, base, fault, found >> 63 ? found : 0, expected, found, reason);
}

/* --- looks ------------------------------------------------------------------------------------
 */

/* Where no such entry is set up, what was there first, which is no address of the kernel's. */
static uint64_t entry_or(uint64_t entry, uint64_t other, uint64_t first, uint64_t now)
{
	if (now && (now == entry || now == other))
		return now;
	return first >> 63 ? entry : first;
}

static void look_entries(struct check_run *run, struct cpu_base *base, const struct abi_cpu *now)
{
	struct cpu_state *st = run->state;

	/* Until the CPU has had it, it is being set up; what is written meanwhile is told. */
	base->lstar_seen |= now->lstar == st->entry;
	if (!base->lstar_seen)
		return;
	judge(run, base, FAULT_LSTAR, st->entry, now->lstar, "IA32_LSTAR");
	judge(run, base, FAULT_CSTAR,
	      entry_or(st->entry_compat, st->ignore, base->regs.cstar, now->cstar), now->cstar,
	      "IA32_CSTAR");
	judge(run, base, FAULT_SYSENTER,
	      entry_or(st->sysenter, 0, base->regs.sysenter_eip, now->sysenter_eip),
	      now->sysenter_eip, "IA32_SYSENTER_EIP");
	if (base->regs.star != now->star)
		judge(run, base, FAULT_SELECTORS, base->regs.star, now->star, "IA32_STAR");
	else if (base->regs.fmask != now->fmask)
		judge(run, base, FAULT_SELECTORS, base->regs.fmask, now->fmask, "IA32_FMASK");
	else if (base->regs.sysenter_cs != now->sysenter_cs)
		judge(run, base, FAULT_SELECTORS, base->regs.sysenter_cs, now->sysenter_cs,
		      "IA32_SYSENTER_CS");
	else
		judge(run, base, FAULT_SELECTORS, base->regs.sysenter_esp, now->sysenter_esp,
		      "IA32_SYSENTER_ESP");
}

/* Bits that were set once have to stay. */
static void look_control(struct check_run *run, struct cpu_base *base, const struct abi_cpu *now)
{
	base->regs.cr0 |= now->cr0 & CR0_WP;
	base->regs.cr4 |= now->cr4 & CR4_KEPT;
	base->regs.efer |= now->efer & EFER_KEPT;
	judge(run, base, FAULT_CR0, base->regs.cr0 & CR0_WP, now->cr0 & base->regs.cr0 & CR0_WP,
	      "CR0.WP");
	judge(run, base, FAULT_CR4, base->regs.cr4 & CR4_KEPT, now->cr4 & base->regs.cr4 & CR4_KEPT,
	      "CR4.SMEP, SMAP or UMIP");
	judge(run, base, FAULT_EFER, base->regs.efer & EFER_KEPT,
	      now->efer & base->regs.efer & EFER_KEPT, "IA32_EFER");
}

/* The values that only this CPU can tell, until they have settled. */
static void learn(struct cpu_base *base, const struct abi_cpu *now)
{
	uint64_t cr0 = base->regs.cr0, cr4 = base->regs.cr4, efer = base->regs.efer;

	if (base->looks >= SETTLED_LOOKS)
		return;
	base->looks++;
	base->regs = *now;
	/* Those are learned otherwise. */
	base->regs.cr0 = cr0;
	base->regs.cr4 = cr4;
	base->regs.efer = efer;
}

static void tell_leaving(struct check_run *run);

static uint64_t step(struct check_run *run)
{
	struct cpu_state *st = run->state;
	struct integrity *in = run->in;
	uint32_t period = LOOK_MS / (in->ops.ncpu ? in->ops.ncpu : 1);
	struct abi_cpu now;

	period = period < LOOK_MIN_MS ? LOOK_MIN_MS : period;
	if (!st->booted)
		st->booted = !early(in, st);
	if (in->ops.call(in->ops.ctx, ABI_CALL_CPU, 0, 0))
		return period;
	now = *in->ops.cpu;
	if (now.index >= CPUS || !kernel_here(in, st, now.cr3))
		return period;
	struct cpu_base *base = &st->cpu[now.index];
	/* kexec stops the other CPUs before: none is left that runs a process. */
	if (in->leaving && (now.index == (uint32_t)st->leaving_where || now.cpl == 3) &&
	    in->tsc - st->leaving_tsc > integrity_ms(in, LEAVING_MS))
		tell_leaving(run);
	learn(base, &now);
	look_entries(run, base, &now);
	look_control(run, base, &now);
	cpu_look_idt(run, base, &now);
	cpu_look_gdt(run, base, &now);
	cpu_look_gates(run);
	return period;
}

static void watch(const struct integrity *in, uint64_t entry)
{
	(void)in->ops.call(in->ops.ctx, ABI_CALL_WATCH, PIN_ALL | (uint64_t)in->ops.pin << 32,
			   entry);
}

static const char *attach(struct check_run *run)
{
	struct cpu_state *st = run->state;
	const struct integrity *in = run->in;
	struct gspace_at at;

	st->entry = kernel_symbol(in->k, "entry_SYSCALL_64");
	st->idt = kernel_symbol(in->k, "idt_table");
	if (!st->entry || !st->idt || gspace_translate(kernel_space(in->k), st->entry, &at))
		return "its entries are not known";
	st->entry_gpa = at.gpa;
	st->entry_compat = kernel_symbol(in->k, "entry_SYSCALL_compat");
	st->sysenter = kernel_symbol(in->k, "entry_SYSENTER_compat");
	st->ignore = kernel_symbol(in->k, "entry_SYSCALL32_ignore");
	if (!st->ignore)
		st->ignore = kernel_symbol(in->k, "ignore_sysret");
	st->state = kernel_symbol(in->k, "system_state");
	st->booted = !early(in, st);
	watch(in, st->entry);
	return NULL;
}

const struct check check_cpu = {
	.name = "cpu",
	.size = sizeof(struct cpu_state),
	.attach = attach,
	.step = step,
};

/* --- what the core tells ----------------------------------------------------------------------
 */

/* The check at work in the kernel that is known; NULL: none. */
static struct check_run *find_run(struct integrity *in, uint64_t tsc, uint64_t now_ns)
{
	for (uint32_t i = 0; in->k && i < in->runs; i++) {
		if (in->run[i].check != &check_cpu || !in->run[i].next)
			continue;
		in->tsc = tsc;
		in->now_ns = now_ns;
		return &in->run[i];
	}
	return NULL;
}

bool integrity_lstar(struct integrity *in, const struct lstar_write *w, uint64_t tsc,
		     uint64_t now_ns)
{
	struct check_run *run = find_run(in, tsc, now_ns);
	struct cpu_state *st = run ? run->state : NULL;

	if (!run || !kernel_here(in, st, w->cr3) || !banner_here(in))
		return w->cpu == 0;
	/* The same value: a CPU that comes up or wakes. Or the same kernel from its beginning. */
	if (w->value == st->entry)
		return w->cpu == 0 && st->booted && early(in, st);
	if (w->cpu < CPUS)
		st->cpu[w->cpu].told |= 1u << FAULT_LSTAR;
	integrity_clear(in, WHAT_LSTAR, w->value);
	tell(run, WHAT_LSTAR, w->refused ? ACTION_UNDONE : ACTION_ALERT, w->value, st->entry,
	     w->value, "IA32_LSTAR was written");
	return false;
}

static void tell_control(struct check_run *run, uint64_t rip, uint64_t values, uint64_t where)
{
	static const char *const names[] = {[ABI_CONTROL_CR0] = "CR0",
					    [ABI_CONTROL_CR4] = "CR4",
					    [ABI_CONTROL_EFER] = "IA32_EFER"};
	uint64_t old = values >> 32, lost = old & ~values;
	uint32_t reg = (uint32_t)(where >> 32) & 3;
	const char *bit = "";
	char reason[INTEGRITY_TEXT];

	if (reg == ABI_CONTROL_CR0)
		bit = ".WP";
	else if (reg == ABI_CONTROL_EFER)
		bit = ".NXE";
	else if (reg == ABI_CONTROL_CR4)
		bit = lost & CR4_SMEP ? ".SMEP" : lost & CR4_SMAP ? ".SMAP" : ".UMIP";
	else
		return;
	snprintf(reason, sizeof(reason), "%s%s cleared on CPU %u", names[reg], bit,
		 (unsigned)where);
	tell(run, WHAT_CONTROL_REGISTER, where & ABI_CONTROL_REFUSED ? ACTION_UNDONE : ACTION_ALERT,
	     rip, old, (uint32_t)values, reason);
}

static void tell_leaving(struct check_run *run)
{
	struct cpu_state *st = run->state;

	run->in->leaving = false;
	st->stayed = true;
	tell_control(run, st->leaving_rip, st->leaving_values, st->leaving_where);
}

void integrity_control(struct integrity *in, uint64_t rip, uint64_t values, uint64_t where,
		       uint64_t tsc, uint64_t now_ns)
{
	struct check_run *run = find_run(in, tsc, now_ns);
	struct cpu_state *st = run ? run->state : NULL;
	uint64_t lost = values >> 32 & ~values;

	if (!run)
		return;
	/* A look need not find it once more; when it is set again it has to stay again. */
	if ((uint32_t)where < CPUS) {
		struct cpu_base *base = &st->cpu[(uint32_t)where];
		uint32_t reg = (uint32_t)(where >> 32) & 3;
		base->regs.cr0 &= reg == ABI_CONTROL_CR0 ? ~lost : ~0ull;
		base->regs.cr4 &= reg == ABI_CONTROL_CR4 ? ~lost : ~0ull;
		base->regs.efer &= reg == ABI_CONTROL_EFER ? ~lost : ~0ull;
	}
	/* kexec does so in a page that is mapped where it lies, and does not come back. */
	if (!(rip >> 63) && !st->stayed) {
		if (!in->leaving) {
			in->leaving = true;
			st->leaving_tsc = tsc;
			st->leaving_rip = rip;
			st->leaving_values = values;
			st->leaving_where = where;
		}
		return;
	}
	tell_control(run, rip, values, where);
}
