/* The VM-entry rule checker: a VMCS as it is for a 64-bit guest passes; each broken field is named.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdbool.h>
#include <string.h>
#include <cmocka.h>

#include "hv/errno.h"
#include "arch/x86/cpu.h"
#include "ids/sentry/entry_check.h"
#include "ids/sentry/explain.h"
#include "tests/unit/vmx_names.h"

/* Capabilities as Bochs' haswell_4770 has them. */
static const struct vmx_caps caps = {
	.basic = 0x00d810000000002b,
	.misc = 0x200401e0,
	.word = {0x0000007f00000016, 0xfff9fffe04006172, 0x00047fff00000000, 0x407fffff00036dfb,
		 0x0000ffff000011fb},
	.cr0_fixed0 = 0x80000021,
	.cr0_fixed1 = 0xffffffff,
	.cr4_fixed0 = 0x2000,
	.cr4_fixed1 = 0x1727ff,
	.ept_vpid = 0x0f0106334141,
};

struct setting {
	enum vmcs_field field;
	uint64_t value;
};

/* A 64-bit kernel, ring 0, interrupts on. */
static const struct setting baseline[] = {
	{VMCS_VPID, 1},
	{VMCS_IO_BITMAP_A, 0x1000000},
	{VMCS_IO_BITMAP_B, 0x1001000},
	{VMCS_MSR_BITMAP, 0x1002000},
	{VMCS_EPT_POINTER, 0x100501e},
	{VMCS_CR3_TARGET_COUNT, 4},
	{VMCS_LINK_POINTER, UINT64_MAX},
	{VMCS_HOST_CR0, 0x80010033},
	{VMCS_HOST_CR3, 0x1010000},
	{VMCS_HOST_CR4, 0x42020},
	{VMCS_HOST_CS, 0x08},
	{VMCS_HOST_TR, 0x18},
	{VMCS_HOST_FS_BASE, 0},
	{VMCS_HOST_GS_BASE, 0x1020000},
	{VMCS_HOST_TR_BASE, 0x1021000},
	{VMCS_HOST_GDTR_BASE, 0x1022000},
	{VMCS_HOST_IDTR_BASE, 0x1023000},
	{VMCS_HOST_RIP, 0x1030000},
	{VMCS_HOST_RSP, 0x1040000},
	{VMCS_HOST_PAT, 0x0007040600070406},
	{VMCS_HOST_EFER, 0xd00},
	{VMCS_GUEST_CR0, 0x80050033},
	{VMCS_GUEST_CR3, 0x2000000},
	{VMCS_GUEST_CR4, 0x1726e0},
	{VMCS_GUEST_DR7, 0x400},
	{VMCS_GUEST_RFLAGS, 0x246},
	{VMCS_GUEST_RIP, 0xffffffff81000000},
	{VMCS_GUEST_PAT, 0x0407050600070106},
	{VMCS_GUEST_EFER, 0xd01},
	{VMCS_GUEST_SYSENTER_EIP, 0xffffffff81a00000},
	{VMCS_GUEST_CS, 0x10},
	{VMCS_GUEST_CS_LIMIT, 0xffffffff},
	{VMCS_GUEST_CS_ACCESS, 0xa09b},
	{VMCS_GUEST_SS, 0x18},
	{VMCS_GUEST_SS_LIMIT, 0xffffffff},
	{VMCS_GUEST_SS_ACCESS, 0xc093},
	{VMCS_GUEST_DS_ACCESS, 0x10000},
	{VMCS_GUEST_ES_ACCESS, 0x10000},
	{VMCS_GUEST_FS_ACCESS, 0x10000},
	{VMCS_GUEST_GS_ACCESS, 0x10000},
	{VMCS_GUEST_GS_BASE, 0xffff88803ec00000},
	{VMCS_GUEST_LDTR_ACCESS, 0x10000},
	{VMCS_GUEST_TR, 0x40},
	{VMCS_GUEST_TR_BASE, 0xfffffe0000003000},
	{VMCS_GUEST_TR_LIMIT, 0x4087},
	{VMCS_GUEST_TR_ACCESS, 0x8b},
	{VMCS_GUEST_GDTR_BASE, 0xfffffe0000001000},
	{VMCS_GUEST_GDTR_LIMIT, 0x7f},
	{VMCS_GUEST_IDTR_BASE, 0xfffffe0000000000},
	{VMCS_GUEST_IDTR_LIMIT, 0xfff},
};

