/* Control negotiation against the capability MSRs of processors that are known. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdbool.h>
#include <string.h>
#include <cmocka.h>

#include "hv/errno.h"
#include "arch/x86/vmx/control.h"
#include "arch/x86/vmx/exit_reason.h"
#include "tests/unit/vmx_names.h"

#define ALL_FEATURES (FEATURE_RDTSCP | FEATURE_INVPCID | FEATURE_XSAVES | FEATURE_WAITPKG)

struct machine {
	const char *name;
	uint64_t basic, misc, pin, primary, secondary, exit, entry, ept;
	uint32_t features;
};

/* Values of Bochs' models and of KVM's nested VMX as the lab shows them; desktop and server values
 * as published in public dumps of the MSRs. TRUE registers where VMX_BASIC has bit 55. */
static const struct machine machines[] = {
	{"bochs haswell_4770", 0x00d810000000002b, 0x200401e0, 0x0000007f00000016,
	 0xfff9fffe04006172, 0x00047fff00000000, 0x407fffff00036dfb, 0x0000ffff000011fb,
	 0x0f0106334141, FEATURE_RDTSCP | FEATURE_INVPCID},
	{"bochs skylake_x 2.7", 0x00d810000000002b, 0x200401e0, 0x0000007f00000016,
	 0xfff9fffe04006172, 0x02177fff00000000, 0x007fffff00036dfb, 0x0000ffff000011fb,
	 0x0f0106334141, FEATURE_RDTSCP | FEATURE_INVPCID | FEATURE_XSAVES},
	{"bochs skylake_x 3.0", 0x00d810000000002b, 0x600401e0, 0x000000ff00000016,
	 0xfff9fffe04006172, 0x02577fff00000000, 0x407fffff00036dfb, 0x0000ffff000011fb,
	 0x0f0106734141, FEATURE_RDTSCP | FEATURE_INVPCID | FEATURE_XSAVES},
	{"bochs tigerlake 3.0", 0x00d810000000002b, 0x600401e0, 0x000000ff00000016,
	 0xfff9fffe04006172, 0x02d77fff00000000, 0x507fffff00036dfb, 0x0010ffff000011fb,
	 0x0f0106f34141, FEATURE_RDTSCP | FEATURE_INVPCID | FEATURE_XSAVES},
	{"kvm nested", 0x00d8100011e57ed0, 0x20000165, 0x0000007f00000016, 0xfff9fffe04006172,
	 0x00027bff00000000, 0x007fefff00036dfb, 0x0000d3ff000011fb, 0x0f0106334041,
	 FEATURE_RDTSCP},
	{"desktop, sixth generation", 0x00da040000000004, 0x7004c1e7, 0x0000007f00000016,
	 0xfff9fffe04006172, 0x005fbcff00000000, 0x01ffffff00036dfb, 0x0003ffff000011fb,
	 0x0f0106734141, FEATURE_RDTSCP | FEATURE_INVPCID | FEATURE_XSAVES},
	{"server, second generation", 0x00da100000000005, 0x300481e5, 0x000000ff00000016,
	 0xfff9fffe04006172, 0x00013cff00000000, 0x007fffff00036dfb, 0x0000ffff000011fb,
	 0x0f0106334141, FEATURE_RDTSCP | FEATURE_INVPCID},
};

#define MACHINES (sizeof(machines) / sizeof(machines[0]))

static uint32_t reads[64];
static uint32_t nreads;

static uint64_t rdmsr(void *ctx, uint32_t msr)
{
	const struct machine *m = ctx;

	reads[nreads++ % 64] = msr;
	switch (msr) {
	case MSR_VMX_BASIC:
		return m->basic;
	case MSR_VMX_MISC:
		return m->misc;
	case MSR_VMX_PINBASED:
	case MSR_VMX_TRUE_PINBASED:
		return m->pin;
	case MSR_VMX_PROCBASED:
		return m->primary |
		       0x1e172; /* the old register has CR3 exiting in its default-1 bits */
	case MSR_VMX_TRUE_PROCBASED:
		return m->primary;
	case MSR_VMX_PROCBASED2:
		return m->secondary;
	case MSR_VMX_EXIT:
	case MSR_VMX_TRUE_EXIT:
		return m->exit;
	case MSR_VMX_ENTRY:
	case MSR_VMX_TRUE_ENTRY:
		return m->entry;
	case MSR_VMX_EPT_VPID_CAP:
		return m->ept;
	case MSR_VMX_CR0_FIXED0:
		return 0x80000021;
	case MSR_VMX_CR0_FIXED1:
		return 0xffffffff;
	case MSR_VMX_CR4_FIXED0:
		return 0x2000;
	case MSR_VMX_CR4_FIXED1:
		return 0x3767ff;
	}
	fail_msg("MSR %x does not exist", msr);
	return 0;
}

