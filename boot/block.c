/* Allocation and filling of the reserved block. */
#include "boot/block.h"

#include "boot/console.h"
#include "boot/mem.h"
#include "boot/policy.h"
#include "hv/abi.h"
#include "hv/errno.h"

#define PAGE	    4096ull
#define BELOW_4G    0xffffffffull
#define CORE_PATH   "\\vigil\\core.elf"
#define SENTRY_PATH "\\vigil\\sentry.elf"

static uint64_t page_up(uint64_t v)
{
	return (v + PAGE - 1) & ~(PAGE - 1);
}

/* --- files ---------------------------------------------------------------------------------- */

static int file_error(const char *path, EFI_STATUS status)
{
	if (status == EFI_BAD_BUFFER_SIZE) {
		say("%s is too large", path);
		return -E2BIG;
	}
	say("%s: %s", path, efi_status_name(status));
	return status == EFI_NOT_FOUND ? -ENOENT : -EIO;
}

/* Open a file that is read later, when the block is there. An empty file is no use to anybody. */
static int open_part(EFI_HANDLE device, const char *path, uint64_t max, struct volume_file *file)
{
	EFI_STATUS status = volume_open(device, path, file);

	if (EFI_ERROR(status)) {
		file->handle = NULL;
		return file_error(path, status);
	}
	if (file->size > max)
		return file_error(path, EFI_BAD_BUFFER_SIZE);
	if (!file->size) {
		say("%s is empty", path);
		return -EINVAL;
	}
	return 0;
}

/* No rules file. That is no mistake, unless a policy was to be in it. */
static int without_rules(const struct vigil_config *cfg, const char *subject)
{
	const char *why = policy_disagrees(cfg, NULL, 0);

	if (why)
		say("%s %s", subject, why);
	return why ? -EINVAL : 0;
}

static int open_rules(EFI_HANDLE device, const struct vigil_config *cfg, struct volume_file *file)
{
	EFI_STATUS status;

	if (!cfg->rules[0]) {
		say("rules = none: nothing is inspected");
		return without_rules(cfg, "a rules file");
	}
	if (cfg->rules_set)
		return open_part(device, cfg->rules, RULES_MAX, file);
	status = volume_open(device, cfg->rules, file);
	if (status == EFI_NOT_FOUND) {
		file->handle = NULL;
		say("no rules (%s is absent): nothing is inspected", cfg->rules);
		return without_rules(cfg, cfg->rules);
	}
	if (!EFI_ERROR(status))
		volume_close(file);
	return open_part(device, cfg->rules, RULES_MAX, file);
}

static int load_image(EFI_HANDLE device, const char *path, uint64_t max, void **file, uint64_t *len,
		      struct elf_image *image)
{
	const char *why;
	EFI_STATUS status = volume_load(device, path, max, file, len);

	if (EFI_ERROR(status)) {
		*file = NULL;
		return file_error(path, status);
	}
	if (elf_inspect(*file, *len, image, &why)) {
		say("%s is damaged: %s", path, why);
		return -EINVAL;
	}
	return 0;
}

int block_open(EFI_HANDLE device, const struct vigil_config *cfg, struct block_parts *parts)
{
	int core, sentry, rules;

	*parts = (struct block_parts){0};
	core = load_image(device, CORE_PATH, CORE_FILE_MAX, &parts->core, &parts->core_len,
			  &parts->core_image);
	sentry = load_image(device, SENTRY_PATH, SENTRY_MAX, &parts->sentry, &parts->sentry_len,
			    &parts->sentry_image);
	rules = open_rules(device, cfg, &parts->rules);
	return core ? core : sentry ? sentry : rules;
}

void block_close(struct block_parts *parts)
{
	if (parts->core)
		efi_boot->FreePool(parts->core);
	if (parts->sentry)
		efi_boot->FreePool(parts->sentry);
	if (parts->rules.handle)
		volume_close(&parts->rules);
}

/* --- the block ------------------------------------------------------------------------------ */

/* `size` bytes (whole pages) at a multiple of BLOCK_ALIGN: more is allocated, and the ends given
 * back. Below 4 GiB when that can be had. 0: no memory. */
