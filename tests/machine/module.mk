# The machine tests' UEFI applications: tests/machine/NAME.c with the common part.
MACHINE_APPS := cpu msr control memory events modes smp triple net broken hooks
MACHINE_COMMON := $(addprefix $(O)/efi/,tests/machine/machine.o tests/machine/trap.o hv/format.o \
	arch/x86/string.o boot/mem.o)

$(O)/efi/tests/machine/%.o: tests/machine/%.S
	@mkdir -p $(@D)
	@echo '  AS  efi    $<'
	$(Q)$(CC) $(EFI_CFLAGS) -D__ASSEMBLER__ $(DEPFLAGS) -c $< -o $@

define MACHINE_APP
$(O)/efi/machine-$(1).so: $(O)/efi/tests/machine/$(1).o $$(MACHINE_COMMON)
endef
$(foreach a,$(MACHINE_APPS),$(eval $(call MACHINE_APP,$(a))))
$(O)/efi/machine-events.so: $(O)/efi/tests/machine/events_nmi.o
$(O)/efi/machine-modes.so: $(O)/efi/tests/machine/modes_way.o
$(O)/efi/machine-smp.so: $(O)/efi/tests/machine/smp_start.o
MACHINE_FILES := $(MACHINE_APPS:%=$(O)/tests/machine-%.efi)

# core.elf with a hook; nothing of the core itself is compiled for it.
$(O)/core-test.elf: $(O)/core/tests/machine/core_hook.o $(O)/core.elf
	@echo '  LD         $@'
	$(Q)ld -static -pie --no-dynamic-linker -z text -z noexecstack -z separate-code --gc-sections \
		--build-id=none -T arch/x86/core.lds --wrap=on_vmcall --wrap=upcall_hook -o $@.tmp $(CORE_OBJ) $<
	$(Q)tools/build/check-elf --no-sse $@.tmp
	$(Q)mv $@.tmp $@

.PHONY: machine-test-files
machine-test-files: $(MACHINE_FILES) $(O)/vigil.efi $(O)/core.elf $(O)/core-test.elf $(O)/sentry.elf

-include $(wildcard $(O)/efi/tests/machine/*.d $(O)/core/tests/machine/*.d)
