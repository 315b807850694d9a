/* The MSRs that Vigil traps: one table says which, and what happens (DESIGN: those that would reach
 * around EPT, those that show VMX, and those that mark the guest's boot). */
#include "arch/x86/upcall.h"
#include "arch/x86/vmx/bitmap.h"
#include "arch/x86/vmx/vmx.h"
#include "hv/counter.h"
#include "hv/log.h"
#include "hv/machine.h"
#include "hv/unit.h"

/* A handler returns 0 or negative: #GP. */
typedef int msr_read_fn(struct vcpu *v, uint32_t msr, uint64_t *value);
typedef int msr_write_fn(struct vcpu *v, uint32_t msr, uint64_t value);

struct msr_policy {
	uint32_t first, last;
	msr_read_fn *read;   /* NULL: reads don't exit */
	msr_write_fn *write; /* NULL: writes don't exit */
};

static uint64_t lstar_writes, mtrr_writes, microcode_writes, tsc_writes, unknown_accesses;

static int deny_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	(void)v, (void)msr, (void)value;
	return -EACCES;
}

static int deny_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)v, (void)msr, (void)value;
	return -EACCES;
}

/* Locked by the firmware, and without VMX: what a machine without VT-x shows. */
static int read_feature_control(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	(void)v, (void)msr;
	*value = FEATURE_CONTROL_LOCK;
	return 0;
}

/* CPUID shows bits of these MSRs. */
static int remake_cpuid(struct vcpu *v)
{
	return cpuid_policy_init(&v->cpuid, vmx.control[PROFILE_GUEST].hide, v->cpuid.native,
				 v->cpuid.ctx);
}

/* Vigil's own clock is the TSC: a guest that set it could put all of Vigil's work off for ever, or
 * hurry it. An offset for the guest alone would not reach its TSC-deadline timer. So it stays as it
 * is. */
static int ignore_tsc(struct vcpu *v, uint32_t msr, uint64_t value)
{
	uint64_t now;

	(void)v, (void)value;
	tsc_writes++;
	return rdmsr_safe(msr, &now);
}

/* Execute-disable is in the host's page tables and EFER, and Vigil reads CPUID itself. */
static int write_misc_enable(struct vcpu *v, uint32_t msr, uint64_t value)
{
	uint64_t old;
	int err = rdmsr_safe(msr, &old);

	if (err || value & ~old & (MISC_ENABLE_XD_DISABLE | MISC_ENABLE_LIMIT_CPUID))
		return -EINVAL;
	err = wrmsr_safe(msr, value);
	return !err && value != old ? remake_cpuid(v) : err;
}

/* The APIC page must not cover Vigil's memory or the card's registers: the core would talk to the
 * APIC there. */
static int write_apic_base(struct vcpu *v, uint32_t msr, uint64_t value)
{
	uint64_t changed = value ^ rdmsr(msr);
	int err;

	if (memory_hidden(value & 0x000ffffffffff000ull, 4096)) {
		upcall_guest_fault(ABI_GUEST_APIC_BASE, vmread(VMCS_GUEST_RIP), value);
		return -EACCES;
	}
	err = wrmsr_safe(msr, value);
	/* CPUID.1:EDX.APIC follows the enable bit (SDM 11.4.3). */
	if (!err && changed & (APIC_BASE_ENABLE | APIC_BASE_X2APIC))
		err = remake_cpuid(v);
	return err;
}

/* EPT's memory types were taken from the MTRRs at the launch. The guest gets a copy of its own to
 * write; the real ones, which the firmware's SMM code relies on too, stay. */
static bool mtrr_exists(uint32_t msr)
{
	if (msr == MSR_MTRR_DEF_TYPE)
		return true;
	if (msr >= MSR_MTRR_FIX64K)
		return vmx.mtrr.cap & MTRRCAP_FIXED;
	return (msr - MSR_MTRR_PHYSBASE0) / 2 < (vmx.mtrr.cap & MTRRCAP_COUNT);
}

static int read_mtrr(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	*value = v->mtrr_shadow[msr & 0xff];
	return mtrr_exists(msr) ? 0 : -ENOENT;
}

