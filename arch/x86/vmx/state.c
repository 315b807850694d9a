/* Filling a VMCS: controls, host state, and the guest's state as this CPU has it now. */
#include "arch/x86/cpu.h"
#include "arch/x86/paging.h"
#include "arch/x86/tables.h"
#include "arch/x86/vmx/vmx.h"
#include "hv/machine.h"
#include "hv/unit.h"

/* What the host runs with beside what VMX fixes: write protection for itself, no user pages. */
#define HOST_CR0_SET   (CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG)
#define HOST_CR0_CLEAR (CR0_EM | CR0_TS | CR0_AM | CR0_CD | CR0_NW)
#define HOST_PAT       0x0007040600070406ull /* the reset value: WB, WT, UC-, UC (SDM 12.12.4) */

static uint64_t host_cr4(void)
{
	struct cpuid_regs leaf1 = cpuid(CPUID_VERSION, 0), leaf7 = cpuid(CPUID_FEATURES, 0);
	uint64_t cr4 = CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_VMXE;

	if (leaf1.ecx & CPUID_1_ECX_XSAVE)
		cr4 |= CR4_OSXSAVE;
	if (leaf7.ebx >> 7 & 1)
		cr4 |= CR4_SMEP;
	if (leaf7.ebx >> 20 & 1)
		cr4 |= CR4_SMAP;
	return (cr4 | vmx.caps.cr4_fixed0) & vmx.caps.cr4_fixed1;
}

uint64_t vmx_cr0_mask(void)
{
	/* PE and PG are the guest's (unrestricted guest). */
	return (vmx.caps.cr0_fixed0 & ~(CR0_PE | CR0_PG)) | CR0_CD | CR0_NW | WATCHED_CR0;
}

uint64_t vmx_cr4_mask(void)
{
	return vmx.caps.cr4_fixed0 | ~CPUID_CR4_ALLOWED | WATCHED_CR4;
}

bool vmcs_write_zero(const uint16_t *fields, size_t n)
{
	bool ok = true;

	for (size_t i = 0; i < n; i++)
		ok &= !vmwrite_checked(fields[i], 0);
	return ok;
}

bool vmcs_write_segment(uint32_t segment, uint16_t selector, uint64_t base, uint32_t limit,
			uint32_t access)
{
	bool ok = !vmwrite_checked(VMCS_GUEST_ES + 2 * segment, selector);

	ok &= !vmwrite_checked(VMCS_GUEST_ES_BASE + 2 * segment, base);
	ok &= !vmwrite_checked(VMCS_GUEST_ES_LIMIT + 2 * segment, limit);
	ok &= !vmwrite_checked(VMCS_GUEST_ES_ACCESS + 2 * segment, access);
	return ok;
}

/* What begins as 0 in every VMCS; the guest's activity state of that number is "active". */
static const uint16_t zero_fields[] = {VMCS_PAGE_FAULT_MASK,
				       VMCS_PAGE_FAULT_MATCH,
				       VMCS_CR3_TARGET_COUNT,
				       VMCS_EXIT_MSR_STORE_COUNT,
				       VMCS_EXIT_MSR_LOAD_COUNT,
				       VMCS_ENTRY_MSR_LOAD_COUNT,
				       VMCS_HOST_FS,
				       VMCS_HOST_GS,
				       VMCS_HOST_FS_BASE,
				       VMCS_HOST_SYSENTER_CS,
				       VMCS_HOST_SYSENTER_ESP,
				       VMCS_HOST_SYSENTER_EIP,
				       VMCS_GUEST_INTERRUPTIBILITY,
				       VMCS_GUEST_PENDING_DEBUG,
				       VMCS_GUEST_ACTIVITY,
				       VMCS_ENTRY_INTERRUPTION_INFO};