/* Real mode right after SIPI, as an application processor begins. */
static const struct setting real_mode[] = {
	{VMCS_GUEST_CR0, 0x20},
	{VMCS_GUEST_CR3, 0},
	{VMCS_GUEST_CR4, 0x2000},
	{VMCS_GUEST_EFER, 0},
	{VMCS_GUEST_RIP, 0},
	{VMCS_GUEST_RFLAGS, 2},
	{VMCS_GUEST_CS, 0x9a00},
	{VMCS_GUEST_CS_BASE, 0x9a000},
	{VMCS_GUEST_CS_LIMIT, 0xffff},
	{VMCS_GUEST_CS_ACCESS, 0x9b},
	{VMCS_GUEST_SS, 0},
	{VMCS_GUEST_SS_LIMIT, 0xffff},
	{VMCS_GUEST_SS_ACCESS, 0x93},
	{VMCS_GUEST_DS_LIMIT, 0xffff},
	{VMCS_GUEST_DS_ACCESS, 0x93},
	{VMCS_GUEST_ES_LIMIT, 0xffff},
	{VMCS_GUEST_ES_ACCESS, 0x93},
	{VMCS_GUEST_FS_LIMIT, 0xffff},
	{VMCS_GUEST_FS_ACCESS, 0x93},
	{VMCS_GUEST_GS_BASE, 0},
	{VMCS_GUEST_GS_LIMIT, 0xffff},
	{VMCS_GUEST_GS_ACCESS, 0x93},
	{VMCS_GUEST_LDTR_LIMIT, 0xffff},
	{VMCS_GUEST_LDTR_ACCESS, 0x82},
	{VMCS_GUEST_TR, 0},
	{VMCS_GUEST_TR_BASE, 0},
	{VMCS_GUEST_TR_LIMIT, 0xffff},
	{VMCS_GUEST_TR_ACCESS, 0x8b},
	{VMCS_GUEST_GDTR_LIMIT, 0xffff},
	{VMCS_GUEST_IDTR_LIMIT, 0xffff},
};

/* The VMCS, and which fields it was asked for. */
static uint64_t vmcs[0x8000];
static uint8_t was_read[0x8000];
static struct vmx_caps cpu;

static uint64_t vmread(void *ctx, enum vmcs_field field)
{
	assert_ptr_equal(ctx, vmcs);
	assert_true(field < 0x8000);
	was_read[field] = 1;
	return vmcs[field];
}

static void apply(const struct setting *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		vmcs[s[i].field] = s[i].value;
}
#define APPLY(list) apply(list, sizeof(list) / sizeof((list)[0]))

static int setup(void **state)
{
	struct control_error err;
	struct control_set set;

	(void)state;
	memset(vmcs, 0, sizeof(vmcs));
	memset(was_read, 0, sizeof(was_read));
	cpu = caps;
	if (control_negotiate(PROFILE_GUEST, &cpu, FEATURE_RDTSCP | FEATURE_INVPCID, &set, &err))
		return -1;
	vmcs[VMCS_PIN_CONTROLS] = set.word[CONTROL_PIN];
	vmcs[VMCS_PRIMARY_CONTROLS] = set.word[CONTROL_PRIMARY];
	vmcs[VMCS_SECONDARY_CONTROLS] = set.word[CONTROL_SECONDARY];
	vmcs[VMCS_EXIT_CONTROLS] = set.word[CONTROL_EXIT];
	vmcs[VMCS_ENTRY_CONTROLS] = set.word[CONTROL_ENTRY];
	APPLY(baseline);
	return 0;
}

static const char *verdict(void)
{
	static char text[200];
	struct entry_check check = {vmread, vmcs, &cpu, 39};
	int ret = entry_check(&check, text, sizeof(text));

	assert_int_equal(ret, text[0] ? -EINVAL : 0);
	return text;
}

static void valid_states(void **state)
{
	(void)state;
	assert_string_equal(verdict(), "");
	/* User mode. */
	vmcs[VMCS_GUEST_CS_ACCESS] = 0xa0fb;
	vmcs[VMCS_GUEST_SS_ACCESS] = 0xc0f3;
	vmcs[VMCS_GUEST_RIP] = 0x00007f1234567890;
	assert_string_equal(verdict(), "");
	/* Compatibility mode. */
	vmcs[VMCS_GUEST_CS_ACCESS] = 0xc0fb;
	vmcs[VMCS_GUEST_RIP] = 0xf7f01234;
	assert_string_equal(verdict(), "");
	/* #PF and NMI to inject. */
	vmcs[VMCS_ENTRY_INTERRUPTION_INFO] = 0x80000b0e;
	vmcs[VMCS_ENTRY_ERROR_CODE] = 0x15;
	assert_string_equal(verdict(), "");
	vmcs[VMCS_ENTRY_INTERRUPTION_INFO] = 0x80000202;
	assert_string_equal(verdict(), "");
	/* Single step behind STI. */
	vmcs[VMCS_ENTRY_INTERRUPTION_INFO] = 0;
	vmcs[VMCS_GUEST_RFLAGS] |= RFLAGS_TF;
	vmcs[VMCS_GUEST_INTERRUPTIBILITY] = BLOCKING_STI;
	vmcs[VMCS_GUEST_PENDING_DEBUG] = 0x4000;
	assert_string_equal(verdict(), "");
}

