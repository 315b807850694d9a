/* See machine.h: start of an application, tables, exceptions, output. */
#include "tests/machine/machine.h"

#include <stdarg.h>
#include "boot/efi.h"
#include "hv/log.h"

#define COM1	   0x3f8
#define LSR_THRE   0x20
#define MAP_SIZE   32768
#define BLOCK_UNIT (2ull << 20)
#define LOW_SIZE   (128ull << 10)
#define TABLES	   16

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);
void trap_handle(struct frame *f);

extern const uint8_t trap_stubs[];

struct gate {
	uint16_t low, selector;
	uint8_t ist, type;
	uint16_t middle;
	uint32_t high, zero;
};

trap_handler *volatile handlers[256];
struct fault last_fault;
volatile uint64_t recover_rip, recover_rsp;
uint64_t block_base, block_size, low_base, ram_top;
uint64_t page_root[512] __attribute__((aligned(4096)));
/* 16-bit segments get their base in load_low. */
uint64_t gdt[8] __attribute__((aligned(16))) = {
	0,
	0x00af9b000000ffff, /* 64-bit code */
	0x00cf93000000ffff, /* data */
	0x00cf9b000000ffff, /* 32-bit code */
	0x00009b000000ffff, /* 16-bit code */
	0x000093000000ffff, /* 16-bit data */
};

static uint64_t page_pdpt[512] __attribute__((aligned(4096)));
static uint64_t page_pd[4][512] __attribute__((aligned(4096)));
static uint64_t page_table[TABLES][512] __attribute__((aligned(4096)));
static uint32_t tables_used;
static struct gate idt[256] __attribute__((aligned(16)));
static uint32_t tss[26];
static uint8_t fault_stack[2][8192] __attribute__((aligned(16)));
static uint8_t map[MAP_SIZE] __attribute__((aligned(16)));
static uint32_t results;

/* --- results
 * ---------------------------------------------------------------------------------------- */

static void print(const char *fmt, va_list args)
{
	char line[240];
	size_t n = format_line(line, sizeof(line) - 2, fmt, args);

	line[n++] = '\n';
	for (size_t i = 0; i < n; i++) {
		while (!(in8(COM1 + 5) & LSR_THRE))
			;
		out8(COM1, (uint8_t)line[i]);
	}
}

void note(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print(fmt, args);
	va_end(args);
}

void check(bool good, const char *name, const char *fmt, ...)
{
	char details[160];
	va_list args;

	results++;
	if (good) {
		note("ok %s", name);
		return;
	}
	va_start(args, fmt);
	format_line(details, sizeof(details), fmt, args);
	va_end(args);
	note("FAIL %s %s", name, details);
}

void done(void)
{
	note("DONE %u", results);
	for (;;)
		__asm__ volatile("pause");
}

/* --- exceptions
 * ------------------------------------------------------------------------------------- */

void trap_handle(struct frame *f)
{
	trap_handler *handler = handlers[f->vector & 0xff];

	if (handler && handler(f))
		return;
	if (recover_rip) {
		last_fault.vector = (uint32_t)f->vector;
		last_fault.code = f->code;
		last_fault.rip = f->rip;
		__asm__ volatile("movq %%cr2, %0" : "=r"(last_fault.cr2));
		f->rip = recover_rip;
		f->rsp = recover_rsp;
		return;
	}
	__asm__ volatile("movq %%cr2, %0" : "=r"(last_fault.cr2));
	check(false, "unexpected-exception",
	      "vector %lu code %lx rip %lx (trap_handle %lx) rsp %lx cr2 %lx", f->vector, f->code,
	      f->rip, (uint64_t)&trap_handle, f->rsp, last_fault.cr2);
	note("rax %lx rbx %lx rcx %lx rdx %lx rsi %lx rdi %lx rbp %lx", f->rax, f->rbx, f->rcx,
	     f->rdx, f->rsi, f->rdi, f->rbp);
	note("r8 %lx r9 %lx r10 %lx r11 %lx r12 %lx r13 %lx r14 %lx r15 %lx", f->r8, f->r9, f->r10,
	     f->r11, f->r12, f->r13, f->r14, f->r15);
	done();
}

void gate_set(uint32_t vector, void (*stub)(void), uint32_t ist)
{
	uint64_t at = (uint64_t)stub;

	idt[vector] = (struct gate){
		.low = (uint16_t)at,
		.selector = SEL_CODE64,
		.ist = (uint8_t)ist,
		.type = 0x8e, /* present, interrupt gate (SDM vol. 3, 6.14.1) */
		.middle = (uint16_t)(at >> 16),
		.high = (uint32_t)(at >> 32),
	};
}

void gate_reset(uint32_t vector)
{
	/* #DF and #MC on stacks of their own: the test's may be what is wrong. */
	gate_set(vector, (void (*)(void))(uintptr_t)(trap_stubs + 16ull * vector),
		 vector == 8	? 1
		 : vector == 18 ? 2
				: 0);
}

/* --- tables
 * -------------------------------------------------------------------------------------------- */

uint64_t *pd_entry(uint64_t address)
{
	return &page_pd[address >> 30 & 3][address >> 21 & 511];
}

void map_page(uint64_t address, uint64_t entry)
{
	uint64_t *pde = pd_entry(address), *table;

	if (*pde & PTE_PS) {
		table = page_table[tables_used++ % TABLES];
		for (uint64_t i = 0; i < 512; i++)
			table[i] = (*pde & ~(PTE_PS | 0xfffull)) + i * PAGE + (PTE_P | PTE_W);
		*pde = (uint64_t)table | PTE_P | PTE_W;
	}
	table = (uint64_t *)(*pde & ~0xfffull);
	table[address >> 12 & 511] = entry;
}

