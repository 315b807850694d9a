/* The CPUID allow-list. Bit names: SDM volume 2, CPUID, and volume 1, chapter 21. */
#include "arch/x86/cpuid_policy.h"
#include "arch/x86/cpu.h"
#include "arch/x86/vmx/control.h"
#include "hv/errno.h"

#define B(n)		(1u << (n))
#define BITS(high, low) ((0xffffffffu >> (31 - (high))) & ~((1u << (low)) - 1u))
#define ALL		0xffffffffu

#define LAST_BASIC 0x24u /* AVX10 */
#define LAST_EXT   0x80000008u

/* Row flags. */
#define SUBLEAVES CPUID_ROW_SUBLEAVES
#define CONTROL4  CPUID_ROW_CONTROL4
#define XSTATE	  0x04u /* shows sizes that depend on XCR0 and XSS */
#define TOPOLOGY  0x08u /* echoes ECX below an invalid level */

/* How many subleaves a leaf has. */
enum extent {
	ONE,
	UNTIL_EAX_TYPE, /* up to and with the one whose EAX[4:0] is 0 */
	UNTIL_LEVEL,	/* up to and with the one whose ECX[15:8] is 0 */
	EAX_LAST,	/* EAX of subleaf 0 is the last */
	FIXED,
};

struct leaf {
	uint32_t leaf, last; /* a range of leaves of one kind */
	uint8_t extent;
	uint8_t limit; /* subleaves at most */
	uint8_t flags;
};

/* Every leaf the guest sees; what is not here reads as zero: 0x12 SGX, 0x14 PT, 0x19 Key Locker,
 * 0x1b PCONFIG, 0x1c architectural LBR, 0x20 HRESET, 0x21 TDX, 0x23 extended PMU, and all that is
 * new. */
static const struct leaf leaves[] = {
	{0x00, 0x00, ONE, 1, 0},
	{0x01, 0x01, ONE, 1, CONTROL4},
	{0x02, 0x03, ONE, 1, 0},
	{0x04, 0x04, UNTIL_EAX_TYPE, 10, SUBLEAVES},
	{0x05, 0x06, ONE, 1, 0},
	{0x07, 0x07, EAX_LAST, 3, SUBLEAVES | CONTROL4},
	{0x09, 0x0a, ONE, 1, 0},
	{0x0b, 0x0b, UNTIL_LEVEL, 8, SUBLEAVES | TOPOLOGY},
	{0x0d, 0x0d, FIXED, 19, SUBLEAVES | XSTATE},
	{0x0f, 0x0f, FIXED, 2, SUBLEAVES},
	{0x10, 0x10, FIXED, 4, SUBLEAVES},
	{0x15, 0x16, ONE, 1, 0},
	{0x17, 0x17, EAX_LAST, 4, SUBLEAVES},
	{0x18, 0x18, EAX_LAST, 16, SUBLEAVES},
	{0x1a, 0x1a, ONE, 1, 0},
	{0x1d, 0x1d, EAX_LAST, 2, SUBLEAVES},
	{0x1e, 0x1e, FIXED, 1, SUBLEAVES},
	{0x1f, 0x1f, UNTIL_LEVEL, 8, SUBLEAVES | TOPOLOGY},
	{0x24, 0x24, FIXED, 1, SUBLEAVES},
	{0x80000000, 0x80000008, ONE, 1, 0},
};

