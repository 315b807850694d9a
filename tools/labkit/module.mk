# The lab: what the build fetches, `make deps`, `make run`.

.PHONY: deps deps-build run
# What a plain `make` needs; silent when all is there.
deps-build:
	@tools/deps build
	@tools/deps fetch lwip newlib zlib pcre2 > /dev/null

deps: deps-build
	@tools/deps lab test
	@tools/lab deps

# The guest's program that tells the time stamp counter.
$(O)/lab/tsc: tools/labkit/guest/tsc.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 $(WARN) -O2 -static -nostdlib -ffreestanding -fno-pie \
		-fno-stack-protector -fcf-protection=none -fno-ident -Wl,--build-id=none -Wl,-z,noexecstack \
		-mgeneral-regs-only -s $< -o $@
all: $(O)/lab/tsc

# acpi.efi: the ACPI tables of the emulated board, for runs with more than one CPU.
$(O)/lab/dsdt.h: tools/labkit/acpi/dsdt.asl
	@mkdir -p $(@D)
	$(CC) -E -P -x assembler-with-cpp $< > $(O)/lab/dsdt.i.asl
	cd $(O)/lab && { iasl -tc -p dsdt dsdt.i.asl > iasl.log 2>&1 || { cat iasl.log; exit 1; }; }
	sed '/^ \*/d; /^\/\*/d' $(O)/lab/dsdt.hex > $@
$(O)/lab/acpi.o: tools/labkit/acpi/acpi.c $(O)/lab/dsdt.h
	$(CC) $(EFI_CFLAGS) -I$(O)/lab -c $< -o $@
$(O)/lab/acpi.so: $(O)/lab/acpi.o
	ld -shared -Bsymbolic -nostdlib -z noexecstack --no-undefined --build-id=none \
		-T $(EFI_LIB)/elf_x86_64_efi.lds -o $@ $(EFI_LIB)/crt0-efi-x86_64.o $< \
		$(EFI_LIB)/libefi.a $(EFI_LIB)/libgnuefi.a
$(O)/lab/acpi.efi: $(O)/lab/acpi.so
	$(EFI_COPY)
all: $(O)/lab/acpi.efi

# The demo: everything installed, fetched and built, then a guest that is watched.
$(O)/demo/bin/udpcat: tests/demo/udpcat.c
	@mkdir -p $(@D)
	$(CC) $(COMMON) -D_GNU_SOURCE -O2 -static -s $< -o $@

run:
	@tools/deps build lab
	@tools/deps fetch lwip newlib zlib pcre2 > /dev/null
	@$(MAKE) --no-print-directory all $(O)/demo/bin/udpcat
	@VIGIL_BUILD=$(O) tests/demo/run
