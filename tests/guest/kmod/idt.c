// SPDX-License-Identifier: GPL-2.0
/* The gate of vector 4 (overflow; no program raises it) leads to the module, which goes on to where
 * it led before. */
#include <linux/kernel.h>
#include <linux/string.h>
#include <asm/desc.h>

#include "kernel.h"
#include "vtest.h"

#define VECTOR 4

static gate_desc *gate, old;
static unsigned long handler __used;

void vtest_gate(void);
asm(".pushsection .text\n"
    "vtest_gate:\n"
    "\tjmp *handler(%rip)\n"
    ".popsection\n");

static int start(const char *variant, int pid)
{
	gate_desc new;

	gate = (gate_desc *)lookup("idt_table");
	if (!gate)
		return -ENOENT;
	gate += VECTOR;
	old = new = *gate;
	handler = gate_offset(gate);
	new.offset_low = (u16)(unsigned long)vtest_gate;
	new.offset_middle = (u16)((unsigned long)vtest_gate >> 16);
	new.offset_high = (u32)((unsigned long)vtest_gate >> 32);
	say("idt: vector %d to %px", VECTOR, vtest_gate);
	return poke(gate, &new, sizeof(new));
}

static void undo(void)
{
	poke(gate, &old, sizeof(old));
}

const struct trick idt_trick = {"idt", start, undo};
