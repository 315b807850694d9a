# Compiling and linking the sentry. Included by tools/build/rules.mk after all module.mk, because the
# other parts add to SENTRY_SRC.

SENTRY_THIRD := $(NEWLIB)/include/stdio.h $(LWIP)/include/lwip/init.h $(PCRE2_SRC)/pcre2.h

$(O)/sentry/%.o: %.c | $(SENTRY_THIRD)
	@mkdir -p $(@D)
	@echo '  CC  sentry $<'
	$(Q)$(CC) $(SENTRY_CFLAGS) $(DEPFLAGS) -c $< -o $@
$(O)/sentry/%.o: %.S
	@mkdir -p $(@D)
	@echo '  AS  sentry $<'
	$(Q)$(CC) $(SENTRY_CFLAGS) -D__ASSEMBLER__ $(DEPFLAGS) -c $< -o $@
# The same with the test hooks: the only two objects that differ.
$(O)/sentry-test/%.o: %.c | $(SENTRY_THIRD)
	@mkdir -p $(@D)
	@echo '  CC  sentry $< (with test hooks)'
	$(Q)$(CC) $(SENTRY_CFLAGS) -DVIGIL_TEST_HOOKS $(DEPFLAGS) -c $< -o $@

$(O)/newlib/%.o: $(NEWLIB)/%.c ids/sentry/newlib/newlib.h | $(SENTRY_THIRD)
	@mkdir -p $(@D)
	@echo '  CC  newlib $*.c'
	$(Q)$(CC) $(NEWLIB_CFLAGS) $(NEWLIB_FLAGS_$*) -c $< -o $@
define NEWLIB_MALLOC
$(O)/newlib/stdlib/$(1).o: $(NEWLIB)/stdlib/mallocr.c ids/sentry/newlib/newlib.h | $$(SENTRY_THIRD)
	@mkdir -p $$(@D)
	@echo '  CC  newlib stdlib/$(1)'
	$$(Q)$$(CC) $$(NEWLIB_CFLAGS) -DDEFINE_$(2) -c $$< -o $$@
endef
$(foreach f,mallocr:MALLOC freer:FREE callocr:CALLOC reallocr:REALLOC,$(eval \
	$(call NEWLIB_MALLOC,$(firstword $(subst :, ,$(f))),$(lastword $(subst :, ,$(f))))))
$(O)/libc.a: $(NEWLIB_FILES:%=$(O)/newlib/%.o)
	@rm -f $@
	$(Q)ar rcsD $@ $^

$(O)/sentry-lwip/%.o: $(LWIP)/%.c net/stack/lwipopts.h net/stack/arch/cc.h | $(SENTRY_THIRD)
	@mkdir -p $(@D)
	@echo '  CC  lwip   $*.c'
	$(Q)$(CC) -std=gnu17 $(REPRO) -w $(SENTRY_MODE) -I. $(STACK_INC) -c $< -o $@
$(O)/liblwip.a: $(LWIP_FILES:%=$(O)/sentry-lwip/%.o)
	@rm -f $@
	$(Q)ar rcsD $@ $^

SENTRY_OBJ := $(patsubst %,$(O)/sentry/%.o,$(basename $(SENTRY_SRC)))
SENTRY_TEST_DIFF := $(O)/sentry-test/ids/sentry/loop.o $(O)/sentry-test/ids/sentry/testhooks.o
SENTRY_TEST_OBJ := $(filter-out $(O)/sentry/ids/sentry/loop.o,$(SENTRY_OBJ)) $(SENTRY_TEST_DIFF)

# As the core: one static PIE, only R_X86_64_RELATIVE, nothing undefined. libgcc for what the
# compilers may call (128-bit arithmetic); the red zone that it uses is safe here. Stripped as the core
# is; the symbols for a fault's address are in sentry.elf.debug.
define SENTRY_LINK
	@echo '  LD         $@'
	$(Q)ld -static -pie --no-dynamic-linker -z text -z noexecstack -z separate-code --gc-sections \
		--build-id=none -T ids/sentry/sentry.lds -o $@.tmp $(1) --start-group $(O)/libc.a \
		$(O)/liblwip.a $(O)/libpcre2.a --end-group $(shell gcc -print-libgcc-file-name)
	$(Q)tools/build/check-elf $@.tmp
	$(Q)objcopy -S $@.tmp $@
	$(Q)mv $@.tmp $@.debug
endef
SENTRY_LIBS := $(O)/libc.a $(O)/liblwip.a $(O)/libpcre2.a ids/sentry/sentry.lds tools/build/check-elf
$(O)/sentry.elf: $(SENTRY_OBJ) $(SENTRY_LIBS)
	$(call SENTRY_LINK,$(SENTRY_OBJ))
$(O)/sentry-test.elf: $(SENTRY_TEST_OBJ) $(SENTRY_LIBS)
	$(call SENTRY_LINK,$(SENTRY_TEST_OBJ))

-include $(SENTRY_OBJ:.o=.d) $(SENTRY_TEST_DIFF:.o=.d)
