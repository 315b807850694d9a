/* Port I/O exits. */
#include "arch/x86/upcall.h"
#include "arch/x86/vmx/vmx.h"
#include "hv/counter.h"
#include "hv/unit.h"

/* Exit qualification (SDM table 28-5). */
#define QUAL_SIZE(q) (((q) & 7) + 1)
#define QUAL_IN      (1u << 3)
#define QUAL_STRING  (1u << 4)
#define QUAL_PORT(q) ((uint16_t)((q) >> 16))

static uint64_t string_accesses;

void on_io(struct vcpu *v)
{
	uint64_t qual = vmread(VMCS_EXIT_QUALIFICATION);
	struct io_access access = {
		.port = QUAL_PORT(qual),
		.size = (uint8_t)QUAL_SIZE(qual),
		.write = !(qual & QUAL_IN),
		.value = (uint32_t)v->regs.rax,
	};

	if (__builtin_expect(qual & QUAL_STRING, 0)) {
		/* No driver of the devices behind our ports uses INS or OUTS; refused, not guessed. */
		string_accesses++;
		inject_gp();
		return;
	}
	io_dispatch(&access);
	if (!access.write) {
		if (access.size == 4)
			v->regs.rax = access.value;
		else if (access.size == 2)
			v->regs.rax = (v->regs.rax & ~0xffffull) | (access.value & 0xffff);
		else
			v->regs.rax = (v->regs.rax & ~0xffull) | (access.value & 0xff);
	}
	skip_instruction();
}

static int io_exit_unit(struct boot_info *info)
{
	(void)info;
	return counter_register("guest.string_io", &string_accesses);
}

UNIT(21, io_exit, io_exit_unit);
