/* VM-entry rules: controls and host state (SDM volume 3, 27.2), and error numbers (31.4). */
#include <stdarg.h>
#include <stdio.h>
#include "hv/errno.h"
#include "ids/sentry/entry_check_impl.h"

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
	vsnprintf(c->out, c->size, fmt, args);
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

int entry_rules(struct check *c, const char *who, const char *what, uint64_t value,
		const struct rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (rules[i].broken)
			return violated(c, "%s %s 0x%llx: %s", who, what, HEX(value), rules[i].why);
	return 0;
}

static int check_pat(struct check *c, const char *name, uint64_t pat)
{
	for (uint32_t i = 0; i < 8; i++) {
		uint64_t type = pat >> i * 8 & 0xff;

		if (!memory_type_valid(type) && type != 7 /* UC- */)
			return violated(c, "%s 0x%llx: entry %u has reserved type %u", name,
					HEX(pat), i, (unsigned int)type);
	}
	return 0;
}

static bool holds(const struct check *c, const struct field_rule *rule, uint64_t value)
{
	switch ((enum field_kind)rule->kind) {
	case CANONICAL:
		return entry_canonical(c, value);
	case PHYSICAL:
		return is_physical(c, value);
	case PAGE:
		return is_physical(c, value) && !(value & 0xfff);
	case PAGE_OR_ONES:
		return value == ~0ull || (is_physical(c, value) && !(value & 0xfff));
	case CLEAR:
		return !(value & rule->operand);
	case SET:
		return (value & rule->operand) == rule->operand;
	case NOT_ZERO:
		return value;
	default:
		return true;
	}
}

int entry_fields(struct check *c, const struct field_rule *rules, size_t n)
{
	for (const struct field_rule *r = rules; r < rules + n; r++) {
		uint64_t value;

		if ((c->control[r->word] & r->control) != r->control)
			continue;
		value = field(c, r->field);
		if (r->kind == PAT && check_pat(c, r->name, value))
			return -EINVAL;
		if (!holds(c, r, value))
			return violated(c, "%s 0x%llx: %s", r->name, HEX(value), r->why);
	}
	return 0;
}

/* --- controls (27.2.1) ----------------------------------------------------------------------- */

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
	return violated(c, "%s 0x%llx: bit %u (%s) must be %u", control_word_name[word],
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
				c, "%s: %s is 1 without %s", control_word_name[needs[i].word],
				control_bit_name((enum control_word)needs[i].word, bit),
				control_bit_name((enum control_word)needs[i].needed_word, other));
	}
	return 0;
}

#define NO_PAGE "not a page's physical address"

static const struct field_rule control_rules[] = {
	{PRIMARY(IO_BITMAPS), VMCS_IO_BITMAP_A, PAGE, 0, "I/O bitmap A address", NO_PAGE},
	{PRIMARY(IO_BITMAPS), VMCS_IO_BITMAP_B, PAGE, 0, "I/O bitmap B address", NO_PAGE},
	{PRIMARY(MSR_BITMAPS), VMCS_MSR_BITMAP, PAGE, 0, "MSR bitmap address", NO_PAGE},
	{PRIMARY(TPR_SHADOW), VMCS_VIRTUAL_APIC, PAGE, 0, "virtual-APIC page address", NO_PAGE},
	{SECONDARY(APIC_ACCESS), VMCS_APIC_ACCESS, PAGE, 0, "APIC-access page address", NO_PAGE},
	{SECONDARY(PML), VMCS_PML_ADDRESS, PAGE, 0, "PML page address", NO_PAGE},
	{SECONDARY(EPT_VE), VMCS_VE_INFORMATION, PAGE, 0, "#VE information page address", NO_PAGE},
	{SECONDARY(VPID), VMCS_VPID, NOT_ZERO, 0, "VPID", "reserved for the host"},
	{ALWAYS, VMCS_ENTRY_CONTROLS, CLEAR, ENTRY_SMM | ENTRY_DUAL_MONITOR, "entry controls",
	 "entry to SMM outside of SMM"},
};

static const struct {
	enum vmcs_field count, addr;
	const char *name;
} msr_areas[] = {
	{VMCS_EXIT_MSR_STORE_COUNT, VMCS_EXIT_MSR_STORE, "exit MSR-store"},
	{VMCS_EXIT_MSR_LOAD_COUNT, VMCS_EXIT_MSR_LOAD, "exit MSR-load"},
	{VMCS_ENTRY_MSR_LOAD_COUNT, VMCS_ENTRY_MSR_LOAD, "entry MSR-load"},
};

