/* Entry to and exit from VMX non-root operation, host exception entries, launch and leave.
 *
 * The core keeps no floating-point state, so only general registers are saved here.
 */
#include "arch/x86/vcpu.h"

	/* What a C function may change, and RBX. */
	.macro PUSH_FAST
	pushq %rax
	pushq %rcx
	pushq %rdx
	pushq %rbx
	pushq %rsi
	pushq %rdi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	.endm

	/* The rest. */
	.macro PUSH_SLOW
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	.endm

	.macro POP_FAST
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rdi
	popq %rsi
	popq %rbx
	popq %rdx
	popq %rcx
	popq %rax
	.endm

	.macro POP_SLOW
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	.endm

	/* What a C function must keep, around a change of stacks. */
	.macro PUSH_KEPT
	pushq %rbx
	PUSH_SLOW
	.endm

	.macro POP_KEPT
	POP_SLOW
	popq %rbx
	.endm

	.macro PUSH_REGS
	PUSH_FAST
	PUSH_SLOW
	.endm

	.macro POP_REGS
	POP_SLOW
	POP_FAST
	.endm

	.text

/* HOST_RIP of the guest's VMCS. HOST_RSP is the end of vcpu->regs, so the pushes fill it. The frequent
 * exits need few registers (vmx_fast_exit); only for the others the rest is saved as well. */
	.globl vmx_exit_entry
	.hidden vmx_exit_entry
	.balign 16
vmx_exit_entry:
	PUSH_FAST
	leaq -VCPU_REGS_FAST(%rsp), %rdi
	movq %rsp, %rbx			/* kept over the call; the guest's own is saved */
	movq VCPU_STACK_TOP(%rdi), %rsp
	call vmx_fast_exit
	movq %rbx, %rsp
	testl %eax, %eax
	jz vmx_slow_exit

/* The same window as below, where only some registers are in memory. */
	.globl vmx_fast_check, vmx_fast_insn, vmx_fast_nmi
	.hidden vmx_fast_check, vmx_fast_insn, vmx_fast_nmi
vmx_fast_check:
	cmpq $0, VCPU_PENDING-VCPU_REGS_FAST(%rbx)
	jne 2f
	POP_FAST
vmx_fast_insn:
	vmresume
	jmp vmx_entry_failed
/* From the NMI handler: the fast registers are in memory, the others still hold the guest's values. */
vmx_fast_nmi:
	movq %gs:VCPU_SELF, %rsp
	addq $VCPU_REGS_FAST, %rsp
2:	PUSH_SLOW
	movq %gs:VCPU_SELF, %rdi
	jmp vmx_waits

vmx_slow_exit:
	PUSH_SLOW
	movq %gs:VCPU_SELF, %rdi
	movq VCPU_STACK_TOP(%rdi), %rsp
	xorl %ebp, %ebp			/* the backtrace ends here */
	call vmx_handle_exit

/* What waits is done before the entry (vmx_do_pending), until nothing does.
 * Between `check` and `insn` an NMI handler that sees this RIP restarts at vmx_resume, so that an
 * NMI that comes after the check is not left behind until the next exit. The pops leave the saved
 * registers in memory as they are, and the handler runs on a stack of its own. */
	.globl vmx_resume, vmx_resume_check, vmx_resume_insn
	.hidden vmx_resume, vmx_resume_check, vmx_resume_insn
vmx_resume:
	movq %gs:VCPU_SELF, %rdi
vmx_resume_check:
	cmpq $0, VCPU_PENDING(%rdi)
	jne 1f
	leaq VCPU_REGS(%rdi), %rsp
	POP_REGS
vmx_resume_insn:
	vmresume
vmx_entry_failed:
	movq %gs:VCPU_SELF, %rdi
	movq VCPU_STACK_TOP(%rdi), %rsp
	call vmx_resume_failed
	ud2
vmx_waits:
1:	movq VCPU_STACK_TOP(%rdi), %rsp
	xorl %ebp, %ebp
	call vmx_do_pending
	jmp vmx_resume

/* int vmx_launch_here(void): VMLAUNCH with the caller's own state as the guest's. Returns 0 as the
 * guest, 1 as before when the entry failed. RSP and RIP of the guest are set here. */
	.globl vmx_launch_here
	.hidden vmx_launch_here
vmx_launch_here:
	PUSH_KEPT
	movl $0x681c, %eax		/* GUEST_RSP */
	vmwrite %rsp, %rax
	leaq 1f(%rip), %rcx
	movl $0x681e, %eax		/* GUEST_RIP */
	vmwrite %rcx, %rax
	pushfq
	popq %rcx
	movl $0x6820, %eax		/* GUEST_RFLAGS */
	vmwrite %rcx, %rax
	vmlaunch
	movl $1, %eax
	jmp 2f
