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
