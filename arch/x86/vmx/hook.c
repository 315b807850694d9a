/* Hooks on the guest's kernel functions, and guarded memory.
 *
 * Three roots of the EPT (ept.h, views) show a hooked page in three ways:
 *   CODE  execute-only, a copy in which each site begins with VMCALL. The usual root.
 *   DATA  the real page, read-only. A read of a hooked page moves the CPU here, the next fetch from
 *         one moves it back.
 *   STEP  the real page with all rights, for one instruction under the monitor trap flag: a write
 *         (after which the copy is brought up to date, before any other CPU can rely on it), an
 *         instruction that reads the page it lies on, or the real instruction of a site that is no
 *         NOP now (the guest's own ftrace or kprobes are at work on it).
 * So the guest reads and changes its text as if nothing were there, and no CPU needs tables of its
 * own. Changing roots costs no flush: translations are tagged by the root (SDM 29.4.1).
 */
#include "arch/x86/hook.h"
#include "arch/x86/cpu.h"
#include "arch/x86/string.h"
#include "arch/x86/upcall.h"
#include "arch/x86/vmx/vmx.h"
#include "hv/counter.h"
#include "hv/errno.h"
#include "hv/machine.h"
#include "hv/panic.h"
#include "hv/unit.h"

#define PAGES	    32 /* hooked */
#define REGIONS	    16 /* of 2 MiB that hold them */
#define GUARDS	    8
#define VMCALL_SIZE 3
#define SAME_RIP    3 /* moves to DATA for one instruction that does not get on there */
#define SAMPLE_US   20000

/* All of these under ept_lock. */
struct site {
	uint64_t va; /* 0: unused */
	struct hooked_page *page;
	uint32_t off; /* in the page */
	uint32_t flags;
	uint16_t offset;
	uint8_t base;
	uint64_t odd; /* bytes of the site that were told as odd */
};

struct hooked_page {
	uint64_t gpa; /* 0: unused */
	uint8_t *copy;
	uint32_t sites;
};

static struct site sites[ABI_HOOKS];
static struct hooked_page pages[PAGES];
static uint64_t regions[REGIONS];
static uint32_t nregion;
static struct {
	uint64_t base, end;
} guards[GUARDS];
static uint32_t next_page; /* where the search for an unused one begins */
static uint32_t removals;  /* of sites */
static uint64_t direct_map, current_offset;
static uint64_t hits, reads, steps, guard_writes, samples;

static const uint8_t nop5[ABI_HOOK_BYTES] = {0x0f, 0x1f, 0x44, 0x00, 0x00};
static const uint8_t vmcall[VMCALL_SIZE] = {0x0f, 0x01, 0xc1};

/* --- views ------------------------------------------------------------------------------------ */

static void set_view(struct vcpu *v, enum vcpu_view view)
{
	if (v->view == view)
		return;
	v->view = view;
	vmwrite(VMCS_EPT_POINTER,
		view == VIEW_CODE ? vmx.eptp : ept_view_pointer(&vmx.ept, view - VIEW_DATA));
}

static void step(struct vcpu *v, bool write)
{
	steps++;
	v->step_write = write;
	set_view(v, VIEW_STEP);
	primary_set(v, PRIMARY_MONITOR_TRAP, true);
}

static struct hooked_page *find_page(uint64_t gpa)
{
	for (uint32_t i = 0; i < PAGES; i++)
		if (pages[i].gpa && pages[i].gpa == (gpa & ~0xfffull))
			return &pages[i];
	return NULL;
}

/* What a word of the copy has to be: VMCALLs where the page has sites. */
static uint64_t patched(const struct hooked_page *page, uint32_t word, uint64_t real)
{
	for (uint32_t i = 0; i < ABI_HOOKS; i++)
		if (sites[i].va && sites[i].page == page && sites[i].off / 8 == word)
			memcpy((uint8_t *)&real + sites[i].off % 8, vmcall, VMCALL_SIZE);
	return real;
}

/* Bring a word of the copy up to date. Other CPUs execute it: it changes at once, as in the guest's
 * own change of its text. */
static void refresh_word(const struct hooked_page *page, uint32_t i)
{
	uint64_t real = ((const volatile uint64_t *)page->gpa)[i];

	((volatile uint64_t *)page->copy)[i] = patched(page, i, real);
}

/* All words that differ; those with sites always do. */
static void refresh(const struct hooked_page *page)
{
	const volatile uint64_t *real = (const volatile uint64_t *)page->gpa;
	const volatile uint64_t *copy = (const volatile uint64_t *)page->copy;

	for (uint32_t i = 0; i < 4096 / 8; i++)
		if (copy[i] != real[i])
			refresh_word(page, i);
}