/* Feature bits that may be seen, by leaf and subleaf; leaves without a row pass whole. */
static const struct mask {
	uint32_t leaf, subleaf;
	uint32_t eax, ebx, ecx, edx;
} masks[] = {
	/* Hidden, ECX: DTES64 and DS-CPL (debug store writes by linear address, and its MSR is not
	 * given out), VMX, SMX, OSXSAVE (from the guest's CR4), hypervisor. EDX: DS. */
	{0x01, 0, ALL, ALL, B(0) | B(1) | B(3) | BITS(15, 7) | BITS(26, 17) | BITS(30, 28),
	 BITS(9, 0) | BITS(19, 11) | BITS(29, 22) | B(31)},
	/* Hidden: hardware feedback interface (EAX 19, all of EDX) and thread director (EAX 23,
	 * ECX 15:8): the CPU would write to a physical address that goes around EPT. */
	{0x06, 0, BITS(2, 0) | BITS(11, 4) | BITS(18, 13) | B(20), BITS(3, 0), B(0) | B(3), 0},
	/* Hidden, EBX: SGX, MPX (its bounds would be lost in the core), PT. ECX: OSPKE (from CR4),
	 * CET_SS, TME, LA57, MAWAU, Key Locker, ENQCMD, SGX_LC, PKS. EDX: SGX keys, UINTR, PCONFIG,
	 * architectural LBR, CET_IBT, AMX (its IA32_XFD would have to be switched around a stay).
	 */
	{0x07, 0, ALL, B(0) | B(1) | BITS(13, 3) | BITS(21, 15) | BITS(24, 23) | BITS(31, 26),
	 BITS(3, 0) | BITS(6, 5) | BITS(12, 8) | B(14) | B(22) | BITS(25, 24) | BITS(28, 27),
	 BITS(4, 2) | BITS(11, 8) | BITS(16, 13) | B(23) | BITS(31, 26)},
	/* EAX: SHA512, SM3, SM4, AVX-VNNI, AVX512-BF16, LASS, CMPCCXADD, fast string operations,
	 * AVX-IFMA, LAM. Hidden: AMX-FP16, extended PMU, FRED, LKGS, WRMSRNS, NMI sources, HRESET,
	 * MSRLIST. EBX: PPIN. EDX: AVX-VNNI-INT8, NE-CONVERT, AVX-VNNI-INT16, PREFETCHI,
	 * AVX10; hidden: AMX-COMPLEX, UTMR, USER_MSR, UIRET_UIF, CET_SSS, APX. */
	{0x07, 1, BITS(2, 0) | BITS(7, 4) | BITS(12, 10) | B(23) | B(26), B(0), 0,
	 BITS(5, 4) | B(10) | B(14) | B(19)},
	/* Speculation controls and immunities. */
	{0x07, 2, 0, 0, 0, BITS(5, 0) | B(7)},
	{0x0d, 0, (uint32_t)CPUID_XCR0_ALLOWED, ALL, ALL, 0},
	/* XSAVEOPT, XSAVEC, XGETBV(1), XSAVES, no XFD; no supervisor component (CET, PT, PASID,
	 * UINTR, LBR, HDC, HWP). */
	{0x0d, 1, BITS(3, 0), ALL, (uint32_t)CPUID_XSS_ALLOWED, 0},
	{0x80000001, 0, 0, 0, B(0) | B(5) | B(8), B(11) | B(20) | BITS(27, 26) | B(29)},
	{0x80000007, 0, 0, 0, 0, B(8)},
	{0x80000008, 0, ALL, B(9), 0, 0},
};

/* Bits that go with a secondary control (TRAPS 36). RDPID needs the RDTSCP control as well. */
static const struct {
	uint32_t feature;
	uint32_t leaf, subleaf;
	uint32_t eax, ebx, ecx, edx;
} controlled[] = {
	{FEATURE_RDTSCP, 0x80000001, 0, 0, 0, 0, CPUID_EXT_EDX_RDTSCP},
	{FEATURE_RDTSCP, 0x07, 0, 0, 0, CPUID_7_ECX_RDPID, 0},
	{FEATURE_INVPCID, 0x07, 0, 0, CPUID_7_EBX_INVPCID, 0, 0},
	{FEATURE_XSAVES, 0x0d, 1, CPUID_D1_EAX_XSAVES, 0, 0, 0},
	{FEATURE_WAITPKG, 0x07, 0, 0, 0, CPUID_7_ECX_WAITPKG, 0},
	{FEATURE_SGX, 0x07, 0, 0, CPUID_7_EBX_SGX, 0, 0},
};

static void filter(uint32_t leaf, uint32_t subleaf, uint32_t hide, struct cpuid_regs *r)
{
	for (uint32_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		if (masks[i].leaf != leaf || masks[i].subleaf != subleaf)
			continue;
		r->eax &= masks[i].eax;
		r->ebx &= masks[i].ebx;
		r->ecx &= masks[i].ecx;
		r->edx &= masks[i].edx;
	}
	for (uint32_t i = 0; i < sizeof(controlled) / sizeof(controlled[0]); i++) {
		if (!(hide & controlled[i].feature) || controlled[i].leaf != leaf ||
		    controlled[i].subleaf != subleaf)
			continue;
		r->eax &= ~controlled[i].eax;
		r->ebx &= ~controlled[i].ebx;
		r->ecx &= ~controlled[i].ecx;
		r->edx &= ~controlled[i].edx;
	}
	if (leaf == 0 && r->eax > LAST_BASIC)
		r->eax = LAST_BASIC;
	if (leaf == CPUID_EXTENDED && r->eax > LAST_EXT)
		r->eax = LAST_EXT;
	if (leaf == CPUID_FEATURES && subleaf == 0 && r->eax > 2)
		r->eax = 2;
	if (leaf == CPUID_XSTATE && subleaf >= 2 && !(CPUID_XCR0_ALLOWED >> subleaf & 1))
		*r = (struct cpuid_regs){0};
}

/* Is this the leaf's last subleaf? */
static bool is_last(const struct leaf *leaf, uint32_t subleaf, const struct cpuid_regs *r,
		    uint32_t last)
{
	switch (leaf->extent) {
	case UNTIL_EAX_TYPE:
		return (r->eax & 0x1f) == 0;
	case UNTIL_LEVEL:
		return (r->ecx & 0xff00) == 0;
	case EAX_LAST:
		return subleaf >= last;
	case FIXED:
		return subleaf + 1 >= leaf->limit;
	default:
		return true;
	}
}

static struct cpuid_row *row_of(struct cpuid_policy *policy, uint32_t leaf)
{
	return &policy->row[leaf < CPUID_EXTENDED ? leaf
						  : CPUID_POLICY_BASIC + leaf - CPUID_EXTENDED];
}

