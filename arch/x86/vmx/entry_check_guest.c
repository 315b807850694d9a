/* VM-entry rules: guest state (SDM volume 3, 27.3.1). */
#include "hv/errno.h"
#include "arch/x86/vmx/entry_check_impl.h"

/* What several rules look at, read once. */
struct guest {
	uint64_t cr0, cr4, rflags, efer, debugctl;
	bool long_mode; /* "IA-32e mode guest" */
	bool unrestricted;
	bool v86;
	uint32_t cs, ss; /* access rights */
};

static const struct segment {
	const char *name;
	enum vmcs_field selector, base, limit, access;
} segments[] = {
	{"CS", VMCS_GUEST_CS, VMCS_GUEST_CS_BASE, VMCS_GUEST_CS_LIMIT, VMCS_GUEST_CS_ACCESS},
	{"SS", VMCS_GUEST_SS, VMCS_GUEST_SS_BASE, VMCS_GUEST_SS_LIMIT, VMCS_GUEST_SS_ACCESS},
	{"DS", VMCS_GUEST_DS, VMCS_GUEST_DS_BASE, VMCS_GUEST_DS_LIMIT, VMCS_GUEST_DS_ACCESS},
	{"ES", VMCS_GUEST_ES, VMCS_GUEST_ES_BASE, VMCS_GUEST_ES_LIMIT, VMCS_GUEST_ES_ACCESS},
	{"FS", VMCS_GUEST_FS, VMCS_GUEST_FS_BASE, VMCS_GUEST_FS_LIMIT, VMCS_GUEST_FS_ACCESS},
	{"GS", VMCS_GUEST_GS, VMCS_GUEST_GS_BASE, VMCS_GUEST_GS_LIMIT, VMCS_GUEST_GS_ACCESS},
	{"LDTR", VMCS_GUEST_LDTR, VMCS_GUEST_LDTR_BASE, VMCS_GUEST_LDTR_LIMIT,
	 VMCS_GUEST_LDTR_ACCESS},
	{"TR", VMCS_GUEST_TR, VMCS_GUEST_TR_BASE, VMCS_GUEST_TR_LIMIT, VMCS_GUEST_TR_ACCESS},
};

enum { CS, SS, DS, ES, FS, GS, LDTR, TR, SEGMENTS };

/* --- 27.3.1.1: control registers, debug registers, MSRs ------------------------------------------
 */

static int check_registers(struct check *c, const struct guest *g)
{
	uint64_t entry = c->control[CONTROL_ENTRY], cr3 = field(c, VMCS_GUEST_CR3), value;
	int ret = entry_check_cr(c, "guest", g->cr0, g->cr4, g->unrestricted ? CR0_PE | CR0_PG : 0);

	if (ret)
		return ret;
	if ((g->cr0 & CR0_PG) && !(g->cr0 & CR0_PE))
		return violated(c, "guest CR0 0x%llx: PG without PE", HEX(g->cr0));
	if (g->long_mode && !((g->cr0 & CR0_PG) && (g->cr4 & CR4_PAE)))
		return violated(c, "guest CR0 0x%llx, CR4 0x%llx: IA-32e mode without PG and PAE",
				HEX(g->cr0), HEX(g->cr4));
	if (!g->long_mode && (g->cr4 & CR4_PCIDE))
		return violated(c, "guest CR4 0x%llx: PCIDE outside of IA-32e mode", HEX(g->cr4));
	if (cr3 >> c->in->phys_bits)
		return violated(c, "guest CR3 0x%llx: beyond MAXPHYADDR", HEX(cr3));
	if (entry & ENTRY_LOAD_DEBUG) {
		value = field(c, VMCS_GUEST_DR7);
		if (value >> 32)
			return violated(c, "guest DR7 0x%llx: bits 63:32 not 0", HEX(value));
		/* Bits 5:3 and 63:16 are reserved on every processor. */
		if (g->debugctl & ~0xffc7ull)
			return violated(c, "guest DEBUGCTL 0x%llx: reserved bits set",
					HEX(g->debugctl));
	}
	value = field(c, VMCS_GUEST_SYSENTER_ESP);
	if (!entry_canonical(c, value))
		return violated(c, "guest SYSENTER_ESP 0x%llx: not canonical", HEX(value));
	value = field(c, VMCS_GUEST_SYSENTER_EIP);
	if (!entry_canonical(c, value))
		return violated(c, "guest SYSENTER_EIP 0x%llx: not canonical", HEX(value));
	if ((entry & ENTRY_LOAD_PAT) &&
	    (ret = entry_check_pat(c, "guest", field(c, VMCS_GUEST_PAT))))
		return ret;
	if (!(entry & ENTRY_LOAD_EFER))
		return 0;
	if (g->efer & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE))
		return violated(c, "guest EFER 0x%llx: reserved bits set", HEX(g->efer));
	if (!(g->efer & EFER_LMA) == g->long_mode)
		return violated(c, "guest EFER 0x%llx: LMA differs from the guest-64 control",
				HEX(g->efer));
	if ((g->cr0 & CR0_PG) && !(g->efer & EFER_LMA) != !(g->efer & EFER_LME))
		return violated(c, "guest EFER 0x%llx: LMA differs from LME with paging on",
				HEX(g->efer));
	return 0;
}

