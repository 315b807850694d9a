/* From a bare CPU to a guest and back: capabilities, VMXON, launch, leave. */
#include "arch/x86/cpu.h"
#include "arch/x86/exit_counters.h"
#include "arch/x86/intercept.h"
#include "arch/x86/sentry_vm.h"
#include "arch/x86/string.h"
#include "arch/x86/tables.h"
#include "arch/x86/upcall.h"
#include "arch/x86/vmx/bitmap.h"
#include "arch/x86/vmx/vmx.h"
#include "hv/counter.h"
#include "hv/errno.h"
#include "hv/log.h"
#include "hv/machine.h"
#include "hv/unit.h"

/* VMCALLs of stop_cpu and seal (entry.S); accepted before the seal only. */
#define STOP_CALL 0x76696769736c7374ull
#define SEAL_CALL 0x766967697365616cull

void vmx_exit_entry(void);
void vmx_seal(void);
int vmx_launch_here(void);
__attribute__((noreturn)) void vmx_leave(const struct leave_state *state);

struct vmx_shared vmx;

static uint64_t nmis;
static char exit_names[EXIT_REASONS][40];
static uint64_t exit_totals[EXIT_REASONS];

/* --- capabilities
 * ---------------------------------------------------------------------------------- */

static uint64_t read_msr(void *ctx, uint32_t msr)
{
	(void)ctx;
	return rdmsr(msr);
}

static void native_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
	(void)ctx;
	*out = cpuid(leaf, subleaf);
}

/* What keeps this CPU from VMX, in words; 0 or negative. IA32_FEATURE_CONTROL: SDM 25.7. */
static int check_vmx(void)
{
	uint64_t fc;

	if (!(cpuid(CPUID_VERSION, 0).ecx & CPUID_1_ECX_VMX))
		return init_error(-ENODEV, "the processor has no VT-x (CPUID.1:ECX.VMX is 0)");
	fc = rdmsr(MSR_FEATURE_CONTROL);
	if (fc & FEATURE_CONTROL_LOCK && !(fc & FEATURE_CONTROL_VMX))
		return init_error(-EACCES,
				  "VT-x is switched off in the firmware setup "
				  "(IA32_FEATURE_CONTROL %lx is locked without it)",
				  fc);
	return 0;
}

static int negotiate(const struct vmx_caps *caps, struct control_set set[PROFILES])
{
	uint32_t features = cpuid_features(native_cpuid, NULL);
	struct control_error e;

	for (uint32_t p = 0; p < PROFILES; p++) {
		if (control_negotiate((enum control_profile)p, caps, features, &set[p], &e))
			return init_error(-ENOTSUP,
					  "the processor's VT-x lacks something: %s (%s) %s",
					  e.name, e.word, e.why);
	}
	return 0;
}

static int check_caps(const struct boot_info *info)
{
	if (info->ncpu > 1 && !(vmx.caps.misc & VMX_MISC_WAIT_SIPI))
		return init_error(-ENOTSUP, "several CPUs need the wait-for-SIPI state in VT-x");
	if (!(cpuid(CPUID_VERSION, 0).edx & CPUID_1_EDX_MTRR))
		return init_error(-ENOTSUP, "the processor has no MTRRs");
	return 0;
}

/* --- shared tables
 * ------------------------------------------------------------------------------------ */

void arch_intercept_ports(uint16_t base, uint32_t count, bool on)
{
	(void)io_bitmap_set(vmx.io_bitmap, base, count, on); /* the range has been checked */
}

static bool pti_pair(void *ctx, uint64_t kernel_root, uint64_t user_root)
{
	uint64_t kernel[256], user[256];

	(void)ctx;
	if (upcall_guest_read(kernel_root, kernel, sizeof(kernel)) ||
	    upcall_guest_read(user_root, user, sizeof(user)))
		return false;
	return cr3_pti_pair(kernel, user);
}

static int bitmaps_init(void)
{
	vmx.msr_bitmap = pages_alloc(MSR_BITMAP_SIZE / 4096);
	vmx.io_bitmap = pages_alloc(IO_BITMAP_SIZE / 4096);
	if (!vmx.msr_bitmap || !vmx.io_bitmap)
		return -ENOMEM;
	return msr_policy_init(vmx.msr_bitmap);
}

