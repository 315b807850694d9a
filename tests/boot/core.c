/* A core for the loader's tests: checks what the loader hands over, tells on COM1 in which order it
 * is called on which CPU, virtualizes nothing. The configuration's `name` tells it what to refuse:
 * "fail-init-0", or "fail-check-N", "fail-launch-N" for CPU N, or "fail-stop-1" for the launch
 * of CPU 0 and then the stop of CPU 1. It serves as sentry.elf as well,
 * where only its relocation is looked at. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hv/abi.h"
#include "hv/bootinfo.h"
#include "hv/errno.h"

#define COM1	     0x3f8
#define YEAR_2020_NS 1577836800000000000ull

int core_init(struct boot_info *info);

static struct boot_info *boot;
static unsigned calls;

/* --- telling -------------------------------------------------------------------------------- */

static void put(const char *text)
{
	for (; *text; text++) {
		uint8_t status;

		do
			__asm__ volatile("inb %w1, %0" : "=a"(status) : "d"(COM1 + 5));
		while (!(status & 0x20));
		__asm__ volatile("outb %0, %w1" ::"a"(*text), "d"(COM1));
	}
}

static void put_number(uint64_t v)
{
	char text[21];
	size_t at = sizeof(text) - 1;

	text[at] = 0;
	do {
		text[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	put(text + at);
}

static void tell(const char *what, uint64_t n)
{
	put("core: ");
	put(what);
	put(" ");
	put_number(n);
	put("\r\n");
}

/* --- what the configuration wants refused ---------------------------------------------------- */

static bool wants(const char *what, uint32_t index)
{
	const char *name = boot->config.name;

	while (*what && *name == *what) {
		name++;
		what++;
	}
	return !*what && (uint32_t)(*name - '0') == index;
}

static int refuse(const char *why)
{
	for (size_t i = 0; !i || why[i - 1]; i++)
		boot->message[i] = why[i];
	return -ENOTSUP;
}

/* --- what was handed over -------------------------------------------------------------------- */

/* Needs a relocation, the same in core and sentry. */
static const void *const here[] = {&here, &boot};

static bool relocated(void)
{
	uint64_t offset = (uint64_t)&here - boot->core_base;
	const uint64_t *theirs = (const uint64_t *)(boot->sentry_base + offset);

	return here[0] == &here && theirs[0] == ABI_SENTRY_BASE + offset &&
	       theirs[1] == ABI_SENTRY_BASE + ((uint64_t)&boot - boot->core_base);
}

static bool layout_good(void)
{
	const struct boot_info *b = boot;
	uint64_t end = b->block_base + b->block_size;

	return b->block_base % (2u << 20) == 0 && b->block_size % 4096 == 0 &&
	       b->core_base == b->block_base && b->core_size % 4096 == 0 && b->core_text_size &&
	       b->core_text_size + b->core_rodata_size <= b->core_size &&
	       (uint64_t)b >= b->core_base + b->core_size && (uint64_t)b % 4096 == 0 &&
	       b->sentry_base >= (uint64_t)(b + 1) && b->sentry_base % 4096 == 0 &&
	       b->sentry_size == b->core_size && b->sentry_text_size == b->core_text_size &&
	       b->sentry_rodata_size == b->core_rodata_size &&
	       b->sentry_entry == (uint64_t)&core_init - b->core_base &&
	       b->rules_base >= b->sentry_base + b->sentry_size && b->rules_base % 4096 == 0 &&
	       b->free_base >= b->rules_base + b->rules_size && b->free_base % 4096 == 0 &&
	       end - b->free_base >= 10u << 20;
}

static bool pool_zero(void)
{
	const uint64_t *end = (const uint64_t *)(boot->block_base + boot->block_size);

	for (const uint64_t *p = (const uint64_t *)boot->free_base; p < end; p++)
		if (*p)
			return false;
	return true;
}

static bool regions_good(void)
{
	bool block_seen = false;
	uint64_t end = 0;

	for (uint32_t i = 0; i < boot->nregion; i++) {
		const struct boot_region *r = &boot->region[i];

		if (r->base < end || !r->size || r->kind > REGION_MMIO)
			return false;
		end = r->base + r->size;
		if (r->kind == REGION_RAM && boot->block_base >= r->base &&
		    boot->block_base + boot->block_size <= end)
			block_seen = true;
	}
	return boot->nregion && boot->nregion <= BOOT_MAX_REGIONS && block_seen;
}

static bool cpus_good(void)
{
	uint32_t eax = 1, ebx, ecx = 0, edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	for (uint32_t i = 1; i < boot->ncpu; i++)
		if (boot->cpu[i].is_bsp || boot->cpu[i].apic_id == boot->cpu[0].apic_id)
			return false;
	return boot->ncpu && boot->cpu[0].is_bsp && boot->cpu[0].apic_id == ebx >> 24;
}

static const char *problem(void)
{
	if (boot->magic != BOOT_INFO_MAGIC || boot->version != BOOT_INFO_VERSION ||
	    boot->size != sizeof(*boot))
		return "header";
	if (!layout_good())
		return "layout";
	if (!relocated())
		return "relocation";
	if (!pool_zero())
		return "pool";
	if (!regions_good())
		return "regions";
	if (!cpus_good())
		return "cpus";
	if (boot->wall_ns < YEAR_2020_NS || !boot->wall_tsc || !boot->tsc_khz)
		return "time";
	if (!boot->random[0] || boot->random[0] == boot->random[1])
		return "random";
	return NULL;
}

/* --- the interface --------------------------------------------------------------------------- */

static int check_cpu(uint32_t index)
{
	tell("check", index);
	return wants("fail-check-", index) ? refuse("the test refuses check") : 0;
}

static int launch_cpu(uint32_t index)
{
	tell("launch", index);
	calls++;
	if (wants("fail-launch-", index) || (!index && wants("fail-stop-", 1)))
		return refuse("the test refuses launch");
	return 0;
}

static int stop_cpu(uint32_t index)
{
	tell("stop", index);
	return wants("fail-stop-", index) ? refuse("the test refuses stop") : 0;
}

static void seal(void)
{
	tell("seal after", calls);
}

__attribute__((section(".text.entry"))) int core_init(struct boot_info *info)
{
	const char *bad;

	boot = info;
	bad = problem();
	if (bad) {
		put("core: BAD ");
		put(bad);
		put("\r\n");
	} else {
		tell("boot_info good, MHz", info->tsc_khz / 1000);
	}
	tell("nic", info->nic.present ? info->nic.device : 0);
	tell("nic registers", info->nic.bar[0].size);
	tell("rules", info->rules_size ? *(const uint8_t *)info->rules_base : 0);
	info->check_cpu = check_cpu;
	info->launch_cpu = launch_cpu;
	info->stop_cpu = stop_cpu;
	info->seal = seal;
	return wants("fail-init-", 0) ? refuse("the test refuses init") : 0;
}