/* One write may have changed more than the page that it was stopped at. */
static void refresh_all(void)
{
	for (uint32_t i = 0; i < PAGES; i++)
		if (pages[i].gpa)
			refresh(&pages[i]);
}

/* A page after the other: what changed without a step (a device's DMA, a CPU that had not come to
 * its INVEPT yet) is not executed as it was for long. */
static void refresh_next(void)
{
	static uint32_t next;
	bool done = false;

	spin_lock(&vmx.ept_lock);
	for (uint32_t i = 0; i < PAGES && !done; i++) {
		const struct hooked_page *page = &pages[next++ % PAGES];

		done = page->gpa;
		if (done)
			refresh(page);
	}
	spin_unlock(&vmx.ept_lock);
}

void hook_stepped(struct vcpu *v)
{
	if (v->view != VIEW_STEP)
		return;
	set_view(v, VIEW_CODE);
	if (!v->step_write)
		return;
	spin_lock(&vmx.ept_lock);
	refresh_all();
	spin_unlock(&vmx.ept_lock);
}

/* --- guarded memory --------------------------------------------------------------------------- */

/* Rights of a range at the first root; hooked pages keep theirs. */
static int protect(uint64_t base, uint64_t end, uint32_t rights)
{
	int err = 0;

	while (base < end && !err) {
		uint64_t stop = end;

		for (uint32_t i = 0; i < PAGES; i++)
			if (pages[i].gpa >= base && pages[i].gpa < stop)
				stop = pages[i].gpa;
		if (base < stop)
			err = ept_protect(&vmx.ept, base, stop - base, rights);
		base = find_page(stop) ? stop + 4096 : stop;
	}
	return err;
}

static int find_guard(uint64_t gpa)
{
	for (int i = 0; i < GUARDS; i++)
		if (gpa >= guards[i].base && gpa < guards[i].end)
			return i;
	return -1;
}

int arch_guard(uint64_t gpa, uint64_t size, bool on)
{
	int err = -ENOSPC;

	/* Below 1 GiB no large page is left whole that opening a part would have to split. */
	if (!size || size >= EPT_PAGE_1G || (gpa | size) & 0xfff)
		return -EINVAL;
	if (memory_hidden(gpa, size))
		return -EFAULT;
	spin_lock(&vmx.ept_lock);
	for (uint32_t i = 0; i < GUARDS && err == -ENOSPC; i++) {
		if (guards[i].end && (guards[i].base != gpa || guards[i].end != gpa + size))
			continue;
		if (!guards[i].end &&
		    (!on || find_guard(gpa) >= 0 || find_guard(gpa + size - 1) >= 0))
			continue;
		guards[i].base = gpa;
		guards[i].end = on ? gpa + size : 0;
		err = protect(gpa, gpa + size, on ? EPT_R | EPT_X : EPT_RWX);
	}
	spin_unlock(&vmx.ept_lock);
	return err;
}

int arch_restore(uint64_t gpa, const uint8_t *bytes, uint32_t len)
{
	int guard, err = -EINVAL;

	spin_lock(&vmx.ept_lock);
	guard = find_guard(gpa);
	if (guard >= 0 && find_guard(gpa + len - 1) == guard) {
		/* Code that other CPUs execute changes by whole words, as in refresh_word. */
		for (uint64_t word = gpa & ~7ull; word < gpa + len; word += 8) {
			uint64_t value = *(const volatile uint64_t *)word;

			for (uint32_t i = 0; i < 8; i++)
				if (word + i >= gpa && word + i < gpa + len)
					((uint8_t *)&value)[i] = bytes[word + i - gpa];
			*(volatile uint64_t *)word = value;
		}
		refresh_all();
		err = 0;
	}
	spin_unlock(&vmx.ept_lock);
	return err;
}

void arch_freeze(void)
{
	__atomic_store_n(&vmx.frozen, true, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < vmx.ncpu; i++)
		vcpu_work(vmx.cpu[i], WORK_TIMER);
}

static bool guard_violation(struct vcpu *v, uint64_t gpa)
{
	int i = find_guard(gpa);
	uint64_t base = gpa & ~(EPT_PAGE_2M - 1), end = base + EPT_PAGE_2M;

	if (i < 0)
		return false;
	base = base > guards[i].base ? base : guards[i].base;
	end = end < guards[i].end ? end : guards[i].end;
	guard_writes++;
	memcpy(v->guard_before, (const void *)(gpa & ~(uint64_t)(ABI_GUARD_BYTES - 1)),
	       sizeof(v->guard_before));
	if (protect(base, end, EPT_RWX))
		panic("guarded memory at %lx can't be opened", gpa);
	return true;
}

