/* The loader's pure logic: the ELF loader, the machine's facts, the next loader's paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot/elf.h"
#include "boot/facts.h"
#include "boot/paths.h"
#include "hv/errno.h"

/* --- ELF ------------------------------------------------------------------------------------ */

#define BASE 0x40000000ull

struct elf_test_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_test_segment {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

/* A core as the build makes it: text 0x1234 bytes, rodata 0x800 with dynamic section and two
 * relocations, data 0x100 in the file and 0x2000 in memory. */
#define FILE_SIZE 0x4100
enum { TEXT, RODATA, DATA, DYNAMIC, SEGMENTS };
struct test_file {
	struct elf_test_header header;
	struct elf_test_segment segment[SEGMENTS];
	uint8_t pad[0x1000 - sizeof(struct elf_test_header) -
		    SEGMENTS * sizeof(struct elf_test_segment)];
	uint8_t text[0x2000];
	struct {
		uint8_t constants[0x400];
		uint64_t dynamic[8][2];
		struct {
			uint64_t offset, info, addend;
		} rela[2];
		uint8_t rest[0x1000 - 0x400 - 128 - 48];
	} rodata;
	uint8_t data[0x100];
};
_Static_assert(sizeof(struct test_file) == FILE_SIZE, "layout of the test's ELF file");

static void make_core(struct test_file *f)
{
	memset(f, 0, sizeof(*f));
	f->header = (struct elf_test_header){
		.ident = {0x7f, 'E', 'L', 'F', 2, 1, 1},
		.type = 3,
		.machine = 62,
		.version = 1,
		.entry = 0x10,
		.phoff = sizeof(f->header),
		.ehsize = 64,
		.phentsize = 56,
		.phnum = SEGMENTS,
	};
	f->segment[TEXT] = (struct elf_test_segment){1, 5, 0x1000, 0, 0, 0x1234, 0x1234, 0x1000};
	f->segment[RODATA] =
		(struct elf_test_segment){1, 4, 0x3000, 0x2000, 0, 0x800, 0x800, 0x1000};
	f->segment[DATA] =
		(struct elf_test_segment){1, 6, 0x4000, 0x3000, 0, 0x100, 0x2000, 0x1000};
	f->segment[DYNAMIC] = (struct elf_test_segment){2, 4, 0x3400, 0x2400, 0, 128, 128, 8};
	memset(f->text, 0xcc, 0x1234);
	memset(f->data, 0xdd, 0x100);
	f->rodata.dynamic[0][0] = 7; /* DT_RELA */
	f->rodata.dynamic[0][1] = 0x2480;
	f->rodata.dynamic[1][0] = 8; /* DT_RELASZ */
	f->rodata.dynamic[1][1] = 48;
	f->rodata.dynamic[2][0] = 9; /* DT_RELAENT */
	f->rodata.dynamic[2][1] = 24;
	f->rodata.rela[0].offset = 0x2000;
	f->rodata.rela[0].info = 8;
	f->rodata.rela[0].addend = 0x10;
	f->rodata.rela[1].offset = 0x3008;
	f->rodata.rela[1].info = 8;
	f->rodata.rela[1].addend = 0x5000;
}

/* Both in memory of exactly their length. Returns the image (free it), or NULL when refused. */
static uint8_t *load(const struct test_file *f, size_t len, const char **why)
{
	struct elf_image image;
	uint8_t *copy = malloc(len ? len : 1), *memory = NULL;

	assert_non_null(copy);
	memcpy(copy, f, len);
	*why = NULL;
	if (!elf_inspect(copy, len, &image, why)) {
		memory = calloc(1, image.size);
		assert_non_null(memory);
		assert_int_equal(elf_load(copy, len, &image, memory, BASE, why), 0);
	} else {
		assert_non_null(*why);
	}
	free(copy);
	return memory;
}

static void test_elf_good(void **state)
{
	struct test_file f;
	struct elf_image image;
	const char *why;
	uint64_t value;
	uint8_t *m;

	(void)state;
	make_core(&f);
	assert_int_equal(elf_inspect(&f, sizeof(f), &image, &why), 0);
	assert_int_equal(image.size, 0x5000);
	assert_int_equal(image.text_size, 0x2000);
	assert_int_equal(image.rodata_size, 0x1000);
	assert_int_equal(image.entry, 0x10);
	assert_int_equal(image.rela_count, 2);
	m = load(&f, sizeof(f), &why);
	assert_non_null(m);
	assert_int_equal(m[0x1233], 0xcc);
	assert_int_equal(m[0x1234], 0);
	assert_int_equal(m[0x3000], 0xdd);
	assert_int_equal(m[0x3100], 0);
	memcpy(&value, m + 0x2000, 8);
	assert_int_equal(value, BASE + 0x10);
	memcpy(&value, m + 0x3008, 8);
	assert_int_equal(value, BASE + 0x5000);
	free(m);
}

/* Without relocations, data or rodata it is still an image. */
static void test_elf_small(void **state)
{
	struct test_file f;
	struct elf_image image;
	const char *why;

	(void)state;
	make_core(&f);
	f.header.phnum = 1;
	assert_int_equal(elf_inspect(&f, sizeof(f), &image, &why), 0);
	assert_int_equal(image.size, 0x2000);
	assert_int_equal(image.rodata_size, 0);
	assert_int_equal(image.rela_count, 0);
}

struct damage {
	const char *what;
	size_t offset;
	uint64_t value;
	size_t size;
	const char *why; /* part of the reason */
};
#define DAMAGE(member, value, why)                                                                 \
	{                                                                                          \
#member, offsetof(struct test_file, member), value,                                \
			sizeof(((struct test_file *)0)->member), why                               \
	}

static const struct damage damages[] = {
	DAMAGE(header.ident[0], 0, "not a 64-bit ELF"),
	DAMAGE(header.ident[4], 1, "not a 64-bit ELF"),
	DAMAGE(header.type, 2, "not a position-independent"),
	DAMAGE(header.machine, 3, "not a position-independent"),
	DAMAGE(header.phentsize, 32, "program header"),
	DAMAGE(header.phnum, 0, "program header"),
	DAMAGE(header.phnum, 0xffff, "program header"),
	DAMAGE(header.phoff, FILE_SIZE - 8, "outside of the file"),
	DAMAGE(header.phoff, UINT64_MAX - 8, "outside of the file"),
	DAMAGE(header.entry, 0x2000, "entry point"),
	DAMAGE(header.entry, UINT64_MAX, "entry point"),
	DAMAGE(segment[TEXT].type, 0, "order"),
	DAMAGE(segment[TEXT].flags, 7, "writable and executable"),
	DAMAGE(segment[TEXT].vaddr, 0x1000, "order"),
	DAMAGE(segment[TEXT].filesz, 0x1235, "too large"),
	DAMAGE(segment[TEXT].memsz, 0x3000, "ascending"),
	DAMAGE(segment[RODATA].offset, FILE_SIZE, "outside of the file"),
	DAMAGE(segment[RODATA].offset, UINT64_MAX, "outside of the file"),
	DAMAGE(segment[RODATA].filesz, UINT64_MAX, "outside of the file"),
	DAMAGE(segment[RODATA].vaddr, 0x2010, "page aligned"),
	DAMAGE(segment[RODATA].vaddr, 0x1000, "ascending"),
	DAMAGE(segment[RODATA].vaddr, UINT64_MAX - 0xfff, "too large"),
	DAMAGE(segment[RODATA].flags, 5, "more than one text"),
	DAMAGE(segment[RODATA].type, 3, "interpreter"),
	DAMAGE(segment[RODATA].type, 7, "thread-local"),
	DAMAGE(segment[DATA].memsz, 0x80, "too large"),
	DAMAGE(segment[DATA].memsz, UINT64_MAX, "too large"),
	DAMAGE(segment[DATA].flags, 5, "order"),
	DAMAGE(segment[DYNAMIC].offset, FILE_SIZE - 8, "outside of the file"),
	DAMAGE(segment[DYNAMIC].offset, UINT64_MAX - 8, "outside of the file"),
	DAMAGE(rodata.dynamic[0][1], 0x2fff, "outside of the file"),
	DAMAGE(rodata.dynamic[0][1], 0, "R_X86_64_RELATIVE"), /* the text's bytes as relocations */
	DAMAGE(rodata.dynamic[0][1], UINT64_MAX, "outside of the file"),
	DAMAGE(rodata.dynamic[1][1], UINT64_MAX - 15, "outside of the file"),
	DAMAGE(rodata.dynamic[1][1], 47, "dynamic linking"),
	DAMAGE(rodata.dynamic[2][1], 16, "dynamic linking"),
	DAMAGE(rodata.dynamic[3][0], 1, "dynamic linking"),
	DAMAGE(rodata.dynamic[3][0], 22, "dynamic linking"),
	DAMAGE(rodata.dynamic[3][0], 36, "dynamic linking"),
	DAMAGE(rodata.rela[0].info, 6, "R_X86_64_RELATIVE"),
	DAMAGE(rodata.rela[0].info, 1ull << 32 | 8, "R_X86_64_RELATIVE"),
	DAMAGE(rodata.rela[0].offset, 0x1ff9, "outside of rodata"),
	DAMAGE(rodata.rela[0].offset, 0x4ff9, "outside of rodata"),
	DAMAGE(rodata.rela[0].offset, UINT64_MAX - 3, "outside of rodata"),
	DAMAGE(rodata.rela[0].addend, 0x5001, "points outside"),
	DAMAGE(rodata.rela[0].addend, UINT64_MAX, "points outside"),
};

static void test_elf_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		const struct damage *d = &damages[i];
		struct test_file f;
		const char *why;
		uint8_t *m;

