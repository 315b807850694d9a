#include "arch/x86/cpu.h"
#include "arch/x86/sentry_vm.h"
#include "arch/x86/string.h"
#include "arch/x86/vmx/vmx.h"
#include "hv/abi.h"
#include "hv/errno.h"
#include "hv/machine.h"
#include "hv/panic.h"
#include "hv/unit.h"

/* Page-table entries of the sentry's own tables. Rights are EPT's business; accessed and dirty are
 * set, because the processor can't write to tables that EPT shows read-only. */
#define PT_TABLE  0x27ull /* present, writable, user, accessed */
#define PT_PAGE	  0x67ull /* present, writable, user, accessed, dirty */
#define PT_LARGE  0x80ull
#define PT_ADDR	  0x000ffffffffff000ull
/* It runs at CPL 3, where no instruction changes what the guest has live in the processor during a
 * stay (SWAPGS: KERNEL_GS_BASE; MOV to CR2), or leaves events blocked behind it (STI, MOV SS). */
#define SENTRY_CS 0x0b
#define SENTRY_DS 0x13
#define SENTRY_TR 0x18
#define WINDOW_WITHOUT_1G                                                                          \
	(64ull << 30) /* bytes shown where there are no 1 GiB pages: tables cost */

void unblock_nmi(void);
int sentry_switch(struct guest_regs *regs, int resume);
void sentry_exit_entry(void);

static struct ept ept;
static uint64_t root; /* the sentry's CR3 */
static struct guest_regs regs;
static uint64_t rip, rsp, rflags;
static void *xsave;
static bool have_xsave;
static uint64_t xcr0; /* components that are switched at a stay: x87, SSE, AVX */

/* --- address space
 * ------------------------------------------------------------------------------------ */

static uint64_t *next_table(uint64_t *entry)
{
	void *page;

	if (*entry & 1)
		return (uint64_t *)(*entry & PT_ADDR);
	page = pages_alloc(1);
	if (!page || ept_map(&ept, (uint64_t)page, 4096, (uint64_t)page, EPT_R, MEM_WB))
		return NULL;
	*entry = (uint64_t)page | PT_TABLE;
	return page;
}

/* One page of the sentry's space: level 1: 4 KiB, 2: 2 MiB, 3: 1 GiB. */
static int map_page(uint64_t va, uint64_t gpa, uint32_t level)
{
	uint64_t *table = (uint64_t *)root;

	for (uint32_t l = 4; l > level; l--) {
		table = next_table(&table[va >> (12 + 9 * (l - 1)) & 511]);
		if (!table)
			return -ENOMEM;
	}
	table[va >> (12 + 9 * (level - 1)) & 511] = gpa | PT_PAGE | (level > 1 ? PT_LARGE : 0);
	return 0;
}

int sentry_vm_map(uint64_t va, uint64_t phys, uint64_t size, enum sentry_rights rights)
{
	uint32_t ept_rights = rights == SENTRY_RX   ? EPT_R | EPT_X
			      : rights == SENTRY_RW ? EPT_R | EPT_W
						    : EPT_R;
	int err = size ? ept_map(&ept, phys, size, phys, ept_rights, MEM_WB) : 0;

	for (uint64_t off = 0; off < size && !err; off += 4096)
		err = map_page(va + off, phys + off, 1);
	return err;
}

int64_t sentry_vm_window(uint64_t va, const struct abi_ram *ram, uint32_t count)
{
	bool large = cpuid(CPUID_EXT_FEATURES, 0).edx >> 26 & 1;
	uint64_t step = large ? EPT_PAGE_1G : EPT_PAGE_2M, top = 0;
	int err = 0;

	for (uint32_t i = 0; i < count && !err; i++) {
		uint64_t base = (ram[i].base + 4095) & ~4095ull, end = ram[i].base + ram[i].size;

		if (!large && end > WINDOW_WITHOUT_1G)
			break;
		top = end;
		end &= ~4095ull;
		if (base < end)
			err = ept_map(&ept, base, end - base, base, EPT_R, MEM_WB);
	}
	for (uint64_t a = 0; a < top && !err; a += step)
		err = map_page(va + a, a, large ? 3 : 2);
	return err ? err : (int64_t)top;
}

static uint64_t ept_page(void *ctx)
{
	(void)ctx;
	return (uint64_t)pages_alloc(1);
}