/* --- 27.3.1.2: segments
 * ------------------------------------------------------------------------------ */

static int bad_access(struct check *c, uint32_t n, uint32_t access, const char *why)
{
	return violated(c, "guest %s access rights 0x%x: %s", segments[n].name, access, why);
}

/* Types and privilege of CS. */
static const char *code_rule(const struct guest *g)
{
	uint32_t type = g->cs & AR_TYPE;
	uint32_t dpl = g->cs & AR_DPL, ss_dpl = g->ss & AR_DPL;

	if (!(type == 3 && g->unrestricted) && !((type & AR_CODE) && (type & AR_ACCESSED)))
		return "type is not an accessed code segment";
	if (type == 3 && dpl)
		return "a data segment as CS has DPL other than 0";
	if ((type == 9 || type == 11) && dpl != ss_dpl)
		return "DPL differs from SS.DPL";
	if ((type == 13 || type == 15) && dpl > ss_dpl)
		return "conforming, with DPL above SS.DPL";
	if (g->long_mode && (g->cs & AR_L) && (g->cs & AR_DB))
		return "L and D/B both set in IA-32e mode";
	return NULL;
}

static const char *stack_rule(const struct guest *g, uint32_t rpl)
{
	uint32_t type = g->ss & AR_TYPE, dpl = (g->ss & AR_DPL) >> AR_DPL_SHIFT;

	if (!(g->ss & AR_UNUSABLE) && type != 3 && type != 7)
		return "type is not an accessed, writable data segment";
	if (!g->unrestricted && dpl != rpl)
		return "DPL differs from the selector's RPL";
	if (dpl && ((g->cs & AR_TYPE) == 3 || !(g->cr0 & CR0_PE)))
		return "DPL not 0 in real mode";
	return NULL;
}

static const char *data_rule(const struct guest *g, uint32_t access, uint32_t rpl)
{
	uint32_t type = access & AR_TYPE;

	if (!(type & AR_ACCESSED))
		return "not accessed";
	if ((type & AR_CODE) && !(type & AR_WRITABLE))
		return "a code segment that can't be read";
	if (!g->unrestricted && type <= 11 && (access & AR_DPL) >> AR_DPL_SHIFT < rpl)
		return "DPL below the selector's RPL";
	return NULL;
}

static const char *system_rule(const struct guest *g, uint32_t n, uint32_t access)
{
	uint32_t type = access & AR_TYPE;

	if (access & AR_S)
		return "S is 1 for a system segment";
	if (n == LDTR && type != 2)
		return "type is not an LDT";
	if (n == TR && type != 11 && (type != 3 || g->long_mode))
		return "type is not a busy TSS";
	if (n == TR && (access & AR_UNUSABLE))
		return "unusable";
	return NULL;
}

/* What all usable segments have in common. */
static const char *common_rule(uint32_t access, uint64_t limit)
{
	if (!(access & AR_P))
		return "not present";
	if (access & AR_RESERVED)
		return "reserved bits set";
	if ((limit & 0xfff) != 0xfff && (access & AR_G))
		return "G is 1 with a limit whose low 12 bits are not all 1";
	if ((limit & 0xfff00000) && !(access & AR_G))
		return "G is 0 with a limit above 1 MiB";
	return NULL;
}