		make_core(&f);
		memcpy((uint8_t *)&f + d->offset, &d->value, d->size);
		m = load(&f, sizeof(f), &why);
		if (m || !strstr(why, d->why))
			fail_msg("%s = %llx: %s", d->what, (unsigned long long)d->value,
				 m ? "accepted" : why);
		free(m);
	}
}

/* A file cut off anywhere is refused (the data are its last bytes). */
static void test_elf_cut(void **state)
{
	struct test_file f;
	const char *why;

	(void)state;
	make_core(&f);
	for (size_t len = 0; len < sizeof(f); len += len < 0x200 ? 1 : 0x3f) {
		uint8_t *m = load(&f, len, &why);

		assert_null(m);
	}
}

/* Every single byte of headers, dynamic section and relocations altered, in two ways: no access
 * outside of file and image (ASan), whatever the verdict. */
static void test_elf_altered(void **state)
{
	static const uint8_t flips[] = {0xff, 0x80, 0x01, 0x10};
	struct test_file f;
	const char *why;

	(void)state;
	for (size_t at = 0; at < sizeof(f); at++) {
		if (at == sizeof(f.header) + sizeof(f.segment))
			at = offsetof(struct test_file, rodata.dynamic);
		if (at == offsetof(struct test_file, rodata.rest))
			break;
		for (size_t i = 0; i < sizeof(flips); i++) {
			make_core(&f);
			((uint8_t *)&f)[at] ^= flips[i];
			free(load(&f, sizeof(f), &why));
		}
	}
}