static void cr3_init(const struct boot_info *info)
{
	uint32_t targets = VMX_MISC_CR3_TARGETS(vmx.caps.misc);
	bool lam = cpuid(CPUID_FEATURES, 0).eax >= 1 && cpuid(CPUID_FEATURES, 1).eax >> 26 & 1;
	struct control_set *set = &vmx.control[PROFILE_GUEST];

	vmx.cr3 = (struct cr3_config){
		.targets = targets < CR3_TARGETS_MAX ? targets : CR3_TARGETS_MAX,
		.reserved = cr3_reserved(vmx.phys_bits, lam),
		.pair = pti_pair,
	};
	if (info->config.tracking != TRACKING_OFF)
		set->word[CONTROL_PRIMARY] |= PRIMARY_CR3_LOAD;
	else
		set->word[CONTROL_PRIMARY] &= ~PRIMARY_CR3_LOAD;
}

static int exit_counters_init(void)
{
	int err = counter_register("guest.nmis", &nmis);

	for (uint32_t i = 0; i < EXIT_REASONS && !err; i++) {
		/* Reasons that have no name of their own can't be told apart in a report. */
		if (exit_reason_name(i) == exit_reason_name(EXIT_REASONS))
			continue;
		format_text(exit_names[i], sizeof(exit_names[i]), "exits.%s", exit_reason_name(i));
	}
	return err;
}

void arch_publish_counters(void)
{
	uint64_t n = 0;

	for (uint32_t r = 0; r < EXIT_REASONS; r++) {
		uint64_t total = 0;

		for (uint32_t i = 0; i < vmx.ncpu; i++)
			total += vmx.cpu[i]->exit_counts[r];
		/* A reason joins the counters with its first exit: most never happen. */
		if (total && !exit_totals[r] && exit_names[r][0])
			(void)counter_register(exit_names[r], &exit_totals[r]);
		exit_totals[r] = total;
	}
	for (uint32_t i = 0; i < vmx.ncpu; i++)
		n += vmx.cpu[i]->nmis;
	nmis = n;
}

/* --- one CPU
 * --------------------------------------------------------------------------------------------- */

static int vcpu_init(struct boot_info *info, uint32_t index)
{
	uint32_t pages = (sizeof(struct vcpu) + 4095) / 4096;
	struct vcpu *v = pages_alloc(pages);
	uint32_t xsave = cpuid(CPUID_BASIC, 0).eax >= CPUID_XSTATE ? cpuid(CPUID_XSTATE, 0).ecx : 0;

	if (!v || tables_init(v))
		return -ENOMEM;
	v->self = v;
	v->index = index;
	v->apic_id = info->cpu[index].apic_id;
	v->vmxon_region = (uint64_t)pages_alloc(1);
	v->vmcs = (uint64_t)pages_alloc(1);
	v->sentry_vmcs = (uint64_t)pages_alloc(1);
	v->xsave = pages_alloc((xsave + 4095) / 4096 + 1);
	if (!v->vmxon_region || !v->vmcs || !v->sentry_vmcs || !v->xsave)
		return -ENOMEM;
	vmx.cpu[index] = v;
	return 0;
}

static int check_cpu(uint32_t index)
{
	struct control_set set[PROFILES];
	struct vmx_caps caps;
	int err = index < vmx.ncpu ? check_vmx() : -EINVAL;

	if (err)
		return err;
	vmx_caps_read(&caps, read_msr, NULL);
	err = negotiate(&caps, set);
	if (err)
		return err;
	set[PROFILE_GUEST].word[CONTROL_PRIMARY] |=
		vmx.control[PROFILE_GUEST].word[CONTROL_PRIMARY] & PRIMARY_CR3_LOAD;
	/* Hybrid parts: every CPU must be able to run the same VMCSs (TRAPS 30). */
	if (memcmp(set[PROFILE_GUEST].word, vmx.control[PROFILE_GUEST].word, sizeof(set[0].word)) ||
	    memcmp(set[PROFILE_SENTRY].word, vmx.control[PROFILE_SENTRY].word,
		   sizeof(set[0].word)) ||
	    caps.ept_vpid != vmx.caps.ept_vpid || caps.misc != vmx.caps.misc)
		return init_error(-ENOTSUP, "CPU %u has other VT-x capabilities than CPU 0", index);
	return 0;
}

/* The VM-execution fields that only the guest's VMCS has. */
static int write_guest_controls(const struct vcpu *v)
{
	const struct control_set *set = &vmx.control[PROFILE_GUEST];
	bool ok = !vmcs_write_controls(set);

	ok &= !vmwrite_checked(VMCS_PRIMARY_CONTROLS, v->primary);
	ok &= !vmwrite_checked(VMCS_EXCEPTION_BITMAP, 0);
	ok &= !vmwrite_checked(VMCS_EPT_POINTER, vmx.eptp);
	ok &= !vmwrite_checked(VMCS_VPID, VPID_GUEST);
	ok &= !vmwrite_checked(VMCS_MSR_BITMAP, (uint64_t)vmx.msr_bitmap);
	ok &= !vmwrite_checked(VMCS_IO_BITMAP_A, (uint64_t)vmx.io_bitmap);
	ok &= !vmwrite_checked(VMCS_IO_BITMAP_B, (uint64_t)vmx.io_bitmap + 4096);
	return ok ? 0 : init_error(-EIO, "a VMCS control field can't be written");
}

