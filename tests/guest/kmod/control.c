// SPDX-License-Identifier: GPL-2.0
/* A protection of the CPU switched off for a moment, as patchers do: variant=wp (writes of the
 * kernel to read-only pages), variant=smep (its execution of user pages). */
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <asm/processor-flags.h>
#include <asm/special_insns.h>

#include "vtest.h"

/* The kernel's own functions would put the bits back. */
static void without_wp(void)
{
	unsigned long cr0 = read_cr0();

	asm volatile("mov %0, %%cr0" : : "r"(cr0 & ~X86_CR0_WP) : "memory");
	asm volatile("mov %0, %%cr0" : : "r"(cr0) : "memory");
}

static void without_smep(void)
{
	unsigned long cr4 = __read_cr4();

	asm volatile("mov %0, %%cr4" : : "r"(cr4 & ~X86_CR4_SMEP) : "memory");
	asm volatile("mov %0, %%cr4" : : "r"(cr4) : "memory");
}

static int start(const char *variant, int pid)
{
	unsigned long flags;

	local_irq_save(flags);
	if (!strcmp(variant, "smep"))
		without_smep();
	else
		without_wp();
	local_irq_restore(flags);
	return 0;
}

const struct trick control_trick = {"control", start, NULL};