static void test_elf_changed_between(void **state)
{
	struct test_file f;
	struct elf_image image;
	const char *why;
	uint8_t *m;

	(void)state;
	make_core(&f);
	assert_int_equal(elf_inspect(&f, sizeof(f), &image, &why), 0);
	m = calloc(1, image.size);
	assert_non_null(m);
	f.segment[DATA].memsz = 0x4000;
	assert_int_equal(elf_load(&f, sizeof(f), &image, m, BASE, &why), -EINVAL);
	free(m);
}

/* --- memory map ----------------------------------------------------------------------------- */

#define WB 0xf /* UC | WC | WT | WB */

static void test_regions(void **state)
{
	struct fact_memory map[] = {
		{0x100000, 0x700, WB, 7},     /* conventional */
		{0, 0xa0, WB, 3},	      /* out of order; boot services code */
		{0x800000, 0x8, WB, 9},	      /* ACPI reclaim: neighbour of the first */
		{0x808000, 0x10, WB, 0},      /* reserved RAM */
		{0x818000, 0x10, 1, 0},	      /* reserved, uncached: not RAM */
		{0x828000, 0x10, 1, 11},      /* MMIO: neighbour of it */
		{0x838000, 0x10, WB, 8},      /* unusable */
		{0x848000, 0x10, WB, 15},     /* unaccepted */
		{0x858000, 0x10, 1, 12},      /* MMIO port space */
		{0x100000000, 0x1000, WB, 7}, /* above 4 GiB */
	};
	static const struct boot_region expected[] = {
		{0, 0xa0000, REGION_RAM, 3},
		{0x100000, 0x718000, REGION_RAM, 7},
		{0x818000, 0x20000, REGION_MMIO, 0},
		{0x858000, 0x10000, REGION_MMIO, 12},
		{0x100000000, 0x1000000, REGION_RAM, 7},
	};
	struct boot_region out[8];
	size_t n = sizeof(map) / sizeof(map[0]);

	(void)state;
	memset(out, 0, sizeof(out));
	assert_int_equal(facts_regions(map, n, out, 8), 5);
	assert_memory_equal(out, expected, sizeof(expected));
	assert_int_equal(facts_regions(map, n, out, 5), 5);
	assert_int_equal(facts_regions(map, n, out, 4), -ENOSPC);
	assert_int_equal(facts_regions(map, 0, out, 4), 0);
}

