/* A fake guest for the fuzz targets of ids/guest and ids/proc: made once, changed by the input, and
 * put right again; looks at its memory are counted, and may change it. */
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ids/guest/kernel_impl.h"
#include "tests/unit/fake_kernel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(x)                                                                                 \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

#define FUZZ_BUDGET (32u << 10) /* of a step, as ids/sentry/introspect.c has it */
#define FUZZ_PAGES  10000u	/* looks at guest memory in one step: some million instructions */

struct fuzz_world {
	struct fake *fake;
	struct kernel *kernel;
	uint8_t *pristine; /* RAM as it was */
};

static inline void *fuzz_calloc(void *ctx, size_t size)
{
	(void)ctx;
	return calloc(1, size);
}

static inline void fuzz_world_open(struct fuzz_world *w, const struct fake_options *opt)
{
	w->fake = fake_open(opt);
	const struct kernel_ops ops = {.alloc = fuzz_calloc, .mem = fake_gmem(w->fake)};
	w->kernel = kernel_create(&ops);
	REQUIRE(w->kernel);
}

static inline void fuzz_keep(struct fuzz_world *w)
{
	w->pristine = malloc(FAKE_RAM);
	REQUIRE(w->pristine);
	memcpy(w->pristine, w->fake->ram, FAKE_RAM);
}

/* The same in a piece of guest-physical memory. */
static inline void fuzz_restore(struct fuzz_world *w, uint64_t gpa, uint64_t len)
{
	memcpy(w->fake->ram + gpa, w->pristine + gpa, len);
}

/* Changes of the bytes at `to`: place (2), number (1), bytes. */
static inline void fuzz_patch(uint8_t *to, uint32_t room, const uint8_t *data, size_t size)
{
	while (size > 3) {
		uint32_t at = (uint32_t)(data[0] | data[1] << 8), n = data[2] & 31;
		data += 3;
		size -= 3;
		n = n < size ? n : (uint32_t)size;
		if (at < room && n <= room - at)
			memcpy(to + at, data, n);
		data += n;
		size -= n;
	}
}

/* One step that keeps to its bound. */
static inline enum kernel_state fuzz_step(struct fuzz_world *w)
{
	uint64_t before = w->fake->pages;
	enum kernel_state state = kernel_step(w->kernel, FUZZ_BUDGET);
	REQUIRE(w->fake->pages - before <= FUZZ_PAGES);
	REQUIRE(state == KERNEL_SEARCHING || state == KERNEL_READY || *kernel_reason(w->kernel));
	return state;
}

/* Queries of all kinds; each within a bound. */
static inline void fuzz_ask(struct fuzz_world *w)
{
	const struct kernel *k = w->kernel;
	char name[KERNEL_NAME_MAX];
	struct kernel_member m;
	uint64_t offset, before = w->fake->pages;
	int64_t value;

	for (uint32_t i = 0; i < w->fake->symbols; i += 97) {
		(void)kernel_symbol(k, w->fake->symbol[i].name);
		if (kernel_symbol_at(k, w->fake->symbol[i].address, name, &offset))
			REQUIRE(strnlen(name, sizeof(name)) < sizeof(name));
	}
	for (uint32_t i = 0; i < wanted_structure_count; i++)
		if (!kernel_member(k, wanted_structures[i].name, "next", &m))
			REQUIRE(m.bits <= 255 && m.offset <= UINT32_MAX / 8);
	(void)kernel_enum(k, "PIDTYPE_TGID", &value);
	(void)kernel_current(k, 0);
	REQUIRE(strlen(kernel_banner(k)) < 160 && strlen(kernel_build_id(k)) < 48);
	REQUIRE(w->fake->pages - before <= FUZZ_PAGES);
}