/* --- violations ------------------------------------------------------------------------------- */

/* With ept_lock. */
enum hook_violation hook_violation(struct vcpu *v, uint64_t gpa, uint64_t qual)
{
	uint64_t rip = vmread(VMCS_GUEST_RIP);
	bool stuck;

	if (!find_page(gpa)) {
		if (v->view == VIEW_DATA) { /* something else that only the first root knows of */
			set_view(v, VIEW_CODE);
			return HOOK_VIOLATION_DONE;
		}
		return qual & EPT_VIOLATION_WRITE && guard_violation(v, gpa) ? HOOK_VIOLATION_GUARD
									     : HOOK_VIOLATION_OTHER;
	}
	if (qual & EPT_VIOLATION_WRITE) {
		step(v, true);
	} else if (v->view == VIEW_CODE) {
		stuck = rip == v->moved_rip && ++v->moved_again > SAME_RIP;
		if (rip != v->moved_rip || stuck)
			v->moved_again = 0;
		v->moved_rip = rip;
		reads++;
		if (stuck)
			step(v, false);
		else
			set_view(v, VIEW_DATA);
	} else if (rip == v->moved_rip) { /* it reads the page on which it lies */
		step(v, false);
	} else {
		set_view(v, VIEW_CODE);
	}
	return HOOK_VIOLATION_DONE;
}

/* --- hits ------------------------------------------------------------------------------------- */

/* A word of the guest's direct map; 0: not there. */
static uint64_t direct_word(uint64_t va)
{
	uint64_t value;

	return direct_map && !upcall_guest_read(va - direct_map, &value, sizeof(value)) ? value : 0;
}

/* GS is the kernel's own while its base is a kernel address; else SWAPGS has put that aside. */
static uint64_t current_task(void)
{
	uint64_t gs = vmread(VMCS_GUEST_GS_BASE);

	if (!direct_map)
		return 0;
	if (!(gs >> 63))
		gs = rdmsr(MSR_KERNEL_GS_BASE);
	return direct_word(gs + current_offset);
}

void hook_guard_write(struct vcpu *v, uint64_t gpa)
{
	upcall_guard_write(gpa, vmread(VMCS_GUEST_RIP), current_task(), v->index, v->guard_before);
}

static struct site *find_site(uint64_t va)
{
	for (uint32_t i = 0; i < ABI_HOOKS; i++)
		if (sites[i].va == va)
			return &sites[i];
	return NULL;
}

/* No interrupt before the next instruction: the step would end in its handler, and the return from
 * that would hit the hook once more. (An NMI still may: then one call is told twice.) While TF is
 * set, blocking asks for a pending single-step trap (SDM 27.3.1.5), which there is none; and only
 * one kind of blocking may be set. */
static void hold_interrupts(void)
{
	uint64_t blocking = vmread(VMCS_GUEST_INTERRUPTIBILITY);

	if ((vmread(VMCS_GUEST_RFLAGS) & (RFLAGS_IF | RFLAGS_TF)) == RFLAGS_IF &&
	    !(blocking & BLOCKING_MOV_SS))
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY, blocking | BLOCKING_STI);
}

/* Neither what the guest's ftrace puts at a site nor a breakpoint. */
static bool is_odd(uint64_t bytes)
{
	return memcmp(&bytes, nop5, sizeof(nop5)) && (bytes & 0xff) != 0xe8 &&
	       (bytes & 0xff) != 0xcc;
}

/* The site at `va`, and the guest's bytes there, as of this moment: while its hit is told it may be
 * removed, by another CPU or by the sentry itself. */
static struct site *take_site(struct vcpu *v, uint64_t va, struct site *copy, uint64_t *bytes,
			      bool *removed)
{
	struct site *s;

	spin_lock(&vmx.ept_lock);
	s = find_site(va);
	if (s) {
		*bytes = 0;
		memcpy(bytes, (const void *)(s->page->gpa + s->off), ABI_HOOK_BYTES);
		*copy = *s;
		if (is_odd(*bytes))
			s->odd = *bytes;
	}
	*removed = v->removals != removals;
	v->removals = removals;
	spin_unlock(&vmx.ept_lock);
	return s;
}

