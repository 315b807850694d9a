/* Control negotiation: the table of all control bits, and what a processor makes of it. */
#include "arch/x86/vmx/control.h"
#include "hv/errno.h"

enum rule {
	OFF,	    /* has to be off */
	ANY,	    /* of no importance: as the processor wants it, else off */
	WANTED,	    /* on where allowed, reported where not */
	REQUIRED,   /* on, or the processor can't be used */
	TOGGLED,    /* begins off, changed at run time: must be free */
	ON_TOGGLED, /* begins on, likewise */
	FEATURE,    /* on with the CPUID feature it belongs to, which is hidden where not allowed */
};

struct control_row {
	uint8_t word;
	uint8_t bit;
	uint8_t rule[PROFILES];
	uint8_t feature; /* FEATURE_*, for the rule of that name */
	const char *name;
};

/* SDM tables 25-5 to 25-7 and 25-13, 25-15, in their order. Sentry: it has no device, no interrupt
 * and no business with another's registers, so all that could touch the guest's machine state
 * exits. */
static const struct control_row table[] = {
	{CONTROL_PIN, 0, {OFF, REQUIRED}, 0, "external-interrupt"},
	{CONTROL_PIN, 3, {REQUIRED, REQUIRED}, 0, "nmi"},
	{CONTROL_PIN, 5, {REQUIRED, REQUIRED}, 0, "virtual-nmis"},
	{CONTROL_PIN, 6, {ON_TOGGLED, REQUIRED}, 0, "preemption-timer"},
	{CONTROL_PIN, 7, {OFF, OFF}, 0, "posted-interrupts"},

	{CONTROL_PRIMARY, 2, {TOGGLED, OFF}, 0, "interrupt-window"},
	{CONTROL_PRIMARY, 3, {OFF, OFF}, 0, "tsc-offset"},
	{CONTROL_PRIMARY, 7, {OFF, REQUIRED}, 0, "hlt"},
	{CONTROL_PRIMARY, 9, {OFF, OFF}, 0, "invlpg"},
	{CONTROL_PRIMARY, 10, {OFF, WANTED}, 0, "mwait"},
	{CONTROL_PRIMARY, 11, {OFF, REQUIRED}, 0, "rdpmc"},
	{CONTROL_PRIMARY, 12, {OFF, OFF}, 0, "rdtsc"},
	{CONTROL_PRIMARY, 15, {TOGGLED, REQUIRED}, 0, "cr3-load"},
	{CONTROL_PRIMARY, 16, {OFF, OFF}, 0, "cr3-store"},
	{CONTROL_PRIMARY, 17, {OFF, OFF}, 0, "tertiary-controls"},
	/* or it masks the guest's interrupts */
	{CONTROL_PRIMARY, 19, {OFF, REQUIRED}, 0, "cr8-load"},
	{CONTROL_PRIMARY, 20, {OFF, ANY}, 0, "cr8-store"},
	{CONTROL_PRIMARY, 21, {OFF, OFF}, 0, "tpr-shadow"},
	{CONTROL_PRIMARY, 22, {TOGGLED, OFF}, 0, "nmi-window"},
	{CONTROL_PRIMARY, 23, {OFF, REQUIRED}, 0, "mov-dr"},
	{CONTROL_PRIMARY, 24, {OFF, REQUIRED}, 0, "unconditional-io"},
	{CONTROL_PRIMARY, 25, {REQUIRED, OFF}, 0, "io-bitmaps"},
	{CONTROL_PRIMARY, 27, {TOGGLED, OFF}, 0, "monitor-trap"},
	{CONTROL_PRIMARY, 28, {REQUIRED, OFF}, 0, "msr-bitmaps"},
	{CONTROL_PRIMARY, 29, {OFF, WANTED}, 0, "monitor"},
	{CONTROL_PRIMARY, 30, {OFF, OFF}, 0, "pause"},
	{CONTROL_PRIMARY, 31, {REQUIRED, REQUIRED}, 0, "secondary-controls"},

	{CONTROL_SECONDARY, 0, {OFF, OFF}, 0, "apic-accesses"},
	{CONTROL_SECONDARY, 1, {REQUIRED, REQUIRED}, 0, "ept"},
	{CONTROL_SECONDARY, 2, {OFF, WANTED}, 0, "descriptor-tables"},
	{CONTROL_SECONDARY, 3, {FEATURE, ANY}, FEATURE_RDTSCP, "rdtscp"},
	{CONTROL_SECONDARY, 4, {OFF, OFF}, 0, "x2apic"},
	{CONTROL_SECONDARY, 5, {REQUIRED, REQUIRED}, 0, "vpid"},
	{CONTROL_SECONDARY, 6, {OFF, WANTED}, 0, "wbinvd"},
	{CONTROL_SECONDARY, 7, {REQUIRED, ANY}, 0, "unrestricted-guest"},
	{CONTROL_SECONDARY, 8, {OFF, OFF}, 0, "apic-registers"},
	{CONTROL_SECONDARY, 9, {OFF, OFF}, 0, "virtual-interrupts"},
	{CONTROL_SECONDARY, 10, {OFF, OFF}, 0, "pause-loop"},
	{CONTROL_SECONDARY, 11, {OFF, ANY}, 0, "rdrand"},
	{CONTROL_SECONDARY, 12, {FEATURE, ANY}, FEATURE_INVPCID, "invpcid"},
	{CONTROL_SECONDARY, 13, {OFF, OFF}, 0, "vm-functions"},
	{CONTROL_SECONDARY, 14, {OFF, OFF}, 0, "vmcs-shadowing"},
	{CONTROL_SECONDARY, 15, {FEATURE, FEATURE}, FEATURE_SGX, "encls"},
	{CONTROL_SECONDARY, 16, {OFF, ANY}, 0, "rdseed"},
	{CONTROL_SECONDARY, 17, {OFF, OFF}, 0, "pml"},
	{CONTROL_SECONDARY, 18, {OFF, OFF}, 0, "ept-violation-ve"},
	{CONTROL_SECONDARY, 19, {OFF, OFF}, 0, "conceal-vmx-from-pt"},
	{CONTROL_SECONDARY, 20, {FEATURE, ANY}, FEATURE_XSAVES, "xsaves"},
	{CONTROL_SECONDARY, 21, {OFF, OFF}, 0, "pasid-translation"},
	{CONTROL_SECONDARY, 22, {OFF, OFF}, 0, "mode-based-execute"},
	{CONTROL_SECONDARY, 23, {OFF, OFF}, 0, "sub-page-write"},
	{CONTROL_SECONDARY, 24, {OFF, OFF}, 0, "pt-guest-physical"},
	{CONTROL_SECONDARY, 25, {OFF, OFF}, 0, "tsc-scaling"},
	{CONTROL_SECONDARY, 26, {FEATURE, ANY}, FEATURE_WAITPKG, "user-wait"},
	{CONTROL_SECONDARY, 27, {OFF, OFF}, 0, "pconfig"},
	{CONTROL_SECONDARY, 28, {OFF, OFF}, 0, "enclv"},
	{CONTROL_SECONDARY, 30, {OFF, OFF}, 0, "bus-lock"},
	{CONTROL_SECONDARY, 31, {OFF, OFF}, 0, "instruction-timeout"},

	{CONTROL_EXIT, 2, {REQUIRED, REQUIRED}, 0, "save-debug"},
	{CONTROL_EXIT, 9, {REQUIRED, REQUIRED}, 0, "host-64"},
	{CONTROL_EXIT, 12, {OFF, OFF}, 0, "load-perf-global"},
	{CONTROL_EXIT, 15, {OFF, OFF}, 0, "acknowledge-interrupt"},
	{CONTROL_EXIT, 18, {REQUIRED, REQUIRED}, 0, "save-pat"},
	{CONTROL_EXIT, 19, {REQUIRED, REQUIRED}, 0, "load-pat"},
	{CONTROL_EXIT, 20, {REQUIRED, REQUIRED}, 0, "save-efer"},
	{CONTROL_EXIT, 21, {REQUIRED, REQUIRED}, 0, "load-efer"},
	{CONTROL_EXIT, 22, {ON_TOGGLED, REQUIRED}, 0, "save-preemption-timer"},
	{CONTROL_EXIT, 23, {OFF, OFF}, 0, "clear-bndcfgs"},
	{CONTROL_EXIT, 24, {OFF, OFF}, 0, "conceal-exit-from-pt"},
	{CONTROL_EXIT, 25, {OFF, OFF}, 0, "clear-rtit-ctl"},
	{CONTROL_EXIT, 26, {OFF, OFF}, 0, "clear-lbr-ctl"},
	{CONTROL_EXIT, 27, {OFF, OFF}, 0, "clear-uinv"},
	{CONTROL_EXIT, 28, {OFF, OFF}, 0, "load-cet"},
	{CONTROL_EXIT, 29, {OFF, OFF}, 0, "load-pkrs"},
	{CONTROL_EXIT, 30, {OFF, OFF}, 0, "save-perf-global"},
	{CONTROL_EXIT, 31, {OFF, OFF}, 0, "secondary-exit-controls"},

	{CONTROL_ENTRY, 2, {REQUIRED, REQUIRED}, 0, "load-debug"},
	{CONTROL_ENTRY, 9, {ON_TOGGLED, REQUIRED}, 0, "guest-64"},
	{CONTROL_ENTRY, 10, {OFF, OFF}, 0, "entry-to-smm"},
	{CONTROL_ENTRY, 11, {OFF, OFF}, 0, "deactivate-dual-monitor"},
	{CONTROL_ENTRY, 13, {OFF, OFF}, 0, "entry-load-perf-global"},
	{CONTROL_ENTRY, 14, {REQUIRED, REQUIRED}, 0, "entry-load-pat"},
	{CONTROL_ENTRY, 15, {REQUIRED, REQUIRED}, 0, "entry-load-efer"},
	{CONTROL_ENTRY, 16, {OFF, OFF}, 0, "load-bndcfgs"},
	{CONTROL_ENTRY, 17, {OFF, OFF}, 0, "conceal-entry-from-pt"},
	{CONTROL_ENTRY, 18, {OFF, OFF}, 0, "load-rtit-ctl"},
	{CONTROL_ENTRY, 19, {OFF, OFF}, 0, "load-uinv"},
	{CONTROL_ENTRY, 20, {OFF, OFF}, 0, "entry-load-cet"},
	{CONTROL_ENTRY, 21, {OFF, OFF}, 0, "load-lbr-ctl"},
	{CONTROL_ENTRY, 22, {OFF, OFF}, 0, "entry-load-pkrs"},
};

