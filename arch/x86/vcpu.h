/* One CPU under Vigil: its saved guest registers, host tables and VMX regions.
 *
 * For arch/x86 only. Private to its CPU except the fields marked. In root mode the host's GS base
 * points to it.
 */
#pragma once

/* Offsets for entry.S, checked in vcpu.c against the structure. */
#define VCPU_SELF	0
#define VCPU_STACK_TOP	8
#define VCPU_PENDING	16 /* nmi_pending and work, 8 bytes together */
#define VCPU_SENTRY_RSP 24
#define VCPU_REGS	32
#define VCPU_REGS_FAST	(VCPU_REGS + 5 * 8)
#define VCPU_REGS_END	(VCPU_REGS + 15 * 8)

/* Offsets in struct leave_state. */
#define LEAVE_CR0    160 /* behind the registers and the frame */
#define LEAVE_CR3    168
#define LEAVE_CR4    176
#define LEAVE_FSBASE 184
#define LEAVE_GSBASE 192
#define LEAVE_DS     200
#define LEAVE_ES     204
#define LEAVE_FS     208
#define LEAVE_GS     212
#define LEAVE_GDTR   224
#define LEAVE_IDTR   240

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stdint.h>
#include "arch/x86/cpuid_policy.h"
#include "arch/x86/insn.h"
#include "arch/x86/vmx/cr3_target.h"
#include "arch/x86/vmx/exit_reason.h"

/* The guest's general registers in the order in which entry.S pushes them (RSP is in the VMCS):
 * first those that a C function may change and RBX, which are enough for the fast exits. */
struct guest_regs {
	uint64_t r15, r14, r13, r12, rbp;
	uint64_t r11, r10, r9, r8, rdi, rsi, rbx, rdx, rcx, rax;
};

/* What vmx_leave loads to give the CPU back natively: popped from where it lies, in memory of the
 * block, which is mapped under the guest's CR3 as well. */
struct leave_state {
	struct guest_regs regs;
	uint64_t rip, cs, rflags, rsp, ss;
	uint64_t cr0, cr3, cr4, fs_base, gs_base;
	uint32_t ds, es, fs, gs;
	struct desc_ptr gdtr __attribute__((aligned(16)));
	struct desc_ptr idtr __attribute__((aligned(16)));
};

/* Something to do before the next entry (vcpu->work). Other CPUs set bits atomically. */
#define WORK_EPT   1u /* the EPT lost rights: INVEPT */
#define WORK_TIMER 2u /* the preemption timer's deadline has moved */
#define WORK_INIT  4u /* an INIT came while the sentry ran here */
#define WORK_TRACK 8u /* CR3 writes shall exit, or no longer (vmx.quiet_cr3) */

/* Which root of the EPT a CPU uses (vmx/hook.c). */
enum vcpu_view { VIEW_CODE, VIEW_DATA, VIEW_STEP };

/* Pages that were opened for one instruction (vmx/memory_exit.c). */
#define STEP_PAGES 16

#define MTRR_SHADOW_MAX 0x100 /* MSRs 0x200 to 0x2ff */

struct vcpu {
	struct vcpu *self;
	uint64_t stack_top; /* host stack for exits */
	/* The last look before an entry takes both at once (entry.S). */
	volatile uint32_t nmi_pending; /* an NMI for the guest waits; set in NMI context */
	volatile uint32_t work;	       /* WORK_*; set by other CPUs too */
	uint64_t sentry_rsp;	       /* the core's stack during a sentry stay */
	struct guest_regs regs;	       /* at VCPU_REGS */

	uint32_t index;
	uint32_t apic_id;
	volatile uint32_t launched; /* read by other CPUs */
	uint32_t primary;	    /* primary processor-based controls in the VMCS */
	bool sentry_launched;	    /* the sentry's VMCS of this CPU has been entered */
	bool in_sentry;		    /* root mode is inside a stay: for reports */
	uint8_t nstep;		    /* pages opened for one instruction */
	uint64_t step[STEP_PAGES];  /* their guest-physical addresses */
	enum vcpu_view view;
	uint64_t guard_before[4]; /* ABI_GUARD_BYTES: what stood where guarded memory was written
				     last */
	bool step_write;	  /* the instruction under VIEW_STEP writes to a hooked page */
	uint32_t removals;	  /* of hooked sites when this CPU looked last */
	uint64_t moved_rip;	  /* instruction that moved to VIEW_DATA last */
	uint32_t moved_again;	  /* and how often in a row */
	uint64_t sample_at, sample_seed;	     /* TSC of the next sample, 0: none yet */
	uint64_t vmxon_region, vmcs, sentry_vmcs;    /* pages of the block */
	uint64_t exit_stack, nmi_stack, fault_stack; /* tops of the host's stacks */
	void *gdt, *tss;
	void *xsave;			    /* the guest's extended state during a stay */
	uint64_t guest_xcr0;		    /* XCR0 as the guest has it, during a stay */
	uint64_t timer_deadline;	    /* TSC for which the preemption timer is set; 0: none */
	uint64_t nmis;			    /* NMIs taken in root mode or by exits */
	uint64_t exit_counts[EXIT_REASONS]; /* by basic exit reason; read by other CPUs */
	struct cr3_cpu cr3;
	struct cpuid_policy cpuid;
	uint64_t mtrr_shadow[MTRR_SHADOW_MAX]; /* what the guest believes of its MTRRs */
};

static inline struct vcpu *this_vcpu(void)
{
	struct vcpu *v;

	__asm__("movq %%gs:0, %0" : "=r"(v));
	return v;
}

#endif