static void valid_real_mode(void **state)
{
	(void)state;
	APPLY(real_mode);
	vmcs[VMCS_ENTRY_CONTROLS] &= ~(uint64_t)ENTRY_GUEST_64;
	assert_string_equal(verdict(), "");
	vmcs[VMCS_GUEST_ACTIVITY] = ACTIVITY_WAIT_SIPI;
	assert_string_equal(verdict(), "");
	/* An exception without its error code: real mode pushes none. */
	vmcs[VMCS_GUEST_ACTIVITY] = ACTIVITY_ACTIVE;
	vmcs[VMCS_ENTRY_INTERRUPTION_INFO] = 0x8000030d;
	assert_string_equal(verdict(), "");
	vmcs[VMCS_ENTRY_INTERRUPTION_INFO] = 0x80000b0d;
	assert_string_equal(
		verdict(), "VM-entry event 0x80000b0d: error code with an exception that has none");
	vmcs[VMCS_ENTRY_INTERRUPTION_INFO] = 0;
	/* Protected mode begins with a far jump still to come: CS is as in real mode. */
	vmcs[VMCS_GUEST_CR0] |= CR0_PE;
	vmcs[VMCS_GUEST_CS_ACCESS] = 0x93;
	assert_string_equal(verdict(), "");
	vmcs[VMCS_GUEST_CS_ACCESS] = 0xb3;
	assert_string_equal(verdict(), "guest CS access rights 0xb3: a data segment as CS has DPL "
				       "other than 0");
	vmcs[VMCS_GUEST_CS_ACCESS] = 0x93;
	vmcs[VMCS_GUEST_SS_ACCESS] = 0xf3;
	assert_string_equal(verdict(), "guest SS access rights 0xf3: DPL not 0 in real mode");
	vmcs[VMCS_GUEST_SS_ACCESS] = 0x93;
	vmcs[VMCS_GUEST_RIP] = 1ull << 32;
	assert_string_equal(verdict(),
			    "guest RIP 0x100000000: bits 63:32 not 0 outside of 64-bit mode");
}

static void virtual_8086_mode(void **state)
{
	static const enum vmcs_field access[] = {
		VMCS_GUEST_CS_ACCESS, VMCS_GUEST_SS_ACCESS, VMCS_GUEST_DS_ACCESS,
		VMCS_GUEST_ES_ACCESS, VMCS_GUEST_FS_ACCESS, VMCS_GUEST_GS_ACCESS,
	};

	(void)state;
	APPLY(real_mode);
	vmcs[VMCS_ENTRY_CONTROLS] &= ~(uint64_t)ENTRY_GUEST_64;
	vmcs[VMCS_GUEST_CR0] |= CR0_PE;
	vmcs[VMCS_GUEST_RFLAGS] |= RFLAGS_VM;
	vmcs[VMCS_GUEST_CS] = 0x9a00;
	assert_string_equal(verdict(),
			    "guest ES access rights 0x93: not 0xf3 in virtual-8086 mode");
	for (size_t i = 0; i < sizeof(access) / sizeof(access[0]); i++)
		vmcs[access[i]] = 0xf3;
	assert_string_equal(verdict(), "");
	vmcs[VMCS_GUEST_DS_LIMIT] = 0xfffff;
	assert_string_equal(verdict(), "guest DS limit 0xfffff: not 0xffff in virtual-8086 mode");
	vmcs[VMCS_GUEST_SS] = 0x1000;
	assert_string_equal(verdict(), "guest SS base 0x0: not selector * 16 in virtual-8086 mode");
}

/* PAE paging: the four pointers count. */
static void page_directory_pointers(void **state)
{
	(void)state;
	APPLY(real_mode);
	vmcs[VMCS_ENTRY_CONTROLS] &= ~(uint64_t)ENTRY_GUEST_64;
	vmcs[VMCS_GUEST_CR0] = 0x80000031;
	vmcs[VMCS_GUEST_CR4] = 0x2020;
	vmcs[VMCS_GUEST_PDPTE0] = 0x5001;
	assert_string_equal(verdict(), "");
	vmcs[VMCS_GUEST_PDPTE2] = 0x5003;
	assert_string_equal(verdict(), "guest PDPTE2 0x5003: reserved bits set");
}

struct broken {
	enum vmcs_field field;
	uint64_t value;
	const char *says;
};

static void each_is_named(const struct broken *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(setup(NULL), 0);
		vmcs[rows[i].field] = rows[i].value;
		assert_string_equal(verdict(), rows[i].says);
	}
}
#define EACH(rows) each_is_named(rows, sizeof(rows) / sizeof((rows)[0]))

