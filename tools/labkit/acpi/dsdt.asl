/* The DSDT of Bochs' i440FX board, which has no ACPI tables of its own under OVMF. Test image only.
 *
 * Interrupt routing (ACPI 6.4, 6.2.13 _PRT): Bochs wires slot S, pin P (0 is INTA) to I/O APIC input
 * 16 + ((S + P - 1) & 3). */
#define SLOT(addr, a, b, c, d) \
	Package () { addr, 0, 0, a }, Package () { addr, 1, 0, b }, \
	Package () { addr, 2, 0, c }, Package () { addr, 3, 0, d }

DefinitionBlock ("dsdt.aml", "DSDT", 2, "VIGIL ", "LABBOCHS", 1)
{
	Name (\_S5, Package () { 0, 0, 0, 0 })

	Device (\_SB.PCI0)
	{
		Name (_HID, EisaId ("PNP0A03"))
		Name (_UID, 0)
		Name (_BBN, 0)
		Name (_CRS, ResourceTemplate ()
		{
			WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, 0, 0xFF, 0, 0x100)
			IO (Decode16, 0x0CF8, 0x0CF8, 1, 8)
			WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
				0, 0x0000, 0x0CF7, 0, 0x0CF8)
			WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
				0, 0x0D00, 0xFFFF, 0, 0xF300)
			DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable, ReadWrite,
				0, 0x000A0000, 0x000BFFFF, 0, 0x00020000)
			DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
				0, 0x80000000, 0xFEBFFFFF, 0, 0x7EC00000)
		})
		Name (_PRT, Package ()
		{
			SLOT (0x0000FFFF, 19, 16, 17, 18),
			SLOT (0x0001FFFF, 16, 17, 18, 19),
			SLOT (0x0002FFFF, 17, 18, 19, 16),
			SLOT (0x0003FFFF, 18, 19, 16, 17),
			SLOT (0x0004FFFF, 19, 16, 17, 18),
			SLOT (0x0005FFFF, 16, 17, 18, 19),
			SLOT (0x0006FFFF, 17, 18, 19, 16),
			SLOT (0x0007FFFF, 18, 19, 16, 17)
		})

		Device (ISA)
		{
			Name (_ADR, 0x00010000)

			Device (RTC)
			{
				Name (_HID, EisaId ("PNP0B00"))
				Name (_CRS, ResourceTemplate () { IO (Decode16, 0x70, 0x70, 1, 2) IRQNoFlags () { 8 } })
			}
			Device (KBD)
			{
				Name (_HID, EisaId ("PNP0303"))
				Name (_CRS, ResourceTemplate ()
				{
					IO (Decode16, 0x60, 0x60, 1, 1)
					IO (Decode16, 0x64, 0x64, 1, 1)
					IRQNoFlags () { 1 }
				})
			}
			Device (COM1)
			{
				Name (_HID, EisaId ("PNP0501"))
				Name (_UID, 1)
				Name (_CRS, ResourceTemplate () { IO (Decode16, 0x3F8, 0x3F8, 1, 8) IRQNoFlags () { 4 } })
			}
			Device (COM2)
			{
				Name (_HID, EisaId ("PNP0501"))
				Name (_UID, 2)
				Name (_CRS, ResourceTemplate () { IO (Decode16, 0x2F8, 0x2F8, 1, 8) IRQNoFlags () { 3 } })
			}
		}
	}
}
