/* CPUs: found and started by EFI_MP_SERVICES_PROTOCOL (PI 1.8, volume 2, 13.4). */
#include "boot/launch.h"

#include "boot/console.h"
#include "boot/io.h"
#include "hv/errno.h"

/* Generous: an emulated CPU may need seconds to build its tables. */
#define AP_TIMEOUT_US 30000000

/* --- one CPU -------------------------------------------------------------------------------- */

struct ap_call {
	int (*fn)(uint32_t index);
	uint32_t index;
	int result;
};

/* On the AP. The firmware's convention outside, System V inside. After launch_cpu the rest of this
 * function, and all the AP does from then on, runs as the guest. */
static void EFIAPI ap_run(void *arg)
{
	struct ap_call *call = arg;
	int result = call->fn(call->index);

	__atomic_store_n(&call->result, result, __ATOMIC_RELEASE);
}

static int run_on(const struct launch_cpus *cpus, uint32_t index, int (*fn)(uint32_t))
{
	struct ap_call call = {fn, index, -EIO};
	EFI_STATUS status;

	if (!index)
		return fn(0);
	status = cpus->mp->startup_this_ap(cpus->mp, ap_run, cpus->number[index], NULL,
					   AP_TIMEOUT_US, &call, NULL);
	if (EFI_ERROR(status)) {
		say("CPU %u does not run Vigil: %s", index, efi_status_name(status));
		return status == EFI_TIMEOUT ? -ETIMEDOUT : -EIO;
	}
	return __atomic_load_n(&call.result, __ATOMIC_ACQUIRE);
}

/* --- finding them --------------------------------------------------------------------------- */

static uint32_t own_apic_id(void)
{
	/* Leaf 0BH gives all 32 bits where it exists (SDM vol. 2A, CPUID). */
	if (cpuid(0, 0).eax >= 0xb && cpuid(0xb, 0).ebx & 0xffff)
		return cpuid(0xb, 0).edx;
	return cpuid(1, 0).ebx >> 24;
}

/* A CPU the firmware has disabled could still be started by the OS: enable it, so that it is ours.
 */
static int make_usable(struct mp_services *mp, UINTN number, struct mp_cpu *cpu)
{
	if (cpu->status & MP_CPU_ENABLED && cpu->status & MP_CPU_HEALTHY)
		return 0;
	if (!(cpu->status & MP_CPU_HEALTHY) || EFI_ERROR(mp->enable_ap(mp, number, TRUE, NULL))) {
		say("CPU with APIC id %lu is disabled or faulty and would run outside of Vigil",
		    cpu->processor_id);
		return -ENODEV;
	}
	return 0;
}

static int list_cpus(struct launch_cpus *cpus, UINTN all)
{
	cpus->count = 1;
	for (UINTN n = 0; n < all; n++) {
		struct mp_cpu cpu = {0};
		uint32_t at;
		int err;

		if (EFI_ERROR(cpus->mp->get_cpu(cpus->mp, n, &cpu))) {
			say("the firmware does not describe CPU %lu", n);
			return -EIO;
		}
		err = cpu.status & MP_CPU_IS_BSP ? 0 : make_usable(cpus->mp, n, &cpu);
		if (err)
			return err;
		if (!(cpu.status & MP_CPU_IS_BSP) && cpus->count == all)
			break; /* no BSP among them: told below */
		at = cpu.status & MP_CPU_IS_BSP ? 0 : cpus->count++;
		cpus->cpu[at] = (struct boot_cpu){(uint32_t)cpu.processor_id, at == 0};
		cpus->number[at] = n;
	}
	if (cpus->count == all && cpus->cpu[0].is_bsp)
		return 0;
	say("the firmware's list of CPUs is inconsistent");
	return -EIO;
}

int launch_find_cpus(struct launch_cpus *cpus, unsigned acpi_cpus)
{
	UINTN all = 1, enabled;
	int err = 0;

	*cpus = (struct launch_cpus){.count = 1, .cpu[0] = {own_apic_id(), 1}};
	if (EFI_ERROR(efi_boot->LocateProtocol(&guid_mp_services, NULL, (void **)&cpus->mp)))
		cpus->mp = NULL;
	if (cpus->mp && EFI_ERROR(cpus->mp->get_count(cpus->mp, &all, &enabled))) {
		say("the firmware's MP services do not work");
		return -EIO;
	}
	if (all > BOOT_MAX_CPUS) {
		say("%lu CPUs: Vigil knows %u at most", all, BOOT_MAX_CPUS);
		return -E2BIG;
	}
	if (acpi_cpus > all) {
		say("ACPI lists %u CPUs, but the firmware can start only %lu%s: the others would "
		    "run "
		    "outside of Vigil",
		    acpi_cpus, all, cpus->mp ? "" : " (it has no MP services)");
		return -ENOTSUP;
	}
	if (cpus->mp)
		err = list_cpus(cpus, all);
	return err;
}

/* --- all of them ---------------------------------------------------------------------------- */

static void say_failure(const char *what, uint32_t index, const struct boot_info *info, int err)
{
	say("%s on CPU %u: %s (error %d)", what, index,
	    info->message[0] ? info->message : "no reason given", -err);
}

int launch_check(const struct launch_cpus *cpus, const struct boot_info *info)
{
	for (uint32_t i = 1; i < cpus->count; i++) {
		int err = run_on(cpus, i, info->check_cpu);

		if (err) {
			say_failure("Vigil can't run", i, info, err);
			return err;
		}
	}
	return 0;
}

/* Take back the CPUs launched before number `n` failed, the latest first. */
static bool stop_all(const struct launch_cpus *cpus, const struct boot_info *info, uint32_t n)
{
	bool stopped = true;

	while (--n) {
		int err = run_on(cpus, n, info->stop_cpu);

		if (err) {
			say_failure("stopping failed", n, info, err);
			stopped = false;
		}
	}
	return stopped;
}

int launch_all(const struct launch_cpus *cpus, const struct boot_info *info, bool *stuck)
{
	*stuck = false;
	for (uint32_t n = 1; n <= cpus->count; n++) {
		uint32_t index = n % cpus->count; /* the BSP, 0, last */
		int err = run_on(cpus, index, info->launch_cpu);

		if (!err)
			continue;
		say_failure("launch failed", index, info, err);
		*stuck = !stop_all(cpus, info, n) || err == -ETIMEDOUT;
		return err;
	}
	return 0;
}

/* CPUID exits always. */
static int pass_by(uint32_t index)
{
	(void)cpuid(index, 0);
	return 0;
}

void launch_settle(const struct launch_cpus *cpus)
{
	for (uint32_t n = 1; n < cpus->count; n++)
		(void)run_on(cpus, n, pass_by);
}
