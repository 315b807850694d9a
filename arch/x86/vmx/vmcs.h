/* VMCS field encodings, those that Vigil names, in the order of SDM volume 3, appendix B, grouped
 * by width and role.
 *
 * Pure constants. Bits of an encoding (SDM 25.11.2): 0 access type (1: high half of a 64-bit
 * field), 9:1 index, 11:10 role (0 control, 1 read-only data, 2 guest state, 3 host state), 14:13
 * width (0: 16 bits, 1: 64, 2: 32, 3: natural).
 */
#pragma once

enum vmcs_field {
	/* B.1 16-bit fields: controls */
	VMCS_VPID = 0x0000,
	/* guest state */
	VMCS_GUEST_ES = 0x0800,
	VMCS_GUEST_CS = 0x0802,
	VMCS_GUEST_SS = 0x0804,
	VMCS_GUEST_DS = 0x0806,
	VMCS_GUEST_FS = 0x0808,
	VMCS_GUEST_GS = 0x080a,
	/* host state */
	VMCS_HOST_ES = 0x0c00,
	VMCS_HOST_CS = 0x0c02,
	VMCS_HOST_SS = 0x0c04,
	VMCS_HOST_DS = 0x0c06,
	VMCS_HOST_FS = 0x0c08,
	VMCS_HOST_GS = 0x0c0a,
	VMCS_HOST_TR = 0x0c0c,

	/* B.2 64-bit fields: controls */
	VMCS_IO_BITMAP_A = 0x2000,
	VMCS_IO_BITMAP_B = 0x2002,
	VMCS_MSR_BITMAP = 0x2004,
	VMCS_EXIT_MSR_STORE = 0x2006,
	VMCS_EXIT_MSR_LOAD = 0x2008,
	VMCS_ENTRY_MSR_LOAD = 0x200a,
	VMCS_PML_ADDRESS = 0x200e,
	VMCS_TSC_OFFSET = 0x2010,
	VMCS_VIRTUAL_APIC = 0x2012,
	VMCS_APIC_ACCESS = 0x2014,
	VMCS_EPT_POINTER = 0x201a,
	VMCS_VE_INFORMATION = 0x202a,
	VMCS_XSS_EXITING = 0x202c,
	VMCS_ENCLS_EXITING = 0x202e,
	/* read-only data */
	VMCS_GUEST_PHYSICAL_ADDRESS = 0x2400,
	/* guest state */
	VMCS_LINK_POINTER = 0x2800,
	VMCS_GUEST_DEBUGCTL = 0x2802,
	VMCS_GUEST_PAT = 0x2804,
	VMCS_GUEST_EFER = 0x2806,
	VMCS_GUEST_PDPTE0 = 0x280a,
	/* host state */
	VMCS_HOST_PAT = 0x2c00,
	VMCS_HOST_EFER = 0x2c02,
	VMCS_HOST_PERF_GLOBAL_CTRL = 0x2c04,

	/* B.3 32-bit fields: controls */
	VMCS_PIN_CONTROLS = 0x4000,
	VMCS_PRIMARY_CONTROLS = 0x4002,
	VMCS_EXCEPTION_BITMAP = 0x4004,
	VMCS_PAGE_FAULT_MASK = 0x4006,
	VMCS_PAGE_FAULT_MATCH = 0x4008,
	VMCS_CR3_TARGET_COUNT = 0x400a,
	VMCS_EXIT_CONTROLS = 0x400c,
	VMCS_EXIT_MSR_STORE_COUNT = 0x400e,
	VMCS_EXIT_MSR_LOAD_COUNT = 0x4010,
	VMCS_ENTRY_CONTROLS = 0x4012,
	VMCS_ENTRY_MSR_LOAD_COUNT = 0x4014,
	VMCS_ENTRY_INTERRUPTION_INFO = 0x4016,
	VMCS_ENTRY_ERROR_CODE = 0x4018,
	VMCS_ENTRY_INSTRUCTION_LENGTH = 0x401a,
	VMCS_SECONDARY_CONTROLS = 0x401e,
	/* read-only data */
	VMCS_INSTRUCTION_ERROR = 0x4400,
	VMCS_EXIT_REASON = 0x4402,
	VMCS_EXIT_INTERRUPTION_INFO = 0x4404,
	VMCS_EXIT_ERROR_CODE = 0x4406,
	VMCS_IDT_VECTORING_INFO = 0x4408,
	VMCS_IDT_VECTORING_ERROR_CODE = 0x440a,
	VMCS_EXIT_INSTRUCTION_LENGTH = 0x440c,
	/* guest state */
	VMCS_GUEST_ES_LIMIT = 0x4800,
	VMCS_GUEST_GDTR_LIMIT = 0x4810,
	VMCS_GUEST_IDTR_LIMIT = 0x4812,
	VMCS_GUEST_ES_ACCESS = 0x4814,
	VMCS_GUEST_CS_ACCESS = 0x4816,
	VMCS_GUEST_SS_ACCESS = 0x4818,
	VMCS_GUEST_INTERRUPTIBILITY = 0x4824,
	VMCS_GUEST_ACTIVITY = 0x4826,
	VMCS_GUEST_SYSENTER_CS = 0x482a,
	VMCS_PREEMPTION_TIMER = 0x482e,
	/* host state */
	VMCS_HOST_SYSENTER_CS = 0x4c00,

