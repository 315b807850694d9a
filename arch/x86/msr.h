/* Model-specific registers that the core reads, writes, traps or hides (SDM volume 4), and their
 * bits. Pure constants, and the shape of an injected reader. */
#pragma once

#include <stdint.h>

/* Reads an MSR that is known to exist. Pure parts get one of these instead of RDMSR. */
typedef uint64_t msr_reader(void *ctx, uint32_t msr);

#define MSR_TSC			0x00000010u
#define MSR_APIC_BASE		0x0000001bu
#define MSR_FEATURE_CONTROL	0x0000003au
#define MSR_TSC_ADJUST		0x0000003bu
#define MSR_BIOS_UPDT_TRIG	0x00000079u
#define MSR_SGXLEPUBKEYHASH0	0x0000008cu /* to 0x8f */
#define MSR_BIOS_SIGN_ID	0x0000008bu
#define MSR_SMM_MONITOR_CTL	0x0000009bu
#define MSR_MTRRCAP		0x000000feu
#define MSR_SYSENTER_CS		0x00000174u
#define MSR_SYSENTER_ESP	0x00000175u
#define MSR_SYSENTER_EIP	0x00000176u
#define MSR_MCG_CAP		0x00000179u
#define MSR_MISC_ENABLE		0x000001a0u
#define MSR_XFD			0x000001c4u
#define MSR_XFD_ERR		0x000001c5u
#define MSR_DEBUGCTL		0x000001d9u
#define MSR_MTRR_PHYSBASE0	0x00000200u /* then PHYSMASK0, PHYSBASE1 and so on */
#define MSR_MTRR_PHYSMASK0	0x00000201u
#define MSR_MTRR_FIX64K		0x00000250u
#define MSR_MTRR_FIX16K_0	0x00000258u
#define MSR_MTRR_FIX16K_1	0x00000259u
#define MSR_MTRR_FIX4K_0	0x00000268u /* to 0x26f */
#define MSR_PAT			0x00000277u
#define MSR_MTRR_DEF_TYPE	0x000002ffu
#define MSR_PEBS_ENABLE		0x000003f1u
#define MSR_MC0_CTL		0x00000400u
#define MSR_VMX_BASIC		0x00000480u
#define MSR_VMX_PINBASED	0x00000481u
#define MSR_VMX_PROCBASED	0x00000482u
#define MSR_VMX_EXIT		0x00000483u
#define MSR_VMX_ENTRY		0x00000484u
#define MSR_VMX_MISC		0x00000485u
#define MSR_VMX_CR0_FIXED0	0x00000486u
#define MSR_VMX_CR0_FIXED1	0x00000487u
#define MSR_VMX_CR4_FIXED0	0x00000488u
#define MSR_VMX_CR4_FIXED1	0x00000489u
#define MSR_VMX_PROCBASED2	0x0000048bu
#define MSR_VMX_EPT_VPID_CAP	0x0000048cu
#define MSR_VMX_TRUE_PINBASED	0x0000048du
#define MSR_VMX_TRUE_PROCBASED	0x0000048eu
#define MSR_VMX_TRUE_EXIT	0x0000048fu
#define MSR_VMX_TRUE_ENTRY	0x00000490u
#define MSR_VMX_EXIT2		0x00000493u
#define MSR_RTIT_OUTPUT_BASE	0x00000560u
#define MSR_RTIT_OUTPUT_MASK	0x00000561u
#define MSR_RTIT_CTL		0x00000570u
#define MSR_RTIT_CR3_MATCH	0x00000572u
#define MSR_RTIT_ADDR0_A	0x00000580u /* to 0x587 */
#define MSR_DS_AREA		0x00000600u
#define MSR_U_CET		0x000006a0u
#define MSR_INTERRUPT_SSP_TABLE 0x000006a8u
#define MSR_PKRS		0x000006e1u
#define MSR_UINTR_RR		0x00000985u /* to UINTR_TT, 0x98a */
#define MSR_TME_CAPABILITY	0x00000981u /* to TME_EXCLUDE_BASE, 0x984 */
#define MSR_TME_ACTIVATE	0x00000982u
#define MSR_XSS			0x00000da0u
#define MSR_LBR_CTL		0x000014ceu /* with LBR_DEPTH, 0x14cf */
#define MSR_HW_FEEDBACK_PTR	0x000017d0u
#define MSR_HW_FEEDBACK_CONFIG	0x000017d1u
#define MSR_EFER		0xc0000080u
#define MSR_STAR		0xc0000081u
#define MSR_LSTAR		0xc0000082u
#define MSR_CSTAR		0xc0000083u
#define MSR_FMASK		0xc0000084u
#define MSR_FS_BASE		0xc0000100u
#define MSR_GS_BASE		0xc0000101u
#define MSR_KERNEL_GS_BASE	0xc0000102u
#define MSR_TSC_AUX		0xc0000103u

