/* VM-entry rules: controls and host state (SDM volume 3, 27.2), and error numbers (31.4). */
#include <stdarg.h>
#include "hv/errno.h"
#include "hv/log.h"
#include "arch/x86/vmx/entry_check_impl.h"

static const char *const error_text[] = {
	[1] = "VMCALL in VMX root operation",
	[2] = "VMCLEAR with an invalid physical address",
	[3] = "VMCLEAR with the VMXON pointer",
	[4] = "VMLAUNCH with a VMCS that is not clear",
	[5] = "VMRESUME with a VMCS that is not launched",
	[6] = "VMRESUME after VMXOFF",
	[7] = "VM entry with invalid control fields",
	[8] = "VM entry with invalid host-state fields",
	[9] = "VMPTRLD with an invalid physical address",
	[10] = "VMPTRLD with the VMXON pointer",
	[11] = "VMPTRLD with a wrong VMCS revision identifier",
	[12] = "VMREAD or VMWRITE of a field that does not exist",
	[13] = "VMWRITE to a read-only field",
	[15] = "VMXON in VMX root operation",
	[16] = "VM entry with an invalid executive-VMCS pointer",
	[17] = "VM entry with an executive VMCS that is not launched",
	[18] = "VM entry with an executive-VMCS pointer that is not the VMXON pointer",
	[19] = "VMCALL with a VMCS that is not clear",
	[20] = "VMCALL with invalid exit-control fields",
	[22] = "VMCALL with a wrong MSEG revision identifier",
	[23] = "VMXOFF under dual-monitor treatment of SMIs",
	[24] = "VMCALL with invalid SMM-monitor features",
	[25] = "VM entry with invalid execution controls in the executive VMCS",
	[26] = "VM entry with events blocked by MOV SS",
	[28] = "invalid operand of INVEPT or INVVPID",
};

const char *vm_instruction_error(uint32_t number)
{
	if (number >= sizeof(error_text) / sizeof(error_text[0]) || !error_text[number])
		return "unknown VM-instruction error";
	return error_text[number];
}

int violated(struct check *c, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	format_line(c->out, c->size, fmt, args);
	va_end(args);
	return -EINVAL;
}

/* The processor's linear-address width: 57 bits when CR4.LA57 may be set, else 48. */
bool entry_canonical(const struct check *c, uint64_t addr)
{
	int shift = c->in->caps->cr4_fixed1 & CR4_LA57 ? 64 - 57 : 64 - 48;

	return (uint64_t)((int64_t)(addr << shift) >> shift) == addr;
}

static bool is_physical(const struct check *c, uint64_t addr)
{
	return addr >> c->in->phys_bits == 0;
}

/* --- controls (27.2.1) ----------------------------------------------------------------------- */

static const char *const word_name[CONTROL_WORDS] = {
	"pin-based controls", "primary controls", "secondary controls",
	"exit controls",      "entry controls",
};

static int check_word(struct check *c, uint32_t word)
{
	uint64_t must = c->in->caps->word[word] & 0xffffffff;
	uint64_t may = c->in->caps->word[word] >> 32;
	uint64_t wrong = (must & ~c->control[word]) | (c->control[word] & ~may);
	const char *name;
	uint32_t bit;

	if (!wrong)
		return 0;
	bit = (uint32_t)__builtin_ctzll(wrong);
	name = control_bit_name((enum control_word)word, bit);
	return violated(c, "%s 0x%llx: bit %u (%s) must be %u", word_name[word],
			HEX(c->control[word]), bit, name ? name : "reserved",
			(unsigned int)(must >> bit & 1));
}

