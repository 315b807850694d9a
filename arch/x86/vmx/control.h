/* VMX controls: what Vigil needs of pin-based, processor-based, exit and entry controls, held
 * against what the processor allows (SDM 25.6, 25.7, 25.8, appendix A).
 *
 * One const table (control.c) has a row for every control bit and a rule for each of the two VMCS
 * profiles. Pure: capability MSRs come in by a callback, nothing is written. May call: format_text.
 * All functions: any context, no blocking.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "arch/x86/msr.h"

enum control_word {
	CONTROL_PIN,
	CONTROL_PRIMARY,
	CONTROL_SECONDARY,
	CONTROL_EXIT,
	CONTROL_ENTRY,
	CONTROL_WORDS,
};

enum control_profile { PROFILE_GUEST, PROFILE_SENTRY, PROFILES };

/* Bits of the control words that other code tests or toggles. */
#define PIN_EXTERNAL_INTERRUPT	     (1u << 0)
#define PIN_NMI			     (1u << 3)
#define PIN_VIRTUAL_NMIS	     (1u << 5)
#define PIN_PREEMPTION_TIMER	     (1u << 6)
#define PRIMARY_TSC_OFFSET	     (1u << 3)
#define PRIMARY_CR3_LOAD	     (1u << 15)
#define PRIMARY_TPR_SHADOW	     (1u << 21)
#define PRIMARY_NMI_WINDOW	     (1u << 22)
#define PRIMARY_IO_BITMAPS	     (1u << 25)
#define PRIMARY_MONITOR_TRAP	     (1u << 27)
#define PRIMARY_MSR_BITMAPS	     (1u << 28)
#define PRIMARY_SECONDARY	     (1u << 31)
#define SECONDARY_APIC_ACCESS	     (1u << 0)
#define SECONDARY_EPT		     (1u << 1)
#define SECONDARY_X2APIC	     (1u << 4)
#define SECONDARY_VPID		     (1u << 5)
#define SECONDARY_UNRESTRICTED	     (1u << 7)
#define SECONDARY_APIC_REGISTERS     (1u << 8)
#define SECONDARY_VIRTUAL_INTERRUPTS (1u << 9)
#define SECONDARY_ENCLS		     (1u << 15)
#define SECONDARY_PML		     (1u << 17)
#define SECONDARY_EPT_VE	     (1u << 18)
#define SECONDARY_XSAVES	     (1u << 20)
#define SECONDARY_MODE_BASED_EXEC    (1u << 22)
#define EXIT_HOST_64		     (1u << 9)
#define EXIT_LOAD_PERF_GLOBAL	     (1u << 12)
#define EXIT_LOAD_PAT		     (1u << 19)
#define EXIT_LOAD_EFER		     (1u << 21)
#define EXIT_SAVE_TIMER		     (1u << 22)
#define ENTRY_LOAD_DEBUG	     (1u << 2)
#define ENTRY_GUEST_64		     (1u << 9)
#define ENTRY_SMM		     (1u << 10)
#define ENTRY_DUAL_MONITOR	     (1u << 11)
#define ENTRY_LOAD_PAT		     (1u << 14)
#define ENTRY_LOAD_EFER		     (1u << 15)

/* Features that CPUID shows to the guest only with the secondary control that makes their
 * instructions usable (TRAPS 36). Bits of a mask. */
#define FEATURE_RDTSCP	0x01u /* RDTSCP and RDPID */
#define FEATURE_INVPCID 0x02u
#define FEATURE_XSAVES	0x04u
#define FEATURE_WAITPKG 0x08u
#define FEATURE_SGX	0x10u /* ENCLS is made to exit; the guest never sees SGX */

/* The capability MSRs of one CPU. */
struct vmx_caps {
	uint64_t basic;
	uint64_t misc;
	uint64_t word[CONTROL_WORDS]; /* low half: bits that must be 1; high half: bits that may be
					 1 */
	uint64_t cr0_fixed0, cr0_fixed1; /* must be 1; may be 1 */
	uint64_t cr4_fixed0, cr4_fixed1;
	uint64_t ept_vpid; /* 0: neither EPT nor VPID */
};

/* Read all capability MSRs that exist according to those before them (the TRUE_* ones when
 * VMX_BASIC[55] is set; the secondary word reads as 0 when the primary one does not allow it). */
void vmx_caps_read(struct vmx_caps *caps, msr_reader *rdmsr, void *ctx);

#define CONTROL_MAX_DROPPED 16

/* The result for one VMCS. */
struct control_set {
	uint32_t word[CONTROL_WORDS];	/* values to write */
	uint32_t toggle[CONTROL_WORDS]; /* bits that may be changed at run time, both ways */
	uint32_t features;		/* FEATURE_* whose control is on */
	uint32_t hide; /* FEATURE_* that the CPU has and whose control is not allowed:
			* hide their CPUID bits */
	uint32_t ndropped;
	const char
		*dropped[CONTROL_MAX_DROPPED]; /* names of wanted controls that are not allowed */
};

/* Why a processor can't be used. */
struct control_error {
	const char *name; /* of the control, or of the capability */
	const char *word; /* its control word, "EPT capability" or "VMX basic" */
	const char *why;  /* "can't be set", "can't be cleared" */
};

/* Work out the control words of `profile` for a CPU with `caps`, `features` being those of
 * FEATURE_* that native CPUID shows. 0, or -ENOTSUP with `err` filled for the first requirement not
 * met: a required control that may not be 1, one that has to be off and may not be 0, a toggled one
 * that is not free, or an EPT capability that is missing (4-level walk, write-back tables, 2 MiB
 * pages, INVEPT and INVVPID for all and for one context). `set` is then undefined. */
int control_negotiate(enum control_profile profile, const struct vmx_caps *caps, uint32_t features,
		      struct control_set *set, struct control_error *err);

/* Names of all controls that are on, space separated, into `out` (always 0-terminated for size > 0;
 * cut at a name's end). Returns the length. */
size_t control_names(const struct control_set *set, char *out, size_t size);

/* Name of one bit of a control word ("cr3-load"), NULL for a bit the table lacks. */
const char *control_bit_name(enum control_word word, uint32_t bit);

/* Names of the control words ("pin-based controls"). */
extern const char *const control_word_name[CONTROL_WORDS];