static void broken_controls(void **state)
{
	static const struct broken rows[] = {
		{VMCS_PIN_CONTROLS, 0x68, "pin-based controls 0x68: bit 1 (reserved) must be 1"},
		{VMCS_PIN_CONTROLS, 0xfe,
		 "pin-based controls 0xfe: bit 7 (posted-interrupts) must be 0"},
		{VMCS_PRIMARY_CONTROLS, 0x96026172,
		 "primary controls 0x96026172: bit 17 (tertiary-controls) must be 0"},
		{VMCS_SECONDARY_CONTROLS, 0x1010aa,
		 "secondary controls 0x1010aa: bit 20 (xsaves) must be 0"},
		{VMCS_ENTRY_CONTROLS, 0x1ffff,
		 "entry controls 0x1ffff: bit 16 (load-bndcfgs) must be 0"},
		{VMCS_CR3_TARGET_COUNT, 5, "CR3-target count 5: at most 4"},
		{VMCS_PIN_CONTROLS, 0x76, "pin-based controls: virtual-nmis is 1 without nmi"},
		{VMCS_PIN_CONTROLS, 0x3e,
		 "exit controls: save-preemption-timer is 1 without preemption-timer"},
		{VMCS_SECONDARY_CONTROLS, 0x10a8,
		 "secondary controls: unrestricted-guest is 1 without ept"},
		{VMCS_IO_BITMAP_B, 0x1001800,
		 "I/O bitmap B address 0x1001800: not a page's physical address"},
		{VMCS_MSR_BITMAP, 1ull << 39,
		 "MSR bitmap address 0x8000000000: not a page's physical address"},
		{VMCS_VPID, 0, "VPID 0x0: reserved for the host"},
		{VMCS_EPT_POINTER, 0x1005018, ""}, /* uncached tables are allowed here */
		{VMCS_EPT_POINTER, 0x100501c,
		 "EPT pointer 0x100501c: memory type (bits 2:0) not allowed"},
		{VMCS_EPT_POINTER, 0x1005026,
		 "EPT pointer 0x1005026: walk length (bits 5:3, less 1) not allowed"},
		{VMCS_EPT_POINTER, 0x100511e, "EPT pointer 0x100511e: reserved bits set"},
		{VMCS_EXIT_MSR_LOAD_COUNT, 1, ""},
		{VMCS_ENTRY_CONTROLS, 0xd7ff, "entry controls 0xd7ff: entry to SMM outside of SMM"},
		{VMCS_ENTRY_INTERRUPTION_INFO, 0x80000120,
		 "VM-entry event 0x80000120: reserved type 1"},
		{VMCS_ENTRY_INTERRUPTION_INFO, 0x80000203,
		 "VM-entry event 0x80000203: vector does not fit the type"},
		{VMCS_ENTRY_INTERRUPTION_INFO, 0x80000320,
		 "VM-entry event 0x80000320: vector does not fit the type"},
		{VMCS_ENTRY_INTERRUPTION_INFO, 0x80001306,
		 "VM-entry event 0x80001306: reserved bits set"},
		{VMCS_ENTRY_INTERRUPTION_INFO, 0x80000820,
		 "VM-entry event 0x80000820: error code with an event that has none"},
		{VMCS_ENTRY_INTERRUPTION_INFO, 0x8000030e,
		 "VM-entry event 0x8000030e: error code missing"},
		{VMCS_ENTRY_INTERRUPTION_INFO, 0x80000b06,
		 "VM-entry event 0x80000b06: error code with an exception that has none"},
		{VMCS_ENTRY_INTERRUPTION_INFO, 0x80000603,
		 "VM-entry event 0x80000603: instruction length is 0"},
	};

	(void)state;
	EACH(rows);
	setup(NULL);
	cpu.ept_vpid &= ~EPT_CAP_AD;
	vmcs[VMCS_EPT_POINTER] = 0x100505e;
	assert_string_equal(verdict(),
			    "EPT pointer 0x100505e: accessed and dirty flags not supported");
	setup(NULL);
	vmcs[VMCS_ENTRY_INTERRUPTION_INFO] = 0x80000b0e;
	vmcs[VMCS_ENTRY_ERROR_CODE] = 0x10002;
	assert_string_equal(verdict(),
			    "VM-entry event 0x80000b0e: error code has reserved bits set");
	setup(NULL);
	cpu.misc = 0x20000165; /* nested KVM: no CR3 targets */
	assert_string_equal(verdict(), "CR3-target count 4: at most 0");
	setup(NULL);
	cpu.misc |= VMX_MISC_INJECT_LEN_0;
	vmcs[VMCS_ENTRY_INTERRUPTION_INFO] = 0x80000603;
	assert_string_equal(verdict(), "");
	setup(NULL);
	vmcs[VMCS_EXIT_MSR_STORE_COUNT] = 2;
	vmcs[VMCS_EXIT_MSR_STORE] = 0x7fffffffe0;
	assert_string_equal(verdict(), "");
	vmcs[VMCS_EXIT_MSR_STORE] = 0x7ffffffff0;
	assert_string_equal(verdict(), "exit MSR-store area 0x7ffffffff0: not 16-byte aligned, or "
				       "beyond MAXPHYADDR");
}

