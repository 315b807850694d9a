/* What an AP executes first: real mode at the SIPI's page. Notes its state, then goes to long mode.
 * Data lies at 0x800 of the page (struct trampoline_data in smp.c). */
	.set D, 0x800
	.set STAY, D
	.set STARTS, D + 4
	.set EAX, D + 8
	.set EDX, D + 12
	.set FLAGS, D + 16
	.set CR0, D + 20
	.set CR3, D + 24
	.set CR4, D + 28
	.set CS, D + 32
	.set DS, D + 36
	.set SP, D + 40
	.set EFER, D + 44
	.set ROOT, D + 48
	.set JUMP32, D + 52
	.set JUMP64, D + 60
	.set GDTR, D + 68
	.set ENTRY, D + 76
	.set STACK, D + 84
	.set STAGE, D + 92

	.text
	.globl trampoline, trampoline_end
	.hidden trampoline, trampoline_end
	.code16
trampoline:
	movl %eax, %cs:EAX
	movl %edx, %cs:EDX
	movl %esp, %cs:SP
	movl %ds, %eax
	movl %eax, %cs:DS
	movl %cs, %eax
	movl %eax, %cs:CS
	movl %eax, %ds
	movl %eax, %ss
	movl $0x800, %esp
	pushfl
	popl %eax
	movl %eax, FLAGS
	movl %cr0, %eax
	movl %eax, CR0
	movl %cr3, %eax
	movl %eax, CR3
	movl %cr4, %eax
	movl %eax, CR4
	movl $0xc0000080, %ecx
	rdmsr
	movl %eax, EFER
	xorl %eax, %eax
	cpuid
	lock incl STARTS
stay:	cmpl $0, STAY
	jne stay
	movl $1, STAGE
	lgdtl GDTR
	movl ROOT, %ebx
	movl %cr0, %eax
	andl $~0x60000000, %eax		/* CD, NW */
	orl $1, %eax			/* PE */
	movl %eax, %cr0
	ljmpl *JUMP32
	.code32
start32:
	movl $0x10, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl %cr4, %eax
	orl $0x20, %eax			/* PAE */
	movl %eax, %cr4
	movl %ebx, %cr3
	movl $0xc0000080, %ecx		/* EFER.LME */
	rdmsr
	orl $0x100, %eax
	wrmsr
	call 1f
1:	popl %ebp
	andl $~0xfff, %ebp		/* the page */
	movl $2, STAGE(%ebp)
	movl %cr0, %eax
	orl $0x80010000, %eax		/* PG, WP */
	movl %eax, %cr0
	ljmpl *JUMP64(%ebp)
	.code64
start64:
	movl %ebp, %ebp
	movl $3, STAGE(%rbp)
	movq STACK(%rbp), %rsp
	jmp *ENTRY(%rbp)
trampoline_end:

	.data
	.globl trampoline_32_offset, trampoline_64_offset
	.hidden trampoline_32_offset, trampoline_64_offset
trampoline_32_offset: .long start32 - trampoline
trampoline_64_offset: .long start64 - trampoline
	.section .note.GNU-stack,"",@progbits
