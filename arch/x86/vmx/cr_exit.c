/* Control-register exits: address-space switches, and CR0/CR4 bits that Vigil owns. */
#include "arch/x86/cpu.h"
#include "arch/x86/upcall.h"
#include "arch/x86/vmx/vmx.h"
#include "hv/errno.h"

/* Exit qualification (SDM table 28-3). */
#define QUAL_CR(q)   ((q)&0xf)
#define QUAL_TYPE(q) ((q) >> 4 & 3)
#define QUAL_REG(q)  ((q) >> 8 & 0xf)
#define TYPE_TO_CR   0
#define TYPE_LMSW    3

/* Bits of CR0 that exist (SDM 2.5); others must be 0 in the upper half, and are ignored below. */
#define CR0_UPPER      0xffffffff00000000ull
#define PDPTE_RESERVED 0x1e6ull /* in a present one (SDM table 4-8) */

#define REG(name) (__builtin_offsetof(struct guest_regs, name) / 8)

/* General register by its number in an exit qualification; RSP is in the VMCS. */
static uint64_t reg_read(const struct vcpu *v, uint32_t number)
{
	/* In the order of the numbers: RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15. */
	static const uint8_t place[16] = {
		REG(rax), REG(rcx), REG(rdx), REG(rbx), 0,	  REG(rbp), REG(rsi), REG(rdi),
		REG(r8),  REG(r9),  REG(r10), REG(r11), REG(r12), REG(r13), REG(r14), REG(r15),
	};

	if ((number & 15) == 4)
		return vmread(VMCS_GUEST_RSP);
	return ((const uint64_t *)&v->regs)[place[number & 15]];
}

/* PAE paging keeps its four top entries in registers (SDM 4.4.1); an emulated write must load them.
 * A reserved bit faults here, or the next entry would (27.3.1.6). */
static int load_pdptes(uint64_t cr3)
{
	uint64_t entry[4];

	if (upcall_guest_read(cr3 & 0xffffffe0ull, entry, sizeof(entry)))
		return -EFAULT;
	for (uint32_t i = 0; i < 4; i++)
		if (entry[i] & 1 && entry[i] & (PDPTE_RESERVED | ~0ull << vmx.phys_bits))
			return -EINVAL;
	for (uint32_t i = 0; i < 4; i++)
		vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, entry[i]);
	return 0;
}

/* The CPU has no CR3 targets (nested in KVM): do what the MOV would have done. */
static void emulate_cr3(uint64_t operand, bool pcide)
{
	bool flush, pae = vmread(VMCS_GUEST_CR4) & CR4_PAE && vmread(VMCS_GUEST_CR0) & CR0_PG &&
			  !(vmread(VMCS_GUEST_EFER) & EFER_LMA);
	uint64_t value = cr3_emulate(operand, pcide, &flush);

	if (pae && load_pdptes(value)) {
		inject_gp();
		return;
	}
	vmwrite(VMCS_GUEST_CR3, value);
	if (flush)
		invvpid(INVVPID_SINGLE, VPID_GUEST);
	skip_instruction();
}

static void guest_write_cr3(struct vcpu *v, uint64_t operand)
{
	bool pcide = vmread(VMCS_GUEST_CR4) & CR4_PCIDE;
	enum cr3_event event;

	event = cr3_write(&v->cr3, &vmx.pti, &vmx.cr3, operand, pcide);
	if (event == CR3_FAULT) {
		inject_gp();
		return;
	}
	for (uint32_t i = 0; i < v->cr3.ntarget; i++)
		vmwrite(VMCS_CR3_TARGET0 + 2 * i, v->cr3.target[i]);
	vmwrite(VMCS_CR3_TARGET_COUNT, v->cr3.ntarget);
	if (event == CR3_SWITCHED)
		upcall_root_switch(v->cr3.root, v->index);
	if (!v->cr3.ntarget)
		emulate_cr3(operand, pcide);
	/* else: resume at the same RIP; the operand is a target now, so the CPU executes the MOV.
	 */
}

void cr3_exiting(struct vcpu *v)
{
	bool on = vmx.control[PROFILE_GUEST].word[CONTROL_PRIMARY] & PRIMARY_CR3_LOAD;

	cr3_reset(&v->cr3, NULL);
	vmwrite(VMCS_CR3_TARGET_COUNT, 0);
	primary_set(v, PRIMARY_CR3_LOAD, on && !vmx.quiet_cr3);
}

/* What a MOV to CR0 faults on (SDM volume 2, MOV to control registers; 10.8.5 for the change of
 * PG). */
