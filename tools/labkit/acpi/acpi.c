/* acpi.efi: gives the Bochs board the ACPI tables it lacks, then starts \EFI\vigil\vigil.efi.
 *
 * Linux brings up a second CPU only if a MADT names it. The lab puts this program on its test
 * images in front of Vigil, which neither needs nor knows it.
 */
#include <efi.h>
#include <efilib.h>

#include "dsdt.h" /* dsdt_aml_code[], made by iasl */

#define NEXT	 L"\\EFI\\vigil\\vigil.efi"
#define MAX_CPUS 16

/* UEFI 2.10, 20.2 and PI 1.8 volume 2, 13.4: not in gnu-efi's headers. */
struct acpi_table_protocol {
	EFI_STATUS(EFIAPI *install)
	(struct acpi_table_protocol *self, VOID *table, UINTN size, UINTN *key);
};
struct cpu_info {
	UINT64 apic_id;
	UINT32 flags;
	UINT32 package, core, thread;
	UINT8 extended[64]; /* newer firmware may write more than the first version's fields */
};
struct mp_protocol {
	EFI_STATUS(EFIAPI *count)(struct mp_protocol *self, UINTN *cpus, UINTN *enabled);
	EFI_STATUS(EFIAPI *info)(struct mp_protocol *self, UINTN number, struct cpu_info *info);
};
static EFI_GUID acpi_guid = {
	0xffe06bdd, 0x6107, 0x46a6, {0x7b, 0xb2, 0x5a, 0x9c, 0x7e, 0xc5, 0x27, 0x5c}};
static EFI_GUID mp_guid = {
	0x3fdda605, 0xa76e, 0x4f46, {0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08}};

#define PACKED __attribute__((packed))

/* ACPI 6.4, 5.2.6 */
struct header {
	CHAR8 signature[4];
	UINT32 length;
	UINT8 revision, checksum;
	CHAR8 oem[6], oem_table[8];
	UINT32 oem_revision;
	CHAR8 creator[4];
	UINT32 creator_revision;
} PACKED;

/* 5.2.3.2 generic address */
struct address {
	UINT8 space, bits, offset, access;
	UINT64 base;
} PACKED;
#define IO_SPACE 1

/* 5.2.9, revision 4 of it */
struct fadt {
	struct header header;
	UINT32 facs, dsdt;
	UINT8 reserved0, profile;
	UINT16 sci;
	UINT32 smi_port;
	UINT8 acpi_enable, acpi_disable, s4bios, pstate;
	UINT32 pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer, gpe0,
		gpe1;
	UINT8 pm1_event_len, pm1_control_len, pm2_control_len, pm_timer_len, gpe0_len, gpe1_len,
		gpe1_base;
	UINT8 cst;
	UINT16 c2_latency, c3_latency, flush_size, flush_stride;
	UINT8 duty_offset, duty_width, day_alarm, month_alarm, century;
	UINT16 boot_arch;
	UINT8 reserved1;
	UINT32 flags;
	struct address reset;
	UINT8 reset_value, reserved2[3];
	UINT64 x_facs, x_dsdt;
	struct address x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control;
	struct address x_pm2_control, x_pm_timer, x_gpe0, x_gpe1;
} PACKED;
_Static_assert(sizeof(struct fadt) == 244, "FADT revision 4");

/* 5.2.10 */
struct facs {
	CHAR8 signature[4];
	UINT32 length, hardware, waking, lock, flags;
	UINT64 x_waking;
	UINT8 version, reserved[31];
} PACKED;
_Static_assert(sizeof(struct facs) == 64, "FACS");

/* 5.2.12 */
struct local_apic {
	UINT8 type, length, uid, id;
	UINT32 flags;
} PACKED;
struct io_apic {
	UINT8 type, length, id, reserved;
	UINT32 base, first_gsi;
} PACKED;
struct override {
	UINT8 type, length, bus, source;
	UINT32 gsi;
	UINT16 flags;
} PACKED;
struct local_nmi {
	UINT8 type, length, uid;
	UINT16 flags;
	UINT8 lint;
} PACKED;
struct madt {
	struct header header;
	UINT32 local_apics, flags;
	struct io_apic io_apic;
	struct override timer, sci;
	struct local_nmi nmi;
	struct local_apic cpus[MAX_CPUS];
} PACKED;

/* The ports of the board's PIIX4 power management, where Bochs has them. */
#define PM_BASE 0xb000
#define SCI_IRQ 9

static struct facs facs = {.signature = {'F', 'A', 'C', 'S'}, .length = sizeof(facs), .version = 1};

static struct fadt fadt = {
	.header = {.signature = {'F', 'A', 'C', 'P'}, .revision = 4},
	.profile = 1, /* desktop */
	.sci = SCI_IRQ,
	.smi_port = 0xb2,
	.acpi_enable = 0xf1,
	.acpi_disable = 0xf0,
	.pm1a_event = PM_BASE,
	.pm1a_control = PM_BASE + 4,
	.pm_timer = PM_BASE + 8,
	.pm1_event_len = 4,
	.pm1_control_len = 2,
	.pm_timer_len = 4,
	.c2_latency = 0xfff, /* no C2, no C3 */
	.c3_latency = 0xfff,
	.century = 0x32,
	.boot_arch = 3, /* legacy devices, 8042 */
	/* WBINVD, C1, no power and no sleep button, reset register */
	.flags = 1 << 0 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 10,
	.reset = {IO_SPACE, 8, 0, 1, 0xcf9},
	.reset_value = 6,
	.x_pm1a_event = {IO_SPACE, 32, 0, 3, PM_BASE},
	.x_pm1a_control = {IO_SPACE, 16, 0, 2, PM_BASE + 4},
	.x_pm_timer = {IO_SPACE, 32, 0, 3, PM_BASE + 8},
};