/* Controls that need another one. */
static const struct {
	uint8_t word;
	uint8_t needed_word;
	uint32_t bit;
	uint32_t needed;
} needs[] = {
	{CONTROL_PIN, CONTROL_PIN, PIN_VIRTUAL_NMIS, PIN_NMI},
	{CONTROL_PRIMARY, CONTROL_PIN, PRIMARY_NMI_WINDOW, PIN_VIRTUAL_NMIS},
	{CONTROL_SECONDARY, CONTROL_PRIMARY, SECONDARY_X2APIC, PRIMARY_TPR_SHADOW},
	{CONTROL_SECONDARY, CONTROL_PRIMARY, SECONDARY_APIC_REGISTERS, PRIMARY_TPR_SHADOW},
	{CONTROL_SECONDARY, CONTROL_PRIMARY, SECONDARY_VIRTUAL_INTERRUPTS, PRIMARY_TPR_SHADOW},
	{CONTROL_SECONDARY, CONTROL_PIN, SECONDARY_VIRTUAL_INTERRUPTS, PIN_EXTERNAL_INTERRUPT},
	{CONTROL_SECONDARY, CONTROL_SECONDARY, SECONDARY_UNRESTRICTED, SECONDARY_EPT},
	{CONTROL_SECONDARY, CONTROL_SECONDARY, SECONDARY_PML, SECONDARY_EPT},
	{CONTROL_SECONDARY, CONTROL_SECONDARY, SECONDARY_MODE_BASED_EXEC, SECONDARY_EPT},
	{CONTROL_EXIT, CONTROL_PIN, EXIT_SAVE_TIMER, PIN_PREEMPTION_TIMER},
};

static int check_needs(struct check *c)
{
	for (uint32_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
		uint32_t bit = (uint32_t)__builtin_ctz(needs[i].bit);
		uint32_t other = (uint32_t)__builtin_ctz(needs[i].needed);

		if ((c->control[needs[i].word] & needs[i].bit) &&
		    !(c->control[needs[i].needed_word] & needs[i].needed))
			return violated(
				c, "%s: %s is 1 without %s", word_name[needs[i].word],
				control_bit_name((enum control_word)needs[i].word, bit),
				control_bit_name((enum control_word)needs[i].needed_word, other));
	}
	return 0;
}

/* Physical addresses that count when a control is 1. */
static const struct {
	uint8_t word;
	uint32_t bit;
	enum vmcs_field field;
	uint32_t align;
	const char *name;
} addresses[] = {
	{CONTROL_PRIMARY, PRIMARY_IO_BITMAPS, VMCS_IO_BITMAP_A, 4096, "I/O bitmap A"},
	{CONTROL_PRIMARY, PRIMARY_IO_BITMAPS, VMCS_IO_BITMAP_B, 4096, "I/O bitmap B"},
	{CONTROL_PRIMARY, PRIMARY_MSR_BITMAPS, VMCS_MSR_BITMAP, 4096, "MSR bitmap"},
	{CONTROL_PRIMARY, PRIMARY_TPR_SHADOW, VMCS_VIRTUAL_APIC, 4096, "virtual-APIC page"},
	{CONTROL_SECONDARY, SECONDARY_APIC_ACCESS, VMCS_APIC_ACCESS, 4096, "APIC-access page"},
	{CONTROL_SECONDARY, SECONDARY_PML, VMCS_PML_ADDRESS, 4096, "PML page"},
	{CONTROL_SECONDARY, SECONDARY_EPT_VE, VMCS_VE_INFORMATION, 4096, "#VE information page"},
};

static int check_addresses(struct check *c)
{
	for (uint32_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		uint64_t addr;

		if (!(c->control[addresses[i].word] & addresses[i].bit))
			continue;
		addr = field(c, addresses[i].field);
		if ((addr & (addresses[i].align - 1)) || !is_physical(c, addr))
			return violated(c, "%s address 0x%llx: not a page's physical address",
					addresses[i].name, HEX(addr));
	}
	return 0;
}

static int check_msr_area(struct check *c, enum vmcs_field count_field, enum vmcs_field addr_field,
			  const char *name)
{
	uint64_t count = field(c, count_field);
	uint64_t addr;

	if (count == 0)
		return 0;
	addr = field(c, addr_field);
	if ((addr & 15) || !is_physical(c, addr) || !is_physical(c, addr + count * 16 - 1))
		return violated(c, "%s area 0x%llx: not 16-byte aligned, or beyond MAXPHYADDR",
				name, HEX(addr));
	return 0;
}

