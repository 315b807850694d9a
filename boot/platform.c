/* The machine's facts, from UEFI, ACPI tables and CPUID. */
#include "boot/platform.h"

#include "boot/console.h"
#include "boot/facts.h"
#include "boot/io.h"
#include "boot/mem.h"
#include "hv/errno.h"

#define IA32_FEATURE_CONTROL 0x3a
#define TABLE_MAX	     (1u << 20) /* bytes of an ACPI table that is believed */
#define MEASUREMENTS	     3
#define MEASURE_US	     4000

const char *platform_no_vmx(void)
{
	struct cpuid zero = cpuid(0, 0), one = cpuid(1, 0);
	uint32_t vendor[3] = {zero.ebx, zero.edx, zero.ecx};
	bool vmx = one.ecx & 1u << 5;

	/* The MSR exists when VMX (or SMX) does. */
	return facts_no_vmx((const char *)vendor, one.ecx, vmx ? rdmsr(IA32_FEATURE_CONTROL) : 0);
}

/* --- ACPI ----------------------------------------------------------------------------------- */

struct acpi_rsdp { /* ACPI 6.5, 5.2.5.3 */
	char signature[8];
	uint8_t checksum;
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
} __attribute__((packed));

static uint64_t find_rsdp(void)
{
	for (UINTN i = 0; i < efi_system->NumberOfTableEntries; i++) {
		const EFI_CONFIGURATION_TABLE *t = &efi_system->ConfigurationTable[i];

		if (!memcmp(&t->VendorGuid, &guid_acpi20, sizeof(guid_acpi20)))
			return (uintptr_t)t->VendorTable;
	}
	return 0;
}

static uint32_t table_length(const uint8_t *table)
{
	uint32_t len;

	memcpy(&len, table + 4, sizeof(len));
	return len;
}

/* The first table with this signature that the XSDT names; NULL: none. */
static const uint8_t *find_table(uint64_t rsdp_addr, const char *signature, uint32_t *len)
{
	const struct acpi_rsdp *rsdp = (const void *)(uintptr_t)rsdp_addr;
	const uint8_t *xsdt;
	uint32_t xsdt_len;

	if (!rsdp || memcmp(rsdp->signature, "RSD PTR ", 8) || rsdp->revision < 2 || !rsdp->xsdt)
		return NULL;
	xsdt = (const void *)(uintptr_t)rsdp->xsdt;
	xsdt_len = table_length(xsdt);
	if (memcmp(xsdt, "XSDT", 4) || xsdt_len > TABLE_MAX)
		return NULL;
	for (uint32_t at = 36; at + 8 <= xsdt_len; at += 8) {
		uint64_t addr;

		memcpy(&addr, xsdt + at, sizeof(addr));
		if (!addr || memcmp((const void *)(uintptr_t)addr, signature, 4))
			continue;
		*len = table_length((const void *)(uintptr_t)addr);
		return *len <= TABLE_MAX ? (const uint8_t *)(uintptr_t)addr : NULL;
	}
	return NULL;
}

static void find_ecam(struct boot_info *info)
{
	uint32_t len;
	const uint8_t *mcfg = find_table(info->rsdp, "MCFG", &len);
	int n = mcfg ? facts_mcfg(mcfg, len, info->ecam, BOOT_MAX_ECAM) : 0;

	if (n < 0)
		say("the ACPI MCFG table is damaged: PCI is reached by ports only");
	info->necam = n > 0 ? (uint32_t)n : 0;
}

unsigned platform_acpi_cpus(const struct boot_info *info)
{
	uint32_t len;
	const uint8_t *madt = find_table(info->rsdp, "APIC", &len);
	int n = madt ? facts_madt_cpus(madt, len) : 0;

	return n > 0 ? (unsigned)n : 0;
}

/* --- time and chance ------------------------------------------------------------------------ */

static void read_clock(struct boot_info *info)
{
	EFI_TIME now;
	struct fact_time t;

	if (EFI_ERROR(efi_system->RuntimeServices->GetTime(&now, NULL))) {
		say("the firmware has no clock: times start at 1970");
		return;
	}
	info->wall_tsc = rdtsc();
	t = (struct fact_time){
		.year = now.Year,
		.month = now.Month,
		.day = now.Day,
		.hour = now.Hour,
		.minute = now.Minute,
		.second = now.Second,
		.nanosecond = now.Nanosecond,
		.zone = now.TimeZone,
	};
	info->wall_ns = facts_wall_ns(&t);
}