	/* B.4 natural-width fields: controls */
	VMCS_CR0_MASK = 0x6000,
	VMCS_CR4_MASK = 0x6002,
	VMCS_CR0_SHADOW = 0x6004,
	VMCS_CR4_SHADOW = 0x6006,
	VMCS_CR3_TARGET0 = 0x6008,
	/* read-only data */
	VMCS_EXIT_QUALIFICATION = 0x6400,
	/* guest state */
	VMCS_GUEST_CR0 = 0x6800,
	VMCS_GUEST_CR3 = 0x6802,
	VMCS_GUEST_CR4 = 0x6804,
	VMCS_GUEST_ES_BASE = 0x6806,
	VMCS_GUEST_FS_BASE = 0x680e,
	VMCS_GUEST_GS_BASE = 0x6810,
	VMCS_GUEST_GDTR_BASE = 0x6816,
	VMCS_GUEST_IDTR_BASE = 0x6818,
	VMCS_GUEST_DR7 = 0x681a,
	VMCS_GUEST_RSP = 0x681c,
	VMCS_GUEST_RIP = 0x681e,
	VMCS_GUEST_RFLAGS = 0x6820,
	VMCS_GUEST_PENDING_DEBUG = 0x6822,
	VMCS_GUEST_SYSENTER_ESP = 0x6824,
	VMCS_GUEST_SYSENTER_EIP = 0x6826,
	/* host state */
	VMCS_HOST_CR0 = 0x6c00,
	VMCS_HOST_CR3 = 0x6c02,
	VMCS_HOST_CR4 = 0x6c04,
	VMCS_HOST_FS_BASE = 0x6c06,
	VMCS_HOST_GS_BASE = 0x6c08,
	VMCS_HOST_TR_BASE = 0x6c0a,
	VMCS_HOST_GDTR_BASE = 0x6c0c,
	VMCS_HOST_IDTR_BASE = 0x6c0e,
	VMCS_HOST_SYSENTER_ESP = 0x6c10,
	VMCS_HOST_SYSENTER_EIP = 0x6c12,
	VMCS_HOST_RSP = 0x6c14,
	VMCS_HOST_RIP = 0x6c16,
};

/* Segments in the order of their fields, which follow each other in steps of 2: ..._ES + 2 * n. */
enum segment { ES, CS, SS, DS, FS, GS, LDTR, TR, SEGMENTS };

/* Interruption information, entry, exit and IDT vectoring alike (SDM 25.8.3, 25.9.2, 25.9.3). */
#define INTR_VECTOR	   0x000000ffu
#define INTR_TYPE	   0x00000700u
#define INTR_ERROR_CODE	   0x00000800u /* an error code is delivered, or valid */
#define INTR_NMI_UNBLOCKED 0x00001000u /* exit: NMI unblocking due to IRET */
#define INTR_VALID	   0x80000000u
#define INTR_TYPE_EXTERNAL (0u << 8)
#define INTR_TYPE_NMI	   (2u << 8)
#define INTR_TYPE_HARDWARE (3u << 8) /* hardware exception */
#define INTR_TYPE_SOFTWARE (4u << 8) /* INT n */
#define INTR_TYPE_PRIV_SW  (5u << 8) /* INT1 */
#define INTR_TYPE_SW_EXC   (6u << 8) /* INT3, INTO */
#define INTR_TYPE_OTHER	   (7u << 8) /* pending MTF exit (entry only) */

/* Interruptibility state (SDM 25.4.2) and activity state. */
#define BLOCKING_STI	   0x01u
#define BLOCKING_MOV_SS	   0x02u
#define BLOCKING_SMI	   0x04u
#define BLOCKING_NMI	   0x08u
#define ACTIVITY_ACTIVE	   0u
#define ACTIVITY_HLT	   1u
#define ACTIVITY_SHUTDOWN  2u
#define ACTIVITY_WAIT_SIPI 3u

/* EPT violation, exit qualification (SDM 28.2.1, table 28-7). */
#define EPT_VIOLATION_READ	    0x001u /* the access was a data read */
#define EPT_VIOLATION_WRITE	    0x002u
#define EPT_VIOLATION_FETCH	    0x004u
#define EPT_VIOLATION_NMI_UNBLOCKED 0x1000u

/* Exit reason word (SDM 25.9.1). */
#define EXIT_REASON_BASIC   0x0000ffffu
#define EXIT_REASON_FAILURE 0x80000000u /* the VM entry failed */
