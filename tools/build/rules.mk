# The rules shared by all parts: linking the core, unit tests, fuzzers, host tools, lint.

# --- core.elf: static PIE, checked ----------------------------------------------------------------
CORE_OBJ := $(patsubst %,$(O)/core/%.o,$(basename $(CORE_SRC)))
DEPFLAGS = -MMD -MP -MF $(basename $@).d

# The hot exits: no frame pointers (a panic's backtrace passes over these).
$(patsubst %.c,$(O)/core/%.o,$(CORE_HOT)): CORE_CFLAGS += -fomit-frame-pointer

$(O)/core/%.o: %.c
	@mkdir -p $(@D)
	@echo '  CC  core   $<'
	$(Q)$(CC) $(CORE_CFLAGS) $(DEPFLAGS) -c $< -o $@
$(O)/core/%.o: %.S
	@mkdir -p $(@D)
	@echo '  AS  core   $<'
	$(Q)$(CC) $(CORE_CFLAGS) -D__ASSEMBLER__ $(DEPFLAGS) -c $< -o $@

# Only R_X86_64_RELATIVE may remain (the loader knows no other), nothing undefined, no SSE. The image is
# stripped, because firmware reads files slowly; core.elf.debug has the symbols for a panic's addresses.
$(O)/core.elf: $(CORE_OBJ) arch/x86/core.lds tools/build/check-elf
	@mkdir -p $(@D)
	@echo '  LD         $@'
	$(Q)ld -static -pie --no-dynamic-linker -z text -z noexecstack -z separate-code --gc-sections \
		--build-id=none -T arch/x86/core.lds -o $@.tmp $(CORE_OBJ)
	$(Q)tools/build/check-elf --no-sse $@.tmp
	$(Q)objcopy -S $@.tmp $@
	$(Q)mv $@.tmp $@.debug

# The library of regular expressions, for what has them: $(1) the program, $(2) the folder.
REGEX_LIB = $(if $(filter ids/rules/regex.c,$($(1)_SRC)),$(O)/$(2)/libpcre2.a)

# What many programs of the host share is compiled once for each set of flags: $(1) the set, $(2) compiler and
# flags. Programs link the objects: $(call SHARED,program,set) beside $(call OWN,program), their other sources.
SHARED_SRC := $(sort $(IDS_SRC) $(VIGILC_SRC))
SHARED = $(patsubst %.c,$(O)/obj/$(2)/%.o,$(filter $(SHARED_SRC),$($(1)_SRC)))
OWN = $(filter-out $(SHARED_SRC),$($(1)_SRC))
define SHARED_RULE
$(O)/obj/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	@echo '  CC  $(1)   $$<'
	$$(Q)$(2) -MMD -MP -MF $$(basename $$@).d -c $$< -o $$@
-include $(SHARED_SRC:%.c=$(O)/obj/$(1)/%.d)
endef
FUZZ_CC = clang $(HOST_CFLAGS) -Wno-unknown-warning-option -fno-sanitize-recover=all
$(eval $(call SHARED_RULE,unit,$$(CC) $$(HOST_CFLAGS) $$(SANITIZE)))
$(eval $(call SHARED_RULE,fuzz,$$(FUZZ_CC) -fsanitize=fuzzer-no-link$(,)address$(,)undefined))
$(eval $(call SHARED_RULE,tool,$$(CC) $$(HOST_CFLAGS) -O2))

# --- unit tests: cmocka, ASan + UBSan ---------------------------------------------------------------
define UNIT_RULE
$(O)/unit/$(1): $$(call OWN,$(1)) $$(call SHARED,$(1),unit) $$($(1)_DEPS) $(call REGEX_LIB,$(1),host) $$(wildcard hv/*.h arch/x86/*.h arch/x86/*/*.h net/*/*.h ids/*.h ids/*/*.h tests/unit/*.h)
	@mkdir -p $$(@D)
	@echo '  CC  unit   $(1)'
	$$(Q)$$(CC) $$(HOST_CFLAGS) $$(SANITIZE) $$($(1)_CFLAGS) $$(call OWN,$(1)) $$(call SHARED,$(1),unit) -o $$@ -lcmocka $$($(1)_LIBS) $(call REGEX_LIB,$(1),host)
endef
$(foreach t,$(UNIT_TESTS),$(eval $(call UNIT_RULE,$(t))))
UNIT_BIN := $(addprefix $(O)/unit/,$(UNIT_TESTS))

# --- fuzzers: libFuzzer (clang) ---------------------------------------------------------------------
define FUZZ_RULE
$(O)/fuzz/$(1): $$(call OWN,$(1)) $$(call SHARED,$(1),fuzz) $$($(1)_DEPS) $(call REGEX_LIB,$(1),fuzz)
	@mkdir -p $$(@D)
	@echo '  CC  fuzz   $(1)'
	$$(Q)$$(FUZZ_CC) -fsanitize=fuzzer,address,undefined $$($(1)_CFLAGS) $$(call OWN,$(1)) $$(call SHARED,$(1),fuzz) -o $$@ $$($(1)_LIBS) $(call REGEX_LIB,$(1),fuzz)
endef
$(foreach t,$(FUZZERS),$(eval $(call FUZZ_RULE,$(t))))
FUZZ_BIN := $(addprefix $(O)/fuzz/,$(FUZZERS))

# --- host tools -------------------------------------------------------------------------------------
define TOOL_RULE
$(O)/tools/$(1): $$(call OWN,$(1)) $$(call SHARED,$(1),tool) $$($(1)_DEPS) $(call REGEX_LIB,$(1),tools) $$(wildcard hv/*.h ids/*.h ids/*/*.h net/stack/*.h)
	@mkdir -p $$(@D)
	@echo '  CC  tool   $(1)'
	$$(Q)$$(CC) $$(HOST_CFLAGS) -O2 $$($(1)_CFLAGS) $$(call OWN,$(1)) $$(call SHARED,$(1),tool) -o $$@ $$($(1)_LIBS) $(call REGEX_LIB,$(1),tools)
endef
$(foreach t,$(HOST_TOOLS),$(eval $(call TOOL_RULE,$(t))))
TOOL_BIN := $(addprefix $(O)/tools/,$(HOST_TOOLS))

.PHONY: all help clean build-unit build-fuzz host-tools
all: $(IMAGE_FILES) $(TOOL_BIN)
host-tools: $(TOOL_BIN)
build-unit: $(UNIT_BIN)
build-fuzz: $(FUZZ_BIN)

clean:
	rm -rf build build-clang

help:
	@echo 'make            build the image files (vigil.efi, core.elf, sentry.elf) and the host tools'
	@echo 'make run        a Debian guest under Vigil, alerts shown live (installs what it needs)'
	@echo 'make test       all tests (installs what it needs); make test-unit: seconds, host only'
	@echo 'make bench      exits and instructions against the figures of the design'
	@echo 'make fuzz       a minute of every fuzz target; make soak: hours'
	@echo 'make lint       clang-format, clang-tidy, shellcheck'
	@echo 'make deps       only install and fetch what the build needs'
	@echo 'make clean      remove build output (the third-party cache stays: rm -r ~/.cache/vigil)'

-include $(CORE_OBJ:.o=.d)

include ids/sentry/link.mk
