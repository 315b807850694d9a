/* The reserved block: Vigil's memory, in the form of hv/bootinfo.h, with the core loaded into it.
 *
 * BSP, boot services available.
 */
#pragma once

#include "boot/efi.h"
#include "boot/elf.h"
#include "boot/volume.h"
#include "hv/bootinfo.h"

#define BLOCK_ALIGN   (2ull << 20)
#define CORE_FILE_MAX (4ull << 20)
#define SENTRY_MAX    (16ull << 20)
#define RULES_MAX     (64ull << 20)

/* Bytes of the core's page pool: page tables, stacks and VMCSs by CPU; the sentry's image and heap,
 * frame and event rings in the base; the matcher's tables by the rules' size. */
static inline uint64_t block_pool_size(uint32_t cpus, uint64_t rules)
{
	return (59ull << 18) + ((uint64_t)cpus << 18) + 2 * rules;
}

/* The files of one start, between block_open and block_close. */
struct block_parts {
	void *core, *sentry; /* the ELF files, in pool memory; NULL: not loaded */
	uint64_t core_len, sentry_len;
	struct elf_image core_image, sentry_image;
	struct volume_file rules; /* handle NULL: none */
};

/* Find and check the files on the volume `device`: core.elf and sentry.elf are read and inspected,
 * the rules are opened. All that is wrong is said, not only the first. 0 or negative errno; rules
 * that the configuration does not name may be absent (said). Call block_close in any case. */
int block_open(EFI_HANDLE device, const struct vigil_config *cfg, struct block_parts *parts);

/* Allocate the block for `cpus` CPUs, zeroed, and fill it with the parts, relocated. `*info`
 * lies in the block: its fields about the block are set and `cfg` is copied there. `*entry` is the
 * core's entry point. 0 or negative errno, said; nothing stays allocated then. */
int block_build(struct block_parts *parts, const struct vigil_config *cfg, uint32_t cpus,
		struct boot_info **info, core_entry_fn **entry);

void block_close(struct block_parts *parts);

/* Give the block back to the firmware, wiped: Vigil did not start. */
void block_free(struct boot_info *info);