static struct madt madt = {
	.header = {.signature = {'A', 'P', 'I', 'C'}, .revision = 3},
	.local_apics = 0xfee00000,
	.flags = 1, /* there are 8259s too */
	.io_apic = {1, sizeof(struct io_apic), 0, 0, 0xfec00000, 0},
	.timer = {2, sizeof(struct override), 0, 0, 2, 0},	       /* IRQ 0 is input 2 */
	.sci = {2, sizeof(struct override), 0, SCI_IRQ, SCI_IRQ, 0xd}, /* level, active high */
	.nmi = {4, sizeof(struct local_nmi), 0xff, 0, 1},	       /* LINT1 of every CPU */
};

static VOID finish(struct header *table, UINT32 length)
{
	static const struct header ids = {
		.oem = "VIGIL ", .oem_table = "LABBOCHS", .creator = "LAB "};
	const UINT8 *bytes = (const UINT8 *)table;
	UINT8 sum = 0;

	CopyMem(table->oem, (VOID *)(UINTN)ids.oem, sizeof(ids.oem));
	CopyMem(table->oem_table, (VOID *)(UINTN)ids.oem_table, sizeof(ids.oem_table));
	CopyMem(table->creator, (VOID *)(UINTN)ids.creator, sizeof(ids.creator));
	table->oem_revision = table->creator_revision = 1;
	table->length = length;
	table->checksum = 0;
	for (UINT32 i = 0; i < length; i++)
		sum = (UINT8)(sum + bytes[i]);
	table->checksum = (UINT8)(0x100 - sum);
}

/* One local APIC entry per CPU the firmware has found. */
static EFI_STATUS list_cpus(UINT32 *length)
{
	struct mp_protocol *mp;
	UINTN cpus = 0, enabled;
	EFI_STATUS status = BS->LocateProtocol(&mp_guid, NULL, (VOID **)&mp);

	if (EFI_ERROR(status))
		return status;
	status = mp->count(mp, &cpus, &enabled);
	if (EFI_ERROR(status))
		return status;
	if (cpus > MAX_CPUS)
		cpus = MAX_CPUS;
	for (UINTN i = 0; i < cpus; i++) {
		struct cpu_info info;

		status = mp->info(mp, i, &info);
		if (EFI_ERROR(status))
			return status;
		madt.cpus[i] = (struct local_apic){0, sizeof(struct local_apic), (UINT8)i,
						   (UINT8)info.apic_id, 1};
	}
	madt.io_apic.id = (UINT8)cpus;
	*length = (UINT32)(sizeof(madt) - (MAX_CPUS - cpus) * sizeof(struct local_apic));
	return EFI_SUCCESS;
}

static EFI_STATUS install(struct acpi_table_protocol *acpi, VOID *table, UINTN size)
{
	UINTN key;

	return acpi->install(acpi, table, size, &key);
}

static EFI_STATUS install_tables(VOID)
{
	struct acpi_table_protocol *acpi;
	UINT32 length;
	EFI_STATUS status = BS->LocateProtocol(&acpi_guid, NULL, (VOID **)&acpi);

	if (!EFI_ERROR(status))
		status = list_cpus(&length);
	if (EFI_ERROR(status))
		return status;
	finish(&fadt.header, sizeof(fadt));
	finish(&madt.header, length);
	/* The firmware links FACS and DSDT into the FADT, whichever order they come in. */
	status = install(acpi, &facs, sizeof(facs));
	if (!EFI_ERROR(status))
		status = install(acpi, dsdt_aml_code, sizeof(dsdt_aml_code));
	if (!EFI_ERROR(status))
		status = install(acpi, &fadt, sizeof(fadt));
	if (!EFI_ERROR(status))
		status = install(acpi, &madt, length);
	return status;
}

static EFI_STATUS start_next(EFI_HANDLE self)
{
	EFI_LOADED_IMAGE *image;
	EFI_DEVICE_PATH *path;
	EFI_HANDLE next;
	EFI_STATUS status = BS->HandleProtocol(self, &LoadedImageProtocol, (VOID **)&image);

	if (EFI_ERROR(status))
		return status;
	path = FileDevicePath(image->DeviceHandle, (CHAR16 *)NEXT);
	if (!path)
		return EFI_OUT_OF_RESOURCES;
	status = BS->LoadImage(FALSE, self, path, NULL, 0, &next);
	if (EFI_ERROR(status))
		return status;
	return BS->StartImage(next, NULL, NULL);
}

EFI_STATUS efi_main(EFI_HANDLE self, EFI_SYSTEM_TABLE *system);

EFI_STATUS efi_main(EFI_HANDLE self, EFI_SYSTEM_TABLE *system)
{
	EFI_STATUS status;

	InitializeLib(self, system);
	status = install_tables();
	if (EFI_ERROR(status))
		Print(L"lab: no ACPI tables: %r\r\n", status); /* Linux then runs on one CPU */
	status = start_next(self);
	Print(L"lab: %s: %r\r\n", NEXT, status);
	return status;
}