static int fill_vmcs(struct vcpu *v, uint64_t cr0, uint64_t cr4)
{
	int err;

	*(uint32_t *)v->vmcs = (uint32_t)(vmx.caps.basic & VMX_BASIC_REVISION);
	*(uint32_t *)v->sentry_vmcs = (uint32_t)(vmx.caps.basic & VMX_BASIC_REVISION);
	if (vmclear(v->sentry_vmcs) || vmptrld(v->sentry_vmcs))
		return init_error(-EIO, "CPU %u: the sentry's VMCS can't be loaded", v->index);
	err = sentry_vmcs_init(v);
	if (err)
		return err;
	if (vmclear(v->vmcs) || vmptrld(v->vmcs))
		return init_error(-EIO, "CPU %u: the VMCS can't be loaded", v->index);
	v->primary = vmx.control[PROFILE_GUEST].word[CONTROL_PRIMARY];
	err = write_guest_controls(v);
	err = err
		      ?: vmcs_write_host(v, (uint64_t)vmx_exit_entry,
					 (uint64_t)&v->regs + sizeof(v->regs));
	return err ?: vmcs_write_guest_as_is(cr0, cr4);
}

static int vmx_on(struct vcpu *v)
{
	uint64_t fc = rdmsr(MSR_FEATURE_CONTROL);

	if (!(fc & FEATURE_CONTROL_LOCK))
		wrmsr(MSR_FEATURE_CONTROL, fc | FEATURE_CONTROL_VMX | FEATURE_CONTROL_LOCK);
	write_cr0((read_cr0() | vmx.caps.cr0_fixed0) & vmx.caps.cr0_fixed1);
	write_cr4((read_cr4() | vmx.caps.cr4_fixed0 | CR4_VMXE) & vmx.caps.cr4_fixed1);
	*(uint32_t *)v->vmxon_region = (uint32_t)(vmx.caps.basic & VMX_BASIC_REVISION);
	if (vmxon(v->vmxon_region))
		return init_error(-EIO, "CPU %u: VMXON failed (another hypervisor?)", v->index);
	invept(INVEPT_ALL, 0);
	invvpid(INVVPID_ALL, 0);
	return 0;
}

static int launch_with_interrupts_off(struct vcpu *v)
{
	uint64_t cr0 = read_cr0(), cr4 = read_cr4();
	int err = vmx_on(v);

	if (!err) {
		err = fill_vmcs(v, cr0, cr4);
		if (!err && vmx_launch_here()) {
			uint32_t number = (uint32_t)vmread(VMCS_INSTRUCTION_ERROR);

			err = init_error(-EIO, "CPU %u: VMLAUNCH failed, error %u", v->index,
					 number);
		}
		if (!err)
			return 0; /* as the guest */
		vmxoff();
	}
	write_cr4(cr4);
	write_cr0(cr0);
	return err;
}

static int launch_cpu(uint32_t index)
{
	struct vcpu *v = index < vmx.ncpu ? vmx.cpu[index] : NULL;
	uint64_t flags = read_rflags();
	int err;

	if (!v || v->launched)
		return -EINVAL;
	__asm__ volatile("cli");
	mtrr_shadow_init(v);
	err = cpuid_policy_init(&v->cpuid, vmx.control[PROFILE_GUEST].hide, native_cpuid, NULL);
	if (err) /* those beyond read as zero */
		log_warn("CPU %u: CPUID has more subleaves than there is room for", index);
	err = launch_with_interrupts_off(v);
	if (!err)
		v->launched = 1;
	if (flags & RFLAGS_IF)
		__asm__ volatile("sti");
	return err;
}

static int stop_cpu(uint32_t index)
{
	struct vcpu *v = index < vmx.ncpu ? vmx.cpu[index] : NULL;

	if (!v || !v->launched)
		return -EINVAL;
	__asm__ volatile("vmcall" : : "a"(STOP_CALL) : "memory");
	v->launched = 0;
	return 0;
}