#define ROWS (sizeof(table) / sizeof(table[0]))

const char *const control_word_name[CONTROL_WORDS] = {
	"pin-based controls", "primary controls", "secondary controls",
	"exit controls",      "entry controls",
};

static const struct {
	uint64_t bits;
	const char *name;
} ept_needs[] = {
	{EPT_CAP_WALK_4, "4-level EPT walk"},
	{EPT_CAP_WB, "write-back EPT tables"},
	{EPT_CAP_2M, "2 MiB EPT pages"},
	{EPT_CAP_INVEPT | EPT_CAP_INVEPT_ALL, "INVEPT of all contexts"},
	{EPT_CAP_INVEPT_SINGLE, "INVEPT of a single context"},
	{VPID_CAP_INVVPID | VPID_CAP_ALL, "INVVPID of all contexts"},
	{VPID_CAP_SINGLE, "INVVPID of a single context"},
};

static uint32_t must(const struct vmx_caps *caps, uint32_t word)
{
	return (uint32_t)caps->word[word];
}

static uint32_t may(const struct vmx_caps *caps, uint32_t word)
{
	return (uint32_t)(caps->word[word] >> 32);
}

void vmx_caps_read(struct vmx_caps *caps, msr_reader *rdmsr, void *ctx)
{
	/* SDM appendix A.3 to A.5: the TRUE_ registers are MSRs 0x48d to 0x490, in the old ones'
	 * order. */
	static const uint16_t true_msr[] = {MSR_VMX_TRUE_PINBASED, MSR_VMX_TRUE_PROCBASED,
					    MSR_VMX_TRUE_EXIT, MSR_VMX_TRUE_ENTRY};
	static const uint16_t old_msr[] = {MSR_VMX_PINBASED, MSR_VMX_PROCBASED, MSR_VMX_EXIT,
					   MSR_VMX_ENTRY};
	const uint16_t *msr;

	*caps = (struct vmx_caps){.basic = rdmsr(ctx, MSR_VMX_BASIC)};
	msr = caps->basic & VMX_BASIC_TRUE ? true_msr : old_msr;
	caps->word[CONTROL_PIN] = rdmsr(ctx, msr[0]);
	caps->word[CONTROL_PRIMARY] = rdmsr(ctx, msr[1]);
	caps->word[CONTROL_EXIT] = rdmsr(ctx, msr[2]);
	caps->word[CONTROL_ENTRY] = rdmsr(ctx, msr[3]);
	caps->misc = rdmsr(ctx, MSR_VMX_MISC);
	caps->cr0_fixed0 = rdmsr(ctx, MSR_VMX_CR0_FIXED0);
	caps->cr0_fixed1 = rdmsr(ctx, MSR_VMX_CR0_FIXED1);
	caps->cr4_fixed0 = rdmsr(ctx, MSR_VMX_CR4_FIXED0);
	caps->cr4_fixed1 = rdmsr(ctx, MSR_VMX_CR4_FIXED1);
	if (may(caps, CONTROL_PRIMARY) & PRIMARY_SECONDARY)
		caps->word[CONTROL_SECONDARY] = rdmsr(ctx, MSR_VMX_PROCBASED2);
	if (may(caps, CONTROL_SECONDARY) & (SECONDARY_EPT | SECONDARY_VPID))
		caps->ept_vpid = rdmsr(ctx, MSR_VMX_EPT_VPID_CAP);
}