static int check_ept_pointer(struct check *c)
{
	uint64_t eptp = field(c, VMCS_EPT_POINTER), cap = c->in->caps->ept_vpid;
	uint64_t type = eptp & 7, walk = eptp >> 3 & 7;

	if (!(type == MEM_WB && (cap & EPT_CAP_WB)) && !(type == MEM_UC && (cap & EPT_CAP_UC)))
		return violated(c, "EPT pointer 0x%llx: memory type %u not allowed", HEX(eptp),
				(unsigned int)type);
	if (!(walk == 3 && (cap & EPT_CAP_WALK_4)) && !(walk == 4 && (cap & EPT_CAP_WALK_5)))
		return violated(c, "EPT pointer 0x%llx: walk length %u not allowed", HEX(eptp),
				(unsigned int)walk + 1);
	if ((eptp & 0x40) && !(cap & EPT_CAP_AD))
		return violated(c, "EPT pointer 0x%llx: accessed and dirty flags not supported",
				HEX(eptp));
	if ((eptp & 0xf00) || !is_physical(c, eptp))
		return violated(c, "EPT pointer 0x%llx: reserved bits set", HEX(eptp));
	return 0;
}

/* 27.2.1.3: the event to inject. */
static int check_event(struct check *c)
{
	uint32_t info = (uint32_t)c->event, vector = info & INTR_VECTOR, type = info & INTR_TYPE;
	/* #DF, #TS, #NP, #SS, #GP, #PF, #AC, #CP push an error code. */
	const uint32_t with_code = 1u << VECTOR_DF | 1u << VECTOR_TS | 1u << VECTOR_NP |
				   1u << VECTOR_SS | 1u << VECTOR_GP | 1u << VECTOR_PF |
				   1u << VECTOR_AC | 1u << VECTOR_CP;
	bool software =
		type == INTR_TYPE_SOFTWARE || type == INTR_TYPE_PRIV_SW || type == INTR_TYPE_SW_EXC;
	bool code = info & INTR_ERROR_CODE;
	bool pushes = type == INTR_TYPE_HARDWARE && vector < 32 && (with_code >> vector & 1) &&
		      (field(c, VMCS_GUEST_CR0) & CR0_PE);

	if (!(info & INTR_VALID))
		return 0;
	if (type == (1u << 8))
		return violated(c, "event 0x%x: reserved type 1", info);
	if ((type == INTR_TYPE_NMI && vector != VECTOR_NMI) ||
	    (type == INTR_TYPE_HARDWARE && vector > 31) || (type == INTR_TYPE_OTHER && vector != 0))
		return violated(c, "event 0x%x: vector %u does not fit the type", info, vector);
	if (info & 0x7ffff000u)
		return violated(c, "event 0x%x: reserved bits set", info);
	if (code && type != INTR_TYPE_HARDWARE)
		return violated(c, "event 0x%x: error code with an event that has none", info);
	if (code != pushes && !(c->in->caps->basic & VMX_BASIC_NO_ERRCODE_CHECK))
		return violated(c, "event 0x%x: error code %s", info,
				code ? "with an exception that has none" : "missing");
	if (code && (field(c, VMCS_ENTRY_ERROR_CODE) >> 16))
		return violated(c, "event 0x%x: error code has reserved bits set", info);
	if (software) {
		uint64_t len = field(c, VMCS_ENTRY_INSTRUCTION_LENGTH);

		if (len > 15 || (len == 0 && !(c->in->caps->misc & VMX_MISC_INJECT_LEN_0)))
			return violated(c, "event 0x%x: instruction length %llu", info, HEX(len));
	}
	return 0;
}