static void test_regions_overlap(void **state)
{
	struct fact_memory map[] = {
		{0x1000, 0x10, WB, 7},
		{0x5000, 0x20, 1, 11}, /* begins inside the first */
		{0x6000, 0x02, WB, 7}, /* wholly inside */
		{0x9000, 0x00, WB, 7}, /* empty */
	};
	struct boot_region out[4];

	(void)state;
	assert_int_equal(facts_regions(map, 4, out, 4), 2);
	assert_int_equal(out[0].size, 0x10000);
	assert_int_equal(out[1].base, 0x11000);
	assert_int_equal(out[1].size, 0x14000);
	map[0].pages = UINT64_MAX >> 12;
	assert_int_equal(facts_regions(map, 4, out, 4), -EINVAL);
	map[0].pages = UINT64_MAX;
	assert_int_equal(facts_regions(map, 4, out, 4), -EINVAL);
}

/* --- ACPI ----------------------------------------------------------------------------------- */

static void finish_table(uint8_t *table, const char *signature, uint32_t len)
{
	uint8_t sum = 0;

	memcpy(table, signature, 4);
	memcpy(table + 4, &len, 4);
	table[9] = 0;
	for (uint32_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + table[i]);
	table[9] = (uint8_t)-sum;
}

static void test_mcfg(void **state)
{
	uint8_t t[44 + 3 * 16] = {0};
	uint64_t base = 0xb0000000, odd = 0xb0000010;
	struct boot_ecam e[4];

	(void)state;
	memcpy(t + 44, &base, 8);
	t[44 + 11] = 0xff;
	memcpy(t + 60, &odd, 8); /* not aligned: left out */
	memcpy(t + 76, &base, 8);
	t[76 + 8] = 1;	   /* segment */
	t[76 + 10] = 0x10; /* start bus */
	t[76 + 11] = 0x1f;
	finish_table(t, "MCFG", sizeof(t));
	assert_int_equal(facts_mcfg(t, sizeof(t), e, 4), 2);
	assert_int_equal(e[0].base, base);
	assert_int_equal(e[0].end_bus, 0xff);
	assert_int_equal(e[1].segment, 1);
	assert_int_equal(e[1].start_bus, 0x10);
	assert_int_equal(facts_mcfg(t, sizeof(t), e, 1), 1);
	assert_int_equal(facts_mcfg(t, sizeof(t) - 1, e, 4), -EINVAL);
	assert_int_equal(facts_mcfg(t, 10, e, 4), -EINVAL);
	t[50] ^= 1;
	assert_int_equal(facts_mcfg(t, sizeof(t), e, 4), -EINVAL);
	finish_table(t, "MCFH", sizeof(t));
	assert_int_equal(facts_mcfg(t, sizeof(t), e, 4), -EINVAL);
}

