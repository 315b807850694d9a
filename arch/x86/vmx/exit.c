/* Dispatch of exits by a table of names and handlers. */
#include "arch/x86/cpu.h"
#include "arch/x86/timer.h"
#include "arch/x86/upcall.h"
#include "arch/x86/vmx/vmx.h"
#include "hv/counter.h"
#include "hv/log.h"
#include "hv/machine.h"
#include "hv/panic.h"
#include "hv/unit.h"

void vmx_handle_exit(struct vcpu *v);
bool vmx_fast_exit(struct vcpu *v);
void vmx_do_pending(struct vcpu *v);

static void on_cpuid(struct vcpu *v)
{
	struct cpuid_regs out;

	cpuid_guest(&v->cpuid, (uint32_t)v->regs.rax, (uint32_t)v->regs.rcx, vmread(VMCS_GUEST_CR4),
		    &out);
	v->regs.rax = out.eax;
	v->regs.rbx = out.ebx;
	v->regs.rcx = out.ecx;
	v->regs.rdx = out.edx;
	skip_instruction();
}

/* Exit qualification (SDM table 28-5). */
#define IO_SIZE(q) (((q)&7) + 1)
#define IO_IN	   (1u << 3)
#define IO_STRING  (1u << 4)
#define IO_PORT(q) ((uint16_t)((q) >> 16))

static uint64_t string_accesses;

static void on_io(struct vcpu *v)
{
	uint64_t qual = vmread(VMCS_EXIT_QUALIFICATION);
	struct io_access access = {
		.port = IO_PORT(qual),
		.size = (uint8_t)IO_SIZE(qual),
		.write = !(qual & IO_IN),
		.value = (uint32_t)v->regs.rax,
	};

	if (__builtin_expect(qual & IO_STRING, 0)) {
		/* No driver of the devices behind our ports uses INS or OUTS; refused, not guessed.
		 */
		string_accesses++;
		inject_gp();
		return;
	}
	upcall_io(&access);
	if (!access.write) {
		if (access.size == 4)
			v->regs.rax = access.value;
		else if (access.size == 2)
			v->regs.rax = (v->regs.rax & ~0xffffull) | (access.value & 0xffff);
		else
			v->regs.rax = (v->regs.rax & ~0xffull) | (access.value & 0xff);
	}
	skip_instruction();
}

/* VMX, SMX and what else the guest can't have: as on a CPU without it. */
static void on_undefined(struct vcpu *v)
{
	(void)v;
	inject_ud();
}

/* Without SMM or dirty lines of ours at stake, written back is always allowed in place of dropped.
 */
static void on_invd(struct vcpu *v)
{
	(void)v;
	wbinvd();
	skip_instruction();
}

/* Hardware task switches exit always. 64-bit kernels have none, but for #DF task gates of old
 * 32-bit ones, where the guest is at its end anyway: it gets the #TS of a TSS that can't be used.
 */
static void on_task_switch(struct vcpu *v)
{
	uint32_t selector = (uint32_t)vmread(VMCS_EXIT_QUALIFICATION) & 0xffff;

	(void)v;
	upcall_guest_fault(ABI_GUEST_UNEXPECTED_EXIT, vmread(VMCS_GUEST_RIP), EXIT_TASK_SWITCH);
	inject_exception(VECTOR_TS, true, selector & 0xfffcu);
}

/* Not asked for; a hypervisor below may still deliver it (TRAPS 52). */
static void on_hlt(struct vcpu *v)
{
	(void)v;
	skip_instruction();
	vmwrite(VMCS_GUEST_ACTIVITY, ACTIVITY_HLT);
}

static void on_wbinvd(struct vcpu *v)
{
	(void)v;
	wbinvd();
	skip_instruction();
}

/* An external interrupt that exits although it should not stays pending and is taken at the entry.
 */
static void on_nothing(struct vcpu *v)
{
	(void)v;
}

static void on_machine_check(struct vcpu *v)
{
	(void)v;
	panic("machine check during VM entry");
}

