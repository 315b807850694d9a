# The sentry's program: libraries (newlib, lwIP) and objects. Linked in ids/sentry/link.mk, once all
# parts have named their sources.

NEWLIB := $(CACHE)/newlib-3.3.0/newlib/libc
NEWLIB_FILES := \
	$(addprefix string/,memchr memcmp memmem memrchr strcasecmp strcat strchr strcmp strcpy strcspn \
		strlcat strlcpy strlen strncasecmp strncat strncmp strncpy strnlen strpbrk strrchr strspn \
		strstr strtok_r) \
	$(addprefix stdio/,snprintf vsnprintf vfprintf) \
	$(addprefix stdlib/,malloc mallocr calloc realloc freer callocr reallocr) \
	$(addprefix search/,qsort bsearch) \
	$(addprefix reent/,impure) \
	$(addprefix errno/,errno) \
	$(addprefix ctype/,ctype_)

# A VM of its own without interrupts: SSE2 and the red zone are safe. No stack protector (no FS base),
# no unwind tables (nobody unwinds).
SENTRY_MODE := -ffreestanding -nostdinc -isystem ids/sentry/newlib -isystem $(NEWLIB)/include \
	-isystem $(shell $(CC) -print-file-name=include) -O2 -fPIE -fvisibility=hidden \
	-fno-stack-protector -fcf-protection=none -ffunction-sections -fdata-sections \
	-fno-asynchronous-unwind-tables -fno-common -D_GNU_SOURCE -DVIGIL_SENTRY
SENTRY_CFLAGS = $(COMMON) $(SENTRY_MODE) -g $(STACK_INC) -isystem $(PCRE2_SRC)

SENTRY_SRC += ids/sentry/crt0.S ids/sentry/hooks.c ids/sentry/string.c ids/sentry/main.c \
	ids/sentry/loop.c ids/sentry/introspect.c ids/sentry/introspect_hooks.c ids/sentry/process.c \
	ids/sentry/report.c \
	ids/eve/channel.c ids/proc/roots.c
# Why a VM entry of the guest failed; pure, and of the core only the names of control bits.
EXPLAIN_SRC := ids/sentry/explain.c ids/sentry/entry_check.c ids/sentry/entry_check_guest.c \
	arch/x86/vmx/control.c
SENTRY_SRC += $(EXPLAIN_SRC)
IMAGE_FILES += $(O)/sentry.elf

# A fresh cache is filled by the first rule that misses a source (named one by one: sources that only a
# pattern rule knows would be removed again as intermediate files).
$(NEWLIB_FILES:%=$(NEWLIB)/%.c) $(NEWLIB)/include/stdio.h:
	tools/deps fetch newlib > /dev/null

# Third-party code: without our warnings. vfprintf: for strings and without floating point only; the
# others of its family are pointed to it. mallocr.c holds one function for each DEFINE.
NEWLIB_CFLAGS := -std=gnu17 $(REPRO) -w $(SENTRY_MODE) -fno-builtin $(if $(IS_CLANG),,-fno-tree-loop-distribute-patterns) \
	-D_COMPILING_NEWLIB -D_LIBC -DINTERNAL_NEWLIB
NEWLIB_FLAGS_stdio/vfprintf := -DSTRING_ONLY -DINTEGER_ONLY
NEWLIB_FLAGS_stdio/snprintf := -D_svfprintf_r=_svfiprintf_r
NEWLIB_FLAGS_stdio/vsnprintf := -D_svfprintf_r=_svfiprintf_r

# Tests. test_sentry_loop runs the whole main loop with the engine and lwIP on the host;
# test_sentry_elf runs the linked image itself.
UNIT_TESTS += test_channel test_proc_roots test_entry_check
test_channel_SRC := tests/unit/test_channel.c ids/eve/channel.c
test_proc_roots_SRC := tests/unit/test_proc_roots.c ids/proc/roots.c
test_entry_check_SRC := tests/unit/test_entry_check.c $(EXPLAIN_SRC)

UNIT_TESTS += test_sentry_loop
test_sentry_loop_SRC = tests/unit/test_sentry_loop.c ids/sentry/loop.c ids/sentry/introspect.c \
	ids/sentry/introspect_hooks.c ids/sentry/process.c $(GUEST_SRC) $(PROC_SRC) $(SOCKET_SRC) $(VIEWS_SRC) $(INTEGRITY_SRC) \
	$(filter-out $(IDS_SRC),$(POLICY_SRC)) \
	ids/sentry/report.c ids/eve/channel.c ids/proc/roots.c $(IDS_WORLD) $(STACK_SRC)
test_sentry_loop_CFLAGS = $(STACK_INC)
test_sentry_loop_DEPS = $(O)/host/liblwip.a
test_sentry_loop_LIBS = $(O)/host/liblwip.a

UNIT_TESTS += test_sentry_elf
test_sentry_elf_SRC := tests/unit/test_sentry_elf.c
test_sentry_elf_CFLAGS = -fno-sanitize=all -DSENTRY_ELF='"$(abspath $(O))/sentry.elf"' \
	-DSENTRY_TEST_ELF='"$(abspath $(O))/sentry-test.elf"'
test_sentry_elf_DEPS = $(O)/sentry.elf $(O)/sentry-test.elf

UNIT_TESTS += test_sentry_string
test_sentry_string_SRC := tests/unit/test_sentry_string.c
test_sentry_string_DEPS := ids/sentry/string.c

UNIT_TESTS += test_introspect
test_introspect_SRC = tests/unit/test_introspect.c $(FAKE_KERNEL) \
	$(filter-out tests/unit/%,$(test_sentry_loop_SRC))
test_introspect_CFLAGS = $(STACK_INC)
test_introspect_DEPS = $(O)/host/liblwip.a
test_introspect_LIBS = $(O)/host/liblwip.a