static int check_controls(struct check *c)
{
	uint64_t targets = field(c, VMCS_CR3_TARGET_COUNT);
	int ret = 0;

	for (uint32_t word = 0; word < CONTROL_WORDS && !ret; word++)
		if (word != CONTROL_SECONDARY || (c->control[CONTROL_PRIMARY] & PRIMARY_SECONDARY))
			ret = check_word(c, word);
	if (ret)
		return ret;
	if (targets > 4 || targets > VMX_MISC_CR3_TARGETS(c->in->caps->misc))
		return violated(c, "CR3-target count %llu: at most %u", HEX(targets),
				VMX_MISC_CR3_TARGETS(c->in->caps->misc));
	if ((ret = check_needs(c)) || (ret = check_addresses(c)))
		return ret;
	if ((c->control[CONTROL_SECONDARY] & SECONDARY_VPID) && !field(c, VMCS_VPID))
		return violated(c, "VPID 0: reserved for the host");
	if ((c->control[CONTROL_SECONDARY] & SECONDARY_EPT) && (ret = check_ept_pointer(c)))
		return ret;
	if (c->control[CONTROL_ENTRY] & (ENTRY_SMM | ENTRY_DUAL_MONITOR))
		return violated(c, "entry controls 0x%llx: entry to SMM outside of SMM",
				HEX(c->control[CONTROL_ENTRY]));
	if ((ret = check_msr_area(c, VMCS_EXIT_MSR_STORE_COUNT, VMCS_EXIT_MSR_STORE,
				  "exit MSR-store")) ||
	    (ret = check_msr_area(c, VMCS_EXIT_MSR_LOAD_COUNT, VMCS_EXIT_MSR_LOAD,
				  "exit MSR-load")) ||
	    (ret = check_msr_area(c, VMCS_ENTRY_MSR_LOAD_COUNT, VMCS_ENTRY_MSR_LOAD,
				  "entry MSR-load")))
		return ret;
	return check_event(c);
}

/* --- host state (27.2.2 to 27.2.4) -------------------------------------------------------------
 */

int entry_check_cr(struct check *c, const char *who, uint64_t cr0, uint64_t cr4, uint64_t exempt)
{
	const struct vmx_caps *caps = c->in->caps;
	/* CD and NW are not held against the fixed bits (27.3.1.1); bits 63:32 have to be 0. */
	uint64_t wrong = ((caps->cr0_fixed0 & ~cr0) | (cr0 & ~caps->cr0_fixed1)) &
			 ~(exempt | CR0_CD | CR0_NW);

	if (wrong)
		return violated(c, "%s CR0 0x%llx: bit %u must be %u", who, HEX(cr0),
				(unsigned int)__builtin_ctzll(wrong),
				(unsigned int)!(cr0 >> __builtin_ctzll(wrong) & 1));
	wrong = (caps->cr4_fixed0 & ~cr4) | (cr4 & ~caps->cr4_fixed1);
	if (wrong)
		return violated(c, "%s CR4 0x%llx: bit %u must be %u", who, HEX(cr4),
				(unsigned int)__builtin_ctzll(wrong),
				(unsigned int)!(cr4 >> __builtin_ctzll(wrong) & 1));
	if ((cr4 & CR4_CET) && !(cr0 & CR0_WP))
		return violated(c, "%s CR4 0x%llx: CET without CR0.WP", who, HEX(cr4));
	return 0;
}

int entry_check_pat(struct check *c, const char *who, uint64_t pat)
{
	for (uint32_t i = 0; i < 8; i++) {
		uint64_t type = pat >> i * 8 & 0xff;

		if (type > 7 || type == 2 || type == 3)
			return violated(c, "%s PAT 0x%llx: entry %u has reserved type %u", who,
					HEX(pat), i, (unsigned int)type);
	}
	return 0;
}

