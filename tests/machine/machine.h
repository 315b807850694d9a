/* What the machine tests are written with: UEFI applications that take the whole machine over (boot
 * services ended, own GDT, IDT and page tables) and hold what the processor does under Vigil
 * against the SDM. Each result is a line on COM1: `ok NAME` or `FAIL NAME details`, at the end
 * `DONE COUNT`; test_machine.py reads them.
 *
 * On the BSP with interrupts off, unless a function says otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "boot/mem.h"

#define PAGE 4096ull

/* --- results
 * -------------------------------------------------------------------------------------- */

/* One result; the details are printed when `good` is false. */
void check(bool good, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* A line for the reader of a log; no result. */
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Ends the test: prints `DONE COUNT` and keeps the CPU busy, so that timers of Vigil's run. */
__attribute__((noreturn)) void done(void);

#define CHECK_EQ(name, got, want)                                                                  \
	do {                                                                                       \
		uint64_t got_ = (uint64_t)(got), want_ = (uint64_t)(want);                         \
		check(got_ == want_, name, "%lx, not %lx", got_, want_);                           \
	} while (0)

/* Each application's own: what it tests. */
void test_main(void);
/* An application may define it: called before boot services end, with the EFI system table. */
void test_prepare(void *table);

/* --- exceptions
 * ------------------------------------------------------------------------------------- */

#define VECTOR_DB  1u
#define VECTOR_NMI 2u
#define VECTOR_BP  3u
#define VECTOR_UD  6u
#define VECTOR_NM  7u
#define VECTOR_GP  13u
#define VECTOR_PF  14u
#define NO_FAULT   0x100u

struct frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, code;
	uint64_t rip, cs, rflags, rsp, ss;
};

/* Called for a vector before anything else is done about it; true: handled, return. Any CPU. */
typedef bool trap_handler(struct frame *f);
extern trap_handler *volatile handlers[256];

struct fault {
	uint32_t vector; /* NO_FAULT: there was none */
	uint64_t code, rip, cr2;
};

extern struct fault last_fault;
extern volatile uint64_t recover_rip, recover_rsp;

/* Execute `text`; a fault in it ends it (registers as they were at the fault). The value is the
 * vector, more is in last_fault. R15 is taken. BSP only. */
#define OUTS(...) __VA_ARGS__
#define INS(...)  __VA_ARGS__
#define PROBE(text, outs, ins, ...)                                                                \
	({                                                                                         \
		last_fault = (struct fault){.vector = NO_FAULT};                                   \
		__asm__ volatile("leaq 99f(%%rip), %%r15\n\t"                                      \
				 "movq %%r15, recover_rip(%%rip)\n\t"                              \
				 "movq %%rsp, recover_rsp(%%rip)\n\t" text "\n"                    \
				 "99:\tmovq $0, recover_rip(%%rip)"                                \
				 : outs:ins                                                        \
				 : "r15", "memory", "cc", ##__VA_ARGS__);                          \
		last_fault.vector;                                                                 \
	})

/* Enter `vector` through `stub` (default_gate restores what common stubs do); ist: 0 to 7. */
void gate_set(uint32_t vector, void (*stub)(void), uint32_t ist);
void gate_reset(uint32_t vector);

/* --- the machine
 * -------------------------------------------------------------------------------------- */

#define SEL_CODE64 0x08
#define SEL_DATA   0x10
#define SEL_CODE32 0x18
#define SEL_CODE16 0x20 /* base: low memory, see low_base */
#define SEL_DATA16 0x28
#define SEL_TSS	   0x30

extern uint64_t block_base, block_size; /* Vigil's, from the firmware's memory map */
extern uint64_t low_base;		/* 128 KiB below 1 MiB, 64 KiB aligned; identity mapped */
extern uint64_t ram_top;		/* end of the highest RAM */

/* The page tables: the first 4 GiB, identity mapped with 2 MiB pages. */
#define PTE_P  1ull
#define PTE_W  2ull
#define PTE_PS 0x80ull
#define PTE_G  0x100ull
extern uint64_t page_root[512];
uint64_t *pd_entry(uint64_t address);
/* Map one 4 KiB page (of a 2 MiB region that gets a table of its own); entry: address and bits. The
 * TLB is not flushed. At most 16 regions. */
void map_page(uint64_t address, uint64_t entry);

struct desc_ptr {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));
extern uint64_t gdt[8];
/* Load the test's own tables on another CPU (its own TSS is not needed there). */
void load_tables(void);

/* --- instructions
 * ---------------------------------------------------------------------------------- */

static inline void out8(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline void out16(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}

static inline void out32(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint8_t in8(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint16_t in16(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint32_t in32(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t sub)
{
	struct cpuid r = {leaf, 0, sub, 0};

	__asm__ volatile("cpuid" : "+a"(r.eax), "=b"(r.ebx), "+c"(r.ecx), "=d"(r.edx));
	return r;
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return lo | (uint64_t)hi << 32;
}

#define READ_CR(n)                                                                                 \
	static inline uint64_t read_cr##n(void)                                                    \
	{                                                                                          \
		uint64_t v;                                                                        \
                                                                                                   \
		__asm__ volatile("movq %%cr" #n ", %0" : "=r"(v));                                 \
		return v;                                                                          \
	}                                                                                          \
	static inline uint32_t try_cr##n(uint64_t v)                                               \
	{                                                                                          \
		return PROBE("movq %0, %%cr" #n, , INS("r"(v)));                                   \
	}
READ_CR(0)
READ_CR(3)
READ_CR(4)

/* The vector, or NO_FAULT. */
uint32_t try_rdmsr(uint32_t msr, uint64_t *value);
uint32_t try_wrmsr(uint32_t msr, uint64_t value);
uint64_t rdmsr(uint32_t msr); /* of one that is there; a fault is a FAIL */
void wrmsr(uint32_t msr, uint64_t value);
