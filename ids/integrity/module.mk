# Integrity of the guest's kernel: in the sentry and on the host.
INTEGRITY_SRC := $(addprefix ids/integrity/,integrity.c tell.c owner.c sites.c probed.c text.c text_page.c \
	tables.c modules.c code.c cpu.c descriptors.c creds.c patchers.c bpf.c) ids/eve/integrity.c
SENTRY_SRC += $(INTEGRITY_SRC)

# Their test stands on a kernel of its own, which implements ids/guest/kernel.h and ids/proc.
UNIT_TESTS += test_integrity
test_integrity_SRC := tests/unit/test_integrity.c tests/unit/integrity_world.c ids/guest/mem.c \
	$(addprefix ids/integrity/,integrity.c tell.c owner.c sites.c probed.c text.c text_page.c tables.c modules.c \
	code.c) ids/eve/integrity.c ids/eve/eve.c ids/eve/json.c ids/eve/time.c