static const char *access_rule(const struct guest *g, uint32_t n, uint32_t access, uint64_t limit,
			       uint32_t rpl)
{
	const char *why;

	if (n == SS && (why = stack_rule(g, rpl)))
		return why;
	if (n == CS && (why = code_rule(g)))
		return why;
	if ((access & AR_UNUSABLE) && n != CS && n != TR)
		return NULL;
	if (n == LDTR || n == TR)
		why = system_rule(g, n, access);
	else if (!(access & AR_S))
		why = "S is 0 for a code or data segment";
	else
		why = n >= DS ? data_rule(g, access, rpl) : NULL;
	return why ? why : common_rule(access, limit);
}

static int check_base(struct check *c, uint32_t n, uint64_t base, bool usable)
{
	bool canonical = n == TR || n == FS || n == GS || (n == LDTR && usable);
	bool low = n == CS || ((n == SS || n == DS || n == ES) && usable);

	if (canonical && !entry_canonical(c, base))
		return violated(c, "guest %s base 0x%llx: not canonical", segments[n].name,
				HEX(base));
	if (low && base >> 32)
		return violated(c, "guest %s base 0x%llx: bits 63:32 not 0", segments[n].name,
				HEX(base));
	return 0;
}

static int check_v86(struct check *c, uint32_t n, uint64_t selector, uint64_t base, uint64_t limit,
		     uint32_t access)
{
	if (base != selector << 4)
		return violated(c, "guest %s base 0x%llx: not selector * 16 in virtual-8086 mode",
				segments[n].name, HEX(base));
	if (limit != 0xffff)
		return violated(c, "guest %s limit 0x%llx: not 0xffff in virtual-8086 mode",
				segments[n].name, HEX(limit));
	if (access != 0xf3)
		return bad_access(c, n, access, "not 0xf3 in virtual-8086 mode");
	return 0;
}

static int check_segment(struct check *c, const struct guest *g, uint32_t n)
{
	uint64_t selector = field(c, segments[n].selector), base = field(c, segments[n].base);
	uint64_t limit = field(c, segments[n].limit);
	uint32_t access = (uint32_t)field(c, segments[n].access);
	bool usable = !(access & AR_UNUSABLE);
	const char *why;
	int ret;

	if ((n == TR || (n == LDTR && usable)) && (selector & 4))
		return violated(c, "guest %s selector 0x%llx: TI is 1", segments[n].name,
				HEX(selector));
	if (n == SS && !g->v86 && !g->unrestricted && ((selector ^ field(c, VMCS_GUEST_CS)) & 3))
		return violated(c, "guest SS selector 0x%llx: RPL differs from CS", HEX(selector));
	if (g->v86 && n < LDTR)
		return check_v86(c, n, selector, base, limit, access);
	if ((ret = check_base(c, n, base, usable)))
		return ret;
	why = access_rule(g, n, access, limit, selector & 3);
	return why ? bad_access(c, n, access, why) : 0;
}

/* --- 27.3.1.3: descriptor tables; 27.3.1.4: RIP and RFLAGS
 * ------------------------------------------- */

static int check_tables(struct check *c)
{
	uint64_t gdt = field(c, VMCS_GUEST_GDTR_BASE), idt = field(c, VMCS_GUEST_IDTR_BASE);
	uint64_t gdt_limit = field(c, VMCS_GUEST_GDTR_LIMIT);
	uint64_t idt_limit = field(c, VMCS_GUEST_IDTR_LIMIT);

	if (!entry_canonical(c, gdt) || gdt_limit >> 16)
		return violated(c, "guest GDTR 0x%llx, limit 0x%llx: not canonical or above 64 KiB",
				HEX(gdt), HEX(gdt_limit));
	if (!entry_canonical(c, idt) || idt_limit >> 16)
		return violated(c, "guest IDTR 0x%llx, limit 0x%llx: not canonical or above 64 KiB",
				HEX(idt), HEX(idt_limit));
	return 0;
}

static bool injects(const struct check *c, uint32_t type)
{
	return (c->event & INTR_VALID) && (c->event & INTR_TYPE) == type;
}

