# Running the tests. What they need beside the image, a module.mk adds to TEST_FILES.
.PHONY: test test-unit fuzz soak lint build-tests list-unit list-fuzz
TEST_FILES = $(O)/sentry-test.elf $(O)/guestdump/guestdump boot-test-files guest-test-files $(if $(MACHINE_FILES),machine-test-files)

# After `all`: the recursive make would build the same files at the same time.
build-tests: all build-unit build-fuzz
	@$(MAKE) --no-print-directory $(TEST_FILES)

# For tests/run: what there is.
list-unit:
	@echo $(UNIT_BIN)
list-fuzz:
	@echo $(FUZZ_BIN)

test:
	@tools/deps build lab test
	@tools/deps fetch lwip newlib zlib pcre2 > /dev/null
	@VIGIL_BUILD=$(O) tests/run

test-unit:
	@tools/deps build test
	@tools/deps fetch lwip newlib zlib pcre2 > /dev/null
	@VIGIL_BUILD=$(O) tests/run --unit

# Seconds of each fuzzer; hours of everything.
FUZZ_SECONDS ?= 60
HOURS ?= 8
fuzz:
	@tools/deps build test
	@tools/deps fetch lwip newlib zlib pcre2 > /dev/null
	@VIGIL_BUILD=$(O) tests/run --fuzz $(FUZZ_SECONDS)
soak:
	@tools/deps build lab test
	@tools/deps fetch lwip newlib zlib pcre2 > /dev/null
	@VIGIL_BUILD=$(O) tests/run --soak $(HOURS)
lint:
	@tools/deps build test
	@VIGIL_BUILD=$(O) tests/run --no-build --only '^lint/'
