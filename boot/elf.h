/* The loader's ELF half: checks the core's image and puts it into memory, relocated.
 *
 * Pure logic over bytes: compiled for vigil.efi and for the host. Accepts exactly what the build
 * makes (arch/x86/core.lds, tools/build/check-elf): a static PIE for x86-64 with page-aligned
 * segments in the order text R-X, rodata R--, data RW-, and R_X86_64_RELATIVE relocations.
 * Everything else is refused: an image that is damaged must not be run.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct elf_image {
	uint64_t size;	      /* bytes in memory, whole pages */
	uint64_t entry;	      /* offset of the entry point, inside the text */
	uint64_t text_size;   /* [0, text_size) is R-X, whole pages */
	uint64_t rodata_size; /* what follows is R--, whole pages; the rest is RW- */
	uint64_t rela_offset; /* of the relocations, in the file */
	uint64_t rela_count;
};

/* Check `len` bytes of an ELF file and say what room it needs. 0, or -EINVAL with `*why` a constant
 * text (no final stop). Any context. */
int elf_inspect(const void *file, size_t len, struct elf_image *image, const char **why);

/* Put the file that elf_inspect accepted at `memory`, image->size bytes that are all 0, to run at
 * the address `base`. 0, or -EINVAL with `*why`. Any context. */
int elf_load(const void *file, size_t len, const struct elf_image *image, void *memory,
	     uint64_t base, const char **why);