static void caps_of(const struct machine *m, struct vmx_caps *caps)
{
	nreads = 0;
	vmx_caps_read(caps, rdmsr, (void *)(uintptr_t)m);
}

static bool was_read(uint32_t msr)
{
	for (uint32_t i = 0; i < nreads; i++)
		if (reads[i] == msr)
			return true;
	return false;
}

static bool is_dropped(const struct control_set *set, const char *name)
{
	for (uint32_t i = 0; i < set->ndropped; i++)
		if (strcmp(set->dropped[i], name) == 0)
			return true;
	return false;
}

/* Every word obeys its capability register, for every machine and profile. */
static void within_capabilities(void **state)
{
	(void)state;
	for (size_t i = 0; i < MACHINES; i++)
		for (int profile = 0; profile < PROFILES; profile++) {
			struct control_error err = {0};
			struct control_set set;
			struct vmx_caps caps;

			caps_of(&machines[i], &caps);
			if (control_negotiate((enum control_profile)profile, &caps,
					      machines[i].features, &set, &err))
				fail_msg("%s: %s %s", machines[i].name, err.name, err.why);
			for (int w = 0; w < CONTROL_WORDS; w++) {
				uint32_t must = (uint32_t)caps.word[w];
				uint32_t may = (uint32_t)(caps.word[w] >> 32);

				assert_int_equal(set.word[w] & must, must);
				assert_int_equal(set.word[w] & ~may, 0);
				assert_int_equal(set.toggle[w] & ~may, 0);
				assert_int_equal(set.toggle[w] & must, 0);
			}
		}
}

static void guest_profile(void **state)
{
	struct control_error err;
	struct control_set set;
	struct vmx_caps caps;

	(void)state;
	caps_of(&machines[0], &caps);
	assert_int_equal(control_negotiate(PROFILE_GUEST, &caps, machines[0].features, &set, &err),
			 0);
	assert_int_equal(set.word[CONTROL_PIN],
			 0x16 | PIN_NMI | PIN_VIRTUAL_NMIS | PIN_PREEMPTION_TIMER);
	assert_int_equal(set.word[CONTROL_PRIMARY], 0x04006172u | PRIMARY_IO_BITMAPS |
							    PRIMARY_MSR_BITMAPS |
							    PRIMARY_SECONDARY);
	assert_int_equal(set.word[CONTROL_SECONDARY], SECONDARY_EPT | SECONDARY_VPID |
							      SECONDARY_UNRESTRICTED |
							      SECONDARY_RDTSCP | SECONDARY_INVPCID);
	assert_int_equal(set.word[CONTROL_EXIT],
			 0x36dfbu | EXIT_SAVE_DEBUG | EXIT_HOST_64 | EXIT_SAVE_PAT | EXIT_LOAD_PAT |
				 EXIT_SAVE_EFER | EXIT_LOAD_EFER | EXIT_SAVE_TIMER);
	assert_int_equal(set.word[CONTROL_ENTRY], 0x11fbu | ENTRY_LOAD_DEBUG | ENTRY_GUEST_64 |
							  ENTRY_LOAD_PAT | ENTRY_LOAD_EFER);
	/* CR3-load exiting begins off and may be turned on, as may the windows and the trap flag.
	 */
	assert_int_equal(set.toggle[CONTROL_PRIMARY], PRIMARY_CR3_LOAD | PRIMARY_INTERRUPT_WINDOW |
							      PRIMARY_NMI_WINDOW |
							      PRIMARY_MONITOR_TRAP);
	assert_int_equal(set.toggle[CONTROL_PIN], PIN_PREEMPTION_TIMER);
	assert_int_equal(set.toggle[CONTROL_EXIT], EXIT_SAVE_TIMER);
	assert_int_equal(set.toggle[CONTROL_ENTRY], ENTRY_GUEST_64);
	assert_int_equal(set.ndropped, 0);
	assert_int_equal(set.hide, 0);
	assert_int_equal(set.features, FEATURE_RDTSCP | FEATURE_INVPCID);
}