int vmcs_write_controls(const struct control_set *set)
{
	bool ok = vmcs_write_zero(zero_fields, sizeof(zero_fields) / sizeof(zero_fields[0]));

	ok &= !vmwrite_checked(VMCS_PIN_CONTROLS, set->word[CONTROL_PIN]);
	ok &= !vmwrite_checked(VMCS_PRIMARY_CONTROLS, set->word[CONTROL_PRIMARY]);
	ok &= !vmwrite_checked(VMCS_SECONDARY_CONTROLS, set->word[CONTROL_SECONDARY]);
	ok &= !vmwrite_checked(VMCS_EXIT_CONTROLS, set->word[CONTROL_EXIT]);
	ok &= !vmwrite_checked(VMCS_ENTRY_CONTROLS, set->word[CONTROL_ENTRY]);
	ok &= !vmwrite_checked(VMCS_LINK_POINTER, ~0ull);
	ok &= !vmwrite_checked(VMCS_PREEMPTION_TIMER, 0xffffffff);
	if (set->word[CONTROL_SECONDARY] & SECONDARY_XSAVES)
		ok &= !vmwrite_checked(VMCS_XSS_EXITING, 0);
	if (set->word[CONTROL_SECONDARY] & SECONDARY_ENCLS)
		ok &= !vmwrite_checked(VMCS_ENCLS_EXITING, ~0ull);
	if (set->word[CONTROL_PRIMARY] & PRIMARY_TSC_OFFSET)
		ok &= !vmwrite_checked(VMCS_TSC_OFFSET, 0);
	return ok ? 0 : init_error(-EIO, "a VMCS control field can't be written");
}

int vmcs_write_host(const struct vcpu *v, uint64_t rip, uint64_t rsp)
{
	uint64_t cr0 = (read_cr0() & ~HOST_CR0_CLEAR) | HOST_CR0_SET;
	bool ok = true;

	ok &= !vmwrite_checked(VMCS_HOST_CR0, (cr0 | vmx.caps.cr0_fixed0) & vmx.caps.cr0_fixed1);
	ok &= !vmwrite_checked(VMCS_HOST_CR3, paging_root());
	ok &= !vmwrite_checked(VMCS_HOST_CR4, host_cr4());
	ok &= !vmwrite_checked(VMCS_HOST_CS, HOST_CS);
	ok &= !vmwrite_checked(VMCS_HOST_SS, HOST_DS);
	ok &= !vmwrite_checked(VMCS_HOST_DS, HOST_DS);
	ok &= !vmwrite_checked(VMCS_HOST_ES, HOST_DS);
	ok &= !vmwrite_checked(VMCS_HOST_TR, HOST_TSS);
	ok &= !vmwrite_checked(VMCS_HOST_GS_BASE, (uint64_t)v);
	ok &= !vmwrite_checked(VMCS_HOST_TR_BASE, (uint64_t)v->tss);
	ok &= !vmwrite_checked(VMCS_HOST_GDTR_BASE, (uint64_t)v->gdt);
	ok &= !vmwrite_checked(VMCS_HOST_IDTR_BASE, tables_idt());
	ok &= !vmwrite_checked(VMCS_HOST_PAT, HOST_PAT);
	ok &= !vmwrite_checked(VMCS_HOST_EFER, EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE);
	if (vmx.control[PROFILE_GUEST].word[CONTROL_EXIT] & EXIT_LOAD_PERF_GLOBAL)
		ok &= !vmwrite_checked(VMCS_HOST_PERF_GLOBAL_CTRL, 0);
	ok &= !vmwrite_checked(VMCS_HOST_RIP, rip);
	ok &= !vmwrite_checked(VMCS_HOST_RSP, rsp);
	return ok ? 0 : init_error(-EIO, "a VMCS host field can't be written");
}

/* Access rights as LAR gives them, in the VMCS' format (SDM table 25-2). */
static uint32_t access_rights(uint16_t selector)
{
	uint32_t lar = 0;

	if (!(selector & ~3))
		return AR_UNUSABLE;
	__asm__ volatile("lar %1, %0" : "+r"(lar) : "r"((uint32_t)selector) : "cc");
	return lar >> 8 & 0xf0ff;
}

static uint32_t segment_limit(uint16_t selector)
{
	uint32_t limit = 0;

	if (selector & ~3)
		__asm__ volatile("lsl %1, %0" : "+r"(limit) : "r"((uint32_t)selector) : "cc");
	return limit;
}