static void broken_host(void **state)
{
	static const struct broken rows[] = {
		{VMCS_HOST_CR0, 0x80010011, "host CR0 0x80010011: bit 5 must be 1"},
		{VMCS_HOST_CR0, 0x180010033, "host CR0 0x180010033: bit 32 must be 0"},
		{VMCS_HOST_CR4, 0x40020, "host CR4 0x40020: bit 13 must be 1"},
		{VMCS_HOST_CR4, 0x42820, "host CR4 0x42820: bit 11 must be 0"},
		{VMCS_HOST_CR4, 0x42000, "host CR4 0x42000: PAE is 0 on a 64-bit host"},
		{VMCS_HOST_CR3, 1ull << 39, "host CR3 0x8000000000: beyond MAXPHYADDR"},
		{VMCS_HOST_GS_BASE, 1ull << 47, "host GS base 0x800000000000: not canonical"},
		{VMCS_HOST_RIP, 1ull << 63, "host RIP 0x8000000000000000: not canonical"},
		{VMCS_HOST_CS, 0, "host CS selector 0x0: is null"},
		{VMCS_HOST_TR, 0, "host TR selector 0x0: is null"},
		{VMCS_HOST_DS, 0x13, "host DS selector 0x13: RPL or TI not 0"},
		{VMCS_HOST_PAT, 0x0007040600070206,
		 "host PAT 0x7040600070206: entry 1 has reserved type 2"},
		{VMCS_HOST_EFER, 0x1d00, "host EFER 0x1d00: reserved bits set"},
		{VMCS_HOST_EFER, 0x100, "host EFER 0x100: LMA and LME must be 1"},
	};

	(void)state;
	EACH(rows);
	setup(NULL);
	vmcs[VMCS_EXIT_CONTROLS] &= ~(uint64_t)EXIT_HOST_64;
	assert_string_equal(verdict(), "exit controls 0x7f6dff: host-64 is 0 on a 64-bit host");
	setup(NULL);
	cpu.cr4_fixed1 |= CR4_CET;
	vmcs[VMCS_HOST_CR0] = 0x80000033;
	vmcs[VMCS_HOST_CR4] |= CR4_CET;
	assert_string_equal(verdict(), "host CR4 0x842020: CET without CR0.WP");
	/* Five-level paging: 57 address bits. */
	setup(NULL);
	cpu.cr4_fixed1 |= CR4_LA57;
	vmcs[VMCS_HOST_GS_BASE] = 1ull << 47;
	assert_string_equal(verdict(), "");
}

static void broken_guest_registers(void **state)
{
	static const struct broken rows[] = {
		{VMCS_GUEST_CR0, 0x80050013, "guest CR0 0x80050013: bit 5 must be 1"},
		{VMCS_GUEST_CR0, 0x80050032, "guest CR0 0x80050032: PG without PE"},
		{VMCS_GUEST_CR0, 0x50033, "guest CR0 0x50033: IA-32e mode without PG"},
		{VMCS_GUEST_CR4, 0x1706e0, "guest CR4 0x1706e0: bit 13 must be 1"},
		{VMCS_GUEST_CR4, 0x9726e0, "guest CR4 0x9726e0: bit 23 must be 0"},
		{VMCS_GUEST_CR3, 0x8000000002000000,
		 "guest CR3 0x8000000002000000: beyond MAXPHYADDR"}, /* TRAPS 12 */
		{VMCS_GUEST_DR7, 0x100000400, "guest DR7 0x100000400: bits 63:32 not 0"},
		{VMCS_GUEST_DEBUGCTL, 0x10, "guest DEBUGCTL 0x10: reserved bits set"},
		{VMCS_GUEST_SYSENTER_ESP, 1ull << 55,
		 "guest SYSENTER_ESP 0x80000000000000: not canonical"},
		{VMCS_GUEST_SYSENTER_EIP, 1ull << 62,
		 "guest SYSENTER_EIP 0x4000000000000000: not canonical"},
		{VMCS_GUEST_PAT, 0x0307050600070106,
		 "guest PAT 0x307050600070106: entry 7 has reserved type 3"},
		{VMCS_GUEST_EFER, 0x2d01, "guest EFER 0x2d01: reserved bits set"},
		{VMCS_GUEST_EFER, 0x901, "guest EFER 0x901: LMA differs from the guest-64 control"},
		{VMCS_GUEST_EFER, 0xc01, "guest EFER 0xc01: LMA differs from LME with paging on"},
		{VMCS_GUEST_RIP, 0x0000800000000000, "guest RIP 0x800000000000: not canonical"},
		{VMCS_GUEST_RFLAGS, 0x244, "guest RFLAGS 0x244: reserved bits"},
		{VMCS_GUEST_RFLAGS, 0x24e, "guest RFLAGS 0x24e: reserved bits"},
		{VMCS_GUEST_RFLAGS, 0x20246, "guest RFLAGS 0x20246: VM in IA-32e or real mode"},
		{VMCS_GUEST_GDTR_LIMIT, 0x10000, "guest GDTR limit 0x10000: above 64 KiB"},
		{VMCS_GUEST_IDTR_BASE, 1ull << 60,
		 "guest IDTR base 0x1000000000000000: not canonical"},
		{VMCS_LINK_POINTER, 0x123,
		 "VMCS link pointer 0x123: not a page's physical address"},
	};

	(void)state;
	EACH(rows);
	setup(NULL);
	vmcs[VMCS_GUEST_CR4] = 0x1726c0;
	assert_string_equal(verdict(), "guest CR4 0x1726c0: IA-32e mode without PAE");
	/* PCIDE has to go when long mode is left. */
	setup(NULL);
	APPLY(real_mode);
	vmcs[VMCS_ENTRY_CONTROLS] &= ~(uint64_t)ENTRY_GUEST_64;
	vmcs[VMCS_GUEST_CR4] = 0x22000;
	assert_string_equal(verdict(), "guest CR4 0x22000: PCIDE outside of IA-32e mode");
	/* Without unrestricted guest, PE and PG are fixed. */
	setup(NULL);
	vmcs[VMCS_SECONDARY_CONTROLS] &= ~(uint64_t)SECONDARY_UNRESTRICTED;
	vmcs[VMCS_GUEST_CR0] = 0x31;
	assert_string_equal(verdict(), "guest CR0 0x31: bit 31 must be 1");
}

