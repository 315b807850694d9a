/* Exceptions and NMIs in root mode, and what a panic shows. */
#include "arch/x86/cpu.h"
#include "arch/x86/power.h"
#include "arch/x86/vmx/exit_reason.h"
#include "arch/x86/vmx/vmx.h"
#include "hv/panic.h"

/* What entry.S pushes: registers, vector, error code, then the processor's frame. */
struct fault_frame {
	struct guest_regs regs;
	uint64_t vector, code;
	uint64_t rip, cs, rflags, rsp, ss;
};

struct fixup {
	int32_t from, to; /* relative to their own places */
};

extern const struct fixup __fixup_start[], __fixup_end[];
extern const uint8_t __image_start[], vmx_resume[], vmx_resume_check[], vmx_resume_insn[],
	vmx_fast_check[], vmx_fast_insn[], vmx_fast_nmi[];

void fault_handle(struct fault_frame *f);

_Static_assert(__builtin_offsetof(struct vcpu, self) == VCPU_SELF, "entry.S");
_Static_assert(__builtin_offsetof(struct vcpu, stack_top) == VCPU_STACK_TOP, "entry.S");
_Static_assert(__builtin_offsetof(struct vcpu, nmi_pending) == VCPU_PENDING, "entry.S");
_Static_assert(__builtin_offsetof(struct vcpu, work) == VCPU_PENDING + 4, "entry.S");
_Static_assert(__builtin_offsetof(struct vcpu, sentry_rsp) == VCPU_SENTRY_RSP, "entry.S");
_Static_assert(__builtin_offsetof(struct vcpu, regs) == VCPU_REGS, "entry.S");
_Static_assert(__builtin_offsetof(struct vcpu, regs.r11) == VCPU_REGS_FAST, "entry.S");
_Static_assert(sizeof(struct guest_regs) == VCPU_REGS_END - VCPU_REGS, "entry.S");
_Static_assert(__builtin_offsetof(struct leave_state, cr4) == LEAVE_CR4, "entry.S");
_Static_assert(__builtin_offsetof(struct leave_state, gs_base) == LEAVE_GSBASE, "entry.S");
_Static_assert(__builtin_offsetof(struct leave_state, regs) == 0, "entry.S");
_Static_assert(__builtin_offsetof(struct leave_state, rip) == sizeof(struct guest_regs), "entry.S");
_Static_assert(__builtin_offsetof(struct leave_state, ds) == LEAVE_DS, "entry.S");
_Static_assert(__builtin_offsetof(struct leave_state, gs) == LEAVE_GS, "entry.S");
_Static_assert(__builtin_offsetof(struct leave_state, gdtr) == LEAVE_GDTR, "entry.S");
_Static_assert(__builtin_offsetof(struct leave_state, idtr) == LEAVE_IDTR, "entry.S");

static bool fix_up(struct fault_frame *f)
{
	for (const struct fixup *x = __fixup_start; x < __fixup_end; x++) {
		if ((uint64_t)&x->from + (uint64_t)(int64_t)x->from == f->rip) {
			f->rip = (uint64_t)&x->to + (uint64_t)(int64_t)x->to;
			return true;
		}
	}
	return false;
}

/* An NMI is the guest's. One that hits between the last look at what is pending and the entry goes
 * back to that look: the registers popped meanwhile are all still in the vcpu. */
static void host_nmi(struct fault_frame *f)
{
	struct vcpu *v = this_vcpu();

	v->nmis++;
	v->nmi_pending = 1;
	if (f->rip >= (uint64_t)vmx_resume_check && f->rip <= (uint64_t)vmx_resume_insn)
		f->rip = (uint64_t)vmx_resume;
	else if (f->rip >= (uint64_t)vmx_fast_check && f->rip <= (uint64_t)vmx_fast_insn)
		f->rip = (uint64_t)vmx_fast_nmi;
}

void fault_handle(struct fault_frame *f)
{
	if (f->vector == VECTOR_NMI) {
		host_nmi(f);
		return;
	}
	if (f->vector == VECTOR_GP && fix_up(f))
		return;
	panic("exception %lu in root mode, error code %lx, RIP core+%lx, CR2 %lx, RSP %lx",
	      f->vector, f->code, f->rip - (uint64_t)__image_start, read_cr2(), f->rsp);
}

static void print_machine_check(void (*print)(const char *fmt, ...))
{
	uint64_t cap, status;

	if (rdmsr_safe(MSR_MCG_CAP, &cap))
		return;
	for (uint32_t i = 0; i < (cap & 0xff); i++) {
		if (!rdmsr_safe(MSR_MC0_CTL + 4 * i + 1, &status) && status >> 63)
			print("vigil:   machine-check bank %u: status %lx", i, status);
	}
}

static void print_backtrace(void (*print)(const char *fmt, ...), const struct vcpu *v)
{
	const uint64_t *frame = __builtin_frame_address(0);

	for (uint32_t i = 0; i < 16; i++) {
		uint64_t at = (uint64_t)frame;
		bool inside = (at < v->exit_stack && at >= v->exit_stack - 4 * 4096) ||
			      (at < v->nmi_stack && at >= v->nmi_stack - 2 * 4096) ||
			      (at < v->fault_stack && at >= v->fault_stack - 2 * 4096);

		if (!inside || at & 7 || !frame[1])
			return;
		print("vigil:   called from core+%lx", frame[1] - (uint64_t)__image_start);
		frame = (const uint64_t *)frame[0];
	}
}

void arch_panic_state(void (*print)(const char *fmt, ...))
{
	uint64_t gs = rdmsr(MSR_GS_BASE);
	const struct vcpu *v = NULL;
	uint32_t reason;

	for (uint32_t i = 0; i < vmx.ncpu && vmx.cpu; i++)
		if ((uint64_t)vmx.cpu[i] == gs)
			v = vmx.cpu[i];
	if (!v) {
		print("vigil:   before the launch");
		return;
	}
	reason = (uint32_t)vmread(VMCS_EXIT_REASON);
	print("vigil:   CPU %u, %s, exit reason %x (%s), qualification %lx", v->index,
	      v->in_sentry ? "in the sentry" : "guest", reason, exit_reason_name(reason),
	      vmread(VMCS_EXIT_QUALIFICATION));
	print("vigil:   RIP %lx RSP %lx RFLAGS %lx CR0 %lx CR3 %lx CR4 %lx", vmread(VMCS_GUEST_RIP),
	      vmread(VMCS_GUEST_RSP), vmread(VMCS_GUEST_RFLAGS), vmread(VMCS_GUEST_CR0),
	      vmread(VMCS_GUEST_CR3), vmread(VMCS_GUEST_CR4));
	entry_print_fields(print);
	print_machine_check(print);
	print_backtrace(print, v);
}

void arch_stop(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}