bool hook_hit(struct vcpu *v)
{
	uint64_t rip = vmread(VMCS_GUEST_RIP), bytes, to;
	struct site site, *s;
	struct hook_hit hit;
	bool removed;

	/* Under VIEW_STEP it is a VMCALL of the guest's own. */
	if (!rip || vmread(VMCS_GUEST_SS_ACCESS) & AR_DPL || !guest_64bit() || v->view == VIEW_STEP)
		return false;
	s = take_site(v, rip, &site, &bytes, &removed);
	if (!s) /* this CPU may have executed one that was just removed: what is there now runs */
		return removed;
	hit = (struct hook_hit){
		.id = (uint32_t)(s - sites),
		.cpu = v->index,
		.wait = site.flags & ABI_HOOK_SYNC,
		.arg = {v->regs.rdi, v->regs.rsi, v->regs.rdx, v->regs.rcx, v->regs.r8},
		.rsp = vmread(VMCS_GUEST_RSP),
		.current = current_task(),
	};
	if (site.flags & ABI_HOOK_CAPTURE)
		hit.captured = direct_word((site.base < 5 ? hit.arg[site.base] : hit.current) +
					   site.offset);
	hits++;
	if (is_odd(bytes) && site.odd != bytes)
		upcall_hook_odd(hit.id, bytes, v->index);
	switch (upcall_hook(&hit, &to)) {
	case HOOK_GO: /* a NOP is stepped over, anything else is executed by the processor */
		if (!memcmp(&bytes, nop5, sizeof(nop5))) {
			skip_bytes(ABI_HOOK_BYTES);
		} else {
			step(v, false);
			hold_interrupts();
		}
		break;
	case HOOK_WAIT: /* the VMCALL is executed again */
		break;
	default: /* negative errno: the function returns it at once */
		v->regs.rax = (uint64_t)(int64_t)hit.err;
		vmwrite(VMCS_GUEST_RIP, to - VMCALL_SIZE);
		vmwrite(VMCS_GUEST_RSP, hit.rsp + 8);
		skip_bytes(VMCALL_SIZE);
	}
	return true;
}

uint64_t hook_sample(struct vcpu *v, uint64_t now)
{
	uint64_t mean = SAMPLE_US * boot_facts()->tsc_khz / 1000;

	if (!direct_map)
		return 0;
	if (now >= v->sample_at) {
		bool user = vmread(VMCS_GUEST_SS_ACCESS) & AR_DPL;

		refresh_next();
		if (v->sample_at && vmread(VMCS_GUEST_ACTIVITY) == ACTIVITY_ACTIVE) {
			samples++;
			upcall_sample(current_task(), vmread(VMCS_GUEST_CR3), v->index, user);
		}
		/* At moments that the guest can't foresee: splitmix64's finisher over the clock. */
		v->sample_seed = (v->sample_seed ^ now) * 0xbf58476d1ce4e5b9ull;
		v->sample_seed ^= v->sample_seed >> 31;
		v->sample_at = now + mean / 2 + v->sample_seed % mean;
	}
	return v->sample_at;
}

/* --- setting ---------------------------------------------------------------------------------- */

/* The 2 MiB around a page: one identical large page as it was, which STEP goes on to show. */
static int add_region(uint64_t base)
{
	struct ept_walk walk;
	int err;

	for (uint32_t i = 0; i < nregion; i++)
		if (regions[i] == base)
			return 0;
	ept_lookup(&vmx.ept, base, &walk);
	if (!walk.mapped || walk.page_size != EPT_PAGE_2M || walk.hpa != base ||
	    walk.type != MEM_WB || !(walk.rights & EPT_X) || memory_hidden(base, EPT_PAGE_2M))
		return -ENOTSUP;
	if (nregion == REGIONS)
		return -ENOSPC;
	err = ept_view_map(&vmx.ept, VIEW_STEP - VIEW_DATA, base, EPT_PAGE_2M, base, EPT_RWX);
	if (!err)
		regions[nregion++] = base;
	return err;
}

static struct hooked_page *add_page(uint64_t gpa, int *err)
{
	struct hooked_page *page = find_page(gpa);