static void broken_guest_segments(void **state)
{
	static const struct broken rows[] = {
		{VMCS_GUEST_CS_ACCESS, 0xe09b,
		 "guest CS access rights 0xe09b: L and D/B both set in IA-32e mode"},
		{VMCS_GUEST_CS_ACCESS, 0xa09a,
		 "guest CS access rights 0xa09a: type is not an accessed code segment"},
		{VMCS_GUEST_CS_ACCESS, 0xa0fb,
		 "guest CS access rights 0xa0fb: DPL differs from SS.DPL"},
		{VMCS_GUEST_CS_ACCESS, 0xa0ff,
		 "guest CS access rights 0xa0ff: conforming, with DPL above SS.DPL"},
		{VMCS_GUEST_CS_ACCESS, 0xa08b,
		 "guest CS access rights 0xa08b: S is 0 for a code or data segment"},
		{VMCS_GUEST_CS_ACCESS, 0xa01b, "guest CS access rights 0xa01b: not present"},
		{VMCS_GUEST_CS_ACCESS, 0xa19b, "guest CS access rights 0xa19b: reserved bits set"},
		{VMCS_GUEST_CS_ACCESS, 0x209b,
		 "guest CS access rights 0x209b: G is 0 with a limit above 1 MiB"},
		{VMCS_GUEST_CS_LIMIT, 0xffff, ""}, /* low 12 bits all 1: fine with G */
		{VMCS_GUEST_CS_LIMIT, 0xfffe,
		 "guest CS access rights 0xa09b: G is 1 with a limit whose low 12 bits are not all "
		 "1"},
		{VMCS_GUEST_CS_BASE, 1ull << 32, "guest CS base 0x100000000: bits 63:32 not 0"},
		{VMCS_GUEST_SS_ACCESS, 0xc091,
		 "guest SS access rights 0xc091: type is not an accessed, writable data segment"},
		{VMCS_GUEST_DS_ACCESS, 0xc092, "guest DS access rights 0xc092: not accessed"},
		{VMCS_GUEST_ES_ACCESS, 0xc099,
		 "guest ES access rights 0xc099: a code segment that can't be read"},
		{VMCS_GUEST_GS_BASE, 0xff00000000000000,
		 "guest GS base 0xff00000000000000: not canonical"},
		{VMCS_GUEST_TR, 0x44, "guest TR selector 0x44: TI is 1"},
		{VMCS_GUEST_TR_ACCESS, 0x89,
		 "guest TR access rights 0x89: type is not a busy TSS"}, /* TRAPS 11 */
		{VMCS_GUEST_TR_ACCESS, 0x83, "guest TR access rights 0x83: type is not a busy TSS"},
		{VMCS_GUEST_TR_ACCESS, 0x1008b, "guest TR access rights 0x1008b: unusable"},
		{VMCS_GUEST_LDTR_ACCESS, 0x83, "guest LDTR access rights 0x83: type is not an LDT"},
	};

	(void)state;
	EACH(rows);
	setup(NULL);
	vmcs[VMCS_SECONDARY_CONTROLS] &= ~(uint64_t)SECONDARY_UNRESTRICTED;
	vmcs[VMCS_GUEST_SS] = 0x1b;
	assert_string_equal(verdict(), "guest SS selector 0x1b: RPL differs from CS");
	setup(NULL);
	vmcs[VMCS_SECONDARY_CONTROLS] &= ~(uint64_t)SECONDARY_UNRESTRICTED;
	vmcs[VMCS_GUEST_DS] = 0x2b;
	vmcs[VMCS_GUEST_DS_LIMIT] = 0xffffffff;
	vmcs[VMCS_GUEST_DS_ACCESS] = 0xc093;
	assert_string_equal(verdict(),
			    "guest DS access rights 0xc093: DPL below the selector's RPL");
	vmcs[VMCS_GUEST_DS_ACCESS] = 0xc0f3;
	assert_string_equal(verdict(), "");
	vmcs[VMCS_GUEST_SS] = 0x1b;
	vmcs[VMCS_GUEST_CS] = 0x13;
	assert_string_equal(verdict(),
			    "guest SS access rights 0xc093: DPL differs from the selector's RPL");
}