static int check_flow(struct check *c, const struct guest *g)
{
	uint64_t rip = field(c, VMCS_GUEST_RIP), flags = g->rflags;

	if ((!g->long_mode || !(g->cs & AR_L)) && rip >> 32)
		return violated(c, "guest RIP 0x%llx: bits 63:32 not 0 outside of 64-bit mode",
				HEX(rip));
	if (g->long_mode && (g->cs & AR_L) && !entry_canonical(c, rip))
		return violated(c, "guest RIP 0x%llx: not canonical", HEX(rip));
	if ((flags & ~0x3f7fd7ull) || !(flags & RFLAGS_ONE))
		return violated(c, "guest RFLAGS 0x%llx: reserved bits", HEX(flags));
	if ((flags & RFLAGS_VM) && (g->long_mode || !(g->cr0 & CR0_PE)))
		return violated(c, "guest RFLAGS 0x%llx: VM in IA-32e or real mode", HEX(flags));
	if (!(flags & RFLAGS_IF) && injects(c, INTR_TYPE_EXTERNAL))
		return violated(c, "guest RFLAGS 0x%llx: IF is 0 with an interrupt to inject",
				HEX(flags));
	return 0;
}

/* --- 27.3.1.5: non-register state
 * ---------------------------------------------------------------------- */

static int check_activity(struct check *c, const struct guest *g, uint64_t blocking)
{
	static const uint64_t supported[] = {0, VMX_MISC_HLT, VMX_MISC_SHUTDOWN,
					     VMX_MISC_WAIT_SIPI};
	uint64_t activity = field(c, VMCS_GUEST_ACTIVITY);
	uint32_t vector = (uint32_t)c->event & INTR_VECTOR;
	bool ok = true;

	if (activity > ACTIVITY_WAIT_SIPI ||
	    (activity && !(c->in->caps->misc & supported[activity])))
		return violated(c, "guest activity state %llu: not supported", HEX(activity));
	if (activity == ACTIVITY_HLT && (g->ss & AR_DPL))
		return violated(c, "guest activity state HLT with SS.DPL not 0");
	if (activity && (blocking & (BLOCKING_STI | BLOCKING_MOV_SS)))
		return violated(c, "guest activity state %llu with blocking by STI or MOV SS",
				HEX(activity));
	if (!(c->event & INTR_VALID) || activity == ACTIVITY_ACTIVE)
		return 0;
	if (activity == ACTIVITY_HLT)
		ok = injects(c, INTR_TYPE_EXTERNAL) || injects(c, INTR_TYPE_NMI) ||
		     injects(c, INTR_TYPE_OTHER) ||
		     (injects(c, INTR_TYPE_HARDWARE) &&
		      (vector == VECTOR_DB || vector == VECTOR_MC));
	else if (activity == ACTIVITY_SHUTDOWN)
		ok = injects(c, INTR_TYPE_NMI) ||
		     (injects(c, INTR_TYPE_HARDWARE) && vector == VECTOR_MC);
	else
		ok = false;
	if (!ok)
		return violated(c, "guest activity state %llu with event 0x%llx to inject",
				HEX(activity), HEX(c->event));
	return 0;
}

static int check_blocking(struct check *c, const struct guest *g, uint64_t blocking)
{
	const char *why = NULL;

	if (blocking & ~0x1full)
		why = "reserved bits set";
	else if ((blocking & BLOCKING_STI) && (blocking & BLOCKING_MOV_SS))
		why = "STI and MOV SS both";
	else if ((blocking & BLOCKING_STI) && !(g->rflags & RFLAGS_IF))
		why = "blocking by STI with RFLAGS.IF 0";
	else if ((blocking & (BLOCKING_STI | BLOCKING_MOV_SS)) && injects(c, INTR_TYPE_EXTERNAL))
		why = "blocking with an interrupt to inject";
	else if ((blocking & BLOCKING_MOV_SS) && injects(c, INTR_TYPE_NMI))
		why = "blocking by MOV SS with an NMI to inject";
	else if (blocking & BLOCKING_SMI)
		why = "blocking by SMI outside of SMM";
	else if ((blocking & BLOCKING_NMI) && injects(c, INTR_TYPE_NMI) &&
		 (c->control[CONTROL_PIN] & PIN_VIRTUAL_NMIS))
		why = "blocking by NMI with an NMI to inject";
	if (why)
		return violated(c, "guest interruptibility 0x%llx: %s", HEX(blocking), why);
	return 0;
}

