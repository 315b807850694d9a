/* Entries of all 256 vectors. Each stub leaves vector and error code (0 where the CPU pushes none). */
	.text
	.globl trap_stubs
	.hidden trap_stubs
	.balign 16
trap_stubs:
	.set v, 0
	.rept 256
	.balign 16
	.if !(v == 8 || (v >= 10 && v <= 14) || v == 17 || v == 21 || v == 29 || v == 30)
	pushq $0
	.endif
	pushq $v
	jmp common
	.set v, v + 1
	.endr

common:
	pushq %rax
	pushq %rcx
	pushq %rdx
	pushq %rbx
	pushq %rbp
	pushq %rsi
	pushq %rdi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, %rdi
	movq %rsp, %rbp
	andq $-16, %rsp
	cld
	call trap_handle
	movq %rbp, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rdi
	popq %rsi
	popq %rbp
	popq %rbx
	popq %rdx
	popq %rcx
	popq %rax
	addq $16, %rsp
	iretq

/* A handler that doesn't look at its stack: back to where the probe recovers. */
	.globl stackless_stub, stackless_count
	.hidden stackless_stub, stackless_count
stackless_stub:
	movq recover_rsp(%rip), %rsp
	incq stackless_count(%rip)
	jmp *recover_rip(%rip)

	.data
	.balign 8
stackless_count:
	.quad 0
	.section .note.GNU-stack,"",@progbits
