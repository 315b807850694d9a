# The core's machine-independent part. (hv/config.c is the loader's: see boot/module.mk.)
CORE_SRC += hv/channel.c hv/core.c hv/counter.c hv/format.c hv/frames.c hv/guestmem.c hv/hook.c hv/io.c \
	hv/lifecycle.c hv/log.c hv/pages.c hv/root_table.c hv/sentry.c hv/sentry_memory.c hv/timer.c \
	hv/tracking.c
CORE_HOT += hv/io.c hv/root_table.c hv/tracking.c net/dev/pci.c

UNIT_TESTS += test_root_table test_core_channel test_gate
test_core_channel_SRC := tests/unit/test_core_channel.c
test_core_channel_DEPS := hv/channel.c
test_gate_SRC := tests/unit/test_gate.c
test_gate_DEPS := hv/hook.c
test_root_table_SRC := tests/unit/test_root_table.c hv/root_table.c
