# The guest's kernel seen from outside: in the sentry and on the host.
GUEST_SRC := $(addprefix ids/guest/,mem.c kernel.c image.c kallsyms.c btf.c module.c wanted.c)
SENTRY_SRC += $(GUEST_SRC)
