/* System calls as such, for `trace`. */
#include "ids/policy/hook.h"

/* Six arguments and where struct pt_regs (arch/x86/include/asm/ptrace.h) has them, by the two
 * conventions: rdi rsi rdx r10 r8 r9, and ebx ecx edx esi edi ebp. */
static const uint8_t regs64[6] = {112, 104, 96, 56, 72, 64};
static const uint8_t regs32[6] = {40, 88, 96, 104, 112, 32};

static bool of_call(const struct policy_layout *l, const struct probe_hit *hit,
		    const uint8_t regs[6], struct policy_record *r)
{
	uint64_t frame[15];

	r->gate = GATE_SYSCALL;
	record_number(r, FIELD_NR, (uint32_t)hit->arg[1]);
	r->syscall.args = gspace_read(l->space, hit->arg[0], frame, sizeof(frame)) == 0 ? 6 : 0;
	for (unsigned i = 0; i < r->syscall.args; i++)
		r->syscall.arg[i] = frame[regs[i] / 8];
	return true;
}

bool decode_syscall64(const struct policy_layout *l, const struct probe_hit *hit,
		      struct policy_record *r)
{
	r->syscall.compat = false;
	return of_call(l, hit, regs64, r);
}

bool decode_syscall32(const struct policy_layout *l, const struct probe_hit *hit,
		      struct policy_record *r)
{
	r->syscall.compat = true;
	return of_call(l, hit, regs32, r);
}