static void sentry_profile(void **state)
{
	struct control_error err;
	struct control_set set;
	struct vmx_caps caps;
	uint32_t primary = PRIMARY_HLT | PRIMARY_IO | PRIMARY_CR3_LOAD | PRIMARY_CR8_LOAD |
			   PRIMARY_MOV_DR | PRIMARY_MWAIT | PRIMARY_SECONDARY;

	(void)state;
	caps_of(&machines[3], &caps);
	assert_int_equal(control_negotiate(PROFILE_SENTRY, &caps, machines[3].features, &set, &err),
			 0);
	assert_true(set.word[CONTROL_PIN] & PIN_EXTERNAL_INTERRUPT);
	assert_true(set.word[CONTROL_PIN] & PIN_PREEMPTION_TIMER);
	assert_false(set.word[CONTROL_EXIT] & EXIT_ACK_INTERRUPT);
	assert_int_equal(set.word[CONTROL_PRIMARY] & primary, primary);
	assert_false(set.word[CONTROL_PRIMARY] &
		     (PRIMARY_IO_BITMAPS | PRIMARY_MSR_BITMAPS | PRIMARY_RDTSC));
	assert_true(set.word[CONTROL_SECONDARY] & SECONDARY_EPT);
	assert_true(set.word[CONTROL_SECONDARY] & SECONDARY_VPID);
	assert_true(set.word[CONTROL_SECONDARY] & SECONDARY_DESCRIPTORS);
	/* Features are the guest's matter. */
	assert_int_equal(set.hide, 0);
	assert_false(set.word[CONTROL_SECONDARY] & (SECONDARY_INVPCID | SECONDARY_XSAVES));
}

/* TRAPS 36: a CPUID feature whose control is not allowed is hidden, and told. */
static void features_follow_controls(void **state)
{
	struct control_error err;
	struct control_set set;
	struct vmx_caps caps;

	(void)state;
	caps_of(&machines[4], &caps); /* nested KVM on haswell: no XSAVES, no WAITPKG */
	assert_int_equal(control_negotiate(PROFILE_GUEST, &caps, ALL_FEATURES, &set, &err), 0);
	assert_int_equal(set.features, FEATURE_RDTSCP | FEATURE_INVPCID);
	assert_int_equal(set.hide, FEATURE_XSAVES | FEATURE_WAITPKG);
	assert_int_equal(set.ndropped, 2);
	assert_true(is_dropped(&set, "xsaves"));
	assert_true(is_dropped(&set, "user-wait"));
	assert_int_equal(VMX_MISC_CR3_TARGETS(caps.misc), 0);

	/* Not in CPUID: the control stays off although it is allowed, and nothing is dropped. */
	caps_of(&machines[3], &caps);
	assert_int_equal(VMX_MISC_CR3_TARGETS(caps.misc), 4);
	assert_int_equal(control_negotiate(PROFILE_GUEST, &caps, 0, &set, &err), 0);
	assert_false(set.word[CONTROL_SECONDARY] & (SECONDARY_RDTSCP | SECONDARY_XSAVES));
	assert_int_equal(set.ndropped, 0);

	/* With SGX the ENCLS instruction is made to exit. */
	caps_of(&machines[5], &caps);
	assert_int_equal(control_negotiate(PROFILE_GUEST, &caps, FEATURE_SGX, &set, &err), 0);
	assert_true(set.word[CONTROL_SECONDARY] & SECONDARY_ENCLS);
}

static void refuse(const struct machine *m, const char *name, const char *why)
{
	struct control_error err = {0};
	struct control_set set;
	struct vmx_caps caps;

	caps_of(m, &caps);
	assert_int_equal(control_negotiate(PROFILE_GUEST, &caps, 0, &set, &err), -ENOTSUP);
	assert_string_equal(err.name, name);
	assert_string_equal(err.why, why);
	assert_non_null(err.word);
}

