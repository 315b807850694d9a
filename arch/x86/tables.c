#include "arch/x86/tables.h"
#include "arch/x86/cpu.h"
#include "arch/x86/paging.h"
#include "arch/x86/string.h"
#include "hv/machine.h"

#define STACK_PAGES 4 /* exits and everything they call */
#define EVENT_PAGES 2 /* NMI, #DF, #MC: each a stack of its own */
#define IST_NMI	    1
#define IST_DOUBLE  2
#define IST_MACHINE 3
#define VECTORS	    32
#define STUB_SIZE   16 /* entry.S */

/* 64-bit TSS (SDM vol. 3, 8.7). */
struct __attribute__((packed)) tss64 {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t iomap;
};

/* 64-bit interrupt gate (SDM vol. 3, 6.14.1). */
struct gate64 {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_mid;
	uint32_t offset_high, reserved;
};

extern const uint8_t fault_stubs[];

static struct gate64 *idt;
static struct gate64 *early_idt; /* the firmware's, with our #GP */

static uint64_t stack_alloc(uint32_t pages)
{
	uint8_t *base = pages_alloc(pages + 1);

	if (!base)
		return 0;
	if (paging_unmap((uint64_t)base, 4096))
		return 0;
	return (uint64_t)base + (pages + 1) * 4096ull;
}

static void gate_set(struct gate64 *g, uint16_t cs, uint64_t handler, uint8_t ist)
{
	*g = (struct gate64){
		.offset_low = (uint16_t)handler,
		.selector = cs,
		.ist = ist,
		.type = 0x8e, /* present, DPL 0, interrupt gate */
		.offset_mid = (uint16_t)(handler >> 16),
		.offset_high = (uint32_t)(handler >> 32),
	};
}

static int idt_init(void)
{
	if (idt)
		return 0;
	idt = pages_alloc(1);
	early_idt = pages_alloc(1);
	if (!idt || !early_idt)
		return -ENOMEM;
	for (uint32_t v = 0; v < VECTORS; v++) {
		uint8_t ist = v == 2 ? IST_NMI : v == 8 ? IST_DOUBLE : v == 18 ? IST_MACHINE : 0;

		gate_set(&idt[v], HOST_CS, (uint64_t)fault_stubs + v * STUB_SIZE, ist);
	}
	return 0;
}

uint64_t tables_idt(void)
{
	return (uint64_t)idt;
}

int tables_init(struct vcpu *v)
{
	uint64_t *gdt = pages_alloc(1);
	uint64_t machine = stack_alloc(EVENT_PAGES);
	struct tss64 *tss;
	uint64_t base;

	v->exit_stack = stack_alloc(STACK_PAGES);
	v->nmi_stack = stack_alloc(EVENT_PAGES);
	v->fault_stack = stack_alloc(EVENT_PAGES);
	if (!gdt || !machine || !v->exit_stack || !v->nmi_stack || !v->fault_stack || idt_init())
		return -ENOMEM;
	v->stack_top = v->exit_stack;

	tss = (struct tss64 *)((uint8_t *)gdt + 2048);
	tss->ist[IST_NMI - 1] = v->nmi_stack;
	tss->ist[IST_DOUBLE - 1] = v->fault_stack;
	tss->ist[IST_MACHINE - 1] = machine;
	tss->iomap = sizeof(*tss);

	base = (uint64_t)tss;
	gdt[HOST_CS / 8] = 0x00af9b000000ffffull; /* 64-bit code, DPL 0, accessed */
	gdt[HOST_DS / 8] = 0x00cf93000000ffffull; /* data, DPL 0, accessed */
	gdt[HOST_TSS / 8] = (sizeof(*tss) - 1) | (base & 0xffffff) << 16 | 0x8bull << 40 |
			    (base >> 24 & 0xff) << 56; /* busy 64-bit TSS */
	gdt[HOST_TSS / 8 + 1] = base >> 32;
	v->gdt = gdt;
	v->tss = tss;
	return 0;
}

int rdmsr_early(uint32_t msr, uint64_t *value)
{
	struct desc_ptr firmware, early = {4095, (uint64_t)early_idt};
	uint64_t flags = read_rflags();
	int err;

	__asm__ volatile("cli");
	sidt(&firmware);
	memcpy(early_idt, (const void *)firmware.base,
	       firmware.limit < 4095 ? firmware.limit + 1ull : 4096);
	gate_set(&early_idt[VECTOR_GP], read_cs(), (uint64_t)fault_stubs + VECTOR_GP * STUB_SIZE,
		 0);
	lidt(&early);
	err = rdmsr_safe(msr, value);
	lidt(&firmware);
	if (flags & RFLAGS_IF)
		__asm__ volatile("sti");
	return err;
}
