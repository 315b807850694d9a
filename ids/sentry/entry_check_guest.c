/* VM-entry rules: guest state (SDM volume 3, 27.3.1). */
#include "hv/errno.h"
#include "ids/sentry/entry_check_impl.h"

/* What several rules look at, read once. */
struct guest {
	uint64_t cr0, cr4, rflags, efer, debugctl;
	uint64_t blocking; /* interruptibility state */
	bool long_mode;	   /* "IA-32e mode guest" */
	bool unrestricted;
	bool v86;
	uint32_t cs, ss; /* access rights */
};

static const char *const segment_name[SEGMENTS] = {
	"guest ES", "guest CS", "guest SS",   "guest DS",
	"guest FS", "guest GS", "guest LDTR", "guest TR",
};

/* DEBUGCTL: bits 5:3 and 63:16 are reserved on every processor. Pending debug exceptions: B3:B0,
 * bus lock (11), enabled breakpoint (12), BS (14), RTM (16). */
static const struct field_rule guest_rules[] = {
	{ALWAYS, VMCS_GUEST_CR3, PHYSICAL, 0, "guest CR3", "beyond MAXPHYADDR"},
	{ON_ENTRY(LOAD_DEBUG), VMCS_GUEST_DR7, CLEAR, UPPER_HALF, "guest DR7", "bits 63:32 not 0"},
	{ON_ENTRY(LOAD_DEBUG), VMCS_GUEST_DEBUGCTL, CLEAR, ~0xffc7ull, "guest DEBUGCTL",
	 "reserved bits set"},
	{ALWAYS, VMCS_GUEST_SYSENTER_ESP, CANONICAL, 0, "guest SYSENTER_ESP", "not canonical"},
	{ALWAYS, VMCS_GUEST_SYSENTER_EIP, CANONICAL, 0, "guest SYSENTER_EIP", "not canonical"},
	{ON_ENTRY(LOAD_PAT), VMCS_GUEST_PAT, PAT, 0, "guest PAT", NULL},
	{ON_ENTRY(LOAD_EFER), VMCS_GUEST_EFER, CLEAR, EFER_UNKNOWN, "guest EFER",
	 "reserved bits set"},
	{ALWAYS, VMCS_GUEST_GDTR_BASE, CANONICAL, 0, "guest GDTR base", "not canonical"},
	{ALWAYS, VMCS_GUEST_GDTR_LIMIT, CLEAR, ~0xffffull, "guest GDTR limit", "above 64 KiB"},
	{ALWAYS, VMCS_GUEST_IDTR_BASE, CANONICAL, 0, "guest IDTR base", "not canonical"},
	{ALWAYS, VMCS_GUEST_IDTR_LIMIT, CLEAR, ~0xffffull, "guest IDTR limit", "above 64 KiB"},
	{ALWAYS, VMCS_GUEST_RFLAGS, CLEAR, ~0x3f7fd7ull, "guest RFLAGS", "reserved bits"},
	{ALWAYS, VMCS_GUEST_RFLAGS, SET, RFLAGS_ONE, "guest RFLAGS", "reserved bits"},
	{ALWAYS, VMCS_GUEST_INTERRUPTIBILITY, CLEAR, ~0x1full, "guest interruptibility",
	 "reserved bits set"},
	{ALWAYS, VMCS_GUEST_PENDING_DEBUG, CLEAR, ~0x1580full, "guest pending debug exceptions",
	 "reserved bits set"},
	{ALWAYS, VMCS_LINK_POINTER, PAGE_OR_ONES, 0, "VMCS link pointer",
	 "not a page's physical address"},
};

/* 27.3.1.1: control registers, debug registers, MSRs; and each field of the others for itself. */
static int check_registers(struct check *c, const struct guest *g)
{
	uint64_t cr0 = g->cr0, cr4 = g->cr4, efer = g->efer;
	int ret = entry_check_cr(c, "guest", cr0, cr4, g->unrestricted ? CR0_PE | CR0_PG : 0);

	ret = ret
		      ?: RULES(c, "guest", "CR0", cr0,
			       {(cr0 & CR0_PG) && !(cr0 & CR0_PE), "PG without PE"},
			       {g->long_mode && !(cr0 & CR0_PG), "IA-32e mode without PG"});
	ret = ret
		      ?: RULES(c, "guest", "CR4", cr4,
			       {g->long_mode && !(cr4 & CR4_PAE), "IA-32e mode without PAE"},
			       {!g->long_mode && (cr4 & CR4_PCIDE),
				"PCIDE outside of IA-32e mode"});
	ret = ret ?: FIELDS(c, guest_rules);
	if (ret || !(c->control[CONTROL_ENTRY] & ENTRY_LOAD_EFER))
		return ret;
	return RULES(c, "guest", "EFER", efer,
		     {!(efer & EFER_LMA) == g->long_mode, "LMA differs from the guest-64 control"},
		     {(cr0 & CR0_PG) && !(efer & EFER_LMA) != !(efer & EFER_LME),
		      "LMA differs from LME with paging on"});
}

