# The application layer, with zlib's inflate from the cache (each of its files is a source of ours that
# includes it, so that the same flags hold; it counts as system header, without our warnings).
ZLIB := $(CACHE)/zlib-1.2.13
APP_ZLIB := $(addprefix ids/app/zlib/,adler32.c crc32.c inffast.c inflate.c inftrees.c)
APP_SRC := $(addprefix ids/app/,app.c buffer.c decode.c detect.c event.c pool.c \
	dns.c dns_name.c dns_record.c tls.c tls_cert.c tls_hello.c x509.c \
	http.c http_body.c http_buffer.c http_headers.c http_line.c http_request.c http_response.c http_status.c \
	http_uri.c) \
	$(APP_ZLIB)
HOST_CFLAGS += -isystem $(ZLIB)
$(APP_ZLIB:%.c=$(O)/sentry/%.o) $(O)/sentry/ids/app/decode.o: SENTRY_CFLAGS += -isystem $(ZLIB)
# A fresh cache is filled before the first of them is compiled.
$(APP_ZLIB) ids/app/decode.c: | $(ZLIB)/inflate.c ;
$(ZLIB)/inflate.c:
	tools/deps fetch zlib > /dev/null

# The detection engine. IDS_SRC runs in the sentry and on the host; VIGILC_SRC, the rule compiler, only
# on the host.
IDS_SRC := ids/engine.c ids/engine_act.c ids/engine_conv.c ids/engine_tx.c \
	ids/eve/json.c ids/eve/time.c ids/eve/eve.c ids/eve/alert.c ids/eve/address.c ids/eve/community.c ids/digest.c \
	$(addprefix ids/packet/,decode.c event.c icmp.c ip4.c ip6.c link.c ppp.c sum.c tunnel.c upper.c) \
	$(addprefix ids/flow/,defrag.c flow.c overlap.c pieces.c reassemble.c \
		session.c session_check.c session_data.c session_synack.c stream.c stream_event.c) $(APP_SRC) \
	ids/policy/gate.c ids/policy/check.c \
	ids/rules/blob.c ids/rules/crc32c.c ids/rules/mpm.c ids/rules/matcher.c \
	ids/rules/header.c ids/rules/candidates.c \
	ids/rules/op.c ids/rules/op_content.c ids/rules/op_packet.c ids/rules/op_buffer.c \
	ids/rules/op_field.c ids/rules/op_process.c ids/rules/op_state.c ids/rules/op_threshold.c \
	ids/rules/state.c \
	$(addprefix ids/rules/,op_pcre.c op_bytes.c op_place.c op_base64.c op_transform.c regex.c \
	regex_heap.c scratch.c transform.c base64.c)
SENTRY_SRC += $(IDS_SRC)

VIGILC_SRC := $(addprefix ids/rules/compile/,classtype.c compile.c intervals.c keywords.c kw_content.c \
	kw_app.c kw_buffer.c kw_header.c kw_meta.c kw_packet.c kw_state.c kw_threshold.c names.c mpm_build.c options.c output.c output_mpm.c output_rule.c \
	output_sets.c parse.c passes.c policy.c policy_values.c reasons.c sets.c snort.c text.c vars.c kw_pcre.c kw_bytes.c \
	kw_place.c kw_base64.c kw_transform.c) hv/policy_text.c

HOST_TOOLS += vigilc vigil-replay
vigilc_SRC := tools/vigilc/main.c $(VIGILC_SRC) $(IDS_SRC)
vigilc_DEPS := $(wildcard ids/*.h ids/*/*.h ids/rules/compile/*.h)
vigil-replay_SRC := tools/replay/main.c $(VIGILC_SRC) $(IDS_SRC)
vigil-replay_DEPS := $(vigilc_DEPS)
vigil-replay_LIBS := -lpcap

# Tests that need rules compile them; IDS_WORLD gives them an engine and frames.
IDS_WORLD := tests/unit/ids_world.c $(VIGILC_SRC) $(IDS_SRC)
IDS_TESTS := test_rules test_rules_bytes test_rules_pcre test_transform test_blob test_matcher test_packet test_eve test_engine test_conversation test_defrag test_headers test_tunnel
UNIT_TESTS += $(IDS_TESTS)
# Tests of the matcher alone have a bench around it.
BENCH_TESTS := test_rules_mix test_rules_buffers test_rules_header test_rules_snort test_rules_state
UNIT_TESTS += $(BENCH_TESTS)
$(foreach t,$(BENCH_TESTS),$(eval $(t)_SRC := tests/unit/$(t).c tests/unit/rule_bench.c $(IDS_WORLD)) \
	$(eval $(t)_DEPS := tests/unit/rule_bench.h $(vigilc_DEPS)))
STREAM_TESTS := test_stream test_session
UNIT_TESTS += $(STREAM_TESTS)
$(foreach t,$(STREAM_TESTS),$(eval $(t)_SRC := tests/unit/$(t).c tests/unit/stream_bench.c $(IDS_SRC)) \
	$(eval $(t)_DEPS := tests/unit/stream_bench.h $(vigilc_DEPS)))
$(foreach t,$(IDS_TESTS),$(eval $(t)_SRC := tests/unit/$(t).c $(IDS_WORLD)) \
	$(eval $(t)_DEPS := $(vigilc_DEPS)))

# Tests of the application layer alone.
APP_TESTS := test_app test_http test_dns test_tls test_inflate
UNIT_TESTS += $(APP_TESTS)
$(foreach t,$(APP_TESTS),$(eval $(t)_SRC := tests/unit/$(t).c tests/unit/app_world.c $(APP_SRC) ids/digest.c) \
	$(eval $(t)_DEPS := $(vigilc_DEPS)))

APP_FUZZERS := fuzz_http fuzz_dns fuzz_tls
FUZZERS += $(APP_FUZZERS)
$(foreach t,$(APP_FUZZERS),$(eval $(t)_SRC := tests/fuzz/$(t).c tests/unit/app_world.c $(APP_SRC) ids/digest.c) \
	$(eval $(t)_DEPS := tests/fuzz/app_fuzz.h $(vigilc_DEPS)))

IDS_FUZZERS := fuzz_conversation fuzz_rules fuzz_blob fuzz_frame fuzz_defrag fuzz_stream fuzz_regex
FUZZERS += $(IDS_FUZZERS)
$(foreach t,$(IDS_FUZZERS),$(eval $(t)_SRC := tests/fuzz/$(t).c $(VIGILC_SRC) $(IDS_SRC)) \
	$(eval $(t)_DEPS := tests/fuzz/ids_fuzz.h tests/fuzz/rule_fuzz.h $(vigilc_DEPS)))
