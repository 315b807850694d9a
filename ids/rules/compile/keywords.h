/* The rule language's keywords: one const table. Host only.
 *
 * To add a keyword: an entry in keywords.c, its parse function in the file of its family (kw_*.c),
 * and if it is a new kind of condition an entry in ids/rules/op.c with check and match.
 */
#pragma once

#include "ids/rules/compile/rule.h"

#define KEYWORD_NO_VALUE  0x01 /* takes none */
#define KEYWORD_VALUE	  0x02 /* must have one */
#define KEYWORD_NEGATABLE 0x04 /* `!` before the value */
#define KEYWORD_ONCE	  0x08
#define KEYWORD_QUOTED	  0x10 /* the value stands in double quotes; they are taken off */
#define KEYWORD_BARE	  0x80 /* ... or without them */

struct keyword {
	const char *name, *alias; /* alias: an older name, or NULL */
	unsigned flags;
	/* `value`: trimmed, NULL if there is none; may be changed. False: refused. */
	bool (*parse)(struct parse *p, char *value, bool negated);
};

#define KEYWORDS_MAX 128
extern const struct keyword keywords[];
extern const size_t keyword_count;

/* NULL: unknown. */
const struct keyword *keyword_find(const char *name);

/* kw_meta.c: what an alert says */
bool kw_msg(struct parse *p, char *value, bool negated);
bool kw_sid(struct parse *p, char *value, bool negated);
bool kw_gid(struct parse *p, char *value, bool negated);
bool kw_rev(struct parse *p, char *value, bool negated);
bool kw_classtype(struct parse *p, char *value, bool negated);
bool kw_priority(struct parse *p, char *value, bool negated);
bool kw_metadata(struct parse *p, char *value, bool negated);
bool kw_noalert(struct parse *p, char *value, bool negated);
bool kw_prefilter(struct parse *p, char *value, bool negated);
bool kw_target(struct parse *p, char *value, bool negated);
bool kw_requires(struct parse *p, char *value, bool negated);
bool kw_ignored(struct parse *p, char *value, bool negated);
/* kw_content.c: payload */
bool kw_content(struct parse *p, char *value, bool negated);
bool kw_nocase(struct parse *p, char *value, bool negated);
bool kw_rawbytes(struct parse *p, char *value, bool negated);
bool kw_offset(struct parse *p, char *value, bool negated);
bool kw_depth(struct parse *p, char *value, bool negated);
bool kw_distance(struct parse *p, char *value, bool negated);
bool kw_within(struct parse *p, char *value, bool negated);
bool kw_startswith(struct parse *p, char *value, bool negated);
bool kw_endswith(struct parse *p, char *value, bool negated);
bool kw_fast_pattern(struct parse *p, char *value, bool negated);
/* Settle what only the whole rule tells (called once, at its end). */
bool content_finish(struct parse *p);
/* kw_buffer.c: which buffer conditions look into. The keywords are the names in app_buffers, and a
 * few that say more. */
bool buffer_keyword(const char *name);
bool kw_buffer(struct parse *p, const char *name, const char *value);
bool kw_uricontent(struct parse *p, char *value, bool negated);
bool kw_tls_subject(struct parse *p, char *value, bool negated);
bool kw_tls_issuerdn(struct parse *p, char *value, bool negated);
bool kw_tls_fingerprint(struct parse *p, char *value, bool negated);
bool kw_urilen(struct parse *p, char *value, bool negated);
/* passes.c: where the rule is looked at; false (refused): it contradicts itself */
bool passes_check(struct parse *p);
/* snort.c: what Snort 3 writes in another way */
bool snort_option(const char *name);
bool snort_parse(struct parse *p, const char *name, char *value);
/* kw_pcre.c */
bool kw_pcre(struct parse *p, char *value, bool negated);
/* kw_bytes.c */
bool kw_byte_test(struct parse *p, char *value, bool negated);
bool kw_byte_jump(struct parse *p, char *value, bool negated);
bool kw_byte_extract(struct parse *p, char *value, bool negated);
bool kw_byte_math(struct parse *p, char *value, bool negated);
/* kw_place.c */
bool kw_isdataat(struct parse *p, char *value, bool negated);
bool kw_bsize(struct parse *p, char *value, bool negated);
/* kw_base64.c */
bool kw_base64_decode(struct parse *p, char *value, bool negated);
/* kw_transform.c: for the buffer that is looked into from here on */
bool kw_dotprefix(struct parse *p, char *value, bool negated);
bool kw_to_lowercase(struct parse *p, char *value, bool negated);
bool kw_to_uppercase(struct parse *p, char *value, bool negated);
bool kw_strip_whitespace(struct parse *p, char *value, bool negated);
bool kw_compress_whitespace(struct parse *p, char *value, bool negated);
bool kw_url_decode(struct parse *p, char *value, bool negated);
bool kw_xor(struct parse *p, char *value, bool negated);
bool kw_to_md5(struct parse *p, char *value, bool negated);
bool kw_to_sha1(struct parse *p, char *value, bool negated);
bool kw_to_sha256(struct parse *p, char *value, bool negated);
bool kw_header_lowercase(struct parse *p, char *value, bool negated);
bool kw_strip_pseudo_headers(struct parse *p, char *value, bool negated);
bool kw_pcrexform(struct parse *p, char *value, bool negated);
/* kw_packet.c: the packet as a whole */
/* N, =N, !N, !=N, <N, <=N, >N, >=N, N<>M and N-M (both between, ends excluded) into the number
 * condition `op`. `value` is changed. */