/* Reserved bits and types (SDM 12.11.2). */
static bool mtrr_valid(uint32_t msr, uint64_t value)
{
	uint64_t beyond = ~0ull << vmx.phys_bits;

	if (msr == MSR_MTRR_DEF_TYPE)
		return memory_type_valid(value & 0xff) &&
		       !(value & ~(0xffull | MTRR_DEF_FIXED | MTRR_DEF_ENABLE));
	if (msr < MSR_MTRR_FIX64K)
		return msr & 1 ? !(value & (beyond | 0x7ff))
			       : memory_type_valid(value & 0xff) && !(value & (beyond | 0xf00));
	for (uint32_t i = 0; i < 64; i += 8)
		if (!memory_type_valid(value >> i & 0xff))
			return false;
	return true;
}

static int write_mtrr(struct vcpu *v, uint32_t msr, uint64_t value)
{
	if (!mtrr_exists(msr) || !mtrr_valid(msr, value))
		return -EINVAL;
	if (value != v->mtrr_shadow[msr & 0xff])
		mtrr_writes++;
	v->mtrr_shadow[msr & 0xff] = value;
	return 0;
}

/* The entry of 64-bit system calls: the anchor of introspection. It is the guest's own register. */
static int write_lstar(struct vcpu *v, uint32_t msr, uint64_t value)
{
	bool refused = pin_refuses_lstar(value);
	int err = refused ? 0 : wrmsr_safe(msr, value);

	lstar_writes++;
	if (!err)
		upcall_lstar(value, vmread(VMCS_GUEST_CR3), v->index,
			     vmread(VMCS_GUEST_CR4) & CR4_LA57, refused);
	return err;
}

/* SDM 2.2.1 and volume 2, WRMSR: reserved bits and LME under paging fault; LMA is the CPU's. */
static int write_efer(struct vcpu *v, uint32_t msr, uint64_t value)
{
	uint64_t old = vmread(VMCS_GUEST_EFER);

	(void)msr;
	if (value & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE))
		return -EINVAL;
	if ((value ^ old) & EFER_LME && vmread(VMCS_GUEST_CR0) & CR0_PG)
		return -EINVAL;
	value |= pin_keeps(v, ABI_CONTROL_EFER, old, value);
	vmwrite(VMCS_GUEST_EFER, (value & ~EFER_LMA) | (old & EFER_LMA));
	return 0;
}

/* A microcode update in non-root operation is ignored by the CPU at best. The guest sees its
 * revision unchanged afterwards, as with a file that does not fit. */
static int ignore_microcode(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)v, (void)msr, (void)value;
	microcode_writes++;
	return 0;
}

static int write_xss(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)v;
	if (value & ~CPUID_XSS_ALLOWED)
		return -EINVAL;
	return wrmsr_safe(msr, value);
}

static const struct msr_policy policy[] = {
	{MSR_APIC_BASE, MSR_APIC_BASE, NULL, write_apic_base},
	{MSR_TSC, MSR_TSC, NULL, ignore_tsc},
	{MSR_TSC_ADJUST, MSR_TSC_ADJUST, NULL, ignore_tsc},
	{MSR_MISC_ENABLE, MSR_MISC_ENABLE, NULL, write_misc_enable},
	{MSR_FEATURE_CONTROL, MSR_FEATURE_CONTROL, read_feature_control, deny_write},
	{MSR_BIOS_UPDT_TRIG, MSR_BIOS_UPDT_TRIG, NULL, ignore_microcode},
	{MSR_SGXLEPUBKEYHASH0, MSR_SGXLEPUBKEYHASH0 + 3, deny_read, deny_write},
	{MSR_SMM_MONITOR_CTL, MSR_SMM_MONITOR_CTL, deny_read, deny_write},
	{MSR_XFD, MSR_XFD_ERR, deny_read, deny_write}, /* AMX is hidden */
	{MSR_MTRR_PHYSBASE0, MSR_MTRR_FIX64K - 1, read_mtrr, write_mtrr},
	{MSR_MTRR_FIX64K, MSR_MTRR_FIX64K, read_mtrr, write_mtrr},
	{MSR_MTRR_FIX16K_0, MSR_MTRR_FIX16K_1, read_mtrr, write_mtrr},
	{MSR_MTRR_FIX4K_0, MSR_MTRR_FIX4K_0 + 7, read_mtrr, write_mtrr},
	{MSR_MTRR_DEF_TYPE, MSR_MTRR_DEF_TYPE, read_mtrr, write_mtrr},
	/* PEBS and BTS write to linear addresses from DS_AREA at any moment, in root mode as well,
	 * where these would be Vigil's: hidden in CPUID, refused here. */
	{MSR_PEBS_ENABLE, MSR_PEBS_ENABLE, deny_read, deny_write},
	{MSR_DS_AREA, MSR_DS_AREA, deny_read, deny_write},
	{MSR_VMX_BASIC, MSR_VMX_EXIT2, deny_read, deny_write},
	{MSR_RTIT_OUTPUT_BASE, MSR_RTIT_OUTPUT_MASK, deny_read, deny_write},
	{MSR_RTIT_CTL, MSR_RTIT_CR3_MATCH, deny_read, deny_write},
	{MSR_RTIT_ADDR0_A, MSR_RTIT_ADDR0_A + 7, deny_read, deny_write},
	{MSR_U_CET, MSR_INTERRUPT_SSP_TABLE, deny_read, deny_write},
	{MSR_PKRS, MSR_PKRS, deny_read, deny_write},
	{MSR_TME_CAPABILITY, MSR_UINTR_RR + 5, deny_read, deny_write},
	{MSR_XSS, MSR_XSS, NULL, write_xss},
	{MSR_LBR_CTL, MSR_LBR_CTL + 1, deny_read, deny_write},
	{MSR_HW_FEEDBACK_PTR, MSR_HW_FEEDBACK_CONFIG, deny_read, deny_write},
	{MSR_EFER, MSR_EFER, NULL, write_efer},
	{MSR_LSTAR, MSR_LSTAR, NULL, write_lstar},
};

