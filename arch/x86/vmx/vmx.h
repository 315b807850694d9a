/* The guest's virtualization: what all CPUs share, and the calls between the files of this folder.
 *
 * For arch/x86/vmx only. Functions run in exit context on the CPU of `v`, with the guest's VMCS
 * current, and do not block, unless their comment says otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "arch/x86/cpu.h"
#include "arch/x86/ept.h"
#include "arch/x86/mtrr.h"
#include "arch/x86/vcpu.h"
#include "arch/x86/vmx/control.h"
#include "arch/x86/vmx/vmcs.h"
#include "hv/abi.h"
#include "hv/bootinfo.h"
#include "hv/lock.h"

#define VPID_GUEST  1
#define VPID_SENTRY 2

struct vmx_shared {
	struct vmx_caps caps; /* of the BSP; every CPU was held against them */
	struct control_set control[PROFILES];
	struct mtrr_state mtrr;
	struct ept ept; /* the guest's; edited under ept_lock */
	struct spinlock ept_lock;
	uint64_t eptp;
	uint32_t phys_bits;
	uint8_t *msr_bitmap, *io_bitmap;
	struct cr3_config cr3;
	struct cr3_pti pti;
	bool quiet_cr3; /* CR3 writes don't exit although tracking is on: hooks tell enough */
	bool frozen; /* the guest is not entered any more */
	uint32_t watched, pinned; /* PIN_*: arch_watch */
	uint64_t pinned_lstar;
	bool sealed; /* the launch interface is dead */
	uint32_t ncpu;
	struct vcpu **cpu; /* [ncpu] */
};

extern struct vmx_shared vmx;

/* --- setup (enable.c, guest_state.c, host_state.c) ----------------------------------------------
 */

/* Fill the current VMCS: controls of `profile`; host state with this exit entry. 0 or -EIO with a
 * message. */
int vmcs_write_controls(const struct control_set *set);
int vmcs_write_host(const struct vcpu *v, uint64_t rip, uint64_t rsp);
/* Write the fields of a segment of the guest's; fields that begin as 0. True: all went well. */
bool vmcs_write_segment(uint32_t segment, uint16_t selector, uint64_t base, uint32_t limit,
			uint32_t access);
bool vmcs_write_zero(const uint16_t *fields, size_t n);
/* Guest state: this CPU as it is now, except RIP, RSP and RFLAGS. 0 or -EIO. */
int vmcs_write_guest_as_is(uint64_t cr0_shadow, uint64_t cr4_shadow);
/* Masks and shadows of CR0 and CR4. */
uint64_t vmx_cr0_mask(void);
uint64_t vmx_cr4_mask(void);

/* --- events (event.c)
 * ------------------------------------------------------------------------------ */

/* Deliver a hardware exception at the next entry; without an error code in real mode. */
void inject_exception(uint8_t vector, bool has_code, uint32_t code);
static inline void inject_ud(void)
{
	inject_exception(6, false, 0);
}
static inline void inject_gp(void)
{
	inject_exception(13, true, 0);
}

/* Deliver again what was under way when the exit happened (IDT vectoring, SDM 28.2.4). For handlers
 * of exits that an event delivery can cause; call before injecting anything else. */
void reinject_vectoring(void);

/* The guest executes 64-bit code. CS.L alone does not tell: a descriptor can have it in legacy
 * mode. */
static inline bool guest_64bit(void)
{
	return vmread(VMCS_GUEST_CS_ACCESS) & AR_L && vmread(VMCS_GUEST_EFER) & EFER_LMA;
}

/* Step over the instruction that exited, or so many bytes: RIP, STI and MOV SS blocking,
 * single-step trap. In line: it is on every hot path. */
static inline void skip_bytes(uint64_t length)
{
	uint64_t old = vmread(VMCS_GUEST_RIP);
	uint64_t rip = old + length;
	uint32_t blocking = (uint32_t)vmread(VMCS_GUEST_INTERRUPTIBILITY);

	/* Below 4 GiB the code may be 16 or 32 bits wide, where RIP wraps. */
	if (__builtin_expect((rip ^ old) >> 32 != 0, 0) && !guest_64bit())
		rip = (uint32_t)rip;
	vmwrite(VMCS_GUEST_RIP, rip);
	if (__builtin_expect(blocking & (BLOCKING_STI | BLOCKING_MOV_SS), 0))
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY, blocking & ~(BLOCKING_STI | BLOCKING_MOV_SS));
	if (__builtin_expect(vmread(VMCS_GUEST_RFLAGS) & RFLAGS_TF, 0))
		vmwrite(VMCS_GUEST_PENDING_DEBUG,
			vmread(VMCS_GUEST_PENDING_DEBUG) | 1u << 14 /* BS (SDM table 25-4) */);
}