static bool cr0_faults(uint64_t value)
{
	bool code_64 = vmread(VMCS_GUEST_CS_ACCESS) & AR_L;
	uint64_t cr4 = vmread(VMCS_GUEST_CR4), efer = vmread(VMCS_GUEST_EFER);

	if (value & CR0_UPPER || (value & CR0_NW && !(value & CR0_CD)) ||
	    (value & CR0_PG && !(value & CR0_PE)))
		return true;
	if (!(value & CR0_PG))
		return cr4 & CR4_PCIDE || (efer & EFER_LMA && code_64);
	return efer & EFER_LME && !(efer & EFER_LMA) && (!(cr4 & CR4_PAE) || code_64);
}

/* Bits in a mask that are the guest's own nevertheless: they go into the real register as well. WP
 * and SMEP are in cached translations. */
static void follow(uint16_t field, uint64_t bits, uint64_t value)
{
	uint64_t old = vmread(field), now = (old & ~bits) | (value & bits);

	if (now == old)
		return;
	vmwrite(field, now);
	invvpid(INVVPID_SINGLE, VPID_GUEST);
}

/* The guest writes a bit of CR0 that Vigil owns (NE fixed by VMX, CD and NW virtual, WP watched)
 * with another value than the shadow has. Make the shadow agree and let the CPU execute the write
 * again: it then changes only bits that are the guest's own, with the exact semantics of mode
 * switches. A write that will fault must not change the shadow. */
static void guest_write_cr0(const struct vcpu *v, uint64_t value)
{
	uint64_t mask = vmx_cr0_mask();
	uint64_t shadow = vmread(VMCS_CR0_SHADOW);

	if (cr0_faults(value)) {
		inject_gp();
		return;
	}
	vmwrite(VMCS_CR0_SHADOW, (shadow & ~mask) | (value & mask));
	value |= pin_keeps(v, ABI_CONTROL_CR0, (vmread(VMCS_GUEST_CR0) & ~mask) | (shadow & mask),
			   value);
	follow(VMCS_GUEST_CR0, WATCHED_CR0, value);
}

/* What a MOV to CR4 faults on, beside reserved bits (SDM volume 2, MOV to control registers). */
static bool cr4_faults(uint64_t value)
{
	bool lma = vmread(VMCS_GUEST_EFER) & EFER_LMA;

	if (value & ~vmread(VMCS_GUEST_CR4) & CR4_PCIDE && (!lma || vmread(VMCS_GUEST_CR3) & 0xfff))
		return true;
	return value & WATCHED_CR4 & ~vmx.caps.cr4_fixed1 || (lma && !(value & CR4_PAE));
}

/* CR4's bits in the mask belong to features that CPUID hides or Vigil does not know, so they are
 * reserved for the guest. One that the firmware has left on (LA57) may be cleared, as a kernel
 * without it does, and not be set again. Others are watched. */
static void guest_write_cr4(const struct vcpu *v, uint64_t value)
{
	uint64_t shadow = vmread(VMCS_CR4_SHADOW), cleared = shadow & ~value & ~CPUID_CR4_ALLOWED;

	if (value & ~shadow & vmx_cr4_mask() & ~WATCHED_CR4 || cr4_faults(value) ||
	    (cleared & CR4_LA57 && vmread(VMCS_GUEST_EFER) & EFER_LMA)) {
		inject_gp();
		return;
	}
	vmwrite(VMCS_CR4_SHADOW, (shadow & ~(cleared | WATCHED_CR4)) | (value & WATCHED_CR4));
	value |= pin_keeps(v, ABI_CONTROL_CR4,
			   (vmread(VMCS_GUEST_CR4) & ~vmx_cr4_mask()) | (shadow & vmx_cr4_mask()),
			   value);
	follow(VMCS_GUEST_CR4, WATCHED_CR4, value);
	vmwrite(VMCS_GUEST_CR4, vmread(VMCS_GUEST_CR4) & ~(cleared & ~vmx.caps.cr4_fixed0));
}

void on_cr_access(struct vcpu *v)
{
	uint64_t qual = vmread(VMCS_EXIT_QUALIFICATION), value = reg_read(v, QUAL_REG(qual));

	if (!guest_64bit())
		value = (uint32_t)value;
	if (QUAL_TYPE(qual) == TYPE_TO_CR && QUAL_CR(qual) == 3) {
		guest_write_cr3(v, value);
	} else if (QUAL_TYPE(qual) == TYPE_TO_CR && QUAL_CR(qual) == 0) {
		guest_write_cr0(v, value);
	} else if (QUAL_TYPE(qual) == TYPE_TO_CR && QUAL_CR(qual) == 4) {
		guest_write_cr4(v, value);
	} else if (QUAL_TYPE(qual) == TYPE_LMSW) {
		/* Bits 3:0 are the guest's own, so this is unreachable with our mask; harmless. */
		skip_instruction();
	} else {
		/* No other access exits. */
		inject_gp();
	}
}
