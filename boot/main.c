/* vigil.efi: starts Vigil under the firmware, then the OS loader under Vigil.
 *
 * The order of things, and what happens when one fails, is in efi_main and start_vigil. Nothing has
 * changed on the machine before launch_all; all that was taken is given back when Vigil does not
 * start.
 */
#include "boot/block.h"
#include "boot/console.h"
#include "boot/efi.h"
#include "boot/launch.h"
#include "boot/mem.h"
#include "boot/next.h"
#include "boot/nic.h"
#include "boot/platform.h"
#include "boot/serial.h"
#include "boot/volume.h"
#include "hv/errno.h"

#define CONFIG_PATH "\\vigil\\vigil.cfg"

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

static EFI_LOADED_IMAGE *self;
static struct vigil_config config;
static struct launch_cpus cpus;
static struct nic_found nic;
static struct boot_info *info; /* in the block; NULL: no block */

/* --- configuration -------------------------------------------------------------------------- */

/* 0: go on with what `config` says. Negative: the file can't be relied on; config.require says
 * whether the OS may be booted without Vigil. */
static int read_config(void)
{
	struct config_error why;
	void *text;
	uint64_t len;
	EFI_STATUS status;

	config_defaults(&config);
	status = volume_load(self->DeviceHandle, CONFIG_PATH, CONFIG_FILE_MAX, &text, &len);
	if (status == EFI_NOT_FOUND) {
		say("%s is absent: defaults", CONFIG_PATH);
		return 0;
	}
	if (EFI_ERROR(status)) {
		/* It may hold require = yes. */
		config.require = 1;
		say("%s can't be read: %s", CONFIG_PATH,
		    status == EFI_BAD_BUFFER_SIZE ? "longer than 16384 bytes"
						  : efi_status_name(status));
		return -EIO;
	}
	if (config_parse(&config, text, len, &why)) {
		if (why.line)
			say("%s, line %u: %s", CONFIG_PATH, why.line, why.text);
		else
			say("%s: %s", CONFIG_PATH, why.text);
		efi_boot->FreePool(text);
		return -EINVAL;
	}
	efi_boot->FreePool(text);
	return 0;
}

/* --- start ---------------------------------------------------------------------------------- */

static void describe(void)
{
	say("%lu MiB at 0x%lx, %u CPU(s), TSC %lu.%03lu MHz, %u memory regions, %u ECAM window(s)",
	    info->block_size >> 20, info->block_base, info->ncpu, info->tsc_khz / 1000,
	    info->tsc_khz % 1000, info->nregion, info->necam);
	say("core %lu KiB, sentry %lu KiB, rules %lu KiB", info->core_size >> 10,
	    (info->sentry_size + 1023) >> 10, (info->rules_size + 1023) >> 10);
}

/* The card that was to be taken can't be: go on without the network half, unless all is required.
 */
static int without_card(int err)
{
	if (!err || config.require)
		return err;
	say("going on without the network half");
	return 0;
}

/* Whether what the configuration asks for is there. Everything that is wrong is said in one go, so
 * that nobody has to boot once for each mistake. */
static int check(struct block_parts *parts)
{
	const char *missing = platform_no_vmx();
	int files, card;

	if (missing)
		say("%s", missing);
	files = block_open(self->DeviceHandle, &config, parts);
	card = without_card(nic_find(&config, &nic));
	return missing ? -ENOTSUP : files ? files : card;
}

static void fill_facts(const struct boot_info *facts)
{
	info->rsdp = facts->rsdp;
	info->wall_ns = facts->wall_ns;
	info->wall_tsc = facts->wall_tsc;
	info->tsc_khz = facts->tsc_khz;
	memcpy(info->random, facts->random, sizeof(info->random));
	info->necam = facts->necam;
	memcpy(info->ecam, facts->ecam, sizeof(info->ecam));
	info->ncpu = cpus.count;
	memcpy(info->cpu, cpus.cpu, sizeof(info->cpu));
}

static int enter_core(core_entry_fn *entry)
{
	int err = entry(info);

	if (err)
		say("the core refuses: %s (error %d)",
		    info->message[0] ? info->message : "no reason given", -err);
	return err;
}

/* All up to the launch. What it allocates and takes, give_back undoes. */
static int prepare(void)
{
	static struct boot_info facts; /* before the block is there */
	struct block_parts parts;
	core_entry_fn *entry;
	int err = check(&parts);

	if (!err) {
		platform_facts(&facts);
		err = launch_find_cpus(&cpus, platform_acpi_cpus(&facts));
	}
	if (!err)
		err = block_build(&parts, &config, cpus.count, &info, &entry);
	block_close(&parts);
	if (err)
		return err;
	fill_facts(&facts);
	err = platform_memory(info);
	if (!err)
		err = without_card(nic_take(&nic, &info->nic));
	if (err)
		return err;
	describe();
	err = enter_core(entry);
	return err ? err : launch_check(&cpus, info);
}

static void give_back(void)
{
	nic_give_back(&nic);
	serial_give_back();
	if (info)
		block_free(info);
	info = NULL;
}

/* The end when the OS must not be booted: the reason has been said. */
static EFI_STATUS refuse(void)
{
	say("require = yes: the OS is not started");
	give_back();
	return EFI_ABORTED;
}

static int launch(void)
{
	bool stuck;
	int err = launch_all(&cpus, info, &stuck);

	if (err && stuck) {
		say("the reserved memory stays reserved: a CPU may still use it");
		info = NULL;
	}
	if (err)
		give_back();
	return err;
}

static EFI_STATUS run(int err)
{
	struct next_loader next;
	EFI_STATUS status;

	if (err)
		give_back();
	status = next_load(&config, self, &next);
	if (EFI_ERROR(status)) {
		give_back();
		return status;
	}
	if (!err && info) {
		err = launch();
		if (err && config.require) {
			next_unload(&next);
			return refuse();
		}
	}
	if (info) {
		say("starting %s under Vigil", next.path);
		info->seal();
		launch_settle(&cpus);
	} else {
		say("starting %s WITHOUT Vigil", next.path);
	}
	return next_start(&next);
}

/* A loader that was started by a loader (a copy under another name) would go round in circles. */
static bool is_nested(void)
{
	void *other;

	return !EFI_ERROR(efi_boot->LocateProtocol(&guid_vigil_loader, NULL, &other));
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
	EFI_HANDLE handle = image;
	EFI_STATUS status;
	int err;

	efi_image = image;
	efi_system = table;
	efi_boot = table->BootServices;
	say("Vigil %s", VIGIL_VERSION);
	status = efi_boot->HandleProtocol(image, &guid_loaded_image, (void **)&self);
	if (EFI_ERROR(status))
		return status;
	if (is_nested()) {
		say("started by Vigil's own loader: `next` must name the OS's loader");
		return EFI_ALREADY_STARTED;
	}
	status = efi_boot->InstallProtocolInterface(&handle, &guid_vigil_loader,
						    EFI_NATIVE_INTERFACE, &config);
	if (EFI_ERROR(status))
		return status;
	err = read_config();
	if (!err && config.enable)
		serial_take(config.serial);
	console_serial(config.serial);
	if (!err && !config.enable)
		say("enable = no");
	else if (!err)
		err = prepare();
	status = err && config.require ? refuse() : run(err);
	efi_boot->UninstallProtocolInterface(handle, &guid_vigil_loader, &config);
	return status;
}
