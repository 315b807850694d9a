/* Privileged instructions as inline functions. For arch/x86 only (VMX root mode, CPL 0), any CPU.
 *
 * The `_safe` forms survive a #GP(0): the fault is caught by the fix-up table (fault.c) and becomes
 * -EFAULT. They must be used for every MSR whose existence the CPU model does not guarantee, and
 * work in exit context only: before the launch the firmware's IDT is in force (rdmsr_early,
 * tables.h).
 */
#pragma once

#include <stdint.h>
#include "arch/x86/cpu.h"
#include "hv/errno.h"

/* A pair {faulting instruction, where to go on}, both relative to their own place (no relocation).
 */
#define FIXUP(from, to)                                                                            \
	".pushsection .fixup,\"a\"\n"                                                              \
	".long " #from " - .\n"                                                                    \
	".long " #to " - .\n"                                                                      \
	".popsection\n"

/* Instructions that answer in EDX:EAX, for an index in ECX. */
#define WIDE_READER(insn)                                                                          \
	static inline uint64_t insn(uint32_t index)                                                \
	{                                                                                          \
		uint32_t lo, hi;                                                                   \
		__asm__ volatile(#insn : "=a"(lo), "=d"(hi) : "c"(index));                         \
		return (uint64_t)hi << 32 | lo;                                                    \
	}
WIDE_READER(rdmsr)
WIDE_READER(xgetbv)

static inline void wrmsr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

static inline int rdmsr_safe(uint32_t msr, uint64_t *value)
{
	uint32_t lo = 0, hi = 0;
	int err = -EFAULT;

	__asm__ volatile("1: rdmsr\n"
			 "   xorl %0, %0\n"
			 "2:\n" FIXUP(1b, 2b)
			 : "+r"(err), "+a"(lo), "+d"(hi)
			 : "c"(msr)
			 : "cc");
	*value = (uint64_t)hi << 32 | lo;
	return err;
}

/* WRMSR and XSETBV: index in ECX, value in EDX:EAX. */
#define SAFE_WRITER(insn)                                                                          \
	static inline int insn##_safe(uint32_t index, uint64_t value)                              \
	{                                                                                          \
		int err = -EFAULT;                                                                 \
		__asm__ volatile("1: " #insn "\n"                                                  \
				 "   xorl %0, %0\n"                                                \
				 "2:\n" FIXUP(1b, 2b)                                              \
				 : "+r"(err)                                                       \
				 : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))  \
				 : "cc", "memory");                                                \
		return err;                                                                        \
	}
SAFE_WRITER(wrmsr)
SAFE_WRITER(xsetbv)

static inline struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs v;

	__asm__ volatile("cpuid"
			 : "=a"(v.eax), "=b"(v.ebx), "=c"(v.ecx), "=d"(v.edx)
			 : "a"(leaf), "c"(subleaf));
	return v;
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