#define POLICIES (sizeof(policy) / sizeof(policy[0]))

static const struct msr_policy *find(uint32_t msr)
{
	for (uint32_t i = 0; i < POLICIES; i++)
		if (msr >= policy[i].first && msr <= policy[i].last)
			return &policy[i];
	return NULL;
}

int msr_policy_init(uint8_t *bitmap)
{
	int err = 0;

	for (uint32_t i = 0; i < POLICIES && !err; i++) {
		const struct msr_policy *p = &policy[i];
		uint32_t access = (p->read ? MSR_READ : 0) | (p->write ? MSR_WRITE : 0);

		err = msr_bitmap_set_range(bitmap, p->first, p->last - p->first + 1, access, true);
	}
	err = err ?: counter_register("guest.lstar_writes", &lstar_writes);
	err = err ?: counter_register("guest.mtrr_writes", &mtrr_writes);
	err = err ?: counter_register("guest.microcode_writes", &microcode_writes);
	err = err ?: counter_register("guest.tsc_writes", &tsc_writes);
	return err ?: counter_register("guest.unknown_msrs", &unknown_accesses);
}

void mtrr_shadow_init(struct vcpu *v)
{
	for (uint32_t i = 0; i < POLICIES; i++) {
		if (policy[i].read != read_mtrr)
			continue;
		for (uint32_t msr = policy[i].first; msr <= policy[i].last; msr++) {
			if (mtrr_exists(msr)) /* no fix-up before the launch: see insn.h */
				v->mtrr_shadow[msr & 0xff] = rdmsr(msr);
		}
	}
}

/* An MSR outside of the bitmap's ranges exits always. None there is the guest's: those of a
 * hypervisor below (0x4000_0000, 0x4b56_4d00, 0xc001_0000) are no business of it. */
void on_rdmsr(struct vcpu *v)
{
	uint32_t msr = (uint32_t)v->regs.rcx;
	const struct msr_policy *p = find(msr);
	uint64_t value = 0;

	if (!p)
		unknown_accesses++;
	if (!p || !p->read || p->read(v, msr, &value)) {
		inject_gp();
		return;
	}
	v->regs.rax = (uint32_t)value;
	v->regs.rdx = value >> 32;
	skip_instruction();
}

void on_wrmsr(struct vcpu *v)
{
	uint32_t msr = (uint32_t)v->regs.rcx;
	uint64_t value = (v->regs.rdx << 32) | (uint32_t)v->regs.rax;
	const struct msr_policy *p = find(msr);

	if (!p)
		unknown_accesses++;
	if (!p || !p->write || p->write(v, msr, value)) {
		inject_gp();
		return;
	}
	skip_instruction();
}

void on_xsetbv(struct vcpu *v)
{
	uint64_t value = (v->regs.rdx << 32) | (uint32_t)v->regs.rax;

	/* CPL and CR4.OSXSAVE were checked by the CPU before the exit (SDM 26.1.1). */
	if ((uint32_t)v->regs.rcx || value & ~(uint64_t)CPUID_XCR0_ALLOWED ||
	    xsetbv_safe(0, value)) {
		inject_gp();
		return;
	}
	skip_instruction();
}
