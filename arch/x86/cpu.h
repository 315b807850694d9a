/* Names of the processor's architectural bits: control registers, RFLAGS, segment access rights,
 * memory types, CPUID leaves and the feature bits that the core itself looks at. Pure constants
 * (SDM volume 3, 2.3, 2.5, 3.4.5, 12.3; volume 2, CPUID). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CR0_PE (1ull << 0)
#define CR0_MP (1ull << 1)
#define CR0_EM (1ull << 2)
#define CR0_TS (1ull << 3)
#define CR0_ET (1ull << 4)
#define CR0_NE (1ull << 5)
#define CR0_WP (1ull << 16)
#define CR0_AM (1ull << 18)
#define CR0_NW (1ull << 29)
#define CR0_CD (1ull << 30)
#define CR0_PG (1ull << 31)

#define CR4_PAE	       (1ull << 5)
#define CR4_MCE	       (1ull << 6)
#define CR4_PGE	       (1ull << 7)
#define CR4_OSFXSR     (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_UMIP       (1ull << 11)
#define CR4_LA57       (1ull << 12)
#define CR4_VMXE       (1ull << 13)
#define CR4_FSGSBASE   (1ull << 16)
#define CR4_PCIDE      (1ull << 17)
#define CR4_OSXSAVE    (1ull << 18)
#define CR4_SMEP       (1ull << 20)
#define CR4_SMAP       (1ull << 21)
#define CR4_PKE	       (1ull << 22)
#define CR4_CET	       (1ull << 23)
#define CR4_LASS       (1ull << 27)
#define CR4_LAM_SUP    (1ull << 28)

#define RFLAGS_ONE (1ull << 1) /* always set */
#define RFLAGS_TF  (1ull << 8)
#define RFLAGS_IF  (1ull << 9)
#define RFLAGS_VM  (1ull << 17)

/* CR3 operand: page-table root, PCID, and the bits that a MOV to CR3 interprets (SDM 4.10.4.1). */
#define CR3_ROOT     0x000ffffffffff000ull
#define CR3_LAM_U57  (1ull << 61)
#define CR3_LAM_U48  (1ull << 62)
#define CR3_NO_FLUSH (1ull << 63)

/* Segment access rights as the VMCS has them (SDM 25.4.1, table 25-2). */
#define AR_TYPE	     0x0000fu
#define AR_ACCESSED  0x00001u
#define AR_WRITABLE  0x00002u /* data; for code: readable */
#define AR_CODE	     0x00008u
#define AR_S	     0x00010u /* code or data, not system */
#define AR_DPL_SHIFT 5
#define AR_DPL	     0x00060u
#define AR_P	     0x00080u
#define AR_RESERVED  0xfffe0f00u
#define AR_L	     0x02000u
#define AR_DB	     0x04000u
#define AR_G	     0x08000u
#define AR_UNUSABLE  0x10000u

/* Memory types (SDM 12.3), as MTRRs, the PAT and EPT entries encode them. */
enum memory_type {
	MEM_UC = 0,
	MEM_WC = 1,
	MEM_WT = 4,
	MEM_WP = 5,
	MEM_WB = 6,
};

/* Not one of the reserved encodings. */
static inline bool memory_type_valid(uint64_t type)
{
	return type <= MEM_WB && (1u << type & ~(1u << 2 | 1u << 3));
}

/* Exception vectors. */
#define VECTOR_DB  1
#define VECTOR_NMI 2
#define VECTOR_BP  3
#define VECTOR_UD  6
#define VECTOR_NM  7
#define VECTOR_DF  8
#define VECTOR_TS  10
#define VECTOR_NP  11
#define VECTOR_SS  12
#define VECTOR_GP  13
#define VECTOR_PF  14
#define VECTOR_AC  17
#define VECTOR_MC  18
#define VECTOR_CP  21

/* CPUID leaves and feature bits the core looks at itself. */
#define CPUID_BASIC	   0x00000000u
#define CPUID_VERSION	   0x00000001u
#define CPUID_FEATURES	   0x00000007u
#define CPUID_XSTATE	   0x0000000du
#define CPUID_HYPERVISOR   0x40000000u
#define CPUID_EXTENDED	   0x80000000u
#define CPUID_EXT_FEATURES 0x80000001u
#define CPUID_BRAND	   0x80000002u /* to 0x80000004 */
#define CPUID_ADDRESSES	   0x80000008u /* EAX[7:0] MAXPHYADDR */

#define CPUID_1_ECX_VMX	       (1u << 5)
#define CPUID_1_ECX_XSAVE      (1u << 26)
#define CPUID_1_ECX_OSXSAVE    (1u << 27)
#define CPUID_1_ECX_HYPERVISOR (1u << 31)
#define CPUID_1_EDX_MTRR       (1u << 12)
#define CPUID_7_EBX_SGX	       (1u << 2)
#define CPUID_7_EBX_INVPCID    (1u << 10)
#define CPUID_7_ECX_OSPKE      (1u << 4)
#define CPUID_7_ECX_WAITPKG    (1u << 5)
#define CPUID_7_ECX_TME	       (1u << 13)
#define CPUID_7_ECX_RDPID      (1u << 22)
#define CPUID_D1_EAX_XSAVES    (1u << 3)
#define CPUID_EXT_EDX_RDTSCP   (1u << 27)

/* XCR0 components (SDM 13.1). */
#define XCR0_X87    (1ull << 0)
#define XCR0_SSE    (1ull << 1)
#define XCR0_AVX    (1ull << 2)
#define XCR0_AVX512 (7ull << 5) /* opmask, ZMM_Hi256, Hi16_ZMM: all or none, and with AVX */
#define XCR0_PKRU   (1ull << 9)

/* What CPUID returns. */
struct cpuid_regs {
	uint32_t eax, ebx, ecx, edx;
};