static void paging_init(void)
{
	page_root[0] = (uint64_t)page_pdpt | PTE_P | PTE_W;
	for (uint64_t i = 0; i < 4; i++) {
		page_pdpt[i] = (uint64_t)page_pd[i] | PTE_P | PTE_W;
		for (uint64_t j = 0; j < 512; j++)
			page_pd[i][j] = (i << 30 | j << 21) | PTE_P | PTE_W | PTE_PS;
	}
	__asm__ volatile("movq %0, %%cr3" : : "r"(page_root) : "memory");
}

void load_tables(void)
{
	const struct desc_ptr gdtr = {sizeof(gdt) - 1, (uint64_t)gdt};
	const struct desc_ptr idtr = {sizeof(idt) - 1, (uint64_t)idt};

	__asm__ volatile("lgdt %0\n\t"
			 "pushq %2\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "lretq\n"
			 "1:\tmovl %3, %%ds\n\t"
			 "movl %3, %%es\n\t"
			 "movl %3, %%ss\n\t"
			 "movl %4, %%fs\n\t"
			 "movl %4, %%gs\n\t"
			 "lidt %1"
			 :
			 : "m"(gdtr), "m"(idtr), "i"(SEL_CODE64), "r"(SEL_DATA), "r"(0)
			 : "rax", "memory");
}

static void tables_init(void)
{
	uint64_t at = (uint64_t)tss, stack = (uint64_t)fault_stack[0] + sizeof(fault_stack[0]);

	for (uint32_t v = 0; v < 256; v++)
		gate_reset(v);
	memcpy(&tss[9], &stack, 8); /* IST1 (SDM vol. 3, figure 8-11) */
	stack += sizeof(fault_stack[0]);
	memcpy(&tss[11], &stack, 8);
	tss[25] = 104u << 16; /* no I/O bitmap */
	/* SDM vol. 3, 8.2.3: an available 64-bit TSS */
	gdt[6] = 0x0000890000000067ull | (at & 0xffffff) << 16 | (at >> 24 & 0xff) << 56;
	gdt[7] = at >> 32;
	gdt[4] |= low_base << 16;
	gdt[5] |= low_base << 16;
	load_tables();
	__asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
}

/* --- start
 * ------------------------------------------------------------------------------------------------
 */

static void look_at_map(const uint8_t *entries, UINTN size, UINTN step)
{
	for (UINTN off = 0; off + step <= size; off += step) {
		const EFI_MEMORY_DESCRIPTOR *d = (const void *)(entries + off);
		uint64_t bytes = d->NumberOfPages * PAGE;

		/* Vigil's block: the only reserved memory of that alignment that is RAM. */
		if (d->Type == EfiReservedMemoryType && !(d->PhysicalStart % BLOCK_UNIT) &&
		    bytes > BLOCK_UNIT && bytes > block_size) {
			block_base = d->PhysicalStart;
			block_size = bytes;
		}
		if (d->Type == EfiConventionalMemory && d->PhysicalStart + bytes > ram_top)
			ram_top = d->PhysicalStart + bytes;
	}
}

static EFI_STATUS take_machine(EFI_HANDLE image, EFI_BOOT_SERVICES *bs)
{
	EFI_PHYSICAL_ADDRESS low = 0x9ffff;
	EFI_STATUS status;

	status = bs->AllocatePages(AllocateMaxAddress, EfiLoaderData, (LOW_SIZE + 0xf000) / PAGE,
				   &low);
	if (EFI_ERROR(status))
		return status;
	low_base = (low + 0xffff) & ~0xffffull;
	/* The map may change once through the first call of ExitBootServices (UEFI 2.10, 7.4.6). */
	for (int i = 0; i < 3; i++) {
		UINTN size = sizeof(map), key, step;
		UINT32 version;

		status = bs->GetMemoryMap(&size, (void *)map, &key, &step, &version);
		if (EFI_ERROR(status))
			return status;
		block_size = 0;
		look_at_map(map, size, step);
		status = bs->ExitBootServices(image, key);
		if (!EFI_ERROR(status))
			return status;
	}
	return status;
}

__attribute__((weak)) void test_prepare(void *table)
{
	(void)table;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
	EFI_STATUS status;

	test_prepare(table);
	status = take_machine(image, table->BootServices);
	__asm__ volatile("cli");
	note("%s", "");
	if (EFI_ERROR(status)) {
		check(false, "start", "status %lx", (uint64_t)status);
		done();
	}
	tables_init();
	paging_init();
	note("block %lx %lx low %lx ram %lx image %lx", block_base, block_size, low_base, ram_top,
	     (uint64_t)&trap_handle);
	check(block_size != 0, "block-reserved", "no reserved block in the memory map");
	test_main();
	done();
}

/* --- MSRs
 * ---------------------------------------------------------------------------------------------------
 */

uint32_t try_rdmsr(uint32_t msr, uint64_t *value)
{
	uint32_t lo = 0, hi = 0;
	uint32_t vector = PROBE("rdmsr", OUTS("+a"(lo), "+d"(hi)), INS("c"(msr)));

	*value = lo | (uint64_t)hi << 32;
	return vector;
}

uint32_t try_wrmsr(uint32_t msr, uint64_t value)
{
	return PROBE("wrmsr", , INS("c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))));
}

uint64_t rdmsr(uint32_t msr)
{
	uint64_t value;

	if (try_rdmsr(msr, &value) != NO_FAULT)
		check(false, "rdmsr", "MSR %x faults", msr);
	return value;
}

void wrmsr(uint32_t msr, uint64_t value)
{
	if (try_wrmsr(msr, value) != NO_FAULT)
		check(false, "wrmsr", "MSR %x: %lx faults", msr, value);
}
