/* The guest's physical memory: identity EPT, Vigil's block and hidden devices.
 *
 * A hidden page is absent. An access to it exits, is counted, and is let through for one
 * instruction (monitor trap flag) to a page of ones (reads) or to a junk page (writes): no
 * instruction decoder is needed, and no access reaches what is hidden. Shadow pages work alike, but
 * stay readable. Another CPU that uses the opening sees the same ones or junk.
 */
#include "arch/x86/string.h"
#include "arch/x86/tables.h"
#include "arch/x86/upcall.h"
#include "arch/x86/vmx/vmx.h"
#include "hv/counter.h"
#include "hv/errno.h"
#include "hv/log.h"
#include "hv/machine.h"
#include "hv/panic.h"
#include "hv/unit.h"

#define HIDDEN_MAX 16
#define SHADOW_MAX 4

struct hidden_range {
	uint64_t base, size;
	bool block; /* Vigil's own memory: told as an event */
};

struct shadow_page {
	uint64_t gpa;
	uint64_t frame;
	void (*written)(void *ctx);
	void *ctx;
};

static struct hidden_range hidden[HIDDEN_MAX];
static uint32_t hidden_used;
static struct shadow_page shadows[SHADOW_MAX];
static uint32_t shadow_used;
static uint64_t ones_page, junk_page;
static uint64_t hidden_reads, hidden_writes, device_accesses, demand_maps, bus_misses;

/* --- EPT plumbing
 * ---------------------------------------------------------------------------------- */

static uint64_t ept_page(void *ctx)
{
	(void)ctx;
	return (uint64_t)pages_alloc(1);
}

void ept_flush_all(void *ctx)
{
	(void)ctx;
	for (uint32_t i = 0; i < vmx.ncpu; i++)
		if (vmx.cpu && vmx.cpu[i])
			vcpu_work(vmx.cpu[i], WORK_EPT);
}

static const struct hidden_range *find_hidden(uint64_t gpa)
{
	for (uint32_t i = 0; i < hidden_used; i++)
		if (gpa >= hidden[i].base && gpa - hidden[i].base < hidden[i].size)
			return &hidden[i];
	return NULL;
}

bool memory_hidden(uint64_t base, uint64_t size)
{
	const struct boot_info *info = boot_facts();

	if (base < info->block_base + info->block_size && info->block_base < base + size)
		return true;
	for (uint32_t i = 0; i < hidden_used; i++)
		if (base < hidden[i].base + hidden[i].size && hidden[i].base < base + size)
			return true;
	return false;
}

static const struct shadow_page *find_shadow(uint64_t page)
{
	for (uint32_t i = 0; i < shadow_used; i++)
		if (shadows[i].gpa == page)
			return &shadows[i];
	return NULL;
}

static int hide(uint64_t base, uint64_t size, bool block)
{
	int err;

	if (hidden_used == HIDDEN_MAX)
		return -ENOSPC;
	/* Small pages now: no table is allocated when one of them is opened later. */
	err = ept_hide(&vmx.ept, base, size, ones_page);
	err = err ?: ept_protect(&vmx.ept, base, size, 0);
	if (!err)
		hidden[hidden_used++] = (struct hidden_range){base, size, block};
	return err;
}

int guest_hide(uint64_t phys, uint64_t size)
{
	uint64_t base = phys & ~0xfffull;

	return hide(base, ((phys + size + 0xfff) & ~0xfffull) - base, false);
}

int guest_shadow_page(uint64_t phys, void *shadow, void (*written)(void *ctx), void *ctx)
{
	int err;

	if (shadow_used == SHADOW_MAX)
		return -ENOSPC;
	err = ept_map(&vmx.ept, phys & ~0xfffull, 4096, (uint64_t)shadow, EPT_R, MEM_WB);
	if (!err)
		shadows[shadow_used++] =
			(struct shadow_page){phys & ~0xfffull, (uint64_t)shadow, written, ctx};
	return err;
}

/* --- one instruction with a page open
 * ------------------------------------------------------------------ */

