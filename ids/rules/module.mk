# PCRE2, the regular expressions of rules: its 8-bit library without JIT, Unicode, files and locales, built
# from Debian's source for the sentry, for the host's tools, and under the sanitizers. (Linked to whatever
# has ids/rules/regex.c: tools/build/rules.mk, ids/sentry/link.mk.)
, := ,
PCRE2 := $(CACHE)/pcre2-10.42/src
PCRE2_FILES := auto_possess chartables compile context error find_bracket match match_data newline pattern_info script_run \
	string_utils study tables ucd valid_utf xclass
PCRE2_SRC := $(O)/pcre2
# Limits are set again for each call (regex.c). A parenthesis costs stack when it is compiled: 32 are enough
# for every rule that we know.
PCRE2_CFLAGS := -std=gnu17 $(REPRO) -w -I$(PCRE2_SRC) -I$(PCRE2) -include ids/rules/regex_work.h -I. \
	-DPCRE2_CODE_UNIT_WIDTH=8 -DPCRE2_STATIC -DSUPPORT_PCRE2_8 -DHAVE_MEMMOVE -DLINK_SIZE=2 -DNEWLINE_DEFAULT=2 \
	-DHEAP_LIMIT=64 -DMATCH_LIMIT=3500 -DMATCH_LIMIT_DEPTH=1500 -DPARENS_NEST_LIMIT=32 \
	-DMAX_NAME_SIZE=64 -DMAX_NAME_COUNT=100
HOST_CFLAGS += -isystem $(PCRE2_SRC)

$(PCRE2_FILES:%=$(PCRE2)/pcre2_%.c) $(PCRE2)/pcre2.h.generic $(PCRE2)/pcre2_chartables.c.dist:
	tools/deps fetch pcre2 > /dev/null
$(PCRE2_SRC)/pcre2.h: $(PCRE2)/pcre2.h.generic
	@mkdir -p $(@D)
	$(Q)cp $< $@
$(PCRE2_SRC)/pcre2_chartables.c: $(PCRE2)/pcre2_chartables.c.dist
	@mkdir -p $(@D)
	$(Q)cp $< $@
# Its own limits count backtracking for each place that a match may begin at. What bounds the whole work is
# counted where each item of a pattern begins (regex_work.h).
PCRE2_ITEM := Fop = (uint8_t)(\*Fecode);
$(PCRE2_SRC)/pcre2_match.c: $(PCRE2)/pcre2_match.c
	@mkdir -p $(@D)
	$(Q)sed 's/$(PCRE2_ITEM)/REGEX_WORK(mb, Feptr); &/' $< > $@.tmp
	$(Q)[ "$$(grep -c 'REGEX_WORK(mb, Feptr); Fop' $@.tmp)" = 1 ] || { echo '$@: not patched' >&2; exit 1; }
	$(Q)mv $@.tmp $@
PCRE2_OWN := $(addprefix $(PCRE2_SRC)/pcre2_,match.c chartables.c)

# $(1): folder below $(O), $(2): compiler and flags, $(3): what it says, $(4): the library
define PCRE2_RULES
$(O)/$(1)/%.o: $(PCRE2_SRC)/%.c $(PCRE2_SRC)/pcre2.h ids/rules/regex_work.h
	@mkdir -p $$(@D)
	@echo '  CC  $(3)  pcre2 $$*.c'
	$$(Q)$(2) $(PCRE2_CFLAGS) -c $$< -o $$@
$(O)/$(1)/%.o: $(PCRE2)/%.c $(PCRE2_SRC)/pcre2.h ids/rules/regex_work.h
	@mkdir -p $$(@D)
	@echo '  CC  $(3)  pcre2 $$*.c'
	$$(Q)$(2) $(PCRE2_CFLAGS) -c $$< -o $$@
$(4): $(PCRE2_FILES:%=$(O)/$(1)/pcre2_%.o)
	@rm -f $$@
	$$(Q)ar rcsD $$@ $$^
endef
$(eval $(call PCRE2_RULES,host/pcre2,$(CC) -O1 -g $(SANITIZE),host ,$(O)/host/libpcre2.a))
$(eval $(call PCRE2_RULES,fuzz/pcre2,clang -O1 -g -fsanitize=fuzzer-no-link$(,)address$(,)undefined \
	-fno-sanitize-recover=all,fuzz ,$(O)/fuzz/libpcre2.a))
$(eval $(call PCRE2_RULES,tools/pcre2,$(CC) -O2 -g,tool ,$(O)/tools/libpcre2.a))
$(eval $(call PCRE2_RULES,sentry-pcre2,$(CC) $$(SENTRY_MODE),sentry,$(O)/libpcre2.a))
