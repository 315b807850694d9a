/* A core that breaks on demand: core-test.elf is core.elf with this in front of on_vmcall (ld
 * --wrap). The guest says when (HOOK_CALL in RAX), the configuration's `name` says what. */
#include "arch/x86/cpu.h"
#include "arch/x86/vmx/vmx.h"
#include "hv/machine.h"
#include "tests/machine/core_hook.h"

void __real_on_vmcall(struct vcpu *v);
void __wrap_on_vmcall(struct vcpu *v);

static void guest_state(struct vcpu *v)
{
	(void)v;
	vmwrite(VMCS_GUEST_RFLAGS, 0);
}

static void control(struct vcpu *v)
{
	(void)v;
	vmwrite(VMCS_PIN_CONTROLS, 0);
}

/* The guest's entry fails, and a sentry that runs for ever is asked. */
static void sentry_hangs(struct vcpu *v)
{
	const struct boot_info *info = boot_facts();

	*(volatile uint16_t *)(info->sentry_base + info->sentry_entry) = 0xfeeb; /* jmp . */
	guest_state(v);
}

/* The sentry's own entry, the next time. */
static void sentry_state(struct vcpu *v)
{
	vmptrld(v->sentry_vmcs);
	vmwrite(VMCS_GUEST_CR3, ~0ull);
	vmptrld(v->vmcs);
}

static const struct {
	const char *name;
	void (*act)(struct vcpu *v);
} hooks[] = {
	{"guest-state", guest_state},
	{"control", control},
	{"sentry-hangs", sentry_hangs},
	{"sentry-state", sentry_state},
};

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

void __wrap_on_vmcall(struct vcpu *v)
{
	if (v->regs.rax != HOOK_CALL) {
		__real_on_vmcall(v);
		return;
	}
	skip_instruction();
	for (uint32_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++)
		if (same(hooks[i].name, boot_facts()->config.name))
			hooks[i].act(v);
}
