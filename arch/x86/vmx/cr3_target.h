/* Address spaces from CR3 writes: which write is a switch, and the CR3-target values that let all
 * other writes pass without an exit.
 *
 * The targets are the current space's own values {kernel root, user root} x {flush, no flush}, so
 * that kernel entry and exit under page-table isolation (PTI) cost nothing and a real switch always
 * exits. After an exit the caller writes the new targets and resumes at the same RIP: the operand
 * that was written is always among them, so the CPU now executes the MOV itself with its exact
 * flush, fault and LAM semantics. Only without targets (nested in KVM) is the write emulated.
 *
 * Pure; exit context on the CPU that owns `struct cr3_cpu`, no blocking, no lock. struct cr3_pti is
 * shared by all CPUs; its races are harmless (a confirmation is asked for once more).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CR3_TARGETS_MAX 4

enum cr3_event {
	CR3_SAME,     /* the same address space: not a switch */
	CR3_SWITCHED, /* another address space: cpu->root is its identity */
	CR3_FAULT,    /* the operand has reserved bits: the MOV raises #GP; nothing was recorded */
};

/* The detector of page-table isolation, one for the guest. Zero-initialized. */
struct cr3_pti {
	uint32_t folded; /* 1: confirmed; user roots are folded into their kernel root */
	uint32_t
		candidates; /* writes that looked like kernel/user halves before the confirmation */
	uint32_t asked;	    /* how often the callback was called */
};

/* Is `user_root` the user half of `kernel_root`? Compares the lower 256 entries of both tables
 * (cr3_pti_pair). Called rarely: at the 1st, 2nd, 4th, 8th ... candidate. */
typedef bool cr3_pair_fn(void *ctx, uint64_t kernel_root, uint64_t user_root);

struct cr3_config {
	uint32_t targets;  /* CR3-target values of the CPU, 0 to CR3_TARGETS_MAX */
	uint64_t reserved; /* operand bits that fault (cr3_reserved) */
	cr3_pair_fn *pair;
	void *ctx;
};

/* One virtual CPU. Zero-initialized. */
struct cr3_cpu {
	uint64_t root; /* the current address space: PTI folded, no PCID, no LAM bits, no bit 63 */
	uint64_t operand;		  /* as it was last written, without bit 63 */
	uint64_t target[CR3_TARGETS_MAX]; /* for VMCS_CR3_TARGET0.. */
	uint32_t ntarget;		  /* for VMCS_CR3_TARGET_COUNT */
	bool valid;			  /* root and operand are known */
};

/* Operand bits that make MOV to CR3 fault: those above MAXPHYADDR, except bit 63 under PCIDE and
 * the LAM bits when `lam` (CPUID.7.1:EAX[26]). Depends on CR4, so it is masked further in
 * cr3_write. */
uint64_t cr3_reserved(uint32_t phys_bits, bool lam);

/* A MOV to CR3 with `operand` (all 64 bits of the source register) exits. `pcide`: CR4.PCIDE.
 * Updates `cpu` (targets too, except on CR3_FAULT) and returns what it was. Common path: under 100
 * instructions. The caller writes cpu->target[0..ntarget) to the VMCS and resumes without advancing
 * RIP; when ntarget is 0 it emulates instead (cr3_emulate), and on CR3_FAULT it injects #GP(0). */
enum cr3_event cr3_write(struct cr3_cpu *cpu, struct cr3_pti *pti, const struct cr3_config *cfg,
			 uint64_t operand, bool pcide);

/* The value to load into the guest's CR3 field for an operand (bit 63 stripped, TRAPS 12), and
 * whether the CPU's MOV would have flushed the TLB (INVVPID single context, retaining globals). */
uint64_t cr3_emulate(uint64_t operand, bool pcide, bool *flush);

/* Forget the current space: paging was turned off, INIT, or CR4.PCIDE changed. `pti` too when the
 * guest starts anew (a different kernel may come): pass NULL to keep the detector's knowledge. */
void cr3_reset(struct cr3_cpu *cpu, struct cr3_pti *pti);

/* Compare the lower (user) halves of two top-level tables: the same tables hang below, and there is
 * at least one. NX, accessed and ignored bits do not count. */
bool cr3_pti_pair(const uint64_t kernel[256], const uint64_t user[256]);
