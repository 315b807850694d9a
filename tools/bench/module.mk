# make bench: instructions and exits, native and under Vigil.
.PHONY: bench print-core-src
$(O)/bench/bench: tools/bench/guest/bench.c
	@mkdir -p $(@D)
	@echo '  CC  bench  $<'
	$(Q)$(CC) $(COMMON) -D_GNU_SOURCE -O2 -static -s $< -o $@

bench:
	@tools/deps build lab
	@tools/deps fetch lwip newlib zlib pcre2 > /dev/null
	@$(MAKE) --no-print-directory all $(O)/bench/bench
	@VIGIL_BUILD=$(O) tools/bench/bench --json $(O)/bench/figures.json

print-core-src:
	@echo $(CORE_SRC)