static int sentry_vm_unit(struct boot_info *info)
{
	static const struct ept_ops ops = {.alloc = ept_page};
	bool avx = cpuid(CPUID_VERSION, 0).ecx >> 28 & 1;
	void *table = pages_alloc(1);
	uint32_t size = 4096;

	(void)info;
	have_xsave = cpuid(CPUID_VERSION, 0).ecx & CPUID_1_ECX_XSAVE;
	if (have_xsave) {
		size = cpuid(CPUID_XSTATE, 0).ecx;
		xcr0 = XCR0_X87 | XCR0_SSE | (avx ? XCR0_AVX : 0);
	}
	xsave = pages_alloc((size + 4095) / 4096);
	root = (uint64_t)table;
	if (!table || !xsave || ept_init(&ept, &ops, vmx.caps.ept_vpid, vmx.phys_bits) ||
	    ept_map(&ept, root, 4096, root, EPT_R, MEM_WB))
		return init_error(-ENOMEM, "no memory for the sentry's tables");
	return 0;
}

UNIT(31, sentry_vm, sentry_vm_unit);

/* --- VMCS
 * ------------------------------------------------------------------------------------------------
 */

static bool write_flat_segments(void)
{
	bool ok = true;

	for (uint32_t i = ES; i <= GS; i++)
		ok &= vmcs_write_segment(i, i == CS ? SENTRY_CS : SENTRY_DS, 0, 0xffffffff,
					 AR_P | AR_S | AR_G | AR_DPL |
						 (i == CS ? 0xb | AR_L : 3 | AR_DB));
	ok &= vmcs_write_segment(LDTR, 0, 0, 0, AR_UNUSABLE);
	return ok & vmcs_write_segment(TR, SENTRY_TR, 0, 0x67, AR_P | 0xb);
}

/* The sentry has no interrupts, system calls or descriptor tables of its own. */
static const uint16_t zero_fields[] = {VMCS_GUEST_GDTR_BASE,	VMCS_GUEST_GDTR_LIMIT,
				       VMCS_GUEST_IDTR_BASE,	VMCS_GUEST_IDTR_LIMIT,
				       VMCS_GUEST_SYSENTER_CS,	VMCS_GUEST_SYSENTER_ESP,
				       VMCS_GUEST_SYSENTER_EIP, VMCS_GUEST_DEBUGCTL};

static bool write_registers(void)
{
	uint64_t cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | (have_xsave ? CR4_OSXSAVE : 0);
	uint64_t cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
	bool ok = vmcs_write_zero(zero_fields, sizeof(zero_fields) / sizeof(zero_fields[0]));

	cr0 = (cr0 | vmx.caps.cr0_fixed0) & vmx.caps.cr0_fixed1;
	cr4 = (cr4 | vmx.caps.cr4_fixed0) & vmx.caps.cr4_fixed1;
	ok &= !vmwrite_checked(VMCS_GUEST_CR0, cr0);
	ok &= !vmwrite_checked(VMCS_GUEST_CR3, root);
	ok &= !vmwrite_checked(VMCS_GUEST_CR4, cr4);
	ok &= !vmwrite_checked(VMCS_CR0_MASK, ~0ull);
	ok &= !vmwrite_checked(VMCS_CR4_MASK, ~0ull);
	ok &= !vmwrite_checked(VMCS_CR0_SHADOW, cr0);
	ok &= !vmwrite_checked(VMCS_CR4_SHADOW, cr4);
	ok &= !vmwrite_checked(VMCS_GUEST_EFER, EFER_LME | EFER_LMA | EFER_NXE);
	ok &= !vmwrite_checked(VMCS_GUEST_PAT, 0x0007040600070406ull);
	ok &= !vmwrite_checked(VMCS_GUEST_DR7, 0x400);
	return ok;
}

int sentry_vmcs_init(struct vcpu *v)
{
	int err = vmcs_write_controls(&vmx.control[PROFILE_SENTRY]);
	bool ok;

	/* HOST_RSP is set at each entry. */
	err = err ?: vmcs_write_host(v, (uint64_t)sentry_exit_entry, 0);
	if (err)
		return err;
	ok = write_flat_segments() && write_registers();
	ok &= !vmwrite_checked(VMCS_EPT_POINTER, ept_pointer(&ept));
	ok &= !vmwrite_checked(VMCS_VPID, VPID_SENTRY);
	ok &= !vmwrite_checked(VMCS_EXCEPTION_BITMAP, 0xffffffff);
	return ok ? 0 : init_error(-EIO, "a field of the sentry's VMCS can't be written");
}

/* --- stays
 * --------------------------------------------------------------------------------------------------
 */

/* Components of the guest: all that XCR0 has enabled. Of the sentry: its own alone. It could use
 * others that the guest has enabled, and what was saved of those on one CPU would fault on another
 * (XRSTOR, SDM volume 2: a bit of XSTATE_BV that XCR0 lacks). */
