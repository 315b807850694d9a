/* A way through all modes of the processor, from 64-bit code and back: compatibility mode, 32-bit
 * protected mode with and without paging, PAE, 16-bit protected mode, real mode. Runs in the low memory
 * at low_base (which lies below 1 MiB); data at 0x800 there, results from 0x900. In each mode it does
 * what exits: CPUID, RDMSR of a trapped MSR, port I/O, a CR3 write. */
	.set D, 0x800
	.set SAVE_SP, D
	.set SAVE_CR3, D + 8
	.set GDTR, D + 16		/* limit, base */
	.set BASE, D + 28		/* low_base */
	.set ROOT32, D + 32		/* page directory without PAE */
	.set ROOTPAE, D + 36		/* PDPT */
	.set IVT, D + 40		/* limit 0x3ff, base 0 */
	.set IDTR64, D + 48
	.set SAVE_CR4, D + 60
	.set JUMP, D + 64		/* far pointers: 32-bit code, 64-bit code, 16-bit code, real mode */
	.set R, 0x900

	.set CODE64, 0x08
	.set DATA, 0x10
	.set CODE32, 0x18
	.set CODE16, 0x20
	.set DATA16, 0x28

	/* Result `n`: eight 32-bit numbers. */
	.macro RESULT n, index, reg
	movl \reg, R + 32 * \n + 4 * \index(%ebp)
	.endm

	/* What exits, in 32-bit code. */
	.macro EXITS n
	movl $0xffffffff, %ebx
	movl $1, %eax
	xorl %ecx, %ecx
	cpuid
	RESULT \n, 0, %eax
	movl $0x3a, %ecx		/* IA32_FEATURE_CONTROL */
	rdmsr
	RESULT \n, 1, %eax
	movl $0x2fd, %edx
	xorl %eax, %eax
	inb %dx, %al
	RESULT \n, 2, %eax
	movl %cr0, %eax
	RESULT \n, 3, %eax
	movl %cr4, %eax
	RESULT \n, 4, %eax
	movl $0xc0000080, %ecx
	rdmsr
	RESULT \n, 5, %eax
	.endm

	.text
	.globl modes, modes_end
	.hidden modes, modes_end
	.code64
/* void (uint64_t low_base) */
modes:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rdi, %rbp
	movq %rsp, SAVE_SP(%rbp)
	movq %cr3, %rax
	movq %rax, SAVE_CR3(%rbp)
	movq %cr4, %rax
	movl %eax, SAVE_CR4(%rbp)
	/* Into compatibility mode. */
	ljmpl *JUMP(%rbp)
	.code32
compat:
	movl $DATA, %eax
	movl %eax, %ss
	movl %eax, %ds
	movl %eax, %es
	leal 0x800(%ebp), %esp
	EXITS 0
	movl %cr3, %eax
	movl %eax, %cr3			/* 32-bit operand */
	movl %cr3, %eax
	RESULT 0, 6, %eax

	/* Paging off: legacy 32-bit protected mode. */
	movl %cr0, %eax
	andl $0x7fffffff, %eax
	movl %eax, %cr0
	jmp 1f
1:	movl $0xc0000080, %ecx
	rdmsr
	andl $~0x100, %eax		/* LME */
	wrmsr
	EXITS 1

	/* Paging without PAE, 4 MiB pages. */
	movl %cr4, %eax
	andl $~0x20, %eax
	orl $0x10, %eax			/* PSE */
	movl %eax, %cr4
	movl ROOT32(%ebp), %eax
	movl %eax, %cr3
	movl %cr0, %eax
	orl $0x80000000, %eax
	movl %eax, %cr0
	jmp 1f
1:	EXITS 2
	movl ROOT32(%ebp), %eax
	orl $0x18, %eax
	movl %eax, %cr3
	movl %cr3, %eax
	RESULT 2, 6, %eax

	/* PAE. */
	movl %cr0, %eax
	andl $0x7fffffff, %eax
	movl %eax, %cr0
	movl %cr4, %eax
	orl $0x20, %eax
	movl %eax, %cr4
	movl ROOTPAE(%ebp), %eax
	movl %eax, %cr3
	movl %cr0, %eax
	orl $0x80000000, %eax
	movl %eax, %cr0
	jmp 1f
1:	EXITS 3
	movl ROOTPAE(%ebp), %eax
	movl %eax, %cr3			/* loads the PDPTEs again */
	/* 0xc0000000 shows low_base here: see modes.c */
	movl 0xc0000000 + 0x700, %eax
	RESULT 3, 6, %eax
	/* The second PDPT has it elsewhere. */
	movl ROOTPAE(%ebp), %eax
	addl $32, %eax
	movl %eax, %cr3
	movl 0xc0000000 + 0x700, %eax
	RESULT 3, 7, %eax
	movl ROOTPAE(%ebp), %eax
	movl %eax, %cr3

	/* Paging off, 16-bit protected mode, real mode. */
	movl %cr0, %eax
	andl $0x7fffffff, %eax
	movl %eax, %cr0
	ljmpl *JUMP + 16(%ebp)
	.code16
code16:
	movl $DATA16, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	lidtl IVT
	movl %cr0, %eax
	andl $~1, %eax
	movl %eax, %cr0
	ljmpl *JUMP + 24
real:
	movl %cs, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl $0x800, %esp
	xorl %ebp, %ebp
	EXITS 4
	movl $0x123, R + 32 * 4 + 24
	/* Interrupts through the real-mode table: INT, #UD of a VMX instruction. */
	int $0x80
	vmcall
	vmxoff
	/* The last two bytes of the segment (`tail`, in modes.c: CPUID), then beyond its limit: #GP. */
	movl $1, %eax
	movl $0x777, R + 32 * 5 + 4
	jmp tail_jump
back:
	movl $0x456, R + 32 * 5

	/* Back: protected mode, PAE, long mode. */
	xorl %ebx, %ebx
	movl BASE, %ebp
	movl SAVE_CR3, %ebx
	movl %cr0, %eax
	orl $1, %eax
	movl %eax, %cr0
	ljmpl *JUMP + 32
	.code32
back32:
	movl $DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl SAVE_CR4(%ebp), %eax
	movl %eax, %cr4
	movl %ebx, %cr3
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x100, %eax
	wrmsr
	movl %cr0, %eax
	orl $0x80000000, %eax
	movl %eax, %cr0
	jmp 1f
1:	ljmpl *JUMP + 8(%ebp)
	.code64
back64:
	movl %ebp, %ebp
	movq SAVE_SP(%rbp), %rsp
	lidt IDTR64(%rbp)
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret

	/* To offset 0xfffe, 16-bit operand: the page's jump is relative to the copy. */
	.code16
tail_jump:
	movw $0xfffe, %bx
	jmp *%bx

	/* Real-mode handlers: count; step over the instruction (the length in AH's table is 3). */
real_ud:
	pushw %bp
	movw %sp, %bp
	addw $3, 2(%bp)
	popw %bp
	incl %cs:R + 32 * 4 + 28
	iretw
real_int:
	movl $0x80, %cs:R + 32 * 5 + 8
	iretw
real_gp:
	popw %ax			/* IP */
	movzwl %ax, %eax
	movl %eax, %cs:R + 32 * 5 + 4
	popw %ax
	popw %ax
	jmp back
modes_end:

	.data
	.globl modes_offset
	.hidden modes_offset
modes_offset:
	.long compat - modes, back64 - modes, code16 - modes, real - modes, back32 - modes
	.long real_ud - modes, real_int - modes, real_gp - modes
	.section .note.GNU-stack,"",@progbits
