/* The real machine for other parts: PCI configuration by ports, device memory, names, reset. */
#include "arch/x86/cpu.h"
#include "arch/x86/cpu_name.h"
#include "arch/x86/insn.h"
#include "arch/x86/paging.h"
#include "arch/x86/power.h"
#include "arch/x86/string.h"
#include "arch/x86/vmx/vmx.h"
#include "hv/lock.h"
#include "hv/log.h"
#include "hv/machine.h"

#define PCI_ADDRESS 0xcf8 /* PCI Local Bus 3.0, 3.2.2.3.2 */
#define PCI_DATA    0xcfc
#define PCI_ENABLE  0x80000000u

static struct spinlock pci_lock;

/* The address register is the guest's: it is put back, because the guest writes it without an exit.
 */
static uint32_t pci_begin(uint16_t bdf, uint16_t off)
{
	uint32_t old;

	spin_lock(&pci_lock);
	old = in32(PCI_ADDRESS);
	out32(PCI_ADDRESS, PCI_ENABLE | (uint32_t)bdf << 8 | (off & 0xfcu));
	return old;
}

static void pci_end(uint32_t old)
{
	out32(PCI_ADDRESS, old);
	spin_unlock(&pci_lock);
}

uint32_t pci_read(uint16_t bdf, uint16_t off, uint8_t size)
{
	uint32_t old = pci_begin(bdf, off);
	uint32_t value = io_in((uint16_t)(PCI_DATA + (off & 3)), size);

	pci_end(old);
	return value;
}

void pci_write(uint16_t bdf, uint16_t off, uint8_t size, uint32_t value)
{
	uint32_t old = pci_begin(bdf, off);

	io_out((uint16_t)(PCI_DATA + (off & 3)), size, value);
	pci_end(old);
}

volatile void *mmio_map(uint64_t phys, uint64_t size)
{
	uint64_t base = phys & ~0xfffull, end = (phys + size + 0xfff) & ~0xfffull;

	return paging_map(base, end - base, PAGING_UNCACHED) ? NULL : (volatile void *)phys;
}

void arch_platform_name(char *out, size_t size)
{
	char brand[49] = "", below[13] = "";
	const char *name = brand;

	for (uint32_t i = 0; i < 3 && cpuid(CPUID_EXTENDED, 0).eax >= CPUID_BRAND + 2; i++) {
		struct cpuid_regs v = cpuid(CPUID_BRAND + i, 0);

		memcpy(brand + 16 * i, &v, 16);
	}
	brand[48] = 0;
	while (*name == ' ')
		name++;
	if (cpuid(CPUID_VERSION, 0).ecx & CPUID_1_ECX_HYPERVISOR) {
		struct cpuid_regs v = cpuid(CPUID_HYPERVISOR, 0);

		memcpy(below, &v.ebx, 4);
		memcpy(below + 4, &v.ecx, 4);
		memcpy(below + 8, &v.edx, 4);
		below[12] = 0;
	}
	format_text(out, size, "%s%s%s", name, below[0] ? " under " : "", below);
}

void arch_control_names(char *out, size_t size)
{
	control_names(&vmx.control[PROFILE_GUEST], out, size);
}

void arch_reset(void)
{
	const struct desc_ptr none = {0, 0};

	out8(0xcf9, 0x02); /* reset control register: full reset (PIIX/ICH data sheets) */
	out8(0xcf9, 0x06);
	for (uint32_t i = 0; i < 1000000; i++)
		__builtin_ia32_pause();
	out8(0x64, 0xfe); /* keyboard controller: pulse the reset line */
	for (uint32_t i = 0; i < 1000000; i++)
		__builtin_ia32_pause();
	lidt(&none);
	__asm__ volatile("int3");
	__builtin_unreachable();
}