/* stop_cpu's VMCALL: leave VMX operation and go on natively behind it. */
static void leave(struct vcpu *v)
{
	struct leave_state s = {
		.cr0 = vmread(VMCS_CR0_SHADOW),
		.cr3 = vmread(VMCS_GUEST_CR3),
		.cr4 = vmread(VMCS_CR4_SHADOW),
		.fs_base = vmread(VMCS_GUEST_FS_BASE),
		.gs_base = vmread(VMCS_GUEST_GS_BASE),
		.rip = vmread(VMCS_GUEST_RIP) + vmread(VMCS_EXIT_INSTRUCTION_LENGTH),
		.cs = vmread(VMCS_GUEST_CS),
		.rflags = vmread(VMCS_GUEST_RFLAGS),
		.rsp = vmread(VMCS_GUEST_RSP),
		.ss = vmread(VMCS_GUEST_SS),
		.regs = v->regs,
		.ds = (uint32_t)vmread(VMCS_GUEST_DS),
		.es = (uint32_t)vmread(VMCS_GUEST_ES),
		.fs = (uint32_t)vmread(VMCS_GUEST_FS),
		.gs = (uint32_t)vmread(VMCS_GUEST_GS),
		.gdtr = {(uint16_t)vmread(VMCS_GUEST_GDTR_LIMIT), vmread(VMCS_GUEST_GDTR_BASE)},
		.idtr = {(uint16_t)vmread(VMCS_GUEST_IDTR_LIMIT), vmread(VMCS_GUEST_IDTR_BASE)},
	};

	/* CR0 and CR4 of the guest's own beside the bits that the shadows hold. */
	s.cr0 = (vmread(VMCS_GUEST_CR0) & ~vmx_cr0_mask()) | (s.cr0 & vmx_cr0_mask());
	s.cr4 = (vmread(VMCS_GUEST_CR4) & ~vmx_cr4_mask()) | (s.cr4 & vmx_cr4_mask());
	wrmsr(MSR_PAT, vmread(VMCS_GUEST_PAT));
	vmclear(v->vmcs);
	vmxoff();
	vmx_leave(&s);
}

/* seal()'s VMCALL: from here on the guest may be hostile, so Vigil's memory goes out of its sight;
 * with it the code that made the call, which is why the handler also does its RET. Other CPUs are
 * in the firmware's loops and come back by INIT only, an exit that flushes what they have cached.
 */
static void close_launch(struct vcpu *v)
{
	uint64_t rsp = vmread(VMCS_GUEST_RSP), rip;

	if (upcall_guest_read(rsp, &rip, sizeof(rip))) {
		log_error("the loader's stack is outside of memory");
		inject_ud();
		return;
	}
	vmwrite(VMCS_GUEST_RIP, rip);
	vmwrite(VMCS_GUEST_RSP, rsp + 8);
	memory_seal();
	vmx.sealed = true;
	upcall_sealed();
	vcpu_work(v, WORK_TIMER);
}

void on_vmcall(struct vcpu *v)
{
	if (!vmx.sealed && v->regs.rax == STOP_CALL)
		leave(v);
	else if (!vmx.sealed && v->regs.rax == SEAL_CALL)
		close_launch(v);
	else if (!hook_hit(v))
		inject_ud();
}

/* --- init
 * ------------------------------------------------------------------------------------------------------
 */

static int vmx_unit(struct boot_info *info)
{
	struct cpuid_regs leaf = cpuid(CPUID_EXTENDED, 0);
	int err = check_vmx();

	if (err)
		return err;
	vmx_caps_read(&vmx.caps, read_msr, NULL);
	err = check_caps(info);
	err = err ?: negotiate(&vmx.caps, vmx.control);
	if (err)
		return err;
	vmx.phys_bits = leaf.eax >= CPUID_ADDRESSES ? cpuid(CPUID_ADDRESSES, 0).eax & 0xff : 36;
	mtrr_capture(&vmx.mtrr, vmx.phys_bits, read_msr, NULL);
	cr3_init(info);
	vmx.ncpu = info->ncpu;
	vmx.cpu = pages_alloc((uint32_t)(info->ncpu * sizeof(*vmx.cpu) + 4095) / 4096);
	err = vmx.cpu ? bitmaps_init() : -ENOMEM;
	for (uint32_t i = 0; i < info->ncpu && !err; i++)
		err = vcpu_init(info, i);
	if (err)
		return info->message[0] ? err
					: init_error(err, "no memory for the CPUs' structures");
	err = memory_init(info);
	err = err ?: exit_counters_init();
	info->check_cpu = check_cpu;
	info->launch_cpu = launch_cpu;
	info->stop_cpu = stop_cpu;
	info->seal = vmx_seal;
	return err;
}

UNIT(20, vmx, vmx_unit);
