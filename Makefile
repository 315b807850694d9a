# Vigil: build, run and test. `make help` lists the targets.
#
# Each part has a module.mk beside its sources, included below. What a module.mk may use and add to:
#   O            output folder (build/, or build-clang/ with CC=clang)
#   CACHE        third-party sources and libraries (VIGIL_CACHE, default ~/.cache/vigil)
#   WARN         warning flags; CORE_CFLAGS, SENTRY_CFLAGS, EFI_CFLAGS, HOST_CFLAGS: the four worlds' flags
#   CORE_SRC     sources (C and .S) of the core, all that runs in VMX root mode
#   CORE_HOT     those of them on the hot exit paths
#   SENTRY_SRC   sources of the sentry (newlib and lwIP are linked to it)
#   IMAGE_FILES  files the boot image needs
#   UNIT_TESTS   names of unit tests: X is built from X_SRC (tests/unit/... plus the sources under test)
#   FUZZERS      names of libFuzzer targets, built from X_SRC
#   HOST_TOOLS   host programs to build into $(O)/tools
.DEFAULT_GOAL := all
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
IS_CLANG := $(findstring clang,$(CC))
O ?= build$(if $(IS_CLANG),-clang)
CACHE := $(abspath $(or $(VIGIL_CACHE),$(HOME)/.cache/vigil))
VERSION := 0.1.0
# V=1 shows the commands.
Q := $(if $(V),,@)

WARN := -Wall -Wextra -Wconversion -Wshadow -Wmissing-prototypes -Werror
REPRO := -ffile-prefix-map=$(O)=build -ffile-prefix-map=$(CURDIR)=. -ffile-prefix-map=$(CACHE)=cache -fno-ident -Wa,--noexecstack
COMMON := -std=gnu17 $(WARN) $(REPRO) -I. -DVIGIL_VERSION='"$(VERSION)"'
# The compiler's own freestanding headers (stdint.h and the like), and nothing else of the host's.
FREESTANDING := -ffreestanding -nostdinc -isystem $(shell $(CC) -print-file-name=include)

# The core: general registers only, because it never saves the guest's SSE state; no red zone, because
# NMIs use its stacks; position independent, because boot/ loads it anywhere.
CORE_CFLAGS := $(COMMON) $(FREESTANDING) -O2 -g -mno-red-zone -mgeneral-regs-only -fPIE \
	-fvisibility=hidden -fno-stack-protector -fcf-protection=none -ffunction-sections \
	-fdata-sections -fno-asynchronous-unwind-tables -fno-omit-frame-pointer -fno-common -DVIGIL_CORE
# Unit tests, fuzzers and host tools: the same sources, on the host.
HOST_CFLAGS := $(COMMON) -O1 -g -D_GNU_SOURCE -DVIGIL_HOST
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

CORE_SRC :=
CORE_HOT :=
SENTRY_SRC :=
IMAGE_FILES :=
UNIT_TESTS :=
FUZZERS :=
HOST_TOOLS :=

include $(sort $(wildcard arch/x86/module.mk hv/module.mk net/module.mk ids/module.mk boot/module.mk \
	tools/module.mk tests/module.mk tests/*/module.mk tools/*/module.mk ids/*/module.mk net/*/module.mk))

include tools/build/rules.mk
