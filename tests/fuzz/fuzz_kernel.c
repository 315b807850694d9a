/* The search for a kernel in memory of any content: page tables, image, tables.
 *
 * Input: LSTAR (8), CR3 (8), flags (1), then either 16 pages that follow each other again and again
 * in all of the RAM (page-table entries among them are mostly folded to that RAM), or changes of
 * the page tables of a guest that is in order. Beyond the sanitizers it checks that each step looks
 * at a bounded number of places, while the memory changes under it too.
 */
#include "tests/fuzz/kernel_fuzz.h"

#define PAGES	  16u
#define STEPS_MAX 300 /* an image of 1 GiB takes a while */
#define RAM_TOP	  (1ull << 32)

static uint8_t ram[PAGES][GMEM_PAGE] __attribute__((aligned(4096)));
static struct kernel *k;
static uint64_t looks;
static bool moving;

static const volatile void *page(void *ctx, uint64_t gpa)
{
	(void)ctx;
	REQUIRE(gpa % GMEM_PAGE == 0);
	looks++;
	if (moving)
		ram[looks % PAGES][looks * 64 % GMEM_PAGE] ^= (uint8_t)looks;
	return gpa < RAM_TOP ? ram[(gpa / GMEM_PAGE) % PAGES] : NULL;
}

static void fill(const uint8_t *data, size_t size)
{
	size_t n = size < sizeof(ram) ? size : sizeof(ram);

	memset(ram, 0, sizeof(ram));
	if (n)
		memcpy(ram, data, n);
	/* What has the lowest bit set may be an entry: let it lead somewhere. */
	for (uint32_t i = 0; i < 2 * GMEM_PAGE / 8; i++) {
		uint64_t entry;
		memcpy(&entry, (uint8_t *)ram + i * 8, 8);
		if (entry & 1)
			entry &= 0x80000000000000ffull | (RAM_TOP - GMEM_PAGE);
		memcpy((uint8_t *)ram + i * 8, &entry, 8);
	}
}

/* Tables of an ordinary guest, changed. */
static void tables(const uint8_t *data, size_t size)
{
	static struct fuzz_world w;
	uint64_t lstar;

	if (!w.fake) {
		fuzz_world_open(&w, &(struct fake_options){.no_btf = true});
		fuzz_keep(&w);
	}
	uint64_t first = w.fake->boot_root, len = w.fake->tables - first;
	fuzz_restore(&w, first, len);
	fuzz_patch(w.fake->ram + first, (uint32_t)len, data + 17, size - 17);
	memcpy(&lstar, data, 8);
	lstar = w.fake->base + (lstar & 0x3fffffff) % (4 * FAKE_SIZE);
	kernel_anchor(w.kernel, data[16] & 1 ? lstar : w.fake->kallsyms, first, false);
	for (uint32_t i = 0; i < STEPS_MAX && fuzz_step(&w) == KERNEL_SEARCHING; i++)
		;
	fuzz_ask(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct kernel_ops ops = {.alloc = fuzz_calloc, .mem = {NULL, page}};
	struct kernel_module module;
	char name[KERNEL_NAME_MAX];
	uint64_t lstar, cr3, offset;

	if (!k)
		k = kernel_create(&ops);
	REQUIRE(k);
	if (size < 18)
		return 0;
	if (data[16] & 8) {
		tables(data, size);
		return 0;
	}
	memcpy(&lstar, data, 8);
	memcpy(&cr3, data + 8, 8);
	if (data[16] & 1)
		lstar |= 0xffffffff80000000ull;
	moving = data[16] & 2;
	fill(data + 17, size - 17);
	kernel_anchor(k, lstar, cr3, data[16] & 4);
	for (uint32_t i = 0; i < STEPS_MAX; i++) {
		uint64_t before = looks;
		enum kernel_state state = kernel_step(k, FUZZ_BUDGET);
		REQUIRE(looks - before <= FUZZ_PAGES);
		if (state != KERNEL_SEARCHING)
			break;
	}
	(void)kernel_symbol(k, "modules");
	(void)kernel_module(k, 3, &module);
	(void)kernel_module_at(k, lstar, &module, name, &offset);
	(void)kernel_symbol_at(k, lstar, name, &offset);
	(void)kernel_current(k, 1);
	return 0;
}
