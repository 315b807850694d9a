/* The processors' check in two files: cpu.c has the registers, descriptors.c the tables that they
 * point to. For ids/integrity alone.
 */
#pragma once

#include "ids/integrity/integrity_impl.h"

#define CPUS	  64u /* those beyond are not looked at */
#define IDT_GATES 256u
#define GDT_WORDS 16u

/* What is wrong with a CPU and told. */
enum cpu_fault {
	FAULT_LSTAR,
	FAULT_CSTAR,
	FAULT_SYSENTER,
	FAULT_SELECTORS, /* STAR, FMASK, SYSENTER_CS and _ESP */
	FAULT_CR0,
	FAULT_CR4,
	FAULT_EFER,
	FAULT_IDT,
	FAULT_GDT,
	FAULT_GDT_ENTRY,
	FAULTS
};

/* A CPU as it was when the kernel had set it up. */
struct cpu_base {
	struct abi_cpu regs;
	uint64_t gdt[GDT_WORDS];
	uint64_t gdt_page; /* its own, 0: not known yet */
	uint32_t looks;	   /* at it */
	uint32_t told;	   /* bits: enum cpu_fault */
	bool lstar_seen;   /* it had the right value once */
	bool gdt_known;
};

struct cpu_state {
	uint64_t entry, entry_compat, sysenter, ignore; /* system-call entries, 0: none */
	uint64_t entry_gpa;
	uint64_t idt;	/* idt_table */
	uint64_t state; /* system_state, 0: unknown */
	bool booted;	/* beyond its early boot */
	bool idt_known;
	uint64_t gate[IDT_GATES][2];
	bool gates_odd; /* some were others at the last look */
	uint8_t gate_told[IDT_GATES / 8];
	/* Bits cleared by code that is no kernel's: a kexec under way, or one that wants to look
	 * so.
	 */
	bool stayed; /* it did that once, and was still there: not believed again */
	uint64_t leaving_tsc, leaving_rip, leaving_values, leaving_where;
	struct cpu_base cpu[CPUS];
};

/* Whether `va` and `other` are the same memory for the kernel. */
bool cpu_same_memory(const struct integrity *in, uint64_t va, uint64_t other);

/* A fault was met at a look: tell it when it is still there at the next, some time later. `address`
 * is where it lies or leads to. */
void cpu_fault(struct check_run *run, struct cpu_base *base, enum cpu_fault fault, uint64_t address,
	       uint64_t expected, uint64_t found, const char *reason);
/* It is not there. */
void cpu_fine(struct check_run *run, struct cpu_base *base, enum cpu_fault fault);

/* --- descriptors.c --- */

/* The table that IDTR points to, its gates, the same of GDTR. */
void cpu_look_idt(struct check_run *run, struct cpu_base *base, const struct abi_cpu *now);
void cpu_look_gates(struct check_run *run);
void cpu_look_gdt(struct check_run *run, struct cpu_base *base, const struct abi_cpu *now);