static int check_msr_areas(struct check *c)
{
	for (uint32_t i = 0; i < sizeof(msr_areas) / sizeof(msr_areas[0]); i++) {
		uint64_t count = field(c, msr_areas[i].count), addr;

		if (count == 0)
			continue;
		addr = field(c, msr_areas[i].addr);
		if ((addr & 15) || !is_physical(c, addr) || !is_physical(c, addr + count * 16 - 1))
			return violated(c, "%s area 0x%llx: %s", msr_areas[i].name, HEX(addr),
					"not 16-byte aligned, or beyond MAXPHYADDR");
	}
	return 0;
}

static int check_ept_pointer(struct check *c)
{
	uint64_t eptp = field(c, VMCS_EPT_POINTER), cap = c->in->caps->ept_vpid;
	uint64_t type = eptp & 7, walk = eptp >> 3 & 7;
	uint64_t type_cap = type == MEM_WB ? EPT_CAP_WB : type == MEM_UC ? EPT_CAP_UC : 0;
	uint64_t walk_cap = walk == 3 ? EPT_CAP_WALK_4 : walk == 4 ? EPT_CAP_WALK_5 : 0;
	bool flags = eptp & 0x40; /* accessed and dirty */

	return RULES(c, "EPT", "pointer", eptp,
		     {!(cap & type_cap), "memory type (bits 2:0) not allowed"},
		     {!(cap & walk_cap), "walk length (bits 5:3, less 1) not allowed"},
		     {flags && !(cap & EPT_CAP_AD), "accessed and dirty flags not supported"},
		     {(eptp & 0xf00) || !is_physical(c, eptp), "reserved bits set"});
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
	bool hardware = type == INTR_TYPE_HARDWARE, code = info & INTR_ERROR_CODE;
	bool pushes = hardware && vector < 32 && (with_code >> vector & 1) &&
		      (field(c, VMCS_GUEST_CR0) & CR0_PE);
	bool checked = !(c->in->caps->basic & VMX_BASIC_NO_ERRCODE_CHECK);
	uint64_t len;

	if (!(info & INTR_VALID))
		return 0;
	len = software ? field(c, VMCS_ENTRY_INSTRUCTION_LENGTH) : 1;
	return RULES(c, "VM-entry", "event", info, {type == 1u << 8, "reserved type 1"},
		     {(type == INTR_TYPE_NMI && vector != VECTOR_NMI) ||
			      (hardware && vector > 31) || (type == INTR_TYPE_OTHER && vector),
		      "vector does not fit the type"},
		     {info & 0x7ffff000u, "reserved bits set"},
		     {code && !hardware, "error code with an event that has none"},
		     {code && !pushes && checked, "error code with an exception that has none"},
		     {!code && pushes && checked, "error code missing"},
		     {code && (field(c, VMCS_ENTRY_ERROR_CODE) >> 16),
		      "error code has reserved bits set"},
		     {len == 0 && !(c->in->caps->misc & VMX_MISC_INJECT_LEN_0),
		      "instruction length is 0"},
		     {len > 15, "instruction length above 15"});
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
	ret = check_needs(c);
	if (!ret && (c->control[CONTROL_SECONDARY] & SECONDARY_EPT))
		ret = check_ept_pointer(c);
	ret = ret ?: FIELDS(c, control_rules);
	ret = ret ?: check_msr_areas(c);
	return ret ?: check_event(c);
}

/* --- host state (27.2.2 to 27.2.4) ------------------------------------------------------------ */

static int fixed_bits(struct check *c, const char *who, const char *what, uint64_t value,
		      uint64_t wrong)
{
	uint32_t bit;

	if (!wrong)
		return 0;
	bit = (uint32_t)__builtin_ctzll(wrong);
	return violated(c, "%s %s 0x%llx: bit %u must be %u", who, what, HEX(value), bit,
			(unsigned int)!(value >> bit & 1));
}