/* IA32_FEATURE_CONTROL */
#define FEATURE_CONTROL_LOCK 0x1ull
#define FEATURE_CONTROL_VMX  0x4ull /* VMXON outside of SMX */

/* IA32_APIC_BASE */
#define APIC_BASE_BSP	 0x100ull
#define APIC_BASE_X2APIC 0x400ull
#define APIC_BASE_ENABLE 0x800ull

/* IA32_EFER */
#define EFER_SCE 0x001ull
#define EFER_LME 0x100ull
#define EFER_LMA 0x400ull
#define EFER_NXE 0x800ull

/* IA32_MISC_ENABLE */
#define MISC_ENABLE_LIMIT_CPUID (1ull << 22)
#define MISC_ENABLE_XD_DISABLE	(1ull << 34)

/* IA32_ARCH_CAPABILITIES */

/* IA32_MTRRCAP, IA32_MTRR_DEF_TYPE, IA32_MTRR_PHYSMASKn (SDM 12.11) */
#define MTRRCAP_COUNT	   0x0ffull
#define MTRRCAP_FIXED	   0x100ull
#define MTRR_DEF_TYPE_TYPE 0x0ffull
#define MTRR_DEF_FIXED	   0x400ull /* FE */
#define MTRR_DEF_ENABLE	   0x800ull /* E */
#define MTRR_MASK_VALID	   0x800ull

/* IA32_VMX_BASIC */
#define VMX_BASIC_REVISION	   0x7fffffffull
#define VMX_BASIC_32BIT		   (1ull << 48)
#define VMX_BASIC_TRUE		   (1ull << 55)
#define VMX_BASIC_NO_ERRCODE_CHECK (1ull << 56)

/* IA32_VMX_MISC */
#define VMX_MISC_TIMER_RATE	   0x1full
#define VMX_MISC_HLT		   (1ull << 6)
#define VMX_MISC_SHUTDOWN	   (1ull << 7)
#define VMX_MISC_WAIT_SIPI	   (1ull << 8)
#define VMX_MISC_CR3_TARGETS(misc) ((uint32_t)((misc) >> 16) & 0x1ffu)
#define VMX_MISC_INJECT_LEN_0	   (1ull << 30)

/* IA32_VMX_EPT_VPID_CAP */
#define EPT_CAP_EXEC_ONLY     (1ull << 0)
#define EPT_CAP_WALK_4	      (1ull << 6)
#define EPT_CAP_WALK_5	      (1ull << 7)
#define EPT_CAP_UC	      (1ull << 8)
#define EPT_CAP_WB	      (1ull << 14)
#define EPT_CAP_2M	      (1ull << 16)
#define EPT_CAP_1G	      (1ull << 17)
#define EPT_CAP_INVEPT	      (1ull << 20)
#define EPT_CAP_AD	      (1ull << 21)
#define EPT_CAP_INVEPT_SINGLE (1ull << 25)
#define EPT_CAP_INVEPT_ALL    (1ull << 26)
#define VPID_CAP_INVVPID      (1ull << 32)
#define VPID_CAP_SINGLE	      (1ull << 41)
#define VPID_CAP_ALL	      (1ull << 42)