#define CR_ACCESSORS(n)                                                                            \
	static inline uint64_t read_cr##n(void)                                                    \
	{                                                                                          \
		uint64_t v;                                                                        \
		__asm__ volatile("mov %%cr" #n ", %0" : "=r"(v));                                  \
		return v;                                                                          \
	}                                                                                          \
	static inline void write_cr##n(uint64_t v)                                                 \
	{                                                                                          \
		__asm__ volatile("mov %0, %%cr" #n : : "r"(v) : "memory");                         \
	}
CR_ACCESSORS(0)
CR_ACCESSORS(2)
CR_ACCESSORS(3)
CR_ACCESSORS(4)

static inline uint64_t read_dr7(void)
{
	uint64_t v;

	__asm__ volatile("mov %%dr7, %0" : "=r"(v));
	return v;
}

static inline uint64_t read_rflags(void)
{
	uint64_t v;

	__asm__ volatile("pushfq; popq %0" : "=r"(v));
	return v;
}

/* in8, out8 and so on; `suffix` is the assembler's. */
#define PORT_ACCESSORS(bits, suffix)                                                               \
	static inline uint##bits##_t in##bits(uint16_t port)                                       \
	{                                                                                          \
		uint##bits##_t v;                                                                  \
		__asm__ volatile("in" #suffix " %1, %0" : "=a"(v) : "Nd"(port));                   \
		return v;                                                                          \
	}                                                                                          \
	static inline void out##bits(uint16_t port, uint##bits##_t v)                              \
	{                                                                                          \
		__asm__ volatile("out" #suffix " %0, %1" : : "a"(v), "Nd"(port));                  \
	}
PORT_ACCESSORS(8, b)
PORT_ACCESSORS(16, w)
PORT_ACCESSORS(32, l)

/* `size` is 1, 2 or 4. */
static inline uint32_t io_in(uint16_t port, uint8_t size)
{
	return size == 4 ? in32(port) : size == 2 ? in16(port) : in8(port);
}

static inline void io_out(uint16_t port, uint8_t size, uint32_t value)
{
	if (size == 4)
		out32(port, value);
	else if (size == 2)
		out16(port, (uint16_t)value);
	else
		out8(port, (uint8_t)value);
}

static inline void wbinvd(void)
{
	__asm__ volatile("wbinvd" : : : "memory");
}

/* Descriptor-table register image (SDM vol. 3, 3.5.1). */
struct __attribute__((packed)) desc_ptr {
	uint16_t limit;
	uint64_t base;
};

#define TABLE_ACCESSORS(table)                                                                     \
	static inline void s##table(struct desc_ptr *p)                                            \
	{                                                                                          \
		__asm__ volatile("s" #table " %0" : "=m"(*p));                                     \
	}                                                                                          \
	static inline void l##table(const struct desc_ptr *p)                                      \
	{                                                                                          \
		__asm__ volatile("l" #table " %0" : : "m"(*p));                                    \
	}
TABLE_ACCESSORS(gdt)
TABLE_ACCESSORS(idt)

#define SELECTOR_READER(name, insn)                                                                \
	static inline uint16_t name(void)                                                          \
	{                                                                                          \
		uint16_t v;                                                                        \
		__asm__ volatile(insn " %0" : "=r"(v));                                            \
		return v;                                                                          \
	}
SELECTOR_READER(read_cs, "mov %%cs,")
SELECTOR_READER(read_ss, "mov %%ss,")
SELECTOR_READER(read_ds, "mov %%ds,")
SELECTOR_READER(read_es, "mov %%es,")
SELECTOR_READER(read_fs, "mov %%fs,")
SELECTOR_READER(read_gs, "mov %%gs,")
SELECTOR_READER(str, "str")
SELECTOR_READER(sldt, "sldt")

/* --- VMX. VMfail sets CF or ZF (SDM vol. 3, 31.2). ----------------------------------------------
 */

static inline uint64_t vmread(uint32_t field)
{
	uint64_t v;

	__asm__ volatile("vmread %1, %0" : "=r"(v) : "r"((uint64_t)field) : "cc");
	return v;
}

/* 0, or -EIO when the CPU has no such field or no current VMCS. */
static inline int vmread_checked(uint32_t field, uint64_t *value)
{
	uint8_t fail;

	__asm__ volatile("vmread %2, %1; setna %0"
			 : "=q"(fail), "=r"(*value)
			 : "r"((uint64_t)field)
			 : "cc");
	return fail ? -EIO : 0;
}

static inline void vmwrite(uint32_t field, uint64_t value)
{
	__asm__ volatile("vmwrite %1, %0" : : "r"((uint64_t)field), "r"(value) : "cc");
}

/* As vmread_checked. */
static inline int vmwrite_checked(uint32_t field, uint64_t value)
{
	uint8_t fail;

	__asm__ volatile("vmwrite %2, %1; setna %0"
			 : "=r"(fail)
			 : "r"((uint64_t)field), "r"(value)
			 : "cc");
	return fail ? -EIO : 0;
}

/* With the physical address of a region. 0 or -EIO. */
#define REGION_INSTRUCTION(insn)                                                                   \
	static inline int insn(uint64_t phys)                                                      \
	{                                                                                          \
		uint8_t fail;                                                                      \
		__asm__ volatile(#insn " %1; setna %0" : "=q"(fail) : "m"(phys) : "cc", "memory"); \
		return fail ? -EIO : 0;                                                            \
	}
REGION_INSTRUCTION(vmxon)
REGION_INSTRUCTION(vmclear)
REGION_INSTRUCTION(vmptrld)

static inline void vmxoff(void)
{
	__asm__ volatile("vmxoff" : : : "cc", "memory");
}

/* INVEPT and INVVPID types (SDM vol. 3, 31.3). */
#define INVEPT_ALL     2
#define INVVPID_SINGLE 1
#define INVVPID_ALL    2

/* `context`: an EPT pointer or a VPID, with the address 0 behind it. 0 or -EIO. */
#define INVALIDATION(insn)                                                                         \
	static inline int insn(uint64_t type, uint64_t context)                                    \
	{                                                                                          \
		struct {                                                                           \
			uint64_t context, address;                                                 \
		} desc = {context, 0};                                                             \
		uint8_t fail;                                                                      \
		__asm__ volatile(#insn " %1, %2; setna %0"                                         \
				 : "=q"(fail)                                                      \
				 : "m"(desc), "r"(type)                                            \
				 : "cc", "memory");                                                \
		return fail ? -EIO : 0;                                                            \
	}
INVALIDATION(invept)
INVALIDATION(invvpid)
