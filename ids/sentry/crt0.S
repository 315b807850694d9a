/* Where the core enters the sentry: see the end of hv/abi.h for the state of the CPU.
 *
 * RDI = struct abi_ctl. Memory is fresh at each start (.bss zero, relocations applied by the core), so
 * nothing needs to be set up but the floating-point control words (their values after reset differ
 * from the ABI's, System V AMD64 ABI section 3.2.3: all exceptions masked, extended precision).
 */
	.section .text.entry, "ax", @progbits
	.globl sentry_entry
	.type sentry_entry, @function
sentry_entry:
	cld
	xorl %ebp, %ebp
	fninit
	pushq $0x1f80 /* MXCSR after reset: all masked, round to nearest */
	ldmxcsr (%rsp)
	popq %rax
	/* The stack is as after a call; make it so for the call that follows. */
	subq $8, %rsp
	call sentry_main
	ud2
	.size sentry_entry, . - sentry_entry
	.section .note.GNU-stack, "", @progbits