int entry_check_cr(struct check *c, const char *who, uint64_t cr0, uint64_t cr4, uint64_t exempt)
{
	const struct vmx_caps *caps = c->in->caps;
	/* CD and NW are not held against the fixed bits (27.3.1.1); bits 63:32 have to be 0. */
	uint64_t wrong0 = ((caps->cr0_fixed0 & ~cr0) | (cr0 & ~caps->cr0_fixed1)) &
			  ~(exempt | CR0_CD | CR0_NW);
	uint64_t wrong4 = (caps->cr4_fixed0 & ~cr4) | (cr4 & ~caps->cr4_fixed1);
	int ret = fixed_bits(c, who, "CR0", cr0, wrong0);

	ret = ret ?: fixed_bits(c, who, "CR4", cr4, wrong4);
	return ret
		       ?: RULES(c, who, "CR4", cr4,
				{(cr4 & CR4_CET) && !(cr0 & CR0_WP), "CET without CR0.WP"});
}

static const struct field_rule host_rules[] = {
	{ALWAYS, VMCS_HOST_CR3, PHYSICAL, 0, "host CR3", "beyond MAXPHYADDR"},
	{ALWAYS, VMCS_EXIT_CONTROLS, SET, EXIT_HOST_64, "exit controls",
	 "host-64 is 0 on a 64-bit host"},
	{ALWAYS, VMCS_HOST_CR4, SET, CR4_PAE, "host CR4", "PAE is 0 on a 64-bit host"},
	{ALWAYS, VMCS_HOST_SYSENTER_ESP, CANONICAL, 0, "host SYSENTER_ESP", "not canonical"},
	{ALWAYS, VMCS_HOST_SYSENTER_EIP, CANONICAL, 0, "host SYSENTER_EIP", "not canonical"},
	{ALWAYS, VMCS_HOST_FS_BASE, CANONICAL, 0, "host FS base", "not canonical"},
	{ALWAYS, VMCS_HOST_GS_BASE, CANONICAL, 0, "host GS base", "not canonical"},
	{ALWAYS, VMCS_HOST_TR_BASE, CANONICAL, 0, "host TR base", "not canonical"},
	{ALWAYS, VMCS_HOST_GDTR_BASE, CANONICAL, 0, "host GDTR base", "not canonical"},
	{ALWAYS, VMCS_HOST_IDTR_BASE, CANONICAL, 0, "host IDTR base", "not canonical"},
	{ALWAYS, VMCS_HOST_RIP, CANONICAL, 0, "host RIP", "not canonical"},
	{ALWAYS, VMCS_HOST_ES, CLEAR, 7, "host ES selector", "RPL or TI not 0"},
	{ALWAYS, VMCS_HOST_CS, CLEAR, 7, "host CS selector", "RPL or TI not 0"},
	{ALWAYS, VMCS_HOST_SS, CLEAR, 7, "host SS selector", "RPL or TI not 0"},
	{ALWAYS, VMCS_HOST_DS, CLEAR, 7, "host DS selector", "RPL or TI not 0"},
	{ALWAYS, VMCS_HOST_FS, CLEAR, 7, "host FS selector", "RPL or TI not 0"},
	{ALWAYS, VMCS_HOST_GS, CLEAR, 7, "host GS selector", "RPL or TI not 0"},
	{ALWAYS, VMCS_HOST_TR, CLEAR, 7, "host TR selector", "RPL or TI not 0"},
	{ALWAYS, VMCS_HOST_CS, NOT_ZERO, 0, "host CS selector", "is null"},
	{ALWAYS, VMCS_HOST_TR, NOT_ZERO, 0, "host TR selector", "is null"},
	{ON_EXIT(LOAD_PAT), VMCS_HOST_PAT, PAT, 0, "host PAT", NULL},
	{ON_EXIT(LOAD_EFER), VMCS_HOST_EFER, CLEAR, EFER_UNKNOWN, "host EFER", "reserved bits set"},
	{ON_EXIT(LOAD_EFER), VMCS_HOST_EFER, SET, EFER_LMA | EFER_LME, "host EFER",
	 "LMA and LME must be 1"},
};

int entry_check(const struct entry_check *in, char *out, size_t size)
{
	struct check c = {.in = in, .out = out, .size = size};
	uint64_t cr0 = field(&c, VMCS_HOST_CR0), cr4 = field(&c, VMCS_HOST_CR4);
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
	ret = ret ?: entry_check_cr(&c, "host", cr0, cr4, 0);
	ret = ret ?: FIELDS(&c, host_rules);
	return ret ?: entry_check_guest(&c);
}