static void test_madt(void **state)
{
	uint8_t t[44 + 8 + 8 + 8 + 8 + 12 + 16 + 16 + 16] = {0};
	uint8_t *p = t + 44;

	(void)state;
	p[0] = 0, p[1] = 8, p[4] = 1; /* local APIC, enabled */
	p += 8;
	p[0] = 0, p[1] = 8, p[4] = 0; /* not there */
	p += 8;
	p[0] = 0, p[1] = 8, p[4] = 2; /* can be plugged in later */
	p += 8;
	p[0] = 0, p[1] = 8, p[4] = 1, p[3] = 0xff; /* no APIC has this id */
	p += 8;
	p[0] = 1, p[1] = 12; /* I/O APIC */
	p += 12;
	p[0] = 9, p[1] = 16, p[8] = 1; /* x2APIC, the first one again */
	p += 16;
	p[0] = 9, p[1] = 16, p[8] = 1, p[5] = 1; /* x2APIC 256 */
	p += 16;
	memset(p + 4, 0xff, 4);
	p[0] = 9, p[1] = 16, p[8] = 1; /* no x2APIC has this id */
	finish_table(t, "APIC", sizeof(t));
	assert_int_equal(facts_madt_cpus(t, sizeof(t)), 2);
	t[44 + 4] = 0; /* x2APICs only */
	finish_table(t, "APIC", sizeof(t));
	assert_int_equal(facts_madt_cpus(t, sizeof(t)), 2);
	t[45] = 0; /* an entry of length 0 must not loop */
	finish_table(t, "APIC", sizeof(t));
	assert_int_equal(facts_madt_cpus(t, sizeof(t)), -EINVAL);
	t[45] = 200;
	finish_table(t, "APIC", sizeof(t));
	assert_int_equal(facts_madt_cpus(t, sizeof(t)), -EINVAL);
}

/* --- time ----------------------------------------------------------------------------------- */

static void test_wall(void **state)
{
	struct fact_time t = {2026, 11, 23, 6, 30, 15, 250, FACT_ZONE_UNKNOWN};

	(void)state;
	/* date -u -d '2026-11-23 06:30:15' +%s */
	assert_int_equal(facts_wall_ns(&t), 1795415415000000250ull);
	t.zone = -60; /* UTC+1 (UEFI 2.10, 8.3: local time = UTC - zone) */
	assert_int_equal(facts_wall_ns(&t), 1795411815000000250ull);
	t = (struct fact_time){2024, 2, 29, 23, 59, 59, 0, 0};
	assert_int_equal(facts_wall_ns(&t), 1709251199000000000ull);
	t = (struct fact_time){2000, 3, 1, 0, 0, 0, 0, 0};
	assert_int_equal(facts_wall_ns(&t), 951868800000000000ull);
	t = (struct fact_time){1970, 1, 1, 0, 0, 1, 0, 0};
	assert_int_equal(facts_wall_ns(&t), 1000000000ull);
	t.zone = -60;
	assert_int_equal(facts_wall_ns(&t), 0); /* before 1970 */
	t = (struct fact_time){2554, 7, 21, 23, 34, 33, 0, 0};
	assert_int_equal(facts_wall_ns(&t), 18446744073000000000ull);
	t.second = 34;
	assert_int_equal(facts_wall_ns(&t), 0); /* past 2^64 ns */
	t = (struct fact_time){2023, 2, 29, 0, 0, 0, 0, 0};
	assert_int_equal(facts_wall_ns(&t), 0);
	t = (struct fact_time){2023, 13, 1, 0, 0, 0, 0, 0};
	assert_int_equal(facts_wall_ns(&t), 0);
	t = (struct fact_time){2023, 0, 1, 0, 0, 0, 0, 0};
	assert_int_equal(facts_wall_ns(&t), 0);
	t = (struct fact_time){2023, 1, 1, 24, 0, 0, 0, 0};
	assert_int_equal(facts_wall_ns(&t), 0);
}