static uint64_t allocate(uint64_t size)
{
	uint64_t room = size + BLOCK_ALIGN - PAGE, start, end;
	EFI_PHYSICAL_ADDRESS got = BELOW_4G;

	if (EFI_ERROR(efi_boot->AllocatePages(AllocateMaxAddress, EfiReservedMemoryType,
					      room / PAGE, &got)) &&
	    EFI_ERROR(efi_boot->AllocatePages(AllocateAnyPages, EfiReservedMemoryType, room / PAGE,
					      &got)))
		return 0;
	start = (got + BLOCK_ALIGN - 1) & ~(BLOCK_ALIGN - 1);
	end = start + size;
	if (start > got)
		efi_boot->FreePages(got, (start - got) / PAGE);
	if (got + room > end)
		efi_boot->FreePages(end, (got + room - end) / PAGE);
	return start;
}

/* Firmware may map reserved memory as not executable (UEFI 2.10, 37.7); the core runs from its own
 * page tables later, but its first call comes through the firmware's. */
static void make_executable(uint64_t base, uint64_t size)
{
	struct memory_attribute *m;

	if (!EFI_ERROR(efi_boot->LocateProtocol(&guid_memory_attribute, NULL, (void **)&m)))
		(void)m->clear(m, base, size, MEMORY_ATTRIBUTE_XP);
}

static int read_part(struct volume_file *file, const char *path, uint64_t to)
{
	EFI_STATUS status = file->handle ? volume_read(file, (void *)(uintptr_t)to) : EFI_SUCCESS;

	return EFI_ERROR(status) ? file_error(path, status) : 0;
}

static int fill(struct boot_info *info, struct block_parts *parts, core_entry_fn **entry)
{
	const struct elf_image *image = &parts->core_image;
	const char *why;
	int err;

	if (elf_load(parts->core, parts->core_len, image, (void *)(uintptr_t)info->core_base,
		     info->core_base, &why)) {
		say("%s: %s", CORE_PATH, why);
		return -EINVAL;
	}
	if (elf_load(parts->sentry, parts->sentry_len, &parts->sentry_image,
		     (void *)(uintptr_t)info->sentry_base, ABI_SENTRY_BASE, &why)) {
		say("%s: %s", SENTRY_PATH, why);
		return -EINVAL;
	}
	err = read_part(&parts->rules, info->config.rules, info->rules_base);
	if (err)
		return err;
	why = policy_disagrees(&info->config, (void *)(uintptr_t)info->rules_base,
			       info->rules_size);
	if (why) {
		say("%s %s", info->config.rules, why);
		return -EINVAL;
	}
	make_executable(info->core_base, info->core_text_size);
	*entry = (core_entry_fn *)(uintptr_t)(info->core_base + image->entry);
	return 0;
}

int block_build(struct block_parts *parts, const struct vigil_config *cfg, uint32_t cpus,
		struct boot_info **out, core_entry_fn **entry)
{
	uint64_t rules = parts->rules.handle ? parts->rules.size : 0;
	uint64_t info_at = parts->core_image.size;
	uint64_t sentry_at = info_at + page_up(sizeof(struct boot_info));
	uint64_t rules_at = sentry_at + parts->sentry_image.size;
	uint64_t free_at = rules_at + page_up(rules);
	uint64_t size = page_up(free_at + block_pool_size(cpus, rules));
	uint64_t base = allocate(size);
	struct boot_info *info;
	int err;

	if (!base) {
		say("no memory: %lu MiB are needed", size >> 20);
		return -ENOMEM;
	}
	memset((void *)(uintptr_t)base, 0, size);
	info = (struct boot_info *)(uintptr_t)(base + info_at);
	info->magic = BOOT_INFO_MAGIC;
	info->version = BOOT_INFO_VERSION;
	info->size = sizeof(*info);
	info->block_base = base;
	info->block_size = size;
	info->core_base = base;
	info->core_size = parts->core_image.size;
	info->core_text_size = parts->core_image.text_size;
	info->core_rodata_size = parts->core_image.rodata_size;
	info->sentry_base = base + sentry_at;
	info->sentry_size = parts->sentry_image.size;
	info->sentry_text_size = parts->sentry_image.text_size;
	info->sentry_rodata_size = parts->sentry_image.rodata_size;
	info->sentry_entry = parts->sentry_image.entry;
	info->rules_base = base + rules_at;
	info->rules_size = rules;
	info->free_base = base + free_at;
	info->config = *cfg;
	err = fill(info, parts, entry);
	if (err)
		block_free(info);
	else
		*out = info;
	return err;
}

void block_free(struct boot_info *info)
{
	uint64_t base = info->block_base, size = info->block_size;

	memset((void *)(uintptr_t)base, 0, size);
	efi_boot->FreePages(base, size / PAGE);
}