/* --- 27.3.1.2: segments ----------------------------------------------------------------------- */

static int check_access(struct check *c, const struct guest *g, uint32_t n, uint32_t access,
			uint64_t limit, uint64_t rpl)
{
	uint32_t type = access & AR_TYPE, dpl = (access & AR_DPL) >> AR_DPL_SHIFT;
	uint32_t ss_dpl = (g->ss & AR_DPL) >> AR_DPL_SHIFT;
	bool cs = n == CS, ss = n == SS, ldtr = n == LDTR, tr = n == TR, code = type & AR_CODE;
	bool used = !(access & AR_UNUSABLE) || cs || tr; /* these two always are */
	bool data = used && n != CS && n != SS && n < LDTR, system = used && (ldtr || tr);
	bool real = (g->cs & AR_TYPE) == 3 || !(g->cr0 & CR0_PE);

	return RULES(c, segment_name[n], "access rights", access,
		     {ss && used && type != 3 && type != 7,
		      "type is not an accessed, writable data segment"},
		     {ss && !g->unrestricted && dpl != rpl, "DPL differs from the selector's RPL"},
		     {ss && dpl && real, "DPL not 0 in real mode"},
		     {cs && !(type == 3 && g->unrestricted) && !(code && (type & AR_ACCESSED)),
		      "type is not an accessed code segment"},
		     {cs && type == 3 && dpl, "a data segment as CS has DPL other than 0"},
		     {cs && (type == 9 || type == 11) && dpl != ss_dpl, "DPL differs from SS.DPL"},
		     {cs && (type == 13 || type == 15) && dpl > ss_dpl,
		      "conforming, with DPL above SS.DPL"},
		     {cs && g->long_mode && (access & AR_L) && (access & AR_DB),
		      "L and D/B both set in IA-32e mode"},
		     {system && (access & AR_S), "S is 1 for a system segment"},
		     {system && ldtr && type != 2, "type is not an LDT"},
		     {tr && type != 11 && (type != 3 || g->long_mode), "type is not a busy TSS"},
		     {tr && (access & AR_UNUSABLE), "unusable"},
		     {used && !system && !(access & AR_S), "S is 0 for a code or data segment"},
		     {data && !(type & AR_ACCESSED), "not accessed"},
		     {data && code && !(type & AR_WRITABLE), "a code segment that can't be read"},
		     {data && !g->unrestricted && type <= 11 && dpl < rpl,
		      "DPL below the selector's RPL"},
		     {used && !(access & AR_P), "not present"},
		     {used && (access & AR_RESERVED), "reserved bits set"},
		     {used && (limit & 0xfff) != 0xfff && (access & AR_G),
		      "G is 1 with a limit whose low 12 bits are not all 1"},
		     {used && (limit & 0xfff00000) && !(access & AR_G),
		      "G is 0 with a limit above 1 MiB"});
}

static int check_segment(struct check *c, const struct guest *g, uint32_t n)
{
	const char *name = segment_name[n];
	uint64_t selector = field(c, VMCS_GUEST_ES + 2 * n);
	uint64_t base = field(c, VMCS_GUEST_ES_BASE + 2 * n);
	uint64_t limit = field(c, VMCS_GUEST_ES_LIMIT + 2 * n), rpl = selector & 3;
	uint32_t access = (uint32_t)field(c, VMCS_GUEST_ES_ACCESS + 2 * n);
	bool usable = !(access & AR_UNUSABLE), v86 = g->v86 && n < LDTR;
	bool canonical = n == TR || n == FS || n == GS || (n == LDTR && usable);
	bool low = n == CS || ((n == SS || n == DS || n == ES) && usable);
	int ret = RULES(
		c, name, "selector", selector,
		{(n == TR || (n == LDTR && usable)) && (selector & 4), "TI is 1"},
		{n == SS && !g->v86 && !g->unrestricted && rpl != (field(c, VMCS_GUEST_CS) & 3),
		 "RPL differs from CS"});

	ret = ret
		      ?: RULES(c, name, "base", base,
			       {v86 && base != selector << 4,
				"not selector * 16 in virtual-8086 mode"},
			       {!v86 && canonical && !entry_canonical(c, base), "not canonical"},
			       {!v86 && low && base >> 32, "bits 63:32 not 0"});
	if (ret || !v86)
		return ret ?: check_access(c, g, n, access, limit, rpl);
	ret = RULES(c, name, "limit", limit, {limit != 0xffff, "not 0xffff in virtual-8086 mode"});
	return ret
		       ?: RULES(c, name, "access rights", access,
				{access != 0xf3, "not 0xf3 in virtual-8086 mode"});
}

/* --- 27.3.1.4: RIP and RFLAGS; 27.3.1.5: non-register state ----------------------------------- */

static bool injects(const struct check *c, uint32_t type)
{
	return (c->event & INTR_VALID) && (c->event & INTR_TYPE) == type;
}

