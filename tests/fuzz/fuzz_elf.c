/* Any bytes as core.elf: refused with a reason, or loaded without an access outside of file and
 * image. */
#include <stdint.h>
#include <stdlib.h>

#include "boot/elf.h"

#define IMAGE_ENOUGH (1u << 20) /* larger images are accepted, but not worth the fuzzer's time */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_image image;
	const char *why = NULL;
	uint8_t *memory;

	if (elf_inspect(data, size, &image, &why)) {
		if (!why)
			abort();
		return 0;
	}
	if (!image.size || image.size % 4096 || image.entry >= image.text_size ||
	    image.text_size + image.rodata_size > image.size)
		abort();
	if (image.size > IMAGE_ENOUGH)
		return 0;
	memory = calloc(1, image.size);
	if (!memory || elf_load(data, size, &image, memory, 0x40000000, &why))
		abort();
	free(memory);
	return 0;
}
