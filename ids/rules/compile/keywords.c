#include <string.h>

#include "ids/rules/compile/keywords.h"

#define TEXT (KEYWORD_VALUE | KEYWORD_QUOTED)

const struct keyword keywords[] = {
	{"msg", NULL, TEXT | KEYWORD_ONCE, kw_msg},
	{"sid", NULL, KEYWORD_VALUE | KEYWORD_ONCE, kw_sid},
	{"gid", NULL, KEYWORD_VALUE | KEYWORD_ONCE, kw_gid},
	{"rev", NULL, KEYWORD_VALUE | KEYWORD_ONCE, kw_rev},
	{"classtype", NULL, KEYWORD_VALUE | KEYWORD_ONCE, kw_classtype},
	{"priority", NULL, KEYWORD_VALUE | KEYWORD_ONCE, kw_priority},
	{"metadata", NULL, KEYWORD_VALUE, kw_metadata},
	{"reference", NULL, KEYWORD_VALUE, kw_ignored},
	{"noalert", NULL, KEYWORD_NO_VALUE, kw_noalert},
	{"content", NULL, TEXT | KEYWORD_NEGATABLE, kw_content},
	{"nocase", NULL, KEYWORD_NO_VALUE, kw_nocase},
	{"rawbytes", NULL, KEYWORD_NO_VALUE, kw_rawbytes},
	{"offset", NULL, KEYWORD_VALUE, kw_offset},
	{"depth", NULL, KEYWORD_VALUE, kw_depth},
	{"distance", NULL, KEYWORD_VALUE, kw_distance},
	{"within", NULL, KEYWORD_VALUE, kw_within},
	{"startswith", NULL, KEYWORD_NO_VALUE, kw_startswith},
	{"endswith", NULL, KEYWORD_NO_VALUE, kw_endswith},
	{"fast_pattern", NULL, 0, kw_fast_pattern},
	{"uricontent", NULL, TEXT | KEYWORD_NEGATABLE, kw_uricontent},
	{"tls.subject", NULL, TEXT | KEYWORD_NEGATABLE, kw_tls_subject},
	{"tls.issuerdn", NULL, TEXT | KEYWORD_NEGATABLE, kw_tls_issuerdn},
	{"tls.fingerprint", NULL, TEXT | KEYWORD_NEGATABLE, kw_tls_fingerprint},
	{"urilen", NULL, KEYWORD_VALUE | KEYWORD_ONCE, kw_urilen},
	{"dsize", NULL, KEYWORD_VALUE | KEYWORD_ONCE, kw_dsize},
	{"itype", NULL, KEYWORD_VALUE | KEYWORD_ONCE, kw_itype},
	{"icode", NULL, KEYWORD_VALUE | KEYWORD_ONCE, kw_icode},
	{"ttl", NULL, KEYWORD_VALUE | KEYWORD_ONCE, kw_ttl},
	{"flags", "tcp.flags", KEYWORD_VALUE | KEYWORD_ONCE, kw_flags},
	{"seq", "tcp.seq", KEYWORD_VALUE, kw_seq},
	{"ack", "tcp.ack", KEYWORD_VALUE, kw_ack},
	{"window", "tcp.window", KEYWORD_VALUE, kw_window},
	{"tcp.mss", NULL, KEYWORD_VALUE, kw_mss},
	{"id", NULL, KEYWORD_VALUE, kw_id},
	{"tos", NULL, KEYWORD_VALUE, kw_tos},
	{"fragbits", NULL, KEYWORD_VALUE, kw_fragbits},
	{"fragoffset", NULL, KEYWORD_VALUE, kw_fragoffset},
	{"ipopts", NULL, KEYWORD_VALUE, kw_ipopts},
	{"ip_proto", NULL, KEYWORD_VALUE, kw_ip_proto},
	{"sameip", NULL, KEYWORD_NO_VALUE, kw_sameip},
	{"icmp_id", NULL, KEYWORD_VALUE, kw_icmp_id},
	{"icmp_seq", NULL, KEYWORD_VALUE, kw_icmp_seq},
	{"icmpv6.mtu", NULL, KEYWORD_VALUE, kw_icmpv6_mtu},
	{"stream_size", NULL, KEYWORD_VALUE, kw_stream_size},
	{"decode-event", NULL, KEYWORD_VALUE, kw_decode_event},
	{"stream-event", NULL, KEYWORD_VALUE, kw_stream_event},
	{"app-layer-event", NULL, KEYWORD_VALUE, kw_app_layer_event},
	{"app-layer-protocol", NULL, KEYWORD_VALUE | KEYWORD_NEGATABLE, kw_app_layer_protocol},
	{"dns.opcode", "dns_opcode", KEYWORD_VALUE, kw_dns_opcode},
	{"dns.rcode", NULL, KEYWORD_VALUE, kw_dns_rcode},
	{"dns.rrtype", NULL, KEYWORD_VALUE, kw_dns_rrtype},
	{"tls.version", NULL, KEYWORD_VALUE | KEYWORD_NEGATABLE, kw_tls_version},
	{"ssl_version", NULL, KEYWORD_VALUE, kw_ssl_version},
	{"ssl_state", NULL, KEYWORD_VALUE, kw_ssl_state},
	{"tls.cert_chain_len", NULL, KEYWORD_VALUE, kw_tls_chain_len},
	{"process.uid", NULL, KEYWORD_VALUE, kw_process_uid},
	{"process.hidden", NULL, KEYWORD_NO_VALUE, kw_process_hidden},
	{"process.unknown", NULL, KEYWORD_NO_VALUE, kw_process_unknown},
	{"flowbits", NULL, KEYWORD_VALUE, kw_flowbits},
	{"hostbits", NULL, KEYWORD_VALUE, kw_hostbits},
	{"xbits", NULL, KEYWORD_VALUE, kw_xbits},
	{"flowint", NULL, KEYWORD_VALUE, kw_flowint},
	{"threshold", NULL, KEYWORD_VALUE, kw_threshold},
	{"detection_filter", NULL, KEYWORD_VALUE, kw_detection_filter},
	{"tag", NULL, KEYWORD_VALUE, kw_tag},
	{"requires", NULL, KEYWORD_VALUE, kw_requires},
	{"prefilter", NULL, KEYWORD_NO_VALUE, kw_prefilter},
	{"target", NULL, KEYWORD_VALUE | KEYWORD_ONCE, kw_target},
	{"flow", NULL, KEYWORD_VALUE | KEYWORD_ONCE, kw_flow},
};
_Static_assert(sizeof(keywords) / sizeof(keywords[0]) <= KEYWORDS_MAX, "more keywords than that");
const size_t keyword_count = sizeof(keywords) / sizeof(keywords[0]);

const struct keyword *keyword_find(const char *name)
{
	for (size_t i = 0; i < keyword_count; i++)
		if (strcmp(name, keywords[i].name) == 0 ||
		    (keywords[i].alias && strcmp(name, keywords[i].alias) == 0))
			return &keywords[i];
	return NULL;
}
