# Integrity of the guest's kernel: in the sentry and on the host.
INTEGRITY_SRC := $(addprefix ids/integrity/,integrity.c tell.c owner.c sites.c probed.c text.c text_page.c \
	tables.c modules.c code.c cpu.c descriptors.c creds.c patchers.c bpf.c) ids/eve/integrity.c
SENTRY_SRC += $(INTEGRITY_SRC)

# Their test stands on a kernel of its own, which implements ids/guest/kernel.h and ids/proc.
UNIT_TESTS += test_integrity
test_integrity_SRC := tests/unit/test_integrity.c tests/unit/integrity_world.c ids/guest/mem.c \
	$(addprefix ids/integrity/,integrity.c tell.c owner.c sites.c probed.c text.c text_page.c tables.c modules.c \
	code.c) ids/eve/integrity.c ids/eve/eve.c ids/eve/json.c ids/eve/time.c

# Tests of single checks: the kernel's part and integrity_impl.h's are played by integrity_stage.c.
INTEGRITY_STAGE_TESTS := test_integrity_cpu test_integrity_creds test_integrity_patchers test_integrity_bpf
UNIT_TESTS += $(INTEGRITY_STAGE_TESTS)
test_integrity_cpu_SRC := tests/unit/test_integrity_cpu.c tests/unit/integrity_stage.c \
	ids/integrity/cpu.c ids/integrity/descriptors.c
test_integrity_creds_SRC := tests/unit/test_integrity_creds.c tests/unit/integrity_stage.c ids/integrity/creds.c
test_integrity_patchers_SRC := tests/unit/test_integrity_patchers.c tests/unit/integrity_stage.c \
	ids/integrity/patchers.c
test_integrity_bpf_SRC := tests/unit/test_integrity_bpf.c tests/unit/integrity_stage.c ids/integrity/bpf.c \
	ids/proc/pidtable.c

FUZZERS += fuzz_integrity
fuzz_integrity_SRC := tests/fuzz/fuzz_integrity.c $(INTEGRITY_SRC) ids/guest/mem.c ids/guest/module.c ids/guest/wanted.c \
	ids/proc/pidtable.c ids/eve/eve.c ids/eve/json.c ids/eve/time.c
fuzz_integrity_DEPS := $(wildcard ids/guest/*.h ids/integrity/*.h)