#define ALL_STATE (~0ull)

static void xsave_to(void *area, uint64_t which)
{
	if (have_xsave)
		__asm__ volatile("xsave64 (%0)"
				 :
				 : "r"(area), "a"((uint32_t)which), "d"((uint32_t)(which >> 32))
				 : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
}

static void xrstor_from(const void *area, uint64_t which)
{
	if (have_xsave)
		__asm__ volatile("xrstor64 (%0)"
				 :
				 : "r"(area), "a"((uint32_t)which), "d"((uint32_t)(which >> 32))
				 : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
}

static void xsetbv(uint64_t value)
{
	if (xsetbv_safe(0, value))
		panic("XCR0 can't be set to %lx", value);
}

void sentry_vm_reset(uint64_t new_rip, uint64_t new_rsp, enum abi_start start)
{
	uint8_t *area = xsave;

	memset(&regs, 0, sizeof(regs));
	memset(area, 0, 576); /* legacy region and header: everything in its initial state */
	area[0] = 0x7f;	      /* FCW 0x37f, MXCSR 0x1f80: exceptions masked (SDM table 10-1) */
	area[1] = 0x03;
	area[24] = 0x80;
	area[25] = 0x1f;
	regs.rdi = ABI_SENTRY_SHARED;
	regs.rsi = start;
	rip = new_rip;
	rsp = new_rsp;
	rflags = RFLAGS_ONE;
}

/* The guest's extended state: what its XCR0 has enabled, and always what the sentry may change,
 * since with XCR0 = x87 a guest still has SSE registers. */
void sentry_vm_begin(enum sentry_hold hold)
{
	uint32_t pin = vmx.control[PROFILE_SENTRY].word[CONTROL_PIN];
	struct vcpu *v = this_vcpu();

	if (hold == SENTRY_HOLD_ALL ||
	    (hold == SENTRY_HOLD_DISABLED && !(vmread(VMCS_GUEST_RFLAGS) & RFLAGS_IF)))
		pin &= ~PIN_EXTERNAL_INTERRUPT;

	if (have_xsave) {
		v->guest_xcr0 = xgetbv(0);
		if ((v->guest_xcr0 & xcr0) != xcr0)
			xsetbv(v->guest_xcr0 | xcr0);
	}
	xsave_to(v->xsave, ALL_STATE);
	xrstor_from(xsave, xcr0);
	if (vmptrld(v->sentry_vmcs))
		panic("the sentry's VMCS can't be loaded");
	vmwrite(VMCS_GUEST_RIP, rip);
	vmwrite(VMCS_GUEST_RSP, rsp);
	vmwrite(VMCS_GUEST_RFLAGS, rflags);
	/* Not carried along: the last stay on this CPU may have been another life of the sentry,
	 * whose leftovers would contradict these flags and fail the entry (SDM 27.3.1.5). */
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
	vmwrite(VMCS_GUEST_PENDING_DEBUG, 0);
	vmwrite(VMCS_PIN_CONTROLS, pin);
	v->in_sentry = true;
}

void sentry_vm_end(void)
{
	struct vcpu *v = this_vcpu();

	rip = vmread(VMCS_GUEST_RIP);
	rsp = vmread(VMCS_GUEST_RSP);
	rflags = vmread(VMCS_GUEST_RFLAGS);
	if (vmptrld(v->vmcs))
		panic("the guest's VMCS can't be loaded");
	v->in_sentry = false;
	xsave_to(xsave, xcr0);
	xrstor_from(v->xsave, ALL_STATE);
	if (have_xsave && (v->guest_xcr0 & xcr0) != xcr0)
		xsetbv(v->guest_xcr0);
}

static enum sentry_exit fault_of(uint32_t kind, uint64_t detail, struct sentry_fault *fault)
{
	fault->kind = kind;
	fault->rip = vmread(VMCS_GUEST_RIP);
	fault->detail = detail;
	return SENTRY_EXIT_FAULT;
}

static enum sentry_exit on_exception(struct vcpu *v, struct sentry_fault *fault)
{
	uint32_t info = (uint32_t)vmread(VMCS_EXIT_INTERRUPTION_INFO);

	if ((info & INTR_TYPE) == INTR_TYPE_NMI) {
		v->nmis++;
		v->nmi_pending = 1;
		unblock_nmi();
		return SENTRY_EXIT_INTERRUPT;
	}
	if ((info & (INTR_TYPE | INTR_VECTOR)) == (INTR_TYPE_HARDWARE | VECTOR_MC))
		panic("machine check in the sentry");
	return fault_of(ABI_SENTRY_EXCEPTION,
			(uint64_t)(info & INTR_VECTOR) << 32 |
				(info & INTR_ERROR_CODE ? vmread(VMCS_EXIT_ERROR_CODE) : 0),
			fault);
}

enum sentry_exit sentry_vm_enter(uint64_t deadline, struct sentry_fault *fault)
{
	struct vcpu *v = this_vcpu();
	uint64_t now = rdtsc(), ticks = deadline > now ? deadline - now : 0;
	uint32_t reason;

	ticks >>= vmx.caps.misc & VMX_MISC_TIMER_RATE;
	vmwrite(VMCS_PREEMPTION_TIMER, ticks < 0xffffffff ? ticks : 0xffffffff);
	if (sentry_switch(&regs, v->sentry_launched))
		entry_failed(0);
	v->sentry_launched = true;
	reason = (uint32_t)vmread(VMCS_EXIT_REASON);
	if (reason & EXIT_REASON_FAILURE)
		entry_failed(reason);
	switch (reason & EXIT_REASON_BASIC) {
	case EXIT_VMCALL:
		return SENTRY_EXIT_CALL;
	case EXIT_PREEMPTION_TIMER:
		return SENTRY_EXIT_TIMER;
	case EXIT_EXTERNAL_INTERRUPT:
		return SENTRY_EXIT_INTERRUPT;
	case EXIT_INIT:
		vcpu_work(v, WORK_INIT);
		return SENTRY_EXIT_INTERRUPT;
	case EXIT_EXCEPTION_NMI:
		return on_exception(v, fault);
	case EXIT_EPT_VIOLATION:
		return fault_of(ABI_SENTRY_MEMORY, vmread(VMCS_GUEST_PHYSICAL_ADDRESS), fault);
	default:
		return fault_of(ABI_SENTRY_UNEXPECTED, reason & EXIT_REASON_BASIC, fault);
	}
}

void sentry_vm_call(struct sentry_call *call)
{
	call->number = regs.rax;
	call->arg[0] = regs.rdi;
	call->arg[1] = regs.rsi;
	vmwrite(VMCS_GUEST_RIP, vmread(VMCS_GUEST_RIP) + vmread(VMCS_EXIT_INSTRUCTION_LENGTH));
}

void sentry_vm_return(uint64_t rax, uint64_t rdx)
{
	regs.rax = rax;
	regs.rdx = rdx;
}

void sentry_vm_guest(struct abi_cpu *cpu)
{
	struct vcpu *v = this_vcpu();

	if (vmptrld(v->vmcs))
		panic("the guest's VMCS can't be loaded");
	*cpu = (struct abi_cpu){
		.index = v->index,
		.idt_limit = (uint32_t)vmread(VMCS_GUEST_IDTR_LIMIT),
		.gdt_limit = (uint32_t)vmread(VMCS_GUEST_GDTR_LIMIT),
		.idt_base = vmread(VMCS_GUEST_IDTR_BASE),
		.gdt_base = vmread(VMCS_GUEST_GDTR_BASE),
		.cr0 = (vmread(VMCS_GUEST_CR0) & ~vmx_cr0_mask()) |
		       (vmread(VMCS_CR0_SHADOW) & vmx_cr0_mask()),
		.cr3 = vmread(VMCS_GUEST_CR3),
		.cr4 = (vmread(VMCS_GUEST_CR4) & ~vmx_cr4_mask()) |
		       (vmread(VMCS_CR4_SHADOW) & vmx_cr4_mask()),
		.efer = vmread(VMCS_GUEST_EFER),
		.lstar = rdmsr(MSR_LSTAR),
		.cstar = rdmsr(MSR_CSTAR),
		.star = rdmsr(MSR_STAR),
		.fmask = rdmsr(MSR_FMASK),
		.sysenter_cs = vmread(VMCS_GUEST_SYSENTER_CS),
		.sysenter_esp = vmread(VMCS_GUEST_SYSENTER_ESP),
		.sysenter_eip = vmread(VMCS_GUEST_SYSENTER_EIP),
		.gs_base = vmread(VMCS_GUEST_GS_BASE),
		.rip = vmread(VMCS_GUEST_RIP),
		.cpl = (vmread(VMCS_GUEST_SS_ACCESS) & AR_DPL) >> AR_DPL_SHIFT,
	};
	/* Put aside by SWAPGS while user code runs. */
	if (!(cpu->gs_base >> 63))
		cpu->gs_base = rdmsr(MSR_KERNEL_GS_BASE);
	if (vmptrld(v->sentry_vmcs))
		panic("the sentry's VMCS can't be loaded");
}
