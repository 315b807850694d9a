# The policy engine. gate.c and check.c, which the blob needs too, are in ids/module.mk.

# Names of system calls, from the compiler's headers.
SYSCALL_NAMES := $(O)/gen/syscall_names.c
$(SYSCALL_NAMES): tools/build/syscall-names
	@mkdir -p $(@D)
	@echo '  GEN        $@'
	$(Q)tools/build/syscall-names $(CC) > $@

POLICY_SRC := $(addprefix ids/policy/,policy.c tell.c match.c caller.c layout.c hooks.c gate_exec.c gate_socket.c \
	gate_task.c gate_cred.c gate_load.c gate_mount.c gate_file.c gate_syscall.c) ids/eve/syscall.c \
	$(SYSCALL_NAMES)
SENTRY_SRC += $(POLICY_SRC)

# Tests: the kernel's and the tasks' part is played by policy_world.c.
POLICY_WORLD := tests/unit/policy_world.c $(POLICY_SRC) $(VIGILC_SRC) $(IDS_SRC)
POLICY_TESTS := test_policy test_policy_text
UNIT_TESTS += $(POLICY_TESTS)
$(foreach t,$(POLICY_TESTS),$(eval $(t)_SRC := tests/unit/$(t).c $(POLICY_WORLD)) \
	$(eval $(t)_DEPS := $(vigilc_DEPS)))
test_policy_text_SRC += boot/policy.c hv/config.c ids/rules/blob_seal.c

FUZZERS += fuzz_policy_text fuzz_policy_gates
fuzz_policy_text_SRC := tests/fuzz/fuzz_policy_text.c boot/policy.c hv/config.c ids/rules/blob_seal.c \
	ids/policy/match.c $(VIGILC_SRC) $(IDS_SRC)
fuzz_policy_text_DEPS := $(vigilc_DEPS)
fuzz_policy_gates_SRC := tests/fuzz/fuzz_policy_gates.c $(POLICY_WORLD)
fuzz_policy_gates_DEPS := $(vigilc_DEPS) tests/unit/policy_world.h