static void test_tsc(void **state)
{
	uint64_t quiet[3] = {201000, 200100, 260000}, none[3] = {0};

	(void)state;
	/* Bochs: 50 MHz counted, 3.5 GHz announced. */
	assert_int_equal(facts_tsc_khz(quiet, 3, 4000, 3500000), 50025);
	assert_int_equal(facts_tsc_khz(quiet, 3, 4000, 50000), 50000);
	assert_int_equal(facts_tsc_khz(quiet, 3, 4000, 0), 50025);
	assert_int_equal(facts_tsc_khz(none, 3, 4000, 3500000), 3500000);
	assert_true(facts_tsc_khz(none, 3, 4000, 0) > 0);
	quiet[0] = 1;
	assert_true(facts_tsc_khz(quiet, 3, 4000, 0) > 0);
	/* SDM vol. 3B, 19.7.3: 24 MHz crystal, ratio 216 / 2. */
	assert_int_equal(facts_tsc_announced(2, 216, 24000000, 0), 2592000);
	assert_int_equal(facts_tsc_announced(2, 216, 0, 2600), 2600000);
	assert_int_equal(facts_tsc_announced(0, 0, 0, 2600), 0);
	assert_int_equal(facts_tsc_announced(0, 216, 24000000, 0), 0);
}

/* --- PCI, VT-x ------------------------------------------------------------------------------ */

static void test_bars(void **state)
{
	/* Bochs' 82540EM: 128 KiB of registers, 32 I/O ports. */
	static const uint32_t mem_was[2] = {0x80000000, 0xc001}, mem_probe[2] = {0xfffe0000, 0};
	static const uint32_t io_was[2] = {0xc001, 0}, io_probe[2] = {0xffffffe1, 0};
	static const uint32_t io16_probe[2] = {0x0000ffe1, 0};
	static const uint32_t wide_was[2] = {0x0000000c, 0x4},
			      wide_probe[2] = {0x0000000c, 0xfffffff0};
	static const uint32_t none[2] = {0, 0};
	struct boot_nic nic = {0};

	(void)state;
	assert_int_equal(facts_bar(mem_was, mem_probe, &nic, 0), 1);
	assert_int_equal(nic.bar[0].base, 0x80000000);
	assert_int_equal(nic.bar[0].size, 0x20000);
	assert_int_equal(nic.bar[0].is_io, 0);
	assert_int_equal(facts_bar(io_was, io_probe, &nic, 1), 1);
	assert_int_equal(nic.bar[1].base, 0xc000);
	assert_int_equal(nic.bar[1].size, 0x20);
	assert_int_equal(nic.bar[1].is_io, 1);
	assert_int_equal(facts_bar(io_was, io16_probe, &nic, 1), 1);
	assert_int_equal(nic.bar[1].size, 0x20);
	/* 64 GiB above 4 GiB, prefetchable. */
	assert_int_equal(facts_bar(wide_was, wide_probe, &nic, 2), 2);
	assert_int_equal(nic.bar[2].base, 0x400000000);
	assert_int_equal(nic.bar[2].size, 0x1000000000);
	assert_int_equal(nic.bar[2].is_64, 1);
	assert_int_equal(nic.bar[2].prefetchable, 1);
	assert_int_equal(facts_bar(none, none, &nic, 3), 1);
	assert_int_equal(nic.bar[3].size, 0);
}