static void close_page(uint64_t page)
{
	const struct shadow_page *s = find_shadow(page);
	int err;

	if (s) {
		err = ept_protect(&vmx.ept, page, 4096, EPT_R);
	} else {
		err = ept_map(&vmx.ept, page, 4096, ones_page, EPT_R | EPT_X, MEM_WB);
		err = err ?: ept_protect(&vmx.ept, page, 4096, 0);
	}
	if (err)
		panic("a hidden page at %lx can't be closed: %d", page, err);
}

static void open_page(struct vcpu *v, uint64_t page, bool write)
{
	const struct shadow_page *s = find_shadow(page);
	int err;

	if (v->nstep == STEP_PAGES) { /* more pages than an instruction can touch: begin anew */
		for (; v->nstep; v->nstep--)
			close_page(v->step[v->nstep - 1]);
	}
	if (s) {
		err = ept_protect(&vmx.ept, page, 4096, EPT_R | EPT_W);
	} else if (write) {
		/* An instruction that reads as well sees ones, not what was written last. */
		memset((void *)junk_page, 0xff, 4096);
		err = ept_map(&vmx.ept, page, 4096, junk_page, EPT_R | EPT_W, MEM_WB);
	} else { /* executing ones raises #UD in the guest */
		err = ept_map(&vmx.ept, page, 4096, ones_page, EPT_R | EPT_X, MEM_WB);
	}
	if (err)
		panic("a hidden page at %lx can't be opened: %d", page, err);
	v->step[v->nstep++] = page;
	primary_set(v, PRIMARY_MONITOR_TRAP, true);
}

void on_monitor_trap(struct vcpu *v)
{
	uint64_t pages[STEP_PAGES];
	uint32_t n = v->nstep;

	primary_set(v, PRIMARY_MONITOR_TRAP, false);
	memcpy(pages, v->step, sizeof(pages));
	spin_lock(&vmx.ept_lock);
	for (; v->nstep; v->nstep--)
		close_page(v->step[v->nstep - 1]);
	spin_unlock(&vmx.ept_lock);
	for (uint32_t i = 0; i < n; i++) {
		const struct shadow_page *s = find_shadow(pages[i]);

		if (s)
			s->written(s->ctx);
	}
	hook_stepped(v);
}

/* --- violations
 * ------------------------------------------------------------------------------------------ */

/* Called with the lock. False: nothing is hidden there. */
static bool access_hidden(struct vcpu *v, uint64_t gpa, bool write)
{
	const struct hidden_range *range = find_hidden(gpa);

	if (!range && !find_shadow(gpa & ~0xfffull))
		return false;
	if (range && range->block) {
		hidden_reads += !write;
		hidden_writes += write;
	} else if (range) {
		device_accesses++;
	}
	open_page(v, gpa & ~0xfffull, write);
	return true;
}

void on_ept_violation(struct vcpu *v)
{
	uint64_t gpa = vmread(VMCS_GUEST_PHYSICAL_ADDRESS);
	uint64_t qual = vmread(VMCS_EXIT_QUALIFICATION);
	const struct hidden_range *range = find_hidden(gpa);
	bool write = qual & EPT_VIOLATION_WRITE;
	enum hook_violation hooked;
	int err = 0;

	/* An IRET that faulted had unblocked NMIs (SDM 28.2.3). */
	if (qual & EPT_VIOLATION_NMI_UNBLOCKED && !(vmread(VMCS_IDT_VECTORING_INFO) & INTR_VALID))
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY,
			vmread(VMCS_GUEST_INTERRUPTIBILITY) | BLOCKING_NMI);
	reinject_vectoring();

	spin_lock(&vmx.ept_lock);
	hooked = hook_violation(v, gpa, qual);
	if (hooked == HOOK_VIOLATION_OTHER && !access_hidden(v, gpa, write)) {
		err = ept_demand(&vmx.ept, &vmx.mtrr, gpa);
		demand_maps += !err;
	}
	if (err == -ENOMEM || err == -EINVAL) {
		/* An address at which no bus answers: ones. The page stays hidden from now on. */
		bus_misses++;
		if (hide(gpa & ~0xfffull, 4096, false))
			err = -EFAULT;
		else
			open_page(v, gpa & ~0xfffull, write);
	}
	spin_unlock(&vmx.ept_lock);
	if (hooked == HOOK_VIOLATION_GUARD)
		hook_guard_write(v, gpa);
	if (range && range->block)
		upcall_hidden_access(gpa, vmread(VMCS_GUEST_RIP), write);
	/* No table left even for that: the guest asked for an address where it has nothing. */
	if (err == -EFAULT)
		inject_gp();
	/* -EEXIST: another CPU has mapped or closed it meanwhile; the access is tried again. */
}

