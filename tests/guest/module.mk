# Static programs for the guests of tests/linux (some serve on the host's side too).
GUEST_PROGRAMS := pingpong getpids bulk udp storm revshell memexec inject bpfdir
GUEST_BIN := $(GUEST_PROGRAMS:%=$(O)/guest/bin/%)

$(O)/guest/bin/%: tests/guest/%.c
	@mkdir -p $(@D)
	@echo '  CC  guest  $*'
	$(Q)$(CC) $(COMMON) -D_GNU_SOURCE -O2 -static -s $< -o $@

.PHONY: guest-test-files
guest-test-files: $(GUEST_BIN)
