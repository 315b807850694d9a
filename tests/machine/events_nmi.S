/* An NMI handler for events.c: counts its depth, exits, and the first time sends an NMI to itself. */
	.text
	.globl nested_nmi_stub
	.hidden nested_nmi_stub
nested_nmi_stub:
	pushq %rax
	pushq %rbx
	pushq %rcx
	pushq %rdx
	incq nested_depth(%rip)
	movq nested_depth(%rip), %rax
	cmpq nested_worst(%rip), %rax
	jbe 1f
	movq %rax, nested_worst(%rip)
1:	incq nested_count(%rip)
	cmpq $1, nested_count(%rip)
	jne 2f
	movl $0xfee00300, %ebx		/* ICR: NMI to the destination set before */
	movl $0x4400, (%rbx)
2:	movl $50, %ecx
3:	pushq %rcx
	xorl %eax, %eax
	xorl %ecx, %ecx
	cpuid
	popq %rcx
	loop 3b
	decq nested_depth(%rip)
	popq %rdx
	popq %rcx
	popq %rbx
	popq %rax
	iretq

	.data
	.balign 8
	.globl nested_depth, nested_worst, nested_count
	.hidden nested_depth, nested_worst, nested_count
nested_depth: .quad 0
nested_worst: .quad 0
nested_count: .quad 0
	.section .note.GNU-stack,"",@progbits
