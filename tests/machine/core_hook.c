/* A core that breaks on demand: core-test.elf is core.elf with this in front of on_vmcall (ld
 * --wrap). The guest says when (HOOK_CALL in RAX), the configuration's `name` says what. */
#include "arch/x86/cpu.h"
#include "arch/x86/hook.h"
#include "arch/x86/upcall.h"
#include "arch/x86/vmx/vmx.h"
#include "hv/machine.h"
#include "tests/machine/core_hook.h"

void __real_on_vmcall(struct vcpu *v);
void __wrap_on_vmcall(struct vcpu *v);
enum hook_next __real_upcall_hook(struct hook_hit *hit, uint64_t *to);
enum hook_next __wrap_upcall_hook(struct hook_hit *hit, uint64_t *to);

static bool clear_at_hit, clear_at_exit;
static uint64_t hits;

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

static void set_hook(struct vcpu *v)
{
	const struct abi_hook hook = {.va = v->regs.rsi, .gpa = v->regs.rdx};
	int err = v->regs.rdi == HOOK_SET ? arch_hook_set(0, &hook) : 0;

	clear_at_hit = v->regs.rdi == HOOK_CLEAR_AT_HIT;
	clear_at_exit = v->regs.rdi == HOOK_CLEAR_AT_EXIT;
	v->regs.rax = v->regs.rdi == HOOK_COUNT ? hits : (uint64_t)(int64_t)err;
}

/* What a stay of the sentry's may do while the hit is told. */
enum hook_next __wrap_upcall_hook(struct hook_hit *hit, uint64_t *to)
{
	enum hook_next next = __real_upcall_hook(hit, to);

	hits++;
	if (clear_at_hit)
		(void)arch_hook_clear(hit->id);
	return next;
}

static const struct {
	const char *name;
	void (*act)(struct vcpu *v);
} hooks[] = {
	{"guest-state", guest_state},	{"control", control}, {"sentry-hangs", sentry_hangs},
	{"sentry-state", sentry_state}, {"hooks", set_hook},
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
		if (clear_at_exit)
			(void)arch_hook_clear(0);
		__real_on_vmcall(v);
		return;
	}
	skip_instruction();
	for (uint32_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++)
		if (same(hooks[i].name, boot_facts()->config.name))
			hooks[i].act(v);
}