static int check_pending_debug(struct check *c, const struct guest *g, uint64_t blocking)
{
	uint64_t pending = field(c, VMCS_GUEST_PENDING_DEBUG);
	bool waiting = (blocking & (BLOCKING_STI | BLOCKING_MOV_SS)) ||
		       field(c, VMCS_GUEST_ACTIVITY) == ACTIVITY_HLT;
	/* DEBUGCTL.BTF is bit 1; BS is bit 14. */
	bool step = (g->rflags & RFLAGS_TF) && !(g->debugctl & 2);

	/* B3:B0, bus lock (11), enabled breakpoint (12), BS (14), RTM (16). */
	if (pending & ~0x1580full)
		return violated(c, "guest pending debug exceptions 0x%llx: reserved bits set",
				HEX(pending));
	if (waiting && step != (bool)(pending & 0x4000))
		return violated(c, "guest pending debug exceptions 0x%llx: BS must be %u",
				HEX(pending), (unsigned int)step);
	return 0;
}

static int check_link(struct check *c)
{
	uint64_t link = field(c, VMCS_LINK_POINTER);

	if (link != UINT64_MAX && ((link & 0xfff) || link >> c->in->phys_bits))
		return violated(c, "VMCS link pointer 0x%llx: not a page's physical address",
				HEX(link));
	return 0;
}

/* 27.3.1.6: the page-directory pointers of a guest with PAE paging. */
static int check_pdptes(struct check *c, const struct guest *g)
{
	if (!(g->cr0 & CR0_PG) || !(g->cr4 & CR4_PAE) || g->long_mode ||
	    !(c->control[CONTROL_SECONDARY] & SECONDARY_EPT))
		return 0;
	for (uint32_t i = 0; i < 4; i++) {
		uint64_t pdpte = field(c, (enum vmcs_field)(VMCS_GUEST_PDPTE0 + 2 * i));

		if ((pdpte & 1) && ((pdpte & 0x1e6) || pdpte >> c->in->phys_bits))
			return violated(c, "guest PDPTE%u 0x%llx: reserved bits set", i,
					HEX(pdpte));
	}
	return 0;
}

int entry_check_guest(struct check *c)
{
	uint64_t blocking = field(c, VMCS_GUEST_INTERRUPTIBILITY);
	struct guest g = {
		.cr0 = field(c, VMCS_GUEST_CR0),
		.cr4 = field(c, VMCS_GUEST_CR4),
		.rflags = field(c, VMCS_GUEST_RFLAGS),
		.debugctl = field(c, VMCS_GUEST_DEBUGCTL),
		.long_mode = c->control[CONTROL_ENTRY] & ENTRY_GUEST_64,
		.unrestricted = c->control[CONTROL_SECONDARY] & SECONDARY_UNRESTRICTED,
		.cs = (uint32_t)field(c, VMCS_GUEST_CS_ACCESS),
		.ss = (uint32_t)field(c, VMCS_GUEST_SS_ACCESS),
	};
	int ret;

	/* VM where it can't be is named by check_flow, not by what would follow from it. */
	g.v86 = (g.rflags & RFLAGS_VM) && !g.long_mode && (g.cr0 & CR0_PE);
	if (c->control[CONTROL_ENTRY] & ENTRY_LOAD_EFER)
		g.efer = field(c, VMCS_GUEST_EFER);
	ret = check_registers(c, &g);
	for (uint32_t n = 0; n < SEGMENTS && !ret; n++)
		ret = check_segment(c, &g, n);
	if (ret || (ret = check_tables(c)) || (ret = check_flow(c, &g)) ||
	    (ret = check_activity(c, &g, blocking)) || (ret = check_blocking(c, &g, blocking)) ||
	    (ret = check_pending_debug(c, &g, blocking)) || (ret = check_link(c)))
		return ret;
	return check_pdptes(c, &g);
}