static int refuse(struct control_error *err, const char *name, const char *word, const char *why)
{
	*err = (struct control_error){.name = name, .word = word, .why = why};
	return -ENOTSUP;
}

static void drop(struct control_set *set, const char *name)
{
	if (set->ndropped < CONTROL_MAX_DROPPED)
		set->dropped[set->ndropped++] = name;
}

/* Settle one bit. */
static int settle(const struct control_row *row, uint8_t rule, const struct vmx_caps *caps,
		  uint32_t features, struct control_set *set, struct control_error *err)
{
	uint32_t bit = 1u << row->bit;
	bool can_set = may(caps, row->word) & bit;
	bool can_clear = !(must(caps, row->word) & bit);
	bool toggled = rule == TOGGLED || rule == ON_TOGGLED;
	bool on = rule == WANTED || rule == REQUIRED || rule == ON_TOGGLED;

	if (rule == FEATURE) {
		on = features & row->feature;
		if (on && can_set)
			set->features |= row->feature;
		else if (on)
			set->hide |= row->feature;
	}
	if (!can_set && (rule == REQUIRED || toggled))
		return refuse(err, row->name, control_word_name[row->word], "can't be set");
	if (!can_clear && (rule == OFF || toggled))
		return refuse(err, row->name, control_word_name[row->word], "can't be cleared");
	if (on && !can_set)
		drop(set, row->name);
	if (on && can_set)
		set->word[row->word] |= bit;
	if (toggled)
		set->toggle[row->word] |= bit;
	return 0;
}