static int check_flow(struct check *c, const struct guest *g)
{
	uint64_t rip = field(c, VMCS_GUEST_RIP), flags = g->rflags;
	bool code_64 = g->long_mode && (g->cs & AR_L);
	int ret = RULES(c, "guest", "RIP", rip,
			{!code_64 && rip >> 32, "bits 63:32 not 0 outside of 64-bit mode"},
			{code_64 && !entry_canonical(c, rip), "not canonical"});

	return ret
		       ?: RULES(c, "guest", "RFLAGS", flags,
				{(flags & RFLAGS_VM) && (g->long_mode || !(g->cr0 & CR0_PE)),
				 "VM in IA-32e or real mode"},
				{!(flags & RFLAGS_IF) && injects(c, INTR_TYPE_EXTERNAL),
				 "IF is 0 with an interrupt to inject"});
}

static int check_activity(struct check *c, const struct guest *g)
{
	static const uint64_t supported[] = {0, VMX_MISC_HLT, VMX_MISC_SHUTDOWN,
					     VMX_MISC_WAIT_SIPI};
	uint64_t activity = field(c, VMCS_GUEST_ACTIVITY);
	uint32_t vector = (uint32_t)c->event & INTR_VECTOR;
	bool fault = injects(c, INTR_TYPE_HARDWARE);
	bool wakes_shutdown = injects(c, INTR_TYPE_NMI) || (fault && vector == VECTOR_MC);
	bool wakes_hlt = wakes_shutdown || injects(c, INTR_TYPE_EXTERNAL) ||
			 injects(c, INTR_TYPE_OTHER) || (fault && vector == VECTOR_DB);
	bool wakes[] = {true, wakes_hlt, wakes_shutdown, false};
	bool have = c->in->caps->misc & supported[activity & 3];
	int ret = RULES(c, "guest", "activity state", activity,
			{activity > ACTIVITY_WAIT_SIPI, "does not exist"},
			{activity && !have, "not supported"},
			{activity == ACTIVITY_HLT && (g->ss & AR_DPL), "HLT with SS.DPL not 0"},
			{activity && (g->blocking & (BLOCKING_STI | BLOCKING_MOV_SS)),
			 "with blocking by STI or MOV SS"});

	if (!ret && (c->event & INTR_VALID) && !wakes[activity])
		ret = violated(c, "guest activity state 0x%llx: with event 0x%llx to inject",
			       HEX(activity), HEX(c->event));
	return ret;
}

static int check_blocking(struct check *c, const struct guest *g)
{
	bool sti = g->blocking & BLOCKING_STI, mov_ss = g->blocking & BLOCKING_MOV_SS;
	bool nmi = g->blocking & BLOCKING_NMI, inject_nmi = injects(c, INTR_TYPE_NMI);

	return RULES(c, "guest", "interruptibility", g->blocking,
		     {sti && mov_ss, "STI and MOV SS both"},
		     {sti && !(g->rflags & RFLAGS_IF), "blocking by STI with RFLAGS.IF 0"},
		     {(sti || mov_ss) && injects(c, INTR_TYPE_EXTERNAL),
		      "blocking with an interrupt to inject"},
		     {mov_ss && inject_nmi, "blocking by MOV SS with an NMI to inject"},
		     {g->blocking & BLOCKING_SMI, "blocking by SMI outside of SMM"},
		     {nmi && inject_nmi && (c->control[CONTROL_PIN] & PIN_VIRTUAL_NMIS),
		      "blocking by NMI with an NMI to inject"});
}

static int check_pending_debug(struct check *c, const struct guest *g)
{
	uint64_t pending = field(c, VMCS_GUEST_PENDING_DEBUG);
	bool waiting = (g->blocking & (BLOCKING_STI | BLOCKING_MOV_SS)) ||
		       field(c, VMCS_GUEST_ACTIVITY) == ACTIVITY_HLT;
	/* DEBUGCTL.BTF is bit 1; BS is bit 14. */
	bool step = (g->rflags & RFLAGS_TF) && !(g->debugctl & 2), bs = pending & 0x4000;

	return RULES(c, "guest", "pending debug exceptions", pending,
		     {waiting && step && !bs, "BS must be 1"},
		     {waiting && !step && bs, "BS must be 0"});
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
	struct guest g = {
		.cr0 = field(c, VMCS_GUEST_CR0),
		.cr4 = field(c, VMCS_GUEST_CR4),
		.rflags = field(c, VMCS_GUEST_RFLAGS),
		.debugctl = field(c, VMCS_GUEST_DEBUGCTL),
		.blocking = field(c, VMCS_GUEST_INTERRUPTIBILITY),
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
	ret = ret ?: check_flow(c, &g);
	ret = ret ?: check_activity(c, &g);
	ret = ret ?: check_blocking(c, &g);
	ret = ret ?: check_pending_debug(c, &g);
	return ret ?: check_pdptes(c, &g);
}
