/* Registers that a kernel has no reason to change once it runs: told when it does, and kept as they
 * are where the configuration says so (pin). Which bits these are is decided here; they are in the
 * masks of CR0 and CR4 from the launch on, so a write that changes none of them never exits. */
#include "arch/x86/hook.h"
#include "arch/x86/upcall.h"
#include "arch/x86/vmx/vmx.h"
#include "hv/counter.h"
#include "hv/unit.h"

static const struct {
	uint32_t pin;
	enum abi_control reg;
	uint64_t bit;
} guarded[] = {
	{PIN_WP, ABI_CONTROL_CR0, CR0_WP},     {PIN_SMEP, ABI_CONTROL_CR4, CR4_SMEP},
	{PIN_SMAP, ABI_CONTROL_CR4, CR4_SMAP}, {PIN_UMIP, ABI_CONTROL_CR4, CR4_UMIP},
	{PIN_NXE, ABI_CONTROL_EFER, EFER_NXE},
};

static uint64_t changes, refusals;

uint64_t pin_keeps(const struct vcpu *v, enum abi_control reg, uint64_t old, uint64_t now)
{
	uint64_t kept = 0;
	uint32_t lost = 0;

	for (uint32_t i = 0; i < sizeof(guarded) / sizeof(guarded[0]); i++) {
		if (guarded[i].reg != reg || !(old & ~now & guarded[i].bit))
			continue;
		lost |= guarded[i].pin;
		kept |= vmx.pinned & guarded[i].pin ? guarded[i].bit : 0;
	}
	refusals += kept != 0;
	if (lost & vmx.watched) {
		changes++;
		upcall_control(reg, old, now, vmread(VMCS_GUEST_RIP), v->index, kept);
	}
	return kept;
}

bool pin_refuses_lstar(uint64_t value)
{
	bool refused = vmx.pinned & PIN_LSTAR && value != vmx.pinned_lstar;

	refusals += refused;
	return refused;
}

void arch_watch(uint32_t watched, uint32_t pinned, uint64_t lstar)
{
	vmx.pinned_lstar = lstar;
	vmx.watched = watched;
	__atomic_store_n(&vmx.pinned, pinned, __ATOMIC_RELEASE);
}

static int pin_unit(struct boot_info *info)
{
	int err = counter_register("guest.control_changes", &changes);

	(void)info;
	return err ?: counter_register("guest.control_refused", &refusals);
}

UNIT(23, pin, pin_unit);
