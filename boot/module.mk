# vigil.efi, and the configuration parser that it shares with nobody but the host's tests.

EFI_INCLUDE ?= /usr/include/efi
EFI_LIB ?= /usr/lib
# Firmware code may use SSE, the loader has no need to; CHAR16 is wchar_t.
EFI_CFLAGS := $(COMMON) $(FREESTANDING) -isystem $(EFI_INCLUDE) -isystem $(EFI_INCLUDE)/x86_64 \
	-DGNU_EFI_USE_MS_ABI -fshort-wchar -O2 -fpic -fvisibility=hidden -mno-red-zone \
	-mgeneral-regs-only -fno-stack-protector -fcf-protection=none -fno-common \
	-fno-asynchronous-unwind-tables

EFI_SRC := $(wildcard boot/*.c) arch/x86/string.c hv/config.c hv/policy_text.c hv/format.c \
	ids/rules/blob_seal.c ids/rules/crc32c.c
EFI_OBJ := $(patsubst %.c,$(O)/efi/%.o,$(EFI_SRC))
IMAGE_FILES += $(O)/vigil.efi $(O)/core.elf

$(O)/efi/%.o: %.c
	@mkdir -p $(@D)
	@echo '  CC  efi    $<'
	$(Q)$(CC) $(EFI_CFLAGS) $(DEPFLAGS) -c $< -o $@

# gnu-efi's crt0 relocates the image: the same rules as for the core's relocations.
$(O)/efi/%.so: tools/build/check-elf
	@mkdir -p $(@D)
	@echo '  LD         $@'
	$(Q)ld -shared -Bsymbolic -nostdlib -z noexecstack --no-undefined --build-id=none \
		-T $(EFI_LIB)/elf_x86_64_efi.lds \
		-o $@ $(EFI_LIB)/crt0-efi-x86_64.o $(filter %.o,$^) $(EFI_LIB)/libgnuefi.a
	$(Q)tools/build/check-elf $@

# SOURCE_DATE_EPOCH: the PE header's time stamp.
define EFI_COPY
	@echo '  PE         $@'
	$(Q)SOURCE_DATE_EPOCH=0 objcopy -j .text -j .sdata -j .data -j .dynamic -j .dynsym -j .rel \
		-j .rela -j .rel.* -j .rela.* -j .reloc --target efi-app-x86_64 --subsystem=10 $< $@
endef

$(O)/efi/vigil.so: $(EFI_OBJ)
$(O)/vigil.efi: $(O)/efi/vigil.so
	$(EFI_COPY)

# For the loader's tests: an OS loader's stand-in, a firmware that locks VT-x off, a core that tells.
BOOT_TEST_FILES := $(O)/tests/next.efi $(O)/tests/lock.efi $(O)/tests/core.elf
.PHONY: boot-test-files
boot-test-files: $(BOOT_TEST_FILES) $(O)/vigil.efi
$(O)/efi/next.so: $(O)/efi/tests/boot/next.o
$(O)/efi/lock.so: $(O)/efi/tests/boot/lock.o $(O)/efi/arch/x86/string.o
$(O)/tests/%.efi: $(O)/efi/%.so
	@mkdir -p $(@D)
	$(EFI_COPY)
$(O)/tests/core.elf: $(O)/core/tests/boot/core.o arch/x86/core.lds tools/build/check-elf
	@mkdir -p $(@D)
	@echo '  LD         $@'
	$(Q)ld -static -pie --no-dynamic-linker -z text -z noexecstack -z separate-code --gc-sections \
		--build-id=none -T arch/x86/core.lds -o $@ $<
	$(Q)tools/build/check-elf --no-sse $@

-include $(EFI_OBJ:.o=.d) $(wildcard $(O)/efi/tests/boot/*.d $(O)/core/tests/boot/*.d)

UNIT_TESTS += test_config test_format test_boot
test_config_SRC := tests/unit/test_config.c hv/config.c hv/policy_text.c
test_format_SRC := tests/unit/test_format.c hv/format.c
test_boot_SRC := tests/unit/test_boot.c boot/elf.c boot/facts.c boot/paths.c
test_boot_DEPS := $(wildcard boot/*.h)
FUZZERS += fuzz_config fuzz_elf
fuzz_config_SRC := tests/fuzz/fuzz_config.c hv/config.c hv/policy_text.c
fuzz_elf_SRC := tests/fuzz/fuzz_elf.c boot/elf.c
fuzz_elf_DEPS := boot/elf.h
