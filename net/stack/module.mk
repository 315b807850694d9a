# The sentry's frame path and lwIP, for the sentry and for the host's tests.

LWIP := $(CACHE)/lwip-2.1.3/src
LWIP_FILES := $(addprefix core/,init def inet_chksum ip mem memp netif pbuf sys timeouts udp \
	ipv4/dhcp ipv4/etharp ipv4/icmp ipv4/ip4 ipv4/ip4_addr) netif/ethernet
STACK_INC := -Inet/stack -isystem $(LWIP)/include
STACK_SRC := net/stack/forward.c net/stack/own.c net/stack/port.c net/stack/check.c
SENTRY_SRC += $(STACK_SRC)

# A fresh cache is filled by the first rule that misses a source (named one by one: sources that only a
# pattern rule knows would be removed again as intermediate files).
$(LWIP_FILES:%=$(LWIP)/%.c) $(LWIP)/include/lwip/init.h:
	tools/deps fetch lwip > /dev/null

# lwIP for the host: under the sanitizers for unit tests, for libFuzzer with clang. No -Werror: not
# our code.
$(O)/host/lwip/%.o: $(LWIP)/%.c net/stack/lwipopts.h net/stack/arch/cc.h
	@mkdir -p $(@D)
	@echo '  CC  host   lwip $*.c'
	$(Q)$(CC) -std=gnu17 -O1 -g -w -DVIGIL_HOST -I. $(STACK_INC) $(SANITIZE) -c $< -o $@
$(O)/host/liblwip.a: $(LWIP_FILES:%=$(O)/host/lwip/%.o)
	@rm -f $@
	$(Q)ar rcsD $@ $^
$(O)/fuzz/lwip/%.o: $(LWIP)/%.c net/stack/lwipopts.h net/stack/arch/cc.h
	@mkdir -p $(@D)
	@echo '  CC  fuzz   lwip $*.c'
	$(Q)clang -std=gnu17 -O1 -g -w -DVIGIL_HOST -I. $(STACK_INC) -fsanitize=fuzzer-no-link,address,undefined \
		-fno-sanitize-recover=all -c $< -o $@
$(O)/fuzz/liblwip.a: $(LWIP_FILES:%=$(O)/fuzz/lwip/%.o)
	@rm -f $@
	$(Q)ar rcsD $@ $^

UNIT_TESTS += test_stack
test_stack_SRC := tests/unit/test_stack.c $(STACK_SRC)
test_stack_CFLAGS := $(STACK_INC)
test_stack_DEPS := $(O)/host/liblwip.a
test_stack_LIBS := $(O)/host/liblwip.a

FUZZERS += fuzz_stack
fuzz_stack_SRC := tests/fuzz/fuzz_stack.c $(STACK_SRC)
fuzz_stack_CFLAGS := $(STACK_INC)
fuzz_stack_DEPS := $(O)/fuzz/liblwip.a
fuzz_stack_LIBS := $(O)/fuzz/liblwip.a