static inline void skip_instruction(void)
{
	skip_bytes(vmread(VMCS_EXIT_INSTRUCTION_LENGTH));
}

/* Primary processor-based controls: set or clear bits that may be toggled. */
void primary_set(struct vcpu *v, uint32_t bits, bool on);

/* A pending NMI goes to the guest, now or when it can take it. */
void deliver_nmi(struct vcpu *v);

/* An NMI exit, and the window's. */
void on_exception_nmi(struct vcpu *v);
void on_nmi_window(struct vcpu *v);

/* --- exits
 * ------------------------------------------------------------------------------------------ */

void on_cr_access(struct vcpu *v);
/* Make CR3 writes of this CPU exit as vmx.quiet_cr3 and the configuration say. */
void cr3_exiting(struct vcpu *v);
void on_rdmsr(struct vcpu *v);
void on_wrmsr(struct vcpu *v);
void on_xsetbv(struct vcpu *v);
void on_ept_violation(struct vcpu *v);
void on_ept_misconfiguration(struct vcpu *v);
void on_monitor_trap(struct vcpu *v);
void on_init(struct vcpu *v);
void on_sipi(struct vcpu *v);
void on_triple_fault(struct vcpu *v);
void on_vmcall(struct vcpu *v);
void on_preemption_timer(struct vcpu *v);

/* Bits of CR0 and CR4 that are the guest's own, and yet Vigil's to see cleared. */
#define WATCHED_CR0 CR0_WP
#define WATCHED_CR4 (CR4_SMEP | CR4_SMAP | CR4_UMIP)
/* The guest gives a control register a value (pin.c): tell if that clears watched bits. Returns
 * those that stay set. */
uint64_t pin_keeps(const struct vcpu *v, enum abi_control reg, uint64_t old, uint64_t now);
/* Whether IA32_LSTAR stays as it is. */
bool pin_refuses_lstar(uint64_t value);

/* Build the MSR bitmap from the policy table (msr_exit.c). */
int msr_policy_init(uint8_t *bitmap);
/* What the guest believes of this CPU's MTRRs: as they are now. */
void mtrr_shadow_init(struct vcpu *v);

/* The EPT of the guest (memory.c): identity map. */
int memory_init(const struct boot_info *info);
/* Take Vigil's block out of the guest's sight; once, at the end of the launch. */
void memory_seal(void);
/* Whether [base, base + size) touches the block or what else is hidden from the guest. */
bool memory_hidden(uint64_t base, uint64_t size);
/* Tell all CPUs that rights were removed. */
void ept_flush_all(void *ctx);

/* Hooks (hook.c). A VMCALL at a site: true if it was one. */
bool hook_hit(struct vcpu *v);
/* A violation, with ept_lock held: what it was about. */
enum hook_violation { HOOK_VIOLATION_OTHER, HOOK_VIOLATION_DONE, HOOK_VIOLATION_GUARD };
enum hook_violation hook_violation(struct vcpu *v, uint64_t gpa, uint64_t qual);
/* Tell of a HOOK_VIOLATION_GUARD, without the lock. */
void hook_guard_write(struct vcpu *v, uint64_t gpa);
/* The instruction under VIEW_STEP is done, or given up. Without ept_lock. */
void hook_stepped(struct vcpu *v);
/* Take a sample if it is time; the TSC of the next, 0: none are taken. */
uint64_t hook_sample(struct vcpu *v, uint64_t now);

/* A VM entry that failed (entry_failure.c): a sentence with the violated rule, and panic. The VMCS
 * that is current, the guest's or the sentry's. `reason`: of the exit, 0 when there was none. */
__attribute__((noreturn)) void entry_failed(uint32_t reason);
/* For the panic: the VMCS fields of an entry that nobody has explained. */
void entry_print_fields(void (*print)(const char *fmt, ...));

/* Raise WORK bits on another CPU or this one. */
static inline void vcpu_work(struct vcpu *v, uint32_t bits)
{
	__atomic_or_fetch(&v->work, bits, __ATOMIC_RELEASE);
}
