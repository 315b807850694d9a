// SPDX-License-Identifier: GPL-2.0
/* System calls enter elsewhere, at a jump to where they entered before: in the module or, where
 * page tables are isolated (only the entry code is mapped at the entry), in the unused end of that
 * code. */
#include <linux/kernel.h>
#include <linux/smp.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>

#include "kernel.h"
#include "vtest.h"

static unsigned long entry __used;
static u8 *cave, old[5];

void vtest_entry(void);
asm(".pushsection .text\n"
    "vtest_entry:\n"
    "\tjmp *entry(%rip)\n"
    ".popsection\n");

static void set(void *to)
{
	wrmsrl(MSR_LSTAR, (unsigned long)to);
}

static int start(const char *variant, int pid)
{
	u8 jump[5], *to = (u8 *)vtest_entry;
	int err;

	rdmsrl(MSR_LSTAR, entry);
	if (boot_cpu_has(X86_FEATURE_PTI)) {
		cave = (u8 *)ALIGN(lookup("__entry_text_end"), PMD_SIZE) - 16;
		memcpy(old, cave, sizeof(old));
		make_jump(jump, cave, (void *)entry);
		err = poke(cave, jump, sizeof(jump));
		if (err)
			return err;
		to = cave;
	}
	say("lstar: %lx to %px", entry, to);
	on_each_cpu(set, to, 1);
	return 0;
}

static void undo(void)
{
	on_each_cpu(set, (void *)entry, 1);
	if (cave)
		poke(cave, old, sizeof(old));
}

const struct trick lstar_trick = {"lstar", start, undo};
