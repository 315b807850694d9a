/* kallsyms with changes anywhere, in each of their layouts.
 *
 * Input: a byte that chooses the layout, then changes of the tables (kernel_fuzz.h). Beyond the
 * sanitizers it checks that each step looks at a bounded number of places, that the search ends,
 * and that what is answered keeps to its form.
 */
#include "tests/fuzz/kernel_fuzz.h"

#define STEPS_MAX 4000
#define WORLDS	  4

static struct fuzz_world world[WORLDS];

static void set_up(void)
{
	static const struct fake_options kinds[WORLDS] = {
		{.one_byte = true, .offsets_first = true, .no_btf = true},
		{.offsets_first = true, .order = true, .no_btf = true},
		{.no_btf = true},
		{.plain = true, .no_btf = true}};

	for (uint32_t i = 0; i < WORLDS; i++) {
		fuzz_world_open(&world[i], &kinds[i]);
		fuzz_keep(&world[i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!world[0].fake)
		set_up();
	if (size < 2)
		return 0;
	struct fuzz_world *w = &world[data[0] % WORLDS];
	struct fake *f = w->fake;
	uint32_t room = (uint32_t)(f->kallsyms_end - f->kallsyms);
	uint64_t gpa = f->kallsyms - f->base + FAKE_IMAGE;

	fuzz_restore(w, gpa, room);
	fuzz_patch(f->ram + gpa, room, data + 1, size - 1);
	/* As if the system-call entry were right before them: the search is short. */
	kernel_anchor(w->kernel, f->kallsyms, f->boot_root, false);
	for (uint32_t i = 0; fuzz_step(w) == KERNEL_SEARCHING; i++)
		REQUIRE(i < STEPS_MAX);
	fuzz_ask(w);
	return 0;
}
