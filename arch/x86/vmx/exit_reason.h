/* Basic exit reasons and their names (SDM volume 3, appendix C). Pure; any context, no blocking. */
#pragma once

#include <stdint.h>

/* X(constant, number, name) for each. */
#define EXIT_REASON_LIST(X)                                                                        \
	X(EXIT_EXCEPTION_NMI, 0, "exception_nmi")                                                  \
	X(EXIT_EXTERNAL_INTERRUPT, 1, "external_interrupt")                                        \
	X(EXIT_TRIPLE_FAULT, 2, "triple_fault")                                                    \
	X(EXIT_INIT, 3, "init")                                                                    \
	X(EXIT_SIPI, 4, "sipi")                                                                    \
	X(EXIT_IO_SMI, 5, "io_smi")                                                                \
	X(EXIT_OTHER_SMI, 6, "other_smi")                                                          \
	X(EXIT_INTERRUPT_WINDOW, 7, "interrupt_window")                                            \
	X(EXIT_NMI_WINDOW, 8, "nmi_window")                                                        \
	X(EXIT_TASK_SWITCH, 9, "task_switch")                                                      \
	X(EXIT_CPUID, 10, "cpuid")                                                                 \
	X(EXIT_GETSEC, 11, "getsec")                                                               \
	X(EXIT_HLT, 12, "hlt")                                                                     \
	X(EXIT_INVD, 13, "invd")                                                                   \
	X(EXIT_INVLPG, 14, "invlpg")                                                               \
	X(EXIT_RDPMC, 15, "rdpmc")                                                                 \
	X(EXIT_RDTSC, 16, "rdtsc")                                                                 \
	X(EXIT_RSM, 17, "rsm")                                                                     \
	X(EXIT_VMCALL, 18, "vmcall")                                                               \
	X(EXIT_VMCLEAR, 19, "vmclear")                                                             \
	X(EXIT_VMLAUNCH, 20, "vmlaunch")                                                           \
	X(EXIT_VMPTRLD, 21, "vmptrld")                                                             \
	X(EXIT_VMPTRST, 22, "vmptrst")                                                             \
	X(EXIT_VMREAD, 23, "vmread")                                                               \
	X(EXIT_VMRESUME, 24, "vmresume")                                                           \
	X(EXIT_VMWRITE, 25, "vmwrite")                                                             \
	X(EXIT_VMXOFF, 26, "vmxoff")                                                               \
	X(EXIT_VMXON, 27, "vmxon")                                                                 \
	X(EXIT_CR_ACCESS, 28, "cr_access")                                                         \
	X(EXIT_DR_ACCESS, 29, "dr_access")                                                         \
	X(EXIT_IO, 30, "io")                                                                       \
	X(EXIT_RDMSR, 31, "rdmsr")                                                                 \
	X(EXIT_WRMSR, 32, "wrmsr")                                                                 \
	X(EXIT_INVALID_GUEST_STATE, 33, "invalid_guest_state")                                     \
	X(EXIT_MSR_LOADING, 34, "msr_loading")                                                     \
	X(EXIT_MWAIT, 36, "mwait")                                                                 \
	X(EXIT_MONITOR_TRAP, 37, "monitor_trap")                                                   \
	X(EXIT_MONITOR, 39, "monitor")                                                             \
	X(EXIT_PAUSE, 40, "pause")                                                                 \
	X(EXIT_MACHINE_CHECK, 41, "machine_check")                                                 \
	X(EXIT_TPR_BELOW_THRESHOLD, 43, "tpr_below_threshold")                                     \
	X(EXIT_APIC_ACCESS, 44, "apic_access")                                                     \
	X(EXIT_VIRTUALIZED_EOI, 45, "virtualized_eoi")                                             \
	X(EXIT_GDTR_IDTR, 46, "gdtr_idtr")                                                         \
	X(EXIT_LDTR_TR, 47, "ldtr_tr")                                                             \
	X(EXIT_EPT_VIOLATION, 48, "ept_violation")                                                 \
	X(EXIT_EPT_MISCONFIGURATION, 49, "ept_misconfiguration")                                   \
	X(EXIT_INVEPT, 50, "invept")                                                               \
	X(EXIT_RDTSCP, 51, "rdtscp")                                                               \
	X(EXIT_PREEMPTION_TIMER, 52, "preemption_timer")                                           \
	X(EXIT_INVVPID, 53, "invvpid")                                                             \
	X(EXIT_WBINVD, 54, "wbinvd")                                                               \
	X(EXIT_XSETBV, 55, "xsetbv")                                                               \
	X(EXIT_APIC_WRITE, 56, "apic_write")                                                       \
	X(EXIT_RDRAND, 57, "rdrand")                                                               \
	X(EXIT_INVPCID, 58, "invpcid")                                                             \
	X(EXIT_VMFUNC, 59, "vmfunc")                                                               \
	X(EXIT_ENCLS, 60, "encls")                                                                 \
	X(EXIT_RDSEED, 61, "rdseed")                                                               \
	X(EXIT_PML_FULL, 62, "pml_full")                                                           \
	X(EXIT_XSAVES, 63, "xsaves")                                                               \
	X(EXIT_XRSTORS, 64, "xrstors")                                                             \
	X(EXIT_PCONFIG, 65, "pconfig")                                                             \
	X(EXIT_SPP, 66, "spp")                                                                     \
	X(EXIT_UMWAIT, 67, "umwait")                                                               \
	X(EXIT_TPAUSE, 68, "tpause")                                                               \
	X(EXIT_LOADIWKEY, 69, "loadiwkey")                                                         \
	X(EXIT_ENCLV, 70, "enclv")                                                                 \
	X(EXIT_ENQCMD_PASID, 72, "enqcmd_pasid")                                                   \
	X(EXIT_ENQCMDS_PASID, 73, "enqcmds_pasid")                                                 \
	X(EXIT_BUS_LOCK, 74, "bus_lock")                                                           \
	X(EXIT_INSTRUCTION_TIMEOUT, 75, "instruction_timeout")                                     \
	X(EXIT_SEAMCALL, 76, "seamcall")                                                           \
	X(EXIT_TDCALL, 77, "tdcall")                                                               \
	X(EXIT_RDMSRLIST, 78, "rdmsrlist")                                                         \
	X(EXIT_WRMSRLIST, 79, "wrmsrlist")

#define EXIT_REASON_CONSTANT(constant, number, name) constant = number,
enum exit_reason {
	EXIT_REASON_LIST(EXIT_REASON_CONSTANT)
		EXIT_REASONS, /* one above the highest known; size for tables by reason */
};

/* Short name in lower case for messages and counters ("cpuid", "ept_violation"). `reason` may be
 * the whole exit-reason word: only bits 15:0 count. Never NULL: "unknown" for what the table lacks.
 */
const char *exit_reason_name(uint32_t reason);