static void broken_guest_state(void **state)
{
	static const struct broken rows[] = {
		{VMCS_GUEST_ACTIVITY, 4, "guest activity state 0x4: does not exist"},
		{VMCS_GUEST_INTERRUPTIBILITY, 0x20,
		 "guest interruptibility 0x20: reserved bits set"},
		{VMCS_GUEST_INTERRUPTIBILITY, 3, "guest interruptibility 0x3: STI and MOV SS both"},
		{VMCS_GUEST_INTERRUPTIBILITY, 4,
		 "guest interruptibility 0x4: blocking by SMI outside of SMM"},
		{VMCS_GUEST_PENDING_DEBUG, 0x10,
		 "guest pending debug exceptions 0x10: reserved bits set"},
	};

	(void)state;
	EACH(rows);
	setup(NULL);
	vmcs[VMCS_GUEST_RFLAGS] = 0x46;
	vmcs[VMCS_GUEST_INTERRUPTIBILITY] = BLOCKING_STI;
	assert_string_equal(verdict(),
			    "guest interruptibility 0x1: blocking by STI with RFLAGS.IF 0");
	vmcs[VMCS_GUEST_INTERRUPTIBILITY] = 0;
	vmcs[VMCS_ENTRY_INTERRUPTION_INFO] = 0x80000030;
	assert_string_equal(verdict(), "guest RFLAGS 0x46: IF is 0 with an interrupt to inject");
	vmcs[VMCS_GUEST_RFLAGS] = 0x246;
	assert_string_equal(verdict(), "");
	vmcs[VMCS_GUEST_INTERRUPTIBILITY] = BLOCKING_MOV_SS;
	assert_string_equal(verdict(),
			    "guest interruptibility 0x2: blocking with an interrupt to inject");
	vmcs[VMCS_ENTRY_INTERRUPTION_INFO] = 0x80000202; /* TRAPS 51 */
	vmcs[VMCS_GUEST_INTERRUPTIBILITY] = BLOCKING_NMI;
	assert_string_equal(verdict(),
			    "guest interruptibility 0x8: blocking by NMI with an NMI to inject");
	vmcs[VMCS_GUEST_INTERRUPTIBILITY] = BLOCKING_MOV_SS;
	assert_string_equal(verdict(),
			    "guest interruptibility 0x2: blocking by MOV SS with an NMI to inject");
	vmcs[VMCS_GUEST_INTERRUPTIBILITY] = 0;
	vmcs[VMCS_GUEST_ACTIVITY] = ACTIVITY_WAIT_SIPI;
	assert_string_equal(verdict(), "guest activity state 0x3: with event 0x80000202 to inject");
	vmcs[VMCS_GUEST_ACTIVITY] = ACTIVITY_HLT;
	assert_string_equal(verdict(), "");
	vmcs[VMCS_ENTRY_INTERRUPTION_INFO] = 0x80000312; /* #MC */
	assert_string_equal(verdict(), "");
	vmcs[VMCS_ENTRY_INTERRUPTION_INFO] = 0x80000306; /* #UD */
	assert_string_equal(verdict(), "guest activity state 0x1: with event 0x80000306 to inject");
	vmcs[VMCS_GUEST_ACTIVITY] = ACTIVITY_SHUTDOWN;
	assert_string_equal(verdict(), "guest activity state 0x2: with event 0x80000306 to inject");
	vmcs[VMCS_ENTRY_INTERRUPTION_INFO] = 0x80000312;
	assert_string_equal(verdict(), "");
	vmcs[VMCS_ENTRY_INTERRUPTION_INFO] = 0;
	vmcs[VMCS_GUEST_INTERRUPTIBILITY] = BLOCKING_STI;
	assert_string_equal(verdict(), "guest activity state 0x2: with blocking by STI or MOV SS");
	vmcs[VMCS_GUEST_INTERRUPTIBILITY] = 0;
	vmcs[VMCS_GUEST_ACTIVITY] = ACTIVITY_HLT;
	vmcs[VMCS_GUEST_RFLAGS] |= RFLAGS_TF; /* TRAPS 50 */
	assert_string_equal(verdict(), "guest pending debug exceptions 0x0: BS must be 1");
	vmcs[VMCS_GUEST_CS_ACCESS] = 0xa0fb;
	vmcs[VMCS_GUEST_SS_ACCESS] = 0xc0f3;
	assert_string_equal(verdict(), "guest activity state 0x1: HLT with SS.DPL not 0");
	cpu.misc &= ~VMX_MISC_HLT;
	assert_string_equal(verdict(), "guest activity state 0x1: not supported");
}