1:	xorl %eax, %eax
2:	POP_KEPT
	ret

/* int sentry_switch(struct guest_regs *regs, int resume): run the sentry with these registers until
 * its next exit, and leave its registers there. The current VMCS is the sentry's. HOST_RSP is the end
 * of `regs`, so that the pushes at the exit fill it; the core's own stack waits in the vcpu.
 * 0 after an exit, 1 when the entry failed. */
	.globl sentry_switch
	.hidden sentry_switch
sentry_switch:
	PUSH_KEPT
	movq %rsp, %gs:VCPU_SENTRY_RSP
	leaq 15*8(%rdi), %rcx
	movl $0x6c14, %eax		/* HOST_RSP */
	vmwrite %rcx, %rax
	movq %rdi, %rsp
	testl %esi, %esi		/* the pops leave the flags alone */
	POP_REGS
	jz 1f
	vmresume
	jmp 2f
1:	vmlaunch
2:	movl $1, %eax
	jmp 3f

/* HOST_RIP of the sentry's VMCS. */
	.globl sentry_exit_entry
	.hidden sentry_exit_entry
	.balign 16
sentry_exit_entry:
	PUSH_REGS
	xorl %eax, %eax
3:	movq %gs:VCPU_SENTRY_RSP, %rsp
	POP_KEPT
	ret

/* void unblock_nmi(void): after an exit by NMI further ones are blocked until an IRET (SDM vol. 3,
 * 6.7.1); this is that IRET. */
	.globl unblock_nmi
	.hidden unblock_nmi
unblock_nmi:
	movq %rsp, %rax
	movl %ss, %ecx
	pushq %rcx
	pushq %rax
	pushfq
	movl %cs, %ecx
	pushq %rcx
	leaq 1f(%rip), %rax
	pushq %rax
	iretq
1:	ret

/* void vmx_leave(const struct leave_state *s): give the CPU back to the guest natively, after VMXOFF.
 * The guest is in 64-bit mode with the firmware's identity map, in which this code is mapped too. */
	.globl vmx_leave
	.hidden vmx_leave
vmx_leave:
	movq LEAVE_CR3(%rdi), %rax
	movq %rax, %cr3
	movq LEAVE_CR4(%rdi), %rax
	movq %rax, %cr4
	movq LEAVE_CR0(%rdi), %rax
	movq %rax, %cr0
	lgdt LEAVE_GDTR(%rdi)
	lidt LEAVE_IDTR(%rdi)
	movl LEAVE_DS(%rdi), %eax
	movl %eax, %ds
	movl LEAVE_ES(%rdi), %eax
	movl %eax, %es
	movl LEAVE_FS(%rdi), %eax
	movl %eax, %fs
	movl LEAVE_GS(%rdi), %eax
	movl %eax, %gs
	movl $0xc0000100, %ecx		/* IA32_FS_BASE */
	movl LEAVE_FSBASE(%rdi), %eax
	movl LEAVE_FSBASE+4(%rdi), %edx
	wrmsr
	movl $0xc0000101, %ecx		/* IA32_GS_BASE */
	movl LEAVE_GSBASE(%rdi), %eax
	movl LEAVE_GSBASE+4(%rdi), %edx
	wrmsr
	movq %rdi, %rsp			/* the state begins as a stack that ends in the frame for IRET */
	POP_REGS
	iretq

/* void vmx_seal(void): see close_launch; the core executes the RET for it, because this page is hidden
 * from then on. */
	.globl vmx_seal
	.hidden vmx_seal
vmx_seal:
	movabsq $0x766967697365616c, %rax
	vmcall
	ret

/* Host exceptions. Each stub leaves vector and error code (0 where the CPU pushes none). */
	.macro STUB vector, has_code
	.balign 16
	.if !\has_code
	pushq $0
	.endif
	pushq $\vector
	jmp fault_common
	.endm

	.globl fault_stubs
	.hidden fault_stubs
	.balign 16
fault_stubs:
	.irp v, 0,1,2,3,4,5,6,7
	STUB \v, 0
	.endr
	STUB 8, 1
	STUB 9, 0
	.irp v, 10,11,12,13,14
	STUB \v, 1
	.endr
	STUB 15, 0
	STUB 16, 0
	STUB 17, 1
	.irp v, 18,19,20
	STUB \v, 0
	.endr
	STUB 21, 1
	.irp v, 22,23,24,25,26,27,28
	STUB \v, 0
	.endr
	STUB 29, 1
	STUB 30, 1
	STUB 31, 0

fault_common:
	PUSH_REGS
	movq %rsp, %rdi
	cld
	call fault_handle
	POP_REGS
	addq $16, %rsp
	iretq

	.section .note.GNU-stack,"",@progbits