static void on_entry_failure(struct vcpu *v)
{
	(void)v;
	entry_failed((uint32_t)vmread(VMCS_EXIT_REASON));
}

void on_preemption_timer(struct vcpu *v)
{
	v->timer_deadline = 0;
	vcpu_work(v, WORK_TIMER);
}

typedef void exit_handler(struct vcpu *v);

static exit_handler *const handlers[EXIT_REASONS] = {
	[EXIT_EXCEPTION_NMI] = on_exception_nmi,
	[EXIT_EXTERNAL_INTERRUPT] = on_nothing,
	[EXIT_TRIPLE_FAULT] = on_triple_fault,
	[EXIT_INIT] = on_init,
	[EXIT_SIPI] = on_sipi,
	[EXIT_NMI_WINDOW] = on_nmi_window,
	[EXIT_TASK_SWITCH] = on_task_switch,
	[EXIT_CPUID] = on_cpuid,
	[EXIT_GETSEC] = on_undefined,
	[EXIT_HLT] = on_hlt,
	[EXIT_INVD] = on_invd,
	[EXIT_VMCALL] = on_vmcall,
	[EXIT_VMCLEAR] = on_undefined,
	[EXIT_VMLAUNCH] = on_undefined,
	[EXIT_VMPTRLD] = on_undefined,
	[EXIT_VMPTRST] = on_undefined,
	[EXIT_VMREAD] = on_undefined,
	[EXIT_VMRESUME] = on_undefined,
	[EXIT_VMWRITE] = on_undefined,
	[EXIT_VMXOFF] = on_undefined,
	[EXIT_VMXON] = on_undefined,
	[EXIT_CR_ACCESS] = on_cr_access,
	[EXIT_IO] = on_io,
	[EXIT_RDMSR] = on_rdmsr,
	[EXIT_WRMSR] = on_wrmsr,
	[EXIT_INVALID_GUEST_STATE] = on_entry_failure,
	[EXIT_MSR_LOADING] = on_entry_failure,
	[EXIT_MONITOR_TRAP] = on_monitor_trap,
	[EXIT_MACHINE_CHECK] = on_machine_check,
	[EXIT_EPT_VIOLATION] = on_ept_violation,
	[EXIT_EPT_MISCONFIGURATION] = on_ept_misconfiguration,
	[EXIT_INVEPT] = on_undefined,
	[EXIT_PREEMPTION_TIMER] = on_preemption_timer,
	[EXIT_INVVPID] = on_undefined,
	[EXIT_WBINVD] = on_wbinvd,
	[EXIT_XSETBV] = on_xsetbv,
	[EXIT_VMFUNC] = on_undefined,
	[EXIT_ENCLS] = on_undefined,
	[EXIT_ENCLV] = on_undefined,
	[EXIT_PCONFIG] = on_undefined,
	[EXIT_LOADIWKEY] = on_undefined,
	[EXIT_SEAMCALL] = on_undefined,
	[EXIT_TDCALL] = on_undefined,
};

/* An exit that no control of ours asks for: the instruction is refused, the machine goes on. */
static void on_unexpected(struct vcpu *v, uint32_t reason)
{
	upcall_guest_fault(ABI_GUEST_UNEXPECTED_EXIT, vmread(VMCS_GUEST_RIP), reason);
	log_warn("CPU %u: unexpected exit %u (%s)", v->index, reason, exit_reason_name(reason));
	inject_ud();
}

/* The guest runs at least so long between two exits of the timer, however late Vigil is: a flood
 * that keeps Vigil's own work due must not take the whole CPU. */
#define GUEST_SHARE_US 50

static void program_timer(struct vcpu *v)
{
	uint64_t now = rdtsc(), deadline = v->timer_deadline, ticks = 0xffffffff;
	uint64_t share = GUEST_SHARE_US * boot_facts()->tsc_khz / 1000;
	uint32_t rate = (uint32_t)(vmx.caps.misc & VMX_MISC_TIMER_RATE);

	if (deadline) {
		uint64_t delta = deadline > now ? deadline - now : 0;

		ticks = ((delta > share ? delta : share) >> rate) + 1;
		if (ticks > 0xffffffff)
			ticks = 0xffffffff;
	}
	vmwrite(VMCS_PREEMPTION_TIMER, ticks);
}

