/* BTF of any content, in a kernel whose symbols are in order.
 *
 * Input: a byte that says how (bit 0: the rest is the blob's types; else it changes those of the
 * fake; bit 1: its header too), then that. Beyond the sanitizers it checks that each step looks at
 * a bounded number of places and that the search ends.
 */
#include "tests/fuzz/kernel_fuzz.h"

#define STEPS_MAX 4000

static struct fuzz_world w;
static struct kernel *at_btf; /* the kernel with its symbols known */

static void set_up(void)
{
	fuzz_world_open(&w, &(struct fake_options){0});
	kernel_anchor(w.kernel, fake_lstar(w.fake), w.fake->boot_root, false);
	while (w.kernel->step < STEP_BTF_TYPES)
		REQUIRE(fuzz_step(&w) == KERNEL_SEARCHING);
	at_btf = malloc(sizeof(*at_btf));
	REQUIRE(at_btf);
	memcpy(at_btf, w.kernel, sizeof(*at_btf));
	fuzz_keep(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!at_btf)
		set_up();
	if (size < 2)
		return 0;
	struct fake *f = w.fake;
	uint64_t gpa = f->btf - f->base + FAKE_IMAGE, room = f->btf_end - f->btf;
	uint32_t head = data[0] & 2 ? 0 : 24;
	fuzz_restore(&w, gpa, room);
	if (data[0] & 1) {
		uint32_t n =
			size - 1 < f->blob.types_size ? (uint32_t)size - 1 : f->blob.types_size;
		memcpy(f->ram + gpa + 24, data + 1, n);
		memcpy(f->ram + gpa + 12, &n, 4); /* type_len */
	} else {
		fuzz_patch(f->ram + gpa + head, (uint32_t)room - head, data + 1, size - 1);
	}
	memcpy(w.kernel, at_btf, sizeof(*at_btf));
	for (uint32_t i = 0; fuzz_step(&w) == KERNEL_SEARCHING; i++)
		REQUIRE(i < STEPS_MAX);
	fuzz_ask(&w);
	return 0;
}