static int add_leaf(struct cpuid_policy *policy, const struct leaf *leaf, uint32_t number,
		    uint32_t hide)
{
	struct cpuid_row *row = row_of(policy, number);
	uint32_t last = 0;

	*row = (struct cpuid_row){.first = (uint8_t)policy->used, .flags = leaf->flags};
	for (uint32_t subleaf = 0;; subleaf++) {
		struct cpuid_regs *value = &policy->value[policy->used], native;

		if (subleaf >= leaf->limit || policy->used >= CPUID_POLICY_VALUES)
			return -E2BIG;
		policy->native(policy->ctx, number, subleaf, &native);
		if (subleaf == 0)
			last = number == CPUID_FEATURES && native.eax > 2 ? 2 : native.eax;
		*value = native;
		filter(number, subleaf, hide, value);
		policy->used++;
		row->count++;
		if (is_last(leaf, subleaf, &native, last))
			return 0;
	}
}

/* The largest XSAVE area: of the components that are left. */
static void size_xstate(struct cpuid_policy *policy)
{
	const struct cpuid_row *row = &policy->row[CPUID_XSTATE];
	struct cpuid_regs *value = &policy->value[row->first];
	uint32_t size = 576; /* legacy area and header (SDM volume 1, 13.4) */

	for (uint32_t n = 2; n < row->count; n++)
		if ((value[0].eax >> n & 1) && value[n].ebx + value[n].eax > size)
			size = value[n].ebx + value[n].eax;
	if (row->count && value[0].eax)
		value[0].ecx = size;
}

int cpuid_policy_init(struct cpuid_policy *policy, uint32_t hide, cpuid_native *native, void *ctx)
{
	struct cpuid_regs basic, ext;
	int ret = 0;

	*policy = (struct cpuid_policy){.native = native, .ctx = ctx};
	native(ctx, 0, 0, &basic);
	native(ctx, CPUID_EXTENDED, 0, &ext);
	for (uint32_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		uint32_t max = leaves[i].leaf < CPUID_EXTENDED ? basic.eax : ext.eax;

		/* Above its maximum a CPU repeats the highest leaf: nothing that means anything. */
		for (uint32_t n = leaves[i].leaf; n <= leaves[i].last && n <= max; n++)
			if (add_leaf(policy, &leaves[i], n, hide))
				ret = -E2BIG;
	}
	size_xstate(policy);
	return ret;
}

/* What may have changed since: bits of CR4, sizes by XCR0 and XSS, an echoed subleaf. */
static void refresh(const struct cpuid_policy *policy, const struct cpuid_row *row, uint32_t leaf,
		    uint32_t subleaf, uint64_t cr4, struct cpuid_regs *out)
{
	if (leaf == CPUID_VERSION) {
		if (cr4 & CR4_OSXSAVE)
			out->ecx |= CPUID_1_ECX_OSXSAVE;
	} else if (leaf == CPUID_FEATURES) {
		if (subleaf == 0 && (cr4 & CR4_PKE))
			out->ecx |= CPUID_7_ECX_OSPKE;
	} else if ((row->flags & XSTATE) && subleaf <= 1) {
		struct cpuid_regs now;

		policy->native(policy->ctx, leaf, subleaf, &now);
		out->ebx = now.ebx;
	}
}

void cpuid_guest(const struct cpuid_policy *policy, uint32_t leaf, uint32_t subleaf, uint64_t cr4,
		 struct cpuid_regs *out)
{
	uint32_t index = leaf, at = 0;
	const struct cpuid_row *row;

	*out = (struct cpuid_regs){0};
	if (leaf >= CPUID_POLICY_BASIC) {
		if (leaf - CPUID_EXTENDED >= CPUID_POLICY_EXT)
			return;
		index = CPUID_POLICY_BASIC + (leaf - CPUID_EXTENDED);
	}
	row = &policy->row[index];
	if (row->flags & SUBLEAVES)
		at = subleaf;
	if (at >= row->count) {
		if ((row->flags & TOPOLOGY) && row->count) {
			*out = policy->value[row->first + row->count - 1u];
			out->ecx = (out->ecx & 0xff00) | (subleaf & 0xff);
		}
		return;
	}
	*out = policy->value[row->first + at];
	if (row->flags & (CONTROL4 | XSTATE))
		refresh(policy, row, leaf, at, cr4, out);
}

uint32_t cpuid_features(cpuid_native *native, void *ctx)
{
	struct cpuid_regs basic, ext, r;
	uint32_t features = 0;

	native(ctx, 0, 0, &basic);
	native(ctx, CPUID_EXTENDED, 0, &ext);
	for (uint32_t i = 0; i < sizeof(controlled) / sizeof(controlled[0]); i++) {
		uint32_t leaf = controlled[i].leaf;

		if (leaf > (leaf < CPUID_EXTENDED ? basic.eax : ext.eax))
			continue;
		native(ctx, leaf, controlled[i].subleaf, &r);
		if ((r.eax & controlled[i].eax) | (r.ebx & controlled[i].ebx) |
		    (r.ecx & controlled[i].ecx) | (r.edx & controlled[i].edx))
			features |= controlled[i].feature;
	}
	return features;
}
