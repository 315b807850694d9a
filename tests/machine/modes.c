/* All modes of the processor, and back (modes.S): each with what exits in it. */
#include "tests/machine/machine.h"

extern const uint8_t modes[], modes_end[];
extern const uint32_t modes_offset[8];

enum { COMPAT, BACK64, CODE16, REAL, BACK32, REAL_UD, REAL_INT, REAL_GP };

struct far {
	uint32_t offset, selector;
} __attribute__((packed));

struct data { /* at 0x800: see modes.S */
	uint64_t save_sp, save_cr3;
	uint16_t gdt_limit;
	uint64_t gdt_base;
	uint16_t pad;
	uint32_t base, root32, rootpae;
	uint16_t ivt_limit;
	uint32_t ivt_base;
	uint16_t pad2;
	uint16_t idt_limit;
	uint64_t idt_base;
	uint16_t pad3;
	uint32_t save_cr4;
	struct far jump[5];
} __attribute__((packed));

struct result {
	uint32_t cpuid, feature_control, port, cr0, cr4, efer, a, b;
};

static uint32_t directory[1024] __attribute__((aligned(4096)));
static uint64_t pdpt[2][4] __attribute__((aligned(64)));
static uint64_t pd[4][512] __attribute__((aligned(4096)));
static uint64_t other_pd[512] __attribute__((aligned(4096)));

static void make_tables(void)
{
	for (uint32_t i = 0; i < 1024; i++)
		directory[i] = i << 22 | 0x83; /* present, writable, 4 MiB */
	for (uint64_t i = 0; i < 4; i++) {
		pdpt[0][i] = pdpt[1][i] = (uint64_t)pd[i] | 1;
		for (uint64_t j = 0; j < 512; j++)
			pd[i][j] = (i << 30 | j << 21) | 0x83;
	}
	/* 0xc0000000: the 2 MiB with low_base in its page's place, and in the other PDPT what is 64
	 * KiB on. */
	static uint64_t table[2][512] __attribute__((aligned(4096)));

	table[0][0] = low_base | 3;
	table[1][0] = (low_base + 0x10000) | 3;
	pd[3][0] = (uint64_t)table[0] | 3;
	memcpy(other_pd, pd[3], sizeof(other_pd));
	other_pd[0] = (uint64_t)table[1] | 3;
	pdpt[1][3] = (uint64_t)other_pd | 1;
}

static void fill(void)
{
	volatile struct data *d = (volatile struct data *)(low_base + 0x800);
	volatile uint16_t *ivt = NULL;
	static const struct {
		uint32_t vector, handler;
	} real[] = {{6, REAL_UD}, {0x80, REAL_INT}, {13, REAL_GP}};
	struct desc_ptr idtr;

	memset((void *)low_base, 0, 0x20000);
	memcpy((void *)low_base, modes, (size_t)(modes_end - modes));
	__asm__ volatile("sidt %0" : "=m"(idtr));
	d->base = (uint32_t)low_base;
	d->root32 = (uint32_t)(uint64_t)directory;
	d->rootpae = (uint32_t)(uint64_t)pdpt[0];
	d->ivt_limit = 0x3ff;
	d->idt_limit = idtr.limit;
	d->idt_base = idtr.base;
	d->jump[0] = (struct far){(uint32_t)low_base + modes_offset[COMPAT], SEL_CODE32};
	d->jump[1] = (struct far){(uint32_t)low_base + modes_offset[BACK64], SEL_CODE64};
	d->jump[2] = (struct far){modes_offset[CODE16], SEL_CODE16};
	d->jump[3] = (struct far){modes_offset[REAL], (uint32_t)low_base >> 4};
	d->jump[4] = (struct far){(uint32_t)low_base + modes_offset[BACK32], SEL_CODE32};
	__asm__ volatile("" : "+r"(ivt)); /* address 0 is where it lies */
	for (uint32_t i = 0; i < sizeof(real) / sizeof(real[0]); i++) {
		ivt[2 * real[i].vector] = (uint16_t)modes_offset[real[i].handler];
		ivt[2 * real[i].vector + 1] = (uint16_t)(low_base >> 4);
	}
	*(volatile uint16_t *)(low_base + 0xfffe) = 0xa20f; /* CPUID */
	*(volatile uint32_t *)(low_base + 0x700) = 0x11111111;
	*(volatile uint32_t *)(low_base + 0x10700) = 0x22222222;
}

static void hold_against(const volatile struct result *r, uint32_t cr0_pe_pg, uint32_t efer,
			 const char *name)
{
	check(r->cpuid == cpuid(1, 0).eax, name, "CPUID %x", r->cpuid);
	check(r->feature_control == 1, name, "FEATURE_CONTROL %x", r->feature_control);
	check(r->port == 0x60, name, "hidden port %x", r->port);
	check((r->cr0 & 0x80000001) == cr0_pe_pg, name, "CR0 %x", r->cr0);
	check((r->efer & 0x500) == efer, name, "EFER %x", r->efer);
	check(!(r->cr4 & 1 << 13), name, "CR4 %x", r->cr4);
}

void test_main(void)
{
	const volatile struct result *r = (const volatile struct result *)(low_base + 0x900);
	void (*way)(uint64_t) = (void (*)(uint64_t))low_base;
	uint64_t cr0 = read_cr0(), cr3 = read_cr3(), cr4 = read_cr4();

	make_tables();
	for (int i = 0; i < 3; i++) {
		fill();
		way(low_base);
		check(read_cr0() == cr0 && read_cr3() == cr3 && read_cr4() == cr4,
		      "back-in-long-mode", "CR0 %lx CR3 %lx CR4 %lx", read_cr0(), read_cr3(),
		      read_cr4());
	}
	hold_against(&r[0], 0x80000001, 0x500, "compatibility-mode");
	CHECK_EQ("compatibility-cr3", r[0].a, cr3);
	hold_against(&r[1], 1, 0, "protected-mode");
	hold_against(&r[2], 0x80000001, 0, "32-bit-paging");
	CHECK_EQ("32-bit-cr3", r[2].a, (uint64_t)directory | 0x18);
	hold_against(&r[3], 0x80000001, 0, "pae-paging");
	CHECK_EQ("pae-pdpte", r[3].a, 0x11111111);
	CHECK_EQ("pae-other-pdpte", r[3].b, 0x22222222);
	hold_against(&r[4], 0, 0, "real-mode");
	CHECK_EQ("real-mode-reached", r[4].a, 0x123);
	CHECK_EQ("real-mode-undefined", r[4].b, 2);
	CHECK_EQ("real-mode-int", r[5].port, 0x80);
	/* IP of the fault: behind CPUID, which is beyond the segment (SDM vol. 3, 5.3). The pushed
	 * IP has 16 bits. */
	CHECK_EQ("segment-end-fault", r[5].feature_control, 0);
	CHECK_EQ("segment-end-back", r[5].cpuid, 0x456);
}