	/* The one that was given up longest ago: another CPU may execute a copy until its next
	 * entry. */
	for (uint32_t i = 0; i < PAGES && !page; i++)
		if (!pages[(next_page + i) % PAGES].gpa)
			page = &pages[(next_page + i) % PAGES];
	*err = page ? 0 : -ENOSPC;
	if (!page || page->gpa)
		return page;
	if (!page->copy)
		page->copy = pages_alloc(1);
	*err = page->copy ? add_region(gpa & ~(EPT_PAGE_2M - 1)) : -ENOMEM;
	if (*err)
		return NULL;
	page->gpa = gpa;
	refresh(page);
	/* Split first; then DATA, which nobody moves to before the last. */
	*err = ept_protect(&vmx.ept, gpa, 4096, find_guard(gpa) >= 0 ? EPT_R | EPT_X : EPT_RWX);
	*err = *err ?: ept_view_map(&vmx.ept, 0, gpa, 4096, gpa, EPT_R);
	*err = *err ?: ept_map(&vmx.ept, gpa, 4096, (uint64_t)page->copy, EPT_X, MEM_WB);
	if (*err)
		page->gpa = 0;
	next_page = (uint32_t)(page - pages) + 1;
	return *err ? NULL : page;
}

/* Give the page its own face back when its last site is gone. */
static void drop_page(struct hooked_page *page)
{
	uint64_t gpa = page->gpa;

	refresh(page);
	if (--page->sites)
		return;
	page->gpa = 0;
	if (ept_map(&vmx.ept, gpa, 4096, gpa, find_guard(gpa) >= 0 ? EPT_R | EPT_X : EPT_RWX,
		    MEM_WB))
		panic("the page at %lx can't be unhooked", gpa);
}

static void clear(struct site *s)
{
	if (s->va) {
		s->va = 0;
		drop_page(s->page);
		removals++;
	}
}

static int set(struct site *s, const struct abi_hook *hook)
{
	uint32_t off = hook->gpa & 0xfff;
	struct hooked_page *page;
	uint8_t bytes[ABI_HOOK_BYTES];
	int err = 0;

	if (upcall_guest_read(hook->gpa, bytes, sizeof(bytes)))
		return -EFAULT;
	if (memcmp(bytes, nop5, sizeof(bytes)) && bytes[0] != 0xe8)
		return -EINVAL;
	page = s->va ? s->page : add_page(hook->gpa & ~0xfffull, &err);
	if (!page)
		return err;
	page->sites += !s->va;
	*s = (struct site){hook->va, page, off, hook->flags, hook->offset, hook->base, 0};
	refresh_word(page, off / 8);
	return 0;
}

int arch_hook_set(uint32_t id, const struct abi_hook *hook)
{
	struct site *s = &sites[id < ABI_HOOKS ? id : 0];
	int err;

	/* The VMCALL lies within an aligned word, which is written at once. */
	if (id >= ABI_HOOKS || hook->va >> 47 != 0x1ffff || (hook->va ^ hook->gpa) & 0xfff ||
	    (hook->va & 7) > 8 - VMCALL_SIZE || (hook->va & 0xfff) > 0x1000 - ABI_HOOK_BYTES ||
	    hook->base > 5)
		return -EINVAL;
	if (!(vmx.ept.cap & EPT_CAP_EXEC_ONLY))
		return -ENOTSUP;
	spin_lock(&vmx.ept_lock);
	if (s->va != hook->va || s->page->gpa != (hook->gpa & ~0xfffull))
		clear(s);
	err = find_site(hook->va) == (s->va ? s : NULL) ? set(s, hook) : -EINVAL;
	spin_unlock(&vmx.ept_lock);
	return err;
}

int arch_hook_clear(uint32_t id)
{
	if (id >= ABI_HOOKS)
		return -EINVAL;
	spin_lock(&vmx.ept_lock);
	clear(&sites[id]);
	spin_unlock(&vmx.ept_lock);
	return 0;
}

void arch_guest_kernel(uint64_t base, uint64_t offset)
{
	current_offset = offset;
	__atomic_store_n(&direct_map, base, __ATOMIC_RELEASE);
	/* Where each CR3 write would have to be emulated, hooks and samples take over. */
	vmx.quiet_cr3 =
		base && (boot_facts()->config.tracking == TRACKING_LIFECYCLE || !vmx.cr3.targets);
	for (uint32_t i = 0; i < vmx.ncpu; i++)
		vcpu_work(vmx.cpu[i], WORK_TIMER | WORK_TRACK);
}

static int hook_unit(struct boot_info *info)
{
	int err = counter_register("hooks.hits", &hits);

	(void)info;
	err = err ?: counter_register("hooks.reads", &reads);
	err = err ?: counter_register("hooks.steps", &steps);
	err = err ?: counter_register("hooks.guard_writes", &guard_writes);
	return err ?: counter_register("hooks.samples", &samples);
}

UNIT(22, hook, hook_unit);