void arch_timer_earlier(uint64_t deadline)
{
	struct vcpu *v = vmx.sealed ? this_vcpu() : NULL;

	if (v && (!v->timer_deadline || deadline < v->timer_deadline)) {
		v->timer_deadline = deadline;
		vcpu_work(v, WORK_TIMER);
	}
}

/* From entry.S, as long as something is pending. It ends: due timers run once and what they arm
 * only sets the preemption timer, and nobody can remove rights from the EPT without end. */
void vmx_do_pending(struct vcpu *v)
{
	uint32_t work = __atomic_exchange_n(&v->work, 0, __ATOMIC_ACQ_REL);

	if (work & WORK_INIT)
		on_init(v);
	/* A SIPI that finds the CPU outside of the wait-for-SIPI state is discarded (SDM 26.2), so
	 * one that is to wait for it goes there at once. The others have been told to run the
	 * timers. */
	if (work & WORK_TIMER && vmread(VMCS_GUEST_ACTIVITY) != ACTIVITY_WAIT_SIPI) {
		uint64_t next;

		v->timer_deadline =
			upcall_timers(rdtsc()); /* the earliest of all, whoever armed it */
		next = hook_sample(v, rdtsc());
		if (next && (!v->timer_deadline || next < v->timer_deadline))
			v->timer_deadline = next;
		__atomic_and_fetch(&v->work, ~WORK_TIMER, __ATOMIC_ACQ_REL);
		program_timer(v);
	}
	if (work & WORK_EPT)
		invept(INVEPT_ALL, 0); /* the views' roots too */
	if (work & WORK_TRACK)
		cr3_exiting(v);
	if (v->nmi_pending)
		deliver_nmi(v);
	while (__atomic_load_n(&vmx.frozen, __ATOMIC_ACQUIRE)) {
		upcall_timers(rdtsc());
		asm volatile("pause");
	}
}

static bool fast_cpuid(struct vcpu *v)
{
	uint32_t leaf = (uint32_t)v->regs.rax, subleaf = (uint32_t)v->regs.rcx;
	const struct cpuid_regs *answer = cpuid_plain(&v->cpuid, leaf, subleaf);

	if (!answer)
		return false;
	v->regs.rax = answer->eax;
	v->regs.rbx = answer->ebx;
	v->regs.rcx = answer->ecx | cpuid_cr4_bits(leaf, subleaf, vmread(VMCS_GUEST_CR4));
	v->regs.rdx = answer->edx;
	skip_instruction();
	v->exit_counts[EXIT_CPUID]++;
	return true;
}

/* From entry.S, with some of the guest's registers in v->regs (those of PUSH_FAST): the exits that
 * a busy guest takes most. False: vmx_handle_exit has to do it. */
bool vmx_fast_exit(struct vcpu *v)
{
	uint32_t reason = (uint32_t)vmread(VMCS_EXIT_REASON);

	if (reason == EXIT_CPUID)
		return fast_cpuid(v);
	if (reason != EXIT_IO)
		return false;
	v->exit_counts[EXIT_IO]++;
	on_io(v);
	return true;
}

/* From entry.S, with the guest's registers in v->regs. */
void vmx_handle_exit(struct vcpu *v)
{
	uint32_t reason = (uint32_t)vmread(VMCS_EXIT_REASON);
	uint32_t basic = reason & EXIT_REASON_BASIC;

	if (__builtin_expect(basic >= EXIT_REASONS, 0)) {
		on_unexpected(v, basic);
		return;
	}
	v->exit_counts[basic]++;
	if (__builtin_expect(!handlers[basic], 0))
		on_unexpected(v, basic);
	else
		handlers[basic](v);
}

static int exit_unit(struct boot_info *info)
{
	(void)info;
	return counter_register("guest.string_io", &string_accesses);
}

UNIT(21, exit, exit_unit);