bool parse_range(struct parse *p, const char *name, char *value, uint64_t max, struct blob_op *op);
bool kw_dsize(struct parse *p, char *value, bool negated);
bool kw_itype(struct parse *p, char *value, bool negated);
bool kw_icode(struct parse *p, char *value, bool negated);
bool kw_ttl(struct parse *p, char *value, bool negated);
bool kw_flow(struct parse *p, char *value, bool negated);
/* kw_header.c: numbers and bits of the headers */
bool kw_flags(struct parse *p, char *value, bool negated);
bool kw_seq(struct parse *p, char *value, bool negated);
bool kw_ack(struct parse *p, char *value, bool negated);
bool kw_window(struct parse *p, char *value, bool negated);
bool kw_mss(struct parse *p, char *value, bool negated);
bool kw_id(struct parse *p, char *value, bool negated);
bool kw_tos(struct parse *p, char *value, bool negated);
bool kw_fragbits(struct parse *p, char *value, bool negated);
bool kw_fragoffset(struct parse *p, char *value, bool negated);
bool kw_ipopts(struct parse *p, char *value, bool negated);
bool kw_ip_proto(struct parse *p, char *value, bool negated);
bool kw_sameip(struct parse *p, char *value, bool negated);
bool kw_icmp_id(struct parse *p, char *value, bool negated);
bool kw_icmp_seq(struct parse *p, char *value, bool negated);
bool kw_icmpv6_mtu(struct parse *p, char *value, bool negated);
bool kw_stream_size(struct parse *p, char *value, bool negated);
/* kw_app.c: events, protocols, numbers of transactions; the process at the guest's end */
bool kw_decode_event(struct parse *p, char *value, bool negated);
bool kw_stream_event(struct parse *p, char *value, bool negated);
bool kw_app_layer_event(struct parse *p, char *value, bool negated);
bool kw_app_layer_protocol(struct parse *p, char *value, bool negated);
bool kw_dns_opcode(struct parse *p, char *value, bool negated);
bool kw_dns_rcode(struct parse *p, char *value, bool negated);
bool kw_dns_rrtype(struct parse *p, char *value, bool negated);
bool kw_tls_version(struct parse *p, char *value, bool negated);
bool kw_ssl_version(struct parse *p, char *value, bool negated);
bool kw_ssl_state(struct parse *p, char *value, bool negated);
bool kw_tls_chain_len(struct parse *p, char *value, bool negated);
bool kw_process_uid(struct parse *p, char *value, bool negated);
bool kw_process_hidden(struct parse *p, char *value, bool negated);
bool kw_process_unknown(struct parse *p, char *value, bool negated);
/* kw_state.c */
bool kw_flowbits(struct parse *p, char *value, bool negated);
bool kw_hostbits(struct parse *p, char *value, bool negated);
bool kw_xbits(struct parse *p, char *value, bool negated);
bool kw_flowint(struct parse *p, char *value, bool negated);
/* kw_threshold.c */
bool kw_threshold(struct parse *p, char *value, bool negated);
bool kw_detection_filter(struct parse *p, char *value, bool negated);
bool kw_tag(struct parse *p, char *value, bool negated);