static bool write_segment(uint32_t segment, uint16_t selector, uint64_t base)
{
	return vmcs_write_segment(segment, selector, base, segment_limit(selector),
				  access_rights(selector));
}

/* Base of a system segment: its descriptor is 16 bytes (SDM 3.5.2, 8.2.3). */
static uint64_t system_base(const struct desc_ptr *gdt, uint16_t selector)
{
	const uint64_t *d = (const uint64_t *)(gdt->base + (selector & ~7ull));

	return (d[0] >> 16 & 0xffffff) | (d[0] >> 56 & 0xff) << 24 | d[1] << 32;
}

static bool write_task_register(const struct desc_ptr *gdt)
{
	uint16_t tr = str();

	/* Firmware seldom has a TSS; VM entry wants one: a 64-bit busy TSS that is never used. */
	return vmcs_write_segment(TR, tr, tr ? system_base(gdt, tr) : 0,
				  tr ? segment_limit(tr) : 0x67, AR_P | 0xb);
}

int vmcs_write_guest_as_is(uint64_t cr0_shadow, uint64_t cr4_shadow)
{
	struct desc_ptr gdt, idt;
	uint64_t debugctl;
	bool ok = true;

	if (rdmsr_early(MSR_DEBUGCTL, &debugctl))
		debugctl = 0; /* not every emulator has it */
	sgdt(&gdt);
	sidt(&idt);
	ok &= write_segment(ES, read_es(), 0);
	ok &= write_segment(CS, read_cs(), 0);
	ok &= write_segment(SS, read_ss(), 0);
	ok &= write_segment(DS, read_ds(), 0);
	ok &= write_segment(FS, read_fs(), rdmsr(MSR_FS_BASE));
	ok &= write_segment(GS, read_gs(), rdmsr(MSR_GS_BASE));
	ok &= write_segment(LDTR, sldt(), sldt() ? system_base(&gdt, sldt()) : 0);
	ok &= write_task_register(&gdt);
	ok &= !vmwrite_checked(VMCS_GUEST_GDTR_BASE, gdt.base);
	ok &= !vmwrite_checked(VMCS_GUEST_GDTR_LIMIT, gdt.limit);
	ok &= !vmwrite_checked(VMCS_GUEST_IDTR_BASE, idt.base);
	ok &= !vmwrite_checked(VMCS_GUEST_IDTR_LIMIT, idt.limit);
	ok &= !vmwrite_checked(VMCS_GUEST_CR0, read_cr0());
	ok &= !vmwrite_checked(VMCS_GUEST_CR3, read_cr3());
	ok &= !vmwrite_checked(VMCS_GUEST_CR4, read_cr4());
	ok &= !vmwrite_checked(VMCS_CR0_MASK, vmx_cr0_mask());
	ok &= !vmwrite_checked(VMCS_CR4_MASK, vmx_cr4_mask());
	ok &= !vmwrite_checked(VMCS_CR0_SHADOW, cr0_shadow);
	ok &= !vmwrite_checked(VMCS_CR4_SHADOW, cr4_shadow);
	ok &= !vmwrite_checked(VMCS_GUEST_EFER, rdmsr(MSR_EFER));
	ok &= !vmwrite_checked(VMCS_GUEST_PAT, rdmsr(MSR_PAT));
	ok &= !vmwrite_checked(VMCS_GUEST_DEBUGCTL, debugctl);
	ok &= !vmwrite_checked(VMCS_GUEST_DR7, read_dr7());
	ok &= !vmwrite_checked(VMCS_GUEST_SYSENTER_CS, rdmsr(MSR_SYSENTER_CS));
	ok &= !vmwrite_checked(VMCS_GUEST_SYSENTER_ESP, rdmsr(MSR_SYSENTER_ESP));
	ok &= !vmwrite_checked(VMCS_GUEST_SYSENTER_EIP, rdmsr(MSR_SYSENTER_EIP));
	return ok ? 0 : init_error(-EIO, "a VMCS guest field can't be written");
}