static void test_no_vmx(void **state)
{
	(void)state;
	assert_null(facts_no_vmx("GenuineIntel", 1u << 5, 5));
	assert_null(facts_no_vmx("GenuineIntel", 1u << 5, 0)); /* unlocked: the core locks it */
	assert_non_null(strstr(facts_no_vmx("GenuineIntel", 1u << 5, 1), "locked"));
	assert_non_null(strstr(facts_no_vmx("GenuineIntel", 1u << 5, 3), "locked"));
	assert_non_null(strstr(facts_no_vmx("GenuineIntel", 0, 5), "no VT-x"));
	assert_non_null(strstr(facts_no_vmx("GenuineIntel", 1u << 31, 0), "nested"));
	assert_non_null(strstr(facts_no_vmx("AuthenticAMD", 0, 0), "SVM"));
}

/* --- paths ---------------------------------------------------------------------------------- */

static void test_next_paths(void **state)
{
	struct vigil_config cfg;
	struct next_path p;
	unsigned n = 0;

	(void)state;
	memset(&cfg, 0, sizeof(cfg));
	while (paths_next(&cfg, n, &p)) {
		/* shim would take a command line for the name of a loader */
		assert_int_equal(p.with_args, !strcmp(p.path, "\\vmlinuz.efi"));
		n++;
	}
	assert_int_equal(n, 5);
	strcpy(cfg.next, "\\a.efi");
	assert_true(paths_next(&cfg, 0, &p));
	assert_string_equal(p.path, "\\a.efi");
	assert_true(p.with_args);
	assert_false(paths_next(&cfg, 1, &p));
}

static bool same(const char *a, const char *b)
{
	unsigned short wide[64];
	size_t n = strlen(a);

	for (size_t i = 0; i < n; i++)
		wide[i] = (unsigned char)a[i];
	wide[n] = 0;
	/* With and without the final 0 in its length. */
	assert_int_equal(paths_same(wide, n, b), paths_same(wide, n + 1, b));
	return paths_same(wide, n, b);
}

static void test_same_paths(void **state)
{
	(void)state;
	assert_true(same("\\EFI\\BOOT\\BOOTX64.EFI", "\\efi\\boot\\bootx64.efi"));
	assert_true(same("EFI\\BOOT\\BOOTX64.EFI", "\\EFI\\BOOT\\BOOTX64.EFI"));
	assert_true(same("\\EFI\\\\BOOT/A.EFI", "\\EFI\\BOOT\\A.EFI"));
	assert_false(same("\\EFI\\BOOT\\BOOTX64.EFI", "\\EFI\\BOOT\\BOOTX64.EFI2"));
	assert_false(same("\\EFI\\BOOT\\BOOTX64.EFI2", "\\EFI\\BOOT\\BOOTX64.EFI"));
	assert_false(same("\\EFIBOOT", "\\EFI\\BOOT"));
	assert_false(same("\\EFI\\BOOT", "\\EFIBOOT"));
	assert_false(same("", "\\a"));
	assert_false(same("\\a", ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_elf_good),    cmocka_unit_test(test_elf_small),
		cmocka_unit_test(test_elf_refused), cmocka_unit_test(test_elf_cut),
		cmocka_unit_test(test_elf_altered), cmocka_unit_test(test_elf_changed_between),
		cmocka_unit_test(test_regions),	    cmocka_unit_test(test_regions_overlap),
		cmocka_unit_test(test_mcfg),	    cmocka_unit_test(test_madt),
		cmocka_unit_test(test_wall),	    cmocka_unit_test(test_tsc),
		cmocka_unit_test(test_bars),	    cmocka_unit_test(test_no_vmx),
		cmocka_unit_test(test_next_paths),  cmocka_unit_test(test_same_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
