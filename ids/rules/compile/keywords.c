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
	{"pcre", NULL, TEXT | KEYWORD_NEGATABLE, kw_pcre},
	{"byte_test", NULL, KEYWORD_VALUE, kw_byte_test},
	{"byte_jump", NULL, KEYWORD_VALUE, kw_byte_jump},
	{"byte_extract", NULL, KEYWORD_VALUE, kw_byte_extract},
	{"byte_math", NULL, KEYWORD_VALUE, kw_byte_math},
	{"isdataat", NULL, KEYWORD_VALUE | KEYWORD_NEGATABLE, kw_isdataat},
	{"bsize", NULL, KEYWORD_VALUE, kw_bsize},
	{"base64_decode", NULL, 0, kw_base64_decode},
	{"dotprefix", NULL, KEYWORD_NO_VALUE, kw_dotprefix},
	{"to_lowercase", NULL, KEYWORD_NO_VALUE, kw_to_lowercase},
	{"to_uppercase", NULL, KEYWORD_NO_VALUE, kw_to_uppercase},
	{"strip_whitespace", NULL, KEYWORD_NO_VALUE, kw_strip_whitespace},
	{"compress_whitespace", NULL, KEYWORD_NO_VALUE, kw_compress_whitespace},
	{"url_decode", NULL, KEYWORD_NO_VALUE, kw_url_decode},
	{"xor", NULL, TEXT, kw_xor},
	{"to_md5", NULL, KEYWORD_NO_VALUE, kw_to_md5},
	{"to_sha1", NULL, KEYWORD_NO_VALUE, kw_to_sha1},
	{"to_sha256", NULL, KEYWORD_NO_VALUE, kw_to_sha256},
	{"header_lowercase", NULL, KEYWORD_NO_VALUE, kw_header_lowercase},
	{"strip_pseudo_headers", NULL, KEYWORD_NO_VALUE, kw_strip_pseudo_headers},
	{"pcrexform", NULL, TEXT, kw_pcrexform},
	{"dsize", NULL, KEYWORD_VALUE | KEYWORD_ONCE, kw_dsize},
	{"itype", NULL, KEYWORD_VALUE | KEYWORD_ONCE, kw_itype},
	{"icode", NULL, KEYWORD_VALUE | KEYWORD_ONCE, kw_icode},
	{"ttl", NULL, KEYWORD_VALUE | KEYWORD_ONCE, kw_ttl},
	{"flow", NULL, KEYWORD_VALUE | KEYWORD_ONCE, kw_flow},
};
const size_t keyword_count = sizeof(keywords) / sizeof(keywords[0]);

const struct keyword *keyword_find(const char *name)
{
	for (size_t i = 0; i < keyword_count; i++)
		if (strcmp(name, keywords[i].name) == 0 ||
		    (keywords[i].alias && strcmp(name, keywords[i].alias) == 0))
			return &keywords[i];
	return NULL;
}
