/* INIT, SIPI and the end of the guest. */
#include "arch/x86/cpu.h"
#include "arch/x86/string.h"
#include "arch/x86/upcall.h"
#include "arch/x86/vmx/vmx.h"

/* State after INIT (SDM vol. 3, table 10-1). */
#define INIT_CR0      (CR0_ET | CR0_NW | CR0_CD)
#define INIT_DR7      0x400
#define INIT_RFLAGS   2
#define INIT_RIP      0xfff0
#define RESET_CS      0xf000
#define RESET_CS_BASE 0xffff0000ull

/* Real-mode segments: present, read-write data or code, accessed, 64 KiB. */
#define AR_REAL_DATA (AR_P | AR_S | 3)
#define AR_REAL_CODE (AR_P | AR_S | 0xb)
#define AR_LDT	     (AR_P | 2)
#define AR_BUSY_TSS  (AR_P | 0xb)

static void init_segments(uint16_t cs, uint64_t cs_base)
{
	for (uint32_t i = ES; i <= GS; i++)
		vmcs_write_segment(i, 0, 0, 0xffff, AR_REAL_DATA);
	vmcs_write_segment(CS, cs, cs_base, 0xffff, AR_REAL_CODE);
	vmcs_write_segment(LDTR, 0, 0, 0xffff, AR_LDT);
	vmcs_write_segment(TR, 0, 0, 0xffff, AR_BUSY_TSS);
	vmwrite(VMCS_GUEST_GDTR_BASE, 0);
	vmwrite(VMCS_GUEST_GDTR_LIMIT, 0xffff);
	vmwrite(VMCS_GUEST_IDTR_BASE, 0);
	vmwrite(VMCS_GUEST_IDTR_LIMIT, 0xffff);
}

static void init_control_registers(void)
{
	uint64_t entry = vmread(VMCS_ENTRY_CONTROLS);

	/* CD and NW keep their values over INIT in the processor; they are virtual here. */
	vmwrite(VMCS_CR0_SHADOW, INIT_CR0);
	vmwrite(VMCS_GUEST_CR0,
		(INIT_CR0 & ~vmx_cr0_mask()) | (vmx.caps.cr0_fixed0 & ~(CR0_PE | CR0_PG)));
	vmwrite(VMCS_CR4_SHADOW, 0);
	vmwrite(VMCS_GUEST_CR4, vmx.caps.cr4_fixed0);
	vmwrite(VMCS_GUEST_CR3, 0);
	vmwrite(VMCS_GUEST_EFER, 0);
	vmwrite(VMCS_ENTRY_CONTROLS, entry & ~(uint64_t)ENTRY_GUEST_64);
	vmwrite(VMCS_GUEST_DR7, INIT_DR7);
	vmwrite(VMCS_GUEST_DEBUGCTL, 0);
	write_cr2(0);
}

void on_init(struct vcpu *v)
{
	bool bsp = rdmsr(MSR_APIC_BASE) & APIC_BASE_BSP;

	/* An instruction with a hidden page open is given up, and its monitor trap with it. */
	if (v->nstep || v->view == VIEW_STEP)
		on_monitor_trap(v);
	/* Timers are armed on the CPU that set them; this one may be gone for long. */
	for (uint32_t i = 0; i < vmx.ncpu; i++)
		vcpu_work(vmx.cpu[i], WORK_TIMER);
	v->nmi_pending = 0;
	memset(&v->regs, 0, sizeof(v->regs));
	v->regs.rdx = cpuid(CPUID_VERSION, 0).eax;
	init_control_registers();
	init_segments(RESET_CS, RESET_CS_BASE);
	vmwrite(VMCS_GUEST_RIP, INIT_RIP);
	vmwrite(VMCS_GUEST_RSP, 0);
	vmwrite(VMCS_GUEST_RFLAGS, INIT_RFLAGS);
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
	vmwrite(VMCS_GUEST_PENDING_DEBUG, 0);
	vmwrite(VMCS_ENTRY_INTERRUPTION_INFO, 0);
	primary_set(v, PRIMARY_NMI_WINDOW, false);
	/* The BSP goes on at the reset vector, an AP waits for its SIPI (SDM 10.4.2, 10.4.3). */
	vmwrite(VMCS_GUEST_ACTIVITY, bsp ? ACTIVITY_ACTIVE : ACTIVITY_WAIT_SIPI);
	cr3_reset(&v->cr3, NULL);
	vmwrite(VMCS_CR3_TARGET_COUNT, 0);
	invvpid(INVVPID_SINGLE, VPID_GUEST);
}

void on_sipi(struct vcpu *v)
{
	uint64_t vector = vmread(VMCS_EXIT_QUALIFICATION) & 0xff;

	init_segments((uint16_t)(vector << 8), vector << 12);
	vmwrite(VMCS_GUEST_RIP, 0);
	vmwrite(VMCS_GUEST_ACTIVITY, ACTIVITY_ACTIVE);
	vcpu_work(v, WORK_TIMER); /* none were run here meanwhile */
}

void on_triple_fault(struct vcpu *v)
{
	uint64_t rip = vmread(VMCS_GUEST_RIP);

	upcall_guest_fault(ABI_GUEST_TRIPLE_FAULT, rip, v->index);
	upcall_guest_ended("triple fault of the guest");
}