static const struct {
	enum vmcs_field field;
	const char *name;
} host_canonical[] =
	{
		{VMCS_HOST_SYSENTER_ESP, "SYSENTER_ESP"}, {VMCS_HOST_SYSENTER_EIP, "SYSENTER_EIP"},
		{VMCS_HOST_FS_BASE, "FS base"},		  {VMCS_HOST_GS_BASE, "GS base"},
		{VMCS_HOST_TR_BASE, "TR base"},		  {VMCS_HOST_GDTR_BASE, "GDTR base"},
		{VMCS_HOST_IDTR_BASE, "IDTR base"},	  {VMCS_HOST_RIP, "RIP"},
},
  host_selector[] = {
	  {VMCS_HOST_ES, "ES"}, {VMCS_HOST_CS, "CS"}, {VMCS_HOST_SS, "SS"}, {VMCS_HOST_DS, "DS"},
	  {VMCS_HOST_FS, "FS"}, {VMCS_HOST_GS, "GS"}, {VMCS_HOST_TR, "TR"},
};

static int check_host(struct check *c)
{
	uint64_t exit = c->control[CONTROL_EXIT], cr4 = field(c, VMCS_HOST_CR4);
	uint64_t cr3 = field(c, VMCS_HOST_CR3);
	int ret = entry_check_cr(c, "host", field(c, VMCS_HOST_CR0), cr4, 0);

	if (ret)
		return ret;
	if (!is_physical(c, cr3))
		return violated(c, "host CR3 0x%llx: beyond MAXPHYADDR", HEX(cr3));
	if (!(exit & EXIT_HOST_64))
		return violated(c, "exit controls 0x%llx: host-64 is 0 on a 64-bit host",
				HEX(exit));
	if (!(cr4 & CR4_PAE))
		return violated(c, "host CR4 0x%llx: PAE is 0 on a 64-bit host", HEX(cr4));
	for (uint32_t i = 0; i < sizeof(host_canonical) / sizeof(host_canonical[0]); i++) {
		uint64_t value = field(c, host_canonical[i].field);

		if (!entry_canonical(c, value))
			return violated(c, "host %s 0x%llx: not canonical", host_canonical[i].name,
					HEX(value));
	}
	for (uint32_t i = 0; i < sizeof(host_selector) / sizeof(host_selector[0]); i++) {
		uint64_t value = field(c, host_selector[i].field);
		bool needed = host_selector[i].field == VMCS_HOST_CS ||
			      host_selector[i].field == VMCS_HOST_TR;

		if ((value & 7) || (needed && value == 0))
			return violated(c, "host %s selector 0x%llx: %s", host_selector[i].name,
					HEX(value), value & 7 ? "RPL or TI not 0" : "is null");
	}
	if ((exit & EXIT_LOAD_PAT) && (ret = entry_check_pat(c, "host", field(c, VMCS_HOST_PAT))))
		return ret;
	if (exit & EXIT_LOAD_EFER) {
		uint64_t efer = field(c, VMCS_HOST_EFER);

		if (efer & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE))
			return violated(c, "host EFER 0x%llx: reserved bits set", HEX(efer));
		if ((efer & (EFER_LMA | EFER_LME)) != (EFER_LMA | EFER_LME))
			return violated(c, "host EFER 0x%llx: LMA and LME must be 1", HEX(efer));
	}
	return 0;
}

int entry_check(const struct entry_check *in, char *out, size_t size)
{
	struct check c = {.in = in, .out = out, .size = size};
	int ret;

	out[0] = 0;
	c.control[CONTROL_PIN] = field(&c, VMCS_PIN_CONTROLS);
	c.control[CONTROL_PRIMARY] = field(&c, VMCS_PRIMARY_CONTROLS);
	if (c.control[CONTROL_PRIMARY] & PRIMARY_SECONDARY &
	    (uint32_t)(in->caps->word[CONTROL_PRIMARY] >> 32))
		c.control[CONTROL_SECONDARY] = field(&c, VMCS_SECONDARY_CONTROLS);
	c.control[CONTROL_EXIT] = field(&c, VMCS_EXIT_CONTROLS);
	c.control[CONTROL_ENTRY] = field(&c, VMCS_ENTRY_CONTROLS);
	c.event = field(&c, VMCS_ENTRY_INTERRUPTION_INFO);
	ret = check_controls(&c);
	if (!ret)
		ret = check_host(&c);
	if (!ret)
		ret = entry_check_guest(&c);
	return ret;
}