/* TRAPS 8: fields that come with a control are not read without it. */
static void absent_fields(void **state)
{
	static const enum vmcs_field never[] = {
		VMCS_PML_ADDRESS,    VMCS_VE_INFORMATION,    VMCS_VIRTUAL_APIC,
		VMCS_APIC_ACCESS,    VMCS_GUEST_BNDCFGS,     VMCS_GUEST_RTIT_CTL,
		VMCS_GUEST_PKRS,     VMCS_HOST_PKRS,	     VMCS_GUEST_PERF_GLOBAL_CTRL,
		VMCS_GUEST_S_CET,    VMCS_TERTIARY_CONTROLS, VMCS_XSS_EXITING,
		VMCS_TSC_MULTIPLIER, VMCS_TPR_THRESHOLD,     VMCS_GUEST_PDPTE0,
	};
	static const struct {
		enum vmcs_field word;
		uint64_t bits;
		enum vmcs_field field;
	} gated[] = {
		{VMCS_ENTRY_CONTROLS, ENTRY_LOAD_PAT, VMCS_GUEST_PAT},
		{VMCS_ENTRY_CONTROLS, ENTRY_LOAD_EFER, VMCS_GUEST_EFER},
		{VMCS_EXIT_CONTROLS, EXIT_LOAD_PAT, VMCS_HOST_PAT},
		{VMCS_EXIT_CONTROLS, EXIT_LOAD_EFER, VMCS_HOST_EFER},
		{VMCS_PRIMARY_CONTROLS, PRIMARY_MSR_BITMAPS, VMCS_MSR_BITMAP},
		{VMCS_PRIMARY_CONTROLS, PRIMARY_SECONDARY, VMCS_SECONDARY_CONTROLS},
		{VMCS_PRIMARY_CONTROLS, PRIMARY_SECONDARY, VMCS_EPT_POINTER},
		{VMCS_PRIMARY_CONTROLS, PRIMARY_SECONDARY, VMCS_VPID},
	};

	(void)state;
	assert_string_equal(verdict(), "");
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		assert_int_equal(was_read[never[i]], 0);
	for (size_t i = 0; i < sizeof(gated) / sizeof(gated[0]); i++) {
		assert_int_equal(setup(NULL), 0);
		verdict();
		assert_int_equal(was_read[gated[i].field], 1);
		assert_int_equal(setup(NULL), 0);
		vmcs[gated[i].word] &= ~gated[i].bits;
		verdict();
		assert_int_equal(was_read[gated[i].field], 0);
	}
}

static void cut_text(void **state)
{
	struct entry_check check = {vmread, vmcs, &cpu, 39};
	char text[12];

	(void)state;
	vmcs[VMCS_VPID] = 0;
	assert_int_equal(entry_check(&check, text, sizeof(text)), -EINVAL);
	assert_string_equal(text, "VPID 0x0: r");
}

static void instruction_errors(void **state)
{
	(void)state;
	assert_string_equal(vm_instruction_error(7), "VM entry with invalid control fields");
	assert_string_equal(vm_instruction_error(0), "unknown VM-instruction error");
	assert_string_equal(vm_instruction_error(14), "unknown VM-instruction error");
	assert_string_equal(vm_instruction_error(28), "invalid operand of INVEPT or INVVPID");
	assert_string_equal(vm_instruction_error(0xffffffff), "unknown VM-instruction error");
}

/* The core's copy of this VMCS, without the fields that are 0 (as if this CPU had none of them). */
static void take_record(struct entry_record *r, uint32_t reason, uint32_t error)
{
	*r = (struct entry_record){.reason = reason, .error = error, .phys_bits = 39, .caps = cpu};
	for (uint32_t f = 0; f < sizeof(vmcs) / sizeof(vmcs[0]); f++)
		if (vmcs[f])
			r->field[r->count++] = (struct entry_field){f, vmcs[f]};
}

static void explained(void **state)
{
	struct entry_record r;
	char text[160];

	(void)state;
	take_record(&r, 0, 7);
	explain_entry(&r, text, sizeof(text));
	assert_string_equal(text, "VM entry with invalid control fields: no violated rule found");
	vmcs[VMCS_VPID] = 0;
	take_record(&r, 0, 7);
	explain_entry(&r, text, sizeof(text));
	assert_string_equal(
		text, "VM entry with invalid control fields: VPID 0x0: reserved for the host");
	vmcs[VMCS_VPID] = 1;
	vmcs[VMCS_GUEST_RIP] = 1ull << 62;
	take_record(&r, 0x80000021, 0);
	explain_entry(&r, text, sizeof(text));
	assert_string_equal(text,
			    "invalid guest state: guest RIP 0x4000000000000000: not canonical");
	r.reason = 0x80000022;
	explain_entry(&r, text, 24);
	assert_string_equal(text, "loading of MSRs: guest ");
	r.count = UINT32_MAX; /* what is not the core's is not followed beyond the end */
	explain_entry(&r, text, sizeof(text));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(valid_states),
		TEST(valid_real_mode),
		TEST(virtual_8086_mode),
		TEST(page_directory_pointers),
		TEST(broken_controls),
		TEST(broken_host),
		TEST(broken_guest_registers),
		TEST(broken_guest_segments),
		TEST(broken_guest_state),
		TEST(absent_fields),
		TEST(cut_text),
		TEST(instruction_errors),
		TEST(explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
