/* The host's GDT, IDT, TSS and stacks of each CPU. At init only.
 * May call: pages (hv/machine.h), paging.h. */
#pragma once

#include <stdint.h>
#include "arch/x86/vcpu.h"

#define HOST_CS	 0x08
#define HOST_DS	 0x10
#define HOST_TSS 0x18

/* Allocate and fill the tables and stacks of `v`, each stack with an unmapped page below it.
 * 0 or -ENOMEM. */
int tables_init(struct vcpu *v);

/* Base address of the interrupt descriptor table that all CPUs share. */
uint64_t tables_idt(void);

/* rdmsr_safe for the time before the launch, when the firmware's IDT is in force: -EFAULT when the
 * CPU has no such MSR. One CPU at a time. */
int rdmsr_early(uint32_t msr, uint64_t *value);
