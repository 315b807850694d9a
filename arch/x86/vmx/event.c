/* Events into the guest: exceptions, NMIs, what an exit interrupted. */
#include "arch/x86/cpu.h"
#include "arch/x86/vmx/vmx.h"

void unblock_nmi(void);

void inject_exception(uint8_t vector, bool has_code, uint32_t code)
{
	uint32_t info = INTR_VALID | INTR_TYPE_HARDWARE | vector;

	/* Real mode has no error codes (SDM 27.2.1.3). */
	if (has_code && vmread(VMCS_GUEST_CR0) & CR0_PE) {
		info |= INTR_ERROR_CODE;
		vmwrite(VMCS_ENTRY_ERROR_CODE, code);
	}
	vmwrite(VMCS_ENTRY_INTERRUPTION_INFO, info);
}

void reinject_vectoring(void)
{
	uint32_t info = (uint32_t)vmread(VMCS_IDT_VECTORING_INFO);
	uint32_t type = info & INTR_TYPE;

	if (!(info & INTR_VALID))
		return;
	if (type == INTR_TYPE_NMI) {
		/* It was under way, so it counts as blocked already; the delivery blocks it anew.
		 */
		uint32_t blocking = (uint32_t)vmread(VMCS_GUEST_INTERRUPTIBILITY);

		vmwrite(VMCS_GUEST_INTERRUPTIBILITY, blocking & ~BLOCKING_NMI);
	}
	if (type == INTR_TYPE_SOFTWARE || type == INTR_TYPE_PRIV_SW || type == INTR_TYPE_SW_EXC)
		vmwrite(VMCS_ENTRY_INSTRUCTION_LENGTH, vmread(VMCS_EXIT_INSTRUCTION_LENGTH));
	if (info & INTR_ERROR_CODE)
		vmwrite(VMCS_ENTRY_ERROR_CODE, vmread(VMCS_IDT_VECTORING_ERROR_CODE));
	/* Bit 12 is undefined here and reserved in the entry field. */
	vmwrite(VMCS_ENTRY_INTERRUPTION_INFO,
		info & (INTR_VALID | INTR_TYPE | INTR_VECTOR | INTR_ERROR_CODE));
}

void primary_set(struct vcpu *v, uint32_t bits, bool on)
{
	uint32_t value = on ? v->primary | bits : v->primary & ~bits;

	if (value != v->primary) {
		v->primary = value;
		vmwrite(VMCS_PRIMARY_CONTROLS, value);
	}
}

/* An NMI belongs to the guest: inject it, or wait for the guest to be ready for it. Several that
 * come meanwhile are one, as in the processor. */
void deliver_nmi(struct vcpu *v)
{
	uint32_t blocked = BLOCKING_NMI | BLOCKING_MOV_SS | BLOCKING_STI;

	v->nmi_pending = 0;
	if (vmread(VMCS_GUEST_ACTIVITY) == ACTIVITY_WAIT_SIPI)
		return; /* blocked in that state, and gone with the INIT */
	if (vmread(VMCS_ENTRY_INTERRUPTION_INFO) & INTR_VALID ||
	    vmread(VMCS_GUEST_INTERRUPTIBILITY) & blocked) {
		primary_set(v, PRIMARY_NMI_WINDOW, true);
		return;
	}
	vmwrite(VMCS_ENTRY_INTERRUPTION_INFO, INTR_VALID | INTR_TYPE_NMI | 2);
}

/* A CPU that opens the window behind an STI lets NMIs in there, as it would without us; left as it
 * is, the blocking would have deliver_nmi ask for the window again for ever (SDM 26.2). */
void on_nmi_window(struct vcpu *v)
{
	uint64_t blocking = vmread(VMCS_GUEST_INTERRUPTIBILITY);

	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, blocking & ~(uint64_t)BLOCKING_STI);
	primary_set(v, PRIMARY_NMI_WINDOW, false);
	v->nmi_pending = 1;
}

void on_exception_nmi(struct vcpu *v)
{
	/* No exception exits (the bitmap is 0), so this is an NMI. */
	reinject_vectoring();
	v->nmis++;
	v->nmi_pending = 1;
	unblock_nmi();
}