/* Stall is measured, not only CPUID asked: see facts_tsc_khz. */
static uint64_t measure_tsc(void)
{
	uint64_t ticks[MEASUREMENTS], announced = 0;
	uint32_t leaves = cpuid(0, 0).eax;

	for (unsigned i = 0; i < MEASUREMENTS; i++) {
		uint64_t start = rdtsc();
		EFI_STATUS status = efi_boot->Stall(MEASURE_US);

		ticks[i] = EFI_ERROR(status) ? 0 : rdtsc() - start;
	}
	if (leaves >= 0x15) {
		struct cpuid tsc = cpuid(0x15, 0);
		uint32_t base = leaves >= 0x16 ? cpuid(0x16, 0).eax : 0;

		announced = facts_tsc_announced(tsc.eax, tsc.ebx, tsc.ecx, base);
	}
	return facts_tsc_khz(ticks, MEASUREMENTS, MEASURE_US, announced);
}

static bool rdrand(uint64_t *out)
{
	uint8_t ok = 0;

	if (!(cpuid(1, 0).ecx & 1u << 30))
		return false;
	/* SDM vol. 1, 7.3.17.1: ten tries. */
	for (int i = 0; i < 10 && !ok; i++)
		__asm__ volatile("rdrand %0; setc %1" : "=r"(*out), "=qm"(ok)::"cc");
	return ok;
}

/* All sources are mixed: a source that fails or lies takes nothing from the others. */
static void seed(struct boot_info *info)
{
	struct rng *rng;
	uint64_t firmware[2] = {0};

	if (EFI_ERROR(efi_boot->LocateProtocol(&guid_rng, NULL, (void **)&rng)) ||
	    EFI_ERROR(rng->get(rng, NULL, sizeof(firmware), firmware)))
		memset(firmware, 0, sizeof(firmware));
	for (unsigned i = 0; i < 2; i++) {
		uint64_t r = 0, t = rdtsc();

		if (!rdrand(&r))
			r = 0;
		/* Multiplication by an odd constant (2^64 / golden ratio) spreads the TSC's low
		 * bits. */
		info->random[i] =
			firmware[i] ^ r ^ (t * 0x9e3779b97f4a7c15u) ^ (info->wall_ns << i);
	}
}

void platform_facts(struct boot_info *info)
{
	info->rsdp = find_rsdp();
	find_ecam(info);
	read_clock(info);
	info->tsc_khz = measure_tsc();
	seed(info);
}

/* --- memory map ----------------------------------------------------------------------------- */

static void *get_map(UINTN *size, UINTN *step)
{
	UINTN key;
	UINT32 version;
	void *map = NULL;

	*size = 0;
	/* The map grows by the allocation of its own buffer: room for some more, and some tries. */
	for (int i = 0; i < 4; i++) {
		EFI_STATUS status = efi_boot->GetMemoryMap(size, map, &key, step, &version);

		if (!EFI_ERROR(status))
			return map;
		if (map)
			efi_boot->FreePool(map);
		map = NULL;
		*size += 16 * *step;
		if (status != EFI_BUFFER_TOO_SMALL ||
		    EFI_ERROR(efi_boot->AllocatePool(EfiLoaderData, *size, &map)))
			return NULL;
	}
	efi_boot->FreePool(map);
	return NULL;
}

int platform_memory(struct boot_info *info)
{
	UINTN size, step, n;
	uint8_t *map = get_map(&size, &step);
	struct fact_memory *facts;
	int count;

	if (!map || step < sizeof(EFI_MEMORY_DESCRIPTOR)) {
		say("the firmware gives no memory map");
		return -EIO;
	}
	n = size / step;
	if (EFI_ERROR(efi_boot->AllocatePool(EfiLoaderData, n * sizeof(*facts), (void **)&facts))) {
		efi_boot->FreePool(map);
		say("no memory for the memory map");
		return -ENOMEM;
	}
	for (UINTN i = 0; i < n; i++) {
		const EFI_MEMORY_DESCRIPTOR *d = (const void *)(map + i * step);

		facts[i] = (struct fact_memory){d->PhysicalStart, d->NumberOfPages, d->Attribute,
						d->Type};
	}
	count = facts_regions(facts, n, info->region, BOOT_MAX_REGIONS);
	efi_boot->FreePool(facts);
	efi_boot->FreePool(map);
	if (count < 0) {
		say("the memory map can't be used: %s",
		    count == -ENOSPC ? "too many regions" : "an entry overflows");
		return count;
	}
	info->nregion = (uint32_t)count;
	return 0;
}
