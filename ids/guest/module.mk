# The guest's kernel seen from outside: in the sentry and on the host.
GUEST_SRC := $(addprefix ids/guest/,mem.c kernel.c glance.c image.c kallsyms.c kallsyms_search.c btf.c module.c wanted.c)
SENTRY_SRC += $(GUEST_SRC)

# Tests: the fake guest is used by those of ids/proc and ids/sentry as well.
FAKE_KERNEL := $(addprefix tests/unit/,fake_kernel.c fake_kallsyms.c fake_btf.c fake_task.c)
UNIT_TESTS += test_guest_mem test_kernel test_btf
test_guest_mem_SRC := tests/unit/test_guest_mem.c ids/guest/mem.c $(FAKE_KERNEL)
test_kernel_SRC := tests/unit/test_kernel.c $(GUEST_SRC) $(FAKE_KERNEL)
test_btf_SRC := tests/unit/test_btf.c $(GUEST_SRC) $(FAKE_KERNEL)

GUEST_FUZZERS := fuzz_btf fuzz_kallsyms fuzz_kernel
FUZZERS += $(GUEST_FUZZERS)
$(foreach t,$(GUEST_FUZZERS),$(eval $(t)_SRC := tests/fuzz/$(t).c $(GUEST_SRC) $(FAKE_KERNEL)) \
	$(eval $(t)_DEPS := tests/fuzz/kernel_fuzz.h tests/unit/fake_kernel.h $(wildcard ids/guest/*.h)))
