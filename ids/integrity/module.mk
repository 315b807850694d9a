# Integrity of the guest's kernel: in the sentry and on the host.
INTEGRITY_SRC := $(addprefix ids/integrity/,integrity.c tell.c owner.c sites.c probed.c text.c text_page.c \
	tables.c modules.c code.c cpu.c descriptors.c creds.c patchers.c bpf.c) ids/eve/integrity.c
SENTRY_SRC += $(INTEGRITY_SRC)