static void refusals(void **state)
{
	struct machine m;

	(void)state;
	m = machines[0];
	m.secondary &= ~((uint64_t)SECONDARY_EPT << 32);
	refuse(&m, "ept", "can't be set");
	m = machines[0];
	m.secondary &= ~((uint64_t)SECONDARY_UNRESTRICTED << 32);
	refuse(&m, "unrestricted-guest", "can't be set");
	m = machines[0];
	m.pin &= ~((uint64_t)PIN_PREEMPTION_TIMER << 32);
	refuse(&m, "preemption-timer", "can't be set");
	m = machines[0];
	m.exit &= ~((uint64_t)EXIT_LOAD_EFER << 32);
	refuse(&m, "load-efer", "can't be set");
	m = machines[0];
	m.pin |= PIN_EXTERNAL_INTERRUPT; /* can't be turned off */
	refuse(&m, "external-interrupt", "can't be cleared");
	m = machines[0];
	m.ept &= ~EPT_CAP_2M;
	refuse(&m, "2 MiB EPT pages", "missing");
	m = machines[0];
	m.basic |= VMX_BASIC_32BIT;
	refuse(&m, "64-bit physical addresses", "missing");
	/* Without TRUE registers CR3 exiting counts as fixed (TRAPS 2). */
	m = machines[0];
	m.basic &= ~VMX_BASIC_TRUE;
	refuse(&m, "cr3-load", "can't be cleared");
	assert_false(was_read(MSR_VMX_TRUE_PROCBASED));
	/* Without secondary controls their registers are not even read: they may not exist. */
	m = machines[0];
	m.primary &= ~((uint64_t)PRIMARY_SECONDARY << 32);
	refuse(&m, "secondary-controls", "can't be set");
	assert_false(was_read(MSR_VMX_PROCBASED2));
	assert_false(was_read(MSR_VMX_EPT_VPID_CAP));
}

static void names(void **state)
{
	struct control_error err;
	struct control_set set;
	struct vmx_caps caps;
	char text[768], cut[20], one[1] = {'x'};
	size_t len;

	(void)state;
	caps_of(&machines[5], &caps);
	assert_int_equal(control_negotiate(PROFILE_GUEST, &caps, ALL_FEATURES, &set, &err), 0);
	len = control_names(&set, text, sizeof(text));
	assert_int_equal(len, strlen(text));
	assert_non_null(strstr(text, "nmi virtual-nmis preemption-timer"));
	assert_non_null(strstr(text, " unrestricted-guest "));
	assert_null(strstr(text, "cr3-load"));
	assert_null(strstr(text, "external-interrupt"));
	control_names(&set, cut, sizeof(cut));
	assert_string_equal(cut, "nmi virtual-nmis");
	assert_int_equal(control_names(&set, one, 1), 0);
	assert_int_equal(one[0], 0);
	assert_int_equal(control_names(&set, NULL, 0), 0);

	assert_string_equal(control_bit_name(CONTROL_PRIMARY, 15), "cr3-load");
	assert_null(control_bit_name(CONTROL_PRIMARY, 0));
	/* The constants other code uses and the table speak of the same bits. */
	assert_string_equal(
		control_bit_name(CONTROL_SECONDARY, (uint32_t)__builtin_ctz(SECONDARY_USER_WAIT)),
		"user-wait");
	assert_string_equal(
		control_bit_name(CONTROL_EXIT, (uint32_t)__builtin_ctz(EXIT_ACK_INTERRUPT)),
		"acknowledge-interrupt");
	assert_string_equal(
		control_bit_name(CONTROL_ENTRY, (uint32_t)__builtin_ctz(ENTRY_LOAD_EFER)),
		"entry-load-efer");
}

static void exit_names(void **state)
{
	(void)state;
	assert_string_equal(exit_reason_name(EXIT_CPUID), "cpuid");
	assert_string_equal(exit_reason_name(EXIT_EPT_VIOLATION), "ept_violation");
	assert_string_equal(exit_reason_name(0x80000000u | EXIT_INVALID_GUEST_STATE),
			    "invalid_guest_state");
	assert_string_equal(exit_reason_name(35), "unknown");
	assert_string_equal(exit_reason_name(EXIT_REASONS), "unknown");
	assert_string_equal(exit_reason_name(0xffff), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(within_capabilities),
		cmocka_unit_test(guest_profile),
		cmocka_unit_test(sentry_profile),
		cmocka_unit_test(features_follow_controls),
		cmocka_unit_test(refusals),
		cmocka_unit_test(names),
		cmocka_unit_test(exit_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