int control_negotiate(enum control_profile profile, const struct vmx_caps *caps, uint32_t features,
		      struct control_set *set, struct control_error *err)
{
	*set = (struct control_set){0};
	if (caps->basic & VMX_BASIC_32BIT)
		return refuse(err, "64-bit physical addresses", "VMX basic", "missing");
	for (uint32_t i = 0; i < ROWS; i++) {
		int ret = settle(&table[i], table[i].rule[profile], caps, features, set, err);

		if (ret)
			return ret;
	}
	/* What must be 1 and is not in the table is the default-1 class: bits that mean nothing. */
	for (uint32_t word = 0; word < CONTROL_WORDS; word++)
		set->word[word] |= must(caps, word);
	for (uint32_t i = 0; i < sizeof(ept_needs) / sizeof(ept_needs[0]); i++)
		if ((caps->ept_vpid & ept_needs[i].bits) != ept_needs[i].bits)
			return refuse(err, ept_needs[i].name, "EPT capability", "missing");
	return 0;
}

size_t control_names(const struct control_set *set, char *out, size_t size)
{
	size_t len = 0;

	if (size == 0)
		return 0;
	for (uint32_t i = 0; i < ROWS; i++) {
		size_t n = __builtin_strlen(table[i].name);

		if (!(set->word[table[i].word] >> table[i].bit & 1))
			continue;
		if (len + n + 2 > size)
			break;
		if (len > 0)
			out[len++] = ' ';
		for (size_t k = 0; k < n; k++)
			out[len++] = table[i].name[k];
	}
	out[len] = 0;
	return len;
}

const char *control_bit_name(enum control_word word, uint32_t bit)
{
	for (uint32_t i = 0; i < ROWS; i++)
		if (table[i].word == word && table[i].bit == bit)
			return table[i].name;
	return NULL;
}