void on_ept_misconfiguration(struct vcpu *v)
{
	char text[200];
	uint64_t gpa = vmread(VMCS_GUEST_PHYSICAL_ADDRESS);

	(void)v;
	ept_describe(&vmx.ept, gpa, text, sizeof(text));
	panic("EPT misconfiguration: %s", text);
}

/* --- init
 * ----------------------------------------------------------------------------------------------------
 */

/* The end of what is mapped at once: RAM and the NIC's registers; other devices below 512 GiB too.
 * What lies higher comes on demand: tables for it would cost more than all of Vigil. */
#define EAGER_MMIO (1ull << 39)

static uint64_t highest_known(const struct boot_info *info)
{
	uint64_t top = 1ull << 32;

	for (uint32_t i = 0; i < info->nregion; i++) {
		const struct boot_region *r = &info->region[i];
		uint64_t end = r->base + r->size;

		if (end > top && (r->kind == REGION_RAM || end <= EAGER_MMIO))
			top = end;
	}
	for (uint32_t i = 0; i < 6; i++) {
		uint64_t end = info->nic.bar[i].base + info->nic.bar[i].size;

		if (info->nic.present && !info->nic.bar[i].is_io && end > top && end <= EAGER_MMIO)
			top = end;
	}
	top = (top + EPT_PAGE_1G - 1) & ~(EPT_PAGE_1G - 1);
	return top < vmx.ept.limit ? top : vmx.ept.limit;
}

void memory_seal(void)
{
	const struct boot_info *info = boot_facts();

	if (hide(info->block_base, info->block_size, true))
		panic("the block can't be hidden");
}

/* Bits of the physical address that are the number of a key for memory encryption
 * (IA32_TME_ACTIVATE: enabled, MK_TME_KEYID_BITS): the same memory once more, which the guest must
 * not have of the block. */
static uint32_t key_bits(void)
{
	uint64_t tme;

	if (!(cpuid(CPUID_FEATURES, 0).ecx & CPUID_7_ECX_TME) ||
	    rdmsr_early(MSR_TME_ACTIVATE, &tme) || !(tme & 2))
		return 0;
	return tme >> 32 & 0xf;
}

int memory_init(const struct boot_info *info)
{
	static const struct ept_ops ops = {.alloc = ept_page, .invalidate = ept_flush_all};
	void *ones = pages_alloc(1), *junk = pages_alloc(1);
	int err;

	if (!ones || !junk)
		return -ENOMEM;
	memset(ones, 0xff, 4096);
	ones_page = (uint64_t)ones;
	junk_page = (uint64_t)junk;
	err = ept_init(&vmx.ept, &ops, vmx.caps.ept_vpid, vmx.phys_bits - key_bits());
	err = err ?: ept_identity(&vmx.ept, &vmx.mtrr, 0, highest_known(info));
	/* Small pages and all tables now, rights away at the seal: until then launch code runs
	 * there. */
	for (uint64_t a = info->block_base; a < info->block_base + info->block_size && !err;
	     a += EPT_PAGE_2M)
		err = ept_map(&vmx.ept, a, 4096, a, EPT_RWX, MEM_WB);
	if (err)
		return init_error(err, "no memory for the guest's EPT");
	vmx.eptp = ept_pointer(&vmx.ept);
	err = counter_register("memory.hidden_reads", &hidden_reads);
	err = err ?: counter_register("memory.hidden_writes", &hidden_writes);
	err = err ?: counter_register("memory.hidden_device_accesses", &device_accesses);
	err = err ?: counter_register("memory.mapped_on_demand", &demand_maps);
	return err ?: counter_register("memory.empty_bus", &bus_misses);
}
