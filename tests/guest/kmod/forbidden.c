// SPDX-License-Identifier: GPL-2.0
/* Instructions that would reveal or disturb Vigil. The exception tables tell the vector. */
#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <asm/asm.h>
#include <asm/cpufeature.h>
#include <asm/io.h>
#include <asm/msr.h>
#include <asm/processor-flags.h>

#include "vtest.h"

#define NOTHING (-1) /* no exception */

/* Runs one instruction; `vector` is -1, or the vector of the exception that it raised. The
 * exception table's "fault" type leaves the vector in AX. */
#define TRY(insn, ...)                                                                             \
	({                                                                                         \
		int vector;                                                                        \
		asm volatile("1: " insn "\n\tmovl $-1, %%eax\n2:\n" _ASM_EXTABLE_FAULT(1b, 2b)     \
			     : "=&a"(vector)                                                       \
			     : __VA_ARGS__                                                         \
			     : "cc", "memory");                                                    \
		vector;                                                                            \
	})

static void tell(const char *name, int vector)
{
	say("%s: vector %d", name, vector);
}

static int read_msr(u32 number)
{
	int vector;

	asm volatile("1: rdmsr\n\tmovl $-1, %%eax\n2:\n" _ASM_EXTABLE_FAULT(1b, 2b)
		     : "=&a"(vector)
		     : "c"(number)
		     : "rdx");
	return vector;
}

static int write_msr(u32 number, u32 low)
{
	int vector;

	asm volatile("1: wrmsr\n\tmovl $-1, %%eax\n2:\n" _ASM_EXTABLE_FAULT(1b, 2b)
		     : "=a"(vector)
		     : "c"(number), "0"(low), "d"(0));
	return vector;
}

#define UART 0x2f8
#define LSR  5 /* the only register that answers: idle, so that no driver waits for ever */

/* Ports of the alert channel (COM2 here): nothing is read, and what is written must not show up. */
static void try_uart(void)
{
	u8 all = 0xff;

	for (u16 i = 0; i < 8; i++)
		if (i != LSR)
			all &= inb(UART + i);
	for (const char *c = "GUEST-WROTE-THIS\n"; *c; c++)
		outb(*c, UART);
	say("alert port: %02x, line status %02x", all, inb(UART + LSR));
}

int try_forbidden(void)
{
	unsigned long page = get_zeroed_page(GFP_KERNEL), flags, old, wanted;
	u64 physical = page ? virt_to_phys((void *)page) : 0;

	if (!page)
		return -ENOMEM;
	say("cpuid: vmx %d, hypervisor %d", !!(cpuid_ecx(1) & BIT(5)), !!(cpuid_ecx(1) & BIT(31)));
	tell("vmxon", TRY("vmxon %1", "m"(physical)));
	tell("vmclear", TRY("vmclear %1", "m"(physical)));
	tell("vmptrld", TRY("vmptrld %1", "m"(physical)));
	tell("vmptrst", TRY("vmptrst %1", "m"(physical)));
	tell("vmlaunch", TRY("vmlaunch", "m"(physical)));
	tell("vmresume", TRY("vmresume", "m"(physical)));
	tell("vmxoff", TRY("vmxoff", "m"(physical)));
	tell("vmcall", TRY("vmcall", "m"(physical)));
	tell("vmfunc", TRY(".byte 0x0f, 0x01, 0xd4", "m"(physical)));
	tell("vmread", TRY("vmread %1, %1", "r"(physical)));
	tell("vmwrite", TRY("vmwrite %1, %1", "r"(physical)));
	tell("invept", TRY("invept %1, %2", "m"(physical), "r"(2ul)));
	tell("invvpid", TRY("invvpid %1, %2", "m"(physical), "r"(2ul)));
	tell("rdmsr 480", read_msr(0x480));
	tell("rdmsr 48c", read_msr(0x48c));
	tell("wrmsr 480", write_msr(0x480, 0));
	tell("rdmsr 1234", read_msr(0x1234));
	local_irq_save(flags);
	asm volatile("mov %%cr4, %0" : "=r"(old));
	wanted = old | X86_CR4_VMXE;
	tell("mov cr4.vmxe", TRY("mov %1, %%cr4", "r"(wanted)));
	asm volatile("mov %0, %%cr4" : : "r"(old));
	local_irq_restore(flags);
	free_page(page);
	try_uart();
	return 0;
}
